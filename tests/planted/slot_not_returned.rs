//! The bug: a slot is a token that is received and sent back; a caller that is cancelled in between keeps it for ever.
//! Ordinary tests miss it: what is cancelled is a caller that waits for a slot, and that one loses nothing.
//! Missed cancellation. Shows as a caller that waits for a slot when nobody has one.

use std::sync::Arc;

use roundrock::prelude::*;
use roundrock::sync::Semaphore;

#[process]
struct Service;

#[handlers]
impl Service {
    fn work(&mut self) -> u32 {
        7
    }
}

async fn with_a_token(slots: (Sender<()>, Receiver<()>), service: ServiceHandle) -> Result<u32> {
    slots.1.recv().await.context("the slots are gone")?;
    let result = service.work().await;
    slots.0.send(()).await?;
    Ok(result?)
}

async fn with_a_permit(slots: Arc<Semaphore>, service: ServiceHandle) -> Result<u32> {
    let _slot = slots.acquire().await;
    Ok(service.work().await?)
}

async fn two_callers<S, F>(scope: &Scope, slots: S, call: fn(S, ServiceHandle) -> F) -> Result<()>
where
    S: Clone,
    F: Future<Output = Result<u32>> + Send + 'static,
{
    let service = scope.spawn(Service);
    let page = scope.child("page");
    let first = page.task("first", call(slots.clone(), service.clone()));
    let user = scope.task("user", async move {
        // Closes the page.
        first.kill();
    });
    assert_eq!(call(slots, service).await?, 7);
    user.await?;
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let slots = bounded(1);
    slots.0.send(()).await?;
    two_callers(scope, slots, with_a_token).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    two_callers(scope, Arc::new(Semaphore::new(1)), with_a_permit).await
}
