//! What `select!` and `#[recv]` take, and one error for each thing that they do not.
//!
//! Both ask through `Via`; see the header of `process::meta`.

use std::pin::Pin;
use std::task::Context;

use crate::channel::Message;
use crate::channel::receiver::{Receiver, Recv};
use crate::channel::select::{ArmPoll, CancelSafe, Event, Token};
use crate::process::call::{Call, CallFuture};
use crate::process::handle::Handlers;
use crate::process::meta::{Direct, Never, NeverEver, NoType};
use crate::time::Sleep;

/// Takes a branch of `select!`; a projection, see the header of `process::meta`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a branch of `select!`",
    label = "not known to be cancel-safe: if another branch wins, this work would be lost half way",
    note = "branches are events: `recv()`, `recv_many(n)`, `ready()`, `send(..)`, `next()`, `sleep(..)`, `done()`, `stopping()`",
    note = "run other work as its own process and select on its `done()`, or vouch for it with `cancel_safe(...)`"
)]
pub trait IntoEvent<Via> {
    /// `Self`.
    type Event: Event;
    /// The event itself.
    fn into_event(self) -> Self::Event;
}

#[diagnostic::do_not_recommend]
impl<E: Event> IntoEvent<Direct> for E {
    type Event = E;
    fn into_event(self) -> E {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<E: NoType + Event> IntoEvent<Never> for E {
    type Event = E;
    fn into_event(self) -> E {
        self
    }
}

/// The way of a list, which is there for the error.
#[derive(Debug)]
pub struct List;

/// The ways to a branch that waits for one event.
#[diagnostic::on_unimplemented(
    message = "a branch of `select!` waits for one event, and this is a list",
    label = "several events",
    note = "write a branch for each event; for any number of them let all senders send into one channel, or give each input a process of its own"
)]
pub trait One {}
impl One for Direct {}
#[diagnostic::do_not_recommend]
impl One for Asking {}

/// The way of a call, which is there for the error.
#[derive(Debug)]
pub struct Asking;

/// The ways to a branch that is no call.
#[diagnostic::on_unimplemented(
    message = "a call cannot be a branch of `select!`",
    label = "if another branch wins, its handler may have run already, and the reply would be lost",
    note = "make it in a task, and select on the end of that: `let asked = scope.task(\"ask\", async move {{ handle.get().await }});`, `_ = asked.done() => ..`, then `asked.await`",
    note = "a limit of time needs no `select!`: `handle.get().within(secs(1)).await`"
)]
pub trait NoCall {}
impl NoCall for Direct {}
#[diagnostic::do_not_recommend]
impl NoCall for List {}

/// Gives what the call would, so that nothing else is wrong.
#[diagnostic::do_not_recommend]
impl<'h, P: Handlers, R, E> IntoEvent<Asking> for Call<'h, P, R, E> {
    type Event = CancelSafe<CallFuture<'h, P, R, E, P::Message>>;
    fn into_event(self) -> Self::Event {
        unreachable!("a call is no branch")
    }
}

/// What a list would give is what one of its events does, so that nothing else is wrong.
macro_rules! lists {
    ($([$($generics:tt)*] $list:ty;)+) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($generics)*> IntoEvent<List> for $list {
            type Event = E;
            fn into_event(self) -> E {
                unreachable!("a list is no branch")
            }
        }
    )+};
}
lists! {
    [E: Event] Vec<E>;
    [E: Event, const N: usize] [E; N];
    [E: Event, A] (E, A);
    [E: Event, A, B] (E, A, B);
}

/// Checks that a branch of `select!` is an [`Event`], where the error is best shown.
pub fn event<E: IntoEvent<Via>, Via: One + NoCall>(event: E) -> E::Event {
    event.into_event()
}

/// Fields that `#[recv]` may name.
#[diagnostic::on_unimplemented(
    message = "`#[recv]` needs an input, but this field is `{Self}`",
    label = "not a `Receiver<_>` of messages",
    note = "a message is owned data: `Send + 'static`"
)]
pub trait Input<Via>: Sync {
    /// What is received.
    type Item;
    /// The wait for it.
    type Event<'a>: Event<Output = Self::Item> + Send
    where
        Self: 'a;
    /// Makes the wait.
    fn event(&self) -> Self::Event<'_>;
}

#[diagnostic::do_not_recommend]
impl<T: Message> Input<Direct> for Receiver<T> {
    type Item = T;
    type Event<'a>
        = Recv<'a, T>
    where
        T: 'a;
    fn event(&self) -> Recv<'_, T> {
        self.receive()
    }
}

/// Two impls that never hold: with several that seem possible rustc reports `Input` itself, once.
macro_rules! never_an_input {
    ($($via:ty),*) => {$(
        #[diagnostic::do_not_recommend]
        impl<T: NoType + Sync> Input<$via> for T {
            type Item = ();
            type Event<'a>
                = Sleep
            where
                T: 'a;
            fn event(&self) -> Sleep {
                unreachable!("a type that does not exist has no value")
            }
        }
    )*};
}
never_an_input!(Never, NeverEver);

/// The wait for an input.
pub fn input<I: Input<Via>, Via>(field: &I) -> I::Event<'_> {
    field.event()
}

/// An input that never has anything.
#[derive(Debug)]
pub struct NoInput(());

/// Makes an input that never has anything.
pub fn no_input() -> NoInput {
    NoInput(())
}

impl Event for NoInput {
    type Output = std::convert::Infallible;

    fn poll_arm(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _token: &Token,
    ) -> ArmPoll<Self::Output> {
        ArmPoll::Disabled
    }
}
