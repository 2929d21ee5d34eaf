//! The process that accepts connections, and what users have of it: [`Server`].

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::{Future, IntoFuture, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::{Request, Response};
use tokio::net::TcpListener;
use tower_service::Service;

use super::connection::{Client, Peer, connection};
use super::options::ServeOptions;
use super::refusal::{Refusal, Refused, SEEN_OFF, see_off, tell};
use crate::channel::{OwnedPermit, bounded};
use crate::process::spawn::SpawnOptions;
use crate::scope::Scope;
use crate::task::{Done, Join, Task};
use crate::time::sleep;
use crate::time::sleep::FAR;

/// How long the accepting process waits when the system has no more descriptors or memory for connections.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// A server that was started by [`serve`](super::serve). Awaiting it waits until its scope stops. Dropping it has no effect.
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
    pub(super) task: Task<()>,
    pub(super) local_addr: Result<SocketAddr, io::ErrorKind>,
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

/// A place among the connections that may be open; given back when it is dropped.
pub(super) type Place = OwnedPermit<Infallible>;

/// Accepts connections until the scope stops.
pub(super) async fn accept<S, B>(
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
    // hyper adds it to the clock, which must not overflow.
    http.header_read_timeout(options.header_timeout.min(FAR))
        .keep_alive(options.keep_alive)
        // A client may say that it sends no more, and still wait for its answer.
        .half_close(true);
    // The room of a channel that nobody sends into is a semaphore.
    let (places, _open) = bounded::<Infallible>(options.max_connections);
    let (doorsteps, _held) = bounded::<Infallible>(SEEN_OFF);
    let leaves = spawn.clone().named("refused").isolated();
    let spawn = spawn.named("connection").isolated();
    let options = Arc::new(options);
    loop {
        let mut place = None;
        if !options.turn_away {
            let Some(Ok(free)) = unless_stopping(&scope, places.clone().ready_owned()).await else {
                return;
            };
            place = Some(free);
        }
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
        let Some(place) = place.or_else(|| places.try_ready_owned()) else {
            let refused = Refused {
                peer,
                why: Refusal::TooManyConnections {
                    limit: options.max_connections,
                },
            };
            match doorsteps.try_ready_owned() {
                Some(place) => {
                    let told = options.refused.clone();
                    let leaving = see_off(stream, refused, told, scope.clone(), place);
                    let _ = scope.inner.spawn(leaving, &leaves);
                }
                // No time for good manners.
                None => {
                    tell(options.refused.as_ref(), refused).await;
                    let answer = refused.why.answer().unwrap_or_default();
                    let _ = stream.try_write(answer.as_bytes());
                }
            }
            continue;
        };
        let client = Client {
            service: service.clone(),
            peer: Peer(peer),
            scope: scope.clone(),
        };
        let connection = connection(Arc::clone(&options), http.clone(), stream, client, place);
        // The task is not needed: the connection belongs to the scope.
        let _ = scope.inner.spawn(connection, &spawn);
    }
}

/// Runs a future that loses nothing when it is dropped, until the scope stops.
///
/// The wait for the stop needs no registration: a stop wakes every process of its scope, this one too.
pub(super) async fn unless_stopping<F: Future>(scope: &Scope, future: F) -> Option<F::Output> {
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
