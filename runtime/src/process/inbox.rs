//! Handles to function processes that have an input of their own.

#![expect(unsafe_code, reason = "a handle knows the type of its process's value")]

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::{Arc, Weak};

use crate::process::exit::{Exit, IntoOutcome};
use crate::sim::here;
use crate::task::{Done, ProcessId, Task, TaskRef};

/// What every handle to a function process can do beside its ports.
pub struct FnHandle<Ports, Output> {
    ports: Arc<Ports>,
    task: TaskRef,
    output: PhantomData<fn() -> Output>,
}

impl<P, O> FnHandle<P, O> {
    pub(crate) fn new(ports: P, task: TaskRef) -> Self {
        Self {
            ports: Arc::new(ports),
            task,
            output: PhantomData,
        }
    }

    /// Shows the process the end of its inputs, once they are empty.
    ///
    /// That is a normal end: a transient or temporary child is not started again, a permanent one is.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn sum(#[inbox(4)] numbers: &Receiver<u32>) -> Result<u32> {
    /// #     let mut sum = 0;
    /// #     while let Some(n) = numbers.recv().await { sum += n; }
    /// #     Ok(sum)
    /// # }
    /// let handle = scope.spawn(sum());
    /// handle.numbers().send(3).await?;
    /// handle.stop();                              // what is queued is received first
    /// assert_eq!(handle.task().await?, 3);
    /// # Ok(()) }) }
    /// ```
    pub fn stop(&self) {
        self.task.stop_process();
    }

    /// Drops the process at its current or next await. A supervised child is killed in its present incarnation, and its
    /// supervisor decides what follows; [`Handle::kill`](crate::process::Handle::kill) says what a kill between two incarnations means.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn waits(#[inbox(4)] numbers: &Receiver<u32>) { let _ = numbers; sleep(secs(3600)).await }
    /// let handle = scope.spawn(waits());
    /// handle.kill();
    /// assert_eq!(handle.done().await.kind(), "killed");
    /// # Ok(()) }) }
    /// ```
    pub fn kill(&self) {
        self.task.kill_process();
    }

    /// Waits until the process has ended, and says how. May be a branch of `select!`. Of a supervised child this is the end of
    /// its present incarnation; [`closed`](Self::closed) waits until none will follow.
    ///
    /// Waiting may be given up at any moment: nothing else changes.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn first(#[inbox(4)] numbers: &Receiver<u32>) { numbers.recv().await; }
    /// let handle = scope.spawn(first());
    /// handle.numbers().send(1).await?;
    /// select! {
    ///     exit = handle.done() => assert!(exit.is_normal()),
    ///     _ = sleep(secs(60)) => panic!("too slow"),
    /// }
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn done(&self) -> Done {
        Done::new(self.task.acting().or_else(|| Some(self.task.clone())))
    }

    /// Waits until the process has ended, and is not started again. May be a branch of `select!`.
    ///
    /// Waiting may be given up at any moment: nothing else changes.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn echoes(#[inbox(4)] numbers: &Receiver<u32>) { while numbers.recv().await.is_some() {} }
    /// let handle = scope.supervise(echoes()).spawn();
    /// handle.numbers().send(1).await?;
    /// handle.stop();
    /// assert!(handle.closed().await.is_normal());         // it is not started again
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn closed(&self) -> Done {
        Done::new(Some(self.task.clone()))
    }

    /// Returns a task that can be awaited for the value of the process, which goes to the first who does.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn first(#[inbox(4)] numbers: &Receiver<u32>) -> Result<Option<u32>> { Ok(numbers.recv().await) }
    /// let handle = scope.spawn(first());
    /// handle.numbers().send(7).await?;
    /// assert_eq!(handle.task().await?, Some(7));
    /// # Ok(()) }) }
    /// ```
    pub fn task(&self) -> Task<O::Value>
    where
        O: IntoOutcome,
    {
        // SAFETY: the process's body returns an `O`, by the bound of `Spawn`.
        unsafe { Task::from_ref(self.task.clone()) }
    }

