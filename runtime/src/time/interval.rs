//! Ticks at a fixed period, without drift.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::channel::select::{ArmPoll, Event, Token};
use crate::sim::told;
use crate::time::clock::now;
use crate::time::sleep::{Sleep, later, sleep_until};

/// What an interval does about ticks that passed while nobody waited.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// use roundrock::time::MissedTick;
///
/// let mut ticks = interval(millis(2)).missed(MissedTick::Skip);
/// ticks.next().await;
/// sleep(millis(9)).await;                             // several ticks are missed: one comes at once,
/// ticks.next().await;                                 // and the next one at its own time
/// ticks.next().await;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MissedTick {
    /// Leaves them out and goes on at the next multiple of the period.
    #[default]
    Skip,
    /// Delivers them at once, one after another, until it has caught up.
    Burst,
    /// Delivers one at once and counts the period anew from there.
    Delay,
}

/// Makes a ticker: the k-th tick comes at k periods from now, however long the ticks between were handled.
///
/// # Panics
/// If `period` is zero: that would never let the process rest.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let mut tick = interval(millis(2));
/// let first = tick.next().await;
/// let second = tick.next().await;
/// assert!(second >= first + millis(2));
/// # Ok(()) }) }
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    assert!(
        !period.is_zero(),
        "the period of an `interval` is at least 1 ns, not 0: it would never let the process rest"
    );
    let first = later(now(), period);
    Interval {
        period,
        due: first,
        missed: MissedTick::Skip,
        sleep: Box::pin(sleep_until(first)),
    }
}

/// Ticks at a fixed period; see [`interval`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let mut ticks = interval(millis(1));
/// for _ in 0..3 {
///     ticks.next().await;
/// }
/// assert_eq!(ticks.period(), millis(1));
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
pub struct Interval {
    period: Duration,
    due: Instant,
    missed: MissedTick,
    sleep: Pin<Box<Sleep>>,
}

impl Interval {
    /// Chooses what happens to ticks that passed while nobody waited. The default is [`MissedTick::Skip`].
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// use roundrock::time::MissedTick;
    ///
    /// let mut ticks = interval(millis(2)).missed(MissedTick::Burst);
    /// let first = ticks.next().await;
    /// sleep(millis(7)).await;
    /// let second = ticks.next().await;            // at once: it makes up for each one
    /// assert_eq!(second - first, millis(2));
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn missed(mut self, policy: MissedTick) -> Self {
        self.missed = policy;
        self
    }

    /// Waits for the next tick and returns when it was due. May be a branch of `select!`.
    ///
    /// Cancellation: dropping the future before it completes loses no tick.
    #[expect(
        clippy::should_implement_trait,
        reason = "the field's word for the next tick; this is no iterator"
    )]
    pub fn next(&mut self) -> Tick<'_> {
        Tick { interval: self }
    }

    /// The period.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// assert_eq!(interval(millis(20)).period(), millis(20));
    /// # Ok(()) }) }
    /// ```
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Whether its timer will wake whoever asked last for the next tick.
    pub(crate) fn is_waiting(&self) -> bool {
        self.sleep.is_waiting()
    }

    /// When the next tick is due, or was.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Polls for the next tick. One that is due lets others go before it.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(self.sleep.as_mut().poll_sleep(cx));
        Poll::Ready(self.ticks())
    }

    /// The same, for those who have done something else before. One that is due is there at once.
    pub(crate) fn poll_at_once(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(self.sleep.as_mut().poll_as_arm(cx));
        Poll::Ready(self.ticks())
    }

    /// When the tick was due that comes now; the next one is set.
    fn ticks(&mut self) -> Instant {
        let tick = self.due;
        let now = now();
        self.due = match self.missed {
            MissedTick::Burst => later(tick, self.period),
            MissedTick::Delay => later(now.max(tick), self.period),
            MissedTick::Skip => {
                let passed =
                    now.saturating_duration_since(tick).as_nanos() / self.period.as_nanos();
                let step = self.period.as_nanos().saturating_mul(passed + 1);
                later(
                    tick,
                    Duration::from_nanos(u64::try_from(step).unwrap_or(u64::MAX)),
                )
            }
        };
        self.sleep.as_mut().reset(self.due);
        told::does(|| "its interval ticks".to_owned());
        tick
    }
}

/// Waits for the next tick; see [`Interval::next`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let mut ticks = interval(millis(1));
/// select! {
///     due = ticks.next() => assert!(due <= roundrock::time::now()),
///     _ = sleep(secs(60)) => panic!("too slow"),
/// }
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Tick<'a> {
    interval: &'a mut Interval,
}

impl Future for Tick<'_> {
    type Output = Instant;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        self.interval.poll_next(cx)
    }
}

impl Event for Tick<'_> {
    type Output = Instant;

    fn poll_arm(mut self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<Instant> {
        if self.interval.sleep.as_mut().poll_as_arm(cx).is_pending() || !token.claim() {
            // A tick that loses stays due.
            return ArmPoll::Pending;
        }
        ArmPoll::Ready(self.interval.ticks())
    }

    fn is_timer(&self) -> bool {
        true
    }
}
