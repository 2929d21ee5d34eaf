//! The context of a process: what its body or its handlers may ask of their surroundings.

#![expect(
    unsafe_code,
    reason = "the untyped view of a context is the same value"
)]

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Instant;

use crate::channel::account::{Item, Loss};
use crate::channel::dead::Dead;
use crate::process::caller::{CallerGone, Presence};
use crate::process::exit::Fault;
use crate::process::extra::TraceContext;
use crate::process::function::held_scope;
use crate::process::handle::{StructProcess, WeakHandle};
use crate::process::then::Jobs;
use crate::scope::{Scope, ScopeInner};
use crate::task::{ProcessId, current};

/// The fields of the process can hold endpoints.
const TRACED: u8 = 1;
/// There is work beside the handlers.
const JOBS: u8 = 2;

/// The context of a process. Handlers take it as `cx: &mut Cx`, or as `cx: &mut Cx<Self>` where they need their own handle.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// /// Lets itself be used three times.
/// #[process]
/// struct Ticket { left: u32 }
///
/// #[handlers]
/// impl Ticket {
///     fn stamp(&mut self, cx: &mut Cx) -> u32 {
///         self.left -= 1;
///         if self.left == 0 {
///             cx.stop();
///         }
///         self.left
///     }
/// }
///
/// let ticket = scope.spawn(Ticket { left: 3 });
/// while ticket.stamp().await? > 0 {}
/// assert!(ticket.done().await.is_normal());
/// assert_eq!(ticket.stamp().await, Err(CallError::Gone));
/// # Ok(()) }) }
/// ```
#[repr(transparent)]
pub struct Cx<P = ()> {
    inner: Inner,
    process: PhantomData<fn() -> P>,
}

struct Inner {
    scope: Arc<ScopeInner>,
    id: Option<ProcessId>,
    deadline: Option<Instant>,
    caller: Option<ProcessId>,
    /// What few processes have.
    rare: Option<Box<Rare>>,
    incarnation: u32,
    stop: bool,
    /// The handler that runs, by number, and whether its message came from the mailbox.
    handling: Option<(u8, bool)>,
    /// [`TRACED`] and [`JOBS`], together: for most processes they are zero.
    special: u8,
    fault: Option<Fault>,
    /// A [`WeakHandle`] of the process, if it is a struct.
    me: Option<WeakHandle<()>>,
}

/// What only handlers that have a context need.
#[derive(Default)]
struct Rare {
    /// Whether somebody waits for the answer of the handler that runs.
    present: Option<Arc<Presence>>,
    /// The trace of the message that is handled.
    trace: Option<TraceContext>,
    /// The [`Jobs`] of the process, whose type is not known here.
    jobs: Option<Box<dyn Any + Send>>,
}

/// A context that goes while a message is being handled: its handler panicked, or the process was killed in it.
impl Drop for Inner {
    fn drop(&mut self) {
        if let Some((handler, from_mailbox)) = self.handling
            && let Some(me) = &self.me
        {
            let loss = match from_mailbox {
                true => Loss::Late(Dead::Crashed),
                false => Loss::Elsewhere(Dead::Crashed),
            };
            let caller = self.caller.map_or(0, ProcessId::raw);
            me.mailbox().lose(loss, Item::Handler(handler), caller);
        }
    }
}

impl<P> Cx<P> {
    pub(crate) fn new(scope: Arc<ScopeInner>, me: Option<WeakHandle<()>>) -> Self {
        let (id, incarnation) = current::with_task(|task| match task {
            Some(task) => {
                let incarnation = task.lineage().map_or(0, |lineage| lineage.incarnation());
                (Some(task.slot().id()), incarnation)
            }
            None => (None, 0),
        });
        let inner = Inner {
            scope,
            id,
            deadline: None,
            caller: None,
            rare: None,
            incarnation,
            stop: false,
            handling: None,
            special: 0,
            fault: None,
            me,
        };
        Self {
            inner,
            process: PhantomData,
        }
    }

    /// Says whether the fields of the process can hold endpoints.
    pub(crate) fn traced(mut self, traced: bool) -> Self {
        self.inner.special = if traced { TRACED } else { 0 };
        self
    }

