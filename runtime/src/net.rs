//! HTTP servers whose connections are processes: for axum, tower and hyper services.
//!
//! [`serve`] starts one process that accepts, and one for each connection, on the workers and in the scope that it is given.
//! So a request runs where the rest of the program runs: it may use every operation of Roundrock, it is stolen by an idle
//! worker, it shows in snapshots, and its scope stops it. (Code that calls `tokio::spawn` itself, as `axum::serve` does, works
//! too, but its tasks share the one thread that drives the I/O, outside of all scopes; see [`system`](crate::system).)
//!
//! The protocol is hyper's HTTP/1; its timers are Roundrock's, and nothing is spawned behind the scope's back. HTTP/2 needs a
//! crate tree of its own, so it stays with a proxy in front.
//!
//! **Invariants**
//! - A connection holds one of `max_connections` places from before it is accepted until its process has ended, however it
//!   ended.
//! - What happens to one connection never ends the accepting process, nor fails the scope.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service;

use crate::channel::{OwnedPermit, bounded};
use crate::process::exit::Fault;
use crate::process::spawn::SpawnOptions;
use crate::scope::Scope;
use crate::task::{Done, Join, Task};
use crate::time::sleep::later;
use crate::time::{Sleep, sleep, sleep_until};

/// How long the accepting process waits when the system has no more descriptors or memory for connections.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Serves HTTP on a listener, with the default [`ServeOptions`]: one process per connection, in `scope`.
///
/// The service is an `axum::Router`, or any `tower::Service` from `http::Request<hyper::body::Incoming>` to `http::Response`;
/// each request gets a clone of it. The address of the client is in the request's extensions as [`Peer`].
///
/// A client that has sent its request and closes its side of the connection (`shutdown` for writing) gets its answer. From one that has
/// closed both that cannot be told before the answer is sent, so its request is handled too.
///
/// When the scope stops, no connection is accepted any more, idle ones end, and the others answer the request in flight first.
/// To stop a server alone, give it a scope of its own: `scope.child("web")`. An error or a panic of a connection is
/// reported and ends that connection only.
///
/// # Examples
/// ```
/// use axum::{Router, routing::get};
/// # use roundrock::prelude::*;
/// use tokio::net::TcpListener;
///
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let app = Router::new().route("/", get(async || "hello"));
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let server = roundrock::net::serve(listener, app, &scope);
/// println!("listening on http://{}", server.local_addr()?);
/// # scope.stop(secs(1)).await;
/// # Ok(()) }).unwrap();
/// ```
#[track_caller]
pub fn serve<S, B>(listener: TcpListener, service: S, scope: &Scope) -> Server
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    ServeOptions::new().serve(listener, service, scope)
}

/// The limits of a server; see [`serve`].
///
/// # Examples
/// ```
/// use axum::{Router, routing::get};
/// # use roundrock::prelude::*;
/// use roundrock::net::ServeOptions;
/// use tokio::net::TcpListener;
///
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let app = Router::new().route("/", get(async || "hello"));
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let server = ServeOptions::new()
///     .max_connections(100)
///     .header_timeout(secs(5))
///     .keep_alive(false)
///     .serve(listener, app, &scope);
/// assert!(server.local_addr()?.port() > 0);
/// # scope.stop(secs(1)).await;
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is served before `serve`"]
pub struct ServeOptions {
    max_connections: usize,
    header_timeout: Duration,
    keep_alive: bool,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ServeOptions {
    /// The default limits.
    pub fn new() -> Self {
        Self {
            max_connections: 1024,
            header_timeout: Duration::from_secs(30),
            keep_alive: true,
        }
    }

    /// Sets how many connections are open at the same time. Further ones wait in the queue of the operating system. The
    /// default is 1,024.
    ///
    /// # Panics
    /// If it is zero.
    pub fn max_connections(mut self, connections: usize) -> Self {
        assert!(
            connections > 0,
            "`max_connections` is at least 1, not 0: such a server would never answer"
        );
        self.max_connections = connections;
        self
    }

    /// Sets how long a client may take to send the head of a request, counted from the end of the one before: this is also
    /// how long a connection may be idle. The connection is closed then; a client that has sent a part of a head gets the answer
    /// `408 Request Timeout` first. The default is 30 s.
    pub fn header_timeout(mut self, limit: Duration) -> Self {
        self.header_timeout = limit;
        self
    }

    /// Sets whether a connection may carry more than one request. The default is yes.
    pub fn keep_alive(mut self, on: bool) -> Self {
        self.keep_alive = on;
        self
    }

    /// Serves HTTP on a listener with these limits; see [`serve`].
    #[track_caller]
    pub fn serve<S, B>(self, listener: TcpListener, service: S, scope: &Scope) -> Server
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn StdError + Send + Sync>>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let spawn = SpawnOptions::here();
        let local_addr = listener.local_addr().map_err(|error| error.kind());
        let accepting = accept(self, listener, service, scope.clone(), spawn.clone());
        Server {
            task: scope.inner.spawn(accepting, &spawn.named("accept")),
            local_addr,
        }
    }
}

