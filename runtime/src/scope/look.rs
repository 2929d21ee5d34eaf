//! Looks at the processes of scopes that stop: what each waits for, and whether any could still move.
//!
//! A look reads the whole registry once, for all scopes of the system that stop at that moment, in pieces between which other
//! processes run. It does not take a moment's picture; but two looks, one after the other, show what one cannot: a process that
//! is parked in both and was not polled between them was parked in the whole time between the end of the first and the beginning
//! of the second. If that holds for all processes of a scope, all were parked at the same moment.
//!
//! **Invariants**
//! - At most one look of a system is under way; those who come meanwhile wait for it.
//! - Looking takes a twentieth of the time of one worker at most.

use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::numbered::Numbered;
use crate::scheduler::Scheduler;
use crate::scope::ScopeInner;
use crate::sync::{Lock, Ordering, fence};
use crate::system::SystemInner;
use crate::task::TaskRef;
use crate::task::current;
use crate::task::ports::Ports;
use crate::task::registry::{About, Line, ProcessId, Slot, WaitKind, low_bits};
use crate::time::sleep;

/// Slots that are read between two yields.
const PIECE: u32 = 4096;
/// How much longer than a look takes is left between two of them.
pub(super) const REST: u32 = 20;

/// A process, as one look saw it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) id: ProcessId,
    pub(super) task: TaskRef,
    /// `seq` if the process was parked, and nobody outside of the runtime can wake it.
    pub(super) parked_at: Option<u64>,
    pub(super) kind: WaitKind,
    /// The kinds of all waits of its last poll, as bits.
    pub(super) kinds: u16,
    pub(super) object: u64,
    /// A struct that waits between two messages: if it waits for ends too, these are of work beside its handlers, in its own scope.
    pub(super) is_between: bool,
    /// What it waits to receive from, if it waits for something else as well.
    pub(super) inputs: Vec<u64>,
    /// For whose ends it waits; `None` if that is not known.
    pub(super) joined: Option<Vec<u64>>,
    pub(super) site: Option<&'static Location<'static>>,
    pub(super) born_ms: u32,
    pub(super) ports: Ports,
    /// What the stop told it already: see [`current::told_of`].
    pub(super) flags: u32,
}

/// What one look saw: the processes of each scope that stops or is watched, by the scope's number. Those of an inner scope belong
/// to the outer ones too.
#[derive(Debug, Default)]
pub(super) struct Look(Numbered<Vec<Arc<Seen>>>);

impl Look {
    /// The processes of a scope that were seen.
    pub(super) fn of(&self, scope: &ScopeInner) -> &[Arc<Seen>] {
        self.0.get(scope.id).map_or(&[], Vec::as_slice)
    }
}

/// Who looks, and when.
#[derive(Debug)]
pub(crate) struct Looks(Lock<Turn>);

impl Looks {
    pub(crate) fn new() -> Self {
        Self(Lock::new(Turn::default()))
    }
}

#[derive(Debug, Default)]
struct Turn {
    /// Kept alive by those who work with it.
    last: Weak<Look>,
    under_way: bool,
    not_before: Option<Instant>,
}

/// A look that began after the last one had ended.
pub(super) async fn look(system: &SystemInner) -> Arc<Look> {
    let clock = &system.scheduler.clock;
    loop {
        let wait = {
            let mut turn = system.looks.0.lock();
            let now = clock.now();
            let wait = turn
                .not_before
                .and_then(|at| at.checked_duration_since(now));
            if turn.under_way {
                Some(Duration::from_millis(1))
            } else if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
                // What somebody else saw a moment ago is as good.
                if let Some(last) = turn.last.upgrade() {
                    return last;
                }
                Some(wait)
            } else {
                turn.under_way = true;
                None
            }
        };
        match wait {
            Some(wait) => sleep(wait).await,
            None => break,
        }
    }
    let looking = Looking(&system.looks);
    let begun = clock.now();
    let look = Arc::new(scan(system).await);
    let now = clock.now();
    {
        let mut turn = looking.0.0.lock();
        turn.not_before = Some(now + (now - begun) * REST);
        turn.last = Arc::downgrade(&look);
    }
    look
}

/// Gives the turn back, also when the one who looks is dropped.
struct Looking<'a>(&'a Looks);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.0.lock().under_way = false;
    }
}

async fn scan(system: &SystemInner) -> Look {
    let registry = &system.scheduler.registry;
    let mut look = Look::default();
    // Whether processes of the scope with these low bits are wanted, as far as it is known.
    let mut wanted: HashMap<u32, bool> = HashMap::new();
    let mut from = 0;
    loop {
        let mut unwanted = Vec::new();
        let more = registry.visit(
            from,
            PIECE,
            |scope| wanted.get(&scope).copied().unwrap_or(true),
            |id, about, slot, task| {
                let scope = low_bits(task.scope().map_or(0, |scope| scope.id));
                let seen = Arc::new(Seen::new(id, about, slot, task));
                if !look.enter(&seen) {
                    unwanted.push(scope);
                }
            },
        );
        // Two scopes may share their low bits: only what nobody wanted is passed over, and only if none was wanted before.
        for scope in unwanted {
            wanted.entry(scope).or_insert(false);
        }
        if !more {
            return look;
        }
        from += PIECE;
        let_others_run().await;
    }
}

