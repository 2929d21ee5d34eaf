//! Pools whose calls are passed on: by key, or in turn. A worker that waits for its own pool waits for those who may have its call, and for
//! nobody else.

use roundrock::leaks::Leak;
use roundrock::prelude::*;

use crate::control::{control_anywhere, give, instance};
use crate::kit::{Lab, WaitKind, at, lab, who};

#[process(name = "shard")]
#[derive(Debug, Clone)]
struct Shard;

#[handlers]
impl Shard {
    /// Asks the same pool, for the same key.
    async fn outer(&mut self, #[key] key: u32, pool: ShardHandle) -> Result<()> {
        Ok(pool.inner(key).await?)
    }

    fn inner(&self, #[key] _key: u32) {}

    /// Asks the pool again and again, so many workers deep, and then waits.
    async fn relay(&mut self, hops: u32, pool: ShardHandle, go: Receiver<()>) -> Result<()> {
        match hops.checked_sub(1) {
            Some(left) => Ok(pool.relay(left, pool.clone(), go).await?),
            None => {
                go.recv().await;
                Ok(())
            }
        }
    }
}

/// One worker of three waits for a call to itself, the others for messages.
#[test]
fn worker_that_asks_its_pool_for_its_own_key() {
    lab(|lab: Lab| async move {
        let (pool, line) = at!(lab.pool(3, Shard.by_key()));
        pool.outer(7, pool.clone()).send_and_forget().await?;
        let found = lab.until(Leak::is_proven).await;
        let asks = who(("shard", line), WaitKind::Reply, "", &["shard"]);
        // The pool waits for its workers.
        found.cycle(&[asks], 1);
        Ok(())
    });
}

/// Two workers, and three calls inside of each other: the third one is queued behind the first.
#[test]
fn more_calls_inside_of_each_other_than_workers() {
    lab(|lab: Lab| async move {
        let (pool, line) = at!(lab.pool(2, Shard.round_robin()));
        let (_go, never) = rendezvous();
        pool.relay(2, pool.clone(), never).send_and_forget().await?;
        let found = lab.until(Leak::is_proven).await;
        let asks = who(("shard", line), WaitKind::Reply, "", &["shard"]);
        found.cycle(&[asks.clone(), asks], 1);
        Ok(())
    });
}

/// Who asks for what a worker has that asks itself waits behind that one.
#[test]
fn who_waits_for_a_worker_that_asks_itself() {
    #[process]
    async fn client(pool: &ShardHandle, key: u32) -> Result<()> {
        Ok(pool.inner(key).await?)
    }

    lab(|lab: Lab| async move {
        let pool = lab.pool(2, Shard.by_key());
        pool.outer(7, pool.clone()).send_and_forget().await?;
        lab.until(Leak::is_proven).await;
        let waits = lab.spawn(client(pool.clone(), 7));
        let behind = |leak: &Leak| {
            let mut stuck = leak.processes.iter();
            leak.is_proven() && stuck.any(|stuck| stuck.name == "client")
        };
        lab.until(behind).await;
        drop(waits);
        Ok(())
    });
}

#[process]
async fn asks(pool: ShardHandle, hops: u32, go: Receiver<()>) -> Result<()> {
    Ok(pool.relay(hops, pool.clone(), go).await?)
}

/// The last of the workers that ask each other waits for somebody outside.
#[test]
fn workers_that_ask_each_other_until_one_waits_for_the_outside() {
    control_anywhere(|scope, index| {
        let hops = index as u32 % 4;
        let (tell, go) = rendezvous();
        let pool = scope.pool(hops as usize + 1 + index % 2, Shard.round_robin());
        instance(scope.spawn(asks(pool, hops, go)), move || {
            give(&tell, ());
        })
    });
}

/// The same by key, where the calls go to whoever has the key: here nobody asks for his own.
#[test]
fn callers_of_a_pool_by_key_whose_worker_waits_for_the_outside() {
    #[process(name = "keyed")]
    #[derive(Debug, Clone)]
    struct Keyed;

    #[handlers]
    impl Keyed {
        async fn wait(&mut self, #[key] _key: usize, go: Option<Receiver<()>>) {
            if let Some(go) = go {
                go.recv().await;
            }
        }
    }

    #[process]
    async fn waits_twice(pool: KeyedHandle, key: usize, go: Receiver<()>) -> Result<()> {
        pool.wait(key, Some(go)).await?;
        Ok(pool.wait(key + 1, None).await?)
    }

    #[process]
    async fn waits_behind(pool: KeyedHandle, key: usize) -> Result<()> {
        Ok(pool.wait(key, None).await?)
    }

    control_anywhere(|scope, index| {
        let (tell, go) = rendezvous();
        let pool = scope.pool(1 + index % 3, Keyed.by_key());
        let behind = scope.spawn(waits_behind(pool.clone(), index));
        drop(behind);
        instance(scope.spawn(waits_twice(pool, index, go)), move || {
            give(&tell, ());
        })
    });
}
