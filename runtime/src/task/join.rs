//! References to a task: [`Task`] awaits its value, [`Done`] its end, [`TaskRef`] is the runtime's own.

#![expect(unsafe_code, reason = "a counted pointer to a type-erased cell")]

use std::any::Any;
use std::future::{Future, IntoFuture};
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, ready};

use crate::channel::select::{ArmPoll, Event, Token};
use crate::process::exit::Exit;
use crate::sim::{here, told};
use crate::sync::{Ordering, prefetch, prefetch_rest};
use crate::task::asked;
use crate::task::cell::{self, Header};
use crate::task::current;
use crate::task::registry::{ProcessId, WaitKind};
use crate::task::state::{Notify, REFERENCE};
use crate::task::watch::{Registration, Wait};

/// Bytes of a small cell.
const CELL: usize = 192;

/// A counted reference to a task, of the runtime's own.
pub(crate) struct TaskRef(NonNull<Header>);

// SAFETY: the header is `Sync` and the count is atomic.
unsafe impl Send for TaskRef {}
// SAFETY: as above.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    /// # Safety
    /// `header` lives, and the caller hands over one counted reference.
    pub(crate) unsafe fn from_raw(header: NonNull<Header>) -> Self {
        Self(header)
    }

    /// # Safety
    /// `header` lives during the call.
    pub(crate) unsafe fn retained(header: NonNull<Header>) -> Self {
        // SAFETY: by contract.
        unsafe { header.as_ref() }.state.retain();
        Self(header)
    }

    /// Asks for what is needed to take the value of the task and free it.
    #[inline]
    fn prefetch(&self) {
        prefetch_rest(self.0.as_ptr().cast_const(), CELL);
        prefetch(self.slot());
    }

    #[inline]
    pub(crate) fn header(&self) -> NonNull<Header> {
        self.0
    }

    /// Wakes the task and gives up this reference.
    #[inline]
    pub(crate) fn wake(self) {
        let header = std::mem::ManuallyDrop::new(self).0;
        // SAFETY: the reference that is being given up keeps the cell alive until the state has changed.
        let task = unsafe { header.as_ref() };
        match task.state.notify_and_release() {
            // Nobody else may run or finish it before it is queued, so it still lives.
            Notify::Queue => task.scheduler().schedule(header),
            Notify::Nothing => {}
            // SAFETY: that was the last reference.
            Notify::Free => unsafe { cell::free(header) },
        }
    }

    /// The process that acts for this task now: the present incarnation, if this belongs to a supervised child.
    pub(crate) fn acting(&self) -> Option<Self> {
        match self.lineage() {
            None => Some(self.clone()),
            Some(lineage) => lineage.current(),
        }
    }

    /// The task that ends when this process will not come back: that of the child, if this belongs to a supervised one.
    pub(crate) fn whole(&self) -> Self {
        let whole = self.lineage().and_then(|lineage| lineage.whole());
        whole.unwrap_or_else(|| self.clone())
    }

    /// As users stop a process: it sees the end of all of its inputs. If this belongs to a supervised child, the child is stopped.
    pub(crate) fn stop_process(&self) {
        told::ends("stops", self);
        match self.lineage() {
            Some(lineage) => lineage.stop(),
            None => self.end_input(0),
        }
    }

    /// Asks for the future to be dropped at its next step.
    pub(crate) fn kill(&self) {
        let _stop = self.scheduler().proofs.stop_begins(self.scheduler());
        if self.state.kill() == Notify::Queue {
            self.scheduler().schedule(self.0);
        }
    }

    /// As [`kill`](Self::kill), of the process that acts for this task, as its users ask for it.
    pub(crate) fn kill_process(&self) {
        match self.lineage() {
            Some(lineage) => lineage.kill(),
            None => {
                told::ends("kills", self);
                self.kill();
            }
        }
    }

    /// The number of the scope that it belongs to; of the task of a supervised child, that of its incarnations.
    pub(crate) fn scope_id(&self) -> Option<u64> {
        Some(self.acting()?.scope()?.id)
    }

    /// Tells the task how far the stop of its scope has come: `current::STOPPING` or `current::CLOSING`.
    pub(crate) fn mark(&self, flag: u32) {
        let _stop = self.scheduler().proofs.stop_begins(self.scheduler());
        // ORDERING: AcqRel: the scope's flag was set before; the task reads this one at its next poll.
        let before = self.slot().line.flags.fetch_or(flag, Ordering::AcqRel);
        if before & flag == 0 {
            self.clone().wake();
        }
    }

    /// Tells the task that it stops, and shows it the end of an input, once that is empty; zero means all inputs.
    pub(crate) fn end_input(&self, object: u64) {
        let _stop = self.scheduler().proofs.stop_begins(self.scheduler());
        let told = current::STOPPING | current::ENDED | current::told_of(object);
        let flags = &self.slot().line.flags;
        // ORDERING: Relaxed: only the first guess.
        let mut seen = flags.load(Ordering::Relaxed);
        loop {
            let next = (seen & !current::TOLD) | told;
            // ORDERING: Release: what the stop did before is visible to the task, which reads the flags at its next poll.
            match flags.compare_exchange_weak(seen, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        self.clone().wake();
    }

    pub(crate) fn id(&self) -> ProcessId {
        self.slot().id()
    }

    /// Forgets those who wait for the end: a mistake, to see it found.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn forget_watchers(&self) {
        use crate::task::ending::Watch;
        use crate::task::watch::Watchers;
        let forgotten = match &mut *self.ending.change() {
            Watch::Awaited(watchers) => std::mem::take(watchers),
            Watch::Ended(..) => Watchers::None,
        };
        drop(forgotten);
    }
}

