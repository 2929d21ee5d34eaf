//! The values inside the messages of struct processes.

#![expect(
    unsafe_code,
    reason = "what is made of messages only, which its type does not say"
)]

use std::fmt;
use std::marker::PhantomData;

/// A value inside a message. It can be made only of a message, so it is `Send` whatever `T` is: a `T` that is no message then
/// is one error, at the user's type.
#[repr(transparent)]
pub struct Parcel<T>(T, PhantomData<*const ()>);

// SAFETY: `parcel` is the only constructor, and it demands `T: Message`, which is `T: Send`.
unsafe impl<T> Send for Parcel<T> {}

/// Packs a value.
pub fn parcel<T: crate::channel::Message>(value: T) -> Parcel<T> {
    Parcel(value, PhantomData)
}

/// What the field of a `#[recv]` gives is what the method takes.
#[diagnostic::on_unimplemented(
    message = "this method takes `{T}`, and the field in its `#[recv]` gives `{Self}`",
    label = "must be `{Self}`",
    note = "a method with `#[recv]` takes the messages as they were sent: write their type here, or change that of the field"
)]
pub trait Gives<T> {
    /// Packs it.
    fn pack(self) -> Parcel<T>;
}

#[diagnostic::do_not_recommend]
impl<T: crate::channel::Message> Gives<T> for T {
    fn pack(self) -> Parcel<T> {
        parcel(self)
    }
}

/// Packs what an input gave.
pub fn received<T, V: Gives<T>>(value: V) -> Parcel<T> {
    value.pack()
}

impl<T> Parcel<T> {
    /// Unpacks the value.
    pub fn open(self) -> T {
        self.0
    }

    /// Looks at the value.
    pub fn peek(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Parcel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parcel")
    }
}
