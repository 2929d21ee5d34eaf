//! Who and what can run next.

use std::collections::VecDeque;
use std::ptr::NonNull;

use crate::blocking::Job;
use crate::scheduler::queue::{Local, Runnable};
use crate::scheduler::worker::{self, Worker};
use crate::sim::machine::Machine;
use crate::task::cell::{self, Header};

/// The number by which a strategy knows a timer that is due. Processes have even numbers, and jobs odd ones: each has a priority of its own.
pub(super) const TIMER: u32 = 0;

/// The same of the process in this slot.
pub(super) fn number_of(process: u32) -> u32 {
    process.saturating_mul(2).saturating_add(2)
}

/// A process that can run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) task: Runnable,
    /// The number of its slot.
    pub(crate) process: u32,
    /// The step at which it became ready.
    pub(super) since: u64,
    /// It has rested before this turn, and does not again.
    pub(super) rested: bool,
}

/// A job that blocks, and that nobody has run yet.
pub(crate) struct Pending {
    pub(super) job: Job,
    /// Whose it is.
    pub(super) process: u32,
    /// See [`TIMER`].
    number: u32,
    pub(super) rested: bool,
}

impl Ready {
    pub(super) fn number(&self) -> u32 {
        number_of(self.process)
    }
}

impl Pending {
    pub(super) fn number(&self) -> u32 {
        self.number
    }
}

/// Who stands at a place of those that can run: first the processes, then the jobs, then a timer.
pub(super) fn who_is(ready: &VecDeque<Ready>, jobs: &VecDeque<Pending>, place: usize) -> u32 {
    match ready.get(place) {
        Some(ready) => ready.number(),
        None => jobs.get(place - ready.len()).map_or(TIMER, Pending::number),
    }
}

/// What can run next.
pub(crate) enum Turn {
    Process(Ready),
    Job(Pending),
    /// A timer that is due, while others could run too.
    Timer,
    Nobody,
}

impl Machine {
    /// Says which task is the root.
    pub(crate) fn set_root(&self, root: NonNull<Header>) {
        self.root.set(Some(root));
    }

    /// The root, if it can run.
    pub(crate) fn take_root(&self) -> Option<Ready> {
        self.root_ready.take()
    }

    /// Whether a process or a job waits for its turn.
    pub(super) fn somebody_can_run(&self) -> bool {
        let mut ready = self.ready.borrow_mut();
        self.collect(&mut ready);
        !ready.is_empty() || !self.jobs.borrow().is_empty()
    }

    /// Takes in a job, to be run at some later step.
    pub(super) fn take_job(&self, job: Job) {
        let process = self.process.get();
        let number = self.jobs_taken.get().wrapping_mul(2).wrapping_add(1);
        self.jobs_taken.set(self.jobs_taken.get().wrapping_add(1));
        self.jobs.borrow_mut().push_back(Pending {
            job,
            process,
            number,
            rested: false,
        });
    }

    /// Takes in what has become ready.
    #[inline]
    pub(super) fn collect(&self, ready: &mut VecDeque<Ready>) {
        worker::with(|worker| {
            // Most points come when nothing was woken since the last one.
            if let Some(worker) = worker.filter(|worker| worker.has_ready()) {
                self.collect_from(worker, ready);
            }
        });
    }

    #[inline(never)]
    fn collect_from(&self, worker: &Worker, ready: &mut VecDeque<Ready>) {
        while let Some(task) = worker.take_ready() {
            let process = cell::slot_of_queued(task.0).id().index();
            let since = self.steps.get();
            let next = Ready {
                task,
                process,
                since,
                rested: false,
            };
            if self.root.get() == Some(task.0) {
                self.root_ready.set(Some(next));
            } else {
                ready.push_back(next);
            }
        }
    }

    /// Whether another thread has woken a process: the process, if so.
    pub(crate) fn woken_from_outside(&self) -> Option<String> {
        if self.scheduler.injector.is_empty() {
            return None;
        }
        let local = Local::new().0;
        let task = self.scheduler.injector.steal(&local)?;
        let slot = cell::slot_of_queued(task.0);
        let name = format!("{}#{}", slot.origin().name, slot.id().index());
        // The run is over; the process must still come to its end.
        self.ready.borrow_mut().push_back(Ready {
            task,
            process: slot.id().index(),
            since: 0,
            rested: false,
        });
        Some(name)
    }
}
