//! Stubs emitted beside an error, so that one mistake gives one error.
//!
//! The names and signatures that the rest of the program uses are there; the bodies are not.
//!
//! Input: a model with a mistake in it. Output: the user's item and a stand-in with the right
//! signature.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::{GenericParam, Ident, Lifetime, Type};

use crate::check::types;
use crate::expand::message::{Message, answered};
use crate::expand::{attributes, generated, inbox, private};
use crate::model::{Answer, Argument, FunctionProcess, Hook, Output, Parameter, Stub};
use crate::parse::item::Function;

/// A constructor that takes what the real one would take.
pub(crate) fn constructor(process: &FunctionProcess) -> TokenStream {
    let private = private();
    let Function {
        attrs, vis, sig, ..
    } = &process.function;
    let name = &sig.ident;
    let outer = attributes::outer(attrs);
    let inner = attributes::inner_function(&process.function);
    let parameters = process
        .arguments
        .iter()
        .enumerate()
        .filter_map(|(position, argument)| {
            let name = format_ident!("argument_{}", position, span = Span::mixed_site());
            match argument {
                Argument::Lent { ty, .. } | Argument::Owned { ty, .. } => {
                    Some(generated!(#name: #ty))
                }
                Argument::Broken { cfgs, ty, .. } => {
                    let ty = taken(ty);
                    Some(generated!(#(#cfgs)* #name: #ty))
                }
                Argument::Inbox { .. } | Argument::Scope(_) | Argument::Context(_) => None,
            }
        });
    let parameters = owned(generated!(#(#parameters),*));
    let output = match &process.output {
        Output::Unit => generated!(()),
        Output::Never => generated!(::core::convert::Infallible),
        Output::Type(ty) => owned(ty.to_token_stream()),
    };
    // The program may use the handle.
    let handle_type = inbox::handle_type(process);
    let mode = handle_type.map(|handle| generated!(, #private::Shared, #private::Inbox<#handle>));
    let with_inbox = mode
        .is_some()
        .then(|| generated!(.with_inbox(#private::stub())));
    let handle = inbox::handle(process);
    let mut generics = sig.generics.clone();
    generics.params = generics
        .params
        .into_iter()
        .filter(|parameter| !matches!(parameter, GenericParam::Lifetime(_)))
        .collect();
    let where_clause = owned(generics.where_clause.take().into_token_stream());
    let generics = owned(generics.into_token_stream());
    generated! {
        #(#outer)*
        #[allow(unused_variables, dead_code, clippy::all, clippy::pedantic, reason = "it stands in for a process with a mistake")]
        #vis fn #name #generics (#parameters) -> #private::Process<#private::StubBody<#output> #mode> #where_clause {
            #inner
            #private::stub_process() #with_inbox
        }
        #handle
    }
}

/// What a stub takes where this type is written: of a reference that cannot be, what it refers to, or another reference to that.
fn taken(ty: &Type) -> TokenStream {
    let Some(reference) = types::reference(ty) else {
        return owned(ty.to_token_stream());
    };
    let lent = types::bare(&reference.elem);
    let (private, tokens) = (private(), lent.to_token_stream());
    if types::impl_trait(lent).is_some() {
        // In another `impl` it cannot be.
        return tokens;
    }
    let is_slice = matches!(lent, Type::Slice(_));
    if types::borrow(lent).is_some() || (types::owned_form(lent).is_some() && !is_slice) {
        // What the user is told to take instead may be anything.
        return generated!(impl ::core::marker::Sized);
    }
    if coerces(tokens.clone()) {
        return tokens;
    }
    generated!(impl #private::Takes<#tokens>)
}

/// Whether a type names one that others turn into where they are passed: a trait object, or a pointer to a function.
fn coerces(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => coerces(group.stream()),
        TokenTree::Ident(name) => name == "dyn" || name == "fn",
        _ => false,
    })
}

/// The signature of the handle method of a handler with a mistake.
pub(crate) fn handle_method(name: &Ident, method: &Function, hook: &Hook, answer: &Answer) -> Stub {
    let private = private();
    let values = hook
        .parameters
        .iter()
        .filter_map(|parameter| match parameter {
            Parameter::Value { cfgs, ty, .. } => Some((cfgs.clone(), ty)),
            _ => None,
        });
    let parameters = values.map(|(cfgs, ty)| (cfgs, taken(ty)));
    let generics = method.sig.generics.params.iter();
    let generics = generics.filter(|parameter| !matches!(parameter, GenericParam::Lifetime(_)));
    let unit = generated!(());
    let infallible = generated!(::core::convert::Infallible);
    let (reply, error) = match answer {
        Answer::Value(None) => (unit, infallible),
        Answer::Value(Some(ty)) => (owned(types::boxed(ty).to_token_stream()), infallible),
        Answer::Fallible(ty) => {
            let ty = owned(ty.to_token_stream());
            (
                generated!(<#ty as #private::ResultLike>::Ok),
                generated!(<#ty as #private::ResultLike>::Err),
            )
        }
        Answer::Named(ty) => {
            let answered = answered(ty);
            (
                generated!(<#ty as #answered>::Ok),
                generated!(<#ty as #answered>::Err),
            )
        }
        Answer::Later(ty, None) => (owned(ty.to_token_stream()), infallible),
        Answer::Later(ty, Some(error)) => {
            (owned(ty.to_token_stream()), owned(error.to_token_stream()))
        }
    };
    Stub {
        vis: method.vis.clone(),
        name: name.clone(),
        generics: generated!(#(#generics),*),
        parameters: parameters.collect(),
        reply,
        error,
    }
}

/// The stub as a method of the handle.
pub(crate) fn expand_handle_method(stub: &Stub, message: &Message<'_>) -> TokenStream {
    let private = private();
    let self_ty = &message.block.self_ty;
    let Stub {
        vis,
        name,
        generics,
        ..
    } = stub;
    let (reply, error) = (
        message.resolve(stub.reply.clone()),
        message.resolve(stub.error.clone()),
    );
    let sent = message.ty();
    let parameters = stub.parameters.iter().enumerate();
    let parameters = parameters.map(|(position, (cfgs, ty))| {
        let name = format_ident!("argument_{}", position);
        let ty = message.resolve(ty.clone());
        generated!(#(#cfgs)* #name: #ty)
    });
    generated! {
        #vis fn #name<#generics>(&self, #(#parameters),*) -> #private::Call<'_, #self_ty, #reply, #error, #sent> {
            #private::stub()
        }
    }
}

/// The same tokens with every borrow made `'static`: what the user is told to write has none.
pub(crate) fn owned(tokens: TokenStream) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut result = TokenStream::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(tick) if tick.as_char() == '\'' => {
                let name = tokens
                    .next()
                    .map_or_else(Span::call_site, |name| name.span());
                Lifetime::new("'static", name).to_tokens(&mut result);
            }
            TokenTree::Punct(and) if and.as_char() == '&' => {
                let span = and.span();
                result.extend([TokenTree::Punct(and)]);
                let named = matches!(tokens.peek(), Some(TokenTree::Punct(next)) if "'&".contains(next.as_char()));
                if !named {
                    Lifetime::new("'static", span).to_tokens(&mut result);
                }
            }
            TokenTree::Group(group) => {
                let mut inner = proc_macro2::Group::new(group.delimiter(), owned(group.stream()));
                inner.set_span(group.span());
                result.extend([TokenTree::Group(inner)]);
            }
            other => result.extend([other]),
        }
    }
    result
}
