//! How a system is started: options, the body of `main`, shutdown, exit codes.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::{Arc, Once};
use std::task::Poll;
use std::time::Duration;

use crate::blocking;
use crate::channel::Closed;
use crate::error::{Context as _, Error, Result, is_consequence};
use crate::leaks::{Deadlock, OnLeak, Policy};
use crate::observe::growth::Growth;
use crate::observe::{Ledger, snapshot};
use crate::process::exit::{Exit, Fault, IntoOutcome};
use crate::scheduler::Scheduler;
use crate::scheduler::driver::Reactor;
use crate::scope::{ExitReport, Late, Scope, ScopeInner, stop};
use crate::sim::here;
use crate::system::life::{self, Life};
use crate::system::{System, SystemInner, print_error};
use crate::task::{Task, current};
use crate::time::{sleep, timeout};

/// The most lines about one panic.
pub const PANIC_LINES: usize = 40;
/// How long nothing more is written about the panics of a system after one was described.
pub const PANIC_PAUSE: Duration = Duration::from_secs(10);

/// The most workers that a system may have.
pub const MAX_WORKERS: usize = 1024;

/// Describes a system to be started; see [`System::builder`](super::System::builder).
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// let system = System::builder().workers(2).name("sums").grace(secs(1));
/// let sum = system.run(async |scope| {
///     assert_eq!(scope.system().name(), "sums");
///     Ok(2)
/// })?;
/// assert_eq!(sum, 2);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing starts before `run`"]
pub struct Builder {
    workers: Option<usize>,
    grace: Duration,
    name: String,
    reactor: Reactor,
    signals: bool,
    panic_dump: bool,
    growth: Growth,
    policy: Policy,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// The default options.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    /// use roundrock::system::Builder;
    ///
    /// let sum = Builder::new().workers(1).run(async |_scope| Ok(1 + 1))?;     // as `System::builder()`
    /// assert_eq!(sum, 2);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new() -> Self {
        Self {
            workers: None,
            grace: Duration::from_secs(10),
            name: "roundrock".to_owned(),
            reactor: Reactor::default(),
            signals: false,
            panic_dump: false,
            growth: Growth::default(),
            policy: Policy::default(),
        }
    }

    /// Sets the number of worker threads. The default is what the process may use: its CPU affinity and cgroup quota.
    ///
    /// # Panics
    /// Outside of 1 to [`MAX_WORKERS`].
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// let workers = System::builder().workers(3).run(async |scope| Ok(scope.system().workers()))?;
    /// assert_eq!(workers, 3);
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn workers(mut self, workers: usize) -> Self {
        assert!(
            (1..=MAX_WORKERS).contains(&workers),
            "`workers` is 1 to {MAX_WORKERS}, not {workers}"
        );
        self.workers = Some(workers);
        self
    }

    /// Sets how long a stop waits before it drops what is left. The default is 10 s; zero drops at once.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// let ended = System::builder().workers(1).grace(millis(10)).run(async |scope| {
    ///     scope.task("sleeper", async { sleep(secs(3600)).await });
    ///     Err::<(), _>(Error::msg("enough"))              // stops the scope; the sleeper is dropped after 10 ms
    /// });
    /// assert!(ended.is_err());
    /// ```
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Names the system: in the names of its threads, and in reports. The default is `roundrock`.
    ///
    /// # Panics
    /// If the name is empty, or has a NUL in it, which names of threads cannot have.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    ///
    /// let name = System::builder().workers(1).name("orders").run(async |scope| Ok(scope.system().name().to_owned()))?;
    /// assert_eq!(name, "orders");
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        assert!(
            !self.name.is_empty() && !self.name.contains('\0'),
            "the `name` of a system has at least 1 character and no NUL, not {:?}",
            self.name
        );
        self
    }

    /// Lets Ctrl-C and SIGTERM stop the root scope; a second signal aborts the program. SIGUSR1 writes a [dump](System::dump) to
    /// standard error. Off by default, on in `#[roundrock::main]`. Without the feature `signals` it has no effect.
    ///
    /// From the first such `run` of a program on, these three signals have lost their default action for good: a program that goes on
    /// after `run` has returned, and is to end by Ctrl-C, handles the signal itself then.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    ///
    /// // Until `run` returns, Ctrl-C stops the scope instead of the program.
    /// let ended = System::builder().workers(1).signals(true).run(async |_scope| Ok("whole"))?;
    /// assert_eq!(ended, "whole");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn signals(mut self, on: bool) -> Self {
        self.signals = on;
        self
    }

    /// Writes the state of its scope to standard error when a process panics: who it was, what its siblings do and what they wait
    /// for, in [`PANIC_LINES`] lines at most, and for one panic in [`PANIC_PAUSE`] at most. Off by default, on in
    /// `#[roundrock::main]`.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    ///
    /// let exit = System::builder().workers(1).panic_dump(false).run(async |scope| {
    ///     let parts = scope.child("parts");
    ///     let broken = parts.task("broken", async { if true { panic!("out of luck") } });
    ///     Ok(broken.done().await.kind())
    /// })?;
    /// assert_eq!(exit, "panicked");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn panic_dump(mut self, on: bool) -> Self {
        self.panic_dump = on;
        self
    }

    /// Sets when a growing number of processes is an alarm: one with its name and place in [`System::events`] and as a
    /// `tracing` event.
    ///
    /// That is when more than `above` live, at least twice as many as three windows before, and more at the end of each of the
    /// three than at its beginning. The default is 1,000, and windows of 10 s. The budget of `#[process(budget = …)]` is looked
    /// at ten times in a window. Counting takes a hundredth of one thread's time at most, and nothing of the workers'.
    ///
    /// # Panics
    /// If `window` is not 100 ms to 1 h.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// // More than 10,000 processes, and twice as many as three minutes before: tell me.
    /// let system = System::builder().workers(1).growth(10_000, secs(60));
    /// assert_eq!(system.run(async |_scope| Ok(1))?, 1);
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn growth(mut self, above: u64, window: Duration) -> Self {
        let range = Duration::from_millis(100)..=Duration::from_secs(3600);
        assert!(
            range.contains(&window),
            "the window of `growth` is 100 ms to 1 h, not {window:?}"
        );
        self.growth = Growth {
            above,
            window,
            ..Growth::default()
        };
        self
    }

    /// Sets what is done about a proven [leak](crate::leaks), beside telling of it: one of its processes killed, its scope made to fail,
    /// or the program aborted. The default is [`OnLeak::Report`]: nothing more.
    ///
    /// It is done within about a second, or as soon as nothing runs any more; once for each cause.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// use roundrock::leaks::OnLeak;
    ///
    /// #[process]
    /// async fn echo(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
    ///     while let Some(number) = input.recv().await {
    ///         output.send(number).await?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// System::builder().workers(1).on_leak(OnLeak::KillOne).run(async |scope| {
    ///     let (left, to_right) = rendezvous();
    ///     let (right, to_left) = rendezvous();
    ///     scope.spawn(echo(to_right, right));     // each waits for what the other one says
    ///     scope.spawn(echo(to_left, left));       // until one is killed, and the other one's input ends
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub fn on_leak(mut self, policy: OnLeak) -> Self {
        self.policy.on_leak = policy;
        self
    }

    /// Sets how long a process has waited for the same message, room, reply or lock when it is *suspected* of being leaked, if that
    /// cannot be proven. The default is 60 seconds; zero means that nobody is.
    ///
    /// [`System::leaks`](crate::System::leaks) lists suspects from this age on, grouped, with the reason why they are not proven. Without
    /// being asked, the system looks for them as often; it tells of a group once, and again when there are as many new ones as old
    /// ones. After a second already, or this time if it is shorter, it tells of a program in which nothing runs any more
    /// ([`Leak::standstill`](crate::leaks::Leak::standstill)), and of processes that wait for locks in a circle.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// use roundrock::leaks::Verdict;
    ///
    /// #[process]
    /// async fn worker(jobs: &Receiver<u32>) {
    ///     while jobs.recv().await.is_some() {}
    /// }
    ///
    /// System::builder().workers(1).suspect_after(millis(50)).run(async |scope| {
    ///     let (kept, jobs) = bounded(8);
    ///     scope.spawn(worker(jobs));      // waits as long as somebody keeps the sender
    ///     sleep(millis(200)).await;
    ///     let leaks = scope.system().leaks();
    ///     assert!(matches!(&leaks[0].verdict, Verdict::Suspected { why } if why.contains("a sender of it")), "{leaks:?}");
    ///     drop(kept);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub fn suspect_after(mut self, age: Duration) -> Self {
        self.policy.suspect_after = age;
        self
    }

    /// Uses a tokio runtime that exists already, and drives itself, instead of one of our own.
    ///
    /// For a program under `#[tokio::main]`: [`run`](Self::run) blocks its thread, so call it in `spawn_blocking` or on a plain
    /// thread. `tokio::spawn` in a process then makes tasks of that runtime, which outlives the system and them.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # runtime.block_on(async {
    /// let handle = tokio::runtime::Handle::current();
    /// let answer = tokio::task::spawn_blocking(|| {
    ///     System::builder().workers(2).tokio(handle).run(async |_scope| {
    ///         tokio::time::sleep(millis(1)).await;
    ///         Ok(42)
    ///     })
    /// });
    /// assert_eq!(answer.await.unwrap().unwrap(), 42);
    /// # });
    /// ```
    #[cfg(feature = "tokio")]
    pub fn tokio(mut self, handle: tokio::runtime::Handle) -> Self {
        self.reactor = Reactor::Given(handle);
        self
    }

    /// Starts the system, runs `body` with its root scope, waits for everything that was spawned there, and shuts down.
    ///
    /// Blocks the calling thread. The body is a process of its own; when it returns an error, the scope is stopped.
    ///
    /// A value may keep processes alive: a handle that the body returns, say. It is given out when the scope has ended, so nobody can
    /// use it before. When nothing moves in the scope for a few seconds, it is therefore stopped, and such processes end. A plain
    /// thread that still sends to them then gets its messages back; join it in the body, or let the body return `()`, which keeps
    /// nothing.
    ///
    /// # Errors
    /// The error of the body, or the first failure of a process; a [`Deadlock`](crate::leaks::Deadlock) when no process can ever go on; an
    /// error of the operating system when no thread can be started.
    ///
    /// # Panics
    /// On a worker of a Roundrock system: it would block that worker. Use a child scope there ([`Scope::child`], [`Scope::group`]), or
    /// [`blocking`](crate::blocking::blocking).
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// let answer = System::builder().workers(2).run(async |scope| {
    ///     let task = scope.task("thinker", async { roundrock::Ok(42) });
    ///     Ok(task.await?)
    /// })?;
    /// assert_eq!(answer, 42);
    /// let failed = System::builder().workers(1).run(async |_scope| Err::<(), _>(Error::msg("no luck")));
    /// assert_eq!(failed.expect_err("it failed").to_string(), "no luck");
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn run<T, F>(self, body: impl FnOnce(Scope) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.run_and_report(body).0
    }

    /// Starts the system and returns: for programs whose `main` does something else, and for libraries.
    ///
    /// Processes are spawned into its [root scope](System::scope). It runs until it is [shut down](System::shutdown), or until the
    /// last [`System`] of it is dropped, also those that [`Scope::system`] returned. A process that fails stops the root scope, as
    /// in `run`; who wants to know of it awaits [`Scope::join`], otherwise it is logged at the end.
    ///
    /// # Errors
    /// An error of the operating system when no thread can be started.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> {
    /// let system = System::builder().workers(1).start()?;
    /// let (answers, answer) = bounded(1);
    /// system.scope().task("answer", async move { answers.send(42).await });
    /// assert_eq!(answer.blocking_recv(), Some(42));
    /// # Ok(()) }                                    // dropping the system waits for its end
    /// ```
    pub fn start(self) -> Result<System> {
        let signals = self.signals;
        let running = self.threads()?;
        let watch = signals.then(|| crate::signals::watch(&running.1));
        let system = Arc::clone(&running.0);
        let life = Life::new(running, watch);
        let _ = system.life.set(Arc::downgrade(&life));
        Ok(System::from_inner(system))
    }

    /// The system with its threads, and the root scope.
    fn threads(self) -> Result<Running> {
        install_panic_hook();
        let workers = self.workers.unwrap_or_else(default_workers);
        let scheduler = Scheduler::start(workers, self.reactor, &self.name, self.growth)
            .context("cannot start the system")?;
        let system = SystemInner::new(scheduler, self.name, self.grace, self.policy);
        system.scheduler.belongs_to(&system);
        if self.panic_dump {
            system.describe_panics();
        }
        let root = system.make_root();
        Ok(Running(system, root))
    }

    #[track_caller]
    pub(crate) fn run_and_report<T, F>(self, body: impl FnOnce(Scope) -> F) -> (Result<T>, Books)
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        blocking::refuse_on_worker(
            "`System::builder().run(..)`",
            "a process has a scope for others: `scope.child(\"name\")`, or `scope.group(..)` to wait for them; a system of its own runs \
             on a plain thread, or in `blocking(..)`",
        );
        let signals = self.signals;
        let running = match self.threads() {
            Ok(running) => running,
            Err(error) => return (Err(error), Books::default()),
        };
        let Running(system, root) = &running;
        let _signals = signals.then(|| crate::signals::watch(root));
        let main = {
            let _inside = life::enter();
            body(Scope::from_inner(Arc::clone(root)))
        };
        // A panic is caught by the task cell; an error travels by value, so that the caller gets its own.
        let main = system.run_internally("main", async move { Ok::<_, Infallible>(main.await) });
        system.set_entry(main.id());
        system.is_to_be_awaited();
        let whole = system.run_internally("root", oversee(Arc::clone(root), main));
        let value = blocking::block_on_apart(whole.into_future());
        let result = match system.take_deadlock() {
            Some(deadlock) => Err(Error::without_site(deadlock)),
            None => settle(value, root.result()),
        };
        (result, running.close())
    }
}

