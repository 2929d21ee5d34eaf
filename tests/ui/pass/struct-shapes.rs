//! Unit and tuple structs, and a struct without messages.

use roundrock::prelude::*;

#[process]
struct Unit;

#[handlers]
impl Unit {
    fn get(&self) -> u8 {
        1
    }
}

#[process]
struct Tuple(u8, Receiver<u8>);

#[handlers]
impl Tuple {
    #[recv(1)]
    fn next(&mut self, n: u8) {
        self.0 = n;
    }
}

#[process]
struct Silent;

#[handlers]
impl Silent {}

async fn wire(scope: &Scope, input: Receiver<u8>) -> Result<u8> {
    scope.spawn(Tuple(0, input));
    scope.spawn(Silent);
    Ok(scope.spawn(Unit).get().await?)
}

fn main() {}
