//! Growth: how many processes of each origin live, against their budgets and against how many there were.
//!
//! The monitor counts, from the registry, a piece at a time: a spawn and an exit pay nothing. A count of all processes begins
//! every tenth of a window, and later if it took more than a hundredth of one thread's time; while no worker is awake, when a search
//! for leaks is due.
//!
//! An origin is *over its budget* when more live than `#[process(budget = …)]` says. It *grows* when it has more than
//! [`Growth::above`] and at least twice as many as [`Growth::windows`] windows before, with more at the end of each of them than
//! at its beginning: what goes up and down with the load does not.
//!
//! **Invariants**
//! - An alarm is told once; about a budget again when the number was within it meanwhile, about growth again when it has doubled
//!   since.
//! - A count is not a moment's picture: it may miss processes that start or end meanwhile, as those who count may be.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::events::{Event, EventKind};
use crate::numbered::Numbered;
use crate::scheduler::Scheduler;
use crate::sync;
use crate::task::origin::Origin;

/// Slots that are looked at in one tick of the monitor: a fraction of a millisecond.
const PIECE: u32 = 16_384;
/// How much longer than counting takes is left between two counts.
const REST: u32 = 100;
/// Counts in a window.
const COUNTS: u32 = 10;

/// When the number of processes is worth an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) above: u64,
    pub(crate) windows: usize,
    pub(crate) window: Duration,
}

impl Default for Growth {
    fn default() -> Self {
        Self {
            above: 1000,
            windows: 3,
            window: Duration::from_secs(10),
        }
    }
}

/// What the monitor remembers.
#[derive(Debug)]
pub(crate) struct Counting {
    settings: Growth,
    /// The count under way, from this slot on.
    from: Option<u32>,
    found: Numbered<Found>,
    spent: Duration,
    next: Instant,
    /// When the present window ends.
    window_ends: Instant,
    known: Numbered<History>,
}

/// What one count found of an origin.
#[derive(Debug)]
struct Found {
    origin: &'static Origin,
    alive: u64,
    /// When the first of those that live was spawned, on the coarse clock.
    born_ms: u32,
}

/// What is remembered of an origin while some of it live.
#[derive(Debug, Default)]
struct History {
    /// Numbers at the ends of the last windows.
    ends: VecDeque<u64>,
    over_budget: bool,
    /// The number that was told as growth.
    told: u64,
}

impl Counting {
    pub(crate) fn new(settings: Growth, now: Instant) -> Self {
        Self {
            settings,
            from: None,
            found: Numbered::default(),
            spent: Duration::ZERO,
            next: now,
            window_ends: now + settings.window,
            known: Numbered::default(),
        }
    }

    /// Counts a piece, if it is time to, and tells what is alarming when all are counted. True if the count is not complete.
    pub(crate) fn tick(&mut self, scheduler: &Scheduler, now: Instant) -> bool {
        let from = match self.from {
            Some(from) => from,
            None if now >= self.next => 0,
            None => return false,
        };
        let ran = sync::thread_time();
        let now_ms = scheduler.clock.coarse_ms();
        let found = &mut self.found;
        let more = scheduler
            .registry
            .for_each_origin(from, PIECE, |origin, born_ms| {
                let number = u64::from(origin.number);
                let entry = found.get_or_insert_with(number, || Found {
                    origin,
                    alive: 0,
                    born_ms,
                });
                entry.alive += 1;
                if now_ms.wrapping_sub(born_ms) > now_ms.wrapping_sub(entry.born_ms) {
                    entry.born_ms = born_ms;
                }
            });
        let after = scheduler.clock.now();
        self.spent += sync::ran_since(ran, after - now);
        self.from = more.then(|| from + PIECE);
        if more {
            return true;
        }
        let counted = std::mem::take(&mut self.found);
        let pause = (self.settings.window / COUNTS).max(self.spent * REST);
        self.next = after + pause;
        self.spent = Duration::ZERO;
        let is_end = after >= self.window_ends;
        if is_end {
            self.window_ends = after + self.settings.window;
        }
        let settings = self.settings;
        self.judge(&counted, is_end, |origin, kind| {
            let kind = match kind {
                Alarm::OverBudget(alive) => EventKind::OverBudget {
                    alive,
                    budget: origin.facts.budget,
                },
                Alarm::Growing(alive, born_ms) => EventKind::Growing {
                    alive,
                    window: settings.window,
                    oldest: Duration::from_millis(now_ms.wrapping_sub(born_ms).into()),
                },
            };
            let event = Event::about(origin, kind);
            tracing::warn!(target: "roundrock::process", process = origin.name, alarm = %event, "growth");
            scheduler.board.tell(|| event);
        });
        false
    }

