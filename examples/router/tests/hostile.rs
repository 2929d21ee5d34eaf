//! Input that was made to break a router: each line is out unchanged, or dead with a reason, and the router lives on.

use std::io::{Read, Write};

use crate::support::{Http, Router, folder, letters, sorted_lines};

const CONFIG: &str = r#"
[input]
http = "0"
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

/// A value in lists, `depth` times.
fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

/// Lines, and what they are dead for; nothing for those that are even.
fn lines() -> Vec<(Vec<u8>, &'static str)> {
    let skipped = format!("{{\"n\":2,\"deep\":{}}}", nested(500_000));
    let wanted = format!("{{\"n\":{}}}", nested(10_000));
    let unclosed = "[".repeat(1_000_000);
    let long_number = format!("{{\"n\":{}}}", "9".repeat(1000));
    let many_names = (0..20_000)
        .map(|i| format!("\"k{i}\":{i},"))
        .collect::<String>();
    let texts = [
        (r#"{"n":2}"#, ""),
        ("", "empty line"),
        (" \t ", "empty line"),
        (&skipped, ""),
        (&wanted, "not JSON: recursion limit exceeded"),
        (&unclosed, "not JSON: EOF while parsing a list"),
        (&long_number, "not JSON: number out of range"),
        (r#"{"n":1e999}"#, "not JSON: number out of range"),
        (r#"{"n":2,"unread":1e999}"#, ""),
        (r#"{"n":NaN}"#, "not JSON: expected value"),
        (r#"{"n":2.0}"#, "rule `1`: Unsupported binary operator"),
        (r#"{"n":-9223372036854775808}"#, ""),
        (
            r#"{"n":18446744073709551616}"#,
            "rule `1`: Unsupported binary operator",
        ),
        (r#"{"n":"2"}"#, "rule `1`: Unsupported binary operator"),
        (r#"{"n":null}"#, "rule `1`: Unsupported binary operator"),
        (r#"{"n":{"n":2}}"#, "rule `1`: Unsupported binary operator"),
        (r#"{"N":2}"#, "rule `1`: No such key: n"),
        (r#"{"n":3,"n":2}"#, ""),
        (r#"{"\u006e":2}"#, ""),
        (r#"{"n":2,"s":"\ud800"}"#, ""),
        (
            r#"{"\ud800":1,"n":2}"#,
            "not JSON: unexpected end of hex escape",
        ),
        (r#"{"n":2}{"n":2}"#, "not JSON: trailing characters"),
        (r#"{"n":2,}"#, "not JSON: trailing comma"),
        (r#"{'n':2}"#, "not JSON: key must be a string"),
        ("\u{feff}{\"n\":2}", "not JSON: expected value"),
        ("\0", "not JSON: expected value"),
        ("{\"n\":2,\"s\":\"\u{1}\"}", "not JSON: control character"),
        ("\"n\"", "not a JSON object"),
        ("null", "not a JSON object"),
        ("[{\"n\":2}]", "not a JSON object"),
        ("<event n=\"2\"/>", "not JSON: expected value"),
    ];
    let mut lines: Vec<_> = texts
        .map(|(line, why)| (line.as_bytes().to_vec(), why))
        .into();
    lines.push((format!("{{{many_names}\"n\":2}}").into_bytes(), ""));
    lines.push((
        b"{\"n\":2,\"s\":\"\xc3\x28\"}".to_vec(),
        "not UTF-8: invalid after byte 12",
    ));
    lines.push((
        b"\xff\xfe{\0\"\0".to_vec(),
        "not UTF-8: invalid after byte 0",
    ));
    lines.push((br#"{"n":4}"#.to_vec(), ""));
    lines
}

#[test]
fn hostile_lines_pass_unchanged_or_die_with_a_reason() {
    let folder = folder("hostile");
    let (router, address) = Router::serve(&folder, CONFIG);
    let lines = lines();
    let body: Vec<&[u8]> = lines.iter().map(|(line, _)| line.as_slice()).collect();
    let (sound, broken): (Vec<_>, Vec<_>) = (1u64..)
        .zip(&lines)
        .partition(|(_, (_, why))| why.is_empty());
    let (status, answer) = Http::connect(address).post(body.join(&b"\r\n"[..]));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["accepted"], &answer["dead"]),
        (&sound.len().into(), &broken.len().into())
    );
    router.terminate();
    router.wait().books();
    let mut want: Vec<&str> = sound
        .iter()
        .map(|(_, (line, _))| std::str::from_utf8(line).unwrap())
        .collect();
    want.sort_unstable();
    assert!(sorted_lines(&folder.join("even.ndjson")) == want);
    assert!(sorted_lines(&folder.join("odd.ndjson")).is_empty());
    let letters = letters(&folder);
    assert_eq!(letters.len(), broken.len());
    for (letter, (number, (line, why))) in letters.iter().zip(broken) {
        assert_eq!(letter["line"], number);
        let reason = letter["reason"].as_str().unwrap();
        assert!(reason.starts_with(why), "line {number}: {reason}");
        assert_eq!(letter["original"], String::from_utf8_lossy(line).as_ref());
        let is_text = std::str::from_utf8(line).is_ok();
        assert_eq!(letter.get("original_hex").is_none(), is_text);
    }
}

#[test]
fn what_is_no_proper_request_is_refused_and_the_next_one_is_answered() {
    let folder = folder("no-request");
    let (router, address) = Router::serve(&folder, CONFIG);
    let post = "POST /events HTTP/1.1\r\nHost: r\r\n";
    for (request, want) in [
        ("garbage\r\n\r\n".to_owned(), 400),
        ("GET /events HTTP/1.1\r\nHost: r\r\n\r\n".to_owned(), 405),
        (
            "POST /nothing HTTP/1.1\r\nHost: r\r\nContent-Length: 0\r\n\r\n".to_owned(),
            404,
        ),
        (format!("{post}Content-Length: -1\r\n\r\n"), 400),
        (
            format!("{post}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            400,
        ),
        (
            format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
            400,
        ),
        (
            format!("{post}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n"),
            400,
        ),
        (format!("{post}X: {}\r\n\r\n", "x".repeat(1 << 20)), 431),
        (format!("{post}\r\n"), 200),
    ] {
        let mut http = Http::connect(address);
        http.send(&request);
        assert_eq!(
            http.answer().0,
            want,
            "{}",
            &request[..request.len().min(100)]
        );
    }
    router.terminate();
    let books = router.wait().books();
    // Only one of them was over a limit.
    assert_eq!(
        (&books["events_in"], &books["dead"]),
        (&1.into(), &1.into())
    );
    let letter = &letters(&folder)[0];
    let reason = letter["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("the head of the request is too large (client 127.0.0.1:"),
        "{letter}"
    );
}

#[test]
fn a_compressed_body_is_refused_as_a_whole() {
    let folder = folder("compressed");
    let (router, address) = Router::serve(&folder, CONFIG);
    let head = "POST /events HTTP/1.1\r\nHost: r\r\nContent-Length: 7\r\nContent-Encoding:";
    let mut http = Http::connect(address);
    http.send(format!("{head} gzip\r\n\r\n\n\n\n\n\n\n\n"));
    let (status, answer) = http.answer();
    assert_eq!((status, &answer["dead"]), (415, &1.into()));
    assert_eq!(
        answer["error"],
        "body encoded as `gzip`; send the lines as they are"
    );
    for plain in ["identity", "", "identity, Identity"] {
        let mut http = Http::connect(address);
        http.send(format!("{head} {plain}\r\n\r\n{{\"n\":2}}"));
        assert_eq!(http.answer().1["accepted"], 1, "{plain}");
    }
    let mut http = Http::connect(address);
    http.send("POST /events HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: gzip, chunked\r\n\r\n7\r\n\n\n\n\n\n\n\n\r\n0\r\n\r\n");
    let (status, answer) = http.answer();
    assert_eq!((status, &answer["dead"]), (415, &1.into()));
    router.terminate();
    let books = router.wait().books();
    assert_eq!(
        (&books["events_out"], &books["dead"]),
        (&3.into(), &2.into())
    );
}

/// A client that announces two lengths could make a proxy and the router see different requests. Chunks win, and the connection ends.
#[test]
fn a_request_with_two_lengths_is_the_last_of_its_connection() {
    let folder = folder("two-lengths");
    let (router, address) = Router::serve(&folder, CONFIG);
    let mut http = Http::connect(address);
    http.send("POST /events HTTP/1.1\r\nHost: r\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{\"n\":2}\r\n0\r\n\r\n");
    http.send("POST /events HTTP/1.1\r\nHost: r\r\nContent-Length: 7\r\n\r\n{\"n\":4}");
    assert_eq!(http.answer().1["accepted"], 1);
    assert!(http.try_answer().is_none());
    router.terminate();
    assert_eq!(router.wait().books()["events_in"], 1);
}

/// Sends `request` and reads until the router closes the connection.
fn exchange(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(std::time::Duration::from_secs(60)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn requests_of_every_kind_are_answered_as_http_says() {
    let folder = folder("kinds");
    let (router, address) = Router::serve(&folder, CONFIG);
    let event = "Content-Length: 7\r\nConnection: close\r\n\r\n{\"n\":2}";
    // What HTTP/1.0 calls a request, answered in kind; its body needs a length.
    let answer = exchange(
        address,
        "POST /events HTTP/1.0\r\nContent-Length: 7\r\n\r\n{\"n\":2}",
    );
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    let answer = exchange(address, "POST /events HTTP/1.0\r\n\r\n{\"n\":2}");
    assert!(answer.starts_with("HTTP/1.0 411 "), "{answer}");
    for method in ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
        let answer = exchange(
            address,
            &format!("{method} /events HTTP/1.1\r\nHost: r\r\n{event}"),
        );
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
        assert!(answer.to_lowercase().contains("allow: post"), "{answer}");
    }
    // `HEAD` has the head of the answer and no body.
    for (path, status) in [("/stats", 200), ("/events", 405)] {
        let answer = exchange(
            address,
            &format!("HEAD {path} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n"),
        );
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
    // Whatever the content is called, it is lines.
    for kind in ["text/plain", "multipart/form-data; boundary=x", "x"] {
        let answer = exchange(
            address,
            &format!("POST /events?x=1 HTTP/1.1\r\nHost: r\r\nContent-Type: {kind}\r\n{event}"),
        );
        assert!(answer.contains("\"accepted\":1,"), "{kind}: {answer}");
    }
    // Sent without waiting for answers, which come in order.
    let kept = "POST /events HTTP/1.1\r\nHost: r\r\nContent-Length: 7\r\n\r\n{\"n\":4}";
    let last = format!("POST /events HTTP/1.1\r\nHost: r\r\n{event}");
    let answers = exchange(address, &(kept.repeat(49) + &last));
    let sources: Vec<u32> = answers
        .split("\"source\":\"http-")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(sources.len(), 50, "{answers}");
    assert!(sources.is_sorted(), "{sources:?}");
    router.terminate();
    let books = router.wait().books();
    assert_eq!(
        (&books["events_in"], &books["events_out"]),
        (&54.into(), &54.into())
    );
}

/// The library that reads requests refuses them by itself, and would say nothing but the status.
#[test]
fn a_head_that_is_too_large_is_answered_with_a_text() {
    let folder = folder("large-heads");
    let (router, address) = Router::serve(&folder, CONFIG);
    let fields = "X: y\r\n".repeat(100);
    let path = "x".repeat(70_000);
    let sound = "POST /events HTTP/1.1\r\nHost: r\r\nContent-Length: 7\r\n\r\n{\"n\":2}";
    let text = "the head of the request is too large\n";
    for (head, status) in [
        (
            format!("POST /events HTTP/1.1\r\nHost: r\r\n{fields}\r\n"),
            "HTTP/1.1 431 Request Header Fields Too Large\r\n",
        ),
        (
            format!("POST /{path} HTTP/1.1\r\nHost: r\r\n\r\n"),
            "HTTP/1.1 414 URI Too Long\r\n",
        ),
    ] {
        // The answer to a request before it has nothing of it.
        let answers = exchange(address, &format!("{sound}{head}"));
        let (first, last) = answers.split_once(status).expect(&answers);
        assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{answers}");
        assert!(first.contains("\"accepted\":1,"), "{answers}");
        let length = format!("content-length: {}\r\n", text.len());
        assert!(last.contains(&length), "{answers}");
        assert!(last.ends_with(&format!("\r\n\r\n{text}")), "{answers}");
        assert_eq!(exchange(address, &head).split_once(status).unwrap().0, "");
    }
    router.terminate();
    let books = router.wait().books();
    assert_eq!(
        (&books["events_out"], &books["dead"]),
        (&2.into(), &4.into())
    );
}
