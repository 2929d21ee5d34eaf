//! Questions about types as the user wrote them. By name: a macro sees no more than that.

use proc_macro2::{Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Attribute, GenericArgument, Generics, Ident, Meta, Pat, PathArguments, PathSegment, Type,
    TypeImplTrait, TypeParamBound, TypeReference, parse_quote,
};

use crate::errors::Errors;
use crate::expand::generated;

/// The last segment of a path type.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

/// The type inside invisible or redundant parentheses.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        _ => ty,
    }
}

/// The reference a type is.
pub(crate) fn reference(ty: &Type) -> Option<&TypeReference> {
    match bare(ty) {
        Type::Reference(reference) => Some(reference),
        _ => None,
    }
}

/// Whether the type is a path that ends in `name`, and its type arguments.
pub(crate) fn named<'a>(ty: &'a Type, name: &str) -> Option<Vec<&'a Type>> {
    let segment = last_segment(ty)?;
    (segment.ident == name).then(|| type_arguments(segment))
}

pub(crate) fn type_arguments(segment: &PathSegment) -> Vec<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return Vec::new();
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

/// The type argument with this number of a path that ends in `name`.
pub(crate) fn argument_mut<'a>(
    ty: &'a mut Type,
    name: &str,
    number: usize,
) -> Option<&'a mut Type> {
    let Type::Path(path) = ty else { return None };
    let segment = path.path.segments.last_mut()?;
    let PathArguments::AngleBracketed(arguments) = &mut segment.arguments else {
        return None;
    };
    if segment.ident != name {
        return None;
    }
    let types = arguments
        .args
        .iter_mut()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        });
    types.into_iter().nth(number)
}

/// Whether the type is a path that depends on no parameter: neither `Self::Result` nor `T::Result`.
pub(crate) fn is_concrete(ty: &Type, generics: &Generics) -> bool {
    let Type::Path(path) = bare(ty) else {
        return false;
    };
    let is_parameter = |name: &Ident| {
        name == "Self"
            || generics
                .type_params()
                .any(|parameter| parameter.ident == *name)
    };
    let mut segments = path.path.segments.iter();
    path.qself.is_none() && !segments.any(|segment| is_parameter(&segment.ident))
}

/// Whether the type is the name alone of one that is not Rust's.
pub(crate) fn is_name(ty: &Type) -> bool {
    match bare(ty) {
        Type::Path(path) => path.path.get_ident().is_some() && !is_no_result(ty),
        _ => false,
    }
}

/// Whether the type is the name alone of one of Rust's.
pub(crate) fn is_known(ty: &Type) -> bool {
    matches!(bare(ty), Type::Path(path) if path.path.get_ident().is_some() && is_no_result(ty))
}

/// Whether the type means the same outside of the block: it names none of its parameters, and borrows from nobody.
pub(crate) fn is_plain(ty: &Type, generics: &Generics) -> bool {
    fn mentions(tokens: TokenStream, generics: &Generics) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Group(group) => mentions(group.stream(), generics),
            TokenTree::Ident(name) => {
                let is_type = generics
                    .type_params()
                    .any(|parameter| parameter.ident == name);
                let is_const = generics
                    .const_params()
                    .any(|parameter| parameter.ident == name);
                name == "Self" || name == "_" || is_type || is_const
            }
            _ => false,
        })
    }
    borrow(ty).is_none() && impl_trait(ty).is_none() && !mentions(ty.to_token_stream(), generics)
}