impl Deref for TaskRef {
    type Target = Header;

    #[inline]
    fn deref(&self) -> &Header {
        // SAFETY: this reference keeps the cell alive.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> Self {
        self.state.retain();
        Self(self.0)
    }
}

impl Drop for TaskRef {
    #[inline]
    fn drop(&mut self) {
        if !current::count_for(self.0, -REFERENCE) && self.state.release() {
            // SAFETY: that was the last reference.
            unsafe { cell::free(self.0) };
        }
    }
}

impl std::fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TaskRef({})", self.id())
    }
}

/// A running process and the value it will return.
///
/// Awaiting it gives the value, or the [`Exit`] that kept the process from returning one. Dropping a `Task` neither detaches
/// nor kills the process: it belongs to its scope.
///
/// A process may end in good order without a value: it *stopped*, because the other side of a channel was gone ([`Exit::Stopped`]). If
/// it has none to give, as a `Task<()>`, then awaiting it gives `Ok(())`: who waits for its end only has nothing to handle. A `Task`
/// of another type gives `Err(Exit::Stopped)`, for there is no value. A process that was spawned into a scope that stops never ran, and
/// awaiting it gives `Err(Exit::Stopped)` too. [`done`](Self::done) tells all of these apart.
///
/// Cancellation: dropping the future of an `.await` has no effect on the process; the value is then lost.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let task = scope.task("answer", async { roundrock::Ok(6 * 7) });
/// assert_eq!(task.await?, 42);
///
/// let task = scope.task("idle", async { sleep(secs(60)).await });
/// task.kill();
/// assert_eq!(task.done().await.kind(), "killed");
///
/// let (results, out) = bounded(1);
/// drop(out);
/// let task = scope.task("writer", async move { results.send(1).await });
/// assert_eq!(task.done().await.kind(), "stopped");    // nobody wants its results
/// task.await?;                                        // which is the end of its work, and no failure
/// # Ok(()) }) }
/// ```
pub struct Task<T> {
    task: TaskRef,
    /// How to get the value once the task is done.
    take: fn(&TaskRef) -> Option<T>,
}

