//! Model to tokens; cannot fail.
//!
//! Expanded code names `::roundrock::__private::…`, `::core::…` and what the user named; it contains
//! no `unsafe`, and its local names are hygienic. It calls the runtime instead of inlining logic.
//! One file per macro; [`attributes`] says which of the user's attributes go where.
//!
//! Input: a model. Output: the tokens that replace the user's.

/// `quote!` with the hygiene of generated code: locals are ours, items are found where the user is.
macro_rules! generated {
    ($($tokens:tt)*) => {
        ::quote::quote_spanned!(::proc_macro2::Span::mixed_site()=> $($tokens)*)
    };
}
pub(crate) use generated;

pub(crate) mod attributes;
pub(crate) mod entry;
pub(crate) mod function;
pub(crate) mod handlers;
pub(crate) mod inbox;
pub(crate) mod input;
pub(crate) mod message;
pub(crate) mod select;
pub(crate) mod state;
pub(crate) mod test;

use proc_macro2::{Span, TokenStream};

/// The module of the runtime that is made for expanded code.
pub(crate) fn private() -> TokenStream {
    generated!(::roundrock::__private)
}

/// The same, so that an error about a call falls on the user's token alone.
pub(crate) fn private_at(span: Span) -> TokenStream {
    quote::quote_spanned!(at(span)=> ::roundrock::__private)
}

/// Where the user's token is, resolved as ours.
pub(crate) fn at(span: Span) -> Span {
    span.resolved_at(Span::mixed_site())
}
