//! A type that does not exist, as a reply.

use roundrock::prelude::*;

#[process]
struct Queue {
    jobs: usize,
}

#[handlers]
impl Queue {
    fn status(&self) -> Status {
        todo!("{}", self.jobs)
    }
}

fn main() {}
