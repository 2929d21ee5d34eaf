//! One method in a `#[handlers]` block: its attributes, its signature, its role.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{
    Attribute, FnArg, GenericParam, Generics, Ident, Member, Meta, Pat, PatType, PathArguments,
    ReceiverKind, ReturnType, Safety, Type, TypeParamBound, parse_quote,
};

use super::function::{BUILT_IN, already, always, second_context};
use super::{options, types};
use crate::errors::{Errors, with_help};
use crate::model::{Answer, Hook, Parameter};
use crate::parse::arguments::arguments;
use crate::parse::item::Function;

/// What the attributes of a method say it is.
pub(crate) enum Purpose {
    /// Called by message, under this name.
    Call(Ident),
    Input(Member, Span),
    Every(u64),
    OnStart,
    OnStop,
}

impl Purpose {
    fn attribute(&self) -> &'static str {
        match self {
            Self::Call(_) => "#[handler]",
            Self::Input(..) => "#[recv]",
            Self::Every(_) => "#[every]",
            Self::OnStart => "#[on_start]",
            Self::OnStop => "#[on_stop]",
        }
    }
}

/// Takes our attributes off a method and says what they mean. `None`: they make no sense.
pub(crate) fn purpose(method: &mut Function, errors: &mut Errors) -> Option<Purpose> {
    const HELPERS: [&str; 5] = ["handler", "recv", "every", "on_start", "on_stop"];
    for name in HELPERS {
        types::never_conditional(&mut method.attrs, name, errors);
    }
    let is_ours =
        |attribute: &mut Attribute| HELPERS.iter().any(|name| types::is_helper(attribute, name));
    let ours: Vec<Attribute> = method.attrs.extract_if(.., is_ours).collect();
    let is_key = |attribute: &mut Attribute| types::is_helper(attribute, "key");
    for attribute in method.attrs.extract_if(.., is_key) {
        errors.help(
            attribute,
            "`#[key]` goes on an argument of a handler",
            &format!("write `fn {}(.., #[key] name: T)`", method.sig.ident),
        );
    }
    if let [first, second, ..] = ours.as_slice() {
        errors.help(
            second,
            format!(
                "a method has one role, and this one has `{}` already",
                types::source(first)
            ),
            "write a second method that calls the first",
        );
    }
    let Some(attribute) = ours.first() else {
        return Some(Purpose::Call(method.sig.ident.clone()));
    };
    let purpose = match attribute.path().segments.last()?.ident.to_string().as_str() {
        "handler" => renamed(attribute).map(Purpose::Call),
        "recv" => field(attribute).map(|(field, span)| Purpose::Input(field, span)),
        "every" => every(attribute).map(Purpose::Every),
        "on_start" => no_arguments(attribute).map(|()| Purpose::OnStart),
        _ => no_arguments(attribute).map(|()| Purpose::OnStop),
    };
    errors.keep(purpose)
}

fn content(attribute: &Attribute) -> TokenStream {
    match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    }
}

fn renamed(attribute: &Attribute) -> syn::Result<Ident> {
    let wrong = |tokens: &dyn ToTokens| {
        with_help(
            tokens.to_token_stream(),
            "`#[handler]` gives the message another name",
            "write `#[handler(name = halt)]`",
        )
    };
    match arguments(content(attribute)).as_slice() {
        [argument] if argument.name.as_ref().is_some_and(|name| name == "name") => {
            let value = argument
                .value
                .clone()
                .ok_or_else(|| wrong(&argument.tokens))?;
            syn::parse2(value.clone()).map_err(|_| wrong(&value))
        }
        _ => Err(wrong(attribute)),
    }
}

