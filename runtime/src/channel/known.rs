//! What a sender knows of its channel without waiting.

#![expect(unsafe_code, reason = "endpoints are counted pointers")]

use std::marker::PhantomData;

use crate::channel::core::UNBOUNDED;
use crate::channel::head::{Side, Stats};
use crate::channel::sender::Sender;
use crate::channel::weak::WeakSender;

impl<T> Sender<T> {
    fn stats(&self) -> Stats {
        // SAFETY: this endpoint keeps the core alive.
        unsafe { (self.head().vtable.stats)(self.head) }
    }

    /// Returns how many messages the channel holds at most; `None` if there is no bound, 0 for a rendezvous.
    ///
    /// # Examples
    /// ```
    /// use roundrock::channel::unbounded;
    /// use roundrock::prelude::*;
    ///
    /// assert_eq!(bounded::<u32>(4).0.capacity(), Some(4));
    /// assert_eq!(rendezvous::<u32>().0.capacity(), Some(0));
    /// assert_eq!(unbounded::channel::<u32>().0.capacity(), None);
    /// ```
    pub fn capacity(&self) -> Option<usize> {
        let capacity = self.stats().capacity;
        (capacity != UNBOUNDED).then_some(capacity as usize)
    }

    /// Returns how many messages are queued now.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, _inbox) = bounded(4);
    /// jobs.send("a").await?;
    /// assert_eq!(jobs.len(), 1);
    /// # Ok(()) }) }
    /// ```
    pub fn len(&self) -> usize {
        self.stats().len as usize
    }

    /// Returns whether no message is queued. A rendezvous is always empty.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(4);
    /// jobs.send("a").await?;
    /// assert!(!jobs.is_empty());
    /// inbox.recv().await;
    /// assert!(jobs.is_empty());
    /// # Ok(()) }) }
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether a `try_send` would find no room now: it is used, or kept by permits. A rendezvous is always full, for it has
    /// no room of its own.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, _inbox) = bounded(2);
    /// jobs.send("a").await?;
    /// assert!(!jobs.is_full());
    /// let room = jobs.ready().await?;
    /// assert!(jobs.is_full(), "the rest of its room is kept");
    /// room.send("b")?;
    /// assert!(jobs.is_full());
    /// # Ok(()) }) }
    /// ```
    pub fn is_full(&self) -> bool {
        let stats = self.stats();
        stats.capacity != UNBOUNDED
            && u64::from(stats.len) + u64::from(stats.permits) >= u64::from(stats.capacity)
    }

    /// Returns whether no receiver is left.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded::<u32>(2);
    /// assert!(!jobs.is_closed());
    /// drop(inbox);
    /// assert!(jobs.is_closed());
    /// # Ok(()) }) }
    /// ```
    pub fn is_closed(&self) -> bool {
        self.head().receivers() == 0
    }

    /// Returns whether both send into the same channel.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    ///
    /// let (jobs, _inbox) = bounded::<u32>(2);
    /// let (others, _) = bounded::<u32>(2);
    /// assert!(jobs.same_channel(&jobs.clone()));
    /// assert!(!jobs.same_channel(&others));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        self.head == other.head
    }

    /// Returns an endpoint that does not keep the channel open.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded::<&str>(2);
    /// let weak = jobs.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(jobs);                                         // the last strong one
    /// assert!(weak.upgrade().is_none());
    /// assert_eq!(inbox.recv().await, None);
    /// # Ok(()) }) }
    /// ```
    pub fn downgrade(&self) -> WeakSender<T> {
        self.head().retain(Side::Weak);
        WeakSender {
            head: self.head,
            convert: self.convert,
            message: PhantomData,
        }
    }
}
