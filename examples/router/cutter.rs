//! Cuts a stream of bytes into lines, in bounded memory whatever is sent.
//!
//! Bytes come in pieces of any size; complete lines go out as [`Lines`] of at most [`BATCH_LINES`], as soon as they are complete.
//! A line over the limit is reported once, with its first bytes and its length, and skipped to its end. A byte order mark at the
//! beginning, as some editors write it, is no part of the first line.
//!
//! **Invariants.** The cutter keeps at most one incomplete line, never longer than the limit and a carriage return. Every byte pushed
//! leaves in exactly one [`Cut`], except the mark and the middle of lines over the limit.

use memchr::memchr;

use crate::event::{BATCH_LINES, Lines};

/// How much of a line over the limit is kept for its dead letter.
const QUOTED_BYTES: usize = 1024;

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// What comes out of a cutter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Complete lines.
    Lines(Lines),
    /// A line over the limit.
    Oversized {
        /// Its number, counted from 1.
        line: u64,
        /// Its first bytes.
        start: Vec<u8>,
        /// Its whole length without its line ending, as far as it was received.
        bytes: u64,
    },
}

impl Cut {
    /// How many lines it stands for.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Lines(lines) => lines.len(),
            Self::Oversized { .. } => 1,
        }
    }
}

/// Cuts one stream into lines.
#[derive(Debug)]
pub(crate) struct Cutter {
    limit: usize,
    /// Number of the line that the next byte belongs to.
    line: u64,
    /// The beginning of that line, without what was already found oversized.
    partial: Vec<u8>,
    /// Set while a line over the limit is skipped.
    skipping: Option<Skipped>,
    /// How much of a byte order mark has come, as long as nothing else has.
    mark: Option<usize>,
}

/// A line over the limit, as far as it was received.
#[derive(Debug)]
struct Skipped {
    /// Its first bytes.
    start: Vec<u8>,
    bytes: u64,
    /// Its last byte was a carriage return, which may belong to the line ending.
    returned: bool,
}

impl Skipped {
    /// More of the line.
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if let Some(last) = bytes.last() {
            self.returned = *last == b'\r';
        }
    }

    /// The line ends here: the carriage return of its ending is no part of it.
    fn end(&mut self) {
        if !self.returned {
            return;
        }
        if self.start.len() as u64 == self.bytes {
            self.start.pop();
        }
        self.bytes -= 1;
    }
}

/// How many bytes of a line count towards its limit: not the carriage return of its ending, which comes last.
fn counted(carried: &[u8], piece: &[u8]) -> usize {
    let last = piece.last().or(carried.last());
    carried.len() + piece.len() - usize::from(last == Some(&b'\r'))
}

