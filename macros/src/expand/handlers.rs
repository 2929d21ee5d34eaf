//! `#[handlers]` on the `impl` of a struct process.
//!
//! ```text
//! Input:   #[handlers] impl Counter {
//!              fn add(&mut self, by: i64) { self.n += by; }
//!          }
//!
//! Output:  impl Counter { fn add(&mut self, by: i64) { self.n += by; } }
//!          const _: () = {
//!              pub enum __CounterMessage { H0((i64,), ReplySlot<(), Infallible>) }
//!              impl CounterHandle {
//!                  fn add(&self, by: i64) -> Call<'_, Counter, (), Infallible, __CounterMessage> { call(..) }
//!                  fn add_port(&self) -> Sender<i64> { port(..) }
//!              }
//!              impl Handlers for Counter {
//!                  HANDLERS, index, abandoned
//!                  fn dispatch(..) { match message { H0((by,), slot) => slot.answer(Ok(Self::add(self, by))) } }
//!              }
//!          };
//! ```

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::message::{self, Message};
use super::{at, attributes, input, private, private_at};
use crate::check::handlers::gives_nothing;
use crate::check::types;
use crate::fallback;
use crate::model::{Answer, Block, Handler, Hook, Parameter, Role};

/// Expands a block.
pub(crate) fn expand(block: &Block) -> TokenStream {
    let message = Message::new(block);
    let Block { item, cfgs, .. } = block;
    let lints = attributes::lints();
    let definition = message.definition();
    let handle_impls = handle_impls(&message);
    let alias = handle_alias(block);
    let process = process(&message);
    generated! {
        #item
        #(#cfgs)*
        #lints
        const _: () = {
            #alias
            #definition
            #handle_impls
            #process
        };
    }
}

/// What the runtime calls.
pub(crate) fn process(message: &Message<'_>) -> TokenStream {
    let private = private();
    let block = message.block;
    let (params, _, where_clause) = block.generics.split_for_impl();
    let self_ty = &block.self_ty;
    let sent = message.ty();
    let table = table(block);
    let questions = message.questions();
    let dispatch = dispatch(message);
    let every = every(block);
    let inputs = input::inputs(message);
    let hooks = hooks(block);
    let span = at(self_ty.span());
    let process = quote_spanned!(span=> impl #params #private::Handlers for #self_ty #where_clause);
    // The key may be that of a handler with a mistake.
    let is_keyed = message.has_key() || block.is_stub || !block.stubs.is_empty();
    let keyed = is_keyed.then(|| {
        generated! {
            #[automatically_derived]
            impl #params #private::Keyed for #self_ty #where_clause {}
        }
    });
    generated! {
        #keyed
        #[automatically_derived]
        #process {
            type Message = #sent;
            #table
            #questions
            #dispatch
            #every
            #inputs
            #hooks
        }
    }
}

