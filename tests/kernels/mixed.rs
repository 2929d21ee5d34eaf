//! Locks that are held while something else is waited for (GoKer: mixed, channel and lock, WaitGroup).
//!
//! One process holds a lock and waits for a message, for room, or for an end; the one that could end that wait needs the lock.

use std::panic::Location;

use roundrock::prelude::*;

use crate::kit::{Lab, Lock, Meet, WaitKind, at, lab, lock, who};

/// Sends while it holds the lock, when somebody else has a reason to want it.
pub(crate) async fn send_under(meet: &Meet, lock: &Lock, out: &Sender<u32>) -> Result<()> {
    let guard = lock.lock().await;
    meet.all(1).await;
    out.send(*guard).await?;
    Ok(())
}

/// Receives while it holds the lock.
pub(crate) async fn recv_under(meet: &Meet, lock: &Lock, input: &Receiver<u32>) -> Option<u32> {
    let _guard = lock.lock().await;
    meet.all(1).await;
    input.recv().await
}

/// Takes the lock, when somebody else has it, before it receives.
pub(crate) async fn lock_then_recv(meet: &Meet, lock: &Lock, input: &Receiver<u32>) {
    meet.reached(1).await;
    drop(lock.lock().await);
    input.recv().await;
}

/// Takes the lock, when somebody else has it, before it sends.
pub(crate) async fn lock_then_send(meet: &Meet, lock: &Lock, out: &Sender<u32>) -> Result<()> {
    meet.reached(1).await;
    let value = *lock.lock().await;
    out.send(value).await?;
    Ok(())
}

/// The first sends on `channel` under the lock that the second, who would receive, waits for.
#[track_caller]
pub(crate) fn proven_send(
    lab: &Lab,
    sender: (&str, u32),
    channel: &str,
    locker: (&str, u32),
) -> impl Future<Output = ()> {
    let caller = Location::caller();
    async move {
        let found = lab
            .stuck(&[(sender.0, WaitKind::Send), (locker.0, WaitKind::Lock)])
            .await;
        let found = found.seen_from(caller);
        let sends = who(sender, WaitKind::Send, channel, &[locker.0]);
        found.cycle(&[sends, who(locker, WaitKind::Lock, "", &[sender.0])], 0);
    }
}

/// The first receives on `channel` under the lock that the second, who would send, waits for.
#[track_caller]
pub(crate) fn proven_recv(
    lab: &Lab,
    receiver: (&str, u32),
    channel: &str,
    locker: (&str, u32),
) -> impl Future<Output = ()> {
    let caller = Location::caller();
    async move {
        let found = lab
            .stuck(&[(receiver.0, WaitKind::Recv), (locker.0, WaitKind::Lock)])
            .await;
        let found = found.seen_from(caller);
        let receives = who(receiver, WaitKind::Recv, channel, &[locker.0]);
        found.cycle(
            &[receives, who(locker, WaitKind::Lock, "", &[receiver.0])],
            0,
        );
    }
}

/// cockroach 1055: the stopper waits for its worker under the lock with which a task is begun.
#[test]
fn cockroach_1055_stops_under_the_lock_of_its_tasks() {
    #[process]
    async fn worker(meet: &Meet, tasks: &Lock) {
        meet.reached(1).await;
        *tasks.lock().await += 1;
    }

    #[process]
    async fn stop(meet: &Meet, tasks: &Lock, worker: Task<()>) -> Result<()> {
        let _draining = tasks.lock().await;
        meet.all(1).await;
        worker.await?;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (meet, tasks) = (Meet::default(), lock());
        let (task, one) = at!(lab.spawn(worker(meet.clone(), tasks.clone())));
        let (_, two) = at!(lab.spawn(stop(meet, tasks, task)));
        let found = lab
            .stuck(&[("worker", WaitKind::Lock), ("stop", WaitKind::Join)])
            .await;
        let worker_waits = who(("worker", one), WaitKind::Lock, "", &["stop"]);
        found.cycle(
            &[
                worker_waits,
                who(("stop", two), WaitKind::Join, "", &["worker"]),
            ],
            0,
        );
        Ok(())
    });
}

/// cockroach 1462: the one that processes events stops first, and the transport still sends.
#[test]
fn cockroach_1462_events_after_the_stop() {
    #[process]
    async fn transport(events: &Sender<u32>) -> Result<()> {
        loop {
            events.send(0).await?;
        }
    }

    #[process]
    async fn process_events(events: &Receiver<u32>, stop: &Receiver<()>) {
        loop {
            select! {
                biased;
                _ = stop.recv() => return,
                _ = events.recv() => {}
            }
        }
    }

    lab(|lab: Lab| async move {
        let ((events, events_in), (stop, stopped)) = (rendezvous(), bounded(1));
        lab.spawn(transport(events));
        lab.spawn(process_events(events_in, stopped));
        stop.send(()).await?;
        lab.ends().await
    });
}

