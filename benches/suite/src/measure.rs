//! The measuring of a span, and the line of JSON that says what came out.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this program so far, of all its threads, user and system.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// One of the values in `/proc/self/status`, in KiB. Zero where there is none.
fn status_kb(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|value| value.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Resident memory now, in KiB.
pub fn memory_kb() -> u64 {
    status_kb("VmRSS:")
}

/// The most resident memory so far, in KiB.
pub fn peak_memory_kb() -> u64 {
    status_kb("VmHWM:")
}

/// What a run of a workload gave.
#[derive(Debug, Default)]
pub struct Figures {
    /// Operations done.
    pub n: u64,
    /// Seconds of the measured span.
    pub wall_s: f64,
    /// CPU seconds in it.
    pub cpu_s: f64,
    /// What a reader should know.
    pub note: String,
    /// Other values, by the name that they have in the line.
    pub extra: Vec<(&'static str, f64)>,
}

impl Figures {
    /// Adds a value.
    pub fn with(mut self, name: &'static str, value: f64) -> Self {
        self.extra.push((name, value));
        self
    }

    /// Adds a note, once.
    pub fn note(mut self, text: &str) -> Self {
        if !text.is_empty() && !self.note.contains(text) {
            if !self.note.is_empty() {
                self.note.push_str("; ");
            }
            self.note.push_str(text);
        }
        self
    }

    /// Adds the quantiles of samples in nanoseconds, if there are any.
    pub fn latencies(self, mut samples: Vec<u64>) -> Self {
        if samples.is_empty() {
            return self.with("samples", 0.0);
        }
        samples.sort_unstable();
        let last = samples.len().saturating_sub(1) as f64;
        let at = |quantile: f64| {
            let sample = samples.get((last * quantile) as usize);
            sample.map_or(0.0, |ns| *ns as f64 / 1e3)
        };
        let (p50, p99, p999, max) = (at(0.5), at(0.99), at(0.999), at(1.0));
        self.with("samples", samples.len() as f64)
            .with("p50_us", p50)
            .with("p99_us", p99)
            .with("p999_us", p999)
            .with("max_us", max)
    }

    /// Prints the line.
    pub fn print(&self, system: &str, workload: &str) {
        let mut line = format!(
            "{{\"system\":\"{system}\",\"workload\":\"{workload}\",\"n\":{},\"wall_s\":{:.6},\"cpu_s\":{:.6},\"rss_kb\":{},\"ns_per_op\":{:.3}",
            self.n,
            self.wall_s,
            self.cpu_s,
            peak_memory_kb(),
            self.wall_s * 1e9 / self.n.max(1) as f64
        );
        for (name, value) in &self.extra {
            // Writing to a string cannot fail.
            let _ = write!(line, ",\"{name}\":{value:.3}");
        }
        if !self.note.is_empty() {
            let _ = write!(line, ",\"note\":\"{}\"", self.note);
        }
        println!("{line}}}");
    }
}

/// A span that is being measured.
#[derive(Debug)]
pub struct Meter {
    cpu: Duration,
    begun: Instant,
}

impl Meter {
    /// Begins the span.
    pub fn start() -> Self {
        Self {
            cpu: cpu_time(),
            begun: Instant::now(),
        }
    }

    /// Ends the span, in which `n` operations were done.
    pub fn stop(self, n: u64) -> Figures {
        let wall_s = self.begun.elapsed().as_secs_f64();
        Figures {
            n,
            wall_s,
            cpu_s: (cpu_time() - self.cpu).as_secs_f64(),
            ..Figures::default()
        }
    }
}

/// The figures of `idle_mem`: `meter` has run while `n` processes were started, and memory was `before` KiB at first.
pub fn idle_memory(meter: Meter, n: u64, before: u64) -> Figures {
    let figures = meter.stop(n);
    let grown = memory_kb().saturating_sub(before);
    figures.with("bytes_per_process", grown as f64 * 1024.0 / n as f64)
}

/// How late a process was that should have run at `due` after `begun`, in nanoseconds.
pub fn lateness(begun: Instant, due: Duration) -> u64 {
    begun.elapsed().saturating_sub(due).as_nanos() as u64
}
