//! A key that no caller passes.

use roundrock::prelude::*;

#[process]
#[derive(Clone)]
struct Cache {
    hits: u32,
}

#[handlers]
impl Cache {
    fn get(&mut self, name: String, #[key] cx: &mut Cx) -> u32 {
        self.hits += u32::from(name.is_empty());
        cx.stop();
        self.hits
    }
    fn later(&mut self, #[key] reply: Reply<u32>) {
        reply.send(self.hits);
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let cache = scope.pool(2, Cache { hits: 0 }.by_key());
    let _: u32 = cache.get("a".to_owned()).await? + cache.later().await?;
    Ok(())
}
