//! What a pass says, as plain data.

use std::time::Duration;

use crate::observe::{ChannelKind, Name, Site};
use crate::task::{ProcessId, WaitKind};

/// Processes that are listed one by one in a [`Leak`]; of more, only the number is known.
pub const LISTED: usize = 1000;

/// A finding: some processes, and what is wrong with them.
///
/// Its text (`Display`) says the same for people.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn echo(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
/// #     while let Some(number) = input.recv().await { output.send(number).await?; }
/// #     Ok(())
/// # }
/// # let scope = scope.child("ring");
/// # let (left, to_right) = rendezvous();
/// # let (right, to_left) = rendezvous();
/// # scope.spawn(echo(to_right, right));
/// # scope.spawn(echo(to_left, left));
/// # let leaks = loop {
/// #     let leaks = scope.system().leaks();
/// #     if !leaks.is_empty() { break leaks }
/// #     sleep(millis(1)).await;
/// # };
///
/// // Two processes that echo what the other one says, and nobody says anything:
/// let leak = &leaks[0];
/// assert!(leak.is_proven());
/// assert_eq!((leak.names(), leak.count, leak.behind), (vec!["echo", "echo"], 2, 0));
/// println!("{leak}");                         // with the source lines of everybody
/// # scope.stop(secs(0)).await;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Leak {
    /// What is wrong.
    pub verdict: Verdict,
    /// The processes. Of a cycle, each waits for the next, and the last for the first; those of a large one that are not needed to
    /// go round follow. Of a standstill, the body of `main` first. Otherwise processes of one kind. At most [`LISTED`].
    pub processes: Vec<Stuck>,
    /// How many processes it is about.
    pub count: usize,
    /// How many others wait for these, and for ever.
    pub behind: usize,
    /// It is about everybody who waits in a program in which nothing runs any more, and nothing is due. Only with
    /// [`Verdict::Suspected`].
    #[cfg_attr(feature = "serde", serde(default))]
    pub standstill: bool,
}

/// What is wrong with a process.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn echo(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
/// #     while let Some(number) = input.recv().await { output.send(number).await?; }
/// #     Ok(())
/// # }
/// # let scope = scope.child("ring");
/// # let (left, to_right) = rendezvous();
/// # let (right, to_left) = rendezvous();
/// # scope.spawn(echo(to_right, right));
/// # scope.spawn(echo(to_left, left));
/// # let leaks = loop {
/// #     let leaks = scope.system().leaks();
/// #     if !leaks.is_empty() { break leaks }
/// #     sleep(millis(1)).await;
/// # };
///
/// use roundrock::leaks::Verdict;
///
/// let what = match &leaks[0].verdict {
///     Verdict::Proven(proof) => format!("for ever: {proof:?}"),
///     Verdict::Stranded => "until its scope stops".to_owned(),
///     Verdict::DeadArm => "one arm of several".to_owned(),
///     Verdict::Suspected { why } => format!("perhaps: {why}"),
///     _ => "unknown".to_owned(),
/// };
/// assert_eq!(what, "for ever: Cycle");
/// # scope.stop(secs(0)).await;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Verdict {
    /// It can never run again, whatever happens: only a forced stop (a kill, a stop of its scope) ends it.
    Proven(Proof),
    /// It can run again when its scope stops, and not before.
    Stranded,
    /// It lives, but these arms of its `select!` can never win: whoever could bring that about is proven stuck.
    DeadArm,
    /// An error of Roundrock itself, and none of the program: it waits in a channel, for a lock or for the end of a process although what
    /// it waits for is there.
    LostWakeup {
        /// What is there.
        why: String,
    },
    /// It has waited for long (see [`Builder::suspect_after`](crate::system::Builder::suspect_after)) for a lock, a permit or a reply
    /// whose owner has ended: what that had was forgotten, or given to somebody else, who may still give it back.
    Orphaned {
        /// Whose it was.
        why: String,
    },
    /// It has waited for long (see [`Builder::suspect_after`](crate::system::Builder::suspect_after)), and could not be proven. After
    /// a second already, if nothing at all runs any more ([`Leak::standstill`]), or if processes wait for locks in a circle whose guards
    /// are not known to be where they were taken.
    Suspected {
        /// Why not: who may still end the wait.
        why: String,
    },
}

