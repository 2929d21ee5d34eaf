//! Limits: whatever a client sends, it gets a clear error, the dead letters get a line, and memory stays flat.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Http, Router, folder, letters, until};

const CONFIG: &str = r#"
[input]
http = "127.0.0.1:0"
tcp = "127.0.0.1:0"
[limits]
line_bytes = 1000
body_bytes = 100_000
client_timeout = "300ms"
connections = 4
[sinks.all]
type = "file"
path = "all.ndjson"
[default]
sinks = ["all"]
"#;

/// Serves, runs `test` with the addresses for HTTP and TCP, and ends with balanced books and as many letters as they say.
fn serve(
    name: &str,
    config: &str,
    test: impl FnOnce(std::net::SocketAddr, std::net::SocketAddr),
) -> (Value, Vec<Value>) {
    let folder = folder(name);
    std::fs::write(folder.join("router.toml"), config).unwrap();
    let mut router = Router::start(&folder, &["serve", "--config", "router.toml", "--json"]);
    let tcp = router.address("lines to tcp://", "\n");
    let http = router.address("POST http://", "/events");
    test(http, tcp);
    router.terminate();
    let books = router.wait().books();
    let letters = letters(&folder);
    assert_eq!(books["dead"], letters.len());
    (books, letters)
}

fn reason(letter: &Value) -> &str {
    letter["reason"].as_str().unwrap()
}

#[test]
fn a_line_over_the_limit_is_refused_and_its_neighbours_pass() {
    let (books, letters) = serve("long-line", CONFIG, |http, _| {
        let long = format!(
            "{{\"a\":1}}\n{{\"long\":\"{}\"}}\n{{\"b\":2}}\n",
            "x".repeat(5000)
        );
        let (status, answer) = Http::connect(http).post(long);
        assert_eq!(status, 413);
        assert_eq!(
            (&answer["accepted"], &answer["dead"]),
            (&2.into(), &1.into())
        );
        let error = answer["error"].as_str().unwrap();
        assert!(
            error.starts_with("line 2: line of 5011 bytes, over the limit of 1000"),
            "{error}"
        );
    });
    assert_eq!(books["events_out"], 2);
    assert_eq!(letters[0]["line"], 2);
    assert!(
        letters[0]["original"]
            .as_str()
            .unwrap()
            .starts_with("{\"long\":\"xxx")
    );
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let (books, letters) = serve("long-body", CONFIG, |http, _| {
        let (status, answer) = Http::connect(http).post("{\"a\":1}\n".repeat(20_000));
        assert_eq!(status, 413);
        assert_eq!(answer["accepted"], 0);
        let error = answer["error"].as_str().unwrap();
        assert!(
            error.starts_with("body of 160000 bytes, over the limit of 100000"),
            "{error}"
        );

        let mut asks_first = Http::connect(http);
        asks_first.send("POST /events HTTP/1.1\r\nHost: r\r\nContent-Length: 160000\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(asks_first.answer().0, 413, "before anything was sent");

        let mut chunked = Http::connect(http);
        chunked.send("POST /events HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..200 {
            chunked.send(format!("{:x}\r\n{}\r\n", 800, "{\"a\":1}\n".repeat(100)));
        }
        chunked.send("0\r\n\r\n");
        let (status, answer) = chunked.answer();
        assert_eq!(status, 413);
        let accepted = answer["accepted"].as_u64().unwrap();
        assert!(accepted > 10_000 && accepted <= 12_500, "{answer}");
        assert!(
            answer["error"]
                .as_str()
                .unwrap()
                .starts_with("body over the limit of 100000 bytes")
        );
    });
    assert_eq!(letters.len(), 3);
    assert!(
        letters
            .iter()
            .all(|letter| reason(letter).starts_with("body ")),
        "{letters:?}"
    );
    assert!(books["events_out"].as_u64() > Some(10_000));
}

#[test]
fn a_slow_client_is_told_and_let_go() {
    let (books, letters) = serve("slow", CONFIG, |http, tcp| {
        let mut slow = Http::connect(http);
        slow.send(
            "POST /events HTTP/1.1\r\nHost: r\r\nContent-Length: 100\r\n\r\n{\"a\":1}\n{\"b\":",
        );
        let (status, answer) = slow.answer();
        assert_eq!(status, 408);
        assert_eq!(
            (&answer["accepted"], &answer["dead"]),
            (&1.into(), &1.into())
        );
        assert!(
            answer["error"]
                .as_str()
                .unwrap()
                .starts_with("nothing came for too long")
        );

        let mut dripping = TcpStream::connect(tcp).unwrap();
        let mut answer = String::new();
        let mut reader = BufReader::new(dripping.try_clone().unwrap());
        let listener = std::thread::spawn(move || reader.read_line(&mut answer).map(|_| answer));
        until("the dripping client is let go", || {
            dripping
                .write_all(b"x")
                .is_err()
                .then_some(())
                .or(listener.is_finished().then_some(()))
        });
        let answer = listener.join().unwrap().unwrap();
        assert!(answer.contains("nothing came for too long"), "{answer}");
    });
    assert_eq!(books["events_out"], 1);
    assert_eq!(letters[0]["original"], "{\"b\":");
    assert_eq!(letters.len(), 2);
}

#[test]
fn a_client_that_goes_away_leaves_a_letter_for_its_last_line() {
    let (books, letters) = serve("gone", CONFIG, |http, _| {
        let mut gone = Http::connect(http);
        gone.send(
            "POST /events HTTP/1.1\r\nHost: r\r\nContent-Length: 100\r\n\r\n{\"a\":1}\n{\"b\":",
        );
        drop(gone);
        until("the line is dead", || {
            (Http::stats(http)["dead"] == 1).then_some(())
        });
    });
    assert_eq!(books["events_out"], 1);
    assert!(
        reason(&letters[0]).starts_with("the connection broke off"),
        "{letters:?}"
    );
}

#[test]
fn connections_over_the_limit_are_turned_away() {
    let config = CONFIG.replace("\"300ms\"", "\"30s\"");
    let (_, letters) = serve("crowd", &config, |http, tcp| {
        let mut open: Vec<TcpStream> = (0..4).map(|_| TcpStream::connect(tcp).unwrap()).collect();
        open.iter_mut()
            .for_each(|stream| stream.write_all(b"{}\n").unwrap());
        until("all are served", || {
            (Http::stats(http)["events_out"] == 4).then_some(())
        });
        let mut answer = String::new();
        BufReader::new(TcpStream::connect(tcp).unwrap())
            .read_line(&mut answer)
            .unwrap();
        assert!(
            answer.contains("4 connections are open, which is the limit"),
            "{answer}"
        );
        open.iter()
            .for_each(|stream| stream.shutdown(Shutdown::Write).unwrap());
        for stream in open {
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer).unwrap();
            assert!(answer.contains("\"accepted\":1"), "{answer}");
        }
    });
    assert_eq!(letters.len(), 1);
}

