//! The service: HTTP and TCP, live numbers, back-pressure, and SIGTERM in full flow.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::{Http, Router, SAMPLE, folder, letters, sorted_lines, until};

const CONFIG: &str = r#"
[input]
http = "127.0.0.1:0"
tcp = "127.0.0.1:0"
[sinks.strong]
type = "file"
path = "strong.ndjson"
[sinks.rest]
type = "file"
path = "rest.ndjson"
[[rules]]
when = "event.properties.mag >= 5.0"
sinks = ["strong"]
[default]
sinks = ["rest"]
"#;

/// Lines in both sinks.
fn lines_out(folder: &Path) -> usize {
    sorted_lines(&folder.join("strong.ndjson")).len()
        + sorted_lines(&folder.join("rest.ndjson")).len()
}

#[test]
fn a_request_is_answered_with_its_counts() {
    let folder = folder("counts");
    let (router, address) = Router::serve(&folder, CONFIG);
    let mut http = Http::connect(address);
    let (status, answer) = http.post(format!("{SAMPLE}oops\n\n{{\"no\":\"properties\"}}"));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["accepted"], &answer["dead"]),
        (&1707.into(), &3.into())
    );
    assert_eq!(http.post("").1["accepted"], 0, "the connection is kept");
    let source = answer["source"].as_str().unwrap().to_owned();

    let stats = until("all events are settled", || {
        let stats = Http::stats(address);
        (stats["in_flight"] == 0).then_some(stats)
    });
    assert_eq!(
        (&stats["events_in"], &stats["events_out"], &stats["dead"]),
        (&1710.into(), &1707.into(), &3.into())
    );

    router.terminate();
    let books = router.wait().books();
    assert_eq!(books["events_in"], 1710);
    let letters = letters(&folder);
    let seen: Vec<_> = letters
        .iter()
        .map(|letter| letter["line"].as_u64().unwrap())
        .collect();
    assert_eq!(seen, [1708, 1709, 1710]);
    assert!(
        letters
            .iter()
            .all(|letter| letter["source"] == source.as_str())
    );
    assert_eq!(lines_out(&folder), 1707);
}

#[test]
fn a_chunked_body_is_cut_into_lines() {
    let folder = folder("chunked");
    let (router, address) = Router::serve(&folder, CONFIG);
    let mut http = Http::connect(address);
    http.send("POST /events HTTP/1.1\r\nHost: router\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in SAMPLE.as_bytes()[..20_000].chunks(37) {
        http.send(format!("{:x}\r\n", piece.len()));
        http.send(piece);
        http.send("\r\n");
    }
    http.send("0\r\n\r\n");
    let (status, answer) = http.answer();
    let whole = SAMPLE[..20_000].matches('\n').count();
    assert_eq!(status, 200);
    assert_eq!(
        (&answer["accepted"], &answer["dead"]),
        (&whole.into(), &1.into()),
        "the last line is cut in two"
    );
    router.terminate();
    router.wait().books();
}

#[test]
fn lines_over_tcp_are_answered_at_the_end() {
    let folder = folder("tcp");
    std::fs::write(folder.join("router.toml"), CONFIG).unwrap();
    let mut router = Router::start(&folder, &["serve", "--config", "router.toml", "--json"]);
    let address = router.address("lines to tcp://", "\n");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(SAMPLE.as_bytes()).unwrap();
    stream.write_all(b"oops").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (&answer["accepted"], &answer["dead"]),
        (&1707.into(), &1.into()),
        "{answer}"
    );
    router.terminate();
    assert_eq!(router.wait().books()["events_out"], 1707);
}

/// Clients post as fast as they can while the router is told to stop. Every line that it took is in a sink or a dead letter, and every
/// line that was acknowledged is among them.
#[test]
fn sigterm_in_full_flow_loses_nothing() {
    let folder = folder("sigterm");
    let (router, address) = Router::serve(&folder, CONFIG);
    let (acknowledged, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let books = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut http = Http::connect(address);
                while !stop.load(Ordering::Relaxed) {
                    let sent = http.send(format!(
                        "POST /events HTTP/1.1\r\nHost: r\r\nContent-Length: {}\r\n\r\n{SAMPLE}",
                        SAMPLE.len()
                    ));
                    let Some((status, answer)) = http.try_answer() else {
                        return;
                    };
                    let count = |key: &str| answer[key].as_u64().unwrap();
                    acknowledged.fetch_add(count("accepted") + count("dead"), Ordering::Relaxed);
                    if status != 200 || !sent {
                        return;
                    }
                }
            });
        }
        until("the flow is full", || {
            (Http::stats(address)["events_in"].as_u64() > Some(5000)).then_some(())
        });
        router.terminate();
        let ended = router.wait();
        stop.store(true, Ordering::Relaxed);
        ended.books()
    });
    let count = |key: &str| usize::try_from(books[key].as_u64().unwrap()).unwrap();
    assert_eq!(lines_out(&folder), count("events_out"));
    assert_eq!(letters(&folder).len(), count("dead"));
    let acknowledged = usize::try_from(acknowledged.into_inner()).unwrap();
    assert!(
        acknowledged <= count("events_in"),
        "{acknowledged} of {books}"
    );
    for line in sorted_lines(&folder.join("rest.ndjson")) {
        assert!(SAMPLE.contains(&line), "a line was torn: {line}");
    }
}
