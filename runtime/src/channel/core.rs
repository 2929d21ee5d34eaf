//! The core of rendezvous, bounded and unbounded channels: buffer, hand-off, closing.
//!
//! One short lock protects a buffer and two lists of parked operations. A message goes straight into the place of a parked
//! receiver; only without one it is buffered. The idea of writing into the waiting future is kanal's; the lists, the claims of
//! `select!` and the rules below are ours.
//!
//! **Invariants** (true whenever the lock is free)
//! - Messages in the buffer and a parked receiver that could take one exclude each other.
//! - A parked sender and the room that it waits for exclude each other: room that appears is given to the oldest sender at
//!   once. While one is parked no other one gets room, so nobody overtakes it.
//! - `queue.len() + permits <= capacity`, except for hand-offs that their receiver never saw, and what a receiver puts back: those go
//!   back to the head, outside the bound.
//! - On a rendezvous, `permits <=` parked receivers at the moment of the grant.
//! - Who gets room because a permit was used or given back is marked as woken before the lock is released: the search for leaks asks
//!   under the lock whether there are permits, and looks afterwards at who is parked.
//! - User code (destructors, foreign wakers) never runs under the lock.
//!
//! Model: `tests/loom_channel.rs`, `tests/loom_select.rs`.

#![expect(
    unsafe_code,
    reason = "values that are moved between the places of parked operations"
)]

use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::Context;

use crate::channel::cold::{Closing, Cold};
use crate::channel::dead::Dead;
use crate::channel::head::{Counters, Head, Park, RECEIVER, SENDER, Started, VTable};
use crate::channel::policy::Overflow;
use crate::channel::registry::{Home, Shard};
use crate::channel::ring::Ring;
use crate::channel::select::Token;
use crate::channel::wait::{self, Claimed, List, Node, Offer};
use crate::channel::wakes::Wakes;
use crate::observe::BOOKS;
use crate::scope::Life;
use crate::sync::{AtomicU64, BiasedGuard, BiasedLock, prefetch, prefetch_before};
use crate::task::waker::{self, TaskWaker};
use crate::task::{TaskRef, current};

/// Capacity of a channel without a bound.
pub(crate) const UNBOUNDED: u32 = u32::MAX;

/// A channel.
#[repr(C)]
pub(crate) struct Core<T> {
    pub(crate) head: Head,
    /// Beside it: how many of the messages that were handed to parked receivers were seen, or came back.
    pub(super) state: BiasedLock<State<T>>,
}

/// Buffer, parked operations, room, and what observers ask for. In this order, so that what every message touches lies together.
#[repr(C)]
pub(super) struct State<T> {
    pub(super) receivers: List,
    // Between the lists, so that their pointers are aligned.
    pub(super) capacity: u32,
    pub(super) senders: List,
    /// Room that was granted and not used yet.
    pub(super) permits: u32,
    pub(super) queue: Ring<T>,
    /// How often a message was handed to a parked receiver, and the ticket of the last one that was handed for the first time. Tickets
    /// wrap around; of those that are out at a time none is so much older than another.
    pub(super) handed: u32,
    /// What keeps the common cases from being common: [`NO_SENDERS`] and the like.
    pub(super) gates: u8,
    pub(super) overflow: Overflow,
    /// The address of the task that sent last, to tell who feeds whom when a scope stops.
    pub(super) sent_by: usize,
    pub(super) stats: Counters,
    /// Where the channel is in the list of its shard.
    pub(super) listed: u32,
    /// The process whose mailbox this is.
    pub(super) owner: Option<TaskRef>,
    pub(super) cold: Option<Box<Cold>>,
}

#[cfg(all(target_pointer_width = "64", not(loom)))]
// With the word that the allocator of the C library adds, a multiple of 16.
const _: () = assert!(size_of::<Core<u64>>() <= 200, "every channel has one");

