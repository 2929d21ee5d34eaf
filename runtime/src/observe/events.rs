//! What happened to processes, as a stream for plain threads: failures, restarts, stalls, leaks, growth.
//!
//! Each subscription is a bounded channel of `crossbeam-channel`, so that a plain thread can wait for events among other things
//! with that crate's `select!`. Nobody who has something to tell waits: what finds no room is counted.
//!
//! **Invariants**
//! - An event is told to every subscription that existed when it happened, or counted there as missed.
//! - Without subscriptions telling costs one load.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use super::model::{Name, Site};
use crate::leaks::Leak;
use crate::process::exit::Reason;
use crate::sync::{AtomicU64, AtomicUsize, Lock, Ordering};
use crate::task::origin::Origin;
use crate::task::{ProcessId, TaskRef};

/// Events that a subscription holds.
const ROOM: usize = 1024;

/// Something that happened to a process, or to those of one origin.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn read() -> Result<()> { bail!("no such file") }
/// let events = scope.system().events();
/// let reader = scope.spawn_isolated(read());
/// reader.done().await;
/// // Plain threads wait for events; here it is there.
/// let event = loop {
///     match events.try_recv() {
///         Ok(event) if &*event.name == "read" => break event,
///         _ => sleep(millis(1)).await,
///     }
/// };
///
/// assert!(event.process.is_some() && event.site.is_some());
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Event {
    /// The name of the process.
    pub name: Name,
    /// Its id; `None` if it is about all processes with this name from this place.
    pub process: Option<ProcessId>,
    /// Where it was spawned.
    pub site: Option<Site>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// use roundrock::observe::EventKind;
///
/// # #[process] async fn read() -> Result<()> { bail!("no such file") }
/// let events = scope.system().events();
/// let reader = scope.spawn_isolated(read());
/// reader.done().await;
/// // Plain threads wait for events; here it is there.
/// let event = loop {
///     match events.try_recv() {
///         Ok(event) if &*event.name == "read" => break event,
///         _ => sleep(millis(1)).await,
///     }
/// };
///
/// match event.kind {
///     EventKind::Failed { reason } => assert_eq!(reason.chain, ["no such file"]),
///     other => panic!("{other:?}"),
/// }
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum EventKind {
    /// A process failed, panicked or was killed.
    Failed {
        /// How it ended.
        reason: Reason,
    },
    /// A supervised child will be started again.
    Restarting {
        /// How its last incarnation ended.
        reason: Reason,
        /// How many incarnations there were.
        incarnations: u32,
        /// The pause before the next one.
        pause: Duration,
    },
    /// A scope gave up: this child needed one restart too many.
    GaveUp {
        /// Why.
        reason: Reason,
    },
    /// A process did not end within the grace of a stop, and was dropped.
    Late,
    /// A process holds its worker for long while others wait.
    Stall {
        /// How long it has run.
        running: Duration,
        /// How many wait for a worker: this one, or any.
        waiting: usize,
    },
    /// More processes live than their budget says. Told once, and again after the number was within the budget.
    OverBudget {
        /// How many live.
        alive: u64,
        /// The budget.
        budget: u32,
    },
    /// Processes are leaked: told once of each cause. The event names the first of them.
    Leak {
        /// Who waits for whom; its text is the report.
        leak: Box<Leak>,
    },
    /// These calls, sends and joins wait for each other until the time of one of them is up: told once for the same places of spawning.
    TimedCycle {
        /// The processes, each of which waits for the next one, and the last for the first. The event names the first, which parked last.
        path: Vec<String>,
        /// Where each of them was spawned.
        sites: Vec<Option<Site>>,
    },
    /// The number of living processes keeps growing: see [`Builder::growth`](crate::system::Builder::growth). Told again
    /// when it has doubled since.
    Growing {
        /// How many lived at the ends of the last windows, the present number last.
        alive: Vec<u64>,
        /// How long a window is.
        window: Duration,
        /// How long the first of those that live has lived.
        oldest: Duration,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(process) = self.process {
            write!(f, "{process}")?;
        }
        if let Some(site) = &self.site {
            write!(f, ", spawned at {}:{}", site.file, site.line)?;
        }
        match &self.kind {
            EventKind::Failed { reason } => write!(f, ", {}", super::words::reason(reason)),
            EventKind::Restarting {
                reason,
                incarnations,
                pause,
            } => write!(
                f,
                ", {}; it is started again in {pause:?}, after {incarnations} incarnations",
                super::words::reason(reason)
            ),
            EventKind::GaveUp { reason } => write!(
                f,
                ", needed one restart too many, so its scope gave up; {}",
                super::words::reason(reason)
            ),
            EventKind::Late => f.write_str(", did not end within the grace, and was dropped"),
            EventKind::Stall { running, waiting } => write!(
                f,
                ", has held its worker for {running:?}; {waiting} wait for a worker"
            ),
            EventKind::OverBudget { alive, budget } => {
                write!(f, ": {alive} live, and the budget is {budget}")
            }
            EventKind::Leak { leak } => write!(f, ": {leak}"),
            EventKind::TimedCycle { path, sites } => {
                f.write_str(": these wait for each other until the time of one of them is up")?;
                for (name, site) in path.iter().zip(sites) {
                    write!(f, "\n  {name}")?;
                    if let Some(site) = site {
                        write!(f, " (spawned at {}:{})", site.file, site.line)?;
                    }
                }
                Ok(())
            }
            EventKind::Growing {
                alive,
                window,
                oldest,
            } => {
                let counts: Vec<String> = alive.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    ": ever more live: {}, {window:?} apart; the oldest has lived for {}",
                    counts.join(", then "),
                    super::words::duration(*oldest)
                )
            }
        }
    }
}

