//! The fields that rules ask for, as a tree of names, and what was read of a line along it.

use std::cell::Cell;
use std::collections::HashMap;

use serde::de::DeserializeSeed;
use serde_json::Value;
use serde_json::value::RawValue;

use super::reader::Reader;
use super::weight::{Scales, Uses};

/// The fields that are read, as a tree of names.
#[derive(Debug)]
pub(crate) struct Projection {
    pub(super) nodes: Vec<Node>,
    /// Nodes by dotted name, `event.properties.mag`, where the name is unambiguous.
    by_name: HashMap<String, usize>,
}

#[derive(Debug)]
pub(super) struct Node {
    name: String,
    /// The whole value is wanted, not only the children below.
    pub(super) whole: bool,
    /// The text of the value is wanted.
    pub(super) text: bool,
    /// How often one expression may need the value at once, beside what was read.
    uses: Uses,
    pub(super) children: Vec<usize>,
}

/// What was read of one line: parallel to the nodes of its [`Projection`].
#[derive(Debug)]
pub(crate) struct Fields<'l> {
    pub(super) seen: Vec<Seen>,
    pub(super) texts: Vec<Option<&'l RawValue>>,
}

/// What a node turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    /// The event has no such field.
    Missing,
    /// Something of which only the children were read, if it has any: usually an object.
    Present,
    /// A value. Of an array that was not wanted whole, the elements were skipped.
    Value(Value),
}

impl Default for Projection {
    fn default() -> Self {
        Self {
            nodes: vec![Node::new(String::new())],
            by_name: HashMap::from([("event".to_owned(), 0)]),
        }
    }
}

impl Node {
    fn new(name: String) -> Self {
        Self {
            name,
            whole: false,
            text: false,
            uses: Uses::default(),
            children: Vec::new(),
        }
    }
}

impl Projection {
    /// Asks for the value at `path`, from the event down.
    pub(crate) fn want_value<S: AsRef<str>>(&mut self, path: &[S]) -> usize {
        let node = self.node(path);
        self.nodes[node].whole = true;
        node
    }

    /// Asks whether there is something at `path`, from the event down.
    pub(crate) fn want_presence<S: AsRef<str>>(&mut self, path: &[S]) -> usize {
        self.node(path)
    }

    /// Asks for the text of the value at `path`, from the event down.
    pub(crate) fn want_text<S: AsRef<str>>(&mut self, path: &[S]) -> usize {
        let node = self.node(path);
        self.nodes[node].text = true;
        node
    }

    /// Says that one expression needs a copy of the value at each of `nodes`, and `more` of each beside these.
    pub(crate) fn mentioned(&mut self, nodes: &[usize], more: Uses) {
        for &node in nodes {
            let mentions = nodes.iter().filter(|other| **other == node).count();
            let uses = &mut self.nodes[node].uses;
            uses.read = uses.read.max(more.read);
            uses.copies = uses.copies.max(mentions + more.copies);
        }
    }

    /// How often the value at `node` is held while rules are applied, itself or as a part of another one.
    pub(super) fn uses(&self, node: usize) -> Uses {
        let node = &self.nodes[node];
        let own = Uses {
            read: node.uses.read + usize::from(node.whole),
            copies: node.uses.copies,
        };
        node.children.iter().fold(own, |sum, &child| {
            let below = self.uses(child);
            Uses {
                read: sum.read + below.read,
                copies: sum.copies + below.copies,
            }
        })
    }

    /// How much memory it takes to read `line` and to apply the rules to it, at most; of a line that is no event, to find that out.
    pub(crate) fn weight(&self, line: &[u8]) -> usize {
        let weight = Cell::new(0);
        let scales = Scales {
            projection: self,
            node: 0,
            weight: &weight,
        };
        // What is wrong with a line is told when it is read.
        let _ = scales.deserialize(&mut serde_json::Deserializer::from_slice(line));
        weight.get()
    }

