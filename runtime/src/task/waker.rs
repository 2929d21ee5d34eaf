//! Wakers: ours inside, the standard one towards futures that are not ours.
//!
//! A [`TaskWaker`] is what a parked wait of ours holds: a reference to the task that costs nothing to take while the task
//! polls itself, and that a wake consumes. A [`Waker`] that a foreign future cloned is counted as *outside*, because nobody
//! can know who will use it.
//!
//! The other way round, an operation may be polled with a waker that is not ours. Its `clone` is code of somebody else, so it is not
//! called under a lock: [`prepare`] does it before, and [`TaskWaker::of`] then takes what was prepared.

#![expect(unsafe_code, reason = "RawWaker is an unsafe interface")]

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

use crate::scheduler::Scheduler;
use crate::sync::{prefetch, thread_local};
use crate::task::cell::{self, Header};
use crate::task::registry::ProcessId;
use crate::task::state::Notify;
use crate::task::{again, current};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The waker of a task for the length of one poll; it holds no reference.
pub(crate) fn borrowed(header: NonNull<Header>) -> ManuallyDrop<Waker> {
    // SAFETY: the vtable upholds the contract of `RawWaker`; the reference that a drop would release was not taken, hence
    // `ManuallyDrop`.
    ManuallyDrop::new(unsafe { Waker::new(header.as_ptr().cast_const().cast(), &VTABLE) })
}

/// The task behind a waker, if it is one of ours.
#[inline]
fn task_of(waker: &Waker) -> Option<NonNull<Header>> {
    if ptr::eq(waker.vtable(), &raw const VTABLE) {
        NonNull::new(waker.data().cast_mut().cast())
    } else {
        None
    }
}

/// Whether the waker is one of ours: who polls with another one, in a destructor say, does not do so for the process itself.
pub(crate) fn is_ours(cx: &Context<'_>) -> bool {
    task_of(cx.waker()).is_some()
}

thread_local! {
    /// See [`prepare`].
    static SPARE: Cell<Option<Waker>> = const { Cell::new(None) };
}

/// Clones the waker of whoever polls now, if it is not ours, for a [`TaskWaker::of`] under a lock that is taken next.
#[inline]
pub(crate) fn prepare(cx: &Context<'_>) -> Prepared {
    let foreign = task_of(cx.waker()).is_none();
    if foreign {
        prepare_foreign(cx.waker());
    }
    Prepared(foreign)
}

#[cold]
#[inline(never)]
fn prepare_foreign(waker: &Waker) {
    // Any code, which may use operations of ours and prepare wakers of its own: so it comes first.
    let clone = waker.clone();
    // A thread that ends keeps nothing any more: its wakers are cloned where they are needed.
    let before = SPARE.try_with(|spare| spare.replace(Some(clone)));
    drop(before);
}

/// What [`prepare`] made; to be kept until the lock is free again.
#[derive(Debug)]
#[must_use = "kept until the lock is free again"]
pub(crate) struct Prepared(bool);

impl Drop for Prepared {
    #[inline]
    fn drop(&mut self) {
        if self.0 {
            let unused = SPARE.try_with(Cell::take);
            drop(unused);
        }
    }
}

/// Whom to wake when a wait ends.
#[derive(Debug)]
pub(crate) enum TaskWaker {
    /// A process of ours.
    Task(WaitRef),
    /// Anything else that polls: another executor, or a combinator that wraps the process's waker.
    Other(Waker),
}

impl TaskWaker {
    /// Whoever polls now.
    #[inline]
    pub(crate) fn of(cx: &Context<'_>) -> Self {
        match task_of(cx.waker()) {
            Some(header) => Self::Task(current::wait_of(header)),
            None => Self::foreign(cx.waker()),
        }
    }

    /// Whoever polls now; `None` if the waker is not ours and was not prepared. For operations that find out under the lock that
    /// they must wait: they unlock, prepare, and begin again.
    #[inline]
    pub(crate) fn prepared(cx: &Context<'_>) -> Option<Self> {
        match task_of(cx.waker()) {
            Some(header) => Some(Self::Task(current::wait_of(header))),
            // The wakers of the models do nothing, and a second turn at the lock would be many more paths.
            None if cfg!(loom) => Some(Self::foreign(cx.waker())),
            None => Self::spare_or_last(cx.waker()),
        }
    }

