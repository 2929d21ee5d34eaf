//! How a worker parks: on its own, or inside the shared tokio reactor, of which there is one and which one idle worker at
//! a time drives.
//!
//! [`Parker`] is the same for both. The worker that gets the [`Driver`] is also the *keeper*: it sleeps no longer than the
//! next timer. All others sleep until somebody wakes them.
//!
//! A worker that leaves the reactor for work does not wake another one to drive instead: most of the time it comes back in a
//! few microseconds. If it does not, the monitor sees that the reactor is neglected, and wakes a worker, which finds nothing
//! to run and parks there.
//!
//! Code that calls `tokio::spawn` itself makes tasks of that runtime. They belong to no scope: they run on the worker that
//! drives, up to 16 steps between two looks at the I/O, and are dropped where they are when the system shuts down.
//!
//! Model: `tests/loom_idle.rs` (the parker), `tests/loom_timers.rs` (the keeper).

use std::task::Waker;
use std::time::Duration;

use crate::sync::thread::{self, Thread};
use crate::sync::{AtomicU32, Lock, Ordering};

#[cfg(feature = "tokio")]
pub(crate) use with_tokio::{Driver, Reactor};
#[cfg(not(feature = "tokio"))]
pub(crate) use without_tokio::{Driver, Reactor};

const EMPTY: u32 = 0;
const PARKED: u32 = 1;
const DRIVING: u32 = 2;
const NOTIFIED: u32 = 3;

/// Where one worker sleeps. A wake that comes early is kept: the next sleep returns at once.
#[derive(Debug)]
pub(crate) struct Parker {
    state: AtomicU32,
    /// The thread that sleeps here.
    thread: Lock<Option<Thread>>,
    driving: Lock<Option<Waker>>,
}

impl Default for Parker {
    fn default() -> Self {
        Self {
            state: AtomicU32::new(EMPTY),
            thread: Lock::new(None),
            driving: Lock::new(None),
        }
    }
}

impl Parker {
    /// Must be called by each thread that will park here, before it does; a spare worker takes the place of one that ended.
    pub(crate) fn attach(&self) {
        *self.thread.lock() = Some(thread::current());
    }

