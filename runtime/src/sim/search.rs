//! [`Simulation`]: runs a body with many seeds, and makes a report of the first run that fails.

use std::any::Any;
use std::collections::HashSet;
use std::future::Future;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::channel::Closed;
use crate::process::exit::{Fault, IntoOutcome};
use crate::sim::Sim;
use crate::sim::alike::{ends_alike, only_at_first, other_end, who_waited};
use crate::sim::blocked::{Progress, Switches, Watchdog};
use crate::sim::faults::Faults;
use crate::sim::handle::Body;
use crate::sim::here;
use crate::sim::reason::Reason;
use crate::sim::report::{Failure, Source, Summary};
use crate::sim::run::{Arena, Keep, Options, Outcome};
use crate::sim::shrink::Shrinker;
use crate::sim::strategy::{Plan, Shape, Strategy};
use crate::sim::tape::{Choices, Tape};
use crate::system::install_panic_hook;

/// Describes a search: `#[roundrock::test]` without the macro.
///
/// For tests that are made by other means: in a closure of proptest that draws the input, in a table of cases, or where the
/// failure itself is what is tested.
///
/// # Examples
/// ```
/// use roundrock::prelude::*;
/// use roundrock::sim::Simulation;
///
/// let failure = Simulation::new("impatient").seeds(4).run(|_sim: Sim| async {
///     let (_jobs, inbox) = bounded::<u32>(1);
///     inbox.recv().within(secs(1)).await.map(drop)
/// });
/// let failure = failure.expect_err("nobody sends anything");
/// assert!(failure.reason.to_string().contains("the time was up"));
/// assert_eq!(failure.seed, Some(0));
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing runs before `run`"]
pub struct Simulation {
    name: String,
    /// As the test harness names it, if it is a test of its own.
    path: Option<String>,
    first: u64,
    seeds: u64,
    /// The runs before those with seeds.
    tapes: Vec<Tape>,
    strategy: Strategy,
    options: Options,
    pub(super) shrink: Duration,
    events: bool,
    source: Option<Source>,
    /// Listens to the environment.
    environment: bool,
    /// One run is to be seen again, as it is: it is made once, with its events and panics, and is not made simpler.
    pub(super) again: bool,
}

impl Simulation {
    /// A search with the default options. The name is for reports.
    #[track_caller]
    pub fn new(name: impl Into<String>) -> Self {
        let options = Options {
            site: Location::caller(),
            ..Options::default()
        };
        Self {
            name: name.into(),
            path: None,
            first: 0,
            seeds: 64,
            tapes: Vec::new(),
            strategy: Strategy::default(),
            options,
            shrink: Duration::from_secs(10),
            events: false,
            source: None,
            environment: false,
            again: false,
        }
    }

    /// Sets how many seeds are tried. The default is 64.
    ///
    /// # Panics
    /// If it is zero: a search that looks at nothing finds nothing. [`replay`](Self::replay) runs a tape alone.
    #[track_caller]
    pub fn seeds(mut self, seeds: u64) -> Self {
        assert!(
            seeds > 0,
            "the `seeds` of a simulation are at least 1, not 0: without a run nothing is tested; see `replay` for a tape alone"
        );
        self.seeds = seeds;
        self
    }

    /// Sets the first seed. The default is 0, the run in which every choice is the boring one. After the largest one comes 0.
    pub fn first_seed(mut self, seed: u64) -> Self {
        self.first = seed;
        self
    }

    /// Runs this tape before the seeds: one that failed once. May be called several times.
    pub fn tape(mut self, tape: Tape) -> Self {
        self.tapes.push(tape);
        self
    }

    /// Says in which module the test is that has this name: reports show how to run that test, and no other.
    #[doc(hidden)]
    pub fn in_module(mut self, module: &str) -> Self {
        // The first part is the crate, which the test harness leaves away.
        self.path = Some(match module.split_once("::") {
            Some((_, module)) => format!("{module}::{}", self.name),
            None => self.name.clone(),
        });
        self
    }

    #[doc(hidden)]
    pub fn tape_of(self, text: &str) -> Self {
        match text.parse() {
            Ok(tape) => self.tape(tape),
            Err(error) => panic!("`tape = \"{text}\"`: {error}"),
        }
    }

    /// Says that the body captures nothing, as the function of a test: see [`Reason::Forgotten`].
    pub(super) fn captures_nothing(mut self) -> Self {
        self.options.closed = true;
        self
    }

