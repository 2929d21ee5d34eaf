//! The timers of a system: a 4-ary heap per worker, with intrusive entries that a cancelled sleep takes out.
//!
//! A sleep registers in the shard of the worker that polls it, and each worker fires its own shard first: where many timers are
//! due at once all workers fire, and each process comes back to the worker that it ran on. What is late in the shard of somebody
//! else, and what is due there when a worker has nothing else to do, it fires too, so its process moves.
//! One parked worker, the *keeper*, sleeps no longer than the earliest deadline of all shards. Where timers are many, it does not get
//! up for each of them: it rests for [`REST_NANOS`] after it has fired some.
//!
//! The heap knows its entries by *tickets*, whose table says where in the heap each is. So the items that move when one enters or
//! leaves touch what lies close together, and an entry, which lies in the memory of its process, is touched when it enters and when
//! it leaves. Entries leave in batches, whose lines are asked for together.
//!
//! **Invariants**
//! - An entry is in a heap exactly while its `ticket` is not [`OUT`]; both change under the shard's lock only.
//! - `earliest` is the smallest deadline in the heap, or `u64::MAX`.
//! - Never early: an entry is fired only when the clock has reached its deadline.
//! - There is one keeper at a time: `keep` and `release` are called by the holder of the driver.
//! - No timer is forgotten: who registers an earlier deadline than the keeper's wakes the keeper. `earliest` is written before
//!   the keeper's limit is read, and the keeper publishes its limit before it reads `earliest` again, with a fence on each side.
//!
//! Model: `tests/loom_timers.rs`.
//!
//! Rejected: a hashed wheel (its slots make "in order of deadline" an extra sort, and virtual time wants the exact next one); the
//! place of an item in its entry (each step of an item through the heap is a line in no cache, where timers are many).

#![expect(unsafe_code, reason = "heap entries point into sleeping futures")]

use std::ptr::NonNull;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Lock, Ordering, UnsafeCell, fence, prefetch};
use crate::task::waker::TaskWaker;
use crate::time::clock::Clock;

const OUT: u32 = u32::MAX;
const NOBODY: usize = usize::MAX;

/// Most timers that are fired in one look: their processes get their turns before the next ones are fired.
#[cfg(not(loom))]
const BATCH: usize = 64;
#[cfg(loom)]
const BATCH: usize = 2;
/// Most of them that are taken out under one lock. Few, because most looks find one: places for more have to be made and cleared.
#[cfg(not(loom))]
const TOGETHER: usize = 8;
#[cfg(loom)]
const TOGETHER: usize = 2;
/// What is late by this much is fired by any worker that looks, and not only by its own.
const LATE_NANOS: u64 = 1_000_000;
/// How long the keeper rests after a worker that had nothing else to do has fired timers, if there are more than [`FEW`]: to get up
/// costs as much as dozens of them. Less than what a sleep may be late in any case, by its description.
const REST_NANOS: u64 = 500_000;
/// So few timers are all fired in time.
const FEW: usize = 256;

/// The part of a sleep that the heap points to. It must not move while it is in a heap.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its number in the tables of the heap, or [`OUT`]. Written under the shard's lock.
    ticket: AtomicU32,
    shard: UnsafeCell<usize>,
    waker: UnsafeCell<Option<TaskWaker>>,
}

// SAFETY: `waker` and `shard` are touched under the shard's lock, or by the owner while the entry is in no heap.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

impl Entry {
    pub(crate) fn new() -> Self {
        Self {
            ticket: AtomicU32::new(OUT),
            shard: UnsafeCell::new(0),
            waker: UnsafeCell::new(None),
        }
    }

    /// Whether the entry is in a heap: it was registered, and has neither fired nor been taken out.
    pub(crate) fn is_in(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `leave`: after it the shard does not touch the entry any more.
        self.ticket.load(Ordering::Acquire) != OUT
    }
}

#[derive(Debug, Clone, Copy)]
struct Item {
    deadline: u64,
    ticket: u32,
}