#[test]
fn requests_over_the_limit_are_turned_away() {
    let config = CONFIG.replace("\"300ms\"", "\"30s\"");
    let (books, letters) = serve("crowded", &config, |http, _| {
        let head = "POST /events HTTP/1.1\r\nHost: r\r\nContent-Length: 6\r\n\r\n";
        let mut open: Vec<Http> = (0..4).map(|_| Http::connect(http)).collect();
        for client in &mut open {
            client.send(format!("{head}{{}}\n"));
        }
        until("all are served", || {
            (Http::stats(http)["events_out"] == 4).then_some(())
        });
        for _ in 0..100 {
            let (status, answer) = Http::connect(http).post("{}\n{}");
            assert_eq!(status, 503);
            assert_eq!(
                (&answer["accepted"], &answer["dead"]),
                (&0.into(), &1.into())
            );
            let error = answer["error"].as_str().unwrap();
            assert!(
                error.starts_with("4 requests are taken in, which is the limit"),
                "{error}"
            );
        }
        for client in &mut open {
            client.send("{}\n");
            let (status, answer) = client.answer();
            assert_eq!((status, &answer["accepted"]), (200, &2.into()));
        }
        assert_eq!(Http::connect(http).post("{}").0, 200, "there is room again");
    });
    assert_eq!((&books["events_out"], letters.len()), (&9.into(), 100));
}

/// Connections that may be open over HTTP with the limit of four.
const OPEN: usize = 4 + 64;

