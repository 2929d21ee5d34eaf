//! Adds lines to a file or to standard output, and knows which of them are there if that fails half-way.
//!
//! **Invariants.** What follows a failed write begins on a line of its own. Of a file, a torn line is taken back, so that everything
//! in it is whole; where that is impossible (a pipe, a device), the torn line is ended.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use memchr::memrchr;

use crate::pipe::open_pipe;

/// What lines are added to.
#[derive(Debug)]
pub(crate) struct Appender {
    target: Target,
    /// The last line is torn and could not be taken back.
    is_torn: bool,
}

#[derive(Debug)]
enum Target {
    File(File),
    Stdout,
}

/// A write that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The whole lines before this byte are there all the same.
    pub(crate) written: usize,
    /// Why the others are not.
    pub(crate) why: String,
}

impl Appender {
    /// Adds to the file at `path`, which is created if need be, with the folders above it.
    ///
    /// # Errors
    ///
    /// When that is not possible, as for a pipe that nobody reads; says which file, and where it can what to do.
    pub(crate) fn open(path: &Path, truncate: bool) -> Result<Self, String> {
        let name = path.display();
        let pipe = open_pipe(path).map_err(|e| format!("{name}: {e}"))?;
        if let Some(pipe) = pipe {
            return Ok(Self::new(Target::File(pipe)));
        }
        if path.is_dir() {
            return Err(format!(
                "{name} is a folder; write the path of a file in it"
            ));
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| {
                let folder = folder.display();
                format!("{name}: the folder {folder} cannot be made: {e}; write a path in one that exists")
            })?;
        }
        let open = || {
            if truncate {
                File::create(path)?;
            }
            OpenOptions::new().append(true).create(true).open(path)
        };
        let file = open().map_err(|e| format!("{name}: {e}; write a path where a file can be"))?;
        Ok(Self::new(Target::File(file)))
    }

    /// Adds to standard output.
    pub(crate) fn stdout() -> Self {
        Self::new(Target::Stdout)
    }

    fn new(target: Target) -> Self {
        Self {
            target,
            is_torn: false,
        }
    }

    /// Hands `lines`, which end with a line ending, to the system.
    ///
    /// # Errors
    ///
    /// When the system does not take all of them.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<(), Failed> {
        if self.is_torn {
            self.write(b"\n").map_err(|(_, e)| failed(0, &e))?;
            self.is_torn = false;
        }
        self.write(lines).map_err(|(taken, e)| {
            let written = memrchr(b'\n', &lines[..taken]).map_or(0, |end| end + 1);
            self.is_torn = taken > written && !self.take_back(taken - written);
            failed(written, &e)
        })
    }

    /// Writes all of `bytes`, or says how many the system took.
    fn write(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut taken = 0;
        while taken < bytes.len() {
            let written = match &mut self.target {
                Target::File(file) => file.write(&bytes[taken..]),
                // Its own buffer would hide what the system took, so it has to take all.
                Target::Stdout => write_all(&bytes[taken..]),
            };
            match written {
                Ok(0) => return Err((taken, io::ErrorKind::WriteZero.into())),
                Ok(more) => taken += more,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err((taken, e)),
            }
        }
        Ok(())
    }

    /// Takes back the last bytes of a file; whether that was possible.
    fn take_back(&self, bytes: usize) -> bool {
        let Target::File(file) = &self.target else {
            return false;
        };
        let shorter = file.metadata().map(|is| {
            let length = is.len().checked_sub(bytes as u64);
            length.filter(|_| is.is_file())
        });
        matches!(shorter, Ok(Some(length)) if file.set_len(length).is_ok())
    }
}

fn write_all(bytes: &[u8]) -> io::Result<usize> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()?;
    Ok(bytes.len())
}

fn failed(written: usize, error: &io::Error) -> Failed {
    Failed {
        written,
        why: format!("cannot write: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::Appender;

    #[test]
    fn folders_are_made_and_lines_are_added() {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("router-append");
        let _ = fs::remove_dir_all(&folder);
        let path = folder.join("a/b.ndjson");
        for truncate in [false, false] {
            let mut file = Appender::open(&path, truncate).unwrap();
            file.append(b"x\n").unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), b"x\nx\n");
        let mut file = Appender::open(&path, true).unwrap();
        file.append(b"y\nz\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"y\nz\n");
        assert!(file.take_back(2));
        file.append(b"w\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"y\nw\n");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_device_takes_nothing() {
        let mut full = Appender::open(Path::new("/dev/full"), false).unwrap();
        let failed = full.append(b"x\n").unwrap_err();
        assert_eq!(failed.written, 0);
        assert!(
            failed.why.starts_with("cannot write: No space left"),
            "{failed:?}"
        );
    }
}
