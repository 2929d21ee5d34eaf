//! Handles to struct processes, and what the macros implement for them.

use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::time::Duration;

use crate::channel::endpoint::Endpoint;
use crate::channel::head::Side;
use crate::process::context::Cx;
use crate::process::exit::{Exit, Fault};
use crate::process::meta::{HandleKind, HandlerMeta, StructMeta};
use crate::process::port::{Trace, Visitor};
use crate::sim::values::Shown;
use crate::sim::{here, told};
use crate::task::ports::Tie;
use crate::task::{Done, ProcessId, Task};

/// What `#[process]` implements for a struct.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// use roundrock::process::StructProcess;
///
/// # #[process] struct Counter { n: i64 }
/// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } }
/// /// Keeps the handle of any kind of struct process.
/// struct Registry<P: StructProcess>(Vec<P::Handle>);
///
/// let registry = Registry::<Counter>(vec![scope.spawn(Counter { n: 1 })]);
/// assert_eq!(registry.0[0].add(1).await?, 2);
/// # Ok(()) }) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a process",
    label = "`#[process]` is missing on the struct",
    note = "put `#[process]` on the struct and `#[handlers]` on the `impl` whose methods other processes may call"
)]
pub trait StructProcess: Sized {
    /// The generated handle.
    type Handle: HandleKind;
    /// What the attribute says.
    const META: StructMeta;
    /// Makes the generated handle.
    fn wrap(inner: Handle<Self>) -> Self::Handle;
    /// Shows the endpoints in the state.
    fn trace(&self, visitor: &mut Visitor<'_>);
}

/// What `#[handlers]` implements for a struct.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a process",
    label = "expected a process",
    note = "mark the function with `#[process]`, or use `scope.task(\"name\", future)` for a one-off future",
    note = "put `#[process]` on the struct and `#[handlers]` on the `impl` whose methods other processes may call"
)]
///
/// That the state is `Send` is asked for in one place, where it is spawned, so that a state which is not is one error. The methods of
/// an impl without type parameters take it as given (`for<'a> &'a mut Self: Send`, which rustc does not check at the declaration).
pub trait Handlers: Sized + 'static {
    /// One variant per handler.
    type Message: Send + 'static;
    /// All handlers, by number.
    const HANDLERS: &'static [HandlerMeta];
    /// Handlers that run at an interval: number and period.
    const EVERY: &'static [(u8, Duration)] = &[];
    /// Whether there is a `#[recv]`.
    const INPUTS: bool = false;
    /// Whether there is an `#[on_start]`.
    const ON_START: bool = false;
    /// Whether there is an `#[on_stop]`.
    const ON_STOP: bool = false;

    /// The number of the handler of a message.
    fn index(message: &Self::Message) -> u8;
    /// Whether the caller has gone: the message is skipped.
    fn abandoned(_message: &Self::Message) -> bool {
        false
    }
    /// The hash of the `#[key]` argument.
    fn key(_message: &Self::Message) -> Option<u64> {
        None
    }
    /// Shows the arguments to who records what happens.
    fn show(_message: &Self::Message, _shown: &mut Shown) {}
    /// Handles one message.
    fn dispatch(
        &mut self,
        message: Self::Message,
        cx: &mut Cx<Self>,
    ) -> impl Future<Output = ()> + Send
    where
        for<'a> &'a mut Self: Send;
    /// Runs one handler of `EVERY`.
    fn every(&mut self, _index: u8, _cx: &mut Cx<Self>) -> impl Future<Output = ()> + Send
    where
        for<'a> &'a mut Self: Send,
    {
        std::future::ready(())
    }
    /// Waits for a message on one of the `#[recv]` fields; `None` when all are closed. Cancel-safe.
    fn next_input(&self, _turn: usize) -> impl Future<Output = Option<Self::Message>> + Send {
        std::future::ready(None)
    }
    /// Runs before the first message.
    fn on_start(&mut self, _cx: &mut Cx<Self>) -> impl Future<Output = Result<(), Fault>> + Send
    where
        for<'a> &'a mut Self: Send,
    {
        std::future::ready(Ok(()))
    }
    /// Runs after the last one.
    fn on_stop(&mut self, _cx: &mut Cx<Self>) -> impl Future<Output = Result<(), Fault>> + Send
    where
        for<'a> &'a mut Self: Send,
    {
        std::future::ready(Ok(()))
    }
}

/// The condition of the `Spawn` impl that `#[process]` on a struct emits: `for<'h> Counter: Handled<'h, Is = Yes>`. The
/// lifetime lets rustc check it where the struct is spawned, and not where it is declared; a second impl with `Is = No`, which
/// never holds, lets it report the argument of `spawn` itself.
pub trait Handled<'h>: Handlers + StructProcess {
    /// Always [`Yes`].
    type Is;
}

impl<P: Handlers + StructProcess> Handled<'_> for P {
    type Is = Yes;
}

