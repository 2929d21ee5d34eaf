//! The model of a system that every screen is a view of: plain types, which a [`Snapshot`] is made of.
//!
//! Nothing of the messages is in them, only names and numbers. With the feature `serde` they can be serialised; `schema` changes when
//! their meaning does. How they are filled is in `take` and `snapshot`.

use std::borrow::Cow;
use std::fmt;
use std::ops::AddAssign;
use std::panic::Location;
use std::time::{Duration, SystemTime};

use super::locks::LockInfo;
use crate::observe::Ledger;
use crate::task::ProcessId;
use crate::task::origin::Origin;
use crate::task::registry::WaitKind;

pub use super::overview::{
    ChildInfo, ChildStage, EdgeInfo, Evidence, ExitInfo, GroupInfo, GroupWait, JobInfo, LaneInfo,
    ScopeInfo, Truncated,
};
pub use crate::task::ports::Direction;

/// A system at one moment.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn copy(from: &Receiver<u32>, to: &Sender<u32>) { while let Some(n) = from.recv().await { let _ = to.send(n).await; } }
/// # let ((numbers, from), (to, _copies)) = (bounded(4).named("numbers"), bounded(4));
/// # numbers.send(1).await?;
/// # scope.spawn(copy(from, to));
/// # let mut snapshot = scope.system().snapshot();
/// # while !snapshot.groups.iter().any(|group| &*group.name == "copy" && group.runnable == 0) { sleep(millis(1)).await; snapshot = scope.system().snapshot(); }
/// // A process that copies from one channel to another:
/// assert_eq!((snapshot.schema, &*snapshot.system), (1, "roundrock"));
/// assert!(snapshot.processes.iter().any(|process| &*process.name == "copy"));
/// assert!(snapshot.channels.iter().any(|channel| channel.name.as_deref() == Some("numbers")));
/// assert!(snapshot.ledger.is_balanced() && snapshot.proof_violations == 0);
/// # drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The version of these types: 1.
    pub schema: u32,
    /// When it was taken.
    pub at: SystemTime,
    /// How long the system had run.
    pub uptime: Duration,
    /// The name of the system.
    pub system: String,
    /// The scope, if only one and what is inside it is shown.
    pub scope: Option<u64>,
    /// Its workers, spares included.
    pub workers: Vec<WorkerInfo>,
    /// Its scopes, each after the one around it.
    pub scopes: Vec<ScopeInfo>,
    /// Where its living processes come from, the most numerous first.
    pub origins: Vec<OriginInfo>,
    /// Its living processes, counted by origin and scope: ten lines for a million of them.
    pub groups: Vec<GroupInfo>,
    /// Its living processes.
    pub processes: Vec<ProcessInfo>,
    /// Its supervised children, those between two incarnations included.
    pub children: Vec<ChildInfo>,
    /// Its channels, mailboxes included.
    pub channels: Vec<ChannelInfo>,
    /// The channels of other kinds that somebody waits for, as far as it is known who does.
    #[cfg_attr(feature = "serde", serde(default))]
    pub others: Vec<OtherChannel>,
    /// The locks and semaphores that somebody waits for.
    #[cfg_attr(feature = "serde", serde(default))]
    pub locks: Vec<LockInfo>,
    /// Who sends and receives where, as far as it is known.
    pub edges: Vec<EdgeInfo>,
    /// Its threads for blocking code.
    pub blocking: LaneInfo,
    /// Its threads for code that computes.
    pub cpu: LaneInfo,
    /// What was left out; nothing, unless it is part of a dump.
    pub truncated: Truncated,
    /// Timers that wait to fire.
    pub timers: usize,
    /// What became of all messages, those of channels that are gone included.
    pub ledger: Ledger,
    /// Processes that ran again although they were proven leaked: always 0.
    pub proof_violations: u64,
    /// Wakeups that the runtime lost: always 0.
    pub lost_wakeups: u64,
}

