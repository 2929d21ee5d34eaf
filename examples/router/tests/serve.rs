//! The service: HTTP and TCP, and live numbers.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;

use serde_json::Value;

use crate::sample::{Lines, RULES, assert_routed};
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
    let (status, answer) = http.post_in_chunks(&SAMPLE[..20_000], 37);
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

/// A client that sends no more after its request still gets its answer, and what it sent is routed.
#[test]
fn a_request_is_answered_when_its_client_has_said_that_it_sends_no_more() {
    let folder = folder("half-closed");
    let (router, address) = Router::serve(&folder, CONFIG);
    for (head, body) in [
        (
            format!("Content-Length: {}", SAMPLE.len()),
            SAMPLE.to_owned(),
        ),
        (
            "Transfer-Encoding: chunked".to_owned(),
            format!("{:x}\r\n{SAMPLE}\r\n0\r\n\r\n", SAMPLE.len()),
        ),
    ] {
        let mut http = Http::connect(address);
        http.send(format!(
            "POST /events HTTP/1.1\r\nHost: router\r\n{head}\r\n\r\n{body}"
        ));
        http.finish();
        let (status, answer) = http.answer();
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["accepted"], 1707, "{answer}");
        assert!(http.try_answer().is_none(), "its connection ends");
    }
    // One whose request is not complete is told so, or hears nothing; what is whole of it is routed.
    let mut http = Http::connect(address);
    http.send(format!(
        "POST /events HTTP/1.1\r\nHost: router\r\nContent-Length: {}\r\n\r\n{SAMPLE}",
        2 * SAMPLE.len()
    ));
    http.finish();
    let _ = http.try_answer();
    router.terminate();
    let books = router.wait().books();
    assert_eq!(books["lost"], 0, "{books}");
    assert!(books["events_out"].as_u64() >= Some(2 * 1707), "{books}");
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

/// Posts `lines` in bodies of 100 lines, every other one in chunks, and returns the sources that the router gave them.
fn post_in_bodies(http: &mut Http, lines: &Lines) -> Vec<(String, Lines)> {
    let all: Vec<&[u8]> = lines.lines().collect();
    let bodies = all.chunks(100).enumerate().map(|(i, body)| {
        let first = 100 * i as u64;
        let body = Lines {
            text: body.join(&b'\n'),
            broken: lines
                .broken
                .iter()
                .filter(|(line, _)| (first + 1..=first + 100).contains(line))
                .map(|(line, why)| (line - first, *why))
                .collect(),
        };
        let (status, answer) = if i % 2 == 0 {
            http.post(&body.text)
        } else {
            http.post_in_chunks(&body.text, 1000)
        };
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["accepted"], body.sound_len(), "{answer}");
        assert_eq!(answer["dead"], body.broken.len(), "{answer}");
        (answer["source"].as_str().unwrap().to_owned(), body)
    });
    bodies.collect()
}

/// Sends `lines` over TCP, and returns the source that the router gave them.
fn send_over_tcp(address: SocketAddr, lines: Lines) -> (String, Lines) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&lines.text).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["accepted"], lines.sound_len(), "{answer}");
    assert_eq!(answer["dead"], lines.broken.len(), "{answer}");
    (answer["source"].as_str().unwrap().to_owned(), lines)
}

/// All at once: two HTTP clients and two TCP clients, with broken lines mixed in.
#[test]
fn several_inputs_at_once_reach_the_sinks_line_by_line() {
    let folder = folder("several");
    let config = format!("[input]\nhttp = '0'\ntcp = '0'\n{RULES}");
    std::fs::write(folder.join("router.toml"), config).unwrap();
    let mut router = Router::start(&folder, &["serve", "--config", "router.toml", "--json"]);
    let tcp = router.address("lines to tcp://", "\n");
    let http = router.address("POST http://", "/events");
    let mut inputs = Vec::new();
    std::thread::scope(|scope| {
        let posting = || post_in_bodies(&mut Http::connect(http), &Lines::broken());
        let posts = [scope.spawn(posting), scope.spawn(posting)];
        let sending = || send_over_tcp(tcp, Lines::broken());
        let sends = [scope.spawn(sending), scope.spawn(sending)];
        for post in posts {
            inputs.extend(post.join().unwrap());
        }
        for send in sends {
            inputs.push(send.join().unwrap());
        }
    });
    router.terminate();
    let books = router.wait().books();
    let inputs: Vec<_> = inputs
        .iter()
        .map(|(source, lines)| (source.as_str(), lines.clone()))
        .collect();
    assert_routed(&folder, &books, &inputs);
}

/// Whoever has nothing but the help gets a router that works.
#[test]
fn the_configuration_in_the_help_works() {
    let folder = folder("help");
    let help = Router::start(&folder, &["--help"]).wait().stdout;
    let (_, rest) = help.split_once("A configuration is TOML").expect(&help);
    let config: String = rest
        .lines()
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .map(|line| format!("{}\n", line.trim_start()))
        .collect();
    assert!(config.contains("http = \"8080\""), "{config}");
    let (router, address) = Router::serve(&folder, &config.replace("8080", "0"));
    let strong = "{\"properties\":{\"mag\":5.5}}";
    let weak = "{\"properties\":{\"mag\":1.5}}";
    let (status, answer) = Http::connect(address).post(format!("{strong}\n{weak}\n"));
    assert_eq!((status, &answer["accepted"]), (200, &2.into()));
    router.terminate();
    let ended = router.wait();
    ended.books();
    assert_eq!(sorted_lines(&folder.join("strong.ndjson")), [strong]);
    assert_eq!(ended.stdout.lines().next(), Some(weak));
}

#[test]
fn the_live_numbers_have_the_keys_of_the_closing_object() {
    let folder = folder("stats");
    let (router, address) = Router::serve(&folder, CONFIG);
    Http::connect(address).post(SAMPLE);
    let stats = until("all events are settled", || {
        let stats = Http::stats(address);
        (stats["in_flight"] == 0).then_some(stats)
    });
    router.terminate();
    let mut books = router.wait().books();
    assert!(stats["wall_s"].as_f64() < books["wall_s"].as_f64());
    for passing in ["wall_s", "cpu_s", "peak_rss_bytes"] {
        let value = |numbers: &serde_json::Value| numbers[passing].as_f64().expect(passing);
        let (before, after) = (value(&stats), value(&books));
        assert!(before <= after, "{passing}: {before}, then {after}");
        books[passing] = stats[passing].clone();
    }
    books["in_flight"] = 0.into();
    assert_eq!(stats, books);
    assert!(
        stats["p50_us"].as_u64() > Some(0) && stats["p50_us"].as_u64() <= stats["p99_us"].as_u64()
    );
}
