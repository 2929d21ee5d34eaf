//! Syntax to model: every rule and every message of ours.
//!
//! Each check records all mistakes it finds and returns the nearest valid model, so that one
//! mistake gives one error. Reading order: [`options`], [`types`], then one file per macro.

pub(crate) mod entry;
pub(crate) mod function;
pub(crate) mod generics;
pub(crate) mod handlers;
pub(crate) mod method;
pub(crate) mod options;
pub(crate) mod select;
pub(crate) mod state;
pub(crate) mod test;
pub(crate) mod types;
