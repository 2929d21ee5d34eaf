//! `#[handlers]` on an `impl`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Ident, ReturnType, Type};

use super::method::{self, Purpose};
use super::{generics, options, types};
use crate::errors::Errors;
use crate::fallback;
use crate::model::{Answer, Block, Handler, Hook, Parameter, Role};
use crate::parse::item::{Function, Impl, Item, Member};
use crate::parse::unfinished::Unfinished;

/// Handlers are numbered in a byte, and 255 of them are enough.
const HANDLERS_MAX: usize = 255;

/// `#[handlers]` on something that is no `impl`.
pub(crate) fn wrong_item(item: &Item, errors: &mut Errors) {
    let (keyword, what) = match item {
        Item::Struct(item) => (item.struct_token.to_token_stream(), "a struct"),
        Item::Function(function) => (function.sig.fn_token.to_token_stream(), "a function"),
        Item::Impl(item) => (item.impl_token.to_token_stream(), "a trait impl"),
        Item::Other(keyword, what) => (keyword.clone(), what.as_str()),
    };
    let message = format!("`#[handlers]` goes on the `impl` of a struct, not on {what}");
    let help = match item {
        Item::Struct(_) | Item::Function(_) => "write `#[process]` here",
        _ => "put the methods that other processes may call into `impl Name { }`",
    };
    errors.help(keyword, message, help);
}

/// Checks a block. `None`: it is not the `impl` of a struct.
pub(crate) fn check(arguments: TokenStream, block: Impl, errors: &mut Errors) -> Option<Block> {
    options::none(arguments, errors);
    checked(block, false, errors)
}

/// The block that was probably meant, beside the error that it has another attribute: all its methods are stubs. What else is wrong
/// in it is told when that is put right.
pub(crate) fn guessed(block: Impl) -> Option<Block> {
    checked(block, true, &mut Errors::default())
}

fn checked(block: Impl, is_stub: bool, errors: &mut Errors) -> Option<Block> {
    let is_stub = generics::borrow(&block.generics, &block.self_ty, errors) || is_stub;
    let (generics, self_ty) = if is_stub {
        let generics = generics::without_lifetimes(block.generics.clone());
        (generics, generics::owned(&block.self_ty))
    } else {
        (block.generics.clone(), block.self_ty.clone())
    };
    let Some((name, handle)) = handle(&self_ty) else {
        errors.at(
            &block.self_ty,
            "`#[handlers]` goes on the `impl` of a struct",
        );
        return None;
    };
    let mut checked = Block {
        item: TokenStream::new(),
        cfgs: types::only(&block.attrs, &["cfg"]),
        generics: generics::outliving(generics::named(generics, &self_ty)),
        self_ty,
        impl_span: block.impl_token.span,
        is_stub,
        handle,
        name,
        handlers: Vec::new(),
        on_start: Vec::new(),
        on_stop: Vec::new(),
        stubs: Vec::new(),
        full: false,
    };
    let mut members = Vec::new();
    for member in block.members {
        match member {
            Member::Method(mut method) => {
                checked.method(&mut method, errors);
                members.push(method.to_token_stream());
            }
            Member::Unfinished(unfinished) => members.push(checked.unfinished(unfinished)),
            Member::Other(tokens) => members.push(tokens),
        }
    }
    let Block {
        stubs, handlers, ..
    } = &mut checked;
    stubs.retain(|stub| !is_port(&stub.name, handlers));
    checked.item = item(
        &block.attrs,
        block.impl_token,
        &block.generics,
        &block.self_ty,
        &members,
    );
    Some(checked)
}