/// The impls of the handle.
///
/// A type that does not exist is one error if rustc says the same of it in each place. Between angle brackets it offers to add a
/// parameter to the `impl`, if that is the user's; of a name alone it does not. So where the user wrote a name alone and it comes to
/// stand between brackets, the `impl` is ours.
fn handle_impls(message: &Message<'_>) -> TokenStream {
    let Block {
        generics,
        handle,
        impl_span,
        stubs,
        ..
    } = message.block;
    let methods = message.messages().map(|(number, handler)| {
        let is_ours = comes_between_brackets(handler, generics);
        (is_ours, handle_methods(message, number, handler))
    });
    let stubs = stubs.iter().map(|stub| {
        (
            false,
            fallback::expand_handle_method(&stub.vis, stub, message),
        )
    });
    let methods: Vec<(bool, TokenStream)> = methods
        .chain(stubs)
        .filter(|(_, method)| !method.is_empty())
        .collect();
    let (params, _, where_clause) = generics.split_for_impl();
    let impls = methods
        .chunk_by(|one, next| one.0 == next.0)
        .map(|methods| {
            let is_ours = methods.first().is_some_and(|(is_ours, _)| *is_ours);
            let span = if is_ours {
                Span::mixed_site()
            } else {
                *impl_span
            };
            let impl_token = syn::token::Impl(span);
            let methods = methods.iter().map(|(_, method)| method);
            generated!(#impl_token #params #handle #where_clause { #(#methods)* })
        });
    impls.collect()
}

/// Whether the answer, or the argument of the port, is the name of a type alone which may not exist.
fn comes_between_brackets(handler: &Handler, generics: &syn::Generics) -> bool {
    let Role::Call { answer, .. } = &handler.role else {
        return false;
    };
    let is_name = |ty: &syn::Type| types::is_name(ty) && types::is_plain(ty, generics);
    match answer {
        Answer::Value(Some(ty)) => is_name(ty),
        Answer::Value(None) => {
            let types: Vec<_> = handler.values().map(|(_, ty, _)| ty).collect();
            matches!(types.as_slice(), [ty] if is_name(ty))
        }
        _ => false,
    }
}

/// The method of the handle that calls a handler, and its port.
fn handle_methods(message: &Message<'_>, number: usize, handler: &Handler) -> TokenStream {
    let private = private();
    let Role::Call { vis, attrs, answer } = &handler.role else {
        return TokenStream::new();
    };
    let name = &handler.name;
    let variant = message.variant(number);
    let self_ty = &message.block.self_ty;
    let (reply, error) = message.reply(handler).unwrap_or_default();
    let sent = message.ty();
    let names: Vec<Ident> = handler.values().map(|(name, ..)| name.clone()).collect();
    let types: Vec<TokenStream> = handler
        .values()
        .map(|(_, ty, _)| message.resolve(ty.to_token_stream()))
        .collect();
    let parcels: Vec<TokenStream> = handler
        .values()
        .enumerate()
        .map(|(position, (_, ty, _))| message.parcel(number, position, ty))
        .collect();
    let slot = message.empty_slot(number, handler);
    let function = match answer {
        Answer::Later(..) => "call_later",
        Answer::Value(_) | Answer::Fallible(_) | Answer::Named(_) => "call",
    };
    let function = Ident::new(function, Span::mixed_site());
    let call = generated! {
        #(#attrs)*
        #vis fn #name(&self, #(#names: #types),*) -> #private::Call<'_, #self_ty, #reply, #error, #sent> {
            #private::#function(
                ::core::ops::Deref::deref(self),
                #variant((#(#parcels(#names),)*), #slot),
                |message| match message {
                    #variant(_, slot) => ::core::option::Option::Some(slot),
                    _ => ::core::option::Option::None,
                },
            )
        }
    };
    let ([parcel], [ty], true) = (parcels.as_slice(), types.as_slice(), gives_nothing(answer))
    else {
        return call;
    };
    let port = format_ident!("{}_port", name);
    let cfgs = &handler.hook.cfgs;
    let shown = name.unraw();
    let doc = format!(
        " A sender whose messages call [`{shown}`](Self::{shown}): the same mailbox and order."
    );
    generated! {
        #call
        #(#cfgs)*
        #[doc = #doc]
        #[must_use]
        #vis fn #port(&self) -> #private::Sender<#ty> {
            #private::port(::core::ops::Deref::deref(self), |value| #variant((#parcel(value),), #slot))
        }
    }
}

/// `HANDLERS` and `EVERY`.
fn table(block: &Block) -> TokenStream {
    let private = private();
    let rows = block.handlers.iter().map(|handler| {
        let name = handler.name.unraw().to_string();
        let wire = Literal::u64_unsuffixed(fnv1a(&name));
        let line = quote_spanned!(handler.hook.method.span()=> ::core::line!());
        generated! {
            #private::HandlerMeta { name: #name, wire: #wire, file: ::core::file!(), line: #line }
        }
    });
    let periods = block
        .handlers
        .iter()
        .enumerate()
        .filter_map(|(number, handler)| {
            let Role::Every { nanos } = handler.role else {
                return None;
            };
            let (number, nanos) = (
                Literal::usize_unsuffixed(number),
                Literal::u64_unsuffixed(nanos),
            );
            let cfgs = &handler.hook.cfgs;
            Some(generated! {
                #(#cfgs)* (#number, ::core::time::Duration::from_nanos(#nanos))
            })
        });
    let periods: Vec<TokenStream> = periods.collect();
    let every = (!periods.is_empty()).then(|| {
        generated! {
            const EVERY: &'static [(::core::primitive::u8, ::core::time::Duration)] = &[#(#periods),*];
        }
    });
    generated! {
        const HANDLERS: &'static [#private::HandlerMeta] = &[#(#rows),*];
        #every
    }
}

