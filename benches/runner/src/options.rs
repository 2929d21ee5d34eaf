//! The command line.

use std::path::{Path, PathBuf};

use crate::Failure;
use crate::systems::SYSTEMS;
use crate::workloads::{WORKLOADS, Workload};

/// What `--help` prints.
pub const HELP: &str = "\
Runs Roundrock and its rivals on the same workloads and prints the figures side by side.

  --systems a,b      these systems only
  --workloads x,y    these workloads only
  --reps N           runs of each system on each workload; by default 3, and 1 where a run takes seconds
  --json FILE        writes every run as a line of JSON
  --from a,b         runs nothing: tables and plot of the runs in these files, which --json has written
  --svg FILE         where the plot goes; default target/ratios.svg
  --scale F          multiplies all counts; default 1
  --alloc NAME       the allocator of all Rust systems: system (default), mimalloc, or both: tables for each, in one sitting

benches/README.md says what the workloads and the figures are.
";

/// The allocator of all Rust systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alloc {
    System,
    Mimalloc,
}

impl Alloc {
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Mimalloc => "mimalloc",
        }
    }
}

/// What was asked for.
#[derive(Debug)]
pub struct Options {
    systems: Option<Vec<String>>,
    workloads: Option<Vec<String>>,
    reps: Option<u32>,
    pub json: Option<PathBuf>,
    pub from: Vec<PathBuf>,
    svg: Option<PathBuf>,
    pub scale: f64,
    pub allocs: &'static [Alloc],
    pub help: bool,
}

impl Options {
    /// Reads the command line.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, Failure> {
        let mut options = Self {
            systems: None,
            workloads: None,
            reps: None,
            json: None,
            from: Vec::new(),
            svg: None,
            scale: 1.0,
            allocs: &[Alloc::System],
            help: false,
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if word == "--help" || word == "-h" {
                options.help = true;
                continue;
            }
            let mut value = || {
                let value = words.next();
                value.ok_or_else(|| format!("{word} needs a value; see --help"))
            };
            match word.as_str() {
                "--systems" => options.systems = Some(names(&value()?)),
                "--workloads" => options.workloads = Some(names(&value()?)),
                "--reps" => options.reps = Some(value()?.parse()?),
                "--from" => options.from = names(&value()?).into_iter().map(Into::into).collect(),
                "--json" => options.json = Some(value()?.into()),
                "--svg" => options.svg = Some(value()?.into()),
                "--scale" => options.scale = value()?.parse()?,
                "--alloc" => {
                    options.allocs = match value()?.as_str() {
                        "system" => &[Alloc::System],
                        "mimalloc" => &[Alloc::Mimalloc],
                        "both" => &[Alloc::System, Alloc::Mimalloc],
                        other => return Err(format!("no allocator {other}; see --help").into()),
                    }
                }
                other => return Err(format!("no option {other}; see --help").into()),
            }
        }
        let systems: Vec<_> = SYSTEMS.iter().map(|system| system.name).collect();
        let workloads: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
        known("system", options.systems.as_deref(), &systems)?;
        known("workload", options.workloads.as_deref(), &workloads)?;
        Ok(options)
    }

    /// Whether this system is to be run.
    pub fn has_system(&self, name: &str) -> bool {
        has(self.systems.as_deref(), name)
    }

    /// The workloads to be run, in the order of the table.
    pub fn workloads(&self) -> impl Iterator<Item = &'static Workload> {
        let wanted = |workload: &&Workload| has(self.workloads.as_deref(), workload.name);
        WORKLOADS.iter().filter(wanted)
    }

    /// How often a workload is run on each system.
    pub fn reps(&self, workload: &Workload) -> u32 {
        self.reps.unwrap_or(workload.reps)
    }

    /// Where the plot goes.
    pub fn svg(&self, root: &Path) -> PathBuf {
        let default = || root.join("target").join("ratios.svg");
        self.svg.clone().unwrap_or_else(default)
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::to_owned).collect()
}

fn has(wanted: Option<&[String]>, name: &str) -> bool {
    wanted.is_none_or(|names| names.iter().any(|one| one == name))
}

fn known(kind: &str, wanted: Option<&[String]>, all: &[&str]) -> Result<(), Failure> {
    for name in wanted.unwrap_or_default() {
        if !all.contains(&name.as_str()) {
            return Err(format!("no {kind} {name}; there are {}", all.join(", ")).into());
        }
    }
    Ok(())
}
