//! The webhook sink: posts each event to a URL, and tries again with a growing pause.
//!
//! Each of the processes that share the sink's channel has one request under way, so a slow webhook fills the channel and slows the
//! workers. An answer of 2xx is a delivery. A refusal that would only repeat itself (4xx, other than 408, 425 and 429) and the last
//! failed attempt end in a dead letter. When the router stops, it goes on for the time to drain; what is left then becomes dead letters at
//! once.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use roundrock::prelude::*;

use super::Desk;
use super::drain::Drain;
use super::post::Poster;
use crate::config::WebhookConfig;
use crate::parcel::Parcel;

/// Posts parcels until there are no more.
#[process]
pub(super) async fn webhook(
    parcels: &Receiver<Parcel>,
    target: &WebhookConfig,
    desk: &Desk,
    drain: &Arc<Drain>,
    scope: &Scope,
) -> Result<()> {
    let mut courier = Courier {
        poster: Poster::new(&target.url).map_err(Error::msg)?,
        target,
        scope,
        drain,
    };
    loop {
        let parcel = select! {
            parcel = parcels.recv() => parcel,
            // Nothing to do yet, but the time begins to run.
            _ = scope.stopping(), if drain.left(scope).is_none() => continue,
            else => return Ok(()),
        };
        let mut at = 0;
        while at < parcel.len() {
            let letters = if courier.is_late() {
                // All the rest in one piece: there may be much of it, and little time.
                let rest = at..parcel.len();
                at = parcel.len();
                desk.settle(&parcel, rest.map(|at| (at, Err(too_late(1)))))
            } else {
                let delivered = courier.deliver(parcel.form(at)).await;
                at += 1;
                desk.settle(&parcel, std::iter::once((at - 1, delivered)))
            };
            if !letters.is_empty() {
                desk.dead.send(letters).await?;
            }
        }
    }
}

/// Why an event was given up before its attempt number `attempt`.
fn too_late(attempt: usize) -> String {
    format!("the router stopped before attempt {attempt}")
}

/// Carries events to the webhook, one at a time.
struct Courier<'a> {
    poster: Poster,
    target: &'a WebhookConfig,
    scope: &'a Scope,
    /// When to give up what is left.
    drain: &'a Drain,
}

impl Courier<'_> {
    /// Posts one event, and again as often as the configuration says.
    async fn deliver(&mut self, event: &[u8]) -> Result<(), String> {
        let body = Bytes::copy_from_slice(event);
        let mut pauses = pauses(self.target.backoff, self.target.max_backoff);
        let mut attempt = 1;
        loop {
            let left = self.drain.left(self.scope).unwrap_or(Duration::MAX);
            if left.is_zero() {
                return Err(too_late(attempt));
            }
            let failure = match self.post(body.clone(), left.min(self.target.timeout)).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            if failure.is_final || attempt == self.target.attempts {
                return Err(format!(
                    "{} (attempt {attempt} of {})",
                    failure.why, self.target.attempts
                ));
            }
            self.wait(pauses.next().unwrap_or_default()).await;
            attempt += 1;
        }
    }

    /// Whether the time to drain is over.
    fn is_late(&self) -> bool {
        let left = self.drain.left(self.scope);
        left.is_some_and(|left| left.is_zero())
    }

    /// One attempt, which may take `time`.
    async fn post(&mut self, body: Bytes, time: Duration) -> Result<(), Failure> {
        let (why, is_final) = match self.poster.post(body, time).await {
            Err(e) => (cause(&*e), false),
            Ok(status) if status.is_success() => return Ok(()),
            Ok(status) => (format!("answered {status}"), is_final(status)),
        };
        Err(Failure { why, is_final })
    }

    /// Waits before the next attempt. Once the router stops, not longer than there is time left.
    async fn wait(&self, pause: Duration) {
        match self.drain.left(self.scope) {
            None => select! {
                _ = sleep(pause) => {},
                _ = self.scope.stopping() => {},
            },
            Some(left) => sleep(pause.min(left)).await,
        }
    }
}

/// Why an attempt failed.
struct Failure {
    why: String,
    /// Another attempt would fail the same way.
    is_final: bool,
}

/// A redirection is not followed: it would lead to where nobody configured a sink.
fn is_final(status: StatusCode) -> bool {
    let passing = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_redirection() || status.is_client_error() && !passing.contains(&status)
}

/// The pauses between attempts: each is twice as long as the one before, up to the longest.
fn pauses(first: Duration, longest: Duration) -> impl Iterator<Item = Duration> {
    iter::successors(Some(first), move |pause| Some((*pause * 2).min(longest)))
}

/// The innermost cause of an error, which names what happened.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::{Duration, is_final, pauses};

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_millis(500));
        let pauses = pauses(first, longest).map(|pause| pause.as_millis());
        assert_eq!(
            pauses.take(5).collect::<Vec<_>>(),
            [100, 200, 400, 500, 500]
        );
    }

    #[test]
    fn only_refusals_that_would_repeat_themselves_are_final() {
        for status in [301, 302, 308, 400, 401, 404, 410, 413, 422] {
            assert!(is_final(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(!is_final(StatusCode::from_u16(status).unwrap()), "{status}");
        }
    }
}
