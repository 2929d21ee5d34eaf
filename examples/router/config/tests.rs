//! Mistakes in a configuration, and what is said about them.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Config, SinkKind, Written};
use crate::cli::HELP;

/// Parses `source` between the least that a configuration needs.
fn mistakes(source: &str) -> String {
    let rest = "[sinks.all]\ntype = 'null'\n[default]\nsinks = ['all']\n";
    Config::parse("r.toml", &format!("{source}\n{rest}")).expect_err(source)
}

#[test]
fn the_demo_is_a_valid_configuration() {
    let config = Config::parse("demo.toml", include_str!("../data/demo.toml")).unwrap();
    assert_eq!(config.http.unwrap().value.port(), 8080);
    assert!(config.tcp.unwrap().value.ip().is_loopback());
    assert_eq!(config.sinks.len(), 5);
}

/// A sink of each kind that has defaults, and nothing else that may be left out.
const LEAST: &str = "[sinks.a]\ntype = 'file'\npath = 'a.ndjson'\n[sinks.b]\ntype = 'webhook'\nurl = 'http://localhost:9100/'\n\
    [[rules]]\nwhen = 'true'\nsinks = ['a']\n[default]\nsinks = ['b']";

/// The fields of the table in the module's documentation that have a default there, with it.
fn documented() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for row in include_str!("mod.rs").lines() {
        let Some(row) = row.strip_prefix("//! | `") else {
            continue;
        };
        let [fields, defaults, ..] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        // `input.http`, `input.tcp` have one for both.
        let mut defaults: Vec<&str> = defaults.split(',').map(str::trim).collect();
        let fields: Vec<&str> = fields.split(", ").collect();
        defaults.resize(fields.len(), defaults[0]);
        let table = fields[0].trim_matches('`').rsplit_once('.');
        for (field, default) in fields.iter().zip(defaults) {
            let field = field.trim_matches('`');
            let field = match (field.strip_prefix('.'), table) {
                (Some(field), Some((table, _))) => format!("{table}.{field}"),
                _ => field.to_owned(),
            };
            if !default.is_empty() {
                all.push((field, default.trim_matches('`').to_owned()));
            }
        }
    }
    all
}

/// What `config` has in `field`, written as the documentation does.
fn in_words(config: &Config, field: &str) -> String {
    let SinkKind::File { truncate, .. } = config.sinks[0].kind else {
        panic!("{:?}", config.sinks)
    };
    let SinkKind::Webhook(webhook) = &config.sinks[1].kind else {
        panic!("{:?}", config.sinks)
    };
    let address = |address: &Option<Written<SocketAddr>>| {
        let address = address.as_ref();
        address.map_or("none".to_owned(), |address| address.value.to_string())
    };
    let limits = config.limits;
    match field {
        "workers" if config.workers == std::thread::available_parallelism().unwrap().get() => {
            "one for each CPU".to_owned()
        }
        "workers" => config.workers.to_string(),
        "dead_letters" => config.dead_letters.value.display().to_string(),
        "drain" => format!("{:?}", config.drain),
        "input.http" => address(&config.http),
        "input.tcp" => address(&config.tcp),
        "limits.line_bytes" => limits.line_bytes.to_string(),
        "limits.body_bytes" => limits.body_bytes.to_string(),
        "limits.rule_bytes" => limits.rule_bytes.to_string(),
        "limits.connections" => limits.connections.to_string(),
        "limits.client_timeout" => format!("{:?}", limits.client_timeout),
        "sinks.NAME.truncate" => truncate.to_string(),
        "sinks.NAME.attempts" => webhook.attempts.to_string(),
        "sinks.NAME.backoff" => format!("{:?}", webhook.backoff),
        "sinks.NAME.max_backoff" => format!("{:?}", webhook.max_backoff),
        "sinks.NAME.timeout" => format!("{:?}", webhook.timeout),
        "sinks.NAME.parallel" => webhook.parallel.to_string(),
        // What they are for an event, dead letters and sinks show.
        "rules[].name" => "its number".to_owned(),
        "rules[].keep" => "all".to_owned(),
        "rules[].add" => "none".to_owned(),
        _ => panic!("no default is known for {field}"),
    }
}

