//! The webhook sink: posts each event to a URL, and tries again with a growing pause.
//!
//! Each of the processes that share the sink's channel has one request under way, so a slow webhook fills the channel and slows the
//! workers. An answer of 2xx is a delivery. A refusal that would only repeat itself (4xx, other than 408, 425 and 429) and the last
//! failed attempt end in a dead letter. When the router stops, it goes on for the time to drain; what is left then becomes dead letters at
//! once.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::StatusCode;
use roundrock::prelude::*;

use super::Desk;
use super::post::Poster;
use crate::config::WebhookConfig;
use crate::parcel::Parcel;

/// Posts parcels until there are no more.
#[process]
pub(super) async fn webhook(
    parcels: &Receiver<Parcel>,
    target: &WebhookConfig,
    desk: &Desk,
    drain: &Duration,
    scope: &Scope,
) -> Result<()> {
    let mut courier = Courier {
        poster: Poster::new(&target.url).map_err(Error::msg)?,
        target,
        scope,
        drain: *drain,
        deadline: None,
    };
    while let Some(parcel) = parcels.recv().await {
        for at in 0..parcel.len() {
            let delivered = courier.deliver(parcel.form(at)).await;
            let letters = desk.settle(&parcel, std::iter::once((at, delivered)));
            if !letters.is_empty() {
                desk.dead.send(letters).await?;
            }
        }
    }
    Ok(())
}

/// Carries events to the webhook, one at a time.
struct Courier<'a> {
    poster: Poster,
    target: &'a WebhookConfig,
    scope: &'a Scope,
    drain: Duration,
    /// When to give up what is left; set once the router stops.
    deadline: Option<Instant>,
}

impl Courier<'_> {
    /// Posts one event, and again as often as the configuration says.
    async fn deliver(&mut self, event: &[u8]) -> Result<(), String> {
        let body = Bytes::copy_from_slice(event);
        let mut pause = self.target.backoff;
        let mut attempt = 1;
        loop {
            let failure = match self.time_left() {
                Duration::ZERO => {
                    return Err(format!("the router stopped before attempt {attempt}"));
                }
                left => match self.post(body.clone(), left.min(self.target.timeout)).await {
                    Ok(()) => return Ok(()),
                    Err(failure) => failure,
                },
            };
            if failure.is_final || attempt == self.target.attempts {
                return Err(format!(
                    "{} (attempt {attempt} of {})",
                    failure.why, self.target.attempts
                ));
            }
            self.wait(pause).await;
            pause = (pause * 2).min(self.target.max_backoff);
            attempt += 1;
        }
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
    async fn wait(&mut self, pause: Duration) {
        match self.time_left() {
            Duration::MAX => select! {
                _ = sleep(pause) => {},
                _ = self.scope.stopping() => {},
            },
            left => sleep(pause.min(left)).await,
        }
    }

    /// How long the next attempt may take at most. The clock starts when the router stops.
    fn time_left(&mut self) -> Duration {
        if self.deadline.is_none() && self.scope.is_stopping() {
            self.deadline = Some(Instant::now() + self.drain);
        }
        match self.deadline {
            Some(deadline) => deadline.saturating_duration_since(Instant::now()),
            None => Duration::MAX,
        }
    }
}

/// Why an attempt failed.
struct Failure {
    why: String,
    /// Another attempt would fail the same way.
    is_final: bool,
}

fn is_final(status: StatusCode) -> bool {
    let passing = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_client_error() && !passing.contains(&status)
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

    use super::is_final;

    #[test]
    fn only_refusals_that_would_repeat_themselves_are_final() {
        for status in [400, 401, 404, 410, 413, 422] {
            assert!(is_final(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [301, 408, 425, 429, 500, 502, 503, 504] {
            assert!(!is_final(StatusCode::from_u16(status).unwrap()), "{status}");
        }
    }
}
