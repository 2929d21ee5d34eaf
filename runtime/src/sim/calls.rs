//! Which call of the operating system a step blocks in: a thread of its own looks at what the kernel says of the run's thread.
//!
//! Only in a run that is made again to find the step that blocks, because it costs a thread and a file that is read every 200 µs.
//! Linux only, and only where it lets a program read `/proc/self/task/*/syscall`; names on x86-64 and AArch64, numbers elsewhere.

use std::ffi::c_long;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::sim::beside::Beside;
use crate::sync::Lock;

/// How often it looks: several times in the shortest step that is said to block.
const PERIOD: Duration = Duration::from_micros(200);

/// How often each call was seen in this step, by number.
type Seen = Vec<(c_long, u32)>;

/// Looks at the thread that made it until it is dropped.
#[derive(Debug)]
pub(super) struct Calls {
    seen: Arc<Lock<Seen>>,
    _looks: Option<Beside>,
}

impl Calls {
    /// `None` where the kernel does not say what a thread does.
    pub(super) fn of_this_thread() -> Option<Self> {
        let mut now = Now::of_this_thread()?;
        let seen = Arc::new(Lock::new(Seen::new()));
        let all = Arc::clone(&seen);
        let statics = statics();
        let looks = Beside::every(PERIOD, "simulation-calls", move || {
            if let Some(call) = now.call_of_its_own(&statics) {
                count(&mut all.lock(), call);
            }
        })?;
        Some(Self {
            seen,
            _looks: Some(looks),
        })
    }

    pub(super) fn step_begins(&self) {
        self.seen.lock().clear();
    }

    /// The call that the step was in most often, in words.
    pub(super) fn most(&self) -> Option<String> {
        let most = self
            .seen
            .lock()
            .iter()
            .copied()
            .max_by_key(|&(_, times)| times);
        most.map(|(call, _)| in_words(call))
    }
}

/// What the kernel says of one thread.
#[derive(Debug)]
pub(super) struct Now {
    file: File,
    text: String,
}

impl Now {
    /// `None` where the kernel does not say what a thread does.
    pub(super) fn of_this_thread() -> Option<Self> {
        let thread = fs::read_link("/proc/thread-self").ok()?;
        let path = fs::canonicalize("/proc").ok()?.join(thread).join("syscall");
        let mut now = Self {
            file: File::open(path).ok()?,
            text: String::new(),
        };
        // It may let us open it and not read it.
        now.read()?;
        Some(now)
    }

    /// The call that the thread is in; `None` if it runs, or is in none.
    fn call(&mut self) -> Option<c_long> {
        self.read()?;
        number(&self.text)
    }

    /// The same, but for the wait for a lock that lies in static memory. Its holder has let it go, or the step would not have come back;
    /// so that is another thread, most likely another test: the lock of the standard output is one of these.
    fn call_of_its_own(&mut self, statics: &[Range<usize>]) -> Option<c_long> {
        let call = self.call()?;
        let is_shared = is_futex(call)
            && address(&self.text).is_some_and(|at| statics.iter().any(|of| of.contains(&at)));
        (!is_shared).then_some(call)
    }

    /// The same in words.
    pub(super) fn call_in_words(&mut self) -> Option<String> {
        self.call().map(in_words)
    }

    fn read(&mut self) -> Option<()> {
        self.text.clear();
        // The kernel writes it anew whenever it is read from its beginning.
        self.file.rewind().ok()?;
        self.file.read_to_string(&mut self.text).ok()?;
        Some(())
    }
}

fn count(seen: &mut Seen, call: c_long) {
    match seen.iter_mut().find(|(known, _)| *known == call) {
        Some((_, times)) => *times += 1,
        None => seen.push((call, 1)),
    }
}

/// The number of the call; `None` if the thread runs, or is in none. What a test prints goes to a terminal or a pipe, which may be
/// slow; that is no call of the program's own.
fn number(text: &str) -> Option<c_long> {
    let mut words = text.split_whitespace();
    let call: c_long = words.next()?.parse().ok()?;
    let prints = is_write(call) && matches!(words.next(), Some("0x1" | "0x2"));
    (call >= 0 && !prints).then_some(call)
}

/// The first argument of the call, if that is an address.
fn address(text: &str) -> Option<usize> {
    let address = text.split_whitespace().nth(1)?.strip_prefix("0x")?;
    usize::from_str_radix(address, 16).ok()
}

/// Where the static memory of the program lies; empty where the system does not tell.
fn statics() -> Vec<Range<usize>> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let program = fs::read_link("/proc/self/exe").unwrap_or_default();
    let mut found: Vec<Range<usize>> = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let Some((from, to)) = words.next().and_then(|range| range.split_once('-')) else {
            continue;
        };
        let bound = |text| usize::from_str_radix(text, 16);
        let (Ok(from), Ok(to)) = (bound(from), bound(to)) else {
            continue;
        };
        let file = words.nth(4);
        // What is zero at the start of the program has no file, and follows what has.
        let follows = found.last().is_some_and(|last| last.end == from);
        if file.is_some_and(|file| program.as_os_str() == file) || file.is_none() && follows {
            found.push(from..to);
        }
    }
    found
}

