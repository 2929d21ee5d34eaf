//! A state cannot be made again: a supervisor needs a factory.

use roundrock::prelude::*;

#[process]
struct Worker {
    jobs: u32,
}

#[handlers]
impl Worker {
    fn work(&mut self) {
        self.jobs += 1;
    }
}

fn start(scope: &Scope) {
    let _ = scope.supervise(Worker { jobs: 0 });
}

fn main() {}
