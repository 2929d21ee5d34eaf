//! The arguments of attributes: `name`, `name = value`, separated by commas.
//!
//! Input: the tokens in an attribute's parentheses. Output: [`Argument`]s.

use proc_macro2::{TokenStream, TokenTree};
use syn::Ident;

/// One piece between the commas of an attribute's arguments: `name`, `name = value`, or neither.
#[derive(Debug)]
pub(crate) struct Argument {
    /// All its tokens.
    pub(crate) tokens: TokenStream,
    /// Its first token, if that is an identifier.
    pub(crate) name: Option<Ident>,
    /// What follows the `=`.
    pub(crate) value: Option<TokenStream>,
}

/// Splits attribute arguments at their commas. Never fails: what makes no sense is kept as it is.
pub(crate) fn arguments(tokens: TokenStream) -> Vec<Argument> {
    let mut pieces = vec![Vec::new()];
    for token in tokens {
        match &token {
            TokenTree::Punct(comma) if comma.as_char() == ',' => pieces.push(Vec::new()),
            _ => pieces
                .last_mut()
                .into_iter()
                .for_each(|piece: &mut Vec<TokenTree>| piece.push(token.clone())),
        }
    }
    pieces
        .into_iter()
        .filter(|piece| !piece.is_empty())
        .map(argument)
        .collect()
}

fn argument(piece: Vec<TokenTree>) -> Argument {
    let name = match &piece[0] {
        TokenTree::Ident(name) => Some(name.clone()),
        _ => None,
    };
    let equals = matches!(piece.get(1), Some(TokenTree::Punct(punct)) if punct.as_char() == '=');
    let value = (equals && piece.len() > 2).then(|| piece[2..].iter().cloned().collect());
    Argument {
        tokens: piece.into_iter().collect(),
        name,
        value,
    }
}
