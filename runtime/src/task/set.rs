//! A set of tasks that are awaited in the order in which they end.
//!
//! Each task that is added gets a waker of its own, made once: it puts the number of the task into a queue and wakes who waits for
//! the set. Nobody's waker is cloned, so a set of 10,000 costs a wait of one.
//!
//! **Invariants**
//! - A task's number is in the queue once, from its end until it was taken out of the set.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use crate::channel::select::{ArmPoll, Event, Token};
use crate::numbered::Numbered;
use crate::process::exit::Exit;
use crate::sync::Lock;
use crate::task::registry::WaitKind;
use crate::task::waits;
use crate::task::waker::{self, TaskWaker};
use crate::task::watch::Wait;
use crate::task::{Task, asked, current};

/// Tasks that are awaited in the order in which they end.
///
/// Dropping the set neither detaches nor kills: the processes belong to their scopes.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let mut squares = JoinSet::new();
/// for n in 1..=3 {
///     squares.add(scope.task("square", async move { roundrock::Ok(n * n) }));
/// }
/// let mut sum = 0;
/// while let Some(square) = squares.join_next().await {
///     sum += square?;
/// }
/// assert_eq!(sum, 14);
/// # Ok(()) }) }
/// ```
pub struct JoinSet<T> {
    members: Numbered<Member<T>>,
    /// The scope of all members, if it is the same.
    scope: Option<u64>,
    ended: Arc<Ended>,
    next: u64,
}

struct Member<T> {
    task: Task<T>,
    /// Takes its registration back when the member is dropped.
    #[expect(dead_code, reason = "kept for its destructor")]
    wait: Wait,
}

/// Members that have ended, and who waits for one.
struct Ended(Lock<Queue>);

#[derive(Default)]
struct Queue {
    numbers: VecDeque<u64>,
    waker: Option<TaskWaker>,
}

/// The waker of one member.
struct Number {
    ended: Arc<Ended>,
    number: u64,
}

