//! The channel that gives every message to every receiver, beside what it is: one queue, a place in it for each receiver, a line of
//! senders.
//!
//! A message, and the end of the senders, wake all receivers that wait; room wakes the sender in front, who keeps it until he sends or
//! leaves; the end of the receivers wakes all senders.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::task::Poll;

use roundrock::channel::{SendError, SendTimeoutError, TryRecvError, TrySendError};
use roundrock::observe::Ledger;
use roundrock::prelude::*;
use roundrock_tests::Random;

use super::{Bench, Flavor, Told, Value};

/// How an operation completes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Sent,
    Full,
    Refused,
    Elapsed,
    Got(u64),
    Lagged(u64),
    End,
}

#[derive(Debug)]
struct Reader {
    /// The position of the message to take next.
    next: u64,
    /// The driver, and those who wait with it.
    holders: usize,
}

#[derive(Debug, Default)]
struct Model {
    capacity: usize,
    policy: Overflow,
    senders: usize,
    readers: BTreeMap<usize, Reader>,
    queue: VecDeque<u64>,
    /// The position of the first in the queue.
    first: u64,
    /// Senders that wait, and whether they were woken.
    line: VecDeque<(usize, bool)>,
    receiving: Vec<usize>,
    told: Told,
}

impl Model {
    fn end(&self) -> u64 {
        self.first + self.queue.len() as u64
    }

    fn has_room(&self) -> bool {
        self.queue.len() < self.capacity
    }

    /// How many have not taken the message at this position.
    fn left(&self, position: u64) -> u64 {
        let behind = |reader: &&Reader| reader.next <= position;
        self.readers.values().filter(behind).count() as u64
    }

    /// How many messages are there for a receiver.
    fn len(&self, reader: usize) -> u64 {
        self.end() - self.readers[&reader].next.max(self.first)
    }

    fn queued(&self) -> u64 {
        self.readers.keys().map(|&reader| self.len(reader)).sum()
    }

    fn offer(&mut self) {
        let room = self.has_room();
        let first = self.line.front_mut();
        if let Some((id, woken)) = first.filter(|(_, woken)| room && !woken) {
            *woken = true;
            self.told.woken.push(*id);
        }
    }

    /// A send that runs, of the operation with this number if it has one. `None`: it has to wait.
    fn send(&mut self, id: usize, message: u64) -> Option<Done> {
        if self.readers.is_empty() {
            self.line.retain(|&(other, _)| other != id);
            return Some(Done::Refused);
        }
        let copies = self.readers.len() as u64;
        let full = !self.has_room();
        match self.policy {
            Overflow::DropOldest if full => {
                self.told.book.dead.discarded += self.left(self.first);
                self.told.dropped.extend(self.queue.pop_front());
                self.first += 1;
            }
            Overflow::DropNewest if full => {
                self.told.book.sent += copies;
                self.told.book.dead.discarded += copies;
                self.told.dropped.push(message);
                return Some(Done::Sent);
            }
            Overflow::Wait => {
                let is_first = self.line.front().is_none_or(|&(first, _)| first == id);
                if full || !is_first {
                    return None;
                }
            }
            _ => {}
        }
        self.told.book.sent += copies;
        self.queue.push_back(message);
        self.told.woken.append(&mut self.receiving);
        if self.line.front().is_some_and(|&(first, _)| first == id) {
            self.line.pop_front();
        }
        self.offer();
        Some(Done::Sent)
    }

    /// A receive that runs. `None`: it has to wait.
    fn recv(&mut self, reader: usize) -> Option<Done> {
        let (first, end) = (self.first, self.end());
        let it = self.readers.get_mut(&reader)?;
        if it.next < first {
            let missed = first - it.next;
            it.next = first;
            return Some(Done::Lagged(missed));
        }
        if it.next < end {
            let message = self.queue[(it.next - first) as usize];
            it.next += 1;
            self.told.book.handled += 1;
            // If nobody else is to take it, this was the original.
            self.trim();
            return Some(Done::Got(message));
        }
        (self.senders == 0).then_some(Done::End)
    }

    /// Takes out what everybody has taken, and offers the room.
    fn trim(&mut self) -> Vec<u64> {
        let mut gone = Vec::new();
        while !self.queue.is_empty() && self.left(self.first) == 0 {
            gone.extend(self.queue.pop_front());
            self.first += 1;
        }
        self.offer();
        gone
    }

