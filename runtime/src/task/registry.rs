//! The registry of processes: type-stable slots, ids never reused, readable at any time without a pause.
//!
//! A slot is one 64-byte line of counters with a single writer (the worker that polls the process) and a second line of
//! what is known at spawn. Slots live in buckets that are never freed while the system lives, so a reader may look at
//! any of them at any moment; the generation tells whether it still speaks of the same process. Index and generation
//! together are the id.
//!
//! Layout of the buckets: bucket `b` holds `FIRST << b` slots, so an index finds its slot with one `leading_zeros`.
//!
//! **Invariants**
//! - Between `take` and `release` exactly one cell owns the slot; its generation is odd from `publish` to `release`.
//! - A bucket is made after all those below it, so whoever visits slots in order has seen all when the next bucket is not there.
//! - `handle` points to a task with a reference of its own to give away, or is null; it is read under the slot's lock only.

#![expect(
    unsafe_code,
    reason = "a slot hands out references to a task that its lock keeps alive"
)]

use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

#[cfg(not(loom))]
use crate::sync::AtomicPtr;
use crate::sync::{AtomicU32, AtomicU64, Guard, Lock, Ordering};
use crate::task::TaskRef;
use crate::task::cell::Header;
pub(crate) use crate::task::id::{ProcessId, WaitKind};
use crate::task::memory::Cells;
use crate::task::origin::{NOBODY, Origin};
use crate::task::ports::Ports;
use crate::task::waits::{MOST, Noted, Waits};

/// Slots in the first bucket.
#[cfg(not(loom))]
const FIRST: u32 = 1024;
/// A model has no more: what makes the others is none of loom's cells.
#[cfg(loom)]
const FIRST: u32 = 16;
const BUCKETS: usize = 23;

/// The counters of one process. Written only by the worker that polls it; all relaxed.
///
/// ORDERING of this file: every counter is Relaxed, because each is a single number that is read by observers who accept
/// a value of a moment ago; `seq` is stored with Release before a poll starts, and read with Acquire, so that an observer who
/// sees the same `seq` twice knows that no poll ran between. `wait`, `object` and the list of waits are Release as well: whoever
/// reads one that belongs to a later poll, and fences, finds `seq` changed (as in a sequence lock; Boehm, *Can seqlocks get along
/// with programming language memory models?*, 2012). `generation` is Release on change and Acquire on read.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Line {
    /// Polls.
    pub(crate) seq: AtomicU64,
    /// `since_ms:32 | kinds:16 | kept:4 | kind:4 | edge:1 | noted:7`, in one word so that kind and age cannot be torn apart; see
    /// [`Said`](crate::task::waits::Said). The last is how many waits there are; if that is more than one, or it is a `select!`, all are
    /// in [`Registry::waits`].
    pub(crate) wait: AtomicU64,
    /// The channel, process or lock waited for.
    pub(crate) object: AtomicU64,
    /// Milliseconds spent running, waiting in `recv`, in `send`, for the outside, for a call, and runnable.
    pub(crate) busy_ms: AtomicU32,
    pub(crate) idle_ms: AtomicU32,
    pub(crate) pushed_ms: AtomicU32,
    pub(crate) extern_ms: AtomicU32,
    pub(crate) calling_ms: AtomicU32,
    pub(crate) ready_wait_ms: AtomicU32,
    /// While the process is parked with an edge, the index of the process that it waits for; its own, if that is any of a scope.
    pub(crate) edge: AtomicU32,
    /// What a stop told the process: `current::STOPPING`, `current::ENDED`. Set by the coordinator of the stop.
    pub(crate) flags: AtomicU32,
    /// Odd while a process owns the slot.
    generation: AtomicU32,
    index: u32,
}

/// Bits of a slot that tell scopes apart.
const SCOPE_BITS: u32 = 24;

const SCOPE_MASK: u32 = (1 << SCOPE_BITS) - 1;

/// What a slot keeps of the number of a scope: zero for no scope only.
pub(crate) fn low_bits(scope: u64) -> u32 {
    match scope {
        0 => 0,
        scope => ((scope - 1) % u64::from(SCOPE_MASK) + 1) as u32,
    }
}

