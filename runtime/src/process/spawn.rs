//! How a process gets into a scope.

use std::panic::Location;

use crate::scope::Scope;
use crate::task::registry::Ports;

/// What can be spawned: the result of calling a `#[process]` function, or a struct with `#[process]` and `#[handlers]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a process",
    label = "expected a process",
    note = "mark the function with `#[process]`, or use `scope.task(\"name\", future)` for a one-off future",
    note = "put `#[process]` on the struct and `#[handlers]` on the `impl` whose methods other processes may call"
)]
pub trait Spawn: Sized {
    /// What leads to the process: a handle for a struct, a `Task` for a function.
    type Spawned;

    #[doc(hidden)]
    fn spawn_in(self, scope: &Scope, options: SpawnOptions) -> Self::Spawned;
}

/// What can be started several times: a process that takes all its arguments by reference, or a struct that is `Clone`.
pub trait Pool: Sized {
    /// What leads to the workers.
    type Pooled;

    #[doc(hidden)]
    fn pool_in(self, scope: &Scope, workers: usize, options: SpawnOptions) -> Self::Pooled;
}

/// What is known of a process before it runs.
#[derive(Debug, Clone, Copy)]
pub struct SpawnOptions {
    pub(crate) name: &'static str,
    pub(crate) site: &'static Location<'static>,
    pub(crate) isolated: bool,
    pub(crate) ports: Ports,
}

impl SpawnOptions {
    #[track_caller]
    pub(crate) fn here() -> Self {
        Self {
            name: "process",
            site: Location::caller(),
            isolated: false,
            ports: Ports::default(),
        }
    }

    pub(crate) fn isolated(self) -> Self {
        Self {
            isolated: true,
            ..self
        }
    }

    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}