#[test]
fn every_default_is_the_documented_one() {
    let config = Config::parse("r.toml", LEAST).unwrap();
    let documented = documented();
    assert_eq!(documented.len(), 19, "{documented:?}");
    for (field, default) in documented {
        assert_eq!(in_words(&config, &field), default, "{field}");
    }
}

/// A user may write what the help shows, and it is all that may be left out but rules and inputs.
#[test]
fn the_help_shows_each_default() {
    let (_, rest) = HELP.split_once("What may be left out").unwrap();
    let block: String = rest
        .lines()
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .map(|line| format!("{}\n", line.trim_start()))
        .collect();
    let source = format!("{block}[default]\nsinks = ['a', 'b']");
    let config = Config::parse("help", &source).unwrap();
    for (field, default) in documented() {
        assert_eq!(in_words(&config, &field), default, "{field}");
        let (table, name) = field.rsplit_once('.').unwrap_or(("", &field));
        let is_shown = block
            .lines()
            .any(|line| line.starts_with(&format!("{name} = ")));
        assert!(
            is_shown || ["input", "rules[]"].contains(&table) || name == "workers",
            "{field}"
        );
    }
}

#[test]
fn the_first_pause_is_not_longer_than_the_longest() {
    let source = "[sinks.a]\ntype = 'webhook'\nurl = 'http://h/'\nmax_backoff = '50ms'\n[default]\nsinks = ['a']";
    let config = Config::parse("r.toml", source).unwrap();
    let SinkKind::Webhook(webhook) = &config.sinks[0].kind else {
        panic!()
    };
    assert_eq!(webhook.backoff, Duration::from_millis(50));
}

#[test]
fn a_mistake_names_file_line_and_field() {
    for (source, want) in [
        (
            "\nworkrs = 2",
            "r.toml:2: workrs: there is no such field; did you mean `workers`?",
        ),
        (
            "workers = 0",
            "r.toml:1: workers: is 0; write a whole number from 1 to 256",
        ),
        (
            "workers = 'two'",
            "r.toml:1: workers: is \"two\"; write a whole number from 1 to 256",
        ),
        (
            "drain = '5'",
            "r.toml:1: drain: is \"5\"; write a time such as \"500ms\", \"10s\" or \"2m\"",
        ),
        (
            "a = = 1",
            "r.toml:1: a: not TOML: extra `=`, expected nothing",
        ),
        (
            "[input]\nhttp = 'nowhere'",
            "r.toml:2: input.http: \"nowhere\" is not an address; write \"127.0.0.1:8080\", or \"8080\" for that port on loopback",
        ),
        (
            "[sinks.x]\ntype = 'fiel'",
            "r.toml:2: sinks.x.type: there is no sink of type \"fiel\"; did you mean \"file\"?",
        ),
        (
            "[sinks.x]\ntype = 'file'",
            "r.toml:1: sinks.x.path: missing; write the path of the file",
        ),
        (
            "[sinks.x]\ntype = 'webhook'\nurl = 'https://h/'",
            "r.toml:3: sinks.x.url: \"https://h/\" is not a URL of this kind; write \"http://host:port/path\"",
        ),
        (
            "[sinks.x]\ntype = 'file'\npath = 'dead.ndjson'",
            "r.toml:1: sinks.x: dead letters are written to dead.ndjson; give each a file",
        ),
        (
            "[[rules]]\nwhen = 'true'\nsinks = ['al']",
            "r.toml:3: rules[0].sinks[0]: there is no sink `al`; did you mean `all`?",
        ),
        (
            "[[rules]]\nsinks = ['all']",
            "r.toml:1: rules[0].when: missing; write a condition, such as \"event.properties.mag >= 5.0\"",
        ),
        (
            "[[rules]]\nwhen = 'mag > 5'\nsinks = ['all']",
            "r.toml:2: rules[0].when: \"mag > 5\" is not a condition: nothing is called `mag`; a field of the event is `event.mag`",
        ),
        (
            "[[rules]]\nwhen = 'true'\nsinks = ['all']\nadd = { x = { cel = '1 +' } }",
            "r.toml:4: rules[0].add.x: \"1 +\" is not an expression: column 4: mismatched input '<EOF>'",
        ),
        (
            "[[rules]]\nwhen = 'true'\nsinks = ['all']\nkeep = ['a..b']",
            "r.toml:4: rules[0].keep[0]: `a..b` is not a path; write names with a dot between them",
        ),
    ] {
        assert_eq!(mistakes(source), want, "{source}");
    }
}

