//! What users write: [`serve`], and [`ServeOptions`] for its limits.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use tokio::net::TcpListener;
use tower_service::Service;

use super::refusal::{Refused, Tell};
use super::server::{Server, accept};
use crate::channel::MAX_CAPACITY;
use crate::process::spawn::SpawnOptions;
use crate::scope::Scope;

/// Serves HTTP on a listener, with the default [`ServeOptions`]: one process per connection, in `scope`.
///
/// The service is an `axum::Router`, or any `tower::Service` from `http::Request<hyper::body::Incoming>` to `http::Response`;
/// each request gets a clone of it. The address of the client is in the request's extensions as [`Peer`](super::Peer).
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
///     .write_timeout(secs(5))
///     .turn_away(true)
///     .keep_alive(false)
///     .serve(listener, app, &scope);
/// assert!(server.local_addr()?.port() > 0);
/// # scope.stop(secs(1)).await;
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is served before `serve`"]
pub struct ServeOptions {
    pub(super) max_connections: usize,
    pub(super) header_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) keep_alive: bool,
    pub(super) turn_away: bool,
    pub(super) refused: Option<Tell>,
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
            write_timeout: Duration::from_secs(30),
            keep_alive: true,
            turn_away: false,
            refused: None,
        }
    }

    /// Sets how many connections are open at the same time. Further ones wait in the queue of the operating system, unless they are
    /// [turned away](Self::turn_away). The default is 1,024.
    ///
    /// # Panics
    /// If it is not 1 to [`MAX_CAPACITY`].
    #[track_caller]
    pub fn max_connections(mut self, connections: usize) -> Self {
        assert!(
            (1..=MAX_CAPACITY).contains(&connections),
            "the `max_connections` of a server are 1 to {MAX_CAPACITY}, not {connections}"
        );
        self.max_connections = connections;
        self
    }

    /// Sets how long a client may take to send the head of a request, counted from the end of the one before: this is also
    /// how long a connection may be idle. The connection is closed then; a client that has sent a part of a head gets the answer
    /// `408 Request Timeout` with a text first. Any duration will do; zero gives up every client at once. The default is 30 s.
    pub fn header_timeout(mut self, limit: Duration) -> Self {
        self.header_timeout = limit;
        self
    }

    /// Sets how long a client may leave an answer unread: for how long a write may wait, because the buffers of the operating system
    /// on both sides are full, while the client's system takes nothing more. The connection is reset then, so that a client that never
    /// reads does not hold its place, nor a stop. Each progress begins the time anew, and an answer that the service is slow to make
    /// does not count. Any duration will do; zero gives up every client whose buffers are full for a moment. The default is 30 s.
    ///
    /// Progress is looked for when the time is over, so a client may stay for up to twice the time after its last one. Its system takes
    /// more when a good part of its own buffer is free: one that reads a few bytes a second seems not to read. On systems other than
    /// Linux only a write that goes on is progress, for which a good part of the buffer on this side must be free too.
    ///
    /// A connection that was upgraded has no such limit.
    pub fn write_timeout(mut self, limit: Duration) -> Self {
        self.write_timeout = limit;
        self
    }

    /// Sets whether connections over [`max_connections`](Self::max_connections) are answered with `503 Service Unavailable` and a
    /// text and closed, instead of waiting for a place. Of these, 64 at the same time get up to a second to send a request, and
    /// another one to read the answer; if there are more, they are answered and closed at once. The default is no.
    pub fn turn_away(mut self, on: bool) -> Self {
        self.turn_away = on;
        self
    }

    /// Sets who is told of the clients that are refused or given up, see [`Refusal`](super::Refusal): by default nobody is.
    ///
    /// The future runs in the process of the connection, which keeps its place meanwhile, so it may wait for room in a channel. For
    /// a connection over the limit it runs in the process that accepts, which goes on afterwards. It is not dropped at a stop before
    /// the grace is over.
    ///
    /// # Examples
    /// ```
    /// use axum::Router;
    /// # use roundrock::prelude::*;
    /// use roundrock::net::ServeOptions;
    /// use tokio::net::{TcpListener, TcpStream};
    ///
    /// # roundrock::System::builder().workers(1).run(async |scope| {
    /// let (refusals, told) = bounded(16);
    /// let server = ServeOptions::new()
    ///     .header_timeout(millis(300))
    ///     .on_refused(move |refused| {
    ///         let refusals = refusals.clone();
    ///         async move {
    ///             let _ = refusals.send(refused.to_string()).await;
    ///         }
    ///     })
    ///     .serve(TcpListener::bind("127.0.0.1:0").await?, Router::<()>::new(), &scope);
    /// let slow = TcpStream::connect(server.local_addr()?).await?;
    /// slow.writable().await?;
    /// slow.try_write(b"GET / HT")?;
    /// let text = told.recv().await.context("one is told")?;
    /// assert!(text.starts_with("the head of the request was not complete within 300ms (client 127.0.0.1:"));
    /// # scope.stop(secs(1)).await;
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn on_refused<F>(mut self, tell: impl Fn(Refused) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.refused = Some(Tell(Arc::new(move |refused| Box::pin(tell(refused)))));
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
