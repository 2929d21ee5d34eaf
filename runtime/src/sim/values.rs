//! Messages in words: what the record of a run shows of them.
//!
//! A channel takes messages of any type, so it cannot print them. The macros can ask the compiler whether a type has `Debug`
//! where they know the type: in the arguments of a handler, and in the endpoints that a function is lent. What a run learns
//! there holds for all channels of that type. Nothing is learnt unless the run is recorded. Plain types of the standard library are
//! known from the start, because they are what quick tests send, by closures whose channels nobody sees.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::time::Duration;

use crate::channel::{
    BroadcastReceiver, BroadcastSender, LatestReceiver, LatestSender, OneshotReceiver,
    OneshotSender, Receiver, Sender, WeakSender,
};
use crate::process::reply::ReplySlot;
use crate::sim::events::{at, made_at};
use crate::sim::here;

/// The most characters of a message that are shown.
const LONGEST: usize = 80;

/// What an operation is about, beside its channel.
#[derive(Debug, Default)]
pub(crate) enum About {
    /// Nothing is known, or nobody records it.
    #[default]
    Unknown,
    /// A handler with its arguments.
    Call(String),
    /// A message.
    Message(String),
    /// Room in a channel, without a message yet.
    Room,
    /// The object itself, which is in no list.
    Object(String),
}

impl About {
    /// A message that is about to be sent.
    #[cold]
    #[inline(never)]
    pub(crate) fn message<T: 'static>(message: &T) -> Self {
        Self::recorded(|| here::show(message).map(Self::Message))
    }

    /// A handler that is about to be called, with its arguments.
    pub(crate) fn call(handler: &str, show: impl FnOnce(&mut Shown)) -> Self {
        Self::recorded(|| Some(Self::Call(Shown::of(handler, show))))
    }

    /// A channel of messages of type `T` that was made at `site`.
    #[cold]
    #[inline(never)]
    pub(crate) fn channel<T>(site: &Location<'_>) -> Self {
        Self::object(|| made_at::<T>(site))
    }

    /// A message that is about to go into a channel of its type that was made at `site`.
    #[cold]
    #[inline(never)]
    pub(crate) fn message_at<T: 'static>(site: &Location<'_>, message: Option<&T>) -> Self {
        Self::object(|| match message.and_then(here::show) {
            Some(message) => format!("{} <- {message}", at(site)),
            None => made_at::<T>(site),
        })
    }

    /// Anything else.
    pub(crate) fn object(name: impl FnOnce() -> String) -> Self {
        Self::recorded(|| Some(Self::Object(name())))
    }

    fn recorded(about: impl FnOnce() -> Option<Self>) -> Self {
        let about = here::records().then(about);
        about.flatten().unwrap_or_default()
    }
}

/// How to show the messages of those types that a run has learnt.
#[derive(Debug, Default)]
pub(crate) struct Values(HashMap<TypeId, Box<dyn Any>>);

macro_rules! learn_all {
    ($values:ident: $($type:ty),*) => {$(
        $values.learn::<$type>();
        $values.learn::<Option<$type>>();
        $values.learn::<Vec<$type>>();
        $values.learn::<($type, $type)>();
    )*};
}

impl Values {
    /// What a run that is recorded knows when it begins.
    pub(super) fn plain() -> Self {
        let mut values = Self::default();
        values.learn::<()>();
        values.learn::<Duration>();
        learn_all!(values: bool, char, String, &'static str, f32, f64);
        learn_all!(values: u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
        values
    }

    pub(super) fn learn<T: Debug + 'static>(&mut self) {
        let show: fn(&T) -> String = |value| text(value);
        self.0.insert(TypeId::of::<T>(), Box::new(show));
    }

    pub(super) fn how<T: 'static>(&self) -> Option<fn(&T) -> String> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref().copied()
    }
}

