//! What the running thread is doing: the process it polls, its budget, and what that process said it waits for.
//!
//! All cells are constant-initialised and need no destructor, so that an access is one load.

#![expect(
    unsafe_code,
    reason = "a thread-local pointer to the task that this thread polls"
)]

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::pin;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::observe::BOOKS;
use crate::scheduler::Scheduler;
use crate::scheduler::worker;
use crate::scope::Life;
use crate::sim::here;
use crate::sim::values::About;
use crate::supervise::Lineage;
use crate::sync::{Ordering, thread_local};
use crate::task::TaskRef;
use crate::task::again;
use crate::task::cell::Header;
use crate::task::charge::{add, charge_wait};
use crate::task::ports;
use crate::task::registry::{FreeCache, WaitKind};
use crate::task::state::{REFERENCE, WAIT};
use crate::task::waits::{self, Noted, Said};
use crate::task::waker::WaitRef;

pub(crate) use crate::task::flags::{
    BETWEEN, CALLS, CLOSING, CYCLE, ENDED, KINDS, LATE, PLACED, SET, STOPPING, TOLD, UNKNOWN,
    told_of,
};

pub(crate) use crate::task::again::part;

pub(crate) use crate::task::interlude::{by_nobody, lags, run_others};

pub(crate) use crate::task::noting::{
    Waits, in_handler, is_refused, keeps_timers, last_is_over, monitoring, monitors, noted, placed,
    race, refusal, wait_in_words, wait_no_more, waits_as, waits_between, waits_for_any,
    waits_for_more, waits_for_one_of, waits_for_process, waits_here, waits_here_for, waits_in,
    waits_in_call, waits_so_far, watched,
};

/// Operations that a process may complete in one poll before it yields.
pub(crate) const BUDGET: u32 = 128;

/// The budget of a future that is being dropped: destructors that use channels are not cut off, though the process was killed. One that
/// receives for as long as somebody sends keeps its worker.
pub(crate) const WHILE_DROPPED: u32 = 1 << 30;

/// After so many of them it looks whether it was killed. Not after each: its state lies where those who wake it write.
const LOOK: u32 = 8;

/// This thread polls nobody, and runs a job of an attached process.
const ATTACHED: u32 = 1 << 31;

pub(super) struct Current {
    pub(super) task: Cell<*const Header>,
    /// The process that this thread runs a blocking job of.
    pub(super) attached: Cell<*const Header>,
    /// Waits and references that were registered in this poll and not yet published in the task's state word, in its units.
    pub(super) registered: Cell<i64>,
    pub(super) budget: Cell<u32>,
    /// What this poll has said of its waits, and the first of them.
    pub(super) said: Cell<Said>,
    pub(super) waits: [Cell<Noted>; waits::MOST],
    pub(super) object: Cell<u64>,
    /// How many waits were said before the part of the poll that runs now: those are of other futures.
    pub(super) others: Cell<usize>,
    /// The waits that were registered when the last one was said, see `again.rs`.
    pub(super) counted: Cell<i32>,
    /// What this poll has said is not what it leaves behind, see `again.rs`.
    pub(super) stale: Cell<bool>,
    /// The id of the one process that a wait is for, if the poll has said that there is one.
    pub(super) edge: Cell<u64>,
    pub(super) flags: Cell<u32>,
    /// Counts the waits of this thread that were noted by monitors.
    pub(super) monitors: Cell<u32>,
    /// Something is to be done when the step has ended.
    pub(super) deferred: Cell<bool>,
    pub(super) coarse_ms: Cell<u32>,
    /// Messages are dropped here that nobody has received.
    pub(super) undelivered: Cell<bool>,
    /// When the message that is being handled must have been handled.
    pub(super) deadline: Cell<Option<Instant>>,
    /// Where the last panic of this thread came from, and the step that it was in.
    pub(super) panicked_at: Cell<Option<(PanicSite, Step)>>,
}

/// A source location that a panic hook saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PanicSite {
    pub(crate) file: [u8; 96],
    pub(crate) length: u8,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A process, and which of its steps; zeros on a thread that polls none.
type Step = (u64, u64);

/// What is to be done after the step; apart from the rest, because it needs a destructor.
pub(super) type Deferred = RefCell<Vec<Box<dyn FnOnce()>>>;

thread_local! {
    pub(super) static DEFERRED: Deferred = const { RefCell::new(Vec::new()) };
}

