//! Runs a kernel under callgrind and reads what it wrote.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Failure;

/// Functions of the C library that give memory.
const ALLOCATORS: &[&str] = &[
    "malloc",
    "calloc",
    "realloc",
    "posix_memalign",
    "aligned_alloc",
];

/// What a thread, or one run of a kernel, has cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// Instructions of this program itself.
    pub instructions: f64,
    /// Calls of the allocator.
    pub allocations: f64,
}

impl Count {
    /// What this one has cost more.
    pub fn minus(self, other: Self) -> Self {
        Self {
            instructions: self.instructions - other.instructions,
            allocations: self.allocations - other.allocations,
        }
    }

    /// What one of `n` has cost.
    pub fn per(self, n: u64) -> Self {
        Self {
            instructions: self.instructions / n as f64,
            allocations: self.allocations / n as f64,
        }
    }
}

/// What the worker of a kernel costs that runs `n` times.
pub fn count(program: &Path, kernel: &str, n: u64) -> Result<Count, Failure> {
    let folder = program.with_file_name(format!("callgrind-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let ran = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            // A file for each thread.
            "--separate-threads=yes",
            // Whole names on every line.
            "--compress-strings=no",
            "--compress-pos=no",
            // Nothing is counted while the worker looks at the clock. The second option undoes what the first one implies.
            "--toggle-collect=roundrock::scheduler::worker::Worker::look*",
            "--collect-atstart=yes",
        ])
        .arg(format!(
            "--callgrind-out-file={}",
            folder.join("out").display()
        ))
        .arg(program)
        .args(["run", kernel, &n.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    if !ran.status.success() {
        let text = String::from_utf8_lossy(&ran.stderr).into_owned();
        return Err(format!("{kernel} failed under callgrind:\n{text}").into());
    }
    let mut worker = Count::default();
    for file in fs::read_dir(&folder)? {
        let count = read(&fs::read_to_string(file?.path())?, program);
        // The kernel runs on the thread that does most.
        if count.instructions > worker.instructions {
            worker = count;
        }
    }
    fs::remove_dir_all(&folder)?;
    Ok(worker)
}

/// Adds up the lines of one thread. Format: <https://valgrind.org/docs/manual/cl-format.html>.
fn read(text: &str, program: &Path) -> Count {
    let own = program.display().to_string();
    let mut count = Count::default();
    let (mut is_own, mut is_call, mut gives_memory) = (false, false, false);
    for line in text.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            is_own = object == own;
        } else if let Some(function) = line.strip_prefix("cfn=") {
            gives_memory = ALLOCATORS.contains(&function);
        } else if let Some(calls) = line.strip_prefix("calls=") {
            is_call = true;
            if is_own && gives_memory {
                let calls = calls.split(' ').next().unwrap_or_default();
                count.allocations += calls.parse::<f64>().unwrap_or(0.0);
            }
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            // `LINE COST`. The one after `calls=` is what the call cost, which is counted where it was spent.
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse().ok());
            if is_own && !is_call {
                count.instructions += cost.unwrap_or(0.0);
            }
            is_call = false;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::read;
    use std::path::Path;

    #[test]
    fn what_was_called_counts_where_it_was_spent() {
        let text = "events: Ir\n\nob=/bin/own\nfl=a.rs\nfn=work\n1 10\ncob=/lib/libc.so.6\ncfn=malloc\ncalls=3 0\n1 90\n2 5\n\
                    ob=/lib/libc.so.6\nfn=malloc\n0 90\n";
        let count = read(text, Path::new("/bin/own"));
        assert_eq!((count.instructions, count.allocations), (15.0, 3.0));
    }
}
