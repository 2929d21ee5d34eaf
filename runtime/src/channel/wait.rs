//! Parked operations: intrusive, first-in first-out, cancel-safe.
//!
//! A [`Node`] lies in the future that waits. Its peer finds it under the channel's lock, does its work for it (puts a value
//! into its place, or takes one out), and marks it; the woken side sees the mark without touching the channel again.
//!
//! | mark | set by | meaning |
//! |---|---|---|
//! | `IDLE` | owner | not registered |
//! | `WAITING` | owner, under the lock | in the list |
//! | `DONE` | peer, under the lock | the exchange has happened; the owner collects the result |
//! | `CLOSED` | peer, under the lock | the other side is gone; nothing was exchanged |
//! | `LOST` | peer, under the lock | another arm of the same `select!` won first; nothing was exchanged |
//! | `SPENT` | owner | a send that has completed: its place is empty, and may not be offered again |
//!
//! **Invariants**
//! - A node is in a list exactly while it is `WAITING`; lists change under the lock of their channel only.
//! - A peer takes the waker out before it sets a mark, and touches the node no more afterwards: from then on it belongs to the
//!   owner, who may free it at once.
//! - A node that belongs to a `select!` is completed only by a peer that claimed its [`Token`] first.
//!
//! Model: `tests/loom_channel.rs`, `tests/loom_select.rs`.

#![expect(
    unsafe_code,
    reason = "intrusive lists of nodes that lie in waiting futures"
)]

use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::num::NonZeroUsize;
use std::ptr::{self, NonNull};

pub(crate) use crate::channel::place::{Place, empty, fill};
use crate::channel::select::Token;
use crate::channel::wakes::Wakes;
use crate::sync::{AtomicU32, Ordering, UnsafeCell};
use crate::task::waker::{TaskWaker, WakerPlace};

pub(crate) const IDLE: u32 = 0;
pub(crate) const WAITING: u32 = 1;
pub(crate) const DONE: u32 = 2;
pub(crate) const CLOSED: u32 = 3;
pub(crate) const LOST: u32 = 4;
pub(crate) const SPENT: u32 = 5;

/// What a parked operation offers to its peer. The first pointer is to a [`Place`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Offer {
    /// A place for a message of the channel's type.
    Recv(NonNull<()>),
    /// A message of the channel's type, to be moved out.
    Send(NonNull<()>),
    /// A message of another type, and the function that moves it out as the channel's type into a place.
    Convert(NonNull<()>, Convert),
    /// Waits only for room, for this many messages.
    Ready(u32),
}

/// One parked operation.
#[derive(Debug)]
pub(crate) struct Node {
    mark: AtomicU32,
    /// This and the rest are written when the node enters a list, and meaningless before: making an operation that need not
    /// park costs nothing.
    kind: UnsafeCell<MaybeUninit<OfferKind>>,
    inner: UnsafeCell<MaybeUninit<Inner>>,
    _pinned: PhantomPinned,
}

/// Which [`Offer`] a node makes. Beside the mark, where it takes no space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OfferKind {
    Recv,
    Send,
    Convert,
    Ready,
}

/// Small, because every idle process waits in one of these.
#[derive(Debug)]
struct Inner {
    /// In a node that is done, the address is the ticket of its hand-off.
    previous: *const Node,
    next: *const Node,
    waker: WakerPlace,
    place: NonNull<()>,
    rest: Rest,
}

/// What some nodes have. A message that is to be converted belongs to no `select!`.
#[derive(Clone, Copy)]
union Rest {
    /// Of a [`OfferKind::Convert`].
    convert: Convert,
    /// Of all others.
    token: *const Token,
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rest").finish_non_exhaustive()
    }
}

/// Moves a message of another type from its place as the channel's own type into an `Option`.
pub(crate) type Convert = unsafe fn(NonNull<()>, NonNull<()>);

#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = assert!(
    size_of::<Node>() <= 48,
    "every idle process waits in one of these"
);

// SAFETY: everything but the mark is touched under the lock of the node's channel, or by the owner while it is in no list.
unsafe impl Send for Node {}
// SAFETY: as above.
unsafe impl Sync for Node {}

