//! Two locks in two orders (GoKer's AB-BA kernels), and readers that a waiting writer shuts out (its RWR kernels).

use std::sync::Arc;

use roundrock::prelude::*;
use roundrock::sync::RwLock;

use crate::kit::{Lab, Lock, Meet, WaitKind, at, lab, lock, who};

/// Each of the two waits for the lock that the other one holds.
async fn proven_pair(lab: &Lab, one: (&str, u32), two: (&str, u32)) {
    let found = lab
        .stuck(&[(one.0, WaitKind::Lock), (two.0, WaitKind::Lock)])
        .await;
    let one_waits = who(one, WaitKind::Lock, "", &[two.0]);
    found.cycle(&[one_waits, who(two, WaitKind::Lock, "", &[one.0])], 0);
}

/// The reader waits for its turn, behind the writer; the writer waits for the reader.
async fn proven_readers(lab: &Lab, reader: (&str, u32), writer: (&str, u32)) {
    let found = lab
        .stuck(&[(reader.0, WaitKind::Lock), (writer.0, WaitKind::Lock)])
        .await;
    let reads = who(reader, WaitKind::Lock, "", &[reader.0]);
    let ahead = &found.of(reader.0, reader.1).waits[0].ahead;
    let ahead: Vec<_> = ahead.iter().map(|one| &*one.name).collect();
    assert_eq!(ahead, [writer.0], "{}", found.text());
    found.cycle(&[reads, who(writer, WaitKind::Lock, "", &[reader.0])], 0);
}

/// A process that takes the first lock, meets the other one, and takes the second.
async fn both(meet: &Meet, first: &Lock, second: &Lock) {
    let mut outer = first.lock().await;
    meet.all(2).await;
    *outer += *second.lock().await;
}

/// cockroach 10214: heartbeats are sent under one lock and report under the other; a tick takes them the other way round.
#[test]
fn cockroach_10214_heartbeats_and_ticks() {
    #[process]
    async fn heartbeats(meet: &Meet, coalesced: &Lock, raft: &Lock) {
        both(meet, coalesced, raft).await;
    }

    #[process]
    async fn tick(meet: &Meet, coalesced: &Lock, raft: &Lock) {
        both(meet, raft, coalesced).await;
    }

    lab(|lab: Lab| async move {
        let (meet, coalesced, raft) = (Meet::default(), lock(), lock());
        let (_, one) = at!(lab.spawn(heartbeats(meet.clone(), coalesced.clone(), raft.clone())));
        let (_, two) = at!(lab.spawn(tick(meet, coalesced, raft)));
        proven_pair(&lab, ("heartbeats", one), ("tick", two)).await;
        Ok(())
    });
}

/// cockroach 7504: a lease is looked up by its name, and released by its state. Case G03.
#[test]
fn cockroach_7504_lease_by_name_and_by_state() {
    #[process]
    async fn by_name(meet: &Meet, names: &Lock, lease: &Lock) {
        both(meet, names, lease).await;
    }

    #[process]
    async fn release(meet: &Meet, names: &Lock, lease: &Lock) {
        both(meet, lease, names).await;
    }

    lab(|lab: Lab| async move {
        let (meet, names, lease) = (Meet::default(), lock(), lock());
        let (_, one) = at!(lab.spawn(by_name(meet.clone(), names.clone(), lease.clone())));
        let (_, two) = at!(lab.spawn(release(meet, names, lease)));
        proven_pair(&lab, ("by_name", one), ("release", two)).await;
        Ok(())
    });
}

/// hugo 3251: a lock per address is taken under the lock of the table; who holds it needs the table to give it back.
#[test]
fn hugo_3251_address_under_the_table() {
    #[process]
    async fn fetch(meet: &Meet, table: &Lock, address: &Lock) {
        let guard = address.lock().await;
        meet.all(2).await;
        *table.lock().await += *guard;
    }

    #[process]
    async fn fetch_too(meet: &Meet, table: &Lock, address: &Lock) {
        both(meet, table, address).await;
    }

    lab(|lab: Lab| async move {
        let (meet, table, address) = (Meet::default(), lock(), lock());
        let (_, one) = at!(lab.spawn(fetch(meet.clone(), table.clone(), address.clone())));
        let (_, two) = at!(lab.spawn(fetch_too(meet, table, address)));
        proven_pair(&lab, ("fetch", one), ("fetch_too", two)).await;
        Ok(())
    });
}

/// kubernetes 13135: the cache starts under its lock and replaces its store; an event of the store goes to the cache.
#[test]
fn kubernetes_13135_cache_and_store() {
    type Store = Arc<RwLock<u32>>;

    #[process]
    async fn caching(meet: &Meet, cache: &Lock, store: &Store) {
        let guard = cache.lock().await;
        meet.all(2).await;
        *store.write().await = *guard;
    }

    #[process]
    async fn event(meet: &Meet, cache: &Lock, store: &Store) {
        let added = store.write().await;
        meet.all(2).await;
        *cache.lock().await = *added;
    }

    lab(|lab: Lab| async move {
        let (meet, cache, store) = (Meet::default(), lock(), Store::default());
        let (_, one) = at!(lab.spawn(caching(meet.clone(), cache.clone(), store.clone())));
        let (_, two) = at!(lab.spawn(event(meet, cache, store)));
        proven_pair(&lab, ("caching", one), ("event", two)).await;
        Ok(())
    });
}

