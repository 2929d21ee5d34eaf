//! The part of the [model](super::model) that shows many processes in a few lines: groups, scopes, edges, supervised children, threads.

use std::time::Duration;

use super::model::{Direction, Name, Site, Times, awaited_process};
use crate::process::exit::Reason;
use crate::task::ProcessId;
use crate::task::registry::WaitKind;

/// Processes that were spawned under one name at one place, in one scope, counted together.
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
/// let group = snapshot.groups.iter().find(|group| &*group.name == "copy").context("one lives")?;
/// assert_eq!((group.alive, group.runnable), (1, 0));
/// assert_eq!(group.waits.len(), 1);
/// # drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GroupInfo {
    /// Where they come from: the `id` of an entry of this snapshot.
    pub origin: u32,
    /// Their name.
    pub name: Name,
    /// Where they were spawned.
    pub site: Option<Site>,
    /// The number of their scope; 0 for the runtime's own processes and the body of `main`.
    pub scope: u64,
    /// How many live.
    pub alive: u64,
    /// How many of them run, or wait for a worker.
    pub runnable: u64,
    /// How many of them are supervised children whose turn has not come.
    #[cfg_attr(feature = "serde", serde(default))]
    pub unstarted: u64,
    /// How long the first of them has lived.
    pub oldest: Duration,
    /// How long the last of them has lived.
    pub youngest: Duration,
    /// Where their time went, in all.
    pub times: Times,
    /// How often they were polled, in all.
    pub polls: u64,
    /// What the others wait for, most of them first.
    pub waits: Vec<GroupWait>,
}

/// Processes of a group that wait for the same.
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
///
/// let group = snapshot.groups.iter().find(|group| &*group.name == "copy").context("one lives")?;
/// let wait = &group.waits[0];
/// assert_eq!((wait.kind, wait.count), (WaitKind::Recv, 1));
/// assert!(snapshot.processes.iter().any(|process| process.id == wait.example));
/// # drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GroupWait {
    /// The kind of wait.
    pub kind: WaitKind,
    /// The kinds of all that the first of them waits for, if that is more than one.
    pub kinds: Vec<WaitKind>,
    /// The handler that they are in.
    pub handler: Option<Name>,
    /// The channel or scope, or the number of a process, as in [`Wait::object`](super::Wait::object); `None` if it is none of them, or not the same for all.
    pub object: Option<u64>,
    /// The name that they wait for, if it is the same for all.
    #[cfg_attr(feature = "serde", serde(default))]
    pub name: Option<Name>,
    /// How many wait for it.
    pub count: u64,
    /// How long the last of them has waited.
    pub shortest: Duration,
    /// How long the first of them has waited.
    pub longest: Duration,
    /// The one that has waited longest.
    pub example: ProcessId,
}

impl GroupWait {
    /// Returns the process whose end they wait for, or which called them, if it is that; see [`Wait::process`](super::Wait::process).
    pub fn process(&self) -> Option<ProcessId> {
        awaited_process(self.kind, self.object.unwrap_or(0))
    }
}

/// A scope.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let parts = scope.child("parts");
/// parts.task("sleeper", async { sleep(secs(3600)).await });
/// let snapshot = scope.system().snapshot();
/// let info = snapshot.scopes.iter().find(|info| info.name == "parts").context("it exists")?;
/// assert_eq!((info.alive, info.stopping.is_none()), (1, true));
/// assert!(info.parent.is_some());
/// parts.stop(millis(0)).await;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ScopeInfo {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The scope around it.
    pub parent: Option<u64>,
    /// Processes and scopes in it that have not ended.
    pub alive: u64,
    /// How long it has been stopping, if it does.
    pub stopping: Option<Duration>,
    /// How long the stop may take before it drops what is left.
    pub grace: Option<Duration>,
    /// How much is left of the time that calls in it inherit.
    pub deadline: Option<Duration>,
    /// What failed in it first, and is not yet known to who waits for the scope.
    pub failure: Option<String>,
}

/// A way of messages between processes and a channel. Whose mailbox a channel is, and who sent there last, is said by
/// [`ChannelInfo::owner`](super::ChannelInfo::owner) and [`ChannelInfo::last_sender`](super::ChannelInfo::last_sender).
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
/// use roundrock::observe::{Direction, Evidence};
///
/// let numbers_info = snapshot.channels.iter().find(|channel| channel.name.as_deref() == Some("numbers")).context("it exists")?;
/// let edge = snapshot.edges.iter().find(|edge| edge.channel == numbers_info.id).context("somebody reads it")?;
/// assert_eq!((edge.direction, edge.evidence, edge.count), (Direction::In, Evidence::Lent, 1));
/// assert_eq!(edge.port.as_deref(), Some("from"));
/// # drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct EdgeInfo {
    /// Where the processes come from.
    pub origin: u32,
    /// Their scope.
    pub scope: u64,
    /// The process, if it is one.
    pub process: Option<ProcessId>,
    /// The name of the port, if it is known.
    pub port: Option<Name>,
    /// The channel.
    pub channel: u64,
    /// Which way messages go.
    pub direction: Direction,
    /// How this is known.
    pub evidence: Evidence,
    /// How many processes of this origin and scope have it.
    pub count: u64,
}

/// How an edge is known.
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
/// use roundrock::observe::Evidence;
///
/// // What a function was lent is certain for all its life:
/// assert!(snapshot.edges.iter().all(|edge| edge.evidence == Evidence::Lent));
/// # drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Evidence {
    /// The process was lent the endpoint: it has it for all its life.
    Lent,
    /// The process keeps the endpoint in its state, or did so when it was spawned.
    State,
}

