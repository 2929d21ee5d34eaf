//! The newest value of something that changes: configuration, a measurement, a state. Known elsewhere as *watch*.
//!
//! The value lies in an `Arc` that is replaced as a whole. A reader takes a reference to it and reads without a lock, so a
//! slow reader delays nobody, and no closure of the user ever runs under a lock. Rejected: a reader-writer lock around the
//! value, under which a reader that takes its time, or that calls back, stops the others.
//!
//! **Invariants**
//! - `version` grows by one with each value; a receiver has something to see exactly if its `seen` is lower.
//! - `seen` of a receiver only grows, and changes under the lock.
//! - Values and wakers are dropped, and wakers woken, after the lock was released.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use crate::channel::Message;
use crate::channel::account::{Account, ChannelKind, Listing};
use crate::channel::changes::{LatestChanged, LatestClosed, LatestRecv};
use crate::channel::error::TryRecvError;
use crate::channel::overdue::Overdue;
use crate::channel::select::Token;
use crate::channel::waiters::{Ticket, Waiters};
use crate::observe::Ledger;
use crate::sim::{events::made_at, here, told, values::About};
use crate::sync::{AtomicU64, Lock, Ordering};
use crate::task::current;
use crate::task::registry::WaitKind;
use crate::task::waker;

/// Makes a channel that holds the newest value only. A sender never waits; each receiver sees the newest value once, and
/// not the ones that were replaced before it looked.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let (level, levels) = latest(1);
/// let watcher = scope.task("watcher", async move {
///     let mut last = 0;
///     while let Some(level) = levels.recv().await {
///         last = level;
///     }
///     roundrock::Ok(last)
/// });
/// level.set(2);
/// level.update(|level| *level += 1);
/// level.finish();
/// assert_eq!(watcher.await?, 3);
/// # Ok(()) }).unwrap();
/// ```
#[track_caller]
pub fn latest<T: Message + Sync>(value: T) -> (LatestSender<T>, LatestReceiver<T>) {
    let site = Location::caller();
    let shared = Arc::new_cyclic(|shared: &Weak<Shared<T>>| Shared {
        listing: Listing::new(ChannelKind::Latest, shared, site),
        state: Lock::new(State {
            value: Some(Arc::new(value)),
            version: 1,
            senders: 1,
            receivers: 1,
            receiving: Waiters::default(),
            parked_at: 0,
            closing: Waiters::default(),
        }),
    });
    let receiver = LatestReceiver {
        shared: Arc::clone(&shared),
        seen: AtomicU64::new(0),
    };
    (LatestSender { shared }, receiver)
}

pub(super) struct Shared<T> {
    /// Where reports find it; no message of it is counted.
    pub(super) listing: Listing,
    pub(super) state: Lock<State<T>>,
}

pub(super) struct State<T> {
    /// `None` once no endpoint is left.
    value: Option<Arc<T>>,
    /// The number of the value: 1 for the first.
    pub(super) version: u64,
    pub(super) senders: usize,
    pub(super) receivers: usize,
    /// Those who wait for a value that they have not seen.
    pub(super) receiving: Waiters,
    /// The version that the last of them had seen when it parked: so have all.
    pub(super) parked_at: u64,
    /// Senders that wait until no receiver is left.
    pub(super) closing: Waiters,
}

impl<T: Message + Sync> Account for Shared<T> {
    fn ledger(&self) -> Ledger {
        Ledger::default()
    }
    fn unopened(&self, _message: &'static str, _source: u64) {}
    fn overdue(&self) -> Option<Overdue> {
        self.state.lock().overdue()
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        self.listing.leave(Ledger::default());
    }
}

impl<T> State<T> {
    /// For an endpoint, so there is one.
    fn value(&self) -> Arc<T> {
        let value = self.value.clone();
        value.unwrap_or_else(|| unreachable!("an endpoint keeps the value"))
    }

