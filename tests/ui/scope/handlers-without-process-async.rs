//! A struct has `#[handlers]` and no `#[process]`, and its methods are `async`.

use roundrock::prelude::*;

struct Plain {
    jobs: Receiver<u8>,
}

#[handlers]
impl Plain {
    async fn get(&mut self) -> Option<u8> {
        self.jobs.recv().await
    }

    #[every("1s")]
    async fn tick(&mut self) {}

    #[on_stop]
    async fn end(&mut self) {}
}

fn main() {}
