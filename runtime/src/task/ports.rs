//! The ports of a process: which endpoints of which channels it holds, and nobody else can use while it is parked.
//!
//! A port is written where the runtime owns the storage: what a function is lent lies beside its future, a mailbox in the loop
//! of its process, a field in a state that the loop owns between two messages. It costs nothing per message, and nothing when an
//! endpoint is cloned or dropped: an endpoint that is in no list is one more in the count of its channel, and that is how the
//! search for leaks knows that somebody else has one.
//!
//! **Invariants**
//! - While a process is parked, every port in its slot is an endpoint that it holds, and that is not counted for anybody else.
//!   Ports of a struct's fields are meant as they were when it last parked between two messages: before that they mean nothing.
//! - A list that several processes share (the workers of a pool) stands for endpoints that they own together, and is counted by its
//!   owners: one for each that lives, and one for who starts them until all are started.
//!
//! Model: `tests/loom_holders.rs`.

#![expect(
    unsafe_code,
    reason = "tagged pointers to channels that the process keeps alive"
)]

use std::mem::ManuallyDrop;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

use crate::channel::head::Head;
use crate::scope::{Life, ScopeInner};
use crate::task::cell::Header;

/// Which way messages go through a port.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// use roundrock::observe::Direction;
///
/// # #[process] async fn copy(from: &Receiver<u32>, to: &Sender<u32>) -> Result<()> {
/// #     while let Some(n) = from.recv().await { to.send(n).await?; }
/// #     Ok(())
/// # }
/// let (numbers, from) = bounded(1);
/// let (to, _copies) = bounded(1);
/// scope.spawn(copy(from, to));
/// let processes = scope.system().snapshot().processes;
/// let copy = processes.iter().find(|process| &*process.name == "copy").context("it lives")?;
/// let ports: Vec<_> = copy.ports.iter().map(|port| port.direction).collect();
/// assert_eq!(ports, [Direction::In, Direction::Out]);
/// drop(numbers);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Direction {
    /// The process receives from the channel.
    In,
    /// The process sends into the channel.
    Out,
}

/// What a port is for its channel. The numbers are the low bits of the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tie {
    /// A sender.
    Sender = 0,
    /// A receiver.
    Receiver = 1,
    /// A sender that keeps nothing open.
    Weak = 2,
    /// The mailbox of a struct: its receiver, and the weak sender in its context.
    Mailbox = 3,
    /// The same of a supervised child, with what its supervisor keeps for the next incarnation.
    Kept = 4,
    /// A sender of which only the address is known: its channel is not one of this system, or of another type.
    Feeds = 5,
    /// A receiver of which only the address is known.
    Fed = 6,
    /// A way to a lock, of whose gate only the address is known; or to what lies in an `Arc`, whose address this is. Then the next port
    /// is called [`SHAPE`], and says what lies there.
    Lock = 7,
}

/// The name of a port that is none: it has the [`Shape`] of the one before.
pub(crate) const SHAPE: u8 = u8::MAX - 1;

/// What can be done with a value in an `Arc` of which only the address is known.
#[derive(Debug)]
pub(crate) struct Shape {
    size: usize,
    /// A weak reference to the `Arc` whose value has this address.
    ///
    /// # Safety
    /// There is an `Arc` of the type of this shape at the address, which nobody gives up meanwhile.
    weak: unsafe fn(NonNull<()>) -> Weak<dyn Send + Sync>,
}

impl Shape {
    pub(crate) const fn of<T: Send + Sync + 'static>() -> Self {
        Self {
            size: size_of::<T>(),
            weak: |address| {
                // SAFETY: by contract there is such an `Arc`, of which this is not a count of its own, so it is not dropped.
                let shared = unsafe { Arc::from_raw(address.as_ptr().cast::<T>().cast_const()) };
                let shared = ManuallyDrop::new(shared);
                Arc::<T>::downgrade(&shared)
            },
        }
    }
}

/// A value in an `Arc` that a process was lent, with a weak reference to it.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) shared: Weak<dyn Send + Sync>,
    pub(crate) size: usize,
}

/// The bits of the tie.
const TIE: usize = 7;
/// The first bit of the name. Below it an address of today's processors fits; one that does not is no port.
const NAME: u32 = 52;
const ADDRESS: usize = (1 << NAME) - 1 - TIE;

impl Tie {
    fn of(tag: usize) -> Self {
        let ties = [
            Self::Sender,
            Self::Receiver,
            Self::Weak,
            Self::Mailbox,
            Self::Kept,
            Self::Feeds,
            Self::Fed,
        ];
        ties.get(tag).copied().unwrap_or(Self::Lock)
    }

