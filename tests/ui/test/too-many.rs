//! Numbers that the options of a test cannot hold.

use roundrock::prelude::*;

#[roundrock::test(seeds = 4_294_967_296, max_steps = 10_000_000_000)]
async fn orders(_sim: &Sim) {}

fn main() {}
