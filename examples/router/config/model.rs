//! What a configuration says, once it is checked.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sections;
use crate::identity::Identity;
use crate::rules::Rules;

/// A value that may prove wrong when it is used, with the place where it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written<T> {
    /// The value.
    pub(crate) value: T,
    /// The file, the line and the field; the field alone, if the value is its default.
    place: String,
}

impl<T> Written<T> {
    /// A value that is written at `place`.
    pub(super) fn new(place: String, value: T) -> Self {
        Self { value, place }
    }

    /// A value of `field` that no file has.
    pub(crate) fn unwritten(field: &str, value: T) -> Self {
        Self::new(field.to_owned(), value)
    }

    /// What is said of the value.
    pub(crate) fn refuse(&self, why: impl Display) -> String {
        format!("{}: {why}", self.place)
    }
}

/// The whole configuration, checked.
#[derive(Debug)]
pub(crate) struct Config {
    /// Processes that apply the rules.
    pub(crate) workers: usize,
    /// File for what could not be delivered.
    pub(crate) dead_letters: Written<PathBuf>,
    /// Time for what is under way when the router is stopped.
    pub(crate) drain: Duration,
    /// Where to listen for HTTP.
    pub(crate) http: Option<Written<SocketAddr>>,
    /// Where to listen for lines over TCP.
    pub(crate) tcp: Option<Written<SocketAddr>>,
    /// What clients may send.
    pub(crate) limits: Limits,
    /// The sinks; rules name them by their place here.
    pub(crate) sinks: Vec<SinkConfig>,
    /// The rules, compiled.
    pub(crate) rules: Rules,
}

/// What clients may send, and how slowly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Longest line.
    pub(crate) line_bytes: usize,
    /// Longest body of a request.
    pub(crate) body_bytes: usize,
    /// Memory for what rules read of long lines.
    pub(crate) rule_bytes: usize,
    /// Open connections of each input.
    pub(crate) connections: usize,
    /// How long a client may let the router wait.
    pub(crate) client_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes: 1 << 20,
            body_bytes: 64 << 20,
            rule_bytes: 64 << 20,
            connections: 64,
            client_timeout: Duration::from_secs(10),
        }
    }
}

/// One sink.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SinkConfig {
    /// Its name in rules and tables.
    pub(crate) name: String,
    /// What it does.
    pub(crate) kind: SinkKind,
}

/// What a sink does with its events.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SinkKind {
    /// Writes lines to a file.
    File {
        /// The file.
        path: Written<PathBuf>,
        /// Whether to empty it first.
        truncate: bool,
    },
    /// Posts each event to a URL.
    Webhook(WebhookConfig),
    /// Writes lines to standard output.
    Stdout,
    /// Drops them.
    Null,
}

/// How to reach a webhook.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WebhookConfig {
    /// Where to post.
    pub(crate) url: String,
    /// How often to try, the first time included.
    pub(crate) attempts: usize,
    /// Pause before the second attempt; it doubles each time.
    pub(crate) backoff: Duration,
    /// Longest pause.
    pub(crate) max_backoff: Duration,
    /// Time for an answer.
    pub(crate) timeout: Duration,
    /// Requests at a time.
    pub(crate) parallel: usize,
}

impl Config {
    /// What is done with files when there is no configuration: valid events go to standard output unchanged.
    ///
    /// # Errors
    ///
    /// Never; the text is a valid configuration.
    pub(crate) fn pass_through() -> Result<Self, String> {
        let source = "[sinks.stdout]\ntype = 'stdout'\n[default]\nsinks = ['stdout']";
        Self::parse("pass-through", source)
    }

    /// All files that are written to.
    pub(crate) fn files(&self) -> Vec<&Written<PathBuf>> {
        let sinks = self.sinks.iter().filter_map(|sink| match &sink.kind {
            SinkKind::File { path, .. } => Some(path),
            _ => None,
        });
        std::iter::once(&self.dead_letters).chain(sinks).collect()
    }

    /// Reads the configuration in `file`.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or with all its mistakes, one on a line. One is to name the file itself as one to write to.
    pub(crate) fn load(file: &Path) -> Result<Self, String> {
        let name = file.display().to_string();
        let bytes = std::fs::read(file).map_err(|e| format!("{name}: {e}"))?;
        let source = str::from_utf8(&bytes).map_err(|e| {
            let before = &bytes[..e.valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            format!("{name}:{line}: not UTF-8; save the file in that encoding")
        })?;
        let config = Self::parse(&name, source)?;
        let itself = Identity::at(file).map_err(|e| format!("{name}: {e}"))?;
        for written in config.files() {
            if Identity::at(&written.value).is_ok_and(|is| is == itself) {
                return Err(written.refuse(format_args!(
                    "{} is this configuration; write the path of another file",
                    written.value.display()
                )));
            }
        }
        Ok(config)
    }

    /// Reads the configuration in `source`, the text of `file`.
    ///
    /// # Errors
    ///
    /// With all its mistakes, one on a line.
    pub(crate) fn parse(file: &str, source: &str) -> Result<Self, String> {
        sections::read(file, source)
    }
}
