//! Whether two runs are alike, and what to say when they should have been.

use crate::sim::reason::Reason;
use crate::sim::tape::Entry;

/// The names of those who waited, in order, without their numbers.
pub(super) fn who_waited(waits: &[String]) -> Vec<&str> {
    let lines = waits
        .iter()
        .filter_map(|line| line.split_once(" waits for "));
    let mut names: Vec<&str> = lines
        .filter_map(|(name, _)| name.split('#').next())
        .collect();
    names.sort_unstable();
    names
}

/// Whether two runs with the same choices came to the same end.
pub(super) fn ends_alike(one: Option<&Reason>, other: Option<&Reason>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.is_like(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// What to say when they did not.
pub(super) fn other_end(first: Option<&Reason>, second: Option<&Reason>) -> String {
    let in_words = |reason: Option<&Reason>| reason.map_or("well".to_owned(), Reason::to_string);
    format!(
        "the same choices ended so: {}; and the next time: {}; {CAUSES}",
        in_words(first),
        in_words(second)
    )
}

/// Why runs with the same choices differ.
const CAUSES: &str = "usual causes: the order of a `HashMap`, addresses, ids of threads, `Instant::now` instead of `roundrock::time::now`, statics that outlive a run, real I/O";

/// What to say of a run that was made again twice, and both times went another way.
pub(super) fn only_at_first(found: &[u32], again: &[u32]) -> String {
    let alike = found.iter().zip(again);
    let alike = alike.take_while(|(one, other)| one == other).count();
    format!(
        "made again with the same choices the run went another way, both times, after choice {alike}: something outlives a run, such as a static or what the closure has captured; other {CAUSES}"
    )
}

/// Where two runs of the same tape went different ways.
pub(super) fn divergence(first: &[Entry], second: &[Entry]) -> String {
    let pairs = first.iter().zip(second).enumerate();
    let differs = pairs.clone().find(|(_, (one, other))| one != other);
    match differs {
        Some((at, (one, other))) => format!(
            "choice {at} was at step {}, process #{}: {} among {}; the second time at step {}, process #{}: {} among {}; {CAUSES}",
            one.step,
            one.process,
            one.label.in_words(),
            one.among,
            other.step,
            other.process,
            other.label.in_words(),
            other.among,
        ),
        None if first.len() != second.len() => format!(
            "after choice {} one run went on, and the other one ended; {CAUSES}",
            first.len().min(second.len())
        ),
        None => format!(
            "the same choices led to different runs: other processes ran, or timers were armed for other times; {CAUSES}"
        ),
    }
}
