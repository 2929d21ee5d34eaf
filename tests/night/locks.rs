//! Locks and permits.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Two readers that both want to write, and neither gives up its read guard: the upgrade deadlock.
#[test]
fn two_readers_upgrade() {
    #[process]
    async fn upgrade(shared: &Arc<RwLock<u32>>, met: &Arc<AtomicUsize>) -> Result<()> {
        let read = shared.read().await;
        met.fetch_add(1, Ordering::SeqCst);
        while met.load(Ordering::SeqCst) < 2 {
            yield_now().await;
        }
        *shared.write().await += *read;
        Ok(())
    }

    proven(
        |scope| async move {
            let (shared, met) = (Arc::new(RwLock::new(1)), Arc::new(AtomicUsize::new(0)));
            scope.spawn(upgrade(Arc::clone(&shared), Arc::clone(&met)));
            scope.spawn(upgrade(shared, met));
            Ok(())
        },
        r#"proven leaked: 2 processes wait for each other, and nobody else can wake them
  upgrade#_ (spawned at tests/night/locks.rs:_) waits for the lock made at tests/night/locks.rs:_ (asked for at tests/night/locks.rs:_) that is held by upgrade#_, #_ (taken at tests/night/locks.rs:_)
  upgrade#_ (spawned at tests/night/locks.rs:_) waits for the lock made at tests/night/locks.rs:_ (asked for at tests/night/locks.rs:_) that is held by upgrade#_, #_ (taken at tests/night/locks.rs:_)"#,
    );
}

/// Two locks of one struct that two processes share, taken in two orders.
#[test]
fn two_locks_of_one_struct() {
    struct Bank {
        left: Mutex<u32>,
        right: Mutex<u32>,
    }

    #[process]
    async fn there(bank: &Arc<Bank>, step: &Sender<()>) -> Result<()> {
        let _left = bank.left.lock().await;
        step.send(()).await?;
        let _right = bank.right.lock().await;
        Ok(())
    }

    #[process]
    async fn back(bank: &Arc<Bank>, step: &Receiver<()>) {
        let _right = bank.right.lock().await;
        step.recv().await;
        let _left = bank.left.lock().await;
    }

    proven(
        |scope| async move {
            let bank = Arc::new(Bank {
                left: Mutex::new(1),
                right: Mutex::new(2),
            });
            let (step, stepped) = rendezvous();
            scope.spawn(there(Arc::clone(&bank), step));
            scope.spawn(back(bank, stepped));
            Ok(())
        },
        r#"proven leaked: 2 processes wait for each other, and nobody else can wake them
  there#_ (spawned at tests/night/locks.rs:_) waits for the lock made at tests/night/locks.rs:_ (asked for at tests/night/locks.rs:_) that is held by back#_ (taken at tests/night/locks.rs:_)
  back#_ (spawned at tests/night/locks.rs:_) waits for the lock made at tests/night/locks.rs:_ (asked for at tests/night/locks.rs:_) that is held by there#_ (taken at tests/night/locks.rs:_)"#,
    );
}

/// A sends under the lock, B joins C, and C wants the lock: three kinds of waits in one cycle.
#[test]
fn a_send_a_join_and_a_lock() {
    #[process]
    async fn writes(table: &Arc<Mutex<u32>>, out: &Sender<u32>) -> Result<()> {
        let mut rows = table.lock().await;
        for row in 0..3 {
            *rows += row;
            out.send(row).await?;
        }
        Ok(())
    }

    #[process]
    async fn counts(table: &Arc<Mutex<u32>>) -> Result<u32> {
        Ok(*table.lock().await)
    }

    #[process]
    async fn reads(input: &Receiver<u32>, table: &Arc<Mutex<u32>>, scope: &Scope) -> Result<()> {
        while input.recv().await.is_some() {
            scope.spawn(counts(Arc::clone(table))).await?;
        }
        Ok(())
    }

    proven(
        |scope| async move {
            let table = Arc::new(Mutex::new(0));
            let (out, input) = bounded(1).named("rows");
            scope.spawn(writes(Arc::clone(&table), out));
            scope.spawn(reads(input, table));
            Ok(())
        },
        r#"proven leaked: 3 processes wait for each other, and nobody else can wake them
  writes#_ (spawned at tests/night/locks.rs:_, now at tests/night/locks.rs:_) waits for room in "rows" (tests/night/locks.rs:_), whose only receiver is held by reads#_
  reads#_ (spawned at tests/night/locks.rs:_) waits for the end of counts#_ (awaited at tests/night/locks.rs:_)
  counts#_ (spawned at tests/night/locks.rs:_) waits for the lock made at tests/night/locks.rs:_ (asked for at tests/night/locks.rs:_) that is held by writes#_ (taken at tests/night/locks.rs:_)"#,
    );
}

/// Each holds one permit and wants a second: nobody knows where permits are.
#[test]
fn each_holds_a_permit_and_wants_another() {
    #[process]
    async fn worker(limit: &Arc<Semaphore>) {
        let _one = limit.acquire().await;
        yield_now().await;
        let _two = limit.acquire().await;
    }

    suspected(
        |scope| async move {
            let limit = Arc::new(Semaphore::new(2));
            scope.pool(2, worker(limit));
            Ok(())
        },
        r#"suspected: 2 processes have waited for _
  worker#_, #_ (spawned at tests/night/locks.rs:_) wait for a permit of the semaphore made at tests/night/locks.rs:_ (asked for at tests/night/locks.rs:_), of which some were given to worker#_, #_ (taken at tests/night/locks.rs:_); not proven: permits of a semaphore go anywhere; whoever has them may still give them back"#,
    );
}

/// Room that was granted and is kept: the channel is not full, and who waits for room cannot see why.
#[test]
fn room_that_is_kept() {
    #[process]
    async fn keeps(out: &Sender<u32>, never: &Receiver<()>) {
        let room = out.ready().await;
        never.recv().await;
        drop(room);
    }

    #[process]
    async fn sends(out: &Sender<u32>) -> Result<()> {
        out.send(1).await?;
        Ok(())
    }

    #[process]
    async fn takes(input: &Receiver<u32>) {
        while input.recv().await.is_some() {}
    }

    suspected(
        |scope| async move {
            let (out, input) = bounded(1).named("jobs");
            let (stop, never) = rendezvous().named("stop");
            scope.spawn(keeps(out.clone(), never));
            yield_now().await;
            yield_now().await;
            scope.spawn(sends(out));
            scope.spawn(takes(input));
            scope.stopping().await;
            drop(stop);
            Ok(())
        },
        r#"suspected: a process has waited for _
  keeps#_ (spawned at tests/night/locks.rs:_, now at tests/night/locks.rs:_) waits to receive from "stop" (tests/night/locks.rs:_), whose only sender was lent to no process; not proven: a sender of it is in a local variable (perhaps its own), an `Arc`, a message or on a plain thread: the runtime does not know whose
suspected: a process has waited for _
  sends#_ (spawned at tests/night/locks.rs:_, now at tests/night/locks.rs:_) waits for room in "jobs" (tests/night/locks.rs:_), whose only receiver is held by takes#_; not proven: room in it was granted with `ready()`, and whoever has that may still use it
suspected: a process has waited for _
  takes#_ (spawned at tests/night/locks.rs:_, now at tests/night/locks.rs:_) waits to receive from "jobs" (tests/night/locks.rs:_), whose 2 senders are held by keeps#_ and sends#_; not proven: a sender of it is held by keeps#_, which may still run"#,
    );
}
