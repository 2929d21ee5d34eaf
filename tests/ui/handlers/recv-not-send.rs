//! An input of messages that cannot move to another thread.

use std::rc::Rc;

use roundrock::prelude::*;

#[process]
struct Queue {
    jobs: Receiver<Rc<u8>>,
    sum: u8,
}

#[handlers]
impl Queue {
    #[recv(jobs)]
    fn push(&mut self, job: Rc<u8>) {
        self.sum += *job;
    }
}

fn main() {}