/// Whether the type is `()`.
pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(bare(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// Whether the type is one of Rust's that is neither `()` nor a `Result`. By name, so an alias is not known.
pub(crate) fn is_no_result(ty: &Type) -> bool {
    const NAMES: [&str; 32] = [
        "Arc", "BTreeMap", "BTreeSet", "Box", "Duration", "HashMap", "HashSet", "Instant",
        "Option", "PathBuf", "Rc", "String", "Vec", "VecDeque", "bool", "char", "f32", "f64",
        "i128", "i16", "i32", "i64", "i8", "isize", "str", "u128", "u16", "u32", "u64", "u8",
        "usize", "Cow",
    ];
    match bare(ty) {
        Type::Path(path) => {
            let name = path.path.segments.last().map(|last| last.ident.to_string());
            path.qself.is_none() && name.is_some_and(|name| NAMES.contains(&name.as_str()))
        }
        Type::Tuple(tuple) => !tuple.elems.is_empty(),
        Type::Array(_) | Type::Slice(_) | Type::Reference(_) => true,
        Type::ImplTrait(_) | Type::TraitObject(_) => true,
        _ => false,
    }
}

/// The owned type that a type without a size stands for, and its shared form.
pub(crate) fn owned_form(ty: &Type) -> Option<(String, String)> {
    match bare(ty) {
        Type::Slice(slice) => {
            let elem = source(&slice.elem);
            Some((format!("Vec<{elem}>"), format!("Arc<[{elem}]>")))
        }
        Type::TraitObject(object) => {
            // What a process keeps, or is sent, goes from thread to thread.
            let has = |auto| {
                object
                    .bounds
                    .iter()
                    .any(|bound| source(bound).rsplit("::").next() == Some(auto))
            };
            let lacks = ["Send", "Sync"].into_iter().filter(|auto| !has(*auto));
            let lacks: String = lacks.map(|auto| format!(" + {auto}")).collect();
            let object = source(object) + &lacks;
            Some((format!("Box<{object}>"), format!("Arc<{object}>")))
        }
        Type::Path(path) if path.qself.is_none() => {
            let segment = path.path.segments.last()?;
            let owned = match segment.ident.to_string().as_str() {
                "str" => "String",
                "Path" => "PathBuf",
                "OsStr" => "OsString",
                "CStr" => "CString",
                _ => return None,
            };
            segment
                .arguments
                .is_none()
                .then(|| (owned.to_owned(), format!("Arc<{}>", segment.ident)))
        }
        _ => None,
    }
}

/// The first `&` or lifetime in a type that borrows from somebody. What is `'static` does not, nor
/// do the arguments of function types.
pub(crate) fn borrow(ty: &Type) -> Option<TokenStream> {
    match ty {
        Type::Reference(reference) => match &reference.lifetime {
            Some(lifetime) if lifetime.ident == "static" && reference.mutability.is_none() => {
                borrow(&reference.elem)
            }
            _ => Some(reference.and_token.to_token_stream()),
        },
        Type::Group(group) => borrow(&group.elem),
        Type::Paren(paren) => borrow(&paren.elem),
        Type::Array(array) => borrow(&array.elem),
        Type::Slice(slice) => borrow(&slice.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(borrow),
        Type::Path(path) => {
            let qself = path.qself.as_ref().and_then(|qself| borrow(&qself.ty));
            qself.or_else(|| path.path.segments.iter().find_map(borrow_in_segment))
        }
        Type::ImplTrait(object) => object.bounds.iter().find_map(borrow_in_bound),
        Type::TraitObject(object) => object.bounds.iter().find_map(borrow_in_bound),
        _ => None,
    }
}

fn borrow_in_bound(bound: &TypeParamBound) -> Option<TokenStream> {
    match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.iter().find_map(borrow_in_segment),
        TypeParamBound::Lifetime(lifetime) if lifetime.ident != "static" => {
            Some(lifetime.to_token_stream())
        }
        _ => None,
    }
}

fn borrow_in_segment(segment: &PathSegment) -> Option<TokenStream> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => borrow(ty),
        GenericArgument::AssocType(assoc) => borrow(&assoc.ty),
        GenericArgument::Lifetime(lifetime) if lifetime.ident != "static" => {
            Some(lifetime.to_token_stream())
        }
        _ => None,
    })
}

/// The same type with owned data in place of what it borrows: what the user is told to write keeps no lifetime that is gone.
pub(crate) fn owning(ty: &Type) -> Type {
    let mut owning = bare(ty).clone();
    match &mut owning {
        Type::Reference(reference) if borrow(ty).is_some() => {
            return self::owning(&reference.elem);
        }
        Type::Array(array) => *array.elem = self::owning(&array.elem),
        Type::Tuple(tuple) => {
            for elem in &mut tuple.elems {
                *elem = self::owning(elem);
            }
        }
        Type::Path(path) => path.path.segments.iter_mut().for_each(own_segment),
        _ => {}
    }
    let owned = owned_form(&owning).and_then(|(owned, _)| syn::parse_str(&owned).ok());
    owned.unwrap_or(owning)
}

fn own_segment(segment: &mut PathSegment) {
    let PathArguments::AngleBracketed(arguments) = &mut segment.arguments else {
        return;
    };
    for argument in &mut arguments.args {
        match argument {
            // `Box<dyn Trait>` holds what has no size already.
            GenericArgument::Type(ty) if borrow(ty).is_some() => *ty = owning(ty),
            GenericArgument::AssocType(assoc) if borrow(&assoc.ty).is_some() => {
                assoc.ty = owning(&assoc.ty);
            }
            GenericArgument::Lifetime(lifetime) => {
                *lifetime = syn::Lifetime::new("'static", lifetime.span());
            }
            _ => {}
        }
    }
}

