//! The part of a core that does not depend on the type of its messages: the counts of its endpoints, and the table of its
//! operations.
//!
//! **Invariants**
//! - A side is closed once, by whoever gives up its last endpoint; the core is freed when no endpoint of any kind is left.
//! - An endpoint of another type (a port of a struct's mailbox) reaches the core through [`VTable`]; the own path is one
//!   predictable branch away from a direct call.

#![expect(
    unsafe_code,
    reason = "type-erased cores that are freed with their last endpoint"
)]

use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::Context;

use crate::channel::account::{self, Item, Loss};
use crate::channel::cold::Closing;
use crate::channel::core::Core;
use crate::channel::overdue::Overdue;
use crate::channel::registry::Home;
use crate::channel::select::Token;
use crate::channel::wait::{Node, Offer};
use crate::observe::{BOOKS, Ledger};
use crate::scope::Life;
use crate::sync::{AtomicU64, Ordering, prefetch_rest};
use crate::task::TaskRef;

pub(super) const SENDER: u64 = 1;
pub(super) const RECEIVER: u64 = 1 << 24;
const WEAK: u64 = 1 << 44;
const SENDERS: u64 = RECEIVER - 1;
const RECEIVERS: u64 = WEAK - RECEIVER;

/// The part of a core that does not depend on the message type.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Head {
    /// `weak:20 | receivers:20 | senders:24`; the core is freed when all are zero.
    pub(super) counts: AtomicU64,
    pub(crate) vtable: &'static VTable,
    pub(crate) site: &'static Location<'static>,
    /// The id of the process that alone receives here, if it is the mailbox of a struct; otherwise zero.
    pub(crate) server: AtomicU64,
    /// The list for observers that the channel is in.
    pub(super) home: Home,
}

/// Which endpoint of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Sender,
    Receiver,
    /// Keeps the memory alive, but not the channel open.
    Weak,
}

impl Side {
    fn unit(self) -> u64 {
        match self {
            Self::Sender => SENDER,
            Self::Receiver => RECEIVER,
            Self::Weak => WEAK,
        }
    }
}

/// What came of the attempt to send, or to get room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Started {
    /// Sent, or granted.
    Done,
    /// There is no room, and nothing was parked.
    Full,
    /// No receiver is left, or the channel refuses new messages.
    Closed,
    /// The node is in the list.
    Parked,
    /// Another arm of the `select!` was faster.
    Lost,
}

/// How an operation may park.
pub(crate) struct Park<'a, 'b> {
    pub(crate) node: &'a Node,
    pub(crate) cx: &'a Context<'b>,
    pub(crate) token: Option<&'a Token>,
}

/// The operations of a core for those who do not know its message type.
#[derive(Debug)]
pub(crate) struct VTable {
    pub(crate) send: unsafe fn(NonNull<Head>, Offer, Option<Park<'_, '_>>) -> Started,
    pub(crate) ready: unsafe fn(NonNull<Head>, u32, Option<Park<'_, '_>>) -> Started,
    pub(crate) use_permit: unsafe fn(NonNull<Head>, Option<Offer>) -> bool,
    pub(crate) withdraw: unsafe fn(NonNull<Head>, &Node) -> u32,
    pub(crate) renew: unsafe fn(NonNull<Head>, &Node, &Context<'_>) -> u32,
    pub(crate) refuses: unsafe fn(NonNull<Head>) -> bool,
    pub(crate) refuse: unsafe fn(NonNull<Head>),
    pub(crate) refuse_all: unsafe fn(NonNull<Head>),
    /// Processes outside of a scope that stops are refused.
    pub(crate) refuse_outside: unsafe fn(NonNull<Head>, Arc<Life>),
    pub(crate) owner: unsafe fn(NonNull<Head>) -> Option<TaskRef>,
    pub(crate) set_owner: unsafe fn(NonNull<Head>, TaskRef),
    pub(crate) stats: unsafe fn(NonNull<Head>) -> Stats,
    pub(crate) ledger: unsafe fn(NonNull<Head>) -> Ledger,
    pub(crate) overdue: unsafe fn(NonNull<Head>) -> Option<Overdue>,
    pub(crate) lose: unsafe fn(NonNull<Head>, Loss, Item, u64),
    /// What a message was, and the process that sent it, if it says so.
    pub(crate) about: fn(Item) -> (String, u64),
    /// The name of the message's type.
    pub(crate) message: fn() -> &'static str,
    /// Where the channel is in the list that it enters now.
    pub(crate) list_at: unsafe fn(NonNull<Head>, u32),
    /// Who sent what is written down from now on, or not.
    pub(crate) write_sources: unsafe fn(NonNull<Head>, bool),
    pub(crate) close: unsafe fn(NonNull<Head>, Side),
    pub(crate) free: unsafe fn(NonNull<Head>),
}

/// Counters of a channel, kept under its lock: every channel has them, so they are small.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, packed(4))]
pub(crate) struct Counters {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) last_ms: u32,
    pub(crate) high_water: u32,
    /// Integral of the length over coarse milliseconds.
    pub(crate) fill: u64,
    pub(crate) full_ms: u32,
}

