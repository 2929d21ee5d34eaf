//! What Rust adds: clones that linger, handles in state, tokens in maps, forgotten guards, futures that are paused.
//!
//! `std` locks across an await do not compile in a process: `ui/process/guard-across-await.rs`.

use std::mem::ManuallyDrop;
use std::pin::pin;

use roundrock::leaks::{Proof, Verdict};
use roundrock::prelude::*;
use roundrock_tests::yield_now;

use crate::kit::{Lab, Lock, Meet, WaitKind, at, lab, lock, who};
use crate::oneshots::{asks, desk};

/// R1 with ports: the holder is known, so it is proven.
#[test]
fn r1_a_port_lingers() {
    #[process]
    async fn worker(results: &Sender<u32>) -> Result<()> {
        results.send(1).await?;
        Ok(())
    }

    #[process]
    async fn collect(scope: &Scope, results: &Sender<u32>, all: &Receiver<u32>) {
        scope.pool(3, worker(results.clone()));
        while all.recv().await.is_some() {}
    }

    lab(|lab: Lab| async move {
        let (results, all) = bounded(4).named("results");
        let (_, line) = at!(lab.spawn(collect(results, all)));
        let found = lab.stuck(&[("collect", WaitKind::Recv)]).await;
        found.cycle(
            &[who(
                ("collect", line),
                WaitKind::Recv,
                "results",
                &["collect"],
            )],
            0,
        );
        Ok(())
    });
}

/// A process that keeps handles to its neighbours.
#[process(name = "node")]
struct Node {
    peers: Vec<NodeHandle>,
}

#[handlers]
impl Node {
    fn meet(&mut self, peer: NodeHandle) {
        self.peers.push(peer);
    }
}

/// R2 and R3: idle processes that keep each other alive: alone, two, and a ring of five. Case L11; P40. A stop ends them.
#[test]
fn r3_idle_handles_to_each_other() {
    for size in [1, 2, 5] {
        lab(move |lab: Lab| async move {
            let (mut nodes, mut line) = (Vec::new(), 0);
            for _ in 0..size {
                let (node, here) = at!(lab.spawn(Node { peers: vec![] }));
                nodes.push(node);
                line = here;
            }
            for (index, node) in nodes.iter().enumerate() {
                node.meet(nodes[(index + 1) % size].clone()).await?;
            }
            drop(nodes);
            let found = lab.stuck(&vec![("node", WaitKind::Recv); size]).await;
            let one = who(("node", line), WaitKind::Recv, "", &["node"]);
            found.cycle(&vec![one; size], 0);
            assert!(lab.stop(secs(5)).await.is_clean());
            Ok(())
        });
    }
}

/// R3: while somebody outside has a handle to one of them, nothing is proven.
#[test]
fn r3_idle_handles_with_a_way_in() {
    lab(|lab: Lab| async move {
        let (one, two) = (
            lab.spawn(Node { peers: vec![] }),
            lab.spawn(Node { peers: vec![] }),
        );
        one.meet(two.clone()).await?;
        two.meet(one.clone()).await?;
        drop(two);
        let idle = [("node", WaitKind::Recv); 2];
        let found = lab.stuck(&idle).await;
        assert!(
            found.leaks().iter().all(|leak| !leak.is_proven()),
            "{}",
            found.text()
        );
        // The way in is used, and then given up.
        let last = one.clone();
        one.meet(last).await?;
        drop(one);
        let found = lab.stuck(&idle).await;
        let proven = found
            .leaks()
            .iter()
            .filter(|leak| leak.verdict == Verdict::Proven(Proof::Cycle));
        assert_eq!(
            proven.map(|leak| leak.processes.len()).collect::<Vec<_>>(),
            [2],
            "{}",
            found.text()
        );
        Ok(())
    });
}

/// R5: a guard that is forgotten. The lock is the process's own for ever, and it waits for it.
#[test]
fn r5_a_guard_is_forgotten() {
    #[process]
    async fn forgets(shared: &Lock) {
        let _forgotten = ManuallyDrop::new(shared.lock().await);
        *shared.lock().await += 1;
    }

    lab(|lab: Lab| async move {
        let (_, line) = at!(lab.spawn(forgets(lock())));
        let found = lab.stuck(&[("forgets", WaitKind::Lock)]).await;
        found.cycle(
            &[who(("forgets", line), WaitKind::Lock, "", &["forgets"])],
            0,
        );
        Ok(())
    });
}

