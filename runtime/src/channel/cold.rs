//! The part of a channel that few channels need, and that is made when the first of it is.
//!
//! **Invariant**: it changes under the lock of its channel only.

#![expect(unsafe_code, reason = "a box that knows the core which it belongs to")]

use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::Weak;

use crate::channel::account::Losses;
use crate::channel::head::Head;
use crate::scope::ScopeInner;
use crate::task::current;

/// What few channels need.
#[derive(Debug, Default)]
pub(super) struct Cold {
    pub(super) name: Option<&'static str>,
    pub(super) closing: Option<Closing>,
    /// The tickets of the messages at the head of the queue that came back from a receiver which never saw them.
    pub(super) returned: VecDeque<u32>,
    pub(super) losses: Losses,
    /// The core that this belongs to, if its policy discards messages.
    pub(super) own: Option<NonNull<Head>>,
}

// SAFETY: `own` points to the core that the box is a part of, and is followed only while an endpoint keeps that alive.
unsafe impl Send for Cold {}

/// Whom a channel refuses.
#[derive(Debug)]
pub(super) enum Closing {
    /// Everybody: its owner was stopped.
    All,
    /// Processes outside of this scope, until the scope is over: a receiver that is left then is outside too.
    Outside(Weak<ScopeInner>),
}

impl Closing {
    pub(super) fn refuses(&self) -> bool {
        match self {
            Self::All => true,
            Self::Outside(scope) => scope
                .upgrade()
                .is_some_and(|scope| scope.alive() > 0 && !current::is_within(scope.id)),
        }
    }
}
