//! The bug: as in `register_after_send`, in memory that processes share behind a lock of the standard library.
//! Ordinary tests miss it: the queue has room, so that the sender goes on at once, and the server of a test takes longer.
//! Order violation between a message and plain memory. Shows as an answer that nobody waits for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use roundrock::prelude::*;

/// Who waits for the answer to a request.
#[derive(Debug, Clone, Default)]
struct Pending(Arc<Mutex<HashMap<u32, OneshotSender<u32>>>>);

impl Pending {
    fn note(&self, id: u32, caller: OneshotSender<u32>) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pending.insert(id, caller);
    }

    fn take(&self, id: u32) -> Option<OneshotSender<u32>> {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pending.remove(&id)
    }
}

#[process]
async fn server(requests: &Receiver<u32>, pending: &Pending) {
    while let Some(id) = requests.recv().await {
        let caller = pending.take(id);
        assert!(caller.is_some(), "nobody waits for the answer to {id}");
        if let Some(caller) = caller {
            caller.send(id * id).ok();
        }
    }
}

async fn send_and_note(requests: &Sender<u32>, pending: &Pending, id: u32) -> Result<u32> {
    let (answer, answered) = oneshot();
    requests.send(id).await?;
    pending.note(id, answer);
    answered.recv().await.context("the connection is closed")
}

async fn note_and_send(requests: &Sender<u32>, pending: &Pending, id: u32) -> Result<u32> {
    let (answer, answered) = oneshot();
    pending.note(id, answer);
    requests.send(id).await?;
    answered.recv().await.context("the connection is closed")
}

fn connect(scope: &Scope) -> (Sender<u32>, Pending) {
    let pending = Pending::default();
    let (requests, served) = bounded(4);
    scope.spawn(server(served, pending.clone()));
    (requests, pending)
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let (requests, pending) = connect(scope);
    assert_eq!(send_and_note(&requests, &pending, 3).await?, 9);
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let (requests, pending) = connect(scope);
    assert_eq!(note_and_send(&requests, &pending, 3).await?, 9);
    Ok(())
}
