//! A system: one scheduler, one root scope, and everything that belongs to them.
//!
//! Several systems may run in one program; none of their state is static.
//!
//! With the feature `tokio` a system has one current-thread tokio runtime, which an idle worker drives: sockets and timers of
//! tokio work in every process. What calls `tokio::spawn` itself, as clients of hyper and reqwest do, works too, with three
//! differences to a process: its tasks belong to no scope; they all share the worker that drives, so one that blocks its thread
//! stops the I/O and the timers of the system, and no other worker can take over; and a shutdown does not wait for them. When
//! every process has ended they are dropped at their current await, and counted in the [exit report](ExitReport::tokio_tasks) of the
//! system and in a `tracing` event.
//!
//! `tokio::task::block_in_place` in a process only runs its closure: it blocks the worker, and a spare one takes over, as for any code
//! that blocks. In a task that was given to tokio it panics, because the runtime that all of them share has one thread. Write
//! [`blocking(..)`](crate::blocking::blocking), which is right in a process. A runtime of several threads that was
//! [given to the system](Builder::tokio) runs its own tasks, and `block_in_place` in them, as anywhere.

mod builder;
pub(crate) mod life;

use std::fmt;
use std::future::Future;
use std::io::Write as _;
use std::panic::Location;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use crate::blocking::{Jobs, Lane, Threads};
use crate::channel::DeadLetters;
use crate::leaks::{self, Deadlock, Leak, Policy};
use crate::observe::{Events, Ledger, Limits, Snapshot, snapshot, words};
use crate::process::Exit;
use crate::scheduler::Scheduler;
use crate::scope::failure::Unseen;
use crate::scope::look::Looks;
use crate::scope::{ExitReport, Local, Names, Scope, ScopeInner};
use crate::sync::{AtomicU32, AtomicU64, Lock, Ordering};
use crate::task::cell::{self, Home};
use crate::task::origin::{self, Facts};
use crate::task::{ProcessId, Task, TaskRef};
use life::{Life, Over};

#[doc(hidden)]
pub use builder::run_main;
pub use builder::{Builder, MAX_WORKERS, PANIC_LINES, PANIC_PAUSE};
pub(crate) use builder::{Returned, install_panic_hook, oversee};
pub use life::ShutdownInside;

/// What is said of the others when a process has panicked, from a dump of its scope.
fn others(scope: &str, dump: &str) -> String {
    // The first line is about the system as a whole.
    let mut lines = dump.lines().skip(1).peekable();
    if lines.peek().is_none() {
        return format!("nothing else is in its scope `{scope}` now");
    }
    let shown: Vec<&str> = lines.by_ref().take(PANIC_LINES - 3).collect();
    let more = match lines.count() {
        0 => String::new(),
        more => format!("\n… and {more} lines more: `System::dump()` has all of it"),
    };
    let shown = shown.join("\n");
    format!("what else is in its scope now:\n{shown}{more}")
}

/// Writes to standard error. Where that is closed, or full, nobody is there to be told: unlike `eprintln!` this does not panic.
pub(crate) fn print_error(text: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A running system; a cheap handle.
///
/// One that [`Builder::run`] runs ends with its body, whoever holds a handle. One that was [started](Builder::start) ends when it
/// is [shut down](Self::shutdown), or when its last `System` is dropped: that waits for its end like `shutdown` with the grace of
/// the builder. In a process, which cannot wait for its own end, it logs an error and shuts down in the background.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// let system = System::builder().workers(2).start()?;
/// let (answers, answer) = bounded(1);
/// system.scope().task("adder", async move { answers.send(1 + 1).await });
/// assert_eq!(answer.blocking_recv(), Some(2));
/// assert_eq!((system.workers(), system.proof_violations()), (2, 0));
/// let report = system.shutdown(secs(1)).expect("on a plain thread");
/// assert!(report.is_clean());
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct System {
    inner: Arc<SystemInner>,
    /// Only of a system that was started.
    life: Option<Arc<Life>>,
}

pub(crate) struct SystemInner {
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) blocking: Threads,
    pub(crate) cpu: Threads,
    /// What runs on them although its process has gone.
    pub(crate) jobs: Jobs,
    /// How long a stop waits before it drops what is left.
    pub(crate) grace: Duration,
    name: String,
    next_scope: AtomicU64,
    /// Where the names of its scopes are kept.
    pub(crate) names: Box<dyn Names>,
    pub(crate) looks: Looks,
    root: OnceLock<Weak<ScopeInner>>,
    /// Of a system that was started, and whose last `System` was not dropped.
    life: OnceLock<Weak<Life>>,
    pub(crate) over: Over,
    /// The body of `main`.
    entry: OnceLock<ProcessId>,
    /// When a panic may be described; `None` if none may.
    panics: Lock<Option<Instant>>,
    pub(crate) policy: Policy,
    /// One search for leaks at a time: a search takes a process for live at which it comes while another one reads it.
    pub(crate) searches: Lock<()>,
    /// Somebody waits for its end, who is told if that can never come.
    awaited: AtomicU32,
    deadlock: Lock<Option<Deadlock>>,
    pub(crate) unseen: Unseen,
}

