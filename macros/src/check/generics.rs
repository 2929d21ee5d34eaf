//! The generics of a `#[handlers]` block, as the generated code needs them.
//!
//! **Invariants.** The user's `impl` keeps its generics as they were written; only generated code gets what is made here.

use quote::ToTokens;
use syn::{
    GenericArgument, GenericParam, Generics, PathArguments, Type, TypeParamBound, WherePredicate,
    parse_quote, parse2,
};

use super::{state, types};
use crate::errors::Errors;
use crate::fallback;

/// `T` becomes `T: Send + 'static`, unless it is that already: a process outlives whoever starts it and moves between threads,
/// and a user should not have to say so once more for each parameter.
pub(crate) fn outliving(mut generics: Generics) -> Generics {
    let short: Vec<_> = generics
        .type_params()
        .filter(|parameter| {
            let elsewhere = generics.where_clause.iter().flat_map(|clause| {
                clause
                    .predicates
                    .iter()
                    .filter_map(|predicate| match predicate {
                        WherePredicate::Type(of) if is(&of.bounded_ty, &parameter.ident) => {
                            Some(&of.bounds)
                        }
                        _ => None,
                    })
            });
            let mut bounds = parameter.bounds.iter().chain(elsewhere.flatten());
            !(bounds.clone().any(is_static) && bounds.any(is_send))
        })
        .map(|parameter| parameter.ident.clone())
        .collect();
    for name in short {
        let predicates = &mut generics.make_where_clause().predicates;
        predicates.push(parse_quote!(#name: ::core::marker::Send + 'static));
    }
    generics
}

/// `impl Trait` becomes `impl Trait + Send + 'static`, as a parameter with a name does.
pub(crate) fn outliving_argument(ty: &Type) -> Type {
    let mut ty = ty.clone();
    if let Type::ImplTrait(opaque) = &mut ty {
        if !opaque.bounds.iter().any(is_send) {
            opaque.bounds.push(parse_quote!(::core::marker::Send));
        }
        if !opaque.bounds.iter().any(is_static) {
            opaque.bounds.push(parse_quote!('static));
        }
    }
    ty
}

fn is_static(bound: &TypeParamBound) -> bool {
    matches!(bound, TypeParamBound::Lifetime(lifetime) if lifetime.ident == "static")
}

fn is_send(bound: &TypeParamBound) -> bool {
    matches!(bound, TypeParamBound::Trait(bound)
        if bound.path.segments.last().is_some_and(|last| last.ident == "Send"))
}

fn is(ty: &Type, name: &syn::Ident) -> bool {
    matches!(types::bare(ty), Type::Path(path) if path.path.is_ident(name))
}

/// Whether the state borrows, which is a mistake. The struct says so if the lifetime is its own parameter.
pub(crate) fn borrow(generics: &Generics, self_ty: &Type, errors: &mut Errors) -> bool {
    let own = types::last_segment(self_ty).is_some_and(|segment| {
        let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
            return false;
        };
        arguments.args.iter().any(
            |argument| matches!(argument, GenericArgument::Lifetime(lifetime) if lifetime.ident != "static"),
        )
    });
    if !own {
        state::no_lifetimes(generics, errors);
    }
    own || generics.lifetimes().next().is_some()
}

/// The same with the type in place of `Self`, which means another one in the types that are generated.
pub(crate) fn named(mut generics: Generics, self_ty: &impl ToTokens) -> Generics {
    let self_ty = self_ty.to_token_stream();
    for parameter in &mut generics.params {
        if let Ok(named) = parse2(types::with_self(parameter.to_token_stream(), &self_ty)) {
            *parameter = named;
        }
    }
    if let Some(clause) = &mut generics.where_clause
        && let Ok(named) = parse2(types::with_self(clause.to_token_stream(), &self_ty))
    {
        *clause = named;
    }
    generics
}

/// The same without lifetimes, for stubs.
pub(crate) fn without_lifetimes(mut generics: Generics) -> Generics {
    generics.params = generics
        .params
        .into_iter()
        .filter(|parameter| !matches!(parameter, GenericParam::Lifetime(_)))
        .collect();
    generics.where_clause = generics
        .where_clause
        .and_then(|clause| parse2(fallback::owned(clause.into_token_stream())).ok());
    generics
}

/// The same type with `'static` in place of every lifetime, for stubs.
pub(crate) fn owned(ty: &Type) -> Type {
    parse2(fallback::owned(ty.into_token_stream())).unwrap_or_else(|_| ty.clone())
}