/// Whether a process with these bits may be inside of a scope: scopes inside have larger numbers, up to half of those that the bits
/// tell apart.
pub(crate) fn may_be_inside(bits: u32, scope: u64) -> bool {
    bits.wrapping_sub(low_bits(scope)) & SCOPE_MASK <= SCOPE_MASK / 2
}

/// A slot: the line of counters, and what is known at spawn.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Slot {
    pub(crate) line: Line,
    about: Lock<About>,
    born_ms: AtomicU32,
    /// `handler:8 | scope:24`: the handler that it waits in, and what is left of the number of its scope (see [`low_bits`]), so
    /// that a search for the processes of a scope can pass over the others.
    scope: AtomicU32,
}

#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = assert!(size_of::<Slot>() == 128, "a slot is two cache lines");

/// What is known of a process at spawn, under the slot's lock.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) origin: &'static Origin,
    pub(crate) ports: Ports,
    task: *const Header,
}

/// Name and site are those of its origin.
impl Deref for About {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        self.origin
    }
}

// SAFETY: the pointer is only followed under the slot's lock, while it is not null, and `Header` is `Sync`.
unsafe impl Send for About {}

impl Line {
    /// In the wait word: one of the waits is for one process only, whose index [`Line::edge`] says.
    pub(crate) const EDGE: u64 = 1 << 7;
    /// In the wait word: how many waits the last poll noted.
    pub(crate) const NOTED: u64 = Self::EDGE - 1;

    /// Says which process this one waits for, if it has an edge; it is about to park.
    #[inline]
    pub(crate) fn note_edge(&self, to: u64) {
        // ORDERING: see `Line`; the state word publishes it when the process parks. The lower half of an id is the index.
        self.edge.store(to as u32, Ordering::Relaxed);
    }

    /// The index of the process that this one waits for, if it has an edge and is found parked afterwards.
    pub(crate) fn edge(&self) -> u32 {
        // ORDERING: see `Line`.
        self.edge.load(Ordering::Relaxed)
    }
}

