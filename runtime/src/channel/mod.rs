//! Typed channels between processes.
//!
//! | event | what the other side sees |
//! |---|---|
//! | last sender dropped | receivers get what is queued, then `None` for ever |
//! | last receiver dropped | parked and later senders get their message back; queued messages are dropped in order, at once |
//! | a `send` future dropped | nothing was sent, unless it had completed |
//! | a `recv` future dropped | nothing was received; a message handed over at that moment goes back to the head, also after another receiver has seen the end: whoever receives once more gets it, and with the last receiver it is a dead letter |
//! | a permit dropped | its room goes to the next sender in line |
//! | the scope stops | senders outside of it get their message back, from when its receiver asks for the next one; the scope's receivers drain, then get `None` |
//!
//! Three channels for other ways to talk have endpoints of their own:
//!
//! | channel | who gets a message | last sender dropped | last receiver dropped |
//! |---|---|---|---|
//! | [`oneshot`] | the one receiver, once | the receiver gets `None` | `send` gives the value back |
//! | [`latest`] | every receiver, the newest value only | receivers see the last value, then the end | `set` works on: one may subscribe |
//! | [`broadcast`] | every receiver | receivers take what is there, then get `None` | `send` gives the message back |
//!
//! When a scope stops, its receivers that nobody in the scope feeds any more get the end, as on the other channels. These
//! three do not refuse what is sent from outside of the scope meanwhile: while that goes on, a receiver of a [`latest`] or a
//! [`broadcast`] always has something to take, and does not come to the end before the grace is over.
//!
//! Read in this order: `core` (buffer, hand-off, closing), `matching` (when several wait), `head` (counts of endpoints), `wait`
//! (parked operations), `closing` (the end, and options), `account` and `dead` (what was lost), `sender`, `permit`, `receiver`, `select`;
//! then `waiters` (operations that are all woken), and a file for each of the three.

pub(crate) mod account;
pub(crate) mod branch;
pub(crate) mod broadcast;
mod changes;
mod closing;
mod cold;
pub(crate) mod core;
mod credit;
pub(crate) mod dead;
pub(crate) mod endpoint;
pub(crate) mod error;
mod fanout;
pub(crate) mod head;
mod known;
pub(crate) mod latest;
mod matching;
pub(crate) mod oneshot;
pub(crate) mod overdue;
pub(crate) mod permit;
mod place;
pub(crate) mod policy;
pub(crate) mod receiver;
pub(crate) mod registry;
mod ring;
pub(crate) mod select;
pub(crate) mod sender;
mod sources;
pub(crate) mod subscriber;
pub(crate) mod wait;
pub(crate) mod waiters;
mod wakes;
mod weak;
pub(crate) mod within;

use std::fmt;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

pub use broadcast::{BroadcastSender, BroadcastSending, Lagged, broadcast};
pub use changes::{LatestChanged, LatestClosed, LatestRecv};
pub use credit::{Credit, More};
pub use dead::{Dead, DeadLetter, DeadLetters, Party};
pub use error::{Closed, SendError, SendTimeoutError, TryRecvError, TrySendError};
pub use latest::{LatestReceiver, LatestSender, latest};
pub use oneshot::{OneshotClosed, OneshotReceiver, OneshotRecv, OneshotSender, oneshot};
pub use permit::{OwnedPermit, Permit, Permits, Ready, ReadyMany};
pub use policy::{ChannelOptions, Overflow};
pub use receiver::Receiver;
pub use select::{CancelSafe, Event, Passive, cancel_safe, passive};
pub use sender::{Sender, Sending};
pub use subscriber::{BroadcastReceiver, BroadcastRecv};
pub use weak::WeakSender;
pub use within::{BroadcastSendingWithin, SendingWithin};

use self::core::{Core, UNBOUNDED};
use self::head::{Head, VTable};
use crate::sim::here;

/// What may be sent to another process: owned data that is `Send`.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// use roundrock::channel::Message;
///
/// /// Sends whatever it is given.
/// async fn send_all<T: Message>(items: Vec<T>, to: &Sender<T>) -> Result<()> {
///     for item in items {
///         to.send(item).await?;
///     }
///     Ok(())
/// }
///
/// let (jobs, inbox) = bounded(2);
/// send_all(vec!["a", "b"], &jobs).await?;
/// assert_eq!(inbox.recv_many(2).await, ["a", "b"]);
/// # Ok(()) }) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent between processes",
    label = "not a message",
    note = "a message is owned data: `Send + 'static`",
    note = "send an owned value, or put shared data in an `Arc`"
)]
pub trait Message: Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + 'static> Message for T {}

