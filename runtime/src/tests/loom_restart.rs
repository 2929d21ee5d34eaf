//! The restart of a supervised child, `supervise/`: however kills, removals, stops and the supervisor are interleaved, there is never
//! a second incarnation while anything of the first one is left, and no exit is lost: the child comes back, or its task ends.
//!
//! Scope, supervisor, lineage and task cells are the production ones; the worker is a thread of the model, and a second thread
//! does what users do. An incarnation that outlives its exit is played by a hold, as a blocking job has one, and by a process in its
//! own scope, which another thread spawns there.
//!
//! Tried: an event that is put into the inbox without waking (a restart that never comes); a supervisor that looks for events and
//! registers its waker in two steps (a removal that is not heard); an exit that is told before the last hold is dropped (two
//! incarnations); an own scope that is left as it is because nobody is in it yet (two incarnations).

use loom::thread;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use super::{Counted, Drops, Race, model, system};
use crate::error::Error;
use crate::process::function::arguments;
use crate::process::meta::{FnMeta, Kind};
use crate::scope::{Scope, ScopeInner};
use crate::supervise::{Held, Lineage};
use crate::sync::{Lock, advance};
use crate::task::{Task, current};

static META: FnMeta = FnMeta {
    name: "child",
    file: file!(),
    line: line!(),
    ports: &[],
    kind: Kind::Async,
    budget: None,
};

/// What the incarnations of the child share.
struct World {
    alive: AtomicUsize,
    starts: AtomicUsize,
    drops: Drops,
    race: Race,
    /// What outlives the incarnation that made it.
    jobs: Lock<Vec<Job>>,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            alive: AtomicUsize::new(0),
            starts: AtomicUsize::new(0),
            drops: Drops::default(),
            race: Race::default(),
            jobs: Lock::new(Vec::new()),
        })
    }

    fn end_jobs(&self) {
        let jobs = std::mem::take(&mut *self.jobs.lock());
        drop(jobs);
    }
}

/// One incarnation: fails the model if there are two.
struct Alone(
    Arc<World>,
    #[expect(dead_code, reason = "counts its drop")] Counted,
);