impl Slot {
    /// Where the owner of the slot describes its next process.
    #[inline]
    pub(crate) fn describe(&self) -> Guard<'_, About> {
        self.about.lock()
    }

    /// Makes a process visible that was described.
    #[inline]
    pub(crate) fn publish(
        &self,
        mut entry: Guard<'_, About>,
        task: NonNull<Header>,
        scope: u64,
        born_ms: u32,
    ) {
        let line = &self.line;
        // ORDERING: see `Line`.
        self.born_ms.store(born_ms, Ordering::Relaxed);
        self.scope.store(low_bits(scope), Ordering::Relaxed);
        for counter in [
            &line.busy_ms,
            &line.idle_ms,
            &line.pushed_ms,
            &line.extern_ms,
            &line.calling_ms,
            &line.ready_wait_ms,
            &line.flags,
        ] {
            // ORDERING: see `Line`.
            counter.store(0, Ordering::Relaxed);
        }
        for word in [&line.seq, &line.wait, &line.object] {
            // ORDERING: see `Line`.
            word.store(0, Ordering::Relaxed);
        }
        entry.task = task.as_ptr();
        // ORDERING: see `Line`; only the owner of the slot writes it, under the lock.
        let generation = line.generation.load(Ordering::Relaxed);
        line.generation
            .store(generation.wrapping_add(1), Ordering::Release);
    }

    fn new(index: u32) -> Self {
        let about = About {
            origin: &NOBODY,
            ports: Ports::default(),
            task: ptr::null(),
        };
        Self {
            line: Line {
                index,
                ..Line::default()
            },
            about: Lock::new(about),
            born_ms: AtomicU32::new(0),
            scope: AtomicU32::new(0),
        }
    }

    /// Where the slot is, which no other process has at the same time.
    #[inline]
    pub(crate) fn index(&self) -> u32 {
        self.line.index
    }

    pub(crate) fn id(&self) -> ProcessId {
        // ORDERING: see `Line`.
        ProcessId::new(
            self.line.index,
            self.line.generation.load(Ordering::Acquire),
        )
    }

    /// Whether the process was ever polled.
    pub(crate) fn has_run(&self) -> bool {
        // ORDERING: see `Line`; asked by the worker that has the task, or by an observer who asks again later.
        self.line.seq.load(Ordering::Relaxed) != 0
    }

    /// What the process waits for, as its last poll said.
    pub(crate) fn wait(&self) -> WaitKind {
        // ORDERING: see `Line`.
        WaitKind::from_u8((self.line.wait.load(Ordering::Relaxed) >> 8) as u8)
    }

    /// The handler that the process waits in, from 1; 0 if it is in none.
    pub(crate) fn handler(&self) -> u8 {
        // ORDERING: see `Line`.
        (self.scope.load(Ordering::Relaxed) >> SCOPE_BITS) as u8
    }

    /// Says which handler the process waits in. Called by the worker that polls it.
    pub(crate) fn set_handler(&self, handler: u8) {
        // ORDERING: see `Line`; this thread is the only one that writes it while the process lives.
        let scope = self.scope.load(Ordering::Relaxed) & SCOPE_MASK;
        self.scope
            .store(scope | u32::from(handler) << SCOPE_BITS, Ordering::Relaxed);
    }

    /// When the process was spawned, on the coarse clock.
    pub(crate) fn born_ms(&self) -> u32 {
        // ORDERING: see `Line`.
        self.born_ms.load(Ordering::Relaxed)
    }

    /// Where the process comes from, with its name. Valid as long as the caller holds a reference to its task.
    pub(crate) fn origin(&self) -> &'static Origin {
        self.about.lock().origin
    }

    /// Takes the process out of sight: it has ended. The slot stays its own until its cell is freed.
    pub(crate) fn hide(&self) {
        let mut about = self.about.lock();
        about.task = ptr::null();
        about.ports.leave();
    }

    /// What is known of the process, if it lives and nobody is at it this moment.
    pub(crate) fn peek<R>(&self, look: impl FnOnce(ProcessId, &About, &Header) -> R) -> Option<R> {
        self.show(&*self.about.try_lock()?, look)
    }

    /// As [`peek`](Self::peek), of whichever process has the slot; false if none lives there, and `None` if somebody is at it.
    pub(crate) fn peek_if_free(
        &self,
        look: impl FnOnce(ProcessId, &About, &Header) -> bool,
    ) -> Option<bool> {
        let about = self.about.try_lock()?;
        Some(self.show(&about, look).unwrap_or(false))
    }

    /// What is known of the process, if it lives. Waits for whoever is at it.
    pub(crate) fn look<R>(&self, look: impl FnOnce(ProcessId, &About, &Header) -> R) -> Option<R> {
        self.show(&self.about.lock(), look)
    }

    /// The lock of `about` is held.
    fn show<R>(
        &self,
        about: &About,
        look: impl FnOnce(ProcessId, &About, &Header) -> R,
    ) -> Option<R> {
        let task = NonNull::new(about.task.cast_mut())?;
        // SAFETY: as in `read`; the lock is held meanwhile.
        Some(look(self.id(), about, unsafe { task.as_ref() }))
    }

    /// Changes the ports of the process, by the process itself.
    pub(crate) fn change_ports<R>(&self, change: impl FnOnce(&mut Ports) -> R) -> R {
        change(&mut self.about.lock().ports)
    }

    /// Whether a process that belongs to a scope has the slot, as far as it is known without a lock.
    pub(crate) fn is_used(&self) -> bool {
        // ORDERING: see `Line`: a process that starts now may be missed.
        self.line.generation.load(Ordering::Acquire) % 2 == 1
    }

    /// The low bits of the number of the process's scope; zero for the runtime's own processes and the body of `main`.
    pub(crate) fn scope_bits(&self) -> u32 {
        // ORDERING: see `Line`.
        self.scope.load(Ordering::Relaxed) & SCOPE_MASK
    }

    /// Reads what is known of the process, if it lives, with a new reference to its task.
    pub(crate) fn read(&self) -> Option<(ProcessId, About, TaskRef)> {
        let about = self.about.lock();
        let task = NonNull::new(about.task.cast_mut())?;
        // SAFETY: the pointer is not null under the slot's lock, so the task has not left the registry and lives.
        let task = unsafe { TaskRef::retained(task) };
        Some((self.id(), about.clone(), task))
    }
}