thread_local! {
    pub(super) static CURRENT: Current = const { Current::new() };
}

impl Current {
    /// A thread that polls nobody.
    pub(super) const fn new() -> Self {
        Self {
            task: Cell::new(ptr::null()),
            attached: Cell::new(ptr::null()),
            registered: Cell::new(0),
            budget: Cell::new(0),
            said: Cell::new(Said::NOTHING),
            waits: [const {
                Cell::new(Noted {
                    kind: WaitKind::Other,
                    object: 0,
                })
            }; waits::MOST],
            object: Cell::new(0),
            others: Cell::new(0),
            counted: Cell::new(0),
            stale: Cell::new(false),
            edge: Cell::new(0),
            flags: Cell::new(0),
            monitors: Cell::new(0),
            deferred: Cell::new(false),
            coarse_ms: Cell::new(0),
            undelivered: Cell::new(false),
            deadline: Cell::new(None),
            panicked_at: Cell::new(None),
        }
    }
}

/// One step of a task on this thread, with its bracket of counters.
pub(crate) struct Frame<'a> {
    task: &'a Header,
    outer: *const Header,
    started_ms: u32,
}

/// What a step leaves behind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Left {
    /// The waits and references that it registered, for the state word.
    pub(crate) registered: i64,
    /// Whether one of its waits is for one process only: [`edge`].
    pub(crate) has_edge: bool,
}

impl<'a> Frame<'a> {
    #[inline]
    pub(crate) fn enter<const BUDGET: u32>(task: &'a Header) -> Self {
        let now = task.scheduler().clock.coarse_ms();
        let line = &task.slot().line;
        // ORDERING: see `registry::Line`: Release, so that an observer who sees this `seq` knows that the poll may have begun.
        line.seq
            .store(line.seq.load(Ordering::Relaxed) + 1, Ordering::Release);
        if BOOKS {
            charge_wait(task, now);
        }
        CURRENT.with(|current| {
            let outer = current.task.replace(task);
            current.registered.set(0);
            current.budget.set(BUDGET);
            again::begin(current);
            // ORDERING: Acquire: pairs with the coordinator of the stop that set the flag, or whoever refuses a call.
            let flags = line.flags.load(Ordering::Acquire);
            current.flags.set(flags);
            current.coarse_ms.set(now);
            if flags != 0 {
                ports::refuse_outside(task);
            }
            Self {
                task,
                outer,
                started_ms: now,
            }
        })
    }

    /// Ends the step.
    #[inline]
    pub(crate) fn leave(self) -> Left {
        let now = self.task.scheduler().clock.coarse_ms();
        let line = &self.task.slot().line;
        CURRENT.with(|current| {
            current.task.set(self.outer);
            current.flags.set(0);
            if !BOOKS {
                if current.deferred.get() {
                    run_deferred();
                }
                let registered = current.registered.get();
                return Left {
                    registered,
                    has_edge: false,
                };
            }
            if current.said.get().needs_list() {
                self.note_waits(current);
            }
            // Of an earlier step, if this one has none: that is cheaper than to ask.
            line.note_edge(current.edge.get());
            let word = current.said.get().word(now);
            // ORDERING: Release: see `registry::Line`.
            line.wait.store(word, Ordering::Release);
            line.object.store(current.object.get(), Ordering::Release);
            if now != self.started_ms {
                add(&line.busy_ms, now.wrapping_sub(self.started_ms));
            }
            if current.deferred.get() {
                run_deferred();
            }
            Left {
                registered: current.registered.get(),
                has_edge: current.said.get().has_edge(),
            }
        })
    }

    #[cold]
    fn note_waits(&self, current: &Current) {
        let count = current.said.get().noted();
        if count > waits::MOST {
            current.said.set(current.said.get().and_kinds(UNKNOWN));
            self.task.state.has_many_waits();
        }
        let waits = current.waits.iter().take(count).map(Cell::get);
        self.task
            .scheduler()
            .registry
            .note_waits(self.task.slot(), waits);
    }
}

/// The id of the process that this thread's last step has left its process waiting for, if it has an edge.
#[inline]
pub(crate) fn edge() -> u64 {
    CURRENT.with(|current| current.edge.get())
}

