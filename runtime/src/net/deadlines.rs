//! Until when the client of a connection must have gone on: with the head of a request, or with reading its answers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::time::Sleep;
use crate::time::sleep::later;

/// What the client of one connection is waited for, and until when.
///
/// hyper asks for a timer for every head, and drops it when that has come. Here such a timer is a number; so is that of a write that
/// waits. The connection has one timer that is registered, which looks at the numbers when it fires, and goes on to the next of them:
/// so a request registers none, and a write that is done at once touches nothing here.
///
/// Everything here belongs to the one process of the connection.
#[derive(Debug)]
pub(super) struct Deadlines {
    pub(super) begun: Instant,
    /// Whether hyper waits for a head, or has refused one.
    reads_head: AtomicBool,
    /// Nanoseconds from `begun` until the head is late; [`NEVER`] while none is waited for.
    head: AtomicU64,
    /// Nanoseconds from `begun` until the write is late; [`NEVER`] while none waits.
    write: AtomicU64,
    /// What the registered timer is set to.
    alarm: AtomicU64,
    /// What was to be done up to here is late.
    now: AtomicU64,
}

const NEVER: u64 = u64::MAX;

/// What is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// The head of a request: hyper is to look again.
    Head,
    /// A write: the stream is to look whether the client has read since; if not, it is late in the next poll too.
    Write,
}

impl Deadlines {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            reads_head: AtomicBool::new(false),
            head: AtomicU64::new(NEVER),
            write: AtomicU64::new(NEVER),
            alarm: AtomicU64::new(NEVER),
            now: AtomicU64::new(0),
        })
    }

    fn nanos(&self, instant: Instant) -> u64 {
        let nanos = instant.saturating_duration_since(self.begun).as_nanos();
        u64::try_from(nanos).map_or(NEVER - 1, |nanos| nanos.min(NEVER - 1))
    }

    /// What is late, if anything is. Otherwise the `alarm` wakes in time: it is set to the first deadline, or to one before it that was
    /// met. Asked in each poll, so that it is known what the process waits for.
    pub(super) fn late(&self, mut alarm: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Option<Late> {
        // ORDERING: Relaxed (all): see the type.
        let write = self.write.load(Ordering::Relaxed);
        let next = self.head.load(Ordering::Relaxed).min(write);
        let is_set = alarm.still_waits() && self.alarm.load(Ordering::Relaxed) <= next;
        if is_set || next == NEVER {
            return None;
        }
        let now = self.nanos(Instant::now());
        if next <= now {
            // ORDERING: Relaxed: see the type.
            self.now.store(now, Ordering::Relaxed);
            if write <= now {
                return Some(Late::Write);
            }
            // Told once: hyper does not ask again for a head that it has refused, and a write of the refusal may wait.
            self.head.store(NEVER, Ordering::Relaxed);
            return Some(Late::Head);
        }
        // ORDERING: Relaxed: see the type.
        self.alarm.store(next, Ordering::Relaxed);
        alarm
            .as_mut()
            .reset(self.begun + Duration::from_nanos(next));
        let _ = alarm.poll_sleep(cx);
        None
    }

    /// Whether no request is with the service. What hyper writes then are words of its own, or what is left of an earlier answer.
    pub(super) fn reads_head(&self) -> bool {
        // ORDERING: Relaxed: see the type.
        self.reads_head.load(Ordering::Relaxed)
    }

    /// A write begins to wait: the client must read a part of it within `limit`.
    pub(super) fn write_waits(&self, limit: Duration) {
        let late_at = self.nanos(later(Instant::now(), limit));
        // ORDERING: Relaxed: see the type.
        self.write.store(late_at, Ordering::Relaxed);
    }

    /// Whether [`late`](Self::late) found the write that waits late.
    pub(super) fn write_is_late(&self) -> bool {
        // ORDERING: Relaxed (both): see the type.
        self.write.load(Ordering::Relaxed) <= self.now.load(Ordering::Relaxed)
    }

    /// The write that waited is done, or failed.
    pub(super) fn write_goes_on(&self) {
        // ORDERING: Relaxed: see the type.
        self.write.store(NEVER, Ordering::Relaxed);
    }
}

/// The timers of [`Deadlines`], for hyper.
#[derive(Debug)]
pub(super) struct HeadTimer(pub(super) Arc<Deadlines>);

impl hyper::rt::Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep_until(later(Instant::now(), duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        // ORDERING: Relaxed: see `Deadlines`.
        self.0.reads_head.store(true, Ordering::Relaxed);
        Box::pin(HeadSleep {
            deadline: self.0.nanos(deadline),
            deadlines: Arc::clone(&self.0),
        })
    }
}

/// Waits until the head of a request is late.
#[derive(Debug)]
struct HeadSleep {
    deadline: u64,
    deadlines: Arc<Deadlines>,
}

impl Future for HeadSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        // ORDERING: Relaxed (both): see `Deadlines`.
        if self.deadline <= self.deadlines.now.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        // The connection looks at it when this poll is over.
        self.deadlines.head.store(self.deadline, Ordering::Relaxed);
        Poll::Pending
    }
}

impl Drop for HeadSleep {
    fn drop(&mut self) {
        // ORDERING: Relaxed (both): see `Deadlines`.
        self.deadlines.head.store(NEVER, Ordering::Relaxed);
        self.deadlines.reads_head.store(false, Ordering::Relaxed);
    }
}

impl hyper::rt::Sleep for HeadSleep {}
