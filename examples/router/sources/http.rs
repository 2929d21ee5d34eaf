//! Takes lines over HTTP: `POST /events`, one event a line, answered with how they fared; `GET /stats` tells the numbers of now.
//!
//! A body is taken in as it arrives and never held as a whole. While no worker is free, nothing is read from the connection, so the client
//! waits. An answer comes when the rules were applied to every line: `accepted` events are on their way to their sinks, `dead` ones are in the
//! dead letters under `source`.
//!
//! | answer | when |
//! |---|---|
//! | 200 | all lines were taken in; some may be dead |
//! | 408 | the client was too slow; if that was with the head of the request, the answer is plain text |
//! | 413 | the body, or a line of it, was over the limit; the lines before (and after an oversized line) were taken in |
//! | 400 | the connection broke off in the body |
//! | 411 | the body of an HTTP/1.0 request has no length; nothing of it was read |
//! | 415 | the body is compressed; nothing of it was taken in |
//! | 431, 414 | the head of the request was too large; the answer is plain text |
//! | 503 | too many requests at a time, or the router is stopping; `accepted` and `dead` tell how many lines it still took |
//! | 503 | too many connections; the answer is plain text |
//!
//! A client that does not read its answers is cut off. It has a dead letter then, as everyone has who is over a limit.
//!
//! Lines are taken in order, so `accepted + dead` is also how many lines of the body are done with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt;
use roundrock::net::{Refused, ServeOptions};
use roundrock::prelude::*;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::Port;
use super::intake::Intake;
use super::patience::Patience;
use super::places::Places;
use crate::event::Receipt;

/// What a client is told when the router stops.
const STOPPING: &str = "the router is stopping";

/// What a client is told whose body would end with the connection.
const NO_LENGTH: &str = "a request of HTTP/1.0 has no body without a Content-Length";

/// Connections beyond the limit of requests: for idle clients, for `GET /stats`, and to tell others that there are too many.
const MORE_CONNECTIONS: usize = 64;

/// How long the rest of a refused body is read and dropped.
const LET_GO: Duration = Duration::from_secs(1);

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    port: Port,
    scope: Scope,
    places: Places,
    /// Number of the last request.
    requests: Arc<AtomicU64>,
}

impl Shared {
    /// The name of the next request in letters and answers.
    fn next_source(&self) -> String {
        // ORDERING: Relaxed, the number only has to be unique.
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        format!("http-{number}")
    }
}

/// Answers on `listener` until `scope` stops; each connection is a process of its own.
pub(crate) fn serve(listener: TcpListener, port: Port, scope: &Scope) {
    let limits = port.limits;
    let shared = Shared {
        port,
        scope: scope.clone(),
        places: Places::new(limits.connections),
        requests: Arc::default(),
    };
    let service = Router::new()
        .route("/events", post(events))
        .route("/stats", get(stats))
        .with_state(shared.clone());
    ServeOptions::new()
        .max_connections(limits.connections + MORE_CONNECTIONS)
        .turn_away(true)
        .header_timeout(limits.client_timeout)
        .write_timeout(limits.client_timeout)
        .on_refused(move |refused| write_off(shared.clone(), refused))
        .serve(listener, service, scope);
}

/// Writes the dead letter of a client that was given up outside of a request.
async fn write_off(shared: Shared, refused: Refused) {
    let source = shared.next_source();
    let mut intake = Intake::new(&shared.port, &source, None);
    // It fails if there are no dead letters any more; the books show it then.
    let _ = intake.cut_off(&refused.to_string()).await;
}

/// `GET /stats`.
async fn stats(State(shared): State<Shared>) -> Response {
    answer(StatusCode::OK, &shared.port.books.report().live_json())
}

/// `POST /events`.
///
/// The lines are taken in by a task of their own: this future is dropped if the client goes away, and lines that were counted would be lost
/// with it.
async fn events(State(shared): State<Shared>, request: Request) -> Response {
    let tells_length = request.headers().contains_key(header::CONTENT_LENGTH);
    if request.version() == Version::HTTP_10 && !tells_length {
        return refusal(StatusCode::LENGTH_REQUIRED, NO_LENGTH);
    }
    let scope = shared.scope.clone();
    match scope.task("request", take_request(shared, request)).await {
        Ok(answer) => answer,
        // Nothing starts in a scope that stops.
        Err(_) if scope.is_stopping() => refusal(StatusCode::SERVICE_UNAVAILABLE, STOPPING),
        Err(exit) => refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("the request was not taken in: {exit}"),
        ),
    }
}

/// Why a body ended early.
struct Early {
    status: StatusCode,
    why: String,
}

async fn take_request(shared: Shared, request: Request) -> Result<Response> {
    let source = shared.next_source();
    let (report, counts) = oneshot();
    let mut intake = Intake::new(&shared.port, &source, Some(Receipt::new(report)));
    let asks_first = request.headers().contains_key(header::EXPECT);
    let encoded = encoding(request.headers());
    let mut body = request.into_body();
    let place = shared.places.take();
    let early = match (&place, encoded) {
        (Some(_), None) => take_in(&mut intake, &mut body, &shared).await,
        (Some(_), Some(encoding)) => encoded_body(&mut intake, &encoding).await.map(Some),
        (None, _) => too_many(&mut intake, &shared).await.map(Some),
    };
    let early = early.unwrap_or_else(|e| {
        Some(Early {
            status: StatusCode::SERVICE_UNAVAILABLE,
            why: e.to_string(),
        })
    });
    drop(place);
    // Most clients read an answer only after they have sent everything. Not so one that asks before it sends, or one that is waited for.
    let is_sending = |early: &Early| early.status != StatusCode::REQUEST_TIMEOUT && !asks_first;
    if early.as_ref().is_some_and(is_sending) {
        let _ = timeout(LET_GO, drop_rest(&mut body)).await;
    }
    let (refused, refusals) = intake.close();
    let counts = counts.recv().await.unwrap_or_default();
    let mut text =
        json!({ "accepted": counts.accepted, "dead": counts.dead + refused, "source": source });
    let mut status = StatusCode::OK;
    if !refusals.is_empty() {
        status = StatusCode::PAYLOAD_TOO_LARGE;
        text["error"] = refusals[0].clone().into();
        text["refused"] = refusals.into();
    }
    if let Some(early) = early {
        status = early.status;
        text["error"] = early.why.into();
    }
    Ok(answer(status, &text))
}

