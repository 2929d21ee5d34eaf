//! Reads files of lines, and standard input.
//!
//! A process on a thread of its own reads, and another one takes in what it read. Both belong to the scope of the router, so a stop loses
//! nothing between them: the first reads no more, the second goes on until it has all that was read.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use roundrock::prelude::*;

use super::Port;
use super::intake::Intake;
use super::readable::Readable;
use crate::identity::Identity;

/// How much is read at once.
const READ_BYTES: usize = 128 << 10;

/// How long the reader waits for bytes before it looks whether the router stops.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Why the last line of an input is incomplete.
const STOPPED: &str = "the router stopped in the middle of the line";

/// Something to read: a file, or standard input.
pub(crate) struct Input {
    name: String,
    identity: Option<Identity>,
    is_stdin: bool,
    bytes: Box<dyn Readable>,
}

impl Input {
    /// Opens `path`; `-` is standard input.
    ///
    /// # Errors
    ///
    /// When that is not possible; says which file.
    pub(crate) fn find(path: &Path) -> Result<Self, String> {
        if path.as_os_str() == "-" {
            return Ok(Self {
                name: "stdin".to_owned(),
                identity: Identity::stdin(),
                is_stdin: true,
                bytes: Box::new(io::stdin()),
            });
        }
        let name = path.display().to_string();
        let identity = Identity::at(path).map_err(|e| format!("{name}: {e}"))?;
        if identity.is_folder() {
            return Err(format!("{name} is a folder; name the files in it"));
        }
        match File::open(path) {
            Ok(file) => Ok(Self {
                name,
                identity: Some(identity),
                is_stdin: false,
                bytes: Box::new(file),
            }),
            Err(e) => Err(format!("{name}: {e}")),
        }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Which file it is, if that is known.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Whether it is standard input.
    pub(crate) fn is_stdin(&self) -> bool {
        self.is_stdin
    }
}

/// Reads an input piece by piece; an empty piece is its end. Once the router stops, nothing more is read.
#[process(blocking)]
fn reader(mut input: Input, pieces: &Sender<io::Result<Vec<u8>>>, scope: &Scope) -> Result<()> {
    while !scope.is_stopping() {
        // A read may wait for ever, and a process that does cannot be stopped.
        if !input.bytes.has_bytes(LOOK_UP) {
            continue;
        }
        let mut piece = vec![0; READ_BYTES];
        let got = input.bytes.read(&mut piece).map(|length| {
            piece.truncate(length);
            piece
        });
        let is_last = got.as_ref().map_or(true, Vec::is_empty);
        pieces.blocking_send(got)?;
        if is_last {
            break;
        }
    }
    Ok(())
}

/// Takes in one file.
///
/// A file that is not read to its end because the router stops is a failure: who started it must know that something is left. Standard
/// input has no end that one could expect.
#[process]
pub(crate) async fn file(port: &Port, input: Input, scope: &Scope) -> Result<()> {
    let (name, is_stdin) = (input.name.clone(), input.is_stdin);
    let mut intake = Intake::new(port, &name, None);
    let (sender, pieces) = rendezvous().named("pieces");
    scope.spawn(reader(input, sender));
    while let Some(piece) = pieces.recv().await {
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
    let line = intake.line();
    intake.break_off(STOPPED).await?;
    if is_stdin {
        return Ok(());
    }
    bail!("{name}: the router stopped before line {line}");
}