fn field(attribute: &Attribute) -> syn::Result<(Member, Span)> {
    let tokens = content(attribute);
    match syn::parse2::<Member>(tokens.clone()) {
        Ok(member) => {
            let span = tokens
                .into_iter()
                .next()
                .map_or_else(Span::call_site, |token| token.span());
            Ok((member, span))
        }
        Err(_) => Err(with_help(
            attribute,
            "`#[recv]` names a field that holds a `Receiver<_>`",
            "write `#[recv(field)]`",
        )),
    }
}

fn every(attribute: &Attribute) -> syn::Result<u64> {
    let tokens = content(attribute);
    if tokens.is_empty() {
        return Err(with_help(
            attribute,
            "`#[every]` needs an interval",
            "write `#[every(\"1s\")]`",
        ));
    }
    options::period(tokens)
}

fn no_arguments(attribute: &Attribute) -> syn::Result<()> {
    match &attribute.meta {
        Meta::Path(_) => Ok(()),
        _ => Err(with_help(
            attribute,
            "this attribute takes no arguments",
            "remove the parentheses",
        )),
    }
}

/// Whether a handle or a call has a method of this name already.
pub(crate) fn is_taken(name: &Ident) -> bool {
    let name = name.unraw().to_string();
    BUILT_IN.contains(&name.as_str()) || name.ends_with("_port")
}

/// Names a message cannot have.
pub(crate) fn name(name: &Ident, errors: &mut Errors) {
    if !is_taken(name) {
        return;
    }
    let plain = name.unraw();
    let reason = if plain.to_string().ends_with("_port") {
        "names that end in `_port` are senders on the handle".to_owned()
    } else {
        already(&plain)
    };
    errors.help(
        name,
        format!("a handler cannot be called `{plain}`: {reason}"),
        "rename it, or give the message another name: `#[handler(name = halt)]`",
    );
}

/// Receiver, qualifiers and generics.
pub(crate) fn shape(method: &Function, errors: &mut Errors) {
    let sig = &method.sig;
    let borrowed = sig.receiver().is_some_and(|receiver| match &receiver.kind {
        ReceiverKind::Reference(..) => true,
        ReceiverKind::Typed(_, ty) => types::reference(ty)
            .is_some_and(|reference| types::named(&reference.elem, "Self").is_some()),
        _ => false,
    });
    if !borrowed {
        let parameters = proc_macro2::Group::new(
            proc_macro2::Delimiter::Parenthesis,
            sig.inputs.to_token_stream(),
        );
        let mut parameters = parameters;
        parameters.set_span(sig.paren_token.span.join());
        errors.help(
            parameters,
            "a handler takes `&self` or `&mut self`",
            "put other functions in a plain `impl` block; to end the process call `cx.stop()`",
        );
    }
    if let Safety::Unsafe(token) = sig.safety {
        errors.at(
            token,
            "a handler cannot be `unsafe`: other processes call it",
        );
    }
    for parameter in &sig.generics.params {
        match parameter {
            GenericParam::Type(parameter) => {
                one_type(parameter, &parameter.ident.to_string(), errors)
            }
            GenericParam::Const(parameter) => {
                one_type(parameter, &parameter.ident.to_string(), errors)
            }
            GenericParam::Lifetime(_) => {}
        }
    }
    if let Some(bounds) = &sig.generics.where_clause {
        errors.help(
            bounds,
            "a handler has no bounds of its own: whoever has a handle may call it",
            "put them on the `impl` block, or on the struct",
        );
    }
    if let ReturnType::Type(_, ty) = &sig.output
        && let Some(opaque) = types::impl_trait(ty)
    {
        errors.help(
            opaque,
            format!(
                "a reply has a type with a name, and `{}` has none",
                types::source(opaque)
            ),
            "return the type itself, or one that owns the same: `Vec<_>`, or `Box<dyn Trait + Send>`",
        );
    }
}

fn one_type(tokens: impl ToTokens, name: &str, errors: &mut Errors) {
    errors.help(
        tokens,
        format!("a handler is one message with one type; `{name}` would make it many"),
        "make the process generic (`struct Store<T>`) or take `Box<dyn Trait + Send>`",
    );
}