/// A server that was started by [`serve`]. Awaiting it waits until its scope stops. Dropping it has no effect.
///
/// # Examples
/// ```
/// use axum::{Router, routing::get};
/// # use roundrock::prelude::*;
/// use tokio::net::TcpListener;
///
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let web = scope.child("web");
/// let app = Router::new().route("/", get(async || "hello"));
/// let server = roundrock::net::serve(TcpListener::bind("127.0.0.1:0").await?, app, &web);
/// assert!(server.task().exit().is_none(), "it accepts");
/// web.stop(secs(1)).await;
/// assert!(server.done().await.is_normal());
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Server {
    task: Task<()>,
    local_addr: Result<SocketAddr, io::ErrorKind>,
}

impl Server {
    /// Returns the address that the server listens on: with the port that the operating system chose, if it was 0.
    ///
    /// # Errors
    /// When the operating system did not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr.map_err(io::Error::from)
    }

    /// Returns the process that accepts connections.
    pub fn task(&self) -> &Task<()> {
        &self.task
    }

    /// Waits until the server accepts no more connections, because its scope stops. May be a branch of `select!`.
    pub fn done(&self) -> Done {
        self.task.done()
    }
}

impl IntoFuture for Server {
    type Output = <Task<()> as IntoFuture>::Output;
    type IntoFuture = Join<()>;

    fn into_future(self) -> Join<()> {
        self.task.into_future()
    }
}

/// The address of the client, in the extensions of each request: `request.extensions().get::<Peer>()`, or
/// `Extension(Peer(address))` as an argument of an axum handler.
///
/// # Examples
/// ```
/// use axum::{Extension, Router, routing::get};
/// use roundrock::net::Peer;
///
/// async fn who(Extension(Peer(address)): Extension<Peer>) -> String {
///     format!("you are {address}")
/// }
/// let app: Router = Router::new().route("/", get(who));
/// # let client = Peer(([127, 0, 0, 1], 80).into());
/// # assert_eq!(client.0.port(), 80);
/// # drop(app);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(pub SocketAddr);

/// A place among the connections that may be open; given back when it is dropped.
type Place = OwnedPermit<Infallible>;

/// Accepts connections until the scope stops.
async fn accept<S, B>(
    options: ServeOptions,
    listener: TcpListener,
    service: S,
    scope: Scope,
    spawn: SpawnOptions,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut http = http1::Builder::new();
    http.header_read_timeout(options.header_timeout)
        .keep_alive(options.keep_alive)
        // A client may say that it sends no more, and still wait for its answer.
        .half_close(true);
    // The room of a channel that nobody sends into is a semaphore.
    let (places, _open) = bounded::<Infallible>(options.max_connections);
    let spawn = spawn.named("connection").isolated();
    loop {
        let Some(Ok(place)) = unless_stopping(&scope, places.clone().ready_owned()).await else {
            return;
        };
        let (stream, peer) = match unless_stopping(&scope, listener.accept()).await {
            None => return,
            Some(Ok(accepted)) => accepted,
            Some(Err(error)) => {
                // The client went away before it was accepted: nobody's problem. All else is the machine's.
                if !is_of_connection(&error) {
                    tracing::warn!(target: "roundrock::net", cause = %error, "accept");
                    unless_stopping(&scope, sleep(EXHAUSTED)).await;
                }
                continue;
            }
        };
        let service = WithPeer {
            service: service.clone(),
            peer: Peer(peer),
            asked: Arc::default(),
        };
        let connection = connection(http.clone(), stream, service, scope.clone(), place);
        // The task is not needed: the connection belongs to the scope.
        let _ = scope.inner.spawn(connection, &spawn);
    }
}