/// R6: a `select!` drops the work that had taken a request. The token goes with it, and the client is told.
#[test]
fn r6_select_drops_a_request() {
    #[process]
    async fn server(requests: &Receiver<(u32, OneshotSender<u32>)>) {
        let work = async {
            let (n, reply) = requests.recv().await?;
            yield_now().await;
            std::future::pending::<()>().await;
            reply.send(n).ok()
        };
        select! {
            _ = cancel_safe(work) => {}
            () = sleep(micros(100)) => {}
        }
    }

    lab(|lab: Lab| async move {
        let (ask, requests) = rendezvous();
        lab.spawn(server(requests));
        let (reply, answer) = oneshot();
        let _ended_before = ask.send((7, reply)).await;
        assert_eq!(answer.recv().await, None);
        lab.ends().await
    });
}

/// R7: a future that waits for a lock is put aside; the lock is granted to it, and the process waits for the lock elsewhere.
#[test]
fn r7_a_paused_future_has_the_lock() {
    #[process]
    async fn pauses(meet: &Meet, shared: &Lock) {
        meet.reached(1).await;
        let mut first = pin!(shared.lock());
        let begun =
            std::future::poll_fn(|cx| std::task::Poll::Ready(first.as_mut().poll(cx).is_ready()))
                .await;
        assert!(!begun);
        meet.all(2).await;
        drop(shared.lock().await);
        drop(first.await);
    }

    #[process]
    async fn holds(meet: &Meet, shared: &Lock) {
        let _guard = shared.lock().await;
        meet.all(2).await;
    }

    lab(|lab: Lab| async move {
        let (meet, shared) = (Meet::default(), lock());
        lab.spawn(holds(meet.clone(), shared.clone()));
        let (_, line) = at!(lab.spawn(pauses(meet, shared)));
        let found = lab.stuck(&[("pauses", WaitKind::Lock)]).await;
        found.cycle(&[who(("pauses", line), WaitKind::Lock, "", &["pauses"])], 0);
        Ok(())
    });
}

/// R9: the desk waits for messages, and whoever could send one waits for the desk to answer.
#[test]
fn r9_an_answer_lies_with_who_waits_for_the_asker() {
    lab(|lab: Lab| async move {
        let (desk, first) = at!(lab.spawn(desk()));
        let (_, second) = at!(lab.spawn(asks(desk)));
        let found = lab
            .stuck(&[("desk", WaitKind::Recv), ("asks", WaitKind::Recv)])
            .await;
        found.cycle(
            &[
                who(("asks", second), WaitKind::Recv, "", &["desk"]),
                who(("desk", first), WaitKind::Recv, "", &["asks"]),
            ],
            0,
        );
        let text = found.text();
        assert!(
            text.contains("waits to receive from the `oneshot` made at tests/kernels/oneshots.rs:")
                && text.contains(", whose only sender is held by desk#"),
            "{text}"
        );
        Ok(())
    });
}

/// R9: a process that has the only sender of what it waits for.
#[test]
fn r9_an_answer_that_only_the_asker_could_give() {
    #[process]
    async fn own(answer: &OneshotSender<u32>, question: OneshotReceiver<u32>) {
        question.await;
        let _ = answer;
    }

    lab(|lab: Lab| async move {
        let (answer, question) = oneshot();
        let (_, line) = at!(lab.spawn(own(answer, question)));
        let found = lab.stuck(&[("own", WaitKind::Recv)]).await;
        found.cycle(&[who(("own", line), WaitKind::Recv, "", &["own"])], 0);
        Ok(())
    });
}

/// R9: who has the sender waits for the end of who waits for it; and a third one for both.
#[test]
fn r9_an_answer_behind_a_join() {
    #[process]
    async fn keeps(answer: &OneshotSender<u32>, task: Task<()>) {
        task.done().await;
        let _ = answer;
    }

    lab(|lab: Lab| async move {
        let (answer, question) = oneshot::<u32>();
        let (task, first) = at!(lab.task("asks", async move {
            question.await;
        }));
        let (keeps, second) = at!(lab.spawn(keeps(answer, task)));
        lab.task("behind", async move {
            keeps.done().await;
        });
        let found = lab
            .stuck(&[
                ("asks", WaitKind::Recv),
                ("keeps", WaitKind::Join),
                ("behind", WaitKind::Join),
            ])
            .await;
        found.cycle(
            &[
                who(("asks", first), WaitKind::Recv, "", &["keeps"]),
                who(("keeps", second), WaitKind::Join, "", &["asks"]),
            ],
            1,
        );
        Ok(())
    });
}
