//! The loop of one worker: next slot, local queue, injector, steal, park.
//!
//! Fairness: at most [`STREAK`] tasks in a row come from the run-next slot; now and then the worker looks at the injector, the
//! timers and the reactor, so none can starve behind a busy local queue. How many steps lie between two looks follows from how
//! long steps take: at most [`TICK`], and so few that a look comes about four thousand times a second. The reactor is looked at
//! at least every [`DRIVE_TICK`] steps, and every millisecond.
//!
//! **Invariants**
//! - Only the worker itself stores tasks into its run-next slot, and takes them out between two steps; during a step the monitor
//!   may take one out.
//! - A worker parks only after it counted itself asleep and then found all queues empty.
//!
//! Model: `tests/loom_queue.rs` (the run-next slot), `tests/loom_idle.rs` (the rest, with a loop like this one).

#![expect(
    unsafe_code,
    reason = "a thread-local pointer to the worker of this thread"
)]

use std::cell::{Cell, RefCell, RefMut};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::channel::dead::Desk;
use crate::channel::registry::Shard;
use crate::scheduler::Scheduler;
use crate::scheduler::company::{self, Company};
use crate::scheduler::driver::Parker;
use crate::scheduler::queue::{Local, Runnable, Thief};
use crate::sim::here;
use crate::sync::{
    AtomicPtr, AtomicU32, AtomicU64, Ordering, Owning, heavy_fence, light_fence, may_own_locks,
    take_collisions, thread_local,
};
use crate::task::cell::{self, Header, Step};
use crate::task::registry::FreeCache;

/// Tasks in a row from the run-next slot before the queue gets a turn.
const STREAK: u32 = 16;
/// Most steps between looks at the injector and the clock.
const TICK: u32 = 64;
/// Most steps between looks at the reactor while nobody drives it.
const DRIVE_TICK: u64 = 256;
/// What lies between two looks: shorter, and the next one comes after more steps; longer, and it comes sooner.
const LOOK_NANOS: std::ops::Range<u64> = 100_000..250_000;
/// What lies between two looks at the reactor at most.
const DRIVE_NANOS: u64 = 1_000_000;

/// The state of a generator that is not one: the numbers are choices of a simulation.
const SIMULATED: u64 = 0;

/// What others see of a worker.
#[derive(Debug)]
pub(crate) struct Remote {
    next: CachePadded<Next>,
    pub(crate) thief: Thief,
    pub(crate) company: CachePadded<Company>,
    pub(crate) parker: Parker,
    /// The channels that this worker made.
    pub(crate) channels: Arc<Shard>,
    pub(crate) counters: CachePadded<Counters>,
}

/// The run-next slot.
///
/// The worker takes a task out with a plain load and store: it does so between two steps only, and the monitor takes only from
/// a worker whose step does not end. That each sees where the other is, is a matter of two stores and a fence between each and
/// the load that follows; the monitor, which comes once in a while, pays for both fences. Rejected: a swap for each task that
/// the worker takes, a locked instruction more for each message.
#[derive(Debug)]
struct Next {
    /// What the worker woke last, and will run next.
    task: AtomicPtr<Header>,
    /// 1: the monitor is at the slot, so the worker swaps. For ever, where the system has no fence for others.
    contested: AtomicU32,
}

/// Counters of a worker; one writer, relaxed.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Steps begun. Odd while a step runs: see [`Next`].
    pub(crate) steps: AtomicU64,
    /// Id of the process whose step runs or ran last.
    pub(crate) current: AtomicU64,
    pub(crate) steals: AtomicU64,
    pub(crate) parks: AtomicU64,
}

impl Remote {
    /// `fenced`: the system has a [`heavy_fence`].
    pub(crate) fn new(thief: Thief, desk: &Arc<Desk>, fenced: bool) -> Self {
        Self {
            next: CachePadded::new(Next {
                task: AtomicPtr::new(ptr::null_mut()),
                contested: AtomicU32::new(u32::from(!fenced)),
            }),
            thief,
            company: CachePadded::new(Company::new()),
            parker: Parker::default(),
            channels: Shard::new(desk),
            counters: CachePadded::new(Counters::default()),
        }
    }

