//! Ports: the endpoints that a process was lent or keeps in its state, listed so that the runtime knows who holds them.
//!
//! [`Trace`] never looks behind `Arc`, `Rc`, `&` or raw pointers: what lies there may be used by somebody else, and counting
//! it as held inside would be wrong. An `Arc` of a lock is a way to the lock, and is counted as one; so is a lent `Arc` of anything in
//! which a lock may lie: see `locks/gate.rs`. A missed endpoint only makes an answer less certain.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::panic::RefUnwindSafe;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Weak};

use crate::channel::account::Listing;
use crate::channel::dead::Desk;
use crate::channel::head::Head;
use crate::channel::{BroadcastSender, LatestSender, OneshotSender, Receiver, Sender, WeakSender};
use crate::locks::Gate;
use crate::scheduler::Scheduler;
use crate::task::ports::{Port, Ports, SHAPE, Shape, Tie};

/// Ports that need no allocation.
const INLINE: usize = 4;

/// Collects the endpoints found in lent arguments and in state.
#[derive(Debug)]
pub struct Visitor<'a> {
    /// The system of the process: a channel of another one is outside.
    scheduler: &'a Scheduler,
    /// The names of all arguments or fields, in order.
    names: &'static [&'static str],
    /// The name that was asked for last, and its position.
    last: Option<(&'static str, u8)>,
    /// What was found the last time, while this time it is the same so far: then nothing is written, for most tables of endpoints never
    /// change. Each channel is asked all the same whose it is: another one may be where one of them was.
    known: Option<&'a Ports>,
    inline: [Option<Port>; INLINE],
    count: usize,
    more: Vec<Port>,
    /// Something was visited that could hold an endpoint, now or later.
    pub(crate) traced: bool,
    /// Whether a receiver that was visited has messages, if that is asked.
    pub(crate) queued: Option<bool>,
    /// What is visited was lent, and stays where it is as long as the process lives.
    pub(crate) lent: bool,
}

impl<'a> Visitor<'a> {
    pub(crate) fn new(scheduler: &'a Scheduler, names: &'static [&'static str]) -> Self {
        Self {
            scheduler,
            names,
            last: None,
            known: None,
            inline: [None; INLINE],
            count: 0,
            more: Vec::new(),
            traced: false,
            queued: None,
            lent: false,
        }
    }

    /// For a struct, whose fields held this the last time.
    pub(crate) fn comparing(
        scheduler: &'a Scheduler,
        names: &'static [&'static str],
        known: &'a Ports,
    ) -> Self {
        let known = Some(known);
        Self {
            known,
            ..Self::new(scheduler, names)
        }
    }

    /// The visitor, unless the fields hold what they held the last time.
    pub(crate) fn changed(mut self) -> Option<Self> {
        // The mailbox is in the first place.
        let next = self.count + 1;
        if self.known.is_some_and(|known| known.at(next).is_none()) {
            return None;
        }
        self.differ();
        Some(self)
    }

    /// It is another list than the last time, which begins as that one did.
    fn differ(&mut self) {
        if let Some(known) = self.known.take() {
            for place in 0..std::mem::take(&mut self.count) {
                let port = known.at(place + 1);
                port.into_iter().for_each(|port| self.push(port));
            }
        }
    }

    fn push(&mut self, port: Port) {
        if let Some(known) = self.known
            && known.at(self.count + 1) == Some(port)
        {
            self.count += 1;
            return;
        }
        self.differ();
        match self.inline.get_mut(self.count) {
            Some(place) => *place = Some(port),
            None => self.more.push(port),
        }
        self.count += 1;
    }

    /// Adds an endpoint of a channel.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        tie: Tie,
        head: NonNull<Head>,
        desk: Option<&Desk>,
    ) {
        let position = self.position(name);
        // A channel that another system could free at any time is not followed.
        let own = match desk {
            Some(desk) => ptr::eq(desk, &*self.scheduler.desk),
            // One that was made before the system, or beside it, belongs to the first that is lent an endpoint.
            None => self.scheduler.remotes[0].channels.adopt(head),
        };
        let tie = if own { tie } else { tie.by_address() };
        self.push(Port::new(head.cast(), position, tie));
    }

    /// Adds an endpoint of which only the address is known: a sender of a channel that is not a core. One that was made before the system,
    /// or beside it, belongs to the first that is lent a sender.
    pub(crate) fn feed(&mut self, name: &'static str, object: u64, listing: &Listing) {
        listing.adopt(&self.scheduler.remotes[0].channels);
        let position = self.position(name);
        if let Some(address) = NonZeroUsize::new(object as usize) {
            let address = NonNull::without_provenance(address);
            self.push(Port::new(address, position, Tie::Feeds));
        }
    }

    /// Adds a way to a lock: an `Arc` whose value has this address and size.
    pub(crate) fn add_lock(
        &mut self,
        name: &'static str,
        gate: &Arc<Gate>,
        (address, size): (usize, usize),
        shared: impl FnOnce() -> Weak<dyn Send + Sync>,
    ) {
        let position = self.position(name);
        Gate::lent(gate, self.scheduler, address, size, shared);
        if let Some(address) = NonZeroUsize::new(address) {
            let address = NonNull::without_provenance(address);
            self.push(Port::new(address, position, Tie::Lock));
        }
    }

    /// Adds a lent way to what lies in an `Arc`, with its locks.
    fn add_shared<T: Send + Sync + 'static>(&mut self, name: &'static str, shared: &Arc<T>) {
        let position = self.position(name);
        let shape: &'static Shape = const { &Shape::of::<T>() };
        if let Some(value) = NonNull::new(Arc::as_ptr(shared).cast_mut().cast::<()>()) {
            self.push(Port::new(value, position, Tie::Lock));
            self.push(Port::new(NonNull::from(shape).cast(), SHAPE, Tie::Lock));
        }
    }

    /// The position of a name among those of all arguments or fields; one that does not fit has no name.
    fn position(&mut self, name: &'static str) -> u8 {
        if let Some((last, position)) = self.last
            && ptr::eq(last, name)
        {
            return position;
        }
        let mut names = self.names.iter();
        let position = names.position(|known| ptr::eq(*known, name) || *known == name);
        let position = position.and_then(|position| u8::try_from(position).ok());
        // That number is the name of no port.
        let position = position.filter(|position| *position < SHAPE);
        let position = position.unwrap_or(u8::MAX);
        self.last = Some((name, position));
        position
    }

    /// What was found, in order.
    pub(crate) fn found(&self) -> impl Iterator<Item = Port> {
        let inline = self.inline.iter().take(self.count).flatten();
        inline.chain(&self.more).copied()
    }

    pub(crate) fn into_ports(self) -> Ports {
        Ports::new(self.found())
    }
}

