//! What is said about a wrong configuration or command line, and that nothing starts.

use std::fs;

use crate::support::{Http, Router, folder, named_pipe, sorted_lines};

fn refused(test: &str, config: &str, arguments: &[&str]) -> String {
    let folder = folder(test);
    fs::write(folder.join("router.toml"), config).unwrap();
    let ended = Router::start(&folder, arguments).wait();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    ended.stderr
}

#[test]
fn a_mistake_names_file_line_and_field() {
    let config = "[input]\nhttp = \"0\"\n\n[sinks.all]\ntype = \"file\"\npaht = \"x\"\n\n[[rules]]\nwhen = \"event.mag >\"\nsinks = [\"al\"]\n";
    let told = refused("mistakes", config, &["serve", "--config", "router.toml"]);
    for want in [
        "router: router.toml:",
        "router.toml:4: sinks.all.path: missing; write the path of the file",
        "router.toml:6: sinks.all.paht: there is no such field; did you mean `path`?",
        "router.toml:9: rules[0].when: \"event.mag >\" is not a condition: column 12",
        "router.toml:1: default.sinks: missing; write [default] and the sinks for events that no rule matches",
    ] {
        assert!(told.contains(want), "{want}\n{told}");
    }
}

#[test]
fn what_is_no_toml_is_named_with_its_field() {
    let config = "[input]\nhttp = \"0\"\n\n[sinks.all]\ntype = \"file\"\npath = all.ndjson\n";
    let told = refused("no-toml", config, &["serve", "--config", "router.toml"]);
    let want = "router: router.toml:6: sinks.all.path: not TOML: ";
    assert!(told.starts_with(want), "{told}");
    let config = "[[rules]]\nsinks = []\n[[rules]]\nsinks = [\n  \"all\"\n  \"rest\"\n]\n";
    let told = refused("no-toml", config, &["serve", "--config", "router.toml"]);
    assert!(told.contains(": rules[1].sinks: not TOML: "), "{told}");
}

#[test]
fn nothing_to_listen_on_is_a_mistake() {
    let config = "[sinks.all]\ntype = \"null\"\n[default]\nsinks = [\"all\"]\n";
    let told = refused("deaf", config, &["serve", "--config", "router.toml"]);
    assert_eq!(
        told,
        "router: router.toml:1: input: nothing to listen on; write [input] with http = \"8080\" or tcp = \"9000\"\n"
    );
}

#[test]
fn files_that_are_missing_are_named() {
    let told = refused("missing", "", &["none.ndjson"]);
    assert_eq!(
        told,
        "router: none.ndjson: No such file or directory (os error 2)\n"
    );
    let told = refused("missing", "", &["serve", "--config", "none.toml"]);
    assert_eq!(
        told,
        "router: none.toml: No such file or directory (os error 2)\n"
    );
}

#[test]
fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = format!(
        "[input]\nhttp = '{address}'\n[sinks.all]\ntype = 'null'\n[default]\nsinks = ['all']\n"
    );
    let told = refused("in-use", &config, &["serve", "--config", "router.toml"]);
    assert_eq!(
        told,
        format!(
            "router: router.toml:2: input.http: cannot listen on {address}: Address already in use (os error 98); \
            write another port, or end the program that has it\n"
        )
    );
}

#[test]
fn an_address_of_elsewhere_is_named() {
    let config =
        "[input]\ntcp = '192.0.2.1:80'\n[sinks.all]\ntype = 'null'\n[default]\nsinks = ['all']\n";
    let told = refused("elsewhere", config, &["serve", "--config", "router.toml"]);
    assert_eq!(
        told,
        "router: router.toml:2: input.tcp: cannot listen on 192.0.2.1:80: Cannot assign requested address (os error 99); \
        write an address of this machine, or only the port for loopback\n"
    );
}

