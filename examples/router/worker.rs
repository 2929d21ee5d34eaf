//! The workers: each takes a batch, applies the rules to its lines, and hands parcels to the sinks.
//!
//! A worker takes the next batch only when every sink has room for what the last one gave: so a slow sink slows the workers, they
//! slow the sources, and these slow their clients. All workers share one input, so batches overtake each
//! other; within a batch, events keep their order.

use std::sync::Arc;

use roundrock::prelude::*;

use crate::dead::Letter;
use crate::event::{Batch, Counts};
use crate::parcel::{Outboxes, Parcel};
use crate::room::Room;
use crate::rules::{Forms, Rules};

/// Applies the rules to batches until there are no more.
#[process]
pub(crate) async fn worker(
    batches: &Receiver<Batch>,
    rules: &Arc<Rules>,
    room: &Room,
    sinks: &Vec<Sender<Parcel>>,
    dead: &Sender<Vec<Letter>>,
) -> Result<()> {
    while let Some(mut batch) = batches.recv().await {
        let receipt = batch.receipt.take();
        let batch = Arc::new(batch);
        let (parcels, letters) = sort(rules, room, &batch, sinks.len()).await;
        let dead_lines = letters.len() as u64;
        for (sink, parcel) in parcels {
            sinks[sink].send(parcel).await?;
        }
        if !letters.is_empty() {
            dead.send(letters).await?;
        }
        if let Some(receipt) = receipt {
            receipt.add(Counts {
                accepted: batch.len() as u64 - dead_lines,
                dead: dead_lines,
            });
        }
    }
    Ok(())
}

/// Applies the rules to every line of a batch.
async fn sort(
    rules: &Rules,
    room: &Room,
    batch: &Arc<Batch>,
    sinks: usize,
) -> (Vec<(usize, Parcel)>, Vec<Letter>) {
    let mut fields = rules.fields();
    let mut forms = Forms::default();
    let mut outboxes = Outboxes::new(sinks);
    let mut letters = Vec::new();
    for index in 0..batch.len() {
        let line = batch.line(index);
        let routed = match room.take(rules, line).await {
            Ok(taken) => {
                let routed = rules.route(line, index, &mut fields, &mut forms, &mut outboxes);
                if taken.is_some() {
                    fields.clear();
                }
                routed
            }
            Err(reason) => Err(reason),
        };
        if let Err(reason) = routed {
            letters.push(Letter {
                source: Arc::clone(&batch.source),
                line: batch.number(index),
                reason,
                original: line.to_vec(),
            });
        }
    }
    (outboxes.seal(batch), letters)
}
