//! The tables of the sinks. The module above lists their fields with their meanings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reader::{Mistakes, Table, nearest};
use super::{SinkConfig, SinkKind, WebhookConfig};

/// Reads the tables of the sinks.
pub(super) fn sinks(
    table: &Table<'_>,
    dead_letters: &Path,
    mistakes: &mut Mistakes<'_>,
) -> Vec<SinkConfig> {
    let mut sinks: Vec<SinkConfig> = Vec::new();
    for (name, placed) in table.entries() {
        let Some(sink) = table.table(name, mistakes) else {
            continue;
        };
        let Some(kind) = sink_kind(&sink, mistakes) else {
            continue;
        };
        if let SinkKind::File { path, .. } = &kind {
            let writes_it = |other: &&SinkConfig| matches!(&other.kind, SinkKind::File { path: taken, .. } if taken == path);
            if let Some(other) = sinks.iter().find(writes_it) {
                mistakes.refuse(
                    &placed,
                    format!(
                        "sink `{}` writes to {} too; give each a file",
                        other.name,
                        path.display()
                    ),
                );
            } else if path == dead_letters {
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
                path: PathBuf::from(path.value),
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
    let backoff = table.time("backoff", mistakes);
    let max_backoff = table.time("max_backoff", mistakes);
    let timeout = table.time("timeout", mistakes);
    let parallel = table.number("parallel", 1..65, mistakes);
    let url = table.required(
        "url",
        "write where to post the events, \"http://host:port/path\"",
        mistakes,
    )?;
    let host = url
        .value
        .strip_prefix("http://")
        .filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if host.is_none() || url.value.parse::<axum::http::Uri>().is_err() {
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
        backoff: backoff.unwrap_or(Duration::from_millis(100)),
        max_backoff: max_backoff.unwrap_or(Duration::from_secs(5)),
        timeout: timeout.unwrap_or(Duration::from_secs(5)),
        parallel: parallel.unwrap_or(4),
    })
}