/// FNV-1a, 64 bits: names stay what they are when handlers are added or moved.
pub(crate) fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn dispatch(message: &Message<'_>) -> TokenStream {
    let private = private_at(message.block.self_ty.span());
    let arms = message.messages().map(|(number, handler)| {
        let variant = message.variant(number);
        let cfgs = &handler.hook.cfgs;
        let values = handler.values().map(|(name, ..)| name.clone());
        let slot = handler.is_call().then(|| generated!(, slot));
        let body = answered(handler);
        generated!(#(#cfgs)* #variant((#(#values,)*) #slot) => { #body })
    });
    let arms: TokenStream = arms.chain(message.impossible(&generated!(never))).collect();
    let waits = message
        .messages()
        .filter_map(|(_, handler)| may_wait(&handler.hook, message.block));
    // The first label of an error about `Send` falls on this function.
    let span = at(message.block.self_ty.span());
    let given = given(message.block);
    quote_spanned! {span=>
        fn dispatch(&mut self, message: Self::Message, cx: &mut #private::Cx<Self>)
            -> impl ::core::future::Future<Output = ()> + ::core::marker::Send
        #given
        {
            #(#waits)*
            async move { match message { #arms } }
        }
    }
}

/// The condition of the methods whose futures hold the state: that it is `Send`. It is asked for where the struct is declared, and
/// taken as given here, so that a state which is not is one error; with a lifetime rustc does not check it at the declaration.
/// Parameters of the block are asked here.
fn given(block: &Block) -> Option<TokenStream> {
    let is_plain = block.generics.type_params().next().is_none();
    is_plain.then(|| generated!(where for<'state> &'state mut Self: ::core::marker::Send))
}

/// Calls the method and answers.
fn answered(handler: &Handler) -> TokenStream {
    let private = private();
    let call = method_call(&handler.hook);
    let present = present(&handler.hook, handler.is_call());
    let answer = answer(handler, &private, &call);
    generated!(#present #answer)
}

/// Shows the context, if the method has one, who waits for the answer.
fn present(hook: &Hook, is_call: bool) -> Option<TokenStream> {
    let is_context =
        |parameter: &Parameter| matches!(parameter, Parameter::Context | Parameter::TypedContext);
    if !hook.parameters.iter().any(is_context) {
        return None;
    }
    let private = private();
    Some(if is_call {
        generated!(let slot = #private::answers(cx, slot);)
    } else {
        generated!(#private::answers_nobody(cx);)
    })
}

fn answer(handler: &Handler, private: &TokenStream, call: &TokenStream) -> TokenStream {
    // What is to be known of the error before a call fails with it.
    let learner = generated! {
        let learner = {
            use #private::{ViaError as _, ViaInner as _, ViaText as _};
            (&&#private::Cause(&slot)).learner()
        };
    };
    match &handler.role {
        Role::Call {
            answer: Answer::Value(_),
            ..
        } => generated! {
            let answer = #call;
            slot.answer(::core::result::Result::Ok(answer));
        },
        Role::Call {
            answer: Answer::Fallible(_),
            ..
        } => generated! {
            let answer = #call;
            #learner
            slot.answer_or_fail(#private::ResultLike::into_result(answer), learner);
        },
        Role::Call {
            answer: Answer::Named(ty),
            ..
        } => {
            let answered = message::answered(ty);
            generated! {
                let answer = #call;
                #learner
                slot.answer_or_fail(<#ty as #answered>::into_result(answer), learner);
            }
        }
        Role::Call {
            answer: Answer::Later(..),
            ..
        } => generated!(#learner #call;),
        Role::Input { .. } | Role::Every { .. } => {
            let (output, private) = output(&handler.hook);
            let settle = quote_spanned!(output.span()=> #private::settle);
            generated! {
                let #output = #call;
                #settle(cx, #output);
            }
        }
    }
}

/// A name for what a method returns, and `::roundrock::__private`, both where it says so: what is wrong with it is reported there.
fn output(hook: &Hook) -> (Ident, TokenStream) {
    let span = hook.output.unwrap_or_else(Span::mixed_site);
    (Ident::new("output", at(span)), private_at(span))
}

/// `Self::add(self, by)`, awaited if it is `async`.
fn method_call(hook: &Hook) -> TokenStream {
    let private = private();
    let parameters = hook.parameters.iter().map(|parameter| match parameter {
        Parameter::Value { name, .. } => {
            generated!(#name.open())
        }
        Parameter::Context => generated!(&mut cx.untyped()),
        Parameter::TypedContext => generated!(cx),
        Parameter::Reply => generated!(#private::reply(slot, learner)),
    });
    let method = &hook.method;
    let wait = hook.asynchronous.map(|_| generated!(.await));
    generated!(Self::#method(self, #(#parameters),*) #wait)
}

/// `type __Handle = CounterHandle;` for the checks below, if there are any: a handle that does not exist is then missed in one place,
/// the name of the state. With parameters it is named in each check.
fn handle_alias(block: &Block) -> Option<TokenStream> {
    let hooks = block.handlers.iter().map(|handler| &handler.hook);
    let hooks = hooks.chain(&block.on_start).chain(&block.on_stop);
    let is_needed = hooks.into_iter().any(|hook| hook.asynchronous.is_some());
    let handle = &block.handle;
    (is_needed && block.generics.params.is_empty()).then(|| generated!(type __Handle = #handle;))
}

/// The check that this kind of process may wait, at the word `async`.
fn may_wait(hook: &Hook, block: &Block) -> Option<TokenStream> {
    let span = hook.asynchronous?;
    let private = private_at(span);
    let cfgs = &hook.cfgs;
    let handle: TokenStream = if block.generics.params.is_empty() {
        Ident::new("__Handle", span).into_token_stream()
    } else {
        let tokens = block.handle.clone().into_iter();
        tokens
            .map(|mut token| {
                token.set_span(token.span().located_at(span));
                token
            })
            .collect()
    };
    Some(quote_spanned!(at(span)=> #(#cfgs)* #private::async_handler::<#handle>();))
}

fn every(block: &Block) -> Option<TokenStream> {
    let private = private();
    let is_every = |handler: &Handler| matches!(handler.role, Role::Every { .. });
    let timed = block
        .handlers
        .iter()
        .enumerate()
        .filter(|(_, handler)| is_every(handler));
    let arms: Vec<TokenStream> = timed
        .map(|(number, handler)| {
            let number = Literal::usize_unsuffixed(number);
            let cfgs = &handler.hook.cfgs;
            let body = answered(handler);
            generated!(#(#cfgs)* #number => { #body })
        })
        .collect();
    let waits = block
        .handlers
        .iter()
        .filter(|handler| is_every(handler))
        .filter_map(|handler| may_wait(&handler.hook, block));
    let given = given(block);
    (!arms.is_empty()).then(|| {
        generated! {
            fn every(&mut self, index: ::core::primitive::u8, cx: &mut #private::Cx<Self>)
                -> impl ::core::future::Future<Output = ()> + ::core::marker::Send
            #given
            {
                #(#waits)*
                async move { match index { #(#arms)* _ => {} } }
            }
        }
    })
}

/// `on_start` and `on_stop`.
fn hooks(block: &Block) -> TokenStream {
    let private = private();
    let hook = |hook: &Hook, constant: &str, name: &str| {
        let (constant, name) = (
            Ident::new(constant, Span::mixed_site()),
            Ident::new(name, Span::mixed_site()),
        );
        let cfgs = &hook.cfgs;
        let (call, wait) = (method_call(hook), may_wait(hook, block));
        let (present, given) = (present(hook, false), given(block));
        let (output, at_output) = output(hook);
        let outcome = quote_spanned!(output.span()=> #at_output::outcome);
        generated! {
            #(#cfgs)*
            const #constant: ::core::primitive::bool = true;
            #(#cfgs)*
            fn #name(&mut self, cx: &mut #private::Cx<Self>)
                -> impl ::core::future::Future<Output = ::core::result::Result<(), #private::Fault>> + ::core::marker::Send
            #given
            {
                #wait
                async move {
                    #present
                    let #output = #call;
                    #outcome(#output)
                }
            }
        }
    };
    let starts = block.on_start.iter();
    let starts = starts.map(|start| hook(start, "ON_START", "on_start"));
    let stops = block.on_stop.iter();
    let stops = stops.map(|stop| hook(stop, "ON_STOP", "on_stop"));
    generated!(#(#starts)* #(#stops)*)
}
