//! Limits: whatever a client sends, it gets a clear error, the dead letters get a line, and memory stays flat.

use std::io::{BufRead, BufReader, Write};
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
            // Half a head has nothing that could be refused; it only takes too long.
            let expected: &[u16] = if i % 4 == 0 { &[408] } else { &[408, 503] };
            assert!(expected.contains(&status), "{i}: {status} {answer}");
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
    assert_eq!(letters.len(), 75 + 100);
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
