//! Locks that are held while something else is waited for, continued: the kernels of kubernetes and moby.

use roundrock::prelude::*;

use crate::kit::{Lab, Lock, Meet, WaitKind, at, lab, lock, who};
use crate::mixed::{
    lock_then_recv, lock_then_send, proven_recv, proven_send, recv_under, send_under,
};

/// kubernetes 10182: a status is sent under the lock that the one who takes it needs to delete a status; a third one that sets a
/// status waits behind.
#[test]
fn kubernetes_10182_status_under_the_lock() {
    #[process]
    async fn sync(meet: &Meet, statuses: &Lock, changed: &Receiver<u32>) {
        lock_then_recv(meet, statuses, changed).await;
    }

    #[process]
    async fn set(meet: &Meet, statuses: &Lock, changed: &Sender<u32>) -> Result<()> {
        send_under(meet, statuses, changed).await
    }

    #[process]
    async fn set_too(statuses: &Lock) {
        *statuses.lock().await += 1;
    }

    lab(|lab: Lab| async move {
        let (meet, statuses, (changed, changes)) =
            (Meet::default(), lock(), rendezvous().named("changed"));
        let (_, one) = at!(lab.spawn(set(meet.clone(), statuses.clone(), changed)));
        let (_, two) = at!(lab.spawn(sync(meet, statuses.clone(), changes)));
        lab.parked(&[("set", WaitKind::Send), ("sync", WaitKind::Lock)])
            .await;
        let (_, three) = at!(lab.spawn(set_too(statuses)));
        let kinds = [
            ("set", WaitKind::Send),
            ("sync", WaitKind::Lock),
            ("set_too", WaitKind::Lock),
        ];
        let found = lab.stuck(&kinds).await;
        let set_waits = who(("set", one), WaitKind::Send, "changed", &["sync"]);
        found.cycle(
            &[set_waits, who(("sync", two), WaitKind::Lock, "", &["set"])],
            1,
        );
        found.behind(&[who(("set_too", three), WaitKind::Lock, "", &["set"])]);
        Ok(())
    });
}

/// kubernetes 1321: events are distributed under the lock that a watcher needs to stop taking them.
#[test]
fn kubernetes_1321_watcher_stops_under_the_lock() {
    #[process]
    async fn distribute(meet: &Meet, watchers: &Lock, result: &Sender<u32>) -> Result<()> {
        send_under(meet, watchers, result).await
    }

    #[process]
    async fn watcher(meet: &Meet, watchers: &Lock, result: &Receiver<u32>) {
        let _ = result;
        meet.reached(1).await;
        *watchers.lock().await -= 1;
    }

    lab(|lab: Lab| async move {
        let (meet, watchers, (result, results)) =
            (Meet::default(), lock(), rendezvous().named("result"));
        let (_, one) = at!(lab.spawn(distribute(meet.clone(), watchers.clone(), result)));
        let (_, two) = at!(lab.spawn(watcher(meet, watchers, results)));
        proven_send(&lab, ("distribute", one), "result", ("watcher", two)).await;
        Ok(())
    });
}

/// kubernetes 11298: the notifier waits for its condition under the lock with which others signal it.
#[test]
fn kubernetes_11298_condition_under_the_lock() {
    #[process]
    async fn service(meet: &Meet, notifier: &Lock, signal: &Receiver<u32>) {
        recv_under(meet, notifier, signal).await;
    }

    #[process]
    async fn notify(meet: &Meet, notifier: &Lock, signal: &Sender<u32>) -> Result<()> {
        lock_then_send(meet, notifier, signal).await
    }

    lab(|lab: Lab| async move {
        let (meet, notifier, (signal, signals)) =
            (Meet::default(), lock(), bounded(1).named("signal"));
        let (_, one) = at!(lab.spawn(service(meet.clone(), notifier.clone(), signals)));
        let (_, two) = at!(lab.spawn(notify(meet, notifier, signal)));
        proven_recv(&lab, ("service", one), "signal", ("notify", two)).await;
        Ok(())
    });
}

