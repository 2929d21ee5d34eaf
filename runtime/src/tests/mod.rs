//! Loom models, one file per protocol; run by `ci/loom.sh`.
//!
//! A model runs the production code of one protocol on two or three threads in every order, and with every value that the
//! memory model lets a load return, up to a bound of preemptions: 2 or 3, or what `LOOM_MAX_PREEMPTIONS` says. A lost wakeup
//! shows as a deadlock, a missing ordering as a race on one of loom's cells or as a wrong value.
//!
//! Each file names the property in words, and the mutation of the production code that was tried to see the model fail.

mod loom_biased;
mod loom_blocking;
mod loom_channel;
mod loom_cycle;
mod loom_flavors;
mod loom_holders;
mod loom_idle;
mod loom_lock;
mod loom_queue;
mod loom_reply;
mod loom_restart;
mod loom_scope;
mod loom_select;
mod loom_task;
mod loom_then;
mod loom_timers;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::leaks::Policy;
use crate::scheduler::Scheduler;
use crate::scheduler::driver::Reactor;
use crate::sync::thread::{self, Thread};
use crate::system::SystemInner;

/// Runs `body` in every order with at most `preemptions` preemptions, and says how many there were.
#[track_caller]
fn model(name: &str, preemptions: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = 20_000;
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&executions);
    let begun = Instant::now();
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        crate::sync::reset_clock();
        body();
    });
    let executions = executions.load(Ordering::Relaxed);
    println!("{name}: {executions} executions in {:.1?}", begun.elapsed());
}

/// A point where the threads of a model may change places.
///
/// loom only tries another order of two accesses to one atomic if the second thread did not read that atomic before; a model
/// whose one side only reads would see too few orders.
#[derive(Debug, Default)]
struct Race(crate::sync::AtomicUsize);

impl Race {
    fn step(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Wakes a thread of the model.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A waker that is none of ours: it unparks the calling thread.
fn waker() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

/// Waits for a future on a thread of the model.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = waker();
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A system of `workers` workers, none of which has a thread: the model runs them.
fn system(workers: usize) -> Arc<SystemInner> {
    let scheduler = Scheduler::new(workers, Reactor::default(), "model").expect("a scheduler");
    SystemInner::new(
        scheduler,
        "model".to_owned(),
        Duration::ZERO,
        Policy::default(),
    )
}

/// Counts its drops, of all clones of the counter.
#[derive(Debug, Clone, Default)]
struct Drops(Arc<AtomicUsize>);

/// A value whose drop is counted.
#[derive(Debug)]
struct Counted(Drops);

impl Drops {
    fn value(&self) -> Counted {
        Counted(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}
