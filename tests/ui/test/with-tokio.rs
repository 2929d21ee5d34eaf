//! A simulated test that wants a reactor.

use roundrock::prelude::*;

#[roundrock::test(tokio = true)]
async fn orders(_sim: &Sim) {}

fn main() {}