impl<T: 'static> Task<T> {
    /// # Safety
    /// As for [`TaskRef::from_raw`]; `T` is the type of the task's value.
    pub(crate) unsafe fn from_raw(header: NonNull<Header>) -> Self {
        // SAFETY: by contract.
        let task = unsafe { TaskRef::from_raw(header) };
        // SAFETY: by contract.
        unsafe { Self::from_ref(task) }
    }

    /// # Safety
    /// `T` is the type of the task's value.
    pub(crate) unsafe fn from_ref(task: TaskRef) -> Self {
        let take = |task: &TaskRef| {
            // SAFETY: the task is done when this is called, and `T` is the type of its value.
            let value = unsafe { cell::take_output::<T>(task.header()) };
            value.or_else(|| nothing_to_give(task))
        };
        Self { task, take }
    }
}

/// Whether the process was polled, and stopped: one that was spawned too late is killed before, and counts as stopped too.
fn has_stopped(task: &TaskRef) -> bool {
    matches!(task.exit(), Some(Exit::Stopped)) && !task.state.is_killed()
}

/// The value of a process that has none to give, and stopped when its work was over: `()`. One that never ran has done nothing.
#[cold]
fn nothing_to_give<T: 'static>(task: &TaskRef) -> Option<T> {
    let mut nothing = has_stopped(task).then_some(());
    <dyn Any>::downcast_mut::<Option<T>>(&mut nothing)?.take()
}

impl<T> Task<T> {
    pub(crate) fn task(&self) -> &TaskRef {
        &self.task
    }

    /// Returns the id of the process; of a supervised child that of its present or last incarnation.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let (one, other) = (scope.task("part", async {}), scope.task("part", async {}));
    /// assert_ne!(one.id(), other.id());                   // also when they have ended
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
    /// assert_eq!(scope.task("part", async {}).name(), "part");
    /// # Ok(()) }) }
    /// ```
    pub fn name(&self) -> &'static str {
        self.task.slot().origin().name
    }

    /// Returns how the process ended, if it has. A supervised child has ended when it will not be started again.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let (go, wait) = oneshot::<()>();
    /// let task = scope.task("part", async move { wait.recv().await; });
    /// assert!(task.exit().is_none(), "it waits");
    /// go.finish();
    /// task.done().await;
    /// assert!(task.exit().is_some_and(|exit| exit.is_normal()));
    /// # Ok(()) }) }
    /// ```
    pub fn exit(&self) -> Option<Exit> {
        self.task.exit()
    }

    /// Waits until the process has ended, and says how. May be used any number of times, also as a branch of `select!`.
    ///
    /// This is a monitor: each gives exactly one notice, also when it was made after the end. A supervised child has ended
    /// when it will not be started again.
    ///
    /// Waiting may be given up at any moment: nothing else changes.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let task = scope.task("work", async { roundrock::Ok(1) });
    /// select! {
    ///     exit = task.done() => assert!(exit.is_normal()),
    ///     _ = sleep(secs(60)) => panic!("too slow"),
    /// }
    /// assert_eq!(task.await?, 1);                         // the value is still there
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn done(&self) -> Done {
        Done::new(Some(self.task.clone()))
    }

    /// Ends the process in good order, without waiting for that: it sees the end of its inputs when it has drained them.
    ///
    /// Whoever else receives from the same channels goes on, and their senders notice nothing; a process that waits for something
    /// else than an input does so as before. To refuse new messages, to stop several processes stage by stage, or with a grace, stop
    /// their scope: [`Scope::stop`](crate::Scope::stop). A supervised child that is transient or temporary is not started again
    /// afterwards, for that is a normal end; a permanent one is.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// #[process]
    /// async fn sum(numbers: &Receiver<u64>) -> Result<u64> {
    ///     let mut sum = 0;
    ///     while let Some(n) = numbers.recv().await {
    ///         sum += n;
    ///     }
    ///     Ok(sum)
    /// }
    ///
    /// let (numbers, inbox) = bounded(4);
    /// let task = scope.spawn(sum(inbox));
    /// numbers.send(3).await?;
    /// numbers.send(4).await?;
    /// task.stop();                        // though `numbers` could still send
    /// assert_eq!(task.await?, 7);         // what was queued is counted in
    /// # Ok(()) }) }
    /// ```
    pub fn stop(&self) {
        self.task.stop_process();
    }

    /// Drops the process's future at its current or next await, without waiting for it. Of a supervised child this is the
    /// present incarnation, and the supervisor decides what follows; [`Handle::kill`](crate::process::Handle::kill) says what a kill
    /// between two incarnations means.
    ///
    /// In a loop of operations that have not to wait, it acts after eight of them at the latest.
    ///
    /// A process that shall end in good order is told to [`stop`](Self::stop).
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn sleeper() { sleep(secs(3600)).await }
    /// let task = scope.spawn_isolated(sleeper());
    /// assert_eq!((task.name(), task.exit().is_none()), ("sleeper", true));
    /// task.kill();
    /// assert_eq!(task.await.expect_err("it was killed").kind(), "killed");
    /// # Ok(()) }) }
    /// ```
    pub fn kill(&self) {
        self.task.kill_process();
    }
}

