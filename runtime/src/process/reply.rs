//! Replies: the way from a handler back to its caller.
//!
//! The slot in the message and the caller share one small cell, whose parts belong to one of them at a time. A slot is used up
//! by the answer, and whatever becomes of it otherwise completes the call too: see [`call`](super::call).
//!
//! | state | set by | there is a waker | the answer is written and read by | freed by |
//! |---|---|---|---|---|
//! | `ASKED` | caller | no | slot | |
//! | `WAITING` | caller | yes: whoever changes the state takes it | slot | |
//! | `WAKING` | slot | the slot takes it | slot | |
//! | `ANSWERED` | slot | no | caller | caller |
//! | `LEFT` | caller | no | slot | slot |
//!
//! `WATCHED` is added to `ASKED`, `WAITING` and `ANSWERED` when the slot has left a [`Presence`] in the cell, before its handler
//! runs. From then on that belongs to the caller, who takes it out when it goes: before it says so, for afterwards the cell is
//! not its own. What is watched takes the cold paths, so that other calls do not look for it.
//!
//! A call that is answered costs one compare-exchange: the caller leaves its waker before the message goes, and sees the
//! answer in the state. Rejected: a lock and a count of references, five more locked instructions for each call.
//!
//! **Invariants**
//! - A slot is answered at most once: answering takes it by value.
//! - Who sets `ANSWERED` or `LEFT` touches the cell no more: from then on it belongs to the other side.
//! - A caller that goes says so, or finds the answer. So each answer that nobody takes is counted once.
//! - A presence is marked when the state can be seen to be `LEFT`, or the answer was taken.
//!
//! Model: `tests/loom_reply.rs`.

#![expect(
    unsafe_code,
    reason = "a cell that two sides own in turn; slots are made for messages only, which their type does not say"
)]

use std::any::type_name;
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::Context;

use crate::channel::dead::Dead;
use crate::channel::registry;
use crate::process::caller::Presence;
use crate::process::refusal::CallError;
use crate::sim::told;
use crate::sync::{AtomicU32, Ordering, UnsafeCell, wait_a_moment};
use crate::task::current;
use crate::task::waker::TaskWaker;

/// Nobody is to be woken yet.
const ASKED: u32 = 0;
/// The caller has left its waker.
const WAITING: u32 = 1;
/// The slot takes the waker, for a few instructions.
const WAKING: u32 = 2;
/// The answer is there.
const ANSWERED: u32 = 3;
/// The caller has gone.
const LEFT: u32 = 4;
/// A flag: a presence was left for the caller.
const WATCHED: u32 = 8;

/// What a call ends with.
type Answer<R, E> = Result<R, CallError<E>>;

/// What both sides share; see the table in the file's header.
struct ReplyCell<R, E> {
    state: AtomicU32,
    waker: UnsafeCell<MaybeUninit<TaskWaker>>,
    answer: UnsafeCell<MaybeUninit<Answer<R, E>>>,
    presence: UnsafeCell<MaybeUninit<Arc<Presence>>>,
}

/// The caller's side of a call, until it has the answer. Dropping it leaves.
pub(crate) struct Question<R, E>(Option<NonNull<ReplyCell<R, E>>>);

// SAFETY: the answer moves between threads, which needs it to be `Send`; the state says who may touch what.
unsafe impl<R: Send, E: Send> Send for Question<R, E> {}
// SAFETY: a shared question offers nothing.
unsafe impl<R: Send, E: Send> Sync for Question<R, E> {}

/// The handler's side of a call, which must be completed.
struct Asker<R, E>(NonNull<ReplyCell<R, E>>);

// SAFETY: a shared one only tells whether the caller has gone.
unsafe impl<R: Send, E: Send> Sync for Asker<R, E> {}

/// Makes the two sides of a call.
#[inline]
pub(crate) fn question<R, E>() -> (Question<R, E>, ReplySlot<R, E>) {
    let cell = NonNull::from(Box::leak(Box::new(ReplyCell {
        state: AtomicU32::new(ASKED),
        waker: UnsafeCell::new(MaybeUninit::uninit()),
        answer: UnsafeCell::new(MaybeUninit::uninit()),
        presence: UnsafeCell::new(MaybeUninit::uninit()),
    })));
    let slot = ReplySlot {
        cell: Some(Asker(cell)),
    };
    (Question(Some(cell)), slot)
}

