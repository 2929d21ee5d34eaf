//! A test that is marked twice.

use roundrock::prelude::*;

#[roundrock::test]
#[test]
async fn orders(_sim: &Sim) {}

fn main() {}
