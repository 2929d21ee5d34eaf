//! The bug: a copy needs two buffers of a pool and takes them one by one; two copies may have one each and wait for another.
//! Ordinary tests miss it: one copy takes both before the other begins.
//! Deadlock by hold and wait. Shows as two processes that wait for the permits that they hold.

use std::sync::Arc;

use roundrock::prelude::*;
use roundrock::sync::Semaphore;

#[process]
async fn takes_one_by_one(buffers: Arc<Semaphore>) -> Result<()> {
    let _source = buffers.acquire().await;
    let _target = buffers.acquire().await;
    Ok(())
}

#[process]
async fn takes_both(buffers: Arc<Semaphore>) -> Result<()> {
    let _both = buffers.acquire_many(2).await;
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let buffers = Arc::new(Semaphore::new(2));
    let copy = || scope.spawn(takes_one_by_one(Arc::clone(&buffers)));
    for copy in [copy(), copy()] {
        copy.await?;
    }
    assert_eq!(buffers.available(), 2);
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let buffers = Arc::new(Semaphore::new(2));
    let copy = || scope.spawn(takes_both(Arc::clone(&buffers)));
    for copy in [copy(), copy()] {
        copy.await?;
    }
    assert_eq!(buffers.available(), 2);
    Ok(())
}
