//! Makes the tape of a failure simpler, as long as the run fails in the same way.
//!
//! After delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002), on the choices that
//! are not zero: the end is cut off, blocks of them are set to zero, blocks of the tape are taken out, and what is left is made
//! smaller; one choice somewhere else is tried in the place of two; and one is taken away and the next one moved. All rounds are
//! repeated until none helps, or the time is up.

use std::time::{Duration, Instant};

use crate::sim::tape::{HOLD, Tape};
use crate::time::sleep::later;

/// The most runs that are spent on one failure.
const MOST_RUNS: u32 = 5_000;

/// The most pairs of places that are tried when two processes are held back.
const PAIRS: u32 = 1_500;

/// How far from the beginning choices are tried in other places.
const WIDEST: usize = 400;

/// Tries tapes, and keeps the simplest one that still fails.
pub(crate) struct Shrinker<'a> {
    best: Tape,
    /// How many choices the run had that was found.
    choices: usize,
    /// Runs a tape; returns the choices of the run if it failed in the same way.
    fails: &'a mut dyn FnMut(&Tape) -> Option<Tape>,
    runs: u32,
    until: Instant,
    /// Until when processes are held back in the place of all that the run did.
    holds_until: Instant,
}

impl<'a> Shrinker<'a> {
    pub(crate) fn new(
        tape: Tape,
        choices: usize,
        limit: Duration,
        fails: &'a mut dyn FnMut(&Tape) -> Option<Tape>,
    ) -> Self {
        let now = Instant::now();
        Self {
            best: tape,
            choices,
            fails,
            runs: 0,
            until: later(now, limit),
            holds_until: later(now, limit / 3),
        }
    }

