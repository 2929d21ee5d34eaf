//! Supervision of one child: restart on failure, with backoff and a limit.
//!
//! The supervisor of a child is a process of the same scope. It starts an incarnation, waits for its end, and decides. A
//! struct keeps its mailbox over a restart, so handles stay valid and messages queue up meanwhile; the message that was being
//! handled at a crash is gone with its incarnation (its caller gets `Crashed`), so a poisonous message is not handled twice.
//!
//! **Invariants**
//! - Two incarnations never overlap: the next one is made only after the exit of the one before was seen.
//! - No restart after the scope began to stop.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::channel::endpoint::Endpoint;
use crate::channel::head::Side;
use crate::error::Error;
use crate::process::exit::{Exit, Fault, IntoOutcome, Outcome};
use crate::process::function::{self, Body, Process, Shared};
use crate::process::handle::{Handle, Handlers, StructProcess};
use crate::process::spawn::{SpawnOptions, StartTwice};
use crate::process::structure;
use crate::scope::Scope;
use crate::task::{Task, current};
use crate::time::sleep::sleep;

/// When a child is started again, in Erlang's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Restart {
    /// Always, also after a normal end.
    Permanent,
    /// After a failure, a panic or a kill. The default.
    #[default]
    Transient,
    /// Never.
    Temporary,
}

/// More failures than this within [`WINDOW`] end the supervision.
const INTENSITY: usize = 5;
const WINDOW: Duration = Duration::from_secs(10);
/// A child that lived this long starts its backoff anew.
const STABLE: Duration = Duration::from_secs(10);

/// A child that will be started, and restarted; made by [`Scope::supervise`].
#[must_use = "nothing is started before `spawn`"]
#[derive(Debug)]
pub struct Supervised<S> {
    process: S,
    plan: Plan,
}

/// What the supervisor of a child knows.
#[derive(Debug, Clone)]
pub struct Plan {
    scope: Scope,
    options: SpawnOptions,
    restart: Restart,
    backoff: Range<Duration>,
    intensity: usize,
    window: Duration,
}

impl<S> Supervised<S> {
    pub(crate) fn new(scope: &Scope, process: S, options: SpawnOptions) -> Self {
        let backoff = Duration::from_millis(50)..Duration::from_secs(5);
        let restart = Restart::Transient;
        Self {
            process,
            plan: Plan {
                scope: scope.clone(),
                options,
                restart,
                backoff,
                intensity: INTENSITY,
                window: WINDOW,
            },
        }
    }

    /// Starts the child again whenever it ends.
    pub fn permanent(mut self) -> Self {
        self.plan.restart = Restart::Permanent;
        self
    }

    /// Starts the child again when it fails, panics or is killed. The default.
    pub fn transient(mut self) -> Self {
        self.plan.restart = Restart::Transient;
        self
    }

    /// Never starts the child again.
    pub fn temporary(mut self) -> Self {
        self.plan.restart = Restart::Temporary;
        self
    }

    /// Sets the pause before a restart: it begins with the start of the range, doubles each time up to its end, and varies
    /// by up to a quarter. The default is 50 ms to 5 s; it begins anew after the child lived for 10 s.
    ///
    /// # Panics
    /// If the range is empty.
    pub fn backoff(mut self, range: Range<Duration>) -> Self {
        assert!(
            range.start <= range.end,
            "a backoff grows: its range is {:?} to {:?}, give the shorter pause first",
            range.start,
            range.end
        );
        self.plan.backoff = range;
        self
    }

    /// Sets how many restarts are allowed within a sliding window; one more fails the scope. The default is 5 in 10 s.
    pub fn intensity(mut self, restarts: usize, window: Duration) -> Self {
        self.plan.intensity = restarts;
        self.plan.window = window;
        self
    }

    /// Starts the child, and returns what `Scope::spawn` would: it leads to every incarnation.
    pub fn spawn(self) -> S::Spawned
    where
        S: Supervise,
    {
        self.process.spawn_supervised(self.plan)
    }
}

