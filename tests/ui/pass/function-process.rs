//! Arguments by reference, a pool, a supervisor.

use roundrock::prelude::*;

struct Rules;

#[process]
async fn route(raw: &Receiver<u8>, rules: &Rules, out: &Sender<u8>) -> Result<()> {
    let _ = rules;
    while let Some(event) = raw.recv().await {
        out.send(event).await?;
    }
    Ok(())
}

fn wire(scope: &Scope, raw: Receiver<u8>, out: Sender<u8>) {
    let _task: Task<()> = scope.spawn(route(raw.clone(), Rules, out.clone()));
    scope.pool(8, route(raw, Rules, out));
}

fn main() {}