/// A value in one short line. Once for all types.
fn text(value: &dyn Debug) -> String {
    let words = || here::in_short(|| format!("{value:?}"));
    let Ok(shown) = catch_unwind(AssertUnwindSafe(words)) else {
        return "(its `Debug` panics)".to_owned();
    };
    let mut words = shown.split_whitespace();
    let mut line = words.next().unwrap_or_default().to_owned();
    for word in words {
        line.push(' ');
        line.push_str(word);
    }
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push_str("..");
    }
    line
}

/// The arguments of a handler, in words.
#[derive(Debug, Default)]
pub struct Shown(String);

impl Shown {
    fn push(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push_str(", ");
        }
        self.0.push_str(text);
    }

    /// `add(1)`.
    pub(crate) fn of(handler: &str, show: impl FnOnce(&mut Self)) -> String {
        let mut shown = Self::default();
        show(&mut shown);
        format!("{handler}({})", shown.0)
    }
}

/// An argument of a handler; called as `(&ShowValue(&value)).show(shown)`: see [`Probe`](crate::process::port::Probe).
#[derive(Debug)]
pub struct ShowValue<'a, T: ?Sized>(pub &'a T);

/// The way for values that have `Debug`.
pub trait ViaDebug {
    /// Adds the value.
    fn show(&self, shown: &mut Shown);
}

impl<T: Debug + ?Sized> ViaDebug for ShowValue<'_, T> {
    fn show(&self, shown: &mut Shown) {
        shown.push(&text(&self.0));
    }
}

/// The way for all others.
pub trait ViaSilence {
    /// Adds that there is a value.
    fn show(&self, shown: &mut Shown);
}

impl<T: ?Sized> ViaSilence for &ShowValue<'_, T> {
    fn show(&self, shown: &mut Shown) {
        shown.push("_");
    }
}

/// The slot for the reply of a handler; called as `(&ShowReply(slot)).learn()`.
#[derive(Debug)]
pub struct ShowReply<'a, R, E>(pub &'a ReplySlot<R, E>);

impl<R: Debug + 'static, E: Debug + 'static> ViaItem for ShowReply<'_, R, E> {
    fn learn(&self) {
        here::learn::<R>();
        here::learn::<E>();
    }
}

impl<R, E> ViaNoItem for &ShowReply<'_, R, E> {
    fn learn(&self) {}
}

/// What carries messages of one type.
pub trait Carries {
    /// The type.
    type Item: 'static;
}

macro_rules! carries {
    ($($endpoint:ident),*) => {$(
        impl<T: 'static> Carries for $endpoint<T> {
            type Item = T;
        }
    )*};
}

carries!(
    Sender,
    WeakSender,
    Receiver,
    BroadcastSender,
    BroadcastReceiver
);
carries!(LatestSender, LatestReceiver, OneshotSender, OneshotReceiver);

impl<C: Carries> Carries for Vec<C> {
    type Item = C::Item;
}
impl<C: Carries> Carries for Option<C> {
    type Item = C::Item;
}
impl<C: Carries, const N: usize> Carries for [C; N] {
    type Item = C::Item;
}

/// A lent argument; called as `(&LearnItem(&value)).learn()`.
#[derive(Debug)]
pub struct LearnItem<'a, P: ?Sized>(pub &'a P);

/// The way for endpoints of channels whose messages have `Debug`.
pub trait ViaItem {
    /// Lets the run that is recorded show such messages.
    fn learn(&self);
}

impl<P: Carries<Item: Debug> + ?Sized> ViaItem for LearnItem<'_, P> {
    #[inline]
    fn learn(&self) {
        if here::records() {
            here::learn::<P::Item>();
        }
    }
}

/// The way for all others.
pub trait ViaNoItem {
    /// Does nothing.
    fn learn(&self);
}

impl<P: ?Sized> ViaNoItem for &LearnItem<'_, P> {
    #[inline]
    fn learn(&self) {}
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::text;

    #[test]
    fn values_are_one_short_line() {
        assert_eq!(text(&Some("a")), "Some(\"a\")");
        assert_eq!(text(&format_args!("a\n   b")), "a b");
        let long = text(&vec![7; 100]);
        assert!(long.ends_with("..") && long.chars().count() == 82, "{long}");
    }
}
