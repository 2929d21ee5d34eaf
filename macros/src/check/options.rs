//! The arguments of our attributes: options, durations, capacities.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Ident, LitInt, LitStr, Result, parse2};

use crate::errors::{Errors, with_help};
use crate::model::{Kind, Options};
use crate::parse::arguments::{Argument, arguments};

const MAILBOX_MAX: u32 = 65536;
const WORKERS_MAX: u32 = 1024;

/// The options of `#[process]`; `on_struct` says which ones there are.
pub(crate) fn process(tokens: TokenStream, on_struct: bool, errors: &mut Errors) -> Options {
    let known: &[&str] = if on_struct {
        &["mailbox", "name", "blocking", "cpu", "budget"]
    } else {
        &["name", "blocking", "cpu", "budget"]
    };
    let mut options = Options::default();
    let mut kinds = Vec::new();
    each(tokens, known, errors, |name, argument, errors| match name {
        "mailbox" if on_struct => options.mailbox = errors.keep(mailbox(argument)),
        "name" => options.name = errors.keep(name_of(argument)),
        "budget" => {
            options.budget =
                errors.keep(number(argument, 1, u32::MAX, "budget = 1000", "processes"));
        }
        "blocking" | "cpu" => {
            if argument.value.is_some() {
                errors.help(
                    &argument.tokens,
                    format!("`{name}` takes no value"),
                    &format!("write `{name}`"),
                );
            }
            options.kind = if name == "cpu" {
                Kind::Cpu
            } else {
                Kind::Blocking
            };
            kinds.push(argument.tokens.clone());
        }
        _ => errors.help(
            &argument.tokens,
            "a function process has no mailbox",
            "mark an argument: `#[inbox(8)] raw: &Receiver<T>`",
        ),
    });
    if let [_, second] = kinds.as_slice() {
        errors.help(
            second,
            "a process is either `blocking` or `cpu`",
            "remove one of them",
        );
    }
    options
}

/// The options of `#[roundrock::main]`: workers, and the grace in nanoseconds.
pub(crate) fn entry(tokens: TokenStream, errors: &mut Errors) -> (Option<u32>, Option<u64>) {
    let (mut workers, mut grace) = (None, None);
    each(
        tokens,
        &["workers", "grace"],
        errors,
        |name, argument, errors| match name {
            "workers" => {
                workers = errors.keep(self::workers(argument));
            }
            _ => grace = errors.keep(self::grace(argument)),
        },
    );
    (workers, grace)
}

pub(super) fn workers(argument: &Argument) -> Result<u32> {
    number(argument, 1, WORKERS_MAX, "workers = 2", "threads")
}

/// The grace in nanoseconds.
pub(super) fn grace(argument: &Argument) -> Result<u64> {
    value(argument, "grace = \"5s\"").and_then(duration)
}

/// `#[handlers]` takes no options.
pub(crate) fn none(tokens: TokenStream, errors: &mut Errors) {
    if !tokens.is_empty() {
        errors.help(
            tokens,
            "`#[handlers]` takes no options",
            "put them on the struct: `#[process(...)]`",
        );
    }
}

/// Runs `take` for every well-formed option with a known name; reports the others.
pub(super) fn each(
    tokens: TokenStream,
    known: &[&str],
    errors: &mut Errors,
    mut take: impl FnMut(&str, &Argument, &mut Errors),
) {
    let mut seen: Vec<String> = Vec::new();
    for argument in arguments(tokens) {
        let Some(name) = argument.name.as_ref().map(Ident::to_string) else {
            errors.help(
                &argument.tokens,
                "not an option",
                &format!("the options are {}", list(known)),
            );
            continue;
        };
        // A function is told where its mailbox belongs.
        let elsewhere = name == "mailbox" && known.contains(&"budget");
        if !known.contains(&name.as_str()) && !elsewhere {
            errors.help(
                &argument.name,
                format!("unknown option `{name}`"),
                &suggestion(&name, known),
            );
        } else if seen.contains(&name) {
            errors.help(
                &argument.name,
                format!("`{name}` is given twice"),
                "remove one of them",
            );
        } else {
            take(&name, &argument, errors);
            seen.push(name);
        }
    }
}

