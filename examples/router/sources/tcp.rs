//! Takes lines over TCP: one event a line, until the client closes its side.
//!
//! The client is told how its lines fared when it has sent the last: one line of JSON with the counts, as for `POST /events`. A stream may
//! be as long as it likes; its lines may not. Errors that end a connection are told in the same form.

use std::time::{Duration, Instant};

use roundrock::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Port;
use super::intake::Intake;
use super::patience::Patience;
use super::places::{Place, Places};
use crate::event::Receipt;

/// How much is read at once.
const READ_BYTES: usize = 64 << 10;

/// How long a refusal may take to be sent.
const TELL: Duration = Duration::from_millis(100);

/// How long the router reads on after an answer.
const LET_GO: Duration = Duration::from_secs(1);

/// Clients over the limit that the router reads on from at the same time.
const TURNED_AWAY: usize = 64;

/// Accepts connections, each a process of its own, until the router stops.
#[process]
pub(crate) async fn listen(listener: &TcpListener, port: &Port, scope: &Scope) -> Result<()> {
    let places = Places::new(port.limits.connections);
    let doorsteps = Places::new(TURNED_AWAY);
    let mut number: u64 = 0;
    loop {
        let accepted = select! {
            accepted = cancel_safe(listener.accept()) => accepted,
            _ = scope.stopping() => return Ok(()),
        };
        let Ok((mut stream, _)) = accepted else {
            // Out of file descriptors, most likely: connections that end will give some back.
            sleep(millis(10)).await;
            continue;
        };
        number += 1;
        let source = format!("tcp-{number}");
        if let Some(place) = places.take() {
            scope.spawn(connection(port.clone(), source, place, stream));
            continue;
        }
        let limit = port.limits.connections;
        let why = format!("{limit} connections are open, which is the limit; try again later");
        Intake::new(port, &source, None).cut_off(&why).await?;
        let answer = json!({ "accepted": 0, "dead": 1, "source": source, "error": why });
        // The answer fits into the buffer of a new connection, so this does not hold up the next client.
        tell(&mut stream, &answer, TELL).await;
        if let Some(place) = doorsteps.take() {
            scope.spawn(turn_away(place, stream));
        }
    }
}

/// Takes in one connection.
#[process]
async fn connection(
    port: &Port,
    source: &String,
    _place: &Place,
    mut stream: TcpStream,
    scope: &Scope,
) -> Result<()> {
    let (report, counts) = oneshot();
    let mut intake = Intake::new(port, source, Some(Receipt::new(report)));
    let error = take_in(&mut intake, &mut stream, port, scope).await?;
    let (refused, refusals) = intake.close();
    let counts = counts.recv().await.unwrap_or_default();
    let mut answer =
        json!({ "accepted": counts.accepted, "dead": counts.dead + refused, "source": source });
    if !refusals.is_empty() {
        answer["refused"] = refusals.into();
    }
    if let Some(error) = error {
        answer["error"] = error.into();
    }
    tell(&mut stream, &answer, port.limits.client_timeout).await;
    let_go(&mut stream).await;
    Ok(())
}

/// Takes in lines until the client has sent the last; what stopped it otherwise.
async fn take_in(
    intake: &mut Intake<'_>,
    stream: &mut TcpStream,
    port: &Port,
    scope: &Scope,
) -> Result<Option<String>> {
    let mut patience = Patience::new(port.limits.client_timeout);
    let mut piece = vec![0; READ_BYTES];
    loop {
        let since = Instant::now();
        let read = select! {
            read = cancel_safe(timeout(patience.left(), stream.read(&mut piece))) => read,
            _ = scope.stopping() => {
                let why = "the router is stopping";
                intake.break_off(why).await?;
                return Ok(Some(why.to_owned()));
            }
        };
        match read {
            Ok(Ok(0)) => {
                intake.finish().await?;
                return Ok(None);
            }
            Ok(Ok(length)) => {
                patience.waited(since.elapsed(), length);
                intake.push(&piece[..length]).await?;
            }
            Ok(Err(e)) => {
                let why = format!("the connection broke off: {e}");
                intake.break_off(&why).await?;
                return Ok(Some(why));
            }
            Err(_) => {
                let why = format!(
                    "nothing came for too long; the limit is {:?}",
                    port.limits.client_timeout
                );
                intake.cut_off(&why).await?;
                return Ok(Some(why));
            }
        }
    }
}

/// Lets go of a client that was told that it is refused.
#[process]
async fn turn_away(_place: &Place, mut stream: TcpStream) {
    let_go(&mut stream).await;
}

/// Sends an answer, if the client still listens. One that has gone, or does not read, misses it; its lines are in the books.
async fn tell(stream: &mut TcpStream, answer: &Value, limit: Duration) {
    let text = format!("{answer}\n");
    let told = async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await
    };
    let _ = timeout(limit, told).await;
}

/// Reads what a client still sends, for a while, so that it sees its answer and not a reset.
async fn let_go(stream: &mut TcpStream) {
    let mut rest = [0; 1024];
    let gone = async { while matches!(stream.read(&mut rest).await, Ok(length) if length > 0) {} };
    let _ = timeout(LET_GO, gone).await;
}
