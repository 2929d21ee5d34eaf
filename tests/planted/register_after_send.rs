//! The bug: a request is sent, and only then is it noted who waits for the answer; an answer that is fast finds nobody.
//! Ordinary tests miss it: the server of a test takes longer than the next line of the client.
//! Order violation. Shows as a caller that waits for ever.

use std::collections::HashMap;
use std::sync::Arc;

use roundrock::prelude::*;
use roundrock::sync::Mutex;

type Pending = Arc<Mutex<HashMap<u32, OneshotSender<u32>>>>;

/// The other end of the wire.
#[process]
async fn server(requests: &Receiver<u32>, answers: &Sender<(u32, u32)>) -> Result<()> {
    while let Some(id) = requests.recv().await {
        answers.send((id, id * id)).await?;
    }
    Ok(())
}

/// Gives each answer to whoever waits for it. An answer that nobody waits for came after a time-out.
#[process]
async fn dispatch(answers: &Receiver<(u32, u32)>, pending: &Pending) {
    while let Some((id, answer)) = answers.recv().await {
        let caller = pending.lock().await.remove(&id);
        if let Some(caller) = caller {
            caller.send(answer).ok();
        }
    }
}

async fn send_and_note(requests: &Sender<u32>, pending: &Pending, id: u32) -> Result<u32> {
    let (answer, answered) = oneshot();
    requests.send(id).await?;
    pending.lock().await.insert(id, answer);
    answered.recv().await.context("the connection is closed")
}

async fn note_and_send(requests: &Sender<u32>, pending: &Pending, id: u32) -> Result<u32> {
    let (answer, answered) = oneshot();
    pending.lock().await.insert(id, answer);
    requests.send(id).await?;
    answered.recv().await.context("the connection is closed")
}

fn connect(scope: &Scope) -> (Sender<u32>, Pending) {
    let pending = Pending::default();
    let (requests, served) = bounded(4);
    let (answers, answered) = bounded(4);
    scope.spawn(server(served, answers));
    scope.spawn(dispatch(answered, Arc::clone(&pending)));
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