    /// Whether the fields of the process hold no endpoints, and nothing runs beside its handlers.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.inner.special == 0
    }

    pub(crate) fn is_traced(&self) -> bool {
        self.inner.special & TRACED != 0
    }

    pub(crate) fn has_jobs(&self) -> bool {
        self.inner.special & JOBS != 0
    }

    /// Says who waits for the answer of the handler that is about to run.
    pub(super) fn set_present(&mut self, present: Option<Arc<Presence>>) {
        if present.is_some() {
            self.inner.rare.get_or_insert_default().present = present;
        }
    }

    /// Says which trace the message belongs to whose handler is about to run.
    #[cold]
    pub(super) fn set_trace(&mut self, trace: Option<TraceContext>) {
        if trace.is_some() || self.inner.rare.is_some() {
            self.inner.rare.get_or_insert_default().trace = trace;
        }
    }

    /// Nobody waits for what runs next.
    #[inline]
    pub(super) fn take_present(&mut self) -> Option<Arc<Presence>> {
        self.inner.rare.as_mut()?.present.take()
    }

    /// The same context without the type of the process.
    pub fn untyped(&mut self) -> &mut Cx<()> {
        // SAFETY: `Cx` is transparent over `Inner` whatever `P` is, and the borrow is handed on.
        unsafe { &mut *std::ptr::from_mut(self).cast::<Cx<()>>() }
    }

    /// Returns the scope that the process belongs to.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// #[process]
    /// struct Parent;
    ///
    /// #[handlers]
    /// impl Parent {
    ///     /// Starts a process beside this one.
    ///     fn begin(&mut self, cx: &mut Cx) {
    ///         cx.scope().task("child", async {});
    ///     }
    /// }
    ///
    /// scope.spawn(Parent).begin().await?;
    /// # Ok(()) }) }
    /// ```
    pub fn scope(&self) -> Scope {
        Scope::from_inner(Arc::clone(&self.inner.scope))
    }

    /// Ends the process after the present handler: messages that are queued then go back to their callers as `Gone`.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// #[process]
    /// struct Countdown { left: u32 }
    ///
    /// #[handlers]
    /// impl Countdown {
    ///     fn step(&mut self, cx: &mut Cx) -> u32 {
    ///         self.left -= 1;
    ///         if self.left == 0 {
    ///             cx.stop();
    ///         }
    ///         self.left
    ///     }
    /// }
    ///
    /// let countdown = scope.spawn(Countdown { left: 2 });
    /// assert_eq!(countdown.step().await?, 1);
    /// assert_eq!(countdown.step().await?, 0);             // it is answered,
    /// assert!(countdown.done().await.is_normal());        // and the process ends
    /// # Ok(()) }) }
    /// ```
    pub fn stop(&mut self) {
        self.inner.stop = true;
    }

    /// Fails the process after the present handler.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// #[process]
    /// struct Sensor;
    ///
    /// #[handlers]
    /// impl Sensor {
    ///     fn report(&mut self, degrees: i32, cx: &mut Cx) -> bool {
    ///         if degrees > 1000 {
    ///             cx.fail(roundrock::Fault::error("the sensor is broken"));
    ///         }
    ///         degrees <= 1000
    ///     }
    /// }
    ///
    /// let sensor = scope.spawn_isolated(Sensor);
    /// assert!(!sensor.report(2000).await?);               // the caller is answered
    /// let exit = sensor.done().await;
    /// assert_eq!(exit.to_string(), "it failed: the sensor is broken");
    /// # Ok(()) }) }
    /// ```
    pub fn fail(&mut self, fault: Fault) {
        self.inner.fault.get_or_insert(fault);
        self.inner.stop = true;
    }

    /// Returns when the present message must have been handled, if its caller or the scope said so.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// #[process]
    /// struct Search;
    ///
    /// #[handlers]
    /// impl Search {
    ///     /// How much time its caller gives it.
    ///     fn time_left(&self, cx: &mut Cx) -> Option<Duration> {
    ///         Some(cx.deadline()?.saturating_duration_since(roundrock::time::now()))
    ///     }
    /// }
    ///
    /// let search = scope.spawn(Search);
    /// assert_eq!(search.time_left().await?, None);
    /// let left = search.time_left().within(secs(60)).await?;
    /// assert!(left.is_some_and(|left| left <= secs(60)));
    /// # Ok(()) }) }
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        match (self.inner.deadline, self.inner.scope.deadline()) {
            (Some(message), Some(scope)) => Some(message.min(scope)),
            (message, scope) => message.or(scope),
        }
    }

    /// Returns the id of the process.
    ///
    /// # Panics
    /// If the context was taken out of its process.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// #[process]
    /// struct Guest;
    ///
    /// #[handlers]
    /// impl Guest {
    ///     fn who(&self, cx: &mut Cx) -> roundrock::ProcessId { cx.id() }
    /// }
    ///
    /// let guest = scope.spawn(Guest);
    /// assert_eq!(Some(guest.who().await?), guest.id());
    /// # Ok(()) }) }
    /// ```
    pub fn id(&self) -> ProcessId {
        self.inner
            .id
            .unwrap_or_else(|| panic!("a context belongs to a running process"))
    }

    /// Returns how often the process was restarted: 0 in the first incarnation of a supervised child, and in every other process.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// #[process]
    /// struct Phoenix;
    ///
    /// #[handlers]
    /// impl Phoenix {
    ///     fn lives(&self, cx: &mut Cx) -> u32 { cx.incarnation() }
    /// }
    ///
    /// let phoenix = scope.supervise(|| Phoenix).backoff(millis(1)..millis(2)).spawn();
    /// assert_eq!(phoenix.lives().await?, 0);
    /// let done = phoenix.done();
    /// phoenix.kill();
    /// done.await;
    /// assert_eq!(phoenix.lives().await?, 1);
    /// # phoenix.stop();
    /// # Ok(()) }) }
    /// ```
    pub fn incarnation(&self) -> u32 {
        self.inner.incarnation
    }

    /// Returns the process that sent the present message; `None` if it came from outside, or through a port.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # use roundrock::ProcessId;
    /// #[process]
    /// struct Guest;
    ///
    /// #[handlers]
    /// impl Guest {
    ///     fn who(&self, cx: &mut Cx) -> Option<ProcessId> {
    ///         cx.caller()
    ///     }
    /// }
    ///
    /// let guest = scope.spawn(Guest);
    /// assert!(guest.who().await?.is_some(), "the body of `run` is a process too");
    /// # Ok(()) }) }
    /// ```
    pub fn caller(&self) -> Option<ProcessId> {
        self.inner.caller
    }

    /// Returns the trace that the present message carries, if its caller gave it one with
    /// [`traced`](super::Call::traced).
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// use roundrock::process::TraceContext;
    ///
    /// #[process]
    /// struct Front { store: StoreHandle }
    ///
    /// #[handlers]
    /// impl Front {
    ///     async fn get(&mut self, key: u32, cx: &mut Cx) -> Option<u64> {
    ///         let call = self.store.get(key);
    ///         match cx.trace() {
    ///             Some(trace) => call.traced(trace).await.ok()?,      // the same trace
    ///             None => call.await.ok()?,
    ///         }
    ///     }
    /// }
    ///
    /// #[process]
    /// struct Store;
    ///
    /// #[handlers]
    /// impl Store {
    ///     fn get(&mut self, _key: u32, cx: &mut Cx) -> Option<u64> { cx.trace().map(|trace| trace.span) }
    /// }
    ///
    /// let front = scope.spawn(Front { store: scope.spawn(Store) });
    /// assert_eq!(front.get(1).traced(TraceContext::new(7, 3)).await?, Some(3));
    /// assert_eq!(front.get(1).await?, None);
    /// # Ok(()) }) }
    /// ```
    pub fn trace(&self) -> Option<TraceContext> {
        self.inner.rare.as_ref()?.trace
    }

    /// Returns the number of the present message in its mailbox, from 1: no other one of this mailbox has it. It goes on over the
    /// restarts of a supervised child. `None` for what did not come through the mailbox (a `#[recv]` input, a tick), and in a pool,
    /// whose processes share a mailbox.
    ///
    /// The numbers are those that the mailbox counts by in any case, so a message carries none; asking takes its lock for a moment.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// #[process]
    /// struct Journal { lines: Vec<String> }
    ///
    /// #[handlers]
    /// impl Journal {
    ///     fn write(&mut self, text: String, cx: &mut Cx) {
    ///         let number = cx.number().unwrap_or_default();
    ///         self.lines.push(format!("{number}: {text}"));
    ///     }
    ///     fn lines(&self) -> Vec<String> { self.lines.clone() }
    /// }
    ///
    /// let journal = scope.spawn(Journal { lines: Vec::new() });
    /// journal.write("begun".to_owned()).await?;
    /// journal.write("done".to_owned()).await?;
    /// assert_eq!(journal.lines().await?, ["1: begun", "2: done"]);
    /// # Ok(()) }) }
    /// ```
    pub fn number(&self) -> Option<u64> {
        let (_, true) = self.inner.handling? else {
            return None;
        };
        let me = self.inner.me.as_ref()?;
        // What nobody else receives from has handed this one out last.
        let mailbox = me.mailbox();
        (mailbox.server() != 0).then(|| mailbox.received())
    }

    /// Waits until nobody waits for the answer to the present message any more: its caller gave up, was stopped or crashed, or has
    /// its answer. May be a branch of `select!`, clones mean the same caller, and it may be kept when the handler has returned:
    /// with a [`Reply`](super::Reply), say.
    ///
    /// A message that nobody waits for never had a caller that could go, so this never completes: one that came through
    /// `send`, `send_and_forget` or a port, one of a `#[recv]` input, or a tick.
    ///
    /// A handler runs to its end when its caller has gone, because it holds the state: this is how it learns that it may end
    /// early. Cancellation: dropping the future has no effect.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// /// Searches for as long as somebody wants the result.
    /// #[process]
    /// struct Search { given_up: u32 }
    ///
    /// #[handlers]
    /// impl Search {
    ///     async fn look_for(&mut self, _what: String, cx: &mut Cx) -> Option<u64> {
    ///         select! {
    ///             _ = sleep(secs(3600)) => Some(42),          // stands for work that takes long
    ///             _ = cx.caller_gone() => {
    ///                 self.given_up += 1;
    ///                 None
    ///             }
    ///         }
    ///     }
    ///     fn given_up(&self) -> u32 { self.given_up }
    /// }
    ///
    /// let search = scope.spawn(Search { given_up: 0 });
    /// let late = search.look_for("a needle".to_owned()).within(millis(5)).await;
    /// assert_eq!(late, Err(CallError::Deadline));
    /// assert_eq!(search.given_up().await?, 1);        // it did not search for an hour
    /// # Ok(()) }) }
    /// ```
    pub fn caller_gone(&self) -> CallerGone {
        let rare = self.inner.rare.as_ref();
        let present = rare.and_then(|rare| rare.present.clone());
        let process = self.inner.caller.filter(|_| present.is_some());
        CallerGone::of(present, process.map_or(0, ProcessId::raw))
    }

    /// Notes what belongs to the message that is about to be handled: by the handler of this number, if it comes from the
    /// mailbox. [`end`](Self::end) must follow.
    pub(crate) fn begin(&mut self, deadline: Option<Instant>, sender: u64, handling: (u8, bool)) {
        self.inner.deadline = deadline;
        self.inner.caller = ProcessId::from_raw(sender);
        self.inner.handling = Some(handling);
    }

    /// The message was handled.
    pub(crate) fn end(&mut self) {
        self.inner.handling = None;
    }

    /// Whether the scope has begun to stop, as a question that can be asked later.
    pub(crate) fn stopping(&self) -> impl Fn() -> bool + Send + use<P> {
        let scope = Arc::clone(&self.inner.scope);
        move || scope.is_stopping() || current::flags() & current::STOPPING != 0
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.inner.stop
    }

    pub(crate) fn take_fault(&mut self) -> Option<Fault> {
        self.inner.fault.take()
    }
}