/// A value that may contain endpoints.
pub trait Trace {
    /// Shows every endpoint inside to the visitor, under the name of the argument or field.
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>);
}

impl<T> Trace for Sender<T> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        visitor.add(name, Tie::Sender, self.raw(), self.head().desk());
    }
}

impl<T> Trace for WeakSender<T> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        self.show(name, visitor);
    }
}

impl<T> Trace for Receiver<T> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        if let Some(queued) = &mut visitor.queued {
            *queued |= !self.is_empty();
        }
        visitor.add(name, Tie::Receiver, self.raw(), self.head().desk());
    }
}

impl<T> Trace for OneshotSender<T> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        visitor.feed(name, self.object(), self.listing());
    }
}

impl<T> Trace for LatestSender<T> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        visitor.feed(name, self.object(), self.listing());
    }
}

impl<T> Trace for BroadcastSender<T> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        visitor.feed(name, self.object(), self.listing());
    }
}

/// Containers that own what they hold, and hand it out to nobody but their own owner.
macro_rules! containers {
    ($([$($generics:tt)*] $type:ty => $iter:ident;)+) => {$(
        impl<$($generics)*> Trace for $type {
            fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
                self.$iter().for_each(|inner| inner.trace(name, visitor));
            }
        }
    )+};
}

containers! {
    [T: Trace] Option<T> => iter;
    [T: Trace] Vec<T> => iter;
    [T: Trace] VecDeque<T> => iter;
    [T: Trace, const N: usize] [T; N] => iter;
    [K, T: Trace, S] HashMap<K, T, S> => values;
    [K, T: Trace] BTreeMap<K, T> => values;
}

impl<T: Trace + ?Sized> Trace for Box<T> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        (**self).trace(name, visitor);
    }
}

macro_rules! tuples {
    ($($type:ident $field:tt),+) => {
        impl<$($type: Trace),+> Trace for ($($type,)+) {
            fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
                $(self.$field.trace(name, visitor);)+
            }
        }
    };
}

tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);

/// Looks at a value of any type: with [`Trace`] if it has that, otherwise not at all.
///
/// Called as `(&Probe(&value)).visit("name", visitor)`: of several methods of this name the compiler prefers those of the type itself,
/// and then those that need the fewest references, and a shared one rather than an exclusive one. So these are asked in turn, and the
/// first that applies is it: an `Arc` in which no lock lies (below), [`ViaTrace`] for a value, [`ViaTrace`] for any other `Arc`, [`ViaNothing`].
#[derive(Debug)]
pub struct Probe<'a, T: ?Sized>(pub &'a T);

// A lock of ours hands out what it owns by a shared reference, so no type that has one inside is `RefUnwindSafe`.
impl<T: RefUnwindSafe> Probe<'_, Arc<T>> {
    /// Does nothing: no lock lies in there.
    pub fn visit(&self, _name: &'static str, _visitor: &mut Visitor<'_>) {}
}

/// The way for values that have [`Trace`].
pub trait ViaTrace {
    /// Shows the value to the visitor.
    fn visit(&self, name: &'static str, visitor: &mut Visitor<'_>);
}

impl<T: Trace + ?Sized> ViaTrace for Probe<'_, T> {
    fn visit(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        visitor.traced = true;
        self.0.trace(name, visitor);
    }
}

// What was lent stays; a field of a struct may be given away, and would have to be looked at before each message.
impl<T: Send + Sync + 'static> ViaTrace for &Probe<'_, Arc<T>> {
    fn visit(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        if visitor.lent {
            visitor.add_shared(name, self.0);
        }
    }
}

/// The way for all others.
pub trait ViaNothing {
    /// Does nothing.
    fn visit(&mut self, name: &'static str, visitor: &mut Visitor<'_>);
}

impl<T: ?Sized> ViaNothing for &Probe<'_, T> {
    fn visit(&mut self, _name: &'static str, _visitor: &mut Visitor<'_>) {}
}
