//! Files that the router would use twice: read by two readers, written by two writers, or read while it writes.
//!
//! A path does not tell: standard input may come from a file that a sink adds to, which then never ends, and a file has as many names as
//! there are links to it. So files are compared, not paths.
//!
//! A regular file that is named twice as an input is read twice, each time from its beginning. What is read from a pipe, a terminal or
//! standard input is gone, and two readers would tear its lines.

use std::path::PathBuf;

use crate::config::{Config, SinkKind, Written};
use crate::identity::Identity;
use crate::sources::files::Input;

/// Looks for files that are used twice.
///
/// # Errors
///
/// Names the first one, with its place in the configuration if it is written to.
pub(crate) fn check(config: &Config, inputs: &[Input]) -> Result<(), String> {
    read_twice(inputs)?;
    let prints = config
        .sinks
        .iter()
        .any(|sink| sink.kind == SinkKind::Stdout);
    let stdout = Identity::stdout();
    if let (true, Some(stdout)) = (prints, &stdout)
        && let Some(input) = inputs.iter().find(|input| is_fed(input, stdout))
    {
        return Err(format!(
            "{}: standard output goes there, and never ends; read and write different files",
            input.name()
        ));
    }
    // A report on standard output is written after all events: it harms a file, which it overwrites, and no pipe.
    let stdout = stdout.filter(|stdout| stdout.is_file() || (prints && stdout.gives_back()));
    let mut before: Vec<(&Written<PathBuf>, Identity)> = Vec::new();
    for written in config.files() {
        // One that does not exist yet is no other file.
        let Ok(file) = Identity::at(&written.value) else {
            continue;
        };
        let twin = || before.iter().find(|(_, other)| *other == file);
        let instead = if let Some(input) = inputs.iter().find(|input| is_fed(input, &file)) {
            format!("the input {}", input.name())
        } else if stdout.as_ref() == Some(&file) {
            "where standard output goes".to_owned()
        } else if let Some((twin, _)) = twin().filter(|_| file.gives_back()) {
            format!("the file {} too", twin.value.display())
        } else {
            before.push((written, file));
            continue;
        };
        return Err(written.refuse(format_args!(
            "{} is {instead}; write the path of another file",
            written.value.display()
        )));
    }
    Ok(())
}

/// Whether what is written to `file` comes in again.
fn is_fed(input: &Input, file: &Identity) -> bool {
    file.gives_back() && input.identity() == Some(file)
}

/// Looks for a stream with two readers.
fn read_twice(inputs: &[Input]) -> Result<(), String> {
    for (at, input) in inputs.iter().enumerate() {
        let is_same = |other: &&Input| {
            let is_same = input.identity().is_some() && input.identity() == other.identity();
            match (input.is_stdin(), other.is_stdin()) {
                (true, true) => true,
                // A regular file behind it is opened once more, and has two places then.
                _ => is_same && input.identity().is_some_and(|file| !file.is_file()),
            }
        };
        if let Some(other) = inputs[..at].iter().find(is_same) {
            let (first, again) = (other.name(), input.name());
            return Err(if first == again {
                format!("{again}: it is named twice, and can be read once; name it once")
            } else {
                format!("{again}: it is {first} too, and can be read once; name one of them")
            });
        }
    }
    Ok(())
}
