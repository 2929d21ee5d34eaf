//! The sample with broken lines mixed in, rules for it, and what these must make of it: worked out here in another way, line by line.

use std::path::Path;

use serde_json::Value;

use crate::support::{SAMPLE, letters, sorted_lines};

/// Rules whose outcome [`assert_routed`] knows; inputs have to be added before.
pub(crate) const RULES: &str = r#"
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

/// Lines to route.
#[derive(Clone)]
pub(crate) struct Lines {
    pub(crate) text: Vec<u8>,
    /// Numbers of the broken lines, with the beginning of the reason that they are dead for.
    pub(crate) broken: Vec<(u64, &'static str)>,
}

impl Lines {
    /// The sample as it is.
    pub(crate) fn sound() -> Self {
        Self {
            text: SAMPLE.trim_end().into(),
            broken: Vec::new(),
        }
    }

    /// The sample with broken lines mixed in, and with both kinds of line endings.
    pub(crate) fn broken() -> Self {
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
        Self { text, broken }
    }

    /// The lines without their endings.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let text = self.text.strip_suffix(b"\n").unwrap_or(&self.text);
        text.split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lines().count()
    }

    /// How many of them are not broken.
    pub(crate) fn sound_len(&self) -> usize {
        self.len() - self.broken.len()
    }
}

/// Sorted lines of each sink.
#[derive(Default)]
struct Sinks {
    strong: Vec<String>,
    west: Vec<String>,
    rest: Vec<String>,
}

impl Sinks {
    /// Puts `line` where the rules want it.
    fn route(&mut self, line: &str) {
        let event: Value = serde_json::from_str(line).unwrap();
        let properties = &event["properties"];
        let is_strong = properties["mag"].as_f64().unwrap() >= 5.0;
        let is_west = ["ci", "nc"].contains(&properties["net"].as_str().unwrap())
            || properties["place"].as_str().unwrap().ends_with("CA");
        if is_strong {
            self.strong.push(line.to_owned());
        }
        if is_west {
            self.west.push(format!(
                r#"{{"id":{},"properties":{{"mag":{}}},"coast":"west","depth":{}}}"#,
                event["id"], properties["mag"], event["geometry"]["coordinates"][2],
            ));
        }
        if !is_strong && !is_west {
            self.rest.push(line.to_owned());
        }
    }
}

/// Checks sinks, dead letters and books of a router that routed `inputs`, each called by its source.
#[track_caller]
pub(crate) fn assert_routed(folder: &Path, books: &Value, inputs: &[(&str, Lines)]) {
    let mut sinks = Sinks::default();
    let mut dead = Vec::new();
    for (source, lines) in inputs {
        for (number, line) in (1..).zip(lines.lines()) {
            match lines.broken.iter().find(|(broken, _)| *broken == number) {
                Some((_, why)) => dead.push((*source, number, *why, line)),
                None => sinks.route(std::str::from_utf8(line).unwrap()),
            }
        }
    }
    for (name, mut want) in [
        ("strong", sinks.strong),
        ("west", sinks.west),
        ("rest", sinks.rest),
    ] {
        want.sort_unstable();
        let got = sorted_lines(&folder.join(format!("{name}.ndjson")));
        let counts = (got.len(), want.len());
        assert!(got == want, "{name}: lines and expected lines: {counts:?}");
        assert_eq!(books["per_sink"][name], want.len());
    }
    assert_eq!(books["per_sink"]["nothing"], books["per_sink"]["strong"]);
    let lines: usize = inputs.iter().map(|(_, lines)| lines.len()).sum();
    assert_eq!(books["events_in"], lines);
    assert_eq!(books["dead"], dead.len());

    dead.sort_by_key(|(source, number, _, _)| (*source, *number));
    let letters = letters(folder);
    assert_eq!(letters.len(), dead.len());
    for (letter, (source, number, why, original)) in letters.iter().zip(dead) {
        assert_eq!(
            (&letter["source"], &letter["line"]),
            (&source.into(), &number.into())
        );
        assert!(
            letter["reason"].as_str().unwrap().starts_with(why),
            "{letter}"
        );
        assert_eq!(
            letter["original"],
            String::from_utf8_lossy(original).as_ref()
        );
    }
}
