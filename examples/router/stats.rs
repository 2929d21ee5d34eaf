//! The books: how many events came in, where they went, and how long they took.
//!
//! **Invariants.** Sources count an event in before it moves on; a sink's desk counts it out when its last delivery is settled; the
//! dead-letter process counts it dead when its letter is written. None of them looks at the others' numbers, so at the end
//! `in = out + dead` says that nothing was lost. One lock is taken per batch, parcel or letter, never per event.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::report::Report;
use crate::usage;

/// Counts of the whole router.
#[derive(Debug)]
pub(crate) struct Books {
    started: Instant,
    sinks: Vec<String>,
    totals: Mutex<Totals>,
}

#[derive(Debug)]
struct Totals {
    events_in: u64,
    events_out: u64,
    dead: u64,
    /// Deliveries that each sink took.
    deliveries: Vec<u64>,
    /// From the arrival of an event to the end of its last delivery, in microseconds.
    latency: Histogram<u64>,
}

impl Books {
    /// Empty books for sinks of these names.
    pub(crate) fn new(sinks: Vec<String>) -> Self {
        // Two digits keep it at a few kilobytes; waits over an hour count as one.
        let latency = Histogram::new_with_max(3_600_000_000, 2);
        let totals = Totals {
            events_in: 0,
            events_out: 0,
            dead: 0,
            deliveries: vec![0; sinks.len()],
            latency: latency.expect("the bounds are valid"),
        };
        Self {
            started: Instant::now(),
            sinks,
            totals: Mutex::new(totals),
        }
    }

    /// Counts events that a source took in.
    pub(crate) fn received(&self, events: usize) {
        self.totals().events_in += events as u64;
    }

    /// Counts deliveries that a sink took, and events that these completed, each `latency` after its arrival.
    pub(crate) fn delivered(&self, sink: usize, deliveries: u64, events: u64, latency: Duration) {
        let mut totals = self.totals();
        totals.deliveries[sink] += deliveries;
        totals.events_out += events;
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        totals.latency.saturating_record_n(micros, events);
    }

    /// Counts events whose dead letters were written.
    pub(crate) fn died(&self, events: usize) {
        self.totals().dead += events as u64;
    }

    /// Events that ended, one way or the other.
    pub(crate) fn settled(&self) -> u64 {
        let totals = self.totals();
        totals.events_out + totals.dead
    }

    /// All numbers as they are now.
    pub(crate) fn report(&self) -> Report {
        let totals = self.totals();
        let sinks = self.sinks.iter().cloned();
        Report {
            events_in: totals.events_in,
            events_out: totals.events_out,
            dead: totals.dead,
            per_sink: sinks.zip(totals.deliveries.iter().copied()).collect(),
            wall: self.started.elapsed(),
            cpu: usage::cpu_time(),
            peak_rss_bytes: usage::peak_rss_bytes(),
            p50: Duration::from_micros(totals.latency.value_at_quantile(0.5)),
            p99: Duration::from_micros(totals.latency.value_at_quantile(0.99)),
        }
    }

    fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Books;

    #[test]
    fn the_books_add_up() {
        let books = Books::new(vec!["a".to_owned(), "b".to_owned()]);
        books.received(10);
        books.delivered(0, 6, 4, Duration::from_micros(100));
        books.delivered(1, 5, 5, Duration::from_millis(10));
        let report = books.report();
        assert_eq!(
            (report.events_in, report.events_out, report.dead),
            (10, 9, 0)
        );
        assert_eq!(report.lost(), 1);
        books.died(1);
        assert_eq!(books.report().lost(), 0);
        assert_eq!(books.settled(), 10);
        assert_eq!(report.per_sink, [("a".to_owned(), 6), ("b".to_owned(), 5)]);
        let (p50, p99) = (
            report.p50.as_secs_f64() * 1e3,
            report.p99.as_secs_f64() * 1e3,
        );
        assert!(
            (9.9..10.2).contains(&p50) && (9.9..10.2).contains(&p99),
            "{p50} {p99}"
        );
    }

    #[test]
    fn a_wait_beyond_the_histogram_counts() {
        let books = Books::new(vec!["a".to_owned()]);
        books.delivered(0, 1, 1, Duration::from_secs(1_000_000));
        assert!(books.report().p99 >= Duration::from_secs(3500));
    }
}
