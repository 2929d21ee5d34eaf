//! Clients that a server refuses or gives up: why, what they are answered, and who is told.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use super::server::{Place, unless_stopping};
use crate::process::exit::contain;
use crate::scope::Scope;
use crate::time::timeout;

/// Clients over the limit that are seen off at the same time, each in a process of its own.
pub(super) const SEEN_OFF: usize = 64;

/// How much of what a client over the limit sends is read after its answer, in bytes.
const REST: usize = 1 << 18;

/// How long the request of a client over the limit is waited for, and again how long the rest of it is read.
const SEE_OFF: Duration = Duration::from_secs(1);

/// A client that a server refused or gave up, for [`ServeOptions::on_refused`](super::ServeOptions::on_refused).
///
/// Its text says why, and who it was: `the head of the request was not complete within 5s (client 127.0.0.1:40312)`.
///
/// # Examples
/// ```
/// use roundrock::net::{Refusal, Refused};
///
/// fn is_attack(refused: &Refused) -> bool {
///     matches!(refused.why, Refusal::SlowHead { .. } | Refusal::Unread { .. }) && !refused.peer.ip().is_loopback()
/// }
/// # let _ = is_attack;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The address of the client.
    pub peer: SocketAddr,
    /// Why it was refused.
    pub why: Refusal,
}

/// Why a client was refused or given up; a part of [`Refused`]. Its text is what the client is answered, if it is answered at all.
///
/// # Examples
/// ```
/// use roundrock::net::Refusal;
///
/// let refusal = Refusal::TooManyConnections { limit: 8 };
/// assert_eq!(refusal.to_string(), "8 connections are open, which is the limit; try again later");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// As many connections were open as may be; answered with 503. Only if the server
    /// [turns clients away](super::ServeOptions::turn_away).
    TooManyConnections {
        /// The limit.
        limit: usize,
    },
    /// A part of a head came, and the rest not in time; answered with 408.
    SlowHead {
        /// The limit.
        limit: Duration,
    },
    /// The head of a request was larger than 400 KiB, or had more than 100 fields, or its URI was too long; answered with 431 or 414.
    LargeHead,
    /// The client did not read its answers, so it could not be told either; the connection is reset.
    Unread {
        /// The limit.
        limit: Duration,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (client {})", self.why, self.peer)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyConnections { limit } => write!(
                f,
                "{limit} connections are open, which is the limit; try again later"
            ),
            Self::SlowHead { limit } => write!(
                f,
                "the head of the request was not complete within {limit:?}"
            ),
            Self::LargeHead => f.write_str("the head of the request is too large"),
            Self::Unread { limit } => write!(f, "the answer was not read for {limit:?}"),
        }
    }
}

impl Refusal {
    /// What the client is answered before its connection is closed. hyper itself answers a head that is too large, see
    /// [`with_text`], and there is no telling one that does not read.
    pub(super) fn answer(&self) -> Option<String> {
        let (status, retry) = match self {
            Self::TooManyConnections { .. } => ("503 Service Unavailable", "retry-after: 1\r\n"),
            Self::SlowHead { .. } => ("408 Request Timeout", ""),
            Self::LargeHead | Self::Unread { .. } => return None,
        };
        let (about, text) = self.text();
        Some(format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\n{retry}{about}\r\n{text}"
        ))
    }

    /// The text of the answer, and the fields of its head that are about it.
    fn text(&self) -> (String, String) {
        let text = format!("{self}\n");
        let length = text.len();
        let about =
            format!("content-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n");
        (about, text)
    }
}

/// The answer `own` of hyper to a head that is too large, with a text: hyper sends none, and asks nobody for one. `None` if it is no
/// such answer.
pub(super) fn with_text(own: &[u8]) -> Option<String> {
    let own = str::from_utf8(own).ok()?;
    let is_large = ["HTTP/1.1 431 ", "HTTP/1.1 414 "].map(|status| own.starts_with(status));
    let (before, after) = own.split_once("content-length: 0\r\n")?;
    let (about, text) = Refusal::LargeHead.text();
    (is_large.contains(&true) && after.ends_with("\r\n\r\n"))
        .then(|| format!("{before}{about}{after}{text}"))
}

/// Whom a server tells of clients that it refused.
#[derive(Clone)]
pub(super) struct Tell(pub(super) Arc<TellFn>);

type TellFn = dyn Fn(Refused) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tell")
    }
}

/// Tells of a client. The callback is code of the user's, and a panic in it is no matter of the server's.
pub(super) async fn tell(told: Option<&Tell>, refused: Refused) {
    const WHAT: &str = "the callback of `on_refused`";
    let Some(Tell(tell)) = told else { return };
    let mut telling = None;
    contain(WHAT, || telling = Some(tell(refused)));
    let Some(mut telling) = telling else { return };
    poll_fn(|cx| {
        let mut polled = Poll::Ready(());
        contain(WHAT, || polled = telling.as_mut().poll(cx));
        polled
    })
    .await;
}

/// Answers a client over the limit, and tells of it.
///
/// Most clients read an answer only after they have sent a request, and lose it if the connection is reset meanwhile.
pub(super) async fn see_off(
    mut stream: TcpStream,
    refused: Refused,
    told: Option<Tell>,
    scope: Scope,
    place: Place,
) {
    let _place = place;
    let answer = refused.why.answer().unwrap_or_default();
    // Not `readable`: a new connection counts as that until somebody has looked.
    unless_stopping(&scope, timeout(SEE_OFF, stream.peek(&mut [0]))).await;
    // First, so that whoever has the answer was told of.
    tell(told.as_ref(), refused).await;
    // It fits into the buffer of a new connection.
    let _ = stream.try_write(answer.as_bytes());
    let _ = poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await;
    unless_stopping(&scope, timeout(SEE_OFF, drop_rest(&stream))).await;
}

/// Reads until the other side is closed, and drops it; no more than [`REST`], for one who sends faster than this reads would keep the
/// worker.
async fn drop_rest(stream: &TcpStream) {
    let mut rest = [0; 4096];
    let mut dropped = 0;
    while dropped < REST && stream.readable().await.is_ok() {
        match stream.try_read(&mut rest) {
            Ok(length) if length > 0 => dropped += length,
            // It may say that it is readable, and not be.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}
