//! When a child is started again, and how often: the backoff of one child, and the intensity of a scope.
//!
//! **Invariants**
//! - The window slides: exactly `limit` restarts in any window are allowed, one more is not.
//! - It remembers `limit + 1` moments at most, and none where no limit is meant: who never gives up may live for ever.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

/// A child that was up for this long starts its backoff anew.
pub(super) const STABLE: Duration = Duration::from_secs(10);

/// The restarts of a scope within a sliding window.
#[derive(Debug)]
pub(super) struct Intensity {
    limit: usize,
    window: Duration,
    recent: VecDeque<Instant>,
}

impl Default for Intensity {
    /// 5 in 10 s.
    fn default() -> Self {
        Self::new(5, Duration::from_secs(10))
    }
}

impl Intensity {
    pub(super) fn new(limit: usize, window: Duration) -> Self {
        Self {
            limit,
            window,
            recent: VecDeque::new(),
        }
    }

    /// Changes what is allowed; what was counted stays.
    pub(super) fn set(&mut self, limit: usize, window: Duration) {
        (self.limit, self.window) = (limit, window);
    }

    /// Counts a restart; false if it is one too many.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        if self.limit == usize::MAX {
            return true;
        }
        while let Some(&first) = self.recent.front()
            && now.saturating_duration_since(first) > self.window
        {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        let allowed = self.recent.len() <= self.limit;
        while self.recent.len() > self.limit {
            self.recent.pop_front();
        }
        allowed
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn window(&self) -> Duration {
        self.window
    }
}

/// The growing pauses before the restarts of one child.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    range: Range<Duration>,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(range: Range<Duration>) -> Self {
        let next = range.start;
        Self { range, next }
    }

    /// The pause before the next restart of a child that was up for `up`. `jitter` is 0 to 1 and makes it up to a quarter
    /// longer, so that children which failed together do not come back together; once it has grown to the cap, up to a quarter
    /// shorter.
    pub(super) fn pause(&mut self, up: Duration, jitter: f64) -> Duration {
        if up >= STABLE {
            self.next = self.range.start;
        }
        let pause = self.next;
        // Twice nothing would be nothing for ever.
        self.next = pause
            .saturating_mul(2)
            .max(Duration::from_millis(1))
            .min(self.range.end);
        let cap = self.range.end;
        if pause == cap && pause > self.range.start {
            return cap - cap.mul_f64(jitter / 4.0);
        }
        pause.saturating_add(pause.mul_f64(jitter / 4.0)).min(cap)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn pauses_grow_from_nothing_and_never_overflow() {
        let mut backoff = Backoff::new(Duration::ZERO..4 * MILLI);
        let pauses = [0.0; 5].map(|jitter| backoff.pause(Duration::ZERO, jitter));
        assert_eq!(pauses, [0, 1, 2, 4, 4].map(|factor| factor * MILLI));
        let mut backoff = Backoff::new(Duration::ZERO..Duration::ZERO);
        assert_eq!(
            [0.0; 3].map(|jitter| backoff.pause(SECOND, jitter)),
            [Duration::ZERO; 3]
        );
        let mut backoff = Backoff::new(Duration::MAX..Duration::MAX);
        assert_eq!(
            [1.0; 3].map(|jitter| backoff.pause(SECOND, jitter)),
            [Duration::MAX; 3]
        );
    }

    #[test]
    fn exactly_the_limit_is_allowed_in_any_window() {
        let begun = Instant::now();
        let mut intensity = Intensity::new(2, 10 * SECOND);
        assert!(intensity.allows(begun));
        assert!(intensity.allows(begun + 4 * SECOND));
        // The window is closed: 0, 4 and 10 lie in it.
        assert!(
            !Intensity {
                recent: intensity.recent.clone(),
                ..Intensity::new(2, 10 * SECOND)
            }
            .allows(begun + 10 * SECOND)
        );
        // It slides: at 11 the first one is out of it, at 14 the second one is not.
        assert!(intensity.allows(begun + 11 * SECOND));
        assert!(!intensity.allows(begun + 14 * SECOND));
    }

    #[test]
    fn an_intensity_of_zero_allows_none() {
        assert!(!Intensity::new(0, SECOND).allows(Instant::now()));
    }

    #[test]
    fn a_window_remembers_no_more_than_it_needs() {
        let begun = Instant::now();
        let mut intensity = Intensity::new(3, SECOND);
        for n in 0..1000 {
            intensity.allows(begun + n * SECOND / 1000);
        }
        assert_eq!(intensity.recent.len(), 3);
    }

    #[test]
    fn who_never_gives_up_remembers_nothing() {
        let begun = Instant::now();
        let mut intensity = Intensity::new(usize::MAX, Duration::MAX);
        for n in 0..1000 {
            assert!(intensity.allows(begun + n * SECOND));
        }
        assert_eq!(intensity.recent.capacity(), 0);
        // What was counted before stays, for another limit may come.
        let mut intensity = Intensity::new(2, 10 * SECOND);
        assert!(intensity.allows(begun));
        intensity.set(usize::MAX, Duration::MAX);
        assert!(intensity.allows(begun + SECOND));
        intensity.set(1, 10 * SECOND);
        assert!(!intensity.allows(begun + 2 * SECOND));
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_begin_anew_when_stable() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(50)..ms(300));
        let mut pauses: Vec<_> = (0..5).map(|_| backoff.pause(SECOND, 0.0)).collect();
        pauses.push(backoff.pause(STABLE, 0.0));
        pauses.push(backoff.pause(SECOND, 0.0));
        assert_eq!(pauses, [50, 100, 200, 300, 300, 50, 100].map(ms));
    }

    #[test]
    fn jitter_adds_up_to_a_quarter_and_never_exceeds_the_cap() {
        let ms = Duration::from_millis;
        assert_eq!(Backoff::new(ms(100)..ms(1000)).pause(SECOND, 1.0), ms(125));
        assert_eq!(Backoff::new(ms(100)..ms(110)).pause(SECOND, 1.0), ms(110));
        assert_eq!(Backoff::new(ms(0)..ms(0)).pause(SECOND, 1.0), ms(0));
    }

    #[test]
    fn children_that_have_come_to_the_cap_do_not_come_back_together() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(100)..ms(400));
        let pauses = [1.0, 0.0, 0.0, 0.5, 1.0].map(|jitter| backoff.pause(SECOND, jitter));
        assert_eq!(pauses, [125, 200, 400, 350, 300].map(ms));
        // Who asks for one pause always gets that.
        let mut fixed = Backoff::new(ms(100)..ms(100));
        assert_eq!(
            [0.0, 1.0].map(|jitter| fixed.pause(SECOND, jitter)),
            [ms(100); 2]
        );
        // A cap that no clock reaches.
        let mut long = Backoff::new(ms(1)..Duration::MAX);
        (0..90).for_each(|_| assert!(long.pause(SECOND, 1.0) >= ms(1)));
    }
}
