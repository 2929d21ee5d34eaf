//! The message enum of a struct process: one variant per handler that is called by message or
//! input, with the arguments and the reply slot kept apart.
//!
//! ```text
//! Input:   fn add(&mut self, by: i64) { .. }        fn get(&self) -> i64 { .. }
//!
//! Output:  pub enum __CounterMessage {
//!              H0((Parcel<i64>,), ReplySlot<(), Infallible>),
//!              H1((), ReplySlot<i64, Infallible>),
//!          }
//! ```

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericParam, Ident, Type};

use super::{at, private, private_at};
use crate::check::types;
use crate::model::{Answer, Block, Handler, Role};

/// Names of the enum and its variants.
pub(crate) struct Message<'a> {
    pub(crate) block: &'a Block,
    pub(crate) name: Ident,
}

impl<'a> Message<'a> {
    pub(crate) fn new(block: &'a Block) -> Self {
        Self {
            block,
            // Where the user wrote `impl`: rustc may say of a type that it does not know where a parameter could be added,
            // and says it once if that is the same place in the enum as in the `impl`.
            name: format_ident!("__{}Message", block.name, span = block.impl_span),
        }
    }

    /// The enum with the generics of the block, as a type.
    pub(crate) fn ty(&self) -> TokenStream {
        let name = &self.name;
        let (_, types, _) = self.block.generics.split_for_impl();
        generated!(#name #types)
    }

    /// The variant of a handler.
    pub(crate) fn variant(&self, number: usize) -> TokenStream {
        let (name, variant) = (&self.name, format_ident!("H{}", number));
        generated!(#name::#variant)
    }

    /// The enum.
    pub(crate) fn definition(&self) -> TokenStream {
        let private = private();
        let name = &self.name;
        let (params, _, where_clause) = self.block.generics.split_for_impl();
        let variants = self.messages().map(|(number, handler)| {
            let variant = format_ident!("H{}", number);
            let cfgs = &handler.hook.cfgs;
            let types = handler
                .values()
                .enumerate()
                .map(|(position, (_, ty, _))| self.value(number, position, ty));
            let slot = self.slot_types(number, handler).map(|(value, error)| {
                let span = Self::answer_span(handler);
                let private = private_at(span);
                quote_spanned!(at(span)=> , #private::ReplySlot<#value, #error>)
            });
            generated!(#(#cfgs)* #variant((#(#private::Parcel<#types>,)*) #slot))
        });
        let generics = self.generics().map(|types| {
            generated! {
                __Generics(::core::marker::PhantomData<#types>, ::core::convert::Infallible)
            }
        });
        let variants = variants.chain(generics);
        let aliases = self
            .messages()
            .map(|(number, handler)| self.aliases(number, handler));
        generated! {
            #(#aliases)*
            #[doc(hidden)]
            pub enum #name #params #where_clause {
                #(#variants,)*
            }
        }
    }

    /// A type that mentions all parameters, for a variant that never is; so that none is unused.
    fn generics(&self) -> Option<TokenStream> {
        let mut types = self
            .block
            .generics
            .params
            .iter()
            .filter_map(|parameter| match parameter {
                GenericParam::Type(parameter) => Some(&parameter.ident),
                _ => None,
            })
            .peekable();
        types.peek()?;
        Some(generated!((#(fn() -> *const #types,)*)))
    }

    /// Whether a handler has a `#[key]`.
    pub(crate) fn has_key(&self) -> bool {
        self.messages()
            .any(|(_, handler)| handler.values().any(|(.., key)| key))
    }

    /// `fn index`, `fn abandoned`, `fn show`, `fn key`.
    pub(crate) fn questions(&self) -> TokenStream {
        let private = private();
        let index = self.by_variant(|number, _| {
            let number = proc_macro2::Literal::usize_unsuffixed(number);
            (generated!(..), generated!(#number))
        });
        let abandoned = self.by_variant(|_, handler| match self.reply(handler) {
            Some(_) => (generated!(_, slot), generated!(slot.abandoned())),
            None => (generated!(..), generated!(false)),
        });
        let show = self.show();
        let key = self.has_key().then(|| {
            let key = self.by_variant(|number, handler| {
                let keys = handler.values().enumerate().filter(|(_, (.., key))| *key);
                let keys: Vec<_> = keys
                    .map(|(position, (_, ty, _))| self.key(number, position, ty))
                    .collect();
                if keys.is_empty() {
                    return (generated!(..), generated!(::core::option::Option::None));
                }
                (
                    generated!(values, ..),
                    generated!(::core::option::Option::Some(#private::keys() #(#keys)* .hash())),
                )
            });
            generated! {
                fn key(message: &Self::Message) -> ::core::option::Option<::core::primitive::u64> { #key }
            }
        });
        generated! {
            fn index(message: &Self::Message) -> ::core::primitive::u8 { #index }
            fn abandoned(message: &Self::Message) -> ::core::primitive::bool { #abandoned }
            #show
            #key
        }
    }

    /// `fn show`, if there is anything to show: the arguments, in words where they have `Debug`; and how to show the reply.
    fn show(&self) -> Option<TokenStream> {
        let private = private();
        let has_values = |handler: &Handler| handler.values().next().is_some();
        let mut messages = self.messages();
        messages.find(|(_, handler)| has_values(handler) || handler.says_something())?;
        let show = self.by_variant(|_, handler| {
            let positions: Vec<_> = (0..handler.values().count())
                .map(syn::Index::from)
                .collect();
            let learn = handler
                .says_something()
                .then(|| generated!((&#private::ShowReply(slot)).learn();));
            let pattern = match (has_values(handler), &learn) {
                (false, None) => return (generated!(..), generated!({})),
                (true, None) => generated!(values, ..),
                (false, Some(_)) => generated!(_, slot),
                (true, Some(_)) => generated!(values, slot),
            };
            (
                pattern,
                generated!({ #((&#private::ShowValue(values.#positions.peek())).show(shown);)* #learn }),
            )
        });
        Some(generated! {
            fn show(message: &Self::Message, shown: &mut #private::Shown) {
                use #private::{ViaDebug as _, ViaItem as _, ViaNoItem as _, ViaSilence as _};
                #show
            }
        })
    }

    /// `match message { H0(pattern) => value, … }`
    fn by_variant(
        &self,
        arm: impl Fn(usize, &Handler) -> (TokenStream, TokenStream),
    ) -> TokenStream {
        let arms = self.messages().map(|(number, handler)| {
            let variant = self.variant(number);
            let cfgs = &handler.hook.cfgs;
            let (pattern, value) = arm(number, handler);
            generated!(#(#cfgs)* #variant(#pattern) => #value,)
        });
        let rest = self.impossible(&generated!(*never));
        let arms: TokenStream = arms.chain(rest).collect();
        if arms.is_empty() {
            return generated!(match *message {});
        }
        // In a configuration that has none of them a reference is matched for which nothing is left, and that asks for an arm.
        let may_be_empty = self.generics().is_none()
            && self
                .messages()
                .all(|(_, handler)| !handler.hook.cfgs.is_empty());
        let none_left = may_be_empty.then(|| {
            generated!(
                #[allow(unreachable_patterns, reason = "there are handlers in this configuration")]
                _ => ::core::unreachable!(),
            )
        });
        generated!(match message { #arms #none_left })
    }

    /// The arm of the variant that never is; `never` is its uninhabited field.
    pub(crate) fn impossible(&self, never: &TokenStream) -> Option<TokenStream> {
        let name = &self.name;
        self.generics()
            .map(|_| generated!(#name::__Generics(_, never) => match #never {},))
    }

    /// The handlers that messages call, with their numbers.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (usize, &Handler)> {
        let handlers = self.block.handlers.iter().enumerate();
        handlers.filter(|(_, handler)| !matches!(handler.role, Role::Every { .. }))
    }

    /// `type __H0V1 = Job;` for the arguments, and `type __H0R = Answer;` for the answer, where they depend on no parameter.
    ///
    /// A type that does not exist is one error if rustc says the same of it wherever it stands. It does not say the same of a name
    /// alone and of one between angle brackets, where it offers to add a parameter; so it stands here as it does in the method.
    fn aliases(&self, number: usize, handler: &Handler) -> TokenStream {
        let cfgs = &handler.hook.cfgs;
        let values = handler.values().enumerate().map(|(position, (_, ty, _))| {
            let name = self.alias(&format!("__H{number}V{position}"), ty)?;
            Some(generated!(#(#cfgs)* type #name = #ty;))
        });
        let answer = Self::answer_type(handler).and_then(|ty| {
            let name = self.alias(&format!("__H{number}R"), ty)?;
            Some(generated!(#(#cfgs)* type #name = #ty;))
        });
        values.chain([answer]).flatten().collect()
    }

    /// The name of an alias, where the user wrote `impl`: a parameter could be added there.
    fn alias(&self, name: &str, ty: &Type) -> Option<Ident> {
        let may_miss = types::is_plain(ty, &self.block.generics) && !types::is_known(ty);
        may_miss.then(|| Ident::new(name, self.block.impl_span))
    }

    /// The type of an argument, or its alias.
    fn value(&self, number: usize, position: usize, ty: &Type) -> TokenStream {
        match self.alias(&format!("__H{number}V{position}"), ty) {
            Some(name) => name.into_token_stream(),
            None => self.resolve(ty.to_token_stream()),
        }
    }

    /// What a handler answers, if the user wrote it as such.
    fn answer_type(handler: &Handler) -> Option<&Type> {
        match &handler.role {
            Role::Call {
                answer: Answer::Value(Some(ty)),
                ..
            } if !matches!(ty, Type::Never(_)) => Some(ty),
            _ => None,
        }
    }

    /// The types of the answer and its error for the enum.
    fn slot_types(&self, number: usize, handler: &Handler) -> Option<(TokenStream, TokenStream)> {
        let (value, error) = self.reply(handler)?;
        let alias =
            Self::answer_type(handler).and_then(|ty| self.alias(&format!("__H{number}R"), ty));
        Some((alias.map_or(value, Ident::into_token_stream), error))
    }

    /// A type between the brackets of a call, or its alias where the user wrote it. In the handle the `impl` is the user's if the user
    /// wrote the type between brackets too: an alias is needed for a name alone.
    fn asked(&self, name: &str, ty: &Type, is_in_handle: bool) -> TokenStream {
        let alias = self.alias(name, ty);
        match alias.filter(|_| !is_in_handle || types::is_name(ty)) {
            Some(mut name) => {
                name.set_span(ty.span());
                name.into_token_stream()
            }
            None => self.resolve(ty.to_token_stream()),
        }
    }

    /// `parcel::<i64>`, at the type: that is where an argument that is no message is reported.
    pub(crate) fn parcel(&self, number: usize, position: usize, ty: &Type) -> TokenStream {
        let private = private_at(ty.span());
        let asked = self.asked(&format!("__H{number}V{position}"), ty, true);
        quote_spanned!(at(ty.span())=> #private::parcel::<#asked>)
    }

    /// `received::<i64, _>`, in the same place: there it is reported if the input gives another type.
    pub(crate) fn received(&self, number: usize, position: usize, ty: &Type) -> TokenStream {
        let private = private_at(ty.span());
        let asked = self.asked(&format!("__H{number}V{position}"), ty, false);
        quote_spanned!(at(ty.span())=> #private::received::<#asked, _>)
    }

    /// `.with::<String>(values.0.peek())`, at the type of a `#[key]` argument.
    fn key(&self, number: usize, position: usize, ty: &Type) -> TokenStream {
        let asked = self.asked(&format!("__H{number}V{position}"), ty, false);
        let position = syn::Index::from(position);
        quote_spanned!(at(ty.span())=> .with::<#asked>(values.#position.peek()))
    }

    /// `slot::<i64, Infallible>()`, at the return type.
    pub(crate) fn empty_slot(&self, number: usize, handler: &Handler) -> TokenStream {
        let span = Self::answer_span(handler);
        let private = private_at(span);
        let (mut reply, error) = self.reply(handler).unwrap_or_default();
        if let Some(ty) = Self::answer_type(handler) {
            reply = self.asked(&format!("__H{number}R"), ty, true);
        }
        quote_spanned!(at(span)=> #private::slot::<#reply, #error>())
    }

    /// Where the handler says what it answers: what is wrong with that is reported there.
    fn answer_span(handler: &Handler) -> Span {
        match &handler.role {
            Role::Call {
                answer:
                    Answer::Value(Some(ty))
                    | Answer::Fallible(ty)
                    | Answer::Named(ty)
                    | Answer::Later(ty, _),
                ..
            } => ty.span(),
            _ => Span::mixed_site(),
        }
    }

    /// The types of the answer and its error; none for an input.
    pub(crate) fn reply(&self, handler: &Handler) -> Option<(TokenStream, TokenStream)> {
        let private = private();
        let Role::Call { answer, .. } = &handler.role else {
            return None;
        };
        let infallible = || generated!(::core::convert::Infallible);
        Some(match answer {
            Answer::Value(None) => (generated!(()), infallible()),
            Answer::Value(Some(syn::Type::Never(_))) => (infallible(), infallible()),
            Answer::Value(Some(ty)) => (self.resolve(ty.to_token_stream()), infallible()),
            Answer::Fallible(ty) => {
                let span = at(ty.span());
                let ty = self.resolve(ty.to_token_stream());
                (
                    quote_spanned!(span=> <#ty as #private::ResultLike>::Ok),
                    quote_spanned!(span=> <#ty as #private::ResultLike>::Err),
                )
            }
            Answer::Named(ty) => {
                let answered = answered(ty);
                (
                    generated!(<#ty as #answered>::Ok),
                    generated!(<#ty as #answered>::Err),
                )
            }
            Answer::Later(value, error) => (
                self.resolve(value.to_token_stream()),
                error
                    .as_ref()
                    .map_or_else(infallible, |ty| self.resolve(ty.to_token_stream())),
            ),
        })
    }

    /// The user's type outside the user's `impl`: `Self` is spelled out.
    pub(crate) fn resolve(&self, tokens: TokenStream) -> TokenStream {
        types::with_self(tokens, &self.block.self_ty.to_token_stream())
    }
}

/// `Answered<{ .. }>`: what is called `Result` and has no arguments is asked itself whether it is Rust's.
pub(crate) fn answered(ty: &Type) -> TokenStream {
    let private = private();
    generated! {
        #private::Answered<{
            #[allow(unused_imports, reason = "Rust's own does not need it")]
            use #private::Otherwise as _;
            #private::Asked::<#ty>::IS_RESULT
        }>
    }
}
