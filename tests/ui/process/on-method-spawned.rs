//! `#[process]` on methods, what they return is spawned or awaited.

use roundrock::prelude::*;

struct Job<T> {
    m: T,
}

impl<T: Clone + Send + Sync + 'static> Job<T> {
    #[process]
    async fn run(&self, raw: &Receiver<u8>, seen: Vec<u8>, scope: &Scope) -> Result<T> {
        let next = raw.recv().await.context("none is left")?;
        scope.task("next", async move { drop(next) });
        drop(seen);
        Ok(self.m.clone())
    }

    #[process]
    async fn turn(&mut self, m: T) {
        self.m = m;
    }

    #[process]
    async fn get(self) -> T {
        self.m
    }

    #[process(blocking)]
    fn read(&self) -> ! {
        loop {}
    }
}

async fn wire(scope: &Scope) -> Result<u8> {
    let (_, raw) = bounded(1);
    let mut job = Job { m: 1_u8 };
    let m = scope.spawn(job.run(raw, Vec::new())).await?;
    let (_, raw) = bounded(1);
    let same = job.run(&raw, vec![]).await?;
    job.turn(same).await;
    scope.spawn(job.read());
    Ok(m + job.get().await)
}

fn main() {}
