//! What `macro_rules!` makes of its fragments: a `$body:block`, an `$event:expr` or a `$member:item` is in a group without delimiters,
//! which keeps it together and is seen by macros alone.
//!
//! syn looks through these groups where it parses. Tokens that stay raw are looked at here.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The tokens themselves, if all of them are one fragment.
pub(crate) fn visible(tokens: TokenStream) -> TokenStream {
    let mut all = tokens.clone().into_iter();
    match (all.next(), all.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => {
            visible(group.stream())
        }
        _ => tokens,
    }
}