/// kubernetes 26980: what is popped is delivered under the lock until a stop comes; the one that would stop waits for one who
/// waits for the lock.
#[test]
fn kubernetes_26980_stop_waits_for_the_lock() {
    #[process]
    async fn pop(meet: &Meet, pending: &Lock, stop: &Receiver<u32>) {
        recv_under(meet, pending, stop).await;
    }

    #[process]
    async fn add(meet: &Meet, pending: &Lock, result: &Sender<u32>) -> Result<()> {
        lock_then_send(meet, pending, result).await
    }

    #[process]
    async fn tester(result: &Receiver<u32>, stop: &Sender<u32>) -> Result<()> {
        result.recv().await;
        stop.send(0).await?;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (meet, pending) = (Meet::default(), lock());
        let ((stop, stopped), (result, results)) =
            (bounded(1).named("stop"), rendezvous().named("result"));
        let (_, one) = at!(lab.spawn(pop(meet.clone(), pending.clone(), stopped)));
        let (_, two) = at!(lab.spawn(add(meet, pending, result)));
        let (_, three) = at!(lab.spawn(tester(results, stop)));
        let found = lab
            .stuck(&[
                ("pop", WaitKind::Recv),
                ("add", WaitKind::Lock),
                ("tester", WaitKind::Recv),
            ])
            .await;
        let pop_waits = who(("pop", one), WaitKind::Recv, "stop", &["tester"]);
        let add_waits = who(("add", two), WaitKind::Lock, "", &["pop"]);
        found.cycle(
            &[
                pop_waits,
                add_waits,
                who(("tester", three), WaitKind::Recv, "result", &["add"]),
            ],
            0,
        );
        Ok(())
    });
}

/// kubernetes 6632: a frame is written under the lock, and resets a timer through a channel whose receiver needs the lock first.
#[test]
fn kubernetes_6632_reset_under_the_lock() {
    #[process]
    async fn write_frame(meet: &Meet, write: &Lock, reset: &Sender<u32>) -> Result<()> {
        send_under(meet, write, reset).await
    }

    #[process]
    async fn monitor(meet: &Meet, write: &Lock, reset: &Receiver<u32>, closed: &Receiver<()>) {
        closed.recv().await;
        lock_then_recv(meet, write, reset).await;
    }

    lab(|lab: Lab| async move {
        let (meet, write, (reset, resets)) = (Meet::default(), lock(), rendezvous().named("reset"));
        let (close, closed) = bounded(1);
        let (_, one) = at!(lab.spawn(write_frame(meet.clone(), write.clone(), reset)));
        let (_, two) = at!(lab.spawn(monitor(meet, write, resets, closed)));
        close.send(()).await?;
        proven_send(&lab, ("write_frame", one), "reset", ("monitor", two)).await;
        Ok(())
    });
}

/// moby 27782: the removal of a file waits until the reader of events has seen it, and the reader waits for who reads events.
#[test]
fn moby_27782_removal_waits_for_the_reader() {
    #[process]
    async fn read_events(events: &Sender<u32>, removed: &Sender<u32>) -> Result<()> {
        events.send(1).await?;
        removed.send(1).await?;
        Ok(())
    }

    #[process]
    async fn follow_logs(events: &Receiver<u32>, removed: &Receiver<u32>) {
        removed.recv().await;
        while events.recv().await.is_some() {}
    }

    lab(|lab: Lab| async move {
        let ((events, events_in), (removed, removals)) =
            (rendezvous().named("events"), rendezvous().named("removed"));
        let (_, one) = at!(lab.spawn(read_events(events, removed)));
        let (_, two) = at!(lab.spawn(follow_logs(events_in, removals)));
        let found = lab
            .stuck(&[
                ("read_events", WaitKind::Send),
                ("follow_logs", WaitKind::Recv),
            ])
            .await;
        let reader_waits = who(
            ("read_events", one),
            WaitKind::Send,
            "events",
            &["follow_logs"],
        );
        found.cycle(
            &[
                reader_waits,
                who(
                    ("follow_logs", two),
                    WaitKind::Recv,
                    "removed",
                    &["read_events"],
                ),
            ],
            0,
        );
        Ok(())
    });
}

/// moby 28462: the state of a container changes under its lock and stops the monitor, whose probe takes the lock.
#[test]
fn moby_28462_monitor_is_stopped_under_the_lock() {
    #[process]
    async fn state_changed(meet: &Meet, container: &Lock, stop: &Sender<u32>) -> Result<()> {
        let state = container.lock().await;
        meet.all(2).await;
        stop.send(*state).await?;
        Ok(())
    }

    #[process]
    async fn monitor(meet: &Meet, container: &Lock, stop: &Receiver<u32>) {
        while stop.try_recv().is_err() {
            meet.all(2).await;
            *container.lock().await += 1;
        }
    }

    lab(|lab: Lab| async move {
        let (meet, container, (stop, stopped)) =
            (Meet::default(), lock(), rendezvous().named("stop"));
        let (_, one) = at!(lab.spawn(state_changed(meet.clone(), container.clone(), stop)));
        let (_, two) = at!(lab.spawn(monitor(meet, container, stopped)));
        proven_send(&lab, ("state_changed", one), "stop", ("monitor", two)).await;
        Ok(())
    });
}
