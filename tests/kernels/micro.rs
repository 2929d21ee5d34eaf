//! The 15 micro cases with which Go's runtime tests its own leak profile (`NilRecv` to `NoLeakGlobal`).
//!
//! `NilRecv`, `NilSend` and `SelectNoCases` do not compile: `ui/kernels/nil-receive.rs`, `ui/kernels/nil-send.rs` and
//! `ui/select/no-branch.rs`. `SelectNoCasesMain` is in `global.rs`, `NoLeakGlobal` in `negative.rs`.

use std::collections::HashSet;
use std::sync::Arc;

use roundrock::leaks::{Proof, Stuck, Verdict};
use roundrock::prelude::*;
use roundrock::sync::RwLock;

use crate::kit::{Lab, Lock, WaitKind, at, lab, lock, who};

/// `SelectNoCases`, as far as Rust has it: a future that is never ready, and keeps no waker. Case L13.
#[test]
fn select_no_cases_as_a_future() {
    #[process]
    async fn forever() {
        std::future::pending::<()>().await;
    }

    lab(|lab: Lab| async move {
        let (_, line) = at!(lab.spawn(forever()));
        let found = lab.stuck(&[("forever", WaitKind::Other)]).await;
        found.no_waker(("forever", line), 0);
        Ok(())
    });
}

/// `ChanRecv`: receives from a channel to which nobody has the other end.
#[test]
fn chan_recv() {
    lab(|lab: Lab| async move {
        let (_, receiver) = rendezvous::<u32>();
        assert_eq!(
            lab.task(
                "receives",
                async move { roundrock::Ok(receiver.recv().await) }
            )
            .await?,
            None
        );
        lab.ends().await
    });
}

/// The same, where the process has the other end itself.
#[test]
fn chan_recv_of_its_own() {
    #[process]
    async fn receives(sender: &Sender<u32>, receiver: &Receiver<u32>) -> Result<()> {
        let value = receiver.recv().await.unwrap_or(0);
        sender.send(value).await?;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (sender, receiver) = rendezvous().named("c");
        let (_, line) = at!(lab.spawn(receives(sender, receiver)));
        let found = lab.stuck(&[("receives", WaitKind::Recv)]).await;
        found.cycle(
            &[who(("receives", line), WaitKind::Recv, "c", &["receives"])],
            0,
        );
        Ok(())
    });
}

/// `ChanSend`: sends to a channel to which nobody has the other end.
#[test]
fn chan_send() {
    lab(|lab: Lab| async move {
        let (sender, _) = rendezvous();
        let refused = lab.task("sends", async move {
            roundrock::Ok(sender.send(7).await.is_err())
        });
        assert!(refused.await?);
        lab.ends().await
    });
}

/// The same, where the process has the other end itself.
#[test]
fn chan_send_of_its_own() {
    #[process]
    async fn sends(sender: &Sender<u32>, receiver: &Receiver<u32>) -> Result<()> {
        sender.send(1).await?;
        receiver.recv().await;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (sender, receiver) = rendezvous().named("c");
        let (_, line) = at!(lab.spawn(sends(sender, receiver)));
        let found = lab.stuck(&[("sends", WaitKind::Send)]).await;
        found.cycle(&[who(("sends", line), WaitKind::Send, "c", &["sends"])], 0);
        Ok(())
    });
}

/// `Select`: sends or receives on two channels of which nobody has the other ends.
#[test]
fn select() {
    #[process]
    async fn selects(out: &Sender<u32>, input: &Receiver<u32>, done: &Sender<bool>) -> Result<()> {
        let refused = select! {
            sent = out.send(1) => sent.is_err(),
            _ = input.recv() => false,
        };
        done.send(refused).await?;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let ((out, _), (_, input), (done, seen)) = (rendezvous(), rendezvous(), bounded(1));
        lab.spawn(selects(out, input, done));
        assert_eq!(seen.recv().await, Some(true));
        lab.ends().await
    });
}

/// The same, where the process has the other ends itself.
#[test]
fn select_of_its_own() {
    #[process]
    async fn selects(a: &(Sender<u32>, Receiver<u32>), b: &(Sender<u32>, Receiver<u32>)) {
        select! {
            _ = a.0.send(1) => {}
            _ = b.1.recv() => {}
        }
    }

    lab(|lab: Lab| async move {
        let (_, line) = at!(lab.spawn(selects(rendezvous().named("a"), rendezvous().named("b"))));
        let found = lab.stuck(&[("selects", WaitKind::Select)]).await;
        let mut one = who(("selects", line), WaitKind::Send, "a", &["selects"]);
        one.waits.push((WaitKind::Recv, "b", vec!["selects"]));
        found.cycle(&[one], 0);
        Ok(())
    });
}

/// `WaitGroup`: waits for one that was counted and never begun. A set of tasks counts what there is, and one that ends badly too.
#[test]
fn wait_group() {
    lab(|lab: Lab| async move {
        let mut set = JoinSet::<u32>::new();
        assert!(set.join_next().await.is_none());
        let child = lab.child("isolated");
        let worker = child.task("worker", async {
            std::future::pending::<Result<u32>>().await
        });
        worker.kill();
        set.add(worker);
        assert!(set.join_next().await.context("one was added")?.is_err());
        assert!(set.join_next().await.is_none());
        Ok(())
    });
}

