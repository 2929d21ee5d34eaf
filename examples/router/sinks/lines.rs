//! Sinks that take lines: a file, standard output, or nothing at all.

use roundrock::prelude::*;

use super::Desk;
use crate::append::{Appender, Failed};
use crate::config::SinkKind;
use crate::dead::Letter;
use crate::parcel::Parcel;

/// Most bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// Where the lines of a sink of `kind` go; none if they go nowhere.
///
/// # Errors
///
/// When its file cannot be opened.
pub(super) fn open(kind: &SinkKind) -> Result<Option<Appender>, String> {
    match kind {
        SinkKind::File { path, truncate } => Appender::open(path, *truncate).map(Some),
        SinkKind::Stdout => Ok(Some(Appender::stdout())),
        SinkKind::Null | SinkKind::Webhook(_) => Ok(None),
    }
}

/// Writes parcels until there are no more.
///
/// Parcels that wait are gathered, written in one piece and then settled: so an event counts as delivered when the system has it, and
/// nothing is left to flush when the process stops.
#[process(blocking)]
pub(super) fn lines(
    parcels: &Receiver<Parcel>,
    desk: &Desk,
    mut output: Option<Appender>,
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
        let written = output
            .as_mut()
            .map_or(Ok(()), |output| output.append(&buffer));
        buffer.shrink_to(2 * BUFFER_BYTES);
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
