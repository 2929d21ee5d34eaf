//! How the tape of a run is made: which process runs next, and how often the running one is interrupted.
//!
//! | strategy | what it does | good at |
//! |---|---|---|
//! | baseline | every choice is zero | the run that everybody would write down |
//! | random walk | goes on with the running process with a probability of 0.5 to 0.95, otherwise any other one | bugs that need many switches |
//! | PCT | runs the process with the highest priority; at `depth - 1` random moments the running one gets the lowest | bugs that need few switches at the right moments |
//! | holds | goes on with the running process, but holds it back at up to three random moments until all others wait | the same, where a process asks others many things |
//! | POS | gives each operation a random priority, and a new one when another one touches the same object (`pos.rs`) | bugs in which the order of several pairs of operations matters |
//! | URW | weighs each process by how many decisions it is expected to have left | bugs that need one process to be far ahead or behind |
//!
//! PCT: Burckhardt, Kothari, Musuvathi and Nagarakatte, "A randomized scheduler with probabilistic guarantees of finding bugs",
//! ASPLOS 2010. It finds a bug of depth `d` among `n` processes and `k` decisions with a probability of at least
//! `1 / (n * k^(d-1))` in each run. URW: Zhao, Wolff, Mathur and Roychoudhury, "Selectively uniform concurrency testing", ASPLOS 2025.
//!
//! Most decisions lie before something that nobody else can see before it is done, a receive say; so half of the runs by PCT, and
//! most of those by holds, count only the others.
//!
//! The number of decisions, and how they are spread over the processes, is what the baseline run of the same test had. A run by PCT
//! or POS that has become much longer than that goes on as a random walk: priorities are not fair, and a process that asks again and
//! again until another one has done something would keep that one from it for ever.

use std::rc::Rc;

use crate::sim::pos::Sampling;
use crate::sim::tape::{HOLD, Point};

/// How the runs of a test search for schedules.
///
/// # Examples
/// ```
/// use roundrock::sim::Strategy;
///
/// assert_eq!("pct".parse(), Ok(Strategy::Pct));
/// assert_eq!(Strategy::default(), Strategy::Mix);
/// assert!("fast".parse::<Strategy>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Strategy {
    /// Of sixteen runs seven by POS, five by PCT with depth 2 to 4, two by holds, and one each by random walk and URW. The default.
    #[default]
    Mix,
    /// Every run makes the boring choice of who runs, and nobody is held back; faults and random numbers differ. Only useful with these.
    Baseline,
    /// A random walk that tends to go on with the running process.
    Random,
    /// Priorities with few changes.
    Pct,
    /// The boring order, but for up to three moments at which the running process is held back until all others wait.
    Holds,
    /// Partial order sampling: a random priority for each operation.
    Pos,
    /// Weighted by what is left to do.
    Urw,
}

impl std::str::FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "mix" => Self::Mix,
            "baseline" => Self::Baseline,
            "random" => Self::Random,
            "pct" => Self::Pct,
            "holds" => Self::Holds,
            "pos" => Self::Pos,
            "urw" => Self::Urw,
            _ => {
                return Err(format!(
                    "`{text}` is no strategy: write `mix`, `baseline`, `random`, `pct`, `holds`, `pos` or `urw`"
                ));
            }
        })
    }
}

/// What the baseline run of a test looked like.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// Decisions on which process runs.
    decisions: u64,
    /// The same, for each process by its number.
    of_process: Vec<u32>,
    points: Points,
}

/// Where others could have run.
#[derive(Debug, Default, Clone, Copy)]
struct Points {
    /// Before an operation.
    all: u32,
    /// Before something that others can see.
    acts: u32,
    /// After an operation that had not to wait.
    done: u32,
}

