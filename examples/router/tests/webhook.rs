//! Webhooks: attempts, dead letters, and back-pressure down to the request.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use crate::support::{Http, Router, SAMPLE, folder, letters, until};

/// A status for which [`Hook`] announces a body that never comes.
const UNFINISHED: u16 = 202;

/// An HTTP server that remembers what was posted to it.
struct Hook {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<String>>>,
    requests: Arc<AtomicUsize>,
}

impl Hook {
    /// Answers request number `n`, counted from 0, with the status that `status(n)` gives.
    fn start(status: impl Fn(usize) -> u16 + Send + Sync + 'static) -> Self {
        Self::listen(status, usize::MAX)
    }

    /// The same, closing a connection after `kept` answers without a warning.
    fn listen(status: impl Fn(usize) -> u16 + Send + Sync + 'static, kept: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let hook = Self {
            address: listener.local_addr().unwrap(),
            taken: Arc::default(),
            requests: Arc::default(),
        };
        let (taken, requests, status) = (
            Arc::clone(&hook.taken),
            Arc::clone(&hook.requests),
            Arc::new(status),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (taken, requests, status) = (
                    Arc::clone(&taken),
                    Arc::clone(&requests),
                    Arc::clone(&status),
                );
                std::thread::spawn(move || answer(stream, kept, &taken, &requests, &*status));
            }
        });
        hook
    }

    fn config(&self, more: &str) -> String {
        format!(
            "[input]\nhttp = '0'\n[sinks.hook]\ntype = 'webhook'\nurl = 'http://{}/events'\n{more}\n[default]\nsinks = ['hook']\n",
            self.address
        )
    }
}

/// Answers `kept` requests of a connection.
fn answer(
    stream: TcpStream,
    kept: usize,
    taken: &Mutex<Vec<String>>,
    requests: &AtomicUsize,
    status: &dyn Fn(usize) -> u16,
) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    for _ in 0..kept {
        let body = read_request(&mut reader)?;
        let status = status(requests.fetch_add(1, Ordering::Relaxed));
        if (200..300).contains(&status) {
            taken.lock().unwrap().push(body);
        }
        // In one piece: the end of an answer would otherwise wait for the acknowledgement of its beginning.
        let length = if status == UNFINISHED { 9 } else { 0 };
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n");
        writer.write_all(answer.as_bytes()).ok()?;
    }
    None
}

/// The body of the next request.
fn read_request(reader: &mut impl BufRead) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(announced) = line.strip_prefix("content-length: ") {
            length = announced.parse().ok()?;
        } else if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

/// Routes the first `lines` lines of the sample as a file.
fn run(test: &str, config: &str, lines: usize) -> serde_json::Value {
    let folder = folder(test);
    let text: Vec<&str> = SAMPLE.lines().take(lines).collect();
    fs::write(folder.join("a.ndjson"), text.join("\n")).unwrap();
    fs::write(folder.join("router.toml"), config).unwrap();
    Router::start(&folder, &["a.ndjson", "--config", "router.toml", "--json"])
        .wait()
        .books()
}

#[test]
fn a_webhook_that_recovers_gets_every_event_once() {
    let hook = Hook::start(|n| if n < 7 { 503 } else { 200 });
    let books = run(
        "recovers",
        &hook.config("attempts = 10\nbackoff = '1ms'"),
        200,
    );
    assert_eq!(
        (&books["events_out"], &books["dead"]),
        (&200.into(), &0.into())
    );
    let mut taken = hook.taken.lock().unwrap().clone();
    let mut want: Vec<&str> = SAMPLE.lines().take(200).collect();
    taken.sort_unstable();
    want.sort_unstable();
    assert_eq!(taken, want);
    assert_eq!(hook.requests.load(Ordering::Relaxed), 207);
}

#[test]
fn a_webhook_that_closes_its_connections_gets_every_event() {
    let hook = Hook::listen(|_| 200, 3);
    let books = run("closes", &hook.config("backoff = '1ms'"), 200);
    assert_eq!(
        (&books["events_out"], &books["dead"]),
        (&200.into(), &0.into())
    );
}

#[test]
fn a_webhook_that_never_recovers_makes_dead_letters() {
    let hook = Hook::start(|_| 500);
    let books = run("never", &hook.config("attempts = 3\nbackoff = '1ms'"), 20);
    assert_eq!(
        (&books["events_out"], &books["dead"]),
        (&0.into(), &20.into())
    );
    assert_eq!(hook.requests.load(Ordering::Relaxed), 60);
    let letters = letters(&std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("router-never"));
    for (letter, line) in letters.iter().zip(SAMPLE.lines()) {
        assert_eq!(
            letter["reason"],
            "sink `hook`: answered 500 Internal Server Error (attempt 3 of 3)"
        );
        assert_eq!(letter["original"], line);
    }
    assert_eq!(letters.len(), 20);
}

