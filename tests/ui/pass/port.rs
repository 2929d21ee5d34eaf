//! A handler with one argument and no reply is also a sender.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn add(&mut self, by: i64) {
        self.n += by;
    }
}

#[process]
async fn count(out: &Sender<i64>) -> Result<()> {
    out.send(1).await?;
    Ok(())
}

fn wire(scope: &Scope) {
    let counter = scope.spawn(Counter { n: 0 });
    scope.spawn(count(counter.add_port()));
}

fn main() {}
