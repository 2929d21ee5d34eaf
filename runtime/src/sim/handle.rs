//! [`Sim`]: what the body of a test has in its hand.

use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::channel::Message;
use crate::scope::Scope;
use crate::sim::here;
use crate::sim::machine::Machine;
use crate::sim::model::Model;
use crate::sim::monitor::When;
use crate::sim::probe::Probe;
use crate::task::current;
use crate::task::registry::WaitKind;
use crate::task::waker::TaskWaker;
use crate::time::sleep;

/// A simulated system, in the body of its test: a cheap handle. It is also the root scope of that system: `sim.spawn(..)`, `sim.supervise(..)`.
///
/// Time is virtual: it stands still while anything can run, and then jumps to the next timer. See the [module](super) for what
/// is searched, and what a failure means.
///
/// # Panics
/// All methods, when called on another thread than that of the test.
///
/// # Examples
/// ```
/// use roundrock::prelude::*;
///
/// # struct Wrapped;
/// #[roundrock::test(seeds = 8)]
/// async fn a_time_out_takes_its_time(sim: &Sim) -> Result<()> {
///     let (_jobs, inbox) = bounded::<u32>(1);
///     assert!(inbox.recv().within(secs(3600)).await.is_err());
///     assert_eq!(sim.now(), secs(3600));              // and the test took no millisecond
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Sim {
    scope: Scope,
}

impl Sim {
    pub(crate) fn new(scope: Scope) -> Self {
        Self { scope }
    }

    /// Returns the virtual time since the run began.
    pub fn now(&self) -> Duration {
        self.scope.inner.system.scheduler.clock.uptime()
    }

    /// Returns the seed of the run; `None` if it replays a tape.
    ///
    /// For reports. A run that depends on it cannot be replayed by a tape: what should differ from run to run is drawn from
    /// [`rng()`](crate::rng()).
    pub fn seed(&self) -> Option<u64> {
        here(|machine| machine.seed)
    }

    /// Waits until nothing can run any more before time moves: every process waits, and no timer is due.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    ///
    /// # struct Wrapped;
    /// #[roundrock::test(seeds = 8)]
    /// async fn it_has_all_arrived(sim: &Sim) -> Result<()> {
    ///     let (jobs, inbox) = bounded(4);
    ///     sim.task("sends", async move { jobs.send(1).await });
    ///     sim.settle().await;                     // nothing can run any more
    ///     assert_eq!(inbox.try_recv(), Ok(1));
    ///     Ok(())
    /// }
    /// ```
    pub async fn settle(&self) {
        settle().await;
    }

    /// Lets `duration` of virtual time pass, and then everything settle that was due until then.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    ///
    /// # struct Wrapped;
    /// #[roundrock::test(seeds = 8)]
    /// async fn time_is_virtual(sim: &Sim) -> Result<()> {
    ///     let task = sim.task("sleeper", async { sleep(secs(60)).await });
    ///     sim.advance(secs(59)).await;
    ///     assert!(task.exit().is_none());
    ///     sim.advance(secs(1)).await;
    ///     assert!(task.exit().is_some());
    ///     assert_eq!(sim.now(), secs(60));
    ///     Ok(())
    /// }
    /// ```
    pub async fn advance(&self, duration: Duration) {
        sleep(duration).await;
        settle().await;
    }

    /// Waits until `condition` holds. It is looked at each time that everything has settled; time moves in between.
    ///
    /// If nothing can move any more and it still does not hold, the run fails with a deadlock.
    pub async fn run_until(&self, mut condition: impl FnMut() -> bool) {
        loop {
            settle().await;
            if condition() {
                return;
            }
            time_moves().await;
        }
    }

