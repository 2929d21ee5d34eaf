//! A lent argument that is `&'static`.

use roundrock::prelude::*;

struct Rules;

#[process]
async fn route(raw: &Receiver<u8>, rules: &'static Rules) {
    let _ = (raw, rules);
}

fn wire(scope: &Scope, raw: Receiver<u8>, rules: Rules) {
    scope.spawn(route(raw, rules));
}

fn main() {}
