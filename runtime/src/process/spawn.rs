//! How a process gets into a scope.

use std::future::Future;
use std::panic::Location;

use crate::process::exit::IntoOutcome;
use crate::scope::Scope;
use crate::task::Task;
use crate::task::origin::{self, Facts};
use crate::task::ports::Ports;
use crate::task::registry::About;

/// What can be spawned: the result of calling a `#[process]` function, or a struct with `#[process]` and `#[handlers]`.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// use roundrock::process::Spawn;
///
/// # #[process] async fn read() -> Result<u32> { Ok(7) }
/// /// Starts anything that is a process, and says so.
/// fn start<P: Spawn>(scope: &Scope, process: P) -> P::Spawned {
///     scope.spawn(process)
/// }
/// assert_eq!(start(&scope, read()).await?, 7);
/// # Ok(()) }) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a process",
    label = "expected a process",
    note = "mark the function with `#[process]`, or use `scope.task(\"name\", future)` for a one-off future",
    note = "put `#[process]` on the struct and `#[handlers]` on the `impl` whose methods other processes may call",
    note = "a struct with type parameters is a process where they are `Send + 'static`"
)]
pub trait Spawn: Sized {
    /// What leads to the process: a handle for a struct, a `Task` for a function.
    type Spawned;

    #[doc(hidden)]
    fn spawn_in(self, scope: &Scope, options: SpawnOptions) -> Self::Spawned;
}

/// What can be started several times: a process that takes all its arguments by reference, or a struct that is `Clone`.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # use std::sync::Arc;
/// # use std::sync::atomic::{AtomicU32, Ordering};
/// #[process]
/// async fn work(jobs: &Receiver<u32>, sum: &Arc<AtomicU32>) {
///     while let Some(job) = jobs.recv().await { sum.fetch_add(job, Ordering::Relaxed); }
/// }
///
/// let sum = Arc::new(AtomicU32::new(0));
/// let (jobs, input) = bounded(4);
/// let workers = scope.child("workers");
/// workers.pool(3, work(input, Arc::clone(&sum)));         // one description, three processes
/// for job in 1..=10 { jobs.send(job).await?; }
/// drop(jobs);
/// workers.join().await?;
/// assert_eq!(sum.load(Ordering::Relaxed), 55);
/// # Ok(()) }) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a pool",
    label = "expected a process that can be started several times",
    note = "mark the function with `#[process]` and let it take its arguments by reference: a future runs once",
    note = "put `#[process]` and `#[derive(Clone)]` on the struct, and `#[handlers]` on the `impl` whose methods other processes may call"
)]
pub trait Pool: Sized {
    /// What leads to the workers.
    type Pooled;
    /// For the message about arguments by value: the function and the argument.
    type Function;
    /// See [`Function`](Self::Function).
    type Argument;
    /// Its type.
    type Taken: ?Sized;
    /// Where its inputs come from.
    type Inputs;

    #[doc(hidden)]
    fn pool_in(self, scope: &Scope, workers: usize, options: SpawnOptions) -> Self::Pooled;
}

/// Holds for what can be started more than once: again after a failure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be started twice: it takes `{A}` by value",
    label = "can be started once only",
    note = "take it by reference (`{A}: &{T}`) so that the process keeps it, or pass a factory: `supervise(move || {Self}({A}.clone()))`"
)]
pub trait StartTwice<A, T: ?Sized> {}
impl<T: ?Sized> StartTwice<(), T> for () {}

/// Holds for what can be started several times at once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a pool: it takes `{A}` by value",
    label = "can be started once only",
    note = "take it by reference (`{A}: &{T}`): the pool keeps it, and lends it to each worker",
    note = "where each of them is to own one, spawn them in a loop: `for {A} in .. {{ scope.spawn({Self}({A}, ..)); }}`"
)]
pub trait StartMany<A, T: ?Sized> {}
impl<T: ?Sized> StartMany<(), T> for () {}