/// What an observer is told of a channel.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stats {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Integral of the length over coarse milliseconds.
    pub(crate) fill: u64,
    pub(crate) full_ms: u32,
    pub(crate) high_water: u32,
    pub(crate) len: u32,
    pub(crate) capacity: u32,
    /// Room that was granted and not used yet.
    pub(crate) permits: u32,
    /// Somebody has waited for room for several messages at once, before others.
    pub(crate) wants_many: bool,
    /// A message that was handed to a parked receiver may not have been seen yet. If this is false, none is out.
    pub(crate) unseen: bool,
    pub(crate) blocked_senders: u32,
    pub(crate) waiting_receivers: u32,
    pub(crate) name: Option<&'static str>,
    /// The address of the task that sent last.
    pub(crate) sent_by: usize,
}

impl Head {
    /// One more endpoint of a kind that already exists.
    #[inline]
    pub(crate) fn retain(&self, side: Side) {
        // ORDERING: Relaxed: made from a living endpoint; nothing is published.
        let before = self.counts.fetch_add(side.unit(), Ordering::Relaxed);
        let (senders, receivers) = (before & SENDERS, (before & RECEIVERS) / RECEIVER);
        if senders > SENDERS / 2 || receivers > 1 << 19 || before >> 63 != 0 {
            too_many();
        }
    }

