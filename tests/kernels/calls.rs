//! Calls that would wait for each other: refused, with the way round, or proven where there is no call to refuse.

use roundrock::leaks::Verdict;
use roundrock::prelude::*;

use crate::kit::{Lab, Meet, WaitKind, at, lab, who};

/// A limit on the call is a way out, so it is not refused: it ends with its deadline.
#[test]
fn a_call_with_a_limit_is_not_refused() {
    #[process(name = "patient")]
    struct Patient;

    #[handlers]
    impl Patient {
        async fn outer(&mut self, cx: &mut Cx<Self>) -> bool {
            let Some(me) = cx.handle() else { return false };
            matches!(me.inner().within(millis(5)).await, Err(CallError::Deadline))
        }
        fn inner(&self) {}
    }

    lab(|lab: Lab| async move {
        let patient = lab.spawn(Patient);
        assert!(patient.outer().await?);
        drop(patient);
        lab.ends().await
    });
}

/// Two with full mailboxes send to each other: there is no call to refuse, so it is proven. Case G08.
#[test]
fn g08_two_full_mailboxes() {
    #[process(name = "peer", mailbox = 1)]
    struct Peer {
        other: Option<PeerHandle>,
    }

    #[handlers]
    impl Peer {
        fn meet(&mut self, other: PeerHandle) {
            self.other = Some(other);
        }
        async fn flood(&mut self, meet: Meet) -> Result<()> {
            meet.all(2).await;
            let Some(other) = &self.other else {
                return Ok(());
            };
            for _ in 0..2 {
                other.hear().send().await?;
            }
            Ok(())
        }
        fn hear(&self) {}
    }

    lab(|lab: Lab| async move {
        let (one, line) = at!(lab.spawn(Peer { other: None }));
        let (two, other_line) = at!(lab.spawn(Peer {
            other: Some(one.clone())
        }));
        one.meet(two.clone()).await?;
        let meet = Meet::default();
        one.flood(meet.clone()).send_and_forget().await?;
        two.flood(meet).send_and_forget().await?;
        let found = lab.stuck(&[("peer", WaitKind::Send); 2]).await;
        let first = who(("peer", line), WaitKind::Send, "", &["peer"]);
        found.cycle(
            &[
                first,
                who(("peer", other_line), WaitKind::Send, "", &["peer"]),
            ],
            0,
        );
        drop((one, two));
        Ok(())
    });
}

/// Two that wait for each other, and 98 that wait for one of them: one root, 98 behind. Case L27.
#[test]
fn l27_many_behind_a_cycle() {
    #[process]
    async fn ping(input: &Receiver<u32>, out: &Sender<u32>, more: &Sender<u32>) -> Result<()> {
        let n = input.recv().await.unwrap_or(0);
        more.send(n).await?;
        out.send(n).await?;
        Ok(())
    }

    #[process]
    async fn pong(input: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
        out.send(input.recv().await.unwrap_or(0)).await?;
        Ok(())
    }

    #[process]
    async fn client(more: &Receiver<u32>) {
        more.recv().await;
    }

    lab(|lab: Lab| async move {
        let ((a, to_a), (b, to_b)) = (rendezvous().named("a"), rendezvous().named("b"));
        let (more, served) = bounded(1).named("more");
        let (_, one) = at!(lab.spawn(ping(to_a, b, more)));
        let (_, two) = at!(lab.spawn(pong(to_b, a)));
        let mut three = 0;
        for _ in 0..98 {
            (_, three) = at!(lab.spawn(client(served.clone())));
        }
        drop(served);
        let mut kinds = vec![("client", WaitKind::Recv); 98];
        kinds.extend([("ping", WaitKind::Recv), ("pong", WaitKind::Recv)]);
        let found = lab.stuck(&kinds).await;
        let ping_waits = who(("ping", one), WaitKind::Recv, "a", &["pong"]);
        found.cycle(
            &[
                ping_waits,
                who(("pong", two), WaitKind::Recv, "b", &["ping"]),
            ],
            98,
        );
        found.behind(&[who(("client", three), WaitKind::Recv, "more", &["ping"])]);
        assert_eq!(
            found.leaks().len(),
            2,
            "one for the root, one for all behind:\n{}",
            found.text()
        );
        Ok(())
    });
}

/// One that listens to its peer and to the end of its scope, where the peer is stuck for ever: only a stop can wake it. Case L26.
#[test]
fn l26_only_a_stop_can_wake_it() {
    #[process]
    async fn stuck(out: &Sender<u32>) -> Result<()> {
        std::future::pending::<()>().await;
        out.send(1).await?;
        Ok(())
    }

    #[process]
    async fn listens(scope: &Scope, input: &Receiver<u32>) {
        select! {
            _ = input.recv() => {}
            _ = scope.stopping() => {}
        }
    }

    lab(|lab: Lab| async move {
        let (out, input) = rendezvous().named("news");
        let (_, one) = at!(lab.spawn(stuck(out)));
        let (listener, two) = at!(lab.spawn(listens(input)));
        let found = lab
            .stuck(&[("stuck", WaitKind::Other), ("listens", WaitKind::Select)])
            .await;
        found.no_waker(("stuck", one), 0);
        let stranded = found
            .leaks()
            .iter()
            .filter(|leak| leak.verdict == Verdict::Stranded);
        assert_eq!(
            stranded.flat_map(|leak| leak.names()).collect::<Vec<_>>(),
            ["listens"],
            "{}",
            found.text()
        );
        found.of("listens", two);
        lab.stop(millis(50)).await;
        assert!(listener.exit().is_some_and(|exit| exit.is_normal()));
        Ok(())
    });
}
