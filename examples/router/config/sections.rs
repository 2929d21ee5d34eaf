//! The fields of the configuration, table by table. The module above lists them with their meanings.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Number, Value};
use toml::de::{DeTable, DeValue};

use super::outlets::{file, sinks};
use super::reader::{Mistakes, Placed, Table, integer, nearest};
use super::syntax::field_at;
use super::{Config, Limits, SinkConfig, Written};
use crate::condition::Language;
use crate::fields::{Projection, split_path};
use crate::room::{LEAST_ROOM, MOST_ROOM};
use crate::rules::{Route, Rule, Rules};
use crate::transform::{Added, Transform};

/// Reads the configuration in `source`, the text of `file`.
pub(super) fn read(file: &str, source: &str) -> Result<Config, String> {
    let mut mistakes = Mistakes::new(file, source);
    let document = match DeTable::parse(source) {
        Ok(document) => document,
        Err(e) => {
            let at = e.span().map_or(0, |span| span.start);
            let field = field_at(source, at);
            mistakes.add(at, &field, format!("not TOML: {}", e.message()));
            return Err(mistakes.to_string());
        }
    };
    let config = read_document(&Table::document(document.get_ref()), &mut mistakes);
    if mistakes.is_empty() {
        Ok(config)
    } else {
        Err(mistakes.to_string())
    }
}

fn read_document(document: &Table<'_>, mistakes: &mut Mistakes<'_>) -> Config {
    let known = [
        "workers",
        "dead_letters",
        "drain",
        "input",
        "limits",
        "sinks",
        "rules",
        "default",
    ];
    document.only(&known, mistakes);
    let workers = document.number("workers", 1..257, mistakes);
    let dead_letters = document.text("dead_letters", mistakes);
    let dead_letters = dead_letters
        .and_then(|path| file(&path, mistakes))
        .unwrap_or_else(|| Written::unwritten("dead_letters", "dead.ndjson".into()));
    let (http, tcp) = document
        .table("input", mistakes)
        .map_or((None, None), |input| {
            input.only(&["http", "tcp"], mistakes);
            (
                address(&input, "http", mistakes),
                address(&input, "tcp", mistakes),
            )
        });
    let limits = document
        .table("limits", mistakes)
        .map_or_else(Limits::default, |table| limits(&table, mistakes));
    let sinks = match document.table("sinks", mistakes) {
        Some(table) => sinks(&table, &dead_letters.value, mistakes),
        None => {
            if !document.has("sinks") {
                document.missing(
                    "sinks",
                    "write a table [sinks.NAME] for each sink",
                    mistakes,
                );
            }
            Vec::new()
        }
    };
    Config {
        workers: workers
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        dead_letters,
        drain: document
            .time("drain", mistakes)
            .unwrap_or(Duration::from_secs(10)),
        http,
        tcp,
        limits,
        rules: rules(document, &sinks, mistakes),
        sinks,
    }
}

/// An address to listen on: `host:port`, or a port on loopback.
fn address(
    table: &Table<'_>,
    field: &str,
    mistakes: &mut Mistakes<'_>,
) -> Option<Written<SocketAddr>> {
    let text = table.text(field, mistakes)?;
    let on_loopback = text
        .value
        .parse()
        .ok()
        .map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port)));
    let localhost = text
        .value
        .strip_prefix("localhost:")
        .and_then(|port| port.parse().ok());
    let localhost = localhost.map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port)));
    let address = on_loopback
        .or(localhost)
        .or_else(|| text.value.parse().ok());
    if address.is_none() {
        let hint = "write \"127.0.0.1:8080\", or \"8080\" for that port on loopback";
        mistakes.refuse(
            &text,
            format!("\"{}\" is not an address; {hint}", text.value),
        );
    }
    address.map(|address| Written::new(mistakes.place(&text), address))
}

fn limits(table: &Table<'_>, mistakes: &mut Mistakes<'_>) -> Limits {
    let known = [
        "line_bytes",
        "body_bytes",
        "rule_bytes",
        "connections",
        "client_timeout",
    ];
    table.only(&known, mistakes);
    let usual = Limits::default();
    let line_bytes = table.number("line_bytes", 1..(1 << 30) + 1, mistakes);
    let body_bytes = table.number("body_bytes", 1..usize::MAX, mistakes);
    let rule_bytes = table.number("rule_bytes", LEAST_ROOM..MOST_ROOM + 1, mistakes);
    let connections = table.number("connections", 1..4097, mistakes);
    Limits {
        line_bytes: line_bytes.unwrap_or(usual.line_bytes),
        body_bytes: body_bytes.unwrap_or(usual.body_bytes),
        rule_bytes: rule_bytes.unwrap_or(usual.rule_bytes),
        connections: connections.unwrap_or(usual.connections),
        client_timeout: table
            .patience("client_timeout", mistakes)
            .unwrap_or(usual.client_timeout),
    }
}