impl<P: StructProcess> Cx<P> {
    /// Returns a handle to this very process; `None` if the last handle outside is gone and only the queue is left.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// #[process]
    /// struct Clock { ticks: u32 }
    ///
    /// #[handlers]
    /// impl Clock {
    ///     /// Gives others a way to this process.
    ///     fn port(&self, cx: &mut Cx<Self>) -> Option<Sender<u32>> {
    ///         Some(cx.handle()?.add_port())
    ///     }
    ///     fn add(&mut self, ticks: u32) { self.ticks += ticks; }
    ///     fn ticks(&self) -> u32 { self.ticks }
    /// }
    ///
    /// let clock = scope.spawn(Clock { ticks: 0 });
    /// clock.port().await?.context("it lives")?.send(3).await?;
    /// assert_eq!(clock.ticks().await?, 3);
    /// # Ok(()) }) }
    /// ```
    pub fn handle(&self) -> Option<P::Handle> {
        self.inner.me.as_ref()?.retype::<P>().upgrade()
    }

    /// Runs `future` beside the handlers, which go on meanwhile, and then calls `then` with the state of the process and the
    /// result, between two messages.
    ///
    /// So a handler that must wait for something slow need not hold up the others; take a [`Reply`](super::Reply) to answer when
    /// the result is there. The future is a process of the same scope, named `spawn_then`. Any number may run; each `then` is
    /// called once, in the order in which the futures end.
    ///
    /// The process does not end while such a future runs, and drains it at a stop: the last handle may have gone by then. It
    /// ends earlier by [`stop`](Self::stop), a failure or a kill; what still runs is then dropped at its current await, and its
    /// `then` is not called.
    ///
    /// A future that only waits to be told of the end of one process, `child.done()` say, is a monitor and no work: when the process is
    /// stopped through its [handle](super::Handle::stop), it handles what is queued, drains its work, and ends without waiting for
    /// those that it monitors, so that it may keep their handles. When their scope stops they end too, and `then` is called.
    ///
    /// While its scope stops, it starts as long as the grace lasts. After that nothing starts, as with every spawn: both are dropped. What
    /// they own is dropped with them, so a `Reply` in them tells its caller.
    ///
    /// A process that waits here for the end of a child, and holds the only handle of it, does not end by itself when its own last
    /// handle is gone: each waits for the other, which is reported as a leak. Stop it, or the scope of both.
    ///
    /// # Errors
    /// If the future panics, the process fails with that panic.
    ///
    /// # Examples
    /// ```
    /// # use std::collections::HashMap;
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// /// Fetches what it does not know, and answers other questions meanwhile.
    /// #[process]
    /// struct Cache { known: HashMap<u32, String> }
    ///
    /// #[handlers]
    /// impl Cache {
    ///     fn get(&mut self, key: u32, reply: Reply<String>, cx: &mut Cx<Self>) {
    ///         if let Some(value) = self.known.get(&key) {
    ///             return reply.send(value.clone());
    ///         }
    ///         cx.spawn_then(fetch(key), move |cache, value| {
    ///             cache.known.insert(key, value.clone());
    ///             reply.send(value);
    ///         });
    ///     }
    ///     fn len(&self) -> usize { self.known.len() }
    /// }
    ///
    /// async fn fetch(key: u32) -> String {
    ///     sleep(millis(1)).await;
    ///     format!("value {key}")
    /// }
    ///
    /// let cache = scope.spawn(Cache { known: HashMap::new() });
    /// let (one, two) = join!(cache.get(1), cache.get(2));     // both are fetched at the same time
    /// assert_eq!((one?.as_str(), two?.as_str()), ("value 1", "value 2"));
    /// assert_eq!(cache.len().await?, 2);
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn spawn_then<F>(
        &mut self,
        future: F,
        then: impl FnOnce(&mut P, F::Output) + Send + 'static,
    ) where
        P: 'static,
        F: Future<Output: Send> + Send + 'static,
    {
        let site = Location::caller();
        let scope = held_scope("spawn_then").unwrap_or_else(|| Arc::clone(&self.inner.scope));
        self.inner.special |= JOBS;
        let rare = self.inner.rare.get_or_insert_default();
        let jobs = rare
            .jobs
            .get_or_insert_with(|| Box::new(Jobs::<P>::new(&self.inner.scope)));
        if let Some(jobs) = jobs.downcast_mut::<Jobs<P>>() {
            jobs.add(&scope, site, future, then);
        }
    }

    /// The work beside the handlers, if there is any.
    pub(crate) fn jobs(&mut self) -> Option<&mut Jobs<P>>
    where
        P: 'static,
    {
        let jobs = self
            .inner
            .rare
            .as_mut()?
            .jobs
            .as_mut()?
            .downcast_mut::<Jobs<P>>()?;
        if jobs.is_empty() {
            self.inner.special &= !JOBS;
            return None;
        }
        Some(jobs)
    }
}

impl<P> fmt::Debug for Cx<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx")
            .field("id", &self.inner.id)
            .field("scope", &self.inner.scope.name())
            .finish_non_exhaustive()
    }
}
