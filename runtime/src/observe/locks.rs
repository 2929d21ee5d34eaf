//! Who has the locks and the permits that somebody waits for.

use std::collections::HashSet;
use std::panic::Location;

use super::model::{Name, Site};
use crate::scheduler::Scheduler;
use crate::task::ProcessId;

/// Holders of one lock that are listed. A semaphore may have thousands.
const HOLDERS: usize = 16;

/// A lock or a semaphore that somebody waits for, and who has it.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// use std::sync::Arc;
/// use roundrock::sync::Mutex;
///
/// let price = Arc::new(Mutex::new(7));
/// let guard = price.lock().await;
/// let waits = Arc::clone(&price);
/// scope.task("reader", async move { roundrock::Ok(*waits.lock().await) });
/// let mut snapshot = scope.system().snapshot();
/// while snapshot.locks.is_empty() { sleep(millis(1)).await; snapshot = scope.system().snapshot(); }
/// assert_eq!((snapshot.locks[0].held, snapshot.locks[0].waiting), (1, 1));
/// assert_eq!(&*snapshot.locks[0].holders[0].name, "main");
/// # drop(guard);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LockInfo {
    /// Its number, which is the object of those who wait; unique among living locks.
    pub id: u64,
    /// Where it was made; `None` if the standard library made it for somebody, as in `Arc::default()`.
    pub site: Option<Site>,
    /// The column of that place, or 0.
    pub column: u32,
    /// It is a semaphore: whoever took a permit may have given it away.
    pub semaphore: bool,
    /// Those who took it, and have not given it back: one of a mutex, and at most 16.
    pub holders: Vec<LockHolder>,
    /// How many these are in all.
    pub held: usize,
    /// How many wait for it, in order.
    pub waiting: usize,
}

/// Who took a lock or permits.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LockHolder {
    /// The process; `None` if it was a plain thread.
    pub process: Option<ProcessId>,
    /// Its name; empty if it was a plain thread.
    pub name: Name,
    /// Where it asked.
    pub site: Site,
    /// How many permits it took; 1 of a lock.
    pub permits: u32,
}

impl LockInfo {
    /// Those of these objects that are locks.
    pub(super) fn among(scheduler: &Scheduler, awaited: &HashSet<u64>) -> Vec<Self> {
        let gates = awaited
            .iter()
            .filter_map(|&id| Some((id, scheduler.gates.get(id)?)));
        let mut locks: Vec<_> = gates
            .map(|(id, gate)| {
                let queue = gate.queue();
                let holders = queue.holders.iter().take(HOLDERS);
                Self {
                    id,
                    site: gate.site().map(Site::of),
                    column: gate.site().map_or(0, Location::column),
                    semaphore: gate.is_semaphore(),
                    holders: holders
                        .map(|holder| LockHolder {
                            process: holder.process,
                            name: holder.name.into(),
                            site: Site::of(holder.site),
                            permits: holder.permits,
                        })
                        .collect(),
                    held: queue.holders.len(),
                    waiting: queue.waiting.len(),
                }
            })
            .collect();
        // One that nobody waits for any more has gone on meanwhile.
        locks.retain(|lock| lock.waiting > 0);
        locks.sort_unstable_by_key(|lock| lock.id);
        locks
    }

    /// What it is.
    pub(super) fn kind(&self) -> &'static str {
        match self.semaphore {
            true => "semaphore",
            false => "lock",
        }
    }

    /// What a wait for it is for, whose name this is; and who has it.
    pub(super) fn in_words(&self, name: &str) -> (String, String) {
        let (what, whose) = match self.semaphore {
            true => (
                format!("for a permit of {name}"),
                "; permits were taken by ",
            ),
            false => (format!("for {name}"), ", which was taken by "),
        };
        let holders = self.holders.iter().take(2).map(|holder| {
            let who = match holder.process {
                Some(id) => format!("{}{id}", holder.name),
                None => "a plain thread".to_owned(),
            };
            format!("{who} at {}:{}", holder.site.file, holder.site.line)
        });
        let mut holders: Vec<_> = holders.collect();
        match self.held - holders.len() {
            0 => {}
            1 => holders.push("another one".to_owned()),
            more => holders.push(format!("{more} others")),
        }
        let taken = match holders.split_last() {
            None => String::new(),
            Some((only, [])) => format!("{whose}{only}"),
            Some((last, first)) => format!("{whose}{} and {last}", first.join(", ")),
        };
        (what, taken)
    }
}