fn item(
    attrs: &[Attribute],
    impl_token: syn::token::Impl,
    generics: &syn::Generics,
    self_ty: &Type,
    members: &[TokenStream],
) -> TokenStream {
    let where_clause = &generics.where_clause;
    quote_spanned! {Span::mixed_site()=>
        #[allow(
            clippy::missing_const_for_fn,
            clippy::must_use_candidate,
            clippy::needless_pass_by_value,
            clippy::needless_pass_by_ref_mut,
            clippy::unused_self,
            reason = "a handler has the shape of its message"
        )]
        #(#attrs)*
        #impl_token #generics #self_ty #where_clause { #(#members)* }
    }
}

/// Whether the handle has a port of this name, or may have.
fn is_port(name: &Ident, handlers: &[Handler]) -> bool {
    let name = name.to_string();
    let port_of = |handler: &Handler| name == format!("{}_port", handler.name);
    handlers.iter().any(port_of)
}

/// `path::Counter<T>` gives `Counter` and `path::CounterHandle<T>`.
fn handle(self_ty: &Type) -> Option<(Ident, TokenStream)> {
    let Type::Path(path) = types::bare(self_ty) else {
        return None;
    };
    let mut path = path.clone();
    let last = path.path.segments.last_mut()?;
    let name = last.ident.clone();
    last.ident = format_ident!("{}Handle", name);
    Some((name, path.into_token_stream()))
}

impl Block {
    /// Checks one method and files it under its role.
    fn method(&mut self, method: &mut Function, errors: &mut Errors) {
        let before = errors.count();
        let purpose = method::purpose(method, errors);
        method::shape(method, errors);
        let (parameters, reply) = method::parameters(method, errors);
        let hook = Hook {
            cfgs: types::only(&method.attrs, &["cfg"]),
            method: method.sig.ident.clone(),
            asynchronous: method.sig.asyncness.map(|token| token.span),
            output: match &method.sig.output {
                ReturnType::Default => None,
                ReturnType::Type(_, ty) => Some(ty.span()),
            },
            parameters,
        };
        let Some(purpose) = purpose else { return };
        if let Purpose::Call(name) = purpose {
            method::name(&name, errors);
            let answer = method::answer(&method.sig.output, reply, &self.generics, errors);
            if errors.none_since(before) && !self.is_stub {
                self.call(name, hook, method, answer, errors);
            } else {
                // Also in place of what every handle has: the program calls its own.
                self.stubs
                    .push(fallback::handle_method(&name, method, &hook, &answer));
            }
            return;
        }
        method::runtime_calls(&purpose, &hook, method, errors);
        if errors.none_since(before) && !self.is_stub {
            self.hook(purpose, hook, method, errors);
        }
    }