    /// The value, if nobody can see it any more: it goes with the last endpoint, and not with who looks at the channel meanwhile.
    fn abandoned(&mut self) -> Option<Arc<T>> {
        let is_left = self.senders + self.receivers > 0;
        self.value.take_if(|_| !is_left)
    }
}

impl<T> Shared<T> {
    fn object(self: &Arc<Self>) -> u64 {
        Arc::as_ptr(self).addr() as u64
    }

    /// Before an operation: see [`current::spend`].
    pub(super) fn spend(self: &Arc<Self>, cx: &Context<'_>, kind: WaitKind) -> Poll<()> {
        let about = || About::channel::<T>(self.listing.site);
        current::spend_for(cx, kind, || self.object(), about)
    }

    /// Replaces the value, if it is still the one with this version. Gives the new one back otherwise.
    fn replace(&self, value: Arc<T>, expected: Option<u64>) -> Result<(), Arc<T>> {
        let mut state = self.state.lock();
        if expected.is_some_and(|version| version != state.version) {
            drop(state);
            return Err(value);
        }
        let old = state.value.replace(value);
        state.version += 1;
        let wakes = state.receiving.take_all();
        drop(state);
        wakes.wake();
        drop(old);
        Ok(())
    }

    fn receiver(self: &Arc<Self>) -> LatestReceiver<T> {
        self.state.lock().receivers += 1;
        LatestReceiver {
            shared: Arc::clone(self),
            seen: AtomicU64::new(0),
        }
    }

    fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(short) = here::short_endpoint_at(name, None, self.listing.site) {
            return f.write_str(&short);
        }
        let (version, senders, receivers) = {
            let state = self.state.lock();
            (state.version, state.senders, state.receivers)
        };
        f.debug_struct(name)
            .field(
                "site",
                &format_args!("{}:{}", self.listing.site.file(), self.listing.site.line()),
            )
            .field("version", &version)
            .field("senders", &senders)
            .field("receivers", &receivers)
            .finish()
    }
}

/// The sending side of a [`latest`] channel. Clones set the same value; dropping the last one ends the receivers, after they
/// have seen the last value.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (config, seen) = latest(1);
/// config.set(2);
/// config.set(3);                                      // who was not looking misses 2
/// assert_eq!(seen.recv().await, Some(3));
/// assert_eq!(config.get(), 3);
/// # Ok(()) }) }
/// ```
pub struct LatestSender<T> {
    pub(super) shared: Arc<Shared<T>>,
}

impl<T> LatestSender<T> {
    pub(crate) fn object(&self) -> u64 {
        self.shared.object()
    }

    pub(crate) fn listing(&self) -> &Listing {
        &self.shared.listing
    }