impl Ended {
    fn push(&self, number: u64) {
        let mut queue = self.0.lock();
        queue.numbers.push_back(number);
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Wake for Number {
    fn wake(self: Arc<Self>) {
        self.ended.push(self.number);
    }
}

impl<T> JoinSet<T> {
    /// Makes an empty set.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let mut set = JoinSet::new();
    /// set.add(scope.task("part", async { roundrock::Ok(1) }));
    /// assert_eq!(set.join_next().await.transpose()?, Some(1));
    /// # Ok(()) }) }
    /// ```
    pub fn new() -> Self {
        Self {
            members: Numbered::default(),
            scope: None,
            ended: Arc::new(Ended(Lock::new(Queue::default()))),
            next: 0,
        }
    }

    /// Adds a task, which may have ended already.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let mut set = JoinSet::new();
    /// for n in 1..=3 {
    ///     set.add(scope.task("number", async move { roundrock::Ok(n) }));
    /// }
    /// let mut sum = 0;
    /// while let Some(number) = set.join_next().await {
    ///     sum += number?;
    /// }
    /// assert_eq!(sum, 6);
    /// # Ok(()) }) }
    /// ```
    pub fn add(&mut self, task: Task<T>) {
        self.next += 1;
        let number = self.next;
        let waker = Waker::from(Arc::new(Number {
            ended: Arc::clone(&self.ended),
            number,
        }));
        let mut wait = Wait::new(task.task().clone());
        if wait.register(&Context::from_waker(&waker)).is_ready() {
            self.ended.push(number);
        }
        let scope = task.task().scope_id();
        if self.members.is_empty() {
            self.scope = scope;
        } else if self.scope != scope {
            self.scope = None;
        }
        self.members.insert(number, Member { task, wait });
    }

    /// Returns how many tasks are in the set: those that have not been given out by [`join_next`](Self::join_next).
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let mut set: JoinSet<()> = (0..3).map(|_| scope.task("part", async {})).collect();
    /// set.join_next().await;
    /// assert_eq!(set.len(), 2);
    /// # Ok(()) }) }
    /// ```
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns whether no task is left.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let mut set = JoinSet::new();
    /// assert!(set.is_empty());
    /// set.add(scope.task("part", async {}));
    /// assert!(!set.is_empty());
    /// # Ok(()) }) }
    /// ```
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Waits for the next task to end, takes it out of the set, and gives what awaiting it would give. `None` if the set is
    /// empty. May be a branch of `select!`, which is disabled while the set is empty.
    ///
    /// Cancellation: dropping the future loses nothing.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let mut set = JoinSet::new();
    /// for n in 0..3 {
    ///     set.add(scope.task("number", async move { roundrock::Ok(n) }));
    /// }
    /// assert_eq!(set.len(), 3);
    /// let mut numbers = Vec::new();
    /// while let Some(number) = set.join_next().await {
    ///     numbers.push(number?);                  // in the order in which they end
    /// }
    /// numbers.sort_unstable();
    /// assert_eq!(numbers, [0, 1, 2]);
    /// assert!(set.is_empty());
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn join_next(&mut self) -> JoinNext<'_, T> {
        let asked = asked::at(Location::caller(), 0);
        JoinNext { set: self, asked }
    }

    /// Drops all processes of the set at their current or next await. They stay in the set, and end as killed.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let mut set: JoinSet<()> = (0..3).map(|_| scope.task("idle", async { sleep(secs(60)).await })).collect();
    /// set.kill_all();
    /// while let Some(ended) = set.join_next().await {
    ///     assert_eq!(ended.expect_err("it was killed").kind(), "killed");
    /// }
    /// # Ok(()) }) }
    /// ```
    pub fn kill_all(&self) {
        for member in self.members.values() {
            member.task.kill();
        }
    }

    /// Waits until a member has ended; the set is not empty.
    fn poll_ended(&mut self, cx: &Context<'_>, asked: u32) -> Poll<()> {
        let _spare = waker::prepare(cx);
        let mut queue = self.ended.0.lock();
        if !queue.numbers.is_empty() {
            return Poll::Ready(());
        }
        let old = queue.waker.replace(TaskWaker::of(cx));
        drop(queue);
        drop(old);
        // If all are of one scope, any of them tells a stop whether they lie inside.
        let one = self.members.first().filter(|_| self.scope.is_some());
        let object = one.map_or(0, |member| member.task.task().id().raw());
        let members = self
            .members
            .values()
            .map(|member| member.task.task().id().raw());
        current::waits_for_one_of(WaitKind::Join, members, object);
        let members = self.members.values().take(waits::MOST);
        current::waits_in(members.map(|member| member.task.task().scheduler()));
        current::waits_at(asked);
        Poll::Pending
    }

    /// Takes out a member that has ended.
    fn take(&mut self) -> Option<Result<T, Exit>> {
        let number = self.ended.0.lock().numbers.pop_front()?;
        let task = self.members.remove(number)?.task;
        let exit = task.task().exit()?;
        Some(task.result(exit))
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Extend<Task<T>> for JoinSet<T> {
    fn extend<I: IntoIterator<Item = Task<T>>>(&mut self, tasks: I) {
        tasks.into_iter().for_each(|task| self.add(task));
    }
}

impl<T> FromIterator<Task<T>> for JoinSet<T> {
    fn from_iter<I: IntoIterator<Item = Task<T>>>(tasks: I) -> Self {
        let mut set = Self::new();
        set.extend(tasks);
        set
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Waits for the next task of a set; see [`JoinSet::join_next`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let mut set = JoinSet::new();
/// set.add(scope.task("work", async { roundrock::Ok(7) }));
/// select! {
///     value = set.join_next() => assert_eq!(value?, 7),
///     _ = sleep(secs(60)) => panic!("too slow"),
/// }
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct JoinNext<'a, T> {
    set: &'a mut JoinSet<T>,
    /// Where it is awaited.
    asked: u32,
}

impl<T> Drop for JoinNext<'_, T> {
    fn drop(&mut self) {
        let waker = self.set.ended.0.lock().waker.take();
        drop(waker);
    }
}

impl<T> Future for JoinNext<'_, T> {
    type Output = Option<Result<T, Exit>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(current::spend(cx, WaitKind::Join, || 0));
        if self.set.is_empty() {
            return Poll::Ready(None);
        }
        let asked = self.asked;
        ready!(self.set.poll_ended(cx, asked));
        Poll::Ready(self.set.take())
    }
}

impl<T> Event for JoinNext<'_, T> {
    type Output = Result<T, Exit>;

    fn poll_arm(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        token: &Token,
    ) -> ArmPoll<Self::Output> {
        if self.set.is_empty() {
            return ArmPoll::Disabled;
        }
        let asked = self.asked;
        // Nothing is taken before the token is claimed.
        match token.claimed(self.set.poll_ended(cx, asked)) {
            ArmPoll::Ready(()) => match self.set.take() {
                Some(result) => ArmPoll::Ready(result),
                None => unreachable!("a set that said it had one has it, and nobody else takes"),
            },
            ArmPoll::Passive => ArmPoll::Passive,
            ArmPoll::Disabled => ArmPoll::Disabled,
            ArmPoll::Pending => ArmPoll::Pending,
        }
    }
}