/// No sender is left.
pub(super) const NO_SENDERS: u8 = 1;
/// No receiver is left.
pub(super) const NO_RECEIVERS: u8 = 2;
/// The channel refuses somebody.
const REFUSES: u8 = 4;
/// A message is discarded where no room is left.
pub(super) const DISCARDS: u8 = 8;
/// Messages at the head of the queue came back.
pub(super) const RETURNED: u8 = 16;
/// Somebody has waited for room for several messages at once.
pub(super) const MANY: u8 = 32;
/// Who sent what lies in the queue is written down.
pub(super) const SOURCES: u8 = 64;

// SAFETY: all parts are behind the lock or atomic; messages move between threads, so they must be `Send`.
unsafe impl<T: Send> Send for Core<T> {}
// SAFETY: as above; nobody gets a shared reference to a message.
unsafe impl<T: Send> Sync for Core<T> {}

impl<T> Core<T> {
    /// Makes a channel with one sender and one receiver, and lists it.
    pub(crate) fn create(
        capacity: u32,
        site: &'static Location<'static>,
        shard: Option<Arc<Shard>>,
        vtable: &'static VTable,
    ) -> NonNull<Head> {
        let core = Box::new(Self {
            head: Head {
                counts: AtomicU64::new(SENDER + RECEIVER),
                vtable,
                site,
                server: AtomicU64::new(0),
                home: Home::new(shard),
            },
            state: BiasedLock::new(State {
                receivers: List::new(),
                capacity,
                senders: List::new(),
                permits: 0,
                queue: Ring::new(),
                handed: 0,
                gates: 0,
                overflow: Overflow::Wait,
                sent_by: 0,
                stats: Counters::default(),
                listed: 0,
                owner: None,
                cold: None,
            }),
        });
        let core = NonNull::from(Box::leak(core));
        // SAFETY: just made; the shard stays where it is.
        if let Some(shard) = unsafe { core.as_ref() }.head.home.shard() {
            shard.enter(core.cast(), |index| {
                // SAFETY: nobody else knows the channel before the list is unlocked.
                let state = unsafe { &mut (*core.as_ptr()).state };
                state.get_mut().list_at(index, shard.desk().is_read());
            });
        }
        core.cast()
    }

    /// Sends what lies in `place`: to a parked receiver, into the buffer, or by parking.
    ///
    /// # Safety
    /// `place` is a full [`wait::Place<T>`] that stays valid while the operation is parked.
    #[inline(always)]
    pub(crate) unsafe fn send(&self, place: NonNull<()>, park: Option<Park<'_, '_>>) -> Started {
        // The buffer and what is counted lie in the lines behind the lists.
        let state = ptr::from_ref(&self.state);
        prefetch(state.wrapping_byte_add(64));
        prefetch(state.wrapping_byte_add(112));
        let mut state = self.state.lock();
        // What a stream of messages does most of the time, small enough to become part of the sending process.
        if !state.has(NO_RECEIVERS | REFUSES | DISCARDS | SOURCES)
            && state.receivers.is_empty()
            && state.senders.is_empty()
            && state.has_room()
        {
            // SAFETY: by contract.
            let message = unsafe { take(Offer::Send(place)) };
            state.count_sent();
            state.push_back(message);
            return Started::Done;
        }
        // SAFETY: by contract.
        unsafe { Self::hand_over(state, place, park) }
    }

    /// Sends to a parked receiver that nobody else has a claim on, which is the common case of a rendezvous.
    ///
    /// # Safety
    /// As for [`send`](Self::send).
    #[inline(never)]
    unsafe fn hand_over(
        mut state: BiasedGuard<'_, State<T>>,
        place: NonNull<()>,
        park: Option<Park<'_, '_>>,
    ) -> Started {
        let may_hand_over =
            !state.has(NO_RECEIVERS | REFUSES) && state.permits == 0 && state.senders.is_empty();
        // The node lies in the cell of its process, whose other lines are needed next.
        prefetch_before(state.receivers.first());
        let receiver = match may_hand_over {
            // SAFETY: under the lock.
            true => unsafe { state.receivers.claim_receiver() },
            false => None,
        };
        let Some(receiver) = receiver else {
            // SAFETY: by contract.
            return unsafe { Self::send_in(state, Offer::Send(place), park) };
        };
        // SAFETY: by contract.
        let message = unsafe { take(Offer::Send(place)) };
        state.count_sent();
        let waker = state.deliver(receiver, message, None);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Started::Done
    }