/// The parameters after `self`, and the types of a `Reply<T, E>` among them.
pub(crate) fn parameters(
    method: &mut Function,
    errors: &mut Errors,
) -> (Vec<Parameter>, Option<(Type, Option<Type>)>) {
    let body = method.body.to_token_stream();
    let mut reply = None;
    let mut parameters = Vec::new();
    for (position, input) in method.sig.inputs.iter_mut().enumerate() {
        let FnArg::Typed(typed) = input else { continue };
        always(typed, errors);
        let key = key(typed, errors);
        let before = errors.count();
        if let Some(context) = context(typed, errors) {
            passed_by_nobody(key, &typed.ty, errors);
            if errors.none_since(before) && parameters.iter().any(is_context) {
                second_context(&typed.ty, errors);
            }
            knows_its_process(typed, &context, body.clone(), errors);
            parameters.push(context);
        } else if let Some(types) = reply_types(typed, errors) {
            passed_by_nobody(key, &typed.ty, errors);
            if reply.is_some() {
                errors.at(&*typed, "a call is answered once: take one `Reply`");
            } else {
                reply = Some(types);
                parameters.push(Parameter::Reply);
            }
        } else {
            value(typed, errors);
            let mut name = types::binding(&typed.pat, position);
            let is_same = |other: &Parameter| matches!(other, Parameter::Value { name: taken, .. } if *taken == name);
            if parameters.iter().any(is_same) {
                // Two of one name are rustc's to report, where the user wrote them.
                name = format_ident!("{}_{}", name, position);
            }
            parameters.push(Parameter::Value {
                cfgs: types::only(&typed.attrs, &["cfg"]),
                name,
                ty: (*typed.ty).clone(),
                key: key.is_some(),
            });
        }
    }
    (parameters, reply)
}

/// Takes `#[key]` off an argument.
fn key(typed: &mut PatType, errors: &mut Errors) -> Option<Attribute> {
    types::never_conditional(&mut typed.attrs, "key", errors);
    let is_key = |attribute: &mut Attribute| types::is_helper(attribute, "key");
    let keys: Vec<Attribute> = typed.attrs.extract_if(.., is_key).collect();
    for attribute in &keys {
        errors.keep(no_arguments(attribute))?;
    }
    keys.into_iter().next()
}

/// A key is part of the message, as what the runtime lends to the handler is not.
fn passed_by_nobody(key: Option<Attribute>, ty: &Type, errors: &mut Errors) {
    if let Some(attribute) = key {
        errors.help(
            attribute,
            format!("no caller passes `{}`, so it is no key", types::source(ty)),
            "remove the `#[key]`, or put it on an argument of the message: `#[key] name: T`",
        );
    }
}

fn is_context(parameter: &Parameter) -> bool {
    matches!(parameter, Parameter::Context | Parameter::TypedContext)
}

/// The context. However it is taken, no caller passes it.
fn context(typed: &PatType, errors: &mut Errors) -> Option<Parameter> {
    let (reference, name) = (types::reference(&typed.ty), types::source(&typed.pat));
    let lent = reference.map_or(&*typed.ty, |reference| &*reference.elem);
    if reference.is_some() && types::named(lent, "Scope").is_some() {
        errors.help(
            &typed.ty,
            "a handler is lent its context, which knows the scope",
            "take `cx: &mut Cx` and call `cx.scope()`",
        );
        return Some(Parameter::Context);
    }
    let arguments = types::named(lent, "Cx")?;
    if reference.is_none_or(|reference| reference.mutability.is_none()) {
        errors.help(
            &typed.ty,
            "the context belongs to the process, and is lent to a handler",
            &format!("write `{name}: &mut {}`", types::source(lent)),
        );
    }
    match arguments.first() {
        Some(ty) if !types::is_unit(ty) => Some(Parameter::TypedContext),
        _ => Some(Parameter::Context),
    }
}

