//! Dead letters: what could not be delivered, as NDJSON with the reason.
//!
//! One letter is one event, so the file has as many lines as the table says. A letter holds the original in full, or the first bytes
//! of what was over a limit; `original_hex` is there as well if the original was not UTF-8.

use std::path::PathBuf;
use std::sync::Arc;

use roundrock::channel::{OneshotReceiver, OneshotSender};
use roundrock::prelude::*;
use serde_json::json;

use crate::append::Appender;
use crate::config::Written;
use crate::sinks::{Drain, GIVEN_UP, Hand};
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

/// Batches of letters that may wait.
const WAITING_BATCHES: usize = 4;

/// Starts to add letters to `file`, which is created if need be, and to count them in `books`.
///
/// # Errors
///
/// When the file cannot be opened; says where it is written.
pub(crate) fn start(
    scope: &Scope,
    file: &Written<PathBuf>,
    books: &Arc<Books>,
    drain: &Arc<Drain>,
) -> Result<Sender<Vec<Letter>>, String> {
    let file = Appender::open(&file.value).map_err(|why| file.refuse(why))?;
    let (sender, letters) = bounded(WAITING_BATCHES).named("letters");
    let hand = Arc::new(Hand::empty());
    let (ending, ended) = oneshot();
    let drain = Arc::clone(drain);
    scope.spawn(dead_stand_in(
        letters.clone(),
        Arc::clone(&hand),
        drain,
        ended,
    ));
    scope.spawn(dead_letters(letters, hand, Arc::clone(books), file, ending));
    Ok(sender)
}

/// Writes letters, each batch in one piece, and counts them once the system has them. `_ended` tells its end.
///
/// If that fails they are not counted: the books then show them as lost, and the router does not end well.
#[process(blocking)]
fn dead_letters(
    letters: &Receiver<Vec<Letter>>,
    hand: &Arc<Hand<Letter>>,
    books: &Arc<Books>,
    mut file: Appender,
    _ended: OneshotSender<()>,
) {
    while let Some(batch) = letters.blocking_recv() {
        let mut text = Vec::new();
        let mut ends = Vec::new();
        for letter in &batch {
            letter.write(&mut text);
            ends.push(text.len());
        }
        hand.put(batch);
        let result = file.append(&text);
        if hand.take().is_none() {
            return;
        }
        let Err(failed) = result else {
            books.died(ends.len());
            continue;
        };
        let written = ends.iter().filter(|end| **end <= failed.written).count();
        books.died(written);
        tell_lost(ends.len() - written, &failed.why);
    }
}

/// Takes the letters that a stuck file leaves, so that nobody waits for it, until their writer has `ended`. They are lost.
#[process]
async fn dead_stand_in(
    letters: &Receiver<Vec<Letter>>,
    hand: &Arc<Hand<Letter>>,
    drain: &Arc<Drain>,
    ended: &OneshotReceiver<()>,
    scope: &Scope,
) {
    let mut stuck = hand.take_stuck(drain, ended, scope).await;
    while let Some(lost) = stuck {
        tell_lost(lost.len(), GIVEN_UP);
        stuck = letters.recv().await;
    }
}

fn tell_lost(letters: usize, why: &str) {
    eprintln!("router: {letters} dead letters were lost: {why}");
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