/// A generator of numbers (xorshift64*, Vigna 2016, seeded by splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((z ^ (z >> 31)) | 1)
    }

    #[inline]
    fn next(&mut self) -> u64 {
        let mut x = self.0;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`.
    #[inline]
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        (((self.next() >> 32) * u64::from(n)) >> 32) as u32
    }

    /// Whether something of this probability happens.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64 <= probability && probability > 0.0
    }
}

/// Makes the numbers of one run.
#[derive(Debug)]
pub(crate) struct Plan {
    random: Random,
    /// Every number is zero, and nothing unusual happens: the run with seed 0.
    boring: bool,
    way: Way,
    /// From this decision on, a run by priorities is a random walk.
    fair_from: u64,
    /// Counted for the runs to come, in the baseline.
    decisions: u64,
    of_process: Vec<u32>,
    points: Points,
    lags: Lags,
}

/// How often a process goes on later after an operation that had not to wait: in one of four runs.
#[derive(Debug)]
struct Lags {
    /// Apart, so that all else is as in the same run without.
    random: Random,
    /// Of [`Lags::ALL`].
    rate: u32,
}

#[derive(Debug)]
enum Way {
    Baseline,
    /// Goes on with this probability, in 1024ths.
    Walk(u32),
    Pct(Priorities),
    Holds(Holds),
    Pos(Sampling),
    Urw(Rc<Shape>),
}

#[derive(Debug)]
struct Holds {
    /// The points at which the running process is held back, the last one first.
    at: Vec<u32>,
    /// Only points before something that others can see are counted.
    acts_only: bool,
    /// How likely another one than the first is chosen when none runs, in 1024ths.
    shuffles: u32,
}

#[derive(Debug)]
struct Priorities {
    /// By process; zero if it has none yet.
    of_process: Vec<u64>,
    /// The decisions at which the running process gets the lowest priority, the last one first; or which of the points before
    /// something that others can see, if only these are counted.
    changes: Vec<u64>,
    acts_only: bool,
    /// The priority of the next change; those of processes that were never changed are higher.
    lowest: u64,
}

/// Below it lie the priorities of those that were changed.
const UNCHANGED: u64 = 1 << 32;

/// A run by priorities may be so many times as long as the baseline, and so many decisions more, before it becomes fair.
const UNFAIR: (u64, u64) = (4, 400);

/// How likely the fair part of it goes on with the running process, in 1024ths.
const FAIR: u32 = 512;

impl Plan {
    /// The plan of the run with this seed. Seed 0 is the baseline in any case.
    pub(crate) fn new(strategy: Strategy, seed: u64, shape: &Rc<Shape>) -> Self {
        let mut random = Random::new(seed);
        let strategy = match strategy {
            _ if seed == 0 => Strategy::Baseline,
            // In these shares the 76 bugs that `tests/planted` had need 3.8 runs, by the geometric mean; by one strategy alone 3.7 (POS),
            // 4.0 (PCT), 5.4 (random walk), 7.2 (holds) and 8.7 (URW), but each of these misses some in ten searches of a thousand.
            Strategy::Mix => match random.below(16) {
                0..=6 => Strategy::Pos,
                7..=11 => Strategy::Pct,
                12 | 13 => Strategy::Holds,
                14 => Strategy::Random,
                _ => Strategy::Urw,
            },
            other => other,
        };
        let way = match strategy {
            Strategy::Random => Way::Walk(512 + random.below(461)),
            Strategy::Pct => {
                let depth = 2 + random.below(3);
                let acts_only = shape.points.acts > 0 && random.below(2) == 0;
                let length = if acts_only {
                    shape.points.acts
                } else {
                    u32::try_from(shape.decisions.max(1)).unwrap_or(u32::MAX)
                };
                let mut changes: Vec<u64> =
                    (1..depth).map(|_| random.below(length).into()).collect();
                changes.sort_unstable();
                changes.reverse();
                Way::Pct(Priorities {
                    of_process: Vec::new(),
                    changes,
                    acts_only,
                    lowest: UNCHANGED - 1,
                })
            }
            Strategy::Holds => {
                let acts_only = random.below(4) != 0;
                let points = if acts_only {
                    shape.points.acts
                } else {
                    shape.points.all
                };
                let holds = 1 + random.below(3);
                // A run in which somebody is held back may be longer.
                let length = points.max(1).saturating_add(points / 4);
                let mut at: Vec<u32> = (0..holds).map(|_| random.below(length)).collect();
                at.sort_unstable();
                at.reverse();
                let shuffles = if random.below(2) == 0 { 0 } else { 256 };
                Way::Holds(Holds {
                    at,
                    acts_only,
                    shuffles,
                })
            }
            Strategy::Pos => Way::Pos(Sampling::default()),
            Strategy::Urw => Way::Urw(Rc::clone(shape)),
            Strategy::Baseline | Strategy::Mix => Way::Baseline,
        };
        Self {
            random,
            boring: seed == 0,
            way,
            fair_from: shape.decisions.saturating_mul(UNFAIR.0) + UNFAIR.1,
            decisions: 0,
            of_process: Vec::new(),
            points: Points::default(),
            lags: match strategy {
                Strategy::Baseline => Lags::none(),
                _ => Lags::new(seed, shape.points.done),
            },
        }
    }

    /// Chooses one of `among` processes; at a point, which is before an operation on an object, the first of them runs, and would go on.
    #[inline]
    pub(crate) fn process(
        &mut self,
        at: Option<(Point, u64)>,
        among: u32,
        who: &impl Fn(u32) -> u32,
    ) -> u32 {
        let object = at.map(|(_, object)| object);
        let at = at.map(|(point, _)| point);
        let running = at.is_some();
        let decision = self.decisions;
        self.decisions += 1;
        let points = self.points;
        self.points.all += u32::from(running);
        self.points.acts += u32::from(at == Some(Point::Acts));
        match &mut self.way {
            Way::Baseline => {
                count(&mut self.of_process, who(0));
                0
            }
            Way::Walk(goes_on) => walk(&mut self.random, *goes_on, running, among),
            Way::Pct(_) | Way::Pos(_) if decision >= self.fair_from => {
                walk(&mut self.random, FAIR, running, among)
            }
            Way::Pct(priorities) => {
                let moment = match at {
                    _ if !priorities.acts_only => Some(decision),
                    Some(Point::Acts) => Some(points.acts.into()),
                    _ => None,
                };
                priorities.choose(&mut self.random, moment, among, who)
            }
            Way::Holds(holds) => holds.choose(&mut self.random, at, points, among),
            Way::Pos(sampling) => sampling.choose(&mut self.random, object, among, who),
            Way::Urw(shape) => {
                let done = &self.of_process;
                let weight = |place: u32| {
                    let process = who(place) as usize;
                    let expected = shape.of_process.get(process).copied().unwrap_or(0);
                    let had = done.get(process).copied().unwrap_or(0);
                    expected.saturating_sub(had).max(1)
                };
                let total = (0..among).map(weight).fold(0_u32, u32::saturating_add);
                let mut left = self.random.below(total);
                let chosen = (0..among).find(|&place| {
                    let weight = weight(place);
                    let found = left < weight;
                    left = left.saturating_sub(weight);
                    found
                });
                let chosen = chosen.unwrap_or(0);
                count(&mut self.of_process, who(chosen));
                chosen
            }
        }
    }

    /// A process is at a point, and nobody else can run. It counts as a decision all the same: otherwise the moments that are drawn for
    /// the runs to come would lie in the first part of a process whose last part had the baseline to itself, and which would run beside
    /// others in another order.
    #[inline]
    pub(crate) fn alone(&mut self, point: Point, process: u32) {
        self.decisions += 1;
        self.points.all += 1;
        self.points.acts += u32::from(point == Point::Acts);
        if matches!(self.way, Way::Baseline | Way::Urw(_)) {
            count(&mut self.of_process, process);
        }
    }

    /// The running process lets others go first, though it could go on. With the highest priority it would be chosen again, and
    /// if it waits for something in a loop, for ever.
    pub(crate) fn yields(&mut self, process: u32) {
        match &mut self.way {
            Way::Pct(priorities) => priorities.lower(process as usize),
            Way::Pos(sampling) => sampling.lower(process),
            _ => {}
        }
    }

    /// A process has ended: the next one with its number gets a priority of its own.
    pub(crate) fn ends(&mut self, process: u32) {
        match &mut self.way {
            Way::Pct(priorities) => {
                if let Some(priority) = priorities.of_process.get_mut(process as usize) {
                    *priority = 0;
                }
            }
            Way::Pos(sampling) => sampling.ends(process),
            _ => {}
        }
    }

    /// Whether the running process goes on later, after an operation; never in the baseline.
    pub(crate) fn lags(&mut self) -> bool {
        self.points.done += 1;
        let Lags { random, rate } = &mut self.lags;
        *rate > 0 && random.below(Lags::ALL) < *rate
    }

    /// A number below `n`; zero in the baseline.
    pub(crate) fn number(&mut self, n: u32) -> u32 {
        if self.boring { 0 } else { self.random.below(n) }
    }

    /// Whether something of this probability happens; never in the baseline.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        !self.boring && self.random.happens(probability)
    }

    /// What the run looked like.
    pub(crate) fn into_shape(self) -> Shape {
        Shape {
            decisions: self.decisions,
            of_process: self.of_process,
            points: self.points,
        }
    }
}

impl Lags {
    const ALL: u32 = 1 << 20;

    fn none() -> Self {
        Self {
            random: Random::new(0),
            rate: 0,
        }
    }

    /// `done`: how many operations that had not to wait the baseline had.
    fn new(seed: u64, done: u32) -> Self {
        /// How many of them are to lag in one run, if there are many.
        const MANY: u32 = 16;
        let mut random = Random::new(seed ^ 0x1a65_1a65_1a65_1a65);
        let most = (Self::ALL / 2).min(Self::ALL / done.max(1) * MANY).max(8);
        let rate = match random.below(4) {
            0 if seed != 0 => most / 8 + random.below(most),
            _ => 0,
        };
        Self { random, rate }
    }
}

impl Holds {
    fn choose(
        &mut self,
        random: &mut Random,
        at: Option<Point>,
        points: Points,
        among: u32,
    ) -> u32 {
        let now = match at {
            None if random.below(1024) < self.shuffles => return random.below(among),
            Some(Point::Takes) if self.acts_only => return 0,
            None => return 0,
            Some(_) if self.acts_only => points.acts,
            Some(_) => points.all,
        };
        let holds = self.at.last().is_some_and(|&at| at <= now);
        while self.at.last().is_some_and(|&at| at <= now) {
            self.at.pop();
        }
        if holds { HOLD } else { 0 }
    }
}

impl Priorities {
    fn choose(
        &mut self,
        random: &mut Random,
        moment: Option<u64>,
        among: u32,
        who: &impl Fn(u32) -> u32,
    ) -> u32 {
        let mut best = self.highest(random, among, who);
        let Some(moment) = moment else {
            return best;
        };
        while self.changes.last().is_some_and(|&at| at <= moment) {
            self.changes.pop();
            self.lower(who(best) as usize);
            best = self.highest(random, among, who);
        }
        best
    }

    /// Gives a process the lowest priority.
    fn lower(&mut self, process: usize) {
        if self.of_process.len() <= process {
            self.of_process.resize(process + 1, 0);
        }
        self.of_process[process] = self.lowest;
        self.lowest = (self.lowest - 1).max(1);
    }

    /// The place of the process with the highest priority. Who is seen for the first time gets one.
    fn highest(&mut self, random: &mut Random, among: u32, who: &impl Fn(u32) -> u32) -> u32 {
        let mut best = (0, 0);
        for place in 0..among {
            let process = who(place) as usize;
            if self.of_process.len() <= process {
                self.of_process.resize(process + 1, 0);
            }
            let priority = &mut self.of_process[process];
            if *priority == 0 {
                *priority = UNCHANGED + u64::from(random.below(u32::MAX));
            }
            if *priority > best.0 {
                best = (*priority, place);
            }
        }
        best.1
    }
}

/// Goes on with the running process with this probability, in 1024ths; otherwise any other one.
fn walk(random: &mut Random, goes_on: u32, running: bool, among: u32) -> u32 {
    if !running {
        random.below(among)
    } else if random.below(1024) < goes_on {
        0
    } else {
        1 + random.below(among - 1)
    }
}

fn count(of_process: &mut Vec<u32>, process: u32) {
    let process = process as usize;
    if of_process.len() <= process {
        of_process.resize(process + 1, 0);
    }
    of_process[process] += 1;
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Plan, Point, Random, Shape, Strategy};
    use std::rc::Rc;

    #[test]
    fn numbers_lie_below_their_bound_and_reach_all() {
        let mut random = Random::new(7);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[random.below(5) as usize] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert!(!random.happens(0.0));
        assert!(random.happens(1.0));
    }

    /// Two processes with `k` decisions each: the bug is hit when the first one is overtaken in one certain window.
    #[test]
    fn pct_hits_a_window_of_one_decision_as_often_as_promised() {
        let shape = Rc::new(Shape {
            decisions: 20,
            of_process: vec![10, 10],
            ..Shape::default()
        });
        let mut hits = 0;
        for seed in 1..2000 {
            let mut plan = Plan::new(Strategy::Pct, seed, &shape);
            let mut ran = Vec::new();
            for _ in 0..20 {
                let last = ran.last().copied().unwrap_or(0);
                let place = plan.process(Some((Point::Acts, 0)), 2, &|place| (place + last) % 2);
                ran.push((place + last) % 2);
            }
            hits += u32::from(ran[..7] == [0; 7] && ran[7] == 1);
        }
        // Half of the runs begin with process 0, and one change in twenty decisions or more lies in the window.
        assert!(hits > 2000 / 40 / 2, "{hits}");
    }

    /// Two processes that ask each other leave a third one its turns, however long they go on.
    #[test]
    fn pct_is_fair_in_the_end() {
        let shape = Rc::new(Shape {
            decisions: 20,
            of_process: vec![10, 10],
            ..Shape::default()
        });
        for seed in 1..200 {
            let mut plan = Plan::new(Strategy::Pct, seed, &shape);
            let mut last = 0;
            for _ in 0..2000 {
                let place = plan.process(Some((Point::Acts, 0)), 3, &|place| (place + last) % 3);
                last = (place + last) % 3;
            }
            let mut turns = [0; 3];
            for _ in 0..300 {
                let place = plan.process(Some((Point::Acts, 0)), 3, &|place| (place + last) % 3);
                last = (place + last) % 3;
                turns[last as usize] += 1;
            }
            assert!(
                turns.iter().all(|&turns| turns > 30),
                "seed {seed}: {turns:?}"
            );
        }
    }

    #[test]
    fn urw_prefers_who_has_more_left() {
        let shape = Rc::new(Shape {
            decisions: 100,
            of_process: vec![90, 10],
            ..Shape::default()
        });
        let mut first = 0;
        for seed in 1..400 {
            let mut plan = Plan::new(Strategy::Urw, seed, &shape);
            first += u32::from(plan.process(None, 2, &|place| place) == 0);
        }
        assert!((320..399).contains(&first), "{first}");
    }
}
