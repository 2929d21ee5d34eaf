//! The context of a process: what its body or its handlers may ask of their surroundings.

#![expect(
    unsafe_code,
    reason = "the untyped view of a context is the same value"
)]

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use crate::channel::account::{Item, Loss};
use crate::channel::dead::Dead;
use crate::process::exit::Fault;
use crate::process::handle::{StructProcess, WeakHandle};
use crate::scope::{Scope, ScopeInner};
use crate::task::{ProcessId, current};

/// The context of a process. Handlers take it as `cx: &mut Cx`, or as `cx: &mut Cx<Self>` where they need their own handle.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// /// Lets itself be used three times.
/// #[process]
/// struct Ticket { left: u32 }
///
/// #[handlers]
/// impl Ticket {
///     fn stamp(&mut self, cx: &mut Cx) -> u32 {
///         self.left -= 1;
///         if self.left == 0 {
///             cx.stop();
///         }
///         self.left
///     }
/// }
///
/// let ticket = scope.spawn(Ticket { left: 3 });
/// while ticket.stamp().await? > 0 {}
/// assert!(ticket.done().await.is_normal());
/// assert_eq!(ticket.stamp().await, Err(CallError::Gone));
/// # Ok(()) }) }
/// ```
#[repr(transparent)]
pub struct Cx<P = ()> {
    inner: Inner,
    process: PhantomData<fn() -> P>,
}

struct Inner {
    scope: Arc<ScopeInner>,
    id: Option<ProcessId>,
    deadline: Option<Instant>,
    caller: Option<ProcessId>,
    incarnation: u32,
    stop: bool,
    /// One more than the number of the handler that runs; 0 if none does.
    handling: u16,
    /// The fields of the process can hold endpoints.
    traced: bool,
    fault: Option<Fault>,
    /// A [`WeakHandle`] of the process, if it is a struct.
    me: Option<WeakHandle<()>>,
}

/// A context that goes while a message is being handled: its handler panicked, or the process was killed in it.
impl Drop for Inner {
    fn drop(&mut self) {
        if self.handling != 0
            && let Some(me) = &self.me
        {
            let handler = Item::Handler((self.handling - 1) as u8);
            let caller = self.caller.map_or(0, ProcessId::raw);
            me.mailbox()
                .lose(Loss::Late(Dead::Crashed), handler, caller);
        }
    }
}

impl<P> Cx<P> {
    pub(crate) fn new(scope: Arc<ScopeInner>, me: Option<WeakHandle<()>>) -> Self {
        let (id, incarnation) = current::with_task(|task| match task {
            Some(task) => {
                let incarnation = task.lineage().map_or(0, |lineage| lineage.incarnation());
                (Some(task.slot().id()), incarnation)
            }
            None => (None, 0),
        });
        let inner = Inner {
            scope,
            id,
            deadline: None,
            caller: None,
            incarnation,
            stop: false,
            handling: 0,
            traced: false,
            fault: None,
            me,
        };
        Self {
            inner,
            process: PhantomData,
        }
    }

    /// Says whether the fields of the process can hold endpoints.
    pub(crate) fn traced(mut self, traced: bool) -> Self {
        self.inner.traced = traced;
        self
    }

    pub(crate) fn is_traced(&self) -> bool {
        self.inner.traced
    }

    /// The same context without the type of the process.
    pub fn untyped(&mut self) -> &mut Cx<()> {
        // SAFETY: `Cx` is transparent over `Inner` whatever `P` is, and the borrow is handed on.
        unsafe { &mut *std::ptr::from_mut(self).cast::<Cx<()>>() }
    }

    /// Returns the scope that the process belongs to.
    pub fn scope(&self) -> Scope {
        Scope::from_inner(Arc::clone(&self.inner.scope))
    }

    /// Ends the process after the present handler: messages that are queued then go back to their callers as `Gone`.
    pub fn stop(&mut self) {
        self.inner.stop = true;
    }

    /// Fails the process after the present handler.
    pub fn fail(&mut self, fault: Fault) {
        self.inner.fault.get_or_insert(fault);
        self.inner.stop = true;
    }

    /// Returns when the present message must have been handled, if its caller or the scope said so.
    pub fn deadline(&self) -> Option<Instant> {
        match (self.inner.deadline, self.inner.scope.deadline()) {
            (Some(message), Some(scope)) => Some(message.min(scope)),
            (message, scope) => message.or(scope),
        }
    }

    /// Returns the id of the process.
    ///
    /// # Panics
    /// If the context was taken out of its process.
    pub fn id(&self) -> ProcessId {
        self.inner
            .id
            .unwrap_or_else(|| panic!("a context belongs to a running process"))
    }

    /// Returns how often the process was restarted: 0 in the first incarnation of a supervised child, and in every other process.
    pub fn incarnation(&self) -> u32 {
        self.inner.incarnation
    }

    /// Returns the process that sent the present message; `None` if it came from outside, or through a port.
    pub fn caller(&self) -> Option<ProcessId> {
        self.inner.caller
    }

    /// Notes what belongs to the message that is about to be handled: by the handler of this number, if it comes from the
    /// mailbox. [`end`](Self::end) must follow.
    pub(crate) fn begin(&mut self, deadline: Option<Instant>, sender: u64, handler: Option<u8>) {
        self.inner.deadline = deadline;
        self.inner.caller = ProcessId::from_raw(sender);
        self.inner.handling = handler.map_or(0, |handler| u16::from(handler) + 1);
    }

    /// The message was handled.
    pub(crate) fn end(&mut self) {
        self.inner.handling = 0;
    }

    /// Whether the scope has begun to stop, as a question that can be asked later.
    pub(crate) fn stopping(&self) -> impl Fn() -> bool + Send + use<P> {
        let scope = Arc::clone(&self.inner.scope);
        move || scope.is_stopping() || current::flags() & current::STOPPING != 0
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.inner.stop
    }

    pub(crate) fn take_fault(&mut self) -> Option<Fault> {
        self.inner.fault.take()
    }
}

impl<P: StructProcess> Cx<P> {
    /// Returns a handle to this very process; `None` if the last handle outside is gone and only the queue is left.
    pub fn handle(&self) -> Option<P::Handle> {
        self.inner.me.as_ref()?.retype::<P>().upgrade()
    }
}

impl<P> fmt::Debug for Cx<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx")
            .field("id", &self.inner.id)
            .field("scope", &self.inner.scope.name())
            .finish_non_exhaustive()
    }
}