    /// Compares a count with what is known.
    fn judge(
        &mut self,
        counted: &Numbered<Found>,
        is_end: bool,
        mut alarm: impl FnMut(&'static Origin, Alarm),
    ) {
        // Of what has died out nothing is remembered.
        let gone = |&number: &u64| !counted.contains(number);
        let gone: Vec<u64> = self.known.numbers().filter(gone).collect();
        for number in gone {
            self.known.remove(number);
        }
        for (number, found) in counted.iter() {
            let history = self.known.get_or_insert_with(number, History::default);
            let budget = u64::from(found.origin.facts.budget);
            let over = budget != 0 && found.alive > budget;
            if over && !history.over_budget {
                alarm(found.origin, Alarm::OverBudget(found.alive));
            }
            history.over_budget = over;
            if is_end && let Some(ends) = history.window(found.alive, &self.settings) {
                alarm(found.origin, Alarm::Growing(ends, found.born_ms));
            }
        }
    }
}

enum Alarm {
    OverBudget(u64),
    /// Numbers at the ends of the windows, and when the first of those that live was spawned.
    Growing(Vec<u64>, u32),
}

impl History {
    /// A window has ended with this number. Returns the numbers of all windows, if they are alarming.
    fn window(&mut self, alive: u64, settings: &Growth) -> Option<Vec<u64>> {
        self.ends.push_back(alive);
        if self.ends.len() > settings.windows + 1 {
            self.ends.pop_front();
        }
        if alive < self.told / 2 {
            // It has gone back, and may be told of again.
            self.told = 0;
        }
        let rises = self
            .ends
            .iter()
            .zip(self.ends.iter().skip(1))
            .all(|(before, after)| after > before);
        let first = *self.ends.front()?;
        let grows = self.ends.len() > settings.windows
            && rises
            && alive > settings.above
            && alive >= 2 * first.max(1)
            && alive >= 2 * self.told;
        grows.then(|| {
            self.told = alive;
            self.ends.iter().copied().collect()
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Instant;

    use super::{Alarm, Counting, Found, Growth, History};
    use crate::numbered::Numbered;
    use crate::task::origin::{Facts, Origin};

    static FEW: Origin = Origin {
        number: 7,
        name: "few",
        site: None,
        facts: Facts {
            budget: 20,
            ..Facts::NONE
        },
    };

    #[test]
    fn a_budget_is_told_once_and_again_after_it_was_kept() {
        let mut counting = Counting::new(Growth::default(), Instant::now());
        let mut told = Vec::new();
        for alive in [20, 21, 30, 25, 20, 21, 0, 40, 41] {
            let found = Found {
                origin: &FEW,
                alive,
                born_ms: 0,
            };
            // What has died out is not found at all.
            let counted: Numbered<Found> = (alive > 0).then_some((7, found)).into_iter().collect();
            counting.judge(&counted, false, |origin, alarm| match alarm {
                Alarm::OverBudget(alive) => told.push((origin.name, alive)),
                Alarm::Growing(..) => panic!("no window has ended"),
            });
        }
        assert_eq!(told, [("few", 21), ("few", 21), ("few", 40)]);
    }

    fn alarms(numbers: &[u64]) -> Vec<u64> {
        let mut history = History::default();
        let settings = Growth::default();
        let told = numbers
            .iter()
            .filter_map(|&alive| history.window(alive, &settings)?.last().copied());
        told.collect()
    }

    #[test]
    fn doubling_over_three_windows_above_a_thousand_is_told() {
        assert_eq!(alarms(&[600, 800, 1000, 1200]), [1200]);
        // Not yet three windows; not doubled; not above; not each window.
        assert_eq!(alarms(&[600, 1000, 1300]), []);
        assert_eq!(alarms(&[700, 800, 1000, 1399]), []);
        assert_eq!(alarms(&[100, 400, 800, 1000]), []);
        assert_eq!(alarms(&[600, 1100, 1100, 1300]), []);
        assert_eq!(alarms(&[600, 1100, 1000, 1300]), []);
    }

    #[test]
    fn what_grows_on_is_told_again_when_it_has_doubled() {
        let doubling = [600, 1000, 1500, 2000, 3000, 4000, 5000, 8000];
        assert_eq!(alarms(&doubling), [2000, 4000, 8000]);
    }

    #[test]
    fn a_load_that_comes_and_goes_is_not_growth() {
        let day = [1000, 1500, 1800, 1500, 1000, 1500, 1900, 1400];
        assert_eq!(alarms(&day.repeat(5)), []);
        // One that went back may grow again.
        let again = [
            600, 1000, 1500, 2000, 600, 700, 1300, 2000, 900, 500, 800, 1100,
        ];
        assert_eq!(alarms(&again), [2000, 2000]);
    }
}
