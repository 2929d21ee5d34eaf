//! Nothing of an incarnation runs beside the next one, also not what somebody else spawns into its scope, and nothing is left in the
//! end. P30, P34.
//!
//! Threads only: jobs that spawn there when their process is gone.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use roundrock::prelude::*;
use roundrock_tests::{Random, on_threads, on_workers, yield_now};

use super::restart::Alone;

const AT_ONCE: Range<Duration> = Duration::ZERO..Duration::ZERO;

/// What the incarnations and those who spawn into their scopes have in common.
#[derive(Debug, Default)]
struct World {
    /// The present incarnation, from 1.
    incarnation: AtomicUsize,
    /// How many processes run that were spawned into the scopes of incarnations.
    inside: AtomicUsize,
    /// How often one of those ran beside another incarnation than its own.
    overlaps: AtomicUsize,
}

impl World {
    /// Runs in the scope of this incarnation, until that stops.
    async fn run_inside(self: Arc<Self>, scope: Scope, incarnation: usize) {
        self.inside.fetch_add(1, Ordering::SeqCst);
        let inside = Inside(self);
        if inside.0.incarnation.load(Ordering::SeqCst) != incarnation {
            inside.0.overlaps.fetch_add(1, Ordering::SeqCst);
        }
        scope.stopping().await;
    }

    /// An incarnation begins.
    fn begin(&self) -> usize {
        if self.inside.load(Ordering::SeqCst) > 0 {
            self.overlaps.fetch_add(1, Ordering::SeqCst);
        }
        self.incarnation.fetch_add(1, Ordering::SeqCst) + 1
    }
}