/// Goes behind everybody who is ready.
async fn let_others_run() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Look {
    /// Enters a process under every scope around it that stops or is watched. False if there is none.
    fn enter(&mut self, seen: &Arc<Seen>) -> bool {
        let mut scope = seen.task.scope().map(|scope| &**scope);
        let mut entered = false;
        while let Some(at) = scope {
            if at.is_looked_at() {
                let inside = self.0.get_or_insert_with(at.id, Vec::new);
                inside.push(Arc::clone(seen));
                entered = true;
            }
            scope = at.parent();
        }
        entered
    }
}

impl Seen {
    fn new(id: ProcessId, about: &About, slot: &Slot, task: TaskRef) -> Self {
        // ORDERING: Acquire: see `registry::Line`.
        let seq = slot.line.seq.load(Ordering::Acquire);
        let parked = task.state.is_parked() && task.state.outside() == 0;
        // ORDERING: Relaxed: see `registry::Line`; a change shows in `seq`.
        let word = slot.line.wait.load(Ordering::Relaxed);
        // ORDERING: as above.
        let object = slot.line.object.load(Ordering::Relaxed);
        let inputs = inputs(task.scheduler(), slot, word);
        let joined = joined(task.scheduler(), slot, word);
        // ORDERING: Acquire fence, and Acquire: what was read above was read before what is read below, so it is of one wait.
        fence(Ordering::Acquire);
        let same = task.state.is_parked() && slot.line.seq.load(Ordering::Acquire) == seq;
        Self {
            id,
            parked_at: (parked && same).then_some(seq),
            kind: WaitKind::from_u8((word >> 8) as u8),
            kinds: kinds_of(word),
            object,
            is_between: word >> 16 & u64::from(current::BETWEEN) != 0
                && about.ports.mailbox().is_some(),
            inputs,
            joined,
            site: about.site,
            born_ms: slot.born_ms(),
            ports: about.ports.clone(),
            // ORDERING: Relaxed: only the coordinator of a stop sets them.
            flags: slot.line.flags.load(Ordering::Relaxed),
            task,
        }
    }

    /// Its scope and its place among the supervised children there, if it is one and the scope stops.
    pub(super) fn place(&self) -> Option<(&ScopeInner, u64)> {
        let lineage = self.task.lineage()?;
        let own = self.task.scope()?;
        own.is_stopping().then(|| (&**own, lineage.key()))
    }

    /// Whether it does not stop yet: its supervisor, or that of a process around it, says when.
    pub(super) fn is_held(&self) -> bool {
        self.flags & (current::STOPPING | current::CLOSING) == current::CLOSING
    }

    /// What a stop of this scope tells it first.
    pub(super) fn mark(&self) {
        let stops = self.task.scope().is_some_and(|scope| scope.is_stopping());
        let flag = if stops && self.task.lineage().is_none() {
            current::STOPPING
        } else {
            current::CLOSING
        };
        if self.flags & flag == 0 {
            self.task.mark(flag);
        }
    }

    /// Whether it waits to receive.
    pub(super) fn receives(&self) -> bool {
        matches!(self.kind, WaitKind::Recv | WaitKind::Select)
    }

    /// Whether it was told that the input it waits for is over.
    pub(super) fn was_told(&self) -> bool {
        let told = self.flags & current::TOLD;
        self.flags & current::ENDED != 0 && (told == 0 || told == current::told_of(self.object))
    }
}

/// What a process waits to receive from, if it waits for something else as well.
fn inputs(scheduler: &Scheduler, slot: &Slot, word: u64) -> Vec<u64> {
    let mut inputs = Vec::new();
    let is_one = word & Line::NOTED < 2 && WaitKind::from_u8((word >> 8) as u8) == WaitKind::Recv;
    if kinds_of(word) & WaitKind::Recv.bit() != 0 && !is_one {
        scheduler.registry.waits(slot, |wait| {
            if wait.kind == WaitKind::Recv {
                inputs.push(wait.object);
            }
        });
    }
    inputs
}

/// For whose ends a process waits, if it waits for any; `None` if that is not known.
fn joined(scheduler: &Scheduler, slot: &Slot, word: u64) -> Option<Vec<u64>> {
    let kinds = (word >> 16) as u16;
    if kinds & WaitKind::Join.bit() == 0 || kinds & current::UNKNOWN != 0 {
        return None;
    }
    let mut joined = Vec::new();
    scheduler.registry.waits(slot, |wait| {
        if wait.kind == WaitKind::Join {
            joined.push(wait.object);
        }
    });
    Some(joined)
}

/// The kinds of the waits in a wait word. Several waits for room or for locks are a choice, also when they are of one kind: only the
/// last one's object is known here.
fn kinds_of(word: u64) -> u16 {
    const ONE: u16 = WaitKind::Send.bit() | WaitKind::Lock.bit();
    let kinds = (word >> 16) as u16 & current::KINDS;
    let noted = word & Line::NOTED;
    if noted > 1 && kinds & ONE != 0 {
        kinds | WaitKind::Select.bit()
    } else {
        kinds
    }
}
