//! The part of a channel that few channels need, and that is made when the first of it is.
//!
//! **Invariant**: it changes under the lock of its channel only.

#![expect(unsafe_code, reason = "a box that knows the core which it belongs to")]

use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

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

impl Cold {
    /// Refuses whom this says too. False if that changes nothing.
    pub(super) fn close(&mut self, closing: Closing) -> bool {
        match &mut self.closing {
            Some(known) => known.add(closing),
            none => {
                *none = Some(closing);
                true
            }
        }
    }
}

/// Whom a channel refuses.
#[derive(Debug)]
pub(super) enum Closing {
    /// Everybody: its owner was stopped.
    All,
    /// Processes outside of all of these scopes, each until it is over: a receiver that is left then is outside too. None of
    /// them lies within another.
    Outside(Vec<Weak<ScopeInner>>),
}

impl Closing {
    pub(super) fn refuses(&self) -> bool {
        match self {
            Self::All => true,
            Self::Outside(scopes) => {
                let mut stop = scopes.iter().filter_map(living).peekable();
                stop.peek().is_some() && stop.all(|scope| !current::is_within(scope.id))
            }
        }
    }

    /// Refuses in the name of another one too. False if that changes nothing: everybody is refused already, or the scope, one
    /// inside it, or one around it refuses and is not over.
    fn add(&mut self, closing: Self) -> bool {
        match (&mut *self, closing) {
            (Self::All, _) => false,
            (Self::Outside(_), Self::All) => {
                *self = Self::All;
                true
            }
            (Self::Outside(known), Self::Outside(new)) => {
                known.retain(|scope| living(scope).is_some());
                let before = known.len();
                for scope in new {
                    let Some(added) = living(&scope) else {
                        continue;
                    };
                    let related = |other: Arc<ScopeInner>| {
                        other.is_within(added.id) || added.is_within(other.id)
                    };
                    if !known.iter().filter_map(living).any(related) {
                        known.push(scope);
                    }
                }
                known.len() > before
            }
        }
    }
}

/// A scope that is not over.
fn living(scope: &Weak<ScopeInner>) -> Option<Arc<ScopeInner>> {
    scope.upgrade().filter(|scope| scope.alive() > 0)
}
