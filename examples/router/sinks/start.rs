//! Gives each sink its channel and starts it.

use std::time::Duration;

use roundrock::prelude::*;

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
    drain: Duration,
) -> Result<Sender<Parcel>, String> {
    let (sender, parcels) = bounded(WAITING_PARCELS).named("parcels");
    match &sink.kind {
        SinkKind::Webhook(target) => {
            let posts = webhook::webhook(parcels, target.clone(), desk, drain);
            scope.pool(target.parallel, posts);
        }
        kind => {
            let output = lines::open(kind)?;
            scope.spawn(lines::lines(parcels, desk, output));
        }
    }
    Ok(sender)
}