/// A supervised child.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn dial() -> Result<()> { bail!("no answer") }
/// # let hosts = scope.child("hosts").intensity(1000, secs(60));
/// # hosts.supervise(dial()).backoff(millis(1)..millis(2)).spawn();
/// # let snapshot = loop {
/// #     let snapshot = scope.system().snapshot();
/// #     if snapshot.children.iter().any(|child| child.restarts > 0) { break snapshot }
/// #     sleep(millis(1)).await;
/// # };
/// let child = &snapshot.children[0];
/// assert_eq!(&*child.name, "dial");
/// assert!(child.restarts > 0 && !child.exits.is_empty());
/// # hosts.stop(millis(0)).await;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChildInfo {
    /// Its scope.
    pub scope: u64,
    /// Its name.
    pub name: Name,
    /// Its present incarnation, which may not have started yet; `None` between two of them.
    pub process: Option<ProcessId>,
    /// Whether it runs, and if not, why.
    #[cfg_attr(feature = "serde", serde(default))]
    pub stage: ChildStage,
    /// How often it was started again.
    pub restarts: u32,
    /// How its last incarnations ended, the last one first: four at most.
    pub exits: Vec<ExitInfo>,
}

/// Whether a supervised child runs, and if not, what it waits for.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// use roundrock::observe::ChildStage;
///
/// # #[process] struct Slow;
/// # #[handlers] impl Slow { #[on_start] async fn dials(&mut self) -> Result<()> { std::future::pending().await } }
/// # #[process] struct Quick;
/// # #[handlers] impl Quick {}
/// # let parts = scope.child("parts");
/// let slow = parts.supervise(|| Slow).spawn();          // its start takes long
/// let quick = parts.supervise(|| Quick).spawn();        // and this one comes after it
/// let first = loop {
///     let children = scope.system().snapshot().children;
///     match children.into_iter().find(|child| &*child.name == "Quick").map(|child| child.stage) {
///         Some(ChildStage::Queued { behind: Some(first) }) => break first,
///         _ => sleep(millis(1)).await,
///     }
/// };
/// assert_eq!(&*first, "Slow");
/// # parts.stop(millis(0)).await; drop((slow, quick));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum ChildStage {
    /// An incarnation runs.
    #[default]
    Runs,
    /// An incarnation was started, and is not ready: those whose turn has not come wait for it.
    Starting,
    /// It waits for its turn.
    Queued {
        /// The child that comes before it, and has to be ready, or to have ended, first.
        behind: Option<Name>,
    },
    /// It will be started when its pause is over, as its [`backoff`](crate::supervise::Supervised::backoff) says.
    Paused {
        /// How long that takes.
        left: Duration,
    },
}

/// How an incarnation ended.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn dial() -> Result<()> { bail!("no answer") }
/// # let hosts = scope.child("hosts").intensity(1000, secs(60));
/// # hosts.supervise(dial()).backoff(millis(1)..millis(2)).spawn();
/// # let snapshot = loop {
/// #     let snapshot = scope.system().snapshot();
/// #     if snapshot.children.iter().any(|child| child.restarts > 0) { break snapshot }
/// #     sleep(millis(1)).await;
/// # };
/// let child = &snapshot.children[0];
/// let last = &child.exits[0];
/// assert_eq!((&*last.reason.kind, &last.reason.chain[..]), ("failed", &["no answer".to_owned()][..]));
/// # hosts.stop(millis(0)).await;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ExitInfo {
    /// How many incarnations there were before it.
    pub incarnation: u32,
    /// How it ended.
    pub reason: Reason,
    /// How long ago, to a few milliseconds.
    pub ago: Duration,
}

/// Threads for blocking code.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let (release, wait) = std::sync::mpsc::channel::<()>();
/// let task = scope.task("reader", async move { let _ = blocking(move || wait.recv()).await; });
/// let lane = loop {
///     let lane = scope.system().snapshot().blocking;
///     if !lane.running.is_empty() { break lane }
///     sleep(millis(1)).await;
/// };
/// assert_eq!((lane.threads, lane.queued, lane.running.len()), (1, 0, 1));
/// drop(release);
/// task.await?;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LaneInfo {
    /// Threads that exist.
    pub threads: usize,
    /// Jobs that wait for a thread.
    pub queued: usize,
    /// Jobs that run.
    pub running: Vec<JobInfo>,
}

/// A job on a thread of its own.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let (release, wait) = std::sync::mpsc::channel::<()>();
/// let task = scope.task("reader", async move { let _ = blocking(move || wait.recv()).await; });
/// let id = task.id();
/// let lane = loop {
///     let lane = scope.system().snapshot().blocking;
///     if !lane.running.is_empty() { break lane }
///     sleep(millis(1)).await;
/// };
/// assert_eq!(&*lane.running[0].name, "reader");
/// assert_eq!(lane.running[0].process, id);
/// drop(release);
/// task.await?;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct JobInfo {
    /// The process that wants its result, which may be gone.
    pub process: ProcessId,
    /// The name of that process.
    pub name: Name,
    /// How long it has run.
    pub running_for: Duration,
}

/// How much was left out of a snapshot that was limited.
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
/// use roundrock::observe::Truncated;
///
/// assert_eq!(snapshot.truncated, Truncated::default());      // a whole snapshot leaves nothing out
/// # drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Truncated {
    /// Processes that are counted in their groups only.
    pub processes: u64,
    /// Channels that nothing is known to wait for.
    pub channels: u64,
    /// Edges.
    pub edges: u64,
}