/// Connections that never send a request do not keep others waiting: these are told that there are too many.
#[test]
fn http_connections_over_the_limit_are_turned_away() {
    let config = CONFIG.replace("\"300ms\"", "\"120s\"");
    let (_, letters) = serve("doorstep", &config, |http, _| {
        let mut served = Http::connect(http);
        assert_eq!(served.post("{}").0, 200);
        let silent: Vec<TcpStream> = (1..OPEN)
            .map(|_| TcpStream::connect(http).unwrap())
            .collect();
        for _ in 0..100 {
            let mut answer = String::new();
            let mut client = TcpStream::connect(http).unwrap();
            let _ = client.write_all(b"GET /stats HTTP/1.1\r\nHost: r\r\n\r\n");
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            let why = "\r\n\r\n68 connections are open, which is the limit; try again later\n";
            assert!(answer.ends_with(why), "{answer}");
        }
        assert_eq!(served.post("{}").0, 200, "it has its place");
        drop(silent);
        until("there is room again", || {
            let answered = Http::connect(http).try_post("{}");
            answered.filter(|(status, _)| *status == 200)
        });
    });
    let is_told = |letter: &&Value| reason(letter).starts_with("68 connections are open");
    let told = letters.iter().filter(is_told).count();
    assert!(told >= 100 && told == letters.len(), "{letters:?}");
}

#[test]
fn a_head_that_takes_too_long_is_answered_and_has_a_letter() {
    let (books, letters) = serve("slow-head", CONFIG, |http, _| {
        // One that has sent nothing has asked for nothing.
        let mut silent = TcpStream::connect(http).unwrap();
        let mut slow = TcpStream::connect(http).unwrap();
        slow.write_all(b"POST /events HTTP/1.1\r\nHo").unwrap();
        let mut answer = String::new();
        slow.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        let why = "\r\n\r\nthe head of the request was not complete within 300ms\n";
        assert!(answer.ends_with(why), "{answer}");
        assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    });
    assert_eq!(
        (&books["events_in"], &books["dead"]),
        (&1.into(), &1.into())
    );
    assert!(
        reason(&letters[0]).starts_with(
            "the head of the request was not complete within 300ms (client 127.0.0.1:"
        ),
        "{letters:?}"
    );
    assert_eq!(
        (&letters[0]["source"], &letters[0]["line"]),
        (&"http-1".into(), &1.into())
    );
}

/// A client that asks and asks, and never reads an answer, is let go. The answers are long, so that they fill what the system buffers.
#[test]
fn a_client_that_reads_no_answer_is_let_go() {
    let config = CONFIG.replace("sinks.all", &format!("sinks.{}", "x".repeat(100_000)));
    let config = config.replace("[\"all\"]", &format!("[\"{}\"]", "x".repeat(100_000)));
    let (books, letters) = serve("unread", &config, |http, _| {
        let mut deaf = Http::connect(http);
        // Until the router does not take any more, because it was closed; half of a request would be a slow head.
        while deaf.send("GET /stats HTTP/1.1\r\nHost: r\r\n\r\n".repeat(100)) {}
    });
    assert_eq!(
        (&books["events_in"], &books["dead"]),
        (&1.into(), &1.into())
    );
    assert!(
        reason(&letters[0]).starts_with("the answer was not read for 300ms (client 127.0.0.1:"),
        "{letters:?}"
    );
}

