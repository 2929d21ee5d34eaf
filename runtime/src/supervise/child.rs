//! One child: its specification, and the state machine that its supervisor moves.
//!
//! ```text
//!           ┌───────────────┐  its turn                 ready
//!  added ──▶│    Queued     │────────────▶ Starting ───────────▶ Up
//!           └───────────────┘                 │   told to stop    │
//!             ▲    ▲  pause over              ├──────────┬────────┤
//!             │    └───────────── Paused ◀────┘ exit     ▼        │ exit
//!             │                     ▲─────────────────────────────┘
//!             └──────────────── Ending(Restart) ── exit
//!                               Ending(Over) ───── exit ──▶ forgotten
//! ```
//!
//! **Invariants**
//! - An incarnation runs in `Starting`, `Up` and `Ending` only, and is made in `Queued` only.
//! - Those three states are left by the exit of that incarnation only, after its future was dropped, after everything in its
//!   own scope has ended, and after its blocking jobs have returned.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::inputs::{Inputs, Waiting};
use super::lineage::Lineage;
use super::restart::Backoff;
use super::starter::Starter;
use crate::process::exit::{Exit, Fault};
use crate::scheduler::Scheduler;

/// When a child is started again, in Erlang's words.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] struct Counter { n: i64 }
/// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
///
/// use roundrock::supervise::Restart;
///
/// let policy = Restart::Temporary;            // from a configuration, say
/// let counter = scope.supervise(|| Counter { n: 0 }).restart(policy).spawn();
/// counter.kill();
/// assert_eq!(counter.closed().await.kind(), "killed");
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Restart {
    /// Always, also after a normal end.
    Permanent,
    /// After a failure, a panic or a kill. The default.
    #[default]
    Transient,
    /// Never.
    Temporary,
}

impl Restart {
    /// Whether a child that ended so is started again.
    pub(super) fn wants(self, exit: &Exit) -> bool {
        match self {
            Self::Permanent => true,
            Self::Transient => !exit.is_normal(),
            Self::Temporary => false,
        }
    }
}

/// Where a child is; see the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    /// Waits for its turn.
    #[default]
    Queued,
    /// An incarnation runs and is not ready.
    Starting,
    /// An incarnation runs.
    Up,
    /// An incarnation was told to stop.
    Ending(Then),
    /// Waits for its pause to be over.
    Paused(Instant),
}

/// What follows when an incarnation that was told to stop has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The next one: another child failed.
    Restart,
    /// Nothing.
    Over,
}

/// A child, as its supervisor knows it.
pub(crate) struct Child {
    pub(super) name: &'static str,
    pub(super) lineage: Arc<Lineage>,
    pub(super) starter: Box<dyn Starter>,
    pub(super) restart: Restart,
    pub(super) shutdown: Duration,
    /// The same for an incarnation that cannot notice that it is to stop.
    pub(super) patience: Duration,
    pub(super) backoff: Backoff,
    pub(super) state: State,
    /// The next incarnation is made and does not run yet; only while the child is queued. The first one is made when the child
    /// is added, so that a handle leads to it from the start.
    pub(super) made: bool,
    /// What the incarnation that was made last receives from, beside its mailbox.
    pub(super) inputs: Inputs,
    /// Its last start was for those only who might still have something for it when its scope stopped.
    pub(super) for_others: bool,
    /// It ends for good when it has handled what is queued, also if that takes another incarnation.
    pub(super) draining: bool,
    /// It was removed between two incarnations, and messages are queued: one more handles them, and has its time to stop for that.
    pub(super) removed: bool,
    /// When the present incarnation was started, and later when it was ready.
    pub(super) since: Instant,
    /// When an incarnation that was told to stop is dropped, if that has a time of its own.
    pub(super) stop_by: Option<Instant>,
    /// When it is looked at then whether it can notice its stop.
    pub(super) deaf_at: Option<Instant>,
    /// How the last incarnation ended.
    pub(super) last: Option<Exit>,
}

impl Child {
    /// Makes an incarnation, which does not run yet. Returns how that failed: it counts as an exit.
    pub(super) fn make(&mut self) -> Option<Exit> {
        let Self {
            starter, lineage, ..
        } = self;
        // UNWIND: a factory is user code; when it panics, no incarnation was made.
        let made = catch_unwind(AssertUnwindSafe(|| starter.make(lineage)));
        if let Err(payload) = made {
            return Some(Exit::Panicked(Arc::new(Fault::panic(payload))));
        }
        if let Some(incarnation) = lineage.current() {
            self.inputs = Inputs::of(&incarnation);
        }
        None
    }

    /// Whether messages wait for the next incarnation, which were accepted.
    pub(super) fn has_messages(&self, scheduler: &Scheduler) -> bool {
        self.starter.has_messages() || self.inputs.look(scheduler).messages
    }

    /// What waits for the next incarnation, or may come.
    pub(super) fn waiting(&self, scheduler: &Scheduler) -> Waiting {
        self.with_mailbox(self.inputs.look(scheduler))
    }

    /// The same of each of many.
    pub(super) fn all_waiting(many: &[(u64, &Self)], scheduler: &Scheduler) -> Vec<(u64, Waiting)> {
        let inputs = many.iter().map(|(key, child)| (*key, &child.inputs));
        let found = Inputs::look_at_all(inputs, scheduler);
        let waiting = |(key, child): &(u64, &Self)| {
            let inputs = found.get(key).copied().unwrap_or_default();
            (*key, child.with_mailbox(inputs))
        };
        many.iter().map(waiting).collect()
    }

    fn with_mailbox(&self, mut waiting: Waiting) -> Waiting {
        waiting.messages |= self.starter.has_messages();
        waiting.open |= self.starter.has_handles();
        waiting
    }

    /// Whether it has ended, and waits to be started again.
    pub(super) fn is_between(&self) -> bool {
        !self.is_alive() && self.last.is_some()
    }

    /// Enters another state, and lets observers see it.
    pub(super) fn go_to(&mut self, state: State) {
        self.state = state;
        self.lineage.note(state);
    }

    /// Whether it is still to be looked at then. What was to be at another time, or when it was in another state, means nothing.
    pub(super) fn awaits(&self, due: Instant) -> bool {
        match self.state {
            State::Paused(until) => until == due,
            State::Ending(_) => [self.stop_by, self.deaf_at].contains(&Some(due)),
            State::Queued | State::Starting | State::Up => false,
        }
    }

    /// Whether an incarnation runs.
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.state, State::Starting | State::Up | State::Ending(_))
    }
}
