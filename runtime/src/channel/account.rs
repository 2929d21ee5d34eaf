//! What a channel knows of the messages that nobody received, or that died afterwards.
//!
//! All of it lies in the cold box of a core, or under the lock of the other channels: nothing here is touched as long as every
//! message arrives. What the terms mean is said in one place, [`observe::ledger`](crate::observe::ledger).
//!
//! **Invariant**: of a message that is refused or dies, the count changes under the same lock, and at the same moment, as the
//! queue does.

use std::any::type_name;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock, Weak};

use crate::channel::core::{Core, SOURCES, State};
use crate::channel::dead::{Address, Dead, Desk, LastTold, Notice, Write};
use crate::channel::endpoint::Endpoint;
use crate::channel::head::Head;
use crate::channel::overdue::Overdue;
use crate::channel::registry;
use crate::channel::sources::Sources;
pub(crate) use crate::observe::ChannelKind;
use crate::observe::Ledger;
use crate::observe::ledger::DeadCounts;
use crate::sim::{here, told};
use crate::task::current;

/// Counts of a channel that lost something, or refused it.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Messages that were refused.
    refused: u64,
    /// Of these, those that lay in errors that nobody opened.
    unopened: u64,
    /// Messages that were received, and died all the same.
    late: u64,
    dead: DeadCounts,
    told: [LastTold; Dead::ALL.len()],
}

/// How a message was lost that is in no queue.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Loss {
    /// It was refused, and dropped with the error that had it.
    Unopened,
    /// It was received, and died of this.
    Late(Dead),
    /// The same of one that was received from another channel, which counts it as handled: here it is told of only.
    Elsewhere(Dead),
}

/// What says what a message was.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Item {
    /// The message itself, of the channel's type.
    Message(NonNull<()>),
    /// The handler that it was for, by number.
    Handler(u8),
    /// A name.
    Named(&'static str),
}

impl Losses {
    pub(crate) fn refuse(&mut self) {
        self.refused += 1;
    }

    pub(crate) fn die(&mut self, reason: Dead, count: u64, now_ms: u32) -> Notice {
        *self.dead.of_mut(reason) += count;
        self.notice(reason, count, now_ms)
    }

    fn notice(&mut self, reason: Dead, count: u64, now_ms: u32) -> Notice {
        Notice {
            reason,
            count,
            suppressed: self.told[reason as usize].note(count, now_ms),
            left: false,
        }
    }

    fn lose(&mut self, loss: Loss, now_ms: u32) -> Notice {
        let (counter, reason) = match loss {
            Loss::Unopened => (&mut self.unopened, Dead::Closed),
            Loss::Late(reason) => (&mut self.late, reason),
            Loss::Elsewhere(reason) => return self.notice(reason, 1, now_ms),
        };
        *counter += 1;
        self.die(reason, 1, now_ms)
    }

    /// The ledger of a channel that accepted, handed out and holds so many messages.
    pub(crate) fn ledger(&self, accepted: u64, received: u64, queued: u64) -> Ledger {
        Ledger {
            sent: accepted + self.refused,
            handled: received.wrapping_sub(self.late),
            handed_back: self.refused - self.unopened,
            dead: self.dead,
            queued,
        }
    }
}

impl<T> State<T> {
    /// Counts a message that goes back to its sender.
    #[cold]
    pub(super) fn refuse(&mut self) {
        self.cold.get_or_insert_default().losses.refuse();
    }

    #[cold]
    pub(super) fn die(&mut self, reason: Dead, count: u64, now_ms: u32) -> Notice {
        let losses = &mut self.cold.get_or_insert_default().losses;
        losses.die(reason, count, now_ms)
    }

    /// Counts the `queued` messages that the last receiver left: those at the head that came back, and the others. How many the
    /// first are, and what is to be told of both.
    pub(super) fn bury(
        &mut self,
        queued: usize,
        now_ms: u32,
    ) -> Option<(usize, [Option<Notice>; 2])> {
        if queued == 0 {
            return None;
        }
        let cold = self.cold.get_or_insert_default();
        let returned = std::mem::take(&mut cold.returned).len();
        let mut die = |reason, count: usize| {
            (count > 0).then(|| cold.losses.die(reason, count as u64, now_ms))
        };
        let notices = [
            die(Dead::Withdrawn, returned),
            die(Dead::Closed, queued - returned),
        ];
        Some((returned, notices))
    }

    /// Enters the list of its worker, under the lock of which somebody may begin to read letters.
    pub(super) fn list_at(&mut self, index: u32, is_read: bool) {
        self.listed = index;
        self.write_sources(is_read);
    }

    /// From now on who sent what is written down, or not.
    pub(super) fn write_sources(&mut self, is_read: bool) {
        if self.has(SOURCES) == is_read {
            return;
        }
        self.set(SOURCES, is_read);
        drop(self.take_sources());
    }

