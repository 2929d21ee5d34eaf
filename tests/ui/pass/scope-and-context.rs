//! `&Scope` and `&mut Cx` are no arguments of the constructor.

use roundrock::prelude::*;

#[process]
async fn serve(scope: &Scope, n: &u8, cx: &mut Cx) {
    let _ = n;
    cx.stop();
    scope.stopping().await;
}

fn wire(scope: &Scope) {
    scope.spawn(serve(1));
}

fn main() {}
