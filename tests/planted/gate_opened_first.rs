//! The bug: a channel with one place is a lock, as programmers of Go write it; who leaves takes the token out, and only then says
//! that nobody is inside.
//! Ordinary tests miss it: taking the token out waits for nothing, so that the next line follows at once.
//! Order violation between a message and plain memory. Shows as two inside at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use roundrock::prelude::*;

#[derive(Debug, Clone)]
struct Gate {
    enter: Sender<()>,
    leave: Receiver<()>,
    inside: Arc<AtomicBool>,
}

impl Gate {
    fn new() -> Self {
        let (enter, leave) = bounded(1);
        Self {
            enter,
            leave,
            inside: Arc::default(),
        }
    }

    async fn enter(&self) -> Result<()> {
        self.enter.send(()).await?;
        let someone = self.inside.swap(true, Ordering::SeqCst);
        assert!(!someone, "two are inside");
        Ok(())
    }

    async fn opens_first(&self) {
        self.leave.recv().await;
        self.inside.store(false, Ordering::SeqCst);
    }

    async fn goes_first(&self) {
        self.inside.store(false, Ordering::SeqCst);
        self.leave.recv().await;
    }
}

#[process]
async fn opens_first(gate: Gate, work: Sender<u32>) -> Result<()> {
    gate.enter().await?;
    work.send(1).await?;
    gate.opens_first().await;
    Ok(())
}

#[process]
async fn goes_first(gate: Gate, work: Sender<u32>) -> Result<()> {
    gate.enter().await?;
    work.send(1).await?;
    gate.goes_first().await;
    Ok(())
}

/// Three who work inside, one after the other.
async fn three(spawn: impl Fn(Gate, Sender<u32>)) {
    let (gate, (work, done)) = (Gate::new(), bounded(8));
    for _ in 0..3 {
        spawn(gate.clone(), work.clone());
    }
    drop(work);
    while done.recv().await.is_some() {}
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    three(|gate, work| drop(scope.spawn(opens_first(gate, work)))).await;
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    three(|gate, work| drop(scope.spawn(goes_first(gate, work)))).await;
    Ok(())
}
