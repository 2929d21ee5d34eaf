//! The holders of channels, `task/ports.rs`, and the pass that adds them up, `leaks/pass.rs`: however a pass and the processes are
//! interleaved, nobody is proven stuck who runs again, and the memory that a pass follows is there. What stands still is proven.
//!
//! Processes, ports, channels and the pass are the production ones. One thread of the model is the worker and everybody outside,
//! another one searches.
//!
//! Tried: a process that gets the room of a permit woken after the channel is unlocked (it is proven stuck, and runs); Relaxed where
//! a worker stores `Line::wait` (a process that has ended is read as parked and waiting for nothing, and is proven stuck).

use loom::thread;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use super::{Race, model, system};
use crate::leaks;
use crate::prelude::*;
use crate::scheduler::worker::Worker;
use crate::scope::ScopeInner;
use crate::sync::{Lock, without_light_fences};

/// A system, its one worker, and what both threads know.
struct Lab {
    scope: Scope,
    worker: Worker,
    race: Arc<Race>,
}

impl Lab {
    fn new() -> Self {
        without_light_fences();
        let inner = ScopeInner::new(system(1), "model", None, None);
        let worker = inner.system.scheduler.worker();
        Self {
            scope: Scope::from_inner(inner),
            worker,
            race: Arc::default(),
        }
    }

    /// A process that waits for a message, another sender than its own, and how often it has run.
    fn one_that_waits(&self) -> (Task<()>, Sender<u32>, Arc<AtomicUsize>) {
        let (out, input) = bounded(1);
        let ran = Arc::new(AtomicUsize::new(0));
        let process = takes(input, out.clone(), Arc::clone(&ran));
        let task = self.scope.spawn(process);
        self.worker.run_ready();
        (task, out, ran)
    }

    /// Searches on another thread, which says how many processes it has proven stuck.
    fn search(&self) -> thread::JoinHandle<usize> {
        let (system, race) = (Arc::clone(&self.scope.inner.system), Arc::clone(&self.race));
        thread::spawn(move || {
            race.step();
            let found = leaks::search(&system);
            found
                .iter()
                .filter(|leak| leak.is_proven())
                .map(|leak| leak.count)
                .sum()
        })
    }

    /// Searches while `act` is done, and everybody runs who can. Returns how many were proven.
    fn search_during(&self, act: impl FnOnce()) -> usize {
        let search = self.search();
        self.race.step();
        act();
        self.worker.run_ready();
        search.join().unwrap()
    }

    /// Stops what is left, so that the model ends with nothing.
    fn stop(&self) {
        self.scope.inner.begin_stop(std::time::Duration::ZERO);
        self.worker.run_ready();
    }
}

/// Waits for one message.
#[process]
async fn takes(input: &Receiver<u32>, own: &Sender<u32>, ran: &Arc<AtomicUsize>) {
    let _ = own;
    if input.recv().await.is_some() {
        ran.fetch_add(1, Ordering::SeqCst);
    }
}

/// A sender is used, and then dropped, before it is counted: the counts say that only the process itself has one.
#[test]
fn a_message_that_is_sent_before_the_count_is_seen_after_it() {
    model("send, drop, search", 3, || {
        let lab = Lab::new();
        let here = lab.worker.enter();
        let (task, out, ran) = lab.one_that_waits();
        let proven = lab.search_during(|| {
            out.try_send(7).expect("there is room");
            drop(out);
        });
        assert_eq!(ran.load(Ordering::SeqCst), 1);
        assert_eq!(proven, 0, "it has run");
        drop((task, here));
    });
}

/// The same, where the sender goes unused: then it is true, and a pass that begins afterwards says so.
#[test]
fn what_stands_still_is_proven() {
    model("drop, search, search", 3, || {
        let lab = Lab::new();
        let here = lab.worker.enter();
        let (task, out, ran) = lab.one_that_waits();
        assert!(lab.search_during(|| drop(out)) <= 1);
        assert_eq!(lab.search().join().unwrap(), 1);
        lab.stop();
        assert_eq!(ran.load(Ordering::SeqCst), 0);
        drop((task, here));
    });
}

/// Polls once, from nowhere.
fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits for room in a channel whose only receiver it has.
#[process]
async fn fills(out: &Sender<u32>, input: &Receiver<u32>, ran: &Arc<AtomicUsize>) -> Result<()> {
    out.send(1).await?;
    ran.fetch_add(1, Ordering::SeqCst);
    input.recv().await;
    Ok(())
}