/// What a system leaves behind for the exit of the program.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// What became of the processes.
    pub(crate) report: ExitReport,
    /// What became of the messages.
    pub(crate) ledger: Ledger,
}

impl Books {
    fn exit_code(&self, failure: Option<&Error>) -> ExitCode {
        let is_deadlock = |error: &Error| error.outermost::<Deadlock>().is_some();
        if failure.is_some_and(is_deadlock) {
            ExitCode::from(DEADLOCK)
        } else if !self.report.stuck.is_empty() {
            ExitCode::from(STUCK)
        } else if !self.ledger.is_balanced() {
            ExitCode::from(UNBALANCED)
        } else if failure.is_some() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nmessages: {}", self.report, self.ledger)?;
        if !self.ledger.is_balanced() {
            f.write_str(": the ledger does not balance, which is a bug in Roundrock")?;
        }
        Ok(())
    }
}

/// Exit code of a program in which nothing could ever go on.
const DEADLOCK: u8 = 2;
/// Exit code of a program with a process that could not be stopped.
const STUCK: u8 = 3;
/// Exit code of a program in which a message was lost without a reason.
const UNBALANCED: u8 = 4;

/// A system that is shut down in any case, also when the caller's closure panics.
pub(super) struct Running(pub(super) Arc<SystemInner>, pub(super) Arc<ScopeInner>);

