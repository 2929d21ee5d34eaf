//! Collects the mistakes of one item, so that all of them are reported together.
//!
//! A message says what is wrong; the help, in rustc's own form, says what to write instead.
//!
//! Input: the tokens a mistake points at, a message, a help. Output: one `compile_error!` each.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Error;

/// The mistakes found in one item.
#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<Error>);

impl Errors {
    /// Records a mistake at `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Into<String>) {
        self.push(Error::new_spanned(tokens, message.into()));
    }

    /// Records a mistake at `tokens` and says what to write instead.
    pub(crate) fn help(&mut self, tokens: impl ToTokens, message: impl Into<String>, help: &str) {
        self.push(with_help(tokens, message, help));
    }

    /// Records a mistake that was found elsewhere.
    pub(crate) fn push(&mut self, error: Error) {
        self.0.push(error);
    }

    /// Keeps the value, or records why there is none.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Whether no mistake was found since there were `before` of them.
    pub(crate) fn none_since(&self, before: usize) -> bool {
        self.0.len() == before
    }

    /// How many mistakes were found so far.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no mistake.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All mistakes as `compile_error!` items; nothing if there is none.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.into_iter().map(Error::into_compile_error).collect()
    }
}

/// A mistake at `tokens` with a help below it.
pub(crate) fn with_help(tokens: impl ToTokens, message: impl Into<String>, help: &str) -> Error {
    Error::new_spanned(tokens, format!("{}\n\n  = help: {help}", message.into()))
}
