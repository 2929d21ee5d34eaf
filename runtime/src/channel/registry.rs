//! The channels of a system, for observers: a list per worker, each under its own short lock.
//!
//! A channel enters the list of the worker that makes it, and leaves it when it is freed, wherever that is; then its ledger is
//! added to the sum of those that are gone. What a blocking job makes enters the list of the first worker of its system, and so does
//! a core that was made on a thread which works for no system, when the first process is lent an endpoint of it: before that it is in
//! no list, and in nobody's ledger. Cores are listed by their heads; the channels
//! that are not cores are listed as [`Account`]s, at a place of a second list that stays theirs.
//!
//! **Invariants**
//! - A head in a list is alive: it is freed only after it left, under the list's lock.
//! - `State::listed` is the index of its channel in the list, as long as that lives.
//! - A channel is in its list, or its ledger is in the sum: both change under the list's lock.
//! - While a list is pinned, the memory of a channel that leaves it is kept until the list is let go: whoever saw a process that
//!   holds an endpoint, after it had pinned the lists, may follow the pointer. The flag lies under the lock that a channel takes
//!   anyway when it leaves, so pinning costs the workers nothing.

#![expect(
    unsafe_code,
    reason = "a list of heads that take themselves out before they are freed"
)]

use std::cell::RefCell;
use std::collections::HashSet;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Weak};

use crate::channel::account::Account;
use crate::channel::dead::{Dead, Desk};
use crate::channel::head::{Head, Stats};
use crate::observe::{ChannelKind, Ledger};
use crate::scheduler::worker;
use crate::sync::{AtomicPtr, Lock, Ordering, thread_local};
use crate::task::TaskRef;

/// The channels that one worker made.
#[derive(Debug)]
pub(crate) struct Shard {
    list: Lock<List>,
    desk: Arc<Desk>,
}

#[derive(Debug, Default)]
struct List {
    /// Each channel stays where it is: to move another one into the place of one that is freed would touch memory that is in no
    /// cache.
    heads: Vec<Option<Entry>>,
    /// Places in `heads` that are free.
    holes: Vec<u32>,
    /// How many searches have pinned the list.
    pins: usize,
    /// Channels that left while it was pinned.
    kept: Vec<Kept>,
    accounts: Vec<Option<Other>>,
    /// Places in `accounts` that are free.
    free: Vec<usize>,
    /// What became of the messages of channels that are gone.
    gone: Ledger,
}

impl List {
    /// The channels that are not cores. Each may be the last reference, and must be dropped without the lock.
    fn accounts(&self) -> Vec<Arc<dyn Account>> {
        let accounts = self.accounts.iter().flatten();
        accounts.filter_map(|other| other.weak.upgrade()).collect()
    }
}

/// The list of a channel, once it is in one: then it stays there.
#[derive(Debug)]
pub(crate) struct Home(AtomicPtr<Shard>);

impl Home {
    pub(crate) fn new(shard: Option<Arc<Shard>>) -> Self {
        let shard = shard.map_or(ptr::null(), Arc::into_raw);
        Self(AtomicPtr::new(shard.cast_mut()))
    }

    pub(crate) fn shard(&self) -> Option<&Shard> {
        // ORDERING: Acquire: pairs with the Release in `set`: the list is there.
        let shard = self.0.load(Ordering::Acquire);
        // SAFETY: if it is not null, this value owns a count of the list, and keeps it as long as it lives.
        unsafe { shard.as_ref() }
    }

    /// Sets the list, if there is none; whether there was none.
    fn set(&self, shard: &Arc<Shard>) -> bool {
        let own = Arc::into_raw(Arc::clone(shard)).cast_mut();
        let none = ptr::null_mut();
        // ORDERING: Release: see `shard`. Relaxed: what is there is left alone.
        let set = self
            .0
            .compare_exchange(none, own, Ordering::Release, Ordering::Relaxed);
        if set.is_err() {
            // SAFETY: the count that was made above, and that nobody has got.
            drop(unsafe { Arc::from_raw(own) });
        }
        set.is_ok()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // ORDERING: Relaxed: nobody else has it any more.
        let shard = self.0.load(Ordering::Relaxed);
        if !shard.is_null() {
            // SAFETY: the count that came in by `new` or `set`.
            drop(unsafe { Arc::from_raw(shard) });
        }
    }
}

/// A channel without endpoints whose memory is still needed.
#[derive(Debug)]
struct Kept {
    head: NonNull<Head>,
    free: unsafe fn(NonNull<Head>),
}