impl Running {
    /// Shuts the system down, and says what it leaves behind. A clean end is told as an event only: standard error is for what went
    /// wrong.
    pub(super) fn close(self) -> Books {
        let Self(system, root) = &self;
        let (name, scheduler) = (system.name().to_owned(), Arc::clone(&system.scheduler));
        let mut report = root.state.lock().report.clone();
        let root = Arc::clone(root);
        drop(self);
        // Counted when no process was left to give it another one.
        report.tokio_tasks = root.state.lock().report.tokio_tasks;
        let ledger = snapshot::ledger(&scheduler);
        if !ledger.is_balanced() {
            tracing::error!(target: "roundrock::channel", %ledger, "ledger");
        }
        tracing::info!(
            target: "roundrock::system", system = name, drained = report.drained, late = report.late.len(),
            stuck = report.stuck.len(), messages = %ledger, "ended"
        );
        Books { report, ledger }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Self(system, root) = self;
        // From now on nothing that is spawned through a forgotten handle of the scope runs.
        root.begin_stop(Duration::ZERO);
        let stuck = !root.state.lock().report.stuck.is_empty();
        system.blocking.shutdown();
        system.cpu.shutdown();
        let tokio_tasks = system.scheduler.shutdown(stuck);
        system.scheduler.desk.close();
        let report = {
            let mut state = root.state.lock();
            state.report.tokio_tasks = tokio_tasks;
            state.report.clone()
        };
        system.over.set(report);
    }
}

