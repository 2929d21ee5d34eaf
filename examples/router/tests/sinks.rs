//! Sinks that fail: full, closed, or stuck. What they do not take becomes dead letters, or shows in the exit code.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Ended, Http, Router, folder, letters, named_pipe, sorted_lines, until};

#[test]
fn a_sink_that_cannot_be_written_makes_dead_letters() {
    let folder = folder("full");
    fs::write(folder.join("a.ndjson"), "{\"n\":1}\n{\"n\":2}\n").unwrap();
    let config = "[sinks.full]\ntype = 'file'\npath = '/dev/full'\n[sinks.good]\ntype = 'file'\npath = 'good.ndjson'\n\
        [default]\nsinks = ['full', 'good']";
    fs::write(folder.join("router.toml"), config).unwrap();
    let router = Router::start(&folder, &["a.ndjson", "--config", "router.toml", "--json"]);
    let books = router.wait().books();
    assert_eq!(
        (&books["events_out"], &books["dead"]),
        (&0.into(), &2.into())
    );
    assert_eq!(
        books["per_sink"],
        serde_json::json!({ "full": 0, "good": 2 })
    );
    let reason = letters(&folder)[1]["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.starts_with("sink `full`: cannot write: No space left"),
        "{reason}"
    );
}

/// Lines go to a sink of this kind, whose file may only grow to a certain size, and takes a part of a write. Then it ends with a whole
/// line, and the rest is dead. How the router ended, and how many lines the file has.
fn half_full(name: &str, sink: &str, setup: &str, more: &[&str]) -> (Ended, usize) {
    let folder = folder(name);
    let mut lines: Vec<String> = (0..3000)
        .map(|n| format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(n % 211)))
        .collect();
    fs::write(folder.join("a.ndjson"), lines.join("\n")).unwrap();
    let config =
        format!("dead_letters = '/dev/stderr'\n[sinks.all]\n{sink}\n[default]\nsinks = ['all']");
    fs::write(folder.join("router.toml"), config).unwrap();
    let setup = format!("trap '' XFSZ; ulimit -f 97{setup}");
    let arguments = [&["a.ndjson", "--config", "router.toml"], more].concat();
    let ended = Router::start_after(&setup, &folder, &arguments).wait();
    let written = fs::read_to_string(folder.join("all.ndjson")).unwrap();
    let mut found: Vec<String> = written.lines().map(str::to_owned).collect();
    let written = found.len();
    assert!(written > 100 && written < 2900, "{written}");
    // What the router says of itself is no letter.
    for letter in ended.stderr.lines().filter(|line| line.starts_with('{')) {
        let letter: Value = serde_json::from_str(letter).unwrap();
        let reason = letter["reason"].as_str().unwrap();
        assert!(
            reason.starts_with("sink `all`: cannot write: File too large"),
            "{letter}"
        );
        found.push(letter["original"].as_str().unwrap().to_owned());
    }
    found.sort_unstable();
    lines.sort_unstable();
    assert!(
        found == lines,
        "each line is in the sink or a dead letter, once and whole"
    );
    (ended, written)
}

#[test]
fn a_sink_that_is_full_in_the_middle_of_a_line_keeps_whole_lines() {
    let sink = "type = 'file'\npath = 'all.ndjson'";
    let (ended, written) = half_full("half-full", sink, "", &["--json"]);
    assert_eq!(ended.books()["events_out"], written);
    let mut told = ended.stderr.lines();
    assert!(told.all(|line| line.starts_with('{')), "{}", ended.stderr);
}

/// The same of standard output, which is a file here.
#[test]
fn a_standard_output_that_is_full_in_the_middle_of_a_line_keeps_whole_lines() {
    half_full(
        "half-full-stdout",
        "type = 'stdout'",
        "; exec >all.ndjson",
        &[],
    );
}

#[test]
fn a_standard_output_that_nobody_reads_makes_dead_letters() {
    let folder = folder("broken-pipe");
    let mut router = Router::start(&folder, &["-", "--json"]);
    router.close_stdout();
    drop(router.type_in("{\"a\":1}\n{\"a\":2}\n"));
    let ended = router.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let letters = letters(&folder);
    assert_eq!(letters.len(), 2);
    let reason = letters[0]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("sink `stdout`: cannot write: Broken pipe"),
        "{reason}"
    );
}