#[derive(Debug, Default)]
struct Heap {
    items: Vec<Item>,
    /// By ticket: the entries, and the places of their items in the heap. What is free in `places` lists itself: each has the next
    /// free ticket, the last one [`OUT`].
    entries: Vec<NonNull<Entry>>,
    places: Vec<u32>,
    /// The free ticket that is used next.
    free: Free,
}

#[derive(Debug)]
struct Free(u32);

impl Default for Free {
    fn default() -> Self {
        Self(OUT)
    }
}

// SAFETY: an entry is only followed under its shard's lock, while it is in the heap.
unsafe impl Send for Heap {}

#[derive(Debug)]
struct Shard {
    heap: Lock<Heap>,
    earliest: AtomicU64,
}

/// All timers of a system.
#[derive(Debug)]
pub(crate) struct Timers {
    shards: Box<[CachePadded<Shard>]>,
    /// Shards from here on were never used: nobody needs to look there.
    used: AtomicUsize,
    /// The deadline until which the keeper sleeps; 0 if nobody keeps.
    keeps_until: AtomicU64,
    keeper: AtomicUsize,
    /// When a worker that had nothing else to do has fired timers last.
    fired_at: AtomicU64,
}

impl Timers {
    pub(crate) fn new(shards: usize) -> Self {
        let shard = || Shard {
            heap: Lock::new(Heap::default()),
            earliest: AtomicU64::new(u64::MAX),
        };
        Self {
            shards: (0..shards).map(|_| CachePadded::new(shard())).collect(),
            used: AtomicUsize::new(0),
            keeps_until: AtomicU64::new(0),
            keeper: AtomicUsize::new(NOBODY),
            fired_at: AtomicU64::new(0),
        }
    }

    /// Puts an entry in, or renews its waker. Returns the worker to unpark, if the keeper would sleep too long.
    ///
    /// # Safety
    /// The entry stays where it is until [`remove`](Self::remove) was called or it has fired.
    pub(crate) unsafe fn insert(
        &self,
        shard: usize,
        entry: &Entry,
        deadline: u64,
        waker: TaskWaker,
    ) -> Option<usize> {
        let old;
        {
            let mut heap = self.shards[shard].heap.lock();
            // SAFETY: under the lock of the shard that the entry is about to enter, by its owner.
            old = entry
                .waker
                .with_mut(|place| unsafe { (*place).replace(waker) });
            // SAFETY: as above.
            entry.shard.with_mut(|place| unsafe { *place = shard });
            heap.push(deadline, NonNull::from(entry));
            self.publish(shard, &heap);
        }
        drop(old);
        // ORDERING: Relaxed: ordered by the fence below: whoever looks for a deadline after it also looks into this shard.
        if self.used.load(Ordering::Relaxed) <= shard {
            self.used.fetch_max(shard + 1, Ordering::Relaxed);
        }
        // ORDERING: SeqCst fence: the deadline and the shard were written before it, the keeper's limit is read after it; `keep` has
        // its own fence between the two. One of the two sees the other.
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed: ordered by the fence.
        let until = self.keeps_until.load(Ordering::Relaxed);
        // ORDERING: Relaxed: written before `keeps_until`, ordered by the same fences.
        (deadline < until)
            .then(|| self.keeper.load(Ordering::Relaxed))
            .filter(|&keeper| keeper != NOBODY)
    }

    /// Replaces the waker of an entry that is in a heap; false if it has fired meanwhile.
    pub(crate) fn renew(&self, entry: &Entry, waker: TaskWaker) -> bool {
        if !entry.is_in() {
            return false;
        }
        // SAFETY: `shard` changes only while the entry is in no heap, by its owner, who calls this.
        let shard = entry.shard.with(|shard| unsafe { *shard });
        let heap = self.shards[shard].heap.lock();
        if !entry.is_in() {
            return false;
        }
        // SAFETY: under the lock of the entry's shard.
        let old = entry
            .waker
            .with_mut(|place| unsafe { (*place).replace(waker) });
        drop(heap);
        drop(old);
        true
    }

