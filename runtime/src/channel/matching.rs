//! What a channel does when parties must be matched: messages in the buffer, parked receivers, parked senders, and room; and how
//! room is granted, and given back.
//!
//! The invariants are those of [`core`](super::core), which deals with the common cases itself; here they are restored after
//! room, messages or receivers appeared.

#![expect(
    unsafe_code,
    reason = "values that are moved between the places of parked operations"
)]

use std::ptr;

use crate::channel::core::{Core, MANY, NO_RECEIVERS, NO_SENDERS, RETURNED, State, take};
use crate::channel::head::{Park, Started};
use crate::channel::select::Token;
use crate::channel::wait::{self, Offer};
use crate::channel::wakes::Wakes;
use crate::observe::BOOKS;
use crate::task::current;
use crate::task::waker::TaskWaker;

impl<T> Core<T> {
    /// Asks for room: a permit counts against the capacity, or on a parked receiver of a rendezvous.
    pub(crate) fn ready(&self, count: u32, park: Option<Park<'_, '_>>) -> Started {
        let mut state = self.state.lock();
        let token = park.as_ref().and_then(|park| park.token);
        if state.has(NO_RECEIVERS) || state.refuses() {
            return Started::Closed;
        }
        let claim = || token.is_none_or(Token::claim);
        if state.senders.is_empty()
            && state.can_grant(token.map_or(ptr::null(), ptr::from_ref), count)
        {
            if !claim() {
                return Started::Lost;
            }
            state.permits += count;
            return Started::Done;
        }
        let Some(Park { node, cx, token }) = park else {
            return Started::Full;
        };
        state.gates |= if count > 1 { MANY } else { 0 };
        // The caller has prepared a waker that is not ours.
        let (offer, waker) = (Offer::Ready(count), TaskWaker::of(cx));
        // SAFETY: the node is idle and pinned in the future of the caller, which withdraws it.
        unsafe { state.senders.push(node, offer, waker, token) };
        Started::Parked
    }

    /// Uses a permit for a message, or gives it back. False if the message could not be sent: no receiver is left.
    ///
    /// # Safety
    /// The caller owns a permit; a given offer is full, as for [`send`](Self::send).
    pub(crate) unsafe fn use_permit(&self, offer: Option<Offer>) -> bool {
        let mut wakes = Wakes::default();
        let mut state = self.state.lock();
        state.permits -= 1;
        let mut sent = true;
        if let Some(offer) = offer {
            sent = !state.has(NO_RECEIVERS);
            if sent {
                // SAFETY: by contract the offer is full.
                let message = unsafe { take(offer) };
                state.count_sent();
                state.push_back(message);
                state.note_source(current::process_id);
            } else {
                state.refuse();
            }
        }
        if state.match_up(&mut wakes) {
            let marked = wakes.mark();
            drop(state);
            marked.wake();
        } else {
            drop(state);
            wakes.wake();
        }
        sent
    }
}

impl<T> State<T> {
    /// Takes the next message for a receiver that runs.
    #[inline]
    pub(super) fn take(
        &mut self,
        wakes: &mut Wakes,
        token: Option<&Token>,
        may_park: bool,
        object: u64,
    ) -> Result<T, bool> {
        if !self.queue.is_empty() {
            if !token.is_none_or(Token::claim) {
                return Err(false);
            }
            self.note_level();
            if let Some((message, _)) = self.pop_front() {
                self.stats.received += u64::from(BOOKS);
                if !self.senders.is_empty() {
                    self.match_up(wakes);
                }
                return Ok(message);
            }
        }
        if self.capacity == 0 && !self.senders.is_empty() {
            return self.take_from_sender(wakes, token, may_park, object);
        }
        Err(current::is_ended(object) || self.has(NO_SENDERS))
    }

    /// A rendezvous with the oldest parked sender. One that only waits for room needs a parked receiver: it comes first if
    /// the caller can park, and is passed over otherwise.
    pub(super) fn take_from_sender(
        &mut self,
        wakes: &mut Wakes,
        token: Option<&Token>,
        may_park: bool,
        object: u64,
    ) -> Result<T, bool> {
        // SAFETY: under the lock.
        let only_waits = matches!(
            unsafe { self.senders.first_offer() },
            Some((Offer::Ready(_), _))
        );
        if only_waits && may_park {
            return Err(current::is_ended(object));
        }
        // SAFETY: under the lock.
        let Some(sender) = (unsafe { self.senders.first_message() }) else {
            return Err(current::is_ended(object));
        };
        if !token.is_none_or(Token::claim) {
            return Err(false);
        }
        // SAFETY: a parked sender's offer is full.
        let message = unsafe { take(sender.offer) };
        self.stats.sent += u64::from(BOOKS);
        self.stats.received += u64::from(BOOKS);
        // SAFETY: under the lock; claimed above.
        wakes.add(unsafe { self.senders.finish(sender, wait::DONE) });
        Ok(message)
    }

