//! Timers for code of users that drives hyper itself.

use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::time::{Sleep, sleep, sleep_until};

/// Timers for hyper, from the workers' own: `hyper::server::conn::http1::Builder::new().timer(Timer)`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timer;

impl hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(sleep(duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(sleep_until(deadline))
    }
}

impl hyper::rt::Sleep for Sleep {}