/// kubernetes 30872: the queue pops under its lock and adds to the informer; the informer asks the queue under its own lock, and
/// a third one that wants to stop the informer waits behind.
#[test]
fn kubernetes_30872_queue_informer_and_stop() {
    #[process]
    async fn pop(meet: &Meet, queue: &Lock, informer: &Lock) {
        both(meet, queue, informer).await;
    }

    #[process]
    async fn reconcile(meet: &Meet, queue: &Lock, informer: &Lock) {
        both(meet, informer, queue).await;
    }

    #[process]
    async fn stop(informer: &Lock) {
        *informer.lock().await = 0;
    }

    lab(|lab: Lab| async move {
        let (meet, queue, informer) = (Meet::default(), lock(), lock());
        let (_, one) = at!(lab.spawn(pop(meet.clone(), queue.clone(), informer.clone())));
        let (_, two) = at!(lab.spawn(reconcile(meet, queue, informer.clone())));
        lab.parked(&[("pop", WaitKind::Lock), ("reconcile", WaitKind::Lock)])
            .await;
        let (_, three) = at!(lab.spawn(stop(informer)));
        let expected = [
            ("pop", WaitKind::Lock),
            ("reconcile", WaitKind::Lock),
            ("stop", WaitKind::Lock),
        ];
        let found = lab.stuck(&expected).await;
        let pop_waits = who(("pop", one), WaitKind::Lock, "", &["reconcile"]);
        let reconcile_waits = who(("reconcile", two), WaitKind::Lock, "", &["pop"]);
        found.cycle(&[pop_waits, reconcile_waits], 1);
        found.behind(&[who(("stop", three), WaitKind::Lock, "", &["reconcile"])]);
        Ok(())
    });
}

/// moby 4951: two removals of one device, where one gives the lock of all devices back for a moment.
#[test]
fn moby_4951_two_removals_of_one_device() {
    #[process]
    async fn remove(meet: &Meet, devices: &Lock, device: &Lock) {
        let all = devices.lock().await;
        let mut one = device.lock().await;
        drop(all);
        meet.all(2).await;
        *one += *devices.lock().await;
    }

    #[process]
    async fn remove_too(meet: &Meet, devices: &Lock, device: &Lock) {
        meet.reached(1).await;
        let _all = devices.lock().await;
        meet.all(2).await;
        *device.lock().await += 1;
    }

    lab(|lab: Lab| async move {
        let (meet, devices, device) = (Meet::default(), lock(), lock());
        let (_, one) = at!(lab.spawn(remove(meet.clone(), devices.clone(), device.clone())));
        let (_, two) = at!(lab.spawn(remove_too(meet, devices, device)));
        proven_pair(&lab, ("remove", one), ("remove_too", two)).await;
        Ok(())
    });
}

type Shared = Arc<RwLock<u32>>;

/// Reads, lets a writer queue up, and reads again.
async fn read_twice(meet: &Meet, shared: &Shared) -> u32 {
    let outer = shared.read().await;
    meet.all(1).await;
    while shared.waiting() == 0 {
        meet.reached(1).await;
        roundrock_tests::yield_now().await;
    }
    *outer + *shared.read().await
}

/// Writes when somebody reads.
async fn write_between(meet: &Meet, shared: &Shared) {
    meet.reached(1).await;
    *shared.write().await += 1;
}

/// cockroach 16167: a statement is executed under the read lock, and preparing it reads again while an update waits.
#[test]
fn cockroach_16167_prepare_reads_again() {
    #[process]
    async fn execute(meet: &Meet, config: &Shared) {
        read_twice(meet, config).await;
    }

    #[process]
    async fn update(meet: &Meet, config: &Shared) {
        write_between(meet, config).await;
    }

    lab(|lab: Lab| async move {
        let (meet, config) = (Meet::default(), Shared::default());
        let (_, one) = at!(lab.spawn(execute(meet.clone(), config.clone())));
        let (_, two) = at!(lab.spawn(update(meet, config)));
        proven_readers(&lab, ("execute", one), ("update", two)).await;
        Ok(())
    });
}

/// cockroach 3710: a scan of the log reads the store, and so does the status that it asks for, while the raft loop writes.
#[test]
fn cockroach_3710_status_within_a_scan() {
    #[process]
    async fn scan(meet: &Meet, store: &Shared) {
        read_twice(meet, store).await;
    }

    #[process]
    async fn raft(meet: &Meet, store: &Shared) {
        write_between(meet, store).await;
    }

    lab(|lab: Lab| async move {
        let (meet, store) = (Meet::default(), Shared::default());
        let (_, one) = at!(lab.spawn(scan(meet.clone(), store.clone())));
        let (_, two) = at!(lab.spawn(raft(meet, store)));
        proven_readers(&lab, ("scan", one), ("raft", two)).await;
        Ok(())
    });
}

