//! Stops: SIGTERM in full flow, with idle and half-open clients.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Http, Router, folder, letters, until};

const CONFIG: &str = r#"
[input]
http = "0"
tcp = "0"
[limits]
client_timeout = "120s"
[sinks.even]
type = "file"
path = "even.ndjson"
[sinks.odd]
type = "file"
path = "odd.ndjson"
[[rules]]
when = "event.n % 2 == 0"
sinks = ["even"]
[default]
sinks = ["odd"]
"#;

fn serve(folder: &Path) -> (Router, SocketAddr, SocketAddr) {
    fs::write(folder.join("router.toml"), CONFIG).unwrap();
    let mut router = Router::start(folder, &["serve", "--config", "router.toml", "--json"]);
    let tcp = router.address("lines to tcp://", "\n");
    let http = router.address("POST http://", "/events");
    (router, http, tcp)
}

/// Line `number` of all that are sent: every fiftieth is broken.
fn line(number: u64) -> String {
    if number.is_multiple_of(50) {
        format!("{{\"n\":{number},")
    } else {
        format!("{{\"n\":{number},\"text\":\"{}\"}}", "x".repeat(100))
    }
}

/// What the clients did: all lines they sent, and those that they were told are taken in.
#[derive(Default)]
struct Log {
    sent: BTreeSet<String>,
    acknowledged: Vec<String>,
}

/// Posts bodies of 500 lines until one is not taken in whole.
fn post(address: SocketAddr, client: u64, log: &Mutex<Log>) {
    let mut http = Http::connect(address);
    for body in 0.. {
        let first = (client << 32) + 500 * body;
        let lines: Vec<String> = (first..first + 500).map(line).collect();
        log.lock().unwrap().sent.extend(lines.iter().cloned());
        let Some((status, answer)) = http.try_post(lines.join("\n")) else {
            return;
        };
        let count = |key: &str| usize::try_from(answer[key].as_u64().unwrap()).unwrap();
        let done = count("accepted") + count("dead");
        assert!(done == 500 || status == 503, "{status} {answer}");
        // Lines are taken in order, the last one perhaps cut in two.
        let whole = if status == 200 {
            done
        } else {
            done.saturating_sub(1)
        };
        log.lock()
            .unwrap()
            .acknowledged
            .extend_from_slice(&lines[..whole]);
        if status != 200 {
            return;
        }
    }
}

/// Sends lines until the router closes the connection.
fn send(address: SocketAddr, client: u64, log: &Mutex<Log>) {
    let mut stream = TcpStream::connect(address).unwrap();
    for piece in 0.. {
        let first = (client << 32) + 100 * piece;
        let lines: Vec<String> = (first..first + 100).map(line).collect();
        log.lock().unwrap().sent.extend(lines.iter().cloned());
        if stream
            .write_all((lines.join("\n") + "\n").as_bytes())
            .is_err()
        {
            return;
        }
    }
}

/// Clients send as fast as they can while the router is told to stop. Each line in a sink was sent, and is there once; each line that
/// was acknowledged is in a sink or a dead letter.
#[test]
fn sigterm_in_full_flow_loses_nothing() {
    let folder = folder("sigterm");
    let (router, http, tcp) = serve(&folder);
    let log = Mutex::new(Log::default());
    let books = std::thread::scope(|scope| {
        for client in 1..=4 {
            let log = &log;
            scope.spawn(move || post(http, client, log));
        }
        for client in 5..=6 {
            let log = &log;
            scope.spawn(move || send(tcp, client, log));
        }
        until("the flow is full", || {
            (log.lock().unwrap().acknowledged.len() > 10_000).then_some(())
        });
        router.terminate();
        router.wait().books()
    });
    let Log { sent, acknowledged } = log.into_inner().unwrap();
    let mut out = BTreeSet::new();
    for (name, parity) in [("even", 0), ("odd", 1)] {
        let text = fs::read_to_string(folder.join(format!("{name}.ndjson"))).unwrap();
        assert_eq!(books["per_sink"][name], text.lines().count());
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).expect(line);
            assert_eq!(event["n"].as_u64().unwrap() % 2, parity, "{line}");
            assert!(sent.contains(line), "nobody sent {line}");
            assert!(out.insert(line.to_owned()), "twice: {line}");
        }
    }
    assert_eq!(books["events_out"], out.len());
    let letters = letters(&folder);
    assert_eq!(books["dead"], letters.len());
    let dead: BTreeSet<&str> = letters
        .iter()
        .map(|letter| letter["original"].as_str().unwrap())
        .collect();
    for line in &acknowledged {
        assert!(
            out.contains(line) || dead.contains(line.as_str()),
            "lost: {line}"
        );
    }
    for letter in letters {
        let original = letter["original"].as_str().unwrap();
        let was_broken = letter["reason"]
            .as_str()
            .unwrap()
            .starts_with("not JSON: EOF");
        assert!(sent.contains(original) || !was_broken, "{letter}");
    }
}

/// Clients that keep a connection open and send nothing do not hold up a stop, although they may be idle for two minutes.
#[test]
fn idle_clients_do_not_hold_up_a_stop() {
    let folder = folder("idle");
    let (router, http, tcp) = serve(&folder);
    let silent: Vec<TcpStream> = [http, tcp, tcp]
        .map(|to| TcpStream::connect(to).unwrap())
        .into();
    let mut kept = Http::connect(http);
    assert_eq!(kept.post(line(1)).0, 200);
    let mut unfinished = Http::connect(http);
    let head = "POST /events HTTP/1.1\r\nHost: r\r\nContent-Length: 1000\r\n\r\n";
    unfinished.send(format!("{head}{}\n{{\"n\":", line(2)));
    until("the first line of both is out", || {
        (Http::stats(http)["events_out"] == 2).then_some(())
    });
    let begun = Instant::now();
    router.terminate();
    let (status, answer) = unfinished.answer();
    assert_eq!(status, 503);
    assert_eq!(
        (&answer["accepted"], &answer["dead"]),
        (&1.into(), &1.into()),
        "{answer}"
    );
    assert_eq!(answer["error"], "the router is stopping");
    for mut client in silent {
        client
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(
            answer.is_empty() || answer.contains("the router is stopping"),
            "{answer}"
        );
    }
    assert!(
        kept.try_answer().is_none(),
        "it is closed without an answer"
    );
    drop(unfinished);
    let books = router.wait().books();
    assert_eq!(
        (&books["events_out"], &books["dead"]),
        (&2.into(), &1.into())
    );
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
}