    /// The steps of the worker: odd while one runs, from its beginning to when a process that parks has looked for cycles.
    pub(crate) fn steps(&self) -> u64 {
        // ORDERING: Acquire: pairs with the Release of the worker: what its earlier steps did is visible.
        self.counters.steps.load(Ordering::Acquire)
    }

    /// The process whose step runs or ran last.
    pub(crate) fn current(&self) -> u64 {
        // ORDERING: Acquire: as for `steps`.
        self.counters.current.load(Ordering::Acquire)
    }

    /// Whether thieves find something in the queue.
    pub(crate) fn has_surplus(&self) -> bool {
        !self.thief.is_empty() && !self.company.is_alone()
    }

    /// Whether there is one in the run-next slot. By the owner only.
    #[inline]
    fn has_next(&self) -> bool {
        // ORDERING: Relaxed: only the owner stores tasks, and null is final until it does.
        !self.next.task.load(Ordering::Relaxed).is_null()
    }

    /// Takes the task in the run-next slot. By the owner only, between two steps.
    #[inline]
    pub(crate) fn take_next(&self) -> Option<Runnable> {
        if !self.has_next() {
            return None;
        }
        let Next { task, contested } = &*self.next;
        // Between the end of the last step in `steps`, and the look at what the monitor does: see `rob`.
        light_fence();
        // ORDERING: Acquire pairs with the Release in `rob`: what that took is seen to be gone.
        if contested.load(Ordering::Acquire) == 0 {
            // ORDERING: Relaxed: the monitor keeps its hands off, and reads the slot only after it saw a later step.
            let taken = task.load(Ordering::Relaxed);
            task.store(ptr::null_mut(), Ordering::Relaxed);
            return NonNull::new(taken).map(Runnable);
        }
        // ORDERING: Relaxed: the owner stored it.
        NonNull::new(task.swap(ptr::null_mut(), Ordering::Relaxed)).map(Runnable)
    }

    /// Takes the task out of the run-next slot of a worker that is still in the step of this number, an odd one. By the monitor
    /// only.
    pub(crate) fn rob(&self, steps: u64) -> Option<Runnable> {
        let Next { task, contested } = &*self.next;
        // ORDERING: Relaxed: the exchange below finds out whether it is still there; an empty slot needs no fence.
        let seen = NonNull::new(task.load(Ordering::Relaxed))?;
        // ORDERING: Relaxed: only the monitor stores it.
        let always = contested.load(Ordering::Relaxed) == 1;
        // ORDERING: Relaxed, then the fence: either the owner sees this before it takes a task, or the end of its step, which it
        // stored before, is seen below.
        contested.store(1, Ordering::Relaxed);
        let mut robbed = false;
        // ORDERING: Acquire pairs with the Release in `begin_step`: of a later step, all before it is seen.
        if always || heavy_fence() && self.counters.steps.load(Ordering::Acquire) == steps {
            let null = ptr::null_mut();
            // ORDERING: Acquire pairs with the Release in `put_next`: the task's cell is visible. Relaxed on failure: nothing is
            // taken then.
            robbed = task
                .compare_exchange(seen.as_ptr(), null, Ordering::Acquire, Ordering::Relaxed)
                .is_ok();
        }
        if !always {
            // ORDERING: Release pairs with the Acquire in `take_next`.
            contested.store(0, Ordering::Release);
        }
        robbed.then_some(Runnable(seen))
    }

    /// Notes that the owner begins its step of this number, of this process.
    #[inline]
    pub(crate) fn begin_step(&self, steps: u64, process: u64) {
        // ORDERING: Release: see `current`.
        self.counters.current.store(process, Ordering::Release);
        // ORDERING: Release: see `rob`.
        self.counters.steps.store(2 * steps + 1, Ordering::Release);
    }