#[test]
fn a_refusal_that_would_repeat_itself_is_not_tried_again() {
    let hook = Hook::start(|_| 422);
    let books = run("final", &hook.config("attempts = 5\nbackoff = '1ms'"), 10);
    assert_eq!(books["dead"], 10);
    assert_eq!(hook.requests.load(Ordering::Relaxed), 10);
}

#[test]
fn a_webhook_that_is_not_there_makes_dead_letters() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let config = format!(
        "[sinks.hook]\ntype = 'webhook'\nurl = 'http://{address}/'\nattempts = 2\nbackoff = '1ms'\n[default]\nsinks = ['hook']\n"
    );
    let books = run("absent", &config, 5);
    assert_eq!(books["dead"], 5);
    let letters = letters(&std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("router-absent"));
    let reason = letters[0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("Connection refused") && reason.ends_with("(attempt 2 of 2)"),
        "{reason}"
    );
}

/// While the webhook holds its answer back, the request is not answered and what the router takes in is bounded; then all goes on.
#[test]
fn a_full_pipeline_makes_the_request_wait() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let held = Arc::clone(&gate);
    let hook = Hook::start(move |_| {
        let (open, changed) = &*held;
        drop(
            changed
                .wait_while(open.lock().unwrap(), |open| !*open)
                .unwrap(),
        );
        200
    });
    let folder = folder("full-pipeline");
    let (router, address) = Router::serve(
        &folder,
        &hook
            .config("timeout = '60s'\nparallel = 2")
            .replace("[input]", "workers = 1\n[input]"),
    );
    let body = SAMPLE.repeat(6);
    let lines = body.lines().count() as u64;
    let posted = std::thread::spawn(move || Http::connect(address).post(body));
    let taken_in = || Http::stats(address)["events_in"].as_u64().unwrap();
    // Once the pipeline is full, the number stays: it is asked for until it was the same fifty times in a row.
    let (mut last, mut same) = (0, 0);
    let full = until("the pipeline is full", || {
        let now = taken_in();
        same = if now == last && now > 0 { same + 1 } else { 0 };
        last = now;
        (same == 50).then_some(now)
    });
    assert!(full < lines / 2, "{full} of {lines} lines were taken in");
    assert!(!posted.is_finished());
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    let (status, answer) = posted.join().unwrap();
    assert_eq!((status, answer["accepted"].as_u64().unwrap()), (200, lines));
    until("all is delivered", || {
        (Http::stats(address)["in_flight"] == 0).then_some(())
    });
    router.terminate();
    assert_eq!(router.wait().books()["events_out"], lines);
}

/// The router is stopped while its webhook does not answer: what cannot be delivered in the time to drain becomes dead letters.
#[test]
fn a_stop_does_not_wait_for_a_dead_webhook() {
    let hook = Hook::start(|_| 503);
    let folder = folder("drain");
    let config = format!(
        "drain = '500ms'\n{}",
        hook.config("attempts = 100\nbackoff = '100ms'\nmax_backoff = '100ms'")
    );
    let (router, address) = Router::serve(&folder, &config);
    let first: Vec<&str> = SAMPLE.lines().take(100).collect();
    let (status, answer) = Http::connect(address).post(first.join("\n"));
    assert_eq!((status, answer["accepted"].as_u64()), (200, Some(100)));
    router.terminate();
    let books = router.wait().books();
    assert_eq!(books["dead"], 100);
    assert_eq!(letters(&folder).len(), 100);
}

/// A webhook that comes back while the router stops gets what is left.
#[test]
fn a_stop_still_delivers_when_the_webhook_recovers() {
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let hook = Hook::start(move |_| if up.load(Ordering::Relaxed) { 200 } else { 503 });
    let folder = folder("comeback");
    // Without its pauses, four attempts would be over long before it is back.
    let more = "attempts = 4\nbackoff = '1s'\nmax_backoff = '1s'";
    // By name, and not by address.
    let config = hook.config(more).replace("//127.0.0.1:", "//localhost:");
    let (router, address) = Router::serve(&folder, &format!("drain = '30s'\n{config}"));
    let first: Vec<&str> = SAMPLE.lines().take(100).collect();
    assert_eq!(
        Http::connect(address).post(first.join("\n")).1["accepted"],
        100
    );
    router.terminate();
    until("the router stops to listen", || {
        TcpStream::connect(address).is_err().then_some(())
    });
    is_up.store(true, Ordering::Relaxed);
    let books = router.wait().books();
    assert_eq!(
        (&books["events_out"], &books["dead"]),
        (&100.into(), &0.into())
    );
    let mut taken = hook.taken.lock().unwrap().clone();
    taken.sort_unstable();
    let mut want = first;
    want.sort_unstable();
    assert_eq!(taken, want);
}

