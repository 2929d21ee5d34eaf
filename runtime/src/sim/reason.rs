//! Why a run failed.

use std::any::Any;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::error::Error;
use crate::process::exit::{Exit, Fault, Panic};
use crate::process::refusal::CallError;
use crate::scope::{ExitReport, Late, ScopeError};
use crate::sim::blocked::WAYS_OUT;

/// Why a run of a simulation failed.
///
/// # Examples
/// ```
/// use roundrock::prelude::*;
/// use roundrock::sim::{Reason, Simulation};
///
/// let failure = Simulation::new("waits").seeds(1).run(|_sim: Sim| async {
///     let (_jobs, inbox) = bounded::<u32>(1);
///     inbox.recv().await;                     // and the only sender is its own
/// });
/// assert_eq!(failure.expect_err("it cannot end").reason, Reason::Deadlock);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A process panicked, and nobody restarted it.
    #[non_exhaustive]
    Panicked {
        /// Its name; `test` for the body of the test.
        process: String,
        /// The text of the panic.
        message: String,
        /// File, line and column, if they are known.
        site: Option<String>,
    },
    /// A process, or the body of the test, returned an error.
    #[non_exhaustive]
    Failed {
        /// Its name; `test` for the body of the test.
        process: String,
        /// The error with its causes.
        error: String,
        /// File, line and column of where it was made, if they are known: see [`Error::location`].
        site: Option<String>,
    },
    /// The body of the test waits, nothing can run, and no timer is armed.
    Deadlock,
    /// The body of the test waits, and can never go on, though others do, driven by timers: what the detector of
    /// [leaks](crate::leaks) proves, a text for each finding.
    Stuck(Vec<String>),
    /// The body has returned, and these processes wait for ever: a line for each one, or what the detector of
    /// [leaks](crate::leaks) proves, a text for each finding.
    Leak(Vec<String>),
    /// The run is over, nobody is left, and these channels still have endpoints, a line for each: forgotten, held by an `Arc` that
    /// holds itself, or kept in a static. Only in a `#[roundrock::test]`: what a closure captures may keep some for good reason.
    Forgotten(Vec<String>),
    /// These processes had not ended when the grace of the stop at the end was over.
    Late(Vec<String>),
    /// A process is parked although what it waits for is there: a mistake of the runtime's.
    LostWakeup(String),
    /// These processes ran again although it was [proven](crate::leaks::Verdict::Proven) that they never would: a mistake of the
    /// runtime's. Told before everything else, which may come of it.
    ProofViolated(Vec<String>),
    /// A message was lost without a reason: a mistake of the runtime's. The ledger, as text.
    Unbalanced(String),
    /// A condition of `sim.always` did not hold.
    Always(String),
    /// A condition of `sim.sometimes` held in no run.
    Sometimes(String),
    /// A condition of `sim.eventually` did not hold in the end.
    Eventually(String),
    /// A probe or a model saw something else than was expected.
    #[non_exhaustive]
    Expected {
        /// The probe, or the operation of the model.
        what: String,
        /// What was expected, and what came instead.
        text: String,
        /// Where it was expected.
        site: String,
    },
    /// Messages were accepted by channels and mailboxes, and received by nobody: only in a test that
    /// [denies](crate::sim::Simulation::deny_lost) it.
    Lost(u64),
    /// The run did not end within `max_steps`.
    #[non_exhaustive]
    MaxSteps {
        /// That many.
        steps: u64,
        /// For how many of the last ones time stood still.
        standing: u64,
        /// The virtual time at the end.
        now: Duration,
    },
    /// A process blocked the thread in one of its steps, for a millisecond or more, each time the run was made.
    #[non_exhaustive]
    Blocked {
        /// Its name; `test` for the body of the test.
        process: String,
        /// How long.
        took: Duration,
        /// In which call of the operating system, and what in a program makes it; `None` where the kernel does not say.
        call: Option<String>,
    },
    /// A process tried the same things again and again in one step, in vain: nobody else can run before it waits.
    #[non_exhaustive]
    Spins {
        /// Its name; `test` for the body of the test.
        process: String,
        /// What it tried last.
        what: String,
        /// How often it tried something.
        times: u32,
    },
    /// A thread that is not part of the simulation woke this process.
    Outside(String),
    /// Two runs of the same tape took different ways.
    Nondeterministic(String),
}

