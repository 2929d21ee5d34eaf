//! Gives each sink its channel and starts it.

use std::sync::Arc;

use roundrock::prelude::*;

use super::drain::Drain;
use super::hand::{Hand, stand_in};
use super::{Desk, lines, webhook};
use crate::append::Appender;
use crate::config::{SinkConfig, SinkKind};
use crate::parcel::Parcel;

/// Parcels that may wait for a sink.
const WAITING_PARCELS: usize = 4;

/// Starts a sink, whose lines go to `output`, and gives the channel to it.
///
/// # Errors
///
/// When what its file had cannot be dropped; says where that is written.
pub(crate) fn start(
    scope: &Scope,
    sink: &SinkConfig,
    mut output: Option<Appender>,
    desk: Desk,
    drain: &Arc<Drain>,
) -> Result<Sender<Parcel>, String> {
    let (sender, parcels) = bounded(WAITING_PARCELS).named("parcels");
    match &sink.kind {
        SinkKind::Webhook(target) => {
            scope.pool(
                target.parallel,
                webhook::webhook(parcels, target.clone(), desk, Arc::clone(drain)),
            );
        }
        kind => {
            if let (
                SinkKind::File {
                    path,
                    truncate: true,
                },
                Some(output),
            ) = (kind, &mut output)
            {
                let emptied = output.empty();
                emptied.map_err(|e| path.refuse(format!("what it has cannot be dropped: {e}")))?;
            }
            let hand = Arc::new(Hand::empty());
            let (ending, ended) = oneshot();
            if output.is_some() {
                scope.spawn(stand_in(
                    parcels.clone(),
                    Arc::clone(&hand),
                    desk.clone(),
                    Arc::clone(drain),
                    ended,
                ));
            }
            scope.spawn(lines::lines(parcels, hand, desk, output, ending));
        }
    }
    Ok(sender)
}
