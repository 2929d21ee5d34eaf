//! The supervisor of a scope: reads events, and moves the state machines of its children.
//!
//! It is one task of the runtime's own, started with the first child and ended with the last. Incarnations, handles and the
//! coordinator of a stop only tell it what happened ([`Supervisor::tell`]); it alone decides and acts, one event after another,
//! so no two decisions can cross. `table` has the decisions.
//!
//! **Invariants**
//! - While a child is in the table, the supervisor runs; an event for a child that is over has no effect.
//! - User code (factories, destructors, texts of errors) runs in the supervisor's task, outside of its lock, and its panics are
//!   caught where it is called.
//! - What the window of the scope's intensity has counted outlives the supervisor, until the scope stops.
//!
//! Model: `tests/loom_restart.rs`.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::book::Book;
use super::child::Child;
use super::strategy::Strategy;
use super::table::{Past, Table, drop_quietly};
use crate::process::exit::{Exit, Outcome};
use crate::scope::{Scope, ScopeInner, Stopping};
use crate::sync::Lock;
use crate::task::current;
use crate::task::waker::TaskWaker;
use crate::time::sleep::sleep_until;

/// The inbox of the supervisor of one scope.
pub(crate) struct Supervisor {
    inbox: Lock<Inbox>,
    book: Book,
}

struct Inbox {
    events: Vec<Event>,
    waker: Option<TaskWaker>,
    running: bool,
    next_key: u64,
    settings: Settings,
    /// What was counted when the last supervisor ended.
    past: Past,
}

/// What a scope says of its supervision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) strategy: Strategy,
    pub(super) limit: usize,
    pub(super) window: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: Strategy::OneForOne,
            limit: 5,
            window: Duration::from_secs(10),
        }
    }
}

/// What happened. Children are named by their key, incarnations by their number.
pub(crate) enum Event {
    /// A child was added.
    Add(Box<Child>),
    /// An incarnation has started.
    Ready(u64, u32),
    /// Nothing of an incarnation is left.
    Exited(u64, u32, Exit),
    /// A child is to end for good, when it has handled what is queued.
    Stop(u64),
    /// A child is to end for good.
    Remove(u64),
    /// A child is killed by a user, who kills the incarnation that runs as well.
    Kill(u64),
    /// The scope stops and nothing moves: these children, and not those of the last such event, are to be told, one after
    /// another, and see the end of an input if one is given (zero means all).
    End(Vec<(u64, Option<u64>)>),
    /// The scope stops, and half of the grace is over: nobody waits for anybody any more.
    ReleaseAll,
}

impl Supervisor {
    pub(crate) fn new() -> Arc<Self> {
        let inbox = Inbox {
            events: Vec::new(),
            waker: None,
            running: false,
            next_key: 0,
            settings: Settings::default(),
            past: Past::default(),
        };
        Arc::new(Self {
            inbox: Lock::new(inbox),
            book: Book::new(),
        })
    }

    /// What observers may know of its children.
    pub(crate) fn book(&self) -> &Book {
        &self.book
    }

    /// The place of a new child in the order of the scope.
    pub(super) fn next_key(&self) -> u64 {
        let mut inbox = self.inbox.lock();
        inbox.next_key += 1;
        inbox.next_key
    }

    pub(super) fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.inbox.lock().settings);
    }

    pub(super) fn settings(&self) -> Settings {
        self.inbox.lock().settings
    }

    /// Adds a child, and starts the supervisor if it does not run.
    pub(super) fn add(self: &Arc<Self>, scope: &Arc<ScopeInner>, child: Child) {
        let mut inbox = self.inbox.lock();
        let running = std::mem::replace(&mut inbox.running, true);
        inbox.events.push(Event::Add(Box::new(child)));
        let waker = inbox.waker.take();
        let past = if running {
            Past::default()
        } else {
            std::mem::take(&mut inbox.past)
        };
        drop(inbox);
        if let Some(waker) = waker {
            waker.wake();
        }
        if !running {
            let table = Table::new(scope, self, past);
            let _ = scope
                .system
                .run_internally("supervisor", run(Arc::clone(self), table));
        }
    }

    /// Tells what happened. Without a supervisor there is no child that it could be of interest to.
    pub(crate) fn tell(&self, event: Event) {
        let mut inbox = self.inbox.lock();
        if !inbox.running {
            return;
        }
        inbox.events.push(event);
        let waker = inbox.waker.take();
        drop(inbox);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll_events(&self, cx: &Context<'_>) -> Poll<Vec<Event>> {
        let mut inbox = self.inbox.lock();
        if inbox.events.is_empty() {
            let old = inbox.waker.replace(TaskWaker::of(cx));
            drop(inbox);
            drop(old);
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut inbox.events))
    }

    /// Ends the supervisor, unless there is something to do. True if it ended.
    fn retire(&self, table: &mut Table) -> bool {
        let mut inbox = self.inbox.lock();
        if !inbox.events.is_empty() {
            return false;
        }
        inbox.running = false;
        // A scope that begins to stop after this comes here, and lets it go.
        if !table.scope().is_stopping() {
            inbox.past = table.take_past();
        }
        true
    }

    /// The scope begins to stop, so nothing will be started again: lets go what was counted. It may lead back to the scope.
    pub(crate) fn forget_past(&self) {
        let past = std::mem::take(&mut self.inbox.lock().past);
        drop_quietly(past);
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("settings", &self.settings())
            .finish_non_exhaustive()
    }
}

/// Why the supervisor woke up.
enum Woken {
    Events(Vec<Event>),
    Timer,
    Stopping,
}

/// Events that are handled in one poll.
const BATCH: usize = 32;

/// Lets others run in between.
async fn yield_now() {
    let mut first = true;
    poll_fn(|cx| {
        if std::mem::replace(&mut first, false) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

async fn run(supervisor: Arc<Supervisor>, mut table: Table) -> Outcome<()> {
    loop {
        let (due, is_stopping) = (table.due(), table.is_stopping());
        let stopping = Scope::from_inner(Arc::clone(table.scope())).stopping();
        match next(&supervisor, stopping, due, is_stopping).await {
            Woken::Events(events) => {
                for (n, event) in (1..).zip(events) {
                    table.handle(event);
                    if n % BATCH == 0 {
                        yield_now().await;
                    }
                }
            }
            Woken::Timer => table.timers(),
            Woken::Stopping => table.stop(),
        }
        if table.is_empty() && supervisor.retire(&mut table) {
            return Outcome(Ok(()));
        }
    }
}

async fn next(
    supervisor: &Supervisor,
    stopping: Stopping,
    due: Option<Instant>,
    is_stopping: bool,
) -> Woken {
    let mut timer = pin!(due.map(sleep_until));
    let mut stopping = pin!(stopping);
    poll_fn(|cx| {
        current::race(|| {
            // A stop comes first: nothing is started that would have to be ended at once.
            if !is_stopping && stopping.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Woken::Stopping);
            }
            if let Poll::Ready(events) = supervisor.poll_events(cx) {
                return Poll::Ready(Woken::Events(events));
            }
            match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.poll_sleep(cx).map(|()| Woken::Timer),
                None => Poll::Pending,
            }
        })
    })
    .await
}

/// The present moment on the clock of a scope's system.
pub(super) fn now(scope: &ScopeInner) -> Instant {
    scope.system.scheduler.clock.now()
}
