//! Token trees as input of every macro: none makes it panic. The first byte chooses the macro; the rest is source text, up to a
//! line feed the arguments, then what the macro is put on. The same is done in CI with random trees, by the tests of the macros.

#![no_main]
#![allow(
    dead_code,
    reason = "the crate of the macros, without its entry points"
)]

#[path = "../../macros/src/check/mod.rs"]
mod check;
#[path = "../../macros/src/errors.rs"]
mod errors;
#[path = "../../macros/src/expand/mod.rs"]
mod expand;
#[path = "../../macros/src/fallback.rs"]
mod fallback;
#[path = "../../macros/src/model.rs"]
mod model;
#[path = "../../macros/src/parse/mod.rs"]
mod parse;
#[path = "../../macros/src/pipeline.rs"]
mod pipeline;

use libfuzzer_sys::fuzz_target;
use proc_macro2::TokenStream;

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, text)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let (arguments, item) = text.split_once('\n').unwrap_or(("", text));
    let (Ok(arguments), Ok(item)) = (
        arguments.parse::<TokenStream>(),
        item.parse::<TokenStream>(),
    ) else {
        return;
    };
    let _expansion = match choice % 6 {
        0 => pipeline::process(arguments, item),
        1 => pipeline::handlers(arguments, item),
        2 => pipeline::entry(arguments, item),
        3 => pipeline::test(arguments, item),
        4 => pipeline::select(item),
        _ => pipeline::misplaced("every", item),
    };
});
