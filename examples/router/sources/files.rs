//! Reads files of lines, and standard input.
//!
//! A process on a thread of its own reads, and another one takes in what it read. Both belong to the scope of the router, so a stop loses
//! nothing between them: the first reads no more, the second goes on until it has all that was read.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// How many regular files are read at the same time. More would bring nothing but threads and open files, of which there may be too few.
const FILES_AT_ONCE: usize = 4;

/// Something to read: a file, or standard input.
pub(crate) struct Input {
    name: String,
    identity: Option<Identity>,
    from: Origin,
}

/// Where the bytes come from.
enum Origin {
    Stdin,
    /// A regular file, which is opened when its turn comes.
    File(PathBuf),
    /// Anything else is open from the start: who writes to one pipe may wait until another one is read.
    Stream(File),
}

impl Input {
    /// Looks at `path`, and opens it if it is no regular file; `-` is standard input.
    ///
    /// # Errors
    ///
    /// When it cannot be read; says which file.
    pub(crate) fn find(path: &Path) -> Result<Self, String> {
        if path.as_os_str() == "-" {
            return Ok(Self {
                name: "stdin".to_owned(),
                identity: Identity::stdin(),
                from: Origin::Stdin,
            });
        }
        let name = path.display().to_string();
        let identity = Identity::at(path).map_err(|e| format!("{name}: {e}"))?;
        if identity.is_folder() {
            return Err(format!("{name} is a folder; name the files in it"));
        }
        // Whether it may be read shows now, and not after hours.
        let open = File::open(path).map_err(|e| format!("{name}: {e}"))?;
        let from = if identity.is_file() {
            Origin::File(path.to_owned())
        } else {
            Origin::Stream(open)
        };
        Ok(Self {
            name,
            identity: Some(identity),
            from,
        })
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
        matches!(self.from, Origin::Stdin)
    }

    fn open(self) -> io::Result<Box<dyn Readable>> {
        Ok(match self.from {
            Origin::Stdin => Box::new(io::stdin()),
            Origin::File(path) => Box::new(File::open(path)?),
            Origin::Stream(file) => Box::new(file),
        })
    }
}

/// Starts to take in all inputs: regular files a few at a time, everything else at once.
pub(crate) fn start(scope: &Scope, port: &Port, inputs: Vec<Input>) {
    let is_file = |input: &Input| matches!(input.from, Origin::File(_));
    let (files, streams): (VecDeque<_>, VecDeque<_>) = inputs.into_iter().partition(is_file);
    for stream in streams {
        let alone = VecDeque::from([stream]);
        scope.spawn(file(port.clone(), Arc::new(Mutex::new(alone))));
    }
    let readers = files.len().min(FILES_AT_ONCE);
    let files = Arc::new(Mutex::new(files));
    for _ in 0..readers {
        scope.spawn(file(port.clone(), Arc::clone(&files)));
    }
}

/// Reads an input piece by piece; an empty piece is its end. Once the router stops, nothing more is read.
#[process(blocking)]
fn reader(input: Input, pieces: &Sender<io::Result<Vec<u8>>>, scope: &Scope) -> Result<()> {
    let mut bytes = match input.open() {
        Ok(bytes) => bytes,
        Err(e) => {
            pieces.blocking_send(Err(e))?;
            return Ok(());
        }
    };
    while !scope.is_stopping() {
        // A read may wait for ever, and a process that does cannot be stopped.
        if !bytes.has_bytes(LOOK_UP) {
            continue;
        }
        let mut piece = vec![0; READ_BYTES];
        let got = bytes.read(&mut piece).map(|length| {
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

/// Takes in inputs one after the other, as long as there are any.
///
/// A file that is not read to its end because the router stops is a failure: who started it must know that something is left. Standard
/// input has no end that one could expect, unless it is a file.
#[process]
async fn file(port: &Port, inputs: &Arc<Mutex<VecDeque<Input>>>, scope: &Scope) -> Result<()> {
    loop {
        let next = queue(inputs).pop_front();
        let Some(input) = next else {
            return Ok(());
        };
        let name = input.name.clone();
        let is_file = input.identity().is_some_and(Identity::is_file);
        let has_end = is_file || !input.is_stdin();
        let Some(line) = take_in(port, input, scope).await? else {
            continue;
        };
        if !has_end {
            return Ok(());
        }
        // Nobody takes them any more.
        let unread = std::mem::take(&mut *queue(inputs)).len();
        match unread {
            0 => bail!("{name}: the router stopped before line {line}"),
            _ => bail!(
                "{name}: the router stopped before line {line}, and before {unread} more files"
            ),
        }
    }
}

fn queue(inputs: &Mutex<VecDeque<Input>>) -> MutexGuard<'_, VecDeque<Input>> {
    inputs.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes in one input; gives the line before which the router stopped, if it did.
async fn take_in(port: &Port, input: Input, scope: &Scope) -> Result<Option<u64>> {
    // What a scope that stops starts would be stopped.
    if scope.is_stopping() {
        return Ok(Some(1));
    }
    let name = input.name.clone();
    let mut intake = Intake::new(port, &name, None);
    let (sender, pieces) = rendezvous().named("pieces");
    scope.spawn(reader(input, sender));
    while let Some(piece) = pieces.recv().await {
        match piece {
            Ok(piece) if piece.is_empty() => {
                intake.finish().await?;
                return Ok(None);
            }
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
    Ok(Some(line))
}
