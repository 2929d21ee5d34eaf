//! What a search says: one line if it found nothing, and what somebody needs at night if it did.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sim::reason::Reason;
use crate::sim::tape::Tape;

/// What a search did that found no failure. Its text is one line.
///
/// # Examples
/// ```
/// use roundrock::prelude::*;
/// use roundrock::sim::Simulation;
///
/// let day = |_sim: Sim| async { roundrock::Ok(sleep(secs(86_400)).await) };
/// let summary = Simulation::new("a day").seeds(2).run(day).expect("it only waits");
/// assert!(summary.virtual_time >= secs(2 * 86_400) && summary.took < secs(60));
/// let again = Simulation::new("a day").seeds(2).run(day).expect("it only waits");
/// assert_eq!(again.hash, summary.hash);       // on every machine
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Summary {
    /// The name of the test.
    pub name: String,
    /// Runs: one for each seed and each tape.
    pub seeds: u64,
    /// Runs that differed from all others.
    pub schedules: u64,
    /// Steps of all runs: a process was chosen, or asked whether it goes on.
    pub steps: u64,
    /// Virtual time of all runs.
    pub virtual_time: Duration,
    /// How long it took.
    pub took: Duration,
    /// A hash of all that was chosen in the first run: the same on every machine.
    pub hash: u64,
    /// The same of all runs together.
    pub all: u64,
    /// What happened in the first run, if `ROUNDROCK_EVENTS` is set.
    pub events: Vec<String>,
}

impl Summary {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            seeds: 0,
            schedules: 0,
            steps: 0,
            virtual_time: Duration::ZERO,
            took: Duration::ZERO,
            hash: 0,
            all: 0,
            events: Vec::new(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_second = self.steps as f64 / self.took.as_secs_f64().max(1e-9);
        write!(
            f,
            "{}: {} runs, {} schedules, {} steps in {:.3} s ({:.0} thousand a second), {:?} of virtual time",
            self.name,
            self.seeds,
            self.schedules,
            self.steps,
            self.took.as_secs_f64(),
            per_second / 1e3,
            self.virtual_time,
        )
    }
}

/// A run that failed, and what is needed to see it again. Its text is the whole report.
///
/// # Examples
/// ```
/// use roundrock::prelude::*;
/// use roundrock::sim::Simulation;
///
/// let impatient = |_sim: Sim| async {
///     let (_jobs, inbox) = bounded::<u32>(1);
///     inbox.recv().within(secs(1)).await.map(drop)
/// };
/// let failure = Simulation::new("impatient").seeds(4).run(impatient).expect_err("nobody sends");
/// assert_eq!((failure.seed, failure.seeds_run), (Some(0), 1));
/// assert!(failure.to_string().contains("ROUNDROCK_SEED=0"), "how to see it again");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Failure {
    /// The name of the test.
    pub name: String,
    /// The seed of the run; `None` if it was that of a tape.
    pub seed: Option<u64>,
    /// Its choices.
    pub tape: Tape,
    /// The simplest choices that fail in the same way.
    pub shrunk: Tape,
    /// What went wrong in the simplest run.
    pub reason: Reason,
    /// How many runs it took to find it.
    pub seeds_run: u64,
    /// How many runs it took to make it simpler.
    pub shrink_runs: u32,
    /// What happened in the simplest run, one line for each operation.
    pub events: Vec<String>,
    /// Who waited for what when it failed, one line for each process; empty if nobody was left. Of a run that could not go on,
    /// what the detector of [leaks](crate::leaks) proves follows.
    pub waits: Vec<String>,
    /// The steps of the run that was found.
    pub steps: u64,
    /// What the search did until then.
    pub summary: Summary,
    /// The options of the test, as arguments of its attribute.
    pub(crate) options: String,
    /// What went wrong in the run that was found, if it reads differently.
    pub(crate) found_as: Option<String>,
    /// As the test harness names the test, if it is one.
    pub(crate) path: Option<String>,
    /// The test from its parameters on, as it was written.
    pub(crate) source: Option<Source>,
    /// The search listens to the environment.
    pub(crate) environment: bool,
    /// All lines are shown, however many.
    pub(crate) whole: bool,
    /// Where the regression test stands, if its tape is too long to show.
    pub(crate) kept_in: Option<PathBuf>,
}

impl Failure {
    /// A failure of all runs together.
    pub(crate) fn of_search(name: &str, reason: Reason, summary: Summary) -> Self {
        Self {
            name: name.to_owned(),
            seed: None,
            tape: Tape::default(),
            shrunk: Tape::default(),
            reason,
            seeds_run: summary.seeds,
            shrink_runs: 0,
            events: Vec::new(),
            waits: Vec::new(),
            steps: summary.steps,
            summary,
            options: String::new(),
            found_as: None,
            path: None,
            source: None,
            environment: false,
            whole: false,
            kept_in: None,
        }
    }
}

