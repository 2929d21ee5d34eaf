//! Bodies without the comma behind them: where the next branch begins can be told, or it is read as part of the body.

use roundrock::prelude::*;

async fn told(jobs: &Receiver<u8>, more: &Receiver<u8>) {
    select! {
        job = jobs.recv() => drop(job)
        job = more.recv() => drop(job),
    }
}

async fn before_a_word(jobs: &Receiver<u8>) -> u8 {
    select! {
        job = jobs.recv() => job + 1
        else => 0
    }
}

async fn before_a_send(jobs: &Receiver<u8>, out: &Sender<u8>) {
    select! {
        _ = jobs.recv() => ()
        out.send(1), if out.len() > 1 => {}
    }
}

async fn swallowed(jobs: &Receiver<u8>, more: &Receiver<u8>) {
    loop {
        select! {
            _ = jobs.recv() => break
            job = more.recv() => drop(job),
        }
    }
}

fn main() {}