/// cockroach 6181: a cache is printed under the read lock, and printing reads it, while another lookup writes. Two that come
/// later wait behind.
#[test]
fn cockroach_6181_printing_reads_again() {
    #[process]
    async fn lookup(meet: &Meet, cache: &Shared) {
        read_twice(meet, cache).await;
    }

    #[process]
    async fn insert(meet: &Meet, cache: &Shared) {
        write_between(meet, cache).await;
    }

    #[process]
    async fn late(cache: &Shared) {
        drop(cache.read().await);
    }

    lab(|lab: Lab| async move {
        let (meet, cache) = (Meet::default(), Shared::default());
        let (_, one) = at!(lab.spawn(lookup(meet.clone(), cache.clone())));
        let (_, two) = at!(lab.spawn(insert(meet, cache.clone())));
        lab.parked(&[("lookup", WaitKind::Lock), ("insert", WaitKind::Lock)])
            .await;
        let mut three = 0;
        for _ in 0..2 {
            (_, three) = at!(lab.spawn(late(cache.clone())));
        }
        drop(cache);
        let pair = [("lookup", WaitKind::Lock), ("insert", WaitKind::Lock)];
        let found = lab
            .stuck(&[
                pair[0],
                pair[1],
                ("late", WaitKind::Lock),
                ("late", WaitKind::Lock),
            ])
            .await;
        let reader = who(("lookup", one), WaitKind::Lock, "", &["lookup"]);
        let again = found.of("lookup", one);
        let ahead: Vec<_> = again.waits[0].ahead.iter().map(|one| &*one.name).collect();
        assert_eq!(ahead, ["insert"], "it holds nothing: {}", found.text());
        assert!(
            found.text().contains(", behind insert#")
                && found.text().contains(", which waits for it too"),
            "{}",
            found.text()
        );
        found.cycle(
            &[
                reader,
                who(("insert", two), WaitKind::Lock, "", &["lookup"]),
            ],
            2,
        );
        let names: Vec<_> = found.leaks().iter().flat_map(|leak| leak.names()).collect();
        assert_eq!(names.iter().filter(|name| **name == "late").count(), 2);
        assert!(
            found.text().contains(&format!("order.rs:{three}")),
            "{}",
            found.text()
        );
        Ok(())
    });
}

/// kubernetes 62464: a set is read within a read of the same set, while a container is removed.
#[test]
fn kubernetes_62464_default_within_a_read() {
    #[process]
    async fn reconcile(meet: &Meet, sets: &Shared) {
        read_twice(meet, sets).await;
    }

    #[process]
    async fn remove(meet: &Meet, sets: &Shared) {
        write_between(meet, sets).await;
    }

    lab(|lab: Lab| async move {
        let (meet, sets) = (Meet::default(), Shared::default());
        let (_, one) = at!(lab.spawn(reconcile(meet.clone(), sets.clone())));
        let (_, two) = at!(lab.spawn(remove(meet, sets)));
        proven_readers(&lab, ("reconcile", one), ("remove", two)).await;
        Ok(())
    });
}

/// kubernetes 58107: a worker waits for work under the read lock; the one who would bring it waits for the read lock, behind a
/// writer that waits for the worker.
#[test]
fn kubernetes_58107_work_behind_a_writer() {
    #[process]
    async fn worker(meet: &Meet, shared: &Shared, queue: &Receiver<u32>) {
        let _read = shared.read().await;
        meet.all(1).await;
        queue.recv().await;
    }

    #[process]
    async fn sync(meet: &Meet, shared: &Shared) {
        write_between(meet, shared).await;
    }

    #[process]
    async fn producer(shared: &Shared, out: &Sender<u32>) -> Result<()> {
        let work = *shared.read().await;
        out.send(work).await?;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (meet, shared, (out, queue)) = (
            Meet::default(),
            Shared::default(),
            rendezvous().named("queue"),
        );
        let (_, one) = at!(lab.spawn(worker(meet.clone(), shared.clone(), queue)));
        let (_, two) = at!(lab.spawn(sync(meet, shared.clone())));
        while shared.waiting() == 0 {
            roundrock_tests::yield_now().await;
        }
        let (_, three) = at!(lab.spawn(producer(shared, out)));
        let kinds = [
            ("worker", WaitKind::Recv),
            ("sync", WaitKind::Lock),
            ("producer", WaitKind::Lock),
        ];
        let found = lab.stuck(&kinds).await;
        let worker_waits = who(("worker", one), WaitKind::Recv, "queue", &["producer"]);
        let sync_waits = who(("sync", two), WaitKind::Lock, "", &["worker"]);
        found.cycle(
            &[
                worker_waits,
                sync_waits,
                who(("producer", three), WaitKind::Lock, "", &["worker"]),
            ],
            0,
        );
        Ok(())
    });
}
