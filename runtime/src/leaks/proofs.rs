//! What was proven stays true: the processes that a pass has proven, and how many of them ran again all the same.
//!
//! A proof says that a process never runs again other than by a forced stop. So every forced stop (a kill, the stop of a scope or of a
//! handle) first forgets all proofs, for it may free others than the one it is meant for, and the next pass proves anew what is still
//! true. Whoever was polled while it was proven is a *violation*: an error of the runtime, counted and told. There must be none.
//!
//! A poll pays nothing for this: a proof holds the number of polls, and is looked at before it is forgotten, by each pass, and by
//! whoever asks how many were violated.
//!
//! **Invariants**
//! - A proof is entered only if no forced stop was under way when its pass began, and none has begun since. A stop counts itself, and
//!   then looks whether anything is entered; who enters something looks at that count again afterwards. One of the two sees the other.
//! - When a stop is over, those whom it is for are found running, ended or stopping, so nothing is proven that waits for one of them.

use std::collections::HashMap;

use super::facts::{Facts, Fast};
use crate::scheduler::Scheduler;
use crate::sync::{AtomicU64, AtomicUsize, Lock, Ordering};
use crate::task::ProcessId;

/// The proofs of a system.
#[derive(Debug)]
pub(crate) struct Proofs {
    /// Forced stops that have begun, and that are over.
    begun: AtomicU64,
    over: AtomicU64,
    /// How many processes are proven.
    count: AtomicUsize,
    known: Lock<Known>,
    violations: AtomicU64,
}

/// What is under the lock.
#[derive(Debug, Default)]
struct Known {
    /// The ids of those who are proven, and how often each had been polled.
    polls: HashMap<u64, u64, Fast>,
    /// Who ran all the same, the first ones.
    violated: Vec<ProcessId>,
}

/// How many of those who ran are kept.
const KEPT: usize = 16;

/// A forced stop is under way, until this is dropped.
#[derive(Debug)]
#[must_use = "the stop lasts until this is dropped"]
pub(crate) struct ForcedStop<'a>(&'a Proofs);

impl Drop for ForcedStop<'_> {
    fn drop(&mut self) {
        // ORDERING: SeqCst: what the stop did is seen by a pass that sees it over.
        self.0.over.fetch_add(1, Ordering::SeqCst);
    }
}

impl Proofs {
    pub(crate) fn new() -> Self {
        Self {
            begun: AtomicU64::new(0),
            over: AtomicU64::new(0),
            count: AtomicUsize::new(0),
            known: Lock::new(Known::default()),
            violations: AtomicU64::new(0),
        }
    }

