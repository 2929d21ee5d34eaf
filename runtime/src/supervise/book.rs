//! The book of a supervisor: its children, and how their last incarnations ended. For observers; no decision is made from it.
//!
//! **Invariants**
//! - A child is in the book from when its supervisor learns of it until it is over.
//! - At most [`KEPT`] exits of a child are kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::child::State;
use super::lineage::Lineage;
use super::table::drop_quietly;
use crate::numbered::Numbered;
use crate::observe::model::{ChildInfo, ChildStage, ExitInfo, Name};
use crate::process::exit::{Exit, contain};
use crate::sync::{AtomicU64, Lock, Ordering};

/// Exits that are kept of each child.
const KEPT: usize = 4;

/// See the header.
#[derive(Debug)]
pub(crate) struct Book {
    entries: Lock<Numbered<Entry>>,
    /// The child that those wait for whose turn has not come; zero if there is none.
    first: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    name: &'static str,
    lineage: Arc<Lineage>,
    exits: VecDeque<Ended>,
}

#[derive(Debug)]
struct Ended {
    incarnation: u32,
    exit: Exit,
    /// When, on the coarse clock.
    at_ms: u32,
}

/// Of several errors whose destructors panic, the second would meet the panic of the first.
impl Drop for Ended {
    fn drop(&mut self) {
        let exit = std::mem::replace(&mut self.exit, Exit::Ok);
        contain("a destructor", || drop(exit));
    }
}

impl Book {
    pub(super) fn new() -> Self {
        Self {
            entries: Lock::new(Numbered::default()),
            first: AtomicU64::new(0),
        }
    }

    /// A child was added.
    pub(super) fn add(&self, name: &'static str, lineage: &Arc<Lineage>) {
        let entry = Entry {
            name,
            lineage: Arc::clone(lineage),
            exits: VecDeque::new(),
        };
        let before = self.entries.lock().insert(lineage.key(), entry);
        drop(before);
    }

    /// An incarnation has ended.
    pub(super) fn note(&self, key: u64, exit: &Exit, at_ms: u32) {
        let mut entries = self.entries.lock();
        let Some(entry) = entries.get_mut(key) else {
            return;
        };
        let oldest = if entry.exits.len() == KEPT {
            entry.exits.pop_front()
        } else {
            None
        };
        entry.exits.push_back(Ended {
            incarnation: entry.lineage.incarnation(),
            exit: exit.clone(),
            at_ms,
        });
        drop(entries);
        // What a process returned may have a destructor of its own, which may panic.
        drop_quietly(oldest);
    }

    /// A child is over.
    pub(super) fn remove(&self, key: u64) {
        let entry = self.entries.lock().remove(key);
        drop_quietly(entry);
    }

    /// Those whose turn has not come wait for this child, if there is one.
    pub(super) fn hold_up(&self, first: Option<u64>) {
        // ORDERING: Relaxed: for observers.
        self.first.store(first.unwrap_or(0), Ordering::Relaxed);
    }

    /// What is known of all children at a moment, which the coarse clock calls `now_ms`.
    pub(crate) fn children(&self, scope: u64, now: Instant, now_ms: u32) -> Vec<ChildInfo> {
        type Kept = (u32, Exit, u32);
        // ORDERING: Relaxed: as in `hold_up`.
        let first = self.first.load(Ordering::Relaxed);
        let entries: Vec<(&'static str, Arc<Lineage>, Vec<Kept>)> = {
            let entries = self.entries.lock();
            let copy = |entry: &Entry| {
                let exits = entry.exits.iter().rev();
                let exits = exits.map(|ended| (ended.incarnation, ended.exit.clone(), ended.at_ms));
                (entry.name, Arc::clone(&entry.lineage), exits.collect())
            };
            entries.values().map(copy).collect()
        };
        let first = entries
            .iter()
            .find(|(_, lineage, _)| lineage.key() == first);
        let first = first.map(|&(name, ref lineage, _)| (lineage.key(), Name::from(name)));
        let stage = |lineage: &Lineage| match lineage.stage() {
            State::Queued => {
                let others = first.as_ref().filter(|(key, _)| *key != lineage.key());
                let behind = others.map(|(_, name)| name.clone());
                ChildStage::Queued { behind }
            }
            State::Paused(until) => ChildStage::Paused {
                left: until.saturating_duration_since(now),
            },
            State::Starting => ChildStage::Starting,
            State::Up | State::Ending(_) => ChildStage::Runs,
        };
        // The texts of errors are the users' code, so they are asked for without the lock.
        let child = |(name, lineage, exits): (&'static str, Arc<Lineage>, Vec<Kept>)| {
            let exits = exits
                .into_iter()
                .map(|(incarnation, exit, at_ms)| ExitInfo {
                    incarnation,
                    reason: exit.reason(),
                    ago: Duration::from_millis(now_ms.wrapping_sub(at_ms).into()),
                });
            let current = lineage.current().filter(|task| !task.state.is_done());
            ChildInfo {
                scope,
                name: name.into(),
                process: current.map(|task| task.id()),
                stage: stage(&lineage),
                restarts: lineage.incarnation(),
                exits: exits.collect(),
            }
        };
        entries.into_iter().map(child).collect()
    }
}
