//! `#[process]` on a function.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, FnArg, Ident, Meta, Pat, PatType, ReturnType, Safety, Signature, Type, parse_quote,
};

use super::{generics, options, types};
use crate::errors::{Errors, with_help};
use crate::model::{Argument, FunctionProcess, Kind, Options, Output};
use crate::parse::item::Function;

/// Messages that an inbox holds if nothing is said.
const INBOX_DEFAULT: u32 = 8;

/// Names that every handle has already, and `owned`, which every call has.
pub(crate) const BUILT_IN: [&str; 12] = [
    "clone",
    "stop",
    "kill",
    "done",
    "closed",
    "exit",
    "task",
    "id",
    "name",
    "downgrade",
    "link",
    "owned",
];

/// Who has a name of [`BUILT_IN`] already.
pub(crate) fn already(name: &Ident) -> String {
    let who = if name == "owned" { "call" } else { "handle" };
    format!("every {who} has `{name}()` already")
}

/// Checks a process function. `None`: it is a method, and no stub can stand in for it.
pub(crate) fn check(
    options: TokenStream,
    mut function: Function,
    errors: &mut Errors,
) -> Option<FunctionProcess> {
    let options = options::process(options, false, errors);
    if let Some(own) = types::first_self(function.sig.inputs.to_token_stream())
        && function.sig.receiver().is_none()
    {
        errors.help(
            own,
            "a process function is one of its own, and there is no `Self` in it",
            "write it outside of the `impl`, or name the type",
        );
        return None;
    }
    if matches!(function.body, TokenTree::Punct(_)) {
        errors.help(
            function.sig.fn_token,
            "a process function has a body",
            "write it outside of the trait: it becomes a constructor, which no trait can ask for",
        );
        return None;
    }
    if let Some(receiver) = function.sig.receiver() {
        errors.help(
            receiver.self_token,
            "a process function cannot take `self`",
            "put `#[handlers]` on the `impl` block: every method in it is a handler",
        );
        return None;
    }
    qualifiers(&function.sig, &options, errors);
    let before = errors.count();
    function.sig.generics = generics::outliving(function.sig.generics);
    let mut arguments: Vec<Argument> = Vec::new();
    for (position, parameter) in function.sig.inputs.iter_mut().enumerate() {
        if let FnArg::Typed(parameter) = parameter {
            let name = name(&parameter.pat, position, &function.sig.ident, &arguments);
            let argument = argument(parameter, name, errors);
            let is_context = |argument: &Argument| matches!(argument, Argument::Context(_));
            if is_context(&argument) && arguments.iter().any(is_context) {
                second_context(&parameter.ty, errors);
            }
            arguments.push(argument);
        }
    }
    if errors.none_since(before)
        && let Some(parameter) = function.sig.generics.lifetimes().next()
    {
        let lifetime = &parameter.lifetime;
        lent_for_life(lifetime, &format!("remove `{lifetime}`"), errors);
    }
    let output = match &function.sig.output {
        ReturnType::Default => Output::Unit,
        ReturnType::Type(_, ty) if matches!(types::bare(ty), Type::Never(_)) => Output::Never,
        ReturnType::Type(_, ty) => output(ty, errors),
    };
    Some(FunctionProcess {
        function,
        options,
        arguments,
        output,
    })
}

