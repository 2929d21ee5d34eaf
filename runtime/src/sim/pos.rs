//! Partial order sampling: each operation of each process gets a random priority, and whoever is at the one with the highest goes
//! on. When it is done, the operations that others are about to do on the same object get new ones. So of two operations whose
//! order matters each comes first with the same probability, whatever else lies between them, and no draw is spent on the order of
//! those that do not touch each other.
//!
//! Yuan, Yang and Gu, "Partial order aware concurrency sampling", CAV 2018.

use crate::sim::strategy::Random;

/// The lowest priority: of those who let others go first.
const LAST: u32 = 1;

/// What a run draws.
#[derive(Debug, Default)]
pub(crate) struct Sampling {
    of_process: Vec<Next>,
}

/// The next operation of a process.
#[derive(Debug, Default, Clone, Copy)]
struct Next {
    /// Zero if it was not drawn.
    priority: u32,
    /// What it touches; zero if that is not known, or nothing.
    object: u64,
}

impl Sampling {
    /// Chooses one of `among` processes. At a point the first of them runs, and is about to touch `object`.
    pub(crate) fn choose(
        &mut self,
        random: &mut Random,
        object: Option<u64>,
        among: u32,
        who: &impl Fn(u32) -> u32,
    ) -> u32 {
        if let Some(object) = object {
            *self.next_of(who(0)) = Next {
                priority: 0,
                object,
            };
        }
        let mut best = (0, 0);
        for place in 0..among {
            let next = self.next_of(who(place));
            if next.priority == 0 {
                next.priority = LAST + 1 + random.below(u32::MAX - LAST - 1);
            }
            best = best.max((next.priority, u32::MAX - place));
        }
        let chosen = u32::MAX - best.1;
        let done = std::mem::take(self.next_of(who(chosen)));
        if done.object != 0 {
            for place in 0..among {
                let next = self.next_of(who(place));
                if next.object == done.object {
                    next.priority = 0;
                }
            }
        }
        chosen
    }

    /// Lets the others go before the next operation of this one.
    pub(crate) fn lower(&mut self, process: u32) {
        self.next_of(process).priority = LAST;
    }

    /// Forgets a process that has ended.
    pub(crate) fn ends(&mut self, process: u32) {
        *self.next_of(process) = Next::default();
    }

    fn next_of(&mut self, process: u32) -> &mut Next {
        let process = process as usize;
        if self.of_process.len() <= process {
            self.of_process.resize(process + 1, Next::default());
        }
        &mut self.of_process[process]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Sampling;
    use crate::sim::strategy::Random;

    /// One process does one operation on an object, another one first does many that touch nothing of it.
    #[test]
    fn each_of_two_that_touch_one_object_comes_first_as_often() {
        const BEFORE: u64 = 30;
        let mut first = 0;
        for seed in 0..1000 {
            let mut random = Random::new(seed);
            let mut sampling = Sampling::default();
            let mut done = [0; 2];
            let object = |process: u32, done: [u64; 2]| match (process, done[process as usize]) {
                (0, _) | (1, BEFORE) => 1,
                (_, done) => 2 + done,
            };
            let mut running = 0_u32;
            loop {
                let who = |place| (running + place) % 2;
                let next = object(running, done);
                let chosen = who(sampling.choose(&mut random, Some(next), 2, &who));
                if object(chosen, done) == 1 {
                    first += u32::from(chosen == 0);
                    break;
                }
                done[chosen as usize] += 1;
                running = chosen;
            }
        }
        // A random walk would let the other one come first once in 2^30 runs.
        assert!((20..980).contains(&first), "{first}");
    }

    #[test]
    fn who_gives_way_comes_after_all_others() {
        let mut random = Random::new(1);
        let mut sampling = Sampling::default();
        for _ in 0..100 {
            sampling.lower(0);
            assert_ne!(sampling.choose(&mut random, None, 3, &|place| place), 0);
        }
    }
}
