//! Supervision: children that are started in order, started again when they fail, and stopped in reverse.
//!
//! The words are Erlang's, and so is their meaning. A *child* is what [`Scope::supervise`](crate::Scope::supervise) adds to a
//! scope; each time it is started there is an *incarnation* of it, a process of its own. What leads to the child leads to every
//! incarnation: handles, ports and the mailbox stay, in order. The message that was being handled at a crash is gone with its
//! incarnation (its caller gets `Crashed`), so a poisonous message is not handled twice.
//!
//! | | started again |
//! |---|---|
//! | [`permanent`](Supervised::permanent) | always |
//! | [`transient`](Supervised::transient), the default | after an error, a panic or a kill |
//! | [`temporary`](Supervised::temporary) | never |
//!
//! | | together with it are stopped, in reverse, and started again, in order |
//! |---|---|
//! | [`one_for_one`](crate::Scope::one_for_one), the default | nobody |
//! | [`one_for_all`](crate::Scope::one_for_all) | all other children of the scope |
//! | [`rest_for_one`](crate::Scope::rest_for_one) | those that were added after it |
//!
//! A temporary child is stopped with the others, and not started again. A child that is not to be started again is forgotten.
//!
//! Before a restart there is a pause, which grows ([`Supervised::backoff`]). When a scope needs more restarts than its
//! [`intensity`](crate::Scope::intensity) allows, it gives up: it fails with [`GaveUp`], which has all the reasons, and stops what
//! is left.
//!
//! A scope that stops does not wait for a pause: a child in one is started at once if messages wait for it, and also if it has an input
//! (a receiver that it was lent by reference, or has in a field, or a mailbox with handles) and others are left who may still send there.
//! Otherwise it is over. If it fails again, the scope fails, unless it was started for those others only and they have left nothing.
//!
//! How it works: one *supervisor* per scope, a task of the runtime's own, reads events and moves one state machine per child. An
//! incarnation is made in two states only, and the one way there is the exit of the incarnation before it: two never overlap.
//! Read in this order: `restart` (when, how often), `child` (one state machine), `strategy` (who with whom), `lineage` (what
//! handles, incarnations and supervisor have in common), `supervisor` (the events), `table` (the decisions), `starter` (what makes incarnations),
//! `inputs` (what they receive from),
//! `builder` (what users write), `escalation`.

mod book;
mod builder;
mod child;
mod escalation;
mod inputs;
mod lineage;
mod restart;
mod starter;
mod strategy;
mod supervisor;
mod table;

pub use builder::{Remade, Supervise, Supervised};
pub use child::Restart;
pub use escalation::GaveUp;
pub(crate) use lineage::{Held, Lineage};
pub(crate) use supervisor::{Event, Supervisor};
