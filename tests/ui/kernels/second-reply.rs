//! The double send of Uber's study, with a reply: the token is used up by the first one.

use roundrock::prelude::*;

#[process]
struct Fetch {
    failed: bool,
}

#[handlers]
impl Fetch {
    fn get(&mut self, reply: Reply<u8>) {
        if self.failed {
            reply.send(0);
        }
        reply.send(1);
    }
}

fn main() {}