// SAFETY: nobody else uses it any more, except for reading its counts, which are atomic.
unsafe impl Send for Kept {}

#[derive(Debug, Clone, Copy)]
struct Entry(NonNull<Head>);

// SAFETY: a head is `Sync`, and is alive while it is in the list.
unsafe impl Send for Entry {}

/// A channel that is not a core, and where it was made.
#[derive(Debug)]
struct Other {
    weak: Weak<dyn Account>,
    kind: ChannelKind,
    site: &'static Location<'static>,
}

/// Where a channel is listed that is not a core.
#[derive(Debug)]
pub(crate) struct Listed {
    shard: Arc<Shard>,
    index: usize,
}

impl Shard {
    pub(crate) fn new(desk: &Arc<Desk>) -> Arc<Self> {
        Arc::new(Self {
            list: Lock::new(List::default()),
            desk: Arc::clone(desk),
        })
    }

    /// Keeps the memory of channels that are freed from now on, until [`unpin`](Self::unpin).
    pub(crate) fn pin(&self) {
        self.list.lock().pins += 1;
    }

    /// Takes a pin back, and frees what was kept for the last one.
    pub(crate) fn unpin(&self) {
        let mut list = self.list.lock();
        list.pins -= 1;
        let kept = if list.pins == 0 {
            std::mem::take(&mut list.kept)
        } else {
            Vec::new()
        };
        drop(list);
        for Kept { head, free } in kept {
            // SAFETY: it has left the list with its last endpoint, and nobody who pinned the list is left.
            unsafe { free(head) };
        }
    }

    /// Lists a core, which is told where before anybody can see it there.
    pub(crate) fn enter(&self, head: NonNull<Head>, tell: impl FnOnce(u32)) {
        let mut list = self.list.lock();
        let entry = Some(Entry(head));
        let index = match list.holes.pop() {
            Some(index) => {
                list.heads[index as usize] = entry;
                index
            }
            None => {
                list.heads.push(entry);
                // There is no memory for more channels than fit.
                (list.heads.len() - 1) as u32
            }
        };
        tell(index);
    }

    /// Lists a core that is in no list, because no thread of a system made it: a process of this one is lent an endpoint of it, which
    /// keeps it alive meanwhile. Whether it is one of this system then.
    pub(crate) fn adopt(self: &Arc<Self>, head: NonNull<Head>) -> bool {
        // SAFETY: an endpoint keeps it alive.
        let shared = unsafe { head.as_ref() };
        if shared.home.set(self) {
            self.enter(head, |index| {
                // SAFETY: as above.
                unsafe { (shared.vtable.list_at)(head, index) };
            });
        }
        let home = shared.home.shard();
        home.is_some_and(|home| Arc::ptr_eq(&home.desk, &self.desk))
    }

    /// Takes a channel out of the list, whose ledger becomes part of the sum. False if its memory is still needed: `free` is called
    /// for it later.
    pub(crate) fn leave(
        &self,
        ledger: Ledger,
        index: u32,
        head: NonNull<Head>,
        free: unsafe fn(NonNull<Head>),
    ) -> bool {
        let mut list = self.list.lock();
        list.gone += ledger;
        list.heads[index as usize] = None;
        list.holes.push(index);
        if list.holes.len() == list.heads.len() {
            // Nothing is left that a look would have to pass over.
            list.heads.clear();
            list.holes.clear();
        }
        let pinned = list.pins > 0;
        if pinned {
            list.kept.push(Kept { head, free });
        }
        !pinned
    }

