//! Arguments by value, started once; a factory for a supervisor.

use roundrock::prelude::*;

#[process]
async fn import(names: Vec<String>, out: &Sender<String>) -> Result<usize> {
    let count = names.len();
    for name in names {
        out.send(name).await?;
    }
    Ok(count)
}

fn wire(scope: &Scope, out: Sender<String>) {
    let _task: Task<usize> = scope.spawn(import(vec![], out.clone()));
    let _ = scope.supervise(move || import(vec![], out.clone()));
}

fn main() {}