/// Processes of each group that a dump looks at one by one.
const DUMPED: usize = 8;

impl SystemInner {
    pub(crate) fn new(
        scheduler: Arc<Scheduler>,
        name: String,
        grace: Duration,
        policy: Policy,
    ) -> Arc<Self> {
        let blocking = Threads::new(&name, Lane::Blocking);
        let cpu = Threads::new(&name, Lane::Cpu);
        Self::assemble(scheduler, blocking, cpu, name, grace, policy)
    }

    /// The system of a simulation: without threads.
    pub(crate) fn simulated(scheduler: Arc<Scheduler>, name: String, grace: Duration) -> Arc<Self> {
        let (blocking, cpu) = (Threads::simulated(), Threads::simulated());
        Self::assemble(scheduler, blocking, cpu, name, grace, Policy::default())
    }

    fn assemble(
        scheduler: Arc<Scheduler>,
        blocking: Threads,
        cpu: Threads,
        name: String,
        grace: Duration,
        policy: Policy,
    ) -> Arc<Self> {
        Arc::new(Self {
            policy,
            searches: Lock::new(()),
            awaited: AtomicU32::new(0),
            deadlock: Lock::new(None),
            panics: Lock::new(None),
            unseen: Unseen::default(),
            scheduler,
            blocking,
            cpu,
            jobs: Jobs::new(),
            grace,
            name,
            next_scope: AtomicU64::new(1),
            names: Box::<Local>::default(),
            looks: Looks::new(),
            root: OnceLock::new(),
            life: OnceLock::new(),
            over: Over::new(),
            entry: OnceLock::new(),
        })
    }

    /// Makes the root scope; once.
    pub(crate) fn make_root(self: &Arc<Self>) -> Arc<ScopeInner> {
        let root = ScopeInner::new(Arc::clone(self), "main", None, None);
        let _ = self.root.set(Arc::downgrade(&root));
        root
    }

    /// The root scope, while anybody uses it.
    pub(crate) fn root(&self) -> Option<Arc<ScopeInner>> {
        self.root.get()?.upgrade()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The body of `main`, if it has begun.
    pub(crate) fn entry(&self) -> Option<ProcessId> {
        self.entry.get().copied()
    }

    pub(crate) fn set_entry(&self, entry: ProcessId) {
        // A system has one body.
        let _ = self.entry.set(entry);
    }

    /// Somebody waits for the end of the system from now on.
    pub(crate) fn is_to_be_awaited(&self) {
        // ORDERING: Release: the body of `main` is known by then.
        self.awaited.store(1, Ordering::Release);
    }

    /// Whether somebody waits for the end of the system.
    pub(crate) fn is_awaited(&self) -> bool {
        // ORDERING: Acquire: see above.
        self.awaited.load(Ordering::Acquire) != 0
    }

    /// No process can ever go on: ends all of them, and keeps the report for whoever waits for the end.
    pub(crate) fn deadlocked(&self, report: Deadlock) {
        if let Some(root) = self.root() {
            self.deadlock.lock().get_or_insert(report);
            root.begin_stop(Duration::ZERO);
        }
    }

    pub(crate) fn take_deadlock(&self) -> Option<Deadlock> {
        self.deadlock.lock().take()
    }

    /// The present state as text: all of it, or one scope.
    pub(crate) fn dump(&self, scope: Option<u64>) -> String {
        let limits = Limits {
            per_group: Some(DUMPED),
            scope,
        };
        Snapshot::take(self, limits).to_string()
    }

    /// Lets panics be described from now on.
    pub(crate) fn describe_panics(&self) {
        *self.panics.lock() = Some(self.scheduler.clock.now());
    }

    /// Describes the panic of a process that has ended, if that is wanted, and not too often.
    pub(crate) fn report_panic(&self, task: &TaskRef, exit: &Exit, scope: &ScopeInner) {
        let now = self.scheduler.clock.now();
        {
            let mut panics = self.panics.lock();
            match *panics {
                Some(at) if at <= now => *panics = Some(now + PANIC_PAUSE),
                _ => return,
            }
        }
        let origin = task.slot().origin();
        let place = origin.site.map_or(String::new(), |site| {
            format!(", spawned at {}:{}", site.file(), site.line())
        });
        print_error(format_args!(
            "process {}{}{place}: {}\n{}",
            origin.name,
            task.id(),
            words::reason(&exit.reason()),
            others(scope.name(), &self.dump(Some(scope.id))),
        ));
    }

    pub(crate) fn next_scope_id(&self) -> u64 {
        // ORDERING: Relaxed: a counter; uniqueness is all that is asked.
        self.next_scope.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn threads(&self, lane: Lane) -> &Threads {
        match lane {
            Lane::Blocking => &self.blocking,
            Lane::Cpu => &self.cpu,
        }
    }

    /// Runs a future of the runtime's own, outside of all scopes.
    #[track_caller]
    pub(crate) fn run_internally<F>(
        self: &Arc<Self>,
        name: &'static str,
        future: F,
    ) -> Task<<F::Output as crate::process::exit::IntoOutcome>::Value>
    where
        F: Future + Send + 'static,
        F::Output: crate::process::exit::IntoOutcome,
    {
        self.run_internally_at(name, Location::caller(), future)
    }

    /// The same for what somebody wrote elsewhere: the body of a test.
    pub(crate) fn run_internally_at<F>(
        self: &Arc<Self>,
        name: &'static str,
        site: &'static Location<'static>,
        future: F,
    ) -> Task<<F::Output as crate::process::exit::IntoOutcome>::Value>
    where
        F: Future + Send + 'static,
        F::Output: crate::process::exit::IntoOutcome,
    {
        let task = cell::create(future, Internal(Arc::clone(self)), |about| {
            about.origin = origin::intern(name, site, Facts::NONE);
            about.ports = Default::default();
        });
        let new = task.task();
        new.scheduler().schedule_new(new.header());
        task
    }
}

impl fmt::Debug for SystemInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System")
            .field("name", &self.name)
            .field("workers", &self.scheduler.workers())
            .finish()
    }
}

