//! Names of the user that expansions use too.

use roundrock::prelude::*;

struct Message;
struct Handle;
struct Sender;
struct Result;
const META: u8 = 1;

#[process]
struct Counter {
    visitor: u8,
}

#[handlers]
impl Counter {
    fn message(&mut self, message: Message, slot: Handle, value: Sender) -> u8 {
        let _ = (message, slot, value, Result);
        META + self.visitor
    }
}

#[process]
async fn lent(lent: &Message, owned: Handle, env: u8, scope: &Scope) -> core::result::Result<u8, String> {
    let _ = (lent, owned, scope);
    Ok(env + META)
}

fn wire(scope: &Scope) {
    scope.spawn(Counter { visitor: 1 });
    scope.spawn(lent(Message, Handle, 1));
}

fn main() {}
