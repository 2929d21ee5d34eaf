//! The tape: every choice of a run as one list of numbers.
//!
//! A run is a function of its tape. Whatever could happen in several ways is asked for with [`Choices::choose`], which answers
//! with the next number of the tape, or makes that number by the run's strategy and writes it down. Zero is always the boring
//! choice (go on with the same process, the one that waited longest, the first arm, no fault), and a tape that has ended goes
//! on with zeros; so a tape gets simpler by making numbers smaller, and shorter by leaving the end away.
//!
//! **Invariants**
//! - A choice among one is not asked and not written.
//! - What is written is what was answered: replaying a written tape gives the same run.

use std::fmt;
use std::str::FromStr;

use crate::sim::ready::number_of;
use crate::sim::strategy::Plan;
use crate::task::registry::WaitKind;

/// What a choice is about. Part of the trace, so that two runs that ask for different things differ there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Label {
    /// Which process runs next, when none runs.
    Next,
    /// Whether the running process goes on before an operation, or which other one runs first.
    Point,
    /// A number that the runtime asks for: the first arm of a `select!`, jitter.
    Random,
    /// A number that the program asks for.
    User,
    /// Which of several timers that are due at once fires first.
    Timer,
    /// Which faults this run has.
    Swarm,
    /// Whether a process panics at a point.
    Panic,
    /// Whether, and for how long, a process does not run although it could.
    Slow,
    /// As `Slow`, for one that is about to receive.
    Stall,
    /// By how much a timer is late.
    Delay,
    /// Whether a process goes on later, after an operation that had not to wait.
    Lag,
}

impl Label {
    /// What is chosen, in words.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Next => "which process runs next",
            Self::Point => "whether the process goes on before an operation",
            Self::Random => "the first arm of a `select!`, or jitter",
            Self::User => "a number of `roundrock::rng()`",
            Self::Timer => "which of several timers fires first",
            Self::Swarm => "which faults this run has",
            Self::Panic => "whether a process panics",
            Self::Slow => "whether a process is slow",
            Self::Stall => "whether a receiver stalls",
            Self::Delay => "by how much a timer is late",
            Self::Lag => "whether the process goes on after an operation",
        }
    }
}

/// What a process is about to do at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Something that others can see: a send, a call, a lock.
    Acts,
    /// Something that changes nothing for others, unless they do the same: a receive, a join.
    Takes,
}

impl Point {
    /// The point before an operation that waits as `kind` if it cannot complete.
    pub(crate) fn before(kind: WaitKind) -> Self {
        match kind {
            WaitKind::Recv | WaitKind::Join => Self::Takes,
            _ => Self::Acts,
        }
    }
}

/// The running process is held back until all others wait, or where none runs, the one whose turn it is. One such choice does what many do that prefer one of the
/// others each time, so it is what a failure is explained by.
pub(crate) const HOLD: u32 = u32::MAX;

/// What is written for [`HOLD`].
const HOLDS: &str = "h";

/// The choices of a run, in order. Its text is what `ROUNDROCK_TAPE` takes.
///
/// The text has one pair `skip.value` for each choice that is not zero: so many zeros, then that value; `h` stands for a process
/// that is held back until all others wait. An empty tape, written `-`, is the run in which every choice is the boring one.
///
/// # Examples
/// ```
/// use roundrock::sim::Tape;
/// let tape: Tape = "2.1,0.3".parse().expect("a tape");
/// assert_eq!(tape.values(), [0, 0, 1, 3]);
/// assert_eq!(tape.to_string(), "2.1,0.3");
/// assert_eq!("-".parse(), Ok(Tape::default()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Tape(Vec<u32>);

impl Tape {
    /// A tape with these choices; zeros at its end say nothing and are left away.
    pub fn new(mut values: Vec<u32>) -> Self {
        while values.last() == Some(&0) {
            values.pop();
        }
        Self(values)
    }

    /// Returns the choices.
    pub fn values(&self) -> &[u32] {
        &self.0
    }

    /// Returns how many choices are not the boring one.
    ///
    /// # Examples
    /// ```
    /// use roundrock::sim::Tape;
    ///
    /// let tape = Tape::new(vec![0, 2, 0, 1, 0, 0]);
    /// assert_eq!((tape.deviations(), tape.values()), (2, &[0, 2, 0, 1][..]));
    /// ```
    pub fn deviations(&self) -> usize {
        self.0.iter().filter(|&&value| value != 0).count()
    }