struct Inside(Arc<World>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Gives its scope away, and fails after a while, four times.
#[process]
async fn gives_its_scope(
    world: &Arc<World>,
    scopes: &Sender<(Scope, usize)>,
    scope: &Scope,
) -> Result<()> {
    let incarnation = world.begin();
    scopes.send((scope.clone(), incarnation)).await?;
    yield_now().await;
    ensure!(incarnation > 4, "again");
    Ok(())
}

/// Whoever has a clone of the scope of an incarnation spawns nothing there any more when that has ended, at whatever moment.
#[test]
fn nobody_spawns_into_the_scope_of_an_incarnation_that_ended() {
    on_workers(|scope| async move {
        let parts = scope.child("parts").intensity(100, secs(60));
        let world = Arc::new(World::default());
        let (give, given) = bounded(8);
        let child = parts
            .supervise(gives_its_scope(Arc::clone(&world), give))
            .backoff(AT_ONCE)
            .spawn();
        let known = Arc::clone(&world);
        let friend = scope.task("friend", async move {
            let mut last = None;
            while let Some((own, incarnation)) = given.recv().await {
                for _ in 0..8 {
                    let inside = Arc::clone(&known).run_inside(own.clone(), incarnation);
                    last = Some(own.task("late", inside));
                    yield_now().await;
                }
            }
            roundrock::Ok(last)
        });
        child.await.map_err(Error::from)?;
        // It has spawned into the scopes of all of them, the last time when the child was over, or before.
        let last = friend.await?.context("nothing was spawned")?;
        last.done().await;
        assert_eq!(world.overlaps.load(Ordering::SeqCst), 0);
        assert_eq!(world.incarnation.load(Ordering::SeqCst), 5);
        parts.join().await
    });
}

/// Has a job that spawns into its scope when it is asked to; the second incarnation waits for its stop.
#[process]
async fn has_a_job(
    world: &Arc<World>,
    begun: &Sender<()>,
    go: &Receiver<()>,
    late: &Sender<Task<()>>,
    scope: &Scope,
) -> Result<()> {
    let incarnation = world.begin();
    if incarnation > 1 {
        begun.send(()).await?;
        scope.stopping().await;
        return Ok(());
    }
    let (world, scope) = (Arc::clone(world), scope.clone());
    let (begun, go, late) = (begun.clone(), go.clone(), late.clone());
    blocking(move || {
        let _ = begun.blocking_send(());
        go.blocking_recv();
        let inside = world.run_inside(scope.clone(), incarnation);
        let _ = late.blocking_send(scope.task("late", inside));
    })
    .await;
    Ok(())
}

/// A job that cannot be killed with its process holds up the next incarnation, and what it spawns meanwhile is not left beside that.
#[test]
fn a_job_spawns_nothing_into_the_scope_of_its_process_that_was_killed() {
    on_threads(|scope| async move {
        let parts = scope.child("parts");
        let world = Arc::new(World::default());
        let ((tell, begun), (go, wait)) = (bounded(1), bounded(1));
        let (late, spawned) = bounded(1);
        let child = parts
            .supervise(has_a_job(Arc::clone(&world), tell, wait, late))
            .backoff(AT_ONCE)
            .spawn();
        begun.recv().await;
        child.kill();
        // It is gone when the process that was it is.
        let is_left = || {
            let processes = scope.system().snapshot().processes;
            processes.iter().any(|process| process.name == "has_a_job")
        };
        while is_left() {
            yield_now().await;
        }
        go.send(()).await?;
        let late = spawned.recv().await.context("the job spawns")?;
        begun.recv().await;
        // It was too late for it, and so it never ran.
        assert_eq!(late.done().await.kind(), "stopped");
        assert_eq!(world.overlaps.load(Ordering::SeqCst), 0);
        parts.stop(secs(5)).await;
        Ok(())
    });
}

/// Panics at random: when it starts, when it stops, when it works, and when it is dropped.
#[process]
struct Fragile {
    alone: Option<Alone>,
    dice: Arc<Mutex<Random>>,
}

impl Fragile {
    fn risk(&self, one_in: usize) {
        assert!(self.dice.lock().unwrap().below(one_in) > 0, "bad luck");
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        drop(self.alone.take());
        if !std::thread::panicking() && self.dice.lock().unwrap().below(10) == 0 {
            panic!("bad luck at the end");
        }
    }
}

#[handlers]
impl Fragile {
    #[on_start]
    async fn start(&mut self) {
        yield_now().await;
        self.risk(5);
    }
    #[on_stop]
    async fn stop(&mut self) {
        yield_now().await;
        self.risk(3);
    }
    async fn work(&mut self) {
        yield_now().await;
        self.risk(6);
    }
}

/// Every strategy, with children that break everywhere, are killed, removed and added meanwhile, and a stop in the middle: every call
/// completes, no two incarnations overlap, and nothing is left.
#[test]
fn p34_nothing_is_left_of_a_storm() {
    on_workers(|scope| async move {
        for seed in 0..12 {
            let parts = scope.child("parts").intensity(usize::MAX, secs(60));
            let parts = match seed % 3 {
                0 => parts,
                1 => parts.one_for_all(),
                _ => parts.rest_for_one(),
            };
            let dice = Arc::new(Mutex::new(Random::new(seed)));
            let add = || {
                let (dice, count) = (Arc::clone(&dice), Arc::new(AtomicUsize::new(0)));
                parts
                    .supervise(move || Fragile {
                        alone: Some(Alone::new(&count)),
                        dice: Arc::clone(&dice),
                    })
                    .backoff(AT_ONCE)
                    .spawn()
            };
            let mut children: Vec<_> = (0..5).map(|_| add()).collect();
            for _ in 0..60 {
                let n = dice.lock().unwrap().below(children.len());
                let what = dice.lock().unwrap().below(8);
                match what {
                    0 => children[n].kill(),
                    1 => drop(children[n].task().remove()),
                    2 => children[n].stop(),
                    3 => children[n] = add(),
                    4 => yield_now().await,
                    _ => drop(children[n].work().send_and_forget().await),
                }
            }
            let report = parts.stop(secs(5)).await;
            assert!(report.is_clean(), "{seed}: {report}");
            for child in children {
                assert_eq!(child.work().await, Err(CallError::Gone));
                child.closed().await;
            }
            assert_eq!(parts.alive(), 0);
        }
        Ok(())
    });
}