/// Dead letters that cannot be written are lost, and the exit code says so.
#[test]
fn a_lost_event_shows_in_the_exit_code() {
    let folder = folder("lost");
    fs::write(folder.join("a.ndjson"), "{}\noops\n").unwrap();
    let config =
        "dead_letters = '/dev/full'\n[sinks.none]\ntype = 'null'\n[default]\nsinks = ['none']\n";
    fs::write(folder.join("router.toml"), config).unwrap();
    let ended = Router::start(&folder, &["a.ndjson", "--config", "router.toml", "--json"]).wait();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let books = ended.closing();
    assert_eq!(
        (&books["events_in"], &books["events_out"], &books["lost"]),
        (&2.into(), &1.into(), &1.into())
    );
    assert!(
        ended
            .stderr
            .contains("1 dead letters were lost: cannot write: No space left"),
        "{}",
        ended.stderr
    );
}

/// Opens a pipe for both, so that neither side waits for the other, and reads nothing.
fn hold(pipe: &Path) -> fs::File {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).open(pipe).unwrap()
}

/// A router whose sink is a pipe that nobody reads any more, with events that cannot get through.
fn stuck(test: &str, drain: &str) -> (Router, std::net::SocketAddr, fs::File) {
    let folder = folder(test);
    let pipe = named_pipe(&folder, "pipe");
    let held = hold(&pipe);
    let config = format!(
        "drain = '{drain}'\n[input]\nhttp = '0'\n[sinks.pipe]\ntype = 'file'\npath = 'pipe'\n[default]\nsinks = ['pipe']\n"
    );
    let (router, address) = Router::serve(&folder, &config);
    let body = format!("{{\"a\":\"{}\"}}\n", "x".repeat(1000)).repeat(3000);
    std::thread::spawn(move || Http::connect(address).try_post(body));
    // A pipe holds 64 KiB.
    until("the pipe is full", || {
        (Http::stats(address)["in_flight"].as_u64() > Some(200)).then_some(())
    });
    (router, address, held)
}

/// What it had, and what was on its way to it, is in the dead letters.
#[test]
fn a_stuck_sink_does_not_hold_up_a_stop_for_ever() {
    let (router, _, held) = stuck("stuck", "200ms");
    router.terminate();
    let books = router.wait().books();
    drop(held);
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("router-stuck");
    let letters = letters(&folder);
    assert_eq!(books["dead"], letters.len());
    let stuck = "sink `pipe`: the router stopped while a write was stuck";
    let of_sink = letters.iter().filter(|letter| letter["reason"] == stuck);
    assert!(of_sink.count() > 200, "{letters:?}");
}

/// Events for others are not held up for longer than the time to drain, and then go where they should.
#[test]
fn a_stuck_sink_takes_nothing_from_the_others() {
    let folder = folder("stuck-beside");
    let pipe = named_pipe(&folder, "pipe");
    let held = hold(&pipe);
    let config = "workers = 4\ndrain = '200ms'\n[input]\nhttp = '0'\n[sinks.pipe]\ntype = 'file'\npath = 'pipe'\n[sinks.all]\ntype = 'file'\npath = 'all.ndjson'\n[[rules]]\nwhen = 'event.n % 10 == 0'\nsinks = ['pipe']\n[default]\nsinks = ['all']\n";
    let (router, address) = Router::serve(&folder, config);
    let text = "x".repeat(1000);
    let lines = (0..20_000).map(|n| format!("{{\"n\":{n},\"text\":\"{text}\"}}\n"));
    let body: String = lines.collect();
    std::thread::spawn(move || Http::connect(address).try_post(body));
    // The pipe, its channel and the workers before it are full.
    until("nothing moves", || {
        let before = Http::stats(address)["events_out"].clone();
        std::thread::sleep(Duration::from_millis(100));
        let now = Http::stats(address);
        (now["in_flight"].as_u64() > Some(256) && now["events_out"] == before).then_some(())
    });
    router.terminate();
    let books = router.wait().books();
    drop(held);
    let letters = letters(&folder);
    assert_eq!(books["dead"], letters.len());
    for letter in letters {
        let why = letter["reason"].as_str().unwrap();
        let was_for_all = letter["original"]
            .as_str()
            .and_then(|line| {
                line.strip_prefix("{\"n\":")?
                    .split(',')
                    .next()?
                    .parse()
                    .ok()
            })
            .is_some_and(|n: u64| !n.is_multiple_of(10));
        assert!(!was_for_all || !why.starts_with("sink"), "{letter}");
    }
}

