//! What a sink of lines has in hand, and who takes it over when the system does not.
//!
//! A write to a pipe that nobody reads does not return, and nobody can make it. So the parcels that are being written lie where another
//! process reaches them. That one does nothing until the router stops and the time to drain is over. Then a write that makes no progress
//! counts as failed: its events become dead letters, and so does all that still comes to the sink, which lets the workers finish.
//!
//! **Invariants.** Parcels in hand are settled once: by whoever takes them out. Those of a write that was given up may be in the file all
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

/// The parcels that a sink is writing.
#[derive(Debug, Default)]
pub(super) struct Hand {
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    since: Instant,
    parcels: Vec<Parcel>,
}

impl Hand {
    /// Puts in what is written from now on.
    pub(super) fn put(&self, parcels: Vec<Parcel>) {
        *self.held() = Some(Held {
            since: Instant::now(),
            parcels,
        });
    }

    /// Takes out what was written; `None` if it was given up meanwhile.
    pub(super) fn take(&self) -> Option<Vec<Parcel>> {
        self.held().take().map(|held| held.parcels)
    }

    /// Takes out what has been written for longer than a healthy write takes.
    fn take_stuck(&self) -> Option<Vec<Parcel>> {
        let stuck = self.held().take_if(|held| held.since.elapsed() > STUCK);
        stuck.map(|held| held.parcels)
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Settles what a stuck sink leaves, until its writer has `ended`.
#[process]
pub(super) async fn stand_in(
    parcels: &Receiver<Parcel>,
    hand: &Arc<Hand>,
    desk: &Desk,
    drain: &Arc<Drain>,
    ended: &OneshotReceiver<()>,
    scope: &Scope,
) -> Result<()> {
    select! {
        // Nothing is sent: what counts is that the other end is gone, which by itself would only disable this branch.
        _ = cancel_safe(async { ended.recv().await }) => return Ok(()),
        _ = scope.stopping() => {},
    }
    let mut refused = loop {
        let left = drain.left(scope).unwrap_or_default();
        if timeout(left.max(LOOK), ended.recv()).await.is_ok() {
            return Ok(());
        }
        if let Some(stuck) = hand.take_stuck() {
            break stuck;
        }
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
    let why = "the router stopped while a write was stuck";
    desk.settle(
        parcel,
        (0..parcel.len()).map(|at| (at, Err(why.to_owned()))),
    )
}