    /// Takes an entry out. After this nobody points to it.
    pub(crate) fn remove(&self, entry: &Entry) {
        if !entry.is_in() {
            return;
        }
        // SAFETY: as in `renew`.
        let shard = entry.shard.with(|shard| unsafe { *shard });
        let waker;
        {
            let mut heap = self.shards[shard].heap.lock();
            // ORDERING: Relaxed: under the lock.
            let ticket = entry.ticket.load(Ordering::Relaxed);
            if ticket == OUT {
                return;
            }
            let place = heap.places[ticket as usize];
            let entry = heap.take_out(place as usize);
            // SAFETY: it was in the heap, under the shard's lock.
            waker = unsafe { leave(entry) };
            self.publish(shard, &heap);
        }
        drop(waker);
    }

    /// Fires up to [`BATCH`] of what is due, in order of deadline within each shard: what is in the `own` shard of the worker that
    /// asks, and what is late elsewhere; of what is not late only if there is nothing else to do (`idle`).
    pub(crate) fn fire(&self, clock: &Clock, own: usize, idle: bool) -> Fired {
        let mut fired = Fired::default();
        let mut now = None;
        loop {
            let (mine, theirs, other) = self.look(own);
            if mine.min(theirs) == u64::MAX {
                return fired;
            }
            let now = *now.get_or_insert_with(|| clock.now_nanos());
            let late = theirs.saturating_add(LATE_NANOS);
            let shard = if mine <= now && mine <= late {
                own
            } else if late <= now || idle && theirs <= now {
                other
            } else {
                return fired;
            };
            if fired.count == BATCH {
                fired.more = true;
                return fired;
            }
            // None: somebody else is at it.
            match self.fire_batch(shard, now, BATCH - fired.count, shard == own) {
                0 => return fired,
                count => fired.count += count,
            }
            if idle {
                // ORDERING: Relaxed: a number for `keep`.
                self.fired_at.store(now, Ordering::Relaxed);
            }
        }
    }

    /// The earliest deadline in one's own shard, the earliest of all others, and in which one that is.
    fn look(&self, own: usize) -> (u64, u64, usize) {
        let (mut mine, mut theirs, mut other) = (u64::MAX, u64::MAX, own);
        for (index, shard) in self.used().iter().enumerate() {
            // ORDERING: Relaxed: an entry that is registered at this moment is seen at the next look.
            let earliest = shard.earliest.load(Ordering::Relaxed);
            if index == own {
                mine = earliest;
            } else if earliest < theirs {
                (theirs, other) = (earliest, index);
            }
        }
        (mine, theirs, other)
    }

    /// Fires up to `most` of what is due in a shard, and up to [`TOGETHER`]. None, if somebody else is at it and it is not one's `own`.
    fn fire_batch(&self, shard: usize, now: u64, most: usize, own: bool) -> usize {
        let lock = &self.shards[shard].heap;
        let heap = match own {
            true => Some(lock.lock()),
            false => lock.try_lock(),
        };
        let Some(mut heap) = heap else { return 0 };
        let mut entries = [NonNull::<Entry>::dangling(); TOGETHER];
        let mut wakers = [const { None }; TOGETHER];
        let mut count = 0;
        while count < most.min(TOGETHER)
            && heap.items.first().is_some_and(|item| item.deadline <= now)
        {
            entries[count] = heap.take_out(0);
            prefetch(entries[count].as_ptr());
            count += 1;
        }
        for (entry, waker) in entries[..count].iter().zip(&mut wakers) {
            // SAFETY: it was in the heap, under the shard's lock, so its future has not moved or gone.
            *waker = unsafe { leave(*entry) };
            if let Some(waker) = waker {
                waker.prefetch();
            }
        }
        self.publish(shard, &heap);
        drop(heap);
        wakers[..count]
            .iter_mut()
            .filter_map(Option::take)
            .for_each(TaskWaker::wake_behind);
        count
    }

