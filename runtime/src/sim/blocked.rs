//! Code that blocks the thread of a simulation: nothing else can run meanwhile, and virtual time stands still.
//!
//! It cannot be kept from blocking, so it is looked for, in two ways that cost a step next to nothing. After a run that took
//! long, the kernel is asked whether the thread gave its core away of itself ([`Switches`]); if it did, the run is made again with
//! a clock at each step ([`Stopwatch`]), and a step that sleeps each time is the failure. A step that never comes back ends no
//! run: a thread of its own says which process it is, and ends the program if it sleeps all the time ([`Watchdog`]).
//!
//! Limits: a call that blocks for less than [`SHORTEST`] is not seen, and the first way needs Linux. Which call it was is what the
//! kernel says of the thread meanwhile ([`Calls`]). Rejected: our own `nanosleep` and `read` in the place of libc's: a library must
//! not replace them for the whole program.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::scheduler::Scheduler;
use crate::sim::beside::Beside;
use crate::sim::calls::{Calls, Now};
use crate::sim::events::name_of;
use crate::sync::{AtomicU32, AtomicU64, Lock, Ordering};

/// What a step takes at least that is said to block.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

/// Stands for the process, while a job runs.
const JOB: u32 = u32::MAX;

/// After what time a step is said not to come back.
const STUCK: Duration = Duration::from_secs(5);

/// After so many looks, four in the time above, that have all found the step asleep in one and the same call, the program is ended.
const HOPELESS: u32 = 24;

/// What the kernel says of this thread in a file of its own, which it writes anew whenever it is read from its beginning.
#[derive(Debug)]
struct Told {
    file: Option<File>,
    text: Vec<u8>,
}

impl Told {
    fn new(path: &str) -> Self {
        Self {
            file: File::open(path).ok(),
            text: Vec::new(),
        }
    }

    /// The text; `None` where the system does not tell.
    fn read(&mut self) -> Option<&[u8]> {
        let mut file = self.file.as_ref()?;
        file.rewind().ok()?;
        self.text.clear();
        file.read_to_end(&mut self.text).ok()?;
        Some(&self.text)
    }
}

/// How often this thread has given its core away of itself.
#[derive(Debug)]
pub(super) struct Switches {
    status: Told,
    seen: Option<u64>,
}

impl Switches {
    /// Counts from now on; nothing where the system does not tell.
    pub(super) fn new() -> Self {
        let mut switches = Self {
            status: Told::new("/proc/thread-self/status"),
            seen: None,
        };
        switches.look();
        switches
    }

    /// Counts from now on.
    pub(super) fn look(&mut self) {
        self.seen = self.read();
    }

    /// Whether there were more since the last look.
    pub(super) fn have_grown(&mut self) -> bool {
        let before = self.seen;
        self.look();
        before.is_some() && self.seen > before
    }

    fn read(&mut self) -> Option<u64> {
        voluntary(self.status.read()?)
    }
}

fn voluntary(status: &[u8]) -> Option<u64> {
    let mut lines = status.split(|&byte| byte == b'\n');
    let number = lines.find_map(|line| line.strip_prefix(b"voluntary_ctxt_switches:"))?;
    std::str::from_utf8(number).ok()?.trim().parse().ok()
}

/// For how long this thread has slept: what is left of the time when what it ran, and what it waited for a core, is taken away.
///
/// A step that computes for long may meet a lock of the allocator's on its way, which another test has for a moment; it does not
/// sleep for long then.
#[derive(Debug)]
struct Sleep {
    schedstat: Told,
    begun: Option<(Instant, Duration)>,
}

impl Sleep {
    fn new() -> Self {
        Self {
            schedstat: Told::new("/proc/thread-self/schedstat"),
            begun: None,
        }
    }

    /// Counts from now on.
    fn begins(&mut self) {
        self.begun = self.read();
    }

    /// How long it was since then; `None` where the system does not tell.
    fn ends(&mut self) -> Option<Duration> {
        let (now, awake) = self.read()?;
        let (begun, before) = self.begun?;
        Some((now - begun).saturating_sub(awake.saturating_sub(before)))
    }

