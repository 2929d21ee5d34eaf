//! What the macros say about a process, and the small traits that give a mistake one good error.
//!
//! Several functions here return a projection through a parameter that only a fitting impl can decide (`Via`). If none fits,
//! their type stays unknown, and rustc reports the failed bound and nothing of what would follow from it. Two impls are
//! needed for that, so the second one is for types that do not exist ([`NoType`]).

use std::convert::Infallible;

use crate::process::context::Cx;
use crate::process::exit::{Fault, IntoFault};

/// On which threads a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// On the workers.
    Async,
    /// On a thread of its own, which it may block.
    Blocking,
    /// On one of as many threads as there are cores.
    Cpu,
}

/// What `#[process]` says about a struct.
#[derive(Debug)]
pub struct StructMeta {
    /// The name of the process.
    pub name: &'static str,
    /// The file of the struct.
    pub file: &'static str,
    /// Its line.
    pub line: u32,
    /// The names of its fields, in order.
    pub ports: &'static [&'static str],
    /// The capacity of the mailbox, 1 to 65,536.
    pub mailbox: u32,
    /// Where it runs.
    pub kind: Kind,
    /// How many may live before an alarm.
    pub budget: Option<u32>,
}

/// What `#[process]` says about a function.
#[derive(Debug)]
pub struct FnMeta {
    /// The name of the process.
    pub name: &'static str,
    /// The file of the function.
    pub file: &'static str,
    /// Its line.
    pub line: u32,
    /// The names of the lent arguments, in order.
    pub ports: &'static [&'static str],
    /// Where it runs.
    pub kind: Kind,
    /// How many may live before an alarm.
    pub budget: Option<u32>,
}

/// One handler; its index is its number.
#[derive(Debug)]
pub struct HandlerMeta {
    /// Its name.
    pub name: &'static str,
    /// FNV-1a 64 of the name: stable whatever the order of declaration.
    pub wire: u64,
    /// The file of the handler.
    pub file: &'static str,
    /// Its line.
    pub line: u32,
}

/// The kind of a struct process as a type, so that `#[handlers]` can check it.
pub trait ProcessKind {
    /// The kind as a value.
    const KIND: Kind;
}

/// Runs on the workers.
#[derive(Debug)]
pub struct AsyncKind;
/// Runs on a thread that it may block.
#[derive(Debug)]
pub struct BlockingKind;
/// Runs on a thread for computing.
#[derive(Debug)]
pub struct CpuKind;

impl ProcessKind for AsyncKind {
    const KIND: Kind = Kind::Async;
}
impl ProcessKind for BlockingKind {
    const KIND: Kind = Kind::Blocking;
}
impl ProcessKind for CpuKind {
    const KIND: Kind = Kind::Cpu;
}

/// Kinds whose handlers may wait.
#[diagnostic::on_unimplemented(
    message = "a `blocking` or `cpu` process cannot have an `async` handler",
    label = "this handler is `async`",
    note = "make it a plain `fn`, which may block its thread, or take the option off `#[process]`"
)]
pub trait AwaitingKind: ProcessKind {}
impl AwaitingKind for AsyncKind {}

/// The kind of process behind a generated handle.
pub trait HandleKind {
    /// The kind as a type.
    type Kind: ProcessKind;
}

/// Checks that an `async` handler may wait.
pub const fn async_handler<H: HandleKind<Kind: AwaitingKind>>() {}

/// `Result` whatever its alias: `io::Result<u32>` gives `u32` and `io::Error`.
#[diagnostic::on_unimplemented(
    message = "a handler that returns a `Result` returns the one of Rust, and this is `{Self}`",
    label = "named `Result`, and is another type",
    note = "handlers are known by the names of their types: give this type another name"
)]
pub trait ResultLike {
    /// The value.
    type Ok;
    /// The error.
    type Err;
    /// The result itself.
    #[expect(clippy::missing_errors_doc, reason = "the identity")]
    fn into_result(self) -> Result<Self::Ok, Self::Err>;
}

impl<T, E> ResultLike for Result<T, E> {
    type Ok = T;
    type Err = E;
    fn into_result(self) -> Self {
        self
    }
}

/// A type that is called `Result` and was given no arguments: an alias of Rust's, or a type of the user's own. A macro cannot tell,
/// but the type can: `IS_RESULT` of `Asked<T>` is its own constant for the one, and that of [`Otherwise`] for the other.
#[derive(Debug)]
pub struct Asked<T>(std::marker::PhantomData<fn() -> T>);

impl<T, E> Asked<Result<T, E>> {
    /// It is Rust's.
    pub const IS_RESULT: bool = true;
}

/// See [`Asked`].
pub trait Otherwise {
    /// It is another type.
    const IS_RESULT: bool = false;
}

impl<T> Otherwise for Asked<T> {}

/// How such a type answers a call: Rust's `Result` with its value or its error, any other with itself.
pub trait Answered<const IS_RESULT: bool> {
    /// The value.
    type Ok;
    /// The error.
    type Err;
    /// The answer.
    #[expect(clippy::missing_errors_doc, reason = "the identity")]
    fn into_result(self) -> Result<Self::Ok, Self::Err>;
}

impl<T, E> Answered<true> for Result<T, E> {
    type Ok = T;
    type Err = E;
    fn into_result(self) -> Self {
        self
    }
}

impl<T> Answered<false> for T {
    type Ok = T;
    type Err = Infallible;
    fn into_result(self) -> Result<T, Infallible> {
        Ok(self)
    }
}

/// Results of `#[on_start]`, `#[on_stop]`, `#[every]` and `#[recv]` methods.
#[diagnostic::on_unimplemented(
    message = "nobody would see the `{Self}` that this method returns",
    label = "must be `()` or `Result<(), E>`",
    note = "the runtime calls this method: an `Err` fails the process, anything else has no reader"
)]
pub trait HookOutput {
    /// The fault, if there was one.
    #[expect(clippy::missing_errors_doc, reason = "the identity")]
    fn into_outcome(self) -> Result<(), Fault>;
}

impl HookOutput for () {
    fn into_outcome(self) -> Result<(), Fault> {
        Ok(())
    }
}

impl<E: IntoFault> HookOutput for Result<(), E> {
    fn into_outcome(self) -> Result<(), Fault> {
        self.map_err(E::into_fault)
    }
}

/// The result of a start or stop hook.
///
/// # Errors
/// What the hook returned.
pub fn outcome<O: HookOutput>(output: O) -> Result<(), Fault> {
    output.into_outcome()
}

/// The result of an `#[every]` or `#[recv]` method: an error fails the process.
pub fn settle<P, O: HookOutput>(cx: &mut Cx<P>, output: O) {
    if let Err(fault) = output.into_outcome() {
        cx.fail(fault);
    }
}

/// Checks the return type of a process function, at its span.
pub const fn returns<O: crate::process::exit::IntoOutcome>() {}

/// `!` as a type that can be written.
pub fn never(never: Infallible) -> Infallible {
    never
}

/// Stands for nothing in stubs beside an error; never called.
pub fn stub<T>() -> T {
    unreachable!("a stub stands beside a compile error")
}

/// Types that do not exist; see the module's header.
pub trait NoType {}
/// The way of the fitting impl.
#[derive(Debug)]
pub struct Direct;
/// The way of an impl for types that do not exist.
#[derive(Debug)]
pub struct Never;
/// The way of another one.
#[derive(Debug)]
pub struct NeverEver;
