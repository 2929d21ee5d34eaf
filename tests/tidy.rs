//! The rules of CONTRIBUTING.md that a machine can check. A failure lists every place that breaks a rule.
//!
//! Left to others: the comments on unsafe blocks and `todo!` are clippy's, formatting is rustfmt's, `unsafe` outside of the modules that expect it
//! is rustc's.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The most lines that a file may have: beyond that it has more than one role.
const LONGEST: usize = 700;

/// The most lines between an `ORDERING:` comment and the access that it speaks of.
const REACH: usize = 6;

/// A file of the repository.
struct File {
    /// Its path from the root, with `/`.
    path: String,
    text: String,
}

impl File {
    /// The lines with their numbers, from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line))
    }

    fn is_below(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Code that users run, as opposed to tests.
    fn is_production(&self) -> bool {
        (self.is_below("runtime/src/") || self.is_below("macros/src/"))
            && !self.path.contains("/tests/")
    }

    fn expects_unsafe(&self) -> bool {
        let mut lines = self.text.lines().map(str::trim);
        lines.any(|line| line.contains("expect(unsafe_code") || line == "unsafe_code,")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files with one of these endings, without what is built, and without what a test keeps verbatim.
fn files(ending: &str) -> Vec<File> {
    let mut found = Vec::new();
    collect(&root(), "", ending, &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(!found.is_empty(), "no file ends with {ending}");
    found
}

fn collect(folder: &Path, prefix: &str, ending: &str, found: &mut Vec<File>) {
    const LEFT_OUT: [&str; 4] = ["target", "tests/ui", "tests/expand", "examples/router/data"];
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let entry = entry.expect("an entry of a folder");
        let name = entry.file_name().into_string().expect("a plain name");
        let path = format!("{prefix}{name}");
        if name.starts_with('.') || LEFT_OUT.contains(&path.as_str()) || name == "target" {
            continue;
        }
        if entry.file_type().expect("a file type").is_dir() {
            collect(&entry.path(), &format!("{path}/"), ending, found);
        } else if name.ends_with(ending) {
            let text = fs::read_to_string(entry.path()).expect("a text");
            found.push(File { path, text });
        }
    }
}

/// Fails with all places at once.
#[track_caller]
fn assert_none(rule: &str, places: impl IntoIterator<Item = String>) {
    let mut list = String::new();
    for place in places {
        write!(list, "\n  {place}").expect("a string grows");
    }
    assert!(list.is_empty(), "{rule}:{list}");
}

#[test]
fn every_file_opens_with_what_it_is() {
    let silent = files(".rs").into_iter().filter(|file| {
        let mut lines = file.text.lines();
        !lines.next().is_some_and(|line| line.starts_with("//! "))
    });
    assert_none("a file opens with `//!`", silent.map(|file| file.path));
}

#[test]
fn files_are_not_too_long() {
    let long = files(".rs").into_iter().filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > LONGEST).then(|| format!("{}: {lines} lines, at most {LONGEST}", file.path))
    });
    assert_none("a file has one role", long);
}

