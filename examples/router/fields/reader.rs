//! Walks the JSON of a line along the tree of fields that are wanted, and skips the rest.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;
use serde_json::value::RawValue;

use super::projection::{Fields, Projection, Seen};

/// Reads the value of one node.
pub(super) struct Reader<'p, 'f, 'l> {
    pub(super) projection: &'p Projection,
    pub(super) node: usize,
    pub(super) fields: &'f mut Fields<'l>,
}

impl<'l> Reader<'_, '_, 'l> {
    fn set(self, value: Value) {
        self.fields.seen[self.node] = Seen::Value(value);
    }

    /// Forgets what an earlier field of the same name left below.
    fn forget(&mut self, node: usize) {
        for &child in &self.projection.nodes[node].children {
            self.fields.seen[child] = Seen::Missing;
            self.fields.texts[child] = None;
            self.forget(child);
        }
    }
}

impl<'l> DeserializeSeed<'l> for Reader<'_, '_, 'l> {
    type Value = ();

    fn deserialize<D: Deserializer<'l>>(mut self, json: D) -> Result<(), D::Error> {
        let node = &self.projection.nodes[self.node];
        if self.fields.seen[self.node] != Seen::Missing {
            self.forget(self.node);
        }
        if node.text || node.whole && !node.children.is_empty() {
            let text = <&RawValue as serde::Deserialize>::deserialize(json)?;
            self.fields.texts[self.node] = Some(text);
            return self.read_again(text.get()).map_err(D::Error::custom);
        }
        if node.whole {
            self.fields.seen[self.node] = Seen::Value(serde::Deserialize::deserialize(json)?);
            return Ok(());
        }
        json.deserialize_any(self)
    }
}

impl<'l> Reader<'_, '_, 'l> {
    /// Reads children and value of a node whose text is known.
    fn read_again(self, text: &'l str) -> serde_json::Result<()> {
        let Self {
            projection,
            node,
            fields,
        } = self;
        let wanted = &projection.nodes[node];
        fields.seen[node] = Seen::Present;
        if !wanted.children.is_empty() {
            let mut json = serde_json::Deserializer::from_str(text);
            json.deserialize_any(projection.reader(node, fields))?;
        }
        if wanted.whole {
            fields.seen[node] = Seen::Value(serde_json::from_str(text)?);
        }
        Ok(())
    }
}

impl<'l> Visitor<'l> for Reader<'_, '_, 'l> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> Result<(), A::Error> {
        self.fields.seen[self.node] = Seen::Present;
        while let Some(child) = map.next_key_seed(Name(self.projection, self.node))? {
            match child {
                Some(child) => {
                    map.next_value_seed(self.projection.reader(child, &mut *self.fields))?
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'l>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        self.set(Value::Array(Vec::new()));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.set(Value::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.set(value.into());
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.set(value.into());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.set(value.into());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.set(value.into());
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.set(value.into());
        Ok(())
    }
}

/// Reads the name of a field and finds the child that it means.
pub(super) struct Name<'p>(pub(super) &'p Projection, pub(super) usize);

impl<'l> DeserializeSeed<'l> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'l>>(self, json: D) -> Result<Option<usize>, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<usize>, E> {
        let mut children = self.0.children(self.1);
        Ok(children
            .find(|(child, _)| *child == name)
            .map(|(_, node)| node))
    }
}
