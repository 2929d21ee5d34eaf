//! Options of a channel as values on the pair: `bounded(64).overflow(DropOldest).named("jobs")`.

use crate::channel::{BroadcastReceiver, BroadcastSender, Message, Receiver, Sender};

/// What a full channel does with a new message.
///
/// The prelude has `DropOldest` and `DropNewest` by their own names too: `bounded(64).overflow(DropOldest)`. `Wait` is what a
/// bounded channel does anyway.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (readings, latest) = bounded(2).overflow(Overflow::DropOldest);
/// for reading in 1..=5 {
///     readings.send(reading).await?;                  // never waits
/// }
/// assert_eq!(latest.recv_many(8).await, [4, 5]);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// The sender waits: back-pressure, the default of a bounded channel.
    #[default]
    Wait,
    /// The oldest queued message is discarded and counted as dead. The default of a broadcast, whose receivers are told by
    /// `Lagged` what they missed.
    DropOldest,
    /// The new message is discarded and counted as dead; `send` returns `Ok`.
    DropNewest,
}

mod sealed {
    /// Only the pair of a new channel takes options.
    pub trait Sealed {}
    impl<T> Sealed for (super::Sender<T>, super::Receiver<T>) {}
    impl<T> Sealed for (super::BroadcastSender<T>, super::BroadcastReceiver<T>) {}
}

/// Options of a new channel, given on the pair of its endpoints.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (prices, latest) = bounded(2).overflow(DropOldest).named("prices");
/// for price in [10, 11, 12] {
///     prices.send(price).await?;      // never waits: the oldest goes
/// }
/// assert_eq!(latest.recv_many(10).await, [11, 12]);
/// # Ok(()) }) }
/// ```
pub trait ChannelOptions: sealed::Sealed + Sized {
    /// Chooses what happens to a message that finds the channel full.
    ///
    /// # Panics
    /// On a rendezvous: it holds no messages, so there is nothing to drop.
    #[must_use]
    #[track_caller]
    fn overflow(self, policy: Overflow) -> Self;

    /// Names the channel in reports.
    #[must_use]
    fn named(self, name: &'static str) -> Self;
}

impl<T: Message> ChannelOptions for (Sender<T>, Receiver<T>) {
    #[track_caller]
    fn overflow(self, policy: Overflow) -> Self {
        assert!(
            self.0.capacity() != Some(0) || policy == Overflow::Wait,
            "`overflow`: a rendezvous holds no messages, so it has none to drop: use `bounded(n)` with n of at least 1"
        );
        self.1.configure(Some(policy), None);
        self
    }

    fn named(self, name: &'static str) -> Self {
        self.1.configure(None, Some(name));
        self
    }
}