fn rules(document: &Table<'_>, sinks: &[SinkConfig], mistakes: &mut Mistakes<'_>) -> Rules {
    let language = Language::new();
    let mut projection = Projection::default();
    let mut rules = Vec::new();
    for (i, table) in document.tables("rules", mistakes).iter().enumerate() {
        table.only(&["name", "when", "sinks", "keep", "add"], mistakes);
        let name = table.text("name", mistakes);
        let name = name.map_or_else(|| (i + 1).to_string(), |name| name.value.to_owned());
        let route = route(table, sinks, &language, &mut projection, mistakes);
        let hint = "write a condition, such as \"event.properties.mag >= 5.0\"";
        let Some(when) = table.required("when", hint, mistakes) else {
            continue;
        };
        match language.condition(when.value, &mut projection) {
            Ok(when) => rules.push(Rule { name, when, route }),
            Err(why) => mistakes.refuse(
                &when,
                format!("\"{}\" is not a condition: {why}", when.value),
            ),
        }
    }
    let default = match document.table("default", mistakes) {
        Some(table) => {
            table.only(&["sinks", "keep", "add"], mistakes);
            route(&table, sinks, &language, &mut projection, mistakes)
        }
        None => {
            if !document.has("default") {
                document.missing(
                    "default.sinks",
                    "write [default] and the sinks for events that no rule matches",
                    mistakes,
                );
            }
            Route::default()
        }
    };
    Rules::new(language, projection, rules, default)
}

fn route(
    table: &Table<'_>,
    sinks: &[SinkConfig],
    language: &Language,
    projection: &mut Projection,
    mistakes: &mut Mistakes<'_>,
) -> Route {
    let mut route = Route::default();
    let names = table.texts("sinks", mistakes);
    if !table.has("sinks") || names.as_ref().is_some_and(Vec::is_empty) {
        table.missing(
            "sinks",
            "write a list of sinks, such as [\"NAME\"]",
            mistakes,
        );
    }
    for name in names.iter().flatten() {
        match sinks.iter().position(|sink| sink.name == name.value) {
            Some(at) if route.sinks.contains(&at) => {
                mistakes.refuse(name, format!("`{}` is named twice; remove one", name.value))
            }
            Some(at) => route.sinks.push(at),
            None => mistakes.refuse(
                name,
                format!(
                    "there is no sink `{}`; {}",
                    name.value,
                    sink_hint(name.value, sinks)
                ),
            ),
        }
    }
    let keep = table.texts("keep", mistakes);
    let keep = keep.map(|paths| {
        paths
            .iter()
            .filter_map(|path| kept(path, mistakes))
            .collect::<Vec<_>>()
    });
    let add = table
        .table("add", mistakes)
        .map(|add| added(&add, language, projection, mistakes));
    if keep.is_some() || add.is_some() {
        route.transform = Some(Transform::new(
            keep.as_deref(),
            add.unwrap_or_default(),
            projection,
        ));
    }
    route
}

fn sink_hint(name: &str, sinks: &[SinkConfig]) -> String {
    let known: Vec<&str> = sinks.iter().map(|sink| sink.name.as_str()).collect();
    match nearest(name, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write a table [sinks.{name}] for it"),
    }
}

fn kept(path: &Placed<&str>, mistakes: &mut Mistakes<'_>) -> Option<Vec<String>> {
    split_path(path.value)
        .map_err(|why| mistakes.refuse(path, why))
        .ok()
}

/// The fields that a route adds.
fn added(
    table: &Table<'_>,
    language: &Language,
    projection: &mut Projection,
    mistakes: &mut Mistakes<'_>,
) -> Vec<(String, Added)> {
    let mut all = Vec::new();
    for (name, placed) in table.entries() {
        let formula = placed.value.as_table().filter(|t| t.contains_key("cel"));
        let value = match formula {
            Some(formula) => computed(formula, language, projection),
            None => to_json(placed.value).map(Added::Fixed),
        };
        match value {
            Ok(value) => all.push((name.to_owned(), value)),
            Err(why) => mistakes.refuse(&placed, why),
        }
    }
    all
}

/// A field that is computed: `{ cel = "…" }`.
fn computed(
    formula: &DeTable<'_>,
    language: &Language,
    projection: &mut Projection,
) -> Result<Added, String> {
    let source = formula.get("cel").and_then(|cel| cel.get_ref().as_str());
    let Some(source) = source.filter(|_| formula.len() == 1) else {
        return Err("is computed by the text of `cel` alone; write { cel = \"…\" }".to_owned());
    };
    let compiled = language.formula(source, projection);
    compiled
        .map(Added::Computed)
        .map_err(|why| format!("\"{source}\" is not an expression: {why}"))
}

/// The same value in JSON; dates become texts.
fn to_json(value: &DeValue<'_>) -> Result<Value, String> {
    Ok(match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => integer(value)
            .and_then(Number::from_i128)
            .ok_or_else(|| format!("{number} does not fit into 64 bits; write it as a text"))?
            .into(),
        DeValue::Float(number) => {
            let finite = number.as_str().parse().ok().and_then(Number::from_f64);
            finite
                .ok_or_else(|| format!("JSON has no number {number}; write it as a text"))?
                .into()
        }
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| to_json(item.get_ref()));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        DeValue::Table(entries) => {
            let entries = entries
                .iter()
                .map(|(name, value)| Ok((name.get_ref().to_string(), to_json(value.get_ref())?)));
            Value::Object(entries.collect::<Result<_, String>>()?)
        }
    })
}
