//! Which file it is, whatever path or descriptor leads to it.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Which file it is: its device and its number there. A link has those of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    place: (u64, u64),
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    Pipe,
    Other,
}

impl Identity {
    /// The file at `path`.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be asked.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::new(&std::fs::metadata(path)?))
    }

    /// What standard input comes from.
    pub(crate) fn stdin() -> Option<Self> {
        Self::open(io::stdin())
    }

    /// Where standard output goes.
    pub(crate) fn stdout() -> Option<Self> {
        Self::open(io::stdout())
    }

    fn open(stream: impl AsFd) -> Option<Self> {
        let file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
        Some(Self::new(&file.metadata().ok()?))
    }

    fn new(is: &Metadata) -> Self {
        let of = is.file_type();
        let kind = if of.is_file() {
            Kind::File
        } else if of.is_dir() {
            Kind::Folder
        } else if of.is_fifo() {
            Kind::Pipe
        } else {
            Kind::Other
        };
        Self {
            place: (is.dev(), is.ino()),
            kind,
        }
    }

    /// Whether it is a regular file: each reader has a place of its own in it.
    pub(crate) fn is_file(&self) -> bool {
        self.kind == Kind::File
    }

    /// Whether it is a folder.
    pub(crate) fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }

    /// Whether its readers get what is written to it: a terminal and `/dev/null` are no such files.
    pub(crate) fn gives_back(&self) -> bool {
        matches!(self.kind, Kind::File | Kind::Pipe)
    }
}
