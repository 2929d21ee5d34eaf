//! The task cell: one allocation with the header that every part of the runtime knows and the future that only one worker
//! touches.
//!
//! Our own cell instead of `async-task`: a wait that parks costs no reference count of its own, the number of wakers outside
//! is visible to the leak detector, and a kill can drop the future at its next step (see `state.rs`).
//!
//! **Who may touch what, and when**
//!
//! | field | who |
//! |---|---|
//! | `state` | anyone |
//! | `ending` | anyone, as `ending.rs` says |
//! | `asked` | the worker that polls the task writes it, observers read it |
//! | `ready_ms` | who notified the task writes it; the worker that takes it from a queue reads it |
//! | `slot`, `vtable`, `scheduler` | anyone, read only; `scheduler` and `slot` live as long as `home`, which the cell owns |
//! | `stage` | before `DONE`: the worker that took the task from a queue; after `DONE`: whoever changes `ending` or has the last reference, then whoever frees the cell |
//!
//! **Invariants**
//! - The future is dropped before `DONE` is set, so what a process owned is closed before anybody can see its exit.
//! - `Home::exited` runs exactly once, after `DONE`.

#![expect(
    unsafe_code,
    reason = "a type-erased allocation whose parts are owned by different threads in turn"
)]

use std::alloc::Layout;
use std::any::Any;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::leaks::cycle;
use crate::observe::hooks::{self, Hooks};
use crate::process::exit::{Exit, ExitKind, Fault, IntoOutcome, contain};
use crate::scheduler::Scheduler;
use crate::scope::{Own, ScopeInner, panicked_in_drop};
use crate::supervise::Lineage;
use crate::sync::{AtomicU32, Guard, Ordering, UnsafeCell, prefetch};
use crate::system::SystemInner;
use crate::task::ending::{Ending, Watch};
use crate::task::memory::{self, Room};
use crate::task::registry::{About, Slot};
use crate::task::state::{Parked, State};
use crate::task::waker;
use crate::task::{Task, TaskRef, Watchers};
use crate::task::{again, current};

/// What owns a task: its scope.
pub(crate) trait Home: Send + Sync + 'static {
    /// The system that runs the task. It lives as long as the home.
    fn system(&self) -> &Arc<SystemInner>;
    /// The scope, if the task belongs to one: the runtime's own tasks and the body of `main` do not.
    fn scope(&self) -> Option<&Arc<ScopeInner>>;
    /// What the tasks of one supervised child have in common, if this is one of them.
    fn lineage(&self) -> Option<&Arc<Lineage>> {
        None
    }
    /// Where the scope is kept that the process was given for its own children, if it can have one.
    fn own(&self) -> Option<&Own> {
        None
    }
    /// Its failure is not that of its scope: it is only reported, or a supervisor's.
    const FORGIVEN: bool = false;
    /// Called once when the task has ended.
    fn exited(&self, task: &TaskRef, exit: &Exit);
}

/// The part of a task that does not depend on its future.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) state: State,
    vtable: &'static VTable,
    pub(crate) scheduler: NonNull<Scheduler>,
    slot: NonNull<Slot>,
    pub(crate) ending: Ending,
    /// When the task was made runnable. Here and not in the slot, so that a wake writes to one line.
    ready_ms: AtomicU32,
    /// Where it waits for a reply or an end, if it waits for one: see `asked.rs`.
    asked: AtomicU32,
}

// SAFETY: every field is either read only or has its own synchronisation, see the table in the file's header.
unsafe impl Sync for Header {}
// SAFETY: as above.
unsafe impl Send for Header {}

impl Header {
    pub(crate) fn slot(&self) -> &Slot {
        // SAFETY: the registry frees its slots with the system, which the cell keeps alive through its home.
        unsafe { self.slot.as_ref() }
    }

    /// When the task was made runnable last.
    pub(crate) fn ready_ms(&self) -> u32 {
        // ORDERING: Relaxed: see `registry::Line`.
        self.ready_ms.load(Ordering::Relaxed)
    }

    /// Says where the task waits for a reply or an end, as [`asked::at`](crate::task::asked::at).
    #[inline]
    pub(crate) fn note_asked(&self, asked: u32) {
        // ORDERING: Release: as `registry::Line::object`, which is written for the same wait.
        self.asked.store(asked, Ordering::Release);
    }