/// etcd 6873: the broadcasts are stopped under the lock that joining them takes.
#[test]
fn etcd_6873_stop_waits_for_the_coalescer() {
    #[process]
    async fn coalesce(meet: &Meet, broadcasts: &Lock, done: &Sender<u32>) -> Result<()> {
        lock_then_send(meet, broadcasts, done).await
    }

    #[process]
    async fn stop(meet: &Meet, broadcasts: &Lock, done: &Receiver<u32>) {
        recv_under(meet, broadcasts, done).await;
    }

    lab(|lab: Lab| async move {
        let (meet, broadcasts, (done, is_done)) =
            (Meet::default(), lock(), rendezvous().named("done"));
        let (_, one) = at!(lab.spawn(stop(meet.clone(), broadcasts.clone(), is_done)));
        let (_, two) = at!(lab.spawn(coalesce(meet, broadcasts, done)));
        proven_recv(&lab, ("stop", one), "done", ("coalesce", two)).await;
        Ok(())
    });
}

/// etcd 7443: a balancer tells of an address under its lock, and the watcher that would take it tears the connection down under
/// the same lock. The one that closes the balancer waits behind.
#[test]
fn etcd_7443_balancer_notifies_under_its_lock() {
    #[process]
    async fn up(meet: &Meet, balancer: &Lock, notify: &Sender<u32>) -> Result<()> {
        notify.send(0).await?;
        send_under(meet, balancer, notify).await
    }

    #[process]
    async fn watcher(meet: &Meet, balancer: &Lock, notified: &Receiver<u32>) {
        lock_then_recv(meet, balancer, notified).await;
    }

    #[process]
    async fn close(balancer: &Lock) {
        *balancer.lock().await = 0;
    }

    lab(|lab: Lab| async move {
        let (meet, balancer, (notify, notified)) =
            (Meet::default(), lock(), bounded(1).named("notify"));
        let (_, one) = at!(lab.spawn(up(meet.clone(), balancer.clone(), notify)));
        let (_, two) = at!(lab.spawn(watcher(meet, balancer.clone(), notified)));
        lab.parked(&[("up", WaitKind::Send), ("watcher", WaitKind::Lock)])
            .await;
        let (_, three) = at!(lab.spawn(close(balancer)));
        let kinds = [
            ("up", WaitKind::Send),
            ("watcher", WaitKind::Lock),
            ("close", WaitKind::Lock),
        ];
        let found = lab.stuck(&kinds).await;
        let up_waits = who(("up", one), WaitKind::Send, "notify", &["watcher"]);
        found.cycle(
            &[up_waits, who(("watcher", two), WaitKind::Lock, "", &["up"])],
            1,
        );
        found.behind(&[who(("close", three), WaitKind::Lock, "", &["up"])]);
        Ok(())
    });
}

/// etcd 7492: a token is handed to its keeper under the lock with which the keeper deletes tokens.
#[test]
fn etcd_7492_token_is_kept_under_the_lock() {
    #[process]
    async fn assign(meet: &Meet, tokens: &Lock, keep: &Sender<u32>) -> Result<()> {
        send_under(meet, tokens, keep).await
    }

    #[process]
    async fn keeper(meet: &Meet, tokens: &Lock, added: &Receiver<u32>) {
        lock_then_recv(meet, tokens, added).await;
    }

    lab(|lab: Lab| async move {
        let (meet, tokens, (keep, added)) = (Meet::default(), lock(), rendezvous().named("added"));
        let (_, one) = at!(lab.spawn(assign(meet.clone(), tokens.clone(), keep)));
        let (_, two) = at!(lab.spawn(keeper(meet, tokens, added)));
        proven_send(&lab, ("assign", one), "added", ("keeper", two)).await;
        Ok(())
    });
}

/// etcd 7902: a follower waits for the next round under the lock that the leader needs to begin it.
#[test]
fn etcd_7902_follower_waits_under_the_lock() {
    #[process]
    async fn follower(meet: &Meet, round: &Lock, next: &Receiver<u32>) {
        recv_under(meet, round, next).await;
    }

    #[process]
    async fn leader(meet: &Meet, round: &Lock, next: &Sender<u32>) -> Result<()> {
        lock_then_send(meet, round, next).await
    }

    lab(|lab: Lab| async move {
        let (meet, round, (next, follows)) = (Meet::default(), lock(), rendezvous().named("next"));
        let (_, one) = at!(lab.spawn(follower(meet.clone(), round.clone(), follows)));
        let (_, two) = at!(lab.spawn(leader(meet, round, next)));
        proven_recv(&lab, ("follower", one), "next", ("leader", two)).await;
        Ok(())
    });
}

