//! A process and the thread that runs its job, `blocking/`: the result is never lost; a job that has not begun when its process is
//! gone never begins, and one that has begun keeps the scope from ending until it returns; what it captured is dropped once, and before
//! the scope is over.
//!
//! And the threads among themselves (`Crew`): jobs that wait for each other all get one, whatever thread is about to end, and all
//! threads end; one that waits gives its core to the one that it waits for, and nobody runs without a core.
//!
//! Process, job, scope, and threads are the production ones; the model is the worker. A thread finds no job for as long as it waits
//! for one (`KEEP`) whenever there is none, because time stands still.
//!
//! Tried: a free thread that retires while a job counts on it (jobs that wait for each other never meet); a thread that steps aside
//! and starts none in its place (the job that it waits for never runs); one that goes on without a core (two run at a time); a process
//! that leaves its job to the thread to drop (what that captured outlives the scope).

use loom::sync::Notify;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Drops, Race, model, system};
use crate::blocking::{Lane, Threads, blocking};
use crate::scheduler::worker::Worker;
use crate::scope::{Scope, ScopeInner};
use crate::sync::now;

fn scope() -> Scope {
    Scope::from_inner(ScopeInner::new(system(1), "model", None, None))
}

/// Runs what is ready until nothing is alive. A result or a wake that is lost lets this go on for ever, which loom refuses.
fn run(scope: &Scope, worker: &Worker) {
    loop {
        worker.run_ready();
        if scope.inner.alive() == 0 {
            return;
        }
        thread::yield_now();
    }
}

#[test]
fn a_result_is_never_lost() {
    model("job, poll", 3, || {
        let scope = scope();
        let worker = scope.inner.system.scheduler.worker();
        let here = worker.enter();
        let drops = Drops::default();
        let captured = drops.value();
        let task = scope.task("asks", async move {
            let value = blocking(move || {
                drop(captured);
                7
            });
            assert_eq!(value.await, 7);
        });
        run(&scope, &worker);
        assert!(task.exit().is_some_and(|exit| exit.is_normal()));
        assert_eq!(drops.count(), 1);
        drop(here);
    });
}

#[test]
fn a_job_runs_within_the_life_of_its_scope_or_not_at_all() {
    model("job, kill", 3, || {
        let scope = scope();
        let worker = scope.inner.system.scheduler.worker();
        let here = worker.enter();
        let (drops, race) = (Drops::default(), Arc::new(Race::default()));
        // Begun and ended; and whether the scope was over before.
        let marks = Arc::new([0, 0, 0].map(AtomicUsize::new));
        let of_job = (drops.value(), Arc::clone(&race), Arc::clone(&marks));
        let task = scope.task("asks", async move {
            blocking(move || {
                let (_captured, race, marks) = of_job;
                let over = marks[2].load(Ordering::SeqCst);
                assert_eq!(over, 0, "a job began in a scope that is over");
                marks[0].fetch_add(1, Ordering::SeqCst);
                race.step();
                marks[1].fetch_add(1, Ordering::SeqCst);
            })
            .await;
        });
        worker.run_ready();
        race.step();
        task.kill();
        run(&scope, &worker);
        let [begun, ended] = [0, 1].map(|at| marks[at].load(Ordering::SeqCst));
        assert_eq!(begun, ended, "a scope ended before a job in it");
        assert_eq!(drops.count(), 1, "what a job captured outlives its scope");
        marks[2].store(1, Ordering::SeqCst);
        let threads = scope.inner.system.threads(Lane::Blocking);
        while threads.info(now()).threads > 0 {
            thread::yield_now();
        }
        assert_eq!(drops.count(), 1);
        drop(here);
    });
}

#[test]
fn jobs_that_wait_for_each_other_meet() {
    model("claim, offer, retire", 2, || {
        let threads = Threads::new("model", Lane::Blocking);
        // Its thread may be at it, be free, be about to end, or have ended.
        assert!(threads.submit(Box::new(|| ())));
        let [one, two] = [0, 1].map(|_| Arc::new(Notify::new()));
        for (own, other) in [(&one, &two), (&two, &one)] {
            let (own, other) = (Arc::clone(own), Arc::clone(other));
            let meets = move || {
                other.notify();
                own.wait();
            };
            assert!(threads.submit(Box::new(meets)));
        }
        while threads.info(now()).threads > 0 {
            thread::yield_now();
        }
        assert_eq!(threads.info(now()).queued, 0);
    });
}

/// One core, and a job that waits for the next one, and for the one after it.
#[test]
fn a_job_that_waits_gives_its_core_up() {
    model("aside, claim, take", 2, || {
        let threads = Arc::new(Threads::with_limit("model".to_owned(), 1, true));
        let (notify, inside) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let enter = |inside: &AtomicUsize| {
            let others = inside.fetch_add(1, Ordering::SeqCst);
            assert_eq!(others, 0, "two have the only core");
        };
        let (crew, waits, own) = (
            Arc::clone(threads.crew()),
            Arc::clone(&notify),
            Arc::clone(&inside),
        );
        let first = move || {
            enter(&own);
            own.fetch_sub(1, Ordering::SeqCst);
            crew.aside(|| waits.wait());
            enter(&own);
            own.fetch_sub(1, Ordering::SeqCst);
        };
        assert!(threads.submit(Box::new(first)));
        let second = move || {
            enter(&inside);
            notify.notify();
            loom::thread::yield_now();
            inside.fetch_sub(1, Ordering::SeqCst);
        };
        assert!(threads.submit(Box::new(second)));
        while threads.info(now()).threads > 0 {
            thread::yield_now();
        }
        assert_eq!(threads.info(now()).queued, 0);
    });
}