    /// Keeps a method whose signature is being written among the calls, and gives it as the user has it. Nothing is said of it:
    /// rustc has done that.
    fn unfinished(&mut self, unfinished: Unfinished) -> TokenStream {
        let Unfinished {
            signature,
            mut method,
        } = unfinished;
        let is_keyed = |input: &FnArg| match input {
            FnArg::Typed(typed) => typed.attrs.iter().any(|attr| types::is_helper(attr, "key")),
            FnArg::Receiver(_) => false,
        };
        // Our attributes are taken off the parsed one only.
        let is_parsed_given = method.sig.inputs.iter().any(is_keyed);
        let is_stub = std::mem::replace(&mut self.is_stub, true);
        self.method(&mut method, &mut Errors::default());
        self.is_stub = is_stub;
        if is_parsed_given {
            return method.to_token_stream();
        }
        let Function {
            attrs, vis, body, ..
        } = &*method;
        quote!(#(#attrs)* #vis #signature #body)
    }

    fn call(
        &mut self,
        name: Ident,
        hook: Hook,
        method: &Function,
        answer: Answer,
        errors: &mut Errors,
    ) {
        let twin = self.handlers.iter().find(|other| {
            other.name == name
                && other.hook.cfgs.is_empty()
                && hook.cfgs.is_empty()
                && other.is_call()
        });
        if let Some(twin) = twin {
            // Two methods of one name are rustc's to report.
            if twin.hook.method != hook.method {
                errors.help(
                    &name,
                    format!("two handlers are called `{name}`"),
                    "rename one of them",
                );
            }
            return;
        }
        let vis = method.vis.clone();
        let attrs = types::only(&method.attrs, &["doc", "deprecated", "cfg"]);
        self.number(
            Handler {
                hook,
                name,
                role: Role::Call { vis, attrs, answer },
            },
            errors,
        );
    }

    fn hook(&mut self, purpose: Purpose, hook: Hook, method: &Function, errors: &mut Errors) {
        let name = method.sig.ident.clone();
        match purpose {
            Purpose::Input(field, span) => {
                self.fed_once(&field, span, &hook, errors);
                self.number(
                    Handler {
                        hook,
                        name,
                        role: Role::Input { field, span },
                    },
                    errors,
                );
            }
            Purpose::Every(nanos) => {
                self.number(
                    Handler {
                        hook,
                        name,
                        role: Role::Every { nanos },
                    },
                    errors,
                );
            }
            Purpose::OnStart => once(&mut self.on_start, hook, &name, "#[on_start]", errors),
            Purpose::OnStop | Purpose::Call(_) => {
                once(&mut self.on_stop, hook, &name, "#[on_stop]", errors)
            }
        }
    }

    /// Two methods for one field would compete for its messages.
    fn fed_once(&self, field: &syn::Member, span: Span, hook: &Hook, errors: &mut Errors) {
        let twin = self.handlers.iter().any(|other| {
            matches!(&other.role, Role::Input { field: taken, .. } if taken == field)
                && other.hook.cfgs.is_empty()
                && hook.cfgs.is_empty()
        });
        if twin {
            let field = types::source(field);
            errors.help(
                proc_macro2::Ident::new("field", span),
                format!("the messages of `{field}` go to another method already"),
                "do both in one method, or give the second one a `Receiver<_>` of its own",
            );
        }
    }

    fn number(&mut self, handler: Handler, errors: &mut Errors) {
        // One too many is reported; it and all after it are left out.
        if self.handlers.len() == HANDLERS_MAX && !self.full {
            self.full = true;
            errors.help(
                &handler.hook.method,
                format!("a process has at most {HANDLERS_MAX} handlers"),
                "split it into processes with one responsibility each",
            );
        }
        if !self.full {
            self.handlers.push(handler);
        }
    }
}

impl Handler {
    /// Whether messages call it.
    pub(crate) fn is_call(&self) -> bool {
        matches!(self.role, Role::Call { .. })
    }

    /// Whether it answers a call with more than that it was handled.
    pub(crate) fn says_something(&self) -> bool {
        match &self.role {
            Role::Call { answer, .. } => match answer {
                Answer::Value(ty) => !matches!(ty, None | Some(Type::Never(_))),
                Answer::Fallible(_) | Answer::Named(_) | Answer::Later(..) => true,
            },
            Role::Input { .. } | Role::Every { .. } => false,
        }
    }

    /// The parameters that are part of the message.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&Ident, &Type, bool)> {
        self.hook
            .parameters
            .iter()
            .filter_map(|parameter| match parameter {
                Parameter::Value { name, ty, key, .. } => Some((name, ty, *key)),
                _ => None,
            })
    }
}

fn once(hooks: &mut Vec<Hook>, hook: Hook, name: &Ident, attribute: &str, errors: &mut Errors) {
    // Which of two configurations holds, only rustc knows.
    let always = |hook: &Hook| hook.cfgs.is_empty();
    if !hooks.is_empty() && (always(&hook) || hooks.iter().any(always)) {
        errors.help(
            name,
            format!("`{attribute}` is on another method already"),
            "call one from the other",
        );
        return;
    }
    hooks.push(hook);
}

/// Whether a method that returns this gives the caller nothing but the fact that it is done.
pub(crate) fn gives_nothing(answer: &Answer) -> bool {
    matches!(answer, Answer::Value(None))
}