    /// Now, and how long it was awake till then.
    fn read(&mut self) -> Option<(Instant, Duration)> {
        // A thread that goes on running is charged at the next tick, or when it gives its core away.
        std::thread::yield_now();
        let awake = awake(self.schedstat.read()?)?;
        Some((Instant::now(), awake))
    }
}

/// How long a thread has run and waited for a core; nothing if the kernel does not count that.
fn awake(schedstat: &[u8]) -> Option<Duration> {
    let mut numbers = std::str::from_utf8(schedstat).ok()?.split_whitespace();
    let mut next = || numbers.next()?.parse::<u64>().ok();
    let nanos = next()?.checked_add(next()?)?;
    (nanos > 0).then(|| Duration::from_nanos(nanos))
}

/// Tells which step of a run blocks.
#[derive(Debug)]
pub(super) struct Stopwatch {
    switches: Switches,
    sleep: Sleep,
    begun: Instant,
    timing: Timing,
    calls: Option<Calls>,
}

/// How a [`Stopwatch`] finds a step that blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timing {
    /// A step that is long is taken for one that blocks if the thread has given its core away in this run: enough to find out that
    /// no step can be meant.
    Rough,
    /// The kernel is asked before each step, which takes longer than most steps.
    Exact,
}

impl Stopwatch {
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            switches: Switches::new(),
            sleep: Sleep::new(),
            begun: Instant::now(),
            timing,
            calls: (timing == Timing::Exact)
                .then(Calls::of_this_thread)
                .flatten(),
        }
    }

    pub(super) fn step_begins(&mut self) {
        if self.timing == Timing::Exact {
            self.switches.look();
            self.calls.as_ref().into_iter().for_each(Calls::step_begins);
            self.sleep.begins();
        }
        self.begun = Instant::now();
    }

    /// How long the step has blocked, if it has, and in which call, if that is known.
    pub(super) fn step_ends(&mut self) -> Option<(Duration, Option<String>)> {
        let took = self.begun.elapsed();
        if took < SHORTEST || !self.switches.have_grown() {
            return None;
        }
        let slept = self.sleep.ends().unwrap_or(took);
        let call = || self.calls.as_ref().and_then(Calls::most);
        (slept >= SHORTEST).then(|| (took, call()))
    }
}

/// Where a search is; written by its thread, read by the watchdog.
#[derive(Debug, Default)]
pub(super) struct Progress {
    steps: AtomicU64,
    /// The slot of the process whose step runs or ran last.
    process: AtomicU32,
    /// The seed of the run, or [`NO_SEED`].
    seed: AtomicU64,
    scheduler: Lock<Option<Arc<Scheduler>>>,
    thread: Lock<Option<Now>>,
}

/// A run with a tape.
const NO_SEED: u64 = u64::MAX;

impl Progress {
    /// Says which scheduler the next runs use.
    pub(super) fn set_scheduler(&self, scheduler: &Arc<Scheduler>) {
        *self.scheduler.lock() = Some(Arc::clone(scheduler));
    }

    /// Whether the kernel says in which call the thread of the search is.
    pub(super) fn tells_calls(&self) -> bool {
        self.thread.lock().is_some()
    }

    /// Says that the search is on this thread.
    pub(super) fn begin_here(&self) {
        *self.thread.lock() = Now::of_this_thread();
    }

    pub(super) fn run_begins(&self, seed: Option<u64>) {
        // ORDERING: Relaxed: see `step_begins`.
        self.seed.store(seed.unwrap_or(NO_SEED), Ordering::Relaxed);
    }

    /// Whether a process has its turn, and not a job, which may take its time; and in which call its thread is.
    fn asleep_in(&self) -> Option<String> {
        // ORDERING: Relaxed: see `step_begins`.
        let is_job = self.process.load(Ordering::Relaxed) == JOB;
        let mut thread = self.thread.lock();
        thread.as_mut().filter(|_| !is_job)?.call_in_words()
    }

