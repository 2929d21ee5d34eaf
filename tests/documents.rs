//! Holds ARCHITECTURE.md to the code: every path in it exists. That its list of unsafe code is complete is for `tidy`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn architecture() -> String {
    fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md")
}

/// What stands between backquotes and looks like a path from the top level.
fn paths(text: &str) -> BTreeSet<&str> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|quoted| {
            ["runtime/", "macros/", "tests/", "examples/"]
                .iter()
                .any(|top| quoted.starts_with(top))
        })
        .collect()
}

#[test]
fn paths_in_the_architecture_exist() {
    let text = architecture();
    let missing: Vec<_> = paths(&text)
        .into_iter()
        .filter(|path| !root().join(path).exists())
        .collect();
    assert!(missing.is_empty(), "not there: {missing:?}");
}
