//! Runs that are made again because the first one could not tell everything: whether a step has blocked, and which one did; and who
//! waits for ever beside supervised children.
//!
//! Of a process that waits when the body has returned, and of whose channel somebody holds an endpoint where it is not followed, it is
//! not known whether it is a supervised child who does, and then it ends when the stop ends that. So the run is made again, and the
//! children are taken away before the stop: whoever waits even then is leaked. Not in the same run, because a stop ends them last.

use std::time::{Duration, Instant};

use crate::sim::alike::ends_alike;
use crate::sim::blocked::{self, Timing};
use crate::sim::reason::Reason;
use crate::sim::report::Failure;
use crate::sim::run::{Keep, Outcome};
use crate::sim::search::Search;
use crate::sim::shrink::Shrinker;
use crate::sim::tape::{Choices, Tape};

/// How often a run with a step that blocks is made for the name of the call: on a busy machine the thread that looks for it may not
/// come to look within the step.
const LOOKS: u32 = 10;

/// Of so many runs one is made again to find out whether a step may have blocked, and which one did, beside the first ones: on a busy
/// machine many runs take long.
const SHARES: [u64; 2] = [20, 1000];

/// The first ones.
const FIRST: [u64; 2] = [50, 3];

/// Nor is it made again after this time: who looks has had its chance.
const LONG_ENOUGH: Duration = Duration::from_secs(1);

impl Search<'_> {
    /// Whether a step of a run has blocked the thread, as the failure that this is: it must do so in three more runs with the same
    /// choices, because the thread may also have waited for something else for once.
    pub(super) fn look_for_blocks(&mut self, run: &Outcome, seed: Option<u64>) -> Option<Failure> {
        let before = std::mem::replace(&mut self.looked, Instant::now());
        // A job is there to block.
        let took = (self.looked - before).saturating_sub(run.in_jobs);
        if took < blocked::SHORTEST || !self.may_doubt() || !self.switches.have_grown() {
            return None;
        }
        self.doubts[0] += 1;
        let since = self.looked;
        let tape = run.tape();
        let is_blocked = |run: &Outcome| matches!(run.reason, Some(Reason::Blocked { .. }));
        if is_blocked(&self.timed(&tape, seed, Timing::Rough)) {
            self.doubts[1] += 1;
            let first = self.timed(&tape, seed, Timing::Exact);
            for chance in 1..=LOOKS {
                let second = self.timed(&tape, seed, Timing::Exact);
                let alike = is_blocked(&first)
                    && first.steps == second.steps
                    && ends_alike(first.reason.as_ref(), second.reason.as_ref());
                let Some(reason) = second.reason.clone().filter(|_| alike) else {
                    break;
                };
                // Where the kernel says what a thread does, one that was in no call was kept waiting by the machine: for a page of
                // memory, say.
                let is_last =
                    chance == LOOKS || chance > LOOKS / 2 && since.elapsed() >= LONG_ENOUGH;
                if reason.names_a_call() || is_last && !self.progress.tells_calls() {
                    return Some(self.simpler(reason, seed, second));
                }
                if is_last {
                    break;
                }
            }
        }
        self.switches.look();
        self.looked = Instant::now();
        None
    }

    /// A run with a step that blocks, made simpler: with other choices the step must block twice as well.
    fn simpler(&mut self, reason: Reason, seed: Option<u64>, found: Outcome) -> Failure {
        let choices = found.written.len();
        let limit = self.simulation.shrink;
        let blocks_again = |run: &Outcome| {
            let same =
                |new: &Reason| new.is_like(&reason) && new.names_a_call() == reason.names_a_call();
            run.reason.as_ref().is_some_and(same)
        };
        let mut fails = |tape: &Tape| {
            let mut made = || self.timed(tape, seed, Timing::Exact);
            (blocks_again(&made()) && blocks_again(&made())).then(|| tape.clone())
        };
        let shrinker = Shrinker::new(found.tape(), choices, limit, &mut fails);
        let (shrunk, runs) = shrinker.shrink();
        let looks = if shrunk == found.tape() { 0 } else { LOOKS };
        let mut shown = (0..looks).map(|_| self.timed(&shrunk, seed, Timing::Exact));
        let shown = shown.find(blocks_again);
        let Some(mut shown) = shown else {
            return self.failure(reason, seed, found);
        };
        let reason = shown.reason.take().unwrap_or(reason);
        let mut failure = self.failure(reason, seed, found);
        (failure.shrunk, failure.shrink_runs) = (shrunk, runs);
        (failure.events, failure.waits) = (shown.events, shown.waits);
        failure
    }

    /// Whether one more run may be made again.
    fn may_doubt(&self) -> bool {
        let runs = self.summary.seeds;
        (0..2).all(|kind| self.doubts[kind] < FIRST[kind] + runs / SHARES[kind])
    }

    /// Whether somebody leaks in a run that passed, as the failure that this is: he waits for ever, also without the supervised children.
    /// Looked for in the first runs that have such, because a leak is seldom a matter of the order.
    pub(super) fn leaks_without_children(
        &mut self,
        passed: &Outcome,
        seed: Option<u64>,
    ) -> Option<Failure> {
        /// So many.
        const MOST: u64 = 4;
        if !passed.unjudged || self.unjudged == MOST {
            return None;
        }
        self.unjudged += 1;
        let keep = Keep {
            without: true,
            ..Keep::default()
        };
        let mut run = self.one(Choices::of_tape(&passed.tape()), seed, keep);
        let reason = run.reason.take();
        // Whatever else goes wrong may come of it.
        let reason = reason.filter(|reason| matches!(reason, Reason::Leak(_)))?;
        Some(match self.simulation.again {
            true => self.failure(reason, seed, run),
            false => self.explain(reason, seed, run, keep),
        })
    }

    /// The same run, with a clock at each step.
    fn timed(&mut self, tape: &Tape, seed: Option<u64>, timing: Timing) -> Outcome {
        let keep = Keep {
            times: Some(timing),
            events: timing == Timing::Exact,
            ..Keep::default()
        };
        self.one(Choices::of_tape(tape), seed, keep)
    }
}