/// The process of one connection. Only an error of the service fails it: what a client does is its own matter.
async fn connection<S, B>(
    mut http: http1::Builder,
    stream: TcpStream,
    service: WithPeer<S>,
    scope: Scope,
    place: Place,
) -> Result<(), Fault>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let _place = place;
    let peer = service.peer.0;
    let asked = Arc::clone(&service.asked);
    // An answer is written as a whole: waiting for more to send, as Nagle's algorithm does, would only delay it.
    let _ = stream.set_nodelay(true);
    let late = Arc::new(AtomicBool::new(false));
    let io = Io {
        stream,
        has_part: false,
        late: Arc::clone(&late),
    };
    let heads = Heads::new();
    let mut alarm = pin!(sleep_until(heads.begun));
    let connection = http
        .timer(HeadTimer(Arc::clone(&heads)))
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut told = false;
    // As in `unless_stopping`, the stop itself wakes this process.
    let served = poll_fn(|cx| {
        if !told && scope.is_stopping() {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        let mut served = connection.as_mut().poll(cx);
        if served.is_pending() && heads.is_late(alarm.as_mut(), cx) {
            served = connection.as_mut().poll(cx);
        }
        // hyper would wait for the rest of a first head that has begun; after an answer it ends by itself.
        // ORDERING: Relaxed: set by this process, in the poll above.
        if told && served.is_pending() && !asked.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        served
    })
    .await;
    if served.as_ref().is_err_and(hyper::Error::is_timeout) {
        // ORDERING: Relaxed: read by this process, when it drops the connection.
        late.store(true, Ordering::Relaxed);
    }
    match served {
        Err(error) if error.is_user() => Err(Fault::error(error)),
        Err(error) => {
            tracing::debug!(target: "roundrock::net", %peer, cause = %error, "connection");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Until when the head of the next request must have come, on one connection.
///
/// hyper asks for a timer for every head, and drops it when that has come. Here such a timer is a number; the connection has one
/// that is registered, which looks at the number when it fires, and goes on to what that says: so a request registers none.
///
/// Everything here belongs to the one process of the connection.
#[derive(Debug)]
struct Heads {
    begun: Instant,
    /// Nanoseconds from `begun` until the head is late; [`NO_HEAD`] while none is waited for.
    late_at: AtomicU64,
    /// Heads that were to come up to here are late.
    now: AtomicU64,
}

const NO_HEAD: u64 = u64::MAX;

impl Heads {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            late_at: AtomicU64::new(NO_HEAD),
            now: AtomicU64::new(0),
        })
    }

    fn nanos(&self, instant: Instant) -> u64 {
        let nanos = instant.saturating_duration_since(self.begun).as_nanos();
        u64::try_from(nanos).map_or(NO_HEAD - 1, |nanos| nanos.min(NO_HEAD - 1))
    }

    /// Whether the head that is waited for is late, so that hyper is to look again. Otherwise the `alarm` wakes in time: it is set to
    /// this head, or to one before it, which was to come earlier. Asked in each poll, so that it is known what the process waits for.
    fn is_late(&self, mut alarm: Pin<&mut Sleep>, cx: &mut Context<'_>) -> bool {
        // ORDERING: Relaxed: see the type.
        let late_at = self.late_at.load(Ordering::Relaxed);
        if alarm.still_waits() || late_at == NO_HEAD {
            return false;
        }
        let now = self.nanos(Instant::now());
        if late_at <= now {
            // ORDERING: Relaxed: see the type.
            self.now.store(now, Ordering::Relaxed);
            return true;
        }
        alarm
            .as_mut()
            .reset(self.begun + Duration::from_nanos(late_at));
        let _ = alarm.poll_sleep(cx);
        false
    }
}

/// The timers of [`Heads`], for hyper.
#[derive(Debug)]
struct HeadTimer(Arc<Heads>);

impl hyper::rt::Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep_until(later(Instant::now(), duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(HeadSleep {
            deadline: self.0.nanos(deadline),
            heads: Arc::clone(&self.0),
        })
    }
}

/// Waits until the head of a request is late.
#[derive(Debug)]
struct HeadSleep {
    deadline: u64,
    heads: Arc<Heads>,
}

impl Future for HeadSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        // ORDERING: Relaxed (both): see `Heads`.
        if self.deadline <= self.heads.now.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        // The connection looks at it when this poll is over.
        self.heads.late_at.store(self.deadline, Ordering::Relaxed);
        Poll::Pending
    }
}

impl Drop for HeadSleep {
    fn drop(&mut self) {
        // ORDERING: Relaxed: see `Heads`.
        self.heads.late_at.store(NO_HEAD, Ordering::Relaxed);
    }
}

impl hyper::rt::Sleep for HeadSleep {}

/// Runs a future that loses nothing when it is dropped, until the scope stops.
///
/// The wait for the stop needs no registration: a stop wakes every process of its scope, this one too.
async fn unless_stopping<F: Future>(scope: &Scope, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if scope.is_stopping() {
            Poll::Ready(None)
        } else {
            future.as_mut().poll(cx).map(Some)
        }
    })
    .await
}

fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// What a client gets that was too slow with the head of its request.
const LATE: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The stream of a connection, which knows whether a part of a request has come that nobody answered.
struct Io {
    stream: TcpStream,
    has_part: bool,
    /// The head of a request took too long. hyper closes the connection then without a word.
    late: Arc<AtomicBool>,
}

impl Drop for Io {
    fn drop(&mut self) {
        // ORDERING: Relaxed: set by the process that owns the connection.
        if self.has_part && self.late.load(Ordering::Relaxed) {
            // Nothing was written since that part came, so there is room for an answer; if not, the client reads nothing.
            let _ = self.stream.try_write(LATE);
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
        self.has_part = false;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
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
        self.has_part = false;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A service that tells each request who asks.
#[derive(Debug, Clone)]
struct WithPeer<S> {
    service: S,
    peer: Peer,
    /// Whether the connection ever got a whole head.
    asked: Arc<AtomicBool>,
}

impl<S: Service<Request<Incoming>>> Service<Request<Incoming>> for WithPeer<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> S::Future {
        // ORDERING: Relaxed: read by the process that polls the connection, which is the one that calls this.
        self.asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(self.peer);
        self.service.call(request)
    }
}

/// Timers for hyper, from the workers' own: `hyper::server::conn::http1::Builder::new().timer(Timer)`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timer;

impl hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(sleep(duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(sleep_until(deadline))
    }
}

impl hyper::rt::Sleep for Sleep {}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