    /// Where the task waits, if its wait is for a reply or an end.
    pub(crate) fn asked(&self) -> u32 {
        // ORDERING: Relaxed: see `registry::Line`; the reader fences before it looks at `seq` again.
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn scheduler(&self) -> &Scheduler {
        // SAFETY: the cell keeps the scheduler alive through its home.
        unsafe { self.scheduler.as_ref() }
    }

    /// The scope of the task, if it belongs to one.
    pub(crate) fn scope(&self) -> Option<&Arc<ScopeInner>> {
        // SAFETY: this is the header of a living cell.
        let scope = unsafe { (self.vtable.scope)(NonNull::from(self)) };
        // SAFETY: the scope lies in the cell's home, which lives as long as the cell.
        scope.map(|scope| unsafe { scope.as_ref() })
    }

    /// What the task has in common with the others of its supervised child.
    pub(crate) fn lineage(&self) -> Option<&Arc<Lineage>> {
        // SAFETY: this is the header of a living cell.
        let lineage = unsafe { (self.vtable.lineage)(NonNull::from(self)) };
        // SAFETY: it lies in the cell's home, which lives as long as the cell.
        lineage.map(|lineage| unsafe { lineage.as_ref() })
    }

    /// Where the scope is kept that the task was given for its own children.
    pub(crate) fn own(&self) -> Option<&Own> {
        // SAFETY: this is the header of a living cell.
        let own = unsafe { (self.vtable.own)(NonNull::from(self)) };
        // SAFETY: it lies in the cell's home, which lives as long as the cell.
        own.map(|own| unsafe { own.as_ref() })
    }

    /// The system of the task.
    pub(crate) fn system(&self) -> &SystemInner {
        // SAFETY: this is the header of a living cell.
        let system = unsafe { (self.vtable.system)(NonNull::from(self)) };
        // SAFETY: the cell's home keeps the system alive.
        unsafe { system.as_ref() }
    }

    /// Whether the task belongs to the scope `id`, or to one inside it.
    pub(crate) fn is_within(&self, id: u64) -> bool {
        self.scope().is_some_and(|scope| scope.is_within(id))
    }

    /// How the task ended, if it has.
    pub(crate) fn exit(&self) -> Option<Exit> {
        if !self.state.is_done() {
            return None;
        }
        self.ending.exit()
    }
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task")
            .field("id", &self.slot().id())
            .field("state", &self.state)
            .finish()
    }
}

/// How a poll ended the task.
type Ended = (ExitKind, Option<Arc<Fault>>);

/// The operations that know the type of the future.
struct VTable {
    /// Polls the future; `Ready` carries how it ended, and the future is gone then.
    poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Poll<Ended>,
    /// Drops the future without polling it.
    drop_future: unsafe fn(NonNull<Header>) -> Option<Arc<Fault>>,
    /// Moves the value, if there is one, to a place of type `Option<Value>`.
    take: unsafe fn(NonNull<Header>, *mut ()),
    scope: unsafe fn(NonNull<Header>) -> Option<NonNull<Arc<ScopeInner>>>,
    system: unsafe fn(NonNull<Header>) -> NonNull<SystemInner>,
    lineage: unsafe fn(NonNull<Header>) -> Option<NonNull<Arc<Lineage>>>,
    own: unsafe fn(NonNull<Header>) -> Option<NonNull<Own>>,
    exited: unsafe fn(NonNull<Header>, &TaskRef, &Exit),
    /// See [`Home::FORGIVEN`].
    forgiven: bool,
    free: unsafe fn(NonNull<Header>),
}

#[repr(C)]
struct Cell<F: Future, H: Home>
where
    F::Output: IntoOutcome,
{
    header: Header,
    home: ManuallyDrop<H>,
    stage: UnsafeCell<Stage<F>>,
}

enum Stage<F: Future>
where
    F::Output: IntoOutcome,
{
    Future(F),
    Output(<F::Output as IntoOutcome>::Value),
    Gone,
}