/// Does something when the present step has ended, and what it drops is gone; at once, if this thread runs no process.
#[cold]
pub(crate) fn after_step(job: Box<dyn FnOnce()>) {
    let in_step = with_task(|task| task.is_some());
    // A thread that ends has no list any more.
    let left = match in_step {
        true => DEFERRED
            .try_with(|deferred| match deferred.try_borrow_mut() {
                Ok(mut list) => {
                    list.push(job);
                    None
                }
                Err(_) => Some(job),
            })
            .ok()
            .flatten(),
        false => Some(job),
    };
    match left {
        None => CURRENT.with(|current| current.deferred.set(in_step)),
        Some(job) => job(),
    }
}

#[cold]
#[inline(never)]
fn run_deferred() {
    CURRENT.with(|current| current.deferred.set(false));
    let jobs = DEFERRED.with(RefCell::take);
    for job in jobs {
        job();
    }
}

/// A reference to the task that a wait of ours will hold. Free of charge if that task is the one that this thread polls.
#[inline]
pub(crate) fn wait_of(header: NonNull<Header>) -> WaitRef {
    if !count_for(header, WAIT) {
        // SAFETY: whoever asks holds a waker or a pointer of this task, so it lives.
        unsafe { header.as_ref() }.state.retain_wait();
    }
    // SAFETY: the wait was counted above: in the plain counter, or in the state word.
    unsafe { WaitRef::from_raw(header) }
}

/// Counts so much for the state word of the task, if it is the one that this thread polls.
#[inline]
pub(crate) fn count_for(header: NonNull<Header>, by: i64) -> bool {
    CURRENT.with(|current| {
        let own = ptr::eq(current.task.get(), header.as_ptr());
        if own {
            current.registered.set(current.registered.get() + by);
        }
        own
    })
}

/// Notes what the current process waits for, in case this poll parks it.
#[inline]
pub(crate) fn waits_for(kind: WaitKind, object: u64) {
    if !BOOKS {
        return;
    }
    CURRENT.with(|current| note(current, kind, object, |said| said));
}

/// Says where the current process waits, of a wait for a reply, for room for a call, or for the end of a process.
#[inline]
pub(crate) fn waits_at(asked: u32) {
    if !BOOKS {
        return;
    }
    CURRENT.with(|current| {
        // SAFETY: a task that is being polled by this thread holds its life reference.
        if let Some(task) = unsafe { current.task.get().as_ref() } {
            task.note_asked(asked);
        }
    });
}

/// Adds a wait to those of this poll, and what `more` says of it.
#[inline]
pub(super) fn note(
    current: &Current,
    kind: WaitKind,
    object: u64,
    more: impl FnOnce(Said) -> Said,
) {
    let said = current.said.get();
    current.object.set(object);
    let wait = Noted { kind, object };
    if let Some(place) = current.waits.get(said.noted()) {
        place.set(wait);
    }
    again::counts(current, said.noted(), wait);
    current.said.set(more(said.and(kind)));
}

/// Spends one unit of the process's budget, if there is one: then nobody wants to know anything of the operation.
#[inline]
pub(crate) fn try_spend() -> bool {
    CURRENT.with(|current| {
        let left = current.budget.get();
        let may = may_spend(current, left);
        current.budget.set(left - u32::from(may));
        may
    })
}

/// Spends one unit of the process's budget; when it is used up, the process is queued again behind the others and `Pending`
/// is returned. Without a current process there is no budget. Every operation calls it before its effect, and says what it
/// is about to do, and on which object.
#[inline]
pub(crate) fn spend(cx: &Context<'_>, kind: WaitKind, object: impl FnOnce() -> u64) -> Poll<()> {
    spend_for(cx, kind, object, About::default)
}

/// As [`spend`], for an operation that is about more than its object.
#[inline]
pub(crate) fn spend_for(
    cx: &Context<'_>,
    kind: WaitKind,
    object: impl FnOnce() -> u64,
    about: impl FnOnce() -> About,
) -> Poll<()> {
    CURRENT.with(|current| {
        let left = current.budget.get();
        if may_spend(current, left) {
            current.budget.set(left - 1);
            return Poll::Ready(());
        }
        spent(current, cx, kind, object(), &about())
    })
}

/// Whether there is some budget left, and the process goes on.
#[inline]
fn may_spend(current: &Current, left: u32) -> bool {
    left > 0 && (left % LOOK != LOOK / 2 || !is_killed(current))
}

#[inline(never)]
fn is_killed(current: &Current) -> bool {
    if current.budget.get() > BUDGET {
        return false;
    }
    // SAFETY: a task that is being polled by this thread holds its life reference.
    unsafe { current.task.get().as_ref() }.is_some_and(|task| task.state.is_killed())
}

