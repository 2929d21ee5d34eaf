//! How long a client may let the router wait.
//!
//! A bucket of waiting time: full at the timeout, emptied by waiting for the client, filled again by what the client sends. So a client
//! that sends a byte now and then runs out of it, one that sends at [`LEAST_BYTES_PER_SEC`] never does, and time that the router spends
//! on its own is not counted.

use std::time::Duration;

/// A client that sends less for long is too slow.
const LEAST_BYTES_PER_SEC: u64 = 1024;

/// The waiting time that one client has left.
#[derive(Debug)]
pub(super) struct Patience {
    full: Duration,
    left: Duration,
}

impl Patience {
    /// A full bucket.
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            full: timeout,
            left: timeout,
        }
    }

    /// How long the next wait may be.
    pub(super) fn left(&self) -> Duration {
        self.left
    }

    /// Takes the wait that brought `bytes`.
    pub(super) fn waited(&mut self, time: Duration, bytes: usize) {
        let earned = Duration::from_micros(bytes as u64 * 1_000_000 / LEAST_BYTES_PER_SEC);
        self.left = (self.left.saturating_sub(time) + earned).min(self.full);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Patience;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_dripping_client_runs_out_of_it() {
        let mut patience = Patience::new(10 * SECOND);
        let waits = (0..).take_while(|_| {
            patience.waited(SECOND, 1);
            patience.left() > SECOND
        });
        assert!(waits.count() < 10);
    }

    #[test]
    fn a_steady_client_never_does() {
        let mut patience = Patience::new(10 * SECOND);
        for _ in 0..1000 {
            patience.waited(5 * SECOND, 5 * 1024);
            assert!(patience.left() >= 5 * SECOND);
        }
    }
}