/// A worker.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn copy(from: &Receiver<u32>, to: &Sender<u32>) { while let Some(n) = from.recv().await { let _ = to.send(n).await; } }
/// # let ((numbers, from), (to, _copies)) = (bounded(4).named("numbers"), bounded(4));
/// # numbers.send(1).await?;
/// # scope.spawn(copy(from, to));
/// # let mut snapshot = scope.system().snapshot();
/// # while !snapshot.groups.iter().any(|group| &*group.name == "copy" && group.runnable == 0) { sleep(millis(1)).await; snapshot = scope.system().snapshot(); }
/// assert_eq!(snapshot.workers.len(), 2);
/// let steps: u64 = snapshot.workers.iter().map(|worker| worker.steps).sum();
/// assert!(steps > 0);
/// # drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WorkerInfo {
    /// Its number.
    pub index: usize,
    /// Steps of processes that it ran.
    pub steps: u64,
    /// Batches that it took from others.
    pub steals: u64,
    /// How often it went to sleep.
    pub parks: u64,
    /// Processes in its queue.
    pub queued: usize,
}

/// A name in the program; owned only in a snapshot that was read back.
///
/// # Examples
/// ```
/// use roundrock::observe::Name;
///
/// let of_the_program: Name = "copy".into();
/// let read_back: Name = String::from("copy").into();
/// assert_eq!(of_the_program, read_back);
/// ```
pub type Name = Cow<'static, str>;

/// A place in the source.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn copy(from: &Receiver<u32>, to: &Sender<u32>) { while let Some(n) = from.recv().await { let _ = to.send(n).await; } }
/// # let ((numbers, from), (to, _copies)) = (bounded(4).named("numbers"), bounded(4));
/// # numbers.send(1).await?;
/// # scope.spawn(copy(from, to));
/// # let mut snapshot = scope.system().snapshot();
/// # while !snapshot.groups.iter().any(|group| &*group.name == "copy" && group.runnable == 0) { sleep(millis(1)).await; snapshot = scope.system().snapshot(); }
/// let copy = snapshot.processes.iter().find(|process| &*process.name == "copy").context("it lives")?;
/// let site = copy.site.as_ref().context("it was spawned somewhere")?;
/// assert!(site.file.ends_with(".rs") && site.line > 0);
/// # drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Site {
    /// The file.
    pub file: Name,
    /// The line.
    pub line: u32,
}

/// What all processes have in common that were spawned under one name at one place.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn copy(from: &Receiver<u32>, to: &Sender<u32>) { while let Some(n) = from.recv().await { let _ = to.send(n).await; } }
/// # let ((numbers, from), (to, _copies)) = (bounded(4).named("numbers"), bounded(4));
/// # numbers.send(1).await?;
/// # scope.spawn(copy(from, to));
/// # let mut snapshot = scope.system().snapshot();
/// # while !snapshot.groups.iter().any(|group| &*group.name == "copy" && group.runnable == 0) { sleep(millis(1)).await; snapshot = scope.system().snapshot(); }
/// let origin = snapshot.origins.iter().find(|origin| &*origin.name == "copy").context("one lives")?;
/// assert_eq!((origin.alive, origin.budget), (1, None));
/// # drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OriginInfo {
    /// Its number: the same in all systems of the program, and another one in its next run.
    pub id: u32,
    /// The name.
    pub name: Name,
    /// The place; `None` for what has none.
    pub site: Option<Site>,
    /// How many of them live.
    pub alive: u64,
    /// How many may live before an alarm, as `#[process(budget = …)]` says.
    pub budget: Option<u32>,
    /// How long the first of those that live has lived, to a few milliseconds.
    pub oldest: Duration,
    /// How long the last of them has lived.
    pub youngest: Duration,
}

/// A process.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn copy(from: &Receiver<u32>, to: &Sender<u32>) { while let Some(n) = from.recv().await { let _ = to.send(n).await; } }
/// # let ((numbers, from), (to, _copies)) = (bounded(4).named("numbers"), bounded(4));
/// # numbers.send(1).await?;
/// # scope.spawn(copy(from, to));
/// # let mut snapshot = scope.system().snapshot();
/// # while !snapshot.groups.iter().any(|group| &*group.name == "copy" && group.runnable == 0) { sleep(millis(1)).await; snapshot = scope.system().snapshot(); }
/// use roundrock::WaitKind;
/// use roundrock::observe::State;
///
/// let copy = snapshot.processes.iter().find(|process| &*process.name == "copy").context("it lives")?;
/// assert_eq!(copy.state, State::Parked);
/// assert!(copy.wait.as_ref().is_some_and(|wait| wait.kind == WaitKind::Recv));
/// assert!(copy.polls > 0 && copy.handler.is_none());
/// # drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ProcessInfo {
    /// Its id, which is never used again in this system.
    pub id: ProcessId,
    /// Its name.
    pub name: Name,
    /// Its origin: the `id` of an entry of this snapshot.
    pub origin: u32,
    /// Where it was spawned.
    pub site: Option<Site>,
    /// The number of its scope; 0 for the runtime's own processes and the body of `main`.
    pub scope: u64,
    /// How long it has lived, to a few milliseconds.
    pub age: Duration,
    /// How many incarnations of a supervised child there were before; 0 for every other process.
    pub incarnation: u32,
    /// The handler that it was in when it began to wait, if it is a struct.
    pub handler: Option<Name>,
    /// What it does now.
    pub state: State,
    /// What it waits for, if it is parked.
    pub wait: Option<Wait>,
    /// Where its time went.
    pub times: Times,
    /// How often it was polled.
    pub polls: u64,
    /// The endpoints that it was lent or keeps in its state, as far as they are known.
    pub ports: Vec<PortInfo>,
    /// It was polled while it was read: its parts may be of different moments.
    pub moving: bool,
}

