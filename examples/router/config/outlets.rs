//! The tables of the sinks. The module above lists their fields with their meanings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::Uri;

use super::reader::{Mistakes, Placed, Table, nearest};
use super::{SinkConfig, SinkKind, WebhookConfig, Written};

/// Reads the tables of the sinks.
pub(super) fn sinks(
    table: &Table<'_>,
    dead_letters: &Path,
    mistakes: &mut Mistakes<'_>,
) -> Vec<SinkConfig> {
    let mut sinks: Vec<SinkConfig> = Vec::new();
    let dead_letters = real(dead_letters);
    for (name, placed) in table.entries() {
        // One with a mistake keeps its name, so that whoever sends there is not told that it does not exist.
        let kind = table
            .table(name, mistakes)
            .and_then(|sink| sink_kind(&sink, mistakes))
            .unwrap_or(SinkKind::Null);
        if let SinkKind::File { path, .. } = &kind {
            let path = &path.value;
            let file = real(path);
            let writes_it = |other: &&SinkConfig| matches!(&other.kind, SinkKind::File { path: taken, .. } if real(&taken.value) == file);
            if let Some(other) = sinks.iter().find(writes_it) {
                mistakes.refuse(
                    &placed,
                    format!(
                        "sink `{}` writes to {} too; give each a file",
                        other.name,
                        path.display()
                    ),
                );
            } else if file == dead_letters {
                mistakes.refuse(
                    &placed,
                    format!(
                        "dead letters are written to {}; give each a file",
                        path.display()
                    ),
                );
            }
        }
        sinks.push(SinkConfig {
            name: name.to_owned(),
            kind,
        });
    }
    sinks
}

/// The file that `path` leads to, which may not exist yet, however it is written.
fn real(path: &Path) -> PathBuf {
    if let Ok(real) = std::fs::canonicalize(path) {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if folder.as_os_str().is_empty() => {
            real(Path::new(".")).join(name)
        }
        (Some(folder), Some(name)) => real(folder).join(name),
        _ => path.to_owned(),
    }
}

/// The file to write to at `path`, if there can be one.
pub(super) fn file(path: &Placed<&str>, mistakes: &mut Mistakes<'_>) -> Option<Written<PathBuf>> {
    let why = if path.value.is_empty() {
        "is empty; write the path of the file"
    } else if path.value.contains('\0') {
        "has a character NUL, which no path may; remove it"
    } else {
        return Some(Written::new(mistakes.place(path), path.value.into()));
    };
    mistakes.refuse(path, why);
    None
}

fn sink_kind(table: &Table<'_>, mistakes: &mut Mistakes<'_>) -> Option<SinkKind> {
    let kinds = ["file", "webhook", "stdout", "null"];
    if !table.has("type") {
        table.missing(
            "type",
            "write \"file\", \"webhook\", \"stdout\" or \"null\"",
            mistakes,
        );
        return None;
    }
    let kind = table.text("type", mistakes)?;
    match kind.value {
        "file" => {
            table.only(&["type", "path", "truncate"], mistakes);
            let truncate = table.flag("truncate", mistakes).unwrap_or(false);
            let path = table.required("path", "write the path of the file", mistakes)?;
            Some(SinkKind::File {
                path: file(&path, mistakes)?,
                truncate,
            })
        }
        "webhook" => webhook(table, mistakes).map(SinkKind::Webhook),
        "stdout" | "null" => {
            table.only(&["type"], mistakes);
            Some(if kind.value == "null" {
                SinkKind::Null
            } else {
                SinkKind::Stdout
            })
        }
        other => {
            let hint = match nearest(other, &kinds) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("write one of {}", kinds.join(", ")),
            };
            mistakes.refuse(
                &kind,
                format!("there is no sink of type \"{other}\"; {hint}"),
            );
            None
        }
    }
}

/// Whether `url` names a host to post to, and a port that exists if it names one. A password in it would be sent along, so it is
/// refused.
fn is_http(url: &str) -> bool {
    let uri: Option<Uri> = url.parse().ok();
    let authority = uri.as_ref().and_then(Uri::authority);
    url.starts_with("http://")
        && authority.is_some_and(|authority| {
            let (host, whole) = (authority.host(), authority.as_str());
            let names_port = whole.len() > host.len();
            !host.is_empty()
                && !whole.contains('@')
                && (!names_port || authority.port_u16().is_some())
        })
}

/// The first pause and the longest, which is not shorter.
fn pauses(table: &Table<'_>, mistakes: &mut Mistakes<'_>) -> (Duration, Duration) {
    let first = table.time("backoff", mistakes);
    let longest = table.time("max_backoff", mistakes);
    let longest = longest.unwrap_or(Duration::from_secs(5));
    if first.is_some_and(|first| first > longest) {
        let text = format!(
            "is longer than max_backoff, which is {longest:?}; write at most that, or a longer max_backoff"
        );
        table.refuse("backoff", text, mistakes);
    }
    (
        first.unwrap_or(Duration::from_millis(100)).min(longest),
        longest,
    )
}

fn webhook(table: &Table<'_>, mistakes: &mut Mistakes<'_>) -> Option<WebhookConfig> {
    let known = [
        "type",
        "url",
        "attempts",
        "backoff",
        "max_backoff",
        "timeout",
        "parallel",
    ];
    table.only(&known, mistakes);
    let attempts = table.number("attempts", 1..101, mistakes);
    let (backoff, max_backoff) = pauses(table, mistakes);
    let timeout = table.patience("timeout", mistakes);
    let parallel = table.number("parallel", 1..65, mistakes);
    let url = table.required(
        "url",
        "write where to post the events, \"http://host:port/path\"",
        mistakes,
    )?;
    if !is_http(url.value) {
        mistakes.refuse(
            &url,
            format!(
                "\"{}\" is not a URL of this kind; write \"http://host:port/path\"",
                url.value
            ),
        );
        return None;
    }
    Some(WebhookConfig {
        url: url.value.to_owned(),
        attempts: attempts.unwrap_or(5),
        backoff,
        max_backoff,
        timeout: timeout.unwrap_or(Duration::from_secs(5)),
        parallel: parallel.unwrap_or(4),
    })
}
