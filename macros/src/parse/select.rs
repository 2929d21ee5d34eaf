//! The grammar of `select!`.
//!
//! ```text
//! select   = ["biased" ";"] arm*
//! arm      = [pattern "="] event ["," "if" guard] "=>" body
//!          | "default" "=>" body
//!          | "else" "=>" body
//! body     = block [","] | expression ","
//! ```
//!
//! Patterns, events, guards and bodies stay raw tokens. Where a body ends is asked of syn; if it
//! cannot tell (half-typed code), the body ends at the next comma.
//!
//! Input: the tokens inside `select! { … }`. Output: [`Arms`].

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseBuffer, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, Result, Token};

use super::fragment::visible;

/// All arms in their order.
pub(crate) struct Arms {
    pub(crate) biased: bool,
    pub(crate) arms: Vec<Arm>,
}

/// One arm and its body.
pub(crate) struct Arm {
    pub(crate) head: Head,
    pub(crate) body: TokenStream,
}

/// What an arm waits for.
pub(crate) enum Head {
    Event {
        pattern: Option<TokenStream>,
        event: TokenStream,
        guard: Option<TokenStream>,
    },
    Default(Ident),
    Else(Token![else]),
}

impl Parse for Arms {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let biased = input.peek(Ident) && input.peek2(Token![;]) && {
            let word: Ident = input.fork().parse()?;
            word == "biased"
        };
        if biased {
            input.parse::<Ident>()?;
            input.parse::<Token![;]>()?;
        }
        let mut arms = Vec::new();
        while !input.is_empty() {
            not_biased(input, arms.is_empty())?;
            arms.push(input.call(arm)?);
        }
        Ok(Self { biased, arms })
    }
}

/// `biased` that was probably meant to be the order of the branches, but is not written as that.
fn not_biased(input: ParseStream<'_>, is_first: bool) -> Result<()> {
    let ahead = input.fork();
    if !input.peek(Ident) || ahead.parse::<Ident>()? != "biased" {
        return Ok(());
    }
    if ahead.peek(Token![;]) {
        Err(input.error("`biased;` stands before all branches"))
    } else if is_first && (ahead.peek(Token![,]) || ahead.peek(Ident) || ahead.peek(Token![_])) {
        Err(input.error("`biased` ends with a semicolon; write `biased;`"))
    } else {
        Ok(())
    }
}

fn arm(input: ParseStream<'_>) -> Result<Arm> {
    let head = if input.peek(Token![else]) {
        Head::Else(input.parse()?)
    } else if input.peek(Ident)
        && input.peek2(Token![=>])
        && input.fork().parse::<Ident>()? == "default"
    {
        Head::Default(input.parse()?)
    } else {
        event(input)?
    };
    if let Head::Event { event, .. } = &head
        && let Some(body) = body_in_event(event)
    {
        return Err(syn::Error::new_spanned(
            body,
            "a `=>` is missing before this body; write `pattern = event => body`",
        ));
    }
    if input.is_empty() {
        return Err(syn::Error::new_spanned(
            head.tokens(),
            "this branch has no body: write `pattern = event => body`",
        ));
    }
    input.parse::<Token![=>]>()?;
    Ok(Arm {
        body: body(input)?,
        head,
    })
}

impl Head {
    /// The tokens a mistake in this arm points at.
    pub(crate) fn tokens(&self) -> TokenStream {
        match self {
            Self::Event { event, pattern, .. } if event.is_empty() => {
                pattern.clone().unwrap_or_default()
            }
            Self::Event { event, .. } => event.clone(),
            Self::Default(word) => word.to_token_stream(),
            Self::Else(word) => word.to_token_stream(),
        }
    }
}

/// `[pattern =] event [, if guard]`, up to the `=>`.
fn event(input: ParseStream<'_>) -> Result<Head> {
    let mut pattern = None;
    let mut event = TokenStream::new();
    let mut guard: Option<TokenStream> = None;
    if input.peek(Token![,]) {
        return Err(
            input.error("a branch is missing before this comma; write `pattern = event => body`")
        );
    }
    while !input.is_empty() && !input.peek(Token![=>]) {
        if guard.is_none() && input.peek(Token![,]) && input.peek2(Token![if]) {
            input.parse::<Token![,]>()?;
            input.parse::<Token![if]>()?;
            guard = Some(TokenStream::new());
            continue;
        }
        if guard.is_none() && input.peek(Token![if]) && ends_operand(&event) {
            return Err(input.error(
                "a guard stands behind a comma; write `pattern = event, if condition => body`",
            ));
        }
        if pattern.is_none() && guard.is_none() && input.peek(Token![=]) && !input.peek(Token![==])
        {
            input.parse::<Token![=]>()?;
            pattern = Some(core::mem::take(&mut event));
            continue;
        }
        let into = guard.as_mut().unwrap_or(&mut event);
        operator(input, into)?;
    }
    Ok(Head::Event {
        pattern: pattern.map(visible),
        event: visible(event),
        guard,
    })
}