/// What became of the body of `main`.
pub(crate) type Returned<T> = std::result::Result<Result<T>, Exit>;

/// Waits for the body of `main` and then for everything in its scope. A body that does not return after its scope has
/// stopped is dropped when the grace is over, like any process, but not before it had time to see the end of the stop.
pub(crate) async fn oversee<T: Send + 'static>(
    root: Arc<ScopeInner>,
    main: Task<Result<T>>,
) -> Result<Returned<T>, Infallible> {
    let reader = main.task().clone();
    let stopped = async {
        Scope::from_inner(Arc::clone(&root)).stopping().await;
        // The body itself may be what waits for the stop, which ends a little after the grace if somebody was late.
        stop::over(&root).await;
        // It is a process of the scope too, and now the only one that is left: nobody feeds what it waits for.
        reader.end_input(0);
        let now = root.system.scheduler.clock.now();
        let left = root.stop_asked().map_or(Duration::ZERO, |(begun, grace)| {
            grace.saturating_sub(now - begun)
        });
        sleep(left.max(stop::PATIENCE)).await;
    };
    let mut stopped = pin!(stopped);
    let mut done = pin!(main.done());
    let late = poll_fn(|cx| {
        if done.as_mut().poll(cx).is_ready() {
            return Poll::Ready(false);
        }
        stopped.as_mut().poll(cx).map(|()| true)
    })
    .await;
    if late {
        main.kill();
        if timeout(stop::PATIENCE, main.done()).await.is_err() {
            // It does not come to an await: its worker is left behind.
            stop::over(&root).await;
            root.state.lock().report.stuck.push(Late::of(main.task()));
            return Ok(Err(Exit::Killed));
        }
    }
    let value = main.await;
    root.forget_names();
    match value {
        Ok(Ok(_)) if std::mem::needs_drop::<T>() => stop::end_when_quiet(&root).await,
        Ok(Ok(_)) => {}
        _ => root.begin_stop(root.system.grace),
    }
    stop::over(&root).await;
    Ok(value)
}