    /// The simplest tape that was found, and the number of runs that it took.
    pub(crate) fn shrink(mut self) -> (Tape, u32) {
        self.hold_somebody();
        loop {
            let before = self.best.cost();
            self.cut_off();
            self.zero_blocks();
            self.take_out_blocks();
            self.lower();
            self.do_with_one_less();
            self.take_one_and_shift();
            if self.best.cost() >= before || self.is_over() {
                return (self.best, self.runs);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.runs >= MOST_RUNS || Instant::now() >= self.until
    }

    /// Whether the time that is left belongs to the other ways: where runs are long, few are made.
    fn held_enough(&self) -> bool {
        self.is_over() || Instant::now() >= self.holds_until
    }

    /// Tries a tape; true if it is simpler and fails in the same way.
    fn try_tape(&mut self, values: Vec<u32>) -> bool {
        let tape = Tape::new(values);
        if self.is_over() || tape.cost() >= self.best.cost() {
            return false;
        }
        self.runs += 1;
        match (self.fails)(&tape) {
            // What the run wrote may be simpler than what it was given: choices that it never came to.
            Some(written) => {
                self.best = if written.cost() < tape.cost() {
                    written
                } else {
                    tape
                };
                true
            }
            None => false,
        }
    }

    /// The shortest beginning that fails, by bisection.
    fn cut_off(&mut self) {
        let (mut passes, mut fails) = (0, self.best.values().len());
        while passes < fails && !self.is_over() {
            let middle = (passes + fails) / 2;
            if self.try_tape(self.best.values()[..middle.min(self.best.values().len())].to_vec()) {
                fails = middle.min(self.best.values().len());
            } else {
                passes = middle + 1;
            }
        }
    }

    /// Holds one process back, or two, in the place of all that the run did: what a bug needs is mostly that somebody comes late,
    /// and in a run that was found by chance many choices are spent on that.
    fn hold_somebody(&mut self) {
        let length = self.choices.min(WIDEST);
        let hold_at = |first: &[u32], place: usize| {
            let mut values = first.to_vec();
            values.resize(place, 0);
            values.push(HOLD);
            values
        };
        if self.best.deviations() < 2 {
            return;
        }
        // From where the run was another one than the boring one, and then anywhere.
        for place in self.deviations() {
            let first = self.best.values()[..place].to_vec();
            if self.best.deviations() < 2
                || self.held_enough()
                || self.try_tape(hold_at(&first, place))
            {
                break;
            }
        }
        for place in 0..length {
            if self.best.deviations() < 2
                || self.held_enough()
                || self.try_tape(hold_at(&[], place))
            {
                return;
            }
        }
        if self.best.deviations() < 3 {
            return;
        }
        let mut tries = 0;
        for one in 0..length {
            for other in one + 1..length {
                tries += 1;
                let first = hold_at(&[], one);
                if tries > PAIRS || self.held_enough() || self.try_tape(hold_at(&first, other)) {
                    return;
                }
            }
        }
    }

    /// Sets choices to zero, many at once first.
    fn zero_blocks(&mut self) {
        let mut size = self.deviations().len().div_ceil(2);
        while size > 0 && !self.is_over() {
            let mut at = 0;
            loop {
                let deviations = self.deviations();
                let Some(block) = deviations.get(at..(at + size).min(deviations.len())) else {
                    break;
                };
                if block.is_empty() || self.is_over() {
                    break;
                }
                let mut values = self.best.values().to_vec();
                block.iter().for_each(|&place| values[place] = 0);
                if !self.try_tape(values) {
                    at += size;
                }
            }
            size /= 2;
        }
    }

    /// Takes choices out, so that those after them move forward.
    fn take_out_blocks(&mut self) {
        for size in [16, 8, 4, 2, 1] {
            let mut at = self.best.values().len();
            while at >= size && !self.is_over() {
                let mut values = self.best.values().to_vec();
                if at > values.len() {
                    at = values.len();
                    continue;
                }
                values.drain(at - size..at);
                self.try_tape(values);
                at -= size.min(at);
            }
        }
    }

    /// Makes single choices smaller.
    fn lower(&mut self) {
        for place in self.deviations() {
            if self.best.values().get(place) == Some(&HOLD) {
                let mut values = self.best.values().to_vec();
                values[place] = 1;
                self.try_tape(values);
            }
            let mut passes = 0;
            while let Some(&value) = self.best.values().get(place)
                && value != HOLD
                && passes + 1 < value
                && !self.is_over()
            {
                // By bisection: a number that is drawn may have any size.
                let lower = if passes == 0 {
                    1
                } else {
                    passes.midpoint(value)
                };
                let mut values = self.best.values().to_vec();
                values[place] = lower;
                if !self.try_tape(values) {
                    passes = lower;
                }
            }
        }
    }

    /// Puts one choice, wherever it may be, in the place of two; or of one that comes later.
    fn do_with_one_less(&mut self) {
        let deviations = self.deviations();
        let pairs = (0..deviations.len())
            .flat_map(|one| (one..deviations.len()).map(move |other| (one, other)));
        for (one, other) in pairs {
            for place in 0..self.choices.min(WIDEST) {
                let mut values = self.best.values().to_vec();
                values[deviations[one]] = 0;
                values[deviations[other]] = 0;
                if values.len() <= place {
                    values.resize(place + 1, 0);
                }
                if values[place] != 0 {
                    continue;
                }
                values[place] = 1;
                if self.is_over() || self.try_tape(values) {
                    return;
                }
            }
        }
    }

    /// Takes one choice away, and puts what follows a little earlier or later: without it the run asks for more or fewer choices until
    /// then.
    fn take_one_and_shift(&mut self) {
        /// How far.
        const FAR: usize = 12;
        for place in self.deviations() {
            let values = self.best.values();
            if self.is_over() || values.get(place).is_none_or(|&value| value == 0) {
                continue;
            }
            let (before, after) = (values[..place].to_vec(), values[place + 1..].to_vec());
            let ahead = after.iter().take_while(|&&value| value == 0).count();
            for by in 1..=FAR {
                let later = [&before[..], &vec![0; by + 1], &after].concat();
                let earlier = (by <= ahead).then(|| [&before[..], &[0], &after[by..]].concat());
                if earlier.is_some_and(|values| self.try_tape(values)) || self.try_tape(later) {
                    break;
                }
            }
        }
    }

    /// The places of the choices that are not zero.
    fn deviations(&self) -> Vec<usize> {
        let values = self.best.values().iter().enumerate();
        values
            .filter(|&(_, &value)| value != 0)
            .map(|(place, _)| place)
            .collect()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{HOLD, Shrinker, Tape};
    use std::time::Duration;

    fn shrink(values: Vec<u32>, mut fails: impl FnMut(&[u32]) -> bool) -> Tape {
        let mut fails = |tape: &Tape| fails(tape.values()).then(|| tape.clone());
        let shrinker = Shrinker::new(Tape::new(values), 0, Duration::from_secs(60), &mut fails);
        shrinker.shrink().0
    }

    #[test]
    fn one_choice_elsewhere_is_better_than_two() {
        let mut fails = |tape: &Tape| {
            let fails = matches!(tape.values(), [1, 1] | [0, 0, 0, 1]);
            fails.then(|| tape.clone())
        };
        let tape = Tape::new(vec![1, 1]);
        let shrinker = Shrinker::new(tape, 6, Duration::from_secs(60), &mut fails);
        assert_eq!(shrinker.shrink().0.values(), [0, 0, 0, 1]);
    }

    /// Without the first choice the second one is asked for a little later, or earlier.
    #[test]
    fn one_is_taken_away_and_the_next_one_moved() {
        for needed in [7, 12] {
            let mut fails = |tape: &Tape| {
                let values = tape.values();
                let at = |place: usize| values.get(place).is_some_and(|&value| value >= 2);
                let fails = at(3) && at(9) && values.len() == 10
                    || at(needed) && values.len() == needed + 1;
                fails.then(|| tape.clone())
            };
            let mut values = vec![0; 10];
            (values[3], values[9]) = (2, 2);
            let shrinker = Shrinker::new(Tape::new(values), 0, Duration::from_secs(60), &mut fails);
            let shrunk = shrinker.shrink().0;
            assert_eq!(
                (shrunk.deviations(), shrunk.values().len()),
                (1, needed + 1)
            );
        }
    }

    #[test]
    fn only_what_the_failure_needs_is_left() {
        let tape = shrink(vec![3; 200], |values| {
            values.get(40).is_some_and(|&value| value >= 2) && values.contains(&1)
                || values.len() == 200
        });
        assert_eq!(tape.deviations(), 1, "{tape}");
        let tape = shrink(vec![5; 100], |values| {
            let needed = values.iter().filter(|&&value| (2..HOLD).contains(&value));
            needed.count() >= 2
        });
        assert_eq!(tape.values(), [2, 2]);
    }

    /// No run begins when the time is up: with none at all, what was found is kept as it is.
    #[test]
    fn the_time_bounds_the_runs() {
        for limit in [Duration::ZERO, Duration::from_secs(60)] {
            let found = Tape::new(vec![3; 100]);
            let mut fails = |tape: &Tape| Some(tape.clone());
            let (shrunk, runs) = Shrinker::new(found.clone(), 0, limit, &mut fails).shrink();
            assert_eq!(runs == 0, limit.is_zero());
            assert_eq!(shrunk == found, limit.is_zero());
        }
    }

    #[test]
    fn what_fails_in_any_case_shrinks_to_nothing() {
        assert_eq!(shrink(vec![1, 2, 3], |_| true), Tape::default());
    }
}
