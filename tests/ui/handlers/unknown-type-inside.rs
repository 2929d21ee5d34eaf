//! A type that does not exist, inside of another one, in an input.

use roundrock::prelude::*;

#[process]
struct Queue {
    jobs: Receiver<Vec<u8>>,
}

#[handlers]
impl Queue {
    #[recv(jobs)]
    fn push(&mut self, jobs: Vec<Job>) {
        let _ = jobs;
    }
}

fn main() {}