/// The budget is used up, or the process was killed; in a simulation there is none, and every operation comes here.
#[cold]
#[inline(never)]
fn spent(
    current: &Current,
    cx: &Context<'_>,
    kind: WaitKind,
    object: u64,
    about: &About,
) -> Poll<()> {
    // SAFETY: a task that is being polled by this thread holds its life reference.
    let Some(task) = (unsafe { current.task.get().as_ref() }) else {
        return Poll::Ready(());
    };
    if here::point(task, cx, kind, object, about) == Some(true) {
        return Poll::Ready(());
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// The process that this thread polls.
pub(crate) fn task() -> Option<TaskRef> {
    let header = CURRENT.with(|current| NonNull::new(current.task.get().cast_mut()))?;
    count_for(header, REFERENCE);
    // SAFETY: this thread polls the task, and the reference was counted for it.
    Some(unsafe { TaskRef::from_raw(header) })
}

/// The address of the process that this thread polls, to compare it with others; zero if there is none.
#[inline]
pub(crate) fn address() -> usize {
    CURRENT.with(|current| current.task.get().addr())
}

/// Whether the current process was told that its input from `object` is over when it is empty.
#[inline]
pub(crate) fn is_ended(object: u64) -> bool {
    let flags = flags();
    flags & ENDED != 0 && is_told(flags, object)
}

#[cold]
fn is_told(flags: u32, object: u64) -> bool {
    let told = flags & TOLD;
    let is_told = told == 0 || told == told_of(object);
    if is_told {
        Lineage::notice();
    }
    is_told
}

/// What a stop told the current process: [`STOPPING`], [`ENDED`].
#[inline]
pub(crate) fn flags() -> u32 {
    CURRENT.with(|current| {
        let flags = current.flags.get();
        if flags & ATTACHED == 0 {
            return flags;
        }
        let attached = current.attached.get();
        // SAFETY: an attached process is kept alive by its [`Attached`].
        let task = unsafe { &*attached };
        // ORDERING: Acquire: pairs with the coordinator of the stop that set the flag. A killed process is over too.
        let flags = task.slot().line.flags.load(Ordering::Acquire);
        if task.state.is_killed() {
            flags | STOPPING | ENDED
        } else {
            flags
        }
    })
}

/// Lets operations of this thread count as those of a process, until it is dropped.
pub(crate) fn attach(task: TaskRef) -> Attached {
    CURRENT.with(|current| {
        current.attached.set(&*task);
        current.flags.set(ATTACHED);
    });
    Attached(task)
}

/// See [`attach`].
#[expect(dead_code, reason = "keeps the process's cell alive")]
pub(crate) struct Attached(TaskRef);

impl Drop for Attached {
    fn drop(&mut self) {
        CURRENT.with(|current| {
            current.attached.set(ptr::null());
            current.flags.set(0);
            if current.deferred.get() {
                run_deferred();
            }
        });
    }
}

/// The coarse time at which the current step began; 0 on a thread that never ran one.
#[inline]
pub(crate) fn coarse_ms() -> u32 {
    CURRENT.with(|current| current.coarse_ms.get())
}

/// The deadline of the message that is being handled.
pub(crate) fn deadline() -> Option<Instant> {
    CURRENT.with(|current| current.deadline.get())
}

/// Sets the deadline of the message that is being handled, and returns the one before.
pub(crate) fn set_deadline(deadline: Option<Instant>) -> Option<Instant> {
    CURRENT.with(|current| current.deadline.replace(deadline))
}

/// Lets calls that are made while `future` runs inherit `deadline`, if there is one.
pub(crate) async fn under_deadline<F: Future>(deadline: Option<Instant>, future: F) -> F::Output {
    /// Brings the outer deadline back, also when the future panics: the thread goes on to other processes.
    struct Outer(Option<Instant>);
    impl Drop for Outer {
        fn drop(&mut self) {
            set_deadline(self.0);
        }
    }
    let mut future = pin!(future);
    poll_fn(|cx| {
        let outer = Outer(self::deadline());
        set_deadline([outer.0, deadline].into_iter().flatten().min());
        future.as_mut().poll(cx)
    })
    .await
}

/// Whether the current process belongs to this scope, or to one inside it.
pub(crate) fn is_within(scope: u64) -> bool {
    with_task(|task| task.is_some_and(|task| task.is_within(scope)))
}

/// The stopping scope of the current process that is farthest out, if a stop has reached it.
pub(crate) fn stopping_scope() -> Option<Arc<Life>> {
    with_task(|task| {
        task.and_then(Header::scope)
            .and_then(|scope| scope.outermost_stopping())
            .map(|scope| Arc::clone(scope.life()))
    })
}

/// Whether this thread drops the future of a killed incarnation of a supervised child, whose mailbox lives on.
pub(crate) fn is_killed_child() -> bool {
    with_task(|task| task.is_some_and(|task| task.state.is_killed() && task.lineage().is_some()))
}

/// Drops messages that nobody has received and nobody will: to whom they were a call, that has not begun.
#[cold]
pub(crate) fn drop_undelivered<T>(messages: T) {
    struct Outer(bool);
    impl Drop for Outer {
        fn drop(&mut self) {
            CURRENT.with(|current| current.undelivered.set(self.0));
        }
    }
    // UNWIND: a destructor may panic; the flag is put back all the same.
    let _outer = Outer(CURRENT.with(|current| current.undelivered.replace(true)));
    drop(messages);
}

/// Whether this thread is in [`drop_undelivered`].
pub(crate) fn is_undelivered() -> bool {
    CURRENT.with(|current| current.undelivered.get())
}

/// Calls `f` with the header of the process that this thread polls.
#[inline]
pub(crate) fn with_task<R>(f: impl FnOnce(Option<&Header>) -> R) -> R {
    CURRENT.with(|current| {
        let task = if current.task.get().is_null() {
            current.attached.get()
        } else {
            current.task.get()
        };
        // SAFETY: a task that is being polled by this thread holds its life reference; an attached one is kept alive.
        f(unsafe { task.as_ref() })
    })
}

/// The number of the current process; 0 if there is none.
pub(crate) fn process_id() -> u64 {
    with_task(|task| task.map_or(0, |task| task.slot().id().raw()))
}

/// Calls `f` with the running worker's own list of free slots, if this thread is a worker of that scheduler.
pub(crate) fn with_free_cache<R>(
    scheduler: &Scheduler,
    f: impl FnOnce(Option<&mut FreeCache>) -> R,
) -> R {
    worker::with(|worker| match worker {
        Some(worker) if ptr::eq(worker.scheduler(), scheduler) => f(Some(&mut worker.free_slots())),
        _ => f(None),
    })
}

/// The step that this thread is in. A job has none of its own: it forgets what was before it.
fn step() -> Step {
    let task = CURRENT.with(|current| current.task.get());
    // SAFETY: a task that is being polled by this thread holds its life reference.
    unsafe { task.as_ref() }.map_or((0, 0), |task| {
        let slot = task.slot();
        // ORDERING: Relaxed: this thread alone writes it while it polls the task.
        (slot.id().raw(), slot.line.seq.load(Ordering::Relaxed))
    })
}

/// Remembers where a panic happened; called by the panic hook.
pub(crate) fn note_panic(location: Option<&Location<'_>>) {
    let site = location.map(|location| {
        let mut site = PanicSite {
            file: [0; 96],
            length: 0,
            line: location.line(),
            column: location.column(),
        };
        // The end of a path says more than its beginning.
        let name = location.file().as_bytes();
        let name = &name[name.len().saturating_sub(site.file.len())..];
        site.file[..name.len()].copy_from_slice(name);
        site.length = name.len() as u8;
        site
    });
    pass_panic_on(site);
}

/// Remembers a panic that happened on another thread, and is about to be resumed here.
pub(crate) fn pass_panic_on(site: Option<PanicSite>) {
    let noted = site.map(|site| (site, step()));
    CURRENT.with(|current| current.panicked_at.set(noted));
}

/// Takes what [`note_panic`] remembered in this step. What an earlier one caught by itself says nothing of this one's panic.
pub(crate) fn take_panic_site() -> Option<PanicSite> {
    let noted = CURRENT.with(|current| current.panicked_at.take());
    noted.and_then(|(site, at)| (at == step()).then_some(site))
}

/// A number below `n` from the generator of this worker.
pub(crate) fn random_below(n: u32) -> u32 {
    use std::hash::{BuildHasher, RandomState};
    worker::with(|worker| match worker {
        Some(worker) => worker.random_below(n),
        // Outside of a worker there is no generator; a fresh random state is slow, and good enough.
        None => (RandomState::new().hash_one(n) % u64::from(n)) as u32,
    })
}
