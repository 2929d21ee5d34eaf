//! The part of a channel that few channels need, and that is made when the first of it is.
//!
//! **Invariant**: it changes under the lock of its channel only.

#![expect(unsafe_code, reason = "a box that knows the core which it belongs to")]

use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::channel::account::Losses;
use crate::channel::head::Head;
use crate::channel::sources::Sources;
use crate::scope::Life;
use crate::task::current;

/// What few channels need.
#[derive(Debug, Default)]
pub(super) struct Cold {
    pub(super) name: Option<&'static str>,
    pub(super) closing: Option<Closing>,
    /// The tickets of the messages at the head of the queue that came back from a receiver which never saw them.
    pub(super) returned: VecDeque<u32>,
    pub(super) losses: Losses,
    pub(super) sources: Sources,
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
    /// Processes outside of all of these scopes, each until it is over: a receiver that is left then is outside too. Of two of which one
    /// lies within the other, the first counts until it is over, and then the second.
    Outside(Vec<Arc<Life>>),
}

impl Closing {
    pub(super) fn refuses(&self) -> bool {
        match self {
            Self::All => true,
            Self::Outside(scopes) => {
                let mut stop = in_force(scopes).peekable();
                stop.peek().is_some() && stop.all(|scope| !current::is_within(scope.scope))
            }
        }
    }

    /// Refuses in the name of another one too. False if that changes nothing now: everybody is refused already, or the scope, one
    /// inside it, or one around it refuses and is not over.
    fn add(&mut self, closing: Self) -> bool {
        match (&mut *self, closing) {
            (Self::All, _) => false,
            (Self::Outside(_), Self::All) => {
                *self = Self::All;
                true
            }
            (Self::Outside(known), Self::Outside(new)) => {
                known.retain(|scope| scope.alive() > 0);
                let before = in_force(known).count();
                for scope in new.into_iter().filter(|scope| scope.alive() > 0) {
                    if !known.iter().any(|other| other.scope == scope.scope) {
                        known.push(scope);
                    }
                }
                in_force(known).count() > before
            }
        }
    }
}

/// Those that are not over, each unless it lies around or within one before it.
fn in_force(scopes: &[Arc<Life>]) -> impl Iterator<Item = &Arc<Life>> {
    let living = |scope: &&Arc<Life>| scope.alive() > 0;
    let first = move |&(at, scope): &(usize, &Arc<Life>)| {
        let mut before = scopes[..at].iter().filter(living);
        !before.any(|other| other.is_within(scope) || scope.is_within(other))
    };
    let all = scopes
        .iter()
        .enumerate()
        .filter(move |(_, scope)| living(scope));
    all.filter(first).map(|(_, scope)| scope)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Closing;
    use crate::scope::Life;

    /// P9: of two scopes that stop, one inside the other, the first counts while it lives, and then the second: nobody gets in between.
    #[test]
    fn p09_an_outer_scope_refuses_when_the_inner_one_is_over() {
        let outer = Life::with_alive(1, None, 2);
        let inner = Life::with_alive(2, Some(&outer), 1);
        let mut closing = Closing::Outside(vec![inner.clone()]);
        assert!(closing.refuses());
        let changes = closing.add(Closing::Outside(vec![outer.clone()]));
        assert!(!changes, "the inner one refuses more");
        inner.set_alive(0);
        assert!(closing.refuses(), "the outer one still stops");
        // Again, which changes nothing.
        assert!(!closing.add(Closing::Outside(vec![outer.clone()])));
        outer.set_alive(0);
        assert!(!closing.refuses());
        let next = Life::with_alive(3, None, 1);
        assert!(closing.add(Closing::Outside(vec![next])));
        assert!(closing.refuses());
    }
}
