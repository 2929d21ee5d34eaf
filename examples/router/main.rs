//! A router of events: sources → one rendezvous channel → a pool of workers that apply rules → sinks, each behind a small bounded channel.
//!
//! ```text
//! files, stdin ─┐                      ┌─ worker ─┐          ┌─▶ file
//! POST /events ─┼─▶ rendezvous channel ┼─ worker ─┼─▶ bounded┼─▶ webhook (several at a time)
//! TCP lines ────┘                      └─ worker ─┘          └─▶ stdout, null
//!        └──────────────── refused ────────┴─────────────────────▶ dead letters
//! ```
//!
//! Last line: `{"cpu_s":*,"dead":0,"events_in":100000,"events_out":100000,"lost":0,*}`
//! CI: `--events 100000 --json`
//!
//! Run it without arguments to see it at work: 8 client processes post 1,000,000 real earthquakes over HTTP, rules send them to files below
//! `target/router-demo/`, and a table closes it. `--help` tells the other ways.
//!
//! What to look for in the code:
//! - `compose` below is the picture above: every process, every channel, nothing hidden.
//! - A full sink stops the workers, these stop the sources, and these stop reading from their clients. No queue grows.
//! - Nothing is lost. `in = out + dead` at the end, or the exit code is 4; `stats` says who counts what.
//! - Lines travel in batches of at most 256 (`event`), so that a hand-over costs little per event. Several workers take batches in turn,
//!   so lines may leave in another order than they came; with `workers = 1` they do not.
//!
//! | file | role |
//! |---|---|
//! | `cli`, `config/`, `clash`, `identity` | what to do, and with which files |
//! | `sources/`, `cutter`, `event` | bytes to batches of lines |
//! | `worker`, `room`, `rules`, `condition/`, `fields/`, `transform` | batches to parcels |
//! | `parcel`, `sinks/`, `append`, `pipe`, `dead` | parcels to files, webhooks and dead letters |
//! | `stats`, `report`, `usage` | what is counted and shown |
//! | `demo`, `client` | the demonstration |

use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use roundrock::prelude::*;
use tokio::net::TcpListener;

use crate::cli::Command;
use crate::config::{Config, SinkKind, Written};
use crate::room::Room;
use crate::sinks::{Desk, Drain};
use crate::sources::{Port, files, http, tcp};
use crate::stats::Books;

mod append;
mod clash;
mod cli;
mod client;
mod condition;
mod config;
mod cutter;
mod dead;
mod demo;
mod event;
mod fields;
#[cfg_attr(not(unix), path = "identity_elsewhere.rs")]
mod identity;
mod parcel;
#[cfg_attr(not(unix), path = "pipe_elsewhere.rs")]
mod pipe;
mod report;
mod room;
mod rules;
mod sinks;
mod sources;
mod stats;
mod transform;
mod usage;
mod worker;

/// The exit code if an event was lost.
const LOST: u8 = 4;