    /// A send that waits keeps its place, a receive is forgotten until it waits again.
    fn park(&mut self, id: usize, receives: bool) {
        if receives {
            self.receiving.push(id);
            return;
        }
        match self.line.iter_mut().find(|(other, _)| *other == id) {
            Some((_, woken)) => *woken = false,
            None => self.line.push_back((id, false)),
        }
    }

    /// An operation is dropped, or gave up.
    fn leave(&mut self, id: usize) {
        self.receiving.retain(|&other| other != id);
        self.line.retain(|&(other, _)| other != id);
        self.offer();
    }

    fn subscribe(&mut self, reader: usize) {
        let (next, holders) = (self.end(), 1);
        self.readers.insert(reader, Reader { next, holders });
    }

    fn hold(&mut self, reader: usize) {
        self.readers.entry(reader).and_modify(|it| it.holders += 1);
    }

    fn drop_sender(&mut self) {
        self.senders -= 1;
        if self.senders == 0 {
            self.told.woken.append(&mut self.receiving);
        }
    }

    fn drop_reader(&mut self, reader: usize) {
        let Some(it) = self.readers.get_mut(&reader) else {
            return;
        };
        it.holders -= 1;
        if it.holders > 0 {
            return;
        }
        self.told.book.dead.closed += self.len(reader);
        self.readers.remove(&reader);
        if self.readers.is_empty() {
            for (id, woken) in &mut self.line {
                if !std::mem::replace(woken, true) {
                    self.told.woken.push(*id);
                }
            }
        }
        let gone = self.trim();
        self.told.dropped.extend(gone);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Send(u64),
    /// With a limit of no time.
    Within(u64),
    /// With which receiver.
    Recv(usize),
}

enum Output {
    Sent(Result<(), SendError<Value>>),
    Within(Result<(), SendTimeoutError<Value>>),
    Got(Option<Result<Value, Lagged>>),
}

impl Output {
    fn done(&self) -> Done {
        match self {
            Self::Sent(Ok(())) | Self::Within(Ok(())) => Done::Sent,
            Self::Sent(Err(_)) | Self::Within(Err(SendTimeoutError::Closed(_))) => Done::Refused,
            Self::Within(Err(_)) => Done::Elapsed,
            Self::Got(Some(Ok(value))) => Done::Got(value.number()),
            Self::Got(Some(Err(lagged))) => Done::Lagged(lagged.missed()),
            Self::Got(None) => Done::End,
        }
    }
}

/// The channel beside its model.
pub(super) struct Pair {
    model: Model,
    bench: Bench<Kind, Output>,
    senders: Vec<BroadcastSender<Value>>,
    readers: Vec<(usize, Rc<BroadcastReceiver<Value>>)>,
    kept: Vec<Value>,
}

impl Pair {
    fn send(&mut self, with_limit: bool) {
        let Some(sender) = self.senders.last().cloned() else {
            return;
        };
        self.model.senders += 1;
        let (number, value) = self.bench.value();
        if with_limit {
            self.bench.begin(Kind::Within(number), async move {
                Output::Within(sender.send(value).within(Duration::ZERO).await)
            });
        } else {
            self.bench.begin(Kind::Send(number), async move {
                Output::Sent(sender.send(value).await)
            });
        }
    }

    /// Begins to receive with a receiver, which others may have too.
    fn recv(&mut self, at: usize, in_select: bool) {
        let (reader, receiver) = &self.readers[at];
        let (reader, receiver) = (*reader, Rc::clone(receiver));
        self.model.hold(reader);
        self.bench.begin(Kind::Recv(reader), async move {
            Output::Got(if in_select {
                select! {
                    message = receiver.recv() => Some(message),
                    else => None,
                }
            } else {
                receiver.recv().await
            })
        });
    }

