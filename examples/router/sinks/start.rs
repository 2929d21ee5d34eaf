//! Gives each sink its channel and starts it.

use std::sync::Arc;

use roundrock::prelude::*;

use super::drain::Drain;
use super::{Desk, lines, webhook};
use crate::config::{SinkConfig, SinkKind};
use crate::parcel::Parcel;

/// Parcels that may wait for a sink.
const WAITING_PARCELS: usize = 4;

/// Starts a sink and gives the channel to it.
///
/// # Errors
///
/// When its file cannot be opened.
pub(crate) fn start(
    scope: &Scope,
    sink: &SinkConfig,
    desk: Desk,
    drain: &Arc<Drain>,
) -> Result<Sender<Parcel>, String> {
    let (sender, parcels) = bounded(WAITING_PARCELS).named("parcels");
    match &sink.kind {
        SinkKind::Webhook(target) => {
            // One by one in the scope of the workers, which feed them. A pool is a scope of its own, and at a stop its input ends as soon as
            // all of it is idle, whatever a worker around it still has for it.
            for _ in 0..target.parallel {
                let (parcels, desk) = (parcels.clone(), desk.clone());
                scope.spawn(webhook::webhook(
                    parcels,
                    target.clone(),
                    desk,
                    Arc::clone(drain),
                ));
            }
        }
        kind => {
            let output = lines::open(kind)?;
            scope.spawn(lines::lines(parcels, desk, output));
        }
    }
    Ok(sender)
}