    #[inline]
    pub(super) fn step_begins(&self, process: u32) {
        // ORDERING: Relaxed (all): one writer; the watchdog reads them when nothing has changed for seconds.
        self.process.store(process, Ordering::Relaxed);
        let steps = self.steps.load(Ordering::Relaxed);
        self.steps.store(steps + 1, Ordering::Relaxed);
    }

    /// A job runs: user code of no process.
    pub(super) fn job_begins(&self) {
        self.step_begins(JOB);
    }

    fn steps(&self) -> u64 {
        // ORDERING: Relaxed: see `step_begins`.
        self.steps.load(Ordering::Relaxed)
    }

    /// Who does not come back, in words.
    fn stuck(&self, name: &str, since: Duration, call: Option<&str>) -> String {
        // ORDERING: Relaxed (both): see `step_begins`.
        let process = self.process.load(Ordering::Relaxed);
        let run = match self.seed.load(Ordering::Relaxed) {
            NO_SEED => String::new(),
            seed => format!(" (seed {seed})"),
        };
        if process == JOB {
            return format!(
                "{name}{run}: a job that blocks has not ended for {since:?}, and in a simulation nothing else can run meanwhile"
            );
        }
        let scheduler = self.scheduler.lock().clone();
        let who = scheduler.map_or("a process".to_owned(), |scheduler| {
            name_of(&scheduler, process)
        });
        let why = match call {
            Some(call) => format!("It blocks the thread in {call}: {WAYS_OUT}"),
            None => {
                format!("It computes, loops without an await, or blocks the thread: {WAYS_OUT}")
            }
        };
        format!(
            "{name}{run}: `{who}` has not come back from its step for {since:?}, and in a simulation nothing else can run meanwhile. {why}"
        )
    }
}

/// What to write instead of a call that blocks.
pub(super) const WAYS_OUT: &str = "instead of `std::thread::sleep` write `sleep(..).await`, instead of channels and locks of the standard library those of Roundrock; sockets, files, and what else blocks belong into `blocking(..)`";

/// A thread that says when a step does not come back. It ends when this is dropped.
///
/// A step that sleeps for ever would keep the test, and who waits for it, for ever too; nothing but the end of the program ends it.
/// One that computes is left alone.
#[derive(Debug)]
pub(super) struct Watchdog {
    _looks: Option<Beside>,
}

impl Watchdog {
    /// Watches the search of this thread, and tells on standard error. Without a thread to be had, nobody watches.
    pub(super) fn start(name: &str, progress: &Arc<Progress>) -> Self {
        use std::io::Write as _;
        progress.begin_here();
        // Not by `eprintln!`, which the test harness keeps to itself until the test ends.
        Self::with(name, progress, STUCK, |text, is_hopeless| {
            drop(writeln!(std::io::stderr(), "\n{text}"));
            if is_hopeless {
                std::process::abort();
            }
        })
    }

