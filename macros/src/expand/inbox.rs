//! `#[inbox]`: the input that a process function makes for itself, and the handle that `spawn`
//! then returns.
//!
//! ```text
//! Input:   #[process] async fn route(#[inbox(8)] raw: &Receiver<Event>) -> Result<()>
//!
//! Output:  struct RouteHandle { inner: FnHandle<(Sender<Event>,), Result<()>> }
//!          impl RouteHandle { fn raw(&self) -> Sender<Event> }
//!          in the constructor: let (raw_sender, raw) = inbox::<Event>("raw", 8);
//!                              arguments(..).shared(..).with_inbox((raw_sender,))
//! ```

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::{GenericParam, Generics, Ident, Type};

use super::state::handle_traits;
use super::{attributes, function, private};
use crate::check::types;
use crate::model::{Argument, FunctionProcess};

fn inboxes(process: &FunctionProcess) -> Vec<(&Ident, &Type, u32)> {
    let inboxes = process
        .arguments
        .iter()
        .filter_map(|argument| match argument {
            Argument::Inbox {
                name,
                item,
                capacity,
            } => Some((name, item, *capacity)),
            _ => None,
        });
    inboxes.collect()
}

/// The constructor's local names for the two ends of an inbox.
pub(crate) fn ends(name: &Ident) -> (Ident, Ident) {
    let local = |end: &str| format_ident!("{}_{}", name, end, span = Span::mixed_site());
    (local("sender"), local("receiver"))
}

