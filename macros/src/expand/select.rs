//! `select!`.
//!
//! ```text
//! Input:   job = jobs.recv(), if ready => work(job).await,
//!          else => break,
//!
//! Output:  {
//!              enum __Arm<A0> { A0(A0) }
//!              match {
//!                  let mut e0 = pin!(if ready { Some(event(jobs.recv())) } else { None });
//!                  let selected = Select::new(&["jobs.recv()"]).with_else()
//!                      .run(|arm, cx| match arm { 0 => poll_arm(e0.as_mut(), cx).map(__Arm::A0), .. })
//!                      .await;
//!                  selected
//!              } {
//!                  Selected::Arm(__Arm::A0(value)) => { let job = value; work(job).await }
//!                  Selected::Default => not_selected(),
//!                  Selected::Else => break,
//!              }
//!          }
//! ```
//!
//! Bodies are in the outer match: all events are dropped before one runs, and `break`, `?` and
//! `.await` in it mean what they mean outside.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::Ident;
use syn::spanned::Spanned;

use super::{at, private, private_at};
use crate::model::{Branch, Select, Wait};

/// Expands a selection.
pub(crate) fn expand(select: &Select) -> TokenStream {
    let private = private();
    let letters: Vec<Ident> = (0..select.branches.len()).map(variant).collect();
    let events = select
        .branches
        .iter()
        .enumerate()
        .map(|(number, branch)| event(number, branch));
    let run = run(select);
    let arms = select
        .branches
        .iter()
        .enumerate()
        .map(|(number, branch)| arm(number, branch));
    let other = |body: &Option<TokenStream>| match body {
        Some(body) => body.clone(),
        None => generated!(#private::not_selected()),
    };
    let (default, otherwise) = (other(&select.default), other(&select.otherwise));
    generated! {
        {
            enum __Arm<#(#letters),*> { #(#letters(#letters)),* }
            match {
                #(#events)*
                let selected = #run;
                selected
            } {
                #(#arms)*
                #private::Selected::Default => #default,
                #private::Selected::Else => #otherwise,
            }
        }
    }
}

fn variant(number: usize) -> Ident {
    format_ident!("A{}", number)
}

fn local(number: usize) -> Ident {
    format_ident!("event_{}", number, span = Span::mixed_site())
}

/// `let mut event_0 = pin!(Some(event(jobs.recv())));`
fn event(number: usize, branch: &Branch) -> TokenStream {
    let name = local(number);
    let event = match &branch.wait {
        Wait::Event(event) => {
            let private = private_at(event.span());
            quote_spanned!(at(event.span())=> #private::event(#event))
        }
        Wait::Send { sender, .. } => {
            let private = private_at(sender.span());
            quote_spanned!(at(sender.span())=> #private::event(#sender.ready()))
        }
    };
    let some = generated!(::core::option::Option::Some(#event));
    let event = match &branch.guard {
        Some(guard) => {
            generated!(if #guard { #some } else { ::core::option::Option::None })
        }
        None => some,
    };
    generated!(let mut #name = ::core::pin::pin!(#event);)
}

/// The wait itself.
fn run(select: &Select) -> TokenStream {
    let private = private();
    let sources = select.branches.iter().map(|branch| &branch.source);
    let last = select.branches.len().saturating_sub(1);
    let polls = (0..select.branches.len()).map(|number| {
        let (name, variant) = (local(number), variant(number));
        let literal = Literal::usize_unsuffixed(number);
        let pattern = if number == last {
            generated!(_)
        } else {
            generated!(#literal)
        };
        generated!(#pattern => #private::poll_arm(#name.as_mut(), cx).map(__Arm::#variant),)
    });
    let biased = select.biased.then(|| generated!(.biased()));
    let default = select
        .default
        .is_some()
        .then(|| generated!(.with_default()));
    let otherwise = select.otherwise.is_some().then(|| generated!(.with_else()));
    generated! {
        #private::Select::new(&[#(#sources),*]) #biased #default #otherwise
            .run(|arm, cx| match arm { #(#polls)* })
            .await
    }
}

/// What happens when a branch is taken.
fn arm(number: usize, branch: &Branch) -> TokenStream {
    let private = private();
    let variant = variant(number);
    let Branch {
        pattern,
        wait,
        body,
        ..
    } = branch;
    let bind = match (wait, pattern) {
        (Wait::Event(_), Some(pattern)) => {
            generated!(let #pattern = value;)
        }
        (Wait::Event(_), None) => generated!(::core::mem::drop(value);),
        (Wait::Send { value, .. }, pattern) => {
            let pattern = pattern.clone().unwrap_or_else(|| generated!(_));
            let sent = quote_spanned!(at(value.span())=> #private::send_ready(value, #value));
            generated!(let #pattern = #sent;)
        }
    };
    generated! {
        #private::Selected::Arm(__Arm::#variant(value)) => { #bind #body }
    }
}
