//! `#[process]` on a struct, and on what it does not go on.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{Attribute, Fields, GenericParam, Generics, Index, Item, ItemStruct, Member};

use super::{generics, options, types};
use crate::errors::Errors;
use crate::model::{Field, StateProcess};

/// Checks a struct process.
pub(crate) fn check(options: TokenStream, item: &ItemStruct, errors: &mut Errors) -> StateProcess {
    let options = options::process(options, true, errors);
    no_lifetimes(&item.generics, errors);
    let has_gaps = has_gaps(&item.fields, errors);
    let fields = item
        .fields
        .iter()
        .enumerate()
        // Which number a field has is not known then.
        .filter(|_| !has_gaps)
        .map(|(position, field)| Field {
            cfgs: types::only(&field.attrs, &["cfg"]),
            span: field
                .ident
                .as_ref()
                .map_or_else(|| field.ty.span(), |name| name.span()),
            member: field
                .ident
                .clone()
                .map_or_else(|| Index::from(position).into(), Member::Named),
        });
    StateProcess {
        item: item.to_token_stream(),
        cfgs: types::only(&item.attrs, &["cfg"]),
        docs: types::only(&item.attrs, &["doc", "deprecated"]),
        vis: item.vis.clone(),
        name: item.ident.clone(),
        generics: own_generics(item),
        fields: fields.collect(),
        options,
    }
}

/// The generics of the struct for its handle, which is no `Self` of theirs.
fn own_generics(item: &ItemStruct) -> Generics {
    let (name, (_, types, _)) = (&item.ident, item.generics.split_for_impl());
    generics::named(item.generics.clone(), &quote!(#name #types))
}

/// The struct that was probably meant: an enum or a union, beside the error that it is none, is a process for the rest of the
/// program. `None`: it is something else.
pub(crate) fn guessed(
    options: TokenStream,
    item: TokenStream,
    errors: &mut Errors,
) -> Option<StateProcess> {
    let (mut attrs, vis, name, generics) = match syn::parse2(item.clone()).ok()? {
        Item::Enum(item) => (item.attrs, item.vis, item.ident, item.generics),
        Item::Union(item) => (item.attrs, item.vis, item.ident, item.generics),
        _ => return None,
    };
    let is_cfg = |attribute: &Attribute| attribute.path().is_ident("cfg");
    attrs.retain(is_cfg);
    Some(StateProcess {
        item,
        cfgs: attrs,
        docs: Vec::new(),
        vis,
        name,
        generics,
        fields: Vec::new(),
        options: options::process(options, true, errors),
    })
}

/// A process outlives whoever starts it, so its state cannot borrow.
pub(crate) fn no_lifetimes(generics: &Generics, errors: &mut Errors) {
    for parameter in &generics.params {
        if let GenericParam::Lifetime(parameter) = parameter {
            let lifetime = &parameter.lifetime;
            errors.help(
                lifetime,
                format!(
                    "a process keeps its state for its whole life: `{lifetime}` would end before it"
                ),
                "hold owned values, or share them in an `Arc`",
            );
        }
    }
}

/// The fields of a tuple struct go by their numbers, so one that is not always there moves those behind it.
fn has_gaps(fields: &Fields, errors: &mut Errors) -> bool {
    let Fields::Unnamed(fields) = fields else {
        return false;
    };
    let before = errors.count();
    let before_others = fields.unnamed.len().saturating_sub(1);
    for field in fields.unnamed.iter().take(before_others) {
        for cfg in types::only(&field.attrs, &["cfg"]) {
            errors.help(
                cfg,
                "the fields behind this one have other numbers in some configurations",
                "give the fields of the state names",
            );
        }
    }
    !errors.none_since(before)
}

/// `#[process]` on something else.
pub(crate) fn wrong_item(keyword: TokenStream, what: &str, errors: &mut Errors) {
    let message = format!("`#[process]` goes on a struct or an `async fn`, not on {what}");
    if what.contains("impl") {
        errors.help(
            keyword,
            message,
            "write `#[handlers]` here and `#[process]` on the struct",
        );
    } else {
        errors.at(keyword, message);
    }
}