/// What `run` returns, from what the body and the scope say.
fn settle<T>(value: std::result::Result<Returned<T>, Exit>, failed: Result<()>) -> Result<T> {
    match (value.and_then(|value| value), failed) {
        (Ok(Ok(value)), Ok(())) => Ok(value),
        (Ok(Ok(_)), Err(failure)) => Err(failure),
        // A body often fails because a process did, by a closed channel: then that process is the cause.
        (Ok(Err(error)), Err(failure)) if is_consequence(&error) => Err(failure),
        (Ok(Err(error)), _) => Err(error),
        // One that does not end after a process has failed is dropped at the end of the grace; what failed is why.
        (Err(Exit::Killed), Err(failure)) => Err(failure),
        (Err(exit), _) => Err(Error::without_site(exit).context("`main` did not return")),
    }
}

impl Builder {
    /// Says on standard error what is worth a warning, if nobody listens.
    pub(crate) fn speaks(mut self) -> Self {
        self.policy.speaks = true;
        self
    }
}

/// What the process may use: its affinity mask and cgroup quota, which the standard library reads.
fn default_workers() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX_WORKERS)
}

/// Lets a panic in a process carry its place into the exit. Installed once; forwards to the hook that was there.
pub(crate) fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            current::note_panic(info.location());
            if !here::keeps_quiet() {
                previous(info);
            }
        }));
    });
}

/// The body of `#[roundrock::main]`: exit code 1 when something failed, 2 when nothing could ever go on, 3 when a process was stuck, 4 when the ledger does not
/// balance. What did not end as it should, and messages that nobody saw, are told on standard error; so are leaks, if nobody listens.
#[track_caller]
pub fn run_main<F>(builder: Builder, body: impl FnOnce(Scope) -> F) -> ExitCode
where
    F: Future<Output: IntoOutcome> + Send + 'static,
{
    let builder = builder.signals(true).panic_dump(true).speaks();
    let (result, books) = builder.run_and_report(|scope| {
        let main = body(scope);
        async move {
            main.await
                .into_outcome()
                .map(drop)
                .map_err(|fault| match fault {
                    Fault::Error(error) => error,
                    Fault::Closed => crate::Error::without_site(Closed(())),
                    fault @ (Fault::Panic(_) | Fault::Known(_)) => Error::without_site(fault),
                })
        }
    });
    let dead = &books.ledger.dead;
    // Who chose to discard messages knows of it.
    let lost = dead.total() != dead.discarded || !books.ledger.is_balanced();
    if lost || !books.report.is_clean() {
        print_error(format_args!("{books}"));
    }
    // The other side of a channel was gone: a normal stop, as for every process.
    let failure = result.err().filter(|error| !error.is_closed());
    if let Some(error) = &failure {
        match error.location() {
            Some(site) => print_error(format_args!("Error: {error:?}\n\nReturned at {site}")),
            None => print_error(format_args!("Error: {error:?}")),
        }
    }
    books.exit_code(failure.as_ref())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Books, Error, ExitCode};
    use crate::observe::Ledger;

    #[test]
    fn a_ledger_that_does_not_balance_is_an_exit_code() {
        let mut books = Books::default();
        let failed = Error::msg("failed");
        assert_eq!(books.exit_code(None), ExitCode::SUCCESS);
        assert_eq!(books.exit_code(Some(&failed)), ExitCode::FAILURE);
        books.ledger = Ledger {
            sent: 3,
            handled: 1,
            queued: 1,
            ..Ledger::default()
        };
        assert_eq!(books.exit_code(None), ExitCode::from(4));
        assert_eq!(books.exit_code(Some(&failed)), ExitCode::from(4));
        assert_eq!(
            books.to_string(),
            "0 drained\nmessages: 3 sent = 1 handled + 0 handed back + 0 dead + 1 queued: the ledger does not balance, which \
             is a bug in Roundrock"
        );
    }
}
