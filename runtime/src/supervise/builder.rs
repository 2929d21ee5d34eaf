//! What users write to have a child supervised.

use std::ops::Range;
use std::time::Duration;

use super::child::{Child, Restart, State};
use super::inputs::Inputs;
use super::lineage::{DEAF, Lineage};
use super::restart::Backoff;
use super::starter::{FunctionHome, FunctionStarter, Promise, Starter, StructStarter};
use super::strategy::Strategy;
use super::supervisor::{Supervisor, now};
use super::table::SHUTDOWN;
use crate::process::exit::{Exit, IntoOutcome};
use crate::process::function::{self, Body, Inbox, InboxHandle, Process, Shared};
use crate::process::handle::{Handle, Handlers, StructProcess};
use crate::process::inbox::FnHandle;
use crate::process::spawn::{SpawnOptions, StartTwice};
use crate::process::structure;
use crate::scope::Scope;
use crate::task::{Done, Task};

/// A child that will be started, and started again; made by [`Scope::supervise`]. Its [`spawn`](Self::spawn) gives an `H`.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] struct Counter { n: i64 }
/// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
///
/// let counter = scope
///     .supervise(|| Counter { n: 0 })
///     .transient()
///     .backoff(millis(1)..millis(10))
///     .shutdown(secs(1))
///     .named("visits")
///     .spawn();
/// counter.add(1).await?;
/// counter.kill();                             // abnormal: it is started again
/// assert_eq!(counter.add(1).await?, 1);       // with a new state, behind the same handle
/// counter.stop();
/// assert!(counter.closed().await.is_normal());
/// # Ok(()) }) }
/// ```
#[must_use = "nothing is started before `spawn`"]
#[derive(Debug)]
pub struct Supervised<S, H> {
    process: S,
    plan: Plan,
    /// Makes what leads to the child. It is known here, so that what cannot be supervised is one error, where it is given.
    start: fn(S, Plan) -> H,
}

/// The specification of a child.
#[derive(Debug, Clone)]
pub struct Plan {
    scope: Scope,
    options: SpawnOptions,
    restart: Restart,
    backoff: Range<Duration>,
    /// [`SHUTDOWN`], if nothing is said.
    shutdown: Option<Duration>,
}

impl<S, H> Supervised<S, H> {
    fn new(scope: &Scope, process: S, options: SpawnOptions, start: fn(S, Plan) -> H) -> Self {
        let plan = Plan {
            scope: scope.clone(),
            options,
            restart: Restart::default(),
            backoff: Duration::from_millis(50)..Duration::from_secs(5),
            shutdown: None,
        };
        Self {
            process,
            plan,
            start,
        }
    }

    /// Starts the child again whenever it ends, also normally.
    ///
    /// A struct process that ended because its last handle was dropped is not: nobody could reach it. One with `#[every]`, or
    /// with an input that is open, does not end so, and is started again without a handle too.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    ///
    /// let counter = scope.supervise(|| Counter { n: 0 }).permanent().backoff(millis(1)..millis(10)).spawn();
    /// counter.add(1).await?;
    /// let done = counter.done();
    /// counter.stop();                             // a normal end, and it is started again all the same
    /// assert!(done.await.is_normal());
    /// assert_eq!(counter.add(1).await?, 1);
    /// # Ok(()) }) }
    /// ```
    pub fn permanent(self) -> Self {
        self.restart(Restart::Permanent)
    }

    /// Starts the child again when it fails, panics or is killed. The default.
    pub fn transient(self) -> Self {
        self.restart(Restart::Transient)
    }

    /// Never starts the child again. Its failure is reported, and is nobody else's.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    /// let counter = scope.supervise(|| Counter { n: 0 }).temporary().spawn();     // never started again
    /// counter.kill();
    /// assert_eq!(counter.closed().await.kind(), "killed");
    /// # Ok(()) }) }
    /// ```
    pub fn temporary(self) -> Self {
        self.restart(Restart::Temporary)
    }

    /// Says when the child is started again. The default is [`Restart::Transient`].
    pub fn restart(mut self, restart: Restart) -> Self {
        self.plan.restart = restart;
        self
    }

    /// Sets the pause before a restart: it begins with the start of the range, doubles each time up to its end (after none at all
    /// it is 1 ms), and is longer by up to a quarter, at random, but never longer than that end; once it has grown to the end, it is
    /// shorter by up to a quarter instead. So children that failed together do not come back together. The default is 50 ms to 5 s; it
    /// begins anew after the child was up for 10 s, from when it was ready.
    ///
    /// # Panics
    /// If the end of the range lies before its start.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    /// let counter = scope.supervise(|| Counter { n: 0 }).backoff(millis(1)..millis(10)).spawn();
    /// counter.kill();
    /// counter.add(1).await?;                              // waits for the next incarnation
    /// counter.stop();
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn backoff(mut self, range: Range<Duration>) -> Self {
        assert!(
            range.start <= range.end,
            "a `backoff` grows: its range ends at or after its start, and is not {:?} to {:?}",
            range.start,
            range.end
        );
        self.plan.backoff = range;
        self
    }

