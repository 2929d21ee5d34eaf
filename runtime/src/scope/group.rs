//! A nursery: a body with a scope of its own, that ends when everything in it has ended.

use std::future::Future;
use std::sync::Arc;

use crate::error::{Result, is_consequence};
use crate::scope::{Scope, ScopeInner, stop};
use crate::task::current;

/// Stops the group's scope if the body's future is dropped half way: then nobody asks how it has failed.
struct Guard(Arc<ScopeInner>, bool);

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.1 {
            self.0.owner_is_gone();
        }
        if self.0.alive() > 0 {
            self.0.begin_stop(self.0.system.grace);
        }
    }
}

pub(crate) async fn run<T, F>(scope: &Scope, body: impl FnOnce(Scope) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let child = scope.child("group");
    child.inner.is_owned();
    let mut guard = Guard(Arc::clone(&child.inner), false);
    let deadline = child.deadline();
    let body = body(child);
    // Calls of the body inherit it like those of the processes in the group.
    let value = match deadline {
        Some(deadline) => current::under_deadline(Some(deadline), body).await,
        None => body.await,
    };
    guard.0.forget_names();
    if value.is_err() {
        guard.0.begin_stop(guard.0.system.grace);
    }
    stop::over(&guard.0).await;
    guard.1 = true;
    match (value, guard.0.result()) {
        // What failed first is the cause: a body often fails because its child did, by a closed channel or a join.
        (Err(error), Err(child)) => Err(if is_consequence(&error) { child } else { error }),
        (Err(error), Ok(())) | (Ok(_), Err(error)) => Err(error),
        (Ok(value), Ok(())) => Ok(value),
    }
}