/// `&mut Cx` does not know whose it is. A body that asks for that gets an error here, where the type is, and not from rustc, which
/// says that a trait holds not for `()`.
fn knows_its_process(
    typed: &mut PatType,
    context: &Parameter,
    body: TokenStream,
    errors: &mut Errors,
) {
    const TYPED: [&str; 2] = ["spawn_then", "handle"];
    let Pat::Ident(name) = &*typed.pat else {
        return;
    };
    let name = &name.ident;
    if !matches!(context, Parameter::Context) || types::is_bound_again(body.clone(), name) {
        return;
    }
    let called = TYPED
        .iter()
        .find(|called| types::calls(body.clone(), name, called));
    let Type::Reference(reference) = &mut *typed.ty else {
        return;
    };
    let (Some(called), Type::Path(path)) = (called, &mut *reference.elem) else {
        return;
    };
    errors.help(
        &path,
        format!("`{name}.{called}(..)` needs a context that knows the state"),
        &format!("write `{name}: &mut Cx<Self>`"),
    );
    // As it is said, so that rustc does not say it too.
    if let Some(last) = path.path.segments.last_mut() {
        last.arguments = PathArguments::AngleBracketed(parse_quote!(<Self>));
    }
}

/// The types of a `Reply<T, E>`, which no caller passes either.
fn reply_types(typed: &PatType, errors: &mut Errors) -> Option<(Type, Option<Type>)> {
    let reference = types::reference(&typed.ty);
    let taken = reference.map_or(&*typed.ty, |reference| &*reference.elem);
    let types = types::named(taken, "Reply")?;
    let (value, error) = (types.first()?, types.get(1));
    if reference.is_some() {
        let (name, taken) = (types::source(&typed.pat), types::source(taken));
        errors.help(
            &typed.ty,
            "a handler owns its `Reply`: an answer uses it up",
            &format!("write `{name}: {taken}`"),
        );
    }
    Some(((*value).clone(), error.map(|ty| (*ty).clone())))
}

/// An argument goes into a message: owned, one type.
fn value(typed: &mut PatType, errors: &mut Errors) {
    if let Some(opaque) = types::impl_trait(&typed.ty) {
        return one_type(opaque, &types::source(opaque), errors);
    }
    let Some(borrow) = types::borrow(&typed.ty) else {
        if let Some((owned, shared)) = types::owned_form(&typed.ty) {
            let message = format!(
                "`{}` is unsized, and cannot be part of a message",
                types::source(&typed.ty)
            );
            errors.help(
                &typed.ty,
                message,
                &format!("take `{owned}` (or `{shared}`)"),
            );
            // What rustc would say of the method too, it does not say of this.
            if let Ok(owned) = syn::parse_str(&owned) {
                *typed.ty = owned;
            }
        }
        return;
    };
    let name = types::source(&typed.pat);
    let whole = format!("{name}: {}", types::source(&typed.ty));
    let help = match types::reference(&typed.ty).map(|reference| &*reference.elem) {
        Some(lent) => match types::owned_form(lent) {
            Some((owned, shared)) => format!("take `{owned}` (or `{shared}`)"),
            None => {
                let lent = types::source(lent);
                format!("take `{lent}` (or `Arc<{lent}>`)")
            }
        },
        None => "take a type that owns its data".to_owned(),
    };
    let message =
        format!("`{whole}` borrows from the caller, but the call is sent to another process");
    errors.help(borrow, message, &help);
}

