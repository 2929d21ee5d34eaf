//! `#[process]` on a struct.
//!
//! ```text
//! Input:   #[process(mailbox = 16)]
//!          pub struct Counter { n: i64, out: Sender<i64> }
//!
//! Output:  pub struct Counter { n: i64, out: Sender<i64> }
//!          pub struct CounterHandle { inner: Handle<Counter> }
//!          const _: () = {
//!              impl Clone, Debug, Deref<Target = Handle<Counter>> for CounterHandle
//!              impl HandleKind, Trace for CounterHandle
//!              impl StructProcess for Counter { META, wrap, trace }
//!              impl Spawn for Counter where it has #[handlers]
//!          };
//! ```

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::ext::IdentExt;
use syn::{Generics, Member};

use super::{at, attributes, private, private_at};
use crate::model::{Field, Kind, StateProcess};

/// Messages a mailbox holds if nothing is said.
const MAILBOX_DEFAULT: u32 = 8;

/// Expands a struct process.
pub(crate) fn expand(process: &StateProcess) -> TokenStream {
    let StateProcess {
        item,
        cfgs,
        docs,
        vis,
        name,
        generics,
        ..
    } = process;
    let private = private();
    let lints = attributes::lints();
    let handle = format_ident!("{}Handle", name);
    let (_, types, where_clause) = generics.split_for_impl();
    let first_line = format!(" Handle to a `{}` process.", name.unraw());
    let blank = (!docs.is_empty()).then(|| generated!(#[doc = ""]));
    let traits = handle_traits(
        syn::token::Impl(Span::mixed_site()),
        &handle,
        &generated!(#private::Handle<#name #types>),
        generics,
    );
    let process_impl = process_impl(process, &handle.to_token_stream());
    let spawn = spawn(process, &handle);
    generated! {
        #item
        #(#cfgs)*
        #[doc = #first_line]
        #blank
        #(#docs)*
        #lints
        #vis struct #handle #generics #where_clause {
            inner: #private::Handle<#name #types>,
        }
        #(#cfgs)*
        #lints
        const _: () = {
            #traits
            #process_impl
            #spawn
        };
    }
}

/// `Clone`, `Debug`, `Deref`, `Eq` and `Hash` of a handle that wraps `inner`. No bounds are added.
pub(crate) fn handle_traits(
    impl_token: syn::token::Impl,
    handle: &syn::Ident,
    inner: &TokenStream,
    generics: &Generics,
) -> TokenStream {
    let (params, types, where_clause) = generics.split_for_impl();
    generated! {
        #[automatically_derived]
        #impl_token #params ::core::clone::Clone for #handle #types #where_clause {
            fn clone(&self) -> Self {
                Self { inner: ::core::clone::Clone::clone(&self.inner) }
            }
        }
        #[automatically_derived]
        #impl_token #params ::core::fmt::Debug for #handle #types #where_clause {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Debug::fmt(&self.inner, formatter)
            }
        }
        #[automatically_derived]
        #impl_token #params ::core::cmp::PartialEq for #handle #types #where_clause {
            fn eq(&self, other: &Self) -> ::core::primitive::bool {
                ::core::cmp::PartialEq::eq(&self.inner, &other.inner)
            }
        }
        #[automatically_derived]
        #impl_token #params ::core::cmp::Eq for #handle #types #where_clause {}
        #[automatically_derived]
        #impl_token #params ::core::hash::Hash for #handle #types #where_clause {
            fn hash<__Hasher: ::core::hash::Hasher>(&self, state: &mut __Hasher) {
                ::core::hash::Hash::hash(&self.inner, state);
            }
        }
        #[automatically_derived]
        #impl_token #params ::core::ops::Deref for #handle #types #where_clause {
            type Target = #inner;
            fn deref(&self) -> &Self::Target {
                &self.inner
            }
        }
    }
}

/// The name of a field as people say it.
pub(super) fn shown_as(member: &Member) -> String {
    match member {
        Member::Named(name) => name.unraw().to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    }
}

