//! Reads files of lines, and standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use roundrock::prelude::*;

use super::Port;
use super::intake::Intake;

/// How much is read at once.
const READ_BYTES: usize = 128 << 10;

/// Why the last line of an input is incomplete.
const STOPPED: &str = "the router stopped in the middle of the line";

/// Something to read: a file, or standard input.
pub(crate) struct Input {
    name: String,
    is_stdin: bool,
    bytes: Box<dyn Read + Send>,
}

impl Input {
    /// Opens `path`; `-` is standard input.
    ///
    /// # Errors
    ///
    /// When that is not possible, or when it is one of the files that are `written`: it would never end. Says which file.
    pub(crate) fn open(path: &Path, written: &[&Path]) -> Result<Self, String> {
        if path.as_os_str() == "-" {
            return Ok(Self {
                name: "stdin".to_owned(),
                is_stdin: true,
                bytes: Box::new(io::stdin()),
            });
        }
        let name = path.display().to_string();
        let real = std::fs::canonicalize(path).map_err(|e| format!("{name}: {e}"))?;
        let is_real =
            |other: &&&Path| std::fs::canonicalize(other).is_ok_and(|other| other == real);
        if let Some(other) = written.iter().find(is_real) {
            let other = other.display();
            return Err(format!(
                "{name}: the router writes to {other}; read and write different files"
            ));
        }
        match File::open(path) {
            Ok(file) => Ok(Self {
                name,
                is_stdin: false,
                bytes: Box::new(file),
            }),
            Err(e) => Err(format!("{name}: {e}")),
        }
    }

    /// Reads from a thread of its own, because a read may wait for ever, and a process that does cannot be stopped.
    fn read_ahead(mut self, stop: Arc<AtomicBool>) -> Receiver<io::Result<Vec<u8>>> {
        let (pieces, read) = rendezvous();
        std::thread::spawn(move || {
            // ORDERING: Relaxed; a read more or less before the stop is seen does no harm, because `last_pieces` waits for it.
            while !stop.load(Ordering::Relaxed) {
                let mut piece = vec![0; READ_BYTES];
                let got = self.bytes.read(&mut piece).map(|length| {
                    piece.truncate(length);
                    piece
                });
                let is_last = got.as_ref().map_or(true, Vec::is_empty);
                if pieces.blocking_send(got).is_err() || is_last {
                    return;
                }
            }
        });
        read
    }
}

/// How long the last bytes may be on their way from the thread that read them.
const LAST_PIECE: Duration = Duration::from_millis(100);

/// Takes in one file.
///
/// A file that is not read to its end because the router stops is a failure: who started it must know that something is left. Standard
/// input has no end that one could expect.
#[process]
pub(crate) async fn file(port: &Port, input: Input, scope: &Scope) -> Result<()> {
    let (name, is_stdin) = (input.name.clone(), input.is_stdin);
    let mut intake = Intake::new(port, &name, None);
    let stop = Arc::new(AtomicBool::new(false));
    let pieces = input.read_ahead(Arc::clone(&stop));
    loop {
        let piece = select! {
            piece = pieces.recv() => Some(piece),
            _ = scope.stopping() => None,
        };
        let piece = match piece {
            Some(piece) => piece,
            None => {
                // What was read already is taken in.
                stop.store(true, Ordering::Relaxed);
                match timeout(LAST_PIECE, pieces.recv()).await {
                    Ok(Some(piece)) => piece,
                    _ if is_stdin => return intake.break_off(STOPPED).await,
                    _ => {
                        let line = intake.line();
                        intake.break_off(STOPPED).await?;
                        bail!("{name}: the router stopped before line {line}");
                    }
                }
            }
        };
        match piece {
            Ok(piece) if piece.is_empty() => return intake.finish().await,
            Ok(piece) => intake.push(&piece).await?,
            Err(e) => {
                intake
                    .break_off(&format!("the file broke off: {e}"))
                    .await?;
                bail!("{name}: {e}");
            }
        }
    }
}
