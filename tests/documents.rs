//! Holds ARCHITECTURE.md to the code: every path in it exists, and its list of modules with unsafe code is complete.

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

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
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

#[test]
fn modules_with_unsafe_code_are_listed() {
    let text = architecture();
    let listed: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `runtime/"))
        .filter_map(|line| line.split('`').next())
        .map(|path| format!("runtime/{path}"))
        .collect();
    let mut files = Vec::new();
    rust_files(&root().join("runtime/src"), &mut files);
    let expecting: BTreeSet<String> = files
        .iter()
        .filter(|path| fs::read_to_string(path).is_ok_and(|code| code.contains("unsafe_code")))
        .filter_map(|path| path.strip_prefix(root()).ok())
        .map(|path| path.display().to_string())
        .filter(|path| !path.starts_with("runtime/src/tests/"))
        .collect();
    assert_eq!(listed, expecting, "ARCHITECTURE.md and the code differ");
}