impl<R, E> ReplyCell<R, E> {
    #[inline]
    fn state(&self) -> u32 {
        // ORDERING: Acquire pairs with the Release of the side that set the state: what it left is visible.
        self.state.load(Ordering::Acquire)
    }

    /// From one state to the next, or the state that the other side has set meanwhile.
    #[inline]
    fn change(&self, from: u32, to: u32) -> Result<u32, u32> {
        // ORDERING: Release publishes the waker or the answer to the other side; Acquire, also on failure, shows what that
        // one has left.
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
    }

    /// From one state to the next, watched or not; or the state, without the flag, that the other side has set meanwhile.
    #[cold]
    fn step(&self, from: u32, to: u32) -> Result<(), u32> {
        let mut seen = self.state();
        loop {
            if seen & !WATCHED != from {
                return Err(seen & !WATCHED);
            }
            match self.change(seen, to | (seen & WATCHED)) {
                Ok(_) => return Ok(()),
                Err(now) => seen = now,
            }
        }
    }

    /// # Safety
    /// The state says that the presence belongs to this side, and that there is one; it is taken once.
    #[cold]
    unsafe fn take_presence(&self) -> Arc<Presence> {
        self.presence.with_mut(|place| {
            // SAFETY: by contract nobody else touches it now.
            let place = unsafe { &*place };
            // SAFETY: by contract there is one.
            unsafe { place.assume_init_read() }
        })
    }

    /// # Safety
    /// The state says that there is none, and the caller of the call is here.
    #[inline]
    unsafe fn put_waker(&self, waker: TaskWaker) {
        self.waker.with_mut(|place| {
            // SAFETY: by contract nobody else touches it now.
            unsafe { &mut *place }.write(waker);
        });
    }

    /// # Safety
    /// This side has changed the state from `WAITING`, and takes the waker once.
    #[inline]
    unsafe fn take_waker(&self) -> TaskWaker {
        // Only read: the caller may compare it at this moment.
        self.waker.with(|place| {
            // SAFETY: the place lives as long as the cell.
            let place = unsafe { &*place };
            // SAFETY: there is one: it was left when the state became `WAITING`.
            unsafe { place.assume_init_read() }
        })
    }

    /// # Safety
    /// The state says that the answer belongs to this side, and that there is one; it is taken once.
    #[inline]
    unsafe fn take_answer(&self) -> Answer<R, E> {
        self.answer.with(|place| {
            // SAFETY: by contract nobody else touches it now.
            let place = unsafe { &*place };
            // SAFETY: by contract there is one.
            unsafe { place.assume_init_read() }
        })
    }

    /// # Safety
    /// The state says that the cell belongs to this side, and what was in it is taken.
    #[inline]
    unsafe fn free(cell: NonNull<Self>) {
        // SAFETY: by contract.
        let places = unsafe { cell.as_ref() };
        // Nothing, but a model sees that it races with whoever is still there.
        places.waker.with_mut(|_| ());
        places.answer.with_mut(|_| ());
        places.presence.with_mut(|_| ());
        // SAFETY: by contract; it came from a box.
        drop(unsafe { Box::from_raw(cell.as_ptr()) });
    }
}

impl<R, E> Question<R, E> {
    #[inline]
    fn cell(&self) -> Option<&ReplyCell<R, E>> {
        // SAFETY: the slot frees the cell only after this side has left, and then this is not used any more.
        self.0.map(|cell| unsafe { cell.as_ref() })
    }

    /// Leaves the waker of whoever polls now. Before the message is sent, and once.
    #[inline]
    pub(crate) fn prepare(&mut self, cx: &Context<'_>) {
        if let Some(cell) = self.cell() {
            debug_assert_eq!(cell.state(), ASKED, "a call is prepared once");
            // SAFETY: the slot is in the message, which is still here.
            unsafe { cell.put_waker(TaskWaker::of(cx)) };
            // ORDERING: Relaxed: the channel publishes it, with the message.
            cell.state.store(WAITING, Ordering::Relaxed);
        }
    }