    /// # Safety
    /// `offer` is a full [`Offer::Send`] or [`Offer::Convert`] for messages of type `T` that stays valid while parked.
    pub(super) unsafe fn send_offer(&self, offer: Offer, park: Option<Park<'_, '_>>) -> Started {
        // SAFETY: by contract.
        unsafe { Self::send_in(self.state.lock(), offer, park) }
    }

    /// # Safety
    /// As for [`send_offer`](Self::send_offer).
    #[inline(never)]
    unsafe fn send_in(
        mut state: BiasedGuard<'_, State<T>>,
        offer: Offer,
        park: Option<Park<'_, '_>>,
    ) -> Started {
        if state.has(NO_RECEIVERS) || state.refuses() {
            state.refuse();
            return Started::Closed;
        }
        // A rendezvous may not take a receiver that a permit counts on; and where permits are all the room, senders may be
        // parked beside receivers, and come first.
        let may_hand_over = match state.capacity {
            0 => state.receivers.len() > state.permits,
            // Where a send never waits, nobody who waits for room comes before it.
            _ => state.senders.is_empty() || state.overflow != Overflow::Wait,
        };
        if may_hand_over && !state.receivers.is_empty() {
            // SAFETY: under the lock.
            if let Some(receiver) = unsafe { state.receivers.claim_first() } {
                // SAFETY: by contract the offer is full.
                let message = unsafe { take(offer) };
                state.count_sent();
                let waker = state.deliver(receiver, message, None);
                drop(state);
                if let Some(waker) = waker {
                    waker.wake();
                }
                return Started::Done;
            }
        }
        let mut discarded = None;
        // Whoever waits for room comes first, also one that waits for more than there is.
        let waits = state.overflow == Overflow::Wait;
        let room = state.has_room() && (state.senders.is_empty() || !waits);
        if room || !waits {
            if !room && state.overflow == Overflow::DropOldest {
                let source = state.source_of(0);
                discarded = state.pop_front().map(|(message, _)| (message, source));
            }
            // SAFETY: by contract the offer is full.
            let message = unsafe { take(offer) };
            state.count_sent();
            if room || discarded.is_some() {
                state.push_back(message);
                state.note_source(current::process_id);
                match discarded {
                    Some((oldest, source)) => Self::discard(state, oldest, Some(source)),
                    None => drop(state),
                }
            } else {
                Self::discard(state, message, None);
            }
            return Started::Done;
        }
        let Some(park) = park else {
            state.refuse();
            return Started::Full;
        };
        let Some(waker) = TaskWaker::prepared(park.cx) else {
            // SAFETY: by contract.
            return unsafe { Self::send_prepared(state, offer, park) };
        };
        let Park { node, token, .. } = park;
        state.sent_by = current::address();
        // SAFETY: the node is idle and pinned in the future of the caller, which withdraws it.
        unsafe { state.senders.push(node, offer, waker, token) };
        Started::Parked
    }

    /// Begins again with a waker that is not ours, which is cloned while the lock is free.
    ///
    /// # Safety
    /// As for [`send_offer`](Self::send_offer).
    #[cold]
    #[inline(never)]
    unsafe fn send_prepared(
        state: BiasedGuard<'_, State<T>>,
        offer: Offer,
        park: Park<'_, '_>,
    ) -> Started {
        let (state, _spare) = BiasedGuard::unlocked(state, || waker::prepare(park.cx));
        // SAFETY: by contract.
        unsafe { Self::send_in(state, offer, Some(park)) }
    }

    /// Takes a message, if there is one. `Err(true)`: none will come any more.
    #[inline]
    pub(crate) fn try_recv(&self, token: Option<&Token>) -> Result<T, bool> {
        let mut wakes = Wakes::default();
        let mut state = self.state.lock();
        let result = state.take(&mut wakes, token, false, self.object());
        drop(state);
        wakes.wake();
        result
    }

