//! Tells how much memory the values that rules read of a line take, before they are read.
//!
//! The text of an event says little about that: `{"":0},` is 7 bytes, but about a kilobyte as a value. So a line is walked once without
//! keeping anything, along the tree of fields that are wanted, and what each value will take is added up.
//!
//! **Invariants.** The weight is not less than what is allocated for the fields themselves ([`Value`]), and for each copy of one that an
//! expression makes (`condition::names`), all of which may be there at once; not counted is the moment in which a list gets more room.
//! The sizes are those of 64 bits and glibc.

use std::cell::Cell;
use std::fmt;

use cel::common::types::CelMapKey;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::projection::Projection;
use super::reader::Name;

/// Allocations of 24 bytes and less.
const BOX: usize = 32;

/// A value in a list or in the tree of an object's fields.
const VALUE: usize = size_of::<Value>();

/// The fields that one node of that tree holds, and the size of a node.
const NODE_FIELDS: usize = 11;
const NODE: usize = NODE_FIELDS * (VALUE + size_of::<String>()) + BOX;

/// What a field takes when there are many nodes: half full, and others above them.
const FIELD: usize = 200;

/// A place in the table that an expression has for an object.
const PLACE: usize = size_of::<CelMapKey<'_>>() + REFERENCE + 1;

/// A value in a list that an expression has, beside the box that it leads to.
const REFERENCE: usize = 16;

/// How often a value is held.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Uses {
    /// As it was read.
    pub(crate) read: usize,
    /// As expressions have it.
    pub(crate) copies: usize,
}

/// Weighs the value of one node.
pub(super) struct Scales<'p> {
    pub(super) projection: &'p Projection,
    pub(super) node: usize,
    pub(super) weight: &'p Cell<usize>,
}

impl<'l> DeserializeSeed<'l> for Scales<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'l>>(self, json: D) -> Result<(), D::Error> {
        if !self.projection.nodes[self.node].whole {
            return json.deserialize_any(self);
        }
        Whole {
            uses: self.projection.uses(self.node),
            weight: self.weight,
        }
        .deserialize(json)
    }
}

impl<'l> Visitor<'l> for Scales<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(child) = map.next_key_seed(Name(self.projection, self.node))? {
            match child {
                Some(node) => map.next_value_seed(Scales { node, ..self })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'l>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    /// The reader keeps a text also where only its presence is asked for.
    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.weight.set(self.weight.get() + text.len());
        Ok(())
    }
}

/// Weighs a value that is read with all that is in it.
#[derive(Clone, Copy)]
struct Whole<'w> {
    uses: Uses,
    weight: &'w Cell<usize>,
}

impl Whole<'_> {
    /// Adds what something takes where it is read to, and in each copy.
    fn add(self, read: usize, copy: usize) {
        let more = self.uses.read * read + self.uses.copies * copy;
        self.weight.set(self.weight.get().saturating_add(more));
    }

    fn scalar<E>(self) -> Result<(), E> {
        self.add(0, BOX);
        Ok(())
    }

    /// An object of so many fields, without their names and values.
    fn object(self, fields: usize) {
        let read = match fields {
            0 => 0,
            1..=NODE_FIELDS => NODE,
            more => more * FIELD,
        };
        let places = (fields + fields / 7 + 1).next_power_of_two().max(4);
        self.add(read, 2 * BOX + places * PLACE + BOX);
    }

    /// A list of so many values, without what these lead to. It doubles its room when it grows.
    fn list(self, values: usize) {
        let room = match values {
            0 => 0,
            values => values.next_power_of_two().max(4) * VALUE + BOX,
        };
        self.add(room, 2 * BOX + values * REFERENCE + BOX);
    }
}

impl<'l> DeserializeSeed<'l> for Whole<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'l>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'l> Visitor<'l> for Whole<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> Result<(), A::Error> {
        let mut fields = 0;
        while let Some(letters) = map.next_key_seed(Letters)? {
            fields += 1;
            self.add(BOX + letters, letters);
            map.next_value_seed(self)?;
        }
        self.object(fields);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'l>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut values = 0;
        while seq.next_element_seed(self)?.is_some() {
            values += 1;
        }
        self.list(values);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.add(BOX + text.len(), 2 * BOX + text.len());
        Ok(())
    }
}

/// Reads the name of a field, and says how long it is.
struct Letters;

impl<'l> DeserializeSeed<'l> for Letters {
    type Value = usize;

    fn deserialize<D: Deserializer<'l>>(self, json: D) -> Result<usize, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Letters {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<usize, E> {
        Ok(name.len())
    }
}
