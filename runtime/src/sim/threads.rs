//! Threads that are not of the simulation: one of them may still wake a process when all wait for ever.
//!
//! Nothing says who holds a sender outside. A thread that was not there when the run began is likely to, because the run has started it,
//! so it is given time until it ends; one that was there before, of a pool that the program keeps, has a while. Whose a new thread is
//! nobody says: a test that is told beside others, which start threads at that moment, may wait for those. So on Linux, which says what
//! threads there are; elsewhere all have a while.

use std::time::{Duration, Instant};

/// For how long a thread may take that could have been there before the run.
const WHILE: Duration = Duration::from_millis(100);

/// For how long at most one may take that was not.
const LONGEST: Duration = Duration::from_secs(10);

/// The threads of this program at the beginning of a run, by their numbers.
#[derive(Debug)]
pub(super) struct Threads {
    before: Vec<u32>,
}

impl Threads {
    pub(super) fn of_now() -> Self {
        Self { before: numbers() }
    }

    /// Asks again and again, until there is an answer, or no thread is left that could bring it about.
    pub(super) fn wait_for<T>(&self, mut answer: impl FnMut() -> Option<T>) -> Option<T> {
        let begun = Instant::now();
        loop {
            let past = begun.elapsed();
            // Before the last question: whoever has ended meanwhile has done its work.
            let is_over = past > LONGEST || past > WHILE && !self.has_new();
            let found = answer();
            if is_over || found.is_some() {
                return found;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn has_new(&self) -> bool {
        numbers().iter().any(|number| !self.before.contains(number))
    }
}

/// Those that there are; none where the system does not tell.
fn numbers() -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    threads
        .filter_map(|thread| thread.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

#[cfg(all(test, not(loom), target_os = "linux"))]
mod tests {
    use std::sync::mpsc;

    use super::{Threads, WHILE};

    #[test]
    fn a_thread_that_was_started_has_time_until_it_ends() {
        let threads = Threads::of_now();
        let (tell, told) = mpsc::channel();
        let slow = std::thread::spawn(move || {
            std::thread::sleep(3 * WHILE);
            tell.send(1).expect("it is waited for");
        });
        assert_eq!(threads.wait_for(|| told.try_recv().ok()), Some(1));
        slow.join().expect("it does not panic");
    }

    #[test]
    fn nobody_is_waited_for_when_none_was_started() {
        let (_kept, told) = mpsc::channel::<u32>();
        let mut asked = 0_u32;
        let mut ask = || {
            asked += 1;
            told.try_recv().ok()
        };
        assert_eq!(Threads::of_now().wait_for(&mut ask), None);
        assert!(asked > 1);
    }
}