    /// A forced stop begins, and has not done anything yet.
    pub(crate) fn stop_begins(&self, scheduler: &Scheduler) -> ForcedStop<'_> {
        // ORDERING: SeqCst (both): see the invariant.
        self.begun.fetch_add(1, Ordering::SeqCst);
        if self.count.load(Ordering::SeqCst) != 0 {
            self.forget(scheduler);
        }
        ForcedStop(self)
    }

    #[cold]
    fn forget(&self, scheduler: &Scheduler) {
        let mut known = self.known.lock();
        let violated = self.check(scheduler, &mut known);
        known.polls.clear();
        // ORDERING: Relaxed: it is changed under the lock, and a stop that still reads the old one looks for nothing.
        self.count.store(0, Ordering::Relaxed);
        drop(known);
        Self::tell(scheduler, &violated);
    }

    /// The forced stops that have begun so far, if none is under way: to be asked before a pass.
    pub(super) fn stops(&self) -> Option<u64> {
        // ORDERING: SeqCst (both): see the invariant. In this order: if both are the same, nothing was under way in between.
        let over = self.over.load(Ordering::SeqCst);
        let begun = self.begun.load(Ordering::SeqCst);
        (begun == over).then_some(begun)
    }

    /// Enters what a pass has proven that began after so many forced stops.
    pub(super) fn enter(
        &self,
        scheduler: &Scheduler,
        facts: &Facts,
        stuck: &[bool],
        stops: Option<u64>,
    ) {
        let mut known = self.known.lock();
        let violated = self.check(scheduler, &mut known);
        // ORDERING: SeqCst: see the invariant.
        let same = || Some(self.begun.load(Ordering::SeqCst)) == stops;
        if same() {
            let proven = (0..stuck.len()).filter(|&process| stuck[process]);
            known.polls.extend(proven.map(|process| {
                let parked = &facts.processes[process];
                (parked.id.raw(), parked.seq)
            }));
        }
        // ORDERING: SeqCst: see the invariant.
        self.count.store(known.polls.len(), Ordering::SeqCst);
        if !same() {
            known.polls.clear();
            // ORDERING: Relaxed: as in `forget`.
            self.count.store(0, Ordering::Relaxed);
        }
        drop(known);
        Self::tell(scheduler, &violated);
    }

    /// Counts the proofs that were violated, and takes them out.
    fn check(&self, scheduler: &Scheduler, known: &mut Known) -> Vec<u64> {
        let mut violated = Vec::new();
        known.polls.retain(|&id, &mut seq| {
            let holds = ProcessId::from_raw(id).is_some_and(|id| {
                let slot = scheduler.registry.slot(id.index());
                // ORDERING: Acquire: see `registry::Line`.
                let polls = slot.map(|slot| slot.line.seq.load(Ordering::Acquire));
                polls == Some(seq) && slot.is_some_and(|slot| slot.id() == id)
            });
            if !holds {
                violated.push(id);
            }
            holds
        });
        let ids = violated.iter().filter_map(|&id| ProcessId::from_raw(id));
        let room = KEPT - known.violated.len();
        known.violated.extend(ids.take(room));
        // ORDERING: Relaxed: a count.
        self.violations
            .fetch_add(violated.len() as u64, Ordering::Relaxed);
        violated
    }

    /// Tells of violations, without the lock: who listens may ask for their number.
    fn tell(scheduler: &Scheduler, violated: &[u64]) {
        for &id in violated {
            let process = ProcessId::from_raw(id);
            let name = process.and_then(|id| scheduler.registry.name_of(id));
            tracing::error!(
                target: "roundrock::leak", process = name, process.id = id,
                "proof_violation: a process ran that was proven leaked, which is a bug in Roundrock"
            );
        }
    }

    /// Whether a process is proven, by whatever pass.
    pub(super) fn has(&self, process: ProcessId) -> bool {
        self.known.lock().polls.contains_key(&process.raw())
    }

    /// How many processes ran that were proven not to.
    pub(crate) fn violations(&self, scheduler: &Scheduler) -> u64 {
        let violated = self.check(scheduler, &mut self.known.lock());
        Self::tell(scheduler, &violated);
        // ORDERING: Relaxed: a count.
        self.violations.load(Ordering::Relaxed)
    }

    /// Who ran that was proven not to, the first ones; in the order of their numbers, for a map has none.
    pub(crate) fn violated(&self, scheduler: &Scheduler) -> Vec<ProcessId> {
        self.violations(scheduler);
        let mut violated = self.known.lock().violated.clone();
        violated.sort_unstable_by_key(|id| id.raw());
        violated
    }

    /// As good as new: the next run of a simulation has processes of its own, with the same numbers.
    pub(crate) fn reset(&self) {
        *self.known.lock() = Known::default();
        // ORDERING: Relaxed (both): nobody else has the system.
        self.count.store(0, Ordering::Relaxed);
        self.violations.store(0, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::{Arc, Mutex};

    use crate::leaks::Leak;
    use crate::prelude::*;
    use crate::sim::{Reason, Simulation};

    /// Nobody but itself could send to it.
    #[process]
    async fn waits(input: &Receiver<u32>, own: &Sender<u32>) {
        input.recv().await;
        let _ = own;
    }

    /// The mistake: somebody is woken for nothing. The end of the run finds it, though everything is in order again by then.
    #[test]
    fn a_simulation_fails_whose_proof_was_contradicted() {
        let before = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&before);
        let run = |sim: Sim| {
            let seen = Arc::clone(&seen);
            async move {
                seen.lock()
                    .expect("no panic")
                    .push(sim.system().proof_violations());
                let (own, input) = bounded(1);
                let stuck = sim.spawn(waits(input, own));
                sim.settle().await;
                let leaks = sim.system().leaks();
                assert!(leaks.iter().any(Leak::is_proven), "{leaks:?}");
                stuck.task().clone().wake();
                sim.settle().await;
                stuck.kill();
                stuck.done().await;
                roundrock::Ok(())
            }
        };
        for leaks in [false, true] {
            let search = Simulation::new("contradicted").seeds(2).deny_leaks(leaks);
            let failure = search.run(run).expect_err("a proof was wrong");
            let Reason::ProofViolated(processes) = &failure.reason else {
                panic!("{}", failure.reason);
            };
            assert_eq!(processes.len(), 1, "{processes:?}");
            assert!(processes[0].starts_with("waits#"), "{processes:?}");
            let text = failure.to_string();
            let says = "proof violation: these were proven to wait for ever and ran again, which is a bug in Roundrock and not in \
                        this program; please report it:\n    waits#";
            assert!(text.contains(says), "{text}");
        }
        // What one run has seen is nothing to the next one.
        let before = before.lock().expect("no panic");
        assert!(
            before.len() > 2 && before.iter().all(|&count| count == 0),
            "{before:?}"
        );
    }
}
