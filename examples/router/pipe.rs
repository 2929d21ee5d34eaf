//! Opens named pipes without waiting, and standard output as a file.
//!
//! To open a pipe for writing waits until somebody reads it, which may be never. A router would start late then without a word, and could
//! not be stopped before.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, ioctl_fionbio};

/// Opens the pipe at `path` for writing; `None` if there is no pipe.
///
/// # Errors
///
/// When nobody reads it.
pub(crate) fn open_pipe(path: &Path) -> io::Result<Option<File>> {
    if !std::fs::metadata(path).is_ok_and(|is| is.file_type().is_fifo()) {
        return Ok(None);
    }
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let pipe = open(path, flags, Mode::empty()).map_err(|e| match e {
        Errno::NXIO => io::Error::other("nobody reads this pipe; start its reader first"),
        e => e.into(),
    })?;
    // Only the open was not to wait: a full pipe slows the router down, as every sink does.
    ioctl_fionbio(&pipe, false)?;
    Ok(Some(pipe.into()))
}

/// Standard output, without a buffer.
///
/// # Errors
///
/// When there are too many open files.
pub(crate) fn open_stdout() -> io::Result<File> {
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}
