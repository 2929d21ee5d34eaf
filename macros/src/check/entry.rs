//! `#[roundrock::main]`.

use proc_macro2::{Delimiter, Group, TokenStream};
use quote::ToTokens;
use syn::{FnArg, Signature};

use super::{options, types};
use crate::errors::Errors;
use crate::model::Entry;
use crate::parse::item::{Function, Item};

/// `#[roundrock::main]` or `#[roundrock::test]` on something that is no function.
pub(crate) fn wrong_item(attribute: &str, instead: &str, item: &Item, errors: &mut Errors) {
    let (keyword, what) = match item {
        Item::Struct(item) => (item.struct_token.to_token_stream(), "a struct"),
        Item::Function(function) => (function.sig.fn_token.to_token_stream(), "a function"),
        Item::Impl(item) => (item.impl_token.to_token_stream(), "an `impl`"),
        Item::Other(keyword, what) => (keyword.clone(), what.as_str()),
    };
    errors.help(
        keyword,
        format!("`#[roundrock::{attribute}]` goes on a function, not on {what}"),
        &format!("write `{instead}`"),
    );
}

/// Whether a function takes one argument, a reference to a type of this name.
pub(super) fn takes_only(sig: &Signature, name: &str) -> bool {
    match sig.inputs.first() {
        Some(FnArg::Typed(typed)) if sig.inputs.len() == 1 => types::reference(&typed.ty)
            .is_some_and(|lent| {
                lent.mutability.is_none() && types::named(&lent.elem, name).is_some()
            }),
        _ => false,
    }
}

/// Checks the entry point.
pub(crate) fn check(arguments: TokenStream, function: Function, errors: &mut Errors) -> Entry {
    let (workers, grace) = options::entry(arguments, errors);
    let sig = &function.sig;
    if !takes_only(sig, "Scope") || sig.asyncness.is_none() {
        let mut parameters = Group::new(Delimiter::Parenthesis, sig.inputs.to_token_stream());
        parameters.set_span(sig.paren_token.span.join());
        let name = &sig.ident;
        errors.at(
            parameters,
            format!("`{name}` takes the scope: `async fn {name}(scope: &Scope)`"),
        );
    }
    if !sig.generics.params.is_empty() {
        errors.at(
            &sig.generics,
            "the entry point cannot be generic: nobody calls it with types",
        );
    }
    Entry {
        function,
        workers,
        grace,
    }
}