/// The waits of the process in a slot.
type WaitList = OnceLock<Box<Waits>>;

/// All slots of a system.
#[derive(Debug)]
pub(crate) struct Registry {
    buckets: [OnceLock<Box<[Slot]>>; BUCKETS],
    /// Where each bucket begins, for those who come with every call.
    #[cfg(not(loom))]
    first_slots: [AtomicPtr<Slot>; BUCKETS],
    /// For each slot the waits of its process, if it had several at once; made when they are first needed.
    waits: [OnceLock<Box<[WaitList]>>; BUCKETS],
    /// Indices that are free, and the first index never used.
    free: Lock<Free>,
}

#[derive(Debug)]
struct Free {
    indices: Vec<u32>,
    next: u32,
}

/// What one worker keeps of processes that are gone, so that spawn and exit touch nothing shared.
#[derive(Debug, Default)]
pub(crate) struct FreeCache {
    /// Indices of free slots.
    slots: Vec<u32>,
    /// Memory of cells.
    pub(crate) cells: Cells,
    /// Slots are not used again, up to [`ONCE`] of them: in a simulation, which shows people their numbers.
    pub(crate) once: bool,
    /// How many of them are spent.
    spent: u32,
}

/// How many a worker takes at a time.
const BATCH: usize = if cfg!(loom) { 2 } else { 64 };
/// How many slots are used once only, where slots are: as many as take 8 MiB.
const ONCE: u32 = 1 << 16;

impl Registry {
    pub(crate) fn new() -> Self {
        let new = Self {
            buckets: [const { OnceLock::new() }; BUCKETS],
            #[cfg(not(loom))]
            first_slots: [const { AtomicPtr::new(ptr::null_mut()) }; BUCKETS],
            waits: [const { OnceLock::new() }; BUCKETS],
            free: Lock::new(Free {
                indices: Vec::new(),
                next: 0,
            }),
        };
        if cfg!(loom) {
            new.bucket_or_grow(0);
        }
        new
    }

    /// Takes a slot for a new process. `cache` is the worker's own list, if the caller is a worker.
    pub(crate) fn take(&self, cache: Option<&mut FreeCache>) -> &Slot {
        let index = match cache {
            Some(FreeCache { slots: list, .. }) => match list.pop() {
                Some(index) => index,
                None => {
                    self.free.lock().pop_into(list, BATCH);
                    list.pop().unwrap_or_else(|| self.free.lock().fresh())
                }
            },
            None => {
                let mut free = self.free.lock();
                free.indices.pop().unwrap_or_else(|| free.fresh())
            }
        };
        self.slot_or_grow(index)
    }

    /// Frees a slot whose task is gone, for another process.
    pub(crate) fn release(&self, slot: &Slot, cache: Option<&mut FreeCache>) {
        // ORDERING: see `Line`; only the owner of the slot writes it.
        let generation = slot.line.generation.load(Ordering::Relaxed);
        let next = generation.wrapping_add(1);
        slot.line.generation.store(next, Ordering::Release);
        // Its numbers are used up. It is left, so that no id comes again.
        if next == 0 {
            return;
        }
        match cache {
            Some(cache) if cache.once && slot.line.index < ONCE => cache.spent += 1,
            Some(FreeCache { slots: list, .. }) => {
                list.push(slot.line.index);
                if list.len() > 2 * BATCH {
                    self.free.lock().indices.extend(list.drain(BATCH..));
                }
            }
            None => self.free.lock().indices.push(slot.line.index),
        }
    }

    /// Takes over the free slots of a worker that ends.
    pub(crate) fn take_back(&self, cache: &mut FreeCache) {
        self.free.lock().indices.append(&mut cache.slots);
    }

    /// The slot at `index`, if it was ever used.
    pub(crate) fn slot(&self, index: u32) -> Option<&Slot> {
        let (bucket, offset) = place(index);
        self.buckets.get(bucket)?.get()?.get(offset)
    }