    /// Takes a message, or parks with `place` to put it into.
    ///
    /// # Safety
    /// `place` is a [`wait::Place<T>`] that stays valid while the node is parked.
    #[inline(always)]
    pub(crate) unsafe fn recv(&self, place: NonNull<()>, park: Park<'_, '_>) -> Result<T, Started> {
        let mut state = self.state.lock();
        // As in `send`: nobody waits for room, and no `select!` has a say.
        if !state.has(RETURNED) && state.senders.is_empty() && park.token.is_none() {
            state.note_level();
            if let Some(message) = state.queue.pop_front() {
                state.stats.received += u64::from(BOOKS);
                return Ok(message);
            }
        }
        // SAFETY: by contract.
        unsafe { Self::recv_in(state, place, park, self.object()) }
    }

    /// # Safety
    /// As for [`recv`](Self::recv).
    #[inline(never)]
    unsafe fn recv_in(
        mut state: BiasedGuard<'_, State<T>>,
        place: NonNull<()>,
        park: Park<'_, '_>,
        object: u64,
    ) -> Result<T, Started> {
        if state.queue.is_empty()
            && state.senders.is_empty()
            && park.token.is_none()
            && !state.has(NO_SENDERS)
            && !current::is_ended(object)
        {
            let Some(waker) = TaskWaker::prepared(park.cx) else {
                // SAFETY: by contract.
                return unsafe { Self::recv_prepared(state, place, park, object) };
            };
            // SAFETY: the node is idle and pinned in the future of the caller, which withdraws it.
            unsafe {
                state
                    .receivers
                    .push(park.node, Offer::Recv(place), waker, None);
            }
            return Err(Started::Parked);
        }
        if state.queue.is_empty() && state.capacity == 0 && park.token.is_none() {
            // SAFETY: under the lock.
            if let Some(sender) = unsafe { state.senders.first_if_message() } {
                // SAFETY: a parked sender's offer is full.
                let message = unsafe { take(sender.offer) };
                state.stats.sent += u64::from(BOOKS);
                state.stats.received += u64::from(BOOKS);
                // SAFETY: under the lock; the node belongs to no `select!`.
                let waker = unsafe { state.senders.finish(sender, wait::DONE) };
                drop(state);
                if let Some(waker) = waker {
                    waker.wake();
                }
                return Ok(message);
            }
        }
        let mut wakes = Wakes::default();
        let result = match state.take(&mut wakes, park.token, true, object) {
            Ok(message) => Ok(message),
            Err(true) => Err(Started::Closed),
            Err(false) if park.token.is_some_and(Token::is_claimed) => Err(Started::Lost),
            Err(false) => {
                let Some(waker) = TaskWaker::prepared(park.cx) else {
                    // Nothing was taken, so nobody is to be woken.
                    // SAFETY: by contract.
                    return unsafe { Self::recv_prepared(state, place, park, object) };
                };
                let Park { node, token, .. } = park;
                // SAFETY: the node is idle and pinned in the future of the caller, which withdraws it.
                unsafe { state.receivers.push(node, Offer::Recv(place), waker, token) };
                if state.senders.is_empty() {
                    return Err(Started::Parked);
                }
                // A sender that only waits for room may be waiting for just this receiver.
                state.match_up(&mut wakes);
                Err(Started::Parked)
            }
        };
        drop(state);
        wakes.wake();
        result
    }

    /// Begins again with a waker that is not ours, which is cloned while the lock is free.
    ///
    /// # Safety
    /// As for [`recv`](Self::recv).
    #[cold]
    #[inline(never)]
    unsafe fn recv_prepared(
        state: BiasedGuard<'_, State<T>>,
        place: NonNull<()>,
        park: Park<'_, '_>,
        object: u64,
    ) -> Result<T, Started> {
        let (state, _spare) = BiasedGuard::unlocked(state, || waker::prepare(park.cx));
        // SAFETY: by contract.
        unsafe { Self::recv_in(state, place, park, object) }
    }

