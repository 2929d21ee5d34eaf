//! tokio: tasks, and the channels of `tokio::sync`.

use std::process::ExitCode;

use axum::Router;
use axum::routing::get;
use bench_suite::entry::{self, Arguments};
use bench_suite::generic::traits::System;
use bench_suite::generic::{working, workloads};
use bench_suite::load::Client;
use bench_suite::measure::Figures;
use bench_tokio::{Mpsc, Reply, Shared, Tokio, listen, run};

struct Plain;

impl System for Plain {
    const NAME: &'static str = "tokio";
    const NOTE_MPMC: &'static str = "tokio has no MPMC channel: Arc<Mutex<Receiver>>";
    type Runtime = Tokio;
    type Spsc = Mpsc;
    type Mpsc = Mpsc;
    type Mpmc = Shared;
    type Oneshot = Reply;
}

/// Requests of a client that are answered by axum. The client ends the program.
fn http(arguments: &Arguments) -> Figures {
    let client = Client::new(Plain::NAME, arguments);
    run(async move {
        let app = Router::new().route("/", get(async || "hello, world"));
        let (listener, address) = listen().await;
        client.start(address);
        axum::serve(listener, app).await
    })
    .expect("the server starts");
    unreachable!("a server does not end")
}

fn main() -> ExitCode {
    let mut all = workloads::<Plain>();
    all.push(("http", http));
    all.push(("compute", working::compute::<Plain>));
    entry::main(Plain::NAME, &all)
}
