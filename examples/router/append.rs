//! Adds lines to a file or to standard output, and knows which of them are there if that fails half-way.
//!
//! **Invariants.** What follows a failed write begins on a line of its own. Of a file, a torn line is taken back, so that everything
//! in it is whole; where that is impossible (a pipe, a device), the torn line is ended.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use memchr::memrchr;

use crate::pipe::{open_pipe, open_stdout};

/// What lines are added to.
#[derive(Debug)]
pub(crate) struct Appender {
    file: File,
    /// The last line is torn and could not be taken back.
    is_torn: bool,
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
    /// Adds to the file at `path`, which is created if need be, with the folders above it. What it has is left alone.
    ///
    /// # Errors
    ///
    /// When that is not possible, as for a pipe that nobody reads; says which file, and where it can what to do.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let pipe = open_pipe(path).map_err(|e| format!("{name}: {e}"))?;
        if let Some(pipe) = pipe {
            return Ok(Self::new(pipe));
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
        let open = OpenOptions::new().append(true).create(true).open(path);
        let file = open.map_err(|e| format!("{name}: {e}; write a path where a file can be"))?;
        Ok(Self::new(file))
    }

    /// Adds to standard output, past the buffer of `std`, which does not say how much of a write was taken.
    ///
    /// # Errors
    ///
    /// When there are too many open files.
    pub(crate) fn stdout() -> Result<Self, String> {
        let stdout = open_stdout().map_err(|e| format!("standard output: {e}"))?;
        Ok(Self::new(stdout))
    }

    fn new(file: File) -> Self {
        Self {
            file,
            is_torn: false,
        }
    }

    /// Drops what a file has.
    ///
    /// # Errors
    ///
    /// When that is not possible.
    pub(crate) fn empty(&mut self) -> io::Result<()> {
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        Ok(())
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
            match self.file.write(&bytes[taken..]) {
                Ok(0) => return Err((taken, io::ErrorKind::WriteZero.into())),
                Ok(more) => taken += more,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err((taken, e)),
            }
        }
        Ok(())
    }

    /// Takes back the last bytes of a file; whether that was possible.
    fn take_back(&mut self, bytes: usize) -> bool {
        let mut take_back = || {
            let (is, at) = (self.file.metadata()?, self.file.stream_position()?);
            // Standard output may stand in the middle of a file, where its last bytes are not ours.
            let Some(length) = is
                .len()
                .checked_sub(bytes as u64)
                .filter(|_| at == is.len())
            else {
                return Ok(false);
            };
            self.file.set_len(length)?;
            self.file.seek(SeekFrom::End(0))?;
            io::Result::Ok(true)
        };
        take_back().unwrap_or(false)
    }
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
        for _ in 0..2 {
            let mut file = Appender::open(&path).unwrap();
            file.append(b"x\n").unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), b"x\nx\n");
        let mut file = Appender::open(&path).unwrap();
        file.empty().unwrap();
        file.append(b"y\nz\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"y\nz\n");
        assert!(file.take_back(2));
        file.append(b"w\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"y\nw\n");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_device_takes_nothing() {
        let mut full = Appender::open(Path::new("/dev/full")).unwrap();
        let failed = full.append(b"x\n").unwrap_err();
        assert_eq!(failed.written, 0);
        assert!(
            failed.why.starts_with("cannot write: No space left"),
            "{failed:?}"
        );
    }
}