    /// Takes up to `limit` further messages without waiting.
    pub(crate) fn drain(&self, limit: usize, into: &mut Vec<T>) {
        let mut wakes = Wakes::default();
        let mut state = self.state.lock();
        while into.len() < limit {
            let Ok(message) = state.take(&mut wakes, None, false, self.object()) else {
                break;
            };
            into.push(message);
        }
        drop(state);
        wakes.wake();
    }

    /// The owner of a parked send or ready takes it back. A permit that was granted and not seen is returned.
    ///
    /// # Safety
    /// The node was used with this channel as a sender, or never.
    pub(crate) unsafe fn withdraw_sender(&self, node: &Node) -> u32 {
        let mut wakes = Wakes::default();
        let mut state = self.state.lock();
        // SAFETY: by contract.
        let (mark, waker) = unsafe { state.senders.withdraw(node) };
        if mark == wait::WAITING && !state.senders.is_empty() {
            // It may have waited for more room than the next one does.
            state.match_up(&mut wakes);
        }
        drop(state);
        drop(waker);
        wakes.wake();
        mark
    }

    /// The owner of a parked receive takes it back; a message that was handed over and not seen goes to the head.
    ///
    /// # Safety
    /// The node was used with this channel as a receiver with `place`, or never.
    pub(crate) unsafe fn withdraw_receiver(&self, node: &Node, place: NonNull<()>) {
        let mut wakes = Wakes::default();
        let mut state = self.state.lock();
        // SAFETY: by contract.
        let (mark, waker) = unsafe { state.receivers.withdraw(node) };
        let mut unseen = None;
        if mark == wait::DONE {
            // SAFETY: the peer has filled the place and left the node; the owner is here.
            unseen = unsafe { wait::empty::<T>(place) };
        }
        let mut notice = None;
        if let Some(message) = unseen.take() {
            if state.has(NO_RECEIVERS) {
                state.stats.received -= u64::from(BOOKS);
                notice = Some(state.die(Dead::Withdrawn, 1, self.head.now_ms()));
                unseen = Some(message);
            } else {
                state.put_back(message, node.ticket());
                state.match_up(&mut wakes);
            }
            self.note_seen();
        }
        drop(state);
        drop(waker);
        if let Some(notice) = notice {
            self.tell_of(&notice, unseen.iter().map(|message| (message, 0)));
        }
        drop(unseen);
        wakes.wake();
    }

    /// A message that was handed to a parked receiver was seen, or came back.
    #[inline]
    pub(super) fn note_seen(&self) {
        if BOOKS {
            self.state.count_beside();
        }
    }

    /// Renews the waker of a parked send or ready, and returns its mark. If that says that it waits, it will be woken.
    ///
    /// # Safety
    /// As for [`withdraw_sender`](Self::withdraw_sender).
    pub(crate) unsafe fn renew_sender(&self, node: &Node, cx: &Context<'_>) -> u32 {
        let _spare = waker::prepare(cx);
        let mut state = self.state.lock();
        // SAFETY: by contract.
        let (mark, old) = unsafe { state.senders.renew(node, cx) };
        drop(state);
        drop(old);
        mark
    }

    /// Renews the waker of a parked receive, and returns its mark. If the current process was told that its inputs are over,
    /// and this one is, the node is taken out of the list, and its mark is [`wait::CLOSED`].
    ///
    /// # Safety
    /// As for [`withdraw_receiver`](Self::withdraw_receiver).
    pub(crate) unsafe fn renew_receiver(&self, node: &Node, cx: &Context<'_>) -> u32 {
        let _spare = waker::prepare(cx);
        let mut state = self.state.lock();
        let over = current::is_ended(self.object()) && state.queue.is_empty();
        let (mark, old) = if over {
            // SAFETY: by contract.
            match unsafe { state.receivers.withdraw(node) } {
                (wait::WAITING, old) => (wait::CLOSED, old),
                done => done,
            }
        } else {
            // SAFETY: by contract.
            unsafe { state.receivers.renew(node, cx) }
        };
        drop(state);
        drop(old);
        mark
    }

    /// A process of a stopping scope receives here: from now on processes outside of the scope are refused.
    #[cold]
    pub(crate) fn close_to_outside(&self) {
        // Notes that the process has noticed: who asks will be shown the end when what is queued is received.
        let _ = current::is_ended(self.object());
        if let Some(scope) = current::stopping_scope() {
            self.refuse_outside(scope);
        }
    }