    /// The node that the dotted name of an expression means.
    pub(crate) fn named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Names and nodes one level below `node`.
    pub(crate) fn children(&self, node: usize) -> impl Iterator<Item = (&str, usize)> {
        let children = self.nodes[node].children.iter();
        children.map(|&child| (self.nodes[child].name.as_str(), child))
    }

    /// Room for what is read of one line after the other.
    pub(crate) fn fields<'l>(&self) -> Fields<'l> {
        Fields {
            seen: vec![Seen::Missing; self.nodes.len()],
            texts: vec![None; self.nodes.len()],
        }
    }

    /// Reads `line` into `fields`.
    ///
    /// # Errors
    ///
    /// When the line is not one JSON object in UTF-8.
    pub(crate) fn read<'l>(&self, line: &'l [u8], fields: &mut Fields<'l>) -> Result<(), String> {
        fields.clear();
        if line.trim_ascii().is_empty() {
            return Err("empty line".to_owned());
        }
        let line = std::str::from_utf8(line)
            .map_err(|e| format!("not UTF-8: invalid after byte {}", e.valid_up_to()))?;
        let read = |fields: &mut Fields<'l>| -> serde_json::Result<()> {
            let mut json = serde_json::Deserializer::from_str(line);
            self.reader(0, fields).deserialize(&mut json)?;
            json.end()
        };
        read(fields).map_err(|e| format!("not JSON: {e}"))?;
        let whole = matches!(fields.seen[0], Seen::Value(Value::Object(_)));
        if whole || fields.seen[0] == Seen::Present {
            Ok(())
        } else {
            Err("not a JSON object".to_owned())
        }
    }

    fn node<S: AsRef<str>>(&mut self, path: &[S]) -> usize {
        let mut at = 0;
        let mut name = Some("event".to_owned());
        for part in path {
            let part = part.as_ref();
            // A name with a dot in it could be mistaken for a path, so expressions reach it through its parent.
            name = name.filter(|_| !part.contains('.'));
            name = name.map(|name| format!("{name}.{part}"));
            let found = self.children(at).find(|(name, _)| *name == part);
            at = match found {
                Some((_, node)) => node,
                None => {
                    let node = self.nodes.len();
                    self.nodes.push(Node::new(part.to_owned()));
                    self.nodes[at].children.push(node);
                    node
                }
            };
            if let Some(name) = &name {
                self.by_name.insert(name.clone(), at);
            }
        }
        at
    }

    pub(super) fn reader<'p, 'f, 'l>(
        &'p self,
        node: usize,
        fields: &'f mut Fields<'l>,
    ) -> Reader<'p, 'f, 'l> {
        Reader {
            projection: self,
            node,
            fields,
        }
    }
}

impl<'l> Fields<'l> {
    /// Forgets what was read.
    pub(crate) fn clear(&mut self) {
        self.seen.fill(Seen::Missing);
        self.texts.fill(None);
    }

    /// What `node` turned out to be.
    pub(crate) fn seen(&self, node: usize) -> &Seen {
        &self.seen[node]
    }

    /// The text of the value of `node`, if it was asked for and is there.
    pub(crate) fn text(&self, node: usize) -> Option<&'l str> {
        self.texts[node].map(RawValue::get)
    }
}

