//! The timers of a system: a 4-ary heap per worker, with intrusive entries that a cancelled sleep takes out.
//!
//! A sleep registers in the shard of the worker that polls it; whoever looks for work fires what is due in every shard.
//! One parked worker, the *keeper*, sleeps no longer than the earliest deadline of all shards.
//!
//! **Invariants**
//! - An entry is in a heap exactly while its `place` is not [`OUT`]; both change under the shard's lock only.
//! - `earliest` is the smallest deadline in the heap, or `u64::MAX`.
//! - Never early: an entry is fired only when the clock has reached its deadline.
//! - There is one keeper at a time: `keep` and `release` are called by the holder of the driver.
//! - No timer is forgotten: who registers an earlier deadline than the keeper's wakes the keeper. `earliest` is written before
//!   the keeper's limit is read, and the keeper publishes its limit before it reads `earliest` again, with a fence on each side.
//!
//! Model: `tests/loom_timers.rs`.
//!
//! Rejected: a hashed wheel (its slots make "in order of deadline" an extra sort, and virtual time wants the exact next one).

#![expect(unsafe_code, reason = "heap entries point into sleeping futures")]

use std::ptr::NonNull;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Lock, Ordering, UnsafeCell, fence};
use crate::task::waker::TaskWaker;
use crate::time::clock::Clock;

const OUT: u32 = u32::MAX;
const NOBODY: usize = usize::MAX;

/// The part of a sleep that the heap points to. It must not move while it is in a heap.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Index in the heap, or [`OUT`]. Written under the shard's lock.
    place: AtomicU32,
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
            place: AtomicU32::new(OUT),
            shard: UnsafeCell::new(0),
            waker: UnsafeCell::new(None),
        }
    }

    /// Whether the entry is in a heap: it was registered, and has neither fired nor been taken out.
    fn is_in(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `Heap::pop`: after it the shard does not touch the entry any more.
        self.place.load(Ordering::Acquire) != OUT
    }
}

#[derive(Debug, Clone, Copy)]
struct Item {
    deadline: u64,
    entry: NonNull<Entry>,
}

// SAFETY: an item is only followed under its shard's lock, while the entry is in the heap.
unsafe impl Send for Item {}

#[derive(Debug, Default)]
struct Heap(Vec<Item>);

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
            heap.push(Item {
                deadline,
                entry: NonNull::from(entry),
            });
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
            let place = entry.place.load(Ordering::Relaxed);
            if place == OUT {
                return;
            }
            heap.take_out(place as usize);
            // SAFETY: under the lock of the entry's shard.
            waker = entry.waker.with_mut(|place| unsafe { (*place).take() });
            self.publish(shard, &heap);
        }
        drop(waker);
    }

    /// Fires everything that is due, in order of deadline within each shard.
    pub(crate) fn fire(&self, clock: &Clock) -> usize {
        let mut now = None;
        let mut fired = 0;
        for (index, shard) in self.used().iter().enumerate() {
            // ORDERING: Relaxed: an entry that is registered at this moment is seen at the next look.
            let earliest = shard.earliest.load(Ordering::Relaxed);
            if earliest == u64::MAX || earliest > *now.get_or_insert_with(|| clock.now_nanos()) {
                continue;
            }
            while let Some(waker) = self.pop_due(index, now.unwrap_or(0)) {
                waker.wake();
                fired += 1;
            }
        }
        fired
    }

    fn pop_due(&self, shard: usize, now: u64) -> Option<TaskWaker> {
        let mut heap = self.shards[shard].heap.lock();
        let first = *heap.0.first().filter(|item| item.deadline <= now)?;
        // SAFETY: the entry is in the heap, under the shard's lock, so its future has not moved or gone.
        let entry = unsafe { first.entry.as_ref() };
        // SAFETY: under the lock of the entry's shard. The waker leaves before `place` says that the entry is out.
        let waker = entry.waker.with_mut(|place| unsafe { (*place).take() });
        heap.take_out(0);
        self.publish(shard, &heap);
        waker
    }

    fn publish(&self, shard: usize, heap: &Heap) {
        let earliest = heap.0.first().map_or(u64::MAX, |item| item.deadline);
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

    /// Fires one of the timers of the first shard that are due at `deadline`: the one at this place of their list.
    pub(crate) fn fire_one(&self, deadline: u64, at: usize) {
        let waker;
        {
            let mut heap = self.shards[0].heap.lock();
            let Some(&place) = heap.due_at(deadline, at + 1).get(at) else {
                return;
            };
            // SAFETY: the entry is in the heap, under the shard's lock, so its future has not moved or gone.
            let entry = unsafe { heap.0[place].entry.as_ref() };
            // SAFETY: under the lock of the entry's shard. The waker leaves before `place` says that the entry is out.
            waker = entry.waker.with_mut(|waker| unsafe { (*waker).take() });
            heap.take_out(place);
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
            .map(|shard| shard.heap.lock().0.len())
            .sum()
    }

    fn used(&self) -> &[CachePadded<Shard>] {
        // ORDERING: Relaxed: see `insert`; the shards exist from the start.
        &self.shards[..self.used.load(Ordering::Relaxed)]
    }
}

impl Heap {
    fn push(&mut self, item: Item) {
        self.0.push(item);
        self.up(self.0.len() - 1);
    }

    /// The places of the items that are due at `deadline`, the earliest of the heap; up to `most` of them.
    fn due_at(&self, deadline: u64, most: usize) -> Vec<usize> {
        let mut found = Vec::new();
        // What is due at the same time as the root hangs together with it.
        let mut look = vec![0];
        while let Some(at) = look.pop() {
            if found.len() < most && self.0.get(at).is_some_and(|item| item.deadline == deadline) {
                found.push(at);
                look.extend((4 * at + 1..4 * at + 5).rev());
            }
        }
        found
    }

    /// Removes the item at `at` and tells its entry that it is out.
    fn take_out(&mut self, at: usize) {
        let item = self.0.swap_remove(at);
        if at < self.0.len() {
            self.down(at);
            self.up(at);
        }
        // SAFETY: the entry was in the heap until now, so it is alive.
        let entry = unsafe { item.entry.as_ref() };
        // ORDERING: Release: pairs with the Acquire in `is_in`; the last access of this shard to the entry.
        entry.place.store(OUT, Ordering::Release);
    }

    fn up(&mut self, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / 4;
            if self.0[parent].deadline <= self.0[at].deadline {
                break;
            }
            self.0.swap(at, parent);
            self.settle(at);
            at = parent;
        }
        self.settle(at);
    }

    fn down(&mut self, mut at: usize) {
        loop {
            let first = 4 * at + 1;
            let children = first..(first + 4).min(self.0.len());
            let Some(least) = children.min_by_key(|&child| self.0[child].deadline) else {
                break;
            };
            if self.0[at].deadline <= self.0[least].deadline {
                break;
            }
            self.0.swap(at, least);
            self.settle(at);
            at = least;
        }
        self.settle(at);
    }

    /// Writes an item's place into its entry.
    fn settle(&self, at: usize) {
        // SAFETY: an entry in the heap is alive.
        let entry = unsafe { self.0[at].entry.as_ref() };
        // ORDERING: Relaxed: under the shard's lock; the owner only asks whether it is OUT.
        entry.place.store(at as u32, Ordering::Relaxed);
    }
}