#[test]
fn room_for_what_rules_read_has_a_range() {
    assert_eq!(
        mistakes("[limits]\nrule_bytes = 1000"),
        "r.toml:2: limits.rule_bytes: is 1000; write a whole number from 1048576 to 2147483647"
    );
}

#[test]
fn a_constant_regular_expression_that_is_wrong_is_a_mistake() {
    for (source, want) in [
        (
            "[[rules]]\nwhen = 'event.type.matches(\"(\")'\nsinks = ['all']",
            "r.toml:2: rules[0].when: \"event.type.matches(\"(\")\" is not a condition: \"(\" is not a regular expression: unclosed group",
        ),
        (
            "[[rules]]\nwhen = 'true'\nsinks = ['all']\nadd = { x = { cel = 'matches(event.a, \"[a\")' } }",
            "r.toml:4: rules[0].add.x: \"matches(event.a, \"[a\")\" is not an expression: \"[a\" is not a regular expression: unclosed character class",
        ),
    ] {
        assert_eq!(mistakes(source), want, "{source}");
    }
}

#[test]
fn a_constant_that_fails_for_each_event_is_a_mistake() {
    for (source, want) in [
        (
            "[[rules]]\nwhen = '1'\nsinks = ['all']",
            "r.toml:2: rules[0].when: \"1\" is not a condition: gives int, not true or false",
        ),
        (
            "[[rules]]\nwhen = 'true'\nsinks = ['all']\nadd = { x = { cel = '1 / 0' } }",
            "r.toml:4: rules[0].add.x: \"1 / 0\" is not an expression: Division by zero of Int(1)",
        ),
    ] {
        assert_eq!(mistakes(source), want, "{source}");
    }
}

/// A rule that names it is no second one.
#[test]
fn a_sink_with_a_mistake_is_one_mistake() {
    for (sink, want) in [
        (
            "[sinks]\nx = 'file'",
            "r.toml:2: sinks.x: is \"file\"; write a table",
        ),
        (
            "[sinks.x]\ntype = 'fiel'",
            "r.toml:2: sinks.x.type: there is no sink of type \"fiel\"; did you mean \"file\"?",
        ),
    ] {
        let source = format!("{sink}\n[[rules]]\nwhen = 'true'\nsinks = ['x']");
        assert_eq!(mistakes(&source), want, "{source}");
    }
}

