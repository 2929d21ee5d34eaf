//! Dead letters: what could not be delivered, as NDJSON with the reason.
//!
//! One letter is one event, so the file has as many lines as the table says. A letter holds the original in full, or the first bytes
//! of what was over a limit; `original_hex` is there as well if the original was not UTF-8.

use std::path::Path;
use std::sync::Arc;

use roundrock::prelude::*;
use serde_json::json;

use crate::append::Appender;
use crate::stats::Books;
use crate::transform::write_json;

/// One event that could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// Where it came from.
    pub(crate) source: Arc<str>,
    /// Which line it was there, counted from 1. A stream that is cut off has its letter at the line that was next.
    pub(crate) line: u64,
    /// Why it could not be delivered.
    pub(crate) reason: String,
    /// The line, or what is known of it.
    pub(crate) original: Vec<u8>,
}

impl Letter {
    /// Writes the letter as one line.
    fn write(&self, out: &mut Vec<u8>) {
        let mut letter = json!({
            "source": &*self.source,
            "line": self.line,
            "reason": self.reason,
            "original": String::from_utf8_lossy(&self.original),
        });
        if std::str::from_utf8(&self.original).is_err() {
            let hex: String = self
                .original
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            letter["original_hex"] = hex.into();
        }
        write_json(&letter, out);
        out.push(b'\n');
    }
}

/// The process that writes dead letters: one for the whole router.
#[process]
pub(crate) struct DeadLetters {
    file: Appender,
    books: Arc<Books>,
}

impl DeadLetters {
    /// Adds letters to `file`, which is created if need be, and counts them in `books`.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub(crate) fn create(file: &Path, books: Arc<Books>) -> Result<Self, String> {
        let file = Appender::open(file, false)?;
        Ok(Self { file, books })
    }
}

#[handlers]
impl DeadLetters {
    /// Writes letters, in one piece, and counts them once the system has them.
    ///
    /// If that fails they are not counted: the books then show them as lost, and the router does not end well.
    pub(crate) fn write(&mut self, letters: Vec<Letter>) {
        let mut text = Vec::new();
        let mut ends = Vec::new();
        for letter in &letters {
            letter.write(&mut text);
            ends.push(text.len());
        }
        let Err(failed) = self.file.append(&text) else {
            return self.books.died(letters.len());
        };
        let written = ends.iter().filter(|end| **end <= failed.written).count();
        self.books.died(written);
        let lost = letters.len() - written;
        eprintln!("router: {lost} dead letters were lost: {}", failed.why);
    }
}

#[cfg(test)]
mod tests {
    use super::Letter;

    fn written(original: &[u8]) -> serde_json::Value {
        let letter = Letter {
            source: "a.ndjson".into(),
            line: 3,
            reason: "not \"JSON\"".to_owned(),
            original: original.to_vec(),
        };
        let mut text = Vec::new();
        letter.write(&mut text);
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
        serde_json::from_slice(&text).unwrap()
    }

    #[test]
    fn a_letter_is_one_line_of_json() {
        let letter = written(b"{\"a\"\r: 1");
        assert_eq!(letter["source"], "a.ndjson");
        assert_eq!(letter["line"], 3);
        assert_eq!(letter["reason"], "not \"JSON\"");
        assert_eq!(letter["original"], "{\"a\"\r: 1");
        assert_eq!(letter.get("original_hex"), None);
    }

    #[test]
    fn an_original_that_is_no_text_is_kept_exactly() {
        let letter = written(b"a\xff");
        assert_eq!(letter["original"], "a\u{fffd}");
        assert_eq!(letter["original_hex"], "61ff");
    }
}