    /// Visits every channel. The list is locked meanwhile: makers and breakers of channels wait.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(NonNull<Head>)) {
        for entry in self.list.lock().heads.iter().flatten() {
            visit(entry.0);
        }
    }

    /// Visits the channels with these numbers, as [`for_each`](Self::for_each) does all.
    fn for_wanted(&self, wanted: &HashSet<u64>, mut visit: impl FnMut(u64, NonNull<Head>)) {
        self.for_each(|head| {
            let object = head.as_ptr().addr() as u64;
            if wanted.contains(&object) {
                visit(object, head);
            }
        });
    }

    /// Visits every channel that is not a core: the number that waits for it have, what it is, and where it was made. The list is locked
    /// meanwhile. Nothing is kept alive, so the messages of one that goes are dropped by who gave it up, and not by who looks.
    pub(crate) fn for_each_account(
        &self,
        mut visit: impl FnMut(u64, ChannelKind, &'static Location<'static>),
    ) {
        for account in self.list.lock().accounts.iter().flatten() {
            let object = account.weak.as_ptr().addr() as u64;
            visit(object, account.kind, account.site);
        }
    }

    /// The number of each channel, and how many senders it has.
    pub(crate) fn senders(&self) -> Vec<(u64, u64)> {
        let mut senders = Vec::new();
        self.for_each(|head| {
            // SAFETY: the list is locked, and its channels are alive.
            let count = unsafe { head.as_ref() }.senders();
            senders.push((head.as_ptr().addr() as u64, count));
        });
        senders
    }

    /// Those of the channels that are not cores whose numbers are wanted. Each may be the last reference, and is dropped without the lock.
    pub(crate) fn wanted_accounts(
        &self,
        mut is_wanted: impl FnMut(u64) -> bool,
    ) -> Vec<(Arc<dyn Account>, &'static Location<'static>)> {
        let list = self.list.lock();
        let accounts = list.accounts.iter().flatten();
        let wanted = accounts.filter(|other| is_wanted(other.weak.as_ptr().addr() as u64));
        wanted
            .filter_map(|other| Some((other.weak.upgrade()?, other.site)))
            .collect()
    }

    /// Lists a channel that is not a core.
    pub(crate) fn list(
        self: &Arc<Self>,
        account: Weak<dyn Account>,
        kind: ChannelKind,
        site: &'static Location<'static>,
    ) -> Listed {
        let account = Other {
            weak: account,
            kind,
            site,
        };
        let mut list = self.list.lock();
        let index = match list.free.pop() {
            Some(index) => {
                list.accounts[index] = Some(account);
                index
            }
            None => {
                list.accounts.push(Some(account));
                list.accounts.len() - 1
            }
        };
        drop(list);
        Listed {
            shard: Arc::clone(self),
            index,
        }
    }

    /// What became of all messages of the channels that were made here.
    pub(crate) fn ledger(&self) -> Ledger {
        let list = self.list.lock();
        let mut sum = list.gone;
        for entry in list.heads.iter().flatten() {
            // SAFETY: the list is locked, and its channels are alive.
            let ledger = unsafe { entry.0.as_ref() }.vtable.ledger;
            // SAFETY: as above.
            sum += unsafe { ledger(entry.0) };
        }
        // One that cannot be upgraded is about to enter the sum: it is not in it yet, and its messages balance among themselves.
        let accounts = list.accounts();
        drop(list);
        // Each balances by itself, so it may be read a moment later. It may be the last reference: dropped without the lock.
        for account in accounts {
            sum += account.ledger();
        }
        sum
    }

    /// Counts a message that was sent, and died of this at once, of no channel that is known.
    pub(crate) fn lose(&self, reason: Dead) {
        let mut list = self.list.lock();
        list.gone.sent += 1;
        *list.gone.dead.of_mut(reason) += 1;
    }

    /// Forgets the messages of channels that are gone: a simulation begins its next run here.
    pub(crate) fn forget(&self) {
        self.list.lock().gone = Ledger::default();
    }

    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Tells the channels whether who sent what is to be written down.
    pub(crate) fn write_sources(&self, is_read: bool) {
        self.for_each(|head| {
            // SAFETY: the list is locked, and its channels are alive.
            let write = unsafe { head.as_ref() }.vtable.write_sources;
            // SAFETY: as above; the table fits the core that this is the head of.
            unsafe { write(head, is_read) };
        });
    }

    /// Calls `found` with the number of each wanted channel, the address of the task that sent there last, if anybody did, and how many
    /// senders it has.
    pub(crate) fn last_senders(
        &self,
        wanted: &HashSet<u64>,
        mut found: impl FnMut(u64, Option<usize>, u64),
    ) {
        self.for_wanted(wanted, |object, head| {
            let Stats { sent_by, sent, .. } = stats(head);
            // SAFETY: the list is locked, and its channels are alive.
            let senders = unsafe { head.as_ref() }.senders();
            found(object, (sent > 0).then_some(sent_by), senders);
        });
    }

    /// The channels where the task at this address sent last, and how many messages were sent there until then.
    pub(crate) fn sent_by(&self, sender: usize) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        self.for_each(|head| {
            let stats = stats(head);
            if stats.sent_by == sender {
                found.push((head.as_ptr().addr() as u64, stats.sent));
            }
        });
        found
    }

    /// Calls `found` with the number of each wanted channel, and how many receivers it has.
    pub(crate) fn receivers(&self, wanted: &HashSet<u64>, mut found: impl FnMut(u64, u64)) {
        self.for_wanted(wanted, |object, head| {
            // SAFETY: the list is locked, and its channels are alive.
            found(object, unsafe { head.as_ref() }.receivers());
        });
    }

    /// Calls `found` with the number of each wanted channel and what is in it.
    pub(crate) fn inputs(&self, wanted: &HashSet<u64>, mut found: impl FnMut(u64, Input)) {
        self.for_wanted(wanted, |object, head| {
            let stats = stats(head);
            let input = Input {
                len: stats.len,
                blocked_senders: stats.blocked_senders,
                // SAFETY: the list is locked, and its channels are alive.
                senders: unsafe { head.as_ref() }.senders(),
            };
            found(object, input);
        });
    }

    /// Calls `found` with the number of each wanted channel in which room was granted and not used yet.
    pub(crate) fn granted(&self, wanted: &HashSet<u64>, mut found: impl FnMut(u64)) {
        self.for_wanted(wanted, |object, head| {
            if stats(head).permits > 0 {
                found(object);
            }
        });
    }
}