/// What a process returns. Of a type that the macro does not know, the compiler says whether that is possible.
fn output(ty: &Type, errors: &mut Errors) -> Output {
    if !types::is_no_result(ty) {
        return Output::Type(ty.clone());
    }
    let owned = types::reference(ty).map_or(ty, |reference| &*reference.elem);
    let owned = types::owned_form(owned).map_or_else(|| types::source(owned), |(owned, _)| owned);
    errors.help(
        ty,
        format!(
            "a process cannot return `{}`: it returns `()`, `!` or `Result<_, E>`",
            types::source(ty)
        ),
        &format!("return `Result<{owned}>` and await the `Task`"),
    );
    // What the user is told to write, so that whoever awaits the process gets what it expects.
    let value = types::boxed(ty);
    Output::Type(parse_quote!(::core::result::Result<#value, ::core::convert::Infallible>))
}

fn qualifiers(sig: &Signature, options: &Options, errors: &mut Errors) {
    let name = &sig.ident;
    match (options.kind, sig.asyncness) {
        (Kind::Async, None) => errors.help(
            sig.fn_token,
            "a process function is `async`",
            &format!("write `async fn {name}(..)`, or `#[process(blocking)]` for code that blocks its thread"),
        ),
        (Kind::Blocking | Kind::Cpu, Some(token)) => errors.help(
            token,
            "a `blocking` or `cpu` process is a plain `fn`: it has a thread of its own",
            &format!("write `fn {name}(..)`, and `blocking_recv` and `blocking_send` in it"),
        ),
        _ => {}
    }
    if let Some(token) = sig.constness {
        errors.at(token, "a process function cannot be `const`");
    }
    if let Safety::Unsafe(token) = sig.safety {
        errors.at(
            token,
            "a process function cannot be `unsafe`: the runtime calls it",
        );
    }
    if let Some(abi) = &sig.abi {
        errors.at(
            abi,
            "a process function cannot be `extern`: the runtime calls it",
        );
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(
            variadic,
            "a process function has a fixed number of arguments",
        );
    }
}

/// The name that a parameter has in what is generated.
fn name(pat: &Pat, position: usize, function: &Ident, before: &[Argument]) -> Ident {
    let name = types::binding(pat, position);
    if name == *function {
        // In the constructor the name means the function.
        return format_ident!("{}_argument", name);
    }
    if before.iter().any(|argument| argument.name() == Some(&name)) {
        // Two parameters of one name are rustc's to report, where the user wrote them.
        return format_ident!("{}_{}", name, position + 1);
    }
    name
}

/// Checks one parameter and takes `#[inbox]` off it.
fn argument(parameter: &mut PatType, name: Ident, errors: &mut Errors) -> Argument {
    let before = errors.count();
    always(parameter, errors);
    let is_inbox = |attribute: &Attribute| types::is_helper(attribute, "inbox");
    let inboxes: Vec<Attribute> = parameter
        .attrs
        .extract_if(.., |attribute| is_inbox(attribute))
        .collect();
    let argument = match inboxes.first() {
        Some(attribute) => inbox(attribute, parameter, &name, errors),
        None => plain(parameter, &name, errors),
    };
    match argument {
        // The program may use the handle, whatever is wrong with the input, and it does not pass what comes from the runtime.
        Argument::Inbox { .. } | Argument::Scope(_) | Argument::Context(_) => argument,
        _ if errors.none_since(before) => argument,
        _ => Argument::Broken {
            cfgs: types::only(&parameter.attrs, &["cfg"]),
            name,
            ty: (*parameter.ty).clone(),
        },
    }
}

/// What is generated beside a function or a handler has the same arguments in every configuration.
pub(crate) fn always(parameter: &PatType, errors: &mut Errors) {
    for attribute in parameter
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
    {
        errors.help(
            attribute,
            "an argument cannot be left out of some configurations",
            "write the whole function once for each of them, and put the `#[cfg(..)]` on that",
        );
    }
}

fn plain(parameter: &PatType, name: &Ident, errors: &mut Errors) -> Argument {
    let ty = &*parameter.ty;
    let owns = format!("take a `{name}` that owns its data");
    if let Some(argument) = from_runtime(ty, name, errors) {
        return argument;
    }
    let Some(reference) = types::reference(ty) else {
        if let Some(borrow) = types::borrow(ty) {
            lent_for_life(borrow, &owns, errors);
        }
        return Argument::Owned {
            name: name.clone(),
            ty: generics::outliving_argument(types::bare(ty)),
        };
    };
    let lent = types::bare(&reference.elem);
    if reference.mutability.is_some() || reference.lifetime.is_some() {
        lent_for_life(
            reference.and_token,
            &format!("write `{name}: &{}`", types::source(types::owning(lent))),
            errors,
        );
    } else if let Some((owned, shared)) = types::owned_form(lent) {
        let lent = types::source(lent);
        errors.at(
            ty,
            format!("`&{lent}` is unsized, and a process keeps what it is lent: write `&{owned}` or `&{shared}`"),
        );
    } else if let Some(borrow) = types::borrow(lent) {
        lent_for_life(borrow, &owns, errors);
    }
    Argument::Lent {
        name: name.clone(),
        ty: generics::outliving_argument(lent),
    }
}

/// What the constructor does not take, however the body takes it.
fn from_runtime(ty: &Type, name: &Ident, errors: &mut Errors) -> Option<Argument> {
    let reference = types::reference(ty);
    let lent = reference.map_or(ty, |reference| &*reference.elem);
    if types::named(lent, "Cx").is_some() {
        if reference.is_none_or(|reference| reference.mutability.is_none()) {
            errors.help(
                ty,
                "the context belongs to the process, and is lent to its body",
                &format!("write `{name}: &mut Cx`"),
            );
        }
        return Some(Argument::Context(ty.span()));
    }
    let reference = reference.filter(|_| types::named(lent, "Scope").is_some())?;
    if reference.mutability.is_some() || reference.lifetime.is_some() {
        let instead = format!("write `{name}: &{}`", types::source(lent));
        lent_for_life(reference.and_token, &instead, errors);
    }
    Some(Argument::Scope(ty.span()))
}

/// Two would be the same one, borrowed twice.
pub(crate) fn second_context(ty: &Type, errors: &mut Errors) {
    errors.help(
        ty,
        "a process has one context, and lends it once",
        "remove this argument: one `&mut Cx` is enough",
    );
}

fn lent_for_life(tokens: impl ToTokens, instead: &str, errors: &mut Errors) {
    errors.at(
        tokens,
        format!("a process is lent its arguments for its whole life: {instead}"),
    );
}

fn inbox(
    attribute: &Attribute,
    parameter: &PatType,
    name: &Ident,
    errors: &mut Errors,
) -> Argument {
    let lent = types::reference(&parameter.ty).filter(|reference| reference.mutability.is_none());
    let item = lent.and_then(|reference| types::named(&reference.elem, "Receiver"));
    let item = match item.as_deref() {
        Some([item]) => (*item).clone(),
        _ => {
            errors.at(
                parameter,
                format!("`#[inbox]` makes the process's own input: write `{name}: &Receiver<T>`"),
            );
            guessed_item(&parameter.ty)
        }
    };
    let plain = name.unraw();
    if BUILT_IN.contains(&plain.to_string().as_str()) {
        errors.help(
            name,
            format!("an inbox cannot be called `{plain}`: {}", already(&plain)),
            "rename it",
        );
    }
    let size = errors.keep(size(attribute)).unwrap_or(INBOX_DEFAULT);
    Argument::Inbox {
        name: name.clone(),
        item,
        capacity: size,
    }
}

/// What the messages of an input probably are that is no `Receiver`.
fn guessed_item(ty: &Type) -> Type {
    let ty = types::reference(ty).map_or(ty, |reference| &*reference.elem);
    let item = types::last_segment(ty).map(types::type_arguments);
    match item.as_deref() {
        Some([item]) => (*item).clone(),
        _ => parse_quote!(()),
    }
}

fn size(attribute: &Attribute) -> syn::Result<u32> {
    match &attribute.meta {
        Meta::Path(_) => Ok(INBOX_DEFAULT),
        Meta::List(list) => options::capacity(list.tokens.clone(), "#[inbox(8)]"),
        Meta::NameValue(_) => Err(with_help(
            attribute,
            "`#[inbox]` takes its size in parentheses",
            "write `#[inbox(8)]`",
        )),
    }
}