    #[doc(hidden)]
    pub fn source(mut self, text: &'static str, moves: bool) -> Self {
        self.source = Some(Source { text, moves });
        self
    }

    /// Sets how schedules are searched. The default is [`Strategy::Mix`].
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Sets which faults may happen. The default is none.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.options.faults = faults;
        self
    }

    /// Sets how many steps a run may take. The default is 100,000.
    ///
    /// # Panics
    /// If it is zero: no run would begin.
    #[track_caller]
    pub fn max_steps(mut self, steps: u64) -> Self {
        assert!(
            steps > 0,
            "the `max_steps` of a simulation are at least 1, not 0: no run would begin"
        );
        self.options.max_steps = steps;
        self
    }

    /// Sets whether processes that wait for ever when the body has returned are a failure. The default is true.
    pub fn deny_leaks(mut self, deny: bool) -> Self {
        self.options.leaks = deny;
        self
    }

    /// Sets whether messages that channels and mailboxes accepted, and that nobody received, are a failure. The default is false: who
    /// drops a receiver may know what it does.
    ///
    /// Those count whose receiver went before them, as [`Dead::Closed`](crate::channel::Dead::Closed); not those that a policy
    /// discarded, that a caller withdrew, that came too late, or that a handler failed at.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    /// use roundrock::sim::{Reason, Simulation};
    ///
    /// let search = Simulation::new("tail").seeds(1).deny_lost(true);
    /// let failure = search.run(|_sim: Sim| async {
    ///     let (jobs, _inbox) = bounded::<u32>(4);
    ///     jobs.send(1).await
    /// });
    /// assert_eq!(failure.expect_err("nobody received it").reason, Reason::Lost(1));
    /// ```
    pub fn deny_lost(mut self, deny: bool) -> Self {
        self.options.deny_lost = deny;
        self
    }

    /// Sets how much virtual time the stop at the end of a run takes at most. The default is 10 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.options.grace = grace;
        self
    }

    /// Sets how long a failure is made simpler. The default is 10 s; with zero it is reported as it was found.
    pub fn shrink(mut self, limit: Duration) -> Self {
        self.shrink = limit;
        self
    }

    /// Takes over what the environment says: `ROUNDROCK_SEED`, `ROUNDROCK_TAPE`, `ROUNDROCK_SEEDS`, `ROUNDROCK_EVENTS`.
    ///
    /// With a seed or a tape that one run is made, once, and reported as it is: what the program prints, it prints once. (Before
    /// the run of a seed comes that of seed 0, by which it is planned.)
    ///
    /// # Panics
    /// If one of them is set to something that it cannot mean, or both a seed and a tape are set.
    pub fn with_environment(mut self) -> Self {
        if let Some(seeds) = variable::<u64>("ROUNDROCK_SEEDS") {
            assert!(seeds > 0, "ROUNDROCK_SEEDS=0: at least one seed is needed");
            self.seeds = seeds;
        }
        let seed = variable::<u64>("ROUNDROCK_SEED");
        let tape = variable::<Tape>("ROUNDROCK_TAPE");
        assert!(
            seed.is_none() || tape.is_none(),
            "ROUNDROCK_SEED and ROUNDROCK_TAPE are set, and each means another run: set one of them"
        );
        if let Some(seed) = seed {
            (self.first, self.seeds) = (seed, 1);
            self.tapes.clear();
            self.again = true;
        }
        if let Some(tape) = tape {
            self.tapes = vec![tape];
            self.seeds = 0;
            self.again = true;
        }
        self.environment = true;
        self.events = variable::<u8>("ROUNDROCK_EVENTS").is_some_and(|on| on != 0);
        self
    }

    /// Runs the body with each seed, until one fails.
    ///
    /// The body is called once for each run, and must do the same each time: what it shares between runs makes them differ.
    ///
    /// # Errors
    /// The first failure, made simpler.
    ///
    /// # Panics
    /// On a worker of a Roundrock system, and in another simulation.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    /// use roundrock::sim::{Faults, Simulation, Strategy};
    ///
    /// let summary = Simulation::new("adds")
    ///     .first_seed(7)
    ///     .seeds(8)
    ///     .strategy(Strategy::Pct)
    ///     .faults(Faults::none().delay(0.1))
    ///     .max_steps(10_000)
    ///     .grace(secs(1))
    ///     .run(|sim: Sim| async move {
    ///         let sum = sim.task("adder", async { roundrock::Ok(1 + 1) }).await?;
    ///         ensure!(sum == 2, "the sum is {sum}");
    ///         Ok(())
    ///     })
    ///     .expect("it has no mistake");
    /// assert_eq!(summary.seeds, 8);
    /// ```
    #[track_caller]
    pub fn run<F>(&self, body: impl Fn(Sim) -> F) -> Result<Summary, Box<Failure>>
    where
        F: Future<Output: IntoOutcome> + Send + 'static,
    {
        crate::blocking::refuse_on_worker("a simulation", "run it on a plain thread");
        install_panic_hook();
        let body = |sim: Sim| -> std::pin::Pin<Box<dyn Future<Output = crate::Result<()>> + Send>> {
            let body = body(sim);
            Box::pin(async move {
                let outcome = body.await.into_outcome().map(drop).map_err(error_of);
                outcome.inspect_err(here::body_failed)
            })
        };
        Search {
            simulation: self,
            body: &body,
            arena: None,
            shape: Rc::default(),
            begun: Instant::now(),
            summary: Summary::new(self.path.as_ref().unwrap_or(&self.name)),
            schedules: HashSet::new(),
            sometimes: Vec::new(),
            spare: Vec::new(),
            progress: Arc::default(),
            looked: Instant::now(),
            switches: Switches::new(),
            doubts: [0, 0],
            unjudged: 0,
        }
        .run()
    }

    /// Runs the body once, with the choices of a tape.
    ///
    /// # Errors
    /// The failure of that run, as it is.
    ///
    /// # Panics
    /// As for [`run`](Self::run).
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
    /// let again = Simulation::new("impatient").replay(&failure.tape, impatient);
    /// assert_eq!(again.expect_err("the same run").reason, failure.reason);
    /// ```
    pub fn replay<F>(&self, tape: &Tape, body: impl Fn(Sim) -> F) -> Result<Summary, Box<Failure>>
    where
        F: Future<Output: IntoOutcome> + Send + 'static,
    {
        let once = Self {
            tapes: vec![tape.clone()],
            seeds: 0,
            shrink: Duration::ZERO,
            ..self.clone()
        };
        once.run(body)
    }
}