/// grpc 1353: addresses are sent under the lock that the receiver takes for each connection it shuts down.
#[test]
fn grpc_1353_addresses_under_the_lock() {
    #[process]
    async fn round_robin(meet: &Meet, balancer: &Lock, addresses: &Sender<u32>) -> Result<()> {
        addresses.send(1).await?;
        send_under(meet, balancer, addresses).await
    }

    #[process]
    async fn lb_watcher(meet: &Meet, balancer: &Lock, addresses: &Receiver<u32>) {
        while addresses.recv().await.is_some() {
            lock_then_recv(meet, balancer, addresses).await;
        }
    }

    lab(|lab: Lab| async move {
        let (meet, balancer) = (Meet::default(), lock());
        let (addresses, updates) = rendezvous().named("addresses");
        let (_, one) = at!(lab.spawn(round_robin(meet.clone(), balancer.clone(), addresses)));
        let (_, two) = at!(lab.spawn(lb_watcher(meet, balancer, updates)));
        proven_send(&lab, ("round_robin", one), "addresses", ("lb_watcher", two)).await;
        Ok(())
    });
}

/// grpc 1460: the keepalive waits to be awakened under the lock of the transport, by who makes a stream under it.
#[test]
fn grpc_1460_keepalive_waits_under_the_lock() {
    #[process]
    async fn keepalive(meet: &Meet, transport: &Lock, awaken: &Receiver<u32>) {
        recv_under(meet, transport, awaken).await;
    }

    #[process]
    async fn new_stream(meet: &Meet, transport: &Lock, awaken: &Sender<u32>) -> Result<()> {
        lock_then_send(meet, transport, awaken).await
    }

    lab(|lab: Lab| async move {
        let (meet, transport, (awaken, awakened)) =
            (Meet::default(), lock(), rendezvous().named("awaken"));
        let (_, one) = at!(lab.spawn(keepalive(meet.clone(), transport.clone(), awakened)));
        let (_, two) = at!(lab.spawn(new_stream(meet, transport, awaken)));
        proven_recv(&lab, ("keepalive", one), "awaken", ("new_stream", two)).await;
        Ok(())
    });
}

/// istio 16224: events are sent under the lock of the cache, and are drained by one who first takes it. Case G06.
#[test]
fn istio_16224_events_under_the_lock() {
    #[process]
    async fn notify(meet: &Meet, cache: &Lock, events: &Sender<u32>) -> Result<()> {
        send_under(meet, cache, events).await
    }

    #[process]
    async fn drain(meet: &Meet, cache: &Lock, events: &Receiver<u32>) {
        lock_then_recv(meet, cache, events).await;
    }

    lab(|lab: Lab| async move {
        let (meet, cache, (events, events_in)) =
            (Meet::default(), lock(), rendezvous().named("events"));
        let (_, one) = at!(lab.spawn(notify(meet.clone(), cache.clone(), events)));
        let (_, two) = at!(lab.spawn(drain(meet, cache, events_in)));
        proven_send(&lab, ("notify", one), "events", ("drain", two)).await;
        Ok(())
    });
}

/// moby 25384: a WaitGroup is counted up for all plug-ins, and waited for after each. A set of tasks counts what there is.
#[test]
fn moby_25384_waits_after_each_plugin() {
    lab(|lab: Lab| async move {
        let mut set = JoinSet::new();
        for plugin in 0..2 {
            set.add(lab.task("plugin", async move { roundrock::Ok(plugin) }));
            let ended = set.join_next().await.context("a plug-in was added")?;
            assert_eq!(ended?, plugin);
        }
        assert!(set.join_next().await.is_none());
        lab.ends().await
    });
}

/// serving 2137: of two requests only one may be active, which is a lock here: permits of a semaphore go anywhere. The active one waits for its lock, and who has the lock waits for the
/// other request.
#[test]
fn serving_2137_breaker_of_one() {
    #[process]
    async fn request(active: &Lock, gate: &Lock, accepted: &Sender<u32>) -> Result<()> {
        let _active = active.lock().await;
        let request = *gate.lock().await;
        accepted.send(request).await?;
        Ok(())
    }

    #[process]
    async fn tester(gate: &Lock, meet: &Meet, first: &Receiver<u32>) {
        let _second = gate.lock().await;
        meet.all(1).await;
        first.recv().await;
    }

    lab(|lab: Lab| async move {
        let (active, gate, meet) = (lock(), lock(), Meet::default());
        let ((accept, accepted), (other, _others)) = (bounded(1).named("accepted"), bounded(1));
        let (_, one) = at!(lab.spawn(tester(gate.clone(), meet.clone(), accepted)));
        meet.reached(1).await;
        let (_, two) = at!(lab.spawn(request(active.clone(), gate, other)));
        lab.parked(&[("tester", WaitKind::Recv), ("request", WaitKind::Lock)])
            .await;
        let (_, three) = at!(lab.spawn(request(active, lock(), accept)));
        let kinds = [
            ("tester", WaitKind::Recv),
            ("request", WaitKind::Lock),
            ("request", WaitKind::Lock),
        ];
        let found = lab.stuck(&kinds).await;
        let tester_waits = who(("tester", one), WaitKind::Recv, "accepted", &["request"]);
        let has_the_permit = who(("request", two), WaitKind::Lock, "", &["tester"]);
        found.cycle(
            &[
                tester_waits,
                has_the_permit,
                who(("request", three), WaitKind::Lock, "", &["request"]),
            ],
            0,
        );
        Ok(())
    });
}
