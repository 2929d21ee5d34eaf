//! The error that a handler returned, as the source of the error of its call.
//!
//! A handler may fail with anything that is a message: an error of `thiserror`, an `anyhow::Error`, a text. `CallError<E>` must not ask
//! more of `E`, so it cannot know whether that is an error with causes of its own. The macros do, where they know the type; what they say
//! is kept here, by type, when a handler first fails with it. Like the origins of processes that is a fact about the program, and
//! no state of any system.
//!
//! **Invariants**
//! - A call that succeeds, and a handler that cannot fail, come nowhere near this.
//! - Whoever holds a [`CallError::Failed`](super::CallError) of a handler finds its type here: it is learnt before the answer is sent.

use std::any::{Any, TypeId};
use std::cell::Cell;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::{LazyLock, PoisonError, RwLock};

use crate::process::reply::ReplySlot;

/// How to see a value of one type as an error.
type View = fn(&dyn Any) -> Option<&(dyn StdError + 'static)>;

/// Facts about the program. Never shrinks: each entry is a type that some handler fails with.
static VIEWS: LazyLock<RwLock<HashMap<TypeId, View>>> = LazyLock::new(RwLock::default);

std::thread_local! {
    /// The type that this thread has learnt last.
    static LAST: Cell<Option<TypeId>> = const { Cell::new(None) };
}

/// The error as one with causes, if it is one.
pub(crate) fn of<E: 'static>(error: &E) -> Option<&(dyn StdError + 'static)> {
    let views = VIEWS.read().unwrap_or_else(PoisonError::into_inner);
    let view = views.get(&TypeId::of::<E>()).copied();
    drop(views);
    view?(error)
}

#[cold]
fn learn<E: 'static>(view: View) {
    let id = TypeId::of::<E>();
    if LAST.with(|last| last.replace(Some(id))) == Some(id) {
        return;
    }
    let known = VIEWS.read().unwrap_or_else(PoisonError::into_inner);
    let is_known = known.contains_key(&id);
    drop(known);
    if !is_known {
        let mut views = VIEWS.write().unwrap_or_else(PoisonError::into_inner);
        views.entry(id).or_insert(view);
    }
}

/// The slot for the answer of a handler that may fail; called as `(&&Cause(&slot)).learner()`, which gives what is to be called before
/// the call fails.
#[derive(Debug)]
pub struct Cause<'a, R, E>(pub &'a ReplySlot<R, E>);

/// The way for errors.
pub trait ViaError {
    /// What is to be called before the call fails.
    fn learner(&self) -> fn();
}

impl<R, E: StdError + 'static> ViaError for &Cause<'_, R, E> {
    #[inline]
    fn learner(&self) -> fn() {
        || learn::<E>(|error| Some(error.downcast_ref::<E>()?))
    }
}

/// The way for what has an error inside: `roundrock::Error`, `anyhow::Error`, a boxed error.
pub trait ViaInner {
    /// What is to be called before the call fails.
    fn learner(&self) -> fn();
}

impl<R, E: AsRef<dyn StdError + Send + Sync> + 'static> ViaInner for &&Cause<'_, R, E> {
    #[inline]
    fn learner(&self) -> fn() {
        || learn::<E>(|error| Some(error.downcast_ref::<E>()?.as_ref()))
    }
}

/// The way for all others.
pub trait ViaText {
    /// What is to be called before the call fails: nothing.
    fn learner(&self) -> fn();
}

impl<R, E> ViaText for Cause<'_, R, E> {
    #[inline]
    fn learner(&self) -> fn() {
        || ()
    }
}
