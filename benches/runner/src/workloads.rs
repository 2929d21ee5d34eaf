//! The workloads, and which figures of theirs are rows of the tables.

use crate::running::Run;

/// A figure of a run.
#[derive(Debug)]
pub struct Row {
    pub label: &'static str,
    pub unit: &'static str,
    /// Whether more is better.
    pub more: bool,
    pub value: fn(&Run) -> Option<f64>,
}

/// A workload.
#[derive(Debug)]
pub struct Workload {
    pub name: &'static str,
    /// What the counts of the suite are multiplied with, for a run to take about half a second.
    pub scale: f64,
    /// How often it is run if nobody says: less where a run takes seconds.
    pub reps: u32,
    pub rows: &'static [Row],
    /// Whether there are operations, and so costs of one.
    pub operations: bool,
}

const fn row(label: &'static str, unit: &'static str, value: fn(&Run) -> Option<f64>) -> Row {
    Row {
        label,
        unit,
        more: false,
        value,
    }
}

const fn rate(label: &'static str, unit: &'static str, value: fn(&Run) -> Option<f64>) -> Row {
    Row {
        label,
        unit,
        more: true,
        value,
    }
}

fn ns(run: &Run) -> Option<f64> {
    run.get("ns_per_op")
}

/// The same by the default strategy of Roundrock's tests; what is compared with others is its random walk, because that is theirs.
fn mix_ns(run: &Run) -> Option<f64> {
    run.get("mix_ns_per_op")
}

fn cpu_ms(run: &Run) -> Option<f64> {
    Some(run.get("cpu_s")? * 1e3)
}

fn p50_us(run: &Run) -> Option<f64> {
    run.get("p50_us")
}

fn scaling(run: &Run) -> Option<f64> {
    run.get("scaling")
}

fn p99_us(run: &Run) -> Option<f64> {
    run.get("p99_us")
}

fn p999_us(run: &Run) -> Option<f64> {
    run.get("p999_us")
}

fn p99_ms(run: &Run) -> Option<f64> {
    Some(run.get("p99_us")? / 1e3)
}

fn max_ms(run: &Run) -> Option<f64> {
    Some(run.get("max_us")? / 1e3)
}

fn bytes(run: &Run) -> Option<f64> {
    run.get("bytes_per_process")
}

fn ticks(run: &Run) -> Option<f64> {
    run.get("ticks")
}

fn requests(run: &Run) -> Option<f64> {
    run.get("requests_per_s")
}

fn steps(run: &Run) -> Option<f64> {
    Some(run.get("steps_per_s")? / 1e6)
}

fn peak_mib(run: &Run) -> Option<f64> {
    Some(run.get("rss_kb")? / 1024.0)
}

impl Workload {
    /// Operations that are done as fast as possible.
    const fn timed(name: &'static str, scale: f64, rows: &'static [Row]) -> Self {
        Self {
            name,
            scale,
            reps: 3,
            rows,
            operations: true,
        }
    }

    /// Something that lasts as long as it lasts.
    const fn lasting(name: &'static str, rows: &'static [Row], operations: bool) -> Self {
        Self {
            name,
            scale: 1.0,
            reps: 1,
            rows,
            operations,
        }
    }

    const fn reps(mut self, reps: u32) -> Self {
        self.reps = reps;
        self
    }
}

/// All of them, in the order of the table.
pub const WORKLOADS: &[Workload] = &[
    Workload::timed("spawn", 1.0, &[row("spawn", "ns", ns)]),
    Workload::timed("idle_mem", 1.0, &[row("idle_mem", "bytes", bytes)]).reps(1),
    Workload::timed("wake", 0.3, &[row("wake", "ns", ns)]),
    Workload::timed("pingpong", 0.5, &[row("pingpong", "ns/msg", ns)]),
    Workload::timed("ring", 0.4, &[row("ring", "ns/hop", ns)]),
    Workload::timed("stream", 0.4, &[row("stream", "ns/msg", ns)]),
    Workload::timed("stream0", 0.4, &[row("stream0", "ns/msg", ns)]),
    Workload::timed("mpmc", 0.2, &[row("mpmc", "ns/msg", ns)]),
    Workload::timed("mpsc", 0.25, &[row("mpsc", "ns/msg", ns)]),
    Workload::timed("forkjoin", 0.3, &[row("forkjoin", "ns/msg", ns)]),
    Workload::timed("skynet", 1.0, &[row("skynet", "ns/leaf", ns)]),
    Workload::timed("router", 0.2, &[row("router", "ns/event", ns)]),
    Workload::timed(
        "ask",
        0.25,
        &[
            row("ask", "ns/ask", ns),
            row("ask p99", "us", p99_us),
            row("ask p99.9", "us", p999_us),
        ],
    ),
    Workload::lasting("idle_cpu", &[row("idle_cpu", "CPU ms", cpu_ms)], false),
    Workload::lasting(
        "timers",
        &[
            row("timers", "CPU ms", cpu_ms),
            row("timers late", "ms", max_ms),
        ],
        true,
    ),
    Workload::lasting(
        "fairness",
        &[
            rate("fairness", "ticks", ticks),
            row("fairness p99", "ms", p99_ms),
        ],
        false,
    ),
    Workload::lasting("tcp", &[rate("tcp", "req/s", requests)], true).reps(3),
    Workload::lasting("http", &[rate("http", "req/s", requests)], true).reps(3),
    Workload::timed(
        "sim_steps",
        1.0,
        &[
            row("sim_steps", "ns/msg", ns),
            row("sim_steps mix", "ns/msg", mix_ns),
            rate("sim_steps steps", "M/s", steps),
        ],
    ),
    Workload::timed(
        "sim_runs",
        1.0,
        &[
            row("sim_runs", "ns/run", ns),
            row("sim_runs mix", "ns/run", mix_ns),
            rate("sim_runs steps", "M/s", steps),
        ],
    ),
    Workload::timed(
        "threads",
        0.02,
        &[
            row("threads", "ns/event", ns),
            row("threads peak", "MiB", peak_mib),
        ],
    ),
    Workload::timed(
        "compute",
        1.0,
        &[
            row("compute", "ns/event", ns),
            rate("compute scaling", "times", scaling),
        ],
    ),
    Workload::timed(
        "burst",
        1.0,
        &[
            row("burst", "ns/process", ns),
            row("burst all busy", "us", p50_us),
        ],
    ),
];
