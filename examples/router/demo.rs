//! The demonstration: the router as a service on a free port of loopback, and 8 client processes that post a sample of real events to it.

use std::io::{self, IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use roundrock::prelude::*;

use crate::cli::CLIENT;
use crate::config::{Config, Written};
use crate::report::grouped;
use crate::stats::Books;

/// 1,707 earthquakes of the USGS; `data/README.md` tells more.
pub(crate) const SAMPLE: &str = include_str!("data/earthquakes.ndjson");

/// The rules.
const RULES: &str = include_str!("data/demo.toml");

/// Client processes.
const CLIENTS: u64 = 8;

/// The configuration of the demonstration.
///
/// # Errors
///
/// When the dead letters of an earlier run cannot be removed.
pub(crate) fn config() -> Result<Config, String> {
    let mut config = Config::parse("demo.toml", RULES)?;
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.http = Some(Written::unwritten("input.http", any));
    config.tcp = None;
    let dead_letters = &config.dead_letters.value;
    match std::fs::remove_file(dead_letters) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(format!("{}: {e}", dead_letters.display()))
        }
        _ => Ok(config),
    }
}

/// Starts the clients, which post `events` lines together, and waits until all have ended.
#[process]
pub(crate) async fn clients(address: &SocketAddr, events: &u64, scope: &Scope) -> Result<()> {
    let mut running = (0..CLIENTS)
        .map(|client| {
            start(
                *address,
                events / CLIENTS + u64::from(client < events % CLIENTS),
            )
        })
        .collect::<io::Result<Vec<_>>>()?;
    let mut tick = interval(millis(20));
    while !running.is_empty() {
        select! {
            _ = tick.next() => end(&mut running, scope)?,
            _ = scope.stopping() => {
                running.iter_mut().try_for_each(Child::kill)?;
                running.iter_mut().try_for_each(|client| client.wait().map(drop))?;
                break;
            }
        }
    }
    Ok(())
}

/// Starts one client: this program once more.
fn start(address: SocketAddr, events: u64) -> io::Result<Child> {
    let mut client = Command::new(std::env::current_exe()?);
    client
        .arg(CLIENT)
        .arg(address.to_string())
        .arg(events.to_string());
    client.stdin(Stdio::null()).stdout(Stdio::null()).spawn()
}

/// Takes out the clients that have ended.
fn end(running: &mut Vec<Child>, scope: &Scope) -> io::Result<()> {
    let mut i = 0;
    while i < running.len() {
        match running[i].try_wait()? {
            None => i += 1,
            // A Ctrl-C reaches the clients as well.
            Some(status) if status.success() || scope.is_stopping() => drop(running.swap_remove(i)),
            Some(status) => return Err(io::Error::other(format!("a client failed: {status}"))),
        }
    }
    Ok(())
}

/// Shows how far the router is: on one line of a terminal, or else as a line a second.
#[process]
pub(crate) async fn progress(books: &Arc<Books>, events: &u64, scope: &Scope) {
    let is_terminal = io::stderr().is_terminal();
    let pause = if is_terminal { millis(200) } else { secs(1) };
    let (mut tick, started) = (interval(pause), Instant::now());
    loop {
        let done = select! {
            _ = tick.next() => false,
            _ = scope.stopping() => true,
        };
        let settled = books.settled();
        let per_second = settled as f64 / started.elapsed().as_secs_f64();
        let text = format!(
            "{} of {} events, {} per second",
            grouped(settled),
            grouped(*events),
            grouped(per_second as u64)
        );
        let mut stderr = io::stderr();
        // A terminal that has gone shows no progress; the demonstration goes on.
        let _ = match (is_terminal, done) {
            (true, false) => write!(stderr, "\r{text:<60}"),
            (true, true) => writeln!(stderr, "\r{text:<60}"),
            (false, _) => writeln!(stderr, "{text}"),
        };
        if done {
            return;
        }
    }
}