#[test]
fn every_ordering_is_justified() {
    const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];
    let mut places = Vec::new();
    for file in files(".rs").iter().filter(|file| file.is_production()) {
        let mut justified = None::<usize>;
        for (number, line) in file.lines() {
            if line.contains("ORDERING") {
                justified = Some(number);
            }
            let code = line.split("//").next().unwrap_or_default();
            let is_access = code
                .split("Ordering::")
                .skip(1)
                .any(|rest| ORDERINGS.iter().any(|name| rest.starts_with(name)));
            if is_access && justified.is_none_or(|at| number - at > REACH) {
                places.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    assert_none(
        &format!("an `ORDERING:` comment stands at most {REACH} lines above an access"),
        places,
    );
}

#[test]
fn what_threads_share_comes_from_the_module_that_models_replace() {
    // Put together here, so that a list of imports is found too.
    const FORBIDDEN: [&str; 6] = ["atomic", "Barrier", "Condvar", "Mutex", "RwLock", "mpsc"];
    const OTHERS: [&str; 3] = ["task/origin.rs", "process/cause.rs", "observe/hooks.rs"];
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap_or_default();
    let mut places = Vec::new();
    for file in files(".rs").iter().filter(|file| file.is_production()) {
        let short = file.path.trim_start_matches("runtime/src/");
        let is_outside = ["sync/", "sim/", "net/"]
            .iter()
            .any(|part| short.starts_with(part));
        if is_outside || OTHERS.contains(&short) && architecture.contains(short) {
            continue;
        }
        let code = file
            .lines()
            .take_while(|(_, line)| !line.contains("cfg(all(test"));
        for (number, line) in code {
            let line = line.split("//").next().unwrap_or_default();
            let names = line
                .split_once("std::sync::")
                .map_or("", |(_, names)| names);
            let mut names = names.split(|letter: char| !letter.is_alphanumeric());
            if names.any(|name| FORBIDDEN.contains(&name)) {
                places.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    assert_none("atomics and locks come from `crate::sync`", places);
}

#[test]
fn unsafe_stays_where_it_is_expected_and_listed() {
    let all = files(".rs");
    let is_unsafe = |file: &&File| {
        let mut code = file
            .lines()
            .map(|(_, line)| line.split("//").next().unwrap_or_default());
        code.any(|code| {
            ["unsafe {", "unsafe fn ", "unsafe impl"]
                .iter()
                .any(|form| code.contains(form))
        })
    };
    let production: Vec<_> = all.iter().filter(|file| file.is_production()).collect();
    let unexpected = production
        .iter()
        .copied()
        .filter(is_unsafe)
        .filter(|file| !file.expects_unsafe());
    assert_none(
        "`unsafe` needs `expect(unsafe_code, reason = …)`",
        unexpected.map(|file| file.path.clone()),
    );
    let Ok(architecture) = fs::read_to_string(root().join("ARCHITECTURE.md")) else {
        return;
    };
    let unlisted = production.iter().filter(|file| {
        let short = file.path.trim_start_matches("runtime/src/");
        file.expects_unsafe() && !architecture.contains(short)
    });
    assert_none(
        "ARCHITECTURE.md lists every file with `unsafe`",
        unlisted.map(|file| file.path.clone()),
    );
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_to_do() {
    // Put together here, so that this file does not find itself.
    let forbidden = [("#[ig", "nore"), ("unimple", "mented!"), ("to", "do!(")]
        .map(|(start, end)| format!("{start}{end}"));
    let mut places = Vec::new();
    for file in files(".rs") {
        for (number, line) in file.lines() {
            if forbidden.iter().any(|word| line.contains(word.as_str())) {
                places.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    assert_none("no test is ignored, and nothing is left to do", places);
}

#[test]
fn every_model_is_named_by_the_protocol_it_checks() {
    let all = files(".rs");
    let models = all.iter().filter_map(|file| {
        let name = file.path.strip_prefix("runtime/src/tests/")?;
        name.starts_with("loom_").then_some(name)
    });
    let unnamed = models.filter(|model| {
        let named =
            |file: &File| file.is_production() && file.text.contains(&format!("`tests/{model}`"));
        !all.iter().any(named)
    });
    assert_none(
        "a protocol's file names its model",
        unnamed.map(str::to_owned),
    );
}

#[test]
fn documents_speak_of_the_project_only() {
    // Paths of one machine, and addresses of persons.
    const FORBIDDEN: [&str; 5] = ["/home/", "/root/", "/tmp/", "/work/", "mailto:"];
    let mut places = Vec::new();
    for file in files(".md") {
        for (number, line) in file.lines() {
            let is_address = line
                .split_whitespace()
                .any(|word| word.contains('@') && word.contains('.') && !word.contains('/'));
            if is_address || FORBIDDEN.iter().any(|word| line.contains(word)) {
                places.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    assert_none("a document names no person and no machine", places);
}