/// Makes a task. It is notified but in no queue: the caller schedules it once.
pub(crate) fn create<F, H>(
    future: F,
    home: H,
    about: impl FnOnce(&mut About),
) -> Task<<F::Output as IntoOutcome>::Value>
where
    F: Future + Send + 'static,
    F::Output: IntoOutcome,
    H: Home,
{
    let scheduler = &home.system().scheduler;
    let (slot, place) = take_room(scheduler, Cell::<F, H>::ROOM);
    let place = place.cast::<Cell<F, H>>();
    let header = Header {
        state: State::new(1),
        vtable: &Cell::<F, H>::VTABLE,
        scheduler: NonNull::from(&**scheduler),
        slot,
        ending: Ending::new(),
        ready_ms: AtomicU32::new(0),
        asked: AtomicU32::new(0),
    };
    let cell = Cell {
        header,
        home: ManuallyDrop::new(home),
        stage: UnsafeCell::new(Stage::Future(future)),
    };
    // SAFETY: the memory is that of a cell, and nobody else's.
    unsafe { place.write(cell) };
    let header = place.cast::<Header>();
    // SAFETY: the cell was just made and nobody else knows it; its slot belongs to a registry that its home keeps alive.
    let mut entry = unsafe { header.as_ref() }.slot().describe();
    about(&mut entry);
    publish(header, entry);
    // SAFETY: `State::new(1)` counted one reference beside the life reference: this one.
    unsafe { Task::from_raw(header) }
}

// What follows does not depend on the type of the future, so it is compiled once and not for each kind of process.

/// A slot for a process, and memory for its cell.
fn take_room(scheduler: &Scheduler, room: Room) -> (NonNull<Slot>, NonNull<u8>) {
    current::with_free_cache(scheduler, |mut cache| {
        let slot = scheduler.registry.take(cache.as_deref_mut());
        let cells = cache.map(|cache| &mut cache.cells);
        (NonNull::from(slot), memory::take(cells, room))
    })
}

/// Gives both back.
///
/// # Safety
/// Both came from `take_room`, with this room, and what was in the memory is dropped.
unsafe fn give_room(scheduler: &Scheduler, slot: NonNull<Slot>, place: NonNull<u8>, room: Room) {
    current::with_free_cache(scheduler, |mut cache| {
        // SAFETY: the registry of the scheduler keeps its slots.
        let slot = unsafe { slot.as_ref() };
        scheduler.registry.release(slot, cache.as_deref_mut());
        let cells = cache.map(|cache| &mut cache.cells);
        // SAFETY: by contract.
        unsafe { memory::give(cells, place, room) };
    });
}

/// Makes a process visible that is described.
fn publish(header: NonNull<Header>, entry: Guard<'_, About>) {
    // SAFETY: the caller has just made the cell, and nobody else knows it.
    let task = unsafe { header.as_ref() };
    let scope = task.scope().map_or(0, |scope| scope.id);
    let clock = &task.scheduler().clock;
    // From outside it may be started while all sleep.
    clock.go_on();
    let born_ms = clock.coarse_ms();
    task.slot().publish(entry, header, scope, born_ms);
}

/// How a process ends that returned this.
fn failed(fault: Fault) -> Ended {
    match fault {
        Fault::Closed => (ExitKind::Stopped, None),
        Fault::Known(exit) => exit.into_parts(),
        fault => (ExitKind::Failed, Some(Arc::new(fault))),
    }
}

#[cold]
fn panicked(payload: Box<dyn Any + Send>) -> Arc<Fault> {
    Arc::new(Fault::panic(payload))
}