/// The longest tape that is printed as it was found.
const LONGEST: usize = 600;

/// The longest tape that is printed at all: a run that does not end has tens of thousands of choices.
const LONGEST_SHRUNK: usize = 4000;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, reason, .. } = self;
        writeln!(f, "{name}: {reason}\n")?;
        match (self.seed, reason) {
            (_, Reason::Sometimes(_)) => {
                return writeln!(
                    f,
                    "  in {} runs; search longer with ROUNDROCK_SEEDS={}, or look whether it can happen at all",
                    self.seeds_run,
                    (self.seeds_run * 100).max(1000)
                );
            }
            (Some(seed), _) => {
                // The first one is not counted before it was made twice.
                write!(
                    f,
                    "  found with seed {seed}, in run {}",
                    self.seeds_run.max(1)
                )?;
            }
            (None, _) => write!(f, "  in the run of a tape")?,
        }
        let (before, after) = (self.tape.deviations(), self.shrunk.deviations());
        match (before, after) {
            (_, 0) => writeln!(f, "; it fails without any unusual choice")?,
            (1, _) => writeln!(f, ", by one unusual choice")?,
            _ if self.shrink_runs == 0 => writeln!(f, ", with {after} unusual choices")?,
            _ => writeln!(
                f,
                "; of its {before} unusual choices {after} are enough (found in {} runs)",
                self.shrink_runs
            )?,
        }
        if let Some(found_as) = &self.found_as {
            let found_as = found_as.replace('\n', "\n  ");
            match reason {
                Reason::Blocked { .. } => {
                    writeln!(f, "  without a clock at each step it read: {found_as}")?
                }
                _ => writeln!(f, "  before it was made simpler it read: {found_as}")?,
            }
        }
        if !self.events.is_empty() {
            writeln!(
                f,
                "\n  what happened:\n     step     time  process and operation"
            )?;
            self.list(f)?;
        }
        if !self.waits.is_empty() {
            writeln!(f, "\n  who waits for what:")?;
            self.waits
                .iter()
                .try_for_each(|line| writeln!(f, "    {}", line.replace('\n', "\n    ")))?;
        }
        self.replay(f)
    }
}

impl Failure {
    /// Whether a step that blocked may be why the run ended with `other`. Not if it waited for a lock of the operating system: a panic
    /// waits for those while it unwinds, beside others. Nor if a thread woke a process, which may well have been waited for.
    pub(super) fn may_explain(&self, other: &Reason) -> bool {
        let waits_for_lock = match &self.reason {
            Reason::Blocked { call, .. } => call.as_ref().is_none_or(|call| call.contains("futex")),
            _ => false,
        };
        !waits_for_lock && !other.is_outside()
    }

