//! How long the head of a request may take.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::time::Sleep;
use crate::time::sleep::later;

/// Until when the head of the next request must have come, on one connection.
///
/// hyper asks for a timer for every head, and drops it when that has come. Here such a timer is a number; the connection has one
/// that is registered, which looks at the number when it fires, and goes on to what that says: so a request registers none.
///
/// Everything here belongs to the one process of the connection.
#[derive(Debug)]
pub(super) struct Heads {
    pub(super) begun: Instant,
    /// Nanoseconds from `begun` until the head is late; [`NO_HEAD`] while none is waited for.
    late_at: AtomicU64,
    /// Heads that were to come up to here are late.
    now: AtomicU64,
}

const NO_HEAD: u64 = u64::MAX;

impl Heads {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            late_at: AtomicU64::new(NO_HEAD),
            now: AtomicU64::new(0),
        })
    }

    fn nanos(&self, instant: Instant) -> u64 {
        let nanos = instant.saturating_duration_since(self.begun).as_nanos();
        u64::try_from(nanos).map_or(NO_HEAD - 1, |nanos| nanos.min(NO_HEAD - 1))
    }

    /// Whether the head that is waited for is late, so that hyper is to look again. Otherwise the `alarm` wakes in time: it is set to
    /// this head, or to one before it, which was to come earlier. Asked in each poll, so that it is known what the process waits for.
    pub(super) fn is_late(&self, mut alarm: Pin<&mut Sleep>, cx: &mut Context<'_>) -> bool {
        // ORDERING: Relaxed: see the type.
        let late_at = self.late_at.load(Ordering::Relaxed);
        if alarm.still_waits() || late_at == NO_HEAD {
            return false;
        }
        let now = self.nanos(Instant::now());
        if late_at <= now {
            // ORDERING: Relaxed: see the type.
            self.now.store(now, Ordering::Relaxed);
            return true;
        }
        alarm
            .as_mut()
            .reset(self.begun + Duration::from_nanos(late_at));
        let _ = alarm.poll_sleep(cx);
        false
    }
}

/// The timers of [`Heads`], for hyper.
#[derive(Debug)]
pub(super) struct HeadTimer(pub(super) Arc<Heads>);

impl hyper::rt::Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep_until(later(Instant::now(), duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(HeadSleep {
            deadline: self.0.nanos(deadline),
            heads: Arc::clone(&self.0),
        })
    }
}

/// Waits until the head of a request is late.
#[derive(Debug)]
struct HeadSleep {
    deadline: u64,
    heads: Arc<Heads>,
}

impl Future for HeadSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        // ORDERING: Relaxed (both): see `Heads`.
        if self.deadline <= self.heads.now.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        // The connection looks at it when this poll is over.
        self.heads.late_at.store(self.deadline, Ordering::Relaxed);
        Poll::Pending
    }
}

impl Drop for HeadSleep {
    fn drop(&mut self) {
        // ORDERING: Relaxed: see `Heads`.
        self.heads.late_at.store(NO_HEAD, Ordering::Relaxed);
    }
}

impl hyper::rt::Sleep for HeadSleep {}
