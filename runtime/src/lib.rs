//! Roundrock.
