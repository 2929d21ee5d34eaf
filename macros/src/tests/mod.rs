//! Tests of the transformations on plain token streams: what they say ([`messages`]), what they
//! expand to ([`snapshots`], [`hygiene`]), and that nothing makes them panic ([`fuzz`]).
//!
//! Where messages point, and what rustc makes of expansions, is tested in `tests/ui`.

mod fuzz;
mod hygiene;
mod inputs;
mod messages;
mod snapshots;

use proc_macro2::{TokenStream, TokenTree};

use crate::check::function::BUILT_IN;
use crate::pipeline;

/// One macro, its arguments and what it is put on.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) arguments: &'static str,
    pub(super) item: &'static str,
}

/// Runs the macro called `name`.
pub(super) fn run(name: &str, arguments: TokenStream, item: TokenStream) -> TokenStream {
    match name {
        "process" => pipeline::process(arguments, item),
        "handlers" => pipeline::handlers(arguments, item),
        "main" => pipeline::entry(arguments, item),
        "test" => pipeline::test(arguments, item),
        "select" => pipeline::select(item),
        other => pipeline::misplaced(other, item),
    }
}

/// Source text as tokens.
pub(super) fn tokens(text: &str) -> TokenStream {
    text.parse().expect("test input is tokens")
}

/// The texts of all `compile_error!`s in an expansion.
pub(super) fn errors(expansion: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    let mut after_error = false;
    for token in expansion {
        match token {
            TokenTree::Ident(name) => after_error = name == "compile_error",
            TokenTree::Punct(_) => {}
            TokenTree::Group(group) if after_error => {
                let text: syn::LitStr =
                    syn::parse2(group.stream()).expect("compile_error! has a text");
                found.push(text.value());
                after_error = false;
            }
            TokenTree::Group(group) => found.extend(errors(group.stream())),
            TokenTree::Literal(_) => {}
        }
    }
    found
}

/// What the documentation of `#[handlers]` says of taken names is what the macro refuses.
#[test]
fn taken_names_are_documented() {
    let text = include_str!("../lib.rs").replace("\n///", "");
    let (_, list) = text
        .split_once("cannot be handlers: ")
        .expect("the list begins so");
    let (list, _) = list
        .split_once(", and those that end in `_port`")
        .expect("the list ends so");
    let names: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
    assert_eq!(names, BUILT_IN);
}
