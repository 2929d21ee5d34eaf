//! A method whose signature is being written, as an editor sees it after each key: `fn get(&self, key: ) { .. }`, `fn get(&self)`.
//!
//! rustc says what it lacks, so nothing is said of it here. The other methods of the block are what they were, and this one is what
//! it will probably be, so that no call of it is another error.
//!
//! Input: the tokens of a member that begins as a method does. Output: [`Unfinished`], or `None` if that method is whole, or lacks
//! something else.

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};
use quote::quote;
use syn::parse::ParseStream;
use syn::{Attribute, Result, Signature, Token, Type, Visibility, token};

use super::item::Function;
use crate::expand::{generated, private};

/// A method with a gap in its signature.
pub(crate) struct Unfinished {
    /// The signature as the user wrote it.
    pub(crate) signature: TokenStream,
    /// With any type where one is missing, and with a body if there is none: behind that rustc takes nothing more for a method.
    pub(crate) method: Box<Function>,
}

/// Takes a method off the input if its signature has a gap.
pub(crate) fn method(input: ParseStream<'_>) -> Result<Option<Unfinished>> {
    let ahead = input.fork();
    let Ok(unfinished) = ahead.call(unfinished) else {
        return Ok(None);
    };
    if unfinished.is_some() {
        let end = ahead.cursor();
        while input.cursor() < end {
            input.parse::<TokenTree>()?;
        }
    }
    Ok(unfinished)
}

fn unfinished(input: ParseStream<'_>) -> Result<Option<Unfinished>> {
    let attrs = input.call(Attribute::parse_outer)?;
    let vis: Visibility = input.parse()?;
    let (written, guessed, has_gap) = signature(input)?;
    let sig: Signature = syn::parse2(guessed)?;
    // A body that is a `$body:block` is a group of its own.
    let has_body = input.peek(token::Brace) || input.peek(Token![;]);
    if has_body && !has_gap {
        return Ok(None);
    }
    let body: TokenTree = if has_body {
        input.parse()?
    } else {
        let private = private();
        Group::new(Delimiter::Brace, generated!(#private::stub())).into()
    };
    Ok(Some(Unfinished {
        signature: written,
        method: Box::new(Function {
            attrs,
            vis,
            sig,
            body,
        }),
    }))
}

/// The tokens of a signature as they are and as they may be meant, and whether these differ.
fn signature(input: ParseStream<'_>) -> Result<(TokenStream, TokenStream, bool)> {
    let (mut written, mut guessed, mut has_gap) = (TokenStream::new(), TokenStream::new(), false);
    let mut seen_parameters = false;
    while !ends(input, seen_parameters) {
        let token: TokenTree = input.parse()?;
        written.extend([token.clone()]);
        match token {
            TokenTree::Group(group) if is_list(&group) && !seen_parameters => {
                seen_parameters = true;
                let parameters;
                (parameters, has_gap) = filled(group.stream());
                let mut filled = Group::new(Delimiter::Parenthesis, parameters);
                filled.set_span(group.span());
                guessed.extend([TokenTree::Group(filled)]);
            }
            other => guessed.extend([other]),
        }
    }
    Ok((written, guessed, has_gap))
}

fn is_list(group: &Group) -> bool {
    group.delimiter() == Delimiter::Parenthesis
}

/// Whether the signature is over: a body comes, or another member.
fn ends(input: ParseStream<'_>, seen_parameters: bool) -> bool {
    let next_member = input.peek(Token![#])
        || input.peek(Token![pub])
        || input.peek(Token![async])
        || (input.peek(Token![fn]) && input.peek2(syn::Ident));
    input.is_empty()
        || input.peek(token::Brace)
        || input.peek(Token![;])
        || (seen_parameters && next_member)
}

/// The parameters, with `impl Sized` for a type that is missing, and whether one is.
fn filled(parameters: TokenStream) -> (TokenStream, bool) {
    let (mut all, mut has_gap) = (TokenStream::new(), false);
    for (parameter, comma) in pieces(parameters) {
        let gap = name_of_gap(&parameter);
        has_gap |= gap.is_some();
        match gap {
            Some(name) => {
                let name = name.iter();
                all.extend(generated!(#(#name)* : impl ::core::marker::Sized));
            }
            None => all.extend(parameter),
        }
        all.extend(comma);
    }
    (all, has_gap)
}

/// What stands before the type of a parameter, if that is not there or only begins: `key`, `key:`, `key: &mut`.
fn name_of_gap(parameter: &[TokenTree]) -> Option<&[TokenTree]> {
    let is_self = |token: &TokenTree| matches!(token, TokenTree::Ident(name) if name == "self");
    if parameter.is_empty() || parameter.iter().any(is_self) {
        return None;
    }
    let is_colon =
        |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':');
    let is_joint = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.spacing() == Spacing::Joint);
    // Not one of the two in a path.
    let is_first =
        |at: usize| is_joint(&parameter[at]) && parameter.get(at + 1).is_some_and(is_colon);
    let is_second = |at: usize| {
        let before = at.checked_sub(1).map(|before| &parameter[before]);
        before.is_some_and(|before| is_colon(before) && is_joint(before))
    };
    let colon = (0..parameter.len())
        .find(|at| is_colon(&parameter[*at]) && !is_first(*at) && !is_second(*at));
    let Some(colon) = colon else {
        return Some(parameter);
    };
    let ty: TokenStream = parameter[colon + 1..].iter().cloned().collect();
    let is_type = |tokens: TokenStream| syn::parse2::<Type>(tokens).is_ok();
    (!is_type(ty.clone()) && is_type(quote!(#ty u8))).then(|| &parameter[..colon])
}

/// The parameters one by one, each with its comma. One between angle brackets does not end a parameter.
fn pieces(parameters: TokenStream) -> Vec<(Vec<TokenTree>, Option<TokenTree>)> {
    let mut pieces = vec![(Vec::new(), None)];
    let (mut depth, mut is_arrow) = (0_i32, false);
    for token in parameters {
        let symbol = match &token {
            TokenTree::Punct(punct) => punct.as_char(),
            _ => ' ',
        };
        match symbol {
            '<' => depth += 1,
            '>' if !is_arrow => depth -= 1,
            _ => {}
        }
        is_arrow = symbol == '-';
        let Some((piece, comma)) = pieces.last_mut() else {
            continue;
        };
        if symbol == ',' && depth == 0 {
            *comma = Some(token);
            pieces.push((Vec::new(), None));
        } else {
            piece.push(token);
        }
    }
    pieces
}
