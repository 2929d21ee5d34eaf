//! A chat server over TCP: one process per connection, and a room that knows them all.
//!
//! Three clients in the same program come in, say one line each, and read what the others said. Then the server is stopped.
//!
//! Last line: `ok`

use std::collections::BTreeMap;

use roundrock::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};

const NAMES: [&str; 3] = ["ada", "brian", "carol"];

/// Everybody who is there, and where to send what they should read.
#[process]
struct Room {
    members: BTreeMap<String, Sender<String>>,
}

#[handlers]
impl Room {
    fn join(&mut self, name: String, out: Sender<String>) {
        let _ = out.try_send(format!("welcome, {} others here", self.members.len()));
        self.members.insert(name, out);
    }

    /// Says something to all the others. Whoever does not keep up misses it: the room waits for nobody.
    fn say(&mut self, from: String, text: String) {
        for (_, out) in self.members.iter().filter(|(name, _)| **name != from) {
            let _ = out.try_send(format!("{from}: {text}"));
        }
    }

    /// Lets somebody out: the sender is dropped, and the writer ends.
    fn leave(&mut self, name: String) {
        self.members.remove(&name);
    }
}

/// Accepts connections until its scope stops.
#[process]
async fn accept(listener: &TcpListener, room: &RoomHandle, scope: &Scope) -> Result<()> {
    loop {
        select! {
            accepted = cancel_safe(listener.accept()) => {
                let (stream, _) = accepted?;
                // A broken connection is nobody else's failure.
                scope.spawn_isolated(connection(stream, room.clone()));
            }
            _ = scope.stopping() => return Ok(()),
        }
    }
}

/// Reads the lines of one client. The first one is its name.
#[process]
async fn connection(stream: TcpStream, room: &RoomHandle, scope: &Scope) -> Result<()> {
    let (read, write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let name = lines.next_line().await?.context("no name")?;
    let (out, outbox) = bounded(32);
    scope.spawn(writer(outbox, write));
    room.join(name.clone(), out).await?;
    while let Some(text) = lines.next_line().await? {
        room.say(name.clone(), text).send().await?;
    }
    room.leave(name).send().await?;
    Ok(())
}

/// Writes what one client should read.
#[process]
async fn writer(outbox: &Receiver<String>, mut write: OwnedWriteHalf) -> Result<()> {
    while let Some(line) = outbox.recv().await {
        write.write_all(format!("{line}\n").as_bytes()).await?;
    }
    Ok(())
}

/// Reads one line, and waits at most two seconds for it.
async fn line(client: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    client.read_line(&mut line).within(secs(2)).await??;
    Ok(line.trim_end().to_owned())
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = scope.child("server");
    let members = BTreeMap::new();
    server.spawn(accept(listener, server.spawn(Room { members })));

    let mut clients = Vec::new();
    for name in NAMES {
        let mut client = BufReader::new(TcpStream::connect(address).await?);
        client.write_all(format!("{name}\n").as_bytes()).await?;
        println!("{name} reads: {}", line(&mut client).await?);
        clients.push(client);
    }
    for client in &mut clients {
        client.write_all(b"hello\n").await?;
    }
    for (client, name) in clients.iter_mut().zip(NAMES) {
        for _ in 1..NAMES.len() {
            let line = line(client).await?;
            println!("{name} reads: {line}");
            ensure!(line.ends_with(": hello"), "not a greeting: {line}");
        }
    }
    drop(clients);

    let report = server.stop(secs(2)).await;
    ensure!(report.is_clean(), "{report}");
    println!("ok");
    Ok(())
}
