//! Arguments that borrow, and the program passes what the compiler has yet to infer; that gives no further error.

use roundrock::prelude::*;

#[process]
struct Counter {
    m: Vec<u8>,
}

#[handlers]
impl Counter {
    fn put(&mut self, more: &Vec<u8>) {
        self.m.extend(more);
    }
    fn cut(&mut self, last: &[u8]) {
        self.m.truncate(last.len());
    }
    fn set(&mut self, by: &mut u64) {
        *by = self.m.len() as u64;
    }
}

async fn wire(counter: &CounterHandle) -> Result<()> {
    counter.put(&"1 2".split(' ').flat_map(str::parse).collect()).await?;
    counter.put(vec![]).await?;
    counter.cut(&[]).await?;
    counter.cut(Vec::new()).await?;
    counter.cut(&vec![]).await?;
    counter.set(&mut 1).await?;
    counter.set(1).await?;
    Ok(())
}

fn main() {}
