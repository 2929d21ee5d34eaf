//! The monitor thread: it writes the coarse clock, and sees workers that do not come back.
//!
//! Awake only while some worker is: it sleeps 20 ms after the last activity until the next search for leaks (see `leaks::watch`),
//! and the first worker that leaves its park wakes it. Its period is jittered (0.5 to 1.5 times 5 ms), so that work in step with the
//! clock cannot hide from it. A step that it has seen once it looks at again when that would be a stall: so a stall is noticed at most
//! 17.5 ms after its step began.
//!
//! A step that runs longer than [`worker::PATIENCE`] while tasks wait for its worker is a *stall*: the process is reported by
//! name and another worker is woken, or a spare one started, which takes over the queue, the run-next slot, the timers and
//! the reactor.
//!
//! Model: `tests/loom_idle.rs` (the monitor sleeps only while all workers do).

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::blocking::Lane;
use crate::leaks::watch::Watching;
use crate::observe::growth::Counting;
use crate::observe::{Event, EventKind};
use crate::scheduler::driver::Parker;
use crate::scheduler::{Scheduler, worker};
use crate::sync::{AtomicU32, AtomicUsize, Lock, Ordering, fence, start_thread};
use crate::task::ProcessId;

const PERIOD: Duration = Duration::from_millis(5);
const LINGER: Duration = Duration::from_millis(20);
/// How long it sleeps at most while a job lacks a thread.
const RETRY: Duration = Duration::from_secs(1);

/// The monitor of a scheduler.
#[derive(Debug)]
pub(crate) struct Monitor {
    pub(crate) rest: Arc<Rest>,
    stuck: AtomicUsize,
    thread: Lock<Option<JoinHandle<()>>>,
    remotes: usize,
}

/// What the monitor remembers of one worker between two looks.
#[derive(Debug, Clone, Copy, Default)]
struct Look {
    steps: u64,
    since: Option<Instant>,
    reported: bool,
}

impl Monitor {
    pub(crate) fn new(remotes: usize) -> Self {
        Self {
            rest: Arc::default(),
            stuck: AtomicUsize::new(0),
            thread: Lock::new(None),
            remotes,
        }
    }

    pub(crate) fn start(&self, scheduler: &Arc<Scheduler>, name: &str) -> std::io::Result<()> {
        let weak = Arc::downgrade(scheduler);
        let rest = Arc::clone(&self.rest);
        let looks = vec![Look::default(); self.remotes];
        let body = move || watch(&weak, &rest, looks);
        let thread = start_thread(format!("{name}-monitor"), Box::new(body))?;
        *self.thread.lock() = Some(thread);
        Ok(())
    }

    /// Workers whose step does not end.
    pub(crate) fn stuck(&self) -> usize {
        // ORDERING: Relaxed: a number for decisions that are looked at again.
        self.stuck.load(Ordering::Relaxed)
    }

    pub(crate) fn shutdown(&self) {
        self.rest.parker.unpark();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// Where the monitor sleeps while all workers do.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    parker: Parker,
    /// 1 while the monitor sleeps, or is about to.
    asleep: AtomicU32,
}

impl Rest {
    /// Must be called by the monitor before it sleeps.
    pub(crate) fn attach(&self) {
        self.parker.attach();
    }

    /// Called by a worker after it has left the sleepers.
    #[inline]
    pub(crate) fn worker_woke(&self) {
        // ORDERING: SeqCst fence: the monitor sets the flag, then counts the sleepers; a worker leaves the sleepers, then reads the
        // flag. One of the two sees the other.
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed: ordered by the fence.
        if self.asleep.load(Ordering::Relaxed) != 0 {
            self.parker.unpark();
        }
    }

