//! Where a sink settles its deliveries: the books, and the letters of events that died.

use std::sync::Arc;

use roundrock::prelude::*;

use crate::dead::Letter;
use crate::parcel::{Fate, Parcel};
use crate::stats::Books;

/// Where a sink settles its deliveries.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    /// The name of the sink.
    pub(crate) name: String,
    /// Its place in the books.
    pub(crate) place: usize,
    /// The books.
    pub(crate) books: Arc<Books>,
    /// Where dead letters go.
    pub(crate) dead: Sender<Vec<Letter>>,
}

impl Desk {
    /// Settles some deliveries of a parcel, `refused` telling for each why the sink did not take it, and returns the letters for
    /// events that died of it. The caller sends them, waiting in its own way.
    #[must_use = "letters that are not sent are lost events"]
    pub(super) fn settle(
        &self,
        parcel: &Parcel,
        results: impl Iterator<Item = (usize, Result<(), String>)>,
    ) -> Vec<Letter> {
        let (mut deliveries, mut events, mut letters) = (0, 0, Vec::new());
        for (at, delivered) in results {
            deliveries += u64::from(delivered.is_ok());
            let delivered = delivered.map_err(|why| format!("sink `{}`: {why}", self.name));
            match parcel.settle(at, delivered) {
                Fate::Open => {}
                Fate::Out => events += 1,
                Fate::Dead(reason) => letters.push(self.letter(parcel, at, reason)),
            }
        }
        let latency = parcel.batch.arrived.elapsed();
        self.books
            .delivered(self.place, deliveries, events, latency);
        letters
    }

    fn letter(&self, parcel: &Parcel, at: usize, reason: String) -> Letter {
        let batch = &parcel.batch;
        Letter {
            source: Arc::clone(&batch.source),
            line: batch.number(parcel.index(at)),
            reason,
            original: batch.line(parcel.index(at)).to_vec(),
        }
    }
}
