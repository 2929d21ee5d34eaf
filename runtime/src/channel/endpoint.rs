//! An endpoint whose message type was forgotten: what a handle holds, so that it needs no bound on its process.

#![expect(unsafe_code, reason = "a counted pointer to a type-erased core")]

use std::fmt;
use std::ptr::NonNull;

use crate::channel::Message;
use crate::channel::account::{Item, Loss};
use crate::channel::core::Core;
use crate::channel::head::{self, Head, Side};
use crate::channel::sender::Sender;
use crate::channel::wait::Node;
use crate::process::port::Visitor;
use crate::sync::Ordering;
use crate::task::ports::Tie;
use crate::task::{ProcessId, TaskRef};

/// A strong or weak sender of some message type.
pub(crate) struct Endpoint {
    head: NonNull<Head>,
    side: Side,
}

// SAFETY: the core is `Sync` for messages that are `Send`, which every constructor demands.
unsafe impl Send for Endpoint {}
// SAFETY: as above.
unsafe impl Sync for Endpoint {}

impl Endpoint {
    /// Forgets the message type of a sender that is not a port.
    pub(crate) fn from_sender<T>(sender: Sender<T>) -> Self {
        debug_assert!(!sender.is_port(), "a mailbox is not a port");
        let sender = std::mem::ManuallyDrop::new(sender);
        Self {
            head: sender.raw(),
            side: Side::Sender,
        }
    }

    fn head(&self) -> &Head {
        // SAFETY: this endpoint keeps the core alive.
        unsafe { self.head.as_ref() }
    }

    /// # Safety
    /// The core is one for messages of type `T`.
    #[inline]
    pub(crate) unsafe fn core<T: Message>(&self) -> &Core<T> {
        // SAFETY: by contract; this endpoint keeps the core alive.
        unsafe { Core::of(self.head) }
    }

    /// # Safety
    /// The core is one for messages of type `T`, and this is a strong sender.
    pub(crate) unsafe fn sender<T: Message>(&self) -> Sender<T> {
        self.head().retain(Side::Sender);
        // SAFETY: by contract; counted above.
        unsafe { Sender::from_raw(self.head) }
    }

    /// Takes an operation of a sender out of its line, if it is in it. Returns its mark.
    pub(crate) fn withdraw_sender(&self, node: &Node) -> u32 {
        // SAFETY: operations use their node with the senders of one channel only.
        unsafe { (self.head().vtable.withdraw)(self.head, node) }
    }

    /// Another endpoint of the same channel; a strong one may only be made from a strong one.
    pub(crate) fn duplicate(&self, side: Side) -> Self {
        debug_assert!(
            side == Side::Weak || self.side == Side::Sender,
            "a weak endpoint is upgraded, not duplicated"
        );
        self.head().retain(side);
        Self {
            head: self.head,
            side,
        }
    }

    /// A strong endpoint, if there still is one.
    pub(crate) fn upgrade(&self) -> Option<Self> {
        // Made only if it was counted: dropping one that was not would give up somebody else's.
        self.head().upgrade().then(|| Self {
            head: self.head,
            side: Side::Sender,
        })
    }

    /// Keeps the memory of a channel that somebody else keeps open.
    ///
    /// # Safety
    /// `head` is that of a living core for messages that are `Send`.
    pub(crate) unsafe fn weak(head: NonNull<Head>) -> Self {
        // SAFETY: by contract.
        unsafe { head.as_ref() }.retain(Side::Weak);
        Self {
            head,
            side: Side::Weak,
        }
    }

    /// Counts a message that is in no queue, and tells of it.
    pub(crate) fn lose(&self, loss: Loss, item: Item, source: u64) {
        // SAFETY: this endpoint keeps the core alive.
        unsafe { (self.head().vtable.lose)(self.head, loss, item, source) };
    }

    /// Shows this endpoint to those who ask what a process holds.
    pub(crate) fn show(&self, name: &'static str, tie: Tie, visitor: &mut Visitor<'_>) {
        visitor.add(name, tie, self.head, self.head().desk());
    }

    pub(crate) fn object(&self) -> u64 {
        self.head.as_ptr().addr() as u64
    }

    /// The process whose mailbox this is.
    pub(crate) fn owner(&self) -> Option<TaskRef> {
        // SAFETY: this endpoint keeps the core alive.
        unsafe { (self.head().vtable.owner)(self.head) }
    }

    /// Says which process alone receives here; `None` if several may.
    pub(crate) fn set_server(&self, server: Option<ProcessId>) {
        let server = server.map_or(0, ProcessId::raw);
        // ORDERING: Relaxed: see `Head::server`.
        self.head().server.store(server, Ordering::Relaxed);
    }

    /// See [`set_server`](Self::set_server).
    #[inline]
    pub(crate) fn server(&self) -> u64 {
        self.head().server()
    }

    /// How many messages were received there.
    pub(crate) fn received(&self) -> u64 {
        // SAFETY: this endpoint keeps the core alive.
        unsafe { (self.head().vtable.stats)(self.head) }.received
    }

    pub(crate) fn set_owner(&self, owner: TaskRef) {
        // SAFETY: this endpoint keeps the core alive.
        unsafe { (self.head().vtable.set_owner)(self.head, owner) };
    }

    /// Refuses new messages from everybody, and lets the owner see the end of its input when it has drained it.
    pub(crate) fn stop_owner(&self) {
        let owner = self.owner();
        let lineage = owner.as_ref().and_then(|owner| owner.lineage());
        let scheduler = owner.as_ref().map(|owner| owner.scheduler());
        let _stop = scheduler.map(|scheduler| scheduler.proofs.stop_begins(scheduler));
        // The next incarnation of a permanent child handles what is sent from now on.
        if lineage.is_none_or(|lineage| !lineage.is_permanent()) {
            self.refuse_all();
        }
        match (lineage, &owner) {
            (Some(lineage), _) => lineage.stop(),
            (None, Some(owner)) => owner.end_input(0),
            (None, None) => {}
        }
    }

    /// Refuses new messages from everybody.
    pub(crate) fn refuse_all(&self) {
        // SAFETY: this endpoint keeps the core alive.
        unsafe { (self.head().vtable.refuse_all)(self.head) };
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // SAFETY: this endpoint is not used any more.
        unsafe { head::release(self.head, self.side) };
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::describe(f, "Endpoint", self.head)
    }
}
