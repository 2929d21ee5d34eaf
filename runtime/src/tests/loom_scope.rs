//! The end and the stop of a scope, `scope/tree.rs` and `scope/stop.rs`: who waits for the last child is woken, also through
//! a scope inside; a process that is spawned while the scope begins to stop is never forgotten: it is counted, its future is
//! dropped, and the stop ends; who waits for the stop to begin is woken.
//!
//! And of `scope/own.rs`: a supervisor that looks for the scope of a process while that makes it, or gives it up, gets the scope
//! or nothing, and the scope is freed once.
//!
//! The scopes are the production ones, in a system whose one worker is a thread of the model.
//!
//! Tried: the count and the stop in two words, each read after the other was written, with Acquire (a process is left behind); a
//! coordinator that looks once for what it has to drop (a deadlock). In `own.rs`: a `get` that does not enter, a `take` that does not.

use loom::thread;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Drops, Race, block_on, model, system};
use crate::process::spawn::SpawnOptions;
use crate::scheduler::worker::Worker;
use crate::scope::{Own, Scope, ScopeInner, stop};
use crate::sync::advance;

fn scope() -> Arc<ScopeInner> {
    ScopeInner::new(system(1), "model", None, None)
}

fn worker(scope: &ScopeInner) -> Worker {
    scope.system.scheduler.worker()
}

#[test]
fn the_last_child_to_leave_wakes_who_waits() {
    model("leave, ended", 3, || {
        let scope = scope();
        let children: Vec<_> = (0..2)
            .map(|_| {
                let scope = Arc::clone(&scope);
                scope.enter();
                thread::spawn(move || scope.leave())
            })
            .collect();
        block_on(scope.ended());
        assert_eq!(scope.alive(), 0);
        for child in children {
            child.join().unwrap();
        }
    });
}

#[test]
fn a_scope_inside_counts_as_one_child() {
    model("leave inside, ended", 3, || {
        let outer = scope();
        let inner = ScopeInner::new(
            Arc::clone(&outer.system),
            "inner",
            Some(Arc::clone(&outer)),
            None,
        );
        inner.enter();
        let first = thread::spawn({
            let inner = Arc::clone(&inner);
            move || inner.leave()
        });
        inner.enter();
        let second = thread::spawn({
            let inner = Arc::clone(&inner);
            move || inner.leave()
        });
        block_on(outer.ended());
        assert_eq!((outer.alive(), inner.alive()), (0, 0));
        first.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn who_waits_for_the_stop_is_woken() {
    model("begin_stop, stopping", 3, || {
        let scope = scope();
        let waits = thread::spawn({
            let scope = Scope::from_inner(Arc::clone(&scope));
            move || block_on(scope.stopping())
        });
        scope.begin_stop(Duration::ZERO);
        waits.join().unwrap();
    });
}

#[test]
fn a_scope_made_while_its_parent_stops_is_stopped() {
    model("begin_stop, child scope", 3, || {
        let outer = scope();
        let maker = thread::spawn({
            let outer = Arc::clone(&outer);
            move || ScopeInner::new(Arc::clone(&outer.system), "inner", Some(outer), None)
        });
        outer.begin_stop(Duration::ZERO);
        assert!(maker.join().unwrap().is_stopping());
    });
}

#[test]
fn a_process_that_is_spawned_while_the_scope_stops_is_dropped_in_time() {
    model("spawn, begin_stop, over", 3, || {
        let scope = scope();
        let worker = worker(&scope);
        let _here = worker.enter();
        let (drops, race, polls) = (
            Drops::default(),
            Arc::new(Race::default()),
            Polls::default(),
        );
        let spawner = thread::spawn({
            let (scope, race) = (Arc::clone(&scope), Arc::clone(&race));
            let (owned, polls) = (drops.value(), polls.clone());
            move || {
                race.step();
                let late = scope.is_stopping();
                let future = async move {
                    let _owned = owned;
                    polls.0.fetch_add(1, Ordering::Relaxed);
                    std::future::pending::<Result<(), Infallible>>().await
                };
                drop(scope.spawn(future, &SpawnOptions::here()));
                late
            }
        });
        let over = thread::spawn({
            let scope = Arc::clone(&scope);
            move || block_on(stop::over(&scope))
        });
        race.step();
        scope.begin_stop(Duration::ZERO);
        race.step();
        worker.run_ready();
        let late = spawner.join().unwrap();
        while !scope.state.lock().is_stopped() || scope.alive() > 0 {
            advance(Duration::from_millis(100));
            worker.run_ready();
        }
        over.join().unwrap();
        assert_eq!(scope.alive(), 0);
        assert_eq!(drops.count(), 1);
        assert!(!late || polls.0.load(Ordering::Relaxed) == 0);
    });
}

#[test]
fn a_stop_ends_with_the_last_process() {
    model("exit, begin_stop, over", 3, || {
        let scope = scope();
        let worker = worker(&scope);
        let _here = worker.enter();
        let drops = Drops::default();
        let owned = drops.value();
        let future = async move {
            drop(owned);
            Ok::<(), Infallible>(())
        };
        drop(scope.spawn(future, &SpawnOptions::here()));
        let stopper = thread::spawn({
            let scope = Arc::clone(&scope);
            move || {
                scope.begin_stop(Duration::ZERO);
                block_on(stop::over(&scope));
                assert_eq!(scope.alive(), 0);
            }
        });
        worker.run_ready();
        // What the stopper queued from outside.
        while !scope.state.lock().is_stopped() {
            thread::yield_now();
            advance(Duration::from_millis(100));
            worker.run_ready();
        }
        stopper.join().unwrap();
        assert_eq!(drops.count(), 1);
    });
}

/// How often the process was polled.
#[derive(Clone, Default)]
struct Polls(Arc<AtomicUsize>);

#[test]
fn the_own_scope_of_a_process_is_found_or_not_and_freed_once() {
    model("own", 3, || {
        let scope = scope();
        let own = Arc::new(Own::new());
        let supervisor = thread::spawn({
            let own = Arc::clone(&own);
            move || own.get().map(|scope| scope.id)
        });
        let made = own.get_or_make(|| Arc::clone(&scope));
        let taken = own.take().expect("it was made");
        assert!(Arc::ptr_eq(&made, &taken));
        drop((made, taken));
        let seen = supervisor.join().unwrap();
        assert!(seen.is_none_or(|id| id == scope.id));
        assert_eq!(Arc::strong_count(&scope), 1);
    });
}
