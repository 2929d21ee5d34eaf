//! Whether something can be read without waiting, for systems that do not tell: a read of standard input that waits is then late at a stop.

use std::io::Read;
use std::time::Duration;

/// What can be read.
pub(super) trait Readable: Read + Send {
    /// Whether to read.
    fn has_bytes(&self, time: Duration) -> bool;
}

impl<R: Read + Send> Readable for R {
    fn has_bytes(&self, _time: Duration) -> bool {
        true
    }
}