/// See [`Handled`].
#[derive(Debug)]
pub struct Yes;
/// See [`Handled`].
#[derive(Debug)]
pub struct No;

/// What every generated handle can do beside its handlers. A strong handle keeps its process alive. Handles are equal, and have the same
/// hash, if they lead to the same process.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] struct Counter { n: i64 }
/// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
///
/// let counter = scope.spawn(Counter { n: 0 });
/// assert_eq!((counter.name(), counter.exit().is_none()), ("Counter", true));
/// let other = counter.clone();
/// assert_eq!(other, counter);
/// drop(counter);
/// assert_eq!(other.add(1).await?, 1);         // one that is left keeps it alive
/// let done = other.done();
/// drop(other);
/// assert!(done.await.is_normal());
/// # Ok(()) }) }
/// ```
pub struct Handle<P> {
    pub(crate) mailbox: Endpoint,
    process: PhantomData<fn() -> P>,
}

impl<P> Handle<P> {
    pub(crate) fn new(mailbox: Endpoint) -> Self {
        Self {
            mailbox,
            process: PhantomData,
        }
    }

    /// Ends the process when it has handled what is queued now: new messages are refused. Work that it has begun with
    /// [`Cx::spawn_then`] is drained; what only watches for the end of another process is not waited for.
    ///
    /// That is a normal end, so a transient or temporary child is not started again. A permanent one is: its messages are not
    /// refused, and wait for the next incarnation.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    /// let counter = scope.spawn(Counter { n: 0 });
    /// counter.clear().send().await?;
    /// counter.stop();                                     // what is queued is handled first
    /// assert!(counter.done().await.is_normal());
    /// # Ok(()) }) }
    /// ```
    pub fn stop(&self) {
        if let Some(task) = self.mailbox.owner() {
            told::ends("stops", &task);
        }
        self.mailbox.stop_owner();
    }

    /// Drops the process at its current or next await. A supervised child is killed in its present incarnation, and its
    /// supervisor decides what follows.
    ///
    /// Between two incarnations there is nothing to kill but what the last one started and has not ended, which is dropped now; the
    /// next one comes as planned, and is not counted once more. One that was told to [`stop`](Self::stop) before does not come any more:
    /// what is queued for it dies. [`Task::remove`](crate::Task::remove) ends a child for good at any time.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    /// let counter = scope.spawn_isolated(Counter { n: 0 });
    /// counter.kill();
    /// assert_eq!(counter.done().await.kind(), "killed");
    /// # Ok(()) }) }
    /// ```
    pub fn kill(&self) {
        if let Some(task) = self.mailbox.owner() {
            task.kill_process();
        }
    }

    /// Waits until the process has ended, and says how. May be a branch of `select!`.
    ///
    /// This is a monitor: each gives exactly one notice, also when it was made after the end. Of a supervised child it is the
    /// end of its present incarnation; [`closed`](Self::closed) waits until none will follow.
    ///
    /// Waiting may be given up at any moment: nothing else changes.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    /// let counter = scope.spawn(Counter { n: 0 });
    /// let done = counter.done();
    /// counter.stop();
    /// select! {
    ///     exit = done => assert!(exit.is_normal()),
    ///     _ = sleep(secs(60)) => panic!("too slow"),
    /// }
    /// assert!(counter.done().await.is_normal());          // one that is made afterwards is told as well
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn done(&self) -> Done {
        Done::new(self.mailbox.owner())
    }

    /// Waits until nobody will serve this handle any more, and says how that came: the process has ended, and is not started
    /// again. May be a branch of `select!`.
    ///
    /// Waiting may be given up at any moment: nothing else changes.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } }
    /// let counter = scope.supervise(|| Counter { n: 0 }).spawn();
    /// counter.add(1).await?;
    /// let done = counter.done();
    /// counter.kill();
    /// assert_eq!(done.await.kind(), "killed");        // this incarnation
    /// assert_eq!(counter.add(1).await?, 1);           // the next one
    /// counter.stop();
    /// assert!(counter.closed().await.is_normal());    // and none will follow
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn closed(&self) -> Done {
        Done::new(self.mailbox.owner().map(|task| task.whole()))
    }

    /// Returns a task that can be awaited for the end of the process; of a supervised child, until it is not started again.
    ///
    /// # Panics
    /// If the handle belongs to no process of this system.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    /// let counter = scope.spawn(Counter { n: 0 });
    /// let task = counter.task();
    /// drop(counter);                                      // the last handle: its work is over
    /// task.await?;
    /// # Ok(()) }) }
    /// ```
    pub fn task(&self) -> Task<()> {
        match self.mailbox.owner() {
            Some(task) => Task::watching(task.whole()),
            None => panic!("this handle belongs to no process of this system"),
        }
    }

