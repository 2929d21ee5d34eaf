//! Controls about a `oneshot` whose sender is known: lent to a process, or in the state of one that waits between two messages. There is
//! one sender, which cannot be cloned, so whoever has it as a port is the only one who could end the wait; unless it has left the state
//! in which it lay, or somebody else can let its holder go on. What is proven is in `rust.rs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use roundrock::prelude::*;

use crate::control::{control, control_anywhere, instance};

/// Where a sender lies that a handler has given away.
type Table = Arc<Mutex<HashMap<usize, OneshotSender<u32>>>>;

/// Gives the answer, as soon as it lies there.
fn answer_from(table: &Table, index: usize) {
    loop {
        let answer = table.lock().expect("not poisoned").remove(&index);
        if let Some(answer) = answer {
            return answer.send(7).expect("somebody asks");
        }
        std::thread::yield_now();
    }
}

/// Keeps answers until it is told to give them.
#[process(name = "desk")]
pub(crate) struct Desk {
    kept: Vec<OneshotSender<u32>>,
    open: bool,
}

#[handlers]
impl Desk {
    fn keep(&mut self, answer: OneshotSender<u32>) {
        self.kept.push(answer);
        if self.open {
            self.answer();
        }
    }

    fn answer(&mut self) {
        self.open = true;
        for answer in self.kept.drain(..) {
            answer.send(7).expect("somebody asks");
        }
    }

    /// Gives what it keeps to somebody outside.
    fn give_away(&mut self, table: Table, index: usize) {
        let answer = self.kept.pop().expect("it keeps one");
        table.lock().expect("not poisoned").insert(index, answer);
    }

    /// The same, and then waits in its handler.
    async fn give_away_and_wait(&mut self, table: Table, index: usize, wait: Receiver<()>) {
        self.give_away(table, index);
        wait.recv().await;
    }
}

pub(crate) fn desk() -> Desk {
    Desk {
        kept: Vec::new(),
        open: false,
    }
}

/// Waits for an answer that the desk keeps.
#[process]
pub(crate) async fn asks(desk: &DeskHandle) -> Result<()> {
    let (answer, question) = oneshot();
    desk.keep(answer).await?;
    ensure!(question.await == Some(7), "no answer");
    Ok(())
}

/// Waits for an answer, and is waited for meanwhile.
#[process]
async fn waits(question: OneshotReceiver<u32>, busy: &Sender<()>) {
    assert_eq!(question.await, Some(7));
    let _ = busy;
}

/// Somebody outside has a handle of the desk too.
#[test]
fn a_desk_that_somebody_else_can_ask() {
    control_anywhere(|scope, _| {
        let desk = scope.spawn(desk());
        let outside = desk.clone();
        instance(scope.spawn(asks(desk)), move || {
            outside.answer().try_send().expect("there is room");
        })
    });
}

/// A handler has given the sender away: the desk waits for a message again, and does not have it any more.
#[test]
fn an_answer_that_was_given_away() {
    let table = Table::default();
    control_anywhere(move |scope, index| {
        let (desk, (answer, question)) = (scope.spawn(desk()), oneshot());
        desk.keep(answer).try_send().expect("there is room");
        let given = desk.give_away(Arc::clone(&table), index).try_send();
        given.expect("there is room");
        let table = Arc::clone(&table);
        // Whoever could send to the desk waits for the answer.
        let ends = scope.spawn(waits_with(desk, question));
        instance(ends, move || answer_from(&table, index))
    });
}

#[process]
async fn waits_with(desk: &DeskHandle, question: OneshotReceiver<u32>) {
    assert_eq!(question.await, Some(7));
    let _ = desk;
}

/// The same in the middle of a handler, which waits for the one who asks: the list of what the desk has is an old one then.
#[test]
fn an_answer_that_was_given_away_in_the_handler() {
    let table = Table::default();
    control_anywhere(move |scope, index| {
        let (desk, (answer, question)) = (scope.spawn(desk()), oneshot());
        let (busy, wait) = rendezvous();
        desk.keep(answer).try_send().expect("there is room");
        let given = desk
            .give_away_and_wait(Arc::clone(&table), index, wait)
            .try_send();
        given.expect("there is room");
        let table = Arc::clone(&table);
        let ends = scope.spawn(waits(question, busy));
        instance(ends, move || {
            answer_from(&table, index);
            drop(desk);
        })
    });
}

/// The sender is in a local variable of a process that waits for the one who asks, and beside that for somebody outside.
#[test]
fn an_answer_in_a_local_variable() {
    control_anywhere(|scope, _| {
        let ((answer, question), (go, wait)) = (oneshot(), bounded::<u32>(1));
        let (busy, ends) = rendezvous();
        scope.task("has", async move {
            select! {
                _ = wait.recv() => {}
                _ = ends.recv() => {}
            }
            answer.send(7).expect("somebody asks");
        });
        instance(scope.spawn(waits(question, busy)), move || {
            go.try_send(1).expect("there is room");
        })
    });
}

/// It is lent to somebody who lives, and ends at his own time: then nobody is left who could answer.
#[test]
fn an_answer_that_ends_with_its_holder() {
    #[process]
    async fn holds(answer: &OneshotSender<u32>, until: &Receiver<()>) {
        until.recv().await;
        let _ = answer;
    }

    control(|scope, _| {
        let ((answer, question), (go, until)) = (oneshot::<u32>(), bounded(1));
        scope.spawn(holds(answer, until));
        let ends = scope.task("waits", async move { assert_eq!(question.await, None) });
        instance(ends, move || go.try_send(()).expect("there is room"))
    });
}

/// Several values that look alike: a `latest` and a `broadcast` have senders that can be cloned, so who was lent one says nothing.
#[test]
fn a_latest_and_a_broadcast_are_no_oneshots() {
    #[process]
    async fn changes(own: &LatestSender<u32>, value: LatestReceiver<u32>) {
        let _ = value.changed().await;
        let _ = own;
    }

    #[process]
    async fn hears(own: &BroadcastSender<u32>, news: BroadcastReceiver<u32>) {
        news.recv().await;
        let _ = own;
    }

    control(|scope, _| {
        let (sender, value) = latest(0);
        let outside = sender.clone();
        instance(scope.spawn(changes(sender, value)), move || {
            outside.set(1);
        })
    });
    control(|scope, _| {
        let (sender, news) = broadcast(1);
        let outside = sender.clone();
        instance(scope.spawn(hears(sender, news)), move || {
            outside.try_send(1).expect("there is room");
        })
    });
}
