//! `#[recv(field)]`: the other inputs of a struct process.
//!
//! ```text
//! Input:   #[recv(jobs)] fn job(&mut self, job: Job)
//!
//! Output:  const INPUTS: bool = true;
//!          fn next_input(&self, turn: usize) -> impl Future<Output = Option<Message>> + Send {
//!              let input_0 = input(&self.jobs);
//!              async move { .. Select::new(&["jobs"]).starting_at(turn).with_else().run(..) .. }
//!          }
//! ```
//!
//! The future holds the events and not `self`, so the state need not be `Sync`.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::Member;
use syn::spanned::Spanned;

use super::message::Message;
use super::{at, private, private_at};
use crate::model::{Handler, Role};

/// `INPUTS` and `next_input`.
pub(crate) fn inputs(message: &Message<'_>) -> Option<TokenStream> {
    let private = private();
    let inputs: Vec<Input<'_>> = message.messages().filter_map(Input::new).collect();
    if inputs.is_empty() {
        return None;
    }
    let names = inputs
        .iter()
        .map(|input| input.field.to_token_stream().to_string());
    let events = inputs.iter().map(Input::event);
    let pins = inputs.iter().map(Input::pin);
    let arms = inputs
        .iter()
        .enumerate()
        .map(|(arm, input)| input.arm(arm, message));
    Some(generated! {
        const INPUTS: bool = true;
        fn next_input(&self, turn: usize)
            -> impl ::core::future::Future<Output = ::core::option::Option<Self::Message>> + ::core::marker::Send
        {
            #(#events)*
            async move {
                #(#pins)*
                let selected = #private::Select::new(&[#(#names),*])
                    .starting_at(turn)
                    .with_else()
                    .run(|arm, cx| match arm { #(#arms)* _ => #private::ArmPoll::Disabled })
                    .await;
                match selected {
                    #private::Selected::Arm(message) => ::core::option::Option::Some(message),
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

    /// `let input_2 = input(&self.jobs);`, at the field's name in the attribute.
    fn event(&self) -> TokenStream {
        let Self { field, local, .. } = self;
        let (cfgs, private) = (&self.handler.hook.cfgs, private_at(self.span));
        quote_spanned!(at(self.span)=> #(#cfgs)* let #local = #private::input(&self.#field);)
    }

    fn pin(&self) -> TokenStream {
        let (cfgs, local) = (&self.handler.hook.cfgs, &self.local);
        generated!(#(#cfgs)* let mut #local = ::core::pin::pin!(::core::option::Option::Some(#local));)
    }

    fn arm(&self, arm: usize, message: &Message<'_>) -> TokenStream {
        let (private, local) = (private(), &self.local);
        let cfgs = &self.handler.hook.cfgs;
        let arm = Literal::usize_unsuffixed(arm);
        let variant = message.variant(self.number);
        let parcels = self.handler.values().map(|(_, ty, _)| {
            let parcel = message.parcel(ty);
            quote_spanned!(at(ty.span())=> #parcel(value))
        });
        generated!(#(#cfgs)* #arm => #private::poll_arm(#local.as_mut(), cx).map(|value| #variant((#(#parcels,)*))),)
    }
}