fn main() -> ExitCode {
    let done = match Command::parse(std::env::args_os().skip(1)) {
        Ok(command) => run(command),
        Err(mistake) => Err(mistake),
    };
    done.unwrap_or_else(|failure| {
        eprintln!("router: {failure}");
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> Result<ExitCode, String> {
    match command {
        Command::Help => {
            show(&cli::HELP);
            Ok(ExitCode::SUCCESS)
        }
        Command::Client { address, events } => {
            client::post(address, events).map_err(|e| format!("client: {e}"))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Demo { events, json } => route(demo::config()?, Vec::new(), Some(events), json),
        Command::Serve { config, json } => {
            let read = Config::load(&config)?;
            if read.http.is_none() && read.tcp.is_none() {
                let file = config.display();
                return Err(format!(
                    "{file}:1: input: nothing to listen on; write [input] with http = \"8080\" or tcp = \"9000\""
                ));
            }
            route(read, Vec::new(), None, json)
        }
        Command::Files {
            files,
            config,
            json,
        } => {
            let mut read = match &config {
                Some(config) => Config::load(config)?,
                None => Config::pass_through()?,
            };
            if let (Some(config), true) = (&config, read.http.is_some() || read.tcp.is_some()) {
                let config = config.display();
                eprintln!(
                    "router: {config}: input is not used, because files are routed; `router serve --config {config}` listens"
                );
            }
            (read.http, read.tcp) = (None, None);
            let inputs = files
                .iter()
                .map(|file| files::Input::find(file))
                .collect::<Result<Vec<_>, _>>()?;
            route(read, inputs, None, json)
        }
    }
}

/// Runs the router until its inputs end or a signal comes, then closes the books.
fn route(
    config: Config,
    inputs: Vec<files::Input>,
    demo: Option<u64>,
    json: bool,
) -> Result<ExitCode, String> {
    clash::check(&config, &inputs)?;
    let books = Arc::new(Books::new(
        config.sinks.iter().map(|sink| sink.name.clone()).collect(),
    ));
    let uses_stdout = config
        .sinks
        .iter()
        .any(|sink| sink.kind == SinkKind::Stdout);
    // After the drain, a last answer of a webhook may be under way.
    let answers = config.sinks.iter().map(|sink| match &sink.kind {
        SinkKind::Webhook(webhook) => webhook.timeout,
        _ => Duration::ZERO,
    });
    let grace = config.drain + answers.max().unwrap_or_default() + Duration::from_secs(1);
    let kept = Arc::clone(&books);
    let ended = System::builder()
        .workers(config.workers)
        .grace(grace)
        .signals(true)
        .run(async move |scope| -> Result<()> {
            let address = compose(&scope, config, inputs, &books).await?;
            if let (Some(events), Some(address)) = (demo, address) {
                scope.spawn(demo::progress(books, events));
                scope.spawn(demo::clients(address, events)).await?;
                scope.stop(grace).await;
            }
            Ok(())
        });
    let report = kept.report();
    if let Err(e) = &ended {
        eprintln!("router: {e:#}");
    }
    if ended.is_err() && report.events_in == 0 {
        return Ok(ExitCode::FAILURE);
    }
    if uses_stdout {
        eprint!("{report}");
    } else {
        show(&report);
    }
    if json {
        show(&format!("{}\n", report.json()));
    }
    Ok(match (report.lost(), ended) {
        (0, Ok(())) => ExitCode::SUCCESS,
        (0, Err(_)) => ExitCode::FAILURE,
        (lost, _) => {
            eprintln!(
                "router: {lost} events were lost: neither all their sinks nor the dead letters have them"
            );
            ExitCode::from(LOST)
        }
    })
}

/// Writes to standard output, if somebody reads it.
fn show(text: &impl Display) {
    let _ = write!(io::stdout(), "{text}");
}

/// Starts all processes, from the sinks back to the sources, and returns the address of the HTTP input.
async fn compose(
    scope: &Scope,
    config: Config,
    inputs: Vec<files::Input>,
    books: &Arc<Books>,
) -> Result<Option<SocketAddr>> {
    // First of all: a router that cannot listen, as when it runs already, must not touch the files of the one that does.
    let tcp = listen(config.tcp).await?;
    let http = listen(config.http).await?;

    let drain = Arc::new(Drain::new(config.drain));
    let dead = dead::start(scope, &config.dead_letters, books, &drain).map_err(Error::new)?;

    // All before the first one is emptied.
    let outputs: Result<Vec<_>, _> = config.sinks.iter().map(sinks::open).collect();
    let outputs = outputs.map_err(Error::new)?;
    let mut sinks = Vec::new();
    for (place, (sink, output)) in config.sinks.iter().zip(outputs).enumerate() {
        let desk = Desk {
            name: sink.name.clone(),
            place,
            books: Arc::clone(books),
            dead: dead.clone(),
        };
        let started = sinks::start(scope, sink, output, desk, &drain);
        sinks.push(started.map_err(Error::new)?);
    }

    let (batches, raw) = rendezvous().named("batches");
    scope.pool(
        config.workers,
        worker::worker(
            raw,
            Arc::new(config.rules),
            Room::new(config.limits.rule_bytes),
            sinks,
            dead.clone(),
        ),
    );

    let port = Port {
        batches,
        dead,
        books: Arc::clone(books),
        limits: config.limits,
    };
    files::start(scope, &port, inputs);
    if let Some(listener) = tcp {
        eprintln!("router: lines to tcp://{}", listener.local_addr()?);
        scope.spawn(tcp::listen(listener, port.clone()));
    }
    let Some(listener) = http else {
        return Ok(None);
    };
    let address = listener.local_addr()?;
    eprintln!("router: POST http://{address}/events, GET http://{address}/stats");
    http::serve(listener, port, scope);
    Ok(Some(address))
}

/// Listens on `address`, if there is one.
async fn listen(address: Option<Written<SocketAddr>>) -> Result<Option<TcpListener>> {
    let Some(address) = address else {
        return Ok(None);
    };
    let listener = TcpListener::bind(address.value).await.map_err(|e| {
        let hint = match e.kind() {
            io::ErrorKind::AddrInUse => "; write another port, or end the program that has it",
            io::ErrorKind::AddrNotAvailable => {
                "; write an address of this machine, or only the port for loopback"
            }
            io::ErrorKind::PermissionDenied => "; write a port from 1024 on",
            _ => "",
        };
        let address_is = address.value;
        Error::new(address.refuse(format_args!("cannot listen on {address_is}: {e}{hint}")))
    })?;
    Ok(Some(listener))
}
