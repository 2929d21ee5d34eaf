//! Stubs emitted beside an error, so that one mistake gives one error.
//!
//! The names and signatures that the rest of the program uses are there; the bodies are not.
//!
//! Input: a model with a mistake in it. Output: the user's item and a stand-in with the right
//! signature.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::{
    Attribute, FnArg, GenericParam, Ident, Lifetime, PatType, PathSegment, ReturnType, Type,
    Visibility,
};

use crate::check::types;
use crate::expand::message::{Message, answered};
use crate::expand::{attributes, generated, handlers, inbox, private};
use crate::model::{Answer, Argument, Block, FunctionProcess, Hook, Output, Parameter, Stub};
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
            let ty = owned(types::boxed(ty).to_token_stream());
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
pub(crate) fn expand_handle_method(
    vis: &Visibility,
    stub: &Stub,
    message: &Message<'_>,
) -> TokenStream {
    let private = private();
    let self_ty = &message.block.self_ty;
    let Stub { name, generics, .. } = stub;
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

/// The methods of a block that is not marked as one. Whether the struct is a process, and so has a handle of its own, is not known;
/// the methods belong to what every such handle leads to.
pub(crate) fn handlers(block: &Block) -> TokenStream {
    let private = private();
    let message = Message::new(block);
    let Block {
        item,
        cfgs,
        generics,
        self_ty,
        ..
    } = block;
    let (params, types, where_clause) = generics.split_for_impl();
    let lints = attributes::lints();
    let definition = message.definition();
    let process = handlers::process(&message);
    let calls = format_ident!("__{}Calls", block.name);
    // In a trait there is no visibility.
    let methods = block
        .stubs
        .iter()
        .map(|stub| expand_handle_method(&Visibility::Inherited, stub, &message));
    generated! {
        #item
        #(#cfgs)*
        #lints
        #definition
        #(#cfgs)*
        #lints
        trait #calls #params #where_clause {
            #(#methods)*
        }
        #(#cfgs)*
        #lints
        const _: () = {
            impl #params #calls #types for #private::Handle<#self_ty> #where_clause {}
            #process
        };
    }
}

/// A method that is marked as a process: what it returns can be spawned, and awaited as it could be without the mark.
pub(crate) fn method(method: &Function) -> TokenStream {
    let private = private();
    let Function {
        attrs, vis, sig, ..
    } = method;
    let (output, value) = method_output(&sig.output);
    let body = method_body(method);
    let name = &sig.ident;
    let (generics, where_clause) = (&sig.generics, &sig.generics.where_clause);
    let receiver = sig.receiver();
    let parameters = sig.inputs.iter().enumerate();
    let parameters = parameters.filter_map(|(position, input)| match input {
        FnArg::Typed(typed) if !comes_from_runtime(typed) => {
            let name = format_ident!("argument_{}", position, span = Span::mixed_site());
            let ty = taken(&typed.ty);
            Some(generated!(#name: #ty))
        }
        _ => None,
    });
    let lints = attributes::lints();
    generated! {
        #(#attrs)*
        #lints
        #vis fn #name #generics (#receiver, #(#parameters),*)
            -> impl #private::Spawn<Spawned = #private::Task<#value>> + ::core::future::Future<Output = #output>
        #where_clause
        {
            #body
            struct __Stub<__Output, __Value>(::core::marker::PhantomData<fn() -> (__Output, __Value)>);
            impl<__Output, __Value> ::core::future::Future for __Stub<__Output, __Value> {
                type Output = __Output;
                fn poll(self: ::core::pin::Pin<&mut Self>, _: &mut ::core::task::Context<'_>) -> ::core::task::Poll<__Output> {
                    #private::stub()
                }
            }
            impl<__Output, __Value> #private::Spawn for __Stub<__Output, __Value> {
                type Spawned = #private::Task<__Value>;
                fn spawn_in(self, _: &#private::Scope, _: #private::SpawnOptions) -> #private::Task<__Value> {
                    #private::stub()
                }
            }
            __Stub::<#output, #value>(::core::marker::PhantomData)
        }
    }
}

/// What awaiting the method gives, and what the `Task` of a process would give.
fn method_output(output: &ReturnType) -> (TokenStream, TokenStream) {
    let private = private();
    let is_result = |last: &PathSegment| last.ident.to_string().ends_with("Result");
    match output {
        ReturnType::Default => (generated!(()), generated!(())),
        ReturnType::Type(_, ty) if matches!(types::bare(ty), Type::Never(_)) => {
            let never = generated!(::core::convert::Infallible);
            (never.clone(), never)
        }
        ReturnType::Type(_, ty) if types::last_segment(ty).is_some_and(is_result) => {
            let value = generated!(<#ty as #private::ProcessOutput>::Value);
            (ty.to_token_stream(), value)
        }
        ReturnType::Type(_, ty) => {
            let ty = types::boxed(ty).into_token_stream();
            (ty.clone(), ty)
        }
    }
}

/// The user's statements, which nothing calls, so that what they use is used. Left out where no closure can have such types.
fn method_body(method: &Function) -> Option<TokenStream> {
    let sig = &method.sig;
    let mut parameters = Vec::new();
    for input in &sig.inputs {
        let FnArg::Typed(PatType { pat, ty, .. }) = input else {
            continue;
        };
        if types::impl_trait(ty).is_some() {
            return None;
        }
        parameters.push(generated!(#pat: #ty));
    }
    let output = match &sig.output {
        ReturnType::Default => Some(generated!(-> ())),
        ReturnType::Type(_, ty) if matches!(types::bare(ty), Type::Never(_)) => None,
        ReturnType::Type(_, ty)
            if types::impl_trait(ty).is_some() || types::reference(ty).is_some() =>
        {
            return None;
        }
        ReturnType::Type(arrow, ty) => Some(generated!(#arrow #ty)),
    };
    let (asyncness, body) = (&sig.asyncness, &method.body);
    Some(generated!(let _ = #asyncness move |#(#parameters),*| #output #body;))
}

/// Whether the caller of a process does not pass this argument.
fn comes_from_runtime(parameter: &PatType) -> bool {
    let ty = types::reference(&parameter.ty).map_or(&*parameter.ty, |reference| &*reference.elem);
    let is_inbox = |attribute: &Attribute| types::is_helper(attribute, "inbox");
    ["Scope", "Cx"]
        .iter()
        .any(|name| types::named(ty, name).is_some())
        || parameter.attrs.iter().any(is_inbox)
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
