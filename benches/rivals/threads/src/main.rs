//! A thread of the operating system for each source, worker and sink, with crossbeam-channel between them.
//!
//! This is the design that a system of light processes replaces.

use std::process::ExitCode;
use std::thread;

use bench_suite::counts;
use bench_suite::entry::{self, Arguments};
use bench_suite::event::{Event, Tally, rules};
use bench_suite::measure::{Figures, Meter};
use crossbeam_channel::bounded;

/// The router.
fn router(arguments: &Arguments) -> Figures {
    let each = arguments.count(counts::ROUTER_EVENTS);
    let expected = Tally::expected(counts::ROUTER_SOURCES, each);
    let meter = Meter::start();
    let mut outs = Vec::new();
    let mut sinks = Vec::new();
    for _ in 0..counts::ROUTER_SINKS {
        let (out, events) = bounded::<Event>(counts::ROUTER_SINK_CAPACITY);
        outs.push(out);
        sinks.push(thread::spawn(move || {
            let mut tally = Tally::default();
            for event in events {
                tally.add(&event);
            }
            tally
        }));
    }
    let (out, events) = bounded::<Event>(0);
    for _ in 0..counts::ROUTER_WORKERS {
        let (events, outs, rules) = (events.clone(), outs.clone(), rules());
        thread::spawn(move || {
            for event in events {
                let sent = outs[event.sink(&rules)].send(event);
                sent.expect("the sink takes everything");
            }
        });
    }
    drop((outs, events));
    for source in 0..counts::ROUTER_SOURCES {
        let out = out.clone();
        thread::spawn(move || {
            for number in 0..each {
                let sent = out.send(Event::new(source, number));
                sent.expect("a worker takes everything");
            }
        });
    }
    drop(out);
    let mut tally = Tally::default();
    for sink in sinks {
        tally.merge(sink.join().expect("a sink does not panic"));
    }
    assert_eq!(tally, expected);
    meter.stop(tally.count).note("424 threads; rendezvous")
}

fn main() -> ExitCode {
    entry::main("threads", &[("threads", router)])
}