/// Why it can never run again.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn echo(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
/// #     while let Some(number) = input.recv().await { output.send(number).await?; }
/// #     Ok(())
/// # }
/// # let scope = scope.child("ring");
/// # let (left, to_right) = rendezvous();
/// # let (right, to_left) = rendezvous();
/// # scope.spawn(echo(to_right, right));
/// # scope.spawn(echo(to_left, left));
/// # let leaks = loop {
/// #     let leaks = scope.system().leaks();
/// #     if !leaks.is_empty() { break leaks }
/// #     sleep(millis(1)).await;
/// # };
///
/// use roundrock::leaks::{Proof, Verdict};
///
/// // Two that wait for each other:
/// assert_eq!(leaks[0].verdict, Verdict::Proven(Proof::Cycle));
/// # scope.stop(secs(0)).await;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Proof {
    /// These processes wait for each other, or one for itself.
    Cycle,
    /// It waits, and has left its waker with nobody.
    NoWaker,
    /// It waits for processes that can never run again.
    Behind {
        /// The id of one of those that are the cause.
        root: ProcessId,
        /// Its name.
        name: Name,
    },
}

/// A process that waits.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn echo(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
/// #     while let Some(number) = input.recv().await { output.send(number).await?; }
/// #     Ok(())
/// # }
/// # let scope = scope.child("ring");
/// # let (left, to_right) = rendezvous();
/// # let (right, to_left) = rendezvous();
/// # scope.spawn(echo(to_right, right));
/// # scope.spawn(echo(to_left, left));
/// # let leaks = loop {
/// #     let leaks = scope.system().leaks();
/// #     if !leaks.is_empty() { break leaks }
/// #     sleep(millis(1)).await;
/// # };
///
/// let stuck = &leaks[0].processes[0];
/// assert_eq!(&*stuck.name, "echo");
/// assert!(stuck.site.is_some(), "where it was spawned");
/// assert_eq!(stuck.waits.len(), 1);
/// # scope.stop(secs(0)).await;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Stuck {
    /// Its id, which is never used again in this system.
    pub id: ProcessId,
    /// Its name.
    pub name: Name,
    /// It stands for a pool of that name, and is none of its workers.
    #[cfg_attr(feature = "serde", serde(default))]
    pub pool: bool,
    /// Where it was spawned.
    pub site: Option<Site>,
    /// For how long it has waited, to a few milliseconds.
    pub since: Duration,
    /// What it waits for; empty if it waits for nothing.
    pub waits: Vec<Awaited>,
}

