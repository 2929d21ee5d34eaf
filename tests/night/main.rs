//! Reports as a person on call reads them at night: small programs with the mistakes that people make, and the whole text that the
//! system says of each.
//!
//! Numbers of processes and lines are left out, so that a text can be compared; that they are right is shown by `tests/kernels/`.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roundrock::leaks::{Leak, OnLeak, Verdict};
use roundrock::observe::EventKind;
use roundrock::prelude::*;
use roundrock::sync::{Mutex, RwLock, Semaphore};
use roundrock::system::Builder;
use roundrock_tests::{watched, yield_now};

/// How long a report must stay the same: five times the age of a suspect, while all who could run have run.
const SETTLED: Duration = Duration::from_millis(100);
/// How long a report may take to be there.
const PATIENCE: Duration = Duration::from_secs(20);

/// Leaves out the numbers of a text: `#7.1` and `#3..6` become `#_`, `main.rs:42` becomes `main.rs:_`, ages become `_`.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        plain.push(letter);
        let is_number = match letter {
            '#' => true,
            ':' => plain.ends_with(".rs:"),
            _ => false,
        };
        if is_number {
            plain.push('_');
            while rest
                .next_if(|&next| next.is_ascii_digit() || next == '.')
                .is_some()
            {}
        }
    }
    let age = |line: &str| match line.split_once(" for ") {
        Some((before, _)) if before.starts_with("suspected") => format!("{before} for _"),
        Some((before, after)) if before.starts_with("orphaned") => {
            let rest = after.split_once(", and").map_or("", |(_, rest)| rest);
            format!("{before} for _, and{rest}")
        }
        _ => line.to_owned(),
    };
    plain.lines().map(age).collect::<Vec<_>>().join("\n")
}

/// Runs a program until there is a finding that `is_it`, and everything that could move has moved; returns the text of all findings.
fn report_of<F>(
    builder: Builder,
    is_it: fn(&Leak) -> bool,
    body: impl FnOnce(Scope) -> F + Send + 'static,
) -> String
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let run = move || {
        builder
            .workers(1)
            .grace(millis(10))
            .run(async move |scope| {
                let program = scope.child("program");
                let task = scope.task("body", body(program.clone()));
                let (begun, system) = (Instant::now(), scope.system());
                let (mut last, mut since) = (String::new(), Instant::now());
                let text = loop {
                    for _ in 0..50 {
                        yield_now().await;
                    }
                    let leaks = system.leaks();
                    let text: Vec<_> = leaks.iter().map(|leak| plain(&leak.to_string())).collect();
                    let text = text.join("\n");
                    if text != last {
                        (last, since) = (text, Instant::now());
                    } else if leaks.iter().any(is_it) && since.elapsed() > SETTLED {
                        // Whoever was about to park has parked, and is as old as the first one was when it was suspected.
                        break last;
                    }
                    assert!(
                        begun.elapsed() < PATIENCE,
                        "not found: {leaks:#?}\n{}",
                        system.dump()
                    );
                };
                let failed = task.exit().is_some_and(|exit| exit.is_failure());
                assert!(!failed, "{:?}", task.exit());
                program.stop(Duration::ZERO).await;
                task.kill();
                task.done().await;
                assert_eq!((system.proof_violations(), system.lost_wakeups()), (0, 0));
                Ok(text)
            })
    };
    let result = watched(move |_| run());
    match result {
        Ok(text) => text,
        Err(error) => panic!("{error:?}"),
    }
}

#[track_caller]
fn proven<F>(body: impl FnOnce(Scope) -> F + Send + 'static, expected: &str)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let text = report_of(System::builder(), Leak::is_proven, body);
    assert!(text == expected, "\n{text}\n--- and not\n{expected}");
}

#[track_caller]
fn suspected<F>(body: impl FnOnce(Scope) -> F + Send + 'static, expected: &str)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let old = |leak: &Leak| matches!(leak.verdict, Verdict::Suspected { .. });
    let text = report_of(System::builder().suspect_after(millis(20)), old, body);
    assert!(text == expected, "\n{text}\n--- and not\n{expected}");
}

#[track_caller]
fn orphaned<F>(body: impl FnOnce(Scope) -> F + Send + 'static, expected: &str)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let orphan = |leak: &Leak| matches!(leak.verdict, Verdict::Orphaned { .. });
    let text = report_of(System::builder().suspect_after(millis(20)), orphan, body);
    assert!(text == expected, "\n{text}\n--- and not\n{expected}");
}

mod cycles;
mod locks;
mod old;
mod scripts;
mod still;
