//! Builds the programs of the systems.
//!
//! Each Rust system is built by a `cargo build` of its own: in a build of the whole workspace the features that one system
//! asks of a common dependency would be on for the others, too (actix turns on tokio's `parking_lot`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Failure;
use crate::options::{Alloc, Options};
use crate::systems::{Build, SYSTEMS, System};
use crate::workloads::Workload;

/// The program of a system.
#[derive(Debug)]
pub struct Program {
    pub system: &'static System,
    pub alloc: Alloc,
    pub path: PathBuf,
    /// What stands before the workload on its command line.
    pub first: Vec<String>,
    /// The client of the network workloads.
    pub load: PathBuf,
    workloads: Vec<String>,
}

impl Program {
    /// Whether the system has this workload.
    pub fn has(&self, workload: &Workload) -> bool {
        self.workloads.iter().any(|name| name == workload.name)
    }
}

/// Builds the programs of the systems that are wanted. Go and Erlang are left out where they are not installed.
pub fn programs(root: &Path, options: &Options) -> Result<Vec<Program>, Failure> {
    let load = cargo(root, "bench-load", "bench-load", &[], Alloc::System)?;
    let mut programs = Vec::new();
    let wanted = SYSTEMS
        .iter()
        .filter(|system| options.has_system(system.name));
    for system in wanted {
        for &alloc in options.allocs {
            let built = match system.build {
                Build::Cargo {
                    package,
                    binary,
                    features,
                } => {
                    eprintln!("building {} ({})", system.name, alloc.name());
                    let path = cargo(root, package, binary, features, alloc)?;
                    Some((path, Vec::new()))
                }
                // Their allocator is their own.
                _ if alloc == Alloc::Mimalloc && options.allocs.len() > 1 => None,
                Build::Go => go(root)?,
                Build::Erlang => erlang(root)?,
            };
            let Some((path, first)) = built else {
                continue;
            };
            let alloc = match system.build {
                Build::Cargo { .. } => alloc,
                Build::Go | Build::Erlang => Alloc::System,
            };
            let mut program = Program {
                system,
                alloc,
                path,
                first,
                load: load.clone(),
                workloads: Vec::new(),
            };
            program.workloads = program.list()?;
            programs.push(program);
        }
    }
    Ok(programs)
}

/// Builds a package and returns where its binary is.
fn cargo(
    root: &Path,
    package: &str,
    binary: &str,
    features: &[&str],
    alloc: Alloc,
) -> Result<PathBuf, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(root)
        .args(["build", "--release", "--quiet"])
        .args(["--package", package, "--bin", binary])
        .arg("--message-format=json-render-diagnostics");
    for feature in features {
        command.args(["--features", feature]);
    }
    // In folders of their own, so that no build of a program is taken for another one.
    let mut folder = root.join("target");
    if package == "bench-madsim" {
        // Madsim is its simulation only where the whole program is built for that.
        command.env("RUSTFLAGS", "--cfg madsim");
        folder.push("madsim");
    } else {
        if features.contains(&"without-books") {
            folder.push("without-books");
        }
        if alloc == Alloc::Mimalloc {
            command.args(["--features", "bench-suite/mimalloc"]);
            folder.push("mimalloc");
        }
    }
    command.arg("--target-dir").arg(folder);
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{package} does not build").into());
    }
    let text = String::from_utf8(output.stdout)?;
    let mut executables = text.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let path = message.get("executable")?.as_str()?;
        Some(PathBuf::from(path))
    });
    let built = executables.next_back();
    Ok(built.ok_or_else(|| format!("{package} has no binary {binary}"))?)
}

/// Whether a tool can be called.
fn installed(tool: &str, argument: &str) -> bool {
    let ran = Command::new(tool)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    !matches!(ran, Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// A folder for what the compilers of other languages make.
fn output(root: &Path, name: &str) -> Result<PathBuf, Failure> {
    let folder = root.join("target").join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder.canonicalize()?)
}

fn succeed(command: &mut Command) -> Result<(), Failure> {
    if command.status()?.success() {
        Ok(())
    } else {
        Err(format!("{command:?} failed").into())
    }
}

fn go(root: &Path) -> Result<Option<(PathBuf, Vec<String>)>, Failure> {
    if !installed("go", "version") {
        println!("go is skipped: there is no `go` on this machine");
        return Ok(None);
    }
    eprintln!("building go");
    let program = output(root, "go")?.join("bench-go");
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program).arg(".");
    succeed(build.current_dir(root.join("go")))?;
    Ok(Some((program, Vec::new())))
}

fn erlang(root: &Path) -> Result<Option<(PathBuf, Vec<String>)>, Failure> {
    if !installed("erl", "-version") {
        println!("erlang is skipped: there is no `erl` on this machine");
        return Ok(None);
    }
    eprintln!("building erlang");
    let folder = output(root, "erlang")?;
    let mut build = Command::new("erlc");
    build.arg("-o").arg(&folder).arg("bench.erl");
    succeed(build.current_dir(root.join("erlang")))?;
    let flags = "+S 2:2 +P 2000000 -noinput -noshell -pa";
    let mut first: Vec<String> = flags.split(' ').map(str::to_owned).collect();
    first.push(folder.display().to_string());
    first.extend(["-run", "bench", "main"].map(str::to_owned));
    Ok(Some((PathBuf::from("erl"), first)))
}
