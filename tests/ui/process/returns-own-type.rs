//! A process returns a value of the user's own that is no `Result`.

use roundrock::prelude::*;

struct Report {
    n: u32,
}

#[process]
async fn count(raw: &Receiver<u8>) -> Report {
    raw.recv().await;
    Report { n: 1 }
}

fn main() {}