    /// Notes that the owner has ended its step of this number.
    #[inline]
    pub(crate) fn end_step(&self, steps: u64) {
        // ORDERING: Release: who sees the end of the step sees what it did, see `steps`.
        self.counters.steps.store(2 * steps + 2, Ordering::Release);
    }

    /// Whether there is no task in the run-next slot. By the owner only: for others it is a guess.
    #[inline]
    fn is_next_free(&self) -> bool {
        // ORDERING: Relaxed: only the owner stores tasks.
        self.next.task.load(Ordering::Relaxed).is_null()
    }

    /// Stores a task and returns the one that it displaces. By the owner only.
    #[inline]
    pub(crate) fn put_next(&self, task: Runnable) -> Option<Runnable> {
        let next = &self.next.task;
        // ORDERING: Relaxed: only the owner stores tasks; the monitor can only make it null.
        if next.load(Ordering::Relaxed).is_null() {
            // ORDERING: Release: see `rob`.
            next.store(task.0.as_ptr(), Ordering::Release);
            return None;
        }
        // ORDERING: AcqRel: Release as above; Acquire because the displaced task was stored by this thread or is null.
        NonNull::new(next.swap(task.0.as_ptr(), Ordering::AcqRel)).map(Runnable)
    }
}

/// The worker of this thread.
#[derive(Debug)]
pub(crate) struct Worker {
    scheduler: Arc<Scheduler>,
    /// What the others see of this one.
    remote: Arc<Remote>,
    index: usize,
    local: Local,
    free: RefCell<FreeCache>,
    steps: Cell<u64>,
    /// Steps until the next look, and between this one and the last.
    countdown: Cell<u32>,
    period: Cell<u32>,
    /// When the worker looked last, and when it looked at the reactor last.
    looked: Cell<u64>,
    drove: Cell<u64>,
    streak: Cell<u32>,
    random: Cell<u64>,
    /// What it stole last, until that is done; and how many tasks it stole lately for nothing.
    stolen: Cell<Option<Stolen>>,
    in_vain: Cell<u32>,
    searching: Cell<bool>,
    /// True between `fall_asleep` and `wake_up`: a task that becomes ready on this thread must end the sleep.
    parking: Cell<bool>,
}

/// Tasks that a worker took from another one's queue.
#[derive(Debug, Clone, Copy)]
struct Stolen {
    victim: usize,
    tasks: u32,
    at_nanos: u64,
}

/// While it lives, its worker is the worker of this thread.
#[derive(Debug)]
pub(crate) struct Here<'a>(
    #[cfg_attr(not(loom), expect(dead_code, reason = "ends with this"))] Option<Owning>,
    PhantomData<&'a Worker>,
);

impl Drop for Here<'_> {
    fn drop(&mut self) {
        WORKER.with(|worker| worker.set(ptr::null()));
    }
}

thread_local! {
    static WORKER: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

/// Calls `f` with the worker of this thread, if it is one.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    WORKER.with(|worker| {
        // SAFETY: the pointer is set while a `Here` borrows the worker, on this thread.
        f(unsafe { worker.get().as_ref() })
    })
}