impl<F, H> Cell<F, H>
where
    F: Future + Send + 'static,
    F::Output: IntoOutcome,
    H: Home,
{
    const ROOM: Room = Room::of(Layout::new::<Self>());

    const VTABLE: VTable = VTable {
        poll: Self::poll,
        drop_future: Self::drop_future,
        take: Self::take,
        scope: Self::scope,
        system: Self::system,
        lineage: Self::lineage,
        own: Self::own,
        exited: Self::exited,
        forgiven: H::FORGIVEN,
        free: Self::free,
    };

    /// # Safety
    /// `header` is the header of a `Cell<F, H>`, and the caller took the task from a queue.
    unsafe fn poll(header: NonNull<Header>, cx: &mut Context<'_>) -> Poll<Ended> {
        // SAFETY: by contract the header is the first field of such a cell.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        let polled = cell.stage.with_mut(|stage| {
            // SAFETY: only the worker that took the task from a queue comes here, so the stage is ours.
            let stage = unsafe { &mut *stage };
            let Stage::Future(future) = stage else {
                return None;
            };
            // SAFETY: the future stays in the cell until it is dropped there: it is pinned.
            let future = unsafe { Pin::new_unchecked(future) };
            // UNWIND: a future that panicked is never polled again, only dropped.
            // What it returned becomes an outcome by user code too.
            let step = || future.poll(cx).map(IntoOutcome::into_outcome);
            match catch_unwind(AssertUnwindSafe(step)) {
                Ok(Poll::Pending) => None,
                Ok(Poll::Ready(outcome)) => Some(Ok(outcome)),
                Err(payload) => Some(Err(payload)),
            }
        });
        let Some(result) = polled else {
            return Poll::Pending;
        };
        // SAFETY: as above.
        let in_drop = unsafe { Self::drop_future(header) };
        Poll::Ready(match result {
            Err(payload) => (ExitKind::Panicked, Some(panicked(payload))),
            Ok(outcome) => match (outcome, in_drop) {
                (outcome, Some(fault)) => {
                    contain("a destructor", || drop(outcome));
                    (ExitKind::Panicked, Some(fault))
                }
                (outcome, None) => match Self::judge(&cell.home, outcome) {
                    Ok(value) => {
                        // SAFETY: as above: the stage is ours until `DONE`.
                        cell.stage
                            .with_mut(|stage| unsafe { *stage = Stage::Output(value) });
                        (ExitKind::Ok, None)
                    }
                    Err(fault) => failed(fault),
                },
            },
        })
    }

    /// What a process returned, or the failure of its own scope that it has not seen.
    fn judge<T>(home: &H, outcome: Result<T, Fault>) -> Result<T, Fault> {
        if matches!(outcome, Ok(_) | Err(Fault::Closed))
            && let Some(error) = home.own().and_then(Own::failure)
        {
            contain("a destructor", || drop(outcome));
            return Err(Fault::Error(error));
        }
        outcome
    }

    /// # Safety
    /// As for `poll`.
    unsafe fn drop_future(header: NonNull<Header>) -> Option<Arc<Fault>> {
        // SAFETY: by contract the header is the first field of such a cell.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        // UNWIND: a destructor that panics has run; the place is marked as gone before, so nothing is dropped twice.
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: only the worker that took the task from a queue comes here, so the stage is ours.
            cell.stage
                .with_mut(|stage| unsafe { drop_in_place_and_forget(&mut *stage) });
        }));
        dropped.err().map(panicked)
    }

    /// # Safety
    /// `header` is the header of a `Cell<F, H>` that is done, `place` is a valid `Option` of its value, and the caller is the
    /// only one who changes `ending`, or has the last reference.
    unsafe fn take(header: NonNull<Header>, place: *mut ()) {
        // SAFETY: by contract the header is the first field of such a cell.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        cell.stage.with_mut(|stage| {
            // SAFETY: by contract: after `DONE` the stage is the caller's.
            let stage = unsafe { &mut *stage };
            if matches!(stage, Stage::Output(_))
                && let Stage::Output(value) = std::mem::replace(stage, Stage::Gone)
            {
                // SAFETY: by contract the place is such an option.
                unsafe { *place.cast::<Option<<F::Output as IntoOutcome>::Value>>() = Some(value) };
            }
        });
    }

    /// # Safety
    /// `header` is the header of a living `Cell<F, H>`.
    unsafe fn system(header: NonNull<Header>) -> NonNull<SystemInner> {
        // SAFETY: by contract the header is the first field of such a cell.
        NonNull::from(&**unsafe { header.cast::<Self>().as_ref() }.home.system())
    }

    /// # Safety
    /// `header` is the header of a living `Cell<F, H>`.
    unsafe fn scope(header: NonNull<Header>) -> Option<NonNull<Arc<ScopeInner>>> {
        // SAFETY: by contract the header is the first field of such a cell.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        cell.home.scope().map(NonNull::from)
    }

    /// # Safety
    /// `header` is the header of a living `Cell<F, H>`.
    unsafe fn lineage(header: NonNull<Header>) -> Option<NonNull<Arc<Lineage>>> {
        // SAFETY: by contract the header is the first field of such a cell.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        cell.home.lineage().map(NonNull::from)
    }

    /// # Safety
    /// `header` is the header of a living `Cell<F, H>`.
    unsafe fn own(header: NonNull<Header>) -> Option<NonNull<Own>> {
        // SAFETY: by contract the header is the first field of such a cell.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        cell.home.own().map(NonNull::from)
    }

    /// # Safety
    /// `header` is the header of a living `Cell<F, H>` whose home was not dropped.
    unsafe fn exited(header: NonNull<Header>, task: &TaskRef, exit: &Exit) {
        // SAFETY: by contract the header is the first field of such a cell.
        let cell = unsafe { header.cast::<Self>().as_ref() };
        cell.home.exited(task, exit);
    }

    /// # Safety
    /// `header` is the header of a `Cell<F, H>` and the caller released the last reference.
    unsafe fn free(header: NonNull<Header>) {
        let place = header.cast::<Self>();
        // SAFETY: by contract nobody else knows the cell any more.
        let cell = unsafe { &mut *place.as_ptr() };
        let (scheduler, slot) = (cell.header.scheduler, cell.header.slot);
        // SAFETY: the home is dropped once, here, and last: nothing uses the scheduler or the slot after it.
        let home = unsafe { ManuallyDrop::take(&mut cell.home) };
        // UNWIND: an output that nobody took may panic in its destructor; there is nobody left to tell.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: dropped once, here, where it lies.
            unsafe { place.drop_in_place() };
        }));
        // SAFETY: the home keeps the scheduler.
        let scheduler = unsafe { scheduler.as_ref() };
        // SAFETY: both came from `create`, and what was in the memory is dropped.
        unsafe { give_room(scheduler, slot, place.cast(), Self::ROOM) };
        drop(home);
    }
}