/// A body that comes one byte at a time, in chunks, is too slow however many bytes the chunks cost on their way.
#[test]
fn a_dripping_body_of_unknown_length_is_let_go() {
    let (books, letters) = serve("drip", CONFIG, |http, _| {
        let mut dripping = Http::connect(http);
        dripping.send("POST /events HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: chunked\r\n\r\n");
        dripping.send("8\r\n{\"a\":1}\n\r\n");
        let mut drops = dripping.twin();
        let drips = std::thread::spawn(move || {
            while drops.send("1\r\nx\r\n") {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let (status, answer) = dripping.answer();
        assert_eq!(
            (status, &answer["accepted"], &answer["dead"]),
            (408, &1.into(), &1.into())
        );
        drips.join().unwrap();
    });
    assert_eq!(books["events_out"], 1);
    assert!(
        reason(&letters[0]).starts_with("nothing came for too long"),
        "{letters:?}"
    );
}

/// Far more half-open clients than the router serves: they end by themselves, and who comes later is served.
#[test]
fn a_crowd_of_half_open_clients_passes() {
    let config = CONFIG.replace("\"300ms\"", "\"1s\"");
    let (_, letters) = serve("half-open", &config, |http, tcp| {
        let head = "POST /events HTTP/1.1\r\nHost: r\r\nContent-Length: 100\r\n\r\n{\"a\":";
        let crowd = (0..100).map(|i| {
            let mut client = Http::connect(http);
            client.send(if i % 4 == 0 { &head[..20] } else { head });
            client
        });
        let mut crowd: Vec<Http> = crowd.collect();
        let mut lines: Vec<TcpStream> =
            (0..100).map(|_| TcpStream::connect(tcp).unwrap()).collect();
        for client in &mut lines {
            let _ = client.write_all(b"{\"a\":");
        }
        let begun = Instant::now();
        for (i, client) in crowd.iter_mut().enumerate() {
            let (status, answer) = client.answer();
            assert!([408, 503].contains(&status), "{i}: {status} {answer}");
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "too patient");
        for client in lines {
            let mut answer = String::new();
            BufReader::new(client).read_line(&mut answer).unwrap();
            assert!(
                answer.contains("too long") || answer.contains("which is the limit"),
                "{answer}"
            );
        }
        assert_eq!(Http::connect(http).post("{}").0, 200);
    });
    assert_eq!(letters.len(), 100 + 100);
}

/// Events that are small as text and large as values: what the rules cannot hold is refused, and what they can takes turns.
#[test]
fn memory_is_bounded_whatever_the_rules_read() {
    let config = "workers = 8\n[input]\nhttp = '0'\ntcp = '0'\n[sinks.none]\ntype = 'null'\n[[rules]]\nwhen = 'size(event.b) > 10'\nsinks = ['none']\n[default]\nsinks = ['none']\n";
    let wide = format!("{{\"b\":[{}1]}}", "{\"\":{}},".repeat(120_000));
    let long = format!("{{\"b\":[{}1]}}", "1,".repeat(400_000));
    let (books, letters) = serve("values", config, |http, _| {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let (status, answer) = Http::connect(http).post(format!("{wide}\n{long}\n"));
                    let counts = (&answer["accepted"], &answer["dead"]);
                    assert_eq!((status, counts), (200, (&1.into(), &1.into())), "{answer}");
                });
            }
        });
    });
    assert_eq!((&books["events_out"], letters.len()), (&8.into(), 8));
    for letter in letters {
        let why = reason(&letter);
        assert_eq!(letter["line"], 1);
        assert!(
            why.starts_with("the fields that the rules read would take 1")
                && why
                    .ends_with(" bytes of memory, over the limit of 67108864 (limits.rule_bytes)"),
            "{why}"
        );
    }
    let peak = books["peak_rss_bytes"].as_u64().unwrap() >> 20;
    assert!(peak < 256, "the router needed {peak} MiB");
}

/// 200 MiB in one line, and as much in short lines that no sink keeps: neither shows in the router's memory.
#[test]
fn memory_stays_flat_whatever_is_sent() {
    let config = "[input]\nhttp = '0'\ntcp = '0'\n[limits]\nbody_bytes = 1_000_000_000\n[sinks.none]\ntype = 'null'\n[default]\nsinks = ['none']\n";
    let (books, letters) = serve("memory", config, |http, _| {
        let piece = vec![b'x'; 1 << 20];
        let mut endless = Http::connect(http);
        endless.send(format!(
            "POST /events HTTP/1.1\r\nHost: r\r\nContent-Length: {}\r\n\r\n",
            200 << 20
        ));
        for _ in 0..200 {
            assert!(endless.send(&piece));
        }
        let (status, answer) = endless.answer();
        assert_eq!((status, &answer["dead"]), (413, &1.into()), "{answer}");

        let line = format!("{{\"a\":\"{}\"}}\n", "y".repeat(1013));
        let many = line.repeat(1024);
        let mut flood = Http::connect(http);
        flood.send(format!(
            "POST /events HTTP/1.1\r\nHost: r\r\nContent-Length: {}\r\n\r\n",
            100 * many.len()
        ));
        for _ in 0..100 {
            assert!(flood.send(&many));
        }
        let (status, answer) = flood.answer();
        assert_eq!(
            (status, &answer["accepted"]),
            (200, &(100 * 1024).into()),
            "{answer}"
        );
    });
    assert_eq!(letters.len(), 1);
    let peak = books["peak_rss_bytes"].as_u64().unwrap() >> 20;
    assert!(peak < 64, "the router needed {peak} MiB");
}
