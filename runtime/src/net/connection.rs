//! One connection, and what its requests know of it.

use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tower_service::Service;

use super::deadlines::{Deadlines, HeadTimer, Late};
use super::options::ServeOptions;
use super::refusal::{Refusal, Refused, tell};
use super::server::Place;
use super::stream::{End, Io};
use crate::process::exit::Fault;
use crate::scope::Scope;
use crate::time::sleep_until;

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

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The process of one connection. Only an error of the service fails it: what a client does is its own matter.
pub(super) async fn connection<S, B>(
    options: Arc<ServeOptions>,
    http: http1::Builder,
    stream: TcpStream,
    client: Client<S>,
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
    let peer = client.peer.0;
    let end = Arc::new(End::default());
    let served = serve_all(&options, http, stream, client, &end).await;
    if let Some(why) = end.refusal() {
        tell(options.refused.as_ref(), Refused { peer, why }).await;
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

/// Serves the requests of a connection, and says in `end` if its client was given up.
async fn serve_all<S, B>(
    options: &ServeOptions,
    mut http: http1::Builder,
    stream: TcpStream,
    client: Client<S>,
    end: &Arc<End>,
) -> hyper::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    // An answer is written as a whole: waiting for more to send, as Nagle's algorithm does, would only delay it.
    let _ = stream.set_nodelay(true);
    let scope = client.scope.clone();
    let deadlines = Deadlines::new();
    let asked = Arc::default();
    let io = Io::new(stream, options.write_timeout, &deadlines, end);
    let service = PerConnection {
        service: client.service,
        peer: client.peer,
        asked: Arc::clone(&asked),
    };
    let mut alarm = pin!(sleep_until(deadlines.begun));
    let connection = http
        .timer(HeadTimer(Arc::clone(&deadlines)))
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
        // A poll that completes a head at the last moment, or finds that the client has read, may begin what can be late again.
        let mut looked = false;
        for _ in 0..4 {
            let late = served
                .is_pending()
                .then(|| deadlines.late(alarm.as_mut(), cx));
            let Some(late) = late.flatten() else { break };
            if late == Late::Write && looked {
                let limit = options.write_timeout;
                let _ = end.refusal.set(Refusal::Unread { limit });
                return Poll::Ready(Ok(()));
            }
            looked = late == Late::Write;
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
    if let Err(error) = &served {
        let limit = options.header_timeout;
        let refusal = match error {
            error if error.is_timeout() => Some(Refusal::SlowHead { limit }),
            error if error.is_parse_too_large() => Some(Refusal::LargeHead),
            _ => None,
        };
        refusal.map(|refusal| end.refusal.set(refusal));
    }
    served
}

/// A client, and the service it gets.
pub(super) struct Client<S> {
    pub(super) service: S,
    pub(super) peer: Peer,
    pub(super) scope: Scope,
}

/// The service of one connection, which tells each request who asks.
#[derive(Debug, Clone)]
struct PerConnection<S> {
    service: S,
    peer: Peer,
    /// Whether the connection ever got a whole head.
    asked: Arc<AtomicBool>,
}

impl<S: Service<Request<Incoming>>> Service<Request<Incoming>> for PerConnection<S> {
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