impl Worker {
    pub(crate) fn new(scheduler: Arc<Scheduler>, index: usize, local: Local) -> Self {
        let seed = scheduler.seed() ^ (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self {
            remote: Arc::clone(&scheduler.remotes[index]),
            scheduler,
            index,
            local,
            free: RefCell::default(),
            steps: Cell::new(0),
            countdown: Cell::new(1),
            period: Cell::new(1),
            looked: Cell::new(0),
            drove: Cell::new(0),
            streak: Cell::new(0),
            random: Cell::new(seed | 1),
            stolen: Cell::new(None),
            in_vain: Cell::new(0),
            searching: Cell::new(false),
            parking: Cell::new(false),
        }
    }

    pub(crate) fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    pub(crate) fn share_scheduler(&self) -> Arc<Scheduler> {
        Arc::clone(&self.scheduler)
    }

    pub(crate) fn channels(&self) -> &Arc<Shard> {
        &self.remote().channels
    }

    pub(crate) fn free_slots(&self) -> RefMut<'_, FreeCache> {
        self.free.borrow_mut()
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Gives back the owner's side of the queue when the thread ends, and the slots that it kept for itself.
    pub(crate) fn into_local(self) -> Local {
        let mut free = self.free.borrow_mut();
        self.scheduler.registry.take_back(&mut free);
        drop(free);
        self.local
    }

    /// A number below `n` from this worker's generator (xorshift64*, Vigna 2016).
    pub(crate) fn random_below(&self, n: u32) -> u32 {
        let mut x = self.random.get();
        if x == SIMULATED {
            return here::random_below(n);
        }
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.random.set(x);
        let high = (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) * u64::from(n);
        (high >> 32) as u32
    }

    fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Queues a task that this worker woke: it runs next.
    #[inline]
    pub(crate) fn push_woken(&self, task: Runnable) {
        if let Some(displaced) = self.remote().put_next(task) {
            self.push_surplus(displaced);
        }
        if self.parking.get() {
            self.remote().parker.unpark();
        }
    }

    /// Queues a task that was spawned by this worker: it runs next, unless another one does. What was woken is not displaced:
    /// its data is at hand.
    #[inline]
    pub(crate) fn push_new(&self, task: Runnable) {
        if self.parking.get() || self.remote().is_next_free() {
            self.push_woken(task);
        } else if self.random.get() == SIMULATED {
            self.push_surplus(task);
        } else {
            self.local.push_new(task);
            self.tell_of_surplus();
        }
    }

    /// Queues a task behind the others, of which [`tell_of_surplus`](Self::tell_of_surplus) is called afterwards.
    pub(crate) fn push_behind(&self, task: Runnable) {
        self.local.push(task);
    }

    /// Queues a task behind the others.
    #[inline]
    fn push_surplus(&self, task: Runnable) {
        self.local.push(task);
        self.tell_of_surplus();
    }

    #[inline]
    fn tell_of_surplus(&self) {
        if !self.remote().company.is_alone() {
            self.scheduler.wake_for_surplus();
        }
    }

    /// Makes this the worker of this thread.
    pub(crate) fn enter(&self) -> Here<'_> {
        WORKER.with(|worker| worker.set(self));
        Here(may_own_locks(), PhantomData)
    }

    /// The worker of a simulation, which runs no loop of its own: it takes in what becomes ready, and the simulation chooses.
    pub(crate) fn simulated(scheduler: Arc<Scheduler>, index: usize, local: Local) -> Self {
        let worker = Self::new(scheduler, index, local);
        worker.random.set(SIMULATED);
        worker.free_slots().once = true;
        worker
    }

    /// Whether [`take_ready`](Self::take_ready) has one.
    #[inline]
    pub(crate) fn has_ready(&self) -> bool {
        !self.local.is_empty() || self.remote().has_next()
    }

    /// A task that became ready on this thread since this was asked last, in the order of their wakes.
    #[inline]
    pub(crate) fn take_ready(&self) -> Option<Runnable> {
        self.local.pop().or_else(|| self.remote().take_next())
    }

    /// Runs what is ready, without waiting.
    #[cfg(all(test, loom))]
    pub(crate) fn run_ready(&self) {
        while let Some(task) = self.next() {
            self.step(task);
        }
        self.stop_searching();
    }

    /// Runs until the scheduler shuts down or, for a spare, until it is not needed.
    pub(crate) fn run(&self, spare: bool) {
        let _here = self.enter();
        self.remote().parker.attach();
        let _entered = self.scheduler.driver.enter();
        loop {
            match self.next() {
                Some(task) => self.step(task),
                None if self.scheduler.is_shut_down() => break,
                None if spare && self.scheduler.retire(self.index) => break,
                None => self.sleep(),
            }
        }
        // Whoever pushed while this worker searched has woken nobody.
        if self.stop_searching() {
            self.scheduler.wake_for_surplus();
        }
        self.remote().company.end_alone();
        self.remote().company.give_handed(&self.scheduler.injector);
        while let Some(task) = self.remote().take_next().or_else(|| self.local.pop()) {
            self.scheduler.injector.push(task);
            self.scheduler.wake_for_surplus();
        }
        // This one may have kept the time and driven the reactor while the others slept: one of them must take over.
        self.scheduler.wake_for_surplus();
    }