#[cfg(target_os = "linux")]
fn is_futex(call: c_long) -> bool {
    call == libc::SYS_futex
}

#[cfg(not(target_os = "linux"))]
fn is_futex(_call: c_long) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn is_write(call: c_long) -> bool {
    call == libc::SYS_write || call == libc::SYS_writev
}

#[cfg(not(target_os = "linux"))]
fn is_write(_call: c_long) -> bool {
    false
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
fn in_words(call: c_long) -> String {
    const SLEEPS: &str = "which is `std::thread::sleep`, or another sleep";
    const WAITS: &str = "which is a lock, a channel, a condition or a join of the standard library";
    const READS: &str = "which reads from a file or a socket, or accepts a connection";
    const WRITES: &str = "which writes to a file or a socket";
    const EVENTS: &str = "which waits for files or sockets";
    const CHILDREN: &str = "which waits for another program";
    const KNOWN: &[(c_long, &str, &str)] = &[
        (libc::SYS_clock_nanosleep, "clock_nanosleep", SLEEPS),
        (libc::SYS_nanosleep, "nanosleep", SLEEPS),
        (libc::SYS_futex, "futex", WAITS),
        (libc::SYS_read, "read", READS),
        (libc::SYS_readv, "readv", READS),
        (libc::SYS_pread64, "pread64", READS),
        (libc::SYS_recvfrom, "recvfrom", READS),
        (libc::SYS_recvmsg, "recvmsg", READS),
        (libc::SYS_accept4, "accept4", READS),
        (libc::SYS_openat, "openat", "which opens a file"),
        (libc::SYS_connect, "connect", "which connects a socket"),
        (libc::SYS_flock, "flock", "which locks a file"),
        (libc::SYS_write, "write", WRITES),
        (libc::SYS_writev, "writev", WRITES),
        (libc::SYS_pwrite64, "pwrite64", WRITES),
        (libc::SYS_sendto, "sendto", WRITES),
        (libc::SYS_sendmsg, "sendmsg", WRITES),
        (libc::SYS_fsync, "fsync", WRITES),
        (libc::SYS_fdatasync, "fdatasync", WRITES),
        (libc::SYS_ppoll, "ppoll", EVENTS),
        (libc::SYS_epoll_pwait, "epoll_pwait", EVENTS),
        (libc::SYS_wait4, "wait4", CHILDREN),
        (libc::SYS_waitid, "waitid", CHILDREN),
    ];
    let known = KNOWN.iter().find(|(known, ..)| *known == call);
    known.map_or_else(
        || format!("call {call} of the operating system"),
        |(_, name, meaning)| format!("`{name}`, {meaning}"),
    )
}

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
fn in_words(call: c_long) -> String {
    format!("call {call} of the operating system")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_read_from_the_text_of_the_kernel() {
        assert_eq!(number("230 0x0 0x0 0x7ffd 0x7f\n"), Some(230));
        assert_eq!(number("running\n"), None);
        assert_eq!(number("-1 0x7ffd 0x7f\n"), None);
        assert_eq!(number(""), None);
        assert_eq!(number("1 0x5 0x7ffd 0x7f\n"), Some(1));
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn what_a_test_prints_is_no_call_of_its_own() {
        assert_eq!(number("1 0x1 0x7ffd 0x7f\n"), None);
        assert_eq!(number("20 0x2 0x7ffd 0x7f\n"), None);
        assert_eq!(number("0 0x1 0x7ffd 0x7f\n"), Some(0));
    }

    /// A lock in static memory is shared with others; one on the heap or on the stack is the program's own.
    #[cfg(target_os = "linux")]
    #[test]
    fn static_memory_is_told_from_other_memory() {
        static ZERO: std::sync::Mutex<u32> = std::sync::Mutex::new(0);
        static FULL: std::sync::Mutex<u32> = std::sync::Mutex::new(7);
        let statics = statics();
        let is_static = |at: usize| statics.iter().any(|of| of.contains(&at));
        for shared in [&ZERO, &FULL] {
            assert!(is_static(std::ptr::from_ref(shared).addr()), "{statics:x?}");
        }
        let (heap, stack) = (Box::new(7), 7);
        assert!(
            !is_static(std::ptr::from_ref(&*heap).addr()),
            "{statics:x?}"
        );
        assert!(
            !is_static(std::ptr::from_ref(&stack).addr()),
            "{statics:x?}"
        );
        assert_eq!(address("202 0x7f10 0x80 0x2\n"), Some(0x7f10));
        assert_eq!(address("running\n"), None);
    }

    #[test]
    fn the_call_that_was_seen_most_often_is_said() {
        let calls = Calls {
            seen: Arc::new(Lock::new(Seen::new())),
            _looks: None,
        };
        assert_eq!(calls.most(), None);
        for call in [7, 999_999, 999_999] {
            count(&mut calls.seen.lock(), call);
        }
        assert_eq!(
            calls.most().as_deref(),
            Some("call 999999 of the operating system")
        );
        calls.step_begins();
        assert_eq!(calls.most(), None);
    }
}
