//! What a rule makes of an event before it goes to the sinks: fields to keep, fields to add.
//!
//! Kept values are copied as text, so a number or a string reaches the sink exactly as it was written. A rule without a transform
//! passes the line on byte for byte.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::condition::{Evaluator, Expression};
use crate::fields::{Fields, Projection};

/// A compiled transform.
#[derive(Debug, Default)]
pub(crate) struct Transform {
    /// The fields to keep; without, all are kept.
    keep: Option<Vec<Kept>>,
    add: Vec<(String, Added)>,
}

/// The value of a field that a rule adds.
#[derive(Debug)]
pub(crate) enum Added {
    /// The same for each event.
    Fixed(Value),
    /// Computed from the event.
    Computed(Expression),
}

/// A field that is kept, or the way to fields that are.
#[derive(Debug)]
struct Kept {
    name: String,
    /// Its node, if it is kept whole.
    node: Option<usize>,
    children: Vec<Kept>,
}

impl Transform {
    /// Keeps the fields at `paths` and adds `add`. An added field replaces the one of the same name whole, whatever is kept of it.
    pub(crate) fn new(
        keep: Option<&[Vec<String>]>,
        add: Vec<(String, Added)>,
        projection: &mut Projection,
    ) -> Self {
        let keep = keep.map(|paths| {
            let mut tree = Vec::new();
            for path in paths {
                let replaced = add.iter().any(|(name, _)| path.first() == Some(name));
                if !replaced {
                    let node = projection.want_text(path);
                    insert(&mut tree, path, node);
                }
            }
            tree
        });
        Self { keep, add }
    }

    /// Writes what becomes of `line` to `out`, as one line without its ending.
    ///
    /// # Errors
    ///
    /// When an added field cannot be computed; `out` is then unchanged.
    pub(crate) fn apply(
        &self,
        line: &[u8],
        fields: &Fields<'_>,
        evaluator: &Evaluator<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let start = out.len();
        out.push(b'{');
        match &self.keep {
            Some(keep) => keep.iter().for_each(|kept| kept.write(fields, out)),
            None => self.copy_others(line, out).map_err(|e| {
                out.truncate(start);
                format!("the event cannot be copied: {e}")
            })?,
        }
        for (name, added) in &self.add {
            let computed = match added {
                Added::Fixed(value) => Ok(Cow::Borrowed(value)),
                Added::Computed(expression) => evaluator.value(expression).map(Cow::Owned),
            };
            match computed {
                Ok(value) => {
                    write_name(name, out);
                    write_json(value.as_ref(), out);
                }
                Err(why) => {
                    out.truncate(start);
                    return Err(format!("field `{name}`: {why}"));
                }
            }
        }
        out.push(b'}');
        Ok(())
    }

    /// Copies all fields of the event but those that are added.
    fn copy_others(&self, line: &[u8], out: &mut Vec<u8>) -> serde_json::Result<()> {
        let copy = Copy {
            without: &self.add,
            out,
        };
        let mut json = serde_json::Deserializer::from_slice(line);
        json.deserialize_map(copy)
    }
}

impl Kept {
    fn write(&self, fields: &Fields<'_>, out: &mut Vec<u8>) {
        if let Some(node) = self.node {
            if let Some(text) = fields.text(node) {
                write_name(&self.name, out);
                out.extend_from_slice(text.as_bytes());
            }
            return;
        }
        let before = out.len();
        write_name(&self.name, out);
        out.push(b'{');
        let empty = out.len();
        self.children
            .iter()
            .for_each(|kept| kept.write(fields, out));
        if out.len() == empty {
            out.truncate(before);
        } else {
            out.push(b'}');
        }
    }
}

/// Adds `path` to the tree of kept fields. A field kept whole takes in what is kept of it.
fn insert(tree: &mut Vec<Kept>, path: &[String], node: usize) {
    let [name, rest @ ..] = path else { return };
    let at = tree
        .iter()
        .position(|kept| kept.name == *name)
        .unwrap_or_else(|| {
            tree.push(Kept {
                name: name.clone(),
                node: None,
                children: Vec::new(),
            });
            tree.len() - 1
        });
    if rest.is_empty() {
        tree[at].node = Some(node);
    } else {
        insert(&mut tree[at].children, rest, node);
    }
}