fn suggestion(name: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|option| (distance(name, option), option))
        .min();
    match near {
        Some((0..=2, option)) => {
            format!("did you mean `{option}`? the options are {}", list(known))
        }
        _ => format!("the options are {}", list(known)),
    }
}

pub(super) fn list(known: &[&str]) -> String {
    known
        .iter()
        .map(|option| format!("`{option}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substitution = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substitution.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

pub(super) fn value(argument: &Argument, example: &str) -> Result<TokenStream> {
    argument.value.clone().ok_or_else(|| {
        let name = argument
            .name
            .as_ref()
            .map(Ident::to_string)
            .unwrap_or_default();
        with_help(
            &argument.tokens,
            format!("`{name}` needs a value"),
            &format!("write `{example}`"),
        )
    })
}

fn mailbox(argument: &Argument) -> Result<u32> {
    let value = value(argument, "mailbox = 8")?;
    capacity(value.clone(), "mailbox = 8").and_then(|size| match size {
        0 => Err(with_help(
            &value,
            "the smallest mailbox is 1",
            "for a rendezvous give the struct a `Receiver<_>` field and `#[recv]` it",
        )),
        size => Ok(size),
    })
}

/// A number of messages, 0..=65536.
pub(crate) fn capacity(value: TokenStream, example: &str) -> Result<u32> {
    let size = integer(&value, example)?;
    match size {
        0..=65536 => Ok(size as u32),
        _ => Err(with_help(
            &value,
            format!("the largest mailbox is {MAILBOX_MAX}"),
            "slow the senders down instead: a full mailbox makes them wait",
        )),
    }
}

pub(super) fn number(
    argument: &Argument,
    min: u32,
    max: u32,
    example: &str,
    what: &str,
) -> Result<u32> {
    let value = value(argument, example)?;
    let number = integer(&value, example)?;
    if number < u64::from(min) || number > u64::from(max) {
        let name = argument
            .name
            .as_ref()
            .map(Ident::to_string)
            .unwrap_or_default();
        return Err(with_help(
            &value,
            format!("`{name}` is a number of {what} from {min} to {max}"),
            &format!("write `{example}`"),
        ));
    }
    Ok(number as u32)
}

/// A number as it is written, as far as 64 bits tell it: what is too large is for the caller to refuse.
fn integer(value: &TokenStream, example: &str) -> Result<u64> {
    let literal = parse2::<LitInt>(value.clone())
        .ok()
        .filter(|literal| literal.suffix().is_empty());
    match literal {
        Some(literal) => Ok(literal.base10_parse().unwrap_or(u64::MAX)),
        None => Err(with_help(
            value,
            "not a whole number",
            &format!("write `{example}`"),
        )),
    }
}

fn name_of(argument: &Argument) -> Result<String> {
    let value = value(argument, "name = \"router\"")?;
    match parse2::<LitStr>(value.clone()) {
        Ok(name) if !name.value().trim().is_empty() => Ok(name.value()),
        _ => Err(with_help(
            &value,
            "a name is text",
            "write `name = \"router\"`",
        )),
    }
}

/// A duration such as `"250ms"`, in nanoseconds.
pub(crate) fn duration(value: TokenStream) -> Result<u64> {
    let text = parse2::<LitStr>(value.clone())
        .ok()
        .map(|literal| literal.value());
    let nanos = text.as_deref().and_then(nanos);
    nanos.ok_or_else(|| {
        syn::Error::new_spanned(
            value.into_token_stream(),
            "not a duration: write `\"250ms\"`, `\"1s\"`, `\"2m\"`",
        )
    })
}

/// The period of `#[every]`, in nanoseconds.
pub(crate) fn period(value: TokenStream) -> Result<u64> {
    match duration(value.clone())? {
        0 => Err(syn::Error::new_spanned(
            value,
            "an interval of zero never lets the process rest",
        )),
        nanos => Ok(nanos),
    }
}

fn nanos(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim_start() {
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}
