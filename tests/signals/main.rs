//! A program with `#[roundrock::main]`, seen from outside. Ctrl-C and SIGTERM stop its root scope, which drains; a second signal ends
//! it at once. How it ended is its exit code. While nothing happens it uses no processor.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use roundrock::prelude::*;
use roundrock_tests::LIMIT;

/// A program that runs, and what it says.
struct Program {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(mode: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_signals_child"))
            .arg(mode)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut program = Self { child, said };
        assert_eq!(program.line(), "ready");
        program
    }

    fn line(&mut self) -> String {
        self.said.next().expect("another line").unwrap()
    }

    /// The number that the next line ends with.
    fn number(&mut self, before: &str) -> u64 {
        let line = self.line();
        let number = line.strip_prefix(before);
        number.unwrap_or_else(|| panic!("{line}")).parse().unwrap()
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(sent.success());
    }

    fn end(self) -> ExitStatus {
        let output = self.child.wait_with_output().unwrap();
        output.status
    }
}

/// Fails after [`LIMIT`]. What the body started may be left then, with a grace of a minute.
fn within_the_limit(body: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let thread = thread::spawn(move || {
        body();
        let _ = done.send(());
    });
    if wait.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("the program did not end within {LIMIT:?}");
    }
    thread.join().unwrap();
}

#[test]
fn a_deadlock_ends_the_program_with_its_report() {
    within_the_limit(|| {
        let program = Program::start("deadlock");
        let output = program.child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            text.contains("deadlock: no process can ever go on"),
            "{text}"
        );
        assert!(
            !text.contains("roundrock: "),
            "it is said at the end: {text}"
        );
        for word in ["echo", "\"left\"", "\"right\"", "child.rs:"] {
            assert!(text.contains(word), "no {word} in:\n{text}");
        }
    });
}

/// Exit code 1: the body failed, or a process of the root scope did, and it is said which error it was, and where it came from.
#[test]
fn a_failure_is_an_exit_code() {
    for mode in ["fails", "a process fails"] {
        within_the_limit(move || {
            let program = Program::start(mode);
            let output = program.child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{mode}: {text}");
            for words in ["Error: ", "as it was told", "child.rs:"] {
                assert!(text.contains(words), "{mode}: no {words} in:\n{text}");
            }
        });
    }
}

/// Exit code 3: a process that never comes to an await cannot be stopped, nor a body. The program ends all the same, and says who it was.
#[test]
fn a_process_that_never_yields_is_an_exit_code() {
    for (mode, who) in [("stuck", "never_yields#"), ("stuck body", "main#")] {
        within_the_limit(move || {
            let program = Program::start(mode);
            let output = program.child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{mode}: {text}");
            let said = format!("stuck: {who}");
            assert!(text.contains(&said), "{mode}: no {said} in:\n{text}");
        });
    }
}

/// A program in which nobody listens says on standard error that processes of its are leaked, once.
#[test]
fn what_nobody_hears_is_printed() {
    within_the_limit(|| {
        let mut program = Program::start("unheard");
        let lines = BufReader::new(program.child.stderr.take().unwrap()).lines();
        let mut told = Vec::new();
        for line in lines.map(Result::unwrap) {
            if line.contains("no `tracing` subscriber") {
                program.signal("TERM");
            }
            told.push(line);
        }
        assert_eq!(program.end().code(), Some(0), "{told:#?}");
        let is_report = |line: &&String| line.starts_with("roundrock: proven leaked: 2 processes");
        assert_eq!(told.iter().filter(is_report).count(), 1, "{told:#?}");
        assert!(told[1].contains("echo#"), "{told:#?}");
    });
}

/// `on_leak = abort`: the program ends by `SIGABRT`, with the report and why.
#[test]
fn a_proven_leak_aborts_a_program_that_wants_it() {
    within_the_limit(|| {
        let program = Program::start("aborts");
        let output = program.child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(6), "{text}");
        let mut lines = text.lines();
        assert_eq!(
            lines.next(),
            Some("proven leaked: 2 processes wait for each other, and nobody else can wake them"),
            "{text}"
        );
        for words in [
            "waits to receive from \"left\"",
            "waits to receive from \"right\"",
            "held by echo#",
            "child.rs:",
        ] {
            assert!(text.contains(words), "no {words} in:\n{text}");
        }
        assert_eq!(
            lines.next_back(),
            Some("the program is aborted, as `on_leak` says")
        );
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said, "", "nothing was said after that it is ready");
    });
}

/// The ring is leaked, and `main` waits for a signal: that may come.
#[test]
fn who_waits_for_a_signal_is_not_deadlocked() {
    within_the_limit(|| {
        let mut program = Program::start("ring");
        assert_eq!(program.line(), "leak", "a pass was made");
        program.signal("TERM");
        assert_eq!(program.end().code(), Some(0));
    });
}

/// The report of a panic says who it was, and what else is in its scope at that moment.
#[test]
fn a_panic_is_told_with_what_else_is_in_its_scope() {
    within_the_limit(|| {
        let program = Program::start("siblings");
        let output = program.child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8_lossy(&output.stderr);
        let mut rest = &*text;
        for part in [
            "process breaks_when_told#",
            ", spawned at tests/signals/child.rs:",
            "panicked",
            "as it was told",
            "\nwhat else is in its scope now:\n",
            "scope `parts`",
            "sink#",
            "has waited ",
            " to receive from `numbers` (tests/signals/child.rs:",
        ] {
            let after = rest.split_once(part);
            rest = after
                .unwrap_or_else(|| panic!("no {part:?} in this order in\n{text}"))
                .1;
        }
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said, "");
    });
}