/// One thing that a process waits for.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn echo(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
/// #     while let Some(number) = input.recv().await { output.send(number).await?; }
/// #     Ok(())
/// # }
/// # let scope = scope.child("ring");
/// # let (left, to_right) = rendezvous();
/// # let (right, to_left) = rendezvous();
/// # scope.spawn(echo(to_right, right));
/// # scope.spawn(echo(to_left, left));
/// # let leaks = loop {
/// #     let leaks = scope.system().leaks();
/// #     if !leaks.is_empty() { break leaks }
/// #     sleep(millis(1)).await;
/// # };
///
/// use roundrock::WaitKind;
///
/// let awaited = &leaks[0].processes[0].waits[0];
/// assert_eq!((awaited.kind, awaited.ends, awaited.mailbox), (WaitKind::Recv, 1, false));
/// assert!(awaited.site.is_some(), "where the channel was made");
/// # scope.stop(secs(0)).await;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Awaited {
    /// The kind of wait.
    pub kind: WaitKind,
    /// The name of the channel, of the process whose mailbox, reply or end it is, or of the scope whose end it is.
    pub name: Option<Name>,
    /// Where the channel was made, the process spawned, or the lock taken by who holds it.
    pub site: Option<Site>,
    /// The channel, if it is one, or the lock: as the `id` of its [entry](crate::observe::ChannelInfo::id) in a snapshot that is taken
    /// while it lives; 0 otherwise.
    #[cfg_attr(feature = "serde", serde(default))]
    pub channel: u64,
    /// The column of the place where the channel or the lock was made, which tells it from others that were made on that line; 0 if it
    /// is none.
    #[cfg_attr(feature = "serde", serde(default))]
    pub column: u32,
    /// What kind of channel it is, if it is one.
    #[cfg_attr(feature = "serde", serde(default))]
    pub channel_kind: ChannelKind,
    /// It is the mailbox of a struct process.
    pub mailbox: bool,
    /// How many endpoints of the other side there are, if it is a channel.
    pub ends: usize,
    /// Who could end the wait.
    pub holders: Vec<Holding>,
    /// Where it was made, if it is a lock, or the semaphore of a permit; `None` if the standard library made it for somebody, as in
    /// `Arc::default()`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub made: Option<Site>,
    /// Where it asked, if it is a lock or a permit; where it called, if it is a reply or room for a call; where it awaits the end of a
    /// process or a scope, if that is what it waits for alone.
    pub asked: Option<Site>,
    /// Where it awaits a message or room, or has the `select!` in which it does, if it waits there alone.
    #[cfg_attr(feature = "serde", serde(default))]
    pub at: Option<Site>,
    /// The handler that it called, if it is a reply or room for a call.
    #[cfg_attr(feature = "serde", serde(default))]
    pub handler: Option<Name>,
    /// Who is before it in the queue of a lock or of permits, and has to have its turn first.
    pub ahead: Vec<Holding>,
    /// It is a permit of a semaphore, and no lock.
    pub permit: bool,
}

impl Awaited {
    /// A wait of which no more is known than its kind.
    pub(super) fn of(kind: WaitKind) -> Self {
        Self {
            kind,
            name: None,
            site: None,
            channel: 0,
            column: 0,
            channel_kind: ChannelKind::default(),
            mailbox: false,
            ends: 0,
            holders: Vec::new(),
            made: None,
            asked: None,
            at: None,
            handler: None,
            ahead: Vec::new(),
            permit: false,
        }
    }
}

/// Who could end somebody's wait.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] async fn echo(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
/// #     while let Some(number) = input.recv().await { output.send(number).await?; }
/// #     Ok(())
/// # }
/// # let scope = scope.child("ring");
/// # let (left, to_right) = rendezvous();
/// # let (right, to_left) = rendezvous();
/// # scope.spawn(echo(to_right, right));
/// # scope.spawn(echo(to_left, left));
/// # let leaks = loop {
/// #     let leaks = scope.system().leaks();
/// #     if !leaks.is_empty() { break leaks }
/// #     sleep(millis(1)).await;
/// # };
///
/// let [one, other] = &leaks[0].processes[..] else { panic!("a cycle of two") };
/// let holder = &one.waits[0].holders[0];
/// assert_eq!(holder.process, Some(other.id));             // the other one has the only sender
/// # scope.stop(secs(0)).await;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Holding {
    /// The id of the process; `None` if it is not known: the endpoint lies in a local variable (of the waiting process, too), in an
    /// `Arc`, in a message or on a plain thread.
    pub process: Option<ProcessId>,
    /// Its name; `outside`.
    pub name: Name,
    /// It stands for a pool of that name, and is none of its workers.
    #[cfg_attr(feature = "serde", serde(default))]
    pub pool: bool,
}

impl Holding {
    /// Somebody who is not known.
    pub(super) fn outside() -> Self {
        Self {
            process: None,
            name: "outside".into(),
            pool: false,
        }
    }
}

impl Leak {
    /// Returns whether it is proven: whether the processes can never run again.
    pub fn is_proven(&self) -> bool {
        matches!(self.verdict, Verdict::Proven(_))
    }

    pub(super) fn is_suspected(&self) -> bool {
        matches!(self.verdict, Verdict::Suspected { .. })
    }

    pub(super) fn is_orphaned(&self) -> bool {
        matches!(self.verdict, Verdict::Orphaned { .. })
    }

    /// Returns the names of the processes.
    pub fn names(&self) -> Vec<&str> {
        let names = self.processes.iter().map(|process| &*process.name);
        names.collect()
    }
}
