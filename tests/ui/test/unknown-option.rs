//! Options that do not exist, and one whose value is wrong.

use roundrock::prelude::*;

#[roundrock::test(seed = 7, faults(panik = 0.1), strategy = "dfs")]
async fn orders(_sim: &Sim) {}

fn main() {}