impl Node {
    /// Loom's cells have state of their own.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            mark: AtomicU32::new(IDLE),
            kind: UnsafeCell::new(MaybeUninit::uninit()),
            inner: UnsafeCell::new(MaybeUninit::uninit()),
            _pinned: PhantomPinned,
        }
    }

    // A literal of the struct would be a constant, of which the compiler copies all bytes, the meaningless ones too.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(crate) fn new() -> Self {
        let mut node = MaybeUninit::<Self>::uninit();
        let place = node.as_mut_ptr();
        // SAFETY: the place is that of the node above.
        let mark = unsafe { &raw mut (*place).mark };
        // SAFETY: as above.
        unsafe { mark.write(AtomicU32::new(IDLE)) };
        // SAFETY: the other fields need no value.
        unsafe { node.assume_init() }
    }

    /// The mark, as the owner sees it without the lock.
    #[inline]
    pub(crate) fn mark(&self) -> u32 {
        // ORDERING: Acquire pairs with the Release in `List::finish`: what the peer exchanged is visible.
        self.mark.load(Ordering::Acquire)
    }

    /// Makes a node that is in no list ready for another use.
    pub(crate) fn reset(&self) {
        debug_assert_ne!(
            self.mark(),
            WAITING,
            "a node in a list cannot be used again"
        );
        // ORDERING: Relaxed: only the owner knows a node that is in no list.
        self.mark.store(IDLE, Ordering::Relaxed);
    }

    /// Says that the operation of a node that is in no list has completed, and is not begun again.
    #[inline]
    pub(crate) fn spend(&self) {
        debug_assert_ne!(self.mark(), WAITING, "a node in a list is not done");
        // ORDERING: Relaxed: only the owner knows a node that is in no list.
        self.mark.store(SPENT, Ordering::Relaxed);
    }

    /// The ticket of the hand-off that this node got. By the owner, of a node that is done.
    pub(crate) fn ticket(&self) -> u32 {
        // SAFETY: a done node is in no list, and belongs to its owner.
        unsafe { self.inner(|inner| inner.previous.addr() as u32) }
    }

    /// # Safety
    /// The node was in a list, or is. Under the lock of its channel, or by the owner while it is in no list.
    #[inline]
    unsafe fn inner<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        self.inner.with_mut(|inner| {
            // SAFETY: by contract nobody else touches the inner part now.
            let inner = unsafe { &mut *inner };
            // SAFETY: written when the node entered its list.
            f(unsafe { inner.assume_init_mut() })
        })
    }

    /// # Safety
    /// As for [`inner`](Self::inner).
    #[inline]
    unsafe fn kind(&self) -> OfferKind {
        self.kind.with(|kind| {
            // SAFETY: by contract nobody else touches it now.
            let kind = unsafe { &*kind };
            // SAFETY: written when the node entered its list.
            unsafe { kind.assume_init() }
        })
    }

    /// The `select!` that the node belongs to, or null.
    ///
    /// # Safety
    /// As for [`inner`](Self::inner).
    #[inline]
    unsafe fn token(&self) -> *const Token {
        // SAFETY: by contract.
        if unsafe { self.kind() } == OfferKind::Convert {
            return ptr::null();
        }
        // SAFETY: by contract.
        let rest = unsafe { self.inner(|inner| inner.rest) };
        // SAFETY: a node of this kind has a token in its place, or null.
        unsafe { rest.token }
    }

    /// # Safety
    /// As for [`inner`](Self::inner).
    #[inline]
    unsafe fn take_waker(&self) -> Option<TaskWaker> {
        // SAFETY: by contract.
        unsafe { self.inner(|inner| inner.waker.take()) }
    }

    /// # Safety
    /// As for [`inner`](Self::inner).
    #[inline]
    unsafe fn offer(&self) -> Offer {
        // SAFETY: by contract.
        let kind = unsafe { self.kind() };
        // SAFETY: by contract.
        let (place, rest) = unsafe { self.inner(|inner| (inner.place, inner.rest)) };
        match kind {
            OfferKind::Recv => Offer::Recv(place),
            OfferKind::Send => Offer::Send(place),
            // SAFETY: a node of this kind has the function in its place.
            OfferKind::Convert => Offer::Convert(place, unsafe { rest.convert }),
            OfferKind::Ready => Offer::Ready(place.addr().get() as u32),
        }
    }

    /// Wins the right to complete this node; always granted outside of a `select!`.
    ///
    /// # Safety
    /// Under the lock, and the node is in a list.
    #[inline]
    unsafe fn claim(&self) -> bool {
        // SAFETY: by contract.
        let token = unsafe { self.token() };
        // SAFETY: a token outlives the nodes of its `select!`, which leave the list under this lock.
        unsafe { token.as_ref() }.is_none_or(Token::claim)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The futures that own nodes withdraw them. A node that waits has a waker; any other has none to drop.
        debug_assert_ne!(
            self.mark(),
            WAITING,
            "a parked operation was dropped without being withdrawn"
        );
    }
}

