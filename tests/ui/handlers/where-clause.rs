//! A handler with bounds of its own.

use roundrock::prelude::*;
use std::fmt::Debug;

#[process]
struct Store<T: Send + 'static> {
    kept: Vec<T>,
}

#[handlers]
impl<T: Send + 'static> Store<T> {
    fn dump(&self) -> String
    where
        T: Debug,
    {
        format!("{:?}", self.kept)
    }
}

fn main() {}