/// How the caller gets its answer.
pub(crate) fn answer(
    output: &ReturnType,
    reply: Option<(Type, Option<Type>)>,
    generics: &Generics,
    errors: &mut Errors,
) -> Answer {
    let ty = match output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) if types::is_unit(ty) => None,
        ReturnType::Type(_, ty) => Some(&**ty),
    };
    match (reply, ty) {
        (Some((value, error)), None) => Answer::Later(value, error),
        (Some((value, error)), Some(ty)) => {
            let (taken, given) = (types::source(&value), types::source(ty));
            errors.at(
                ty,
                format!("answer once: take `Reply<{taken}>` or return `{given}`, not both"),
            );
            Answer::Later(value, error)
        }
        (None, Some(ty)) => {
            if types::borrow(ty).is_some() {
                let owned = match types::reference(ty).map(|reference| &*reference.elem) {
                    Some(lent) => types::owned_form(lent)
                        .map_or_else(|| types::source(lent), |(owned, _)| owned),
                    None => "owned data".to_owned(),
                };
                let owned = if owned == "owned data" {
                    owned
                } else {
                    format!("`{owned}`")
                };
                errors.at(
                    ty,
                    format!("a reply is sent to another process and cannot borrow: return {owned}"),
                );
            }
            if let Some(answer) = boxed_error(ty, errors) {
                return answer;
            }
            match types::named(ty, "Result") {
                Some(arguments) if arguments.is_empty() && types::is_concrete(ty, generics) => {
                    Answer::Named(ty.clone())
                }
                Some(_) => Answer::Fallible(ty.clone()),
                None => Answer::Value(Some(ty.clone())),
            }
        }
        (None, None) => Answer::Value(None),
    }
}

/// An error in a box that does not say `Send`. rustc would say it of the box, and once more of each `?` after a call.
fn boxed_error(ty: &Type, errors: &mut Errors) -> Option<Answer> {
    let mut answered = ty.clone();
    let error = types::argument_mut(&mut answered, "Result", 1)?;
    let object = match types::argument_mut(error, "Box", 0)? {
        Type::TraitObject(object) => object,
        _ => return None,
    };
    let names = |bound: &TypeParamBound, names: &[&str]| match bound {
        TypeParamBound::Trait(bound) => bound
            .path
            .segments
            .last()
            .is_some_and(|last| names.iter().any(|name| last.ident == name)),
        _ => false,
    };
    let is_error = object
        .bounds
        .iter()
        .any(|bound| names(bound, &["Error", "StdError"]));
    if !is_error || object.bounds.iter().any(|bound| names(bound, &["Send"])) {
        return None;
    }
    let (at, whole) = (object.clone(), types::source(&*object));
    object.bounds.push(parse_quote!(::core::marker::Send));
    object.bounds.push(parse_quote!(::core::marker::Sync));
    errors.help(
        at,
        format!("`Box<{whole}>` cannot be sent to another process"),
        &format!(
            "write `Box<{whole} + Send + Sync>`, or `roundrock::Result`, whose error is made of any"
        ),
    );
    Some(Answer::Fallible(answered))
}

/// Methods the runtime calls itself take only what it can give.
pub(crate) fn runtime_calls(
    purpose: &Purpose,
    hook: &Hook,
    method: &Function,
    errors: &mut Errors,
) {
    let values = hook
        .parameters
        .iter()
        .filter(|parameter| matches!(parameter, Parameter::Value { .. }))
        .count();
    let replies = hook
        .parameters
        .iter()
        .any(|parameter| matches!(parameter, Parameter::Reply));
    let attribute = purpose.attribute();
    let expected = usize::from(matches!(purpose, Purpose::Input(..)));
    if values != expected || replies {
        let takes = if expected == 1 {
            "one message"
        } else {
            "no message"
        };
        errors.help(
            quote_inputs(method),
            format!("a method with `{attribute}` takes {takes}: nobody calls it but the runtime"),
            if expected == 1 {
                "write `(&mut self, message: T)`; `cx: &mut Cx` may follow"
            } else {
                "write `(&mut self)`; `cx: &mut Cx` may follow"
            },
        );
    }
}

fn quote_inputs(method: &Function) -> TokenStream {
    let inputs = &method.sig.inputs;
    quote!(#inputs)
}