    /// As [`slot`](Self::slot), in a third of the instructions.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn slot_at_once(&self, index: u32) -> Option<&Slot> {
        let (bucket, offset) = place(index);
        // ORDERING: Acquire pairs with the Release in `slot_or_grow`: the slots are made.
        let first = NonNull::new(self.first_slots[bucket].load(Ordering::Acquire))?;
        // SAFETY: bucket `b` has `FIRST << b` slots, which `place` stays below.
        let slot = unsafe { first.add(offset) };
        // SAFETY: no bucket is freed while `self` lives.
        Some(unsafe { slot.as_ref() })
    }

    #[cfg(loom)]
    pub(crate) fn slot_at_once(&self, index: u32) -> Option<&Slot> {
        self.slot(index)
    }

    /// Writes the waits of the process in this slot, which is about to park with several of them.
    #[cold]
    pub(crate) fn note_waits(&self, slot: &Slot, waits: impl Iterator<Item = Noted>) {
        let (bucket, offset) = place(slot.line.index);
        let lists = self.waits[bucket]
            .get_or_init(|| (0..FIRST << bucket).map(|_| OnceLock::new()).collect());
        lists[offset].get_or_init(Box::default).write(waits);
    }

    /// Calls `found` with the waits of the process in this slot, as its last poll noted them. What was read belongs together if the
    /// `seq` of the line is the same afterwards.
    pub(crate) fn waits(&self, slot: &Slot, mut found: impl FnMut(Noted)) {
        // ORDERING: see `Line`.
        let word = slot.line.wait.load(Ordering::Relaxed);
        let kind = WaitKind::from_u8((word >> 8) as u8);
        let noted = word & Line::NOTED;
        if noted < 2 && kind != WaitKind::Select {
            if noted == 1 {
                // ORDERING: see `Line`.
                let object = slot.line.object.load(Ordering::Relaxed);
                found(Noted { kind, object });
            }
            return;
        }
        let (bucket, offset) = place(slot.line.index);
        let list = self.waits[bucket]
            .get()
            .and_then(|lists| lists[offset].get());
        if let Some(list) = list {
            list.read((noted as usize).min(MOST), found);
        }
    }

    /// The living process with this id.
    pub(crate) fn find(&self, id: ProcessId) -> Option<TaskRef> {
        let (found, _, task) = self.slot(id.index())?.read()?;
        (found == id).then_some(task)
    }

    /// The name of the process with this id, as long as something of it is left.
    pub(crate) fn name_of(&self, id: ProcessId) -> Option<&'static str> {
        let slot = self.slot(id.index())?;
        let name = slot.origin().name;
        (slot.id() == id).then_some(name)
    }

    /// Visits every living process, in the order of their slots. Processes that start or end meanwhile may be missed.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(ProcessId, &About, &Slot, TaskRef)) {
        for bucket in &self.buckets {
            let Some(slots) = bucket.get() else { break };
            for slot in slots {
                if let Some((id, about, task)) = slot.read() {
                    visit(id, &about, slot, task);
                }
            }
        }
    }

    /// All slots that were ever used, in order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.buckets
            .iter()
            .map_while(OnceLock::get)
            .flat_map(|slots| slots.iter())
    }

    /// Visits living processes, from slot `from` on and over `count` slots; those of scopes whose number the `filter` does not
    /// want by its low bits are passed over without being touched. False if there are no more slots.
    pub(crate) fn visit(
        &self,
        from: u32,
        count: u32,
        mut filter: impl FnMut(u32) -> bool,
        mut visit: impl FnMut(ProcessId, &About, &Slot, TaskRef),
    ) -> bool {
        let (to, used) = (from + count, self.used());
        for index in from..to.min(used) {
            let Some(slot) = self.slot(index) else {
                return false;
            };
            // ORDERING: see `Line`: a process that starts now may be missed.
            let (generation, scope) = (
                slot.line.generation.load(Ordering::Acquire),
                slot.scope.load(Ordering::Relaxed) & SCOPE_MASK,
            );
            if generation % 2 == 1
                && filter(scope)
                && let Some((id, about, task)) = slot.read()
            {
                visit(id, &about, slot, task);
            }
        }
        to < used
    }

    /// How many slots were ever used.
    pub(crate) fn used(&self) -> u32 {
        self.free.lock().next
    }

    /// Makes the registry as good as new, if every slot is free; `cache` is the list of its only worker. False if one is not.
    pub(crate) fn reset(&self, cache: &mut FreeCache) -> bool {
        let mut free = self.free.lock();
        let unused = free.indices.len() + cache.slots.len() + cache.spent as usize;
        if unused != free.next as usize {
            return false;
        }
        for index in 0..free.next {
            if let Some(slot) = self.slot(index) {
                // ORDERING: Relaxed: nobody else has the registry.
                slot.line.generation.store(0, Ordering::Relaxed);
            }
        }
        free.indices.clear();
        cache.slots.clear();
        cache.spent = 0;
        free.next = 0;
        true
    }

    /// Visits the origins of living processes and when each was spawned, from slot `from` on and over `count` slots. False if
    /// there are no more slots.
    pub(crate) fn for_each_origin(
        &self,
        from: u32,
        count: u32,
        mut visit: impl FnMut(&'static Origin, u32),
    ) -> bool {
        for index in from..from + count {
            let Some(slot) = self.slot(index) else {
                return false;
            };
            // ORDERING: see `Line`: a process that starts now may be missed.
            if slot.line.generation.load(Ordering::Acquire) % 2 == 1 {
                let about = slot.about.lock();
                if !about.task.is_null() {
                    visit(about.origin, slot.born_ms());
                }
            }
        }
        true
    }

    fn slot_or_grow(&self, index: u32) -> &Slot {
        let (bucket, offset) = place(index);
        let slots = self.bucket_or_grow(bucket);
        // ORDERING: Relaxed: others store the same; Release: see `slot_at_once`. Whoever has the index of a process from elsewhere has
        // it from a thread that came by here.
        #[cfg(not(loom))]
        if self.first_slots[bucket].load(Ordering::Relaxed).is_null() {
            self.first_slots[bucket].store(slots.as_ptr().cast_mut(), Ordering::Release);
        }
        &slots[offset]
    }

    fn bucket_or_grow(&self, bucket: usize) -> &[Slot] {
        self.buckets[bucket].get_or_init(|| {
            // Somebody else has taken the numbers in those below, and may use none of them for long.
            if let Some(below) = bucket.checked_sub(1) {
                self.bucket_or_grow(below);
            }
            let first = (FIRST << bucket) - FIRST;
            (0..FIRST << bucket)
                .map(|offset| Slot::new(first + offset))
                .collect()
        })
    }
}