/// Splits a dotted path of a configuration, `properties.mag`, into its names.
///
/// # Errors
///
/// When a name is empty.
pub(crate) fn split_path(path: &str) -> Result<Vec<String>, String> {
    let parts: Vec<String> = path.split('.').map(str::to_owned).collect();
    if parts.iter().any(String::is_empty) {
        return Err(format!(
            "`{path}` is not a path; write names with a dot between them"
        ));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Projection, Seen, Uses};

    fn value(json: Value) -> Seen {
        Seen::Value(json)
    }

    #[test]
    fn only_what_is_wanted_is_read() {
        let mut wanted = Projection::default();
        let mag = wanted.want_value(&["p", "mag"]);
        let at = wanted.want_value(&["at"]);
        let id = wanted.want_text(&["id"]);
        let none = wanted.want_value(&["p", "none"]);
        let mut fields = wanted.fields();
        let line =
            br#" {"p": {"x": [1, {"mag": 2}], "mag": 5.0}, "at": [1, null], "id": "a\u0062"} "#;
        wanted.read(line, &mut fields).unwrap();
        assert_eq!(fields.seen(mag), &value(json!(5.0)));
        assert_eq!(fields.seen(at), &value(json!([1, null])));
        assert_eq!(fields.text(id), Some(r#""a\u0062""#));
        assert_eq!(fields.seen(none), &Seen::Missing);
        assert_eq!(
            fields.seen(wanted.named("event.p").unwrap()),
            &Seen::Present
        );
        assert_eq!(wanted.named("event.p.mag"), Some(mag));
    }

    #[test]
    fn one_field_may_be_wanted_in_every_way() {
        let mut wanted = Projection::default();
        let mag = wanted.want_value(&["p", "mag"]);
        let p = wanted.want_value(&["p"]);
        assert_eq!(wanted.want_text(&["p"]), p);
        let mut fields = wanted.fields();
        wanted.read(br#"{"p":{"mag":1}}"#, &mut fields).unwrap();
        assert_eq!(fields.seen(mag), &value(json!(1)));
        assert_eq!(fields.seen(p), &value(json!({"mag": 1})));
        assert_eq!(fields.text(p), Some(r#"{"mag":1}"#));
    }

    #[test]
    fn only_what_is_held_as_values_has_a_weight() {
        let line = br#"{"b":[{"":{}},{"":{}},{"":{}},{"":{}}],"c":1}"#;
        let mut wanted = Projection::default();
        wanted.want_text(&["b"]);
        wanted.want_presence(&["c"]);
        assert_eq!(wanted.weight(line), 0);
        let b = wanted.want_value(&["b"]);
        let read = wanted.weight(line);
        assert!((2700..4000).contains(&read), "{read}");
        wanted.mentioned(&[b, b], Uses::default());
        let copied = wanted.weight(line);
        assert!((2 * 1200..2 * 2400).contains(&(copied - read)), "{copied}");
        assert_eq!(wanted.weight(b"{\"b\": oops"), 0);
    }

    #[test]
    fn nothing_of_one_line_shows_in_the_next() {
        let mut wanted = Projection::default();
        let mag = wanted.want_value(&["p", "mag"]);
        let mut fields = wanted.fields();
        wanted.read(br#"{"p":{"mag":1}}"#, &mut fields).unwrap();
        wanted.read(br#"{"p":7}"#, &mut fields).unwrap();
        assert_eq!(fields.seen(mag), &Seen::Missing);
        assert_eq!(
            fields.seen(wanted.named("event.p").unwrap()),
            &value(json!(7))
        );
        wanted
            .read(br#"{"p":{"mag":1},"p":{}}"#, &mut fields)
            .unwrap();
        assert_eq!(fields.seen(mag), &Seen::Missing, "the last one counts");
    }

    #[test]
    fn lines_that_are_no_events_say_why() {
        let wanted = Projection::default();
        let mut fields = wanted.fields();
        let mut why = |line| wanted.read(line, &mut fields).unwrap_err();
        assert_eq!(why(b" "), "empty line");
        assert_eq!(why(b"[1]"), "not a JSON object");
        assert_eq!(why(b"{\"a\": \"\xff\"}"), "not UTF-8: invalid after byte 7");
        assert!(why(b"{\"a\": 1").starts_with("not JSON: EOF while parsing an object"));
        assert!(why(b"{} {}").starts_with("not JSON: trailing characters"));
        assert!(why(b"oops").starts_with("not JSON: expected"));
    }
}