    /// Sets how long the child may take to end when it is stopped because another one failed, or because it is removed;
    /// then it is dropped at its current await. If its scope is stopped after another one failed, it has the grace of that stop
    /// instead. The same holds for what an incarnation started in its own scope, from when it is
    /// told or its process has ended: the next one begins after that. Zero drops it soon.
    ///
    /// The default is 5 s; and 0.1 s for a function that waits for a timer or for something that is not Roundrock's, and has neither asked
    /// for a message since nor seen that its scope stops, because it could not notice. With a limit of its own it has that time too.
    pub fn shutdown(mut self, limit: Duration) -> Self {
        self.plan.shutdown = Some(limit);
        self
    }

    /// Names the child, in reports and errors. The default is the name of its process.
    pub fn named(mut self, name: &'static str) -> Self {
        self.plan.options = self.plan.options.named(name);
        self
    }

    /// Adds the child to its scope, and returns what `Scope::spawn` would: it leads to every incarnation.
    ///
    /// Does not wait. The child is started when all children that were added before are ready: their `#[on_start]` has returned
    /// or, for functions, their first poll has. So a child that waits in its `#[on_start]` for one that was added after it waits for
    /// ever; give it a scope of its own for that. In a scope that stops it is not started at all, and what is returned is `Gone`.
    pub fn spawn(self) -> H {
        (self.start)(self.process, self.plan)
    }
}

/// What can be supervised: a process function whose arguments are all lent, or a closure that makes a process.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// use roundrock::supervise::Supervise;
///
/// # #[process] async fn read() -> Result<u32> { Ok(7) }
/// /// Supervises anything that can be made again.
/// fn keep<S>(scope: &Scope, process: S) -> S::Spawned
/// where
///     S: Supervise<Function = (), Argument = ()>,
/// {
///     scope.supervise(process).spawn()
/// }
/// let value = keep(&scope, read()).await?;
/// assert_eq!(value, 7);
/// # Ok(()) }) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be supervised",
    label = "expected a process that can be made again",
    note = "pass a `#[process]` function whose arguments are all by reference, or a factory: `supervise(|| Worker::new())`",
    note = "a factory is called for each start, so it gives away clones: `supervise(move || work(jobs.clone()))`"
)]
pub trait Supervise: Sized {
    /// What leads to the child.
    type Spawned;
    /// For the message about arguments by value: the function and the argument.
    type Function;
    /// See [`Function`](Self::Function).
    type Argument;
    /// Its type.
    type Taken: ?Sized;

    #[doc(hidden)]
    fn spawn_supervised(self, plan: Plan) -> Self::Spawned;
}

impl<B: Body<Output: IntoOutcome>> Supervise for Process<B, Shared, ()> {
    type Spawned = Task<<B::Output as IntoOutcome>::Value>;
    type Function = ();
    type Argument = ();
    type Taken = ();

    fn spawn_supervised(self, plan: Plan) -> Self::Spawned {
        spawn_shared(self, plan).1
    }
}

impl<B, H> Supervise for Process<B, Shared, Inbox<H>>
where
    B: Body<Output = H::Output>,
    H: InboxHandle<Output: IntoOutcome>,
{
    type Spawned = H;
    type Function = ();
    type Argument = ();
    type Taken = ();

    fn spawn_supervised(self, plan: Plan) -> H {
        let (ports, task) = spawn_shared(self, plan);
        H::wrap(FnHandle::new(ports, task.task().clone()))
    }
}

/// What the handle of a process has, and its task.
type SharedParts<B, H> = (
    <H as function::PortsOf>::Ports,
    Task<<<B as Body>::Output as IntoOutcome>::Value>,
);

fn spawn_shared<B, H>(process: Process<B, Shared, H>, plan: Plan) -> SharedParts<B, H>
where
    B: Body<Output: IntoOutcome>,
    H: function::PortsOf,
{
    let (meta, body, ports) = process.into_parts();
    let plan = plan.or_named(meta.name);
    let (scope, options) = (plan.scope.clone(), plan.options.clone());
    let body = body.shared();
    let inputs = body.again();
    let task = plan.add(|promise| FunctionStarter {
        has_messages: Box::new({
            let scope = scope.clone();
            move || {
                inputs
                    .as_ref()
                    .is_some_and(|body| function::has_messages(body, &scope))
            }
        }),
        make: move |home: &FunctionHome<'_>| match body.again() {
            Some(body) => function::create(meta, body, &scope, options.clone(), home),
            None => unreachable!("`shared` makes a body that can be started again"),
        },
        last: None,
        promise,
    });
    (ports, task)
}

