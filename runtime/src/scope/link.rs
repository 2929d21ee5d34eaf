//! Links: two processes that do not outlive each other's failure.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use crate::process::handle::Handle;
use crate::task::watch::Wait;
use crate::task::{Task, TaskRef};

/// Links two processes, unless one of them has ended normally.
fn link(one: Option<TaskRef>, other: Option<TaskRef>) {
    let (Some(one), Some(other)) = (one, other) else {
        return;
    };
    let Some(scope) = one.scope().or_else(|| other.scope()) else {
        return;
    };
    let system = Arc::clone(&scope.system);
    let _ = system.run_internally("link", async move {
        let mut waits = (Wait::new(one.clone()), Wait::new(other.clone()));
        let (exit, survivor) = poll_fn(|cx| {
            if let Poll::Ready(exit) = waits.0.poll_done(cx) {
                return Poll::Ready((exit, &other));
            }
            waits.1.poll_done(cx).map(|exit| (exit, &one))
        })
        .await;
        if !exit.is_normal() {
            tracing::debug!(
                target: "roundrock::process", process = survivor.slot().origin().name, process.id = survivor.id().raw(),
                reason = exit.kind(), "process.linked"
            );
            survivor.kill();
        }
    });
}

impl<P> Handle<P> {
    /// Links this process with another one: when one of the two fails, panics or is killed, the other one is killed. A normal
    /// end of either just ends the link, which works both ways and only once.
    ///
    /// Does not wait. If one has failed already, the other one is killed now. Linked are the present incarnations of supervised
    /// children: their supervisors then start both again.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Half;
    /// # #[handlers] impl Half { fn ping(&self) {} }
    /// let (one, other) = (scope.spawn_isolated(Half), scope.spawn_isolated(Half));
    /// one.link(&other);
    /// one.kill();
    /// assert_eq!(other.done().await.kind(), "killed");
    /// # Ok(()) }) }
    /// ```
    pub fn link<Q>(&self, other: &Handle<Q>) {
        link(self.mailbox.owner(), other.mailbox.owner());
    }
}

impl<T> Task<T> {
    /// Links this process with another one; see [`Handle::link`], whose processes `handle.task()` gives.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let (one, other) = (scope.child("one"), scope.child("other"));
    /// let one = one.task("one", async { sleep(secs(60)).await });
    /// let other = other.task("other", async { sleep(secs(60)).await });
    /// one.link(&other);
    /// one.kill();
    /// assert_eq!(other.done().await.kind(), "killed");
    /// # Ok(()) }) }
    /// ```
    pub fn link<U>(&self, other: &Task<U>) {
        // A child that is over has no incarnation, and ended as its last one did.
        let end = |task: &TaskRef| task.acting().or_else(|| Some(task.clone()));
        link(end(self.task()), end(other.task()));
    }
}