/// The block behind a call, in what is no expression: `jobs.recv() { work() }`.
fn body_in_event(event: &TokenStream) -> Option<TokenTree> {
    let is = |token: &TokenTree, delimiter| matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter);
    if !event
        .clone()
        .into_iter()
        .any(|token| is(&token, Delimiter::Brace))
        || syn::parse2::<Expr>(event.clone()).is_ok()
    {
        return None;
    }
    let mut before: Vec<TokenTree> = Vec::new();
    event.clone().into_iter().find(|token| {
        let follows_call = before
            .last()
            .is_some_and(|last| is(last, Delimiter::Parenthesis));
        let found = is(token, Delimiter::Brace)
            && follows_call
            && syn::parse2::<Expr>(before.iter().cloned().collect()).is_ok();
        before.push(token.clone());
        found
    })
}

/// Whether an expression may end here, so that an `if` cannot belong to it.
fn ends_operand(tokens: &TokenStream) -> bool {
    let last = tokens.clone().into_iter().last();
    matches!(
        last,
        Some(TokenTree::Group(_) | TokenTree::Ident(_) | TokenTree::Literal(_))
    )
}

/// Takes one token, or all of an operator such as `..=`, `<=`, `==`.
fn operator(input: ParseStream<'_>, into: &mut TokenStream) -> Result<()> {
    loop {
        let token: TokenTree = input.parse()?;
        let joint = matches!(&token, TokenTree::Punct(punct)
            if punct.spacing() == Spacing::Joint && punct.as_char() != '\'');
        into.extend([token]);
        let next_is_part = input.peek(Token![=]) && !input.peek(Token![=>]);
        if !(joint && next_is_part) {
            return Ok(());
        }
    }
}

fn body(input: ParseStream<'_>) -> Result<TokenStream> {
    let ahead = input.fork();
    let is_whole = Expr::parse_with_earlier_boundary_rule(&ahead).is_ok();
    let is_ended = ahead.is_empty() || ahead.peek(Token![,]) || is_block(input);
    let mut body = TokenStream::new();
    if is_whole {
        let end = ahead.cursor();
        while input.cursor() < end {
            body.extend([input.parse::<TokenTree>()?]);
        }
        if !is_ended {
            comma_missing(&ahead, &body)?;
            while !input.is_empty() && !input.peek(Token![,]) {
                body.extend([input.parse::<TokenTree>()?]);
            }
        }
    } else {
        while !input.is_empty() && !input.peek(Token![,]) {
            body.extend([input.parse::<TokenTree>()?]);
        }
    }
    input.parse::<Option<Token![,]>>()?;
    if body.is_empty() {
        return Err(input.error("this branch has no body: write `pattern = event => body`"));
    }
    Ok(body)
}

/// What follows a body without a comma, if that is another branch.
fn comma_missing(rest: ParseStream<'_>, body: &TokenStream) -> Result<()> {
    let rest = rest.fork();
    // What begins the next branch may have been taken for the end of this one, as in `return default => ..`.
    let is_swallowed = rest.peek(Token![=>]);
    let is_guard = |rest: &ParseBuffer<'_>| rest.peek(Token![,]) && rest.peek2(Token![if]);
    while !rest.is_empty() && (!rest.peek(Token![,]) || is_guard(&rest)) {
        if rest.peek(Token![=>]) {
            let message = if is_swallowed {
                "a comma is missing between this body and the next branch; write `pattern = event => body,`"
            } else {
                "a comma is missing behind this body; write `pattern = event => body,`"
            };
            return Err(syn::Error::new_spanned(body, message));
        }
        rest.parse::<TokenTree>()?;
    }
    Ok(())
}

fn is_block(input: ParseStream<'_>) -> bool {
    input.peek(syn::token::Brace)
        || input.peek(Token![if])
        || input.peek(Token![match])
        || input.peek(Token![loop])
        || input.peek(Token![while])
        || input.peek(Token![for])
        || input.peek(Token![unsafe])
        || input.peek(Token![async])
        || input.peek(Token![const])
        || input.peek(syn::Lifetime)
}

/// Splits `sender.send(value)` into the sender and the value.
pub(crate) fn as_send(event: &TokenStream) -> Option<(TokenStream, TokenStream)> {
    let tokens: Vec<TokenTree> = event.clone().into_iter().collect();
    let [
        sender @ ..,
        TokenTree::Punct(dot),
        TokenTree::Ident(method),
        TokenTree::Group(value),
    ] = tokens.as_slice()
    else {
        return None;
    };
    let is_send = dot.as_char() == '.'
        && method == "send"
        && value.delimiter() == Delimiter::Parenthesis
        && !sender.is_empty()
        && is_one_expression(value.stream());
    is_send.then(|| (sender.iter().cloned().collect(), value.stream()))
}

fn is_one_expression(tokens: TokenStream) -> bool {
    let list = syn::parse::Parser::parse2(
        Punctuated::<Expr, Token![,]>::parse_terminated,
        tokens.clone(),
    );
    match list {
        Ok(list) => list.len() == 1,
        Err(_) => !tokens.is_empty(),
    }
}