/// Room is given back by somebody who has no receiver, and nothing at all before it is looked for: who gets the room has run.
#[test]
fn room_that_is_given_back_before_the_look_is_seen_after_it() {
    model("permit given back, search", 3, || {
        let lab = Lab::new();
        let here = lab.worker.enter();
        let (out, input) = bounded(1);
        let ran = Arc::new(AtomicUsize::new(0));
        let room = match poll(&mut Box::pin(out.clone().ready_owned())) {
            Poll::Ready(room) => room.expect("it is open"),
            Poll::Pending => unreachable!("there is room"),
        };
        let task = lab.scope.spawn(fills(out, input, Arc::clone(&ran)));
        lab.worker.run_ready();
        let proven = lab.search_during(|| drop(room));
        assert_eq!(ran.load(Ordering::SeqCst), 1);
        assert_eq!(proven, 0, "it has run");
        drop((task, here));
    });
}

/// Waits for a first message, and then for one from elsewhere, before it sends.
#[process]
async fn turns(first: &Receiver<u32>, then: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
    first.recv().await;
    let message = then.recv().await.unwrap_or(0);
    out.send(message).await?;
    Ok(())
}

/// Two that wait for each other as long as one of them waits for its first message. It runs while it is looked at, and parks again,
/// for something that comes from outside.
#[test]
fn who_ran_between_two_looks_is_not_judged_by_the_first() {
    model("send, turn, search", 2, || {
        let lab = Lab::new();
        let here = lab.worker.enter();
        let ran = Arc::new(AtomicUsize::new(0));
        let (first, to_turn) = bounded(1);
        let (then, to_go_on) = bounded(1);
        let (out, input) = bounded(1);
        let one = lab
            .scope
            .spawn(takes(input, first.clone(), Arc::clone(&ran)));
        let other = lab.scope.spawn(turns(to_turn, to_go_on, out));
        lab.worker.run_ready();
        let proven = lab.search_during(|| {
            first.try_send(7).expect("there is room");
            drop(first);
        });
        then.try_send(8).expect("there is room");
        lab.worker.run_ready();
        assert_eq!(ran.load(Ordering::SeqCst), 1);
        assert_eq!(proven, 0, "both have run");
        drop((one, other, here));
    });
}

/// Keeps a sender in its state, and gives it away; then it waits in its handler.
#[process(mailbox = 1)]
struct Keeper {
    sender: Option<Sender<u32>>,
    then: Receiver<u32>,
    given: Given,
}

type Given = Arc<Lock<Option<Sender<u32>>>>;

#[handlers]
impl Keeper {
    async fn give(&mut self) {
        *self.given.lock() = self.sender.take();
        self.then.recv().await;
    }
}

/// Waits for a message on the sender that the keeper has, and holds everything that the keeper waits for.
#[process]
async fn trusts(
    input: &Receiver<u32>,
    keeper: &KeeperHandle,
    then: &Sender<u32>,
    ran: &Arc<AtomicUsize>,
) -> Result<()> {
    let message = input.recv().await.unwrap_or(0);
    ran.fetch_add(1, Ordering::SeqCst);
    then.send(message).await?;
    let _ = keeper;
    Ok(())
}

/// A sender leaves the state of an idle process, which from then on waits for who waits for that sender. What its ports said before
/// is no longer so.
#[test]
fn what_lay_in_a_state_may_be_used_by_who_took_it() {
    model("give, search", 2, || {
        let lab = Lab::new();
        let here = lab.worker.enter();
        let (ran, given) = (Arc::new(AtomicUsize::new(0)), Given::new(Lock::new(None)));
        let ((out, input), (go_on, then)) = (bounded(1), bounded(1));
        let keeper = lab.scope.spawn(Keeper {
            sender: Some(out),
            then,
            given: Arc::clone(&given),
        });
        let waits = lab
            .scope
            .spawn(trusts(input, keeper.clone(), go_on, Arc::clone(&ran)));
        lab.worker.run_ready();
        let proven = lab.search_during(|| {
            keeper.give().try_send().expect("it is idle");
            drop(keeper);
        });
        let sender = given.lock().take().expect("it was given");
        sender.try_send(7).expect("there is room");
        drop(sender);
        lab.worker.run_ready();
        assert_eq!(ran.load(Ordering::SeqCst), 1);
        assert_eq!(proven, 0, "both have run");
        assert_eq!(lab.scope.inner.alive(), 0);
        drop((waits, here));
    });
}

/// Everybody who has an endpoint goes while the pass looks at the channel.
#[test]
fn a_channel_that_goes_is_kept_for_the_pass() {
    model("kill, search", 3, || {
        let lab = Lab::new();
        let here = lab.worker.enter();
        let (out, input) = bounded(1);
        let task = lab.scope.spawn(takes(input, out, Arc::default()));
        lab.worker.run_ready();
        let proven = lab.search_during(|| task.kill());
        assert!(proven <= 1, "a kill is no way to go on");
        drop((task, here));
    });
}