/// `MutexStack`: a thousand processes that each take a lock of their own twice. Case G04.
#[test]
fn mutex_stack() {
    #[process]
    async fn twice(own: &Lock) -> Result<()> {
        let first = own.lock().await;
        let second = own.lock().await;
        roundrock::ensure!(*first == *second, "not reached");
        Ok(())
    }

    lab(|lab: Lab| async move {
        let mut line = 0;
        for _ in 0..1000 {
            (_, line) = at!(lab.spawn(twice(lock())));
        }
        let found = lab.stuck(&[("twice", WaitKind::Lock); 1000]).await;
        let cycles = found
            .leaks()
            .iter()
            .filter(|leak| leak.verdict == Verdict::Proven(Proof::Cycle));
        let processes: Vec<_> = cycles.flat_map(|leak| &leak.processes).collect();
        let ids: HashSet<_> = processes.iter().map(|stuck| stuck.id).collect();
        assert_eq!((processes.len(), ids.len()), (1000, 1000), "each once");
        let here = |stuck: &&Stuck| stuck.site.as_ref().is_some_and(|site| site.line == line);
        assert_eq!(processes.into_iter().filter(here).count(), 1000);
        assert!(
            found
                .leaks()
                .iter()
                .all(|leak| leak.is_proven() && leak.behind == 0)
        );
        Ok(())
    });
}

/// `MutexHeap`: the same in children of processes, which wait for their children.
#[test]
fn mutex_heap() {
    #[process]
    async fn twice(own: &Lock) -> Result<()> {
        let first = own.lock().await;
        let second = own.lock().await;
        roundrock::ensure!(*first == *second, "not reached");
        Ok(())
    }

    #[process]
    async fn starts(scope: &Scope) -> Result<()> {
        scope.spawn(twice(lock())).await?;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let mut line = 0;
        for _ in 0..10 {
            (_, line) = at!(lab.spawn(starts()));
        }
        let kinds = [
            [("twice", WaitKind::Lock); 10],
            [("starts", WaitKind::Join); 10],
        ]
        .concat();
        let found = lab.stuck(&kinds).await;
        let named = |name: &str, proof: fn(&Proof) -> bool| {
            let proven = found.leaks().iter().filter(|leak| match &leak.verdict {
                Verdict::Proven(which) => proof(which),
                _ => false,
            });
            proven
                .flat_map(|leak| leak.names())
                .filter(|found| *found == name)
                .count()
        };
        assert_eq!(
            named("twice", |proof| *proof == Proof::Cycle),
            10,
            "{}",
            found.text()
        );
        assert_eq!(
            named("starts", |proof| matches!(proof, Proof::Behind { .. })),
            10,
            "{}",
            found.text()
        );
        assert!(
            found.text().contains(&format!("micro.rs:{line}")),
            "{}",
            found.text()
        );
        Ok(())
    });
}

/// `RWMutexRLock`: reads what it writes.
#[test]
fn rw_mutex_read_lock() {
    #[process]
    async fn reads(shared: &Arc<RwLock<u32>>) {
        let mut value = shared.write().await;
        *value += *shared.read().await;
    }

    lab(|lab: Lab| async move {
        let (_, line) = at!(lab.spawn(reads(Arc::default())));
        let found = lab.stuck(&[("reads", WaitKind::Lock)]).await;
        found.cycle(&[who(("reads", line), WaitKind::Lock, "", &["reads"])], 0);
        Ok(())
    });
}

/// `RWMutexLock`: writes what it writes.
#[test]
fn rw_mutex_write_lock() {
    #[process]
    async fn writes(shared: &Arc<RwLock<u32>>) {
        let mut value = shared.write().await;
        *value += *shared.write().await;
    }

    lab(|lab: Lab| async move {
        let (_, line) = at!(lab.spawn(writes(Arc::default())));
        let found = lab.stuck(&[("writes", WaitKind::Lock)]).await;
        found.cycle(&[who(("writes", line), WaitKind::Lock, "", &["writes"])], 0);
        Ok(())
    });
}

/// `Cond`: waits for a signal that only it could give.
#[test]
fn condition() {
    #[process]
    async fn waits(signal: &Sender<()>, signalled: &Receiver<()>, shared: &Lock) -> Result<()> {
        let _guard = shared.lock().await;
        signalled.recv().await;
        signal.send(()).await?;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (signal, signalled) = bounded(1).named("condition");
        let (_, line) = at!(lab.spawn(waits(signal, signalled, lock())));
        let found = lab.stuck(&[("waits", WaitKind::Recv)]).await;
        found.cycle(
            &[who(
                ("waits", line),
                WaitKind::Recv,
                "condition",
                &["waits"],
            )],
            0,
        );
        Ok(())
    });
}

/// `Mixed`: waits for the end of one that sends to it, and would receive afterwards.
#[test]
fn mixed() {
    #[process]
    async fn sends(out: &Sender<u32>) -> Result<()> {
        out.send(0).await?;
        Ok(())
    }

    #[process]
    async fn waits(task: Task<()>, input: &Receiver<u32>) -> Result<()> {
        task.await?;
        input.recv().await;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (out, input) = rendezvous().named("c");
        let (task, one) = at!(lab.spawn(sends(out)));
        let (_, two) = at!(lab.spawn(waits(task, input)));
        let found = lab
            .stuck(&[("sends", WaitKind::Send), ("waits", WaitKind::Join)])
            .await;
        let sender_waits = who(("sends", one), WaitKind::Send, "c", &["waits"]);
        found.cycle(
            &[
                sender_waits,
                who(("waits", two), WaitKind::Join, "", &["sends"]),
            ],
            0,
        );
        Ok(())
    });
}
