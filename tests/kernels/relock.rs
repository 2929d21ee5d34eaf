//! Locks that one process takes twice (GoKer's double locks), and locks that Go programs forget to give back.
//!
//! A second lock of the same process is a cycle of one, whatever lies between the two. A lock that nobody gives back cannot be
//! written by accident: the guard gives it back on every way out, so those kernels end.

use std::sync::Arc;

use roundrock::prelude::*;
use roundrock::sync::{Mutex, MutexGuard, RwLock};

use crate::kit::{Lab, Lock, Meet, WaitKind, at, lab, lock, who};

/// The process waits for a lock that it holds itself.
async fn proven_alone(lab: &Lab, name: (&str, u32)) {
    let found = lab.stuck(&[(name.0, WaitKind::Lock)]).await;
    found.cycle(&[who(name, WaitKind::Lock, "", &[name.0])], 0);
}

/// cockroach 9935: an error while the log is written leads to the exit, which writes to the log.
#[test]
fn cockroach_9935_log_exits_under_its_lock() {
    async fn exit(log: &Lock) {
        *log.lock().await += 1;
    }

    #[process]
    async fn logger(log: &Lock) {
        let entry = log.lock().await;
        let file: Result<u32, u32> = Err(*entry);
        if file.is_err() {
            exit(log).await;
        }
    }

    lab(|lab: Lab| async move {
        let (_, line) = at!(lab.spawn(logger(lock())));
        proven_alone(&lab, ("logger", line)).await;
        Ok(())
    });
}

/// etcd 10492: a lease is renewed under the write lock, and a callback takes the write lock for its checkpoint.
#[test]
fn etcd_10492_callback_checkpoints_under_the_lock() {
    type Lease = Arc<RwLock<u32>>;

    async fn checkpoint(lease: &Lease) {
        *lease.write().await = 0;
    }

    #[process]
    async fn renew(lease: &Lease) {
        let mut state = lease.write().await;
        *state += 1;
        checkpoint(lease).await;
    }

    lab(|lab: Lab| async move {
        let (_, line) = at!(lab.spawn(renew(Arc::new(RwLock::new(0)))));
        proven_alone(&lab, ("renew", line)).await;
        Ok(())
    });
}

/// etcd 6708: the endpoints are synchronised under the write lock, and asking for the leader reads them.
#[test]
fn etcd_6708_leader_is_read_under_the_write_lock() {
    type Endpoints = Arc<RwLock<Vec<u32>>>;

    async fn leader(endpoints: &Endpoints) -> Option<u32> {
        endpoints.read().await.first().copied()
    }

    #[process]
    async fn synchronise(endpoints: &Endpoints) {
        let mut list = endpoints.write().await;
        list.extend(leader(endpoints).await);
    }

    lab(|lab: Lab| async move {
        let (_, line) = at!(lab.spawn(synchronise(Arc::default())));
        proven_alone(&lab, ("synchronise", line)).await;
        Ok(())
    });
}

/// hugo 5379: the content of a page is made under a lock that rendering a part of it takes again.
#[test]
fn hugo_5379_rendering_initialises_again() {
    async fn render(content: &Lock, depth: u32) {
        let mut made = content.lock().await;
        *made += 1;
        if depth > 0 {
            Box::pin(render(content, depth - 1)).await;
        }
    }

    #[process]
    async fn page(content: &Lock) {
        render(content, 1).await;
    }

    lab(|lab: Lab| async move {
        let (_, line) = at!(lab.spawn(page(lock())));
        proven_alone(&lab, ("page", line)).await;
        Ok(())
    });
}

/// moby 36114: disks are removed by a function that locks, called by one that has locked.
#[test]
fn moby_36114_remove_within_add() {
    async fn remove(disks: &Lock) {
        *disks.lock().await = 0;
    }

    #[process]
    async fn add(vm: &Lock) {
        let mut disks = vm.lock().await;
        *disks += 1;
        remove(vm).await;
    }

    lab(|lab: Lab| async move {
        let (_, line) = at!(lab.spawn(add(lock())));
        proven_alone(&lab, ("add", line)).await;
        Ok(())
    });
}

/// syncthing 4829: addresses are cleared under the write lock, and who is told of it reads them.
#[test]
fn syncthing_4829_notify_reads_under_the_write_lock() {
    type Mapping = Arc<RwLock<Vec<u32>>>;

    async fn notify(mapping: &Mapping) -> usize {
        mapping.read().await.len()
    }

    #[process]
    async fn clear(mapping: &Mapping) {
        let mut addresses = mapping.write().await;
        addresses.clear();
        let left = notify(mapping).await;
        addresses.push(u32::try_from(left).unwrap_or(0));
    }

    lab(|lab: Lab| async move {
        let (_, line) = at!(lab.spawn(clear(Arc::default())));
        proven_alone(&lab, ("clear", line)).await;
        Ok(())
    });
}