/// A subscription to the events of a system; see [`System::events`](crate::System::events).
///
/// It is a [`Receiver`] of `crossbeam-channel`: `recv`, `try_recv`, `recv_timeout`, `iter`, and that crate's `select!`. They
/// block their thread, so they are for plain threads. It ends when the system has ended.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> {
/// # #[process] async fn read() -> Result<()> { bail!("no such file") }
/// let ended = System::builder().workers(1).run(async |scope| {
///     let events = scope.system().events();
///     let thread = std::thread::spawn(move || (events.iter().next(), events.missed()));
///     scope.spawn_isolated(read()).done().await;
///     let (event, missed) = blocking(move || thread.join()).await.expect("it does not panic");
///     Ok((event.map(|event| event.name.to_string()), missed))
/// })?;
/// assert_eq!(ended, (Some("read".to_owned()), 0));
/// # Ok(()) }
/// ```
pub struct Events {
    receiver: Receiver<Event>,
    missed: Arc<AtomicU64>,
    board: Arc<Board>,
}

impl Events {
    /// Returns how many events found no room in this subscription, which holds 1,024.
    pub fn missed(&self) -> u64 {
        // ORDERING: Relaxed: a count.
        self.missed.load(Ordering::Relaxed)
    }
}

impl Deref for Events {
    type Target = Receiver<Event>;

    fn deref(&self) -> &Receiver<Event> {
        &self.receiver
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // It would keep room for 1,024 events until the next one.
        self.board.unsubscribe(&self.missed);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("waiting", &self.receiver.len())
            .field("missed", &self.missed())
            .finish()
    }
}

/// The subscriptions of a system.
#[derive(Debug)]
pub(crate) struct Board {
    /// How many there are, so that most of the time nothing else is looked at.
    count: AtomicUsize,
    state: Lock<State>,
}

#[derive(Debug, Default)]
struct State {
    subscriptions: Vec<Subscription>,
    closed: bool,
}

#[derive(Debug)]
struct Subscription {
    sender: Sender<Event>,
    missed: Arc<AtomicU64>,
}

impl Board {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            count: AtomicUsize::new(0),
            state: Lock::new(State::default()),
        })
    }

    pub(crate) fn subscribe(self: &Arc<Self>) -> Events {
        let (sender, receiver) = crossbeam_channel::bounded(ROOM);
        let missed = Arc::new(AtomicU64::new(0));
        let mut state = self.state.lock();
        if !state.closed {
            state.subscriptions.push(Subscription {
                sender,
                missed: Arc::clone(&missed),
            });
            self.note_count(&state);
        }
        drop(state);
        Events {
            receiver,
            missed,
            board: Arc::clone(self),
        }
    }

    /// Ends the subscription with this count.
    fn unsubscribe(&self, missed: &Arc<AtomicU64>) {
        let mut state = self.state.lock();
        let is_it = |one: &Subscription| Arc::ptr_eq(&one.missed, missed);
        let at = state.subscriptions.iter().position(is_it);
        let gone = at.map(|at| state.subscriptions.swap_remove(at));
        self.note_count(&state);
        drop(state);
        drop(gone);
    }

    fn note_count(&self, state: &State) {
        // ORDERING: Relaxed: who tells of something that happens meanwhile may miss a new subscription.
        self.count
            .store(state.subscriptions.len(), Ordering::Relaxed);
    }

    /// Whether somebody has a subscription.
    pub(crate) fn is_read(&self) -> bool {
        // ORDERING: Relaxed: see `subscribe`.
        self.count.load(Ordering::Relaxed) != 0
    }

    /// Tells all subscriptions what happened.
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if self.is_read() {
            self.tell_all(&event());
        }
    }

    #[cold]
    fn tell_all(&self, event: &Event) {
        for Subscription { sender, missed } in &self.state.lock().subscriptions {
            if sender.try_send(event.clone()).is_err() {
                // ORDERING: Relaxed: a count.
                missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Ends all subscriptions: the system has ended.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.subscriptions.clear();
        self.note_count(&state);
    }
}

impl Event {
    /// Something that happened to one process.
    pub(crate) fn of(task: &TaskRef, kind: EventKind) -> Self {
        Self {
            process: Some(task.id()),
            ..Self::about(task.slot().origin(), kind)
        }
    }

    /// Something that happened to all processes of an origin.
    pub(crate) fn about(origin: &'static Origin, kind: EventKind) -> Self {
        Self {
            name: origin.name.into(),
            process: None,
            site: origin.site.map(Site::of),
            kind,
        }
    }
}