    /// Takes the answer. Without one, whoever polls now is woken when it comes.
    #[inline]
    pub(crate) fn take(&mut self, cx: &Context<'_>) -> Option<Answer<R, E>> {
        match self.cell()?.state() {
            ANSWERED => self.collect(),
            WAITING if self.will_wake(cx) => None,
            _ => self.renew(cx),
        }
    }

    /// Whether the waker that was left is that of whoever polls now.
    #[inline]
    fn will_wake(&self, cx: &Context<'_>) -> bool {
        self.cell().is_some_and(|cell| {
            cell.waker.with(|place| {
                // SAFETY: only this side writes there.
                let place = unsafe { &*place };
                // SAFETY: one was left. The slot may take it at this moment, but leaves the bytes as they are, and nothing that
                // they point to is followed.
                unsafe { place.assume_init_ref() }.is(cx)
            })
        })
    }

    /// The call has moved to another process, or its answer comes at this moment.
    #[cold]
    #[inline(never)]
    fn renew(&mut self, cx: &Context<'_>) -> Option<Answer<R, E>> {
        let old = self.take_waker_back();
        let cell = self.cell()?;
        if cell.state() & !WATCHED == ANSWERED {
            return self.collect_watched();
        }
        // SAFETY: it was taken back, so there is none.
        unsafe { cell.put_waker(TaskWaker::of(cx)) };
        if cell.step(ASKED, WAITING).is_ok() {
            drop(old);
            return None;
        }
        // SAFETY: the slot has answered and found none, so this side takes it; nobody has seen it.
        drop(unsafe { cell.take_waker() });
        self.collect_watched()
    }

    /// Takes the waker back, if the slot has not taken it. Afterwards the state is `ASKED` or `ANSWERED`.
    #[cold]
    fn take_waker_back(&self) -> Option<TaskWaker> {
        let cell = self.cell()?;
        let mut round = 0;
        loop {
            match cell.step(WAITING, ASKED) {
                // SAFETY: this side has changed the state.
                Ok(_) => return Some(unsafe { cell.take_waker() }),
                Err(WAKING) => {
                    wait_a_moment(round);
                    round += 1;
                }
                Err(_) => return None,
            }
        }
    }

    /// Takes the answer out of a cell that was answered, and frees that.
    #[inline]
    fn collect(&mut self) -> Option<Answer<R, E>> {
        let cell = self.0.take()?;
        // SAFETY: answered, so the cell is this side's.
        let shared = unsafe { cell.as_ref() };
        // SAFETY: as above, with the answer in it.
        let answer = unsafe { shared.take_answer() };
        // SAFETY: as above.
        unsafe { ReplyCell::free(cell) };
        Some(answer)
    }

    /// As [`collect`](Self::collect), for a cell that may be watched: it has its answer, so it does not wait any more.
    #[cold]
    fn collect_watched(&mut self) -> Option<Answer<R, E>> {
        let presence = self.presence();
        let answer = self.collect();
        if let Some(presence) = presence {
            presence.leave();
        }
        answer
    }

    /// Takes the presence out, if there is one: once, for the caller then goes.
    #[cold]
    fn presence(&self) -> Option<Arc<Presence>> {
        let cell = self.cell()?;
        // SAFETY: the slot has left it for this side, which has not gone.
        (cell.state() & WATCHED != 0).then(|| unsafe { cell.take_presence() })
    }

    /// The caller goes without the answer; one that has come is dead.
    #[cold]
    #[inline(never)]
    pub(crate) fn leave(&mut self) {
        drop(self.take_waker_back());
        let presence = self.say_gone();
        // If it could not say so, the answer is there.
        let answer = self.collect();
        if let Some(presence) = presence {
            presence.leave();
        }
        if let Some(Ok(_) | Err(CallError::Failed(_))) = answer {
            lose_reply::<R>(Dead::Withdrawn);
        }
        drop(answer);
    }

