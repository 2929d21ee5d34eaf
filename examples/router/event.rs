//! An event on its way: one line of input, carried in a batch with its neighbours.
//!
//! Lines travel in batches of at most [`BATCH_LINES`], because a rendezvous for each line would cost more than routing it.
//! A batch owns the bytes of its lines in one piece and knows where they came from, so that a dead letter can quote the
//! original wherever in the pipeline the event dies.
//!
//! **Invariants.** A batch holds at least one line. Its bytes are at most one read of its source plus one line of the line limit.
//! Every line of a batch was counted as an event in before the batch was sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use roundrock::channel::OneshotSender;

/// Most lines of one batch.
pub(crate) const BATCH_LINES: usize = 256;

/// Neighbouring lines of one source.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Where the lines came from: a file name, `stdin`, `http-17`, `tcp-3`.
    pub(crate) source: Arc<str>,
    /// When the last of the lines was complete.
    pub(crate) arrived: Instant,
    /// Told how each line fared in the rules, if somebody waits for it. The worker takes it, so that nobody waits for slow sinks' events.
    pub(crate) receipt: Option<Arc<Receipt>>,
    lines: Lines,
}

/// Complete lines in one piece of memory, without their line endings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// Number of the first line in its source, counted from 1.
    first: u64,
    bytes: Vec<u8>,
    /// Where each line ends in `bytes`, after its `\n` if it has one.
    ends: Vec<usize>,
}

impl Lines {
    /// Makes lines of `bytes`, which must end at the last of `ends`.
    pub(crate) fn new(first: u64, bytes: Vec<u8>, ends: Vec<usize>) -> Self {
        debug_assert_eq!(ends.last().copied(), Some(bytes.len()));
        Self { first, bytes, ends }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Line `index` without `\n` or `\r\n`.
    pub(crate) fn line(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        let line = &self.bytes[start..self.ends[index]];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// Number of line `index` in its source, counted from 1.
    pub(crate) fn number(&self, index: usize) -> u64 {
        self.first + index as u64
    }
}

impl Batch {
    /// A batch whose lines are complete now.
    pub(crate) fn new(source: Arc<str>, lines: Lines, receipt: Option<Arc<Receipt>>) -> Self {
        Self {
            source,
            arrived: Instant::now(),
            receipt,
            lines,
        }
    }

    /// How many lines it holds.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Line `index` without its line ending.
    pub(crate) fn line(&self, index: usize) -> &[u8] {
        self.lines.line(index)
    }

    /// Number of line `index` in its source, counted from 1.
    pub(crate) fn number(&self, index: usize) -> u64 {
        self.lines.number(index)
    }
}

/// How the lines of one request fared: what its sender is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Lines that the rules gave to sinks.
    pub(crate) accepted: u64,
    /// Lines that became dead letters.
    pub(crate) dead: u64,
}

/// Collects the counts of one request from all its batches; the last one to let go of it reports.
///
/// Whoever waits keeps the receiving end and drops its own clone once the last batch is sent.
#[derive(Debug)]
pub(crate) struct Receipt {
    counts: Mutex<Counts>,
    report: Option<OneshotSender<Counts>>,
}

impl Receipt {
    /// A receipt that reports to the other end of `report`.
    pub(crate) fn new(report: OneshotSender<Counts>) -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::default(),
            report: Some(report),
        })
    }

    /// Adds the counts of one batch.
    pub(crate) fn add(&self, more: Counts) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.accepted += more.accepted;
        counts.dead += more.dead;
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let counts = *self
            .counts
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(report) = self.report.take() {
            // A client that has gone does not wait for its counts any more.
            let _ = report.send(counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn line_endings_are_not_part_of_a_line() {
        let lines = Lines::new(7, b"a\r\n\nb".to_vec(), vec![3, 4, 5]);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines.line(0), b"a");
        assert_eq!(lines.line(1), b"");
        assert_eq!(lines.line(2), b"b");
        assert_eq!(lines.number(2), 9);
    }
}