/// The first `impl Trait` in a type.
pub(crate) fn impl_trait(ty: &Type) -> Option<&Type> {
    match ty {
        Type::ImplTrait(_) => Some(ty),
        Type::Reference(reference) => impl_trait(&reference.elem),
        Type::Group(group) => impl_trait(&group.elem),
        Type::Paren(paren) => impl_trait(&paren.elem),
        Type::Array(array) => impl_trait(&array.elem),
        Type::Slice(slice) => impl_trait(&slice.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(impl_trait),
        Type::Path(path) => path
            .path
            .segments
            .iter()
            .flat_map(type_arguments)
            .find_map(impl_trait),
        _ => None,
    }
}

/// The same type with a box in place of each `impl Trait`: that can be named where the compiler has no value to infer it from.
/// `()` stands for what no box can hold, as `impl Clone`.
pub(crate) fn boxed(ty: &Type) -> Type {
    let mut named = ty.clone();
    match &mut named {
        Type::ImplTrait(opaque) => return boxed_trait(opaque),
        Type::Group(group) => *group.elem = boxed(&group.elem),
        Type::Paren(paren) => *paren.elem = boxed(&paren.elem),
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(|elem| *elem = boxed(elem)),
        Type::Path(path) => {
            for segment in &mut path.path.segments {
                if let PathArguments::AngleBracketed(arguments) = &mut segment.arguments {
                    for argument in &mut arguments.args {
                        if let GenericArgument::Type(ty) = argument {
                            *ty = boxed(ty);
                        }
                    }
                }
            }
        }
        _ => {}
    }
    named
}

/// A box has one trait, and any number of those without methods.
fn boxed_trait(opaque: &TypeImplTrait) -> Type {
    let mut has_trait = false;
    let bounds = opaque.bounds.iter().filter(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            let last = bound.path.segments.last();
            let name = last.map(|last| last.ident.to_string()).unwrap_or_default();
            let is_auto = AUTO_TRAITS.contains(&name.as_str());
            is_auto
                || (!IN_NO_BOX.contains(&name.as_str()) && !std::mem::replace(&mut has_trait, true))
        }
        bound => matches!(bound, TypeParamBound::Lifetime(_)),
    });
    let bounds: Vec<_> = bounds.collect();
    if has_trait {
        parse_quote!(::std::boxed::Box<dyn #(#bounds +)* ::core::marker::Send>)
    } else {
        parse_quote!(())
    }
}

const AUTO_TRAITS: [&str; 5] = ["Send", "Sync", "Unpin", "UnwindSafe", "RefUnwindSafe"];

/// Traits of Rust's that are not dyn compatible. Which of the user's are not, a macro does not see.
const IN_NO_BOX: [&str; 16] = [
    "Clone",
    "Copy",
    "Default",
    "Eq",
    "Extend",
    "From",
    "FromIterator",
    "FromStr",
    "Hash",
    "Into",
    "IntoIterator",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Sized",
    "TryInto",
];

/// The same tokens with this type in place of `Self`, for where that means another.
pub(crate) fn with_self(tokens: TokenStream, self_ty: &TokenStream) -> TokenStream {
    let mut tokens = tokens.into_iter();
    let mut resolved = TokenStream::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(name) if name == "Self" => {
                resolved.extend(if starts_path(tokens.clone()) {
                    generated!(<#self_ty>)
                } else {
                    self_ty.clone()
                });
            }
            TokenTree::Group(group) => {
                let inner = with_self(group.stream(), self_ty);
                let mut inner = proc_macro2::Group::new(group.delimiter(), inner);
                inner.set_span(group.span());
                resolved.extend([TokenTree::Group(inner)]);
            }
            other => resolved.extend([other]),
        }
    }
    resolved
}

/// Whether a `::` is next. The `:` of a bound is not.
fn starts_path(mut tokens: proc_macro2::token_stream::IntoIter) -> bool {
    let mut is_colon =
        || matches!(tokens.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    is_colon() && is_colon()
}

/// The first `Self` in tokens.
pub(crate) fn first_self(tokens: TokenStream) -> Option<TokenTree> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Group(group) => first_self(group.stream()),
        TokenTree::Ident(name) if name == "Self" => Some(name.into()),
        _ => None,
    })
}

/// Whether tokens call this method of what has this name.
pub(crate) fn calls(tokens: TokenStream, name: &Ident, method: &str) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let here = tokens.windows(3).any(|three| match three {
        [
            TokenTree::Ident(what),
            TokenTree::Punct(dot),
            TokenTree::Ident(called),
        ] => what == name && dot.as_char() == '.' && called == method,
        _ => false,
    });
    here || tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => calls(group.stream(), name, method),
        _ => false,
    })
}