/// A list of parked operations, under the lock of their channel. Packed, because every channel has two of them.
#[derive(Debug)]
#[repr(C, packed(4))]
pub(crate) struct List {
    first: *const Node,
    last: *const Node,
    len: u32,
}

// SAFETY: the list is only touched under its channel's lock, and nodes are `Sync`.
unsafe impl Send for List {}

impl List {
    pub(crate) const fn new() -> Self {
        Self {
            first: ptr::null(),
            last: ptr::null(),
            len: 0,
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// The oldest node, or null.
    #[inline]
    pub(crate) fn first(&self) -> *const Node {
        self.first
    }

    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Appends a node of the calling operation.
    ///
    /// # Safety
    /// Under the lock; the node is in no list and stays in place until it is withdrawn or marked; `offer` and `token` stay
    /// valid as long.
    #[inline]
    pub(crate) unsafe fn push(
        &mut self,
        node: &Node,
        offer: Offer,
        waker: TaskWaker,
        token: Option<&Token>,
    ) {
        debug_assert!(
            token.is_none() || !matches!(offer, Offer::Convert(..)),
            "a message that is converted belongs to no `select!`"
        );
        let last = self.last;
        let token = Rest {
            token: token.map_or(ptr::null(), ptr::from_ref),
        };
        let (kind, place, rest) = match offer {
            Offer::Recv(place) => (OfferKind::Recv, place, token),
            Offer::Send(place) => (OfferKind::Send, place, token),
            Offer::Convert(place, convert) => (OfferKind::Convert, place, Rest { convert }),
            Offer::Ready(count) => (
                OfferKind::Ready,
                NonNull::without_provenance(NonZeroUsize::MIN.saturating_add(count as usize - 1)),
                token,
            ),
        };
        node.kind.with_mut(|place| {
            // SAFETY: the node is in no list, and the caller owns it.
            unsafe { &mut *place }.write(kind);
        });
        node.inner.with_mut(|inner| {
            // SAFETY: as above.
            unsafe { &mut *inner }.write(Inner {
                previous: last,
                next: ptr::null(),
                waker: WakerPlace::new(waker),
                place,
                rest,
            });
        });
        // SAFETY: a node in the list is alive, and we hold the lock.
        match unsafe { last.as_ref() } {
            None => self.first = node,
            // SAFETY: as above.
            Some(last) => unsafe { last.inner(|inner| inner.next = node) },
        }
        self.last = node;
        self.len += 1;
        // ORDERING: Relaxed: set by the owner, and read by peers under the lock.
        node.mark.store(WAITING, Ordering::Relaxed);
    }

    /// Takes a node out of the list.
    ///
    /// # Safety
    /// Under the lock, and the node is in this list.
    #[inline]
    unsafe fn unlink(&mut self, node: &Node) -> Option<TaskWaker> {
        // SAFETY: by contract.
        let waker = unsafe { node.take_waker() };
        // SAFETY: by contract.
        let (previous, next) = unsafe { node.inner(|inner| (inner.previous, inner.next)) };
        // SAFETY: the neighbours are in the list, so they are alive.
        match unsafe { previous.as_ref() } {
            None => self.first = next,
            // SAFETY: as above.
            Some(previous) => unsafe { previous.inner(|inner| inner.next = next) },
        }
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            None => self.last = previous,
            // SAFETY: as above.
            Some(next) => unsafe { next.inner(|inner| inner.previous = previous) },
        }
        self.len -= 1;
        waker
    }

    /// The oldest node that may still be completed; those whose `select!` was won elsewhere leave the list. With the claim
    /// the caller must go on to [`finish`](Self::finish) the node.
    ///
    /// # Safety
    /// Under the lock.
    #[inline]
    pub(crate) unsafe fn claim_first(&mut self) -> Option<Claimed> {
        while !self.is_empty() {
            // SAFETY: by contract.
            let claimed = unsafe { self.claim_oldest() };
            if claimed.is_some() {
                return claimed;
            }
        }
        None
    }

    /// The oldest node, if it may still be completed; if not, it leaves the list. As for [`claim_first`](Self::claim_first).
    ///
    /// # Safety
    /// Under the lock.
    #[inline]
    pub(crate) unsafe fn claim_oldest(&mut self) -> Option<Claimed> {
        // SAFETY: a node in the list is alive.
        let node = unsafe { self.first.as_ref() }?;
        let claimed = Claimed {
            node: NonNull::from(node),
            // SAFETY: as above.
            offer: unsafe { node.offer() },
        };
        // SAFETY: it is in the list, under the lock.
        if unsafe { node.claim() } {
            return Some(claimed);
        }
        // SAFETY: as above.
        unsafe { self.finish(claimed, LOST) };
        None
    }

    /// As [`claim_first`](Self::claim_first), in a list of receivers.
    ///
    /// # Safety
    /// Under the lock.
    #[inline(always)]
    pub(crate) unsafe fn claim_receiver(&mut self) -> Option<Claimed> {
        // SAFETY: a node in the list is alive.
        let node = unsafe { self.first.as_ref() }?;
        // SAFETY: under the lock.
        let (place, rest) = unsafe { node.inner(|inner| (inner.place, inner.rest)) };
        // SAFETY: a receiver has a token in its place, or null.
        if unsafe { rest.token }.is_null() {
            return Some(Claimed {
                node: NonNull::from(node),
                offer: Offer::Recv(place),
            });
        }
        // SAFETY: under the lock.
        unsafe { self.claim_first() }
    }

    /// The oldest node, if it offers a message. It belongs to no `select!`.
    ///
    /// # Safety
    /// Under the lock.
    #[inline(always)]
    pub(crate) unsafe fn first_if_message(&self) -> Option<Claimed> {
        // SAFETY: a node in the list is alive, under the lock.
        let node = unsafe { self.first.as_ref() }?;
        // SAFETY: as above.
        let offer = unsafe { node.offer() };
        matches!(offer, Offer::Send(_) | Offer::Convert(..)).then(|| Claimed {
            node: NonNull::from(node),
            offer,
        })
    }

    /// The oldest node that offers a message, skipping those that only wait for room. Such nodes belong to no `select!`.
    ///
    /// # Safety
    /// Under the lock.
    pub(crate) unsafe fn first_message(&self) -> Option<Claimed> {
        let mut at = self.first;
        loop {
            // SAFETY: nodes in the list are alive, under the lock.
            let node = unsafe { at.as_ref() }?;
            // SAFETY: as above.
            let offer = unsafe { node.offer() };
            if matches!(offer, Offer::Send(_) | Offer::Convert(..)) {
                return Some(Claimed {
                    node: NonNull::from(node),
                    offer,
                });
            }
            // SAFETY: as above.
            at = unsafe { node.inner(|inner| inner.next) };
        }
    }

    /// What the oldest node offers, without claiming it.
    ///
    /// # Safety
    /// Under the lock.
    #[inline]
    pub(crate) unsafe fn first_offer(&self) -> Option<(Offer, *const Token)> {
        // SAFETY: a node in the list is alive, under the lock.
        let node = unsafe { self.first.as_ref() }?;
        // SAFETY: as above.
        let token = unsafe { node.token() };
        // SAFETY: as above.
        Some((unsafe { node.offer() }, token))
    }

    /// Visits the nodes, the oldest first, with what each one offers, its token, and its waker if it still has it.
    ///
    /// # Safety
    /// Under the lock.
    pub(crate) unsafe fn each(
        &self,
        mut visit: impl FnMut(Offer, Option<&Token>, Option<&TaskWaker>),
    ) {
        let mut at = self.first;
        // SAFETY: nodes in the list are alive, under the lock.
        while let Some(node) = unsafe { at.as_ref() } {
            // SAFETY: as above.
            let offer = unsafe { node.offer() };
            // SAFETY: as above.
            let token = unsafe { node.token() };
            // SAFETY: a token outlives the nodes of its `select!`, which leave the list under this lock.
            let token = unsafe { token.as_ref() };
            let mut look = |inner: &mut Inner| {
                inner.waker.look(|waker| visit(offer, token, waker));
                at = inner.next;
            };
            // SAFETY: as above.
            unsafe { node.inner(&mut look) };
        }
    }

    /// How many nodes belong to the `select!` of `token`.
    ///
    /// # Safety
    /// Under the lock.
    pub(crate) unsafe fn count_of(&self, token: *const Token) -> u32 {
        let (mut count, mut at) = (0, self.first);
        // SAFETY: nodes in the list are alive, under the lock.
        while let Some(node) = unsafe { at.as_ref() } {
            // SAFETY: as above.
            count += u32::from(ptr::eq(unsafe { node.token() }, token));
            // SAFETY: as above.
            at = unsafe { node.inner(|inner| inner.next) };
        }
        count
    }

    /// Takes the node out, marks it, and returns whom to wake. The node belongs to its owner then.
    ///
    /// # Safety
    /// Under the lock, and the node is in this list.
    #[inline]
    pub(crate) unsafe fn finish(&mut self, claimed: Claimed, mark: u32) -> Option<TaskWaker> {
        // SAFETY: by contract the node is in the list, so it is alive.
        let node = unsafe { claimed.node.as_ref() };
        // SAFETY: by contract.
        let waker = unsafe { self.unlink(node) };
        // ORDERING: Release pairs with the Acquire in `Node::mark`. The last access to the node.
        node.mark.store(mark, Ordering::Release);
        // Who lost is awake already.
        if mark == LOST { None } else { waker }
    }

    /// Finishes a receiver whose place was filled.
    ///
    /// # Safety
    /// As for [`finish`](Self::finish).
    #[inline]
    pub(crate) unsafe fn hand_over(&mut self, claimed: Claimed, ticket: u32) -> Option<TaskWaker> {
        // SAFETY: by contract the node is in the list, so it is alive.
        let node = unsafe { claimed.node.as_ref() };
        // SAFETY: by contract the node is in the list.
        let waker = unsafe { self.unlink(node) };
        let ticket = ptr::without_provenance(ticket as usize);
        // SAFETY: under the lock.
        unsafe { node.inner(|inner| inner.previous = ticket) };
        // ORDERING: as in `finish`.
        node.mark.store(DONE, Ordering::Release);
        waker
    }

    /// Marks the oldest node as closed, whoever it belongs to.
    ///
    /// # Safety
    /// Under the lock.
    pub(crate) unsafe fn close_first(&mut self) -> Option<TaskWaker> {
        let node = NonNull::new(self.first.cast_mut())?;
        // SAFETY: the first node is in the list.
        unsafe {
            self.finish(
                Claimed {
                    node,
                    offer: Offer::Ready(1),
                },
                CLOSED,
            )
        }
    }

    /// Wakes every waiting node without completing it: its owner looks again.
    ///
    /// # Safety
    /// Under the lock.
    pub(crate) unsafe fn wake_all(&mut self, wakes: &mut Wakes) {
        let mut at = self.first;
        // SAFETY: nodes in the list are alive, under the lock.
        while let Some(node) = unsafe { at.as_ref() } {
            // SAFETY: as above.
            wakes.add(unsafe { node.take_waker() });
            // SAFETY: as above.
            at = unsafe { node.inner(|inner| inner.next) };
        }
    }

    /// The owner takes its node out, if no peer has done so. Returns the mark that it found.
    ///
    /// # Safety
    /// Under the lock; the node is idle, was in this list, or still is.
    pub(crate) unsafe fn withdraw(&mut self, node: &Node) -> (u32, Option<TaskWaker>) {
        // ORDERING: Relaxed: marks change under the lock.
        let mark = node.mark.load(Ordering::Relaxed);
        if mark != WAITING {
            return (mark, None);
        }
        // SAFETY: it is waiting, so it is in the list.
        let waker = unsafe { self.unlink(node) };
        // ORDERING: Relaxed: it is in no list now, so only the owner knows it.
        node.mark.store(IDLE, Ordering::Relaxed);
        (WAITING, waker)
    }

    /// Makes sure that a waiting node wakes whoever polls it now: the operation may have moved to another process, or
    /// [`wake_all`](Self::wake_all) took its waker. Returns the mark, and the waker that was replaced.
    ///
    /// # Safety
    /// Under the lock; the node is idle, was in this list, or still is.
    pub(crate) unsafe fn renew(
        &mut self,
        node: &Node,
        cx: &std::task::Context<'_>,
    ) -> (u32, Option<TaskWaker>) {
        // ORDERING: Relaxed: marks change under the lock.
        let mark = node.mark.load(Ordering::Relaxed);
        if mark != WAITING {
            return (mark, None);
        }
        // SAFETY: under the lock.
        let old = unsafe { node.take_waker() };
        let (waker, old) = match old {
            Some(waker) if waker.is(cx) => (waker, None),
            old => (TaskWaker::of(cx), old),
        };
        // SAFETY: as above.
        unsafe { node.inner(|inner| inner.waker = WakerPlace::new(waker)) };
        (mark, old)
    }
}

/// A node that the caller may complete.
#[derive(Debug)]
pub(crate) struct Claimed {
    node: NonNull<Node>,
    pub(crate) offer: Offer,
}