/// syncthing 5795: a connection is closed from within its own loop, and closing waits until the loop has ended.
#[test]
fn syncthing_5795_closes_itself_and_waits_for_its_end() {
    #[process]
    struct Connection {
        closed: bool,
    }

    #[handlers]
    impl Connection {
        async fn close(&mut self, cx: &mut Cx<Self>) {
            self.closed = true;
            let own_end = cx.handle().map(|handle| handle.done());
            if let Some(own_end) = own_end {
                own_end.await;
            }
        }
    }

    lab(|lab: Lab| async move {
        let (connection, line) = at!(lab.spawn(Connection { closed: false }));
        connection.close().send().await?;
        lab.parked(&[("Connection", WaitKind::Join)]).await;
        drop(connection);
        let found = lab.stuck(&[("Connection", WaitKind::Join)]).await;
        let own = who(("Connection", line), WaitKind::Join, "", &["Connection"]);
        found.cycle(&[own], 0);
        Ok(())
    });
}

/// cockroach 584: a loop is left with `break` while it holds the lock. The guard goes with the scope of the loop.
#[test]
fn cockroach_584_break_gives_back() {
    async fn manage(gossip: &Lock) {
        loop {
            let closed = gossip.lock().await;
            if *closed == 0 {
                break;
            }
        }
    }

    #[process]
    async fn gossip(gossip: &Lock) {
        manage(gossip).await;
        manage(gossip).await;
    }

    lab(|lab: Lab| async move {
        lab.spawn(gossip(lock()));
        lab.ends().await
    });
}

/// etcd 5509: a read lock is not given back on the way of an error, so the writer of `close` waits.
#[test]
fn etcd_5509_error_gives_back() {
    type Client = Arc<RwLock<bool>>;

    async fn acquire(client: &Client) -> Result<()> {
        let open = client.read().await;
        roundrock::ensure!(*open, "the connection is closed");
        Ok(())
    }

    #[process]
    async fn get(client: &Client) {
        assert!(acquire(client).await.is_err());
    }

    #[process]
    async fn close(client: &Client) {
        *client.write().await = false;
    }

    lab(|lab: Lab| async move {
        let client = Client::default();
        lab.spawn(get(Arc::clone(&client))).await?;
        lab.spawn(close(client));
        lab.ends().await
    });
}

/// grpc 3017: a timer that comes too late returns without giving the lock back.
#[test]
fn grpc_3017_late_timer_gives_back() {
    #[process]
    async fn timer(cache: &Lock, aborted: &bool) {
        sleep(micros(1)).await;
        let mut entries = cache.lock().await;
        if *aborted {
            return;
        }
        *entries -= 1;
    }

    lab(|lab: Lab| async move {
        let cache = lock();
        for _ in 0..100 {
            *cache.lock().await += 1;
            lab.spawn(timer(Arc::clone(&cache), true));
        }
        assert_eq!(*cache.lock().await, 100);
        lab.ends().await
    });
}

/// grpc 795: `graceful_stop` neither gives back nor may be called twice.
#[test]
fn grpc_795_stop_gives_back() {
    async fn graceful_stop(server: &Mutex<bool>) -> bool {
        let mut draining = server.lock().await;
        std::mem::replace(&mut *draining, true)
    }

    #[process]
    async fn serve(server: &Arc<Mutex<bool>>) {
        drop(server.lock().await);
    }

    lab(|lab: Lab| async move {
        let server = Arc::new(Mutex::new(false));
        lab.spawn(serve(Arc::clone(&server)));
        let stops = [graceful_stop(&server).await, graceful_stop(&server).await];
        assert_eq!(stops, [false, true]);
        lab.ends().await
    });
}

/// moby 17176 and moby 7559: an early return, and a `continue`, that forget the lock.
#[test]
fn moby_17176_and_7559_early_ways_out_give_back() {
    #[process]
    async fn clean(devices: &Lock, rounds: &u32) {
        for _ in 0..*rounds {
            let deleted: MutexGuard<'_, u32> = devices.lock().await;
            if *deleted == 0 {
                continue;
            }
            return;
        }
    }

    lab(|lab: Lab| async move {
        let (devices, meet) = (lock(), Meet::default());
        lab.pool(4, clean(Arc::clone(&devices), 10));
        *devices.lock().await += 1;
        meet.all(1).await;
        lab.ends().await
    });
}
