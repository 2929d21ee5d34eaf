//! `#[roundrock::test]`.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Ident, LitBool, LitFloat, LitInt, LitStr, Result, parse2};

use super::entry::takes_only;
use super::options::{self, list};
use crate::errors::{Errors, with_help};
use crate::model::{Runs, Simulated, Test};
use crate::parse::arguments::{Argument, arguments};
use crate::parse::item::Function;

const REAL: [&str; 3] = ["real", "workers", "grace"];
const SIMULATED: [&str; 10] = [
    "seeds",
    "strategy",
    "faults",
    "max_steps",
    "leaks",
    "lost",
    "grace",
    "tape",
    "tokio",
    "real",
];
/// Names that users may write, and the variants of the runtime.
const STRATEGIES: [(&str, &str); 7] = [
    ("mix", "Mix"),
    ("baseline", "Baseline"),
    ("random", "Random"),
    ("pct", "Pct"),
    ("holds", "Holds"),
    ("pos", "Pos"),
    ("urw", "Urw"),
];
const FAULTS: [&str; 4] = ["panic", "slow", "stall", "delay"];

/// Checks a test.
pub(crate) fn check(arguments: TokenStream, function: Function, errors: &mut Errors) -> Test {
    let is_real = self::arguments(arguments.clone())
        .iter()
        .any(|argument| argument.name.as_ref().is_some_and(|name| name == "real"));
    let runs = if is_real {
        real(arguments, errors)
    } else {
        Runs::Simulated(simulated(arguments, errors))
    };
    let (argument, ty) = if is_real {
        ("scope", "Scope")
    } else {
        ("sim", "Sim")
    };
    let sig = &function.sig;
    let name = &sig.ident;
    if !takes_only(sig, ty) || sig.asyncness.is_none() {
        let mut parameters = Group::new(Delimiter::Parenthesis, sig.inputs.to_token_stream());
        parameters.set_span(sig.paren_token.span.join());
        let kind = if is_real {
            "test on threads takes the scope"
        } else {
            "simulated test takes the simulation"
        };
        errors.at(
            parameters,
            format!("a {kind}: `async fn {name}({argument}: &{ty})`"),
        );
    }
    if !sig.generics.params.is_empty() {
        errors.at(
            &sig.generics,
            "a test cannot be generic: nobody calls it with types",
        );
    }
    if let Some(test) = function
        .attrs
        .iter()
        .find(|attribute| attribute.path().is_ident("test"))
    {
        errors.help(
            test,
            "`#[roundrock::test]` makes a test already",
            "remove `#[test]`",
        );
    }
    Test { function, runs }
}

fn real(tokens: TokenStream, errors: &mut Errors) -> Runs {
    let (mut workers, mut grace) = (None, None);
    options::each(tokens, &REAL, errors, |name, argument, errors| match name {
        "workers" => workers = errors.keep(options::workers(argument)),
        "grace" => grace = errors.keep(options::grace(argument)),
        _ => no_value(name, argument, errors),
    });
    Runs::Real(workers, grace)
}

fn simulated(tokens: TokenStream, errors: &mut Errors) -> Simulated {
    let mut options = Simulated::default();
    options::each(
        tokens,
        &SIMULATED,
        errors,
        |name, argument, errors| match name {
            "seeds" => {
                let seeds = options::number(argument, 1, u32::MAX, "seeds = 200", "runs");
                options.seeds = errors.keep(seeds);
            }
            "max_steps" => {
                let steps = options::number(argument, 1, u32::MAX, "max_steps = 100_000", "steps");
                options.max_steps = errors.keep(steps);
            }
            "strategy" => options.strategy = errors.keep(strategy(argument)),
            "faults" => options.faults = faults(argument, errors),
            "leaks" => {
                options.allow_leaks = errors.keep(allows(argument, "leaks")).unwrap_or(false)
            }
            "lost" => options.deny_lost = !errors.keep(allows(argument, "lost")).unwrap_or(true),
            "grace" => options.grace = errors.keep(options::grace(argument)),
            "tape" => options.tape = errors.keep(tape(argument)),
            _ => {
                errors.keep(tokio(argument));
            }
        },
    );
    options
}

fn no_value(name: &str, argument: &Argument, errors: &mut Errors) {
    if argument.value.is_some() {
        errors.help(
            &argument.tokens,
            format!("`{name}` takes no value"),
            &format!("write `{name}`"),
        );
    }
}

