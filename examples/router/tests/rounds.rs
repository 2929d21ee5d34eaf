//! SIGTERM at many moments, over all inputs, with events of many shapes: each line that the router took is in its place, once.
//!
//! `ROUTER_ROUNDS=30` makes more rounds of each kind.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::shapes::{CONFIG, Outcome, Place, line, text};
use crate::support::{Http, Router, folder, until};

/// How many rounds to make.
fn rounds() -> u64 {
    let rounds = std::env::var("ROUTER_ROUNDS").ok();
    rounds.map_or(3, |rounds| rounds.parse().unwrap())
}

/// What the clients did.
#[derive(Default)]
struct Log {
    sent: BTreeMap<String, Place>,
    /// The lines that the router said it took.
    acknowledged: Vec<String>,
}

impl Log {
    /// Notes that these lines will be sent, and returns their text.
    fn begin(log: &Mutex<Self>, numbers: std::ops::Range<u64>) -> String {
        log.lock().unwrap().sent.extend(numbers.clone().map(line));
        text(numbers)
    }

    /// Notes the lines that an answer counts. They are taken in order; after an error the last may have been cut in two.
    fn end(log: &Mutex<Self>, first: u64, answer: &Value) -> u64 {
        let count = |key: &str| answer[key].as_u64().unwrap();
        let whole = count("accepted") + count("dead") - u64::from(answer.get("error").is_some());
        let lines = (first..first + whole).map(|number| line(number).0);
        log.lock().unwrap().acknowledged.extend(lines);
        whole
    }
}

/// Posts bodies until one is not taken in whole.
fn post(address: SocketAddr, client: u64, log: &Mutex<Log>) {
    let mut http = Http::connect(address);
    for body in 0.. {
        let first = (client << 32) + 500 * body;
        let text = Log::begin(log, first..first + 500);
        let answered = if client.is_multiple_of(2) {
            http.try_post_in_chunks(text, 1000)
        } else {
            http.try_post(text)
        };
        let Some((status, answer)) = answered else {
            return;
        };
        let stopped = status == 503;
        assert!(stopped || status == 200, "{status} {answer}");
        // Refused as a whole, a request counts as one event that is none of its lines.
        if !stopped || answer["accepted"].as_u64().unwrap() + answer["dead"].as_u64().unwrap() > 0 {
            let whole = Log::end(log, first, &answer);
            assert!(stopped || whole == 500, "{answer}");
        }
        if stopped {
            return;
        }
    }
}