/// Drops the future where it lies, and leaves `Gone` behind even if a destructor panics.
fn drop_in_place_and_forget<F: Future>(stage: &mut Stage<F>)
where
    F::Output: IntoOutcome,
{
    struct Mark<F: Future>(*mut Stage<F>)
    where
        F::Output: IntoOutcome;
    impl<F: Future> Drop for Mark<F>
    where
        F::Output: IntoOutcome,
    {
        fn drop(&mut self) {
            // SAFETY: the pointer comes from the exclusive reference below; what was there is dropped already, so it is
            // overwritten without being dropped.
            unsafe { self.0.write(Stage::Gone) };
        }
    }
    let mark = Mark(std::ptr::from_mut(stage));
    // SAFETY: `mark` overwrites the place afterwards, so nothing is dropped twice. In place, because the future is pinned.
    unsafe { std::ptr::drop_in_place(mark.0) };
}

/// The registry slot of a task that was just notified by the caller and is not queued yet.
#[inline]
pub(crate) fn slot_of_queued<'a>(task: NonNull<Header>) -> &'a Slot {
    // SAFETY: a notified task is not done, so its life reference keeps the cell.
    let slot = unsafe { task.as_ref() }.slot;
    // SAFETY: and the cell keeps its registry.
    unsafe { slot.as_ref() }
}

/// Notes when a task became runnable that was just notified by the caller and is not queued yet.
#[inline]
pub(crate) fn note_ready(task: NonNull<Header>, now_ms: u32) {
    // SAFETY: a notified task is not done, so its life reference keeps the cell.
    let task = unsafe { task.as_ref() };
    // ORDERING: Relaxed: see `registry::Line`.
    task.ready_ms.store(now_ms, Ordering::Relaxed);
    // Its next step begins there.
    prefetch(task.slot.as_ptr());
}

/// Whether a task that is queued, or was just taken out, belongs to a scope: it is no task of the runtime's own.
pub(crate) fn is_of_scope(task: NonNull<Header>) -> bool {
    // SAFETY: a notified task is not done, so its life reference keeps the cell.
    unsafe { task.as_ref() }.scope().is_some()
}

/// What came of one step of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Parked: the worker has nothing more to do with it.
    Left,
    /// It has ended; its cell may be gone.
    Ended,
    /// It must be queued again.
    Again,
}

/// Runs one step of a task that was taken from a queue of this scheduler.
#[inline]
pub(crate) fn step(header: NonNull<Header>, scheduler: &Scheduler) -> Step {
    step_with::<{ current::BUDGET }>(header, scheduler)
}

/// As [`step`], for a simulation: without a budget, so that every operation asks whether it goes on (see `sim::machine`).
pub(crate) fn step_simulated(header: NonNull<Header>) -> Step {
    // SAFETY: a queued task is not done, so its cell lives; its scheduler is that of the simulation.
    let scheduler = unsafe { header.as_ref() }.scheduler();
    step_with::<0>(header, scheduler)
}