/// What the body of a test returned, as its error: also that a channel was closed, for the rest of the body was not run.
pub(super) fn error_of(fault: Fault) -> crate::Error {
    match fault {
        Fault::Error(error) => error,
        Fault::Closed => crate::Error::without_site(Closed(())),
        fault @ (Fault::Panic(_) | Fault::Known(_)) => crate::Error::without_site(fault),
    }
}

/// The value of a variable of the environment, if it is set.
fn variable<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    // Nothing would be a tape: that of the run without any unusual choice, which has a text of its own.
    assert!(
        !text.trim().is_empty(),
        "{name} is set to nothing: give it a value, or unset it"
    );
    match text.trim().parse() {
        Ok(value) => Some(value),
        Err(error) => panic!("{name}={text}: {error}"),
    }
}

/// A search under way.
pub(super) struct Search<'a> {
    pub(super) simulation: &'a Simulation,
    body: &'a Body<'a>,
    pub(super) arena: Option<Arena>,
    /// Of the baseline run, once it was made.
    shape: Rc<Shape>,
    begun: Instant,
    pub(super) summary: Summary,
    schedules: HashSet<u64>,
    sometimes: Vec<(String, bool)>,
    /// The memory of the last run's tape.
    spare: Vec<u32>,
    pub(super) progress: Arc<Progress>,
    /// When the last run had ended, and what the kernel said then.
    pub(super) looked: Instant,
    pub(super) switches: Switches,
    /// How many runs that took long were made again, to find out whether a step may have blocked, and which one did.
    pub(super) doubts: [u64; 2],
    /// How many runs were made again without their supervised children.
    pub(super) unjudged: u64,
}

/// Tells of a panic that came out of a run: during runs panics are kept quiet, because those of processes are told with the failure.
fn panicked(name: &str, seed: Option<u64>, payload: Box<dyn Any + Send>) -> ! {
    let run = match seed {
        Some(seed) => format!("with seed {seed}"),
        None => "of a tape".to_owned(),
    };
    let fault = Fault::panic(payload);
    panic!(
        "{name}: in the run {run} something panicked outside of every process: a bug in Roundrock, or a subscriber of `tracing` that \
         panics: {fault}"
    );
}

