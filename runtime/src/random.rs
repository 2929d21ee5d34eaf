//! Random numbers for programs: in a simulation they are choices of the run, so that a test can search and replay them.

use std::fmt;
use std::ops::Range;

use crate::sim::{here, told};
use crate::task::current;

/// Returns the source of random numbers of the running process.
///
/// In production it is the generator of the worker (xorshift64*): fast, seeded anew in each program, and not for secrets. In a
/// simulation each number is a choice: a tape has it again, and a failure is shrunk to small numbers. With seed 0 the first numbers
/// below a bound are zeros; [`Rng::u64`] differs each time in every run.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # roundrock::System::builder().workers(1).run(async |_scope| {
/// let mut rng = roundrock::rng();
/// let pause = millis(100 + rng.below(50));
/// assert!(pause < millis(150));
/// # Ok(()) }).unwrap();
/// ```
pub fn rng() -> Rng {
    Rng(())
}

/// Random numbers; see [`rng`]. On a thread that is no worker each number costs a system call or so.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let mut rng = roundrock::rng();
/// assert!((1..7).contains(&rng.range(1..7)));
/// assert!(rng.chance(1.0) && !rng.chance(0.0));
/// let mut cards = [1, 2, 3];
/// rng.shuffle(&mut cards);
/// cards.sort_unstable();
/// assert_eq!(cards, [1, 2, 3]);
/// assert!(rng.pick(&cards).is_some());
/// assert!(rng.pick::<u8>(&[]).is_none());
/// # Ok(()) }) }
/// ```
pub struct Rng(());

impl Rng {
    /// A number below `n`, each as likely as the others (up to one part in four billion).
    ///
    /// # Panics
    /// If `n` is zero.
    ///
    /// # Examples
    /// ```
    /// let mut rng = roundrock::rng();
    /// assert!(rng.below(10) < 10);
    /// ```
    #[track_caller]
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(
            n > 0,
            "`below(0)`: there is no number below zero, the least is 1"
        );
        let number = below(n);
        told::does(|| format!("draws {number} of 0..{n}"));
        number
    }

    /// A number of the range.
    ///
    /// # Panics
    /// If the range is empty.
    #[track_caller]
    pub fn range(&mut self, range: Range<u64>) -> u64 {
        assert!(
            range.start < range.end,
            "`range({range:?})` has no number: its start must be below its end"
        );
        let number = range.start + below(range.end - range.start);
        told::does(|| format!("draws {number} of {range:?}"));
        number
    }

    /// Any number.
    pub fn u64(&mut self) -> u64 {
        let number = (u64::from(word()) << 32) | u64::from(word());
        told::does(|| format!("draws {number:#018x}"));
        number
    }

    /// True with this probability, from 0 to 1. With seed 0 of a simulation it is false at first, unless the probability is 1.
    ///
    /// # Panics
    /// Outside of 0 to 1.
    ///
    /// # Examples
    /// ```
    /// let mut rng = roundrock::rng();
    /// assert!(rng.chance(1.0) && !rng.chance(0.0));
    /// ```
    #[track_caller]
    pub fn chance(&mut self, probability: f64) -> bool {
        const PARTS: u32 = 1 << 24;
        assert!(
            (0.0..=1.0).contains(&probability),
            "the `probability` of `chance` is 0 to 1, not {probability}"
        );
        let often = (probability * f64::from(PARTS)) as u32;
        // The highest numbers count, so that zero is no.
        let is_so = often > 0 && draw(PARTS) >= PARTS - often;
        told::does(|| format!("draws {is_so}, with probability {probability:?}"));
        is_so
    }

    /// One of the items; `None` if there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() {
            return None;
        }
        items.get(self.below(items.len() as u64) as usize)
    }

    /// Puts the items in any order, each as likely as the others (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            // Zero leaves the item where it is.
            let back = self.below(at as u64 + 1) as usize;
            items.swap(at, at - back);
        }
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rng").finish_non_exhaustive()
    }
}

/// A number below `n`, which is not zero.
fn below(n: u64) -> u64 {
    match u32::try_from(n) {
        Ok(1) => 0,
        Ok(n) => draw(n).into(),
        // The highest part is drawn like a small number; drawn again if the sum does not fit.
        Err(_) => loop {
            let high = (n - 1) >> 32;
            let high = u64::from(draw(u32::try_from(high + 1).unwrap_or(u32::MAX)));
            let number = (high << 32) | u64::from(word());
            if number < n {
                break number;
            }
        },
    }
}

/// A number below `n`.
fn draw(n: u32) -> u32 {
    if here::is_here() {
        here::user_number(n)
    } else {
        current::random_below(n)
    }
}

/// 32 random bits.
fn word() -> u32 {
    let half = || {
        if here::is_here() {
            here::user_word()
        } else {
            current::random_below(1 << 16)
        }
    };
    (half() << 16) | half()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::rng;

    #[test]
    fn numbers_stay_within_their_bounds() {
        let mut rng = rng();
        for n in [1, 2, 7, 1 << 32, (1 << 32) + 1, u64::MAX] {
            for _ in 0..50 {
                assert!(rng.below(n) < n);
            }
        }
        assert!(!rng.chance(0.0));
        assert!(rng.chance(1.0));
        let mut items: Vec<u32> = (0..50).collect();
        rng.shuffle(&mut items);
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
        assert_eq!(rng.pick::<u32>(&[]), None);
    }
}