/// Dead letters that nobody takes are lost, which is told, and they hold up neither a stop nor the events that are none.
#[test]
fn stuck_dead_letters_are_lost_and_nothing_else() {
    let folder = folder("stuck-letters");
    let held = hold(&named_pipe(&folder, "pipe"));
    let config = "dead_letters = 'pipe'\ndrain = '200ms'\n[input]\nhttp = '0'\n[sinks.all]\ntype = 'file'\npath = 'all.ndjson'\n[default]\nsinks = ['all']\n";
    let (router, address) = Router::serve(&folder, config);
    let text = "x".repeat(1000);
    let body = format!("{{\"broken\":\"{text}\"\n{{\"sound\":\"{text}\"}}\n").repeat(3000);
    std::thread::spawn(move || Http::connect(address).try_post(body));
    until("the pipe is full", || {
        (Http::stats(address)["in_flight"].as_u64() > Some(200)).then_some(())
    });
    let begun = Instant::now();
    router.terminate();
    let ended = router.wait();
    // The drain, the second after it, and a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let told = "dead letters were lost: the router stopped while a write was stuck\n";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let books = ended.closing();
    let count = |key: &str| books[key].as_u64().unwrap();
    let sound = sorted_lines(&folder.join("all.ndjson"));
    assert_eq!(count("events_out"), sound.len() as u64);
    assert!(sound.iter().all(|line| line.starts_with("{\"sound\"")));
    // Every other line was sound, but for one at the end that may have been cut off.
    assert!(2 * count("events_out") + 2 >= count("events_in"), "{books}");
    assert_eq!(
        count("events_in"),
        count("events_out") + count("dead") + count("lost"),
        "{books}"
    );
    // The pipe is full, so the end waits until it is read.
    let mut end = held.try_clone().unwrap();
    std::thread::spawn(move || end.write_all(b"\nend\n"));
    let letters = BufReader::new(held).lines().map(Result::unwrap);
    let letters = letters.take_while(|line| line != "end");
    let whole = letters.filter(|line| serde_json::from_str::<Value>(line).is_ok());
    assert!(whole.count() as u64 >= count("dead"), "{books}");
}

#[test]
fn a_stuck_sink_that_is_read_again_loses_nothing() {
    let (router, _, mut held) = stuck("unstuck", "30s");
    router.terminate();
    let reader = std::thread::spawn(move || {
        let mut lines = 0;
        let mut piece = [0; 64 << 10];
        // The router opened the pipe as well, so it has no end: it is read until the last line, which is another.
        loop {
            let length = std::io::Read::read(&mut held, &mut piece).unwrap();
            lines += piece[..length]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            if piece[..length].ends_with(b"end\n") {
                return lines - 1;
            }
        }
    });
    let books = router.wait().books();
    let pipe = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("router-unstuck/pipe");
    let mut end = fs::OpenOptions::new().append(true).open(pipe).unwrap();
    end.write_all(b"end\n").unwrap();
    assert_eq!(books["events_out"], reader.join().unwrap());
    assert!(books["events_out"].as_u64() > Some(200));
}

#[test]
fn a_second_signal_ends_the_router_at_once() {
    let (mut router, address, _held) = stuck("impatient", "60s");
    router.terminate();
    until("the router stops to listen", || {
        std::net::TcpStream::connect(address).is_err().then_some(())
    });
    assert!(router.is_running());
    router.terminate();
    assert_eq!(router.wait().code, None, "the signal ended it");
}
