//! Ports: the endpoints that a process was lent or keeps in its state, counted so that the runtime knows who holds them.
//!
//! [`Trace`] never looks behind `Arc`, `Rc`, `&` or raw pointers: what lies there may be used by somebody else, and counting
//! it as held inside would be wrong. A missed endpoint only makes an answer less certain.

use std::ptr;

use crate::channel::sender::Route as _;
use crate::channel::{BroadcastSender, LatestSender, OneshotSender, Receiver, Sender};
use crate::task::registry::{Direction, Ports};

/// Collects the endpoints found in lent arguments and in state.
#[derive(Debug)]
pub struct Visitor<'a> {
    pub(crate) ports: &'a mut Ports,
    /// The names of all arguments or fields, in order.
    pub(crate) names: &'static [&'static str],
}

impl Visitor<'_> {
    /// An endpoint was found under a name.
    pub(crate) fn found(&mut self, name: &str, direction: Direction, object: u64) {
        let position = self
            .names
            .iter()
            .position(|known| ptr::eq(*known, name) || *known == name);
        // A position that does not fit has no name.
        let position = position.and_then(|position| u8::try_from(position).ok());
        self.ports
            .add(direction, position.unwrap_or(u8::MAX), object);
    }
}

/// A value that may contain endpoints.
pub trait Trace {
    /// Shows every endpoint inside to the visitor, under the name of the argument or field.
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>);
}

impl<T> Trace for Sender<T> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        visitor.found(name, Direction::Out, self.object());
    }
}

impl<T> Trace for Receiver<T> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        visitor.found(name, Direction::In, self.object());
    }
}

impl<T> Trace for OneshotSender<T> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        visitor.found(name, Direction::Out, self.object());
    }
}

impl<T> Trace for LatestSender<T> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        visitor.found(name, Direction::Out, self.object());
    }
}

impl<T> Trace for BroadcastSender<T> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        visitor.found(name, Direction::Out, self.object());
    }
}

impl<T: Trace> Trace for Option<T> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        self.iter().for_each(|inner| inner.trace(name, visitor));
    }
}

impl<T: Trace> Trace for Vec<T> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        self.iter().for_each(|inner| inner.trace(name, visitor));
    }
}

impl<T: Trace, const N: usize> Trace for [T; N] {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        self.iter().for_each(|inner| inner.trace(name, visitor));
    }
}

impl<A: Trace, B: Trace> Trace for (A, B) {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        self.0.trace(name, visitor);
        self.1.trace(name, visitor);
    }
}

/// Looks at a value of any type: with [`Trace`] if it has that, otherwise not at all.
///
/// Called as `(&Probe(&value)).visit("name", visitor)`: the method of [`ViaTrace`] needs one reference less than the one of
/// [`ViaNothing`], so the compiler prefers it where it applies.
#[derive(Debug)]
pub struct Probe<'a, T: ?Sized>(pub &'a T);

/// The way for values that have [`Trace`].
pub trait ViaTrace {
    /// Shows the value to the visitor.
    fn visit(&self, name: &'static str, visitor: &mut Visitor<'_>);
}

impl<T: Trace + ?Sized> ViaTrace for Probe<'_, T> {
    fn visit(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        self.0.trace(name, visitor);
    }
}

/// The way for all others.
pub trait ViaNothing {
    /// Does nothing.
    fn visit(&self, name: &'static str, visitor: &mut Visitor<'_>);
}

impl<T: ?Sized> ViaNothing for &Probe<'_, T> {
    fn visit(&self, _name: &'static str, _visitor: &mut Visitor<'_>) {}
}