/// The home of the runtime's own tasks.
struct Internal(Arc<SystemInner>);

impl Home for Internal {
    fn system(&self) -> &Arc<SystemInner> {
        &self.0
    }

    fn scope(&self) -> Option<&Arc<ScopeInner>> {
        None
    }

    fn exited(&self, task: &TaskRef, exit: &Exit) {
        if exit.is_failure() {
            tracing::debug!(target: "roundrock::process", process = task.slot().origin().name, reason = %exit, "process.exit");
        }
    }
}

impl System {
    pub(crate) fn from_inner(inner: Arc<SystemInner>) -> Self {
        let life = inner.life.get().and_then(Weak::upgrade);
        Self { inner, life }
    }

    /// Describes a system to be started.
    ///
    /// `#[roundrock::main]` does this for a whole program; the builder is for tests, for libraries, and for programs that have a
    /// `main` of their own.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    ///
    /// fn main() -> Result<()> {
    ///     let sum = System::builder().workers(2).grace(secs(5)).run(async |scope| {
    ///         let one = scope.task("one", async { roundrock::Ok(1) });
    ///         let two = scope.task("two", async { roundrock::Ok(2) });
    ///         Ok(one.await? + two.await?)
    ///     })?;
    ///     assert_eq!(sum, 3);
    ///     Ok(())
    /// }
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Returns the root scope, which has what was spawned there: everything, in the end.
    ///
    /// # Panics
    /// After the system has ended, if nobody kept the scope.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let system = scope.system();
    /// system.scope().task("by itself", async {});         // in the root scope
    /// # Ok(()) }) }
    /// ```
    pub fn scope(&self) -> Scope {
        match self.inner.root() {
            Some(root) => Scope::from_inner(root),
            None => panic!("the system `{}` has ended", self.name()),
        }
    }

