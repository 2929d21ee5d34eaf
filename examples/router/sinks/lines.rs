//! Sinks that take lines: a file, standard output, or nothing at all.

use std::sync::Arc;

use roundrock::channel::OneshotSender;
use roundrock::prelude::*;

use super::Desk;
use super::hand::Hand;
use crate::append::{Appender, Failed};
use crate::config::{SinkConfig, SinkKind};
use crate::dead::Letter;
use crate::parcel::Parcel;

/// Most bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// Where the lines of a sink go; none if they go nowhere. What its file has is left alone until the sink is started: another one may
/// be impossible to open.
///
/// # Errors
///
/// When its file cannot be opened; says where that is written.
pub(crate) fn open(sink: &SinkConfig) -> Result<Option<Appender>, String> {
    match &sink.kind {
        SinkKind::File { path, .. } => {
            let opened = Appender::open(&path.value);
            opened.map(Some).map_err(|why| path.refuse(why))
        }
        SinkKind::Stdout => Appender::stdout().map(Some),
        SinkKind::Null | SinkKind::Webhook(_) => Ok(None),
    }
}

/// Writes parcels until there are no more, or until a write was given up. `_ended` tells its end.
///
/// Parcels that wait are gathered, written in one piece and then settled: so an event counts as delivered when the system has it, and
/// nothing is left to flush when the process stops.
#[process(blocking)]
pub(super) fn lines(
    parcels: &Receiver<Parcel>,
    hand: &Arc<Hand<Parcel>>,
    desk: &Desk,
    mut output: Option<Appender>,
    _ended: OneshotSender<()>,
) -> Result<()> {
    let mut buffer = Vec::new();
    while let Some(first) = parcels.blocking_recv() {
        let mut gathered = vec![first];
        buffer.clear();
        buffer.extend_from_slice(gathered[0].text());
        while buffer.len() < BUFFER_BYTES
            && let Ok(next) = parcels.try_recv()
        {
            buffer.extend_from_slice(next.text());
            gathered.push(next);
        }
        hand.put(gathered);
        let written = output
            .as_mut()
            .map_or(Ok(()), |output| output.append(&buffer));
        buffer.shrink_to(2 * BUFFER_BYTES);
        let Some(gathered) = hand.take() else {
            return Ok(());
        };
        let letters = settle(desk, &gathered, &written);
        if !letters.is_empty() {
            desk.dead.blocking_send(letters)?;
        }
    }
    Ok(())
}

/// Settles all parcels of one write. If that failed, the events before the failure are delivered all the same.
fn settle(desk: &Desk, gathered: &[Parcel], written: &Result<(), Failed>) -> Vec<Letter> {
    let mut letters = Vec::new();
    let mut before = 0;
    for parcel in gathered {
        let result = |at: usize| match written {
            Err(failed) if before + parcel.end(at) > failed.written => Err(failed.why.clone()),
            _ => Ok(()),
        };
        letters.extend(desk.settle(parcel, (0..parcel.len()).map(|at| (at, result(at)))));
        before += parcel.text().len();
    }
    letters
}