    /// Counts a new value, and wakes nobody: a mistake, to see it found.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn change_for_nobody(&self) {
        self.shared.state.lock().version += 1;
    }

    /// Replaces the value. Never waits. A value that no receiver has seen is gone, which is what this channel is for.
    ///
    /// Works without receivers too: one that [subscribes](Self::subscribe) later sees the value.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (level, gauge) = latest(1);
    /// level.set(2);
    /// level.set(3);                               // nobody needs to see each value
    /// assert_eq!((level.get(), gauge.get()), (3, 3));
    /// # Ok(()) }) }
    /// ```
    pub fn set(&self, value: T)
    where
        T: 'static,
    {
        if here::records() {
            told::gives("set", self.shared.listing.site, &value);
        }
        // Without an expected version nothing can be refused.
        let _ = self.shared.replace(Arc::new(value), None);
    }

    /// Changes the value: `change` works on a copy, which then replaces the value.
    ///
    /// If another sender replaces the value meanwhile, `change` runs again, on a copy of the new one: so no change is lost,
    /// and nobody waits for `change`. If it panics, the value is as before.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// let (limits, seen) = latest(vec![1, 2]);
    /// limits.update(|limits| limits.push(3));
    /// assert_eq!(seen.get(), [1, 2, 3]);
    /// ```
    pub fn update(&self, mut change: impl FnMut(&mut T))
    where
        T: Clone + 'static,
    {
        loop {
            let (value, version) = {
                let state = self.shared.state.lock();
                (state.value(), state.version)
            };
            let mut new = T::clone(&value);
            change(&mut new);
            let new = Arc::new(new);
            if self.shared.replace(Arc::clone(&new), Some(version)).is_ok() {
                if here::records() {
                    told::gives("update", self.shared.listing.site, &*new);
                }
                return;
            }
        }
    }

    /// Returns a copy of the value.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (level, _seen) = latest(1);
    /// level.set(2);
    /// assert_eq!(level.get(), 2);
    /// # Ok(()) }) }
    /// ```
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        T::clone(&self.snapshot())
    }

    /// Returns the value, shared with those who read it at the same time. It stays as it is when a new value is set.
    pub fn snapshot(&self) -> Arc<T> {
        told::does(|| format!("get {}", made_at::<T>(self.shared.listing.site)));
        self.shared.state.lock().value()
    }

    /// Makes another receiver. It has seen nothing, so its first [`recv`](LatestReceiver::recv) gives the present value.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (level, gauge) = latest(1);
    /// let second = level.subscribe();
    /// assert_eq!(level.receivers(), 2);
    /// drop((gauge, second));
    /// assert!(level.is_closed());
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn subscribe(&self) -> LatestReceiver<T> {
        self.shared.receiver()
    }

    /// Returns how many receivers there are.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (level, seen) = latest(1);
    /// let another = seen.clone();
    /// assert_eq!(level.receivers(), 2);
    /// drop((seen, another));
    /// assert_eq!(level.receivers(), 0);
    /// # Ok(()) }) }
    /// ```
    pub fn receivers(&self) -> usize {
        self.shared.state.lock().receivers
    }

    /// Returns whether no receiver is left. One may still [subscribe](Self::subscribe).
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (level, seen) = latest(1);
    /// assert!(!level.is_closed());
    /// seen.finish();
    /// assert!(level.is_closed());
    /// # Ok(()) }) }
    /// ```
    pub fn is_closed(&self) -> bool {
        self.receivers() == 0
    }

    /// Waits until no receiver is left. May be a branch of `select!`.
    ///
    /// Cancellation: dropping the future has no effect.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let (level, gauge) = latest(1);
    /// let reader = scope.task("reader", async move { assert_eq!(gauge.get(), 1) });
    /// level.closed().await;                       // nobody is left to see another value
    /// reader.await?;
    /// # Ok(()) }) }
    /// ```
    pub fn closed(&self) -> LatestClosed<'_, T> {
        LatestClosed {
            sender: self,
            ticket: Ticket::default(),
        }
    }

    /// Drops this endpoint: it reads better than `drop(sender)` where nothing will change any more.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (level, seen) = latest(1);
    /// level.finish();                                     // `drop`, for those who read it
    /// assert!(seen.is_closed());
    /// # Ok(()) }) }
    /// ```
    pub fn finish(self) {}
}

impl<T> Clone for LatestSender<T> {
    fn clone(&self) -> Self {
        self.shared.state.lock().senders += 1;
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> Drop for LatestSender<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.senders -= 1;
        if state.senders > 0 {
            return;
        }
        let (wakes, value) = (state.receiving.take_all(), state.abandoned());
        drop(state);
        wakes.wake();
        drop(value);
    }
}

impl<T> fmt::Debug for LatestSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.describe("LatestSender", f)
    }
}

