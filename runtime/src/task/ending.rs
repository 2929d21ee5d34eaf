//! The end of a task in one word: who waits for it, and then how it ended.
//!
//! | low bits | the rest | meaning |
//! |---|---|---|
//! | 0 | null | nobody waits |
//! | 0 | the header of a task | that task waits, and nobody else; the word owns one reference of it |
//! | 1 | a box of wakers, which the word owns | they wait |
//! | 2 to 6 | a fault of which the word owns one count, or null | the task has ended: [`ExitKind`], from 2 |
//! | 7 | null | somebody changes the word |
//!
//! A lock beside a value of its own took four words in every cell. Here the word is its own lock: who changes it puts 7 there
//! first. Whoever only asks how a task ended changes nothing, so joining a task that has ended is a load.
//!
//! **Invariants**
//! - The word says 7 for a few instructions only; no code of users runs meanwhile.
//! - Once it says how the task ended, it says so for ever, but for moments of 7.
//!
//! Model: `tests/loom_task.rs`.

#![expect(unsafe_code, reason = "a tagged pointer that owns what it points to")]

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::process::exit::{Exit, ExitKind, Fault};
use crate::sync::{AtomicPtr, Ordering, wait_a_moment};
use crate::task::Watchers;
use crate::task::waker::{TaskWaker, WaitRef};

const TAG: usize = 7;
/// One task, or nobody.
const ONE: usize = 0;
const MANY: usize = 1;
const ENDED: usize = 2;
const BUSY: usize = 7;

const KINDS: [ExitKind; 5] = [
    ExitKind::Ok,
    ExitKind::Failed,
    ExitKind::Panicked,
    ExitKind::Stopped,
    ExitKind::Killed,
];

const _: () = assert!(ENDED + KINDS.len() == BUSY, "each way to end has a tag");
const _: () = assert!(align_of::<Fault>() > TAG, "the low bits are free");
const _: () = assert!(align_of::<Vec<TaskWaker>>() > TAG, "the low bits are free");
const _: () = assert!(
    align_of::<crate::task::cell::Header>() > TAG,
    "the low bits are free"
);

/// Who waits for the end of the task, and then how it ended.
#[derive(Debug)]
pub(crate) enum Watch {
    Awaited(Watchers),
    Ended(ExitKind, Option<Arc<Fault>>),
}

/// The word.
pub(crate) struct Ending(AtomicPtr<()>);

impl Ending {
    /// Nobody waits yet.
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// How the task ended, if it has.
    #[inline]
    pub(crate) fn exit(&self) -> Option<Exit> {
        // ORDERING: Acquire pairs with the Release of `Changing::drop`: the fault is visible.
        let mut word = self.0.load(Ordering::Acquire);
        if tag(word) == BUSY {
            // Who takes the value of a task that has ended does this.
            word = self.settled();
        }
        let kind = *KINDS.get(tag(word).wrapping_sub(ENDED))?;
        let fault = untagged(word).cast::<Fault>().cast_const();
        if fault.is_null() {
            return Some(Exit::new(kind, None));
        }
        // SAFETY: the word owns a count until its cell is freed, which the caller keeps alive.
        unsafe { Arc::increment_strong_count(fault) };
        // SAFETY: counted above.
        Some(Exit::new(kind, Some(unsafe { Arc::from_raw(fault) })))
    }

    /// The word, once nobody changes it.
    #[cold]
    fn settled(&self) -> *mut () {
        let mut round = 0;
        loop {
            // ORDERING: Acquire: see `exit`.
            let word = self.0.load(Ordering::Acquire);
            if tag(word) != BUSY {
                return word;
            }
            wait_a_moment(round);
            round += 1;
        }
    }

    /// Access to what the word says, for one at a time.
    #[inline]
    pub(crate) fn change(&self) -> Changing<'_> {
        // ORDERING: Relaxed: only the first guess.
        let mut word = self.0.load(Ordering::Relaxed);
        if tag(word) == BUSY {
            word = self.settled();
        }
        loop {
            let busy = ptr::without_provenance_mut(BUSY);
            // ORDERING: Acquire pairs with the Release of whoever changed it last: what the word points to is visible.
            match self
                .0
                .compare_exchange_weak(word, busy, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(now) if tag(now) == BUSY => word = self.settled(),
                Err(now) => word = now,
            }
        }
        Changing {
            ending: self,
            // SAFETY: the word was exchanged for one that owns nothing.
            watch: ManuallyDrop::new(unsafe { unpack(word) }),
        }
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ending").field(&self.exit()).finish()
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        // ORDERING: Relaxed: nobody else has it any more.
        let word = self.0.load(Ordering::Relaxed);
        // SAFETY: what the word owned is dropped here, and the word is not used again.
        drop(unsafe { unpack(word) });
    }
}

/// What an [`Ending`] says, which nobody else sees meanwhile.
pub(crate) struct Changing<'a> {
    ending: &'a Ending,
    watch: ManuallyDrop<Watch>,
}

impl Deref for Changing<'_> {
    type Target = Watch;

    fn deref(&self) -> &Watch {
        &self.watch
    }
}

impl DerefMut for Changing<'_> {
    fn deref_mut(&mut self) -> &mut Watch {
        &mut self.watch
    }
}

impl Drop for Changing<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: taken once, here.
        let watch = unsafe { ManuallyDrop::take(&mut self.watch) };
        // ORDERING: Release: see `Ending::exit` and `change`.
        self.ending.0.store(pack(watch), Ordering::Release);
    }
}

fn tag(word: *mut ()) -> usize {
    word.addr() & TAG
}

fn untagged(word: *mut ()) -> *mut () {
    word.map_addr(|address| address & !TAG)
}

#[inline]
fn pack(watch: Watch) -> *mut () {
    let (pointer, tag): (*mut (), usize) = match watch {
        Watch::Awaited(Watchers::None) => (ptr::null_mut(), ONE),
        Watch::Awaited(Watchers::One(TaskWaker::Task(task))) => {
            (ManuallyDrop::new(task).header().as_ptr().cast(), ONE)
        }
        // The same as several: a waker that is not ours has two words.
        Watch::Awaited(Watchers::One(waker)) => (Box::into_raw(Box::new(vec![waker])).cast(), MANY),
        Watch::Awaited(Watchers::Many(wakers)) => (Box::into_raw(wakers).cast(), MANY),
        Watch::Ended(kind, fault) => {
            let fault = fault.map_or(ptr::null(), Arc::into_raw);
            (fault.cast_mut().cast(), ENDED + kind as usize)
        }
    };
    pointer.map_addr(|address| address | tag)
}

/// # Safety
/// The word came from [`pack`], and owns nothing any more.
#[inline]
unsafe fn unpack(word: *mut ()) -> Watch {
    let pointer = untagged(word);
    match tag(word) {
        ONE => Watch::Awaited(match NonNull::new(pointer.cast()) {
            None => Watchers::None,
            // SAFETY: by contract this reference was the word's.
            Some(header) => Watchers::One(TaskWaker::Task(unsafe { WaitRef::from_raw(header) })),
        }),
        // SAFETY: by contract this box was the word's.
        MANY => Watch::Awaited(Watchers::Many(unsafe { Box::from_raw(pointer.cast()) })),
        ended => {
            let fault = NonNull::new(pointer.cast::<Fault>());
            // SAFETY: by contract this count was the word's.
            let fault = fault.map(|fault| unsafe { Arc::from_raw(fault.as_ptr().cast_const()) });
            Watch::Ended(KINDS[ended - ENDED], fault)
        }
    }
}
