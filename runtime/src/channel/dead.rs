//! Dead letters: being told of messages that nobody will see.
//!
//! The ledger counts them in any case (see [`observe::ledger`](crate::observe::ledger), which also says which messages die of
//! what). Who wants to know of each one subscribes ([`System::dead_letters`](crate::System::dead_letters)). And each reason for
//! which a channel loses messages is told by a `tracing` event, once a second at most.
//!
//! A letter says what a message was and where it was lost, and does not contain it: messages leave the hands of their processes
//! only for other processes. Who must not lose messages keeps them until they are answered, or takes them out of the receiver
//! before dropping it. There is no hook that gets the undelivered messages themselves, as some actor frameworks have one: its
//! closure would run in the middle of somebody's destructor, on whichever thread that is.
//!
//! **Invariants**
//! - Without a subscriber a lost message costs its count under the lock of its channel, and at most an event a second.
//! - Nobody waits for a subscriber: a letter that finds no room is counted as missed.
//! - Letters are made, and subscribers woken, while no lock of a channel is held.

use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use crate::channel::{Receiver, Sender, TryRecvError};
use crate::observe::Site;
use crate::scheduler::Scheduler;
use crate::sync::{AtomicU32, AtomicU64, Lock, Ordering, now};
use crate::task::{ProcessId, current};

/// How many letters wait for a subscriber before the next one is only counted.
pub(crate) const ROOM: u32 = 1024;
/// How many processes that have ended are known by their names.
const REMEMBERED: usize = 4096;
/// How long no second event is written for the same channel and reason.
const PAUSE_MS: u32 = 1000;

/// Why nobody will see a message. [`observe::ledger`](crate::observe::ledger) says which messages die of what.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// use roundrock::channel::Dead;
///
/// let (jobs, inbox) = bounded(4);
/// jobs.send(1).await?;
/// drop(inbox);                                // with a message in it
/// let dead = scope.system().ledger().dead;
/// assert_eq!((dead.of(Dead::Closed), dead.total()), (1, 1));
/// assert_eq!(Dead::Closed.to_string(), "closed");
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Dead {
    /// Nobody was left to receive it.
    Closed,
    /// Its handler did not get to its end.
    Crashed,
    /// It was thrown away on purpose: by the policy of a full channel, or by `send_and_forget`.
    Discarded,
    /// Its time was over before its handler started.
    Expired,
    /// Who asked for it has gone.
    Withdrawn,
}

impl Dead {
    /// All reasons.
    pub const ALL: [Self; 5] = [
        Self::Closed,
        Self::Crashed,
        Self::Discarded,
        Self::Expired,
        Self::Withdrawn,
    ];
}

impl fmt::Display for Dead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Crashed => "crashed",
            Self::Discarded => "discarded",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        })
    }
}

/// A process, as far as it is known.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let letters = scope.system().dead_letters();
/// let (jobs, _inbox) = bounded(1).overflow(Overflow::DropNewest);
/// jobs.send(1).await?;
/// jobs.send(2).await?;                        // is thrown away
/// let letter = letters.recv().await.context("the subscription ended")?;
/// let party = letter.source.context("somebody sent it")?;
/// assert_eq!(party.name, Some("main"));
/// assert!(party.to_string().starts_with("main#"));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Party {
    /// Its id.
    pub id: ProcessId,
    /// Its name; `None` if it has ended, and its name is not known any more: before somebody subscribed, or 4,096 others have ended since.
    pub name: Option<&'static str>,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name.unwrap_or("process"), self.id)
    }
}

/// What is known of a message that nobody will see.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let letters = scope.system().dead_letters();
/// let (jobs, _inbox) = bounded(1).overflow(Overflow::DropNewest);
/// scope.task("writer", async move {
///     jobs.send("a job").await?;
///     jobs.send("one too many").await
/// }).await?;
/// let letter = letters.recv().await.context("the subscription ended")?;
/// assert!(letter.to_string().contains("&str discarded"), "{letter}");
/// assert!(letter.source.is_some());
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// What the message was: its type, or the handler that it was for, as `Counter::add`.
    pub message: String,
    /// Why it is dead.
    pub reason: Dead,
    /// The channel that it was sent to, as the `id` in a [snapshot](crate::observe::ChannelInfo); 0 for the reply to a call. For a
    /// message that a `#[recv]` handler was at, the mailbox of its process.
    pub channel: u64,
    /// The name of the channel, if it has one.
    pub channel_name: Option<&'static str>,
    /// Where the channel was made; for a mailbox, where its process was spawned; for a reply, where its sender was spawned.
    pub site: Site,
    /// The process whose mailbox that is. For another channel, which belongs to nobody, the one that let go its last receiver, with
    /// this message before it.
    pub receiver: Option<Party>,
    /// The process that sent it. `None` if it was sent from outside of the system, or that is not known: of a message that lay in the
    /// buffer of a channel before somebody subscribed, of one that came back from a receiver which never saw it, or whose sender waited
    /// for room inside a combinator that wraps its waker, and of what a `#[recv]` handler was at.
    pub source: Option<Party>,
}

impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.message, self.reason)?;
        match (self.receiver.as_ref(), self.channel_name) {
            (Some(receiver), _) => write!(f, ", for {receiver}")?,
            (None, Some(name)) => write!(f, ", in \"{name}\"")?,
            (None, None) => {}
        }
        if let Some(source) = &self.source {
            write!(f, ", from {source}")?;
        }
        write!(f, " ({}:{})", self.site.file, self.site.line)
    }
}

/// A subscription to the dead letters of a system; see [`System::dead_letters`](crate::System::dead_letters).
///
/// Ends when the system has shut down, or when it is dropped.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// use roundrock::channel::{Dead, TryRecvError};
///
/// let letters = scope.system().dead_letters();
/// let (jobs, inbox) = bounded(4).named("jobs");
/// jobs.send(7_u32).await?;
/// drop(inbox);
/// let letter = letters.recv().await.context("the subscription ended")?;
/// assert_eq!((letter.reason, letter.message.as_str()), (Dead::Closed, "u32"));
/// assert_eq!(letter.channel_name, Some("jobs"));
/// assert_eq!(letters.try_recv().err(), Some(TryRecvError::Empty));
/// assert_eq!(letters.missed(), 0);
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
pub struct DeadLetters {
    letters: Receiver<DeadLetter>,
    missed: Arc<AtomicU64>,
    desk: Arc<Desk>,
    number: u64,
}

impl DeadLetters {
    /// Receives the next letter: waits for one. `None`: the system has shut down. May be a branch of `select!`.
    ///
    /// A process that does nothing else is an input that nobody feeds, as far as its scope can see: it gets `None` when its
    /// scope stops. Cancellation: dropping the future loses nothing.
    pub fn recv(
        &self,
    ) -> impl Future<Output = Option<DeadLetter>>
    + crate::channel::Event<Output = DeadLetter>
    + Send
    + fmt::Debug {
        self.letters.recv()
    }

    /// Receives a letter if one is there.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] when there is none now, [`TryRecvError::Closed`] when the system has shut down.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let letters = scope.system().dead_letters();
    /// assert!(letters.try_recv().is_err(), "nothing was lost");
    /// let (jobs, inbox) = bounded(8);
    /// jobs.send(7).await?;
    /// drop(inbox);
    /// assert_eq!(letters.try_recv()?.message, "i32");
    /// # Ok(()) }) }
    /// ```
    pub fn try_recv(&self) -> Result<DeadLetter, TryRecvError> {
        self.letters.try_recv()
    }

    /// Receives the next letter on a plain thread, which sleeps meanwhile. `None`: the system has shut down.
    ///
    /// # Panics
    /// In a process: it would block its worker. Use `recv().await`.
    #[track_caller]
    pub fn blocking_recv(&self) -> Option<DeadLetter> {
        self.letters.blocking_recv()
    }

    /// Returns how many letters found no room, because 1024 others were not received yet.
    pub fn missed(&self) -> u64 {
        // ORDERING: Relaxed: a count.
        self.missed.load(Ordering::Relaxed)
    }
}

impl Drop for DeadLetters {
    fn drop(&mut self) {
        self.desk.unsubscribe(self.number);
    }
}

