//! Expansions of canonical inputs, compared with `tests/expand/*.rs`.
//!
//! `UPDATE_EXPECT=1 cargo test -p roundrock-macros` writes them anew; read the difference.

use std::path::Path;
use std::{env, fs};

use quote::quote;

use super::{Case, inputs, run, tokens};

#[test]
fn expansions_are_as_expected() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/expand");
    for (name, cases) in inputs::CANONICAL {
        let text: String = cases.iter().map(snapshot).collect::<Vec<_>>().join("\n");
        let path = directory.join(name).with_extension("rs");
        if env::var_os("UPDATE_EXPECT").is_some() {
            fs::create_dir_all(&directory).expect("tests/expand can be made");
            fs::write(&path, &text).expect("tests/expand can be written");
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            expected == text,
            "the expansion in {} has changed; UPDATE_EXPECT=1 writes it anew:\n{text}",
            path.display(),
        );
    }
}

/// The input as a comment, then the expansion.
fn snapshot(case: &Case) -> String {
    let expansion = run(case.name, tokens(case.arguments), tokens(case.item));
    let (attribute, file) = if case.name == "select" {
        (
            "select!".to_owned(),
            quote!(async fn waits() { #expansion }),
        )
    } else if case.arguments.is_empty() {
        (format!("#[{}]", case.name), expansion)
    } else {
        (format!("#[{}({})]", case.name, case.arguments), expansion)
    };
    let file = syn::parse2(file).expect("the expansion is items");
    let input: String = case
        .item
        .lines()
        .map(|line| format!("// {line}\n"))
        .collect();
    format!("// {attribute}\n{input}\n{}", prettyplease::unparse(&file))
}
