//! Reads TOML with the place of every value in hand, and collects mistakes instead of stopping at the first.
//!
//! Each mistake names the file, the line and the field, and says what to write. A value that is missing or wrong is recorded once
//! and read as `None`; the caller goes on, and nothing starts while there are mistakes.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// No time is longer: sums of times must not overflow.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What is wrong with a configuration.
#[derive(Debug)]
pub(crate) struct Mistakes<'s> {
    file: &'s str,
    source: &'s str,
    found: Vec<(usize, String)>,
}

/// A table of the configuration, with the way to it.
#[derive(Clone, Debug)]
pub(super) struct Table<'t> {
    path: String,
    at: usize,
    entries: &'t DeTable<'t>,
}

/// A value of the configuration, with its place.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    /// The whole name of the field, for mistakes found later.
    pub(super) path: String,
    /// Where the value begins.
    pub(super) at: usize,
    /// The value.
    pub(super) value: T,
}

impl<'s> Mistakes<'s> {
    /// None yet, in `source`, the text of `file`.
    pub(super) fn new(file: &'s str, source: &'s str) -> Self {
        Self {
            file,
            source,
            found: Vec::new(),
        }
    }

    /// Records what is wrong with `field` at byte `at`.
    pub(super) fn add(&mut self, at: usize, field: &str, text: impl fmt::Display) {
        let field = if field.is_empty() {
            String::new()
        } else {
            format!("{field}: ")
        };
        self.found.push((at, format!("{field}{text}")));
    }

    /// Records what is wrong with a value that was read.
    pub(super) fn refuse<T>(&mut self, placed: &Placed<T>, text: impl fmt::Display) {
        self.add(placed.at, &placed.path, text);
    }

    /// The file, the line and the field of a value that was read.
    pub(super) fn place<T>(&self, placed: &Placed<T>) -> String {
        format!("{}:{}: {}", self.file, self.line(placed.at), placed.path)
    }

    fn line(&self, at: usize) -> usize {
        let before = &self.source[..at.min(self.source.len())];
        before.bytes().filter(|byte| *byte == b'\n').count() + 1
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

impl fmt::Display for Mistakes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut found: Vec<_> = self.found.iter().collect();
        found.sort_by_key(|(at, _)| *at);
        for (i, (at, text)) in found.into_iter().enumerate() {
            let line = self.line(*at);
            let end = if i == 0 { "" } else { "\n" };
            write!(f, "{end}{}:{line}: {text}", self.file)?;
        }
        Ok(())
    }
}

impl<'t> Table<'t> {
    /// The whole document.
    pub(super) fn document(entries: &'t DeTable<'t>) -> Self {
        Self {
            path: String::new(),
            at: 0,
            entries,
        }
    }

    /// Refuses all fields but `known`.
    pub(super) fn only(&self, known: &[&str], mistakes: &mut Mistakes<'_>) {
        for name in self.entries.keys() {
            let text = name.get_ref().as_ref();
            if !known.contains(&text) {
                let hint = match nearest(text, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write one of {}", known.join(", ")),
                };
                mistakes.add(
                    name.span().start,
                    &self.name_of(text),
                    format!("there is no such field; {hint}"),
                );
            }
        }
    }

    /// Records that `field` is missing.
    pub(super) fn missing(&self, field: &str, hint: &str, mistakes: &mut Mistakes<'_>) {
        mistakes.add(self.at, &self.name_of(field), format!("missing; {hint}"));
    }

    /// Records what is wrong with the value of `field`.
    pub(super) fn refuse(&self, field: &str, text: impl fmt::Display, mistakes: &mut Mistakes<'_>) {
        let at = self.entries.get(field).map_or(self.at, |v| v.span().start);
        mistakes.add(at, &self.name_of(field), text);
    }

    /// Whether `field` is written at all, right or wrong.
    pub(super) fn has(&self, field: &str) -> bool {
        self.entries.contains_key(field)
    }

