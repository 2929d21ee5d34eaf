//! The bug: of several who want a page the first one's request goes out, and the others wait for its answer; where it fails, only
//! one is told. Ordinary tests miss it: the origin fails when one asks, or answers when many do.
//! A waiter forgotten on the path of an error. Shows as a client that waits for ever.
use roundrock::prelude::*;

#[process]
struct Origin {
    asked: u32,
}
#[handlers]
impl Origin {
    /// It is down when it is asked first.
    fn load(&mut self) -> Option<u32> {
        self.asked += 1;
        (self.asked > 1).then_some(7)
    }
}
#[process]
struct Gather {
    origin: OriginHandle,
    waiting: Vec<Reply<Option<u32>>>,
    tells_all: bool,
}
#[handlers]
impl Gather {
    fn get(&mut self, reply: Reply<Option<u32>>, cx: &mut Cx<Self>) {
        self.waiting.push(reply);
        if self.waiting.len() > 1 {
            return;
        }
        let origin = self.origin.clone();
        let load = async move { origin.load().await };
        cx.spawn_then(load, |gather, page| match page {
            Ok(None) | Err(_) if !gather.tells_all => {
                if let Some(first) = gather.waiting.pop() {
                    first.send(None);
                }
            }
            page => {
                let page = page.ok().flatten();
                gather.waiting.drain(..).for_each(|reply| reply.send(page));
            }
        });
    }
}
#[process]
async fn client(gather: &GatherHandle) -> Result<()> {
    while gather.get().await?.is_none() {}
    Ok(())
}
async fn run(scope: &Scope, tells_all: bool) -> Result<()> {
    let gather = scope.spawn(Gather {
        origin: scope.spawn(Origin { asked: 0 }),
        waiting: Vec::new(),
        tells_all,
    });
    let clients = [0; 2].map(|_| scope.spawn(client(gather.clone())));
    for client in clients {
        client.await?;
    }
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