impl Reason {
    /// Whether this is the same mistake as `other`, as far as it can be told: numbers in texts do not matter.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Panicked { site: one, .. }, Self::Panicked { site: other, .. })
                if one.is_some() && other.is_some() =>
            {
                one == other
            }
            (
                Self::Expected {
                    what: one, site, ..
                },
                Self::Expected {
                    what: other,
                    site: there,
                    ..
                },
            ) => one == other && site == there,
            (
                Self::Failed {
                    site: Some(one), ..
                },
                Self::Failed {
                    site: Some(other), ..
                },
            ) if one != other => false,
            (Self::Blocked { process: one, .. }, Self::Blocked { process: other, .. }) => {
                one == other
            }
            (Self::Leak(_), Self::Leak(_))
            | (Self::Stuck(_), Self::Stuck(_))
            | (Self::Forgotten(_), Self::Forgotten(_))
            | (Self::Late(_), Self::Late(_))
            | (Self::MaxSteps { .. }, Self::MaxSteps { .. }) => true,
            _ => same_words(&self.to_string(), &other.to_string()),
        }
    }

    /// Whether a step blocked, in a call that is known.
    pub(crate) fn names_a_call(&self) -> bool {
        matches!(self, Self::Blocked { call: Some(_), .. })
    }

    /// Whether a thread that is not of the simulation woke a process.
    pub(crate) fn is_outside(&self) -> bool {
        matches!(self, Self::Outside(_))
    }

    /// Whether the texts differ in numbers only.
    pub(crate) fn reads_like(&self, other: &Self) -> bool {
        same_words(&self.to_string(), &other.to_string())
    }

    /// The reason of a run whose body ended so, and whose root scope said this. What came first is the cause: `failed_before`
    /// says that a process had failed when the body ended.
    pub(crate) fn of_end(
        value: Result<Result<crate::Result<()>, Exit>, Exit>,
        failed: crate::Result<()>,
        failed_before: bool,
    ) -> Option<Self> {
        if failed_before && let Err(error) = &failed {
            return Some(Self::of_error(error));
        }
        let body = match value.and_then(|value| value) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(exit) => return Some(Self::of_exit("test", &exit)),
        };
        match (body, failed) {
            // The other side of a channel was gone: a normal stop, as for every process.
            (None, Ok(())) => None,
            (None, Err(error)) => Some(Self::of_error(&error)),
            (Some(body), Err(error)) if follows(&body) => Some(Self::of_error(&error)),
            (Some(error), _) => Some(Self::of_error(&error)),
        }
    }

    pub(crate) fn of_late(report: &ExitReport) -> Option<Self> {
        if report.is_clean() {
            return None;
        }
        let known = |late: &&Late| !report.late.iter().any(|other| other.id == late.id);
        let late = report.late.iter().chain(report.stuck.iter().filter(known));
        Some(Self::Late(late.map(ToString::to_string).collect()))
    }

    /// The reason of a run in which this came first.
    pub(crate) fn of_error(error: &Error) -> Self {
        match error.outermost::<ScopeError>() {
            Some(scope) => Self::of_exit(scope.process(), scope.exit()),
            None => match error.chain().find_map(|cause| cause.downcast_ref::<Exit>()) {
                Some(exit) if exit.is_failure() => Self::of_exit("test", exit),
                _ => Self::Failed {
                    process: "test".to_owned(),
                    error: format!("{error:#}"),
                    site: error.location().map(ToString::to_string),
                },
            },
        }
    }

    /// The same, of the exit of a process.
    pub(crate) fn of_exit(process: &str, exit: &Exit) -> Self {
        let process = process.to_owned();
        match exit.fault().map(|fault| &**fault) {
            Some(Fault::Panic(panic)) => Self::of_panic(process, panic),
            Some(fault) => Self::Failed {
                process,
                error: fault.to_string(),
                site: fault.site(),
            },
            None => Self::Failed {
                process,
                error: exit.to_string(),
                site: None,
            },
        }
    }

    /// The reason of a run in which code outside of every process panicked.
    pub(crate) fn of_payload(what: String, payload: Box<dyn Any + Send>) -> Self {
        match Fault::panic(payload) {
            Fault::Panic(panic) => Self::of_panic(what, &panic),
            fault => Self::Failed {
                process: what,
                error: fault.to_string(),
                site: None,
            },
        }
    }

    fn of_panic(process: String, panic: &Panic) -> Self {
        let site = panic
            .location()
            .map(|(file, line, column)| format!("{file}:{line}:{column}"));
        Self::Panicked {
            process,
            message: panic.text().to_owned(),
            site,
        }
    }
}