fn strategy(argument: &Argument) -> Result<&'static str> {
    let (value, text) = text(argument, "strategy = \"mix\"")?;
    let known = STRATEGIES.iter().find(|(name, _)| *name == text);
    known.map(|(_, variant)| *variant).ok_or_else(|| {
        let names: Vec<&str> = STRATEGIES.iter().map(|(name, _)| *name).collect();
        with_help(
            &value,
            format!("unknown strategy `{text}`"),
            &format!("the strategies are {}", list(&names)),
        )
    })
}

/// Whether `leaks`, or messages that are `lost`, are allowed.
fn allows(argument: &Argument, what: &str) -> Result<bool> {
    let (value, text) = text(argument, &format!("{what} = \"deny\""))?;
    match text.as_str() {
        "deny" => Ok(false),
        "allow" => Ok(true),
        _ => Err(with_help(
            &value,
            format!("`{what}` is either denied or allowed"),
            &format!("write `{what} = \"deny\"` or `{what} = \"allow\"`"),
        )),
    }
}

/// The text of a tape: pairs of two numbers, or of a number and `h`.
fn tape(argument: &Argument) -> Result<String> {
    let (value, text) = text(argument, "tape = \"3.1,7.2\"")?;
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    let is_pair = |pair: &str| {
        pair.trim()
            .split_once('.')
            .is_some_and(|(skip, value)| is_number(skip) && (value == "h" || is_number(value)))
    };
    if text == "-" || text.split(',').all(is_pair) {
        return Ok(text);
    }
    Err(with_help(
        &value,
        "not a tape",
        "copy it from the report of a failure: `tape = \"3.1,7.2\"`",
    ))
}

fn tokio(argument: &Argument) -> Result<()> {
    let value = options::value(argument, "tokio = false")?;
    match parse2::<LitBool>(value.clone()) {
        Ok(on) if !on.value => Ok(()),
        Ok(_) => Err(with_help(
            &value,
            "a simulation has no reactor: what a socket does cannot be chosen and replayed",
            "hand the process a channel instead of a socket, or write `#[roundrock::test(real)]`",
        )),
        Err(_) => Err(with_help(
            &value,
            "not `true` or `false`",
            "write `tokio = false`",
        )),
    }
}

/// The text of an option, with its token.
fn text(argument: &Argument, example: &str) -> Result<(TokenStream, String)> {
    let value = options::value(argument, example)?;
    match parse2::<LitStr>(value.clone()) {
        Ok(text) => Ok((value, text.value())),
        Err(_) => Err(with_help(
            &value,
            "not a text",
            &format!("write `{example}`"),
        )),
    }
}

/// `faults(panic = 0.01, slow = 0.05)`
fn faults(argument: &Argument, errors: &mut Errors) -> Vec<(&'static str, f64)> {
    let mut tokens = argument.tokens.clone().into_iter().skip(1);
    let group = match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Group(group)), None)
            if group.delimiter() == Delimiter::Parenthesis && !group.stream().is_empty() =>
        {
            group
        }
        _ => {
            errors.help(
                &argument.tokens,
                "`faults` needs their names and how likely they are",
                "write `faults(panic = 0.01, slow = 0.05)`",
            );
            return Vec::new();
        }
    };
    let mut faults = Vec::new();
    options::each(group.stream(), &FAULTS, errors, |name, argument, errors| {
        let name = FAULTS.iter().find(|known| **known == name);
        if let (Some(name), Some(likely)) = (name, errors.keep(probability(argument))) {
            faults.push((*name, likely));
        }
    });
    faults
}

fn probability(argument: &Argument) -> Result<f64> {
    let name = argument
        .name
        .as_ref()
        .map(Ident::to_string)
        .unwrap_or_default();
    let example = format!("{name} = 0.05");
    let value = options::value(argument, &example)?;
    let float = parse2::<LitFloat>(value.clone()).and_then(|value| value.base10_parse::<f64>());
    let number = float
        .or_else(|_| parse2::<LitInt>(value.clone()).and_then(|value| value.base10_parse::<f64>()));
    match number {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err(with_help(
            &value,
            format!("`{name}` is a probability from 0 to 1"),
            &format!("write `{example}`"),
        )),
    }
}