/// An endpoint of a process: an argument that it was lent, or a field of its state.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn copy(from: &Receiver<u32>, to: &Sender<u32>) { while let Some(n) = from.recv().await { let _ = to.send(n).await; } }
/// # let ((numbers, from), (to, _copies)) = (bounded(4).named("numbers"), bounded(4));
/// # numbers.send(1).await?;
/// # scope.spawn(copy(from, to));
/// # let mut snapshot = scope.system().snapshot();
/// # while !snapshot.groups.iter().any(|group| &*group.name == "copy" && group.runnable == 0) { sleep(millis(1)).await; snapshot = scope.system().snapshot(); }
/// use roundrock::observe::Direction;
///
/// let copy = snapshot.processes.iter().find(|process| &*process.name == "copy").context("it lives")?;
/// let [from, to] = &copy.ports[..] else { panic!("it was lent two") };
/// assert_eq!((from.name.as_deref(), from.direction), (Some("from"), Direction::In));
/// assert_eq!((to.name.as_deref(), to.direction), (Some("to"), Direction::Out));
/// assert!(snapshot.channels.iter().any(|channel| channel.id == from.channel));
/// # drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PortInfo {
    /// The name of the argument or field; `None` if it has none that is known.
    pub name: Option<Name>,
    /// Which way messages go.
    pub direction: Direction,
    /// The channel: the `id` of an entry of this snapshot, unless the channel is gone, or was made outside of the system.
    pub channel: u64,
}

/// What a process does.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn copy(from: &Receiver<u32>, to: &Sender<u32>) { while let Some(n) = from.recv().await { let _ = to.send(n).await; } }
/// # let ((numbers, from), (to, _copies)) = (bounded(4).named("numbers"), bounded(4));
/// # numbers.send(1).await?;
/// # scope.spawn(copy(from, to));
/// # let mut snapshot = scope.system().snapshot();
/// # while !snapshot.groups.iter().any(|group| &*group.name == "copy" && group.runnable == 0) { sleep(millis(1)).await; snapshot = scope.system().snapshot(); }
/// use roundrock::observe::State;
///
/// let parked = snapshot.processes.iter().filter(|process| process.state == State::Parked);
/// assert!(parked.count() >= 1);
/// # drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum State {
    /// Runs, or waits for a worker.
    Runnable,
    /// Waits.
    Parked,
    /// It was made, and does not run yet: a supervised child whose turn has not come; see [`ChildStage`].
    Unstarted,
}

/// What a parked process waits for.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn copy(from: &Receiver<u32>, to: &Sender<u32>) { while let Some(n) = from.recv().await { let _ = to.send(n).await; } }
/// # let ((numbers, from), (to, _copies)) = (bounded(4).named("numbers"), bounded(4));
/// # numbers.send(1).await?;
/// # scope.spawn(copy(from, to));
/// # let mut snapshot = scope.system().snapshot();
/// # while !snapshot.groups.iter().any(|group| &*group.name == "copy" && group.runnable == 0) { sleep(millis(1)).await; snapshot = scope.system().snapshot(); }
/// let copy = snapshot.processes.iter().find(|process| &*process.name == "copy").context("it lives")?;
/// let wait = copy.wait.as_ref().context("it is parked")?;
/// let channel = snapshot.channels.iter().find(|channel| channel.id == wait.object);
/// assert_eq!(channel.and_then(|channel| channel.name.as_deref()), Some("numbers"));
/// assert!(wait.kinds.is_empty(), "it waits for one thing only");
/// # drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Wait {
    /// The kind of wait.
    pub kind: WaitKind,
    /// The kinds of all that it waits for, if that is more than one, or a `select!`; each once, in no order.
    pub kinds: Vec<WaitKind>,
    /// The channel or scope: the `id` of an entry of this snapshot; the number behind [`process`](Self::process) if it is a process;
    /// 0 if it is none of them, or several.
    pub object: u64,
    /// The name that it waits for, if it waits for one.
    #[cfg_attr(feature = "serde", serde(default))]
    pub name: Option<Name>,
    /// Since when, to a few milliseconds.
    pub since: Duration,
}