/// What a receiver would find.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input {
    pub(crate) len: u32,
    pub(crate) blocked_senders: u32,
    pub(crate) senders: u64,
}

thread_local! {
    /// The list for what the job makes that this thread runs.
    static OF_JOB: RefCell<Option<Arc<Shard>>> = const { RefCell::new(None) };
}

/// While it lives, what this thread makes belongs to the system that it runs a job of.
#[derive(Debug)]
pub(crate) struct OfJob(());

impl OfJob {
    pub(crate) fn enter(shard: Option<Arc<Shard>>) -> Self {
        drop(OF_JOB.with(|own| own.replace(shard)));
        Self(())
    }
}

impl Drop for OfJob {
    fn drop(&mut self) {
        drop(OF_JOB.with(RefCell::take));
    }
}

/// The list for what is made now: that of the worker, or of the system that this thread runs a job of.
pub(crate) fn current() -> Option<Arc<Shard>> {
    let own = worker::with(|worker| worker.map(|worker| Arc::clone(worker.channels())));
    // A thread that ends has none any more.
    own.or_else(|| {
        OF_JOB
            .try_with(|shard| shard.borrow().clone())
            .ok()
            .flatten()
    })
}

/// Counts a message that nobody took, and that belongs to no channel that is known.
#[cold]
pub(crate) fn lose_reply(reason: Dead) {
    if let Some(shard) = current() {
        shard.lose(reason);
    }
}

impl Listed {
    pub(crate) fn desk(&self) -> &Desk {
        &self.shard.desk
    }

    pub(crate) fn leave(&self, ledger: Ledger) {
        let mut list = self.shard.list.lock();
        let account = list.accounts[self.index].take();
        list.free.push(self.index);
        list.gone += ledger;
        drop(list);
        drop(account);
    }
}

/// What is known of a channel without its endpoints.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) name: Option<&'static str>,
    pub(crate) site: &'static Location<'static>,
    /// The type of its messages.
    pub(crate) message: &'static str,
    /// The process whose mailbox it is.
    pub(crate) owner: Option<TaskRef>,
    pub(crate) stats: Stats,
    pub(crate) senders: u64,
    pub(crate) receivers: u64,
}

impl Shard {
    /// Describes the channel with this number, if this worker made it.
    pub(crate) fn describe(&self, object: u64) -> Option<Described> {
        let mut found = None;
        self.for_each(|head| {
            if head.as_ptr().addr() as u64 == object {
                found = Some(describe(head));
            }
        });
        found
    }

    /// Describes all channels that this worker made and that are still there.
    pub(crate) fn described(&self) -> Vec<Described> {
        let mut found = Vec::new();
        self.for_each(|head| found.push(describe(head)));
        found
    }
}

/// Must be called with a head of a list that is locked.
fn stats(head: NonNull<Head>) -> Stats {
    // SAFETY: the list is locked, and its channels are alive.
    let stats = unsafe { head.as_ref() }.vtable.stats;
    // SAFETY: as above; the table fits the core that this is the head of.
    unsafe { stats(head) }
}

/// Must be called with a head of a list that is locked.
fn describe(head: NonNull<Head>) -> Described {
    // SAFETY: the list is locked, and its channels are alive.
    let shared = unsafe { head.as_ref() };
    Described {
        stats: stats(head),
        name: None,
        site: shared.site,
        message: (shared.vtable.message)(),
        // SAFETY: as above.
        owner: unsafe { (shared.vtable.owner)(head) },
        senders: shared.senders(),
        receivers: shared.receivers(),
    }
    .named()
}

impl Described {
    fn named(mut self) -> Self {
        self.name = self.stats.name;
        self
    }
}