    /// Says that the caller goes, unless the answer has come: then the cell is still here. The presence is taken out before, for
    /// afterwards the cell is the slot's.
    fn say_gone(&mut self) -> Option<Arc<Presence>> {
        let mut presence = None;
        loop {
            let cell = self.cell()?;
            let seen = cell.state();
            if seen & WATCHED != 0 && presence.is_none() {
                presence = self.presence();
            }
            if seen & !WATCHED != ASKED {
                return presence;
            }
            // It fails if the slot has answered, or left a presence, meanwhile.
            if cell.change(seen, LEFT).is_ok() {
                self.0 = None;
                return presence;
            }
        }
    }
}

impl<R, E> Drop for Question<R, E> {
    #[inline]
    fn drop(&mut self) {
        if self.0.is_some() {
            self.leave();
        }
    }
}

impl<R, E> Asker<R, E> {
    /// Completes the call; an answer that nobody takes any more comes back.
    #[inline]
    fn complete(self, answer: Answer<R, E>) -> Option<Answer<R, E>> {
        // SAFETY: the caller frees the cell only after it was answered, below.
        let cell = unsafe { self.0.as_ref() };
        cell.answer.with_mut(|place| {
            // SAFETY: before that it is this side's.
            unsafe { &mut *place }.write(answer);
        });
        let mut seen = cell.state();
        loop {
            let changed = match seen {
                WAITING => cell.change(WAITING, WAKING),
                ASKED => cell.change(ASKED, ANSWERED),
                _ => return self.complete_watched(),
            };
            match changed {
                Ok(WAITING) => {
                    // SAFETY: this side has changed the state.
                    let waker = unsafe { cell.take_waker() };
                    // ORDERING: Release publishes the answer. The last access to the cell.
                    cell.state.store(ANSWERED, Ordering::Release);
                    waker.wake();
                    return None;
                }
                Ok(_) => return None,
                Err(now) => seen = now,
            }
        }
    }

    /// The rest of [`complete`](Self::complete): the cell is watched, or the caller has left.
    #[cold]
    #[inline(never)]
    fn complete_watched(self) -> Option<Answer<R, E>> {
        // SAFETY: as in `complete`.
        let cell = unsafe { self.0.as_ref() };
        loop {
            let seen = cell.state();
            let flag = seen & WATCHED;
            match seen & !WATCHED {
                WAITING if cell.change(seen, WAKING).is_ok() => {
                    // SAFETY: this side has changed the state.
                    let waker = unsafe { cell.take_waker() };
                    // ORDERING: Release publishes the answer. The last access to the cell.
                    cell.state.store(ANSWERED | flag, Ordering::Release);
                    waker.wake();
                    return None;
                }
                ASKED if cell.change(seen, ANSWERED | flag).is_ok() => return None,
                LEFT => return self.take_back(),
                _ => {}
            }
        }
    }

    /// Leaves a presence for the caller; false if it has gone. Once, before the answer.
    fn show(&mut self, presence: &Arc<Presence>) -> bool {
        // SAFETY: as in `complete`.
        let cell = unsafe { self.0.as_ref() };
        let mut seen = cell.state();
        if seen & WATCHED != 0 {
            debug_assert!(false, "a presence is shown once");
            return true;
        }
        cell.presence.with_mut(|place| {
            // SAFETY: the caller touches it when the flag is set.
            unsafe { &mut *place }.write(Arc::clone(presence));
        });
        while seen != LEFT {
            match cell.change(seen, seen | WATCHED) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        // SAFETY: the flag is not set and the caller has left, so it is this side's; it was written above.
        drop(unsafe { cell.take_presence() });
        false
    }

    /// Takes back an answer whose caller has left.
    #[cold]
    fn take_back(self) -> Option<Answer<R, E>> {
        // SAFETY: the caller has left, so the cell is this side's.
        let cell = unsafe { self.0.as_ref() };
        // SAFETY: as above; the answer was written by `complete`.
        let answer = unsafe { cell.take_answer() };
        // SAFETY: as above.
        unsafe { ReplyCell::free(self.0) };
        Some(answer)
    }

    /// Whether the caller has gone.
    #[inline]
    fn is_alone(&self) -> bool {
        // SAFETY: the caller frees the cell only after it was answered, which takes `self`.
        unsafe { self.0.as_ref() }.state() == LEFT
    }
}

/// Counts a reply of type `R` that nobody takes, and tells of it if nobody wanted that.
#[cold]
fn lose_reply<R>(reason: Dead) {
    if let Some(shard) = registry::current() {
        shard.lose(reason);
        if reason == Dead::Withdrawn {
            shard.desk().tell_of_reply(type_name::<R>(), reason);
        }
    }
}

/// The handler's side of a reply, in the message.
pub struct ReplySlot<R, E> {
    /// Empty for messages that are sent without waiting for them.
    cell: Option<Asker<R, E>>,
}

// SAFETY: a slot is made by `slot` only, which demands that both are messages and so `Send`; the bound is not repeated here so
// that a type that is no message is one error.
unsafe impl<R, E> Send for ReplySlot<R, E> {}

/// Makes an empty slot.
pub fn slot<R: crate::channel::Message, E: crate::channel::Message>() -> ReplySlot<R, E> {
    ReplySlot { cell: None }
}

impl<R, E> ReplySlot<R, E> {
    /// Lets others learn when the caller goes, through what this returns; `None` if nobody waits for an answer. Once.
    pub(crate) fn watch(&mut self, last: Option<Arc<Presence>>) -> Option<Arc<Presence>> {
        let cell = self.cell.as_mut()?;
        let presence = Presence::next(last);
        if !cell.show(&presence) {
            presence.leave();
        }
        Some(presence)
    }