/// Whether tokens may give this name to something else: it stands where no expression does.
pub(crate) fn is_bound_again(tokens: TokenStream, name: &Ident) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let here = tokens.windows(2).any(|two| {
        let before = match &two[0] {
            TokenTree::Ident(word) => ["let", "mut", "ref", "for"].iter().any(|one| word == one),
            TokenTree::Punct(bar) => bar.as_char() == '|',
            _ => false,
        };
        before && matches!(&two[1], TokenTree::Ident(bound) if bound == name)
    });
    here || tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => is_bound_again(group.stream(), name),
        _ => false,
    })
}

/// The name a pattern binds, if it binds one; `_name` for others.
pub(crate) fn binding(pat: &Pat, position: usize) -> Ident {
    match pat {
        Pat::Ident(pat) if pat.ident != "_" => pat.ident.clone(),
        Pat::Type(pat) => binding(&pat.pat, position),
        Pat::Paren(pat) => binding(&pat.pat, position),
        _ => Ident::new(
            &format!("argument_{}", position + 1),
            proc_macro2::Span::mixed_site(),
        ),
    }
}

/// Whether an attribute is the helper called `name`: `#[name]` or `#[roundrock::name]`.
pub(crate) fn is_helper(attribute: &Attribute, name: &str) -> bool {
    let segments = &attribute.path().segments;
    let qualified = segments.len() == 2 && segments[0].ident == "roundrock";
    (segments.len() == 1 || qualified)
        && segments.last().is_some_and(|segment| segment.ident == name)
}

/// Attributes with one of these names.
pub(crate) fn only(attributes: &[Attribute], names: &[&str]) -> Vec<Attribute> {
    let wanted = |attribute: &&Attribute| names.iter().any(|name| attribute.path().is_ident(name));
    attributes.iter().filter(wanted).cloned().collect()
}

/// Takes out a `#[cfg_attr(.., name)]`, which is not decided yet when the macro looks at it.
pub(crate) fn never_conditional(attributes: &mut Vec<Attribute>, name: &str, errors: &mut Errors) {
    let names = |attribute: &Attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg_attr") => list
            .tokens
            .clone()
            .into_iter()
            .skip_while(|token| token.to_string() != ",")
            .any(|token| token.to_string() == name),
        _ => false,
    };
    for attribute in attributes.extract_if(.., |attribute| names(attribute)) {
        errors.help(
            attribute,
            format!("whether `#[{name}]` holds is decided too late for the macro"),
            "write it for each configuration, and put a `#[cfg(..)]` on each",
        );
    }
}

/// Takes out a second `#[name]`, which rustc leaves in the item that it gives to the first one. Expanded twice, an item would
/// be there twice.
pub(crate) fn once(attributes: &mut Vec<Attribute>, name: &str, help: &str, errors: &mut Errors) {
    attributes.retain(|attribute| {
        let segments: Vec<_> = attribute.path().segments.iter().collect();
        let again = match segments.as_slice() {
            [last] => last.ident == name,
            [krate, last] => krate.ident == "roundrock" && last.ident == name,
            _ => false,
        };
        if again {
            errors.help(attribute, format!("`#[{name}]` is given twice"), help);
        }
        !again
    });
}

/// Tokens as a person would write them, for messages.
pub(crate) fn source(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    write(tokens.to_token_stream(), &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    let mut joint = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    proc_macro2::Delimiter::Parenthesis => ("(", ")"),
                    proc_macro2::Delimiter::Bracket => ("[", "]"),
                    proc_macro2::Delimiter::Brace => (" { ", " }"),
                    proc_macro2::Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.push_str(close);
                joint = false;
            }
            TokenTree::Punct(punct) => {
                let symbol = punct.as_char();
                joint = joint || (symbol == '-' && punct.spacing() == Spacing::Alone);
                if !joint
                    && "+=|-".contains(symbol)
                    && !text.is_empty()
                    && !text.ends_with(['(', ' ', '|'])
                {
                    text.push(' ');
                }
                text.push(symbol);
                let arrow = symbol == '>' && text.ends_with("->");
                joint = punct.spacing() == Spacing::Joint;
                if !joint
                    && ("+=,;".contains(symbol)
                        || arrow
                        || (symbol == ':' && !text.ends_with("::")))
                {
                    text.push(' ');
                }
            }
            word => {
                if text.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"') {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
                joint = false;
            }
        }
    }
}
