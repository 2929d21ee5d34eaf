//! Histories of senders and receivers on real threads must be linearizable: as if each operation had happened at one moment
//! between its call and its return. P1, P5, P8.
//!
//! The search is that of J. M. Wing and C. Gong, "Testing and verifying concurrent objects" (1993), with the memory of G. Lowe,
//! "Testing for linearizability" (2017): take any operation that was called before the first return among those that are left,
//! if the sequential channel allows it then; go on from there; come back if that leads nowhere, and never to the same place twice.
//!
//! Rendezvous channels are left out: a send and its receive happen at the same moment there, so they are no sequential object.
//!
//! Threads only: all of it: plain threads whose operations overlap.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard};
use std::thread;

use roundrock::channel::{Receiver, Sender, TryRecvError, TrySendError};
use roundrock_tests::{Random, channel_of, watched};

/// What was done, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Sent(u32),
    Full,
    Refused,
    Got(u32),
    Empty,
    End,
    SenderGone,
    ReceiverGone,
}

/// An operation with the moments of its call and its return, in an order that all threads agree on.
#[derive(Debug, Clone, Copy)]
struct Operation {
    called: u64,
    returned: u64,
    done: Done,
}

/// A channel that does one thing after another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Channel {
    capacity: usize,
    queue: VecDeque<u32>,
    senders: usize,
    receivers: usize,
}

impl Channel {
    /// The channel afterwards, if it could do that.
    fn after(&self, done: Done) -> Option<Self> {
        let mut next = self.clone();
        let fits = match done {
            Done::Sent(message) => {
                next.queue.push_back(message);
                self.receivers > 0 && self.queue.len() < self.capacity
            }
            Done::Full => self.receivers > 0 && self.queue.len() >= self.capacity,
            Done::Refused => self.receivers == 0,
            Done::Got(message) => next.queue.pop_front() == Some(message),
            Done::Empty => self.queue.is_empty() && self.senders > 0,
            Done::End => self.queue.is_empty() && self.senders == 0,
            Done::SenderGone => {
                next.senders -= 1;
                true
            }
            Done::ReceiverGone => {
                next.receivers -= 1;
                if next.receivers == 0 {
                    next.queue.clear();
                }
                true
            }
        };
        fits.then_some(next)
    }
}

/// Whether there is an order of the operations that the channel could have done them in. At most 32 of them.
fn is_linearizable(history: &[Operation], channel: Channel) -> bool {
    let all = (1_u32 << history.len()) - 1;
    let mut seen = HashSet::new();
    let mut left = vec![(0_u32, channel)];
    while let Some((done, channel)) = left.pop() {
        if done == all {
            return true;
        }
        if !seen.insert((done, channel.clone())) {
            continue;
        }
        let open = || (0..history.len()).filter(|at| done & (1 << at) == 0);
        let first_return = open().map(|at| history[at].returned).min();
        for at in open().filter(|&at| Some(history[at].called) < first_return) {
            left.extend(
                channel
                    .after(history[at].done)
                    .map(|next| (done | 1 << at, next)),
            );
        }
    }
    false
}

/// The clock of a history, and what one thread did.
struct Recorder {
    clock: Arc<AtomicU64>,
    operations: Vec<Operation>,
}

impl Recorder {
    fn note(&mut self, operation: impl FnOnce() -> Done) {
        let called = self.clock.fetch_add(1, Ordering::SeqCst);
        let done = operation();
        let returned = self.clock.fetch_add(1, Ordering::SeqCst);
        self.operations.push(Operation {
            called,
            returned,
            done,
        });
    }
}

/// The sending end of a channel that is looked at.
trait Sends: Send {
    fn send(&self, message: u32, waits: bool) -> Done;
}

/// The receiving end.
trait Receives: Send {
    fn recv(&self, waits: bool) -> Done;
}

impl Sends for Sender<u32> {
    fn send(&self, message: u32, waits: bool) -> Done {
        if waits {
            return match self.blocking_send(message) {
                Ok(()) => Done::Sent(message),
                Err(_) => Done::Refused,
            };
        }
        match self.try_send(message) {
            Ok(()) => Done::Sent(message),
            Err(TrySendError::Full(_)) => Done::Full,
            Err(_) => Done::Refused,
        }
    }
}

impl Receives for Receiver<u32> {
    fn recv(&self, waits: bool) -> Done {
        if waits {
            return self.blocking_recv().map_or(Done::End, Done::Got);
        }
        match self.try_recv() {
            Ok(message) => Done::Got(message),
            Err(TryRecvError::Closed) => Done::End,
            Err(_) => Done::Empty,
        }
    }
}

/// What a thread holds: one side only, so that whoever waits is ended by the others' end.
enum Side {
    Send(Box<dyn Sends>),
    Recv(Box<dyn Receives>),
}