impl Search<'_> {
    fn run(mut self) -> Result<Summary, Box<Failure>> {
        let _watchdog = Watchdog::start(&self.simulation.name, &self.progress);
        for tape in &self.simulation.tapes {
            let outcome = self.one(Choices::of_tape(tape), None, self.kept());
            self.count(outcome, None)?;
        }
        let simulation = self.simulation;
        let (first, count) = (simulation.first, simulation.seeds);
        if count > 0 {
            // Whether zero is among them, which comes after the largest.
            self.baseline(first.wrapping_neg() < count)?;
        }
        let seeds = (0..count).map(|seed| first.wrapping_add(seed));
        for (number, seed) in seeds.filter(|&seed| seed != 0).enumerate() {
            let outcome = match number {
                // The boring run shows least of what differs between two.
                0 => self.twice(seed, true)?,
                _ => {
                    let plan = self.plan(seed);
                    self.one(plan, Some(seed), self.kept())
                }
            };
            self.count(outcome, Some(seed))?;
        }
        self.summary.took = self.begun.elapsed();
        self.summary.schedules = self.schedules.len() as u64;
        let searched = self.simulation.seeds > 0 && !self.simulation.again;
        let never = self.sometimes.iter().find(|(_, held)| searched && !held);
        if let Some((name, _)) = never {
            let reason = Reason::Sometimes(name.clone());
            return Err(Box::new(Failure::of_search(
                &self.simulation.name,
                reason,
                self.summary,
            )));
        }
        if self.simulation.events {
            // Not by `println!`, which the test harness keeps to itself when a test passes.
            let mut out = std::io::stderr().lock();
            for line in &self.summary.events {
                drop(writeln!(out, "{line}"));
            }
        }
        Ok(self.summary)
    }

    /// What is kept of a run that counts.
    fn kept(&self) -> Keep {
        Keep {
            panics: self.simulation.again,
            ..Keep::default()
        }
    }

    pub(super) fn plan(&mut self, seed: u64) -> Choices {
        let plan = Plan::new(self.simulation.strategy, seed, &self.shape);
        Choices::of_plan(plan, std::mem::take(&mut self.spare))
    }

    /// The run with seed 0, twice: what it looks like is what the other plans are made by.
    fn baseline(&mut self, counts: bool) -> Result<(), Box<Failure>> {
        let mut first = self.twice(0, counts)?;
        if let Some(plan) = first.plan.take() {
            self.shape = Rc::new(plan.into_shape());
        }
        if counts {
            self.count(first, Some(0))?;
        }
        Ok(())
    }

    /// One run, in a system that is used again if it can be.
    pub(super) fn one(&mut self, choices: Choices, seed: Option<u64>, keep: Keep) -> Outcome {
        self.progress.run_begins(seed);
        let keep = Keep {
            events: keep.events || self.simulation.events || self.simulation.again,
            ..keep
        };
        let simulation = self.simulation;
        let arena = self
            .arena
            .take()
            .filter(Arena::reset)
            .unwrap_or_else(|| Arena::new(&simulation.name, &self.progress));
        let run = || arena.run(&simulation.options, choices, seed, keep, self.body);
        // UNWIND: the arena of a run that did not come to its end is not used again.
        let outcome = catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|payload| panicked(&simulation.name, seed, payload));
        self.arena = Some(arena).filter(|_| !outcome.has_left);
        outcome
    }

    fn count(&mut self, outcome: Outcome, seed: Option<u64>) -> Result<(), Box<Failure>> {
        let summary = &mut self.summary;
        summary.seeds += 1;
        summary.steps += outcome.steps;
        summary.virtual_time += Duration::from_nanos(outcome.nanos);
        summary.all = (summary.all ^ outcome.hash)
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(23);
        self.schedules.insert(outcome.hash);
        if summary.seeds == 1 {
            summary.hash = outcome.hash;
            summary.events.clone_from(&outcome.events);
        }
        for (name, held) in &outcome.sometimes {
            match self.sometimes.iter_mut().find(|(known, _)| known == name) {
                Some((_, ever)) => *ever |= held,
                None => self.sometimes.push((name.clone(), *held)),
            }
        }
        let reason = outcome.reason.clone();
        if let Some(reason) = reason.clone().filter(|_| self.simulation.again) {
            // As it is: what the program prints stands there once.
            return Err(Box::new(self.failure(reason, seed, outcome)));
        }
        if let Some(mut blocks) = self.look_for_blocks(&outcome, seed)
            && reason
                .as_ref()
                .is_none_or(|other| blocks.may_explain(other))
        {
            blocks.found_as = reason.as_ref().map(ToString::to_string);
            return Err(Box::new(blocks));
        }
        match reason {
            None => match self.leaks_without_children(&outcome, seed) {
                Some(failure) => Err(Box::new(failure)),
                None => {
                    self.spare = outcome.written;
                    Ok(())
                }
            },
            Some(reason) => {
                let failure = self.explain(reason, seed, outcome, Keep::default());
                Err(Box::new(failure))
            }
        }
    }

    /// Replays a run that failed, makes it simpler, and says what happened.
    pub(super) fn explain(
        &mut self,
        reason: Reason,
        seed: Option<u64>,
        found: Outcome,
        kept: Keep,
    ) -> Failure {
        let keep = Keep { log: true, ..kept };
        let tape = found.tape();
        if let Some(outside) = self.waits_for_thread(&reason, &tape, seed) {
            return outside;
        }
        let first = self.one(Choices::of_tape(&tape), seed, keep);
        if found.hash != first.hash {
            // Once more, to see whether it differs each time.
            let second = self.one(Choices::of_tape(&tape), seed, keep);
            let text = if first.hash == second.hash {
                only_at_first(&found.written, &first.written)
            } else {
                self.divergence(&first, &second)
            };
            return self.failure(Reason::Nondeterministic(text), seed, found);
        }
        if !ends_alike(Some(&reason), first.reason.as_ref()) {
            let text = other_end(Some(&reason), first.reason.as_ref());
            return self.failure(Reason::Nondeterministic(text), seed, found);
        }
        let limit = self.simulation.shrink;
        let mut fails = |tape: &Tape| {
            let outcome = self.one(Choices::of_tape(tape), seed, kept);
            let same = outcome
                .reason
                .as_ref()
                .is_some_and(|new| new.is_like(&reason));
            same.then(|| outcome.tape())
        };
        let choices = found.written.len();
        let (shrunk, runs) = Shrinker::new(tape, choices, limit, &mut fails).shrink();
        let keep = Keep {
            events: true,
            panics: true,
            ..kept
        };
        let shown = self.one(Choices::of_tape(&shrunk), seed, keep);
        let found_as = reason;
        let reason = match shown.reason {
            Some(shown) if shown.is_like(&found_as) => shown,
            shown => Reason::Nondeterministic(other_end(Some(&found_as), shown.as_ref())),
        };
        // All deadlocks read alike; others may wait in the one that is shown.
        let differs = !reason.reads_like(&found_as);
        let elsewhere = who_waited(&found.waits) != who_waited(&shown.waits);
        let who = (reason == Reason::Deadlock && elsewhere).then(|| found.waits.clone());
        let mut failure = self.failure(reason, seed, found);
        failure.found_as = differs.then(|| found_as.to_string());
        if let Some(who) = who {
            let text = format!("{found_as}; who waited for what:\n  {}", who.join("\n  "));
            failure.found_as = Some(text);
        }
        failure.shrunk = shrunk;
        failure.shrink_runs = runs;
        failure.events = shown.events;
        failure.waits = shown.waits;
        failure
    }

    pub(super) fn failure(&mut self, reason: Reason, seed: Option<u64>, found: Outcome) -> Failure {
        self.summary.took = self.begun.elapsed();
        self.summary.schedules = self.schedules.len() as u64;
        let tape = found.tape();
        Failure {
            name: self.simulation.name.clone(),
            seed,
            shrunk: tape.clone(),
            tape,
            reason,
            seeds_run: self.summary.seeds,
            shrink_runs: 0,
            found_as: None,
            events: found.events,
            waits: found.waits,
            steps: found.steps,
            summary: self.summary.clone(),
            options: self.simulation.options.to_string(),
            path: self.simulation.path.clone(),
            source: self.simulation.source,
            environment: self.simulation.environment,
            whole: self.simulation.again || self.simulation.seeds == 0,
            kept_in: None,
        }
    }
}
