//! How the controls run: many small systems of processes that look stuck and are not, under a detector that never rests.
//!
//! An instance of a control has a process that must end, and a *release* that makes it end, which a plain thread runs. Instances
//! are started a hundred at a time. A second plain thread asks for the leaks again and again, from before the first instance to
//! after the last. The release of a hundred waits until a pass has begun and ended after all of them were started, so that every
//! instance is looked at while it stands, as well as while it comes and goes. That each instance ends is what shows that it was
//! no leak, so a proof that names one of them is false.
//!
//! Those that need no threads run on the deterministic scheduler too, with a pass after every step of every process: 10,000 seeds
//! with `ROUNDROCK_SEEDS=10000`, and a part of them otherwise.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use roundrock::channel::Message;
use roundrock::leaks::Verdict;
use roundrock::prelude::*;
use roundrock::sim::{Failure, Reason, Simulation, Summary};
use roundrock_tests::{assert_balanced, assert_no_threads_of, unique_name};

/// Instances of each control, over one, two and four workers.
const INSTANCES: usize = 10_000;
/// Schedules of each control on the deterministic scheduler.
const SEEDS: u64 = 1000;
/// How long a control may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(120);

/// What makes an instance end; runs on a plain thread.
pub(crate) type Release = Box<dyn FnOnce() + Send>;

/// A process that must end, and what makes it end.
pub(crate) struct Instance {
    pub(crate) ends: Task<()>,
    pub(crate) release: Release,
}

/// An instance.
pub(crate) fn instance(ends: Task<()>, release: impl FnOnce() + Send + 'static) -> Instance {
    let release = Box::new(release);
    Instance { ends, release }
}

/// What the thread that asks has seen.
#[derive(Debug, Default)]
struct Watch {
    passes: AtomicUsize,
    over: AtomicBool,
    proven: Mutex<BTreeSet<String>>,
    lost: Mutex<BTreeSet<String>>,
}

