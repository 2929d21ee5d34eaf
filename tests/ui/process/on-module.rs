//! `#[process]` on a module.

use roundrock::prelude::*;

#[process]
mod job {
    pub struct Job;
}

fn main() {}
