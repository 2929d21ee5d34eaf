//! Who is parked in a channel although what it waits for is there: a wakeup that was lost, which is an error of the runtime.
//!
//! The invariants of a channel hold whenever its lock is free (see [`core`](super::core)), so one look under the lock is enough: no
//! wake that is under way can deceive it, because whoever is about to be woken has left the list already.
//!
//! An operation that has left its list, and whose wake never came, is not seen here: only its future knows that it is done, and what
//! its process last said of its waits may be about a future that was dropped since.

#![expect(unsafe_code, reason = "looks at nodes in the lists of a channel")]

use std::ptr;

use crate::channel::core::{NO_RECEIVERS, NO_SENDERS, State};
use crate::channel::select::Token;
use crate::channel::wait::{List, Offer};
use crate::sync::Ordering;
use crate::task::ProcessId;
use crate::task::waker::TaskWaker;

/// Processes that should not be parked.
#[derive(Debug)]
pub(crate) struct Overdue {
    pub(crate) receives: bool,
    pub(crate) processes: Vec<ProcessId>,
    /// How often each had been polled: read under the lock of the channel, so that it is that of the poll which parked there.
    pub(crate) polls: Vec<u64>,
    pub(crate) why: String,
}

/// A parked operation.
struct Waiting {
    offer: Offer,
    token: *const Token,
    /// With how often it had been polled; `None`: not a process of ours.
    process: Option<(ProcessId, u64)>,
}

impl<T> State<T> {
    /// Who waits in vain.
    pub(super) fn overdue(&self) -> Option<Overdue> {
        if self.receivers.is_empty() && self.senders.is_empty() {
            return None;
        }
        // Whoever was woken to look again, or has another arm that won, is on the way, and puts right what depends on him.
        let (receivers, senders) = (settled(&self.receivers)?, settled(&self.senders)?);
        let queued = self.queue.len();
        let why = match (queued, self.has(NO_SENDERS)) {
            (0, false) => None,
            (0, true) => Some("no sender of it is left".to_owned()),
            (1, _) => Some("a message is queued there".to_owned()),
            (queued, _) => Some(format!("{queued} messages are queued there")),
        };
        if let Some(why) = why.filter(|_| !receivers.is_empty()) {
            return Some(Overdue::new(true, &receivers, why));
        }
        let first = senders.first()?;
        let count = match first.offer {
            Offer::Ready(count) => count,
            _ => 1,
        };
        let why = if self.has(NO_RECEIVERS) {
            "no receiver of it is left"
        } else if !self.can_grant(first.token, count) {
            return None;
        } else if self.capacity == 0 {
            "a receiver waits there too"
        } else {
            "there is room"
        };
        Some(Overdue::new(false, &senders, why.to_owned()))
    }
}

impl Overdue {
    /// The processes among those that these wakers belong to; `None` if a foreign one is all there is.
    pub(super) fn of<'a>(
        receives: bool,
        wakers: impl Iterator<Item = &'a TaskWaker>,
        why: &str,
    ) -> Option<Self> {
        let (processes, polls): (Vec<_>, Vec<_>) = wakers.filter_map(process_of).unzip();
        let why = why.to_owned();
        (!processes.is_empty()).then_some(Self {
            receives,
            processes,
            polls,
            why,
        })
    }

    fn new(receives: bool, waiting: &[Waiting], why: String) -> Self {
        let processes = waiting.iter().filter_map(|waiting| waiting.process);
        let (processes, polls) = processes.unzip();
        Self {
            receives,
            processes,
            polls,
            why,
        }
    }
}

/// The process that a waker belongs to, if it is one of ours, and how often it has been polled.
fn process_of(waker: &TaskWaker) -> Option<(ProcessId, u64)> {
    match waker {
        TaskWaker::Task(task) => {
            let slot = task.slot();
            // ORDERING: Acquire: see `registry::Line`.
            Some((slot.id(), slot.line.seq.load(Ordering::Acquire)))
        }
        _ => None,
    }
}

/// The operations in a list, the oldest first, if each of them waits for its channel and for nobody else.
fn settled(list: &List) -> Option<Vec<Waiting>> {
    let mut waiting = Vec::with_capacity(list.len() as usize);
    let mut settled = true;
    let visit = |offer, token: Option<&Token>, waker: Option<&TaskWaker>| {
        settled &= waker.is_some() && !token.is_some_and(Token::is_claimed);
        let process = waker.and_then(process_of);
        waiting.push(Waiting {
            offer,
            token: token.map_or(ptr::null(), ptr::from_ref),
            process,
        });
    };
    // SAFETY: whoever has the state of a channel holds its lock.
    unsafe { list.each(visit) };
    settled.then_some(waiting)
}

/// Mistakes that `core` or `matching` could make, to see them found.
#[cfg(all(test, not(loom)))]
pub(crate) mod mistakes {
    use std::ptr::NonNull;

    use crate::channel::core::Core;
    use crate::channel::head::Head;

    /// A channel, beside its endpoints.
    #[derive(Clone, Copy)]
    pub(crate) struct Bare(pub(crate) NonNull<Head>);

    // SAFETY: a core may be used by any thread; the tests keep its endpoints.
    unsafe impl Send for Bare {}
    // SAFETY: as above.
    unsafe impl Sync for Bare {}

    impl Bare {
        /// Sends, and forgets that somebody may wait for it.
        pub(crate) fn send_to_nobody(self, message: u32) {
            // SAFETY: see the type; the tests have channels of this message.
            let core = unsafe { Core::<u32>::of(self.0) };
            let mut state = core.state.lock();
            state.stats.sent += 1;
            state.push_back(message);
        }

        /// Receives, and forgets that somebody may wait for the room.
        pub(crate) fn receive_from_nobody(self) -> Option<u32> {
            // SAFETY: as above.
            let core = unsafe { Core::<u32>::of(self.0) };
            let mut state = core.state.lock();
            state.stats.received += 1;
            state.queue.pop_front()
        }
    }
}
