//! The event as an expression sees it: the fields that were read, converted when they are looked up.

use std::collections::HashMap;

use cel::ExecutionError;
use cel::common::traits::Indexer;
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt, MAP_TYPE,
    Type,
};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use serde_json::Value;

use crate::fields::{Fields, Projection, Seen};

/// What was read of a line, as the variable `event`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventView<'a> {
    /// What was asked for.
    pub(crate) projection: &'a Projection,
    /// What was found.
    pub(crate) fields: &'a Fields<'a>,
}

impl<'a> EventView<'a> {
    fn node(self, node: usize) -> Option<Box<dyn Val + 'a>> {
        match self.fields.seen(node) {
            Seen::Missing => None,
            Seen::Value(value) => Some(convert(value)),
            Seen::Present => Some(Box::new(Partial { event: self, node })),
        }
    }
}

/// An object of which only some fields were read.
///
/// An expression that does anything else with an object than select a field asked for the whole of it, so selecting is all that a
/// partial one can do.
#[derive(Clone, Copy, Debug)]
struct Partial<'a> {
    event: EventView<'a>,
    node: usize,
}

impl Val for Partial<'_> {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(*self)
    }
}

impl Indexer for Partial<'_> {
    fn get<'b, 'v>(&'b self, field: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = field
            .downcast_ref::<CelString<'_>>()
            .map_or("", |name| name.inner());
        let mut children = self.event.projection.children(self.node);
        let child = children.find(|(child, _)| *child == name);
        let value = child.and_then(|(_, child)| self.event.node(child));
        value
            .map(CowVal::Owned)
            .ok_or_else(|| ExecutionError::no_such_key(name))
    }

    fn steal<'v>(self: Box<Self>, field: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(field).map(CowVal::into_owned)
    }
}

impl VariableResolver for EventView<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        self.node(self.projection.named(variable)?)
            .map(CowVal::Owned)
    }
}

fn key(name: &str) -> CelMapKey<'_> {
    CelMapKey::String(CelString::from(name))
}

/// A JSON value as a CEL value, borrowing its strings.
fn convert(value: &Value) -> Box<dyn Val + '_> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Box::new(CelInt::from(value)),
            (None, Some(value)) => Box::new(CelUInt::from(value)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(value) => Box::new(CelString::from(value.as_str())),
        Value::Array(values) => Box::new(CelList::from(
            values.iter().map(convert).collect::<Vec<_>>(),
        )),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| (key(name), convert(value)));
            Box::new(CelMap::from(fields.collect::<HashMap<_, _>>()))
        }
    }
}