    /// A text.
    pub(super) fn text(&self, field: &str, mistakes: &mut Mistakes<'_>) -> Option<Placed<&'t str>> {
        self.read(field, "a text in quotes", mistakes, DeValue::as_str)
    }

    /// A text that must be there.
    pub(super) fn required(
        &self,
        field: &str,
        hint: &str,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<Placed<&'t str>> {
        if !self.has(field) {
            self.missing(field, hint, mistakes);
        }
        self.text(field, mistakes)
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, field: &str, mistakes: &mut Mistakes<'_>) -> Option<bool> {
        let flag = self.read(field, "true or false", mistakes, DeValue::as_bool);
        flag.map(|flag| flag.value)
    }

    /// A whole number within `range`.
    pub(super) fn number(
        &self,
        field: &str,
        range: Range<usize>,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<usize> {
        let wanted = format!("a whole number from {} to {}", range.start, range.end - 1);
        let number = self.read(field, &wanted, mistakes, |value| {
            let number = integer(value).and_then(|number| usize::try_from(number).ok());
            number.filter(|number| range.contains(number))
        });
        number.map(|number| number.value)
    }

    /// A time such as `"500ms"`, `"10s"` or `"2m"`, zero included.
    pub(super) fn time(&self, field: &str, mistakes: &mut Mistakes<'_>) -> Option<Duration> {
        let wanted = "a time such as \"500ms\", \"10s\" or \"2m\"";
        let time = self.read(field, wanted, mistakes, |value| {
            value.as_str().and_then(parse_time)
        })?;
        if time.value > LONGEST {
            mistakes.refuse(&time, "is too long; write at most \"24h\"");
        }
        Some(time.value.min(LONGEST))
    }

    /// How long somebody may take: a time, but not zero, which nobody could meet.
    pub(super) fn patience(&self, field: &str, mistakes: &mut Mistakes<'_>) -> Option<Duration> {
        let time = self.time(field, mistakes)?;
        if time.is_zero() {
            let text = "is zero, which nobody could meet; write at least \"1ms\"";
            self.refuse(field, text, mistakes);
        }
        Some(time)
    }

    /// A list of texts.
    pub(super) fn texts(
        &self,
        field: &str,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<Vec<Placed<&'t str>>> {
        let wanted = "a list of texts, [\"…\", \"…\"]";
        let list = self.read(field, wanted, mistakes, DeValue::as_array)?;
        let mut texts = Vec::new();
        for (i, item) in list.value.iter().enumerate() {
            let path = format!("{}[{i}]", list.path);
            match item.get_ref().as_str() {
                Some(value) => texts.push(Placed {
                    path,
                    at: item.span().start,
                    value,
                }),
                None => mistakes.add(
                    item.span().start,
                    &path,
                    wrong_kind("a text in quotes", item.get_ref()),
                ),
            }
        }
        Some(texts)
    }

    /// A table.
    pub(super) fn table(&self, field: &str, mistakes: &mut Mistakes<'_>) -> Option<Table<'t>> {
        let table = self.read(field, "a table", mistakes, DeValue::as_table)?;
        Some(Table {
            path: table.path,
            at: table.at,
            entries: table.value,
        })
    }

    /// All tables of a list of tables, `[[field]]`.
    pub(super) fn tables(&self, field: &str, mistakes: &mut Mistakes<'_>) -> Vec<Table<'t>> {
        let wanted = format!("a list of tables, each begun with [[{field}]]");
        let Some(list) = self.read(field, &wanted, mistakes, DeValue::as_array) else {
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (i, item) in list.value.iter().enumerate() {
            let path = format!("{}[{i}]", list.path);
            match item.get_ref().as_table() {
                Some(entries) => tables.push(Table {
                    path,
                    at: item.span().start,
                    entries,
                }),
                None => mistakes.add(
                    item.span().start,
                    &path,
                    wrong_kind(&wanted, item.get_ref()),
                ),
            }
        }
        tables
    }

    /// All fields with their values.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'t str, Placed<&'t DeValue<'t>>)> {
        self.entries.iter().map(|(name, value)| {
            let placed = Placed {
                path: self.name_of(name.get_ref()),
                at: value.span().start,
                value: value.get_ref(),
            };
            (name.get_ref().as_ref(), placed)
        })
    }

    fn read<'a, T>(
        &'a self,
        field: &str,
        wanted: &str,
        mistakes: &mut Mistakes<'_>,
        get: impl Fn(&'t DeValue<'t>) -> Option<T>,
    ) -> Option<Placed<T>> {
        let value: &'t Spanned<DeValue<'t>> = self.entries.get(field)?;
        let (path, at) = (self.name_of(field), value.span().start);
        match get(value.get_ref()) {
            Some(value) => Some(Placed { path, at, value }),
            None => {
                mistakes.add(at, &path, wrong_kind(wanted, value.get_ref()));
                None
            }
        }
    }

    fn name_of(&self, field: &str) -> String {
        if self.path.is_empty() {
            field.to_owned()
        } else {
            format!("{}.{field}", self.path)
        }
    }
}

/// The value of an integer, as far as 64 bits hold it.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i128> {
    let number = value.as_integer()?;
    let number = i128::from_str_radix(number.as_str(), number.radix()).ok()?;
    (i128::from(i64::MIN)..=i128::from(u64::MAX))
        .contains(&number)
        .then_some(number)
}

fn wrong_kind(wanted: &str, got: &DeValue<'_>) -> String {
    let got = match got {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        other => format!("of type {}", other.type_str()),
    };
    format!("is {got}; write {wanted}")
}

/// Parses `"500ms"`, `"10s"`, `"2m"` or `"1h"`.
fn parse_time(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

/// The one of `known` that `text` was probably meant to be.
pub(crate) fn nearest<'k>(text: &str, known: &[&'k str]) -> Option<&'k str> {
    let distances = known.iter().map(|name| (distance(text, name), *name));
    let (distance, name) = distances.min()?;
    (distance <= 1 + text.len().min(name.len()) / 4).then_some(name)
}

/// How many letters must be added, removed or replaced to make `a` of `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{nearest, parse_time};

    #[test]
    fn times_are_numbers_with_a_unit() {
        assert_eq!(parse_time("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_time("2m"), Some(Duration::from_secs(120)));
        for wrong in ["", "10", "s", "-1s", "1.5s", "3 s", "99999999999999999999s"] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_was_meant_is_found() {
        let known = ["sinks", "when", "keep", "dead_letters"];
        assert_eq!(nearest("sink", &known), Some("sinks"));
        assert_eq!(nearest("wehn", &known), Some("when"));
        assert_eq!(nearest("dead_leters", &known), Some("dead_letters"));
        assert_eq!(nearest("colour", &known), None);
    }
}