/// The largest capacity of a bounded channel.
pub const MAX_CAPACITY: usize = u32::MAX as usize - 1;

/// Makes a channel without a buffer: a `send` completes when a parked receiver has taken the message.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let (numbers, inbox) = rendezvous();
/// assert!(numbers.try_send(1).is_err(), "nobody waits to receive");
/// let receiver = scope.task("receiver", async move { roundrock::Ok(inbox.recv().await) });
/// numbers.send(2).await?;
/// assert_eq!(receiver.await?, Some(2));
/// # Ok(()) }) }
/// ```
#[track_caller]
pub fn rendezvous<T: Message>() -> (Sender<T>, Receiver<T>) {
    create(0)
}

/// Makes a channel that holds up to `capacity` messages; a `send` waits for room. A capacity of 0 is a [`rendezvous`].
///
/// The buffer is allocated when it is first used, and grows as needed.
///
/// # Panics
/// If `capacity` is larger than [`MAX_CAPACITY`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (numbers, inbox) = bounded(2);
/// numbers.send(1).await?;
/// numbers.send(2).await?;
/// assert!(numbers.try_send(3).is_err_and(|error| error.is_full()));
/// numbers.finish();
/// assert_eq!(inbox.recv_many(10).await, [1, 2]);
/// assert_eq!(inbox.recv().await, None);
/// # Ok(()) }) }
/// ```
#[track_caller]
pub fn bounded<T: Message>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(
        capacity <= MAX_CAPACITY,
        "the capacity of a channel is 0 to {MAX_CAPACITY}, not {capacity}; see `roundrock::unbounded` for one without a bound"
    );
    create(capacity as u32)
}

/// Channels without a bound. A sender that is faster than its receiver fills the memory: prefer [`bounded`](fn@bounded).
pub mod unbounded {
    use super::{Message, Receiver, Sender, UNBOUNDED, create};

    /// Makes a channel whose `send` never waits, however far behind the receiver is.
    #[track_caller]
    pub fn channel<T: Message>() -> (Sender<T>, Receiver<T>) {
        create(UNBOUNDED)
    }
}

#[track_caller]
fn create<T: Message>(capacity: u32) -> (Sender<T>, Receiver<T>) {
    create_at(capacity, Location::caller())
}

pub(crate) fn create_at<T: Message>(
    capacity: u32,
    site: &'static Location<'static>,
) -> (Sender<T>, Receiver<T>) {
    pair(capacity, site, registry::current(), &Core::<T>::VTABLE)
}

/// Makes a channel that is in no list, and in no ledger.
#[track_caller]
fn unlisted<T: Message>(capacity: u32) -> (Sender<T>, Receiver<T>) {
    pair(capacity, Location::caller(), None, &Core::<T>::VTABLE)
}

/// Makes a channel; `vtable` is that of a `Core<T>`.
#[expect(
    unsafe_code,
    reason = "hands out the two endpoints that the core counts from the start"
)]
pub(crate) fn pair<T: Message>(
    capacity: u32,
    site: &'static Location<'static>,
    shard: Option<Arc<registry::Shard>>,
    vtable: &'static VTable,
) -> (Sender<T>, Receiver<T>) {
    let head = Core::<T>::create(capacity, site, shard, vtable);
    // SAFETY: `create` counted one sender for a core of this type.
    let sender = unsafe { Sender::from_raw(head) };
    // SAFETY: and one receiver.
    let receiver = unsafe { Receiver::from_raw(head) };
    (sender, receiver)
}

/// Shows an endpoint with the numbers of its channel.
#[expect(
    unsafe_code,
    reason = "reads the numbers of a core that the caller's endpoint keeps alive"
)]
fn describe(f: &mut fmt::Formatter<'_>, endpoint: &str, head: NonNull<Head>) -> fmt::Result {
    if let Some(short) = here::short_endpoint(endpoint, head.as_ptr().addr() as u64) {
        return f.write_str(&short);
    }
    // SAFETY: the caller holds an endpoint.
    let shared = unsafe { head.as_ref() };
    // SAFETY: as above.
    let stats = unsafe { (shared.vtable.stats)(head) };
    f.debug_struct(endpoint)
        .field("channel", &format_args!("{}", stats.name.unwrap_or("-")))
        .field(
            "site",
            &format_args!("{}:{}", shared.site.file(), shared.site.line()),
        )
        .field("len", &stats.len)
        .field("capacity", &stats.capacity)
        .finish()
}