fn run(side: Side, first: u32, mut random: Random, recorder: &mut Recorder) {
    let count = random.below(5) as u32;
    match side {
        Side::Send(sender) => {
            for message in first..first + count {
                let waits = random.below(2) == 0;
                recorder.note(|| sender.send(message, waits));
            }
            recorder.note(|| {
                drop(sender);
                Done::SenderGone
            });
        }
        Side::Recv(receiver) => {
            for _ in 0..count {
                let waits = random.below(2) == 0;
                recorder.note(|| receiver.recv(waits));
            }
            recorder.note(|| {
                drop(receiver);
                Done::ReceiverGone
            });
        }
    }
}

/// What four threads do with these ends, by the order of their calls.
fn history(sides: [Side; 4], seed: u64) -> Vec<Operation> {
    let clock = Arc::new(AtomicU64::new(0));
    let start = Arc::new(Barrier::new(sides.len()));
    let threads = sides.into_iter().zip(0..).map(|(side, number)| {
        let start = Arc::clone(&start);
        let mut recorder = Recorder {
            clock: Arc::clone(&clock),
            operations: Vec::new(),
        };
        thread::spawn(move || {
            let random = Random::new(seed * 4 + number);
            start.wait();
            run(side, number as u32 * 100, random, &mut recorder);
            recorder.operations
        })
    });
    let threads: Vec<_> = threads.collect();
    let mut history: Vec<_> = threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("a thread of the history"))
        .collect();
    history.sort_by_key(|operation| operation.called);
    history
}

/// The ends of a channel of ours.
fn ours(capacity: Option<usize>) -> [Side; 4] {
    let (sender, receiver) = channel_of(capacity);
    [
        Side::Send(Box::new(sender.clone())),
        Side::Send(Box::new(sender)),
        Side::Recv(Box::new(receiver.clone())),
        Side::Recv(Box::new(receiver)),
    ]
}

/// What is wrong with a channel that was made to be caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// Nothing: the twin, in which nothing may be found.
    None,
    /// Each sender has a queue of its own.
    Sharded,
    /// The bound is looked at, and then the message is queued, not in one step.
    Bound,
    /// A receiver that found nothing then asks whether all senders are gone, and not whether they left something.
    End,
}

/// A channel with that bug: correct parts, put together wrongly.
#[derive(Debug)]
struct Planted {
    bug: Bug,
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Operations that were begun.
    begun: usize,
    queues: [VecDeque<u32>; 2],
    senders: usize,
    receivers: usize,
}

impl Planted {
    fn ends(bug: Bug, capacity: usize) -> [Side; 4] {
        let state = State {
            begun: 0,
            queues: Default::default(),
            senders: 2,
            receivers: 2,
        };
        let channel = Arc::new(Self {
            bug,
            capacity,
            state: Mutex::new(state),
        });
        let sender = |number| {
            Side::Send(Box::new(PlantedSender {
                channel: Arc::clone(&channel),
                number,
            }))
        };
        let receiver = |number| {
            Side::Recv(Box::new(PlantedReceiver {
                channel: Arc::clone(&channel),
                number,
            }))
        };
        [sender(0), sender(1), receiver(0), receiver(1)]
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with the lock")
    }

    /// The state at the begin of an operation.
    fn begin(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        state.begun += 1;
        state
    }

    /// Lets go of the state for a moment: until somebody else begins something, or does not.
    fn reopen<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let begun = state.begun;
        drop(state);
        for _ in 0..100 {
            thread::yield_now();
            if self.state().begun != begun {
                break;
            }
        }
        self.state()
    }
}

struct PlantedSender {
    channel: Arc<Planted>,
    number: usize,
}

struct PlantedReceiver {
    channel: Arc<Planted>,
    number: usize,
}

impl PlantedSender {
    fn try_send(&self, message: u32) -> Done {
        let Planted { bug, capacity, .. } = *self.channel;
        let mut state = self.channel.begin();
        if state.receivers == 0 {
            return Done::Refused;
        }
        if state.queues.iter().map(VecDeque::len).sum::<usize>() >= capacity {
            return Done::Full;
        }
        if bug == Bug::Bound {
            state = self.channel.reopen(state);
        }
        let queue = if bug == Bug::Sharded { self.number } else { 0 };
        state.queues[queue].push_back(message);
        Done::Sent(message)
    }
}

impl PlantedReceiver {
    fn try_recv(&self) -> Done {
        let mut state = self.channel.begin();
        let (own, other) = (self.number, 1 - self.number);
        let message = state.queues[own].pop_front();
        if let Some(message) = message.or_else(|| state.queues[other].pop_front()) {
            return Done::Got(message);
        }
        if self.channel.bug == Bug::End {
            state = self.channel.reopen(state);
        }
        if state.senders == 0 {
            Done::End
        } else {
            Done::Empty
        }
    }
}

impl Sends for PlantedSender {
    fn send(&self, message: u32, waits: bool) -> Done {
        loop {
            match self.try_send(message) {
                Done::Full if waits => thread::yield_now(),
                done => return done,
            }
        }
    }
}

