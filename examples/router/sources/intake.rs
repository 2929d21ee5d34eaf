//! From the bytes of one stream to batches: cut, count, send.

use std::sync::Arc;

use memchr::memchr_iter;
use roundrock::prelude::*;

use crate::config::Limits;
use crate::cutter::{Cut, Cutter};
use crate::dead::Letter;
use crate::event::{Batch, Lines, Receipt};
use crate::stats::Books;

/// Where sources put what they took in.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    /// To the workers.
    pub(crate) batches: Sender<Batch>,
    /// To the dead letters.
    pub(crate) dead: Sender<Vec<Letter>>,
    /// The books.
    pub(crate) books: Arc<Books>,
    /// What a stream may hold.
    pub(crate) limits: Limits,
}

/// Takes in one stream.
#[derive(Debug)]
pub(super) struct Intake<'p> {
    port: &'p Port,
    source: Arc<str>,
    receipt: Option<Arc<Receipt>>,
    cutter: Cutter,
    /// What was refused so far, in words for the client.
    refusals: Vec<String>,
    refused: u64,
}

/// Most refusals that a client is told of; all of them are in the dead letters.
const TOLD_REFUSALS: usize = 10;

impl<'p> Intake<'p> {
    /// Takes in the stream called `source`; the rules tell `receipt` how its lines fared.
    pub(super) fn new(port: &'p Port, source: &str, receipt: Option<Arc<Receipt>>) -> Self {
        Self {
            port,
            source: source.into(),
            receipt,
            cutter: Cutter::new(port.limits.line_bytes),
            refusals: Vec::new(),
            refused: 0,
        }
    }

    /// Takes in the next bytes; waits until the workers have all lines that are complete.
    ///
    /// All of them are counted before the first is sent: if this wait is given up, the books show the rest as lost.
    pub(super) async fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        // Each line ending completes a line, whatever is in it.
        self.port.books.received(memchr_iter(b'\n', bytes).count());
        while let Some(cut) = self.cutter.next(&mut bytes) {
            self.pass(cut).await?;
        }
        Ok(())
    }

    /// Number of the line that the next byte belongs to.
    pub(super) fn line(&self) -> u64 {
        self.cutter.line()
    }

    /// Ends the stream: its last line needs no line ending.
    pub(super) async fn finish(&mut self) -> Result<()> {
        match self.cutter.finish() {
            Some(cut) => {
                self.port.books.received(cut.len());
                self.pass(cut).await
            }
            None => Ok(()),
        }
    }

    /// Ends a stream that broke off. An incomplete line is a dead letter.
    pub(super) async fn break_off(&mut self, why: &str) -> Result<()> {
        let line = self.cutter.line();
        match self.cutter.broken() {
            Some(rest) => {
                self.port.books.received(1);
                self.refuse(line, why.to_owned(), rest).await
            }
            None => Ok(()),
        }
    }

    /// Ends a stream that is over a limit. What was refused counts as one event, dead, even if no byte of it was read.
    pub(super) async fn cut_off(&mut self, why: &str) -> Result<()> {
        let line = self.cutter.line();
        let rest = self.cutter.broken().unwrap_or_default();
        self.port.books.received(1);
        self.refuse(line, why.to_owned(), rest).await
    }

    /// Lets go of the receipt, so that it reports once the rules are done with the lines. Returns how many lines were refused here,
    /// and some of them in words.
    pub(super) fn close(self) -> (u64, Vec<String>) {
        (self.refused, self.refusals)
    }

    async fn pass(&mut self, cut: Cut) -> Result<()> {
        match cut {
            Cut::Lines(lines) => self.send(lines).await,
            Cut::Oversized { line, start, bytes } => {
                let limit = self.port.limits.line_bytes;
                let why = format!(
                    "line of {bytes} bytes, over the limit of {limit}; only its beginning was kept"
                );
                self.refuse(line, why, start).await
            }
        }
    }

    /// Gives lines to the workers. If there are no workers any more, the lines are dead letters.
    async fn send(&mut self, lines: Lines) -> Result<()> {
        let batch = Batch::new(Arc::clone(&self.source), lines, self.receipt.clone());
        let Err(refused) = self.port.batches.send(batch).await else {
            return Ok(());
        };
        let batch = refused.into_inner();
        self.refused += batch.len() as u64;
        let letters = (0..batch.len()).map(|index| Letter {
            source: Arc::clone(&self.source),
            line: batch.number(index),
            reason: "the router stopped before the rules were applied".to_owned(),
            original: batch.line(index).to_vec(),
        });
        self.port.dead.send(letters.collect()).await?;
        Ok(())
    }

    /// Writes the dead letter of one event.
    async fn refuse(&mut self, line: u64, reason: String, original: Vec<u8>) -> Result<()> {
        self.refused += 1;
        if self.refusals.len() < TOLD_REFUSALS {
            self.refusals.push(format!("line {line}: {reason}"));
        }
        let letter = Letter {
            source: Arc::clone(&self.source),
            line,
            reason,
            original,
        };
        self.port.dead.send(vec![letter]).await?;
        Ok(())
    }
}
