//! Room in memory for the values that rules read of large events: these take turns, and small ones pass.
//!
//! **Invariants.** Values of lines over [`SHORT_LINE`] take at most the bytes of the room, whatever they hold and however many workers
//! read at the same time. A worker that holds room waits for nothing, so the others get theirs.

use roundrock::sync::{MAX_PERMITS, Permit, Semaphore};

use crate::rules::Rules;

/// Lines up to this length are read without asking: their values take at most about a megabyte.
const SHORT_LINE: usize = 4096;

/// The least room that there can be.
pub(crate) const LEAST_ROOM: usize = 1 << 20;

/// The most room that there can be: a permit for each byte.
pub(crate) const MOST_ROOM: usize = MAX_PERMITS as usize;

/// The room that all workers share.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    permits: Semaphore,
    bytes: usize,
}

impl Room {
    /// Room of `bytes`, at most [`MOST_ROOM`].
    pub(crate) fn new(bytes: usize) -> Self {
        let permits = u32::try_from(bytes.min(MOST_ROOM)).unwrap_or(u32::MAX);
        Self {
            permits: Semaphore::new(permits),
            bytes,
        }
    }

    /// Waits for the room that `rules` need to read `line`, if it is long.
    ///
    /// # Errors
    ///
    /// When there can never be so much, in words for the dead letter.
    pub(crate) async fn take(&self, rules: &Rules, line: &[u8]) -> Result<Option<Permit>, String> {
        if line.len() <= SHORT_LINE {
            return Ok(None);
        }
        let weight = rules.weight(line);
        if weight > self.bytes {
            return Err(format!(
                "the fields that the rules read would take {weight} bytes of memory, over the limit of {} (limits.rule_bytes)",
                self.bytes
            ));
        }
        match u32::try_from(weight) {
            Ok(permits) if permits > 0 => Ok(Some(self.permits.acquire_many(permits).await)),
            _ => Ok(None),
        }
    }
}
