//! A test that is no `async fn`.

use roundrock::prelude::*;

#[roundrock::test]
fn orders(_sim: &Sim) {}

fn main() {}
