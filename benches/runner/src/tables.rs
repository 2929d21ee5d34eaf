//! The tables that are printed.

use std::fmt::Write as _;

use crate::statistics::{Results, Sample};

/// A table of text, with two lines in each row.
struct Table {
    rows: Vec<Vec<[String; 2]>>,
}

impl Table {
    fn new(head: Vec<[String; 2]>) -> Self {
        Self { rows: vec![head] }
    }

    fn print(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let lines = cells.flatten().map(|line| line.chars().count());
            lines.max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (at, row) in self.rows.iter().enumerate() {
            for line in 0..2 {
                if row.iter().all(|cell| cell[line].is_empty()) {
                    continue;
                }
                let mut out = String::new();
                for (column, cell) in row.iter().enumerate() {
                    let (cell, width) = (&cell[line], widths[column]);
                    // Writing to a string cannot fail.
                    let _ = if column == 0 {
                        write!(out, "{cell:width$}")
                    } else {
                        write!(out, "  {cell:>width$}")
                    };
                }
                text.push_str(out.trim_end());
                text.push('\n');
            }
            if at == 0 {
                let whole = widths.iter().sum::<usize>() + 2 * (columns - 1);
                text.push_str(&"-".repeat(whole));
                text.push('\n');
            }
        }
        text
    }
}

/// A number with three digits that matter, and groups of thousands.
pub fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        let digits = usize::from(value.abs() < 100.0) + usize::from(value.abs() < 10.0);
        return format!("{value:.digits$}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn spread(sample: Sample) -> String {
    if sample.runs > 1 {
        format!("±{:.0}%", sample.spread * 100.0)
    } else {
        String::new()
    }
}

fn head(results: &Results, first: &str) -> Vec<[String; 2]> {
    let mut head = vec![[first.to_owned(), String::new()]];
    for system in results.systems() {
        // A long name takes two lines.
        let name = match system.name.split_once('-') {
            Some((one, two)) => [one.to_owned(), two.to_owned()],
            None => [system.name.to_owned(), String::new()],
        };
        head.push(name);
    }
    head
}

/// Table 1: the figure of each row, its ratio to Roundrock's, and the spread.
pub fn figures(results: &Results) -> String {
    let mut first = head(results, "");
    first.push(["best rival".to_owned(), "ours / best".to_owned()]);
    let mut table = Table::new(first);
    for workload in results.workloads() {
        for row in workload.rows {
            let mut cells = vec![[row.label.to_owned(), format!("  {}", row.unit)]];
            for system in results.systems() {
                let sample = results.sample(system.name, workload.name, row.value);
                cells.push(sample.map_or_else(Default::default, |sample| {
                    let ratio = results.ratio(system, workload, row);
                    let ratio = ratio.filter(|_| system.name != system.beside);
                    let ratio = ratio.map_or(String::new(), |ratio| format!("{}x ", number(ratio)));
                    let second = format!("{ratio}{}", spread(sample));
                    [number(sample.median), second.trim_end().to_owned()]
                }));
            }
            let best = results.best(workload, row);
            cells.push(best.map_or_else(Default::default, |(system, part)| {
                let part = part.map(|part| format!("{part:.2}"));
                [system.name.to_owned(), part.unwrap_or_default()]
            }));
            table.rows.push(cells);
        }
    }
    format!(
        "\n1. Medians. Below: how many times better Roundrock is (1.0x: equal, less: the rival is ahead; the actor systems are\n   compared with roundrock-actors), and the spread of the runs, (max - min) / 2 of the median.\n\n{}",
        table.print()
    )
}

/// Table 2: CPU time and memory.
pub fn costs(results: &Results) -> String {
    let mut table = Table::new(head(results, ""));
    for workload in results.workloads() {
        if !workload.operations {
            continue;
        }
        let mut cells = vec![[workload.name.to_owned(), String::new()]];
        for system in results.systems() {
            let cpu = results.sample(system.name, workload.name, |run| {
                Some(run.get("cpu_s")? * 1e6 / run.get("n")?)
            });
            let memory = results.sample(system.name, workload.name, |run| {
                Some(run.get("rss_kb")? / 1024.0)
            });
            let (Some(cpu), Some(memory)) = (cpu, memory) else {
                cells.push(Default::default());
                continue;
            };
            let memory = format!("{} MiB", number(memory.median));
            cells.push([number(cpu.median), memory]);
        }
        table.rows.push(cells);
    }
    format!(
        "\n2. CPU seconds per million operations. Below: peak memory.\n\n{}",
        table.print()
    )
}

/// What a reader should know: notes of the programs, and counts that differ.
pub fn notes(results: &Results) -> String {
    let mut text = String::from("\nNotes\n");
    for system in results.systems() {
        let mut notes: Vec<(String, Vec<&str>)> = Vec::new();
        for workload in results.workloads() {
            let Some(run) = results.of(system.name, workload.name).next() else {
                continue;
            };
            let mut note = run.note().unwrap_or_default().to_owned();
            let scale = system.scale(workload.name);
            if scale < 1.0 {
                let count = number(run.get("n").unwrap_or(0.0));
                let separator = if note.is_empty() { "" } else { "; " };
                let _ = write!(note, "{separator}n = {count}");
            }
            if note.is_empty() {
                continue;
            }
            match notes.iter_mut().find(|(same, _)| *same == note) {
                Some((_, workloads)) => workloads.push(workload.name),
                None => notes.push((note, vec![workload.name])),
            }
        }
        for (note, workloads) in notes {
            let _ = writeln!(text, "  {}: {}: {note}", system.name, workloads.join(", "));
        }
    }
    text.push('\n');
    text
}