    /// The same for a channel of which only the address is known.
    pub(crate) fn by_address(self) -> Self {
        match self {
            Self::Sender | Self::Weak | Self::Feeds => Self::Feeds,
            Self::Receiver | Self::Mailbox | Self::Kept | Self::Fed => Self::Fed,
            Self::Lock => Self::Lock,
        }
    }

    /// Whether it is a receiver of a channel that is followed.
    pub(crate) fn receives(self) -> bool {
        matches!(self, Self::Receiver | Self::Mailbox | Self::Kept)
    }

    /// How many strong senders, receivers and weak senders it stands for; ways to a lock count as the first of these.
    pub(crate) fn weights(self) -> [u64; 3] {
        match self {
            Self::Sender | Self::Lock => [1, 0, 0],
            Self::Receiver => [0, 1, 0],
            Self::Weak => [0, 0, 1],
            Self::Mailbox => [0, 1, 1],
            Self::Kept => [0, 2, 2],
            Self::Feeds | Self::Fed => [0, 0, 0],
        }
    }
}

/// One endpoint that a process holds: `name:8 | address:49 | tie:3`, the channel, what the endpoint is for it, and the position
/// of the port's name among those of its origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Port(NonNull<()>);

// SAFETY: only an address, until somebody follows it, and `Head` is `Sync`.
unsafe impl Send for Port {}
// SAFETY: as above.
unsafe impl Sync for Port {}

impl Port {
    /// `channel` is a [`Head`], unless the tie says that only the address is known.
    pub(crate) fn new(channel: NonNull<()>, name: u8, tie: Tie) -> Self {
        const { assert!(align_of::<Head>() > TIE, "the low bits are free") };
        debug_assert_eq!(channel.addr().get() & !ADDRESS, 0, "an address of 52 bits");
        Self(channel.map_addr(|address| address | usize::from(name) << NAME | tie as usize))
    }

    pub(crate) fn tie(self) -> Tie {
        Tie::of(self.0.addr().get() & TIE)
    }

    /// The number of its channel.
    pub(crate) fn object(self) -> u64 {
        (self.0.addr().get() & ADDRESS) as u64
    }

    /// The position of its name in [`Origin::ports`](crate::task::origin::Origin::ports).
    pub(crate) fn name(self) -> usize {
        self.0.addr().get() >> NAME & 0xff
    }

    /// Which way messages go; `None` for a mailbox, which is no port.
    pub(crate) fn direction(self) -> Option<Direction> {
        match self.tie() {
            Tie::Sender | Tie::Weak | Tie::Feeds => Some(Direction::Out),
            Tie::Receiver | Tie::Fed => Some(Direction::In),
            Tie::Mailbox | Tie::Kept | Tie::Lock => None,
        }
    }

    /// The channel. To be followed only while it is known to live.
    pub(crate) fn head(self) -> Option<NonNull<Head>> {
        let address = NonZeroUsize::new(self.0.addr().get() & ADDRESS)?;
        let known = !matches!(self.tie(), Tie::Feeds | Tie::Fed | Tie::Lock);
        known.then(|| self.0.with_addr(address).cast())
    }

    fn is_shape(self) -> bool {
        self.tie() == Tie::Lock && self.name() == usize::from(SHAPE)
    }

    /// What it points to.
    fn address(self) -> Option<NonNull<()>> {
        let address = NonZeroUsize::new(self.0.addr().get() & ADDRESS)?;
        Some(self.0.with_addr(address))
    }
}

/// The ports of a process, in the order of its arguments or fields. Those of a struct begin with its mailbox.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ports {
    /// Most processes have not more.
    first: [Option<Port>; 3],
    // One word in every slot instead of three.
    more: Option<Arc<Vec<Port>>>,
}

impl Ports {
    /// Ports of one process.
    pub(crate) fn new(mut ports: impl Iterator<Item = Port>) -> Self {
        let first = [ports.next(), ports.next(), ports.next()];
        let more: Vec<_> = ports.collect();
        Self {
            first,
            more: (!more.is_empty()).then(|| Arc::new(more)),
        }
    }