    /// Wakes the worker, or keeps the wake for its next sleep.
    pub(crate) fn unpark(&self) {
        // ORDERING: AcqRel: what the waker did before is visible to the worker, which reads NOTIFIED with Acquire.
        match self.state.swap(NOTIFIED, Ordering::AcqRel) {
            PARKED => {
                let thread = self.thread.lock().clone();
                if let Some(thread) = thread {
                    thread.unpark();
                }
            }
            DRIVING => {
                let waker = self.driving.lock().take();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            _ => {}
        }
    }

    /// Announces a sleep; false if a wake was kept (and is used up).
    fn announce(&self, how: u32) -> bool {
        // ORDERING: Acquire on both: pairs with the swap in `unpark`.
        if self
            .state
            .compare_exchange(EMPTY, how, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
        {
            return true;
        }
        // A second wake may have come since, which found NOTIFIED and left it: a plain store would use it up unseen.
        self.reset();
        false
    }

    fn is_notified(&self) -> bool {
        // ORDERING: Acquire: pairs with the swap in `unpark`.
        self.state.load(Ordering::Acquire) == NOTIFIED
    }

    fn reset(&self) {
        // ORDERING: Acquire: pairs with the last swap in `unpark`, which is used up here: what its sender wrote is visible.
        self.state.swap(EMPTY, Ordering::Acquire);
    }

    /// Sleeps on this thread until a wake, at most for `limit`.
    pub(crate) fn park(&self, limit: Option<Duration>) {
        if !self.announce(PARKED) {
            return;
        }
        match limit {
            None => {
                while !self.is_notified() {
                    thread::park();
                }
            }
            Some(limit) => {
                let end = std::time::Instant::now() + limit;
                while !self.is_notified() {
                    let left = end.saturating_duration_since(std::time::Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    thread::park_timeout(left);
                }
            }
        }
        self.reset();
    }
}

/// Workers park on their own; there is no I/O.
#[cfg(not(feature = "tokio"))]
mod without_tokio {
    use super::Parker;
    use std::time::Duration;

    use crate::sync::Lock;

    /// No reactor can be chosen without the feature `tokio`.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct Reactor(());

    /// Proof that a thread has entered the reactor: nothing here.
    #[derive(Debug)]
    pub(crate) struct Entered;

    /// Held by the keeper.
    #[derive(Debug)]
    pub(crate) struct Driver(Lock<()>);

    impl Driver {
        pub(crate) fn new(_reactor: Reactor) -> std::io::Result<Self> {
            Ok(Self(Lock::new(())))
        }

        /// For a scheduler whose workers never park.
        pub(crate) fn none() -> Self {
            Self(Lock::new(()))
        }

        pub(crate) fn enter(&self) -> Entered {
            Entered
        }

        /// Sleeps as the keeper, between `keep` and `release`; false if another worker does.
        pub(crate) fn try_park(
            &self,
            parker: &Parker,
            keep: impl FnOnce() -> Option<Duration>,
            release: impl FnOnce(),
        ) -> bool {
            let Some(_keeper) = self.0.try_lock() else {
                return false;
            };
            parker.park(keep());
            release();
            true
        }

        pub(crate) fn poll(&self) {}

        /// Whether somebody has given it tasks.
        pub(crate) fn has_tasks(&self) -> bool {
            false
        }

        pub(crate) fn is_neglected(&self) -> bool {
            false
        }

        /// How many tasks were given to it that had not ended.
        pub(crate) fn shutdown(&self) -> usize {
            0
        }
    }
}

/// One current-thread tokio runtime, entered by every worker and driven by the idle one.
#[cfg(feature = "tokio")]
mod with_tokio {
    use super::{DRIVING, Parker};
    #[cfg(target_os = "linux")]
    use std::cell::Cell;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll};
    use std::time::{Duration, Instant};

    #[cfg(target_os = "linux")]
    use tokio::io::unix::AsyncFd;
    use tokio::runtime::{EnterGuard, Handle, Runtime};

    #[cfg(target_os = "linux")]
    use crate::sync::kernel::Timer;
    use crate::sync::{AtomicU64, Lock, Ordering};

    /// Where tokio's I/O comes from.
    #[derive(Debug, Clone, Default)]
    pub(crate) enum Reactor {
        /// A runtime of our own, driven by an idle worker.
        #[default]
        Own,
        /// A runtime that exists already and is driven by itself.
        Given(Handle),
    }

    /// Proof that a thread has entered the reactor.
    #[expect(dead_code, reason = "held for its destructor")]
    pub(crate) struct Entered<'a>(Option<EnterGuard<'a>>);

    /// The reactor, and the right to drive it.
    #[derive(Debug)]
    pub(crate) struct Driver {
        /// `None`: there is no I/O.
        handle: Option<Handle>,
        /// Held by the one worker that drives; empty when the reactor is not ours, or after shutdown.
        own: Lock<Option<Own>>,
        /// Whether the reactor is ours to drive.
        is_own: bool,
        /// How often somebody began to drive, or looked.
        visits: AtomicU64,
        /// `visits` when the monitor last looked.
        seen: AtomicU64,
    }

    impl Driver {
        pub(crate) fn new(reactor: Reactor) -> std::io::Result<Self> {
            match reactor {
                Reactor::Given(handle) => Ok(Self::over(Some(handle), None)),
                Reactor::Own => {
                    // Tasks that code gave to tokio itself get a turn of up to this many steps between two looks at the I/O.
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .event_interval(16)
                        .build()?;
                    let handle = runtime.handle().clone();
                    Ok(Self::over(Some(handle), Some(Own::new(runtime)?)))
                }
            }
        }

        /// For a scheduler whose workers never park and do no I/O.
        pub(crate) fn none() -> Self {
            Self::over(None, None)
        }

        fn over(handle: Option<Handle>, own: Option<Own>) -> Self {
            Self {
                handle,
                is_own: own.is_some(),
                own: Lock::new(own),
                visits: AtomicU64::new(0),
                seen: AtomicU64::new(0),
            }
        }

        fn visit(&self) {
            // ORDERING: Relaxed: a count that the monitor compares with itself.
            self.visits.fetch_add(1, Ordering::Relaxed);
        }

        /// Whether nobody drives, nor has looked since this was asked last: the worker that used to drive is occupied.
        pub(crate) fn is_neglected(&self) -> bool {
            // ORDERING: Relaxed: hints; one look too late, or too many, does no harm.
            let visits = self.visits.load(Ordering::Relaxed);
            let seen = self.seen.swap(visits, Ordering::Relaxed);
            self.is_own && visits == seen && !self.own.is_locked()
        }

        /// Whether somebody has given it tasks, as far as that can be known: others may use a runtime that is not ours.
        pub(crate) fn has_tasks(&self) -> bool {
            self.handle
                .as_ref()
                .is_some_and(|handle| !self.is_own || handle.metrics().num_alive_tasks() > 0)
        }

        pub(crate) fn enter(&self) -> Entered<'_> {
            Entered(self.handle.as_ref().map(Handle::enter))
        }

        /// Sleeps as the keeper, between `keep` and `release`, inside the reactor if it is ours; false if another worker does.
        pub(crate) fn try_park(
            &self,
            parker: &Parker,
            keep: impl FnOnce() -> Option<Duration>,
            release: impl FnOnce(),
        ) -> bool {
            let Some(own) = self.own.try_lock() else {
                return false;
            };
            self.visit();
            let limit = keep();
            match &*own {
                Some(runtime) => drive(runtime, parker, limit),
                None => parker.park(limit),
            }
            release();
            true
        }

        /// Looks for I/O without waiting, if nobody drives.
        pub(crate) fn poll(&self) {
            if let Some(own) = self.own.try_lock()
                && let Some(own) = &*own
            {
                self.visit();
                own.runtime.block_on(tokio::task::yield_now());
            }
        }

        /// Drops the tasks that were given to our own runtime and have not ended, and says how many they were.
        pub(crate) fn shutdown(&self) -> usize {
            let Some(Own { alarm, runtime }) = self.own.lock().take() else {
                return 0;
            };
            drop(alarm);
            let tasks = runtime.metrics().num_alive_tasks();
            if tasks > 0 {
                tracing::info!(target: "roundrock::scheduler", tasks, "tasks given to tokio are dropped");
            }
            runtime.shutdown_background();
            tasks
        }
    }