    #[inline]
    fn step(&self, task: Runnable) {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        // SAFETY: a queued task is not done, so its cell lives.
        let id = unsafe { task.0.as_ref() }.slot().id().raw();
        self.remote().begin_step(steps, id);
        let outcome = cell::step(task.0, &self.scheduler);
        self.remote().end_step(steps);
        if outcome == Step::Again {
            self.scheduler.note_ready(task.0);
            self.push_surplus(task);
        }
        let left = self.countdown.get() - 1;
        self.countdown.set(left);
        if left == 0 {
            self.look(steps);
        }
    }

    /// Looks at the clock, and at all that may have become ready meanwhile.
    #[cold]
    fn look(&self, steps: u64) {
        let now = self.scheduler.clock.now_nanos();
        let passed = now.saturating_sub(self.looked.replace(now));
        let before = self.period.get();
        let period = if passed < LOOK_NANOS.start {
            (before * 2).min(TICK)
        } else if passed > LOOK_NANOS.end {
            (before / 2).max(1)
        } else {
            before
        };
        self.period.set(period);
        self.countdown.set(period);
        let drive = now.saturating_sub(self.drove.get()) >= DRIVE_NANOS
            || steps % DRIVE_TICK < u64::from(period);
        if drive {
            self.drove.set(now);
        }
        self.choose_company(now, passed, before);
        self.maintain(drive);
    }

    /// Gives way to a worker that this one keeps meeting, or lets others come again.
    fn choose_company(&self, now: u64, passed: u64, steps: u32) {
        let own = &self.remote().company;
        if company::is_quarrel(take_collisions(), passed) {
            let workers = self.scheduler.workers();
            if let Some(partner) = own.gives_way_to(self.index, workers) {
                let partner = &self.scheduler.remotes[partner];
                partner.company.leave_alone(now);
                own.end_alone();
                while let Some(task) = self.remote().take_next().or_else(|| self.local.pop()) {
                    partner.company.hand(task);
                }
                partner.parker.unpark();
            }
        } else if own.wants_company(now, passed / u64::from(steps)) {
            self.end_alone();
        }
    }

    fn end_alone(&self) {
        self.remote().company.end_alone();
        if !self.local.is_empty() {
            self.scheduler.wake_for_surplus();
        }
    }

    /// The timers, and now and then the reactor.
    #[cold]
    fn maintain(&self, with_reactor: bool) {
        self.fire_timers(false);
        if with_reactor {
            self.scheduler.driver.poll();
        }
        if let Some(task) = self.remote().company.take_handed(&self.local) {
            self.push_surplus(task);
        }
        if let Some(task) = self.scheduler.injector.steal(&self.local) {
            self.push_surplus(task);
        }
    }

    /// Fires timers that are due; see [`Timers::fire`](crate::time::queue::Timers::fire).
    fn fire_timers(&self, idle: bool) {
        let scheduler = &*self.scheduler;
        let fired = scheduler.timers.fire(&scheduler.clock, self.index, idle);
        if fired.more {
            // Others are welcome to fire too, whoever is left alone.
            scheduler.wake_for_surplus();
        } else if fired.count > 1 {
            self.tell_of_surplus();
        }
    }

    /// The next task, without waiting.
    #[inline]
    fn next(&self) -> Option<Runnable> {
        if let Some(task) = self.remote().take_next() {
            if self.streak.get() < STREAK {
                self.streak.set(self.streak.get() + 1);
                return Some(self.found(task));
            }
            self.local.push(task);
        }
        self.streak.set(0);
        match self.local.pop() {
            Some(task) => Some(self.found(task)),
            None => self.search(),
        }
    }