/// The statements that make the channels.
pub(crate) fn channels(process: &FunctionProcess) -> TokenStream {
    let private = private();
    let channels = inboxes(process).into_iter().map(|(name, item, capacity)| {
        let (sender, receiver) = ends(name);
        let shown = name.unraw().to_string();
        let capacity = proc_macro2::Literal::usize_unsuffixed(capacity as usize);
        generated! {
            let (#sender, #receiver) = #private::inbox::<#item>(#shown, #capacity);
        }
    });
    channels.collect()
}

/// The call that hands the senders over.
pub(crate) fn attach(process: &FunctionProcess) -> Option<TokenStream> {
    let senders: Vec<Ident> = inboxes(process)
        .iter()
        .map(|(name, ..)| ends(name).0)
        .collect();
    let unmentioned = unmentioned(process).map(|_| generated!(::core::marker::PhantomData));
    (!senders.is_empty()).then(|| generated!(.with_inbox((#(#senders,)* #unmentioned))))
}

/// `RouteHandle<T>`
pub(crate) fn handle_type(process: &FunctionProcess) -> Option<TokenStream> {
    if inboxes(process).is_empty() {
        return None;
    }
    let name = handle_name(process);
    let generics = generics(process);
    let (_, types, _) = generics.split_for_impl();
    Some(generated!(#name #types))
}

/// `route_all` gives `RouteAllHandle`.
fn handle_name(process: &FunctionProcess) -> Ident {
    let function = &process.function.sig.ident;
    let text = function.to_string();
    let words = text
        .trim_start_matches("r#")
        .split('_')
        .filter(|word| !word.is_empty());
    let mut name = String::new();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        name.push_str(letters.as_str());
    }
    format_ident!("{}Handle", name, span = function.span())
}

/// The handle and its methods.
pub(crate) fn handle(process: &FunctionProcess) -> Option<TokenStream> {
    let private = private();
    let inboxes = inboxes(process);
    if inboxes.is_empty() {
        return None;
    }
    let vis = &process.function.vis;
    let handle = handle_name(process);
    let generics = generics(process);
    let (params, types, where_clause) = generics.split_for_impl();
    let output = function::output(process);
    let ports = inboxes
        .iter()
        .map(|(_, item, _)| generated!(#private::Sender<#item>));
    let unmentioned = unmentioned(process);
    let ports = generated!((#(#ports,)* #unmentioned));
    let inner = generated!(#private::FnHandle<#ports, #output>);
    // At the name, as in the constructor: a type that does not exist is then one error.
    let impl_token = syn::token::Impl(process.function.sig.ident.span());
    let traits = handle_traits(impl_token, &handle, &inner, &generics);
    let methods = inboxes
        .iter()
        .enumerate()
        .map(|(position, (name, item, _))| {
            let position = syn::Index::from(position);
            let doc = format!(" Sends into the input `{}`.", name.unraw());
            generated! {
                #[doc = #doc]
                #[must_use]
                #vis fn #name(&self) -> #private::Sender<#item> {
                    ::core::clone::Clone::clone(&#private::ports(&self.inner).#position)
                }
            }
        });
    let cfgs = types::only(&process.function.attrs, &["cfg"]);
    let shown = process.function.sig.ident.unraw();
    let doc = format!(" Handle to a `{shown}` process.");
    let lints = attributes::lints();
    Some(generated! {
        #(#cfgs)*
        #[doc = #doc]
        #lints
        #vis struct #handle #params #where_clause {
            inner: #inner,
        }
        #(#cfgs)*
        #lints
        const _: () = {
            #traits
            #[automatically_derived]
            #impl_token #params #private::InboxHandle for #handle #types #where_clause {
                type Ports = #ports;
                type Output = #output;
                fn wrap(inner: #private::FnHandle<Self::Ports, Self::Output>) -> Self {
                    Self { inner }
                }
            }
            #impl_token #params #handle #types #where_clause {
                #(#methods)*
            }
        };
    })
}

/// The generics the handle needs: those in its types, and those their bounds mention.
fn generics(process: &FunctionProcess) -> Generics {
    let all = &process.function.sig.generics;
    let mut open: Vec<TokenStream> = vec![function::output(process)];
    open.extend(
        inboxes(process)
            .iter()
            .map(|(_, item, _)| item.to_token_stream()),
    );
    let mut kept: Vec<Ident> = Vec::new();
    while let Some(tokens) = open.pop() {
        for parameter in &all.params {
            let Some(name) = name(parameter) else {
                continue;
            };
            if !kept.contains(name) && mentions(tokens.clone(), name) {
                kept.push(name.clone());
                open.push(parameter.to_token_stream());
            }
        }
    }
    let is_kept =
        |parameter: &GenericParam| name(parameter).is_some_and(|name| kept.contains(name));
    let mut generics = all.clone();
    generics.params = all
        .params
        .iter()
        .filter(|parameter| is_kept(parameter))
        .cloned()
        .collect();
    let left_out: Vec<&Ident> = all
        .params
        .iter()
        .filter(|parameter| !is_kept(parameter))
        .filter_map(name)
        .collect();
    if let Some(clause) = &mut generics.where_clause {
        let about_kept = |predicate: &&syn::WherePredicate| {
            !left_out
                .iter()
                .any(|name| mentions(predicate.to_token_stream(), name))
        };
        clause.predicates = clause
            .predicates
            .iter()
            .filter(about_kept)
            .cloned()
            .collect();
    }
    generics
}

/// A tuple type and value that mention the parameters which only bounds mention, so that none is
/// unused.
fn unmentioned(process: &FunctionProcess) -> Option<TokenStream> {
    let mut types = function::output(process);
    types.extend(
        inboxes(process)
            .iter()
            .map(|(_, item, _)| item.to_token_stream()),
    );
    let generics = generics(process);
    let names = generics.type_params().map(|parameter| &parameter.ident);
    let names: Vec<&Ident> = names
        .filter(|name| !mentions(types.clone(), name))
        .collect();
    (!names.is_empty())
        .then(|| generated!(::core::marker::PhantomData<(#(fn() -> *const #names,)*)>))
}

fn name(parameter: &GenericParam) -> Option<&Ident> {
    match parameter {
        GenericParam::Type(parameter) => Some(&parameter.ident),
        GenericParam::Const(parameter) => Some(&parameter.ident),
        GenericParam::Lifetime(_) => None,
    }
}

fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}
