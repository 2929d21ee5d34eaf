//! Two contexts in one method; no call passes either.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn add(&mut self, cx: &mut Cx, by: i64, again: &mut Cx<Self>) -> i64 {
        cx.stop();
        again.stop();
        self.n += by;
        self.n
    }
    #[on_start]
    fn start(&mut self, cx: &mut Cx, again: &mut Cx) {
        cx.stop();
        again.stop();
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let counter = scope.spawn(Counter { n: 0 });
    println!("{}", counter.add(1).await?);
    Ok(())
}
