//! The calls of Linux that the standard library does not have: `membarrier`, the time a thread has run, a timer that is a file, and
//! what a connection still has to deliver.
//!
//! Rejected: a crate of safe wrappers. It was 6 % of the CPU time of an optimised build of a small program, for these few lines;
//! `libc` is built anyway, for tokio and for signals.

#![expect(
    unsafe_code,
    reason = "calls of the operating system that no safe interface at hand has"
)]

use std::time::Duration;

#[cfg(feature = "net")]
pub(crate) use backlog::backlog;
#[cfg(feature = "tokio")]
pub(crate) use timer::Timer;

/// Registers the program for [`membarrier`]; false if the kernel does not have it.
pub(crate) fn register_membarrier() -> bool {
    // `MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED` of linux/membarrier.h.
    call_membarrier(1 << 4)
}

/// A fence in every thread of the program; false if there was none.
pub(crate) fn membarrier() -> bool {
    // `MEMBARRIER_CMD_PRIVATE_EXPEDITED`.
    call_membarrier(1 << 3)
}

fn call_membarrier(command: libc::c_int) -> bool {
    const NONE: libc::c_int = 0;
    // SAFETY: the call takes numbers only (command, flags, processor) and touches no memory of the program.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, command, NONE, NONE) };
    result == 0
}

/// How long this thread has run on a processor; `None` if the system does not say.
pub(crate) fn thread_time() -> Option<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes to the place it is given, which lives, and to no other memory of the program.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    if result != 0 {
        return None;
    }
    let (seconds, nanos) = (time.tv_sec.try_into(), time.tv_nsec.try_into());
    Some(Duration::new(seconds.ok()?, nanos.ok()?))
}

#[cfg(feature = "net")]
mod backlog {
    use std::os::fd::{AsFd, AsRawFd};

    /// How many bytes were written to this TCP connection that its other side has not taken yet; `None` if the system does not say.
    pub(crate) fn backlog(connection: &impl AsFd) -> Option<u32> {
        let file = connection.as_fd().as_raw_fd();
        let mut bytes: libc::c_int = 0;
        // SAFETY: the file is open while it is borrowed; the call writes to the place it is given, which lives, and to no other memory.
        let result = unsafe { libc::ioctl(file, libc::TIOCOUTQ, &raw mut bytes) };
        if result != 0 {
            return None;
        }
        bytes.try_into().ok()
    }
}

#[cfg(feature = "tokio")]
mod timer {
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
    use std::ptr::null_mut;
    use std::time::Duration;

    /// A timer whose file becomes readable when it fires.
    #[derive(Debug)]
    pub(crate) struct Timer(OwnedFd);

    impl Timer {
        pub(crate) fn new() -> io::Result<Self> {
            let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
            // SAFETY: the call takes numbers only.
            let file = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) };
            if file < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the file was just opened, and nobody else knows it.
            Ok(Self(unsafe { OwnedFd::from_raw_fd(file) }))
        }

        /// Lets it fire once, after this time and not at once; a time that was set before is forgotten.
        pub(crate) fn set(&self, after: Duration) -> io::Result<()> {
            // Zero would switch it off.
            let after = after.max(Duration::from_nanos(1));
            let never = libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            let once = libc::itimerspec {
                it_interval: never,
                it_value: libc::timespec {
                    tv_sec: after.as_secs().try_into().unwrap_or(libc::time_t::MAX),
                    #[expect(
                        clippy::unnecessary_fallible_conversions,
                        reason = "it is narrower on some processors"
                    )]
                    tv_nsec: after.subsec_nanos().try_into().unwrap_or(0),
                },
            };
            // SAFETY: the file is open while the timer is borrowed, the new setting is read only, and none is to be returned.
            let result = unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, &once, null_mut()) };
            if result < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        }
    }

    impl AsRawFd for Timer {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_raw_fd()
        }
    }
}