impl Alone {
    fn new(world: &Arc<World>) -> Self {
        assert_eq!(
            world.alive.fetch_add(1, Ordering::SeqCst),
            0,
            "two incarnations"
        );
        world.starts.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(world), world.drops.value())
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A job of an incarnation: what it holds, and what must be gone before the next one.
type Job = (Alone, Held);

/// What the first incarnation does; the second one returns.
#[derive(Clone, Copy, PartialEq)]
enum First {
    Fails,
    /// Gives its place to a job, and waits to be killed.
    HasJob,
    /// Waits to be told to stop.
    Waits,
}

fn child(scope: &Scope, world: &Arc<World>, first: First) -> Task<()> {
    let process = arguments().lend(Arc::clone(world)).shared(
        &META,
        |_, _| {},
        move |lent, _env| async move {
            let world: &Arc<World> = &lent.1;
            world.race.step();
            let alone = Alone::new(world);
            if world.starts.load(Ordering::SeqCst) > 1 {
                return Ok(());
            }
            if first == First::Waits {
                poll_fn(|_| match current::flags() & current::STOPPING {
                    0 => Poll::Pending,
                    _ => Poll::Ready(()),
                })
                .await;
                return Ok(());
            }
            if first == First::HasJob {
                let lineage =
                    current::with_task(|task| task.and_then(|task| task.lineage().cloned()));
                let held = Lineage::hold(&lineage.expect("an incarnation"));
                world.jobs.lock().push((alone, held));
                return std::future::pending().await;
            }
            drop(alone);
            Err(Error::msg("the first one fails"))
        },
    );
    scope
        .supervise(process)
        .backoff(Duration::ZERO..Duration::ZERO)
        .spawn()
}

/// Runs a child on a worker, while `user` acts on it from another thread. Returns how many incarnations there were.
fn run(first: First, user: impl FnOnce(&Scope, &Task<()>, &World) + Send + 'static) -> usize {
    let inner = ScopeInner::new(system(1), "model", None, None);
    let worker = inner.system.scheduler.worker();
    let _here = worker.enter();
    let scope = Scope::from_inner(Arc::clone(&inner));
    let world = World::new();
    let task = Arc::new(child(&scope, &world, first));
    let other = thread::spawn({
        let (scope, world, task) = (scope.clone(), Arc::clone(&world), Arc::clone(&task));
        move || {
            world.race.step();
            user(&scope, &task, &world);
        }
    });
    worker.run_ready();
    other.join().unwrap();
    while inner.alive() > 0 {
        // A job that began after the other thread had ended all there were.
        world.end_jobs();
        if first == First::HasJob {
            task.kill();
        }
        advance(Duration::from_millis(100));
        worker.run_ready();
    }
    assert!(
        task.exit().is_some(),
        "the child is over, and its task is not"
    );
    assert_eq!(world.alive.load(Ordering::SeqCst), 0);
    let starts = world.starts.load(Ordering::SeqCst);
    assert_eq!(world.drops.count(), starts);
    starts
}

#[test]
fn a_child_that_fails_and_is_killed_comes_back_once() {
    model("failure, kill", 2, || {
        // Killed before its first poll, it has not started, and its failure is still to come.
        let starts = run(First::Fails, |_, task, _| task.kill());
        assert!((1..=2).contains(&starts));
    });
}

#[test]
fn the_next_incarnation_waits_for_what_holds_the_last_one() {
    model("kill, hold", 2, || {
        run(First::HasJob, |_, task, world| {
            task.kill();
            world.race.step();
            world.end_jobs();
        });
    });
}

#[test]
fn a_removal_is_heard() {
    model("start, remove", 2, || {
        assert!(run(First::Waits, |_, task, _| drop(task.remove())) <= 1);
    });
}

#[test]
fn a_child_that_is_removed_while_it_fails_is_over_once() {
    model("failure, remove", 2, || {
        let starts = run(First::Fails, |_, task, _| drop(task.remove()));
        assert!(starts <= 2);
    });
}

#[test]
fn a_stop_of_the_scope_during_a_restart_ends_it() {
    model("failure, stop", 2, || {
        run(First::Fails, |scope, _, _| {
            scope.inner.begin_stop(Duration::ZERO)
        });
    });
}

#[test]
fn a_child_that_is_stopped_and_killed_is_over() {
    model("wait, stop, kill", 2, || {
        let starts = run(First::Waits, |_, task, _| {
            task.stop();
            task.kill();
        });
        assert!(starts <= 1);
    });
}

/// What a process sees that was spawned in the own scope of the first incarnation, through a clone of that scope elsewhere.
struct Inside(Arc<Clones>);

#[derive(Default)]
struct Clones {
    own: Lock<Option<Scope>>,
    race: Race,
    starts: AtomicUsize,
    inside: AtomicUsize,
    polled: AtomicUsize,
}

impl Inside {
    fn new(clones: &Arc<Clones>) -> Self {
        clones.polled.fetch_add(1, Ordering::SeqCst);
        clones.inside.fetch_add(1, Ordering::SeqCst);
        let starts = clones.starts.load(Ordering::SeqCst);
        assert_eq!(starts, 1, "it runs beside the second incarnation");
        Self(Arc::clone(clones))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The first incarnation shows its own scope around, and fails; the second one looks who is still there.
fn shows_its_scope(scope: &Scope, clones: &Arc<Clones>) -> Task<()> {
    let process = arguments().lend(Arc::clone(clones)).shared(
        &META,
        |_, _| {},
        move |lent, env| async move {
            let clones: &Arc<Clones> = &lent.1;
            let starts = clones.starts.fetch_add(1, Ordering::SeqCst) + 1;
            assert_eq!(clones.inside.load(Ordering::SeqCst), 0, "two incarnations");
            if starts > 1 {
                return Ok(());
            }
            *clones.own.lock() = Some(env.scope());
            clones.race.step();
            Err(Error::msg("the first one fails"))
        },
    );
    scope
        .supervise(process)
        .backoff(Duration::ZERO..Duration::ZERO)
        .spawn()
}

#[test]
fn nothing_runs_in_the_own_scope_of_an_incarnation_beside_the_next_one() {
    model("failure, spawn in the own scope", 2, || {
        let inner = ScopeInner::new(system(1), "model", None, None);
        let worker = inner.system.scheduler.worker();
        let _here = worker.enter();
        let scope = Scope::from_inner(Arc::clone(&inner));
        let clones = Arc::new(Clones::default());
        let task = shows_its_scope(&scope, &clones);
        let other = thread::spawn({
            let clones = Arc::clone(&clones);
            move || {
                clones.race.step();
                let own = clones.own.lock().take();
                let own = own?;
                clones.race.step();
                let inside = Arc::clone(&clones);
                let future = async move {
                    let _inside = Inside::new(&inside);
                    std::future::pending::<()>().await;
                };
                Some(own.task("inside", future))
            }
        });
        worker.run_ready();
        let inside = other.join().unwrap();
        while inner.alive() > 0 {
            advance(Duration::from_secs(1));
            worker.run_ready();
        }
        drop(clones.own.lock().take());
        assert!(
            task.exit().is_some(),
            "the child is over, and its task is not"
        );
        assert_eq!(clones.starts.load(Ordering::SeqCst), 2);
        assert_eq!(clones.inside.load(Ordering::SeqCst), 0);
        let ended = inside.is_none_or(|inside| inside.exit().is_some());
        assert!(ended, "what was spawned inside is over");
    });
}
