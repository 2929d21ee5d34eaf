//! What a process that writes lines has in hand, and who takes it over when the system does not.
//!
//! A write to a pipe that nobody reads does not return, and nobody can make it. So the events that are being written lie where another
//! process reaches them. That one does nothing until the router stops and the time to drain is over. Then a write that makes no progress
//! counts as failed: the events of a sink become dead letters, dead letters are lost, and so is all that still comes there, which lets
//! the workers finish.
//!
//! **Invariants.** What is in hand is settled once: by whoever takes it out. What a write had that was given up may be in the file all
//! the same, in part or when somebody reads it at last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use roundrock::channel::OneshotReceiver;
use roundrock::prelude::*;

use super::Desk;
use super::drain::Drain;
use crate::dead::Letter;
use crate::parcel::Parcel;

/// A write that takes longer is stuck. A healthy one takes microseconds, and the router's grace is a second longer than the drain.
const STUCK: Duration = Duration::from_millis(200);

/// How often the write is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Why what was in hand, or came later, was not written.
pub(crate) const GIVEN_UP: &str = "the router stopped while a write was stuck";

/// What is being written: parcels, or dead letters.
#[derive(Debug)]
pub(crate) struct Hand<T> {
    held: Mutex<Option<Held<T>>>,
}

#[derive(Debug)]
struct Held<T> {
    since: Instant,
    what: Vec<T>,
}

impl<T> Hand<T> {
    /// Nothing is being written.
    pub(crate) fn empty() -> Self {
        Self {
            held: Mutex::new(None),
        }
    }

    /// Puts in what is written from now on.
    pub(crate) fn put(&self, what: Vec<T>) {
        *self.held() = Some(Held {
            since: Instant::now(),
            what,
        });
    }

    /// Takes out what was written; `None` if it was given up meanwhile.
    pub(crate) fn take(&self) -> Option<Vec<T>> {
        self.held().take().map(|held| held.what)
    }

    /// Waits until the router stops, the time to drain is over and a write takes longer than a healthy one, and takes that out; `None`
    /// if its writer has `ended`.
    pub(crate) async fn take_stuck(
        &self,
        drain: &Drain,
        ended: &OneshotReceiver<()>,
        scope: &Scope,
    ) -> Option<Vec<T>> {
        select! {
            // Nothing is sent: what counts is that the other end is gone, which by itself would only disable this branch.
            _ = cancel_safe(async { ended.recv().await }) => return None,
            _ = scope.stopping() => {},
        }
        loop {
            let left = drain.left(scope).unwrap_or_default();
            if timeout(left.max(LOOK), ended.recv()).await.is_ok() {
                return None;
            }
            let stuck = self.held().take_if(|held| held.since.elapsed() > STUCK);
            if let Some(stuck) = stuck {
                return Some(stuck.what);
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<Held<T>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Settles what a stuck sink leaves, until its writer has `ended`.
#[process]
pub(super) async fn stand_in(
    parcels: &Receiver<Parcel>,
    hand: &Arc<Hand<Parcel>>,
    desk: &Desk,
    drain: &Arc<Drain>,
    ended: &OneshotReceiver<()>,
    scope: &Scope,
) -> Result<()> {
    let Some(mut refused) = hand.take_stuck(drain, ended, scope).await else {
        return Ok(());
    };
    loop {
        let letters: Vec<Letter> = refused
            .iter()
            .flat_map(|parcel| refuse(desk, parcel))
            .collect();
        if !letters.is_empty() {
            desk.dead.send(letters).await?;
        }
        let Some(next) = parcels.recv().await else {
            return Ok(());
        };
        refused = vec![next];
    }
}

/// Settles a parcel that the sink did not take in time.
fn refuse(desk: &Desk, parcel: &Parcel) -> Vec<Letter> {
    desk.settle(
        parcel,
        (0..parcel.len()).map(|at| (at, Err(GIVEN_UP.to_owned()))),
    )
}
