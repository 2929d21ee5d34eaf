//! The word with a comma, as if it were a branch, and with nothing behind it.

use roundrock::prelude::*;

async fn comma(jobs: &Receiver<u8>) {
    select! {
        biased,
        job = jobs.recv() => drop(job),
    }
}

async fn nothing(jobs: &Receiver<u8>) {
    select! {
        biased
        _ = jobs.recv() => {}
    }
}

async fn late(jobs: &Receiver<u8>) {
    select! {
        job = jobs.recv() => drop(job),
        biased;
    }
}

/// A name as any other.
async fn bound(jobs: &Receiver<u8>) {
    select! {
        biased = jobs.recv() => drop(biased),
    }
}

fn main() {}
