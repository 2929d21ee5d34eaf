//! A lent argument with a named lifetime.

use roundrock::prelude::*;

struct Rules;

#[process]
async fn route<'a>(raw: &Receiver<u8>, rules: &'a Rules) {
    let _ = (raw, rules);
}

fn wire(scope: &Scope, raw: Receiver<u8>, rules: Rules) {
    scope.spawn(route(raw, rules));
}

fn main() {}
