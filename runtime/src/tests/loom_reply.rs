//! The cell of a call in `process/reply.rs`: a caller that waits is woken for the answer and sees it whole; an answer and a
//! caller that leaves see each other, so that the answer is dropped once and the cell is freed by one of them. Who watches for the
//! caller to go is woken when it has left or has its answer, whenever the watch began.
//!
//! A cell that is touched after it was freed shows as a race with `ReplyCell::free`, one that is not freed as an answer or a
//! waker that is never dropped.
//!
//! Tried: Relaxed in `ReplyCell::change` (a race on the waker).

use loom::thread;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::{Counted, Drops, Race, block_on, model, waker};
use crate::process::caller::{CallerGone, Presence};
use crate::process::reply::{Question, ReplySlot, question};

type Asked = Question<Counted, ()>;

/// A waker that counts its wakes, and whose drop is counted.
struct Other {
    woken: Arc<AtomicUsize>,
    _counted: Counted,
}

impl Wake for Other {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::Relaxed);
    }
}

fn other(woken: &Arc<AtomicUsize>, drops: &Drops) -> Waker {
    Waker::from(Arc::new(Other {
        woken: Arc::clone(woken),
        _counted: drops.value(),
    }))
}

/// A call whose first poll was that of `waker`, and whose message is on its way.
fn asked(waker: &Waker) -> (Asked, ReplySlot<Counted, ()>) {
    let (mut question, slot) = question();
    let mut cx = Context::from_waker(waker);
    question.prepare(&mut cx);
    (question, slot)
}

/// Waits for the answer, with the waker of this thread.
fn wait(question: &mut Asked) -> bool {
    block_on(poll_fn(|cx| match question.take(cx) {
        Some(answer) => Poll::Ready(answer.is_ok()),
        None => Poll::Pending,
    }))
}

#[test]
fn a_caller_that_waits_gets_the_answer() {
    model("reply: wait", 3, || {
        let drops = Drops::default();
        let value = drops.value();
        let (mut question, slot) = asked(&waker());
        let server = thread::spawn(move || slot.answer(Ok(value)));
        assert!(wait(&mut question));
        server.join().unwrap();
        assert_eq!(drops.count(), 1, "the answer is dropped once");
    });
}

#[test]
fn a_call_that_moves_wakes_who_polled_it_last() {
    model("reply: move", 3, || {
        let (drops, woken) = (Drops::default(), Arc::default());
        let (value, first) = (drops.value(), other(&woken, &drops));
        let (mut question, slot) = asked(&first);
        drop(first);
        let server = thread::spawn(move || slot.answer(Ok(value)));
        // A second poll that changes nothing, and then that of another task.
        assert!(wait(&mut question));
        server.join().unwrap();
        drop(question);
        assert!(woken.load(Ordering::Relaxed) <= 1);
        assert_eq!(drops.count(), 2, "answer and waker are dropped once");
    });
}

#[test]
fn a_caller_that_leaves_and_the_answer_see_each_other() {
    model("reply: leave", 3, || {
        let (drops, woken) = (Drops::default(), Arc::default());
        let (value, first) = (drops.value(), other(&woken, &drops));
        let (mut question, slot) = asked(&first);
        let race = Arc::new(Race::default());
        let server = thread::spawn({
            let race = Arc::clone(&race);
            move || {
                race.step();
                let wanted = !slot.abandoned();
                slot.answer(Ok(value));
                wanted
            }
        });
        race.step();
        let mut cx = Context::from_waker(&first);
        let answered = question.take(&mut cx).is_some();
        drop(first);
        drop(question);
        let wanted = server.join().unwrap();
        assert!(wanted || !answered, "who takes an answer has not left");
        assert_eq!(drops.count(), 2, "answer and waker are dropped once");
    });
}

#[test]
fn a_message_that_is_dropped_ends_the_call() {
    model("reply: drop", 3, || {
        let (mut question, slot) = asked(&waker());
        let server = thread::spawn(move || drop(slot));
        assert!(!wait(&mut question));
        server.join().unwrap();
    });
}

/// Whether the caller of a call is known to have gone, and nobody else holds what says so.
fn is_marked(presence: Arc<Presence>) -> bool {
    let shares = Arc::strong_count(&presence);
    let polled =
        pin!(CallerGone::of(Some(presence), 0)).poll(&mut Context::from_waker(Waker::noop()));
    shares == 1 && polled.is_ready()
}

#[test]
fn who_watches_is_woken_when_the_caller_leaves() {
    model("reply: watch", 3, || {
        let drops = Drops::default();
        let value = drops.value();
        let (question, mut slot) = asked(&waker());
        let server = thread::spawn(move || {
            let presence = slot.watch(None).unwrap();
            block_on(CallerGone::of(Some(Arc::clone(&presence)), 0));
            assert!(slot.abandoned());
            slot.answer(Ok(value));
            presence
        });
        drop(question);
        assert!(is_marked(server.join().unwrap()));
        assert_eq!(drops.count(), 1, "the answer is dropped once");
    });
}

#[test]
fn a_caller_that_has_its_answer_is_not_there_any_more() {
    model("reply: watch an answer", 3, || {
        let drops = Drops::default();
        let value = drops.value();
        let (mut question, mut slot) = asked(&waker());
        let server = thread::spawn(move || {
            let presence = slot.watch(None).unwrap();
            slot.answer(Ok(value));
            presence
        });
        assert!(wait(&mut question));
        assert!(is_marked(server.join().unwrap()));
        assert_eq!(drops.count(), 1, "the answer is dropped once");
    });
}

#[test]
fn a_watched_call_that_moves_and_leaves() {
    model("reply: watch a move", 3, || {
        let (drops, woken) = (Drops::default(), Arc::default());
        let (value, first) = (drops.value(), other(&woken, &drops));
        let (mut question, mut slot) = asked(&first);
        drop(first);
        let server = thread::spawn(move || {
            let presence = slot.watch(None).unwrap();
            slot.answer(Ok(value));
            presence
        });
        // A poll of another task, which takes the first waker back.
        let answered = question
            .take(&mut Context::from_waker(Waker::noop()))
            .is_some();
        drop(question);
        assert!(is_marked(server.join().unwrap()));
        assert!(answered || drops.count() == 2);
        assert_eq!(drops.count(), 2, "answer and waker are dropped once");
    });
}