    /// How simple it is: few deviations, small ones, and early ones. Smaller is simpler.
    pub(crate) fn cost(&self) -> (usize, usize, u64) {
        let size = |&value: &u32| match value {
            // No simpler than to let one other process go first.
            HOLD => 2,
            value => u64::from(value),
        };
        let sum = self.0.iter().map(size).sum();
        (self.deviations(), self.0.len(), sum)
    }
}

impl fmt::Display for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        let mut skipped = 0;
        let mut separator = "";
        for &value in &self.0 {
            if value == 0 {
                skipped += 1;
            } else {
                write!(f, "{separator}{skipped}.")?;
                match value {
                    HOLD => f.write_str(HOLDS)?,
                    value => write!(f, "{value}")?,
                }
                separator = ",";
                skipped = 0;
            }
        }
        Ok(())
    }
}

/// A text that is no tape.
///
/// # Examples
/// ```
/// use roundrock::sim::Tape;
///
/// let error = "three".parse::<Tape>().expect_err("no tape");
/// assert!(error.to_string().contains("write pairs of zeros"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotATape(String);

impl fmt::Display for NotATape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no part of a tape: write pairs of zeros to skip and the value after them, such as `3.1,0.2`, with `h` for a process that is held back, or `-`",
            self.0
        )
    }
}

impl std::error::Error for NotATape {}

/// The most choices that the text of a tape may stand for.
const LONGEST: usize = 1 << 28;

impl FromStr for Tape {
    type Err = NotATape;

    fn from_str(text: &str) -> Result<Self, NotATape> {
        let text = text.trim();
        let mut values = Vec::new();
        if matches!(text, "" | "-") {
            return Ok(Self(values));
        }
        for pair in text.split(',') {
            let wrong = || NotATape(pair.to_owned());
            let (skip, value) = pair.trim().split_once('.').ok_or_else(wrong)?;
            let skip: usize = skip.parse().map_err(|_| wrong())?;
            let value = match value {
                HOLDS => HOLD,
                value => value.parse().map_err(|_| wrong())?,
            };
            let length = skip.checked_add(values.len()).ok_or_else(wrong)?;
            if length >= LONGEST {
                return Err(wrong());
            }
            values.resize(length, 0);
            values.push(value);
        }
        Ok(Self::new(values))
    }
}

/// One choice, as the determinism check compares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) label: Label,
    pub(crate) among: u32,
    pub(crate) value: u32,
    /// The process that ran, or ran last.
    pub(crate) process: u32,
    pub(crate) step: u64,
}

/// Where the numbers come from, and where they are written down.
#[derive(Debug)]
pub(crate) struct Choices {
    source: Source,
    written: Vec<u32>,
    hash: u64,
    log: Option<Vec<Entry>>,
}

#[derive(Debug)]
enum Source {
    Tape { values: Vec<u32>, at: usize },
    Plan(Plan),
}

impl Choices {
    pub(crate) fn of_plan(plan: Plan, written: Vec<u32>) -> Self {
        Self::new(Source::Plan(plan), written)
    }

    pub(crate) fn of_tape(tape: &Tape) -> Self {
        let values = tape.0.clone();
        Self::new(Source::Tape { values, at: 0 }, Vec::new())
    }

    fn new(source: Source, mut written: Vec<u32>) -> Self {
        written.clear();
        Self {
            source,
            written,
            hash: 0xcbf2_9ce4_8422_2325,
            log: None,
        }
    }

    /// Keeps every choice for comparison.
    pub(crate) fn keep_log(&mut self) {
        self.log = Some(Vec::new());
    }

    /// One of `among` that can run; `who` says who stands at a place, by the numbers of `ready`. Place 0 may also be held back; at a point it is the one
    /// that runs.
    #[inline]
    pub(crate) fn process(
        &mut self,
        at_point: Option<(Point, u64)>,
        among: u32,
        at: (u32, u64),
        who: impl Fn(u32) -> u32,
    ) -> u32 {
        let value = match &mut self.source {
            Source::Tape { values, at } if values.get(*at) == Some(&HOLD) => {
                *at += 1;
                HOLD
            }
            Source::Tape { values, at } => next_of(values, at, among),
            Source::Plan(plan) => plan.process(at_point, among, &who),
        };
        let label = at_point.map_or(Label::Next, |_| Label::Point);
        self.write(label, among, value, at)
    }