/// What can be supervised: a process function whose arguments are all lent, or a closure that makes a process.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be supervised",
    label = "expected a process that can be made again",
    note = "pass a `#[process]` function whose arguments are all by reference, or a factory: `supervise(|| Worker::new())`"
)]
pub trait Supervise: Sized {
    /// What leads to the child.
    type Spawned;
    /// For the message about arguments by value: the function and the argument.
    type Function;
    /// See [`Function`](Self::Function).
    type Argument;

    #[doc(hidden)]
    fn spawn_supervised(self, plan: Plan) -> Self::Spawned;
}

impl<B: Body<Output: IntoOutcome>> Supervise for Process<B, Shared, ()> {
    type Spawned = Task<<B::Output as IntoOutcome>::Value>;
    type Function = ();
    type Argument = ();

    fn spawn_supervised(self, plan: Plan) -> Self::Spawned {
        let (meta, body) = self.into_parts();
        let body = body.shared();
        let child = plan.options.clone().isolated();
        let scope = plan.scope.clone();
        let start = move || {
            body.again()
                .map(|body| function::start(meta, body, &scope, child.clone()))
        };
        plan.run(meta.name, start)
    }
}

impl<B, P, A, H> Supervise for Process<B, function::Once<P, A>, H>
where
    H: function::PortsOf,
{
    type Spawned = Task<()>;
    type Function = P;
    type Argument = A;

    fn spawn_supervised(self, _plan: Plan) -> Task<()> {
        unreachable!(
            "`supervise` asks for `StartTwice`, which no function with an argument by value has"
        )
    }
}

impl<F, P> Supervise for F
where
    F: FnMut() -> P + Send + 'static,
    P: Remade,
{
    type Spawned = P::Spawned;
    type Function = ();
    type Argument = ();

    fn spawn_supervised(self, plan: Plan) -> P::Spawned {
        P::spawn_remade(self, plan)
    }
}

/// What a factory may make.
pub trait Remade: Sized {
    /// What leads to the child.
    type Spawned;
    #[doc(hidden)]
    fn spawn_remade(factory: impl FnMut() -> Self + Send + 'static, plan: Plan) -> Self::Spawned;
}

impl<B: Body<Output: IntoOutcome>, M: 'static> Remade for Process<B, M, ()> {
    type Spawned = Task<<B::Output as IntoOutcome>::Value>;

    fn spawn_remade(
        mut factory: impl FnMut() -> Self + Send + 'static,
        plan: Plan,
    ) -> Self::Spawned {
        let child = plan.options.clone().isolated();
        let scope = plan.scope.clone();
        let start = move || {
            let (meta, body) = factory().into_parts();
            Some(function::start(meta, body, &scope, child.clone()))
        };
        plan.run("supervised", start)
    }
}

impl<P: Handlers + StructProcess> Remade for P {
    type Spawned = P::Handle;

    fn spawn_remade(mut factory: impl FnMut() -> Self + Send + 'static, plan: Plan) -> P::Handle {
        let (sender, mailbox) = structure::mailbox::<P>(plan.options.site);
        let strong = Endpoint::from_sender(sender);
        let weak = strong.duplicate(Side::Weak);
        let child = plan.options.clone().isolated();
        let scope = plan.scope.clone();
        // The supervisor keeps a receiver, so that the mailbox outlives an incarnation; it never receives itself.
        let start = move || {
            Some(structure::start(
                factory(),
                &scope,
                child.clone(),
                &weak,
                mailbox.clone(),
            ))
        };
        let _supervisor = plan.run(P::META.name, start);
        P::wrap(Handle::new(strong))
    }
}

