//! A web service in front of a struct process: each request is a call of its handle.
//!
//! Every connection is a process, so requests are answered side by side, but the votes are counted by one process and need no
//! lock. Twenty clients in the same program vote at the same time, then one asks for the result, and the server is stopped.
//!
//! Last line: `ok`

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use roundrock::net;
use roundrock::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Counts votes.
#[process]
struct Votes {
    by_name: BTreeMap<String, u32>,
}

#[handlers]
impl Votes {
    fn vote(&mut self, name: String) -> u32 {
        let votes = self.by_name.entry(name).or_insert(0);
        *votes += 1;
        *votes
    }

    fn result(&self) -> String {
        let lines = self
            .by_name
            .iter()
            .map(|(name, votes)| format!("{name}: {votes}"));
        lines.collect::<Vec<_>>().join(", ")
    }
}

/// `POST /votes/{name}`. A request does not wait longer than a second for the process.
async fn vote(
    State(votes): State<VotesHandle>,
    Path(name): Path<String>,
) -> Result<String, StatusCode> {
    let count = votes
        .vote(name)
        .within(secs(1))
        .await
        .map_err(unavailable)?;
    Ok(count.to_string())
}

/// `GET /votes`.
async fn result(State(votes): State<VotesHandle>) -> Result<String, StatusCode> {
    votes.result().within(secs(1)).await.map_err(unavailable)
}

/// The process has ended, or did not answer in time.
fn unavailable(_error: CallError) -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}

/// Sends one request, and returns the body of the answer.
async fn request(server: SocketAddr, method: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).within(secs(2)).await??;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("no end of the head")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    Ok(body.to_owned())
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let web = scope.child("web");
    let votes = web.spawn(Votes {
        by_name: BTreeMap::new(),
    });
    let app = Router::new()
        .route("/votes", get(result))
        .route("/votes/{name}", post(vote))
        .with_state(votes);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = net::serve(listener, app, &web).local_addr()?;
    println!("listening on http://{address}");

    scope
        .group(async |clients| {
            for client in 0..20 {
                let name = ["tabs", "spaces"][client % 2];
                clients.task("client", async move {
                    request(address, "POST", &format!("/votes/{name}")).await
                });
            }
            Ok(())
        })
        .await?;

    let result = request(address, "GET", "/votes").await?;
    println!("{result}");
    let report = web.stop(secs(2)).await;
    ensure!(result == "spaces: 10, tabs: 10", "miscounted: {result}");
    ensure!(report.is_clean(), "{report}");
    println!("ok");
    Ok(())
}
