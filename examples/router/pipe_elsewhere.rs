//! Opens named pipes, for systems that have none among their files, and standard output.

use std::fs::File;
use std::io;
use std::path::Path;

/// Opens the pipe at `path` for writing: there is none.
///
/// # Errors
///
/// Never.
#[expect(
    clippy::unnecessary_wraps,
    reason = "systems that have pipes may fail to open one"
)]
pub(crate) fn open_pipe(_path: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// Standard output, without a buffer.
///
/// # Errors
///
/// When there are too many open files, or the system has no handles.
pub(crate) fn open_stdout() -> io::Result<File> {
    #[cfg(windows)]
    return {
        use std::os::windows::io::AsHandle;
        Ok(io::stdout().as_handle().try_clone_to_owned()?.into())
    };
    #[cfg(not(windows))]
    Err(io::ErrorKind::Unsupported.into())
}