    /// One more strong sender, if there is one.
    pub(crate) fn upgrade(&self) -> bool {
        // ORDERING: Relaxed: only the first guess.
        let mut seen = self.counts.load(Ordering::Relaxed);
        while seen & SENDERS != 0 {
            // ORDERING: Relaxed: as in `retain`.
            match self.counts.compare_exchange_weak(
                seen,
                seen + SENDER,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    /// The process that alone receives here, or zero.
    #[inline]
    pub(crate) fn server(&self) -> u64 {
        // ORDERING: Relaxed: a name that is looked up, and checked then.
        self.server.load(Ordering::Relaxed)
    }

    pub(crate) fn senders(&self) -> u64 {
        // ORDERING: Acquire: for observers that go on to read the channel.
        self.counts.load(Ordering::Acquire) & SENDERS
    }

    pub(crate) fn receivers(&self) -> u64 {
        // ORDERING: as in `senders`.
        (self.counts.load(Ordering::Acquire) & RECEIVERS) / RECEIVER
    }

    /// How many strong senders, receivers and weak endpoints there are.
    pub(crate) fn endpoints(&self) -> [u64; 3] {
        // ORDERING: Acquire pairs with the Release of an endpoint that was given up: what its holder did before, a wake for
        // instance, is visible to the search for leaks, which looks at the processes afterwards.
        let counts = self.counts.load(Ordering::Acquire);
        [
            counts & SENDERS,
            (counts & RECEIVERS) / RECEIVER,
            counts / WEAK,
        ]
    }
}

#[cold]
fn too_many() -> ! {
    // As for the standard library's reference counts: going on would be unsound, and nobody has that many endpoints.
    crate::system::print_error(format_args!(
        "roundrock: a channel has at most 8388608 senders, 524288 receivers, and as many weak endpoints: the program is aborted; \
         lend one endpoint to many processes instead of cloning it for each"
    ));
    std::process::abort()
}

/// Gives up an endpoint: the last one of its side closes that side, the last of all frees the core.
///
/// # Safety
/// The caller owns an endpoint of this side and does not use it any more.
pub(crate) unsafe fn release(head: NonNull<Head>, side: Side) {
    // SAFETY: the endpoint keeps the core alive.
    let shared = unsafe { head.as_ref() };
    // ORDERING: Acquire: for the case that this is the only endpoint, what all others did is visible.
    let mut seen = shared.counts.load(Ordering::Acquire);
    if seen == side.unit() {
        // Endpoints come from endpoints, so nobody else has the core, and nobody will.
        prefetch_rest(shared as *const Head, size_of::<Core<()>>());
        let _left = Left { head, alone: true };
        if side != Side::Weak {
            // SAFETY: this endpoint keeps the core alive.
            unsafe { (shared.vtable.close)(head, side) };
        }
        return;
    }
    loop {
        let last = match side {
            Side::Sender => seen & SENDERS == SENDER,
            Side::Receiver => seen & RECEIVERS == RECEIVER,
            Side::Weak => false,
        };
        // The last of a side keeps the memory as a weak endpoint until it has closed its side.
        let next = seen - side.unit() + if last { WEAK } else { 0 };
        // ORDERING: Release: what this holder did comes before closing and freeing; Acquire: who closes or frees sees it.
        match shared
            .counts
            .compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed)
        {
            Ok(_) if last => {
                let _left = Left { head, alone: false };
                // SAFETY: the weak count keeps the core alive.
                unsafe { (shared.vtable.close)(head, side) };
                return;
            }
            // SAFETY: nobody knows the core any more.
            Ok(_) if next == 0 => return unsafe { (shared.vtable.free)(head) },
            Ok(_) => return,
            Err(now) => seen = now,
        }
    }
}

/// A side of a core that is being closed, which means destructors of messages. The core is given up also if one of them panics.
struct Left {
    head: NonNull<Head>,
    /// Nobody else has the core; otherwise a weak count is to be given up.
    alone: bool,
}

impl Drop for Left {
    #[inline]
    fn drop(&mut self) {
        if self.alone {
            // SAFETY: whoever made this knows the core alone.
            let free = unsafe { self.head.as_ref() }.vtable.free;
            // SAFETY: nobody knows the core any more; the table fits it.
            unsafe { free(self.head) };
        } else {
            // SAFETY: whoever made this owns a weak count, and gives it up with this.
            unsafe { release(self.head, Side::Weak) };
        }
    }
}

impl<T> Core<T> {
    pub(crate) const VTABLE: VTable = VTable {
        // In all entries `head` is that of a `Core<T>` which an endpoint keeps alive, by the contract of the table.
        send: Self::erased_send,
        // SAFETY: as said above.
        ready: |head, count, park| unsafe { Self::of(head) }.ready(count, park),
        use_permit: Self::erased_use_permit,
        withdraw: Self::erased_withdraw,
        renew: Self::erased_renew,
        // SAFETY: as said above.
        refuses: |head| unsafe { Self::of(head) }.refuses(),
        // SAFETY: as above.
        refuse: |head| unsafe { Self::of(head) }.refuse(),
        // SAFETY: as above.
        refuse_all: |head| unsafe { Self::of(head) }.close_to(Closing::All),
        // SAFETY: as above.
        refuse_outside: |head, scope| unsafe { Self::of(head) }.refuse_outside(scope),
        // SAFETY: as above.
        owner: |head| unsafe { Self::of(head) }.owner(),
        // SAFETY: as above.
        set_owner: |head, owner| unsafe { Self::of(head) }.set_owner(owner),
        message: std::any::type_name::<T>,
        // SAFETY: as above.
        stats: |head| unsafe { Self::of(head) }.stats(),
        // SAFETY: as above.
        ledger: |head| unsafe { Self::of(head) }.ledger(),
        // SAFETY: as above.
        overdue: |head| unsafe { Self::of(head) }.overdue(),
        // SAFETY: as above.
        lose: |head, loss, item, source| unsafe { Self::of(head) }.lose(loss, item, source),
        about: account::about::<T>,
        // SAFETY: as above.
        list_at: |head, index| unsafe { Self::of(head) }.list_at(index),
        // SAFETY: as above.
        write_sources: |head, is_read| unsafe { Self::of(head) }.write_sources(is_read),
        // SAFETY: as above.
        close: |head, side| unsafe { Self::of(head) }.close(side),
        // SAFETY: as above; the caller gave up the last endpoint.
        free: |head| unsafe { Self::free(head) },
    };

    /// # Safety
    /// As for [`send`](Self::send); `head` is that of a living `Core<T>`.
    unsafe fn erased_send(
        head: NonNull<Head>,
        offer: Offer,
        park: Option<Park<'_, '_>>,
    ) -> Started {
        // SAFETY: by contract.
        let core = unsafe { Self::of(head) };
        // SAFETY: by contract.
        unsafe { core.send_offer(offer, park) }
    }

    /// # Safety
    /// As for [`use_permit`](Self::use_permit); `head` is that of a living `Core<T>`.
    unsafe fn erased_use_permit(head: NonNull<Head>, offer: Option<Offer>) -> bool {
        // SAFETY: by contract.
        let core = unsafe { Self::of(head) };
        // SAFETY: by contract.
        unsafe { core.use_permit(offer) }
    }

    /// # Safety
    /// As for [`withdraw_sender`](Self::withdraw_sender); `head` is that of a living `Core<T>`.
    unsafe fn erased_withdraw(head: NonNull<Head>, node: &Node) -> u32 {
        // SAFETY: by contract.
        let core = unsafe { Self::of(head) };
        // SAFETY: by contract.
        unsafe { core.withdraw_sender(node) }
    }

    /// # Safety
    /// As for [`renew_sender`](Self::renew_sender); `head` is that of a living `Core<T>`.
    unsafe fn erased_renew(head: NonNull<Head>, node: &Node, cx: &Context<'_>) -> u32 {
        // SAFETY: by contract.
        let core = unsafe { Self::of(head) };
        // SAFETY: by contract.
        unsafe { core.renew_sender(node, cx) }
    }

    /// # Safety
    /// `head` is that of a `Core<T>` whose last endpoint was given up.
    unsafe fn free(head: NonNull<Head>) {
        // SAFETY: by contract; nobody else frees it.
        let core = unsafe { Self::of(head) };
        let (ledger, index) = core.ledger_and_place();
        // The last receiver took the queue with it, so the numbers are final.
        debug_assert!(
            !BOOKS || ledger.is_balanced(),
            "a channel lost count: {ledger}"
        );
        let shard = core.head.home.shard();
        if shard.is_none_or(|shard| shard.leave(ledger, index, head, Self::dispose)) {
            // SAFETY: it is in no list any more.
            unsafe { Self::dispose(head) };
        }
    }

    /// # Safety
    /// As for [`free`](Self::free), and the channel is in no list.
    unsafe fn dispose(head: NonNull<Head>) {
        // SAFETY: by contract this is the only pointer to it; it came from a box of this type.
        drop(unsafe { Box::from_raw(head.cast::<Self>().as_ptr()) });
    }

    /// # Safety
    /// `head` belongs to a `Core<T>` that lives as long as the result is used.
    #[inline]
    pub(crate) unsafe fn of<'a>(head: NonNull<Head>) -> &'a Self {
        // SAFETY: by contract; the head is the first field.
        unsafe { head.cast::<Self>().as_ref() }
    }
}
