//! A pool that runs is told how to share its messages out.

use roundrock::prelude::*;

#[process]
#[derive(Clone)]
struct Worker;

#[handlers]
impl Worker {
    fn hit(&self, #[key] key: u8) -> u8 {
        key
    }
}

async fn wire(scope: &Scope) -> Result<u8> {
    let workers = scope.pool(2, Worker).by_key();
    Ok(workers.hit(1).await? + 1)
}

fn main() {}