    fn publish(&self, shard: usize, heap: &Heap) {
        let earliest = heap.items.first().map_or(u64::MAX, |item| item.deadline);
        // ORDERING: Relaxed: `insert` has a fence after it; an earliest that was taken out is a hint that comes late.
        self.shards[shard]
            .earliest
            .store(earliest, Ordering::Relaxed);
    }

    fn earliest(&self) -> u64 {
        // ORDERING: Relaxed: `keep` has a fence before it; others only want a hint.
        self.used()
            .iter()
            .map(|shard| shard.earliest.load(Ordering::Relaxed))
            .min()
            .unwrap_or(u64::MAX)
    }

    /// Becomes the keeper and says how long to sleep; `None` without a timer.
    pub(crate) fn keep(&self, clock: &Clock, worker: usize) -> Option<Duration> {
        // ORDERING: Relaxed: ordered by the fence below.
        self.keeper.store(worker, Ordering::Relaxed);
        let mut until = self.earliest();
        loop {
            // ORDERING: Relaxed, then the fence: see `insert`.
            self.keeps_until.store(until, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            match self.earliest() {
                earlier if earlier < until => until = earlier,
                _ => break,
            }
        }
        // `keeps_until` stays what it is: whoever registers something earlier than that wakes the keeper.
        // ORDERING: Relaxed: a number.
        let rested = self.fired_at.load(Ordering::Relaxed) + REST_NANOS;
        if until < rested && self.len() > FEW {
            until = rested;
        }
        (until != u64::MAX).then(|| Duration::from_nanos(until.saturating_sub(clock.now_nanos())))
    }

    /// The deadline of the timer that is due first.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        Some(self.earliest()).filter(|&deadline| deadline != u64::MAX)
    }

    /// How many timers of the first shard are due at `deadline`, its earliest; counts up to `most`.
    pub(crate) fn count_due_at(&self, deadline: u64, most: usize) -> usize {
        self.shards[0].heap.lock().due_at(deadline, most).len()
    }

    /// The number of the process that one of these timers wakes, if it is that of a process.
    pub(crate) fn process_of(&self, deadline: u64, at: usize) -> Option<u32> {
        let heap = self.shards[0].heap.lock();
        let place = *heap.due_at(deadline, at + 1).get(at)?;
        let entry = heap.entries[heap.items[place].ticket as usize];
        // SAFETY: it is in the heap, under the shard's lock, so its future has not moved or gone.
        let entry = unsafe { entry.as_ref() };
        entry.waker.with(|waker| {
            // SAFETY: under the lock of the entry's shard.
            match unsafe { &*waker } {
                Some(TaskWaker::Task(task)) => Some(task.process().index()),
                _ => None,
            }
        })
    }

