//! The closing table, and the same as JSON.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

/// All numbers of the router at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// Events that sources took in.
    pub(crate) events_in: u64,
    /// Events that all their sinks took.
    pub(crate) events_out: u64,
    /// Events that became dead letters.
    pub(crate) dead: u64,
    /// Deliveries that each sink took. An event that goes to two sinks is two deliveries and one event out.
    pub(crate) per_sink: Vec<(String, u64)>,
    /// Time since the start.
    pub(crate) wall: Duration,
    /// Processor time of the router.
    pub(crate) cpu: Duration,
    /// Most memory that was resident at once.
    pub(crate) peak_rss_bytes: u64,
    /// Half of the events were out sooner than this after their arrival.
    pub(crate) p50: Duration,
    /// All but one in a hundred events were out sooner than this after their arrival.
    pub(crate) p99: Duration,
}

impl Report {
    /// Events that are neither out nor dead: lost, once the router has ended; under way before.
    pub(crate) fn lost(&self) -> i64 {
        self.events_in
            .wrapping_sub(self.events_out)
            .wrapping_sub(self.dead)
            .cast_signed()
    }

    /// The table as one JSON object.
    pub(crate) fn json(&self) -> Value {
        json!({
            "events_in": self.events_in,
            "events_out": self.events_out,
            "dead": self.dead,
            "lost": self.lost(),
            "per_sink": self.per_sink.iter().map(|(sink, number)| (sink.clone(), (*number).into())).collect::<serde_json::Map<_, _>>(),
            "wall_s": seconds(self.wall),
            "cpu_s": seconds(self.cpu),
            "peak_rss_bytes": self.peak_rss_bytes,
            "p50_us": micros(self.p50),
            "p99_us": micros(self.p99),
        })
    }

    /// The same while the router runs: what is under way is not lost, and has a key of its own.
    pub(crate) fn live_json(&self) -> Value {
        let mut json = self.json();
        json["lost"] = 0.into();
        json["in_flight"] = self.lost().into();
        json
    }
}

/// Seconds to the millisecond.
fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1e3
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.rows() {
            writeln!(f, "{name:<22}{value:>14}")?;
        }
        Ok(())
    }
}

impl Report {
    /// The rows of the table: what, and how much.
    fn rows(&self) -> Vec<(String, String)> {
        let settled = (self.events_out + self.dead) as f64;
        let (wall, cpu) = (self.wall.as_secs_f64(), self.cpu.as_secs_f64());
        let row = |name: &str, value: String| (name.to_owned(), value);
        let milliseconds = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
        let mut rows = vec![
            row("events in", grouped(self.events_in)),
            row("events out", grouped(self.events_out)),
        ];
        let sinks = self.per_sink.iter();
        rows.extend(sinks.map(|(sink, number)| row(&format!("  to {sink}"), grouped(*number))));
        rows.extend([
            row("dead", grouped(self.dead)),
            row("lost", self.lost().to_string()),
            row("events per second", grouped((settled / wall) as u64)),
            row("wall time", format!("{wall:.2} s")),
            row("CPU time", format!("{cpu:.2} s")),
        ]);
        if settled > 0.0 {
            rows.push(row(
                "  per million events",
                format!("{:.2} s", cpu / settled * 1e6),
            ));
        }
        let mebibytes = self.peak_rss_bytes as f64 / f64::from(1 << 20);
        rows.extend([
            row("latency p50", milliseconds(self.p50)),
            row("latency p99", milliseconds(self.p99)),
            row("peak memory", format!("{mebibytes:.1} MiB")),
        ]);
        rows
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Report, grouped};

    fn report() -> Report {
        Report {
            events_in: 1_000_003,
            events_out: 1_000_000,
            dead: 1,
            per_sink: vec![("strong".to_owned(), 22_847), ("rest".to_owned(), 977_154)],
            wall: Duration::from_millis(12_500),
            cpu: Duration::from_millis(9_120),
            peak_rss_bytes: 41 << 20,
            p50: Duration::from_micros(812),
            p99: Duration::from_micros(4_100),
        }
    }

    #[test]
    fn the_json_has_exactly_the_documented_keys() {
        let json = report().json();
        let keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        let mut want = [
            "events_in",
            "events_out",
            "dead",
            "lost",
            "per_sink",
            "wall_s",
            "cpu_s",
            "peak_rss_bytes",
            "p50_us",
            "p99_us",
        ];
        want.sort_unstable();
        assert_eq!(keys, want);
        assert_eq!(json["lost"], 2);
        assert_eq!(json["per_sink"]["strong"], 22_847);
        let live = report().live_json();
        assert_eq!((&live["lost"], &live["in_flight"]), (&0.into(), &2.into()));
    }

    #[test]
    fn the_table_is_aligned() {
        let table = report().to_string();
        assert!(
            table.starts_with("events in                  1,000,003\n"),
            "{table}"
        );
        assert!(
            table.contains("  per million events          9.12 s\n"),
            "{table}"
        );
        assert!(table.lines().all(|line| line.len() == 36), "{table}");
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(123_456_789), "123,456,789");
    }
}