#[test]
fn a_signal_stops_the_root_scope_and_loses_nothing() {
    for signal in ["INT", "TERM"] {
        within_the_limit(move || {
            let mut program = Program::start("pipeline");
            program.signal(signal);
            let sent = program.number("sent ");
            let received = program.number("received ");
            assert_eq!(sent, received);
            assert_eq!(program.end().code(), Some(0));
        });
    }
}

#[test]
fn sigusr1_writes_a_dump_and_stops_nothing() {
    within_the_limit(|| {
        let mut program = Program::start("pipeline");
        let errors = program.child.stderr.take().unwrap();
        program.signal("USR1");
        let mut errors = BufReader::new(errors).lines().map(Result::unwrap);
        let head = errors.next().unwrap();
        assert!(head.starts_with("system `roundrock`, up for "), "{head}");
        let shown: Vec<String> = errors
            .by_ref()
            .take_while(|line| !line.is_empty())
            .collect();
        let shown = shown.join("\n");
        for part in [
            "scope `main`",
            "source#",
            "sink#",
            "tests/signals/child.rs:",
        ] {
            assert!(shown.contains(part), "{part} is not in\n{shown}");
        }
        // It is still stopped by the first of the other signals.
        program.signal("TERM");
        let sent = program.number("sent ");
        assert_eq!(sent, program.number("received "));
        assert_eq!(program.end().code(), Some(0));
    });
}

/// Nobody reads what the program has to say of itself: it goes on all the same. P21.
#[test]
fn a_closed_standard_error_ends_nobody() {
    within_the_limit(|| {
        let mut program = Program::start("panics");
        drop(program.child.stderr.take());
        program.signal("USR1");
        program.signal("TERM");
        assert_eq!(program.line(), "panicked");
        assert_eq!(program.end().code(), Some(0));
    });
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    for (first, second, number) in [("TERM", "INT", 2), ("INT", "TERM", 15)] {
        within_the_limit(move || {
            let mut program = Program::start("stubborn");
            program.signal(first);
            assert_eq!(program.line(), "stopping");
            program.signal(second);
            assert_eq!(program.end().signal(), Some(number));
        });
    }
}

/// What a program has used: switches of its threads, and time on processors, in hundredths of a second.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone, Copy)]
struct Used {
    switches: u64,
    time: u64,
}

#[cfg(target_os = "linux")]
impl Used {
    /// By those of its threads that live, as the kernel counts.
    fn by(program: u32) -> Self {
        let tasks = std::fs::read_dir(format!("/proc/{program}/task")).unwrap();
        let statuses =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
        let switches = statuses.map(|status| {
            let lines = status.lines().filter_map(|line| line.split_once(':'));
            let counts = lines.filter(|(name, _)| name.ends_with("voluntary_ctxt_switches"));
            counts
                .map(|(_, count)| count.trim().parse::<u64>().unwrap())
                .sum::<u64>()
        });
        let stat = std::fs::read_to_string(format!("/proc/{program}/stat")).unwrap();
        // Its name is in parentheses, and may hold anything; then the third field comes. The 14th and 15th are the times.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let times = fields.split_whitespace().skip(11).take(2);
        Self {
            switches: switches.sum(),
            time: times.map(|time| time.parse::<u64>().unwrap()).sum(),
        }
    }
}

/// P20: a program in which nothing happens uses no processor: no worker spins, and the monitor sleeps, but for a search each second.
///
/// What else the machine does makes neither number larger: who sleeps is not switched away from, and uses nothing. A monitor that never
/// sleeps is switched to two hundred times a second.
#[cfg(target_os = "linux")]
#[test]
fn p20_an_idle_program_uses_no_processor() {
    const SWITCHES: f64 = 50.0;
    const TIME: f64 = 10.0;
    within_the_limit(|| {
        let program = Program::start("idle");
        let mut used = Vec::new();
        // It may take its time to go to sleep, and then nothing moves.
        let sleeps = (0..4).any(|_| {
            let (before, begun) = (Used::by(program.child.id()), Instant::now());
            thread::sleep(secs(1));
            let passed = begun.elapsed().as_secs_f64();
            let after = Used::by(program.child.id());
            let switches = after.switches.saturating_sub(before.switches) as f64 / passed;
            let time = (after.time - before.time) as f64 / passed;
            used.push((switches, time));
            switches < SWITCHES && time < TIME
        });
        program.signal("TERM");
        assert_eq!(program.end().code(), Some(0));
        assert!(
            sleeps,
            "switches, and hundredths on processors, in a second: {used:?}"
        );
    });
}

/// A test that waits for a process which waits for it, if it is told to.
#[roundrock::test(real, workers = 2)]
async fn hangs_if_it_is_told_to(scope: &Scope) -> Result<()> {
    if std::env::var_os("ROUNDROCK_TESTS_HANG").is_none() {
        return Ok(());
    }
    let (answer, answers) = bounded::<u32>(1).named("answers");
    let (keeps, question) = bounded::<u32>(1).named("questions");
    scope.task("asked", async move {
        question.recv().await;
        answer.send(1).await
    });
    answers.recv().await;
    drop(keeps);
    Ok(())
}

/// Also past the test harness, which keeps what a test prints until that ends.
#[test]
fn a_test_on_threads_that_hangs_says_who_waits() {
    within_the_limit(|| {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "hangs_if_it_is_told_to"])
            .env("ROUNDROCK_TESTS_HANG", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut text = String::new();
        for part in [
            "nothing runs in this program any more",
            "asked#",
            "main.rs:",
        ] {
            while !text.contains(part) {
                let line = lines.next().expect("it says so before it ends").unwrap();
                text = format!("{text}{line}\n");
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for part in ["questions", "answers"] {
            assert!(text.contains(part), "no {part} in:\n{text}");
        }
    });
}
