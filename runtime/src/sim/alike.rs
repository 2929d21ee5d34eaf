//! Whether two runs are alike, and what to say when they should have been: also that a thread is why, which wakes a process when it
//! likes.

use crate::sim::reason::Reason;
use crate::sim::report::Failure;
use crate::sim::run::{Keep, Outcome};
use crate::sim::search::Search;
use crate::sim::tape::{Choices, Entry, Tape};

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
const CAUSES: &str = "usual causes: the order of a `HashMap`, addresses, threads and their ids, `Instant::now` instead of `roundrock::time::now`, statics that outlive a run, real I/O";

const OUTLIVES: &str =
    "something outlives a run, such as a static or what the closure has captured";

/// What to say of a run that was made again twice, and both times went another way.
pub(super) fn only_at_first(found: &[u32], again: &[u32]) -> String {
    let alike = found.iter().zip(again);
    let alike = alike.take_while(|(one, other)| one == other).count();
    format!(
        "made again with the same choices the run went another way, both times, after choice {alike}: {OUTLIVES}; other {CAUSES}"
    )
}

/// Where two runs of the same tape went different ways; `name` is that of a process.
fn divergence(first: &[Entry], second: &[Entry], name: impl Fn(u32) -> String) -> String {
    let pairs = first.iter().zip(second);
    let differs = pairs.clone().find(|(one, other)| one != other);
    let at = |entry: &Entry| {
        let (step, process) = (entry.step, name(entry.process));
        let among = match entry.among {
            1 => "where nobody else could run".to_owned(),
            among => format!("one of {among}"),
        };
        format!(
            "at step {step} `{process}`, asking {}, {among}",
            entry.label.in_words()
        )
    };
    match differs {
        Some((one, other)) => {
            let (one, other) = (at(one), at(other));
            format!("the first time came {one}; the second time {other}; {CAUSES}")
        }
        None if first.len() != second.len() => {
            let longer = if first.len() > second.len() {
                first
            } else {
                second
            };
            let more = at(&longer[first.len().min(second.len())]);
            format!("one run went on, {more}, and the other one had ended; {CAUSES}")
        }
        None => format!(
            "the same choices led to different runs: other processes ran, or timers were armed for other times; {CAUSES}"
        ),
    }
}

/// The first operation in which two lists differ, in words; `None` if they are alike.
fn other_event(first: &[String], second: &[String]) -> Option<String> {
    let at = (0..first.len().max(second.len())).find(|&at| first.get(at) != second.get(at))?;
    let in_words = |list: &[String]| {
        let line = list
            .get(at)
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        line.map_or("nothing more".to_owned(), |line| format!("`{line}`"))
    };
    Some(format!(
        "made twice more, the runs differ first in (step, time, process and operation): {} and {}",
        in_words(first),
        in_words(second)
    ))
}

impl Search<'_> {
    /// The run with this seed, made twice, which must be alike.
    pub(super) fn twice(&mut self, seed: u64, counts: bool) -> Result<Outcome, Box<Failure>> {
        let keep = Keep {
            log: true,
            ..Keep::default()
        };
        let shown = Keep {
            panics: self.simulation.again && counts,
            ..keep
        };
        let plan = self.plan(seed);
        let mut first = self.one(plan, Some(seed), shown);
        if !self.simulation.again {
            let plan = self.plan(seed);
            let second = self.one(plan, Some(seed), keep);
            if let Some(text) = self.unlike(&first, &second) {
                let outside = self.is_woken_from_outside(&[&first, &second], seed);
                let text = match outside {
                    None => self.with_first_event(text, seed),
                    Some(_) => String::new(),
                };
                let reason = outside.unwrap_or(Reason::Nondeterministic(text));
                let first = std::mem::take(&mut first);
                return Err(Box::new(self.failure(reason, Some(seed), first)));
            }
        }
        Ok(first)
    }

    /// How two runs differ that should be alike.
    fn unlike(&self, first: &Outcome, second: &Outcome) -> Option<String> {
        if first.hash != second.hash || first.log != second.log {
            Some(self.divergence(first, second))
        } else if !ends_alike(first.reason.as_ref(), second.reason.as_ref()) {
            Some(other_end(first.reason.as_ref(), second.reason.as_ref()))
        } else {
            None
        }
    }

    /// Where they differ first, with the names that processes had in the last run.
    pub(super) fn divergence(&self, first: &Outcome, second: &Outcome) -> String {
        let name = |process| match &self.arena {
            Some(arena) => arena.name_of(process),
            None => format!("process #{process}"),
        };
        divergence(&first.log, &second.log, name)
    }

    /// Adds the first operation in which two more runs differ, if they do.
    fn with_first_event(&mut self, text: String, seed: u64) -> String {
        let [first, second] = [(); 2].map(|()| {
            let keep = Keep {
                events: true,
                ..Keep::default()
            };
            let plan = self.plan(seed);
            self.one(plan, Some(seed), keep).events
        });
        match other_event(&first, &second) {
            Some(other) => format!("{other}; {text}"),
            None => format!("{text}; made twice more, the runs were alike: {OUTLIVES}"),
        }
    }

    /// That a thread which is not of the simulation wakes a process, if it did so in one of these runs, or does so in another one that
    /// waits for it a while.
    fn is_woken_from_outside(&mut self, runs: &[&Outcome], seed: u64) -> Option<Reason> {
        let mut reasons = runs.iter().filter_map(|run| run.reason.as_ref());
        if let Some(reason) = reasons.find(|reason| reason.is_outside()) {
            return Some(reason.clone());
        }
        let plan = self.plan(seed);
        self.woken_in_time(plan, Some(seed))?.reason
    }

    /// Whether somebody who seems to wait for ever is woken by a thread that is not of the simulation, as the failure that this is.
    pub(super) fn waits_for_thread(
        &mut self,
        reason: &Reason,
        tape: &Tape,
        seed: Option<u64>,
    ) -> Option<Failure> {
        if !matches!(reason, Reason::Deadlock | Reason::Leak(_)) {
            return None;
        }
        let waited = self.woken_in_time(Choices::of_tape(tape), seed)?;
        let outside = waited.reason.clone()?;
        let mut failure = self.failure(outside, seed, waited);
        failure.found_as = Some(reason.to_string());
        Some(failure)
    }

    /// A run that gives threads a while to wake somebody, if one does.
    fn woken_in_time(&mut self, choices: Choices, seed: Option<u64>) -> Option<Outcome> {
        let keep = Keep {
            patient: true,
            ..Keep::default()
        };
        let run = self.one(choices, seed, keep);
        let is_outside = run.reason.as_ref().is_some_and(Reason::is_outside);
        is_outside.then_some(run)
    }
}
