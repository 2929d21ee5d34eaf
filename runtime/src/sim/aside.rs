//! Processes that could run and do not: those who were interrupted, are slow, stall, or are held back before an operation or after
//! it; and those who panic.
//!
//! **Invariants**
//! - Who is put aside is in one list, and in no other: it comes back when its moment has come, or when all others wait.
//! - Nobody is held back for longer than [`LONGEST_HOLD`] steps of others: they may wait in a loop for what it does next.

use std::time::Duration;

use crate::sim::events::name_of;
use crate::sim::faults::Active;
use crate::sim::machine::Machine;
use crate::sim::ready::{Ready, Turn};
use crate::sim::reason::Reason;
use crate::task::cell::{self, Header};
use crate::task::current::{by_nobody, run_others};

/// After so many steps of others a process is not held back any more.
const LONGEST_HOLD: u64 = 500;

/// So many steps others make at most in the middle of one.
const LONGEST_LAG: u64 = 100;

/// What could run, and does not before a moment.
pub(crate) struct Resting {
    pub(crate) until: u64,
    pub(super) what: Turn,
}

impl Resting {
    fn process(&self) -> u32 {
        match &self.what {
            Turn::Process(ready) => ready.process,
            Turn::Job(job) => job.process,
            Turn::Timer | Turn::Nobody => 0,
        }
    }
}

/// Where a process is put that could run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Aside {
    /// It rests until a moment.
    Until(u64),
    /// It runs when all others wait.
    Held,
}

impl Machine {
    /// Holds the running process back until all others wait.
    pub(super) fn hold(&self, process: u32, what: impl FnOnce() -> String) {
        self.interrupt(process);
        self.put_aside.set(Some(Aside::Held));
        self.happens(process, || {
            format!("is held back until all others wait, before: {}", what())
        });
    }

    /// Holds a process back whose turn it is, until all others wait.
    pub(super) fn hold_before_its_turn(&self, next: Ready) {
        let has_run = cell::slot_of_queued(next.task.0).has_run();
        self.keep_back(next);
        self.happens(next.process, || {
            let what = if has_run { "goes on" } else { "starts" };
            format!("is held back until all others wait, before it {what}")
        });
    }

    /// After an operation that had not to wait: whether the process that runs goes on when all others wait. On threads others may
    /// do much between an operation of a process and what it does next, to memory that they share, say.
    ///
    /// They run inside the operation, in the middle of a step that goes on afterwards: so nothing of the process's own is torn
    /// apart, by a kill or an arm of a `select!` say, as nothing is on threads.
    pub(super) fn lags(&self, task: &Header) {
        if self.ending.get() || self.is_broken() || self.others_run.get() {
            return;
        }
        let chosen = self.choices.borrow_mut().lags(self.place());
        if !chosen || !self.somebody_can_run() {
            return;
        }
        let process = task.slot().id().index();
        self.happens(process, || {
            "is held back until all others wait, after it".to_owned()
        });
        let (streak, vain, poll) = (self.streak.get(), self.vain.get(), self.poll.get());
        let put_aside = self.put_aside.take();
        self.watch_ends(|| name_of(&self.scheduler, process));
        self.others_run.set(true);
        run_others(|| self.let_others_run());
        self.others_run.set(false);
        self.watch_begins();
        self.process.set(process);
        self.streak.set(streak);
        self.vain.set(vain);
        self.poll.set(poll);
        self.put_aside.set(put_aside);
        self.step_goes_on();
        self.progress.step_begins(process);
    }

    fn let_others_run(&self) {
        let until = self.steps.get() + LONGEST_LAG;
        // What they find was left so by the process that is held back.
        by_nobody(|| self.look());
        while !self.is_broken() && self.steps.get() < until && self.take_turn() {
            by_nobody(|| self.look());
        }
        // Who was chosen to be next is so no more: the process that goes on may choose again.
        match self.next.take() {
            Some(Turn::Process(next)) => self.ready.borrow_mut().push_front(next),
            Some(Turn::Job(next)) => self.jobs.borrow_mut().push_front(next),
            Some(Turn::Timer | Turn::Nobody) | None => {}
        }
    }

    /// Whether the process that runs spins, after it has tried something once more: then the run is broken off.
    pub(super) fn spins(&self, what: &str, object: u64) -> bool {
        /// More than anybody needs in one step.
        const MANY: u32 = 100_000;
        let times = self.vain.get() + 1;
        self.vain.set(times);
        if times < MANY || self.in_job.get() {
            return false;
        }
        let process = self.process.get();
        self.break_off(|| Reason::Spins {
            process: name_of(&self.scheduler, process),
            what: match object {
                0 => what.to_owned(),
                object => format!("{what} {}", self.place_of(object)),
            },
            times,
        });
        true
    }