impl<T> Task<T> {
    /// What awaiting it gives, for a task that ended so.
    pub(crate) fn result(&self, exit: Exit) -> Result<T, Exit> {
        match (exit, (self.take)(&self.task)) {
            (Exit::Ok | Exit::Stopped, Some(value)) => Ok(value),
            (exit, _) => Err(exit),
        }
    }

    /// Takes the value, if there is one.
    pub(crate) fn take(&self) -> Option<T> {
        if self.task.state.is_done() {
            (self.take)(&self.task)
        } else {
            None
        }
    }
}

impl Task<()> {
    /// A task for the end of a process, which any number may watch.
    pub(crate) fn watching(task: TaskRef) -> Self {
        Self {
            task,
            take: |task| match task.exit() {
                Some(Exit::Stopped) => has_stopped(task).then_some(()),
                _ => Some(()),
            },
        }
    }
}

impl<T> std::fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(short) = here::short_process(|| Some(self.id())) {
            return write!(f, "Task({short})");
        }
        f.debug_struct("Task")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("exit", &self.exit())
            .finish()
    }
}

impl<T> IntoFuture for Task<T> {
    type Output = Result<T, Exit>;
    type IntoFuture = Join<T>;

    #[track_caller]
    fn into_future(self) -> Join<T> {
        Join {
            registration: Registration::at(asked::at(Location::caller(), 0)),
            task: self,
        }
    }
}

/// Waits for the value of a [`Task`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let task = scope.task("work", async { roundrock::Ok(7) });
/// assert_eq!(task.into_future().await?, 7);   // what `task.await` does
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Join<T> {
    registration: Registration,
    task: Task<T>,
}

impl<T> Drop for Join<T> {
    fn drop(&mut self) {
        self.registration.leave(&self.task.task);
    }
}

impl<T> Future for Join<T> {
    type Output = Result<T, Exit>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.task.task.prefetch();
        ready!(current::spend(cx, WaitKind::Join, || this
            .task
            .task
            .id()
            .raw()));
        let exit = ready!(this.registration.poll_done(&this.task.task, cx));
        Poll::Ready(this.task.result(exit))
    }
}

/// Waits for the end of a process.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let task = scope.task("work", async {});
/// let done = task.done();
/// let again = done.clone();                   // each is told once
/// assert!(done.await.is_normal() && again.await.is_normal());
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "futures do nothing unless awaited"]
pub struct Done {
    /// `None`: there is no such process, so it has ended.
    wait: Option<Wait>,
}

impl Done {
    #[track_caller]
    pub(crate) fn new(task: Option<TaskRef>) -> Self {
        let asked = asked::at(Location::caller(), 0);
        Self {
            wait: task.map(|task| Wait::at(task, asked)),
        }
    }

    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        let Some(wait) = &mut self.wait else {
            return Poll::Ready(Exit::Killed);
        };
        let polled = wait.poll_done(cx);
        if polled.is_pending() {
            current::monitors();
        }
        polled
    }
}

impl Future for Done {
    type Output = Exit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Exit> {
        ready!(current::spend(cx, WaitKind::Join, || self
            .wait
            .as_ref()
            .map_or(0, Wait::object)));
        self.poll_done(cx)
    }
}

impl Event for Done {
    type Output = Exit;

    fn poll_arm(mut self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<Exit> {
        token.claimed(self.poll_done(cx))
    }
}
