//! Files and standard input: the sinks are compared with the input, line by line.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::sample::{Lines, RULES, assert_routed};
use crate::support::{Ended, Router, SAMPLE, folder, letters, named_pipe, sorted_lines, until};

#[test]
fn sinks_hold_exactly_what_the_rules_say() {
    let folder = folder("files");
    let (a, b, piped) = (Lines::broken(), Lines::sound(), Lines::broken());
    fs::write(folder.join("a.ndjson"), &a.text).unwrap();
    fs::write(folder.join("b.ndjson"), &b.text).unwrap();
    fs::write(folder.join("router.toml"), RULES).unwrap();
    let files = ["a.ndjson", "-", "b.ndjson"];
    let options = ["--config", "router.toml", "--json"];
    let mut router = Router::start(&folder, &[&files[..], &options].concat());
    drop(router.type_in(&piped.text));
    let books = router.wait().books();
    let inputs = [("a.ndjson", a), ("b.ndjson", b), ("stdin", piped)];
    assert_routed(&folder, &books, &inputs);
}

#[test]
fn standard_input_passes_through_without_a_configuration() {
    let folder = folder("stdin");
    let mut router = Router::start(&folder, &["-", "--json"]);
    drop(router.type_in("{\"a\":1}\nnot an event\n  {\"b\": 2.50}"));
    let ended = router.wait();
    let books = ended.books();
    let mut lines: Vec<&str> = ended.stdout.lines().take(2).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["  {\"b\": 2.50}", "{\"a\":1}"]);
    assert_eq!(
        (&books["events_in"], &books["dead"]),
        (&3.into(), &1.into())
    );
    let letters = letters(&folder);
    assert_eq!(
        (&letters[0]["source"], &letters[0]["line"]),
        (&"stdin".into(), &2.into())
    );
    assert!(
        ended
            .stderr
            .contains("events out                         2"),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_input_that_does_not_end_can_be_stopped() {
    let folder = folder("stopped");
    let config = "[sinks.all]\ntype = 'file'\npath = 'all.ndjson'\n[default]\nsinks = ['all']\n";
    fs::write(folder.join("router.toml"), config).unwrap();
    let mut router = Router::start(&folder, &["-", "--config", "router.toml", "--json"]);
    let _open = router.type_in(format!("{SAMPLE}{{\"half\":"));
    let all = folder.join("all.ndjson");
    until("the sample is out", || {
        (sorted_lines(&all).len() == 1707).then_some(())
    });
    router.terminate();
    let books = router.wait().books();
    assert_eq!(
        (&books["events_out"], &books["dead"]),
        (&1707.into(), &1.into())
    );
    assert_eq!(letters(&folder)[0]["original"], "{\"half\":");
}

/// Who started it must know that a part of the file was not read.
#[test]
fn a_file_that_is_not_read_to_its_end_is_a_failure() {
    let folder = folder("unfinished");
    let pipe = named_pipe(&folder, "endless");
    let config = "[sinks.all]\ntype = 'file'\npath = 'all.ndjson'\n[default]\nsinks = ['all']\n";
    fs::write(folder.join("router.toml"), config).unwrap();
    let router = Router::start(&folder, &["endless", "--config", "router.toml", "--json"]);
    let mut open = fs::OpenOptions::new().append(true).open(pipe).unwrap();
    open.write_all(format!("{SAMPLE}{{\"half\":").as_bytes())
        .unwrap();
    let all = folder.join("all.ndjson");
    until("the sample is out", || {
        (sorted_lines(&all).len() == 1707).then_some(())
    });
    router.terminate();
    let ended = router.wait();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let books = ended.closing();
    assert_eq!(
        (&books["events_out"], &books["dead"]),
        (&1707.into(), &1.into())
    );
    let told = "endless: the router stopped before line 1708\n";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

/// A system lets a process have some hundreds of open files, and each reader is a thread.
#[test]
fn there_may_be_more_files_than_can_be_open() {
    let folder = folder("many");
    let config = "[sinks.all]\ntype = 'file'\npath = 'all.ndjson'\n[default]\nsinks = ['all']\n";
    fs::write(folder.join("router.toml"), config).unwrap();
    let mut arguments: Vec<String> = (0..300).map(|n| format!("{n}.ndjson")).collect();
    for (n, file) in arguments.iter().enumerate() {
        fs::write(folder.join(file), format!("{{\"n\":{n}}}\n{{\"m\":{n}}}")).unwrap();
    }
    arguments.extend(["-", "--config", "router.toml", "--json"].map(str::to_owned));
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut router = Router::start_after("ulimit -n 64", &folder, &arguments);
    drop(router.type_in("{}\n"));
    assert_eq!(router.wait().books()["events_out"], 601);
    assert_eq!(sorted_lines(&folder.join("all.ndjson")).len(), 601);
    fs::remove_file(folder.join("all.ndjson")).unwrap();
    // One that is missing is told before anything is read.
    arguments.insert(290, "none.ndjson");
    let ended = Router::start(&folder, &arguments).wait();
    let want = "router: none.ndjson: No such file or directory (os error 2)\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), want));
    assert!(!folder.join("all.ndjson").exists());
}

/// How a router ends that `start` starts in a folder with a long file, and that is told to stop when some of it is out.
fn stopped_early(name: &str, start: impl FnOnce(&Path) -> Router) -> Ended {
    let folder = folder(name);
    let config = "[sinks.all]\ntype = 'file'\npath = 'all.ndjson'\n[default]\nsinks = ['all']\n";
    fs::write(folder.join("router.toml"), config).unwrap();
    fs::write(folder.join("a.ndjson"), SAMPLE.repeat(200)).unwrap();
    let router = start(&folder);
    let all = folder.join("all.ndjson");
    until("lines are out", || {
        fs::metadata(&all)
            .is_ok_and(|all| all.len() > 0)
            .then_some(())
    });
    router.terminate();
    let ended = router.wait();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!(ended.closing()["lost"], 0);
    ended
}

/// All of them are told: those that were begun with their lines, the others with their number.
#[test]
fn files_that_were_not_begun_at_a_stop_are_counted() {
    let files = ["a.ndjson"; 9];
    let arguments = [&files[..], &["--config", "router.toml", "--json"]].concat();
    let ended = stopped_early("not-begun", |folder| Router::start(folder, &arguments));
    let begun = ended
        .stderr
        .matches("a.ndjson: the router stopped before line ");
    let others = ended.stderr.split(", and before ").skip(1);
    let others = others.map(|rest| rest.split_once(" more files").unwrap().0);
    let others: usize = others.map(|number| number.parse::<usize>().unwrap()).sum();
    assert_eq!(begun.count() + others, files.len(), "{}", ended.stderr);
}

/// A file that is standard input has an end, as one that is named.
#[test]
fn a_file_as_standard_input_that_is_not_read_to_its_end_is_told() {
    let arguments = ["-", "--config", "router.toml", "--json"];
    let ended = stopped_early("stdin-stopped", |folder| {
        let stdin = fs::File::open(folder.join("a.ndjson")).unwrap();
        Router::start_reading(stdin, folder, &arguments)
    });
    let told = "stdin: the router stopped before line ";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn the_closing_object_has_exactly_the_documented_keys() {
    let folder = folder("keys");
    fs::write(folder.join("a.ndjson"), "{}\n").unwrap();
    let books = Router::start(&folder, &["a.ndjson", "--json"])
        .wait()
        .books();
    let keys: Vec<&str> = books
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let want = "cpu_s dead events_in events_out lost p50_us p99_us peak_rss_bytes per_sink wall_s";
    assert_eq!(keys.join(" "), want);
    assert_eq!(books["per_sink"], serde_json::json!({ "stdout": 1 }));
    assert!(books["peak_rss_bytes"].as_u64().unwrap() > 0);
}

/// One configuration may serve both, and whoever waits for its port to open learns why it does not.
#[test]
fn inputs_that_are_not_listened_on_are_told() {
    let folder = folder("unused-input");
    fs::write(folder.join("a.ndjson"), "{}\n").unwrap();
    let rest = "[sinks.all]\ntype = 'file'\npath = 'all.ndjson'\n[default]\nsinks = ['all']\n";
    let unused = "router: router.toml: input is not used, because files are routed; `router serve --config router.toml` listens\n";
    for (input, told) in [("http = '0'", unused), ("tcp = '0'", unused), ("", "")] {
        fs::write(
            folder.join("router.toml"),
            format!("[input]\n{input}\n{rest}"),
        )
        .unwrap();
        let ended =
            Router::start(&folder, &["a.ndjson", "--config", "router.toml", "--json"]).wait();
        assert_eq!(ended.books()["events_out"], 1);
        assert_eq!(ended.stderr, told, "{input}");
    }
}

#[test]
fn added_values_are_what_the_configuration_says() {
    let folder = folder("added");
    fs::write(folder.join("a.ndjson"), "{}\n").unwrap();
    let config = "[sinks.all]\ntype = 'file'\npath = 'all.ndjson'\n[default]\nsinks = ['all']\nadd = { a = 1.5, b = 1_0.5e2, c = [1, 2.5], d = { e = 0x7, f = true }, g = 18446744073709551615, h = 1979-05-27 }\n";
    fs::write(folder.join("router.toml"), config).unwrap();
    let ended = Router::start(&folder, &["a.ndjson", "--config", "router.toml", "--json"]).wait();
    ended.books();
    let written = fs::read_to_string(folder.join("all.ndjson")).unwrap();
    assert_eq!(
        written,
        "{\"a\":1.5,\"b\":1050.0,\"c\":[1,2.5],\"d\":{\"e\":7,\"f\":true},\"g\":18446744073709551615,\"h\":\"1979-05-27\"}\n"
    );
}

/// Several workers may change the order of batches, one does not: as `--help` says.
#[test]
fn one_worker_keeps_the_order_of_an_input() {
    let folder = folder("order");
    let config = "workers = 1\n[sinks.all]\ntype = 'file'\npath = 'all.ndjson'\n[default]\nsinks = ['all']\n";
    fs::write(folder.join("router.toml"), config).unwrap();
    let lines: String = (0..20_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    fs::write(folder.join("a.ndjson"), &lines).unwrap();
    let arguments = ["a.ndjson", "--config", "router.toml", "--json"];
    Router::start(&folder, &arguments).wait().books();
    let out = fs::read_to_string(folder.join("all.ndjson")).unwrap();
    assert!(out == lines, "the order has changed");
    let help = Router::start(&folder, &["--help"]).wait().stdout;
    assert!(help.contains("`workers = 1` keeps the order"), "{help}");
}
