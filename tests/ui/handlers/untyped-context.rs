//! What only the typed context has is asked of the other one.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn add(&mut self, cx: &mut Cx) {
        cx.spawn_then(async { 1 }, |counter, by| counter.n += by);
    }
    fn port(&self, context: &mut roundrock::Cx) -> Option<Sender<i64>> {
        let handle = { context.handle()? };
        Some(handle.set_port())
    }
    fn set(&mut self, n: i64) {
        self.n = n;
    }
}

async fn wire(counter: &CounterHandle) -> Result<()> {
    counter.add().await?;
    let port = counter.port().await?.context("it lives")?;
    port.send(1).await?;
    Ok(())
}

fn main() {}
