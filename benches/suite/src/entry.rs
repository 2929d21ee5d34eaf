//! The command line of a program, and its table of workloads.

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::measure::Figures;

/// A workload by its name.
pub type Workload = (&'static str, fn(&Arguments) -> Figures);

/// See [`workers`].
static WORKERS: AtomicUsize = AtomicUsize::new(2);

/// How many workers a system starts: two, unless the command line says something else.
pub fn workers() -> usize {
    WORKERS.load(Ordering::Relaxed)
}

/// Changes [`workers`], for a workload that compares.
pub fn set_workers(workers: usize) {
    WORKERS.store(workers, Ordering::Relaxed);
}

/// What a program was called with.
#[derive(Debug)]
pub struct Arguments {
    /// The workload, or `list`.
    pub workload: String,
    scale: f64,
    seconds: f64,
    processes: Option<usize>,
}

impl Arguments {
    /// Reads the command line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut words = words.into_iter();
        let mut arguments = Self {
            workload: words
                .next()
                .ok_or("usage: WORKLOAD [scale=F] [secs=F] [workers=N] [processes=N]")?,
            scale: 1.0,
            seconds: 3.0,
            processes: None,
        };
        for word in words {
            let number = |text: &str| text.parse().map_err(|_| format!("{word}: not a number"));
            match word.split_once('=') {
                Some(("scale", text)) => arguments.scale = number(text)?,
                Some(("secs", text)) => arguments.seconds = number(text)?,
                Some(("workers", text)) => set_workers(number(text)? as usize),
                Some(("processes", text)) => arguments.processes = Some(number(text)? as usize),
                _ => {
                    return Err(format!(
                        "{word}: neither scale=, secs=, workers= nor processes="
                    ));
                }
            }
        }
        Ok(arguments)
    }

    /// A count of [`counts`](crate::counts), scaled, at least 1.
    pub fn count(&self, full: u64) -> u64 {
        ((full as f64 * self.scale) as u64).max(1)
    }

    /// A count that is a power of ten.
    pub fn power_of_ten(&self, full: u64) -> u64 {
        10u64.pow((self.count(full) as f64).log10().round() as u32)
    }

    /// How many processes a workload has whose number can be chosen, `full` if it was not.
    pub fn processes(&self, full: usize) -> usize {
        self.processes.unwrap_or(full)
    }

    /// How long a workload with a client lasts.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// The `main` of a program: runs the workload that it was called with, and prints its figures.
pub fn main(system: &str, workloads: &[Workload]) -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{system}: {error}");
            return ExitCode::from(2);
        }
    };
    if arguments.workload == "list" {
        let names: Vec<_> = workloads.iter().map(|(name, _)| *name).collect();
        println!("{}", names.join(" "));
        return ExitCode::SUCCESS;
    }
    let found = workloads
        .iter()
        .find(|(name, _)| *name == arguments.workload);
    if let Some((name, run)) = found {
        run(&arguments).print(system, name);
        ExitCode::SUCCESS
    } else {
        eprintln!("{system}: no workload {}", arguments.workload);
        ExitCode::from(3)
    }
}