    /// Sleeps inside the reactor.
    fn drive(runtime: &Own, parker: &Parker, limit: Option<Duration>) {
        if !parker.announce(DRIVING) {
            return;
        }
        runtime.runtime.block_on(async {
            let mut rest = pin!(rest(&runtime.alarm, limit));
            std::future::poll_fn(|cx| {
                if Pin::new(&mut Notified(parker)).poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                rest.as_mut().poll(cx)
            })
            .await;
        });
        parker.reset();
    }

    async fn rest(alarm: &Alarm, limit: Option<Duration>) {
        match limit {
            Some(limit) => alarm.rest(limit).await,
            None => std::future::pending().await,
        }
    }

    /// A runtime of our own, and what wakes it in time.
    #[derive(Debug)]
    struct Own {
        /// Before the runtime, which it is registered with.
        alarm: Alarm,
        runtime: Runtime,
    }

    impl Own {
        fn new(runtime: Runtime) -> std::io::Result<Self> {
            let alarm = {
                let _entered = runtime.enter();
                Alarm::new()?
            };
            Ok(Self { alarm, runtime })
        }
    }

    /// Ends a rest in the reactor in time: tokio's own timers round up to a tick of one millisecond, and epoll to another one.
    #[cfg(target_os = "linux")]
    #[derive(Debug)]
    struct Alarm {
        timer: AsyncFd<Timer>,
        /// When it fires, or has fired.
        set_to: Cell<Option<Instant>>,
    }

    #[cfg(target_os = "linux")]
    impl Alarm {
        fn new() -> std::io::Result<Self> {
            let timer = Timer::new()?;
            let interest = tokio::io::Interest::READABLE;
            #[expect(
                unsafe_code,
                reason = "a timer of the kernel is registered with the reactor"
            )]
            // SAFETY: the descriptor is owned by what registers it, and so stays open and the same until that is dropped.
            let registered = unsafe { AsyncFd::register_with_interest(timer, interest) };
            Ok(Self {
                timer: registered?,
                set_to: Cell::new(None),
            })
        }

        async fn rest(&self, limit: Duration) {
            let mut now = Instant::now();
            let end = now + limit.min(FAR);
            loop {
                // A server rests again and again until the same moment, or a later one: the timer is as it was, mostly.
                let will_do = |at: Instant| now < at && at <= end;
                if !self.set_to.get().is_some_and(will_do) {
                    let left = end.saturating_duration_since(now);
                    if self.timer.get_ref().set(left).is_err() {
                        return tokio::time::sleep(left).await;
                    }
                    self.set_to.set(Some(end));
                }
                // What the reactor remembers may be the end of an earlier rest, which was left before.
                let Ok(mut ended) = self.timer.readable().await else {
                    return;
                };
                ended.clear_ready();
                now = Instant::now();
                if now >= end {
                    return;
                }
            }
        }
    }

    /// Farther than any rest.
    #[cfg(target_os = "linux")]
    const FAR: Duration = Duration::from_secs(1 << 32);

    #[cfg(not(target_os = "linux"))]
    #[derive(Debug)]
    struct Alarm;

    #[cfg(not(target_os = "linux"))]
    impl Alarm {
        #[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
        fn new() -> std::io::Result<Self> {
            Ok(Self)
        }

        async fn rest(&self, limit: Duration) {
            tokio::time::sleep(limit).await;
        }
    }

    struct Notified<'a>(&'a Parker);

    impl Future for Notified<'_> {
        type Output = ();

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            // The waker is stored before the state is read: a wake that comes between finds it.
            *self.0.driving.lock() = Some(cx.waker().clone());
            if self.0.is_notified() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }
    }

    #[cfg(all(test, not(loom), target_os = "linux"))]
    mod tests {
        use super::*;

        /// A timer that is set already stays so if that is early enough, and nobody wakes too early by it, nor too late.
        #[test]
        fn a_rest_ends_in_time_whatever_the_last_one_set() {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let own = Own::new(runtime.expect("a runtime")).expect("a timer");
            let ms = Duration::from_millis;
            // How long the last rest was to be, which was left at once, and how long this one is.
            for (before, limit) in [(1, 30), (3_600_000, 5), (20, 20), (5, 5), (0, 10)] {
                own.runtime.block_on(async {
                    let mut left = pin!(own.alarm.rest(ms(before)));
                    std::future::poll_fn(|cx| Poll::Ready(left.as_mut().poll(cx).is_ready())).await
                });
                let begun = Instant::now();
                let rest =
                    async { tokio::time::timeout(ms(60_000), own.alarm.rest(ms(limit))).await };
                own.runtime.block_on(rest).expect("not as late as this");
                assert!(begun.elapsed() >= ms(limit), "{limit} ms after {before}");
            }
        }
    }
}