/// Sends lines over TCP until the router takes no more, and reads what became of them.
fn send(address: SocketAddr, client: u64, log: &Mutex<Log>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let first = client << 32;
    let mut reader = stream.try_clone().unwrap();
    let answer = std::thread::spawn(move || {
        let mut answer = String::new();
        reader.read_to_string(&mut answer).map(|_| answer)
    });
    for piece in 0.. {
        let first = first + 100 * piece;
        let text = Log::begin(log, first..first + 100);
        if stream.write_all(text.as_bytes()).is_err() || answer.is_finished() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    // A connection that is closed while bytes are under way may be reset before its answer is read.
    if let Ok(answer) = answer.join().unwrap()
        && !answer.is_empty()
    {
        let answer = serde_json::from_str(&answer).expect(&answer);
        Log::end(log, first, &answer);
    }
}

#[test]
fn a_stop_at_any_moment_loses_no_line_from_the_network() {
    for round in 1..=rounds() {
        let folder = folder("rounds-network");
        let config = format!("[input]\nhttp = '0'\ntcp = '0'\n{CONFIG}");
        fs::write(folder.join("router.toml"), config).unwrap();
        let mut router = Router::start(&folder, &["serve", "--config", "router.toml", "--json"]);
        let tcp = router.address("lines to tcp://", "\n");
        let http = router.address("POST http://", "/events");
        let log = Mutex::new(Log::default());
        let books = std::thread::scope(|scope| {
            for client in 1..=3 {
                let log = &log;
                scope.spawn(move || post(http, client, log));
            }
            for client in 4..=5 {
                let log = &log;
                scope.spawn(move || send(tcp, client, log));
            }
            let enough = 1000 * usize::try_from(round).unwrap();
            until("the flow is full", || {
                (log.lock().unwrap().acknowledged.len() > enough).then_some(())
            });
            router.terminate();
            router.wait().books()
        });
        let Log { sent, acknowledged } = log.into_inner().unwrap();
        let outcome = Outcome::read(&folder, &books, &sent);
        for line in &acknowledged {
            assert!(outcome.has(line), "round {round} lost: {line}");
        }
        for cut in &outcome.cut {
            let is_known = |line: &String| line.as_bytes().starts_with(cut.trim_ascii_end());
            assert!(
                sent.keys().any(is_known),
                "round {round}, nobody sent: {cut:?}"
            );
        }
    }
}

/// The test keeps an end of the pipe to read from, so it knows which bytes the router has taken: they are in their places, every one, and
/// the line that the stop cut in two is a dead letter with its beginning.
#[test]
fn a_stop_at_any_moment_loses_no_line_from_a_pipe() {
    for round in 1..=rounds() {
        let folder = folder("rounds-pipe");
        fs::write(folder.join("router.toml"), CONFIG).unwrap();
        let (mut rest, mut pipe) = io::pipe().unwrap();
        let stdin = rest.try_clone().unwrap();
        let arguments = ["-", "--config", "router.toml", "--json"];
        let router = Router::start_reading(stdin, &folder, &arguments);
        let is_over = AtomicBool::new(false);
        let (sent, left, books) = std::thread::scope(|scope| {
            let is_over = &is_over;
            let writer = scope.spawn(move || {
                let mut sent = String::new();
                // ORDERING: Relaxed, a piece more or less does no harm.
                for piece in (0..).take_while(|_| !is_over.load(Ordering::Relaxed)) {
                    let text = text(100 * piece..100 * (piece + 1));
                    pipe.write_all(text.as_bytes()).unwrap();
                    sent += &text;
                }
                sent
            });
            until("lines are out", || {
                let even = fs::metadata(folder.join("even.ndjson"));
                even.is_ok_and(|even| even.len() > 2000 * round)
                    .then_some(())
            });
            router.terminate();
            let books = router.wait().books();
            is_over.store(true, Ordering::Relaxed);
            let mut left = Vec::new();
            rest.read_to_end(&mut left).unwrap();
            (writer.join().unwrap(), left, books)
        });
        let taken = sent.as_bytes().strip_suffix(&left[..]).unwrap();
        let places = (0..sent.lines().count() as u64).map(line).collect();
        let outcome = Outcome::read(&folder, &books, &places);
        let whole = taken.iter().filter(|byte| **byte == b'\n').count();
        for number in 0..whole as u64 {
            let line = line(number).0;
            assert!(outcome.has(&line), "round {round} lost: {line}");
        }
        let cut = taken.rsplit(|byte| *byte == b'\n').next().unwrap();
        assert_eq!(books["events_in"], whole + usize::from(!cut.is_empty()));
        let has_letter = outcome.cut.iter().any(|other| other == cut);
        assert!(cut.is_empty() || has_letter, "round {round} lost: {cut:?}");
    }
}

/// A file that is not read to its end is a failure that says where to go on: the lines before are in their places, those after are not
/// there.
#[test]
fn a_stop_at_any_moment_loses_no_line_of_a_file() {
    let lines = 300_000;
    for round in 1..=rounds() {
        let folder = folder("rounds-file");
        fs::write(folder.join("router.toml"), CONFIG).unwrap();
        fs::write(folder.join("a.ndjson"), text(0..lines)).unwrap();
        let router = Router::start(&folder, &["a.ndjson", "--config", "router.toml", "--json"]);
        until("lines are out", || {
            let even = fs::metadata(folder.join("even.ndjson"));
            even.is_ok_and(|even| even.len() > 5000 * round)
                .then_some(())
        });
        router.terminate();
        let ended = router.wait();
        let books = ended.closing();
        assert_eq!(books["lost"], 0, "{books}");
        let before = ended.stderr.split_once("the router stopped before line ");
        let whole = match before {
            Some((_, rest)) => rest.lines().next().unwrap().parse::<u64>().unwrap() - 1,
            None => lines,
        };
        assert_eq!(
            ended.code,
            Some(i32::from(before.is_some())),
            "{}",
            ended.stderr
        );
        let places = (0..lines).map(line).collect();
        let outcome = Outcome::read(&folder, &books, &places);
        for number in 0..whole {
            let line = line(number).0;
            assert!(outcome.has(&line), "round {round} lost: {line}");
        }
        let events = books["events_in"].as_u64().unwrap();
        assert!((whole..=whole + 1).contains(&events), "{events} of {whole}");
    }
}
