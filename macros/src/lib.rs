//! The attribute macros of Roundrock.