    /// A process is at a point, and nobody else can run: there is nothing to choose. In another order there may be somebody.
    #[inline]
    pub(crate) fn alone(&mut self, point: Point, (process, step): (u32, u64)) {
        if let Source::Plan(plan) = &mut self.source {
            plan.alone(point, number_of(process));
        }
        if let Some(log) = &mut self.log {
            log.push(Entry {
                label: Label::Point,
                among: 1,
                value: 0,
                process,
                step,
            });
        }
    }

    /// A number below `among`, each as likely as the others.
    pub(crate) fn number(&mut self, label: Label, among: u32, at: (u32, u64)) -> u32 {
        let value = match &mut self.source {
            Source::Tape { values, at } => next_of(values, at, among),
            Source::Plan(plan) => plan.number(among),
        };
        self.write(label, among, value, at)
    }

    /// Whether the running process goes on later, after an operation.
    pub(crate) fn lags(&mut self, at: (u32, u64)) -> bool {
        let value = match &mut self.source {
            Source::Tape { values, at } if values.get(*at) == Some(&HOLD) => {
                *at += 1;
                1
            }
            Source::Tape { values, at } => next_of(values, at, 2),
            Source::Plan(plan) => u32::from(plan.lags()),
        };
        // The most frequent choice of all, and nearly always zero: that is no part of the hash.
        if value != 0 {
            self.mix(at.1);
        }
        self.note(Label::Lag, 2, value, at);
        value != 0
    }

    /// The running process lets others go first, though it could go on.
    pub(crate) fn yields(&mut self, number: u32) {
        if let Source::Plan(plan) = &mut self.source {
            plan.yields(number);
        }
    }

    /// A process has ended.
    pub(crate) fn ends(&mut self, number: u32) {
        if let Source::Plan(plan) = &mut self.source {
            plan.ends(number);
        }
    }

    /// Zero, or with this probability one of the other numbers below `among`.
    pub(crate) fn rarely(
        &mut self,
        label: Label,
        among: u32,
        probability: f64,
        at: (u32, u64),
    ) -> u32 {
        let value = match &mut self.source {
            Source::Tape { values, at } => next_of(values, at, among),
            Source::Plan(plan) => {
                if plan.happens(probability) {
                    1 + plan.number(among - 1)
                } else {
                    0
                }
            }
        };
        self.write(label, among, value, at)
    }

    #[inline]
    fn write(&mut self, label: Label, among: u32, value: u32, at: (u32, u64)) -> u32 {
        self.mix((u64::from(value) << 32) | u64::from(among));
        self.mix((u64::from(at.0) << 8) | label as u64);
        self.note(label, among, value, at);
        value
    }

    #[inline]
    fn note(&mut self, label: Label, among: u32, value: u32, (process, step): (u32, u64)) {
        self.written.push(value);
        if let Some(log) = &mut self.log {
            log.push(Entry {
                label,
                among,
                value,
                process,
                step,
            });
        }
    }

    /// Makes something a part of the trace.
    #[inline]
    pub(crate) fn mix(&mut self, word: u64) {
        // FNV-1a over words instead of bytes, with a rotation so that high bits come down again.
        self.hash = (self.hash ^ word)
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(23);
    }

    /// The hash of everything that was chosen and mixed in so far.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// How many processes were chosen, and how often each ran, if a plan counted them.
    pub(crate) fn into_parts(self) -> (Vec<u32>, Option<Vec<Entry>>, Option<Plan>) {
        let plan = match self.source {
            Source::Plan(plan) => Some(plan),
            Source::Tape { .. } => None,
        };
        (self.written, self.log, plan)
    }
}

/// The next number of a tape. One that does not fit, because the run took another way than the tape was made for, is boring.
#[inline]
fn next_of(values: &[u32], at: &mut usize, among: u32) -> u32 {
    let value = values.get(*at).copied().unwrap_or(0);
    *at += 1;
    if value < among { value } else { 0 }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Tape;

    #[test]
    fn a_tape_is_its_text() {
        for values in [
            vec![],
            vec![1],
            vec![0, 0, 7, 0, 1],
            vec![0, 3, 0, 0],
            vec![0, super::HOLD, 2],
        ] {
            let tape = Tape::new(values);
            assert_eq!(tape.to_string().parse(), Ok(tape));
        }
    }

    #[test]
    fn what_is_no_tape_is_refused() {
        for text in [
            "1",
            "x.1",
            "1.x",
            "1.1;2.2",
            "1.1,",
            "99999999999.1",
            "-1.2",
        ] {
            assert!(text.parse::<Tape>().is_err(), "{text}");
        }
    }
}
