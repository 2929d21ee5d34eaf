//! Sequences of operations on a channel, which must agree with the sequential model: what completes, who is woken, what is
//! dropped when, and what the ledger says of each message. The harness is that of the behaviour tests, which run it in CI.

#![no_main]
#![allow(
    dead_code,
    unused_imports,
    reason = "the harness has tests beside what is used here"
)]

#[path = "../../tests/behaviour/model.rs"]
mod model;
#[path = "../../tests/behaviour/pair.rs"]
mod pair;
#[path = "../../tests/behaviour/random.rs"]
mod random;

use libfuzzer_sys::fuzz_target;
use roundrock::prelude::*;

fuzz_target!(|bytes: &[u8]| {
    let bytes = bytes.to_vec();
    let run = System::builder().workers(1).run(async move |scope| {
        random::of_bytes(&bytes, &scope.system());
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error:?}");
    }
});