/// Milliseconds of a process's life, by what it did. They are sampled: exact over seconds, not over moments. Those of one process
/// start again at 0 after 49 days.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn copy(from: &Receiver<u32>, to: &Sender<u32>) { while let Some(n) = from.recv().await { let _ = to.send(n).await; } }
/// # let ((numbers, from), (to, _copies)) = (bounded(4).named("numbers"), bounded(4));
/// # numbers.send(1).await?;
/// # scope.spawn(copy(from, to));
/// # let mut snapshot = scope.system().snapshot();
/// # while !snapshot.groups.iter().any(|group| &*group.name == "copy" && group.runnable == 0) { sleep(millis(1)).await; snapshot = scope.system().snapshot(); }
/// let copy = snapshot.processes.iter().find(|process| &*process.name == "copy").context("it lives")?;
/// let times = copy.times;
/// let lived = times.busy_ms + times.idle_ms + times.pushed_ms + times.extern_ms + times.calling_ms + times.ready_ms;
/// assert!(lived < 60_000, "it has not lived for long");
/// # drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Times {
    /// Ran.
    pub busy_ms: u64,
    /// Waited to receive.
    pub idle_ms: u64,
    /// Waited to send: back-pressure.
    pub pushed_ms: u64,
    /// Waited for I/O, a timer, a lock or another crate's future.
    pub extern_ms: u64,
    /// Waited for a reply or for another process to end.
    pub calling_ms: u64,
    /// Could have run, and waited for a worker.
    pub ready_ms: u64,
}

/// A channel.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn copy(from: &Receiver<u32>, to: &Sender<u32>) { while let Some(n) = from.recv().await { let _ = to.send(n).await; } }
/// # let ((numbers, from), (to, _copies)) = (bounded(4).named("numbers"), bounded(4));
/// # numbers.send(1).await?;
/// # scope.spawn(copy(from, to));
/// # let mut snapshot = scope.system().snapshot();
/// # while !snapshot.groups.iter().any(|group| &*group.name == "copy" && group.runnable == 0) { sleep(millis(1)).await; snapshot = scope.system().snapshot(); }
/// let numbers_info = snapshot.channels.iter().find(|channel| channel.name.as_deref() == Some("numbers")).context("it exists")?;
/// assert_eq!((numbers_info.capacity, numbers_info.len), (Some(4), 0));
/// assert_eq!((numbers_info.sent, numbers_info.received), (1, 1));
/// assert_eq!((numbers_info.senders, numbers_info.waiting_receivers), (1, 1));
/// # drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChannelInfo {
    /// Its number; unique among living channels.
    pub id: u64,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Where it was made.
    pub site: Site,
    /// The process whose mailbox it is.
    pub owner: Option<ProcessId>,
    /// The process that sent there last, if it lives. If it has ended, one may be named that has got its place in memory since.
    pub last_sender: Option<ProcessId>,
    /// How much it holds; `None` if there is no bound, 0 for a rendezvous.
    pub capacity: Option<u32>,
    /// Messages in it.
    pub len: u32,
    /// The most messages that were in it.
    pub high_water: u32,
    /// Messages that it accepted so far.
    pub sent: u64,
    /// Messages received so far.
    pub received: u64,
    /// What became of them.
    pub ledger: Ledger,
    /// Milliseconds for which it was full.
    pub full_ms: u32,
    /// The mean time that a message was in it, by Little's law.
    pub mean_wait: Option<Duration>,
    /// Senders that exist.
    pub senders: u64,
    /// Receivers that exist.
    pub receivers: u64,
    /// Senders that wait for room.
    pub blocked_senders: u32,
    /// Receivers that wait for a message.
    pub waiting_receivers: u32,
    /// The column of the place where it was made, which tells it from others that were made on that line.
    #[cfg_attr(feature = "serde", serde(default))]
    pub column: u32,
}

