//! Tokens to syntax. Grammar only; no rule is judged here.
//!
//! Bodies of functions stay raw tokens, so half-typed code passes through and completes in an IDE.
//! Reading order: [`fragment`], [`arguments`], [`item`], [`unfinished`],
//! [`select`].

pub(crate) mod arguments;
pub(crate) mod fragment;
pub(crate) mod item;
pub(crate) mod select;
pub(crate) mod unfinished;
