//! Calls that would wait for each other: refused, with the way round, or proven where there is no call to refuse.

use roundrock::leaks::Verdict;
use roundrock::prelude::*;

use crate::kit::{Lab, Meet, WaitKind, at, lab, who};

/// The names in the way round that a refused call tells of.
fn names(path: &[String]) -> Vec<&str> {
    path.iter()
        .map(|step| step.split('#').next().unwrap_or(step))
        .collect()
}

/// A call to itself is refused at once. Case Y06.
#[test]
fn y06_a_process_calls_itself() {
    #[process(name = "alone")]
    struct Alone;

    #[handlers]
    impl Alone {
        async fn outer(&mut self, cx: &mut Cx<Self>) -> Option<Vec<String>> {
            match cx.handle()?.inner().await {
                Err(CallError::Cycle(path)) => Some(path.iter().map(ToString::to_string).collect()),
                _ => None,
            }
        }
        fn inner(&self) {}
    }

    lab(|lab: Lab| async move {
        let alone = lab.spawn(Alone);
        let path = alone.outer().await?.context("it was not refused")?;
        assert_eq!(names(&path), ["alone"]);
        assert!(
            alone.inner().await.is_ok(),
            "the call failed, and not the process"
        );
        drop(alone);
        lab.ends().await
    });
}

/// A calls B, and B calls A: the innermost call is refused, the others complete. Case Y07.
#[test]
fn y07_two_call_each_other() {
    #[process(name = "left")]
    struct Left {
        right: Option<RightHandle>,
    }

    #[handlers]
    impl Left {
        fn meet(&mut self, right: RightHandle) {
            self.right = Some(right);
        }
        async fn ask(&mut self) -> Vec<String> {
            match &self.right {
                Some(right) => right.ask().await.unwrap_or_default(),
                None => Vec::new(),
            }
        }
        fn tell(&self) {}
    }

    #[process(name = "right")]
    struct Right {
        left: LeftHandle,
    }

    #[handlers]
    impl Right {
        async fn ask(&mut self) -> Vec<String> {
            match self.left.tell().await {
                Err(CallError::Cycle(path)) => path.iter().map(ToString::to_string).collect(),
                _ => Vec::new(),
            }
        }
    }

    lab(|lab: Lab| async move {
        let left = lab.spawn(Left { right: None });
        let right = lab.spawn(Right { left: left.clone() });
        left.meet(right).await?;
        let path = left.ask().await?;
        assert_eq!(names(&path), ["right", "left"], "{path:?}");
        assert!(left.tell().await.is_ok());
        Ok(())
    });
}

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