    #[cold]
    fn search(&self) -> Option<Runnable> {
        if let Some(stolen) = self.stolen.take() {
            self.judge(stolen);
        }
        if let Some(task) = self.remote().company.take_handed(&self.local) {
            return Some(self.found(task));
        }
        if let Some(task) = self.scheduler.injector.steal(&self.local) {
            return Some(self.found(task));
        }
        self.fire_timers(true);
        if let Some(task) = self.remote().take_next().or_else(|| self.local.pop()) {
            return Some(self.found(task));
        }
        if !self.searching.get() {
            if !self.scheduler.idle.start_searching(self.scheduler.awake()) {
                return None;
            }
            self.searching.set(true);
        }
        self.steal().map(|task| self.found(task))
    }

    /// One round over the other workers, from a random one.
    fn steal(&self) -> Option<Runnable> {
        let remotes = self.scheduler.active_remotes();
        let start = self.random_below(remotes.len() as u32) as usize;
        for offset in 0..remotes.len() {
            let victim = (start + offset) % remotes.len();
            if victim == self.index || !remotes[victim].has_surplus() {
                continue;
            }
            if let Some(task) = remotes[victim].thief.steal(&self.local) {
                remotes[victim].company.met(self.index);
                self.remote().company.met(victim);
                // Nothing else was in the queue.
                let tasks = self.local.len() as u32 + 1;
                if tasks >= company::FULL {
                    let at_nanos = self.scheduler.clock.now_nanos();
                    self.stolen.set(Some(Stolen {
                        victim,
                        tasks,
                        at_nanos,
                    }));
                }
                let steals = &self.remote().counters.steals;
                // ORDERING: Relaxed: a counter with one writer.
                steals.store(steals.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                return Some(task);
            }
        }
        None
    }

    /// What was stolen is done, and all that came of it: leaves the victim alone if that was not worth the way, again and again.
    fn judge(&self, stolen: Stolen) {
        let now = self.scheduler.clock.now_nanos();
        if !company::is_in_vain(stolen.tasks, now.saturating_sub(stolen.at_nanos)) {
            return self.in_vain.set(0);
        }
        let in_vain = self.in_vain.get() + stolen.tasks;
        if in_vain < company::IN_VAIN {
            return self.in_vain.set(in_vain);
        }
        self.in_vain.set(0);
        let victim = &self.scheduler.remotes[stolen.victim];
        if !victim.company.is_in_long_step(victim.steps()) {
            victim.company.leave_alone(now);
        }
    }

    /// A searcher that found work wakes the next searcher, if it was the last one: there may be more. A worker that was woken
    /// counts as searching, so this holds for its own queue too.
    #[inline]
    fn found(&self, task: Runnable) -> Runnable {
        if self.stop_searching() {
            self.scheduler.wake_for_surplus();
        }
        task
    }

    fn stop_searching(&self) -> bool {
        self.searching.replace(false) && self.scheduler.idle.stop_searching()
    }

    /// Parks until somebody wakes this worker, or the next timer is due and this worker keeps the time.
    fn sleep(&self) {
        let scheduler = &*self.scheduler;
        self.parking.set(true);
        let company = &self.remote().company;
        if company.is_alone() {
            company.end_alone();
        }
        scheduler
            .idle
            .fall_asleep(self.index, self.searching.replace(false));
        if !company.is_handed() && !scheduler.has_queued_work() && !scheduler.is_shut_down() {
            let parks = &self.remote().counters.parks;
            // ORDERING: Relaxed: a counter with one writer.
            parks.store(parks.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            let parker = &self.remote().parker;
            let keep = || scheduler.timers.keep(&scheduler.clock, self.index);
            let release = || scheduler.timers.release();
            if !scheduler.driver.try_park(parker, keep, release) {
                parker.park(None);
            }
        }
        self.parking.set(false);
        if scheduler.idle.wake_up(self.index) {
            self.searching.set(true);
        }
        scheduler.monitor.rest.worker_woke();
        // What runs now is not to be stamped with the time at which all fell asleep.
        scheduler.clock.go_on();
    }
}

/// How long a thief leaves a task in another worker's run-next slot before the monitor gives it away.
pub(crate) const PATIENCE: Duration = Duration::from_millis(10);
