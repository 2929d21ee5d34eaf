//! Which file it is, for systems that do not number theirs: links to one file are told apart, and the standard streams are not known.

use std::io;
use std::path::{Path, PathBuf};

/// Which file it is: its path without links to folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    real: PathBuf,
    is_folder: bool,
}

impl Identity {
    /// The file at `path`.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be asked.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let real = std::fs::canonicalize(path)?;
        let is_folder = real.is_dir();
        Ok(Self { real, is_folder })
    }

    /// Not known.
    pub(crate) fn stdin() -> Option<Self> {
        None
    }

    /// Not known.
    pub(crate) fn stdout() -> Option<Self> {
        None
    }

    /// Whether it is a regular file: there are no others, as far as is known.
    pub(crate) fn is_file(&self) -> bool {
        !self.is_folder
    }

    /// Whether it is a folder.
    pub(crate) fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// Whether its readers get what is written to it.
    pub(crate) fn gives_back(&self) -> bool {
        !self.is_folder
    }
}