/// Where the dead letters of a system go.
pub(crate) struct Desk {
    started: Instant,
    /// How many subscribe.
    open: AtomicU32,
    list: Lock<List>,
    /// The processes that ended last while somebody subscribed: their letters may still come.
    ended: Lock<VecDeque<(ProcessId, &'static str)>>,
    /// Who tells the channels whether letters are read takes turns.
    turn: Lock<()>,
    scheduler: OnceLock<Weak<Scheduler>>,
}

#[derive(Default)]
struct List {
    subscribers: Vec<Subscriber>,
    next: u64,
    closed: bool,
}

#[derive(Clone)]
struct Subscriber {
    number: u64,
    letters: Sender<DeadLetter>,
    missed: Arc<AtomicU64>,
}

/// What is to be told of messages that died, after the lock of their channel was released.
#[derive(Debug)]
#[must_use = "told after unlocking"]
pub(crate) struct Notice {
    pub(crate) reason: Dead,
    pub(crate) count: u64,
    /// An event is due, and this is how many messages were not told of since the last one.
    pub(crate) suppressed: Option<u64>,
    /// The process that runs was their last receiver.
    pub(crate) left: bool,
}

impl Notice {
    /// The process that runs has let go the last receiver.
    pub(crate) fn left_behind(self) -> Self {
        Self { left: true, ..self }
    }
}

/// Writes the letter of a message: its name, and the number of the process that sent it, or zero.
pub(crate) type Write<'a> = dyn FnMut(String, u64) + 'a;

/// Where messages died.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) channel: u64,
    pub(crate) name: Option<&'static str>,
    pub(crate) site: &'static Location<'static>,
    pub(crate) owner: Option<(ProcessId, &'static str)>,
}

/// When a channel last told of a reason.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LastTold {
    /// Zero if it never did.
    at_ms: u32,
    suppressed: u32,
}

impl LastTold {
    /// Notes that `count` messages died. `Some`: an event is due.
    pub(crate) fn note(&mut self, count: u64, now_ms: u32) -> Option<u64> {
        // The coarse clocks of two threads may differ a little: signed.
        let passed = now_ms.wrapping_sub(self.at_ms).cast_signed();
        if self.at_ms != 0 && passed < PAUSE_MS.cast_signed() {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            self.suppressed = self.suppressed.saturating_add(count);
            return None;
        }
        self.at_ms = now_ms.max(1);
        Some(std::mem::take(&mut self.suppressed).into())
    }
}