#[test]
fn a_router_that_cannot_listen_leaves_files_alone() {
    let folder = folder("in-use-already");
    let config = "[input]\nhttp = '0'\n[sinks.all]\ntype = 'file'\npath = 'all.ndjson'\ntruncate = true\n[default]\nsinks = ['all']\n";
    let (first, address) = Router::serve(&folder, config);
    assert_eq!(Http::connect(address).post("{\"n\":1}\n").0, 200);
    let again = config.replace("'0'", &format!("'{address}'"));
    fs::write(folder.join("router.toml"), again).unwrap();
    let second = Router::start(&folder, &["serve", "--config", "router.toml"]).wait();
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    first.terminate();
    assert_eq!(first.wait().books()["events_out"], 1);
    assert_eq!(sorted_lines(&folder.join("all.ndjson")), [r#"{"n":1}"#]);
}

/// Nor does one empty a file that cannot open another one.
#[test]
fn a_router_that_cannot_open_a_sink_leaves_the_others_alone() {
    let folder = folder("one-cannot");
    fs::create_dir(folder.join("other")).unwrap();
    fs::write(folder.join("all.ndjson"), "kept\n").unwrap();
    fs::write(folder.join("a.ndjson"), "{}\n").unwrap();
    let config = "[sinks.all]\ntype = 'file'\npath = 'all.ndjson'\ntruncate = true\n\
        [sinks.other]\ntype = 'file'\npath = 'other'\n[default]\nsinks = ['all', 'other']\n";
    fs::write(folder.join("router.toml"), config).unwrap();
    let arguments = ["a.ndjson", "--config", "router.toml"];
    let ended = Router::start(&folder, &arguments).wait();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let told = "router.toml:7: sinks.other.path: other is a folder";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let kept = fs::read(folder.join("all.ndjson")).unwrap();
    assert_eq!(kept, b"kept\n");
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_whose_name_is_no_text_is_read() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder("no-text");
    let name = std::ffi::OsStr::from_bytes(b"a\xff.ndjson");
    fs::write(folder.join(name), "{\"n\":1}\n").unwrap();
    let ended = Router::start(&folder, &[name, "--json".as_ref()]).wait();
    assert_eq!(ended.books()["events_out"], 1);
}

#[test]
fn a_configuration_that_is_no_text_is_refused_at_its_line() {
    let folder = folder("config-no-text");
    fs::write(folder.join("router.toml"), b"workers = 1\n# caf\xe9\n").unwrap();
    let ended = Router::start(&folder, &["serve", "--config", "router.toml"]).wait();
    let want = "router: router.toml:2: not UTF-8; save the file in that encoding\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), want));
}

#[test]
fn an_unknown_option_is_named() {
    let told = refused("option", "", &["--jsno"]);
    assert_eq!(
        told,
        "router: there is no option --jsno; did you mean --json?\n"
    );
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let rest = "[input]\nhttp = '0'\n[default]\nsinks = ['all']\n";
    let sink = |path| format!("[sinks.all]\ntype = 'file'\npath = '{path}'\n{rest}");
    let letters = format!("dead_letters = '.'\n[sinks.all]\ntype = 'null'\n{rest}");
    for (config, want) in [
        (
            sink("router.toml/a/all.ndjson"),
            "3: sinks.all.path: router.toml/a/all.ndjson: the folder router.toml/a cannot be made: Not a directory (os error 20); \
            write a path in one that exists",
        ),
        (
            sink("."),
            "3: sinks.all.path: . is a folder; write the path of a file in it",
        ),
        (
            sink("all/"),
            "3: sinks.all.path: all/: Is a directory (os error 21); write a path where a file can be",
        ),
        (
            letters,
            "1: dead_letters: . is a folder; write the path of a file in it",
        ),
    ] {
        let told = refused("no-file", &config, &["serve", "--config", "router.toml"]);
        assert_eq!(told, format!("router: router.toml:{want}\n"));
    }
}

/// A default is in no line of the file, and there may be no file.
#[test]
fn a_default_that_cannot_be_opened_is_named() {
    let folder = folder("no-default");
    fs::create_dir(folder.join("dead.ndjson")).unwrap();
    fs::write(folder.join("in.ndjson"), "{}\n").unwrap();
    let ended = Router::start(&folder, &["in.ndjson"]).wait();
    let want = "router: dead_letters: dead.ndjson is a folder; write the path of a file in it\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), want));
}

/// To wait for a reader would hold up the start, and a stop before it.
#[test]
fn a_pipe_that_nobody_reads_is_named() {
    let folder = folder("no-reader");
    named_pipe(&folder, "pipe");
    for (letters, sink, place) in [
        ("pipe", "type = 'null'", "1: dead_letters"),
        (
            "dead.ndjson",
            "type = 'file'\npath = 'pipe'",
            "6: sinks.all.path",
        ),
        (
            "dead.ndjson",
            "type = 'file'\npath = 'pipe'\ntruncate = true",
            "6: sinks.all.path",
        ),
    ] {
        let config = format!(
            "dead_letters = '{letters}'\n[input]\nhttp = '0'\n[sinks.all]\n{sink}\n[default]\nsinks = ['all']\n"
        );
        fs::write(folder.join("router.toml"), config).unwrap();
        let ended = Router::start(&folder, &["serve", "--config", "router.toml"]).wait();
        let want = format!(
            "router: router.toml:{place}: pipe: nobody reads this pipe; start its reader first\n"
        );
        assert_eq!((ended.code, ended.stderr), (Some(1), want));
    }
}

/// It would add lines to it that are no TOML, or empty it.
#[test]
fn the_configuration_is_not_written_to() {
    let sink = "[sinks.all]\ntype = 'file'\npath = './router.toml'\ntruncate = true\n[default]\nsinks = ['all']\n";
    let linked = "[sinks.all]\ntype = 'file'\npath = 'link.toml'\ntruncate = true\n[default]\nsinks = ['all']\n";
    let letters =
        "dead_letters = 'router.toml'\n[sinks.all]\ntype = 'null'\n[default]\nsinks = ['all']\n";
    for (config, want) in [
        (sink, "3: sinks.all.path: ./router.toml"),
        (linked, "3: sinks.all.path: link.toml"),
        (letters, "1: dead_letters: router.toml"),
    ] {
        let folder = folder("itself");
        fs::write(folder.join("router.toml"), config).unwrap();
        fs::hard_link(folder.join("router.toml"), folder.join("link.toml")).unwrap();
        let ended = Router::start(&folder, &["-", "--config", "router.toml"]).wait();
        let want = format!(
            "router: router.toml:{want} is this configuration; write the path of another file\n"
        );
        assert_eq!((ended.code, ended.stderr), (Some(1), want));
        assert_eq!(
            fs::read_to_string(folder.join("router.toml")).unwrap(),
            config
        );
    }
}