    /// Watches a condition that must hold from now on, whenever a process has waited, was interrupted or held back, or has ended, and before
    /// its operations while nobody else can run; also during the stop at the end. The run fails when it does not.
    ///
    /// It must not wait. What it reads is best shared in atomics, or in a lock of the standard library. It lives until the run is
    /// over, so an endpoint or a handle in it keeps a channel open: let it hold a weak one.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    ///
    /// # struct Wrapped;
    /// #[roundrock::test(seeds = 8)]
    /// async fn never_more_than_two(sim: &Sim) -> Result<()> {
    ///     let (jobs, inbox) = bounded(2);
    ///     let looks = jobs.downgrade();
    ///     sim.always("no more than two wait", move || looks.upgrade().is_none_or(|jobs| jobs.len() <= 2));
    ///     let eager = jobs.downgrade();
    ///     sim.sometimes("both places are used", move || eager.upgrade().is_some_and(|jobs| jobs.len() == 2));
    ///     sim.task("sends", async move {
    ///         for n in 0..4 { jobs.send(n).await?; }
    ///         roundrock::Ok(())
    ///     });
    ///     for n in 0..4 { assert_eq!(inbox.recv().await, Some(n)); }
    ///     Ok(())
    /// }
    /// ```
    pub fn always(&self, name: impl Into<String>, holds: impl FnMut() -> bool + 'static) {
        here(|machine| machine.watch(When::Always, name.into(), Box::new(holds)));
    }

    /// Watches a condition that must hold in some run, when a process has waited, was interrupted or held back, or has ended. The test
    /// fails if it held in no run: then the search did not reach what the test is about. Not judged when a single run is replayed.
    pub fn sometimes(&self, name: impl Into<String>, holds: impl FnMut() -> bool + 'static) {
        here(|machine| machine.watch(When::Sometimes, name.into(), Box::new(holds)));
    }

    /// Watches a condition that must hold in the end, when the body has returned and everything has settled. If it does not hold then,
    /// time goes on, for a retry say, until it does, for the length of the [grace](super::Simulation::grace) at most; and it must still
    /// hold when the checks of the end are made.
    pub fn eventually(&self, name: impl Into<String>, holds: impl FnMut() -> bool + 'static) {
        here(|machine| machine.watch(When::Eventually, name.into(), Box::new(holds)));
    }

    /// Makes an endpoint that takes messages and compares them with what is expected.
    pub fn probe<T: Message>(&self, name: &'static str) -> Probe<T> {
        Probe::new(name)
    }

    /// Makes a model of what the processes should do: plain state, with which each answer of theirs is compared.
    pub fn model<M: Send + 'static>(&self, state: M) -> Model<M> {
        Model::new(state)
    }
}

impl Deref for Sim {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        &self.scope
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("now", &self.now())
            .field("scope", &self.scope)
            .finish()
    }
}

/// Calls `f` with the machine of the run that is under way on this thread.
fn here<R>(f: impl FnOnce(&Rc<Machine>) -> R) -> R {
    here::with(|machine| match machine {
        Some(machine) => f(machine),
        None => panic!("a `Sim` was used on a thread that does not run its simulation"),
    })
}

/// Waits until nothing can run.
pub(crate) async fn settle() {
    registered(|machine, waker| machine.settling.borrow_mut().push(waker)).await;
}

/// Waits until time has moved.
async fn time_moves() {
    registered(|machine, waker| machine.timed.borrow_mut().push(waker)).await;
}

/// Waits for one wake from the machine.
async fn registered(register: impl Fn(&Machine, TaskWaker)) {
    let mut registered = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut registered, true) {
            return Poll::Ready(());
        }
        here(|machine| register(machine, TaskWaker::of(cx)));
        // The machine wakes it: no process that a search for leaks could follow.
        current::waits_for(WaitKind::Other, 0);
        Poll::Pending
    })
    .await;
}

/// The body of a test, without its type.
pub(crate) type Body<'a> =
    dyn Fn(Sim) -> Pin<Box<dyn Future<Output = crate::Result<()>> + Send>> + 'a;

/// Polls a future that is ready at once.
pub(crate) fn now_or_never<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(std::task::Waker::noop()))
    {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
