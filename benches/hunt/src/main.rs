//! The same mistakes, searched for by Roundrock's deterministic tests and by shuttle: how many runs it takes to find one, how long
//! that takes, and how much there is to read then.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml -p bench-hunt`
//!
//! Roundrock's programs are those of `tests/planted`; shuttle's say the same with its threads, locks and channels, where the state
//! of a process is a value under a lock. Each search is made twenty times with other seeds, up to a thousand runs each.

// The programs have corrected twins, which are not run here.
#![allow(
    dead_code,
    reason = "the corrected twins of the planted bugs are not searched here"
)]

mod ours;
mod theirs;

use std::time::Duration;

/// Searches of one bug by one system.
const TRIALS: u64 = 20;
/// Runs after which a search gives up.
const MOST: u64 = 1000;

/// What one search took.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// Runs until the bug showed; `None` if it did not.
    runs: Option<u64>,
    took: Duration,
    /// Decisions of the scheduler in the run that failed.
    decisions: u64,
    /// How often it switched from one process to another that was not forced; for shuttle, all switches.
    switches: u64,
}

/// What there is to read after the default search of Roundrock: events and unusual choices of the run after shrinking.
#[derive(Debug, Clone, Copy)]
struct Shrunk {
    events: usize,
    choices: usize,
    took: Duration,
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> Option<T> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// A row of the table: runs (median, most), time (median), decisions and switches (median).
fn row(found: &[Found]) -> String {
    let runs: Vec<u64> = found.iter().filter_map(|found| found.runs).collect();
    if runs.len() < found.len() {
        return format!("found by {} of {} searches", runs.len(), found.len());
    }
    let most = runs.iter().max().copied().unwrap_or(0);
    let of = |value: fn(&Found) -> u64| median(found.iter().map(value).collect()).unwrap_or(0);
    format!(
        "{:>3} {most:>4} {:>8} {:>6} {:>5}",
        median(runs).unwrap_or(0),
        of(|found| found.took.as_micros() as u64),
        of(|found| found.decisions),
        of(|found| found.switches),
    )
}

fn main() {
    // Thousands of expected panics.
    std::panic::set_hook(Box::new(|_| {}));
    println!(
        "runs: median and most of {TRIALS} searches; us: median time of a search; steps: decisions in the run that failed;\n\
         sw: how many of them were unusual choices (Roundrock), or switches (shuttle)\n"
    );
    let head = "run most       us  steps    sw";
    println!(
        "{:<22}| {:<32}| {:<32}| {:<32}| after shrinking: events, choices, ms",
        "", "Roundrock", "shuttle, random", "shuttle, PCT of depth 3"
    );
    println!("{:<22}| {head:<32}| {head:<32}| {head:<32}|", "");
    for bug in theirs::BUGS {
        let trials = |search: &dyn Fn(u64) -> Found| -> String {
            row(&(0..TRIALS).map(search).collect::<Vec<_>>())
        };
        let ours = trials(&|trial| ours::search(bug.name, trial));
        let random = trials(&|trial| theirs::random(bug, trial));
        let pct = trials(&|trial| theirs::pct(bug, trial));
        let shrunk = ours::shrunk(bug.name);
        println!(
            "{:<22}| {ours:<32}| {random:<32}| {pct:<32}| {:>3} {:>3} {:>6.1}",
            bug.name,
            shrunk.events,
            shrunk.choices,
            shrunk.took.as_secs_f64() * 1e3,
        );
    }
}
