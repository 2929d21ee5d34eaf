//! `#[recv(field)]`: the other inputs of a struct process.
//!
//! ```text
//! Input:   #[recv(jobs)] fn job(&mut self, job: Job)
//!
//! Output:  const INPUTS: ::core::primitive::bool = true;
//!          fn next_input(&self, turn: usize) -> impl Future<Output = Option<Message>> + Send {
//!              let input_0 = input(&self.jobs);
//!              async move {
//!                  match Select::new(&["jobs"]).starting_at(turn).with_else()
//!                      .run(Cons { event: Some(input_0), rest: Nil }).await {
//!                      Selected::Arm(Either::Here(value)) => Some(Message::H0((received(value),))),
//!                      _ => None,
//!                  }
//!              }
//!          }
//! ```
//!
//! The future holds the events and not `self`, so the state need not be `Sync`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::Member;
use syn::spanned::Spanned;

use super::message::Message;
use super::state::shown_as;
use super::{at, private, private_at, select};
use crate::model::{Handler, Role};

/// `INPUTS` and `next_input`.
pub(crate) fn inputs(message: &Message<'_>) -> Option<TokenStream> {
    let private = private();
    let inputs: Vec<Input<'_>> = message.messages().filter_map(Input::new).collect();
    if inputs.is_empty() {
        return None;
    }
    let names = inputs.iter().map(|input| shown_as(input.field));
    let events = inputs.iter().map(Input::event);
    let list = select::list(inputs.iter().map(|input| {
        let local = &input.local;
        generated!(::core::option::Option::Some(#local))
    }));
    let arms = inputs
        .iter()
        .enumerate()
        .map(|(arm, input)| input.arm(arm, message));
    Some(generated! {
        const INPUTS: ::core::primitive::bool = true;
        fn next_input(&self, turn: ::core::primitive::usize)
            -> impl ::core::future::Future<Output = ::core::option::Option<Self::Message>> + ::core::marker::Send
        {
            #(#events)*
            async move {
                let selected = #private::Select::new(&[#(#names),*])
                    .starting_at(turn)
                    .with_else()
                    .run(#list)
                    .await;
                match selected {
                    #(#arms)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    })
}

/// A method with `#[recv(field)]`.
struct Input<'a> {
    number: usize,
    handler: &'a Handler,
    field: &'a Member,
    span: Span,
    local: Ident,
}

impl<'a> Input<'a> {
    fn new((number, handler): (usize, &'a Handler)) -> Option<Self> {
        let Role::Input { field, span } = &handler.role else {
            return None;
        };
        let local = format_ident!("input_{}", number, span = Span::mixed_site());
        Some(Self {
            number,
            handler,
            field,
            span: *span,
            local,
        })
    }

    /// `let input_2 = input(&self.jobs);`, at the field's name in the attribute. A method that is `cfg`ed out leaves an
    /// input that never has anything.
    fn event(&self) -> TokenStream {
        let Self { field, local, .. } = self;
        let (cfgs, private) = (&self.handler.hook.cfgs, private_at(self.span));
        let otherwise = self
            .without()
            .map(|without| generated!(#without let #local = #private::no_input();));
        quote_spanned!(at(self.span)=> #(#cfgs)* let #local = #private::input(&self.#field); #otherwise)
    }

    /// The attribute for the case that the method is `cfg`ed out.
    fn without(&self) -> Option<TokenStream> {
        let lists = self.handler.hook.cfgs.iter();
        let conditions: Vec<_> = lists
            .filter_map(|cfg| cfg.meta.require_list().ok())
            .collect();
        let conditions = conditions.iter().map(|list| &list.tokens);
        (conditions.len() > 0).then(|| generated!(#[cfg(not(all(#(#conditions),*)))]))
    }

    fn arm(&self, arm: usize, message: &Message<'_>) -> TokenStream {
        let private = private();
        let cfgs = &self.handler.hook.cfgs;
        let place = select::arm_pattern(arm, &generated!(value));
        let variant = message.variant(self.number);
        let values = self.handler.values().enumerate();
        let parcels = values.map(|(position, (_, ty, _))| {
            let received = message.received(self.number, position, ty);
            quote_spanned!(at(ty.span())=> #received(value))
        });
        generated! {
            #(#cfgs)* #private::Selected::Arm(#place) => ::core::option::Option::Some(#variant((#(#parcels,)*))),
        }
    }
}
