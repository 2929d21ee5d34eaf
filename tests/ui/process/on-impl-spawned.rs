//! `#[process]` on the `impl` of a process, which is spawned and called.

use roundrock::prelude::*;

#[process]
struct Counter<T> {
    n: i64,
    name: T,
}

#[process]
impl<T: Clone + 'static> Counter<T> {
    /// Adds.
    pub fn add(&mut self, by: i64) -> i64 {
        self.n += by;
        self.n
    }
    async fn rename(&mut self, name: T, cx: &mut Cx<Self>) -> Result<()> {
        cx.stop();
        self.name = name;
        Ok(())
    }
    fn text(&self, reply: Reply<T>) {
        reply.send(self.name.clone());
    }
}

async fn wire(scope: &Scope) -> Result<i64> {
    let counter = scope.spawn(Counter {
        n: 0,
        name: String::new(),
    });
    counter.rename("a".to_owned()).await?;
    assert!(counter.text().await?.is_empty());
    Ok(counter.add(1).await? + 1)
}

fn main() {}