impl Free {
    fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    fn pop_into(&mut self, list: &mut Vec<u32>, count: usize) {
        let keep = self.indices.len().saturating_sub(count);
        list.extend(self.indices.drain(keep..));
        while list.len() < count {
            list.push(self.fresh());
        }
        list.reverse();
    }
}

/// The bucket of an index, and its place there.
#[inline]
fn place(index: u32) -> (usize, usize) {
    // In 64 bits nothing overflows, and the compiler sees that.
    let shifted = u64::from(index) + u64::from(FIRST);
    let top = shifted.ilog2();
    let offset = shifted ^ 1 << top;
    ((top - FIRST.ilog2()) as usize, offset as usize)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Registry, place};
    use crate::sync::Ordering;

    #[test]
    fn a_slot_whose_numbers_are_used_up_is_left() {
        let registry = Registry::new();
        let index = registry.take(None).line.index;
        for (generation, again) in [(u32::MAX - 2, true), (u32::MAX, false)] {
            let slot = registry.slot(index).expect("it was taken");
            // ORDERING: Relaxed: nobody else knows this registry.
            slot.line.generation.store(generation, Ordering::Relaxed);
            registry.release(slot, None);
            assert_eq!(registry.take(None).line.index == index, again);
        }
    }

    #[test]
    fn a_slot_is_visited_though_nobody_used_those_before_it() {
        let registry = Registry::new();
        let _ = registry.slot_or_grow(3072);
        assert_eq!(registry.slots().count(), 1024 + 2048 + 4096);
    }

    #[test]
    fn every_index_has_one_place_and_buckets_double() {
        assert_eq!(place(0), (0, 0));
        assert_eq!(place(1023), (0, 1023));
        assert_eq!(place(1024), (1, 0));
        assert_eq!(place(3071), (1, 2047));
        assert_eq!(place(3072), (2, 0));
    }
}