/// Holds for what has no input of its own, so that several workers can share it.
#[diagnostic::on_unimplemented(
    message = "a process with an `#[inbox]` cannot be a pool: each worker would have an input of its own",
    label = "makes its own input",
    note = "take the input as an argument, without `#[inbox]`, and make the channel where the pool is started: `let (jobs, input) = bounded(8); scope.pool(4, work(input))`"
)]
pub trait SharedInputs {}
impl SharedInputs for () {}

/// See [`SharedInputs`].
#[derive(Debug)]
pub struct OwnInput;

/// Decides which home a process gets in its scope.
pub(crate) trait Launcher {
    /// Whether the supervisor keeps a share of the mailbox for the next incarnation.
    const KEEPS: bool = false;

    /// Makes a process that does not run yet.
    fn create<F>(
        &self,
        scope: &Scope,
        future: F,
        options: &SpawnOptions,
    ) -> Task<<F::Output as IntoOutcome>::Value>
    where
        F: Future + Send + 'static,
        F::Output: IntoOutcome;
}

/// The home of a process that nobody supervises.
pub(crate) struct PlainLauncher;

impl Launcher for PlainLauncher {
    fn create<F>(
        &self,
        scope: &Scope,
        future: F,
        options: &SpawnOptions,
    ) -> Task<<F::Output as IntoOutcome>::Value>
    where
        F: Future + Send + 'static,
        F::Output: IntoOutcome,
    {
        scope.inner.create(future, options)
    }
}

/// The home of a function that nobody supervises: it may have a scope of its own.
pub(crate) struct FunctionLauncher;

impl Launcher for FunctionLauncher {
    fn create<F>(
        &self,
        scope: &Scope,
        future: F,
        options: &SpawnOptions,
    ) -> Task<<F::Output as IntoOutcome>::Value>
    where
        F: Future + Send + 'static,
        F::Output: IntoOutcome,
    {
        scope.inner.create_owner(future, options)
    }
}

/// What is known of a process before it runs.
#[derive(Debug, Clone)]
pub struct SpawnOptions {
    pub(crate) name: &'static str,
    pub(crate) site: &'static Location<'static>,
    pub(crate) isolated: bool,
    pub(crate) ports: Ports,
    pub(crate) facts: Facts,
}

impl SpawnOptions {
    #[track_caller]
    pub(crate) fn here() -> Self {
        Self::at(Location::caller())
    }

    pub(crate) fn at(site: &'static Location<'static>) -> Self {
        Self {
            name: "",
            site,
            isolated: false,
            ports: Ports::default(),
            facts: Facts::NONE,
        }
    }

    /// Says it of a process that is being made.
    pub(crate) fn tell(&self, about: &mut About) {
        about.origin = origin::intern(self.name, self.site, self.facts);
        about.ports = self.ports.clone();
    }

    pub(crate) fn isolated(self) -> Self {
        Self {
            isolated: true,
            ..self
        }
    }

    /// What the macro says of the process, with its name unless it was given one of its own.
    pub(crate) fn of(self, name: &'static str, facts: Facts) -> Self {
        Self {
            facts,
            ..self.or_named(name)
        }
    }

    /// The name of the process's type, unless it was given one of its own.
    pub(crate) fn or_named(self, name: &'static str) -> Self {
        if self.name.is_empty() {
            self.named(name)
        } else {
            self
        }
    }

    /// With ports that were collected before.
    pub(crate) fn holding(self, ports: &Ports) -> Self {
        let ports = ports.clone();
        Self { ports, ..self }
    }

    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Of what passes the messages of a pool on, with what it receives from and sends to.
    pub(crate) fn of_router(self, ports: &Ports) -> Self {
        Self {
            facts: Facts::of_router(),
            ..self.named("router").holding(ports)
        }
    }

    /// Of what stands for a pool of processes with this name.
    pub(crate) fn of_pool(self, name: &'static str) -> Self {
        Self {
            facts: Facts::POOL,
            ..self.named(name)
        }
    }
}