    /// Fires one of the timers of the first shard that are due at `deadline`: the one at this place of their list.
    pub(crate) fn fire_one(&self, deadline: u64, at: usize) {
        let waker;
        {
            let mut heap = self.shards[0].heap.lock();
            let Some(&place) = heap.due_at(deadline, at + 1).get(at) else {
                return;
            };
            let entry = heap.take_out(place);
            // SAFETY: it was in the heap, under the shard's lock, so its future has not moved or gone.
            waker = unsafe { leave(entry) };
            self.publish(0, &heap);
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The keeper is awake, and will look at the timers before it sleeps again.
    pub(crate) fn release(&self) {
        // ORDERING: Relaxed: who still reads the old limit wakes a worker for nothing.
        self.keeps_until.store(0, Ordering::Relaxed);
    }

    /// Whether a timer is due that nobody fired.
    pub(crate) fn overdue(&self, clock: &Clock) -> bool {
        let earliest = self.earliest();
        earliest != u64::MAX && earliest <= clock.now_nanos()
    }

    /// The number of registered timers.
    pub(crate) fn len(&self) -> usize {
        self.used()
            .iter()
            .map(|shard| shard.heap.lock().items.len())
            .sum()
    }

    fn used(&self) -> &[CachePadded<Shard>] {
        // ORDERING: Relaxed: see `insert`; the shards exist from the start.
        &self.shards[..self.used.load(Ordering::Relaxed)]
    }
}

/// What was fired in one look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fired {
    pub(crate) count: usize,
    /// More is due than was fired.
    pub(crate) more: bool,
}

/// Takes the waker of an entry that was taken out of the heap, and tells the entry.
///
/// # Safety
/// It was in the heap until now, and the lock of its shard is still held.
unsafe fn leave(entry: NonNull<Entry>) -> Option<TaskWaker> {
    // SAFETY: by contract it is alive.
    let entry = unsafe { entry.as_ref() };
    // SAFETY: under the lock of the entry's shard. The waker leaves before the entry is told that it is out.
    let waker = entry.waker.with_mut(|place| unsafe { (*place).take() });
    // ORDERING: Release: pairs with the Acquire in `is_in`; the last access of this shard to the entry.
    entry.ticket.store(OUT, Ordering::Release);
    waker
}

impl Heap {
    fn push(&mut self, deadline: u64, entry: NonNull<Entry>) {
        let place = self.items.len() as u32;
        let ticket = match self.free.0 {
            OUT => {
                self.entries.push(entry);
                self.places.push(place);
                self.entries.len() as u32 - 1
            }
            ticket => {
                self.free.0 = std::mem::replace(&mut self.places[ticket as usize], place);
                self.entries[ticket as usize] = entry;
                ticket
            }
        };
        // SAFETY: the caller of `insert` promised that the entry stays while it is in.
        let entry = unsafe { entry.as_ref() };
        // ORDERING: Relaxed: under the shard's lock; the owner only asks whether it is OUT.
        entry.ticket.store(ticket, Ordering::Relaxed);
        self.items.push(Item { deadline, ticket });
        self.up(place as usize);
    }

    /// The places of the items that are due at `deadline`, the earliest of the heap; up to `most` of them.
    fn due_at(&self, deadline: u64, most: usize) -> Vec<usize> {
        let mut found = Vec::new();
        // What is due at the same time as the root hangs together with it.
        let mut look = vec![0];
        while let Some(at) = look.pop() {
            let item = self.items.get(at);
            if found.len() < most && item.is_some_and(|item| item.deadline == deadline) {
                found.push(at);
                look.extend((4 * at + 1..4 * at + 5).rev());
            }
        }
        found
    }

    /// Removes the item at `at`, whose entry is to [`leave`].
    fn take_out(&mut self, at: usize) -> NonNull<Entry> {
        let Item { ticket, .. } = self.items.swap_remove(at);
        if at < self.items.len() {
            self.down(at);
            self.up(at);
        }
        self.places[ticket as usize] = std::mem::replace(&mut self.free.0, ticket);
        self.entries[ticket as usize]
    }

    fn up(&mut self, mut at: usize) {
        let item = self.items[at];
        while at > 0 {
            let parent = (at - 1) / 4;
            if self.items[parent].deadline <= item.deadline {
                break;
            }
            self.settle(at, self.items[parent]);
            at = parent;
        }
        self.settle(at, item);
    }

    fn down(&mut self, mut at: usize) {
        let item = self.items[at];
        loop {
            let first = 4 * at + 1;
            let children = first..(first + 4).min(self.items.len());
            let Some(least) = children.min_by_key(|&child| self.items[child].deadline) else {
                break;
            };
            if item.deadline <= self.items[least].deadline {
                break;
            }
            self.settle(at, self.items[least]);
            at = least;
        }
        self.settle(at, item);
    }

    /// Puts an item in its place.
    fn settle(&mut self, at: usize, item: Item) {
        self.items[at] = item;
        self.places[item.ticket as usize] = at as u32;
    }
}