    /// What happened, line by line; of a long run its beginning and its end, unless this is the replay of one run.
    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Lines that are all shown.
        const MOST: usize = 400;
        /// Of more, those at the beginning, and those at the end.
        const SHOWN: (usize, usize) = (40, 260);
        let lines = &self.events;
        let (first, last) = match self.whole || lines.len() <= MOST {
            true => (lines.len(), lines.len()),
            false => (SHOWN.0, lines.len() - SHOWN.1),
        };
        lines[..first]
            .iter()
            .try_for_each(|line| writeln!(f, "    {line}"))?;
        if first < last {
            writeln!(
                f,
                "          (here {} more lines, which a replay shows, see below)",
                last - first
            )?;
        }
        lines[last..]
            .iter()
            .try_for_each(|line| writeln!(f, "    {line}"))
    }

    /// How to see it again.
    fn replay(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name, shrunk, path, ..
        } = self;
        let is_word = name
            .chars()
            .all(|c| c.is_alphanumeric() || "_:-".contains(c));
        let filter = match path {
            Some(path) => format!("{path} -- --exact"),
            None if is_word => name.clone(),
            None => format!("'{}'", name.replace('\'', "'\\''")),
        };
        let listens = match self.environment {
            true => "",
            false => " (with `.with_environment()` before `.run(..)`)",
        };
        writeln!(f, "\n  again{listens}:")?;
        if let Some(seed) = self.seed {
            writeln!(f, "    ROUNDROCK_SEED={seed} cargo test {filter}")?;
        }
        if matches!(self.reason, Reason::Nondeterministic(_)) {
            return writeln!(
                f,
                "    (that makes one run, which may go another way; this failure is seen by running the whole test again)"
            );
        }
        let short = shrunk.to_string();
        if short.len() > LONGEST_SHRUNK {
            let by = match self.seed {
                Some(_) => "the seed",
                None => "the tape that it was given",
            };
            writeln!(
                f,
                "    (what is shown above has a tape of {} choices, which is too long to show; {by} makes the run as it was found)",
                shrunk.values().len()
            )?;
            return match &self.kept_in {
                Some(file) => writeln!(
                    f,
                    "\n  a regression test with that tape is in {}",
                    file.display()
                ),
                None => Ok(()),
            };
        }
        writeln!(
            f,
            "    ROUNDROCK_TAPE='{short}' cargo test {filter}     # what is shown above"
        )?;
        let tape = self.tape.to_string();
        if self.tape != *shrunk {
            if tape.len() <= LONGEST {
                writeln!(
                    f,
                    "    ROUNDROCK_TAPE='{tape}' cargo test {filter}     # as it was found"
                )?;
            } else {
                writeln!(
                    f,
                    "    (the tape as it was found has {} choices; the seed replays it)",
                    self.tape.values().len()
                )?;
            }
        }
        writeln!(f, "\n  as a regression test:\n    {}", self.test())
    }

    /// The regression test, as it stands in the report.
    fn test(&self) -> String {
        let test = match self.source {
            Some(Source { text, moves: true }) => pasted(text),
            Some(Source { text, .. }) => text.to_owned(),
            None => format!(
                "(sim: &Sim) -> Result<()> {{ /* the body of {} */ }}",
                self.name
            ),
        };
        format!(
            "#[roundrock::test(tape = \"{}\"{})]\n    async fn {}{test}",
            self.shrunk,
            self.options,
            identifier(&self.name, self.seed),
        )
    }

    /// Writes the regression test to a file, if its tape is too long to show: below the directory of what cargo builds, where the test
    /// program is.
    pub(super) fn keep_what_is_too_long(&mut self) {
        let differs = matches!(
            self.reason,
            Reason::Nondeterministic(_) | Reason::Sometimes(_)
        );
        if differs || self.shrunk.to_string().len() <= LONGEST_SHRUNK {
            return;
        }
        let program = std::env::current_exe().unwrap_or_default();
        let builds = program.ancestors().find(|path| path.ends_with("deps"));
        let built = builds.and_then(Path::parent).and_then(Path::parent);
        let directory = built.map_or_else(std::env::temp_dir, Path::to_owned);
        let directory = directory.join("roundrock");
        let name = self.path.as_ref().unwrap_or(&self.name);
        let file = directory.join(identifier(&name.replace("::", "_"), self.seed) + ".rs");
        // Without it the report is worth as much as it was.
        let mut text = self.test() + "\n";
        if self.source.is_none_or(|source| source.moves) {
            text = text.replace("\n    ", "\n");
        }
        let written = fs::create_dir_all(&directory).and_then(|()| fs::write(&file, text));
        self.kept_in = written.ok().map(|()| file);
    }
}

/// The text of a test as it was written, from its parameters on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub(crate) text: &'static str,
    /// It may stand further to the left or to the right: none of its literals goes over several lines.
    pub(crate) moves: bool,
}

/// The text of a test as it stands in the report: moved to the left as far as its last line goes, and then to where the report is.
fn pasted(source: &str) -> String {
    let last = source.lines().last().unwrap_or_default();
    let indent = last.len() - last.trim_start().len();
    let lines = source.lines().enumerate().map(|(number, line)| {
        let blank = line.len() - line.trim_start().len();
        match number {
            0 => line.to_owned(),
            _ if line.trim().is_empty() => String::new(),
            _ => format!("    {}", line.get(blank.min(indent)..).unwrap_or(line)),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A name for the regression test.
fn identifier(name: &str, seed: Option<u64>) -> String {
    let last = name.rsplit("::").next().unwrap_or(name);
    let word = |c: char| if c.is_alphanumeric() { c } else { '_' };
    let mut name: String = last.chars().map(word).collect();
    if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        name.insert_str(0, "test_");
    }
    match seed {
        Some(seed) => format!("{name}_seed_{seed}"),
        None => format!("{name}_again"),
    }
}

impl std::error::Error for Failure {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::pasted;

    #[test]
    fn a_test_is_pasted_where_the_report_stands() {
        let source = "(sim: &Sim) {\n            let a = 1;\n\n            if a {\n                b\n            }\n        }";
        let text =
            "(sim: &Sim) {\n        let a = 1;\n\n        if a {\n            b\n        }\n    }";
        assert_eq!(pasted(source), text);
        assert_eq!(pasted("(sim: &Sim) { body }"), "(sim: &Sim) { body }");
    }
}
