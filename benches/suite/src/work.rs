//! Computing for a while, and seeing how soon all workers do.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::measure::Figures;

/// Computing that takes a certain time on an undisturbed core: so many rounds, whatever the clock says meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    rounds: u64,
}

impl Work {
    /// As many rounds as take this long now.
    pub fn lasting(time: Duration) -> Self {
        const ROUNDS: u64 = 20_000;
        let once = || {
            let begun = Instant::now();
            Self { rounds: ROUNDS }.run();
            begun.elapsed().as_nanos() as u64
        };
        // The fastest of many: the others were disturbed.
        let fastest = (0..200).map(|_| once()).min().unwrap_or(1).max(1);
        Self {
            rounds: (time.as_nanos() as u64 * ROUNDS / fastest).max(1),
        }
    }

    /// Computes.
    pub fn run(self) {
        let mut number = 0u64;
        for round in 0..self.rounds {
            number = black_box(number.wrapping_mul(31).wrapping_add(round));
        }
    }
}

/// The figures of `compute`: a run on one worker, and the same on two.
pub fn scaling(one: Figures, two: Figures) -> Figures {
    let scaling = one.wall_s / two.wall_s;
    two.with("scaling", scaling)
}

thread_local! {
    /// The burst that this thread has seen last.
    static SEEN: Cell<u64> = const { Cell::new(0) };
}

/// One burst: when the threads came to it, and when it was over.
#[derive(Debug)]
pub struct Burst {
    number: u64,
    begun: Instant,
    processes: u64,
    done: AtomicU64,
    over_ns: AtomicU64,
    /// When each thread ran a process of it for the first time, in nanoseconds.
    firsts: Mutex<Vec<u64>>,
}

impl Burst {
    /// Begins burst `number`, from 1, of so many processes.
    pub fn begin(number: u64, processes: u64) -> Self {
        Self {
            number,
            begun: Instant::now(),
            processes,
            done: AtomicU64::new(0),
            over_ns: AtomicU64::new(0),
            firsts: Mutex::new(Vec::new()),
        }
    }

    /// Called by each process that was woken: it works.
    ///
    /// # Panics
    /// If another thread has panicked here.
    pub fn work(&self, work: Work) {
        if SEEN.replace(self.number) != self.number {
            let passed = self.begun.elapsed().as_nanos() as u64;
            let mut firsts = self.firsts.lock().expect("nobody panics");
            firsts.push(passed);
        }
        work.run();
        if self.done.fetch_add(1, Ordering::AcqRel) + 1 == self.processes {
            let passed = self.begun.elapsed().as_nanos() as u64;
            self.over_ns.store(passed, Ordering::Release);
        }
    }

    /// When the last process was done, in nanoseconds; zero before.
    pub fn over_ns(&self) -> u64 {
        self.over_ns.load(Ordering::Acquire)
    }

    /// When the last of two workers had begun; the whole burst, if one did everything.
    ///
    /// # Panics
    /// If another thread has panicked here.
    pub fn all_busy_ns(&self) -> u64 {
        let firsts = self.firsts.lock().expect("nobody panics");
        match firsts.len() {
            0 | 1 => self.over_ns(),
            _ => firsts.iter().copied().max().unwrap_or(0),
        }
    }
}

/// The figures of some bursts.
pub fn bursts(mut figures: Figures, bursts: &[Burst]) -> Figures {
    let over: u64 = bursts.iter().map(Burst::over_ns).sum();
    figures.wall_s = over as f64 / 1e9;
    figures
        .latencies(bursts.iter().map(Burst::all_busy_ns).collect())
        .note("latencies: until both workers were busy")
}