    /// What was prepared. A thread that ends keeps nothing any more, so nothing can be prepared there.
    #[cold]
    fn spare_or_last(waker: &Waker) -> Option<Self> {
        match SPARE.try_with(Cell::take) {
            Ok(spare) => spare.map(Self::Other),
            Err(_) => Some(Self::Other(waker.clone())),
        }
    }

    #[cold]
    fn foreign(waker: &Waker) -> Self {
        Self::spare().unwrap_or_else(|| Self::Other(waker.clone()))
    }

    #[cold]
    fn spare() -> Option<Self> {
        let spare = SPARE.try_with(Cell::take).ok().flatten()?;
        Some(Self::Other(spare))
    }

    /// Whether this wakes the one who polls now.
    #[inline]
    pub(crate) fn is(&self, cx: &Context<'_>) -> bool {
        match self {
            Self::Task(task) => task_of(cx.waker()) == Some(task.header()),
            Self::Other(waker) => waker.will_wake(cx.waker()),
        }
    }

    /// Tells two wakers apart; compared, and never followed.
    pub(crate) fn address(&self) -> usize {
        match self {
            Self::Task(task) => task.header().as_ptr().addr(),
            Self::Other(waker) => waker.data().addr(),
        }
    }

    /// The raw id of the process that it wakes; zero if that is not known.
    pub(crate) fn process(&self) -> u64 {
        match self {
            Self::Task(task) => task.process().raw(),
            Self::Other(_) => 0,
        }
    }

    /// Wakes and is used up. Never panics.
    #[inline]
    pub(crate) fn wake(self) {
        match self {
            Self::Task(task) => task.wake(),
            Self::Other(waker) => wake_foreign(waker),
        }
    }

    /// Marks a process of ours as woken; whether the caller must queue it, by [`wake_notified`](Self::wake_notified).
    #[must_use = "nobody else queues it"]
    pub(crate) fn notify(&self) -> bool {
        match self {
            Self::Task(task) => task.state.notify() == Notify::Queue,
            Self::Other(_) => false,
        }
    }

    /// Wakes after [`notify`](Self::notify), which has said whether the process must be queued, and is used up. Never panics.
    pub(crate) fn wake_notified(self, must_be_queued: bool) {
        match self {
            // Nobody else may run or finish it before it is queued, so it still lives.
            Self::Task(task) if must_be_queued => task.scheduler().schedule(task.header()),
            Self::Task(_) => {}
            Self::Other(waker) => wake_foreign(waker),
        }
    }

    /// Wakes, behind all that is queued on this worker, which the caller tells of its surplus afterwards. Never panics.
    pub(crate) fn wake_behind(self) {
        match self {
            Self::Task(task) => task.wake_behind(),
            Self::Other(waker) => wake_foreign(waker),
        }
    }

    /// Asks for the line that a wake touches.
    #[inline]
    pub(crate) fn prefetch(&self) {
        if let Self::Task(task) = self {
            prefetch(task.header().as_ptr());
        }
    }
}

/// A counted reference to a task that a parked wait of ours holds, to wake it.
pub(crate) struct WaitRef(NonNull<Header>);

// SAFETY: as for `TaskRef`.
unsafe impl Send for WaitRef {}
// SAFETY: as above.
unsafe impl Sync for WaitRef {}

impl WaitRef {
    /// # Safety
    /// `header` lives, and the caller hands over one counted wait.
    #[inline]
    pub(crate) unsafe fn from_raw(header: NonNull<Header>) -> Self {
        Self(header)
    }

    #[inline]
    pub(crate) fn header(&self) -> NonNull<Header> {
        self.0
    }

    /// Which process this wakes.
    pub(crate) fn process(&self) -> ProcessId {
        // SAFETY: a wait that is counted keeps the cell.
        unsafe { self.0.as_ref() }.slot().id()
    }

    /// Wakes the task and ends this wait.
    #[inline]
    pub(crate) fn wake(self) {
        self.wake_with(Scheduler::schedule);
    }

    /// The same, behind all that is queued on this worker, which the caller tells of its surplus afterwards.
    pub(crate) fn wake_behind(self) {
        self.wake_with(Scheduler::schedule_behind);
    }

