//! Servers: an echo over TCP, and HTTP.

use axum::Router;
use axum::routing::get;
use bench_suite::entry::Arguments;
use bench_suite::load::Client;
use bench_suite::measure::Figures;
use roundrock::net;
use roundrock::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::system;

/// Writes back what it reads.
#[process]
async fn echo(mut stream: TcpStream) {
    let mut bytes = [0; 64];
    while stream.read_exact(&mut bytes).await.is_ok() {
        if stream.write_all(&bytes).await.is_err() {
            break;
        }
    }
}

/// Accepts connections, and starts a process for each.
#[process]
async fn accept(listener: TcpListener, scope: &Scope) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        scope.spawn(echo(stream));
    }
}

/// Connections of a client that are echoed. The client ends the program.
pub fn tcp(arguments: &Arguments) -> Figures {
    let client = Client::new("roundrock", arguments);
    system(async move |scope| {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        client.start(listener.local_addr()?);
        scope.spawn(accept(listener)).await?;
        bail!("a server does not end")
    })
}

/// Requests of a client that are answered by axum. The client ends the program.
pub fn http(arguments: &Arguments) -> Figures {
    let client = Client::new("roundrock", arguments);
    system(async move |scope| {
        let app = Router::new().route("/", get(async || "hello, world"));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let server = net::serve(listener, app, &scope);
        client.start(server.local_addr()?);
        scope.stopping().await;
        bail!("a server does not end")
    })
}