    /// Shuts the system down, and waits for that: stops the root scope as [`Scope::stop`] does, with this grace, and ends all
    /// threads. When it returns, no process is left, and no thread but those of processes that are reported
    /// [stuck](ExitReport::stuck).
    ///
    /// Blocks the calling thread, which must be a plain one. May be called again, and by several: all wait for the same end, and
    /// get the same report. A system that [`Builder::run`] runs is stopped in the same way; `run` returns in its own thread.
    ///
    /// # Errors
    /// [`ShutdownInside`] in a process or a blocking job of any system: it would wait for itself. Use [`Scope::stop`] there.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    ///
    /// fn main() -> Result<()> {
    ///     let system = System::builder().workers(2).start()?;
    ///     let (jobs, inbox) = bounded(8);
    ///     let worker = system.scope().task("worker", async move {
    ///         let mut sum = 0;
    ///         while let Some(job) = inbox.recv().await { sum += job; }
    ///         roundrock::Ok(sum)
    ///     });
    ///     for job in 1..=4 { jobs.blocking_send(job)?; }      // this is a plain thread
    ///     let report = system.shutdown(secs(5))?;             // what was accepted is handled first
    ///     assert!(report.is_clean());
    ///     assert!(worker.exit().is_some_and(|exit| exit.is_normal()));
    ///     Ok(())
    /// }
    /// ```
    pub fn shutdown(&self, grace: Duration) -> Result<ExitReport, ShutdownInside> {
        life::shutdown(&self.inner, self.life.as_ref(), grace)
    }

