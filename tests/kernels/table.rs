//! Holds LEAKS.md to the tests: each test that its tables name exists, and each kernel stands in a table.

use std::collections::BTreeSet;
use std::path::Path;

/// The modules that the tables list test by test; the others are listed by what they show.
const LISTED: [&str; 13] = [
    "calls",
    "channel",
    "closing",
    "context",
    "global",
    "micro",
    "mixed",
    "order",
    "pods",
    "relock",
    "rust",
    "suspected",
    "uber",
];
/// Tests in these modules that are no kernels.
const NOT_KERNELS: [&str; 1] = ["calls::a_call_with_a_limit_is_not_refused"];

fn tests_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    let path = tests_dir().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the tests of a module.
fn tests_of(module: &str) -> Vec<String> {
    let text = read(&format!("kernels/{module}.rs"));
    let after = text.split("#[test]\nfn ").skip(1);
    after
        .map(|rest| format!("{module}::{}", rest.split('(').next().unwrap_or("")))
        .collect()
}

#[test]
fn leaks_md_names_every_kernel() {
    let text = read("../LEAKS.md");
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let named: BTreeSet<_> = rows.filter_map(|row| row.split('`').rev().nth(1)).collect();
    let (files, tests): (Vec<_>, Vec<_>) =
        named.into_iter().partition(|name| name.starts_with("ui/"));
    assert!(!files.is_empty());
    for file in files {
        assert!(tests_dir().join(file).exists(), "{file} does not exist");
        assert!(
            tests_dir().join(file).with_extension("stderr").exists(),
            "{file} has no message"
        );
    }
    let tests: BTreeSet<_> = tests
        .into_iter()
        .filter(|name| name.contains("::"))
        .map(str::to_owned)
        .collect();
    let kernels: BTreeSet<_> = LISTED.iter().flat_map(|module| tests_of(module)).collect();
    let kernels = kernels
        .into_iter()
        .filter(|test| !NOT_KERNELS.contains(&test.as_str()));
    let kernels: BTreeSet<_> = kernels.collect();
    let tests: BTreeSet<_> = tests
        .into_iter()
        .filter(|test| !test.starts_with("negative::"))
        .collect();
    let missing: Vec<_> = kernels.difference(&tests).collect();
    let unknown: Vec<_> = tests.difference(&kernels).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "not in LEAKS.md: {missing:?}; not a test: {unknown:?}"
    );
}
