//! What stands beside an error of the macros, so that one mistake gives one error. Nothing here ever runs.
//!
//! Input: what the program passes to what has a mistake in its signature. Output: types, which is all that the rest of the program
//! needs.

use std::future::Future;
use std::marker::PhantomData;

use crate::process::function::{Body, Env, Process};
use crate::process::port::Visitor;

/// Stands for a process; never called.
pub fn stub_process<O: 'static>() -> Process<StubBody<O>> {
    unreachable!("a stub stands beside a compile error")
}

/// The body of a stub. The constructor names it: of a type without a name rustc would say three times what does not fit an argument.
#[derive(Debug)]
pub struct StubBody<O>(PhantomData<fn() -> O>);

impl<O: 'static> Body for StubBody<O> {
    type Output = O;

    fn start(self, _env: Env) -> impl Future<Output = O> + Send + 'static {
        std::future::pending()
    }

    fn visit(&self, _visitor: &mut Visitor<'_>) {}

    fn shared(self) -> Self {
        self
    }

    fn again(&self) -> Option<Self> {
        None
    }
}

/// What may be passed where a `T` should be taken and a reference to one is: either. Rejected: `T` alone, for the program may
/// pass what the mistaken signature asks for; and anything, for then the compiler cannot infer what it infers from a parameter.
#[diagnostic::on_unimplemented(message = "mismatched types: expected `{T}`, found `{Self}`")]
pub trait Takes<T: ?Sized> {}

impl<T> Takes<T> for T {}
impl<T: ?Sized> Takes<T> for &T {}
impl<T: ?Sized> Takes<T> for &mut T {}
impl<T> Takes<[T]> for Vec<T> {}
impl<T> Takes<[T]> for &Vec<T> {}
impl<T> Takes<[T]> for &mut Vec<T> {}
impl<T, const N: usize> Takes<[T]> for &[T; N] {}
impl<T, const N: usize> Takes<[T]> for &mut [T; N] {}
