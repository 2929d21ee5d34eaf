//! Runs the benchmark: builds every system, runs them in turns, and prints the tables.
//!
//! Each run is a process of its own. The systems take turns within a workload (A B C A B C), so that a machine that becomes
//! slower or faster does so for all of them.

mod building;
mod options;
mod plot;
mod running;
mod statistics;
mod systems;
mod tables;
mod workloads;

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use building::Program;
use options::{Alloc, Options};
use running::Run;
use statistics::Results;
use workloads::Workload;

/// What went wrong, for people.
type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    match bench() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// False: some run failed.
fn bench() -> Result<bool, Failure> {
    let options = Options::parse(std::env::args().skip(1))?;
    if options.help {
        print!("{}", options::HELP);
        return Ok(true);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = root.parent().ok_or("the runner lies in the workspace")?;
    let (results, failures) = match options.from.is_empty() {
        true => run_all(root, &options)?,
        false => (read(&options)?, Vec::new()),
    };
    for alloc in [Alloc::System, Alloc::Mimalloc] {
        let results = results.only(alloc);
        if results.is_empty() {
            continue;
        }
        if alloc == Alloc::Mimalloc {
            println!("\nAll on mimalloc:");
        }
        print!("{}", tables::figures(&results));
        print!("{}", tables::costs(&results));
        print!("{}", tables::notes(&results));
    }
    let svg = options.svg(root);
    if let Some(folder) = svg.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // The plot is of one allocator: that of the operating system, if it was among those.
    let plotted = results.only(Alloc::System);
    let plotted = if plotted.is_empty() {
        &results
    } else {
        &plotted
    };
    std::fs::write(&svg, plot::ratios(plotted))?;
    println!("The ratios as a plot: {}", svg.display());
    for failure in &failures {
        println!("FAILED {failure}");
    }
    Ok(failures.is_empty())
}

/// Runs of earlier calls.
fn read(options: &Options) -> Result<Results, Failure> {
    let mut results = Results::default();
    for file in &options.from {
        for line in std::fs::read_to_string(file)?.lines() {
            results.add(Run::parse(line)?);
        }
    }
    Ok(results)
}

/// All runs that are wanted, and what failed.
fn run_all(root: &Path, options: &Options) -> Result<(Results, Vec<String>), Failure> {
    let programs = building::programs(root, options)?;
    let mut json = options.json.as_ref().map(File::create).transpose()?;
    let mut results = Results::default();
    let mut failures = Vec::new();
    let most = options.workloads().map(|workload| options.reps(workload));
    for rep in 0..most.max().unwrap_or(0) {
        for workload in options.workloads() {
            if rep >= options.reps(workload) {
                continue;
            }
            eprint!("{rep} {:10}", workload.name);
            for program in programs.iter().filter(|program| program.has(workload)) {
                eprint!(" {}", program.system.name);
                if program.alloc == Alloc::Mimalloc {
                    eprint!(" ({})", program.alloc.name());
                }
                match measure(program, workload, options, rep) {
                    Ok(run) => {
                        if let Some(json) = &mut json {
                            writeln!(json, "{}", run.line())?;
                        }
                        results.add(run);
                    }
                    Err(error) => {
                        eprint!(" (failed)");
                        failures.push(format!(
                            "{} {}: {error}",
                            program.system.name, workload.name
                        ));
                    }
                }
            }
            eprintln!();
        }
    }
    Ok((results, failures))
}

/// One run.
fn measure(
    program: &Program,
    workload: &Workload,
    options: &Options,
    rep: u32,
) -> Result<Run, Failure> {
    let scale = options.scale * workload.scale * program.system.scale(workload.name);
    let text = program.run(workload.name, scale)?;
    Run::of(program, &text, rep)
}
