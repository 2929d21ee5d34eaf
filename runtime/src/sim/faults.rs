//! Faults: what may go wrong in a run although the program is right.
//!
//! Each run has a random subset of the faults that a test allows (swarm testing: Groce, Zhang, Eide, Chen and Regehr, ISSTA
//! 2012), because one kind can hide what another one would show. Channels inside a program never lose messages, so there is
//! no such fault.

use std::fmt;
use std::time::Duration;

use crate::sim::tape::{Choices, Label};

/// The most panics that are thrown in one run: fewer than a supervisor forgives in a row by default.
const PANICS: u32 = 3;

/// How long a slow process rests, in nanoseconds: from a hiccup to an outage.
const RESTS: [u64; 5] = [100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// How long a stalled receiver rests, in nanoseconds.
const STALLS: [u64; 4] = [1_000_000_000, 5_000_000_000, 20_000_000_000, 60_000_000_000];

/// How late a delayed timer is, in nanoseconds.
const DELAYS: [u64; 4] = [1_000, 1_000_000, 20_000_000, 500_000_000];

/// Which faults a test allows, and how likely each is. None by default.
///
/// They happen to processes, and jobs, of the system that is tested, never to the body of the test: what it waits for, and how
/// long, is exact.
///
/// A probability is 0 to 1 and holds for each place where the fault could happen, in runs that have it at all.
///
/// # Examples
/// ```
/// use roundrock::sim::Faults;
/// let faults = Faults::none().panic(0.01).slow(0.05);
/// assert_ne!(faults, Faults::none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    panic: f64,
    slow: f64,
    stall: f64,
    delay: f64,
}

/// As an argument of `#[roundrock::test]` after a comma; nothing if there are none.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = self.some();
        let some: Vec<_> = some
            .map(|(name, probability)| format!("{name} = {probability:?}"))
            .collect();
        if some.is_empty() {
            return Ok(());
        }
        write!(f, ", faults({})", some.join(", "))
    }
}

impl Faults {
    /// No faults.
    pub const fn none() -> Self {
        Self {
            panic: 0.0,
            slow: 0.0,
            stall: 0.0,
            delay: 0.0,
        }
    }

    /// Those that can happen, with their probabilities.
    fn some(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let all = [
            ("panic", self.panic),
            ("slow", self.slow),
            ("stall", self.stall),
            ("delay", self.delay),
        ];
        all.into_iter()
            .filter(|(_, probability)| *probability > 0.0)
    }

    /// Supervised processes panic before an operation; at most three times in a run.
    ///
    /// # Panics
    /// Outside of 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn panic(mut self, probability: f64) -> Self {
        self.panic = checked("panic", probability);
        self
    }

    /// Processes and jobs that could run do not, for 0.1 ms to 1 s of virtual time, while others go on.
    ///
    /// # Panics
    /// Outside of 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn slow(mut self, probability: f64) -> Self {
        self.slow = checked("slow", probability);
        self
    }

    /// Processes that are about to receive rest first, for 1 s to 60 s of virtual time.
    ///
    /// # Panics
    /// Outside of 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn stall(mut self, probability: f64) -> Self {
        self.stall = checked("stall", probability);
        self
    }

    /// Timers are late, by 1 µs to 0.5 s. They never fire early.
    ///
    /// # Panics
    /// Outside of 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn delay(mut self, probability: f64) -> Self {
        self.delay = checked("delay", probability);
        self
    }
}

#[track_caller]
fn checked(name: &str, probability: f64) -> f64 {
    assert!(
        (0.0..=1.0).contains(&probability),
        "`{name}` is a probability from 0 to 1, not {probability}"
    );
    probability
}

/// The faults of one run.
#[derive(Debug, Default)]
pub(crate) struct Active {
    faults: Faults,
    thrown: u32,
}

impl Active {
    /// Chooses which of the faults a run has.
    pub(crate) fn choose(allowed: Faults, choices: &mut Choices) -> Self {
        let mut faults = allowed;
        for probability in [
            &mut faults.panic,
            &mut faults.slow,
            &mut faults.stall,
            &mut faults.delay,
        ] {
            if *probability > 0.0 && choices.rarely(Label::Swarm, 2, 0.5, (0, 0)) == 0 {
                *probability = 0.0;
            }
        }
        Self { faults, thrown: 0 }
    }

    /// Whether this run may have any.
    pub(crate) fn are_any(&self) -> bool {
        self.faults != Faults::none()
    }

    /// Which faults this run may have, in words.
    pub(crate) fn in_words(&self) -> String {
        let names: Vec<_> = self.faults.some().map(|(name, _)| name).collect();
        match &names[..] {
            [] => "none".to_owned(),
            names => names.join(", "),
        }
    }

    /// Whether a supervised process panics now.
    pub(crate) fn throws(&mut self, choices: &mut Choices, at: (u32, u64)) -> bool {
        if self.faults.panic == 0.0 || self.thrown == PANICS {
            return false;
        }
        let throws = choices.rarely(Label::Panic, 2, self.faults.panic, at) != 0;
        self.thrown += u32::from(throws);
        throws
    }

    /// How long a process that was about to run rests first.
    pub(crate) fn rest(&self, choices: &mut Choices, at: (u32, u64)) -> Option<Duration> {
        chosen(self.faults.slow, Label::Slow, &RESTS, choices, at)
    }

    /// How long a process that is about to receive rests first.
    pub(crate) fn stall(&self, choices: &mut Choices, at: (u32, u64)) -> Option<Duration> {
        chosen(self.faults.stall, Label::Stall, &STALLS, choices, at)
    }

    /// How late a timer is.
    pub(crate) fn delay(&self, choices: &mut Choices, at: (u32, u64)) -> Option<Duration> {
        chosen(self.faults.delay, Label::Delay, &DELAYS, choices, at)
    }
}

fn chosen(
    probability: f64,
    label: Label,
    among: &[u64],
    choices: &mut Choices,
    at: (u32, u64),
) -> Option<Duration> {
    if probability == 0.0 {
        return None;
    }
    let value = choices.rarely(label, among.len() as u32 + 1, probability, at);
    let nanos = among.get((value as usize).checked_sub(1)?)?;
    Some(Duration::from_nanos(*nanos))
}