/// Whether an error of the body says that another process has ended, and nothing of its own.
fn follows(error: &Error) -> bool {
    fn is_about_another<E: Send + Sync + 'static>(cause: &(dyn StdError + 'static)) -> bool
    where
        CallError<E>: StdError,
    {
        matches!(
            cause.downcast_ref::<CallError<E>>(),
            Some(CallError::Crashed | CallError::Gone)
        )
    }
    crate::error::is_consequence(error)
        || error.chain().any(|cause| {
            cause.is::<Exit>()
                || is_about_another::<Infallible>(cause)
                || is_about_another::<Error>(cause)
        })
}

/// Whether two texts differ in numbers only, also those that tell places apart: see `labels`.
fn same_words(one: &str, other: &str) -> bool {
    let words = |text: &str| {
        let mut words = String::new();
        for c in text.chars() {
            if !c.is_ascii_digit() {
                words.push(c);
            } else if !words.ends_with('0') {
                words.push('0');
            }
        }
        words.replace(":0:0]", ":0]").replace("]#0", "]")
    };
    words(one) == words(other)
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked {
                process,
                message,
                site,
            } => panicked(f, process, site.as_deref(), message),
            Self::Failed {
                process,
                error,
                site,
            } => ended(f, process, "failed", site.as_deref(), error),
            Self::Deadlock => f.write_str(DEADLOCK),
            Self::Stuck(proofs) => list(f, STUCK, proofs),
            Self::Leak(processes) => list(f, LEAK, processes),
            Self::Forgotten(channels) => list(f, FORGOTTEN, channels),
            Self::Late(processes) => list(f, LATE, processes),
            Self::LostWakeup(text) => write!(f, "lost wakeup: {text}"),
            Self::ProofViolated(processes) => list(f, PROOF_VIOLATED, processes),
            Self::Unbalanced(ledger) => {
                write!(f, "the ledger does not balance: {ledger}; please report it")
            }
            Self::Always(name) => write!(f, "`{name}` must always hold, and does not"),
            Self::Sometimes(name) => {
                write!(f, "`{name}` must hold in some run, and held in none")
            }
            Self::Eventually(name) => {
                write!(
                    f,
                    "`{name}` must hold when everything has settled, and does not"
                )
            }
            Self::Expected { what, text, site } => write!(f, "`{what}` at {site}: {text}"),
            Self::Lost(messages) => write!(
                f,
                "lost: {messages} accepted and received by nobody: look for `that nobody received` in the list"
            ),
            Self::MaxSteps {
                steps,
                standing,
                now,
            } => too_long(f, *steps, *standing, *now),
            Self::Blocked {
                process,
                took,
                call,
            } => blocked(f, process, *took, call.as_deref()),
            Self::Spins {
                process,
                what,
                times,
            } => spins(f, process, what, *times),
            Self::Outside(process) => write!(
                f,
                "`{process}` was woken by a thread that is not part of the simulation: the run cannot be replayed; use `blocking(..)` or a process instead of a thread"
            ),
            Self::Nondeterministic(text) => write!(f, "the test is not deterministic: {text}"),
        }
    }
}