    /// Whether a process panics before what it is about to do.
    pub(super) fn panics(&self, task: &Header, what: impl FnOnce() -> String) -> bool {
        let may = self.faulty.get() && !self.ending.get() && !self.is_broken();
        let throws = may && self.throws(task);
        if throws {
            self.happens(task.slot().id().index(), || {
                format!("has a fault, a panic, before: {}", what())
            });
        }
        throws
    }

    /// Whether a process that is supervised panics here.
    fn throws(&self, task: &Header) -> bool {
        let may = task.lineage().is_some() && task.scope().is_some();
        may && !std::thread::panicking() && {
            let mut faults = self.faults.borrow_mut();
            faults.throws(&mut self.choices.borrow_mut(), self.place())
        }
    }

    /// Whether a process that is about to receive rests first.
    pub(super) fn stalls(&self, process: u32) -> bool {
        let faults = self.faults.borrow();
        let Some(stall) = faults.stall(&mut self.choices.borrow_mut(), self.place()) else {
            return false;
        };
        self.interrupt(process);
        self.put_aside.set(Some(Aside::Until(self.later(stall))));
        self.happens(process, || {
            format!("stalls for {stall:?} before it receives")
        });
        true
    }

    pub(super) fn interrupt(&self, process: u32) {
        let mut interrupted = self.interrupted.borrow_mut();
        let process = process as usize;
        if interrupted.len() <= process {
            interrupted.resize(process + 1, 0);
        }
        interrupted[process] = self.poll.get();
    }

    /// The poll in which a process was interrupted at a point that it has not passed since.
    pub(super) fn interruption(&self, process: u32) -> Option<u64> {
        let interrupted = self.interrupted.borrow();
        let poll = *interrupted.get(process as usize)?;
        (poll != 0).then_some(poll)
    }

    pub(super) fn later(&self, rest: Duration) -> u64 {
        self.now().saturating_add(rest.as_nanos() as u64)
    }

    /// Keeps a process back that could run.
    pub(super) fn keep_back(&self, ready: Ready) {
        self.held.borrow_mut().push_back(Ready {
            since: self.steps.get(),
            ..ready
        });
    }

    /// Lets one of those run again that are held back.
    fn release(&self) -> bool {
        let Some(held) = self.held.borrow_mut().pop_front() else {
            return false;
        };
        self.ready.borrow_mut().push_back(Ready {
            since: self.steps.get(),
            ..held
        });
        true
    }

    /// Lets those run again whose rest is over, or else one that is held back. True if there were some.
    pub(crate) fn end_rests(&self) -> bool {
        if self.release() {
            return true;
        }
        let now = self.now();
        let over = |rest: &mut Resting| rest.until <= now || self.ending.get();
        let rested: Vec<_> = self.resting.borrow_mut().extract_if(.., over).collect();
        let any = !rested.is_empty();
        for Resting { what, .. } in rested {
            match what {
                Turn::Process(ready) => self.ready.borrow_mut().push_back(Ready {
                    since: self.steps.get(),
                    ..ready
                }),
                Turn::Job(job) => self.jobs.borrow_mut().push_back(job),
                Turn::Timer | Turn::Nobody => {}
            }
        }
        any
    }

    /// From now on nothing goes wrong any more, and who rests goes on: the end of a run is judged by its grace. True if somebody
    /// rested.
    pub(crate) fn end_faults(&self) -> bool {
        *self.faults.borrow_mut() = Active::default();
        self.faulty.set(false);
        let mut resting = self.resting.borrow_mut();
        for rest in &mut *resting {
            rest.until = 0;
        }
        !resting.is_empty()
    }

    /// Who rests, and until when, in words.
    pub(crate) fn who_rests(&self) -> Vec<String> {
        let resting = self.resting.borrow();
        let mut who: Vec<_> = resting
            .iter()
            .map(|rest| (rest.until, rest.process()))
            .collect();
        who.sort_unstable();
        let text = |(until, process): (u64, u32)| {
            let until = Duration::from_nanos(until);
            let name = name_of(&self.scheduler, process);
            format!(
                "{name} rests until {until:?}, by a fault; time does not move there while others run"
            )
        };
        who.into_iter().map(text).collect()
    }

    /// Lets one run again that was held back for long.
    pub(super) fn release_the_oldest(&self) {
        let held = self.held.borrow().front().copied();
        if let Some(held) = held
            && held.since + LONGEST_HOLD < self.steps.get()
        {
            self.release();
            self.happens(held.process, || {
                format!("is not held back any more: the others have made {LONGEST_HOLD} steps")
            });
        }
    }
}