impl<B, P, A, T, H> Supervise for Process<B, function::Once<P, A, T>, H>
where
    T: ?Sized,
    H: function::PortsOf,
{
    type Spawned = Task<()>;
    type Function = P;
    type Argument = A;
    type Taken = T;

    fn spawn_supervised(self, _plan: Plan) -> Task<()> {
        unreachable!(
            "`supervise` asks for `StartTwice`, which no function with an argument by value has"
        )
    }
}

#[diagnostic::do_not_recommend]
impl<F, P> Supervise for F
where
    F: FnMut() -> P + Send + 'static,
    P: Remade,
{
    type Spawned = P::Spawned;
    type Function = ();
    type Argument = ();
    type Taken = ();

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
        let plan = plan.or_named("supervised");
        let (scope, options) = (plan.scope.clone(), plan.options.clone());
        plan.add(|promise| FunctionStarter {
            // It is lent something else each time: see `inputs`.
            has_messages: Box::new(|| false),
            make: move |home: &FunctionHome<'_>| {
                let (meta, body, ()) = factory().into_parts();
                function::create(meta, body, &scope, options.clone(), home)
            },
            last: None,
            promise,
        })
    }
}

impl<P: Handlers + StructProcess + Send> Remade for P {
    type Spawned = P::Handle;

    fn spawn_remade(factory: impl FnMut() -> Self + Send + 'static, plan: Plan) -> P::Handle {
        let plan = plan.or_named(P::META.name);
        let (strong, weak, mailbox) = structure::supervised::<P>(&plan.scope, plan.options.site);
        let (scope, options) = (plan.scope.clone(), plan.options.clone());
        let task = plan.add(|promise| {
            // Until there is an incarnation the handle leads to the child as a whole.
            weak.set_owner(promise.task().clone());
            StructStarter {
                factory,
                scope,
                options,
                weak,
                mailbox,
                promise,
            }
        });
        drop(task);
        P::wrap(Handle::new(strong))
    }
}

impl Plan {
    fn or_named(mut self, name: &'static str) -> Self {
        self.options = self.options.or_named(name);
        self
    }

    /// Adds the child to its scope.
    fn add<T, S>(self, starter: impl FnOnce(Promise<T>) -> S) -> Task<T>
    where
        T: Send + 'static,
        S: Starter + 'static,
    {
        let scope = &self.scope.inner;
        let shutdown = self.shutdown.unwrap_or(SHUTDOWN);
        let supervisor = scope.supervisor.get_or_init(Supervisor::new);
        let lineage = Lineage::new(supervisor, supervisor.next_key(), self.restart, shutdown);
        let stopping = scope.enter();
        let (promise, task) = Promise::new(scope, &lineage, &self.options);
        let starter = Box::new(starter(promise));
        if stopping {
            starter.settle(Exit::Stopped);
            lineage.clear();
            return task;
        }
        let mut child = Child {
            name: self.options.name,
            lineage,
            starter,
            restart: self.restart,
            shutdown,
            patience: self.shutdown.unwrap_or(DEAF),
            backoff: Backoff::new(self.backoff),
            state: State::Queued,
            made: false,
            inputs: Inputs::default(),
            for_others: false,
            draining: false,
            removed: false,
            since: now(scope),
            stop_by: None,
            deaf_at: None,
            last: None,
        };
        child.last = child.make();
        child.made = child.last.is_none();
        supervisor.add(scope, child);
        task
    }
}

impl<T> Task<T> {
    /// Lets a supervised child end for good, whatever it is: it is told to stop, and not started again, also if it waits for
    /// its next start now. Awaiting the result waits for the end; dropping it changes nothing. For a process that is not
    /// supervised it is the same as showing it the end of its inputs.
    ///
    /// Messages that are queued are handled first, by one more incarnation if none runs; a process that does not come to its end is
    /// dropped after its [`shutdown`](Supervised::shutdown).
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Session;
    /// # #[handlers] impl Session { fn hello(&self) {} }
    /// let session = scope.supervise(|| Session).permanent().spawn();
    /// session.hello().await?;
    /// let exit = session.task().remove().await;
    /// assert!(exit.is_normal());
    /// assert_eq!(session.hello().await, Err(CallError::Gone));
    /// # Ok(()) }) }
    /// ```
    pub fn remove(&self) -> Done {
        match self.task().lineage() {
            Some(lineage) => lineage.remove(),
            None => self.task().end_input(0),
        }
        self.done()
    }
}

