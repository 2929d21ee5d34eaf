//! Parameters known by their type, in any place.

use roundrock::prelude::*;

#[process]
struct Waiting {
    replies: Vec<Reply<u8>>,
}

#[handlers]
impl Waiting {
    fn wait(&mut self, cx: &mut Cx, reply: Reply<u8>) {
        self.replies.push(reply);
        cx.stop();
    }
    async fn both(&mut self, n: u8, cx: &mut Cx<Self>, reply: Reply<u8>) {
        sleep(secs(1)).await;
        cx.stop();
        reply.send(n);
    }
}

async fn wire(waiting: &WaitingHandle) -> Result<u8> {
    Ok(waiting.wait().await? + waiting.both(1).await?)
}

fn main() {}