    /// Returns the id of the process, if it is one of this system. Each incarnation of a supervised child has its own.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    /// let (one, other) = (scope.spawn(Counter { n: 0 }), scope.spawn(Counter { n: 0 }));
    /// assert_eq!(one.id(), one.clone().id());
    /// assert_ne!(one.id(), other.id());
    /// # Ok(()) }) }
    /// ```
    pub fn id(&self) -> Option<ProcessId> {
        self.mailbox.owner().map(|task| task.id())
    }

    /// Returns the name of the process.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    /// assert_eq!(scope.spawn(Counter { n: 0 }).name(), "Counter");
    /// # Ok(()) }) }
    /// ```
    pub fn name(&self) -> &'static str {
        self.mailbox
            .owner()
            .map_or("?", |task| task.slot().origin().name)
    }

    /// Returns how the process ended, if it has.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    /// let counter = scope.spawn(Counter { n: 0 });
    /// assert!(counter.exit().is_none(), "it lives");
    /// counter.stop();
    /// counter.done().await;
    /// assert!(counter.exit().is_some_and(|exit| exit.is_normal()));
    /// # Ok(()) }) }
    /// ```
    pub fn exit(&self) -> Option<Exit> {
        self.mailbox.owner().and_then(|task| task.exit())
    }

    /// Returns a handle that does not keep the process alive.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    /// let counter = scope.spawn(Counter { n: 0 });
    /// let weak = counter.downgrade();
    /// assert_eq!(weak.upgrade().context("it lives")?.add(1).await?, 1);
    /// let done = counter.done();
    /// drop(counter);
    /// done.await;
    /// assert!(weak.upgrade().is_none());
    /// # Ok(()) }) }
    /// ```
    pub fn downgrade(&self) -> WeakHandle<P> {
        WeakHandle {
            mailbox: self.mailbox.duplicate(Side::Weak),
            process: PhantomData,
        }
    }
}

impl<P> Clone for Handle<P> {
    fn clone(&self) -> Self {
        Self::new(self.mailbox.duplicate(Side::Sender))
    }
}

/// Two handles are equal if they lead to the same process, whatever its incarnation.
impl<P> PartialEq for Handle<P> {
    fn eq(&self, other: &Self) -> bool {
        self.mailbox.object() == other.mailbox.object()
    }
}

impl<P> Eq for Handle<P> {}

impl<P> Hash for Handle<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.mailbox.object().hash(state);
    }
}

impl<P> fmt::Debug for Handle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(short) = here::short_process(|| self.id()) {
            return f.write_str(&short);
        }
        f.debug_struct("Handle")
            .field("process", &self.name())
            .field("id", &self.id())
            .field("mailbox", &self.mailbox)
            .finish()
    }
}

impl<P> Trace for Handle<P> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        self.mailbox.show(name, Tie::Sender, visitor);
    }
}

/// A handle that does not keep its process alive; see [`Handle::downgrade`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] struct Counter { n: i64 }
/// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
///
/// let counter = scope.spawn(Counter { n: 0 });
/// let weak = counter.downgrade();
/// let again = weak.upgrade().context("it lives")?;
/// assert_eq!(again.add(1).await?, 1);
/// let done = counter.done();
/// drop((counter, again));
/// done.await;
/// assert!(weak.upgrade().is_none(), "it kept nothing alive");
/// # Ok(()) }) }
/// ```
pub struct WeakHandle<P> {
    mailbox: Endpoint,
    process: PhantomData<fn() -> P>,
}

impl<P> WeakHandle<P> {
    pub(crate) fn new(mailbox: Endpoint) -> Self {
        Self {
            mailbox,
            process: PhantomData,
        }
    }

    pub(crate) fn mailbox(&self) -> &Endpoint {
        &self.mailbox
    }

    /// The same handle for a process whose type was forgotten.
    pub(crate) fn retype<Q>(&self) -> WeakHandle<Q> {
        WeakHandle {
            mailbox: self.mailbox.duplicate(Side::Weak),
            process: PhantomData,
        }
    }
}

impl<P> Trace for WeakHandle<P> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        self.mailbox.show(name, Tie::Weak, visitor);
    }
}

impl<P: StructProcess> WeakHandle<P> {
    /// Returns a handle, if another one has kept the process alive.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    /// let counter = scope.spawn(Counter { n: 0 });
    /// let weak = counter.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// let done = counter.done();
    /// drop(counter);
    /// done.await;
    /// assert!(weak.upgrade().is_none());
    /// # Ok(()) }) }
    /// ```
    pub fn upgrade(&self) -> Option<P::Handle> {
        self.mailbox
            .upgrade()
            .map(|mailbox| P::wrap(Handle::new(mailbox)))
    }
}

impl<P> Clone for WeakHandle<P> {
    fn clone(&self) -> Self {
        self.retype()
    }
}

impl<P> fmt::Debug for WeakHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = || self.mailbox.owner().map(|task| task.id());
        if let Some(short) = here::short_process(id) {
            return write!(f, "WeakHandle({short})");
        }
        f.debug_struct("WeakHandle")
            .field("mailbox", &self.mailbox)
            .finish()
    }
}
