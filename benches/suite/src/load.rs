//! The load of the network workloads: a program of its own, so that its CPU time is not the server's.

use std::net::SocketAddr;
use std::process::{Command, exit};
use std::thread;

use crate::entry::Arguments;
use crate::measure::{Figures, Meter};

/// The variable in the environment that names the load program.
pub const PROGRAM: &str = "BENCH_LOAD";

/// What will load the server of this program.
#[derive(Debug)]
pub struct Client {
    system: &'static str,
    workload: String,
    seconds: f64,
}

impl Client {
    /// A client for the workload that this program was called with.
    pub fn new(system: &'static str, arguments: &Arguments) -> Self {
        Self {
            system,
            workload: arguments.workload.clone(),
            seconds: arguments.seconds(),
        }
    }

    /// Starts the client against a server that listens there. When the client has ended, the figures are printed, and this
    /// program exits: a server never ends by itself.
    pub fn start(self, server: SocketAddr) {
        thread::spawn(move || match self.run(server) {
            Ok(figures) => {
                figures.print(self.system, &self.workload);
                exit(0);
            }
            Err(error) => {
                eprintln!("{}: {error}", self.system);
                exit(1);
            }
        });
    }

    fn run(&self, server: SocketAddr) -> Result<Figures, String> {
        let program = std::env::var(PROGRAM).map_err(|_| format!("{PROGRAM} is not set"))?;
        let meter = Meter::start();
        let output = Command::new(program)
            .args([&self.workload, &server.to_string()])
            .arg(self.seconds.to_string())
            .output()
            .map_err(|error| format!("the client did not start: {error}"))?;
        let mut figures = meter.stop(0);
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<f64> = text
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let &[requests, wall_s, client_cpu_s, p50, p99, p999, max] = numbers.as_slice() else {
            let error = String::from_utf8_lossy(&output.stderr);
            return Err(format!("the client failed: {error}"));
        };
        figures.n = requests as u64;
        figures.wall_s = wall_s;
        Ok(figures
            .with("client_cpu_s", client_cpu_s)
            .with("requests_per_s", requests / wall_s)
            .with("p50_us", p50)
            .with("p99_us", p99)
            .with("p999_us", p999)
            .with("max_us", max))
    }
}
