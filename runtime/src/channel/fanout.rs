//! The queue of a broadcast: one for all receivers, each of which has a position in it.
//!
//! A message lies in an `Arc`, so that it is cloned after the lock was released. The last receiver gets the original.
//!
//! **Invariants** (true whenever the lock is free)
//! - `queue.len() <= capacity`.
//! - `left` of a message is the number of living receivers whose position is at or before it. It never falls along the queue,
//!   so the messages that everybody has taken are at the front, and are not there.
//! - Senders are served in the order in which they began to wait: one that finds others waiting waits behind them.
//! - If there is room, the sender in front was woken.
//! - Messages and wakers are dropped, and wakers woken, after the lock was released: [`Effects`] carries them out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Context;

use crate::channel::account::Book;
use crate::channel::dead::{Dead, Notice};
use crate::channel::overdue::Overdue;
use crate::channel::policy::Overflow;
use crate::channel::waiters::{Waiters, WakeAll};
use crate::numbered::Numbered;
use crate::observe::Ledger;
use crate::task::current;
use crate::task::waker::TaskWaker;

/// The state of a broadcast, under its lock.
pub(super) struct State<T> {
    /// What some receiver has not taken yet.
    pub(super) queue: VecDeque<Slot<T>>,
    /// The position of the first message in the queue, or of the next one to come.
    pub(super) first: u64,
    pub(super) capacity: usize,
    pub(super) overflow: Overflow,
    pub(super) name: Option<&'static str>,
    pub(super) senders: usize,
    pub(super) receivers: usize,
    /// Receivers that have taken everything.
    pub(super) receiving: Waiters,
    /// The position at which one of them parked last: all who wait have come as far.
    pub(super) parked_at: u64,
    /// Senders that wait for room.
    pub(super) sending: Line,
    /// What became of the copies: each message is one for each receiver that there was.
    pub(super) book: Book,
}

/// A message, and for whom it is kept.
pub(super) struct Slot<T> {
    pub(super) message: Arc<T>,
    /// Receivers that have not taken it.
    pub(super) left: usize,
    /// The process that sent it.
    pub(super) sent_by: u64,
}

/// Operations that are served in order. One that was woken keeps its place until it leaves.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// By ticket; `None` for one that was woken.
    pub(super) waiting: Numbered<Option<TaskWaker>>,
    pub(super) tickets: u64,
}

impl Line {
    /// Whether it is the turn of the operation with this ticket; zero for one that is not in line.
    pub(super) fn is_turn_of(&self, ticket: u64) -> bool {
        self.waiting
            .numbers()
            .next()
            .is_none_or(|first| first == ticket)
    }

    /// Takes a place, or renews the waker of the one it has. Returns the waker that was replaced.
    pub(super) fn park(&mut self, ticket: &mut u64, cx: &Context<'_>) -> Option<TaskWaker> {
        if *ticket == 0 {
            self.tickets += 1;
            *ticket = self.tickets;
        }
        let place = self.waiting.get_or_insert_with(*ticket, || None);
        match place {
            Some(waker) if waker.is(cx) => None,
            place => place.replace(TaskWaker::of(cx)),
        }
    }

    pub(super) fn leave(&mut self, ticket: &mut u64) -> Option<TaskWaker> {
        self.waiting.remove(std::mem::take(ticket)).flatten()
    }

    /// Whose turn it is, if that one was not woken yet.
    pub(super) fn wake_first(&mut self) -> Option<TaskWaker> {
        self.waiting.first_mut()?.take()
    }

    /// All who were not woken yet, in their order.
    pub(super) fn wake_all(&mut self) -> Vec<TaskWaker> {
        let tickets: Vec<_> = self.waiting.numbers().collect();
        let wake = |ticket| self.waiting.get_mut(ticket)?.take();
        tickets.into_iter().filter_map(wake).collect()
    }
}

/// What came of the attempt to send.
pub(super) enum Sent<T> {
    /// It is in the queue, or was discarded by the policy of the channel.
    Done(Effects<T>),
    Full(T),
    Closed(T),
}

/// What has to be done after unlocking.
pub(super) struct Effects<T> {
    pub(super) wakes: Option<WakeAll>,
    pub(super) next: Option<TaskWaker>,
    pub(super) discarded: Option<Arc<T>>,
    /// What is to be told of that, and who had sent it.
    pub(super) notice: Option<(Notice, u64)>,
}

/// What a receiver leaves behind, to be dealt with after unlocking.
pub(super) struct Left<T> {
    pub(super) dropped: Vec<Slot<T>>,
    /// Who sent what it had not taken, if somebody reads letters.
    pub(super) sources: Vec<u64>,
    pub(super) wakes: Vec<TaskWaker>,
    pub(super) notice: Option<Notice>,
}

impl<T> Effects<T> {
    pub(super) fn happen(self, tell: impl FnOnce(Notice, u64)) {
        if let Some(wakes) = self.wakes {
            wakes.wake();
        }
        if let Some(next) = self.next {
            next.wake();
        }
        if let Some((notice, sent_by)) = self.notice {
            tell(notice, sent_by);
        }
        drop(self.discarded);
    }
}