fn process_impl(process: &StateProcess, handle: &TokenStream) -> TokenStream {
    let StateProcess {
        name,
        generics,
        fields,
        options,
        ..
    } = process;
    let private = private();
    let (params, types, where_clause) = generics.split_for_impl();
    let shown = options
        .name
        .clone()
        .unwrap_or_else(|| name.unraw().to_string());
    let mailbox = options.mailbox.unwrap_or(MAILBOX_DEFAULT);
    let kind = kind(options.kind);
    let kind_type = format_ident!("{}Kind", kind);
    let budget = option(options.budget);
    let line = quote_spanned!(name.span()=> ::core::line!());
    let visits = fields.iter().map(|Field { cfgs, member, span }| {
        let shown = shown_as(member);
        quote_spanned!(at(*span)=> #(#cfgs)* (&#private::Probe(&self.#member)).visit(#shown, visitor);)
    });
    let ports = fields.iter().map(|Field { cfgs, member, .. }| {
        let shown = shown_as(member);
        generated!(#(#cfgs)* #shown)
    });
    let traits =
        (!fields.is_empty()).then(|| generated!(use #private::{ViaNothing as _, ViaTrace as _};));
    let visitor = if fields.is_empty() {
        "_visitor"
    } else {
        "visitor"
    };
    let visitor = syn::Ident::new(visitor, Span::mixed_site());
    generated! {
        #[automatically_derived]
        impl #params #private::HandleKind for #handle #types #where_clause {
            type Kind = #private::#kind_type;
        }
        #[automatically_derived]
        impl #params #private::Trace for #handle #types #where_clause {
            fn trace(&self, name: &'static str, visitor: &mut #private::Visitor<'_>) {
                #private::Trace::trace(&self.inner, name, visitor);
            }
        }
        #[automatically_derived]
        impl #params #private::StructProcess for #name #types #where_clause {
            type Handle = #handle #types;
            const META: #private::StructMeta = #private::StructMeta {
                name: #shown,
                file: ::core::file!(),
                line: #line,
                ports: &[#(#ports),*],
                mailbox: #mailbox,
                kind: #private::Kind::#kind,
                budget: #budget,
            };
            fn wrap(inner: #private::Handle<Self>) -> Self::Handle {
                #handle { inner }
            }
            fn trace(&self, #visitor: &mut #private::Visitor<'_>) {
                #traits
                #(#visits)*
            }
        }
    }
}

/// The impl of `Spawn`, under the condition that there is a `#[handlers]` block.
///
/// The second impl, whose condition never holds, is there for the error of a missing block: with two
/// possible impls rustc reports the outer trait, on the argument of `spawn`.
fn spawn(process: &StateProcess, handle: &syn::Ident) -> TokenStream {
    let StateProcess { name, generics, .. } = process;
    let private = private();
    let (params, types, where_clause) = generics.split_for_impl();
    let predicates = where_clause.map(|clause| &clause.predicates);
    let comma = predicates
        .filter(|list| !list.is_empty() && !list.trailing_punct())
        .map(|_| generated!(,));
    // Here a state that is not `Send` is one error, at its name; one with type parameters is asked where it is spawned.
    let at_name = private_at(name.span());
    let start = quote_spanned!(at(name.span())=> #at_name::spawn_struct(self, scope, options));
    let is_generic = generics.type_params().next().is_some();
    let send = is_generic.then(|| generated!(, #name #types: ::core::marker::Send));
    let body = generated! {
        {
            type Spawned = #handle #types;
            #[track_caller]
            fn spawn_in(self, scope: &#private::Scope, options: #private::SpawnOptions) -> Self::Spawned {
                #handle { inner: #start }
            }
        }
    };
    let never = generated! {
        {
            type Spawned = #handle #types;
            fn spawn_in(self, _: &#private::Scope, _: #private::SpawnOptions) -> Self::Spawned {
                #private::stub()
            }
        }
    };
    generated! {
        #[automatically_derived]
        impl #params #private::Spawn for #name #types
        where #predicates #comma for<'handlers> #name #types: #private::Handled<'handlers, Is = #private::Yes> #send
        #body
        #[automatically_derived]
        impl #params #private::Spawn for #name #types
        where #predicates #comma for<'handlers> #name #types: #private::Handled<'handlers, Is = #private::No>
        #never
    }
}

/// The variant of `Kind`.
pub(crate) fn kind(kind: Kind) -> syn::Ident {
    let name = match kind {
        Kind::Async => "Async",
        Kind::Blocking => "Blocking",
        Kind::Cpu => "Cpu",
    };
    syn::Ident::new(name, Span::mixed_site())
}

/// An `Option` of a number.
pub(crate) fn option(number: Option<u32>) -> TokenStream {
    match number {
        Some(number) => generated!(::core::option::Option::Some(#number)),
        None => generated!(::core::option::Option::None),
    }
}