impl Receives for PlantedReceiver {
    fn recv(&self, waits: bool) -> Done {
        loop {
            match self.try_recv() {
                Done::Empty if waits => thread::yield_now(),
                done => return done,
            }
        }
    }
}

impl Drop for PlantedSender {
    fn drop(&mut self) {
        self.channel.state().senders -= 1;
    }
}

impl Drop for PlantedReceiver {
    fn drop(&mut self) {
        let mut state = self.channel.state();
        state.receivers -= 1;
        if state.receivers == 0 {
            state.queues.iter_mut().for_each(VecDeque::clear);
        }
    }
}

fn channel(capacity: Option<usize>) -> Channel {
    Channel {
        capacity: capacity.unwrap_or(usize::MAX),
        queue: VecDeque::new(),
        senders: 2,
        receivers: 2,
    }
}

#[test]
fn p01_histories_of_four_threads_are_linearizable() {
    for capacity in [Some(1), Some(2), None] {
        watched(move |stage| {
            for seed in 0..700 {
                stage.set(format!("capacity {capacity:?}, seed {seed}"));
                let history = history(ours(capacity), seed);
                assert!(
                    is_linearizable(&history, channel(capacity)),
                    "capacity {capacity:?}, seed {seed}: {history:#?}"
                );
            }
        });
    }
}

/// The whole of it, on channels that are known to be wrong, until it finds out; and on their correct twin, where it must not.
#[test]
fn a_planted_channel_that_is_not_linearizable_is_caught() {
    for (bug, capacity) in [(Bug::Sharded, 8), (Bug::Bound, 1), (Bug::End, 8)] {
        watched(move |stage| {
            for seed in 0.. {
                stage.set(format!("{bug:?}, seed {seed}"));
                let history = history(Planted::ends(bug, capacity), seed);
                if !is_linearizable(&history, channel(Some(capacity))) {
                    println!("{bug:?}: caught with seed {seed}");
                    return;
                }
            }
        });
    }
    for capacity in [1, 8] {
        watched(move |stage| {
            for seed in 0..300 {
                stage.set(format!("the twin of capacity {capacity}, seed {seed}"));
                let history = history(Planted::ends(Bug::None, capacity), seed);
                assert!(
                    is_linearizable(&history, channel(Some(capacity))),
                    "capacity {capacity}, seed {seed}: {history:#?}"
                );
            }
        });
    }
}

/// The search itself: it finds what overlaps, and rejects what no order explains.
#[test]
fn the_search_tells_right_from_wrong() {
    let history = |operations: &[(u64, u64, Done)]| -> Vec<Operation> {
        operations
            .iter()
            .map(|&(called, returned, done)| Operation {
                called,
                returned,
                done,
            })
            .collect()
    };
    let accepts = |capacity, operations: &[(u64, u64, Done)]| {
        is_linearizable(&history(operations), channel(capacity))
    };
    let (one, two) = (Some(1), Some(2));
    // One after another: in order, and not otherwise.
    let [a, b] = [(0, 1, Done::Sent(1)), (2, 3, Done::Sent(2))];
    assert!(accepts(
        two,
        &[a, b, (4, 5, Done::Got(1)), (6, 7, Done::Got(2))]
    ));
    assert!(!accepts(
        two,
        &[a, b, (4, 5, Done::Got(2)), (6, 7, Done::Got(1))]
    ));
    // At the same time: in any order.
    let [a, b] = [(0, 3, Done::Sent(1)), (1, 2, Done::Sent(2))];
    assert!(accepts(
        two,
        &[a, b, (4, 5, Done::Got(2)), (6, 7, Done::Got(1))]
    ));
    // A bound, an end that came too early, a message that came twice or from nowhere, an empty channel that was not.
    assert!(!accepts(
        one,
        &[(0, 1, Done::Sent(1)), (2, 3, Done::Sent(2))]
    ));
    assert!(!accepts(one, &[(0, 1, Done::Full)]));
    assert!(accepts(
        one,
        &[
            (0, 5, Done::Sent(1)),
            (1, 2, Done::Full),
            (3, 4, Done::Got(1))
        ]
    ));
    assert!(!accepts(one, &[(0, 1, Done::End)]));
    assert!(!accepts(
        one,
        &[
            (0, 1, Done::Sent(1)),
            (2, 3, Done::Got(1)),
            (4, 5, Done::Got(1))
        ]
    ));
    assert!(!accepts(one, &[(0, 1, Done::Got(7))]));
    assert!(!accepts(one, &[(0, 1, Done::Sent(1)), (2, 3, Done::Empty)]));
    assert!(!accepts(one, &[(0, 1, Done::Refused)]));
    let gone = [(0, 1, Done::ReceiverGone), (2, 3, Done::ReceiverGone)];
    assert!(accepts(one, &[gone[0], gone[1], (4, 5, Done::Refused)]));
    assert!(!accepts(one, &[gone[0], gone[1], (4, 5, Done::Sent(1))]));
}
