//! What makes the incarnations of a child, and keeps what survives them: arguments, or a mailbox.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::lineage::Lineage;
use super::table::drop_quietly;
use crate::channel::Receiver;
use crate::channel::endpoint::Endpoint;
use crate::process::call::Envelope;
use crate::process::exit::{Exit, Fault, IntoOutcome, Known, Outcome};
use crate::process::handle::{Handlers, StructProcess};
use crate::process::spawn::{Launcher, SpawnOptions};
use crate::process::structure;
use crate::scheduler::Scheduler;
use crate::scope::{Incarnation, Scope, ScopeInner, Whole};
use crate::sync::Lock;
use crate::task::cell;
use crate::task::registry::About;
use crate::task::{Task, TaskRef};

/// Makes incarnations of one child.
pub(super) trait Starter: Send {
    /// Makes an incarnation, which does not run yet. May panic: factories are user code.
    fn make(&mut self, lineage: &Arc<Lineage>);

    /// Whether anybody could still reach the next incarnation of a child that ended normally.
    fn is_wanted(&self) -> bool {
        true
    }

    /// Whether messages wait for the next incarnation in its mailbox, or in what it was lent once for all of them.
    fn has_messages(&self) -> bool;

    /// Whether handles lead to its mailbox.
    fn has_handles(&self) -> bool {
        false
    }

    /// Takes no new messages: the child is to end for good.
    fn refuse(&self, _scheduler: &Scheduler) {}

    /// Whether it is a function, which may wait for anything at all.
    fn is_function(&self) -> bool;

    /// The child is over: lets go what it kept, and fulfils its promise.
    fn settle(self: Box<Self>, exit: Exit);
}

/// The home of incarnations.
pub(super) struct Home<'a> {
    pub(super) lineage: &'a Arc<Lineage>,
}

impl Launcher for Home<'_> {
    const KEEPS: bool = true;

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
        let home = Incarnation::new(&scope.inner, self.lineage);
        let task = scope.inner.create_at(future, options, home);
        self.lineage.enter(task.task());
        task
    }
}

/// The home of incarnations that are ready after their first poll: functions.
pub(super) struct FunctionHome<'a>(pub(super) Home<'a>);

impl Launcher for FunctionHome<'_> {
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
        let announced = async move {
            let mut future = pin!(future);
            let mut first = true;
            poll_fn(|cx| {
                let polled = future.as_mut().poll(cx);
                if std::mem::replace(&mut first, false) && polled.is_pending() {
                    Lineage::ready();
                }
                polled
            })
            .await
        };
        self.0.create(scope, announced, options)
    }
}

/// The task of a child, which ends when the child is over. It is polled once, then.
pub(super) struct Promise<T: Send + 'static> {
    value: Arc<Lock<Option<Result<T, Fault>>>>,
    task: TaskRef,
}

impl<T: Send + 'static> Promise<T> {
    /// Makes the promise, and the task that everybody may await.
    pub(super) fn new(
        scope: &Arc<ScopeInner>,
        lineage: &Arc<Lineage>,
        options: &SpawnOptions,
    ) -> (Self, Task<T>) {
        let value = Arc::new(Lock::new(None));
        let slot = Arc::clone(&value);
        let future =
            async move { poll_fn(|_| slot.lock().take().map_or(Poll::Pending, Poll::Ready)).await };
        let about = |about: &mut About| options.tell(about);
        let home = Whole::new(scope, lineage);
        let task = cell::create(async move { Outcome(future.await) }, home, about);
        // Observers see the incarnations.
        task.task().slot().hide();
        lineage.set_whole(task.task().clone());
        let promise = Self {
            value,
            task: task.task().clone(),
        };
        (promise, task)
    }

    pub(super) fn task(&self) -> &TaskRef {
        &self.task
    }

    /// Ends the task.
    pub(super) fn fulfil(self, value: Result<T, Exit>) {
        let value = value.map_err(|exit| Fault::Known(Known(exit)));
        *self.value.lock() = Some(value);
        if self.task.scheduler().is_shut_down() {
            // No worker is left to do it.
            cell::step(self.task.header(), self.task.scheduler());
        } else {
            self.task.scheduler().schedule_new(self.task.header());
        }
    }
}

/// Makes incarnations of a function.
pub(super) struct FunctionStarter<T: Send + 'static, F> {
    pub(super) make: F,
    /// Whether messages wait in an input that it was lent.
    pub(super) has_messages: Box<dyn Fn() -> bool + Send>,
    pub(super) last: Option<Task<T>>,
    pub(super) promise: Promise<T>,
}

impl<T, F> Starter for FunctionStarter<T, F>
where
    T: Send + 'static,
    F: FnMut(&FunctionHome<'_>) -> Task<T> + Send + 'static,
{
    fn make(&mut self, lineage: &Arc<Lineage>) {
        // What the last incarnation returned is not wanted any more.
        drop_quietly(self.last.take());
        self.last = Some((self.make)(&FunctionHome(Home { lineage })));
    }

    fn has_messages(&self) -> bool {
        (self.has_messages)()
    }

    fn is_function(&self) -> bool {
        true
    }

    fn settle(self: Box<Self>, exit: Exit) {
        let Self {
            make,
            has_messages,
            last,
            promise,
        } = *self;
        let value = match exit {
            Exit::Ok => last.as_ref().and_then(Task::take).ok_or(Exit::Killed),
            exit => Err(exit),
        };
        drop_quietly(last);
        drop_quietly(has_messages);
        drop_quietly(make);
        promise.fulfil(value);
    }
}

/// Makes incarnations of a struct, and keeps their mailbox.
pub(super) struct StructStarter<P: Handlers + StructProcess + Send, F> {
    pub(super) factory: F,
    pub(super) scope: Scope,
    pub(super) options: SpawnOptions,
    /// Leads to the mailbox, and does not keep it open.
    pub(super) weak: Endpoint,
    /// Keeps the mailbox between two incarnations; nothing is ever received here.
    pub(super) mailbox: Receiver<Envelope<P::Message>>,
    pub(super) promise: Promise<()>,
}

impl<P, F> Starter for StructStarter<P, F>
where
    P: Handlers + StructProcess + Send,
    F: FnMut() -> P + Send + 'static,
{
    fn make(&mut self, lineage: &Arc<Lineage>) {
        let task = structure::create(
            (self.factory)(),
            &self.scope,
            self.options.clone(),
            &self.weak,
            self.mailbox.clone(),
            &Home { lineage },
        );
        self.weak.set_server(Some(task.task().id()));
    }

    fn is_wanted(&self) -> bool {
        self.has_handles() || self.has_messages()
    }

    fn has_messages(&self) -> bool {
        !self.mailbox.is_empty()
    }

    fn has_handles(&self) -> bool {
        !self.mailbox.is_closed()
    }

    fn refuse(&self, scheduler: &Scheduler) {
        // Whoever waits for room goes on, also one that was proven to wait for ever.
        let _stop = scheduler.proofs.stop_begins(scheduler);
        self.weak.refuse_all();
    }

    fn is_function(&self) -> bool {
        false
    }

    fn settle(self: Box<Self>, exit: Exit) {
        let Self {
            factory,
            weak,
            mailbox,
            promise,
            ..
        } = *self;
        // From now on the handles lead to how the child ended.
        weak.set_owner(promise.task().clone());
        weak.set_server(None);
        drop_quietly(mailbox);
        drop_quietly(factory);
        let value = match exit {
            Exit::Ok => Ok(()),
            exit => Err(exit),
        };
        promise.fulfil(value);
    }
}
