//! A future cannot be made again either.

use roundrock::prelude::*;

async fn poll() {}

fn start(scope: &Scope) {
    let _ = scope.supervise(poll());
}

fn main() {}
