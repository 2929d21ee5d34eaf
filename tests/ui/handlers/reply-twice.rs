// P25: a call has one answer. A reply is used up by it.
use roundrock::prelude::*;

#[process]
struct Desk;

#[handlers]
impl Desk {
    fn ask(&mut self, reply: Reply<u32>) {
        reply.send(1);
        reply.send(2);
    }
}

fn main() {}