/// Writes the name of the next field of an object, after a comma if it is not the first.
fn write_name(name: &str, out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    write_json(name, out);
    out.push(b':');
}

/// Writes `value` as JSON.
pub(crate) fn write_json<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    let written = serde_json::to_writer(out, value);
    debug_assert!(
        written.is_ok(),
        "text and JSON values can always be written to memory"
    );
}

/// Copies the fields of an object as text.
struct Copy<'a> {
    without: &'a [(String, Added)],
    out: &'a mut Vec<u8>,
}

impl<'l> Visitor<'l> for Copy<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, text)) = map.next_entry::<Cow<'l, str>, &'l RawValue>()? {
            if !self.without.iter().any(|(added, _)| *added == name) {
                write_name(&name, self.out);
                self.out.extend_from_slice(text.get().as_bytes());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Added, Transform};
    use crate::condition::{EventView, Language};
    use crate::fields::{Projection, split_path};

    const EVENT: &[u8] =
        br#"{"id":"a","p":{"mag":5.50,"net":"us","x":{"y":1}},"geo":[1, 2e0],"level":"old"}"#;

    fn apply(keep: Option<&[&str]>, add: &[(&str, Result<i64, &str>)]) -> Result<String, String> {
        let language = Language::new();
        let mut projection = Projection::default();
        let paths: Option<Vec<_>> =
            keep.map(|keep| keep.iter().map(|p| split_path(p).unwrap()).collect());
        let added = add.iter().map(|(name, value)| {
            let value = match value {
                Ok(fixed) => Added::Fixed(json!(fixed)),
                Err(source) => Added::Computed(language.formula(source, &mut projection).unwrap()),
            };
            ((*name).to_owned(), value)
        });
        let added = added.collect();
        let transform = Transform::new(paths.as_deref(), added, &mut projection);
        let mut fields = projection.fields();
        projection.read(EVENT, &mut fields).unwrap();
        let event = EventView {
            projection: &projection,
            fields: &fields,
        };
        let mut out = b"before\n".to_vec();
        let applied = transform.apply(EVENT, &fields, &language.evaluator(&event), &mut out);
        let out = String::from_utf8(out).unwrap();
        let out = out.strip_prefix("before\n").unwrap().to_owned();
        assert!(applied.is_ok() || out.is_empty());
        applied.map(|()| out)
    }

    #[test]
    fn kept_fields_are_copied_as_they_were_written() {
        let kept = apply(
            Some(&["id", "p.mag", "p.x.y", "p.none", "none.at.all", "geo"]),
            &[],
        );
        assert_eq!(
            kept.unwrap(),
            r#"{"id":"a","p":{"mag":5.50,"x":{"y":1}},"geo":[1, 2e0]}"#
        );
        assert_eq!(apply(Some(&["none"]), &[]).unwrap(), "{}");
        assert_eq!(
            apply(Some(&["p.mag", "p"]), &[]).unwrap(),
            r#"{"p":{"mag":5.50,"net":"us","x":{"y":1}}}"#
        );
    }

    #[test]
    fn added_fields_come_last_and_replace() {
        let added = [("level", Ok(3)), ("sum", Err("event.geo[0] + 41"))];
        assert_eq!(
            apply(Some(&["id", "level"]), &added).unwrap(),
            r#"{"id":"a","level":3,"sum":42}"#
        );
        assert_eq!(
            apply(Some(&["p.mag", "id", "p.x.y"]), &[("p", Ok(3))]).unwrap(),
            r#"{"id":"a","p":3}"#
        );
        assert_eq!(
            apply(None, &added).unwrap(),
            r#"{"id":"a","p":{"mag":5.50,"net":"us","x":{"y":1}},"geo":[1, 2e0],"level":3,"sum":42}"#
        );
    }

    #[test]
    fn a_field_that_cannot_be_computed_is_an_error() {
        let why = apply(None, &[("sum", Err("event.none + 1"))]).unwrap_err();
        assert_eq!(why, "field `sum`: No such key: none");
    }
}