impl Watch {
    fn look(&self, system: &System) {
        while !self.over.load(Ordering::SeqCst) {
            for leak in system.leaks() {
                let seen = match leak.verdict {
                    Verdict::Proven(_) => &self.proven,
                    Verdict::LostWakeup { .. } => &self.lost,
                    _ => continue,
                };
                seen.lock().expect("not poisoned").insert(leak.to_string());
            }
            self.passes.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Waits until a pass has begun and ended.
    fn whole_pass(&self) {
        let seen = self.passes.load(Ordering::SeqCst);
        while self.passes.load(Ordering::SeqCst) < seen + 2 && !self.over.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    }
}

/// Runs 10,000 instances of a control, a hundred at a time: none of them may ever be proven.
#[track_caller]
pub(crate) fn control(start: impl Fn(&Scope, usize) -> Instance + Send + Sync + 'static) {
    control_of(INSTANCES, 100, start);
}

/// As [`control`], and on the deterministic scheduler.
#[track_caller]
pub(crate) fn control_anywhere(start: impl Fn(&Scope, usize) -> Instance + Send + Sync + 'static) {
    let start = Arc::new(start);
    let on_threads = Arc::clone(&start);
    control(move |scope, index| on_threads(scope, index));
    match simulate(SEEDS, start) {
        Ok(summary) => println!("{summary}"),
        Err(failure) => panic!("{failure}"),
    }
}

/// Whether an instance is proven stuck on the deterministic scheduler.
pub(crate) fn is_proven_simulated(
    start: impl Fn(&Scope, usize) -> Instance + Send + Sync + 'static,
) -> bool {
    match simulate(1, Arc::new(start)) {
        Err(failure) => matches!(&failure.reason, Reason::Always(_)),
        Ok(_) => false,
    }
}

/// Sends to a process that waits for it, or will.
pub(crate) fn give<T: Message>(sender: &Sender<T>, value: T) {
    if let Err(error) = sender.try_send(value) {
        let value = error.into_inner();
        sender.blocking_send(value).expect("somebody waits");
    }
}

/// Two instances in each of so many schedules, with a pass after every step of every process: none may prove anything.
fn simulate(
    seeds: u64,
    start: Arc<impl Fn(&Scope, usize) -> Instance + Send + Sync + 'static>,
) -> Result<Summary, Box<Failure>> {
    let thread = thread::current();
    Simulation::new(thread.name().unwrap_or("control"))
        .seeds(seeds)
        .with_environment()
        .run(|sim| {
            let start = Arc::clone(&start);
            async move {
                let system = sim.system();
                sim.always("nobody is proven stuck", move || {
                    let leaks = system.leaks();
                    let proven = leaks.iter().find(|leak| leak.is_proven());
                    proven.inspect(|leak| println!("{leak}")).is_none()
                });
                // The instances on threads have the numbers below.
                let first = INSTANCES + 2 * sim.seed().unwrap_or(0) as usize;
                let two = [first, first + 1].map(|index| start(&sim, index));
                sim.settle().await;
                let two = two.map(|Instance { ends, release }| {
                    release();
                    ends
                });
                for process in two {
                    process.done().await;
                }
                assert_balanced(&sim.system());
                assert_eq!(sim.system().proof_violations(), 0);
                assert_eq!(sim.system().lost_wakeups(), 0);
                roundrock::Ok(())
            }
        })
}

/// As [`control`], with so many instances, so many at a time.
#[track_caller]
pub(crate) fn control_of(
    instances: usize,
    together: usize,
    start: impl Fn(&Scope, usize) -> Instance + Send + Sync + 'static,
) {
    let start = Arc::new(start);
    for workers in [1, 2, 4] {
        let proven = run(workers, instances / 3, together, Arc::clone(&start));
        assert!(
            proven.is_empty(),
            "with {workers} workers, {} false proofs, such as\n{}",
            proven.len(),
            proven[0]
        );
    }
}

/// The harness itself: what it finds when instances are real leaks, which only their release, a kill, ends.
pub(crate) fn proofs_of(
    start: impl Fn(&Scope, usize) -> Instance + Send + Sync + 'static,
) -> Vec<String> {
    run(2, 100, 50, Arc::new(start))
}

#[track_caller]
fn run(
    workers: usize,
    instances: usize,
    together: usize,
    start: Arc<impl Fn(&Scope, usize) -> Instance + Send + Sync + 'static>,
) -> Vec<String> {
    let name = unique_name();
    let watch = Arc::new(Watch::default());
    let (done, wait) = mpsc::channel();
    let system = System::builder()
        .workers(workers)
        .name(&name)
        .grace(millis(50));
    let (watched, title) = (Arc::clone(&watch), name.clone());
    let runner = thread::spawn(move || {
        let result = system.run(async move |scope| {
            let system = scope.system();
            let (looked, watch) = (Arc::clone(&watched), Arc::clone(&watched));
            let looker = thread::spawn(move || looked.look(&system));
            let (releases, to_release) = mpsc::channel::<Vec<Release>>();
            let releaser = thread::spawn(move || {
                for wave in to_release {
                    watch.whole_pass();
                    wave.into_iter().for_each(|release| release());
                }
            });
            for first in (0..instances).step_by(together) {
                let wave = (first..first + together).map(|index| start(&scope, index));
                let (ends, wave): (Vec<_>, Vec<_>) =
                    wave.map(|one| (one.ends, one.release)).unzip();
                releases.send(wave).expect("the releaser is there");
                for process in ends {
                    process.done().await;
                }
            }
            drop(releases);
            releaser.join().expect("the releaser ends");
            watched.over.store(true, Ordering::SeqCst);
            looker.join().expect("the thread that looks ends");
            assert_balanced(&scope.system());
            roundrock::Ok(scope.system().proof_violations())
        });
        let _ = done.send(result);
    });
    let begun = Instant::now();
    let result = wait.recv_timeout(PATIENCE);
    watch.over.store(true, Ordering::SeqCst);
    let seen = |set: &Mutex<BTreeSet<String>>| {
        set.lock()
            .expect("not poisoned")
            .iter()
            .cloned()
            .collect::<Vec<_>>()
    };
    let proven = seen(&watch.proven);
    let result = result
        .unwrap_or_else(|_| panic!("hung for {:?}; proven so far: {proven:#?}", begun.elapsed()));
    let wrong = result.unwrap_or_else(|error| panic!("{error:?}; proven so far: {proven:#?}"));
    assert_eq!(wrong, 0, "proofs that the runtime itself saw broken");
    runner.join().expect("it has ended");
    assert_no_threads_of(&title);
    let lost = seen(&watch.lost);
    assert!(lost.is_empty(), "a wakeup was lost: {lost:#?}");
    let waves = instances / together;
    let passes = watch.passes.load(Ordering::SeqCst);
    assert!(passes >= waves, "{passes} passes for {waves} waves");
    proven
}
