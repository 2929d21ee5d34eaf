//! The 15 micro cases with which Go's runtime tests its own leak profile (`NilRecv` to `NoLeakGlobal`).
//!
//! `NilRecv`, `NilSend` and `SelectNoCases` do not compile: `ui/kernels/nil-receive.rs`, `ui/kernels/nil-send.rs` and
//! `ui/select/no-branch.rs`. `SelectNoCasesMain` is in `global.rs`, `NoLeakGlobal` in `negative.rs`.

use roundrock::prelude::*;

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
