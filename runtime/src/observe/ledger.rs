//! The ledger: what became of every message.
//!
//! For each channel and each mailbox, at every moment,
//!
//! ```text
//! sent = handled + handed back + dead + queued
//! ```
//!
//! | term | meaning |
//! |---|---|
//! | *sent* | a send of it was carried to its end: the channel accepted it, or refused it |
//! | *handed back* | refused, and now with who sent it, in a [`SendError`], [`TrySendError`] or [`SendTimeoutError`] |
//! | *queued* | accepted, and nobody has received it yet |
//! | *handled* | received, and not dead |
//! | *dead* | nobody will ever see it; each has one reason, a [`Dead`] |
//!
//! | reason | which messages |
//! |---|---|
//! | [`Closed`](Dead::Closed) | were in a channel when its last receiver went; or lay in a [`SendError`] that was dropped unopened, as `?` does, or in a call that ended as `Gone` before its message was accepted |
//! | [`Crashed`](Dead::Crashed) | were being handled when their handler panicked, or was dropped because its process was killed |
//! | [`Discarded`](Dead::Discarded) | had to give way in a full channel, as its [`Overflow`] says; or are replies that were thrown away by `send_and_forget` |
//! | [`Expired`](Dead::Expired) | waited in a mailbox until their deadline was over: their handler does not run |
//! | [`Withdrawn`](Dead::Withdrawn) | are calls whose caller went before their handler started, which then does not run; replies whose caller went later; and messages that were handed over to a `recv` that was dropped at that moment, when no other receiver came |
//!
//! **What counts as a message.**
//! - A send that was dropped before it completed sent nothing, and counts nowhere: its message never left its sender.
//! - A message counts as *handled* when it is received. Only the mailbox of a struct process knows more: what its handler did
//!   not finish, or was not run for, is dead. That holds for ports too, which lead into the same mailbox; and not for the
//!   fields that a `#[recv]` handler receives from, which are channels like any other. What such a handler was at when it panicked
//!   stays handled there; [`System::dead_letters`](crate::System::dead_letters) has a letter of it.
//! - A message that was handed over to a `recv` which was dropped before it saw it is queued again, at the head.
//! - A permit is room, and no message. What is sent with it counts like any other message.
//! - A [broadcast](crate::channel::broadcast) sends one copy for each receiver that there is at that moment. A copy is handled
//!   when its receiver takes it, discarded when it has to give way, of which its receiver is told by [`Lagged`] when it asks for the next
//!   one, and dead as closed when the receiver goes before. A new message that finds no place, as [`Overflow`] says, is discarded for
//!   all. Without any receiver the message is handed back.
//! - A [oneshot](fn@crate::channel::oneshot) sends one message.
//! - A [latest](fn@crate::channel::latest) sends none: it is a state that is replaced, and nobody is owed a value that was
//!   replaced before he looked.
//! - The reply to a call is a message only if nobody takes it: then it is sent and dead at once, in the sums of the system.
//!   Which channel it belongs to is not kept. The same holds for an error made by [`Closed::with`](crate::channel::Closed::with)
//!   that was dropped unopened.
//! - A message that passes a router, as in a pool that goes round robin, passes two mailboxes, and counts in both.
//!
//! **Which system.** A channel belongs to the system in which it was made: by a process, on a worker or on a thread of its own.
//! One that a plain thread made, before a system or beside it, belongs to the first system in which a process is lent an endpoint of it,
//! with all that was sent before; until then it is in no ledger. A `broadcast` or a `oneshot` is adopted so with its first sender that is
//! lent. A subscription to dead letters stays in none. The numbers of a channel that is freed are added to the sums of its system.
//!
//! **Who reads it.** [`System::ledger`](crate::System::ledger) and snapshots, at any time. A system that ends tells its sums in an event of
//! [`tracing`] (`ended`, target `roundrock::system`, level info), and at level error if they do not balance. A program with
//! `#[roundrock::main]` writes them to standard error too if a message died that was not `Discarded`, if the stop was not clean, or if
//! they do not balance; otherwise it says nothing there.
//!
//! Nothing is counted twice for this: what is sent and received is counted anyway, under the lock of the channel, and the rest
//! is counted only where something was lost. So a channel where nothing goes wrong pays nothing.
//!
//! **Invariant**: the ledger of a channel balances whenever its lock is free, and so does any sum of ledgers.
//!
//! [`SendError`]: crate::channel::SendError
//! [`TrySendError`]: crate::channel::TrySendError
//! [`SendTimeoutError`]: crate::channel::SendTimeoutError
//! [`Overflow`]: crate::channel::Overflow
//! [`Lagged`]: crate::channel::Lagged

