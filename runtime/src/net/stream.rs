//! The bytes of a connection, and its last words.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::deadlines::Deadlines;
use super::refusal::{Refusal, with_text};
#[cfg(all(target_os = "linux", not(loom)))]
use crate::sync::kernel::backlog;

/// The stream of a connection, which knows whether a part of a request has come that nobody answered, and whether a write waits.
pub(super) struct Io {
    stream: TcpStream,
    has_part: bool,
    write_waits: bool,
    /// What the client still had to take when the time of the waiting write began.
    behind: Option<u32>,
    write_timeout: Duration,
    deadlines: Arc<Deadlines>,
    end: Arc<End>,
}

/// Why a connection ends, between its process and its stream.
#[derive(Debug, Default)]
pub(super) struct End {
    /// Set by the process before it drops the connection. hyper would close it without a word.
    pub(super) refusal: OnceLock<Refusal>,
    /// Set by the stream if it was only idle: a head was late of which nothing had come.
    was_idle: AtomicBool,
}

impl End {
    /// Why the client was given up, once its connection is dropped.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        // ORDERING: Relaxed: the stream was dropped by the process that asks.
        let was_idle = self.was_idle.load(Ordering::Relaxed);
        self.refusal.get().copied().filter(|_| !was_idle)
    }
}

impl Io {
    /// A stream whose client must read a part of what waits for it within `write_timeout`.
    pub(super) fn new(
        stream: TcpStream,
        write_timeout: Duration,
        deadlines: &Arc<Deadlines>,
        end: &Arc<End>,
    ) -> Self {
        Self {
            stream,
            has_part: false,
            write_waits: false,
            behind: None,
            write_timeout,
            deadlines: Arc::clone(deadlines),
            end: Arc::clone(end),
        }
    }

    /// What is sent for `bytes`, if with these hyper answers a head that is too large.
    fn own_answer(&self, bytes: &[u8]) -> Option<String> {
        let is_own = self.deadlines.reads_head();
        is_own.then(|| with_text(bytes)).flatten()
    }

    /// Notes whether a write waits, and for whom: for a client that has taken something since, the time begins anew. The system
    /// lets a write go on only when a good part of its buffer is free, for which a slow client may need long.
    fn wrote<T>(&mut self, written: Poll<T>) -> Poll<T> {
        self.has_part = false;
        if written.is_ready() {
            if self.write_waits {
                self.write_waits = false;
                self.deadlines.write_goes_on();
            }
        } else if !self.write_waits {
            self.write_waits = true;
            self.behind = backlog(&self.stream);
            self.deadlines.write_waits(self.write_timeout);
        } else if self.deadlines.write_is_late() {
            let behind = backlog(&self.stream);
            if behind < self.behind {
                self.behind = behind;
                self.deadlines.write_waits(self.write_timeout);
            }
        }
        written
    }
}

/// Other systems do not say what a client still has to take.
#[cfg(not(all(target_os = "linux", not(loom))))]
fn backlog(_stream: &TcpStream) -> Option<u32> {
    None
}

impl Drop for Io {
    fn drop(&mut self) {
        match self.end.refusal.get() {
            // What waits for a client that does not read would stay with the system for minutes.
            Some(Refusal::Unread { .. }) => {
                let _ = self.stream.set_zero_linger();
            }
            Some(refusal) if self.has_part => {
                if let Some(answer) = refusal.answer() {
                    // Nothing was written since that part came, so there is room for an answer; if not, the client reads nothing.
                    let _ = self.stream.try_write(answer.as_bytes());
                }
            }
            Some(Refusal::SlowHead { .. }) => {
                // ORDERING: Relaxed: read by the process that drops this.
                self.end.was_idle.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.has_part |= buffer.filled().len() > before;
        read
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let own = self.own_answer(bytes);
        let said = own.as_ref().map_or(bytes, String::as_bytes);
        let written = Pin::new(&mut self.stream).poll_write(cx, said);
        // There is room for all of it, as there is for last words.
        let written = written.map_ok(|length| own.map_or(length, |_| bytes.len()));
        self.wrote(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [bytes] = bytes {
            return self.poll_write(cx, bytes);
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
