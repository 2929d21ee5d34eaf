//! One run of a program, and what it printed.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::Failure;
use crate::building::Program;
use crate::options::Alloc;

/// A run that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(120);

impl Program {
    /// The workloads that the program has.
    pub fn list(&self) -> Result<Vec<String>, Failure> {
        let text = self.call(&["list".to_owned()])?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    }

    /// Runs a workload in a process of its own and returns the line that it prints.
    pub fn run(&self, workload: &str, scale: f64) -> Result<String, Failure> {
        let text = self.call(&[workload.to_owned(), format!("scale={scale:.6}")])?;
        let line = text.lines().rev().find(|line| line.starts_with('{'));
        Ok(line.ok_or("nothing was printed")?.to_owned())
    }

    fn call(&self, arguments: &[String]) -> Result<String, Failure> {
        let mut child = Command::new(&self.path)
            .args(&self.first)
            .args(arguments)
            .env("BENCH_LOAD", &self.load)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdout = child.stdout.take().ok_or("no output")?;
        let mut stderr = child.stderr.take().ok_or("no output")?;
        let (sender, printed) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let read = stdout.read_to_string(&mut text);
            // Nobody waits any more when the run took too long.
            let _ = sender.send(read.map(|_| text));
        });
        let errors = thread::spawn(move || {
            let mut text = String::new();
            // What cannot be read is not shown.
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let printed = printed.recv_timeout(LIMIT);
        if printed.is_err() {
            child.kill()?;
        }
        let status = child.wait()?;
        let text = printed.map_err(|_| format!("no end after {} s", LIMIT.as_secs()))??;
        if status.success() {
            return Ok(text);
        }
        let errors = errors.join().unwrap_or_default();
        let said = errors.lines().find(|line| !line.trim().is_empty());
        let more = errors.lines().nth(2).unwrap_or_default();
        Err(format!("{status}: {} {more}", said.unwrap_or_default()).into())
    }
}

/// What a run gave.
#[derive(Clone, Debug)]
pub struct Run {
    pub system: String,
    pub workload: String,
    fields: Map<String, Value>,
}

impl Run {
    /// Reads the line that a program has printed.
    pub fn of(program: &Program, line: &str, rep: u32) -> Result<Self, Failure> {
        let mut fields: Map<String, Value> = serde_json::from_str(line)?;
        // The same program in two builds is two systems.
        fields.insert("system".to_owned(), program.system.name.into());
        fields.insert("rep".to_owned(), rep.into());
        if program.alloc == Alloc::Mimalloc {
            fields.insert("alloc".to_owned(), program.alloc.name().into());
        }
        Self::with(fields)
    }

    /// Reads a line that this runner has written.
    pub fn parse(line: &str) -> Result<Self, Failure> {
        Self::with(serde_json::from_str(line)?)
    }

    fn with(fields: Map<String, Value>) -> Result<Self, Failure> {
        let text = |name| {
            let value = fields.get(name).and_then(Value::as_str);
            value.map(str::to_owned).ok_or("an incomplete line")
        };
        Ok(Self {
            system: text("system")?,
            workload: text("workload")?,
            fields,
        })
    }

    /// The allocator of the program.
    pub fn alloc(&self) -> Alloc {
        match self.fields.get("alloc") {
            Some(name) if name == Alloc::Mimalloc.name() => Alloc::Mimalloc,
            _ => Alloc::System,
        }
    }

    /// A figure, if the workload has it.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.fields.get(name)?.as_f64()
    }

    /// What a reader should know.
    pub fn note(&self) -> Option<&str> {
        self.fields.get("note")?.as_str()
    }

    /// The run as a line of JSON.
    pub fn line(&self) -> Value {
        Value::Object(self.fields.clone())
    }
}