    #[inline]
    fn wake_with(self, schedule: impl FnOnce(&Scheduler, NonNull<Header>)) {
        let header = ManuallyDrop::new(self).0;
        // SAFETY: the reference that is being given up keeps the cell alive until the state has changed.
        let task = unsafe { header.as_ref() };
        match task.state.notify_and_end_wait() {
            // Nobody else may run or finish it before it is queued, so it still lives.
            Notify::Queue => schedule(task.scheduler(), header),
            Notify::Nothing => {}
            // SAFETY: that was the last reference.
            Notify::Free => unsafe { cell::free(header) },
        }
    }
}

impl Deref for WaitRef {
    type Target = Header;

    #[inline]
    fn deref(&self) -> &Header {
        // SAFETY: this reference keeps the cell alive.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for WaitRef {
    #[inline]
    fn drop(&mut self) {
        if !again::gives_up(self.0) && self.state.release_wait() {
            // SAFETY: that was the last reference.
            unsafe { cell::free(self.0) };
        }
    }
}

impl std::fmt::Debug for WaitRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WaitRef({})", self.slot().id())
    }
}

/// Added to the address of a box.
const BOXED: usize = 1;

const _: () = assert!(
    align_of::<Header>() > BOXED && align_of::<Waker>() > BOXED,
    "the lowest bit is free"
);

/// The place of a [`TaskWaker`] in one word: a task, a box of another waker with [`BOXED`] added, or null. Dropping it drops nothing:
/// who has it takes out what is in it.
#[derive(Debug)]
pub(crate) struct WakerPlace(*mut ());

impl WakerPlace {
    #[inline]
    pub(crate) fn new(waker: TaskWaker) -> Self {
        match waker {
            TaskWaker::Task(task) => Self(ManuallyDrop::new(task).header().as_ptr().cast()),
            TaskWaker::Other(waker) => Self::boxed(waker),
        }
    }

    #[cold]
    fn boxed(waker: Waker) -> Self {
        let waker = Box::into_raw(Box::new(waker)).cast::<()>();
        Self(waker.map_addr(|address| address | BOXED))
    }

    /// Takes the waker out, if there is one.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<TaskWaker> {
        let word = NonNull::new(std::mem::replace(&mut self.0, ptr::null_mut()))?;
        if word.addr().get() & BOXED != 0 {
            // SAFETY: the word was that of a box, and is gone.
            return Some(unsafe { unbox(word) });
        }
        // SAFETY: the word had the reference of the waker that it was made of, and is gone.
        let task = unsafe { WaitRef::from_raw(word.cast()) };
        Some(TaskWaker::Task(task))
    }

    /// Looks at the waker, for observers.
    pub(crate) fn look(&mut self, see: impl FnOnce(Option<&TaskWaker>)) {
        let waker = self.take();
        see(waker.as_ref());
        if let Some(waker) = waker {
            *self = Self::new(waker);
        }
    }
}

/// # Safety
/// The word came from [`WakerPlace::boxed`], and nobody else uses it.
#[cold]
unsafe fn unbox(word: NonNull<()>) -> TaskWaker {
    let waker = word.as_ptr().map_addr(|address| address & !BOXED);
    // SAFETY: by contract.
    let waker = unsafe { Box::from_raw(waker.cast::<Waker>()) };
    TaskWaker::Other(*waker)
}

/// Wakes somebody else's waker, which may be any code: its panic must not reach the worker, nor keep others from being woken.
#[cold]
fn wake_foreign(waker: Waker) {
    // UNWIND: the waker is used up either way; the panic was reported by the panic hook.
    if catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err() {
        tracing::error!(target: "roundrock::process", "a waker that is not Roundrock's panicked");
    }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: a waker with this vtable was made by `borrowed` or by this function, over a living task.
    let header = unsafe { &*data.cast::<Header>() };
    header.state.retain_outside();
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the caller hands over this waker, so `wake_by_ref` and then a drop are allowed.
    unsafe { wake_by_ref(data) };
    // SAFETY: as above.
    unsafe { drop_waker(data) };
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: a waker with this vtable keeps its task alive, or is borrowed from a poll that does.
    let header = unsafe { &*data.cast::<Header>() };
    if header.state.notify() == Notify::Queue {
        header.scheduler().schedule(NonNull::from(header));
    }
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: as in `clone`.
    let header = unsafe { &*data.cast::<Header>() };
    if header.state.release_outside() {
        // SAFETY: that was the last reference.
        unsafe { cell::free(NonNull::from(header)) };
    }
}
