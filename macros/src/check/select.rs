//! `select!`.

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{BinOp, Expr, Token};

use super::types;
use crate::errors::Errors;
use crate::model::{Branch, Select, Wait};
use crate::parse::select::{Arm, Arms, Head, as_send};

/// Checks the arms.
pub(crate) fn check(arms: Arms, errors: &mut Errors) -> Select {
    let mut select = Select {
        biased: arms.biased,
        branches: Vec::new(),
        default: None,
        otherwise: None,
    };
    for Arm { head, body } in arms.arms {
        let tokens = head.tokens();
        match head {
            Head::Default(_) => {
                once(
                    &mut select.default,
                    body,
                    tokens,
                    "`default` is there already",
                    errors,
                );
            }
            Head::Else(_) => once(
                &mut select.otherwise,
                body,
                tokens,
                "`else` is there already",
                errors,
            ),
            Head::Event {
                pattern,
                event,
                guard,
            } => {
                if let Some(branch) = branch(pattern, event, guard, body, errors) {
                    reachable(&select.branches, &branch, tokens, errors);
                    select.branches.push(branch);
                }
            }
        }
    }
    if select.branches.is_empty() && errors.none_since(0) {
        errors.push(syn::Error::new(
            proc_macro2::Span::call_site(),
            "`select!` has nothing to wait for\n\n  = help: write `message = input.recv() => ...`",
        ));
    }
    select
}

fn once(
    slot: &mut Option<TokenStream>,
    body: TokenStream,
    word: TokenStream,
    message: &str,
    errors: &mut Errors,
) {
    if slot.is_some() {
        errors.help(
            word,
            message,
            "one wait has one such branch: put both bodies into the first",
        );
    } else {
        *slot = Some(body);
    }
}

fn branch(
    pattern: Option<TokenStream>,
    event: TokenStream,
    guard: Option<TokenStream>,
    body: TokenStream,
    errors: &mut Errors,
) -> Option<Branch> {
    let before = errors.count();
    if pattern.as_ref().is_some_and(TokenStream::is_empty) {
        errors.help(
            &event,
            "a branch binds what its event gives",
            "write `pattern = event => body`",
        );
    }
    if let Some(pattern) = pattern.as_ref().filter(|pattern| is_option(pattern)) {
        errors.help(
            pattern,
            "a branch gets the message itself, and its pattern always matches",
            "write `message = input.recv() => body`: the end of an input disables its branch, and `else => body` runs when no branch is left",
        );
    }
    if event.is_empty() {
        let tokens = pattern.clone().unwrap_or_else(|| body.clone());
        errors.help(
            tokens,
            "this branch waits for nothing",
            "write `pattern = event => body`",
        );
    }
    if guard.as_ref().is_some_and(TokenStream::is_empty) {
        errors.help(
            &event,
            "the guard of this branch is empty",
            "write `pattern = event, if condition => body`",
        );
    }
    if let Some(word) = awaited(&event) {
        errors.help(
            word,
            "`select!` waits for its events itself",
            "leave out the `.await`: `message = input.recv() => body`",
        );
    }
    if let Some(condition) = condition(&event) {
        errors.help(
            condition,
            "a guard begins with `if`",
            "write `pattern = event, if condition => body`",
        );
    } else if several(&event) {
        errors.help(
            &event,
            "a branch waits for one event, and these are several",
            "write a branch for each of them: `message = input.recv() => body`",
        );
    }
    let send = as_send(&event);
    if pattern.is_none() && send.is_none() && !event.is_empty() {
        errors.help(
            &event,
            "this branch binds nothing",
            "write `_ = event => body`; only `sender.send(value) => body` stands alone",
        );
    }
    let source = types::source(&event);
    let wait = match send {
        Some((sender, value)) => Wait::Send { sender, value },
        None => Wait::Event(event),
    };
    errors.none_since(before).then_some(Branch {
        pattern,
        wait,
        guard,
        body,
        source,
    })
}

/// Whether this is the pattern `Some(..)` or `None`, as for the `recv` of other channels.
fn is_option(pattern: &TokenStream) -> bool {
    let mut tokens = pattern.clone().into_iter();
    match (tokens.next(), tokens.next(), tokens.next()) {
        (Some(TokenTree::Ident(word)), None, None) => word == "None",
        (Some(TokenTree::Ident(word)), Some(TokenTree::Group(_)), None) => word == "Some",
        _ => false,
    }
}

/// Whether these are several events: `a.recv(), b.recv()`, or `a.recv() | b.recv()`. What a list in brackets is, its type says.
fn several(event: &TokenStream) -> bool {
    let separates = |token: TokenTree| matches!(token, TokenTree::Punct(punct) if ",|".contains(punct.as_char()));
    if !event.clone().into_iter().any(separates) {
        return false;
    }
    let list = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(event.clone());
    list.is_ok_and(|list| {
        let either = |expr: &Expr| {
            matches!(expr, Expr::Binary(binary) if matches!(binary.op, BinOp::BitOr(_) | BinOp::Or(_)))
        };
        list.len() > 1 || list.iter().any(either)
    })
}

/// The guard that was probably meant: `a.recv(), is_open`. A call may be a second event.
fn condition(event: &TokenStream) -> Option<Expr> {
    let list = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(event.clone());
    let mut list = list.ok().filter(|list| list.len() == 2)?.into_iter();
    let (event, condition) = (list.next()?, list.next()?);
    let is_event = |expr: &Expr| matches!(expr, Expr::MethodCall(_) | Expr::Call(_));
    (is_event(&event) && !is_event(&condition)).then_some(condition)
}

/// The word `await` at the end of an event.
fn awaited(event: &TokenStream) -> Option<TokenTree> {
    let mut tokens: Vec<TokenTree> = event.clone().into_iter().collect();
    let last = tokens.pop()?;
    let is_dot = |token: &TokenTree| matches!(token, TokenTree::Punct(dot) if dot.as_char() == '.');
    let is_await = matches!(&last, TokenTree::Ident(word) if word == "await");
    (is_await && tokens.last().is_some_and(is_dot)).then_some(last)
}

/// The same event twice: the second could only steal from the first.
fn reachable(branches: &[Branch], branch: &Branch, tokens: TokenStream, errors: &mut Errors) {
    let always = |branch: &&Branch| branch.guard.is_none();
    let twin = branches
        .iter()
        .filter(always)
        .any(|other| other.source == branch.source);
    let receives = matches!(branch.wait, Wait::Event(_));
    if twin && receives && branch.guard.is_none() {
        errors.help(
            tokens,
            format!("`{}` is a branch already", branch.source),
            "put both bodies into the first, or give one of them a guard: `, if condition`",
        );
    }
}
