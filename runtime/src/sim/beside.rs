//! A thread beside the one of a simulation, which looks at it again and again.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::sync::{AtomicU32, Ordering, start_thread};

/// The thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Beside {
    /// Not zero when it is to end.
    ended: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

impl Beside {
    /// Calls `look` after each period, on a thread of this name. `None` if there is no thread to be had.
    pub(super) fn every(
        period: Duration,
        name: &str,
        mut look: impl FnMut() + Send + 'static,
    ) -> Option<Self> {
        let ended = Arc::new(AtomicU32::new(0));
        let end = Arc::clone(&ended);
        let looks = move || {
            loop {
                std::thread::park_timeout(period);
                // ORDERING: Relaxed: nothing else is read, and who sets it unparks this thread afterwards.
                if end.load(Ordering::Relaxed) != 0 {
                    return;
                }
                look();
            }
        };
        let thread = start_thread(name.to_owned(), Box::new(looks)).ok()?;
        Some(Self {
            ended,
            thread: Some(thread),
        })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // ORDERING: Relaxed: see the loop of the thread.
        self.ended.store(1, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