use std::fmt;
use std::ops::AddAssign;

use crate::channel::Dead;

/// What became of the messages of a channel, or of all channels of a system. The [module](self) says what each term means.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(1).run(async |scope| {
/// let (jobs, inbox) = bounded(8);
/// for job in 0..3 {
///     jobs.send(job).await?;
/// }
/// inbox.recv().await;
/// drop(inbox);                                    // with two messages in it
/// let ledger = scope.system().snapshot().ledger;
/// assert!(ledger.is_balanced());
/// assert_eq!(ledger.to_string(), "3 sent = 1 handled + 0 handed back + 2 dead (2 closed) + 0 queued");
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Ledger {
    /// Messages that were sent: accepted or refused.
    pub sent: u64,
    /// Messages that were received, and are not dead.
    pub handled: u64,
    /// Messages that were refused, and are with who sent them.
    pub handed_back: u64,
    /// Messages that nobody will see.
    pub dead: DeadCounts,
    /// Messages that wait in a channel.
    pub queued: u64,
}

/// How many messages died for which reason.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// use roundrock::channel::Dead;
///
/// let (jobs, _inbox) = bounded(1).overflow(Overflow::DropOldest);
/// jobs.send(1).await?;
/// jobs.send(2).await?;                        // throws the first one away
/// let dead = scope.system().ledger().dead;
/// assert_eq!((dead.of(Dead::Discarded), dead.discarded, dead.total()), (1, 1, 1));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DeadCounts {
    /// See [`Dead::Closed`].
    pub closed: u64,
    /// See [`Dead::Crashed`].
    pub crashed: u64,
    /// See [`Dead::Discarded`].
    pub discarded: u64,
    /// See [`Dead::Expired`].
    pub expired: u64,
    /// See [`Dead::Withdrawn`].
    pub withdrawn: u64,
}

impl Ledger {
    /// Whether every message is accounted for.
    pub fn is_balanced(&self) -> bool {
        // Wrapping: a number that was counted down too far must show as an imbalance, and not as a panic.
        let settled = [
            self.handled,
            self.handed_back,
            self.dead.total(),
            self.queued,
        ];
        self.sent == settled.into_iter().fold(0, u64::wrapping_add)
    }
}

impl DeadCounts {
    /// Returns how many died for this reason.
    pub fn of(&self, reason: Dead) -> u64 {
        match reason {
            Dead::Closed => self.closed,
            Dead::Crashed => self.crashed,
            Dead::Discarded => self.discarded,
            Dead::Expired => self.expired,
            Dead::Withdrawn => self.withdrawn,
        }
    }

    /// Returns how many died in all.
    pub fn total(&self) -> u64 {
        Dead::ALL
            .into_iter()
            .fold(0, |total, reason| total.wrapping_add(self.of(reason)))
    }

    pub(crate) fn of_mut(&mut self, reason: Dead) -> &mut u64 {
        match reason {
            Dead::Closed => &mut self.closed,
            Dead::Crashed => &mut self.crashed,
            Dead::Discarded => &mut self.discarded,
            Dead::Expired => &mut self.expired,
            Dead::Withdrawn => &mut self.withdrawn,
        }
    }
}

impl AddAssign for Ledger {
    fn add_assign(&mut self, other: Self) {
        self.sent = self.sent.wrapping_add(other.sent);
        self.handled = self.handled.wrapping_add(other.handled);
        self.handed_back = self.handed_back.wrapping_add(other.handed_back);
        self.queued = self.queued.wrapping_add(other.queued);
        for reason in Dead::ALL {
            let count = self.dead.of_mut(reason);
            *count = count.wrapping_add(other.dead.of(reason));
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sent = {} handled + {} handed back + {} dead",
            self.sent,
            self.handled,
            self.handed_back,
            self.dead.total()
        )?;
        let mut before = " (";
        for reason in Dead::ALL {
            let count = self.dead.of(reason);
            if count > 0 {
                write!(f, "{before}{count} {reason}")?;
                before = ", ";
            }
        }
        if before == ", " {
            f.write_str(")")?;
        }
        write!(f, " + {} queued", self.queued)
    }
}
