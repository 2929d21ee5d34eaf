//! A process that fails with an error which no other thread may have, by an alias of the user's.

use roundrock::prelude::{Receiver, process};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[process]
async fn count(jobs: &Receiver<u8>) -> Result<u32> {
    jobs.recv().await;
    Ok(1)
}

fn main() {}
