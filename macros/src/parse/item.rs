//! Items. Structs are parsed whole; functions and `impl` blocks down to their bodies, which stay raw
//! tokens.
//!
//! Input: the tokens an attribute was put on. Output: [`Item`].

use proc_macro2::{Delimiter, Group, Punct, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{
    Attribute, Generics, Ident, ItemStruct, Result, Signature, Token, Type, Visibility, token,
};

use super::fragment::visible;
use super::unfinished::{self, Unfinished};

/// What an attribute macro was put on.
pub(crate) enum Item {
    Struct(Box<ItemStruct>),
    Function(Box<Function>),
    Impl(Box<Impl>),
    /// Anything else: its keyword, and what to call it in a message.
    Other(TokenStream, String),
}

/// A function or method; `body` is its block, or the `;` of one that has none.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: TokenTree,
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            attrs,
            vis,
            sig,
            body,
        } = self;
        tokens.extend(quote!(#(#attrs)* #vis #sig #body));
    }
}

/// An `impl` block.
pub(crate) struct Impl {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) impl_token: Token![impl],
    pub(crate) generics: Generics,
    /// The trait and its `for`, as tokens.
    pub(crate) of_trait: Option<TokenStream>,
    pub(crate) self_ty: Type,
    pub(crate) members: Vec<Member>,
}

/// A member of an `impl` block.
pub(crate) enum Member {
    Method(Box<Function>),
    /// A method that is being written. rustc has said what its signature lacks.
    Unfinished(Unfinished),
    /// Constants, types, macro calls, inner attributes: passed through.
    Other(TokenStream),
}

/// Parses the item an attribute was put on.
pub(crate) fn item(tokens: TokenStream) -> Result<Item> {
    let parser = |input: ParseStream<'_>| {
        let ahead = input.fork();
        ahead.call(Attribute::parse_outer)?;
        ahead.parse::<Visibility>()?;
        if ahead.peek(Token![struct]) {
            return Ok(Item::Struct(input.parse()?));
        }
        if is_function(&ahead) {
            return Ok(Item::Function(input.parse()?));
        }
        if is_inherent_or_trait_impl(&ahead) {
            return Ok(Item::Impl(input.parse()?));
        }
        let other = other_item(&ahead);
        input.parse::<TokenStream>()?;
        Ok(other)
    };
    parser.parse2(tokens)
}

/// Whether `const`, `async`, `unsafe`, `extern "…"` in their order, then `fn` follow.
fn is_function(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    while ahead.peek(Token![const])
        || ahead.peek(Token![async])
        || ahead.peek(Token![unsafe])
        || ahead.peek(Token![extern])
        || ahead.peek(syn::LitStr)
    {
        if ahead.parse::<TokenTree>().is_err() {
            return false;
        }
    }
    ahead.peek(Token![fn])
}

fn is_inherent_or_trait_impl(input: ParseStream<'_>) -> bool {
    input.peek(Token![impl]) || (input.peek(Token![unsafe]) && input.peek2(Token![impl]))
}

fn other_item(input: ParseStream<'_>) -> Item {
    let Ok(mut keyword) = input.call(Ident::parse_any) else {
        return Item::Other(input.cursor().token_stream(), "this".to_owned());
    };
    while keyword == "unsafe" || keyword == "auto" {
        match input.call(Ident::parse_any) {
            Ok(next) => keyword = next,
            Err(_) => break,
        }
    }
    let name = match keyword.to_string().as_str() {
        "enum" => "an enum",
        "union" => "a union",
        "trait" => "a trait",
        "mod" => "a module",
        "type" => "a type alias",
        "const" => "a constant",
        "static" => "a static",
        "use" => "an import",
        "extern" => "an extern block",
        _ => "this",
    };
    Item::Other(keyword.into_token_stream(), name.to_owned())
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        let mut body = None;
        if input.peek(token::Brace) {
            // It is in a group of its own if it was a `$body:block`.
            let group: TokenTree = input.parse()?;
            body = visible(group.into()).into_iter().next();
        }
        let body = match body {
            Some(body) => body,
            None => {
                input.parse::<Token![;]>()?;
                Punct::new(';', Spacing::Alone).into()
            }
        };
        Ok(Self {
            attrs,
            vis,
            sig,
            body,
        })
    }
}

impl Parse for Impl {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        input.parse::<Option<Token![unsafe]>>()?;
        let impl_token = input.parse()?;
        let mut generics = if input.peek(Token![<]) && !input.peek2(Token![<]) {
            input.parse()?
        } else {
            Generics::default()
        };
        input.parse::<Option<Token![!]>>()?;
        let mut self_ty: Type = input.parse()?;
        let mut of_trait = None;
        if input.peek(Token![for]) {
            let for_token: Token![for] = input.parse()?;
            of_trait = Some(quote!(#self_ty #for_token));
            self_ty = input.parse()?;
        }
        generics.where_clause = input.parse()?;
        let content;
        syn::braced!(content in input);
        let mut members = Vec::new();
        while !content.is_empty() {
            members.push(content.call(member)?);
        }
        Ok(Self {
            attrs,
            impl_token,
            generics,
            of_trait,
            self_ty,
            members,
        })
    }
}

fn member(input: ParseStream<'_>) -> Result<Member> {
    if input.peek(Token![#]) && input.peek2(Token![!]) {
        let pound: Token![#] = input.parse()?;
        let bang: Token![!] = input.parse()?;
        let group: Group = input.parse()?;
        return Ok(Member::Other(quote!(#pound #bang #group)));
    }
    let ahead = input.fork();
    ahead.call(Attribute::parse_outer)?;
    ahead.parse::<Visibility>()?;
    if is_function(&ahead) {
        if let Some(unfinished) = unfinished::method(input)? {
            return Ok(Member::Unfinished(unfinished));
        }
        return Ok(Member::Method(input.parse()?));
    }
    // A constant or type ends with `;`, a macro call with `;` or its braces.
    let ends_at_braces = !(ahead.peek(Token![const]) || ahead.peek(Token![type]));
    let mut tokens = TokenStream::new();
    while !input.is_empty() {
        let token: TokenTree = input.parse()?;
        // A `$member:item` is one group, and has its end in it.
        let last = match visible(token.clone().into()).into_iter().last() {
            Some(TokenTree::Punct(punct)) => punct.as_char() == ';',
            Some(TokenTree::Group(group)) => {
                ends_at_braces && group.delimiter() == Delimiter::Brace
            }
            _ => false,
        };
        tokens.extend([token]);
        if last {
            break;
        }
    }
    Ok(Member::Other(tokens))
}
