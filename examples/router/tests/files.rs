//! Files and standard input: the sinks are compared with the input, line by line.

use std::fs;

use serde_json::Value;

use crate::support::{Router, SAMPLE, folder, letters, sorted_lines, until};

const CONFIG: &str = r#"
dead_letters = "dead.ndjson"
[sinks.strong]
type = "file"
path = "strong.ndjson"
[sinks.west]
type = "file"
path = "west.ndjson"
[sinks.rest]
type = "file"
path = "rest.ndjson"
[sinks.nothing]
type = "null"
[[rules]]
name = "strong"
when = "event.properties.mag >= 5.0"
sinks = ["strong", "nothing"]
[[rules]]
name = "west"
when = "event.properties.net in ['ci', 'nc'] || event.properties.place.endsWith('CA')"
sinks = ["west"]
keep = ["id", "properties.mag"]
add = { coast = "west", depth = { cel = "event.geometry.coordinates[2]" } }
[default]
sinks = ["rest"]
"#;

/// The sample with broken lines mixed in, and which lines these are.
fn broken_sample() -> (Vec<u8>, Vec<(u64, &'static str)>) {
    let mut text = Vec::new();
    let mut broken = Vec::new();
    for (i, line) in SAMPLE.lines().enumerate() {
        let number = i as u64 + 1;
        let (bytes, why): (Vec<u8>, _) = match i % 50 {
            7 => (
                line.as_bytes()[..line.len() / 2].to_vec(),
                "not JSON: EOF while parsing",
            ),
            14 => (b"".to_vec(), "empty line"),
            21 => (b"plain text".to_vec(), "not JSON: expected"),
            28 => (
                [line.as_bytes(), b"}"].concat(),
                "not JSON: trailing characters",
            ),
            35 => (b"[1,2,3]".to_vec(), "not a JSON object"),
            42 => (
                b"{\"id\":\"\xff\xfe\"}".to_vec(),
                "not UTF-8: invalid after byte 7",
            ),
            49 => (
                line.replace("\"mag\"", "\"gam\"").into_bytes(),
                "rule `strong`: No such key: mag",
            ),
            _ => (line.as_bytes().to_vec(), ""),
        };
        text.extend_from_slice(&bytes);
        text.extend_from_slice(if i % 3 == 0 { b"\r\n" } else { b"\n" });
        if !why.is_empty() {
            broken.push((number, why));
        }
    }
    (text, broken)
}

#[test]
fn sinks_hold_exactly_what_the_rules_say() {
    let folder = folder("files");
    let (text, broken) = broken_sample();
    fs::write(folder.join("a.ndjson"), &text).unwrap();
    fs::write(folder.join("b.ndjson"), SAMPLE.trim_end()).unwrap();
    fs::write(folder.join("router.toml"), CONFIG).unwrap();
    let router = Router::start(
        &folder,
        &["a.ndjson", "b.ndjson", "--config", "router.toml", "--json"],
    );
    let books = router.wait().books();

    let (mut strong, mut west, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    let is_sound = |i: usize| broken.iter().all(|(number, _)| *number != i as u64 + 1);
    let sound = SAMPLE
        .lines()
        .enumerate()
        .filter(|(i, _)| is_sound(*i))
        .map(|(_, line)| line);
    for line in sound.chain(SAMPLE.lines()) {
        let event: Value = serde_json::from_str(line).unwrap();
        let properties = &event["properties"];
        let is_strong = properties["mag"].as_f64().unwrap() >= 5.0;
        let is_west = ["ci", "nc"].contains(&properties["net"].as_str().unwrap())
            || properties["place"].as_str().unwrap().ends_with("CA");
        if is_strong {
            strong.push(line.to_owned());
        }
        if is_west {
            let number = |value: &Value| value.to_string();
            west.push(format!(
                r#"{{"id":{},"properties":{{"mag":{}}},"coast":"west","depth":{}}}"#,
                event["id"],
                number(&properties["mag"]),
                number(&event["geometry"]["coordinates"][2]),
            ));
        }
        if !is_strong && !is_west {
            rest.push(line.to_owned());
        }
    }
    for (name, mut want) in [("strong", strong), ("west", west), ("rest", rest)] {
        want.sort_unstable();
        let got = sorted_lines(&folder.join(format!("{name}.ndjson")));
        assert!(
            got == want,
            "{name}: {} lines, not {}",
            got.len(),
            want.len()
        );
        assert_eq!(books["per_sink"][name], want.len());
    }
    assert_eq!(books["per_sink"]["nothing"], books["per_sink"]["strong"]);
    assert_eq!(books["events_in"], 2 * SAMPLE.lines().count());
    assert_eq!(books["dead"], broken.len());

    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let letters = letters(&folder);
    assert_eq!(letters.len(), broken.len());
    for (letter, (number, why)) in letters.iter().zip(broken) {
        assert_eq!(letter["source"], "a.ndjson");
        assert_eq!(letter["line"], number);
        assert!(
            letter["reason"].as_str().unwrap().starts_with(why),
            "{letter}"
        );
        let original = lines[usize::try_from(number).unwrap() - 1].trim_ascii_end();
        assert_eq!(
            letter["original"],
            String::from_utf8_lossy(original).as_ref()
        );
    }
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
    let _open = router.type_in(&format!("{SAMPLE}{{\"half\":"));
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

/// Dead letters that cannot be written are lost, and the exit code says so.
#[test]
fn a_lost_event_shows_in_the_exit_code() {
    let folder = folder("lost");
    fs::write(folder.join("a.ndjson"), "{}\noops\n").unwrap();
    let config =
        "dead_letters = '/dev/full'\n[sinks.none]\ntype = 'null'\n[default]\nsinks = ['none']\n";
    fs::write(folder.join("router.toml"), config).unwrap();
    let ended = Router::start(&folder, &["a.ndjson", "--config", "router.toml", "--json"]).wait();
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    let books: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&books["events_in"], &books["events_out"], &books["lost"]),
        (&2.into(), &1.into(), &1.into())
    );
    assert!(
        ended.stderr.contains("1 dead letters could not be written"),
        "{}",
        ended.stderr
    );
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