    /// Returns a handle that keeps no input open.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn reads(#[inbox(4)] numbers: &Receiver<u32>) { while numbers.recv().await.is_some() {} }
    /// let handle = scope.spawn(reads());
    /// let weak = handle.downgrade();
    /// let done = handle.done();
    /// drop(handle);                               // the last way to its input
    /// assert!(done.await.is_normal());
    /// assert!(weak.upgrade().is_none());
    /// # Ok(()) }) }
    /// ```
    pub fn downgrade(&self) -> WeakFnHandle<P, O> {
        WeakFnHandle {
            ports: Arc::downgrade(&self.ports),
            task: self.task.clone(),
            output: PhantomData,
        }
    }

    /// Returns the id of the process. Each incarnation of a supervised child has its own.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn reads(#[inbox(4)] numbers: &Receiver<u32>) { while numbers.recv().await.is_some() {} }
    /// let (one, other) = (scope.spawn(reads()), scope.spawn(reads()));
    /// assert_ne!(one.id(), other.id());
    /// # Ok(()) }) }
    /// ```
    pub fn id(&self) -> ProcessId {
        self.task
            .acting()
            .map_or_else(|| self.task.id(), |task| task.id())
    }

    /// Returns the name of the process.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn reads(#[inbox(4)] numbers: &Receiver<u32>) { while numbers.recv().await.is_some() {} }
    /// assert_eq!(scope.spawn(reads()).name(), "reads");
    /// # Ok(()) }) }
    /// ```
    pub fn name(&self) -> &'static str {
        self.task.slot().origin().name
    }

    /// Returns how the process ended, if it has.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn reads(#[inbox(4)] numbers: &Receiver<u32>) { while numbers.recv().await.is_some() {} }
    /// let handle = scope.spawn(reads());
    /// assert!(handle.exit().is_none(), "it lives");
    /// handle.stop();
    /// handle.done().await;
    /// assert!(handle.exit().is_some_and(|exit| exit.is_normal()));
    /// # Ok(()) }) }
    /// ```
    pub fn exit(&self) -> Option<Exit> {
        self.task.exit()
    }
}

impl<P, O> Clone for FnHandle<P, O> {
    fn clone(&self) -> Self {
        Self {
            ports: Arc::clone(&self.ports),
            task: self.task.clone(),
            output: PhantomData,
        }
    }
}

/// Two handles are equal if they lead to the same process, whatever its incarnation.
impl<P, O> PartialEq for FnHandle<P, O> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ports, &other.ports)
    }
}

impl<P, O> Eq for FnHandle<P, O> {}

impl<P, O> Hash for FnHandle<P, O> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.ports).addr().hash(state);
    }
}

impl<P, O> fmt::Debug for FnHandle<P, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(short) = here::short_process(|| Some(self.id())) {
            return f.write_str(&short);
        }
        f.debug_struct("FnHandle")
            .field("process", &self.name())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// A handle that keeps no input open; see [`FnHandle::downgrade`].
pub struct WeakFnHandle<Ports, Output> {
    ports: Weak<Ports>,
    task: TaskRef,
    output: PhantomData<fn() -> Output>,
}

impl<P, O> WeakFnHandle<P, O> {
    /// Returns a handle, if another one has kept the inputs open.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn reads(#[inbox(4)] numbers: &Receiver<u32>) { while numbers.recv().await.is_some() {} }
    /// let handle = scope.spawn(reads());
    /// let weak = handle.downgrade();
    /// let again = weak.upgrade().context("its input is open")?;
    /// assert_eq!(again.id(), handle.id());
    /// # Ok(()) }) }
    /// ```
    pub fn upgrade(&self) -> Option<FnHandle<P, O>> {
        let ports = self.ports.upgrade()?;
        Some(FnHandle {
            ports,
            task: self.task.clone(),
            output: PhantomData,
        })
    }
}

impl<P, O> Clone for WeakFnHandle<P, O> {
    fn clone(&self) -> Self {
        Self {
            ports: Weak::clone(&self.ports),
            task: self.task.clone(),
            output: PhantomData,
        }
    }
}

impl<P, O> fmt::Debug for WeakFnHandle<P, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(short) = here::short_process(|| Some(self.task.id())) {
            return write!(f, "WeakFnHandle({short})");
        }
        f.debug_struct("WeakFnHandle")
            .field("id", &self.task.id())
            .finish_non_exhaustive()
    }
}

/// The senders of a handle. A function, so that it is no method of the handle.
pub fn ports<P, O>(handle: &FnHandle<P, O>) -> &P {
    &handle.ports
}
