//! parse → check → expand, one function per macro.
//!
//! A mistake in the grammar ends here with its error. Any other comes with the nearest valid
//! expansion or a stub, so that the rest of the program sees the names it expects.
//!
//! Input: the tokens rustc gives. Output: the tokens that replace them.

use proc_macro2::{TokenStream, TokenTree};

use crate::check::types;
use crate::errors::Errors;
use crate::expand::generated;
use crate::parse::item::{self, Item};
use crate::parse::select::Arms;
use crate::{check, expand, fallback};

/// What to write instead of two.
const ONE_PROCESS: &str = "put all options into one: `#[process(mailbox = 8, name = \"router\")]`";

/// `#[process]`
pub(crate) fn process(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let expanded = match item::item(item.clone()) {
        Ok(Item::Struct(mut parsed)) => {
            types::once(&mut parsed.attrs, "process", ONE_PROCESS, &mut errors);
            expand::state::expand(&check::state::check(arguments, &parsed, &mut errors))
        }
        Ok(Item::Function(mut function)) => {
            types::once(&mut function.attrs, "process", ONE_PROCESS, &mut errors);
            let is_method =
                matches!(function.body, TokenTree::Group(_)) && function.sig.receiver().is_some();
            let method = is_method.then(|| function.clone());
            match check::function::check(arguments, *function, &mut errors) {
                Some(process) if errors.is_empty() => expand::function::expand(&process),
                Some(process) => fallback::constructor(&process),
                None => method.map_or(item, |method| fallback::method(&method)),
            }
        }
        Ok(Item::Impl(parsed)) => {
            let what = if parsed.of_trait.is_some() {
                "a trait `impl`"
            } else {
                "an `impl`"
            };
            check::state::wrong_item(
                quote::ToTokens::to_token_stream(&parsed.impl_token),
                what,
                &mut errors,
            );
            match parsed.of_trait {
                Some(_) => item,
                None => check::handlers::guessed(*parsed)
                    .map_or(item, |block| fallback::handlers(&block)),
            }
        }
        Ok(Item::Other(keyword, what)) => {
            check::state::wrong_item(keyword, &what, &mut errors);
            check::state::guessed(arguments, item.clone(), &mut errors)
                .map_or(item, |process| expand::state::expand(&process))
        }
        Err(error) => unparsed(error, item, &mut errors),
    };
    with(errors, expanded)
}

/// `#[handlers]`
pub(crate) fn handlers(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let expanded = match item::item(item.clone()) {
        Ok(Item::Impl(mut block)) if block.of_trait.is_none() => {
            types::once(
                &mut block.attrs,
                "handlers",
                "remove one of them",
                &mut errors,
            );
            check::handlers::check(arguments, *block, &mut errors)
                .map_or(item, |block| expand::handlers::expand(&block))
        }
        Ok(other) => {
            check::handlers::wrong_item(&other, &mut errors);
            item
        }
        Err(error) => unparsed(error, item, &mut errors),
    };
    with(errors, expanded)
}

/// `#[roundrock::main]`
pub(crate) fn entry(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let expanded = match item::item(item.clone()) {
        Ok(Item::Function(function)) => {
            let entry = check::entry::check(arguments, *function, &mut errors);
            if errors.is_empty() {
                expand::entry::expand(&entry)
            } else {
                expand::entry::stub(&entry)
            }
        }
        Ok(other) => {
            check::entry::wrong_item("main", "async fn main(scope: &Scope)", &other, &mut errors);
            item
        }
        Err(error) => unparsed(error, item, &mut errors),
    };
    with(errors, expanded)
}

/// `#[roundrock::test]`
pub(crate) fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let expanded = match item::item(item.clone()) {
        Ok(Item::Function(function)) => {
            let test = check::test::check(arguments, *function, &mut errors);
            if errors.is_empty() {
                expand::test::expand(&test)
            } else {
                expand::test::stub(&test)
            }
        }
        Ok(other) => {
            check::entry::wrong_item("test", "async fn name(sim: &Sim)", &other, &mut errors);
            item
        }
        Err(error) => unparsed(error, item, &mut errors),
    };
    with(errors, expanded)
}

/// `select!`
pub(crate) fn select(tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let select = match syn::parse2::<Arms>(tokens) {
        Ok(arms) => check::select::check(arms, &mut errors),
        Err(error) => {
            errors.push(error);
            return stand_in(errors);
        }
    };
    if errors.is_empty() {
        expand::select::expand(&select)
    } else {
        stand_in(errors)
    }
}

/// An attribute that has a meaning in `#[handlers]` only.
pub(crate) fn misplaced(name: &str, item: TokenStream) -> TokenStream {
    let errors = syn::Error::new(
        proc_macro2::Span::call_site(),
        format!("`#[{name}]` only works inside `#[handlers] impl ... {{ }}`"),
    );
    let errors = errors.into_compile_error();
    generated!(#errors #item)
}

/// Keeps an item that could not be parsed: rustc has parsed it, so it is new syntax.
fn unparsed(error: syn::Error, item: TokenStream, errors: &mut Errors) -> TokenStream {
    errors.push(error);
    item
}

fn with(errors: Errors, expanded: TokenStream) -> TokenStream {
    let errors = errors.into_tokens();
    generated!(#errors #expanded)
}

/// An expression of any type.
fn stand_in(errors: Errors) -> TokenStream {
    let errors = errors.into_tokens();
    let private = expand::private();
    generated!({ #errors #private::stub() })
}
