//! Expressions over an event, in CEL (Common Expression Language, <https://cel.dev>), compiled once and evaluated on the fields read.
//!
//! The event is the variable `event`. When a rule is compiled, the paths it uses are taken from its syntax tree and asked of the
//! [`Projection`]; when it is evaluated, a path is looked up there by its full name and converted, so that a condition costs a
//! few hundred nanoseconds whatever the size of the event.
//!
//! Rejected: `evalexpr` (AGPL, no nested values) and `rhai` (a scripting language: loops and user functions are more than a rule
//! should do). CEL has no loops that do not end, no side effects, and a specification.
//!
//! - `language` compiles and evaluates.
//! - `names` finds the fields that an expression uses.
//! - `view` is the event as an expression sees it.

mod language;
mod names;
mod view;

pub(crate) use language::{Evaluator, Expression, Language};
pub(crate) use view::EventView;

#[cfg(test)]
mod tests;
