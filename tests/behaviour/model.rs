//! What a channel is, as plain data on one thread: the model that `random` compares the real one with.

use std::collections::{BTreeMap, VecDeque};

/// How an operation completes: a send, a receive, a wait for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Sent,
    Refused(u64),
    Got(u64),
    End,
    Room,
    NoRoom,
}

/// What a channel is: a queue, two lines, and counts.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) capacity: Option<usize>,
    pub(crate) senders: usize,
    pub(crate) receivers: usize,
    pub(crate) queue: VecDeque<u64>,
    /// Room that was granted and not used.
    pub(crate) permits: usize,
    /// Parked senders; `None` only waits for room.
    pub(crate) sending: VecDeque<(usize, Option<u64>)>,
    pub(crate) receiving: VecDeque<usize>,
    /// Parked operations that were completed by others, and not seen by their owner.
    pub(crate) done: BTreeMap<usize, Done>,
    pub(crate) dropped: Vec<u64>,
    /// Which message was handed over when: what comes back unseen keeps this order.
    pub(crate) handed: Vec<u64>,
    pub(crate) book: Book,
}

/// What became of the messages, as the ledger says it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Book {
    pub(crate) sent: u64,
    pub(crate) handled: u64,
    pub(crate) handed_back: u64,
    pub(crate) closed: u64,
    pub(crate) withdrawn: u64,
    pub(crate) queued: u64,
}

impl Model {
    fn has_room(&self) -> bool {
        match self.capacity {
            Some(0) => self.receiving.len() > self.permits,
            Some(capacity) => self.queue.len() + self.permits < capacity,
            None => true,
        }
    }

    /// The books now.
    pub(crate) fn book(&self) -> Book {
        Book {
            queued: self.queue.len() as u64,
            ..self.book
        }
    }

    fn accept(&mut self, message: u64) {
        self.book.sent += 1;
        self.queue.push_back(message);
    }

    /// A message that goes back to who sent it, and perhaps dies there.
    pub(crate) fn refuse(&mut self, opened: bool) {
        self.book.sent += 1;
        if opened {
            self.book.handed_back += 1;
        } else {
            self.book.closed += 1;
        }
    }

    /// Hands messages to parked receivers, and room to parked senders, first come first served.
    pub(crate) fn settle(&mut self) {
        loop {
            if !self.queue.is_empty() && !self.receiving.is_empty() {
                let (message, receiver) = (self.queue.pop_front(), self.receiving.pop_front());
                self.book.handled += 1;
                self.handed
                    .extend(message.filter(|message| !self.handed.contains(message)));
                self.done.extend(receiver.zip(message.map(Done::Got)));
            } else if !self.sending.is_empty() && self.has_room() {
                match self.sending.pop_front() {
                    Some((id, Some(message))) => {
                        self.accept(message);
                        self.done.insert(id, Done::Sent);
                    }
                    Some((id, None)) => {
                        self.permits += 1;
                        self.done.insert(id, Done::Room);
                    }
                    None => {}
                }
            } else {
                return;
            }
        }
    }

    /// A send, or a wait for room, that runs. `None`: it has to wait.
    pub(crate) fn send(&mut self, message: Option<u64>) -> Option<Done> {
        if self.receivers == 0 {
            return Some(message.map_or(Done::NoRoom, Done::Refused));
        }
        // Permits may be all the room while a receiver waits: a message needs none then, but does not overtake.
        let direct = message.is_some() && self.capacity != Some(0) && !self.receiving.is_empty();
        if !self.sending.is_empty() || !(self.has_room() || direct) {
            return None;
        }
        let Some(message) = message else {
            self.permits += 1;
            return Some(Done::Room);
        };
        self.accept(message);
        self.settle();
        Some(Done::Sent)
    }

    /// A receive that runs. `None`: it has to wait.
    pub(crate) fn recv(&mut self, may_park: bool) -> Option<Done> {
        if let Some(message) = self.queue.pop_front() {
            self.book.handled += 1;
            self.settle();
            return Some(Done::Got(message));
        }
        if self.capacity == Some(0) {
            // Who only waits for room needs a parked receiver, and is passed over by one that does not park.
            let first = match self.sending.front() {
                Some((_, None)) if may_park => None,
                _ => self
                    .sending
                    .iter()
                    .position(|(_, message)| message.is_some()),
            };
            if let Some((id, Some(message))) = first.and_then(|at| self.sending.remove(at)) {
                self.done.insert(id, Done::Sent);
                self.book.sent += 1;
                self.book.handled += 1;
                return Some(Done::Got(message));
            }
        }
        (self.senders == 0).then_some(Done::End)
    }

    /// Takes a permit back, perhaps with a message. Returns whether the message was sent.
    pub(crate) fn use_permit(&mut self, message: Option<u64>) -> bool {
        self.permits -= 1;
        match message {
            Some(message) if self.receivers > 0 => self.accept(message),
            _ => {}
        }
        self.settle();
        self.receivers > 0
    }

    /// An operation is dropped before its owner saw it complete.
    pub(crate) fn withdraw(&mut self, id: usize, message: Option<u64>) {
        self.receiving.retain(|&other| other != id);
        self.sending.retain(|&(other, _)| other != id);
        match self.done.remove(&id) {
            Some(Done::Got(unseen)) => {
                self.book.handled -= 1;
                let turn = |message| self.handed.iter().position(|&other| other == message);
                let earlier = |&other: &u64| turn(other).is_some_and(|at| Some(at) < turn(unseen));
                let place = self.queue.partition_point(earlier);
                self.queue.insert(place, unseen);
            }
            Some(Done::Room) => self.permits -= 1,
            Some(Done::Sent) => {}
            _ => self.dropped.extend(message),
        }
        self.settle();
    }

    pub(crate) fn drop_sender(&mut self) {
        self.senders -= 1;
        if self.senders == 0 {
            let ended = std::mem::take(&mut self.receiving);
            self.done
                .extend(ended.into_iter().map(|id| (id, Done::End)));
        }
    }

    pub(crate) fn drop_receiver(&mut self) {
        self.receivers -= 1;
        if self.receivers == 0 {
            let came_back = |message: &&u64| self.handed.contains(*message);
            let withdrawn = self.queue.iter().filter(came_back).count() as u64;
            self.book.withdrawn += withdrawn;
            self.book.closed += self.queue.len() as u64 - withdrawn;
            self.dropped.extend(self.queue.drain(..));
            let refused = std::mem::take(&mut self.sending).into_iter();
            self.done.extend(
                refused.map(|(id, message)| (id, message.map_or(Done::NoRoom, Done::Refused))),
            );
        }
    }
}