    fn with(
        name: &str,
        progress: &Arc<Progress>,
        limit: Duration,
        tell: impl Fn(String, bool) + Send + 'static,
    ) -> Self {
        let (name, progress) = (name.to_owned(), Arc::clone(progress));
        let mut seen = (progress.steps(), Instant::now());
        let mut told = false;
        // The call in which every look has found it asleep, and how many did.
        let mut asleep: Option<(String, u32)> = None;
        let looks = Beside::every(limit / 4, "simulation-watch", move || {
            let steps = progress.steps();
            if steps != seen.0 {
                seen = (steps, Instant::now());
                told = false;
                asleep = None;
                return;
            }
            asleep = progress.asleep_in().map(|call| match asleep.take() {
                Some((before, looks)) if before == call => (call, looks + 1),
                _ => (call, 1),
            });
            let call = asleep.as_ref().map(|(call, _)| call.as_str());
            let is_hopeless = asleep.as_ref().is_some_and(|&(_, looks)| looks >= HOPELESS);
            if is_hopeless && told {
                let text = progress.stuck(&name, seen.1.elapsed(), call);
                tell(format!("{text}. The program is ended"), true);
            } else if !told && seen.1.elapsed() >= limit {
                told = true;
                tell(progress.stuck(&name, seen.1.elapsed(), call), false);
            }
        });
        Self { _looks: looks }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn switches_are_read_from_the_text_of_the_kernel() {
        let status = b"Name:\tx\nvoluntary_ctxt_switches:\t11\nnonvoluntary_ctxt_switches:\t7\n";
        assert_eq!(voluntary(status), Some(11));
        assert_eq!(voluntary(b"Name:\tx\n"), None);
        assert_eq!(awake(b"1500 400 3\n"), Some(Duration::from_nanos(1900)));
        for unknown in [&b"0 0 0\n"[..], b"", b"12"] {
            assert_eq!(awake(unknown), None);
        }
    }

    /// Time that a thread computes, or waits for a core, is no sleep.
    #[cfg(target_os = "linux")]
    #[test]
    fn only_sleep_is_sleep() {
        let mut sleep = Sleep::new();
        sleep.begins();
        std::thread::sleep(5 * SHORTEST);
        let Some(slept) = sleep.ends() else {
            return;
        };
        assert!(slept >= 4 * SHORTEST, "{slept:?}");
        // A host that takes the core away from the whole machine says so to nobody.
        let computes_awake = (0..100).any(|_| {
            sleep.begins();
            let begun = Instant::now();
            while begun.elapsed() < 5 * SHORTEST {}
            sleep.ends().is_some_and(|slept| slept < SHORTEST)
        });
        assert!(computes_awake);
    }

    /// It speaks once for each step that does not come back, and not while steps go on.
    #[test]
    fn the_watchdog_speaks_of_a_step_that_does_not_come_back() {
        let progress = Arc::new(Progress::default());
        progress.run_begins(None);
        let (told, texts) = crossbeam_channel::unbounded();
        let limit = Duration::from_millis(20);
        let watchdog = Watchdog::with("hangs", &progress, limit, move |text, is_hopeless| {
            assert!(!is_hopeless, "nothing is known of the thread");
            drop(told.send(text));
        });
        let text = texts.recv().expect("the watchdog lives");
        assert!(
            text.starts_with("hangs: `a process` has not come back"),
            "{text}"
        );
        progress.step_begins(3);
        let again = texts.recv().expect("the watchdog lives");
        assert!(again.contains("blocking(..)"), "{again}");
        progress.job_begins();
        let job = texts.recv().expect("the watchdog lives");
        assert!(job.contains("a job that blocks has not ended"), "{job}");
        drop(watchdog);
        assert!(texts.recv().is_err(), "said twice of one step");
    }

    /// A step that sleeps in one call is hopeless in the end; the call and the seed are named.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_watchdog_gives_up_on_a_step_that_sleeps() {
        let progress = Arc::new(Progress::default());
        let (told, texts) = crossbeam_channel::unbounded();
        let (wake, sleeps) = std::sync::mpsc::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let sleeper = Arc::clone(&progress);
        let sleeper = std::thread::spawn(move || {
            sleeper.begin_here();
            sleeper.run_begins(Some(7));
            sleeper.step_begins(3);
            let _ = ready.send(sleeper.thread.lock().is_some());
            let _ = sleeps.recv();
        });
        let is_known = is_ready.recv().expect("the sleeper lives");
        let limit = Duration::from_millis(20);
        let watchdog = Watchdog::with("sleeps", &progress, limit, move |text, is_hopeless| {
            drop(told.send((text, is_hopeless)));
        });
        let (first, is_hopeless) = texts.recv().expect("the watchdog lives");
        assert!(!is_hopeless, "{first}");
        assert!(first.starts_with("sleeps (seed 7): `a process`"), "{first}");
        // A kernel may keep what its threads do to itself.
        if is_known {
            let (last, is_hopeless) = texts.recv().expect("the watchdog lives");
            assert!(is_hopeless, "{last}");
            assert!(last.contains("It blocks the thread in "), "{last}");
            assert!(last.ends_with("The program is ended"), "{last}");
        }
        drop(watchdog);
        drop(wake);
        sleeper.join().expect("it does not panic");
    }
}