    /// Restores the invariants after room, messages or receivers appeared. Whether room was granted.
    pub(super) fn match_up(&mut self, wakes: &mut Wakes) -> bool {
        let mut granted = false;
        loop {
            if !self.queue.is_empty() && !self.receivers.is_empty() {
                // SAFETY: under the lock.
                let Some(receiver) = (unsafe { self.receivers.claim_first() }) else {
                    continue;
                };
                if let Some((message, ticket)) = self.pop_front() {
                    wakes.add(self.deliver(receiver, message, ticket));
                }
                continue;
            }
            // SAFETY: under the lock.
            let Some((offer, token)) = (unsafe { self.senders.first_offer() }) else {
                return granted;
            };
            let count = match offer {
                Offer::Ready(count) => count,
                _ => 1,
            };
            if !self.can_grant(token, count) {
                return granted;
            }
            // SAFETY: under the lock.
            let Some(sender) = (unsafe { self.senders.claim_oldest() }) else {
                // Its `select!` was won elsewhere; what may be granted to the next one is another question.
                continue;
            };
            let mut is_message = true;
            match sender.offer {
                Offer::Ready(count) => {
                    self.permits += count;
                    is_message = false;
                }
                Offer::Recv(_) => unreachable!("a receiver does not send"),
                offer @ (Offer::Send(_) | Offer::Convert(..)) => {
                    // SAFETY: a parked sender's offer is full.
                    let message = unsafe { take(offer) };
                    self.stats.sent += u64::from(BOOKS);
                    // On a rendezvous the next round hands it to the parked receiver.
                    self.push_back(message);
                }
            }
            granted = true;
            // SAFETY: under the lock; claimed above.
            let waker = unsafe { self.senders.finish(sender, wait::DONE) };
            if is_message {
                self.note_source(|| waker.as_ref().map_or(0, TaskWaker::process));
            }
            wakes.add(waker);
        }
    }

    /// Whether `count` permits may be granted to an operation of the `select!` of `token` (or to any other one, if null).
    pub(super) fn can_grant(&self, token: *const Token, count: u32) -> bool {
        if self.capacity != 0 {
            return self.queue.len() as u64 + u64::from(self.permits) + u64::from(count)
                <= u64::from(self.capacity);
        }
        // A `select!` never meets itself.
        let own = match token.is_null() {
            true => 0,
            // SAFETY: under the lock.
            false => unsafe { self.receivers.count_of(token) },
        };
        let granted = u64::from(self.permits) + u64::from(count);
        u64::from(self.receivers.len() - own) >= granted
    }

    /// Takes the oldest message, with its ticket if it was handed over before.
    #[inline]
    pub(super) fn pop_front(&mut self) -> Option<(T, Option<u32>)> {
        let ticket = match self.has(RETURNED) {
            true => self.pop_ticket(),
            false => None,
        };
        self.queue.pop_front().map(|message| (message, ticket))
    }

    #[cold]
    fn pop_ticket(&mut self) -> Option<u32> {
        let returned = &mut self.cold.as_mut()?.returned;
        let ticket = returned.pop_front();
        let more = !returned.is_empty();
        self.set(RETURNED, more);
        ticket
    }

    /// Puts a message that its receiver never saw back to the head, in the order in which such messages were handed over.
    #[cold]
    pub(super) fn put_back(&mut self, message: T, ticket: u32) {
        self.stats.received -= u64::from(BOOKS);
        self.forget_received();
        let returned = &mut self.cold.get_or_insert_default().returned;
        let place =
            returned.partition_point(|before| before.wrapping_sub(ticket).cast_signed() < 0);
        returned.insert(place, ticket);
        self.queue.insert(place, message);
        self.set(RETURNED, true);
    }

    /// Puts a message that was received back to the head, before those that came back from receivers which never saw them.
    #[cold]
    pub(super) fn insert_oldest(&mut self, message: T) {
        self.stats.received -= u64::from(BOOKS);
        self.forget_received();
        if self.has(RETURNED)
            && let Some(cold) = &mut self.cold
            && let Some(&first) = cold.returned.front()
        {
            cold.returned.push_front(first.wrapping_sub(1));
        }
        self.queue.insert(0, message);
    }

    /// The part of [`note_level`](Self::note_level) that is rarely needed.
    #[cold]
    #[inline(never)]
    pub(super) fn charge_level(&mut self, now: u32) {
        let last = self.stats.last_ms;
        // Workers read the clock at different moments: this one may be behind the worker that was here last.
        if now == 0 || last != 0 && last.wrapping_sub(now) < MAX_LAG_MS {
            return;
        }
        if last != 0 {
            let passed = now.wrapping_sub(last);
            self.stats.fill += u64::from(passed) * self.queue.len() as u64;
            if !self.has_room() {
                self.stats.full_ms = self.stats.full_ms.wrapping_add(passed);
            }
        }
        self.stats.last_ms = now;
    }
}

/// How far the coarse clock of one worker may be behind that of another; farther back is a clock that wrapped around.
const MAX_LAG_MS: u32 = 3_600_000;
