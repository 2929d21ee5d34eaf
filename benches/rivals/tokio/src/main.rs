//! tokio: tasks, and the channels of `tokio::sync`.

use std::process::ExitCode;

use bench_suite::entry;
use bench_suite::generic::{traits::System, workloads};
use bench_tokio::{Mpsc, Reply, Shared, Tokio};

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

fn main() -> ExitCode {
    entry::main(Plain::NAME, &workloads::<Plain>())
}