    /// The same ports for several processes that own them together: clones of the result.
    pub(crate) fn shared(self) -> Self {
        let ports: Vec<_> = self.iter().collect();
        Self {
            first: [None; 3],
            more: (!ports.is_empty()).then(|| Arc::new(ports)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first[0].is_none() && self.more.is_none()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Port> {
        let more = self.more.iter().flat_map(|more| more.iter().copied());
        self.first.into_iter().flatten().chain(more)
    }

    /// The port at this place.
    pub(crate) fn at(&self, place: usize) -> Option<Port> {
        match self.first.get(place) {
            Some(port) => *port,
            None => self.more.as_ref()?.get(place - self.first.len()).copied(),
        }
    }

    /// The mailbox, if it is a struct.
    pub(crate) fn mailbox(&self) -> Option<Port> {
        self.first[0].filter(|port| matches!(port.tie(), Tie::Mailbox | Tie::Kept))
    }

    /// A number that only those have who own their ports together; zero for ports of one process.
    pub(crate) fn owners(&self) -> usize {
        match (&self.first[0], &self.more) {
            (None, Some(shared)) => Arc::as_ptr(shared).addr(),
            _ => 0,
        }
    }

    /// How many there are who own these ports together, with those who are about to be started.
    pub(crate) fn count_of_owners(&self) -> u32 {
        self.more.as_ref().map_or(0, Arc::strong_count) as u32
    }

    /// Gives up the share of ports that several own together.
    pub(crate) fn leave(&mut self) {
        if self.owners() != 0 {
            self.more = None;
        }
    }

    /// Replaces all but the first.
    #[must_use = "dropped after unlocking"]
    pub(crate) fn replace_rest(&mut self, rest: impl Iterator<Item = Port>) -> Self {
        let new = Self::new(self.first[0].into_iter().chain(rest));
        std::mem::replace(self, new)
    }

    /// The value in an `Arc` that has this place in it, if the process was lent one.
    ///
    /// # Safety
    /// The ports are those of the process that this thread polls.
    pub(crate) unsafe fn region_of(&self, place: usize) -> Option<Region> {
        let mut ports = self.iter().peekable();
        while let Some(port) = ports.next() {
            let shape = ports.next_if(|shape| shape.is_shape());
            let Some(shape) = shape.filter(|_| port.tie() == Tie::Lock) else {
                continue;
            };
            let (Some(value), Some(shape)) = (port.address(), shape.address()) else {
                continue;
            };
            // SAFETY: shapes are constants of the program.
            let shape = unsafe { shape.cast::<Shape>().as_ref() };
            let begin = value.addr().get();
            if (begin..begin + shape.size).contains(&place) {
                // SAFETY: the process is being polled, so what it was lent is there, and stays.
                let shared = unsafe { (shape.weak)(value) };
                let size = shape.size;
                return Some(Region { shared, size });
            }
        }
        None
    }

    /// Lets what the process receives from refuse those outside of a scope that stops: the mailbox of a struct, whose fields may have
    /// given away what they held, or what a function was lent.
    ///
    /// # Safety
    /// The ports are those of the process that this thread polls, and what it was lent lies in its future.
    pub(crate) unsafe fn refuse_outside(&self, scope: &Arc<Life>) {
        let count = if self.mailbox().is_some() {
            1
        } else {
            usize::MAX
        };
        let inputs = self.iter().take(count);
        for head in inputs
            .filter(|port| port.tie().receives())
            .filter_map(Port::head)
        {
            // SAFETY: by contract the endpoint is there, and keeps the channel alive.
            let refuse = unsafe { head.as_ref() }.vtable.refuse_outside;
            // SAFETY: as above; the table is that of the channel.
            unsafe { refuse(head, Arc::clone(scope)) };
        }
    }

    /// The channels that the process may send to.
    pub(crate) fn senders(&self) -> impl Iterator<Item = u64> {
        self.iter()
            .filter(|port| matches!(port.tie(), Tie::Sender | Tie::Feeds))
            .map(Port::object)
    }
}

/// Before a process runs that was told something: if its scope stops, what it receives from refuses those outside from now on, also
/// if it does not ask for a message for long.
#[cold]
pub(crate) fn refuse_outside(task: &Header) {
    let Some(scope) = task.scope().and_then(ScopeInner::outermost_stopping) else {
        return;
    };
    // What a body was lent that runs on a thread of its own is there, and says so itself when it asks.
    if !task.slot().origin().facts.beside {
        let ports = task.slot().change_ports(|ports| ports.clone());
        // SAFETY: this thread is about to poll the process, whose body is a part of its future.
        unsafe { ports.refuse_outside(scope.life()) };
    }
}

#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = assert!(size_of::<Ports>() == 32, "ports are four words of a slot");