    /// Sleeps until a worker wakes, if all of them sleep; at most for `limit`.
    pub(crate) fn sleep_while(&self, limit: Option<Duration>, all_asleep: impl FnOnce() -> bool) {
        // ORDERING: Relaxed, then the fence: see `worker_woke`.
        self.asleep.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if all_asleep() {
            self.parker.park(limit);
        }
        // ORDERING: Relaxed: a worker that still reads 1 wakes the monitor for nothing.
        self.asleep.store(0, Ordering::Relaxed);
    }
}

fn watch(scheduler: &Weak<Scheduler>, rest: &Rest, mut looks: Vec<Look>) {
    rest.attach();
    let mut quiet_since = None::<Instant>;
    let mut jitter = 0x2545_f491_u32;
    let mut counting = None;
    let mut watching = None;
    let mut stands = 0_u32;
    loop {
        let Some(scheduler) = scheduler
            .upgrade()
            .filter(|scheduler| !scheduler.is_shut_down())
        else {
            return;
        };
        scheduler.clock.go_on();
        let now = scheduler.clock.write_coarse();
        let next_stall = look(&scheduler, &mut looks, now);
        let counting = counting.get_or_insert_with(|| Counting::new(*scheduler.growth.lock(), now));
        let watching = watching.get_or_insert_with(|| Watching::new(now));
        // A look at many processes takes long: meanwhile the clock goes on, and workers are looked at.
        let mut looked = now;
        let mut breathe = || {
            if looked.elapsed() >= PERIOD {
                looked = scheduler.clock.write_coarse();
                look(&scheduler, &mut looks, looked);
            }
        };
        let busy = scheduler.idle.sleeping() < scheduler.threads();
        search(&scheduler, now, busy, counting, watching, &mut breathe);
        let quiet = match quiet_since {
            _ if busy => {
                quiet_since = None;
                false
            }
            None => {
                quiet_since = Some(now);
                false
            }
            Some(since) => now - since >= LINGER,
        };
        if quiet {
            let steps = scheduler.steps();
            watching.quiet(&scheduler, now, &mut breathe);
            if steps != scheduler.steps() {
                quiet_since = None;
                continue;
            }
            let limit = if make_up(&scheduler) {
                watching.limit(now).min(RETRY)
            } else {
                watching.limit(now)
            };
            stands = stands.wrapping_add(1).max(1);
            scheduler.clock.stand(stands);
            // The monitor keeps no scheduler alive while it sleeps.
            rest.sleep_while(Some(limit), move || {
                scheduler.idle.sleeping() >= scheduler.threads() && !scheduler.is_shut_down()
            });
            // It sleeps on after a pass that was due, and lingers after a worker woke it.
            if now.elapsed() < limit {
                quiet_since = None;
            }
            continue;
        }
        make_up(&scheduler);
        drop(scheduler);
        jitter ^= jitter << 13;
        jitter ^= jitter >> 17;
        jitter ^= jitter << 5;
        let period = PERIOD / 2 + PERIOD.mul_f64(f64::from(jitter % 1024) / 1024.0);
        rest.parker
            .park(Some(next_stall.map_or(period, |stall| period.min(stall))));
    }
}

/// Starts the threads for blocking jobs that could not be started before. True if jobs still wait for some.
fn make_up(scheduler: &Scheduler) -> bool {
    scheduler.system().is_some_and(|system| {
        let lanes = [Lane::Blocking, Lane::Cpu];
        let missing = lanes.map(|lane| system.threads(lane).make_up());
        missing.contains(&true)
    })
}

/// Counts processes, and searches for leaks, if that is due.
fn search(
    scheduler: &Arc<Scheduler>,
    now: Instant,
    busy: bool,
    counting: &mut Counting,
    watching: &mut Watching,
    breathe: &mut dyn FnMut(),
) {
    let due = watching.is_due(scheduler, now, !busy);
    if busy {
        counting.tick(scheduler, now);
    } else if due {
        // While nothing runs all is looked at when a search is due, and not before.
        while counting.tick(scheduler, scheduler.clock.now()) {
            breathe();
        }
    }
    if due {
        watching.tick(scheduler, now, breathe);
    }
}

/// Compares every worker with the last look. Returns after what time the next step would be a stall, if it still runs then.
fn look(scheduler: &Arc<Scheduler>, looks: &mut [Look], now: Instant) -> Option<Duration> {
    let mut stuck = 0;
    let mut next_stall = None::<Duration>;
    let mut waiting = false;
    for (remote, look) in scheduler.active_remotes().iter().zip(looks) {
        // ORDERING: Relaxed: see `worker::Counters`.
        let steps = remote.counters.steps.load(Ordering::Relaxed);
        let running = steps % 2 == 1;
        if !running || steps != look.steps {
            *look = Look {
                steps,
                since: running.then_some(now),
                reported: false,
            };
            continue;
        }
        // Its step lasts longer than a message: what waits behind it is for everybody.
        remote.company.note_long_step(steps);
        if remote.company.is_alone() || remote.company.is_handed() {
            remote.company.give_handed(&scheduler.injector);
            remote.company.end_alone();
            scheduler.wake_for_surplus();
        }
        let ran = look.since.map_or(Duration::ZERO, |since| now - since);
        if ran < worker::PATIENCE {
            let left = worker::PATIENCE - ran;
            next_stall = Some(next_stall.map_or(left, |next| next.min(left)));
            continue;
        }
        stuck += 1;
        // What waits in the slot of a worker that does not come back is given to the others.
        if let Some(task) = remote.rob(steps) {
            scheduler.injector.push(task);
        }
        let queued = remote.thief.len() + scheduler.injector.len();
        if !look.reported && queued > 0 {
            look.reported = true;
            // ORDERING: Relaxed: see `worker::Counters`.
            let current = remote.counters.current.load(Ordering::Relaxed);
            report(scheduler, current, ran, queued);
        }
        waiting = true;
    }
    // ORDERING: Relaxed: see `Monitor::stuck`.
    scheduler.monitor.stuck.store(stuck, Ordering::Relaxed);
    if scheduler.threads() > scheduler.workers() + stuck {
        // A spare that fell asleep while it was needed would sleep for ever: it looks again, and ends.
        scheduler.unpark_spares();
    }
    let neglected = scheduler.driver.is_neglected();
    let behind = scheduler.has_queued_work() || scheduler.timers.overdue(&scheduler.clock);
    if neglected || waiting && behind {
        rescue(scheduler, stuck);
    }
    next_stall
}

/// Work, or the reactor, waits behind a stuck worker: wakes a sleeping worker, or starts a spare if all others are stuck.
fn rescue(scheduler: &Arc<Scheduler>, stuck: usize) {
    if scheduler.idle.sleeping() > 0 {
        scheduler.wake_for_surplus();
    } else if scheduler.idle.searching() == 0 && scheduler.threads() < stuck + scheduler.workers() {
        scheduler.start_spare();
    }
}

fn report(scheduler: &Scheduler, current: u64, ran: Duration, waiting: usize) {
    let process = ProcessId::from_raw(current).and_then(|id| scheduler.registry.find(id));
    let name = process
        .as_ref()
        .map_or("?", |process| process.slot().origin().name);
    tracing::warn!(
        target: "roundrock::scheduler",
        process = name,
        process.id = current,
        running_ms = ran.as_millis() as u64,
        waiting,
        "stall"
    );
    if let Some(process) = process {
        let stall = EventKind::Stall {
            running: ran,
            waiting,
        };
        scheduler.board.tell(|| Event::of(&process, stall));
    }
}
