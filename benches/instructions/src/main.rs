//! Counts the instructions of five kernels with callgrind, and compares them with the numbers that the repository keeps.
//!
//! ```text
//! bench-instructions check FILE      fails if a kernel differs by more than 5 % from its line in FILE
//! bench-instructions write FILE      writes the numbers of now to FILE
//! bench-instructions run KERNEL N    runs one kernel N times; this is what callgrind watches
//! ```
//!
//! What makes the numbers the same on every machine:
//! - A kernel runs on one worker, and what it costs is the difference between a long and a short run, so start and end of the
//!   program cancel out.
//! - Only instructions of this program count, not those of the C library, which differs between machines and picks its
//!   functions by the processor. Calls of its allocator have a column of their own.
//! - Only the worker's thread counts, and not its looks at the clock, which come at moments that depend on the machine.

mod callgrind;
mod kernels;

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use callgrind::Count;
use kernels::KERNELS;

/// Any error of this program.
type Failure = Box<dyn std::error::Error>;

/// By how much a number may differ from the one that is kept.
const TOLERANCE: f64 = 0.05;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ran = match words[..] {
        ["run", kernel, n] => run(kernel, n),
        ["check", file] => check(Path::new(file)),
        ["write", file] => write(Path::new(file)),
        _ => Err("say `check FILE`, `write FILE`, or `run KERNEL N`".into()),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(kernel: &str, n: &str) -> Result<(), Failure> {
    let found = KERNELS.iter().find(|(name, ..)| *name == kernel);
    let (_, run, _) = found.ok_or_else(|| format!("there is no kernel {kernel}"))?;
    run(n.parse()?).map_err(|error| error.to_string().into())
}

/// What each kernel costs now.
fn measure() -> Result<BTreeMap<&'static str, Count>, Failure> {
    let program = env::current_exe()?;
    let mut counts = BTreeMap::new();
    for (kernel, _, n) in KERNELS {
        let short = callgrind::count(&program, kernel, *n)?;
        let long = callgrind::count(&program, kernel, 5 * n)?;
        counts.insert(*kernel, long.minus(short).per(4 * n));
    }
    Ok(counts)
}

fn write(file: &Path) -> Result<(), Failure> {
    let mut text = String::from("# kernel, instructions of our own, allocations\n");
    for (kernel, count) in measure()? {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{kernel} {:.1} {:.2}",
            count.instructions, count.allocations
        );
    }
    fs::write(file, &text)?;
    print!("{text}");
    Ok(())
}

fn check(file: &Path) -> Result<(), Failure> {
    let text = fs::read_to_string(file)?;
    let now = measure()?;
    let mut wrong = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kernel, instructions, allocations] = words[..] else {
            return Err(format!("this is not a line of numbers: {line}").into());
        };
        let kept = Count {
            instructions: instructions.parse()?,
            allocations: allocations.parse()?,
        };
        let count = now
            .get(kernel)
            .ok_or_else(|| format!("there is no kernel {kernel}"))?;
        let change = count.instructions / kept.instructions - 1.0;
        println!(
            "{kernel:<12}{:>9.1} instructions, kept {:>9.1} ({:+.1} %); {:>5.2} allocations, kept {:>5.2}",
            count.instructions,
            kept.instructions,
            100.0 * change,
            count.allocations,
            kept.allocations,
        );
        if change.abs() > TOLERANCE || (count.allocations - kept.allocations).abs() > 0.1 {
            wrong.push(format!(
                "{kernel}: {:.1} instructions and {:.2} allocations, but {:.1} and {:.2} are kept",
                count.instructions, count.allocations, kept.instructions, kept.allocations,
            ));
        }
    }
    let missing = now.keys().filter(|kernel| {
        !text
            .lines()
            .any(|line| line.split_whitespace().next() == Some(kernel))
    });
    wrong.extend(missing.map(|kernel| format!("{kernel} has no line in {}", file.display())));
    if wrong.is_empty() {
        return Ok(());
    }
    Err(wrong.join("\n").into())
}
