//! Sequences of operations on a `oneshot`, a `latest` or a `broadcast`, chosen by the first byte, which must agree with the model of
//! each. The harness is that of the behaviour tests, which run it in CI.

#![no_main]
#![allow(
    dead_code,
    unused_imports,
    reason = "the harness has tests beside what is used here"
)]

#[path = "../../tests/behaviour/flavors/mod.rs"]
mod flavors;

use libfuzzer_sys::fuzz_target;
use roundrock::prelude::*;

fuzz_target!(|bytes: &[u8]| {
    let bytes = bytes.to_vec();
    let run = System::builder().workers(1).run(async move |scope| {
        flavors::of_bytes(&bytes, &mut flavors::Books::new(scope.system()));
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error:?}");
    }
});