    /// Whether somebody waits for the answer, and has not gone.
    pub(super) fn is_wanted(&self) -> bool {
        self.cell.is_some() && !self.abandoned()
    }

    /// Whether the caller has gone.
    pub fn abandoned(&self) -> bool {
        self.cell.as_ref().is_some_and(Asker::is_alone)
    }

    /// Answers the call of a handler that may fail; `learner` is what [`Cause`](super::cause::Cause) gives.
    #[inline]
    pub fn answer_or_fail(self, result: Result<R, E>, learner: fn())
    where
        (R, E): 'static,
    {
        if result.is_err() {
            learner();
        }
        self.answer(result);
    }

    /// Answers the call.
    pub fn answer(mut self, result: Result<R, E>)
    where
        (R, E): 'static,
    {
        told::answers(result.as_ref(), false);
        self.reply(result.map_err(CallError::Failed));
    }

    #[inline]
    pub(super) fn reply(&mut self, result: Result<R, CallError<E>>) {
        match self.cell.take() {
            Some(cell) => {
                if let Some(unwanted) = cell.complete(result) {
                    lose_reply::<R>(Dead::Withdrawn);
                    drop(unwanted);
                }
            }
            // What has no content is not missed.
            None if size_of::<Result<R, E>>() > 0 => lose_reply::<R>(Dead::Discarded),
            None => {}
        }
    }

    /// Completes the call without an answer.
    pub(super) fn fail(&mut self, error: CallError<E>) {
        if let Some(cell) = self.cell.take() {
            let _ = cell.complete(Err(error));
        }
    }

    /// The call will not be answered.
    #[cold]
    #[inline(never)]
    fn give_up(&mut self) {
        // What lies in the queue of a process that crashes was not begun, and may be asked of another one.
        let begun = !current::is_undelivered();
        if begun && (std::thread::panicking() || current::is_killed_child()) {
            self.crash();
        } else {
            self.fail(CallError::Gone);
        }
    }

    /// Completes the call with `Crashed`, when nothing is left of the process: who is told of the crash finds it in the ledger.
    #[cold]
    pub(super) fn crash(&mut self) {
        let Some(cell) = self.cell.take() else { return };
        let complete: Box<dyn FnOnce() + '_> = Box::new(move || {
            let _ = cell.complete(Err(CallError::Crashed));
        });
        // SAFETY: `slot`, which makes all slots, demands that reply and error are messages, and messages are `'static`.
        let complete =
            unsafe { std::mem::transmute::<Box<dyn FnOnce() + '_>, Box<dyn FnOnce()>>(complete) };
        current::after_step(complete);
    }
}

impl<R, E> Drop for ReplySlot<R, E> {
    #[inline]
    fn drop(&mut self) {
        if self.cell.is_some() {
            self.give_up();
        }
    }
}

impl<R, E> fmt::Debug for ReplySlot<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplySlot")
    }
}
