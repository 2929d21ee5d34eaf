//! Whether something can be read without waiting.

use std::io::Read;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What can be read, and asked first whether a read would wait.
pub(super) trait Readable: Read + Send {
    /// Waits up to `time` until a read would not wait: for bytes, the end, or an error. May be false before.
    fn has_bytes(&self, time: Duration) -> bool;
}

impl<R: Read + AsFd + Send> Readable for R {
    fn has_bytes(&self, time: Duration) -> bool {
        let time = Timespec::try_from(time).ok();
        let mut asked = [PollFd::new(self, PollFlags::IN)];
        // An interruption by a signal is an error too: it is asked again.
        poll(&mut asked, time.as_ref()).is_ok_and(|ready| ready > 0)
    }
}
