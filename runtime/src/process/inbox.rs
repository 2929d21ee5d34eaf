//! Handles to function processes that have an input of their own.

#![expect(unsafe_code, reason = "a handle knows the type of its process's value")]

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::{Arc, Weak};

use crate::process::exit::{Exit, IntoOutcome};
use crate::sim::told;
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
    pub fn stop(&self) {
        told::ends("stops", &self.task);
        match self.task.lineage() {
            Some(lineage) => lineage.stop(),
            None => self.task.end_input(0),
        }
    }

    /// Drops the process at its current or next await. A supervised child is killed in its present incarnation, and its
    /// supervisor decides what follows.
    pub fn kill(&self) {
        if let Some(task) = self.task.acting() {
            told::ends("kills", &task);
            task.kill();
        }
    }

    /// Waits until the process has ended, and says how. May be a branch of `select!`. Of a supervised child this is the end of
    /// its present incarnation; [`closed`](Self::closed) waits until none will follow.
    #[track_caller]
    pub fn done(&self) -> Done {
        Done::new(self.task.acting().or_else(|| Some(self.task.clone())))
    }

    /// Waits until the process has ended, and is not started again. May be a branch of `select!`.
    #[track_caller]
    pub fn closed(&self) -> Done {
        Done::new(Some(self.task.clone()))
    }

    /// Returns a task that can be awaited for the value of the process, which goes to the first who does.
    pub fn task(&self) -> Task<O::Value>
    where
        O: IntoOutcome,
    {
        // SAFETY: the process's body returns an `O`, by the bound of `Spawn`.
        unsafe { Task::from_ref(self.task.clone()) }
    }

    /// Returns a handle that keeps no input open.
    pub fn downgrade(&self) -> WeakFnHandle<P, O> {
        WeakFnHandle {
            ports: Arc::downgrade(&self.ports),
            task: self.task.clone(),
            output: PhantomData,
        }
    }

    /// Returns the id of the process. Each incarnation of a supervised child has its own.
    pub fn id(&self) -> ProcessId {
        self.task
            .acting()
            .map_or_else(|| self.task.id(), |task| task.id())
    }

    /// Returns the name of the process.
    pub fn name(&self) -> &'static str {
        self.task.slot().origin().name
    }

    /// Returns how the process ended, if it has.
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
        f.debug_struct("WeakFnHandle")
            .field("id", &self.task.id())
            .finish_non_exhaustive()
    }
}

/// The senders of a handle. A function, so that it is no method of the handle.
pub fn ports<P, O>(handle: &FnHandle<P, O>) -> &P {
    &handle.ports
}
