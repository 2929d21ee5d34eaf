//! A sender that keeps nothing open.

#![expect(unsafe_code, reason = "endpoints are counted pointers")]

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::channel::head::{self, Head, Side};
use crate::channel::sender::Sender;
use crate::channel::wait::Convert;
use crate::process::port::Visitor;
use crate::task::ports::Tie;

/// A sender that does not keep its channel open; see [`Sender::downgrade`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, _inbox) = bounded::<u32>(1);
/// let weak = jobs.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(jobs);
/// assert!(weak.upgrade().is_none(), "it kept nothing open");
/// # Ok(()) }) }
/// ```
pub struct WeakSender<T> {
    pub(super) head: NonNull<Head>,
    pub(super) convert: Option<Convert>,
    pub(super) message: PhantomData<fn(T)>,
}

// SAFETY: as for `Sender`.
unsafe impl<T> Send for WeakSender<T> {}
// SAFETY: as for `Sender`.
unsafe impl<T> Sync for WeakSender<T> {}

impl<T> WeakSender<T> {
    /// Shows this endpoint to those who ask what a process holds.
    pub(crate) fn show(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        // SAFETY: the weak endpoint keeps the core alive.
        let desk = unsafe { self.head.as_ref() }.desk();
        visitor.add(name, Tie::Weak, self.head, desk);
    }

    /// Returns a sender, if another one has kept the channel open, and somebody can still receive.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(1);
    /// let weak = jobs.downgrade();
    /// weak.upgrade().context("it is open")?.send("a").await?;
    /// jobs.finish();
    /// assert!(weak.upgrade().is_none(), "the last strong sender is gone");
    /// assert_eq!(inbox.recv().await, Some("a"));
    /// # Ok(()) }) }
    /// ```
    pub fn upgrade(&self) -> Option<Sender<T>> {
        // SAFETY: the weak endpoint keeps the core alive.
        let head = unsafe { self.head.as_ref() };
        let open = head.receivers() > 0 && head.upgrade();
        open.then(|| Sender {
            head: self.head,
            convert: self.convert,
            message: PhantomData,
        })
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        // SAFETY: the weak endpoint keeps the core alive.
        unsafe { self.head.as_ref() }.retain(Side::Weak);
        Self {
            head: self.head,
            convert: self.convert,
            message: PhantomData,
        }
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        // SAFETY: this endpoint is not used any more.
        unsafe { head::release(self.head, Side::Weak) };
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::describe(f, "WeakSender", self.head)
    }
}