impl<T> State<T> {
    /// A queue with one sender and one receiver.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            first: 0,
            capacity,
            overflow: Overflow::DropOldest,
            name: None,
            senders: 1,
            receivers: 1,
            receiving: Waiters::default(),
            parked_at: 0,
            sending: Line::default(),
            book: Book::default(),
        }
    }

    pub(super) fn ledger(&self) -> Ledger {
        let queued = self.queue.iter().map(|slot| slot.left as u64).sum();
        self.book.ledger(queued)
    }

    fn discard(&mut self, copies: usize, now_ms: u32) -> Option<Notice> {
        let losses = &mut self.book.losses;
        (copies > 0).then(|| losses.die(Dead::Discarded, copies as u64, now_ms))
    }

    /// Who waits in vain: a message takes all receivers along that wait, and room is offered to the sender in front.
    pub(super) fn overdue(&self) -> Option<Overdue> {
        let receiving = || self.receiving.wakers();
        if self.parked_at < self.end() && !self.receiving.is_empty() {
            return Overdue::of(true, receiving(), "a message came after it began to wait");
        }
        if self.senders == 0 && !self.receiving.is_empty() {
            return Overdue::of(true, receiving(), "no sender of it is left");
        }
        if self.receivers == 0 {
            let all = self.sending.waiting.values().flatten();
            return Overdue::of(false, all, "no receiver of it is left");
        }
        let first = self
            .sending
            .waiting
            .values()
            .next()
            .filter(|_| self.has_room())?;
        Overdue::of(false, first.iter(), "there is room")
    }

    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < self.capacity
    }

    /// The position after the last message.
    pub(super) fn end(&self) -> u64 {
        self.first + self.queue.len() as u64
    }

    /// Whom to wake because there is room.
    pub(super) fn offer_room(&mut self) -> Option<TaskWaker> {
        if self.has_room() {
            self.sending.wake_first()
        } else {
            None
        }
    }

    /// Sends, if it is the turn of the operation with this ticket.
    pub(super) fn send(&mut self, message: T, ticket: u64, now_ms: u32) -> Sent<T> {
        if self.receivers == 0 {
            self.book.losses.refuse();
            return Sent::Closed(message);
        }
        let (mut discarded, mut notice) = (None, None);
        let sent_by = current::process_id();
        match self.overflow {
            Overflow::Wait if !(self.has_room() && self.sending.is_turn_of(ticket)) => {
                return Sent::Full(message);
            }
            Overflow::DropNewest if !self.has_room() => {
                self.book.accepted += self.receivers as u64;
                return Sent::Done(Effects {
                    wakes: None,
                    next: None,
                    discarded: Some(Arc::new(message)),
                    notice: self
                        .discard(self.receivers, now_ms)
                        .map(|notice| (notice, sent_by)),
                });
            }
            Overflow::DropOldest if !self.has_room() => {
                self.first += 1;
                if let Some(slot) = self.queue.pop_front() {
                    notice = self
                        .discard(slot.left, now_ms)
                        .map(|notice| (notice, slot.sent_by));
                    discarded = Some(slot.message);
                }
            }
            Overflow::Wait | Overflow::DropOldest | Overflow::DropNewest => {}
        }
        self.book.accepted += self.receivers as u64;
        self.queue.push_back(Slot {
            message: Arc::new(message),
            left: self.receivers,
            sent_by,
        });
        Sent::Done(Effects {
            wakes: Some(self.receiving.take_all()),
            next: None,
            discarded,
            notice,
        })
    }

    /// Takes the message at `next`, which is in the queue.
    pub(super) fn take(&mut self, next: u64) -> Arc<T> {
        self.book.received += 1;
        let at = (next - self.first) as usize;
        let slot = &mut self.queue[at];
        slot.left -= 1;
        if slot.left > 0 {
            return Arc::clone(&slot.message);
        }
        debug_assert_eq!(at, 0, "what everybody has taken is at the front");
        self.first += 1;
        match self.queue.pop_front() {
            Some(slot) => slot.message,
            None => unreachable!("the message was in the queue"),
        }
    }

    /// A receiver leaves that would have taken the message at `next`. What only it had not taken goes, and room is offered.
    pub(super) fn leave(&mut self, next: u64, now_ms: u32, is_read: bool) -> Left<T> {
        self.receivers -= 1;
        let from = (next.max(self.first) - self.first) as usize;
        let copies = self.queue.len() - from;
        let losses = &mut self.book.losses;
        let notice = (copies > 0).then(|| losses.die(Dead::Closed, copies as u64, now_ms));
        let mut sources = Vec::new();
        for slot in self.queue.iter_mut().skip(from) {
            slot.left -= 1;
            if is_read {
                sources.push(slot.sent_by);
            }
        }
        let taken = self.queue.iter().take_while(|slot| slot.left == 0).count();
        let dropped = self.queue.drain(..taken).collect();
        self.first += taken as u64;
        let wakes = if self.receivers == 0 {
            // Nobody will make room: those who wait learn that they are alone. They keep their places, because somebody may subscribe
            // before they look: one that waits then would be overtaken by who came later, and would take a turn that was given already.
            self.sending.wake_all()
        } else {
            self.offer_room().into_iter().collect()
        };
        Left {
            dropped,
            sources,
            wakes,
            notice,
        }
    }
}
