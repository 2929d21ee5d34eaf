//! The two ends of a core: options before it is used, what comes back, and what is left when one side is gone.
//!
//! The invariants are those of [`core`](super::core).

#![expect(
    unsafe_code,
    reason = "parked operations are told that their channel is closed"
)]

use std::ptr::{self, NonNull};

use crate::channel::core::{Core, DISCARDS, MANY, NO_RECEIVERS, NO_SENDERS, State};
use crate::channel::dead::Dead;
use crate::channel::head::{Side, Stats};
use crate::channel::overdue::Overdue;
use crate::channel::policy::Overflow;
use crate::channel::ring::Ring;
use crate::channel::sources::Sources;
use crate::channel::wakes::Wakes;
use crate::sim::here;
use crate::sync::BiasedGuard;
use crate::task::{TaskRef, current};

impl<T> Core<T> {
    /// Sets options before the endpoints are used.
    pub(crate) fn configure(&self, overflow: Option<Overflow>, name: Option<&'static str>) {
        let mut state = self.state.lock();
        if let Some(overflow) = overflow {
            state.overflow = overflow;
            state.set(DISCARDS, overflow != Overflow::Wait);
            state.cold.get_or_insert_default().own = Some(NonNull::from(self).cast());
        }
        if name.is_some() {
            state.cold.get_or_insert_default().name = name;
        }
    }

    /// Counts a message that had to give way, and drops it: the oldest one, which that process has sent, or the new one.
    #[cold]
    #[inline(never)]
    pub(super) fn discard(mut state: BiasedGuard<'_, State<T>>, message: T, oldest: Option<u64>) {
        // A policy that discards was set by `configure`, which notes whose it is.
        let own = state.cold.as_ref().and_then(|cold| cold.own);
        // SAFETY: whoever sends holds an endpoint, which keeps the core alive.
        let own = own.map(|own| unsafe { Self::of(own) });
        let now_ms = own.map_or(0, |own| own.head.now_ms());
        let notice = state.die(Dead::Discarded, 1, now_ms);
        drop(state);
        if let Some(own) = own {
            own.tell_of_discarded(&notice, &message, oldest);
        }
    }

    /// No endpoint of one side is left.
    pub(super) fn close(&self, side: Side) {
        let mut wakes = Wakes::default();
        let mut queued = Ring::new();
        let mut sources = Sources::default();
        let mut notices = None;
        let mut state = self.state.lock();
        let is_used = state.gates & (NO_SENDERS | NO_RECEIVERS) == 0;
        match side {
            Side::Receiver => {
                state.gates |= NO_RECEIVERS;
                queued = std::mem::take(&mut state.queue);
                sources = state.take_sources();
                notices = state.bury(queued.len(), self.head.now_ms());
            }
            Side::Sender | Side::Weak => state.gates |= NO_SENDERS,
        }
        loop {
            let list = if side == Side::Receiver {
                &mut state.senders
            } else {
                &mut state.receivers
            };
            if list.is_empty() {
                break;
            }
            // SAFETY: under the lock.
            wakes.add(unsafe { list.close_first() });
        }
        drop(state);
        if (is_used || !queued.is_empty()) && here::records() {
            here::closes(self.object(), side, queued.len());
        }
        wakes.wake();
        if let Some((returned, notices)) = notices {
            let [withdrawn, closed] = notices;
            let with_source = |(number, message)| (message, sources.of(number, queued.len()));
            let letters = queued.iter().enumerate().map(with_source);
            if let Some(notice) = withdrawn {
                self.tell_of(&notice.left_behind(), letters.clone().take(returned));
            }
            if let Some(notice) = closed {
                self.tell_of(&notice.left_behind(), letters.skip(returned));
            }
        }
        // Destructors of messages are user code, and run in queue order. Last, for they may panic.
        current::drop_undelivered(queued);
    }

    /// A receiver that stays takes back what it has received, and done nothing with: it is older than all that is here.
    #[cold]
    pub(super) fn take_back(&self, message: T) {
        let mut wakes = Wakes::default();
        let mut state = self.state.lock();
        state.insert_oldest(message);
        state.match_up(&mut wakes);
        drop(state);
        wakes.wake();
    }

    pub(super) fn owner(&self) -> Option<TaskRef> {
        self.state.lock().owner.clone()
    }

    pub(super) fn set_owner(&self, owner: TaskRef) {
        let old = self.state.lock().owner.replace(owner);
        drop(old);
    }

    /// The number that reports know this channel by.
    pub(super) fn object(&self) -> u64 {
        ptr::from_ref(self).addr() as u64
    }

    /// Who is parked here although what it waits for is there.
    pub(super) fn overdue(&self) -> Option<Overdue> {
        self.state.lock().overdue()
    }

    pub(crate) fn stats(&self) -> Stats {
        // Before the lock is taken: then whatever was handed over, and is not in this number, may be out still.
        let seen = self.state.beside();
        let state = self.state.lock();
        Stats {
            sent: state.stats.sent,
            received: state.stats.received,
            fill: state.stats.fill,
            full_ms: state.stats.full_ms,
            high_water: state.stats.high_water,
            len: state.queue.len() as u32,
            capacity: state.capacity,
            permits: state.permits,
            wants_many: state.has(MANY),
            unseen: state.handed != seen,
            blocked_senders: state.senders.len(),
            waiting_receivers: state.receivers.len(),
            name: state.cold.as_ref().and_then(|cold| cold.name),
            sent_by: state.sent_by,
        }
    }
}
