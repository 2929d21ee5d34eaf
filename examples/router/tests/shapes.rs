//! Events of many shapes, most of them nothing like an earthquake, and what must become of each: worked out by how it was made.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::letters;

/// Sinks and rules; an `[input]` has to be added for `serve`.
pub(crate) const CONFIG: &str = r#"
[sinks.even]
type = "file"
path = "even.ndjson"
[sinks.rest]
type = "file"
path = "rest.ndjson"
[[rules]]
when = "has(event.n) && event.n % 2 == 0"
sinks = ["even"]
[default]
sinks = ["rest"]
"#;

/// Where a line belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Even,
    Rest,
    Dead,
}

/// Line `number` of all that are sent, without its ending, and its place. No two are equal.
pub(crate) fn line(number: u64) -> (String, Place) {
    let parity = if number.is_multiple_of(2) {
        Place::Even
    } else {
        Place::Rest
    };
    let n = number;
    match number % 13 {
        0 => (format!("{{\"n\":{n}}}"), parity),
        1 => (format!(" {{ \"n\" : {n} , \"x\":1.50 }}  "), parity),
        2 => (
            format!("{{\"deep\":{{\"a\":[{{\"b\":[[[[]]]]}},{{}}]}},\"n\":{n},\"m\":{{\"n\":0}}}}"),
            parity,
        ),
        3 => (
            format!("{{\"text\":\"żółć 日本語 🦀 \\u00e9\\ud83e\\udd80 \\n\",\"id\":{n}}}"),
            Place::Rest,
        ),
        4 => (
            format!("{{\"big\":{n}12345678901234567890.1e200,\"small\":-0e-0}}"),
            Place::Rest,
        ),
        5 => (format!("{{\"a\":1,\"a\":{n},\"a\":2}}"), Place::Rest),
        6 => (
            format!("{{\"\":{n},\"none\":null,\"empty\":{{}},\"list\":[]}}"),
            Place::Rest,
        ),
        7 => (format!("{{\"n\":{n},"), Place::Dead),
        8 => (format!("[{n},{{\"n\":2}}]"), Place::Dead),
        9 => (format!("\"text {n}\""), Place::Dead),
        10 => (format!("{{\"n\":null,\"id\":{n}}}"), Place::Dead),
        11 => (format!("{{\"n\":{n}}} and more"), Place::Dead),
        _ => (
            format!(
                "{{\"id\":{n},\"pad\":\"{}\"}}",
                "x".repeat((n % 700) as usize)
            ),
            Place::Rest,
        ),
    }
}

/// Lines `numbers`, each with an ending, some of them with a carriage return.
pub(crate) fn text(numbers: std::ops::Range<u64>) -> String {
    let mut text = String::new();
    for number in numbers {
        text += &line(number).0;
        text += if number.is_multiple_of(3) {
            "\r\n"
        } else {
            "\n"
        };
    }
    text
}

/// What the router made of the lines that it was sent.
pub(crate) struct Outcome {
    /// Every line that ended as one, with its place.
    places: BTreeMap<String, Place>,
    /// The originals of letters for lines that a stop cut in two, or that came too late for the rules.
    pub(crate) cut: Vec<Vec<u8>>,
}

impl Outcome {
    /// Reads what is in `folder`, and checks it against `books`: no line is there twice, and each that was not stopped is in its place.
    pub(crate) fn read(folder: &Path, books: &Value, sent: &BTreeMap<String, Place>) -> Self {
        let mut outcome = Self {
            places: BTreeMap::new(),
            cut: Vec::new(),
        };
        for (name, place) in [("even", Place::Even), ("rest", Place::Rest)] {
            let text = fs::read_to_string(folder.join(format!("{name}.ndjson"))).unwrap();
            assert!(
                text.is_empty() || text.ends_with('\n'),
                "a torn line in {name}"
            );
            assert_eq!(books["per_sink"][name], text.lines().count());
            for line in text.lines() {
                assert_eq!(sent.get(line), Some(&place), "in {name}: {line}");
                outcome.put(line, place);
            }
        }
        assert_eq!(books["events_out"], outcome.places.len());
        let letters = letters(folder);
        assert_eq!(books["dead"], letters.len());
        for letter in letters {
            let original = letter["original"].as_str().unwrap();
            let reason = letter["reason"].as_str().unwrap();
            if reason.contains("router") || reason.contains("broke off") {
                outcome.cut.push(bytes(&letter));
            } else {
                assert_eq!(sent.get(original), Some(&Place::Dead), "{letter}");
                outcome.put(original, Place::Dead);
            }
        }
        outcome
    }

    fn put(&mut self, line: &str, place: Place) {
        let before = self.places.insert(line.to_owned(), place);
        assert_eq!(before, None, "twice: {line}");
    }

    /// Whether this line, without its ending, is out or dead.
    pub(crate) fn has(&self, line: &str) -> bool {
        self.places.contains_key(line) || self.cut.iter().any(|cut| cut == line.as_bytes())
    }
}

/// The original of a letter, exactly.
fn bytes(letter: &Value) -> Vec<u8> {
    let Some(hex) = letter["original_hex"].as_str() else {
        return letter["original"].as_str().unwrap().into();
    };
    let pairs = hex.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.map(byte).collect()
}