impl Scope {
    /// Supervises a child: starts it when those before it are ready, and again when it ends as it should not.
    ///
    /// `process` is a `#[process]` function whose arguments are all by reference (what it was lent survives a restart), or a
    /// closure that makes a process. It is called once by [`spawn`](Supervised::spawn), when the children before it need not have started
    /// yet (what one needs of another is looked up in its `#[on_start]`), and for each restart by the supervisor of the scope, so it must not
    /// block; a panic in it is a failed start. Children may be added and [removed](Task::remove) at any time. Handles stay valid over a
    /// restart; see [`Supervised`] for the options of a child and [`supervise`](crate::supervise) for how children depend on each other.
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
    pub fn supervise<S: Supervise>(&self, process: S) -> Supervised<S, S::Spawned>
    where
        S::Function: StartTwice<S::Argument, S::Taken>,
    {
        Supervised::new(self, process, SpawnOptions::here(), S::spawn_supervised)
    }

    /// Restarts only the supervised child that failed. The default.
    #[must_use = "it returns the scope"]
    pub fn one_for_one(self) -> Self {
        self.strategy(Strategy::OneForOne)
    }

    /// Restarts all supervised children of this scope when one of them fails: the others are stopped in reverse order, and all
    /// are started in order. Temporary ones are stopped and not started again.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Cache;
    /// # #[handlers] impl Cache { fn incarnation(&self, cx: &mut Cx) -> u32 { cx.incarnation() } }
    /// let caches = scope.child("caches").one_for_all();
    /// let first = caches.supervise(|| Cache).backoff(millis(1)..millis(1)).spawn();
    /// let second = caches.supervise(|| Cache).backoff(millis(1)..millis(1)).spawn();
    /// assert_eq!(second.incarnation().await?, 0);
    /// let done = second.done();
    /// first.kill();
    /// done.await;                                         // it was stopped with the other one
    /// assert_eq!(first.incarnation().await?, 1);
    /// assert_eq!(second.incarnation().await?, 1);
    /// # Ok(()) }) }
    /// ```
    #[must_use = "it returns the scope"]
    pub fn one_for_all(self) -> Self {
        self.strategy(Strategy::OneForAll)
    }

    /// Restarts the supervised child that failed and those that were added after it, which may depend on it: they are stopped in
    /// reverse order, and started in order.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    ///
    /// let stages = scope.child("stages").rest_for_one();
    /// let first = stages.supervise(|| Counter { n: 0 }).backoff(millis(1)..millis(10)).spawn();
    /// let second = stages.supervise(|| Counter { n: 0 }).backoff(millis(1)..millis(10)).spawn();
    /// first.add(5).await?;
    /// let done = first.done();
    /// second.add(1).await?;
    /// second.kill();                              // the first one was started before it
    /// assert_eq!(second.add(1).await?, 1);
    /// assert!(first.add(0).await? == 5 && first.exit().is_none());
    /// # drop(done);
    /// # stages.stop(secs(1)).await;
    /// # Ok(()) }) }
    /// ```
    #[must_use = "it returns the scope"]
    pub fn rest_for_one(self) -> Self {
        self.strategy(Strategy::RestForOne)
    }

    fn strategy(self, strategy: Strategy) -> Self {
        let supervisor = self.inner.supervisor.get_or_init(Supervisor::new);
        supervisor.configure(|settings| settings.strategy = strategy);
        self
    }

    /// Sets how many restarts the supervised children of this scope may need, all together, within any window of this length;
    /// one more, and the scope gives up and fails with [`GaveUp`](super::GaveUp). The default is 5 in 10 s; with 0 the first
    /// failure is one too many. Children that are restarted because another one failed are not counted.
    ///
    /// # Panics
    /// If the window is zero.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    ///
    /// # #[process] async fn dial() -> Result<()> { bail!("no answer") }
    /// let ended = scope.group(async |group| {
    ///     let hosts = group.child("hosts").intensity(2, secs(10));        // the third restart is one too many
    ///     hosts.supervise(|| dial()).backoff(millis(0)..millis(0)).spawn();
    ///     hosts.join().await
    /// }).await;
    /// assert!(ended.is_err());
    /// # Ok(()) }) }
    /// ```
    #[must_use = "it returns the scope"]
    #[track_caller]
    pub fn intensity(self, restarts: usize, window: Duration) -> Self {
        assert!(
            !window.is_zero(),
            "the window of `intensity` is at least 1 ns: in none at all there is no restart to count"
        );
        let supervisor = self.inner.supervisor.get_or_init(Supervisor::new);
        supervisor.configure(|settings| {
            settings.limit = restarts;
            settings.window = window;
        });
        self
    }
}