#[test]
fn a_value_that_cannot_be_meant_is_a_mistake() {
    for (source, want) in [
        (
            "drain = '18446744073709551615s'",
            "r.toml:1: drain: is too long; write at most \"24h\"",
        ),
        (
            "[limits]\nclient_timeout = '0ms'",
            "r.toml:2: limits.client_timeout: is zero, which nobody could meet; write at least \"1ms\"",
        ),
        (
            "[sinks.x]\ntype = 'webhook'\nurl = 'http://h:99999/'",
            "r.toml:3: sinks.x.url: \"http://h:99999/\" is not a URL of this kind; write \"http://host:port/path\"",
        ),
        (
            "[sinks.x]\ntype = 'webhook'\nurl = 'http://h/'\nbackoff = '10s'\nmax_backoff = '1s'",
            "r.toml:4: sinks.x.backoff: is longer than max_backoff, which is 1s; write at most that, or a longer max_backoff",
        ),
        (
            "[sinks.x]\ntype = 'webhook'\nurl = 'http://h/'\nbackoff = '6s'",
            "r.toml:4: sinks.x.backoff: is longer than max_backoff, which is 5s; write at most that, or a longer max_backoff",
        ),
        (
            "[sinks.x]\ntype = 'webhook'\nurl = 'http://me:secret@h/'",
            "r.toml:3: sinks.x.url: \"http://me:secret@h/\" is not a URL of this kind; write \"http://host:port/path\"",
        ),
        (
            "[sinks.x]\ntype = 'file'\npath = 'x'\n[sinks.y]\ntype = 'file'\npath = './y'\n[sinks.z]\ntype = 'file'\npath = 'y'",
            "r.toml:7: sinks.z: sink `y` writes to y too; give each a file",
        ),
        (
            "[sinks.x]\ntype = 'file'\npath = './dead.ndjson'",
            "r.toml:1: sinks.x: dead letters are written to ./dead.ndjson; give each a file",
        ),
        (
            "[[rules]]\nwhen = 'true'\nsinks = ['all']\nadd = { x = { cel = 5 } }",
            "r.toml:4: rules[0].add.x: is computed by the text of `cel` alone; write { cel = \"…\" }",
        ),
        (
            "[[rules]]\nwhen = 'true'\nsinks = ['all']\nadd = { x = { cel = '1', y = 2 } }",
            "r.toml:4: rules[0].add.x: is computed by the text of `cel` alone; write { cel = \"…\" }",
        ),
        (
            "[[rules]]\nwhen = 'true'\nsinks = ['all']\nadd = { x = [1.5, -inf] }",
            "r.toml:4: rules[0].add.x: JSON has no number -inf; write it as a text",
        ),
        (
            "[[rules]]\nwhen = 'true'\nsinks = ['all']\nadd = { x = 18446744073709551616 }",
            "r.toml:4: rules[0].add.x: 18446744073709551616 does not fit into 64 bits; write it as a text",
        ),
    ] {
        assert_eq!(mistakes(source), want, "{source}");
    }
}

#[test]
fn a_path_that_no_file_can_have_is_a_mistake() {
    for (source, want) in [
        (
            "dead_letters = ''",
            "r.toml:1: dead_letters: is empty; write the path of the file",
        ),
        (
            "[sinks.x]\ntype = 'file'\npath = ''",
            "r.toml:3: sinks.x.path: is empty; write the path of the file",
        ),
        (
            "dead_letters = ''\n[sinks.x]\ntype = 'file'\npath = ''",
            "r.toml:1: dead_letters: is empty; write the path of the file\n\
            r.toml:4: sinks.x.path: is empty; write the path of the file",
        ),
        (
            "[sinks.x]\ntype = 'file'\npath = \"a\\u0000b\"",
            "r.toml:3: sinks.x.path: has a character NUL, which no path may; remove it",
        ),
    ] {
        assert_eq!(mistakes(source), want, "{source}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_order() {
    let told = mistakes(
        "drain = 1\n[limits]\nline_bytes = -1\nbodybytes = 3\n[[rules]]\nwhen = 1\nsinks = 'all'",
    );
    let lines: Vec<&str> = told
        .lines()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        lines,
        ["r.toml:1", "r.toml:3", "r.toml:4", "r.toml:6", "r.toml:7"],
        "{told}"
    );
}

#[test]
fn sinks_and_default_are_required() {
    let told = Config::parse("r.toml", "").unwrap_err();
    assert_eq!(
        told,
        "r.toml:1: sinks: missing; write a table [sinks.NAME] for each sink\n\
         r.toml:1: default.sinks: missing; write [default] and the sinks for events that no rule matches"
    );
}