    /// Returns the name of the system.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    ///
    /// let system = System::builder().workers(1).name("orders").start()?;
    /// assert_eq!(system.name(), "orders");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Returns what runs now: processes and what they wait for, channels, workers. Nothing is paused for it.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let (jobs, inbox) = bounded::<u32>(8).named("jobs");
    /// let worker = scope.task("worker", async move { while inbox.recv().await.is_some() {} });
    /// jobs.send(1).await?;
    /// let snapshot = scope.system().snapshot();
    /// let worker_now = snapshot.processes.iter().find(|process| process.name == "worker");
    /// assert!(worker_now.is_some_and(|process| process.site.is_some()));
    /// let channel = snapshot.channels.iter().find(|channel| channel.name.as_deref() == Some("jobs"));
    /// assert_eq!(channel.context("it is there")?.sent, 1);
    /// # jobs.finish(); worker.await?;
    /// # Ok(()) }) }
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.inner, Limits::default())
    }

    /// Returns a snapshot as text, for a person: the tree of scopes, the processes in them with what each waits for, since when, and
    /// who could end that, as far as it is known; supervised children with their last exits; channels that hold messages.
    ///
    /// Equal processes of a scope are one entry with their number. At most some 2,000 lines, whatever the size of the system. A
    /// program with `#[roundrock::main]` and the feature `signals` writes it to standard error when it gets SIGUSR1
    /// (`kill -USR1 <pid>`), and the part about one scope when a process in it panics. For machines, serialise a
    /// [snapshot](Self::snapshot) (feature `serde`); its [`Display`](std::fmt::Display) is this text.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # #[roundrock::main] async fn main(scope: &Scope) -> Result<()> {
    /// let (jobs, inbox) = bounded::<u32>(8).named("jobs");
    /// let worker = scope.task("worker", async move {
    ///     while inbox.recv().await.is_some() {}
    /// });
    /// # while scope.system().snapshot().processes.iter().all(|p| p.name != "worker" || p.wait.is_none()) { sleep(millis(1)).await; }
    /// let text = scope.system().dump();
    /// assert!(text.contains("to receive from `jobs`"), "{text}");
    /// # drop(jobs); worker.await?;
    /// # Ok(()) }
    /// ```
    pub fn dump(&self) -> String {
        self.inner.dump(None)
    }

    /// Subscribes to what happens to processes from now on: failures, restarts, stalls, growth, and who was late.
    ///
    /// It is a receiver of `crossbeam-channel`, for plain threads: a process would block its worker. A subscription holds 1,024
    /// events; what finds no room is [counted](Events::missed), and nobody waits for it. It ends with the system.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// use roundrock::observe::EventKind;
    ///
    /// # fn main() -> Result<()> {
    /// let system = System::builder().workers(1).start()?;
    /// let events = system.events();
    /// let watcher = std::thread::spawn(move || {
    ///     for event in events.iter() {                // until the system ends
    ///         if let EventKind::Failed { reason } = &event.kind {
    ///             return (event.name.clone(), reason.chain.clone());
    ///         }
    ///     }
    ///     panic!("nothing failed");
    /// });
    /// system.scope().task("reader", async { Err::<(), _>(Error::msg("no disk")) });
    /// let (name, chain) = watcher.join().expect("it saw the failure");
    /// assert_eq!((&*name, chain), ("reader", vec!["no disk".to_owned()]));
    /// # Ok(()) }
    /// ```
    pub fn events(&self) -> Events {
        self.inner.scheduler.board.subscribe()
    }

    /// Returns what became of all messages so far, those of channels that are gone included. It always balances; see
    /// [`observe::ledger`](crate::observe::ledger).
    ///
    /// Reads every channel under its own lock, one after another; nothing is paused for it.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let (jobs, inbox) = bounded(8);
    /// for job in 0..3 {
    ///     jobs.send(job).await?;
    /// }
    /// inbox.recv().await;
    /// drop((jobs, inbox));                                // two that nobody will see
    /// let ledger = scope.system().ledger();
    /// assert!(ledger.is_balanced());
    /// assert_eq!(ledger.dead.total(), 2);
    /// # Ok(()) }) }
    /// ```
    pub fn ledger(&self) -> Ledger {
        snapshot::ledger(&self.inner.scheduler)
    }

    /// Subscribes to the messages that nobody will see from now on: what each was, why it is dead, who was to receive it and
    /// who sent it.
    ///
    /// While somebody subscribes, each channel writes down who sent what lies in its buffer, which costs some 8 ns for each such message;
    /// to subscribe, and to end that, visits all channels of the system.
    ///
    /// The subscription can be used in processes and on plain threads. It holds 1024 letters; what finds no room is
    /// [counted](DeadLetters::missed), and nobody waits for it. [`observe::ledger`](crate::observe::ledger) says what is dead.
    /// Two kinds of it are counted only, and not told of: replies that `send_and_forget` throws away, and errors made by
    /// [`Closed::with`](crate::channel::Closed::with).
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// use roundrock::channel::Dead;
    /// # fn main() -> Result<()> { System::builder().workers(1).run(async |scope| {
    /// let letters = scope.system().dead_letters();
    /// let (jobs, inbox) = bounded(8).named("jobs");
    /// jobs.send(7).await?;
    /// drop(inbox);
    /// let letter = letters.recv().await.context("the subscription ended")?;
    /// assert_eq!((letter.reason, letter.message.as_str()), (Dead::Closed, "i32"));
    /// assert_eq!(letter.channel_name, Some("jobs"));
    /// # Ok(()) }) }
    /// ```
    pub fn dead_letters(&self) -> DeadLetters {
        self.inner.scheduler.desk.subscribe()
    }

    /// Searches for processes that wait for what can never come, and returns everything that holds now: see [`leaks`].
    ///
    /// Runs on the calling thread, for some 100 ns per parked process, and pauses nobody. May be called by a process, which then
    /// is running, and so is live. The causes come first, then those that wait behind them. What is proven stays true until a
    /// forced stop, so it is there in every later call.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// // This process waits for nobody, and nobody for it:
    /// assert!(scope.system().leaks().is_empty());
    /// assert_eq!(scope.system().proof_violations(), 0);
    /// # Ok(()) }) }
    /// ```
    pub fn leaks(&self) -> Vec<Leak> {
        leaks::search(&self.inner)
    }

    /// Returns how many processes ran again that were proven leaked, without a forced stop: an error of Roundrock itself, so always 0.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// assert_eq!(scope.system().proof_violations(), 0);
    /// # Ok(()) }) }
    /// ```
    pub fn proof_violations(&self) -> u64 {
        let scheduler = &self.inner.scheduler;
        scheduler.proofs.violations(scheduler)
    }

    /// Returns how many wakeups were lost so far, for which it looks at every channel now: a process that is parked in one although
    /// what it waits for is there. That is an error of Roundrock itself, so it is always 0.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// assert_eq!(scope.system().lost_wakeups(), 0);
    /// # Ok(()) }) }
    /// ```
    pub fn lost_wakeups(&self) -> u64 {
        let scheduler = &self.inner.scheduler;
        scheduler.lost.count(scheduler)
    }

    /// Returns the number of workers.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    ///
    /// let workers = System::builder().workers(3).run(async |scope| Ok(scope.system().workers()))?;
    /// assert_eq!(workers, 3);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn workers(&self) -> usize {
        self.inner.scheduler.workers()
    }

    /// Returns how long ago the system was started.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let before = scope.system().uptime();
    /// sleep(millis(2)).await;
    /// assert!(scope.system().uptime() >= before);
    /// # Ok(()) }) }
    /// ```
    pub fn uptime(&self) -> Duration {
        self.inner.scheduler.clock.uptime()
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{PANIC_LINES, others};

    #[test]
    fn what_is_said_of_the_others_is_never_empty() {
        let alone = others("jobs", "system `x`, up for 1 ms: 0 processes\n");
        assert_eq!(alone, "nothing else is in its scope `jobs` now");
        let lines: Vec<_> = (0..PANIC_LINES).map(|line| line.to_string()).collect();
        let said = others("jobs", &lines.join("\n"));
        assert!(
            said.starts_with("what else is in its scope now:\n1\n2\n"),
            "{said}"
        );
        assert!(
            said.ends_with("\n… and 2 lines more: `System::dump()` has all of it"),
            "{said}"
        );
    }
}
