//! Holds documents to the code: every path in ARCHITECTURE.md exists, and every promise has a test. That the list of unsafe code is
//! complete is for `tidy`.

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

/// The numbers in the names of tests: `fn p39_p42_..` has two.
fn numbers_of_tests(directory: &Path, found: &mut BTreeSet<u32>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            numbers_of_tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let names = text.lines().filter_map(|line| {
                let name = line
                    .trim_start()
                    .strip_prefix("fn ")
                    .or_else(|| line.trim_start().strip_prefix("async fn "))?;
                name.split_once('(')
            });
            for (name, _) in names {
                let parts = name
                    .split('_')
                    .map_while(|part| part.strip_prefix('p')?.parse::<u32>().ok());
                found.extend(parts);
            }
        }
    }
}

#[test]
fn every_promise_has_a_test() {
    let page = fs::read_to_string(root().join("runtime/src/promises.rs")).expect("the page");
    let listed = page.split("**P").skip(1).map(|rest| {
        let (number, _) = rest.split_once("**").expect("a number");
        number.parse::<u32>().expect("a number")
    });
    let listed: Vec<u32> = listed.collect();
    assert!(
        listed.iter().copied().eq(1..=44),
        "in order, each once: {listed:?}"
    );
    let mut tested = BTreeSet::new();
    numbers_of_tests(&root().join("tests"), &mut tested);
    let untested: Vec<_> = listed
        .iter()
        .filter(|number| !tested.contains(number))
        .collect();
    assert!(
        untested.is_empty(),
        "promised, and not tested: {untested:?}"
    );
    let unknown: Vec<_> = tested
        .iter()
        .filter(|number| !listed.contains(number))
        .collect();
    assert!(unknown.is_empty(), "tested, and not promised: {unknown:?}");
}