    pub(super) fn take_sources(&mut self) -> Sources {
        let cold = self.cold.as_mut();
        cold.map_or_else(Sources::default, |cold| std::mem::take(&mut cold.sources))
    }

    /// Writes down who sent the message that was just put into the queue, if somebody reads letters.
    #[inline]
    pub(super) fn note_source(&mut self, source: impl FnOnce() -> u64) {
        if self.has(SOURCES) {
            let sources = &mut self.cold.get_or_insert_default().sources;
            sources.add(source(), self.queue.len());
        }
    }

    /// Who sent the message with this number, from the oldest; zero if that is not known.
    pub(super) fn source_of(&self, number: usize) -> u64 {
        let cold = self.cold.as_ref();
        cold.map_or(0, |cold| cold.sources.of(number, self.queue.len()))
    }

    /// A message is about to come back, which has no source any more.
    pub(super) fn forget_received(&mut self) {
        if let Some(cold) = &mut self.cold {
            cold.sources.keep(self.queue.len());
        }
    }

    fn ledger(&self) -> Ledger {
        let (accepted, received) = (self.stats.sent, self.stats.received);
        let queued = self.queue.len() as u64;
        match &self.cold {
            Some(cold) => cold.losses.ledger(accepted, received, queued),
            None => Losses::default().ledger(accepted, received, queued),
        }
    }
}

impl Head {
    pub(crate) fn desk(&self) -> Option<&Desk> {
        self.home.shard().map(|shard| &**shard.desk())
    }

    /// The time for [`Losses::die`]; zero for a channel of no system, which tells nobody.
    pub(super) fn now_ms(&self) -> u32 {
        self.desk().map_or(0, Desk::now_ms)
    }
}

impl<T> Core<T> {
    /// It enters a list of a system now.
    pub(super) fn list_at(&self, index: u32) {
        let is_read = self.head.desk().is_some_and(Desk::is_read);
        self.state.lock().list_at(index, is_read);
    }

    pub(super) fn write_sources(&self, is_read: bool) {
        self.state.lock().write_sources(is_read);
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.state.lock().ledger()
    }

    /// The ledger, and where the channel is listed.
    pub(super) fn ledger_and_place(&self) -> (Ledger, u32) {
        let state = self.state.lock();
        (state.ledger(), state.listed)
    }

    /// Counts a message that went back to its sender after it had waited.
    #[cold]
    pub(crate) fn refuse(&self) {
        self.state.lock().refuse();
    }

    /// Counts a message that is in no queue, and tells of it.
    #[cold]
    pub(crate) fn lose(&self, loss: Loss, item: Item, source: u64) {
        let now_ms = self.head.now_ms();
        let notice = {
            let mut state = self.state.lock();
            state.cold.get_or_insert_default().losses.lose(loss, now_ms)
        };
        self.tell(&notice, &|letter| self.describe(item, source, letter));
    }

    /// Tells of messages that died in the queue.
    #[cold]
    pub(super) fn tell_of<'a>(
        &self,
        notice: &Notice,
        messages: impl Iterator<Item = (&'a T, u64)> + Clone,
    ) where
        T: 'a,
    {
        self.tell(notice, &|letter| {
            for (message, source) in messages.clone() {
                let item = Item::Message(NonNull::from(message).cast());
                self.describe(item, source, letter);
            }
        });
    }

    /// Tells of a message that was discarded: the oldest one, which that process has sent, or the new one of the process that runs.
    #[cold]
    #[inline(never)]
    pub(super) fn tell_of_discarded(&self, notice: &Notice, message: &T, oldest: Option<u64>) {
        if here::records() {
            told::discards(self.object(), oldest.is_none());
        }
        let source = oldest.unwrap_or_else(current::process_id);
        let item = Item::Message(NonNull::from(message).cast());
        self.tell(notice, &|letter| self.describe(item, source, letter));
    }

    fn tell(&self, notice: &Notice, letters: &dyn Fn(&mut Write<'_>)) {
        if let Some(desk) = self.head.desk() {
            desk.tell(notice, &|| self.address(), letters);
        }
    }

    fn describe(&self, item: Item, source: u64, letter: &mut Write<'_>) {
        let (name, sent_by) = match item {
            Item::Named(name) => (name.to_owned(), 0),
            item => (self.head.vtable.about)(item),
        };
        letter(name, if sent_by == 0 { source } else { sent_by });
    }

    fn address(&self) -> Address {
        let (name, owner) = {
            let state = self.state.lock();
            let name = state.cold.as_ref().and_then(|cold| cold.name);
            (name, state.owner.clone())
        };
        Address {
            channel: self.object(),
            name,
            site: self.head.site,
            owner: owner.map(|owner| (owner.slot().id(), owner.slot().origin().name)),
        }
    }
}

/// What the messages of a channel are, as far as their type says.
pub(super) fn about<T>(_: Item) -> (String, u64) {
    (type_name::<T>().to_owned(), 0)
}

/// A channel that is not a core: what the sums of its system ask of it.
pub(crate) trait Account: Send + Sync {
    /// What became of its messages.
    fn ledger(&self) -> Ledger;
    /// A message that it had refused was dropped unopened; `message` is its type.
    fn unopened(&self, message: &'static str, source: u64);
    /// Who is parked there although what it waits for is there. Judged under its lock: whoever is about to be woken has left by then.
    fn overdue(&self) -> Option<Overdue>;
}

/// Where a message comes from that was refused, for the case that nobody opens the error that has it.
pub(crate) struct Origin {
    from: From,
    /// The process that sent it; 0 from outside.
    source: u64,
    handler: Option<u8>,
}

enum From {
    /// Nobody knows any more.
    Unknown,
    Channel(Endpoint),
    Account(Arc<dyn Account>),
}

impl Origin {
    fn new(from: From) -> Box<Self> {
        Box::new(Self {
            from,
            source: current::process_id(),
            handler: None,
        })
    }