impl Cutter {
    /// Cuts lines of at most `limit` bytes, line ending not counted.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            line: 1,
            partial: Vec::new(),
            skipping: None,
            mark: Some(0),
        }
    }

    /// Takes bytes from the front of `bytes` up to the next cut, or all of them if there is none.
    ///
    /// One at a time, because tiny lines take many times their size once they are cut.
    pub(crate) fn next(&mut self, bytes: &mut &[u8]) -> Option<Cut> {
        *bytes = self.unmarked(bytes);
        while !bytes.is_empty() {
            let (cut, rest) = match &mut self.skipping {
                Some(_) => self.skip(bytes),
                None => self.cut(bytes),
            };
            *bytes = rest;
            if cut.is_some() {
                return cut;
            }
        }
        None
    }

    /// Passes over a byte order mark, which may come in pieces.
    fn unmarked<'b>(&mut self, mut bytes: &'b [u8]) -> &'b [u8] {
        while let Some(seen) = self.mark
            && let Some((first, rest)) = bytes.split_first()
        {
            if MARK.get(seen) == Some(first) {
                self.mark = (seen + 1 < MARK.len()).then_some(seen + 1);
                bytes = rest;
            } else {
                self.no_mark();
            }
        }
        bytes
    }

    /// What looked like the beginning of a mark was that of the first line.
    fn no_mark(&mut self) {
        if let Some(seen) = self.mark.take() {
            self.partial.extend_from_slice(&MARK[..seen]);
        }
    }

    /// Ends the stream: what is left is its last line, which had no line ending.
    pub(crate) fn finish(&mut self) -> Option<Cut> {
        self.no_mark();
        if let Some(skipped) = self.skipping.take() {
            return Some(self.oversized(skipped));
        }
        if self.partial.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.partial);
        let end = bytes.len();
        self.line += 1;
        Some(Cut::Lines(Lines::new(self.line - 1, bytes, vec![end])))
    }

    /// Number of the line that the next byte belongs to.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Takes out the incomplete line of a stream that broke off, if there is one.
    pub(crate) fn broken(&mut self) -> Option<Vec<u8>> {
        self.no_mark();
        let rest = match self.skipping.take() {
            Some(skipped) => skipped.start,
            None => std::mem::take(&mut self.partial),
        };
        (!rest.is_empty()).then_some(rest)
    }

    /// Passes over the rest of a line that is over the limit.
    fn skip<'b>(&mut self, bytes: &'b [u8]) -> (Option<Cut>, &'b [u8]) {
        let Some(mut skipped) = self.skipping.take() else {
            return (None, bytes);
        };
        match memchr(b'\n', bytes) {
            Some(end) => {
                skipped.add(&bytes[..end]);
                skipped.end();
                (Some(self.oversized(skipped)), &bytes[end + 1..])
            }
            None => {
                skipped.add(bytes);
                self.skipping = Some(skipped);
                (None, &[])
            }
        }
    }

    /// Cuts lines off until a batch is full, a line is over the limit, or `bytes` holds no line ending any more.
    fn cut<'b>(&mut self, bytes: &'b [u8]) -> (Option<Cut>, &'b [u8]) {
        let mut lines = None;
        let mut ends = Vec::new();
        let carried = self.partial.len();
        let mut start = 0;
        let rest = loop {
            let line_end = memchr(b'\n', &bytes[start..]).map(|at| start + at);
            let before: &[u8] = if start == 0 { &self.partial } else { &[] };
            let line = &bytes[start..line_end.unwrap_or(bytes.len())];
            if counted(before, line) > self.limit {
                break start;
            }
            let Some(end) = line_end else { break start };
            start = end + 1;
            ends.push(carried + start);
            if ends.len() == BATCH_LINES {
                break start;
            }
        };
        if !ends.is_empty() {
            let mut whole = std::mem::take(&mut self.partial);
            whole.extend_from_slice(&bytes[..rest]);
            let first = self.line;
            self.line += ends.len() as u64;
            let full = ends.len() == BATCH_LINES;
            lines = Some(Cut::Lines(Lines::new(first, whole, ends)));
            if full {
                return (lines, &bytes[rest..]);
            }
        }
        self.keep(&bytes[rest..]);
        match &self.skipping {
            Some(_) => (lines, &bytes[rest..]),
            None => (lines, &[]),
        }
    }

    /// Keeps the beginning of a line, or starts skipping it if it is over the limit already.
    fn keep(&mut self, bytes: &[u8]) {
        let line_end = memchr(b'\n', bytes).unwrap_or(bytes.len());
        if counted(&self.partial, &bytes[..line_end]) <= self.limit {
            self.partial.extend_from_slice(bytes);
            return;
        }
        let mut start = std::mem::take(&mut self.partial);
        let length = start.len() as u64;
        let returned = start.last() == Some(&b'\r');
        let quoted = QUOTED_BYTES.saturating_sub(start.len()).min(line_end);
        start.extend_from_slice(&bytes[..quoted]);
        start.truncate(QUOTED_BYTES);
        start.shrink_to_fit();
        self.skipping = Some(Skipped {
            start,
            bytes: length,
            returned,
        });
    }

    fn oversized(&mut self, line: Skipped) -> Cut {
        self.line += 1;
        Cut::Oversized {
            line: self.line - 1,
            start: line.start,
            bytes: line.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cut, Cutter};

    /// Cuts `text` in pieces of `piece` bytes and describes what comes out, one string a line.
    fn cut(text: &[u8], piece: usize, limit: usize) -> Vec<String> {
        let mut cutter = Cutter::new(limit);
        let mut seen = Vec::new();
        let mut describe = |cut| match cut {
            Cut::Lines(lines) => {
                assert!((1..=256).contains(&lines.len()));
                for i in 0..lines.len() {
                    let text = String::from_utf8_lossy(lines.line(i)).into_owned();
                    seen.push(format!("{}:{text}", lines.number(i)));
                }
            }
            Cut::Oversized { line, bytes, .. } => seen.push(format!("{line}!{bytes}")),
        };
        for mut piece in text.chunks(piece) {
            while let Some(cut) = cutter.next(&mut piece) {
                describe(cut);
            }
            assert!(piece.is_empty());
        }
        if let Some(last) = cutter.finish() {
            describe(last);
        }
        assert_eq!(cutter.broken(), None);
        seen
    }

    #[test]
    fn pieces_of_any_size_give_the_same_lines() {
        let text = b"one\n\ntwo is over the limit\nthree\r\nfour\nlast";
        let want = ["1:one", "2:", "3!21", "4:three", "5:four", "6:last"];
        for piece in 1..=text.len() {
            assert_eq!(cut(text, piece, 10), want, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_line_of_exactly_the_limit_passes() {
        for piece in 1..6 {
            assert_eq!(cut(b"12345\n12345\n", piece, 5), ["1:12345", "2:12345"]);
            assert_eq!(cut(b"123456\n12345", piece, 5), ["1!6", "2:12345"]);
        }
    }

    #[test]
    fn the_carriage_return_of_a_line_ending_is_not_counted() {
        for piece in 1..8 {
            let seen = cut(b"12345\r\n12345\r\n", piece, 5);
            assert_eq!(seen, ["1:12345", "2:12345"], "in pieces of {piece}");
            assert_eq!(cut(b"123456\r\n1", piece, 5), ["1!6", "2:1"]);
            assert_eq!(cut(b"12345\rx\n", piece, 5), ["1!7"]);
            assert_eq!(cut(b"12345\r\r\n", piece, 5), ["1!6"]);
            assert_eq!(cut(b"123456\r", piece, 5), ["1!7"], "no line ending");
        }
    }

    #[test]
    fn byte_order_mark_is_no_part_of_the_first_line() {
        for piece in 1..8 {
            let seen = cut(b"\xEF\xBB\xBF12345\nsix", piece, 5);
            assert_eq!(seen, ["1:12345", "2:six"], "in pieces of {piece}");
            let seen = cut(b"\xEF\xBB", piece, 5);
            assert_eq!(seen, ["1:\u{FFFD}"], "a part of one, in pieces of {piece}");
            let seen = cut(b"1\n\xEF\xBB\xBF2\n", piece, 5);
            assert_eq!(seen, ["1:1", "2:\u{FEFF}2"], "not at the beginning");
        }
    }

    #[test]
    fn more_lines_than_a_batch_holds_come_in_several() {
        let text = "x\n".repeat(1000);
        let seen = cut(text.as_bytes(), text.len(), 10);
        assert_eq!(seen.len(), 1000);
        assert_eq!(seen[999], "1000:x");
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let mut cutter = Cutter::new(1 << 20);
        for _ in 0..64 {
            assert_eq!(cutter.next(&mut &[b'x'; 1 << 20][..]), None);
            assert!(cutter.partial.capacity() <= 2 << 20);
        }
        let Some(Cut::Oversized { line, start, bytes }) = cutter.finish() else {
            panic!("the line is over the limit");
        };
        assert_eq!((line, start.len(), bytes), (1, 1024, 64 << 20));
    }

    #[test]
    fn a_stream_that_breaks_off_leaves_its_incomplete_line() {
        let mut cutter = Cutter::new(100);
        let mut bytes = &b"one\ntwo"[..];
        assert!(cutter.next(&mut bytes).is_some());
        assert!(cutter.next(&mut bytes).is_none() && bytes.is_empty());
        assert_eq!(cutter.line(), 2);
        assert_eq!(cutter.broken().as_deref(), Some(&b"two"[..]));
        assert_eq!(cutter.broken(), None);
    }
}