const DEADLOCK: &str = "deadlock: the test waits, nothing can run, and no timer is armed";

const STUCK: &str = "deadlock: the test can never go on, though others do, driven by timers:";

const LEAK: &str = "leak: the test has returned, and these wait for ever, because nobody is left who could wake them:";

const FORGOTTEN: &str = "leak: nobody is left, and these channels still have endpoints, which were forgotten, are held by an `Arc` that holds itself, or are kept in a static:";

const LATE: &str = "the test has returned, and these had not ended when the grace was over:";

const PROOF_VIOLATED: &str = "proof violation: these were proven to wait for ever and ran again, which is a bug in Roundrock and not in this program; please report it:";

/// With what to write instead, where tokio panicked.
fn panicked(
    f: &mut fmt::Formatter<'_>,
    process: &str,
    site: Option<&str>,
    message: &str,
) -> fmt::Result {
    ended(f, process, "panicked", site, message)?;
    if message.contains("no reactor running") {
        f.write_str(
            "\n\n  in a simulation there are no sockets, files and timers of tokio: write Roundrock's `sleep(..)`, let the process \
             get its bytes through a channel, or test it on threads, with `#[roundrock::test(real)]`",
        )?;
    }
    Ok(())
}

/// How a process ended that should not have.
fn ended(
    f: &mut fmt::Formatter<'_>,
    process: &str,
    how: &str,
    site: Option<&str>,
    text: &str,
) -> fmt::Result {
    write!(f, "`{process}` {how}")?;
    if let Some(site) = site {
        write!(f, " at {site}")?;
    }
    write!(f, ": {text}")
}

/// What blocked the thread.
fn blocked(
    f: &mut fmt::Formatter<'_>,
    process: &str,
    took: Duration,
    call: Option<&str>,
) -> fmt::Result {
    let took = took.as_millis();
    write!(
        f,
        "`{process}` blocked the thread for {took} ms in one step"
    )?;
    if let Some(call) = call {
        write!(f, ", in {call}")?;
    }
    write!(
        f,
        "; nothing else can run meanwhile, and virtual time stands still: {WAYS_OUT}"
    )
}

/// What goes on for ever without waiting.
fn spins(f: &mut fmt::Formatter<'_>, process: &str, what: &str, times: u32) -> fmt::Result {
    write!(
        f,
        "`{process}` tried something {times} times in one step, in vain, at last {what}: in a simulation nobody else runs before it waits; await the operation itself, or `sleep` between two attempts"
    )
}

/// Time that moves is no proof of progress, but in a circle without a timer it stands still.
fn too_long(f: &mut fmt::Formatter<'_>, steps: u64, standing: u64, now: Duration) -> fmt::Result {
    write!(f, "the run did not end within {steps} steps, ")?;
    match standing.saturating_mul(2) >= steps {
        true => write!(
            f,
            "and for the last {standing} of them time stood still at {now:?}: a livelock, or set `max_steps` higher; who looks in a loop for what a timer does must `sleep` in between, because time moves only when nobody can run"
        ),
        false => write!(
            f,
            "in which time went on to {now:?}: something waits for a timer again and again, or the test is long and `max_steps` must be higher"
        ),
    }
}

fn list(f: &mut fmt::Formatter<'_>, head: &str, lines: &[String]) -> fmt::Result {
    f.write_str(head)?;
    let indented = |line: &String| line.replace('\n', "\n    ");
    lines
        .iter()
        .try_for_each(|line| write!(f, "\n    {}", indented(line)))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::same_words;

    #[test]
    fn numbers_make_no_difference() {
        assert!(same_words(
            "the sum is 90, not 100",
            "the sum is 7, not 100"
        ));
        assert!(!same_words("the sum is 90", "the sum was 90"));
    }
}