/// Refuses a request because others take all places.
async fn too_many(intake: &mut Intake<'_>, shared: &Shared) -> Result<Early> {
    let limit = shared.port.limits.connections;
    let why = format!("{limit} requests are taken in, which is the limit; try again later");
    intake.cut_off(&why).await?;
    Ok(Early {
        status: StatusCode::SERVICE_UNAVAILABLE,
        why,
    })
}

/// How a body is encoded, if it is not lines as they are: that may be said of the content and of the way here.
fn encoding(headers: &HeaderMap) -> Option<String> {
    let foreign = |name, plain: &'static str| {
        let values = headers.get_all(name).into_iter();
        let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()));
        let codings = values.flat_map(|value| {
            let codings = value.split(',').map(|coding| coding.trim().to_owned());
            codings.collect::<Vec<_>>()
        });
        codings.filter(move |coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(plain))
    };
    let content = foreign(header::CONTENT_ENCODING, "identity");
    let way = foreign(header::TRANSFER_ENCODING, "chunked");
    let foreign: Vec<String> = content.chain(way).collect();
    (!foreign.is_empty()).then(|| foreign.join(", "))
}

/// Refuses a body whose bytes are not lines.
async fn encoded_body(intake: &mut Intake<'_>, encoding: &str) -> Result<Early> {
    let why = format!("body encoded as `{encoding}`; send the lines as they are");
    intake.cut_off(&why).await?;
    Ok(Early {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        why,
    })
}

/// Takes in the lines of a body; why it ended early, if it did.
async fn take_in(
    intake: &mut Intake<'_>,
    body: &mut Body,
    shared: &Shared,
) -> Result<Option<Early>> {
    let limits = shared.port.limits;
    let too_large = |why| Early {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        why,
    };
    let announced = body.size_hint().lower();
    if announced > limits.body_bytes as u64 {
        let why = format!(
            "body of {announced} bytes, over the limit of {}; nothing of it was read",
            limits.body_bytes
        );
        intake.cut_off(&why).await?;
        return Ok(Some(too_large(why)));
    }
    let mut patience = Patience::new(limits.client_timeout);
    let mut taken = 0;
    loop {
        let piece = match next_piece(body, &mut patience, shared).await {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(early) => {
                if early.status == StatusCode::REQUEST_TIMEOUT {
                    intake.cut_off(&early.why).await?;
                } else {
                    intake.break_off(&early.why).await?;
                }
                return Ok(Some(early));
            }
        };
        taken += piece.len();
        if taken > limits.body_bytes {
            let why = format!(
                "body over the limit of {} bytes; the rest was not read",
                limits.body_bytes
            );
            intake.cut_off(&why).await?;
            return Ok(Some(too_large(why)));
        }
        intake.push(&piece).await?;
    }
    intake.finish().await?;
    Ok(None)
}

/// The next bytes of a body, or why there are none.
async fn next_piece(
    body: &mut Body,
    patience: &mut Patience,
    shared: &Shared,
) -> Result<Option<Bytes>, Early> {
    loop {
        let since = Instant::now();
        let frame = select! {
            frame = cancel_safe(timeout(patience.left(), body.frame())) => frame,
            _ = shared.scope.stopping() => return Err(Early {
                status: StatusCode::SERVICE_UNAVAILABLE,
                why: STOPPING.to_owned(),
            }),
        };
        match frame {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => {
                // A frame that is no data is a trailer, which nobody asked for.
                let Ok(piece) = frame.into_data() else {
                    continue;
                };
                patience.waited(since.elapsed(), piece.len());
                return Ok(Some(piece));
            }
            Ok(Some(Err(e))) => {
                return Err(Early {
                    status: StatusCode::BAD_REQUEST,
                    why: format!("the connection broke off: {e}"),
                });
            }
            Err(_) => {
                return Err(Early {
                    status: StatusCode::REQUEST_TIMEOUT,
                    why: format!(
                        "nothing came for too long; the limit is {:?}",
                        shared.port.limits.client_timeout
                    ),
                });
            }
        }
    }
}

/// Reads a body to its end and drops it.
async fn drop_rest(body: &mut Body) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// An answer to a request of which nothing was taken in.
fn refusal(status: StatusCode, why: &str) -> Response {
    answer(status, &json!({ "accepted": 0, "dead": 0, "error": why }))
}

/// An answer in JSON. The connection is closed after an error, because the rest of its bytes may not be a request.
fn answer(status: StatusCode, body: &Value) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    let mut answer = (status, json, format!("{body}\n")).into_response();
    if !status.is_success() {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = HeaderValue::from_static("1");
        answer.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    answer
}