/// The receiving side of a [`latest`] channel: it can read the value at any time, and wait for one that it has not seen.
///
/// What was read by [`get`](Self::get), [`with`](Self::with), [`snapshot`](Self::snapshot) or [`recv`](Self::recv), or
/// reported by [`changed`](Self::changed), counts as seen. A clone is a receiver of its own that has seen nothing yet.
/// Processes that are lent the same receiver share what was seen: one of them sees each value; clone it for each that is to
/// see all.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (level, gauge) = latest(vec![1]);
/// assert!(gauge.has_changed(), "it has seen nothing yet");
/// assert_eq!(gauge.with(Vec::len), 1);        // which makes it seen
/// assert!(!gauge.has_changed());
/// level.update(|values| values.push(2));
/// assert_eq!(gauge.get(), [1, 2]);
/// assert!(!gauge.has_changed() && !gauge.is_closed());
/// assert_eq!(*gauge.snapshot(), [1, 2]);
/// # Ok(()) }) }
/// ```
pub struct LatestReceiver<T> {
    pub(super) shared: Arc<Shared<T>>,
    /// The version that was seen last.
    seen: AtomicU64,
}

impl<T> LatestReceiver<T> {
    fn has_news(&self, state: &State<T>) -> bool {
        // ORDERING: Relaxed: read and written under the channel's lock.
        self.seen.load(Ordering::Relaxed) < state.version
    }