impl Desk {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            started: now(),
            open: AtomicU32::new(0),
            list: Lock::new(List::default()),
            ended: Lock::new(VecDeque::new()),
            turn: Lock::new(()),
            scheduler: OnceLock::new(),
        })
    }

    /// Says where the names of processes are found.
    pub(crate) fn belongs_to(&self, scheduler: &Arc<Scheduler>) {
        let _ = self.scheduler.set(Arc::downgrade(scheduler));
    }

    pub(crate) fn subscribe(self: &Arc<Self>) -> DeadLetters {
        let (sender, letters) = super::unlisted(ROOM);
        let missed = Arc::new(AtomicU64::new(0));
        let mut list = self.list.lock();
        list.next += 1;
        let number = list.next;
        if !list.closed {
            list.subscribers.push(Subscriber {
                number,
                letters: sender,
                missed: Arc::clone(&missed),
            });
        }
        self.note_open(&list);
        drop(list);
        self.tell_channels();
        DeadLetters {
            letters,
            missed,
            desk: Arc::clone(self),
            number,
        }
    }

    fn unsubscribe(&self, number: u64) {
        let mut list = self.list.lock();
        let at = list.subscribers.iter().position(|one| one.number == number);
        let gone = at.map(|at| list.subscribers.swap_remove(at));
        self.note_open(&list);
        drop(list);
        drop(gone);
        if !self.is_read() {
            self.tell_channels();
        }
    }

    /// Tells all channels whether letters are read, so that they write down who sent what. One that is made meanwhile looks itself.
    fn tell_channels(&self) {
        let Some(scheduler) = self.scheduler.get().and_then(Weak::upgrade) else {
            return;
        };
        let _turn = self.turn.lock();
        let is_read = self.is_read();
        for remote in scheduler.active_remotes() {
            remote.channels.write_sources(is_read);
        }
    }

    /// No more letters will come.
    pub(crate) fn close(&self) {
        let mut list = self.list.lock();
        list.closed = true;
        let gone = std::mem::take(&mut list.subscribers);
        self.note_open(&list);
        drop(list);
        drop(gone);
    }

    fn note_open(&self, list: &List) {
        // ORDERING: Relaxed: who reads it goes on to the lock; a letter that races with a subscription may miss it. A channel that is
        // made reads it under the lock of its list, which who writes it takes afterwards.
        self.open
            .store(list.subscribers.len() as u32, Ordering::Relaxed);
    }

    pub(crate) fn is_read(&self) -> bool {
        // ORDERING: Relaxed: see `note_open`.
        self.open.load(Ordering::Relaxed) != 0
    }

    /// The time for [`LastTold::note`]. On a worker it is the coarse one, which costs nothing.
    pub(crate) fn now_ms(&self) -> u32 {
        match current::coarse_ms() {
            0 => (now() - self.started).as_millis() as u32 + 1,
            coarse => coarse,
        }
    }

    /// Tells of messages that died. `letters`, which writes one for each of them, is called only if somebody reads them.
    #[cold]
    pub(crate) fn tell(
        &self,
        notice: &Notice,
        address: &dyn Fn() -> Address,
        letters: &dyn Fn(&mut Write<'_>),
    ) {
        if let Some(suppressed) = notice.suppressed {
            let address = address();
            let (file, line) = (address.site.file(), address.site.line());
            let channel = match address.name.or(address.owner.map(|(_, name)| name)) {
                Some(name) => format!("{name} ({file}:{line})"),
                None => format!("{file}:{line}"),
            };
            tracing::warn!(
                target: "roundrock::channel",
                %channel,
                reason = %notice.reason,
                count = notice.count,
                suppressed,
                "dead_letter"
            );
        }
        if self.is_read() {
            let mut address = address();
            if address.owner.is_none() && notice.left {
                address.owner = current::with_task(|task| {
                    task.map(|task| (task.slot().id(), task.slot().origin().name))
                });
            }
            // Those of one sender come one after another.
            let mut last = (0, None);
            letters(&mut |message, source| {
                if source != last.0 {
                    last = (source, self.party(source));
                }
                self.post(address.letter(message, notice.reason, last.1.clone()));
            });
        }
    }

    /// Tells of a reply that nobody takes.
    pub(crate) fn tell_of_reply(&self, message: &str, reason: Dead) {
        if self.is_read() {
            // A reply lies in no channel: where its sender was spawned says most.
            let spawned =
                current::with_task(|task| task.and_then(|task| task.slot().origin().site));
            let site = spawned.unwrap_or(Location::caller());
            let address = Address {
                channel: 0,
                name: None,
                site,
                owner: None,
            };
            let source = self.party(current::process_id());
            self.post(address.letter(message.to_owned(), reason, source));
        }
    }

    fn post(&self, letter: DeadLetter) {
        let subscribers = self.list.lock().subscribers.clone();
        for one in subscribers {
            if one.letters.try_send(letter.clone()).is_err() {
                // ORDERING: Relaxed: a count.
                one.missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn party(&self, raw: u64) -> Option<Party> {
        let id = ProcessId::from_raw(raw)?;
        let scheduler = self.scheduler.get().and_then(Weak::upgrade);
        let name = scheduler.and_then(|scheduler| scheduler.registry.name_of(id));
        let remembered = || {
            let ended = self.ended.lock();
            let found = ended.iter().find(|(other, _)| *other == id);
            found.map(|&(_, name)| name)
        };
        let name = name.or_else(remembered);
        Some(Party { id, name })
    }

    /// Keeps the name of a process that has ended.
    #[cold]
    pub(crate) fn remember(&self, id: ProcessId, name: &'static str) {
        let mut ended = self.ended.lock();
        ended.truncate(REMEMBERED - 1);
        ended.push_front((id, name));
    }
}

impl Address {
    fn letter(&self, message: String, reason: Dead, source: Option<Party>) -> DeadLetter {
        DeadLetter {
            message,
            reason,
            channel: self.channel,
            channel_name: self.name,
            site: Site::of(self.site),
            receiver: self.owner.map(|(id, name)| Party {
                id,
                name: Some(name),
            }),
            source,
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("is_read", &self.is_read())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::LastTold;

    #[test]
    fn an_event_a_second_says_how_many_were_passed_over() {
        let mut told = LastTold::default();
        assert_eq!(told.note(3, 50), Some(0));
        assert_eq!(told.note(1, 51), None);
        // The clock of another thread may be a little behind.
        assert_eq!(told.note(5, 49), None);
        assert_eq!(told.note(1, 1049), None);
        assert_eq!(told.note(1, 1050), Some(7));
        assert_eq!(told.note(1, 2049), None);
        assert_eq!(told.note(1, 2050), Some(1));
        // The clock goes round after 49 days.
        let mut told = LastTold::default();
        assert_eq!(told.note(1, u32::MAX - 10), Some(0));
        assert_eq!(told.note(1, 100), None);
        assert_eq!(told.note(1, 1000), Some(1));
    }
}
