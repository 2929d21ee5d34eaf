//! Files that would be used twice: what is refused, before anything is written, and what is not.

use std::fs::{self, File, OpenOptions};
use std::path::Path;

use crate::support::{Router, folder, named_pipe, sorted_lines};

const ALL: &str = "[sinks.all]\ntype = 'file'\npath = 'all.ndjson'\n[default]\nsinks = ['all']\n";
const EVENT: &str = "{\"n\":1}\n";

/// Writes a configuration with a sink to `all.ndjson`, and that file with an event in it.
fn prepare(folder: &Path, config: &str) {
    fs::write(folder.join("router.toml"), config).unwrap();
    fs::write(folder.join("all.ndjson"), EVENT).unwrap();
}

#[track_caller]
fn refused(router: Router, want: &str) {
    let ended = router.wait();
    let want = format!("router: {want}\n");
    assert_eq!((ended.code, ended.stderr), (Some(1), want));
}

#[test]
fn a_stream_has_one_reader() {
    let folder = folder("one-reader");
    let pipe = named_pipe(&folder, "pipe");
    fs::write(folder.join("a.ndjson"), EVENT).unwrap();
    // Whoever opens a pipe waits for the other side.
    let open = || OpenOptions::new().read(true).write(true).open(&pipe);
    let held = open().unwrap();
    for (files, want) in [
        (
            ["-", "-"],
            "stdin: it is named twice, and can be read once; name it once",
        ),
        (
            ["pipe", "pipe"],
            "pipe: it is named twice, and can be read once; name it once",
        ),
        (
            ["pipe", "./pipe"],
            "./pipe: it is pipe too, and can be read once; name one of them",
        ),
        (
            ["-", "pipe"],
            "pipe: it is stdin too, and can be read once; name one of them",
        ),
    ] {
        refused(
            Router::start_reading(open().unwrap(), &folder, &files),
            want,
        );
    }
    // Two readers with one descriptor have one place in the file.
    let file = File::open(folder.join("a.ndjson")).unwrap();
    let want = "stdin: it is named twice, and can be read once; name it once";
    refused(Router::start_reading(file, &folder, &["-", "-"]), want);
    drop(held);
}

#[test]
fn a_file_that_is_named_twice_is_read_twice() {
    let folder = folder("read-twice");
    prepare(&folder, ALL);
    fs::rename(folder.join("all.ndjson"), folder.join("a.ndjson")).unwrap();
    let file = File::open(folder.join("a.ndjson")).unwrap();
    let arguments = [
        "a.ndjson",
        "-",
        "./a.ndjson",
        "--config",
        "router.toml",
        "--json",
    ];
    let router = Router::start_reading(file, &folder, &arguments);
    assert_eq!(router.wait().books()["events_out"], 3);
    assert_eq!(sorted_lines(&folder.join("all.ndjson")).len(), 3);
}

/// It would read what it wrote, for ever.
#[test]
fn a_file_is_not_read_and_written() {
    let folder = folder("same");
    prepare(
        &folder,
        &ALL.replace("path = '", "truncate = true\npath = './"),
    );
    fs::hard_link(folder.join("all.ndjson"), folder.join("link.ndjson")).unwrap();
    for file in ["all.ndjson", "link.ndjson"] {
        let want = format!(
            "router.toml:4: sinks.all.path: ./all.ndjson is the input {file}; write the path of another file"
        );
        refused(
            Router::start(&folder, &[file, "--config", "router.toml"]),
            &want,
        );
    }
    let all = File::open(folder.join("all.ndjson")).unwrap();
    let want = "router.toml:4: sinks.all.path: ./all.ndjson is the input stdin; write the path of another file";
    refused(
        Router::start_reading(all, &folder, &["-", "--config", "router.toml"]),
        want,
    );
    assert_eq!(
        fs::read_to_string(folder.join("all.ndjson")).unwrap(),
        EVENT
    );
}

#[test]
fn dead_letters_are_not_written_to_an_input() {
    let folder = folder("same-dead");
    fs::write(folder.join("dead.ndjson"), EVENT).unwrap();
    let want = "dead_letters: dead.ndjson is the input dead.ndjson; write the path of another file";
    refused(Router::start(&folder, &["dead.ndjson"]), want);
}

#[test]
fn standard_output_is_no_input() {
    let folder = folder("same-stdout");
    fs::write(folder.join("a.ndjson"), EVENT).unwrap();
    for (setup, file, name) in [
        ("exec >>a.ndjson", "a.ndjson", "a.ndjson"),
        ("exec <a.ndjson >>a.ndjson", "-", "stdin"),
    ] {
        let want = format!(
            "{name}: standard output goes there, and never ends; read and write different files"
        );
        refused(Router::start_after(setup, &folder, &[file]), &want);
    }
    assert_eq!(fs::read_to_string(folder.join("a.ndjson")).unwrap(), EVENT);
}

/// The table at the end would overwrite the first lines of the sink.
#[test]
fn standard_output_is_no_file_of_a_sink() {
    let folder = folder("stdout-sink");
    prepare(&folder, ALL);
    fs::write(folder.join("a.ndjson"), EVENT).unwrap();
    let want = "router.toml:3: sinks.all.path: all.ndjson is where standard output goes; write the path of another file";
    let arguments = ["a.ndjson", "--config", "router.toml"];
    refused(
        Router::start_after("exec >all.ndjson", &folder, &arguments),
        want,
    );
    // Two writers of one pipe tear lines if both write events.
    let both = "[sinks.out]\ntype = 'stdout'\n[sinks.all]\ntype = 'file'\npath = '/dev/stdout'\n[default]\nsinks = ['all', 'out']\n";
    fs::write(folder.join("router.toml"), both).unwrap();
    let want = "router.toml:5: sinks.all.path: /dev/stdout is where standard output goes; write the path of another file";
    refused(Router::start(&folder, &arguments), want);
    fs::write(
        folder.join("router.toml"),
        ALL.replace("all.ndjson", "/dev/stdout"),
    )
    .unwrap();
    let ended = Router::start(&folder, &[&arguments[..], &["--json"]].concat()).wait();
    assert_eq!(ended.books()["events_out"], 1);
    assert!(ended.stdout.starts_with(EVENT), "{}", ended.stdout);
}

#[test]
fn two_sinks_have_two_files() {
    let folder = folder("two-sinks");
    prepare(
        &folder,
        "[input]\nhttp = '0'\n[sinks.a]\ntype = 'file'\npath = 'all.ndjson'\n\
        [sinks.b]\ntype = 'file'\npath = 'link.ndjson'\n[default]\nsinks = ['a', 'b']\n",
    );
    fs::hard_link(folder.join("all.ndjson"), folder.join("link.ndjson")).unwrap();
    let want = "router.toml:8: sinks.b.path: link.ndjson is the file all.ndjson too; write the path of another file";
    refused(
        Router::start(&folder, &["serve", "--config", "router.toml"]),
        want,
    );
}

#[test]
fn a_device_that_gives_nothing_back_is_read_and_written() {
    let folder = folder("device");
    fs::write(
        folder.join("router.toml"),
        ALL.replace("all.ndjson", "/dev/null"),
    )
    .unwrap();
    let null = File::open("/dev/null").unwrap();
    let arguments = ["-", "--config", "router.toml", "--json"];
    let router = Router::start_reading(null, &folder, &arguments);
    assert_eq!(router.wait().books()["events_in"], 0);
}
