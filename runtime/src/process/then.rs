//! Work that runs beside the handlers of a process, whose result comes back to its state: see
//! [`Cx::spawn_then`](super::Cx::spawn_then).
//!
//! Each piece of work is a process of its own; its result is a closure that the loop of the process calls between two messages.
//! So the state is touched by one thread at a time, as always, and the message enum knows nothing of it.
//!
//! **Invariants**
//! - The futures do not outlive the process for longer than to their next await: they are killed when the set is dropped.
//! - A process that has none pays nothing: its loop looks at one byte, which it looks at anyway.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use crate::process::call::Envelope;
use crate::process::context::Cx;
use crate::process::exit::{Exit, Fault, Known, Outcome};
use crate::process::handle::{Handlers, StructProcess};
use crate::process::spawn::SpawnOptions;
use crate::process::structure::{Mailbox, rest_between};
use crate::scope::ScopeInner;
use crate::task::{JoinNext, JoinSet};

/// What is done with a result.
pub(crate) type Then<P> = Box<dyn FnOnce(&mut P) + Send>;

/// The work of one process.
pub(crate) struct Jobs<P: 'static>(JoinSet<Then<P>>);

impl<P: 'static> Jobs<P> {
    pub(crate) fn new() -> Self {
        Self(JoinSet::new())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add<F>(
        &mut self,
        scope: &Arc<ScopeInner>,
        site: &'static Location<'static>,
        future: F,
        then: impl FnOnce(&mut P, F::Output) + Send + 'static,
    ) where
        F: Future<Output: Send> + Send + 'static,
    {
        let job = async move {
            let result = future.await;
            let then: Then<P> = Box::new(move |process| then(process, result));
            Outcome(Ok(then))
        };
        // Its failure is that of its process, and counts once.
        let options = SpawnOptions::at(site).named("spawn_then").isolated();
        self.0.add(scope.spawn(job, &options));
    }

    /// Waits for the next one that ends.
    pub(crate) fn next(&mut self) -> JoinNext<'_, Then<P>> {
        self.0.join_next()
    }
}

impl<P: 'static> Drop for Jobs<P> {
    fn drop(&mut self) {
        self.0.kill_all();
    }
}

/// Gives the result of a piece of work to its process.
///
/// # Errors
/// The panic of the work.
pub(crate) fn settle<P>(process: &mut P, ended: Result<Then<P>, Exit>) -> Result<(), Fault> {
    match ended {
        Ok(then) => then(process),
        Err(exit) if exit.is_failure() => return Err(Fault::Known(Known(exit))),
        // The grace of a stop was over, and the report of that names it.
        Err(_) => {}
    }
    Ok(())
}

/// Waits for the next message of a process that has work beside it, and settles meanwhile what ends. `None` when the mailbox is
/// closed and nothing is left to settle.
///
/// # Errors
/// The panic of the work.
pub(crate) async fn next_message<P: Handlers + StructProcess + Send>(
    state: &mut P,
    mailbox: &Mailbox<P>,
    cx: &mut Cx<P>,
) -> Result<Option<Envelope<P::Message>>, Fault> {
    let traced = cx.is_traced();
    let mut message = pin!(mailbox.recv());
    let mut closed = false;
    while let Some(jobs) = cx.jobs() {
        let mut job = jobs.next();
        // Moves the exclusive reference: a shared one would ask for a state that is `Sync`.
        let (job, message, resting) = (&mut job, &mut message, &mut *state);
        let turn = poll_fn(move |task| {
            if let Poll::Ready(Some(ended)) = Pin::new(&mut *job).poll(task) {
                return Poll::Ready(Turn::Job(ended));
            }
            if !closed && let Poll::Ready(received) = message.as_mut().poll(task) {
                return Poll::Ready(Turn::Message(received));
            }
            if traced {
                rest_between(resting);
            }
            Poll::Pending
        })
        .await;
        match turn {
            Turn::Job(ended) => settle(state, ended)?,
            Turn::Message(Some(message)) => return Ok(Some(message)),
            Turn::Message(None) => closed = true,
        }
    }
    if closed {
        return Ok(None);
    }
    // Nothing is left beside; the wait goes on where it is, and keeps its place.
    Ok(poll_fn(move |task| {
        let polled = message.as_mut().poll(task);
        if polled.is_pending() && traced {
            rest_between(state);
        }
        polled
    })
    .await)
}

/// What came first.
enum Turn<P, M> {
    Job(Result<Then<P>, Exit>),
    Message(Option<Envelope<M>>),
}