#[inline]
fn step_with<const BUDGET: u32>(header: NonNull<Header>, scheduler: &Scheduler) -> Step {
    // SAFETY: a queued task is not done, so it holds its life reference until `finish` below.
    let task = unsafe { header.as_ref() };
    if !task.state.may_poll() {
        return drop_killed(header);
    }
    hooks::tell(Hooks::POLL, task, None);
    let frame = current::Frame::enter::<BUDGET>(task);
    let waker = waker::borrowed(header);
    // SAFETY: the task came from a queue, so this thread is the only one that may poll.
    let mut polled = unsafe { (task.vtable.poll)(header, &mut Context::from_waker(&waker)) };
    if polled.is_pending() && again::is_due() {
        polled = poll_again(task, &mut Context::from_waker(&waker));
    }
    let current::Left {
        registered,
        has_edge,
    } = frame.leave();
    match polled {
        Poll::Pending => {
            // Before it parks: afterwards the cell may be gone.
            hooks::tell(Hooks::PARK, task, Some(task.slot().wait()));
            match task.state.park(registered) {
                Parked::Asleep => {
                    // The cell may be gone by now.
                    if has_edge {
                        cycle::parked(scheduler, current::edge());
                    }
                    Step::Left
                }
                Parked::Again => Step::Again,
                Parked::Killed => drop_killed(header),
            }
        }
        Poll::Ready((kind, fault)) => {
            finish(header, registered, kind, fault);
            Step::Ended
        }
    }
}

/// Polls a task a second time in its step, unless that will happen in any case.
#[cold]
#[inline(never)]
fn poll_again(task: &Header, cx: &mut Context<'_>) -> Poll<Ended> {
    if task.state.is_asked_again() {
        return Poll::Pending;
    }
    again::begin_anew();
    // SAFETY: as for the first poll, in the same step.
    let polled = unsafe { (task.vtable.poll)(NonNull::from(task), cx) };
    again::end_anew();
    polled
}

/// Drops the future of a task that this worker took from a queue.
#[cold]
fn drop_killed(header: NonNull<Header>) -> Step {
    // SAFETY: as in `step`.
    let task = unsafe { header.as_ref() };
    let kind = match task.scope() {
        // It was spawned too late, and has lost nothing.
        Some(scope) if scope.is_stopping() && !task.slot().has_run() => ExitKind::Stopped,
        _ => ExitKind::Killed,
    };
    let frame = current::Frame::enter::<{ current::WHILE_DROPPED }>(task);
    // SAFETY: as in `step`.
    let fault = unsafe { (task.vtable.drop_future)(header) };
    if let Some(fault) = fault {
        // SAFETY: the life reference is held until the end of `finish`, and is not given back here.
        let task_ref = ManuallyDrop::new(unsafe { TaskRef::from_raw(header) });
        // How it ended was settled before, by whoever killed it, so the exit says nothing of the panic.
        panicked_in_drop(&task_ref, fault, task.vtable.forgiven);
    }
    finish(header, frame.leave().registered, kind, None);
    Step::Ended
}

fn finish(header: NonNull<Header>, registered: i64, kind: ExitKind, fault: Option<Arc<Fault>>) {
    // SAFETY: the life reference is still held; it becomes this one and is dropped at the end.
    let task = unsafe { TaskRef::from_raw(header) };
    let exit = Exit::new(kind, fault.clone());
    task.slot().hide();
    let watchers = {
        let mut watch = task.ending.change();
        // From now on nobody is added.
        task.state.finish(registered);
        match std::mem::replace(&mut *watch, Watch::Ended(kind, fault)) {
            Watch::Awaited(watchers) => watchers,
            Watch::Ended(..) => Watchers::None,
        }
    };
    watchers.wake_all();
    hooks::tell_of(Hooks::EXIT, &task);
    let desk = &task.scheduler().desk;
    if desk.is_read() {
        desk.remember(task.slot().id(), task.slot().origin().name);
    }
    // SAFETY: this is the last step of a living cell, so its home was not dropped.
    unsafe { (task.vtable.exited)(header, &task, &exit) };
}

/// Frees a cell whose last reference was released.
///
/// # Safety
/// The caller released the last reference, and `header` was made by [`create`].
pub(crate) unsafe fn free(header: NonNull<Header>) {
    // SAFETY: by contract nobody else knows the cell; the vtable fits its type.
    let free = unsafe { header.as_ref() }.vtable.free;
    // SAFETY: as above.
    unsafe { free(header) };
}

/// Takes the output of a task that is done.
///
/// # Safety
/// The task is done, and `T` is the type of its value.
pub(crate) unsafe fn take_output<T>(header: NonNull<Header>) -> Option<T> {
    let mut output = None::<T>;
    // SAFETY: the caller holds a reference, so the cell lives.
    let task = unsafe { header.as_ref() };
    // Several may ask for the value; whoever changes the word first gets it.
    let _changing = (!task.state.is_last()).then(|| task.ending.change());
    let take = task.vtable.take;
    // SAFETY: by contract `T` is the value's type; the task is done, and nobody else takes its value now.
    unsafe { take(header, std::ptr::from_mut(&mut output).cast()) };
    output
}