    /// Refuses processes outside of a scope that stops.
    pub(super) fn refuse_outside(&self, scope: Arc<Life>) {
        self.close_to(Closing::Outside(vec![scope]));
    }

    pub(super) fn close_to(&self, closing: Closing) {
        let mut wakes = Wakes::default();
        let mut state = self.state.lock();
        if state.cold.get_or_insert_default().close(closing) {
            state.gates |= REFUSES;
            // Everybody looks again: those outside see that they are refused, the others wait on.
            // SAFETY: under the lock.
            unsafe { state.senders.wake_all(&mut wakes) };
        }
        drop(state);
        wakes.wake();
    }

    /// Whether new messages of the current process are refused.
    pub(crate) fn refuses(&self) -> bool {
        let state = self.state.lock();
        state.has(NO_RECEIVERS) || state.refuses()
    }
}

impl<T> State<T> {
    #[inline]
    pub(super) fn has(&self, gates: u8) -> bool {
        self.gates & gates != 0
    }

    pub(super) fn set(&mut self, gate: u8, on: bool) {
        self.gates = (self.gates & !gate) | if on { gate } else { 0 };
    }

    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() as u64 + u64::from(self.permits) < u64::from(self.capacity)
    }

    /// Whether new messages of the current process are refused.
    #[inline]
    pub(super) fn refuses(&self) -> bool {
        self.cold
            .as_ref()
            .and_then(|cold| cold.closing.as_ref())
            .is_some_and(Closing::refuses)
    }

    /// Counts a message of the process that runs.
    #[inline]
    pub(super) fn count_sent(&mut self) {
        self.stats.sent += u64::from(BOOKS);
        if BOOKS {
            self.sent_by = current::address();
        }
    }

    #[inline]
    pub(super) fn push_back(&mut self, message: T) {
        self.note_level();
        let len = self.queue.push_back(message);
        if BOOKS {
            self.stats.high_water = self.stats.high_water.max(len);
        }
    }

    /// Puts a message into the place of a parked receiver.
    #[inline(always)]
    pub(super) fn deliver(
        &mut self,
        receiver: Claimed,
        message: T,
        ticket: Option<u32>,
    ) -> Option<TaskWaker> {
        // One that came back was counted as seen then, so it counts again.
        self.handed = self.handed.wrapping_add(1);
        let ticket = ticket.unwrap_or(self.handed);
        if let Offer::Recv(place) = receiver.offer {
            // SAFETY: a parked receiver's place is a `Place<T>`, and ours until the node is finished.
            unsafe { wait::fill(place, message) };
        }
        self.stats.received += u64::from(BOOKS);
        // SAFETY: under the lock; claimed by the caller.
        unsafe { self.receivers.hand_over(receiver, ticket) }
    }

    /// Charges the time at the present length, if a tick of the coarse clock passed over it.
    #[inline]
    pub(super) fn note_level(&mut self) {
        let now = current::coarse_ms();
        if BOOKS && now != self.stats.last_ms {
            self.charge_level(now);
        }
    }
}

/// Moves the message out of a sender's place.
///
/// # Safety
/// The offer is a full `Send` or `Convert` for messages of type `T`.
#[inline]
pub(super) unsafe fn take<T>(offer: Offer) -> T {
    match offer {
        Offer::Send(place) => {
            // SAFETY: by contract the place is a full `Place<T>`, and ours.
            let message = unsafe { wait::empty::<T>(place) };
            // SAFETY: as above.
            unsafe { message.unwrap_unchecked() }
        }
        Offer::Convert(place, convert) => {
            let mut message = None::<T>;
            // SAFETY: by contract `convert` fills an `Option<T>` from that full place.
            unsafe { convert(place, NonNull::from(&mut message).cast()) };
            // SAFETY: as above.
            unsafe { message.unwrap_unchecked() }
        }
        Offer::Recv(_) | Offer::Ready(_) => unreachable!("only senders offer messages"),
    }
}
