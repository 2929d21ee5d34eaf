//! `select!`.
//!
//! ```text
//! Input:   job = jobs.recv(), if ready => work(job).await,
//!          else => break,
//!
//! Output:  match {
//!              let selected = Select::new(&["jobs.recv()"]).with_else()
//!                  .run(Cons { event: if ready { Some(event(jobs.recv())) } else { None }, rest: Nil })
//!                  .await;
//!              selected
//!          } {
//!              Selected::Arm(Either::Here(value)) => { let job = value; work(job).await }
//!              Selected::Arm(Either::There(never)) => match never {},
//!              Selected::Default => not_selected(),
//!              Selected::Else => break,
//!          }
//! ```
//!
//! Bodies are in the outer match: all events are dropped before one runs, and `break`, `?` and
//! `.await` in it mean what they mean outside.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::Expr;
use syn::spanned::Spanned;

use super::{at, private, private_at};
use crate::model::{Branch, Select, Wait};

/// Expands a selection.
pub(crate) fn expand(select: &Select) -> TokenStream {
    let private = private();
    let run = run(select);
    let arms = select
        .branches
        .iter()
        .enumerate()
        .map(|(number, branch)| arm(number, branch));
    let end = place(select.branches.len(), generated!(never));
    let other = |body: &Option<TokenStream>| match body {
        Some(body) => body.clone(),
        None => generated!(#private::not_selected()),
    };
    let (default, otherwise) = (other(&select.default), other(&select.otherwise));
    generated! {
        match {
            let selected = #run;
            selected
        } {
            #(#arms)*
            #private::Selected::Arm(#end) => match never {},
            #private::Selected::Default => #default,
            #private::Selected::Else => #otherwise,
        }
    }
}

/// The pattern of the branch with this number: `There(There(Here(inner)))`.
pub(super) fn arm_pattern(number: usize, inner: &TokenStream) -> TokenStream {
    let private = private();
    place(number, generated!(#private::Either::Here(#inner)))
}

/// What lies behind the first `number` branches.
fn place(number: usize, inner: TokenStream) -> TokenStream {
    let private = private();
    (0..number).fold(
        inner,
        |inner, _| generated!(#private::Either::There(#inner)),
    )
}

/// `Cons { event: e0, rest: Cons { event: e1, rest: Nil } }`
pub(super) fn list(events: impl DoubleEndedIterator<Item = TokenStream>) -> TokenStream {
    let private = private();
    events.rev().fold(
        generated!(#private::Nil),
        |rest, event| generated!(#private::Cons { event: #event, rest: #rest }),
    )
}

/// `Some(event(jobs.recv()))`
fn event(branch: &Branch) -> TokenStream {
    let event = match &branch.wait {
        Wait::Event(event) => {
            let private = private_at(event.span());
            quote_spanned!(at(event.span())=> #private::event(#event))
        }
        Wait::Send { sender, .. } => {
            let private = private_at(sender.span());
            let ready = quote_spanned!(at(sender.span())=> #sender.ready());
            // Without a pattern nobody would learn that the other side is gone: the branch is disabled then.
            let wait = match &branch.pattern {
                Some(_) => ready,
                None => quote_spanned!(at(sender.span())=> #private::room(#ready)),
            };
            quote_spanned!(at(sender.span())=> #private::event(#wait))
        }
    };
    let some = generated!(::core::option::Option::Some(#event));
    match &branch.guard {
        Some(guard) => {
            generated!(if #guard { #some } else { ::core::option::Option::None })
        }
        None => some,
    }
}

/// The wait itself.
fn run(select: &Select) -> TokenStream {
    let private = private();
    let sources = select.branches.iter().map(|branch| &branch.source);
    let list = list(select.branches.iter().map(event));
    let biased = select.biased.then(|| generated!(.biased()));
    let default = select
        .default
        .is_some()
        .then(|| generated!(.with_default()));
    let otherwise = select.otherwise.is_some().then(|| generated!(.with_else()));
    generated! {
        #private::Select::new(&[#(#sources),*]) #biased #default #otherwise
            .run(#list)
            .await
    }
}

/// What happens when a branch is taken.
fn arm(number: usize, branch: &Branch) -> TokenStream {
    let private = private();
    let place = arm_pattern(number, &generated!(value));
    let Branch {
        pattern,
        wait,
        body,
        ..
    } = branch;
    // `_ = sleep(..)` says that nobody looks at what comes of it, which is `()` for many events. Around the binding alone: the body
    // is the user's.
    let body = quiet_braces(body);
    let lints = generated! {
        #[allow(clippy::ignored_unit_patterns, reason = "every branch has a pattern")]
    };
    let bind = match (wait, pattern) {
        (Wait::Event(_), Some(pattern)) => {
            generated!(#lints let #pattern = value;)
        }
        (Wait::Event(_), None) => generated!(::core::mem::drop(value);),
        (Wait::Send { value, .. }, Some(pattern)) => {
            let sent = quote_spanned!(at(value.span())=> #private::send_ready(value, #value));
            generated!(#lints let #pattern = #sent; #private::sent();)
        }
        (Wait::Send { value, .. }, None) => {
            let sent = quote_spanned!(at(value.span())=> #private::send_room(value, #value));
            generated!(#sent; #private::sent();)
        }
    };
    generated! {
        #private::Selected::Arm(#place) => { #bind #body }
    }
}

/// The body, with the braces of `{ n }` in our name: rustc would say that they are not needed, which they were not in the arm of a
/// `match`. Around more than an expression it says nothing, and there they stay the user's, for messages that point at them.
fn quiet_braces(body: &TokenStream) -> TokenStream {
    let mut tokens = body.clone().into_iter();
    let (Some(TokenTree::Group(group)), None) = (tokens.next(), tokens.next()) else {
        return body.clone();
    };
    if group.delimiter() != Delimiter::Brace || syn::parse2::<Expr>(group.stream()).is_err() {
        return body.clone();
    }
    let mut quiet = Group::new(Delimiter::Brace, group.stream());
    quiet.set_span(at(group.span()));
    TokenTree::Group(quiet).into()
}
