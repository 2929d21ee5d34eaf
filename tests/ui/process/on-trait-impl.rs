//! `#[process]` on a trait impl.

use roundrock::prelude::*;

struct Job;

#[process]
impl Clone for Job {
    fn clone(&self) -> Self {
        Job
    }
}

fn main() {}