/// A webhook that takes a request and never answers costs its timeout.
#[test]
fn a_webhook_that_does_not_answer_makes_dead_letters() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!(
        "[sinks.hook]\ntype = 'webhook'\nurl = 'http://{}/'\nattempts = 2\nbackoff = '1ms'\ntimeout = '50ms'\n[default]\nsinks = ['hook']\n",
        silent.local_addr().unwrap()
    );
    let books = run("silent", &config, 8);
    assert_eq!(books["dead"], 8);
    let letters = letters(&std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("router-silent"));
    assert_eq!(
        letters[0]["reason"],
        "sink `hook`: no answer within 50ms (attempt 2 of 2)"
    );
}

/// The status says that the webhook has the event, whatever becomes of the rest of the answer.
#[test]
fn an_answer_that_does_not_end_is_a_delivery() {
    let hook = Hook::start(|_| UNFINISHED);
    let config = hook.config("attempts = 3\nbackoff = '1ms'\ntimeout = '10s'");
    let books = run("unfinished", &config, 8);
    assert_eq!(
        (&books["events_out"], &books["dead"]),
        (&8.into(), &0.into())
    );
    assert_eq!(hook.requests.load(Ordering::Relaxed), 8);
}

/// A webhook that nobody answers holds what was acknowledged until the drain is nearly over: then all of it becomes dead
/// letters.
#[test]
fn a_webhook_that_is_down_loses_nothing_at_the_stop() {
    let folder = folder("webhook-down-stop");
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let config = format!(
        "drain = '2s'\n[input]\nhttp = '0'\n[sinks.hook]\ntype = 'webhook'\nurl = 'http://{address}/events'\nattempts = 100\nbackoff = '1s'\n[default]\nsinks = ['hook']\n"
    );
    let (router, http) = Router::serve(&folder, &config);
    let body: String = (0..600).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let (status, answer) = Http::connect(http).post(body);
    assert_eq!((status, &answer["accepted"]), (200, &600.into()));
    router.terminate();
    let books = router.wait().books();
    assert_eq!(books["lost"], 0);
    assert_eq!(books["dead"], 600);
    assert_eq!(letters(&folder).len(), 600);
}

/// All webhooks share the time to drain. The second one has nothing to do until the first has used up the time, and its events become
/// dead letters at once: a time of its own would outlast the grace.
#[test]
fn a_webhook_that_begins_late_has_the_rest_of_the_drain() {
    let hook = Hook::start(|_| 503);
    let folder = folder("late-webhook");
    let sink = |name: &str| {
        format!(
            "[sinks.{name}]\ntype = 'webhook'\nurl = 'http://{}/'\nattempts = 100\nbackoff = '50ms'\nmax_backoff = '50ms'\ntimeout = '100ms'\nparallel = 1\n",
            hook.address
        )
    };
    let config = format!(
        "workers = 1\ndrain = '2s'\n{}{}[[rules]]\nwhen = 'event.late'\nsinks = ['second']\n[default]\nsinks = ['first']\n",
        sink("first"),
        sink("second")
    );
    // More batches for the first webhook than its channel holds, so the worker waits before it comes to the last ones.
    let lines: Vec<String> = (0..5120)
        .map(|n| format!("{{\"n\":{n},\"late\":{}}}", n >= 4096))
        .collect();
    fs::write(folder.join("a.ndjson"), lines.join("\n")).unwrap();
    fs::write(folder.join("router.toml"), config).unwrap();
    let router = Router::start(&folder, &["a.ndjson", "--config", "router.toml", "--json"]);
    until("the first webhook was tried", || {
        (hook.requests.load(Ordering::Relaxed) > 0).then_some(())
    });
    router.terminate();
    let books = router.wait().books();
    assert_eq!(books["dead"], 5120);
    let letters = letters(&folder);
    let originals: Vec<&str> = letters
        .iter()
        .map(|letter| letter["original"].as_str().unwrap())
        .collect();
    assert_eq!(originals, lines);
    let late = letters[5119]["reason"].as_str().unwrap();
    assert!(
        late.starts_with("sink `second`: the router stopped before attempt"),
        "{late}"
    );
}

/// A webhook that takes requests and never answers is waited for no longer than its timeout and the time to drain.
#[test]
fn a_stop_does_not_wait_for_a_silent_webhook() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = folder("silent-stop");
    let config = format!(
        "drain = '100ms'\n[input]\nhttp = '0'\n[sinks.hook]\ntype = 'webhook'\nurl = 'http://{}/'\nattempts = 100\nbackoff = '1ms'\ntimeout = '500ms'\n[default]\nsinks = ['hook']\n",
        silent.local_addr().unwrap()
    );
    let (router, address) = Router::serve(&folder, &config);
    let body: String = (0..600).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    assert_eq!(Http::connect(address).post(body).1["accepted"], 600);
    // A request is under way, which nobody will answer.
    let _taken = silent.accept().unwrap();
    router.terminate();
    let books = router.wait().books();
    assert_eq!(books["dead"], 600);
    assert_eq!(letters(&folder).len(), 600);
}