    pub(crate) fn unknown() -> Box<Self> {
        Self::new(From::Unknown)
    }

    /// A core, by an endpoint that keeps its memory.
    pub(crate) fn channel(weak: Endpoint) -> Box<Self> {
        Self::new(From::Channel(weak))
    }

    /// The message was for this handler.
    pub(crate) fn for_handler(mut self: Box<Self>, handler: u8) -> Box<Self> {
        self.handler = Some(handler);
        self
    }

    /// The message of type `message` is dropped with its error.
    #[cold]
    pub(crate) fn lost(&self, message: &'static str) {
        match &self.from {
            From::Unknown => registry::lose_reply(Dead::Closed),
            From::Channel(endpoint) => {
                let item = self.handler.map_or(Item::Named(message), Item::Handler);
                endpoint.lose(Loss::Unopened, item, self.source);
            }
            From::Account(account) => account.unopened(message, self.source),
        }
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").finish_non_exhaustive()
    }
}

/// The part of an [`Account`] that the channels which are not cores have in common, under their lock.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) accepted: u64,
    pub(crate) received: u64,
    pub(crate) losses: Losses,
}

impl Book {
    pub(crate) fn ledger(&self, queued: u64) -> Ledger {
        self.losses.ledger(self.accepted, self.received, queued)
    }

    pub(crate) fn unopened(&mut self, now_ms: u32) -> Notice {
        self.losses.lose(Loss::Unopened, now_ms)
    }
}

/// Where such a channel is listed, with what its letters say of it.
pub(crate) struct Listing {
    /// Empty for one that was made on a thread which works for no system, until a process is lent an endpoint of it.
    place: OnceLock<registry::Listed>,
    /// The channel itself.
    account: Weak<dyn Account>,
    kind: ChannelKind,
    pub(crate) site: &'static Location<'static>,
}

impl Listing {
    /// Lists a channel in the current system, if there is one.
    pub(crate) fn new<A: Account + 'static>(
        kind: ChannelKind,
        account: &Weak<A>,
        site: &'static Location<'static>,
    ) -> Self {
        let account: Weak<A> = Weak::clone(account);
        let listing = Self {
            place: OnceLock::new(),
            account,
            kind,
            site,
        };
        if let Some(shard) = registry::current() {
            listing.adopt(&shard);
        }
        listing
    }

    /// Lists the channel here, if it is listed nowhere.
    pub(crate) fn adopt(&self, shard: &Arc<registry::Shard>) {
        let list = || shard.list(Weak::clone(&self.account), self.kind, self.site);
        self.place.get_or_init(list);
    }

    /// For an error that says that the channel is closed.
    pub(crate) fn origin(&self) -> Box<Origin> {
        Origin::new(match self.account.upgrade() {
            Some(account) => From::Account(account),
            None => From::Unknown,
        })
    }

    /// Whether somebody reads the letters of its system.
    pub(crate) fn is_read(&self) -> bool {
        self.place.get().is_some_and(|place| place.desk().is_read())
    }

    pub(crate) fn now_ms(&self) -> u32 {
        self.place.get().map_or(0, |place| place.desk().now_ms())
    }

    /// Tells of messages of type `message`, each of which was sent by one of `sources`: as many, or one for all.
    pub(crate) fn tell(
        &self,
        notice: &Notice,
        channel: u64,
        name: Option<&'static str>,
        message: &'static str,
        sources: &[u64],
    ) {
        let Some(place) = self.place.get() else {
            return;
        };
        let address = || Address {
            channel,
            name,
            site: self.site,
            owner: None,
        };
        place.desk().tell(notice, &address, &|letter| {
            let sources = sources.iter().copied().cycle();
            for source in sources.take(notice.count as usize) {
                letter(message.to_owned(), source);
            }
        });
    }

    /// The channel goes: its numbers become part of the sums.
    pub(crate) fn leave(&self, ledger: Ledger) {
        debug_assert!(ledger.is_balanced(), "a channel lost count: {ledger}");
        if let Some(place) = self.place.get() {
            place.leave(ledger);
        }
    }
}