    fn poll(&mut self, at: usize, random: &mut Random) {
        let wait = &self.bench.waits[at];
        let (id, kind, polled) = (wait.id, wait.kind, wait.polled);
        let expected = match kind {
            Kind::Send(message) => self.model.send(id, message),
            Kind::Within(message) => match self.model.send(id, message) {
                None if polled => {
                    self.model.leave(id);
                    Some(Done::Elapsed)
                }
                done => done,
            },
            Kind::Recv(reader) => {
                self.model.receiving.retain(|&other| other != id);
                self.model.recv(reader)
            }
        };
        let polled = self.bench.poll(at, random);
        let Poll::Ready(output) = polled else {
            assert_eq!(expected, None, "{kind:?} {id} is pending");
            self.model.park(id, matches!(kind, Kind::Recv(_)));
            if let Kind::Within(_) = kind {
                // Others have their turn, and then the time is over.
                self.model.told.woken.push(id);
            }
            return;
        };
        assert_eq!(Some(output.done()), expected, "{kind:?} {id} is ready");
        match kind {
            Kind::Recv(reader) => self.model.drop_reader(reader),
            _ => self.model.drop_sender(),
        }
        match (kind, output) {
            (_, Output::Got(Some(Ok(value)))) if random.below(3) == 0 => self.kept.push(value),
            (_, Output::Got(Some(Ok(value)))) => self.model.told.dropped.push(value.number()),
            (Kind::Send(number), Output::Sent(Err(error))) => {
                let opened = random.below(2) == 0;
                if opened {
                    assert_eq!(error.into_inner().number(), number);
                }
                self.model.told.refuse(opened);
                self.model.told.dropped.push(number);
            }
            (Kind::Within(number), Output::Within(Err(error))) => {
                assert_eq!(error.into_inner().number(), number);
                self.model.told.refuse(true);
                self.model.told.dropped.push(number);
            }
            _ => {}
        }
    }

    fn withdraw(&mut self, at: usize) {
        let (id, kind) = self.bench.withdraw(at);
        self.model.leave(id);
        match kind {
            Kind::Recv(reader) => self.model.drop_reader(reader),
            Kind::Send(number) | Kind::Within(number) => {
                self.model.told.dropped.push(number);
                self.model.drop_sender();
            }
        }
    }

    fn try_send(&mut self) {
        let Some(sender) = self.senders.last() else {
            return;
        };
        let (number, value) = self.bench.value();
        let actual = match sender.try_send(value) {
            Ok(()) => Done::Sent,
            Err(TrySendError::Closed(value)) if value.number() == number => Done::Refused,
            Err(TrySendError::Full(value)) if value.number() == number => Done::Full,
            Err(error) => panic!("{error:?} with another message"),
        };
        let expected = self.model.send(0, number).unwrap_or(Done::Full);
        assert_eq!(actual, expected, "try_send of {number}");
        if expected != Done::Sent {
            self.model.told.refuse(true);
            self.model.told.dropped.push(number);
        }
    }

    /// A send that nobody polls.
    fn send_in_vain(&mut self, with_limit: bool) {
        let Some(sender) = self.senders.last() else {
            return;
        };
        let (number, value) = self.bench.value();
        if with_limit {
            drop(sender.send(value).within(Duration::ZERO));
        } else {
            drop(sender.send(value));
        }
        self.model.told.dropped.push(number);
    }

    fn try_recv(&mut self, at: usize, keeps: bool) {
        let (reader, receiver) = &self.readers[at];
        let received = receiver.try_recv();
        let actual = match &received {
            Ok(Ok(value)) => Some(Done::Got(value.number())),
            Ok(Err(lagged)) => Some(Done::Lagged(lagged.missed())),
            Err(TryRecvError::Closed) => Some(Done::End),
            Err(_) => None,
        };
        assert_eq!(actual, self.model.recv(*reader), "try_recv");
        match received {
            Ok(Ok(value)) if keeps => self.kept.push(value),
            Ok(Ok(value)) => self.model.told.dropped.push(value.number()),
            _ => {}
        }
    }

    fn more(&mut self, random: &mut Random) {
        let way = random.below(3);
        let receiver = match (way, self.senders.last(), self.readers.last()) {
            (0, Some(sender), _) => {
                self.senders.push(sender.clone());
                self.model.senders += 1;
                return;
            }
            (1, Some(sender), _) => sender.subscribe(),
            (2, _, Some((_, receiver))) => receiver.subscribe(),
            _ => return,
        };
        let reader = self.bench.number();
        self.readers.push((reader, Rc::new(receiver)));
        self.model.subscribe(reader);
    }

    fn drop_sender(&mut self, by_method: bool) {
        match self.senders.pop() {
            Some(sender) if by_method => sender.finish(),
            Some(sender) => drop(sender),
            None => return,
        }
        self.model.drop_sender();
    }