impl Plan {
    /// Runs the supervisor.
    fn run<T: Send + 'static>(
        self,
        name: &'static str,
        start: impl FnMut() -> Option<Task<T>> + Send + 'static,
    ) -> Task<T> {
        let options = self.options.clone().named(name);
        let inner = Arc::clone(&self.scope.inner);
        inner.spawn(async move { Outcome(self.oversee(start).await) }, &options)
    }

    async fn oversee<T>(self, mut start: impl FnMut() -> Option<Task<T>>) -> Result<T, Fault> {
        let mut failures: VecDeque<Instant> = VecDeque::new();
        let mut pause = self.backoff.start;
        let mut restarts = 0_u64;
        loop {
            let begun = Instant::now();
            let Some(task) = start() else {
                return Err(Fault::Closed);
            };
            let (name, result) = (task.name(), task.await);
            let exit = match result {
                Ok(value) if self.restart != Restart::Permanent => return Ok(value),
                Ok(_) => Exit::Ok,
                Err(Exit::Stopped) if self.restart != Restart::Permanent => {
                    return Err(Fault::Closed);
                }
                Err(exit) => exit,
            };
            if self.scope.is_stopping() || self.restart == Restart::Temporary {
                return Err(fault_of(&exit));
            }
            let now = Instant::now();
            failures.push_back(now);
            while failures
                .front()
                .is_some_and(|&first| now - first > self.window)
            {
                failures.pop_front();
            }
            if failures.len() > self.intensity {
                tracing::error!(target: "roundrock::supervise", process = name, restarts, reason = %exit, "gave_up");
                let text = format!(
                    "`{name}` failed {} times in {:?}; the last time {exit}",
                    failures.len(),
                    self.window
                );
                return Err(Fault::error(Error::msg(text)));
            }
            if now - begun >= STABLE {
                pause = self.backoff.start;
            }
            restarts += 1;
            let delay = jittered(pause).min(self.backoff.end);
            let delay_ms = delay.as_millis() as u64;
            tracing::info!(target: "roundrock::supervise", process = name, restarts, delay_ms, reason = %exit, "restart");
            if !self.wait(delay).await {
                return Err(fault_of(&exit));
            }
            pause = (pause * 2).min(self.backoff.end);
        }
    }

    /// Waits for the delay; false if the scope began to stop meanwhile.
    async fn wait(&self, delay: Duration) -> bool {
        let mut delay = pin!(sleep(delay));
        let mut stopping = pin!(self.scope.stopping());
        poll_fn(|cx| {
            if stopping.as_mut().poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            delay.as_mut().poll(cx).map(|()| true)
        })
        .await
    }
}

/// What the end of a supervised child means for its supervisor.
fn fault_of(exit: &Exit) -> Fault {
    match exit.fault() {
        Some(fault) => Fault::error(Error::msg(fault)),
        // A kill, or a normal end of a permanent child while its scope stops.
        None => Fault::Closed,
    }
}

/// Up to a quarter longer, so that children which failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    pause + pause.mul_f64(f64::from(current::random_below(1024)) / 4096.0)
}

impl Scope {
    /// Supervises a child: restarts it when it fails, with growing pauses.
    ///
    /// `process` is a `#[process]` function whose arguments are all by reference (what it was lent survives a restart), or a
    /// closure that makes a process. Handles stay valid over a restart; see [`Supervised`] for the options and their defaults.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// #[process]
    /// async fn work(jobs: &Receiver<u32>, done: &Sender<u32>) -> Result<()> {
    ///     while let Some(job) = jobs.recv().await {
    ///         ensure!(job != 2, "job 2 cannot be done");
    ///         done.send(job).await?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let (jobs, to_do) = bounded(4);
    /// let (done, results) = bounded(4);
    /// let worker = scope
    ///     .supervise(work(to_do, done))
    ///     .transient()
    ///     .backoff(millis(1)..millis(50))
    ///     .spawn();
    /// for job in 1..=3 {
    ///     jobs.send(job).await?;
    /// }
    /// jobs.finish();
    /// let mut finished = Vec::new();
    /// while let Some(job) = results.recv().await {
    ///     finished.push(job);
    /// }
    /// assert_eq!(finished, [1, 3]);       // the job that failed is not done again
    /// worker.await?;
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn supervise<S: Supervise>(&self, process: S) -> Supervised<S>
    where
        S::Function: StartTwice<S::Argument>,
    {
        Supervised::new(self, process, SpawnOptions::here())
    }
}