    /// Returns a copy of the value.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (level, seen) = latest(1);
    /// assert_eq!(seen.get(), 1);
    /// level.set(2);
    /// assert_eq!(seen.get(), 2);
    /// # Ok(()) }) }
    /// ```
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        T::clone(&self.snapshot())
    }

    /// Reads the value in place. Nobody waits for `read`: a new value may be set meanwhile.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// let (_names, seen) = latest(vec!["ada", "grace"]);
    /// assert_eq!(seen.with(|names| names.len()), 2);
    /// ```
    pub fn with<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.snapshot())
    }

    /// Returns the value, shared with those who read it at the same time. It stays as it is when a new value is set.
    pub fn snapshot(&self) -> Arc<T> {
        told::does(|| format!("get {}", made_at::<T>(self.shared.listing.site)));
        self.take(&self.shared.state.lock())
    }

    /// Returns whether there is a value that this receiver has not seen.
    pub fn has_changed(&self) -> bool {
        self.has_news(&self.shared.state.lock())
    }

    /// Returns whether no sender is left, so that the value will never change again.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (level, seen) = latest(1);
    /// assert!(!seen.is_closed());
    /// drop(level);
    /// assert!(seen.is_closed());
    /// # Ok(()) }) }
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.state.lock().senders == 0
    }

    /// Waits for a value that this receiver has not seen, and counts it as seen. May be a branch of `select!`, which is
    /// disabled when no sender is left.
    ///
    /// Cancellation: dropping the future loses nothing: what was not reported is still unseen.
    ///
    /// # Errors
    /// [`Closed`](crate::channel::Closed) when no sender is left and the last value was seen.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # roundrock::System::builder().workers(1).run(async |scope| {
    /// let (state, states) = latest("starting");
    /// let _ = states.get();
    /// let _ = scope.task("machine", async move { state.set("running") });
    /// states.changed().await?;
    /// assert_eq!(states.get(), "running");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn changed(&self) -> LatestChanged<'_, T> {
        LatestChanged {
            receiver: self,
            ticket: Ticket::default(),
        }
    }

    /// Waits for a value that this receiver has not seen, and returns a copy. `None`: no sender is left, and the last value
    /// was seen. May be a branch of `select!`.
    ///
    /// The first call returns at once, with the present value, if it was not read before. Cancellation: dropping the future
    /// loses nothing.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (level, gauge) = latest(1);
    /// level.set(2);
    /// level.set(3);
    /// assert_eq!(gauge.recv().await, Some(3));    // the newest one that it has not seen
    /// level.finish();
    /// assert_eq!(gauge.recv().await, None);
    /// # Ok(()) }) }
    /// ```
    pub fn recv(&self) -> LatestRecv<'_, T>
    where
        T: Clone,
    {
        LatestRecv {
            changed: self.changed(),
        }
    }

    /// Returns a copy of the value if this receiver has not seen it.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] when it has, [`TryRecvError::Closed`] when it has and no sender is left.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// use roundrock::channel::TryRecvError;
    ///
    /// let (level, gauge) = latest(1);
    /// assert_eq!(gauge.try_recv(), Ok(1));        // the present value counts as new to it
    /// assert_eq!(gauge.try_recv(), Err(TryRecvError::Empty));
    /// level.set(2);
    /// assert_eq!(gauge.try_recv(), Ok(2));
    /// # Ok(()) }) }
    /// ```
    pub fn try_recv(&self) -> Result<T, TryRecvError>
    where
        T: Clone + 'static,
    {
        let received = self.try_take();
        if here::records() {
            let received = received.as_deref().map_err(TryRecvError::word);
            told::takes("try_recv", self.shared.listing.site, received);
        }
        received.map(|value| T::clone(&value))
    }

    fn try_take(&self) -> Result<Arc<T>, TryRecvError> {
        let state = self.shared.state.lock();
        if self.has_news(&state) {
            return Ok(self.take(&state));
        }
        Err(
            if state.senders == 0 || current::is_ended(self.shared.object()) {
                TryRecvError::Closed
            } else {
                TryRecvError::Empty
            },
        )
    }

    /// Receives on a plain thread, which sleeps meanwhile; see [`recv`](Self::recv).
    ///
    /// # Panics
    /// In a process: it would block its worker. Use `recv().await`.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (level, gauge) = latest(1);
    /// let thread = std::thread::spawn(move || gauge.blocking_recv());
    /// level.set(2);
    /// assert_eq!(thread.join().ok(), Some(Some(2)));
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn blocking_recv(&self) -> Option<T>
    where
        T: Clone + 'static,
    {
        crate::blocking::block_on(self.recv())
    }

    /// Drops this endpoint: it reads better than `drop(receiver)` where a process has seen enough.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (level, seen) = latest(1);
    /// seen.finish();
    /// assert!(level.is_closed());
    /// # Ok(()) }) }
    /// ```
    pub fn finish(self) {}

    /// The value, which counts as seen from now on.
    fn take(&self, state: &State<T>) -> Arc<T> {
        // ORDERING: Relaxed: read and written under the channel's lock.
        self.seen.store(state.version, Ordering::Relaxed);
        state.value()
    }

    /// `Ready(None)`: no sender is left, and everything was seen.
    pub(super) fn poll_changed(
        &self,
        ticket: &mut Ticket,
        cx: &mut Context<'_>,
        token: Option<&Token>,
    ) -> Poll<Option<Arc<T>>> {
        let _spare = waker::prepare(cx);
        let mut state = self.shared.state.lock();
        if self.has_news(&state) {
            // A value that loses a `select!` stays unseen.
            if !token.is_none_or(Token::claim) {
                return Poll::Pending;
            }
            let waker = state.receiving.leave(ticket);
            let value = self.take(&state);
            drop(state);
            drop(waker);
            return Poll::Ready(Some(value));
        }
        if state.senders == 0 || current::is_ended(self.shared.object()) {
            let waker = state.receiving.leave(ticket);
            drop(state);
            drop(waker);
            return Poll::Ready(None);
        }
        state.parked_at = state.version;
        let replaced = state.receiving.park(ticket, cx);
        drop(state);
        drop(replaced);
        current::waits_for(WaitKind::Recv, self.shared.object());
        Poll::Pending
    }
}

impl<T> Clone for LatestReceiver<T> {
    fn clone(&self) -> Self {
        self.shared.receiver()
    }
}

impl<T> Drop for LatestReceiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.receivers -= 1;
        if state.receivers > 0 {
            return;
        }
        let (wakes, value) = (state.closing.take_all(), state.abandoned());
        drop(state);
        wakes.wake();
        drop(value);
    }
}

impl<T> fmt::Debug for LatestReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.describe("LatestReceiver", f)
    }
}