/// What a channel is made for, by the function that makes it.
///
/// # Examples
/// ```
/// use roundrock::observe::ChannelKind;
///
/// assert_eq!(ChannelKind::Latest.to_string(), "latest");
/// assert_eq!(ChannelKind::default(), ChannelKind::Queue);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum ChannelKind {
    /// A queue: a rendezvous, a bounded or an unbounded channel, or a mailbox.
    #[default]
    Queue,
    /// One value.
    Oneshot,
    /// The newest value.
    Latest,
    /// Every message for every receiver.
    Broadcast,
}

impl ChannelKind {
    /// As a word of the program, where it is not just any channel.
    pub(crate) fn in_words(self) -> String {
        match self {
            Self::Queue => self.to_string(),
            _ => format!("`{self}`"),
        }
    }

    /// Whether a sender never waits for room: it waits until nobody receives any more.
    pub(crate) fn has_room_always(self) -> bool {
        matches!(self, Self::Oneshot | Self::Latest)
    }
}

impl fmt::Display for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "channel",
            Self::Oneshot => "oneshot",
            Self::Latest => "latest",
            Self::Broadcast => "broadcast",
        })
    }
}

/// A `oneshot`, `latest` or `broadcast` that somebody waits for: what it is, for who can end such a wait is not followed.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let (answer, waits) = oneshot::<u32>();
/// scope.task("asker", async move { roundrock::Ok(waits.await) });
/// let mut snapshot = scope.system().snapshot();
/// while snapshot.others.is_empty() { sleep(millis(1)).await; snapshot = scope.system().snapshot(); }
/// use roundrock::observe::ChannelKind;
///
/// let asker = snapshot.processes.iter().find(|process| &*process.name == "asker").context("it lives")?;
/// let other = &snapshot.others[0];
/// assert_eq!((other.kind, Some(other.id)), (ChannelKind::Oneshot, asker.wait.as_ref().map(|wait| wait.object)));
/// # drop(answer);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OtherChannel {
    /// Its number; unique among living channels.
    pub id: u64,
    /// What it is.
    pub kind: ChannelKind,
    /// Where it was made.
    pub site: Site,
    /// The column of that place.
    pub column: u32,
}

impl Wait {
    /// Returns the process whose end it waits for, or which called it and may go, if it is that.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let sleeper = scope.task("sleeper", async { sleep(secs(3600)).await });
    /// let (id, end) = (sleeper.id(), sleeper.done());
    /// scope.task("waiter", async move { end.await; });
    /// let wait = loop {
    ///     let snapshot = scope.system().snapshot();
    ///     let waiter = snapshot.processes.iter().find(|process| &*process.name == "waiter");
    ///     if let Some(wait) = waiter.and_then(|process| process.wait.clone()) { break wait }
    ///     sleep(millis(1)).await;
    /// };
    /// assert_eq!(wait.process(), Some(id));
    /// sleeper.kill();
    /// # Ok(()) }) }
    /// ```
    pub fn process(&self) -> Option<ProcessId> {
        awaited_process(self.kind, self.object)
    }
}

/// The process in a wait, if it is for one.
pub(super) fn awaited_process(kind: WaitKind, object: u64) -> Option<ProcessId> {
    matches!(kind, WaitKind::Join | WaitKind::Caller).then_some(ProcessId::from_raw(object))?
}

impl AddAssign for Times {
    fn add_assign(&mut self, other: Self) {
        let Self {
            busy_ms,
            idle_ms,
            pushed_ms,
            extern_ms,
            calling_ms,
            ready_ms,
        } = other;
        self.busy_ms += busy_ms;
        self.idle_ms += idle_ms;
        self.pushed_ms += pushed_ms;
        self.extern_ms += extern_ms;
        self.calling_ms += calling_ms;
        self.ready_ms += ready_ms;
    }
}

impl OriginInfo {
    pub(super) fn new(origin: &'static Origin, age: Duration) -> Self {
        Self {
            id: origin.number,
            name: origin.name.into(),
            site: origin.site.map(Site::of),
            alive: 0,
            budget: origin.budget(),
            oldest: age,
            youngest: age,
        }
    }
}

impl Site {
    pub(crate) fn of(location: &'static Location<'static>) -> Self {
        Self {
            file: location.file().into(),
            line: location.line(),
        }
    }
}
