//! Medians, spreads and ratios of the runs.

use crate::options::Alloc;
use crate::running::Run;
use crate::systems::{ROUNDROCK, SYSTEMS, System};
use crate::workloads::{Row, WORKLOADS, Workload};

/// All runs.
#[derive(Debug, Default)]
pub struct Results {
    runs: Vec<Run>,
}

/// The figures of several runs.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub median: f64,
    /// Half of what lies between the least and the most, as a part of the median.
    pub spread: f64,
    pub runs: usize,
}

impl Sample {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        let spread = if median == 0.0 {
            0.0
        } else {
            (most - least) / 2.0 / median
        };
        Some(Self {
            median,
            spread,
            runs: values.len(),
        })
    }
}

impl Results {
    /// Adds a run.
    pub fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// The runs with this allocator.
    pub fn only(&self, alloc: Alloc) -> Self {
        let runs = self.runs.iter().filter(|run| run.alloc() == alloc);
        Self {
            runs: runs.cloned().collect(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The runs of a system on a workload.
    pub fn of<'a>(&'a self, system: &str, workload: &str) -> impl Iterator<Item = &'a Run> {
        let wanted = move |run: &&Run| run.system == system && run.workload == workload;
        self.runs.iter().filter(wanted)
    }

    /// A figure of a system, if it has been run.
    pub fn sample(
        &self,
        system: &str,
        workload: &str,
        value: impl Fn(&Run) -> Option<f64>,
    ) -> Option<Sample> {
        Sample::of(self.of(system, workload).filter_map(value).collect())
    }

    /// How many times better Roundrock is than a system. `None` where one of the two has no figure.
    pub fn ratio(&self, system: &System, workload: &Workload, row: &Row) -> Option<f64> {
        let median = |name: &str| {
            let sample = self.sample(name, workload.name, row.value);
            sample.map(|sample| sample.median)
        };
        let rival = median(system.name)?;
        let ours = median(system.beside).or_else(|| median(ROUNDROCK))?;
        let (better, worse) = if row.more {
            (rival, ours)
        } else {
            (ours, rival)
        };
        (better > 0.0).then_some(worse / better)
    }

    /// The best rival of a row, and Roundrock's figure as a part of its.
    pub fn best(&self, workload: &Workload, row: &Row) -> Option<(&'static System, Option<f64>)> {
        let rivals = SYSTEMS.iter().filter(|system| !system.is_roundrock());
        let figures = rivals.filter_map(|system| {
            let sample = self.sample(system.name, workload.name, row.value)?;
            Some((system, sample.median))
        });
        let (best, figure) = figures.reduce(|best, other| {
            let ahead = if row.more {
                other.1 > best.1
            } else {
                other.1 < best.1
            };
            if ahead { other } else { best }
        })?;
        let ours = self.sample(ROUNDROCK, workload.name, row.value);
        let part = ours.filter(|_| figure > 0.0);
        Some((best, part.map(|sample| sample.median / figure)))
    }

    /// The systems with at least one run, in the order of the table.
    pub fn systems(&self) -> Vec<&'static System> {
        let has_run = |system: &&System| self.runs.iter().any(|run| run.system == system.name);
        SYSTEMS.iter().filter(has_run).collect()
    }

    /// The workloads with at least one run, in the order of the table.
    pub fn workloads(&self) -> Vec<&'static Workload> {
        let has_run = |workload: &&Workload| {
            let mut runs = self.runs.iter();
            runs.any(|run| run.workload == workload.name)
        };
        WORKLOADS.iter().filter(has_run).collect()
    }
}
