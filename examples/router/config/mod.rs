//! The configuration: a TOML file, read into what the router is composed of.
//!
//! - `model` is what is read.
//! - `sections` and `outlets` know the fields: their names, defaults and ranges, and what to write instead of a mistake.
//! - `reader` knows TOML and places; `syntax` finds the place in what is no TOML.
//!
//! Everything is checked before anything starts: the syntax of every condition, that each sink exists, that no two sinks write to
//! one file. What only the start shows, such as a folder in place of a file, is told with its line and field as well. `data/demo.toml`
//! is an example; the fields are:
//!
//! | field | default | meaning |
//! |---|---|---|
//! | `workers` | one for each CPU | processes that apply the rules, 1 to 256; with more than one, lines come out in another order |
//! | `dead_letters` | `dead.ndjson` | file for what could not be delivered, with the reason |
//! | `drain` | `10s` | time for what is under way when the router is stopped; the rest becomes dead letters, also behind a file that takes nothing |
//! | `input.http`, `input.tcp` | none | `host:port` or `port` (then on loopback) to listen on |
//! | `limits.line_bytes` | 1048576 | longest line |
//! | `limits.body_bytes` | 67108864 | longest body of a request |
//! | `limits.rule_bytes` | 67108864 | memory for what the rules read of lines over 4096 bytes, all workers together; 1048576 to 2147483647 |
//! | `limits.connections` | 64 | clients that are served at the same time: TCP connections, and requests over HTTP; 1 to 4096. Over HTTP, 64 more connections may be open |
//! | `limits.client_timeout` | `10s` | how long a client may let the router wait: with the head of a request, with lines, with reading answers |
//! | `sinks.NAME.type` | | `file`, `webhook`, `stdout` or `null` |
//! | `sinks.NAME.path`, `.truncate` | , `false` | of a file: lines are added to what is there unless `truncate` |
//! | `sinks.NAME.url` | | of a webhook: `http://…`, gets each event in a `POST` of its own; an answer of 2xx is a delivery, 408, 425, 429 and 5xx are tried again |
//! | `sinks.NAME.attempts`, `.backoff`, `.max_backoff` | 5, `100ms`, `5s` | of a webhook: tries, and the growing pause between them; `backoff` is at most `max_backoff` |
//! | `sinks.NAME.timeout`, `.parallel` | `5s`, 4 | of a webhook: time for an answer, requests at a time |
//! | `rules[].when` | | a condition in CEL over `event`, such as `event.properties.mag >= 5.0` |
//! | `rules[].sinks`, `.name` | , its number | where matching events go |
//! | `rules[].keep` | all | fields to keep, by dotted path |
//! | `rules[].add` | none | fields to add: values, or `{ cel = "…" }` to compute one |
//! | `default.sinks`, `.keep`, `.add` | | for events that no rule matches |
//!
//! Order: several workers take batches of up to 256 lines from an input in turn, so between an input and a file the batches change
//! places; within a batch lines keep their order. With `workers = 1` a file has the lines of each input in the order in which they
//! were sent. A webhook keeps it only if `parallel = 1` as well.
//!
//! Paths of files are relative to the working directory. A file may be a named pipe that somebody reads; one without a reader is refused
//! at the start. No file is written to that is an input, the configuration, another sink or where standard output goes, whatever path leads
//! to it. Dead letters that their file does not take in the time to drain are lost, and the exit code is 4.
//!
//! Memory: what clients send takes at most a few times `line_bytes` for each of the `connections`, whatever it is. A field that a rule
//! names is also held as values, which may take 200 times as much as its text: `{"":0},` is about a kilobyte. These take at most
//! `rule_bytes`, and about a megabyte for each worker. Long lines wait for that room in turn, while short ones pass. A line that needs
//! more than there is becomes a dead letter, which tells how much it needs. Only an expression that multiplies what it reads, such as a
//! `map` that names the event itself, may go beyond that; and the allocator may keep what was freed for the next.

mod model;
mod outlets;
mod reader;
mod sections;
mod syntax;

pub(crate) use model::{Config, Limits, SinkConfig, SinkKind, WebhookConfig, Written};
pub(crate) use reader::nearest;

#[cfg(test)]
mod tests;
