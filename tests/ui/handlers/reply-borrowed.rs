//! A `Reply` by reference; the call of it is that of a reply.

use roundrock::prelude::*;

#[process]
struct Desk {
    calls: u32,
}

#[handlers]
impl Desk {
    fn ask(&mut self, by: u32, reply: &Reply<u32>) {
        self.calls += by;
        let _ = reply;
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let desk = scope.spawn(Desk { calls: 0 });
    let calls: u32 = desk.ask(1).await?;
    println!("{calls}");
    Ok(())
}
