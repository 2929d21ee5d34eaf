//! actix: actors on two arbiters (each a thread with a tokio runtime), placed on one and the other in turns.
//!
//! One-way messages go by `do_send`, which ignores the bound of the mailbox, so producers yield instead: the only send of
//! actix that waits, waits for the handler's answer. The main thread is none of the two, and waits on a latch.

mod messages;
mod processes;
mod router;
mod timing;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Thread};

use actix::prelude::{
    Actor, ActorContext, Addr, Arbiter, Context, Handler, Message, System, SystemRunner,
};
use bench_suite::entry::{self, Workload};

const WORKLOADS: &[Workload] = &[
    ("spawn", processes::spawn),
    ("idle_mem", processes::idle_mem),
    ("wake", processes::wake),
    ("pingpong", messages::pingpong),
    ("ring", messages::ring),
    ("stream", messages::stream),
    ("mpsc", messages::mpsc),
    ("forkjoin", processes::forkjoin),
    ("skynet", processes::skynet),
    ("router", router::router),
    ("ask", messages::ask),
    ("idle_cpu", timing::idle_cpu),
    ("timers", timing::timers),
    ("fairness", timing::fairness),
    ("tcp", timing::tcp),
];

/// What figures of one-way messages are to be read with.
const UNBOUNDED: &str = "do_send: mailbox unbounded";

/// Lets the main thread wait until something has happened a number of times.
struct Latch {
    left: AtomicU64,
    waiting: Thread,
}

impl Latch {
    fn new(count: u64) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicU64::new(count),
            waiting: thread::current(),
        })
    }

    fn down(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waiting.unpark();
        }
    }

    fn wait(&self) {
        while self.left.load(Ordering::Acquire) != 0 {
            thread::park();
        }
    }
}

/// The two arbiters.
struct Arbiters {
    both: [Arbiter; 2],
    _system: SystemRunner,
}

impl Arbiters {
    fn start() -> Self {
        let system = System::new();
        Self {
            both: [Arbiter::new(), Arbiter::new()],
            _system: system,
        }
    }

    /// The arbiter whose turn it is.
    fn at(&self, turn: u64) -> &Arbiter {
        &self.both[turn as usize % 2]
    }

    fn spawn<A: Actor<Context = Context<A>> + Send>(&self, turn: u64, actor: A) -> Addr<A> {
        A::start_in_arbiter(&self.at(turn).handle(), move |_| actor)
    }
}

/// Adds up numbers.
#[derive(Default)]
struct Sum {
    sum: u64,
    count: u64,
}

impl Actor for Sum {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Add(u64);

impl Handler<Add> for Sum {
    type Result = ();

    fn handle(&mut self, number: Add, _context: &mut Context<Self>) {
        self.sum += number.0;
        self.count += 1;
    }
}

/// What several have.
struct Total {
    sum: AtomicU64,
    count: AtomicU64,
    latch: Arc<Latch>,
}

/// Asks a [`Sum`] to add what it has to a total, and to end.
#[derive(Message)]
#[rtype(result = "()")]
struct Report(Arc<Total>);

impl Handler<Report> for Sum {
    type Result = ();

    fn handle(&mut self, Report(total): Report, context: &mut Context<Self>) {
        total.sum.fetch_add(self.sum, Ordering::Relaxed);
        total.count.fetch_add(self.count, Ordering::Relaxed);
        total.latch.down();
        context.stop();
    }
}

/// Ends actors, and returns the sum of their sums and of their counts.
fn collect(actors: &[Addr<Sum>]) -> (u64, u64) {
    let total = Arc::new(Total {
        sum: AtomicU64::new(0),
        count: AtomicU64::new(0),
        latch: Latch::new(actors.len() as u64),
    });
    for actor in actors {
        actor.do_send(Report(Arc::clone(&total)));
    }
    total.latch.wait();
    let of = |value: &AtomicU64| value.load(Ordering::Relaxed);
    (of(&total.sum), of(&total.count))
}

fn main() -> ExitCode {
    entry::main("actix", WORKLOADS)
}