    fn drop_reader(&mut self, at: usize, by_method: bool) {
        let (reader, receiver) = self.readers.swap_remove(at);
        match Rc::try_unwrap(receiver) {
            Ok(receiver) if by_method => receiver.finish(),
            other => drop(other),
        }
        self.model.drop_reader(reader);
    }
}

impl Flavor for Pair {
    fn new(random: &mut Random) -> Self {
        let capacity = 1 + random.below(3);
        let mut pair = broadcast(capacity);
        // The default is to discard the oldest.
        let chosen = [
            None,
            Some(Overflow::Wait),
            Some(Overflow::DropNewest),
            Some(Overflow::Wait),
        ][random.below(4)];
        if let Some(policy) = chosen {
            pair = pair.overflow(policy);
        }
        let (sender, receiver) = pair;
        let mut model = Model {
            capacity,
            policy: chosen.unwrap_or(Overflow::DropOldest),
            senders: 1,
            ..Model::default()
        };
        let mut bench = Bench::new();
        let reader = bench.number();
        model.subscribe(reader);
        Self {
            model,
            bench,
            senders: vec![sender],
            readers: vec![(reader, Rc::new(receiver))],
            kept: Vec::new(),
        }
    }

    fn act(&mut self, random: &mut Random) {
        match random.below(32) {
            kind @ 0..=10 => {
                let before = self.bench.waits.len();
                match kind {
                    0..=4 if !self.readers.is_empty() => {
                        self.recv(random.below(self.readers.len()), random.below(3) == 0);
                    }
                    5..=8 => self.send(false),
                    9 | 10 => self.send(true),
                    _ => {}
                }
                if self.bench.waits.len() > before && random.below(5) > 0 {
                    self.poll(before, random);
                }
            }
            11..=17 => {
                if let Some(at) = self.bench.any(random) {
                    self.poll(at, random);
                }
            }
            18..=20 => {
                if let Some(at) = self.bench.any(random) {
                    self.withdraw(at);
                }
            }
            21 | 22 => self.try_send(),
            23 => self.send_in_vain(random.below(2) == 0),
            24 | 25 if !self.readers.is_empty() => {
                self.try_recv(random.below(self.readers.len()), random.below(3) == 0);
            }
            26 | 27 if self.senders.len() + self.readers.len() < 7 => self.more(random),
            28 if random.below(3) == 0 => self.drop_sender(random.below(2) == 0),
            29 | 30 if !self.readers.is_empty() && random.below(3) > 0 => {
                self.drop_reader(random.below(self.readers.len()), random.below(2) == 0);
            }
            31 if !self.kept.is_empty() => {
                let value = self.kept.swap_remove(random.below(self.kept.len()));
                self.model.told.dropped.push(value.number());
                assert!(!format!("{:?} {:?}", self.senders, self.readers).is_empty());
            }
            // Who waits with nobody to receive is where order is lost.
            _ if self.readers.is_empty() => self.more(random),
            _ => {}
        }
    }

    fn end(&mut self, random: &mut Random) -> bool {
        let (operation, choice) = (self.bench.any(random), random.below(3));
        if let (Some(at), 0) = (operation, choice) {
            self.withdraw(at);
        } else if !self.senders.is_empty() && choice == 1 {
            self.drop_sender(false);
        } else if !self.readers.is_empty() {
            self.drop_reader(random.below(self.readers.len()), true);
        } else if !self.senders.is_empty() {
            self.drop_sender(true);
        } else if let Some(at) = operation {
            self.withdraw(at);
        } else if let Some(value) = self.kept.pop() {
            self.model.told.dropped.push(value.number());
        } else {
            return false;
        }
        true
    }

    fn check(&mut self) {
        let model = &mut self.model;
        let alive = model.queue.len() + self.kept.len();
        let unsent = |kind: Kind| !matches!(kind, Kind::Recv(_));
        let waits = self.bench.waits.iter();
        let alive = alive + waits.filter(|wait| unsent(wait.kind)).count();
        self.bench.check(&mut model.told, alive, true);
        for sender in &self.senders {
            let says = (sender.receivers(), sender.is_closed());
            assert_eq!(says, (model.readers.len(), model.readers.is_empty()));
            let says = (sender.len(), sender.is_empty(), sender.capacity());
            let queue = &model.queue;
            assert_eq!(says, (queue.len(), queue.is_empty(), model.capacity));
        }
        for (reader, receiver) in &self.readers {
            let len = model.len(*reader) as usize;
            assert_eq!((receiver.len(), receiver.is_empty()), (len, len == 0));
            assert_eq!(receiver.is_closed(), model.senders == 0);
        }
    }

    fn book(&self) -> Ledger {
        let mut book = self.model.told.book;
        book.queued = self.model.queued();
        book
    }
}
