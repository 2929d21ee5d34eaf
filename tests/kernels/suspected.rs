//! What is old and cannot be proven, with the reason: somebody outside, or alive, may still end the wait. And arms of a `select!`
//! that can never win, of a process that lives.

use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use roundrock::leaks::Verdict;
use roundrock::prelude::*;

use crate::context::{await_done, reset};
use crate::kit::{Found, Lab, WaitKind, at, suspicious_lab, who};

/// The same, where a process that lives on keeps a sender for later: it may send any time, so it is only old.
#[test]
fn range_over_a_channel_of_a_bystander() {
    suspicious_lab(|lab: Lab| async move {
        let (jobs, inbox) = bounded::<u32>(8).named("jobs");
        let (_, line) = at!(lab.task(
            "worker",
            async move { while inbox.recv().await.is_some() {} }
        ));
        let found: Found = lab.suspects(&[("worker", WaitKind::Recv)]).await;
        let one = who(("worker", line), WaitKind::Recv, "jobs", &["outside"]);
        found.suspected(&[one], "a sender of it is in a local variable");
        drop(jobs);
        lab.ends().await
    });
}

/// moby 33293: the error is sent into a channel that the caller gets afterwards. The receiver belongs to nobody but the process
/// itself, but it is a local variable, of which the runtime does not know who could use it.
#[test]
fn moby_33293_sends_before_it_returns_the_receiver() {
    async fn wait_for_container() -> Result<Receiver<u32>> {
        let (errors, first) = rendezvous().named("errors");
        errors.send(1).await?;
        Ok(first)
    }

    #[process]
    async fn container() -> Result<()> {
        wait_for_container().await?.recv().await;
        Ok(())
    }

    suspicious_lab(|lab: Lab| async move {
        let (_, line) = at!(lab.spawn(container()));
        let found = lab.suspects(&[("container", WaitKind::Send)]).await;
        let one = who(("container", line), WaitKind::Send, "errors", &["outside"]);
        found.suspected(&[one], "a receiver of it is in a local variable");
        Ok(())
    });
}

/// The same, where the rows lie in a cache of a process that lives on: it may close them any time, so the wait is only old.
#[test]
fn cockroach_13755_rows_in_a_cache() {
    #[process(name = "cache")]
    struct Cache {
        rows: Vec<Sender<()>>,
    }

    #[handlers]
    impl Cache {
        fn keep(&mut self, rows: Sender<()>) {
            self.rows.push(rows);
        }
    }

    suspicious_lab(|lab: Lab| async move {
        let (cancel, cancelled) = rendezvous().named("cancel");
        let cache = lab.spawn(Cache { rows: Vec::new() });
        cache.keep(cancel).await?;
        let (_, line) = at!(lab.spawn(await_done(cancelled)));
        let expected = [("await_done", WaitKind::Recv), ("cache", WaitKind::Recv)];
        lab.parked(&expected).await;
        let found = lab.suspects(&expected).await;
        assert!(
            !found.leaks().iter().any(|leak| leak.is_proven()),
            "{}",
            found.text()
        );
        let waiting = who(("await_done", line), WaitKind::Recv, "cancel", &["cache"]);
        found.about(&waiting, "cache");
        drop(cache);
        lab.ends().await
    });
}

/// The same, where the one that would cancel is stuck for ever: the loop lives, but its way out is dead.
#[test]
fn grpc_862_nobody_is_left_to_cancel() {
    #[process]
    async fn dial(connection: &Sender<()>) -> Result<()> {
        std::future::pending::<()>().await;
        connection.send(()).await?;
        Ok(())
    }

    suspicious_lab(|lab: Lab| async move {
        let (connection, cancelled) = rendezvous().named("cancelled");
        let (_, one) = at!(lab.spawn(dial(connection)));
        let (_, two) = at!(lab.spawn(reset(cancelled)));
        let found = lab.until(|leak| leak.verdict == Verdict::DeadArm).await;
        found.no_waker(("dial", one), 0);
        let arm = who(("reset", two), WaitKind::Recv, "cancelled", &["dial"]);
        found.verdict(&Verdict::DeadArm, &[arm]);
        Ok(())
    });
}

/// R1: the sender that was cloned for the workers lives on in the loop that waits for the end of the results.
#[test]
fn r1_a_clone_lingers() {
    suspicious_lab(|lab: Lab| async move {
        let (results, all) = bounded::<u32>(4).named("results");
        let workers = lab.clone();
        let (_, line) = at!(lab.task("collect", async move {
            for n in 0..3 {
                let results = results.clone();
                workers.task("worker", async move { results.send(n).await });
            }
            while all.recv().await.is_some() {}
            drop(results);
        }));
        let found = lab.suspects(&[("collect", WaitKind::Recv)]).await;
        let one = who(("collect", line), WaitKind::Recv, "results", &["outside"]);
        found.suspected(&[one], "a sender of it is in a local variable");
        Ok(())
    });
}

/// R4: a token for the reply lies in a map and is never answered. Its holder lives and could answer any time.
#[test]
fn r4_a_reply_in_a_map() {
    #[process(name = "desk")]
    struct Desk {
        waiting: HashMap<u32, Reply<u32>>,
    }

    #[handlers]
    impl Desk {
        fn ask(&mut self, number: u32, reply: Reply<u32>) {
            self.waiting.insert(number, reply);
        }
        fn forget(&mut self) {
            self.waiting.clear();
        }
    }

    #[process]
    async fn client(desk: &DeskHandle, seen: &Sender<bool>) -> Result<()> {
        let refused = desk.ask(1).await;
        seen.send(matches!(refused, Err(CallError::NoReply)))
            .await?;
        Ok(())
    }

    suspicious_lab(|lab: Lab| async move {
        let desk = lab.spawn(Desk {
            waiting: HashMap::new(),
        });
        let (seen, answers) = bounded(1);
        let (_, line) = at!(lab.spawn(client(desk.clone(), seen)));
        let expected = [("client", WaitKind::Reply), ("desk", WaitKind::Recv)];
        lab.parked(&expected).await;
        let found = lab.suspects(&expected).await;
        assert!(
            found.leaks().iter().all(|leak| !leak.is_proven()),
            "{}",
            found.text()
        );
        found.of("client", line);
        // What ends it: the token is dropped. Case Y02.
        desk.forget().await?;
        assert_eq!(answers.recv().await, Some(true));
        drop(desk);
        lab.ends().await
    });
}

/// R5: an endpoint that is forgotten, and one in an `Arc` that keeps itself: nobody knows them, so the wait is only old.
#[test]
fn r5_an_endpoint_is_forgotten() {
    #[process]
    async fn waits(input: &Receiver<u32>) {
        input.recv().await;
    }

    struct Ring {
        _sender: Sender<u32>,
        _me: std::sync::Mutex<Option<Arc<Self>>>,
    }

    suspicious_lab(|lab: Lab| async move {
        let ((one, first), (_sender, second)) =
            (rendezvous().named("one"), rendezvous().named("two"));
        let _forgotten = ManuallyDrop::new(one);
        let ring = Arc::new(Ring {
            _sender,
            _me: std::sync::Mutex::new(None),
        });
        *ring._me.lock().expect("not poisoned") = Some(Arc::clone(&ring));
        drop(ring);
        for (input, name) in [(first, "one"), (second, "two")] {
            let (task, line) = at!(lab.spawn(waits(input)));
            let found = lab.suspects(&[("waits", WaitKind::Recv)]).await;
            let one = who(("waits", line), WaitKind::Recv, name, &["outside"]);
            found.suspected(&[one], "a sender of it is in a local variable");
            task.kill();
            task.done().await;
        }
        Ok(())
    });
}

/// `Cond` of Go's micro cases with a value that others may watch: who could change it is not known.
#[test]
fn condition_on_a_value() {
    #[process]
    async fn waits(state: &LatestSender<u32>, seen: LatestReceiver<u32>) {
        while seen.changed().await.is_ok() {}
        state.set(1);
    }

    suspicious_lab(|lab: Lab| async move {
        let (state, seen) = latest(0);
        let (_, line) = at!(lab.spawn(waits(state, seen)));
        let found = lab.suspects(&[("waits", WaitKind::Recv)]).await;
        assert!(
            found.leaks().iter().all(|leak| !leak.is_proven()),
            "{}",
            found.text()
        );
        found.of("waits", line);
        let reason = "followed";
        found.about(&who(("waits", line), WaitKind::Recv, "", &[]), reason);
        Ok(())
    });
}

/// A worker that also listens to the stop is no less suspicious than one that does not.
#[test]
fn range_with_an_arm_for_the_stop() {
    #[process]
    async fn worker(jobs: &Receiver<u32>, scope: &Scope) {
        loop {
            select! {
                _job = jobs.recv() => {}
                _ = scope.stopping() => break,
            }
        }
    }

    /// It only waits for the stop, on purpose.
    #[process]
    async fn idle(scope: &Scope) {
        scope.stopping().await;
    }

    suspicious_lab(|lab: Lab| async move {
        let (jobs, inbox) = bounded::<u32>(8).named("jobs");
        let table = Arc::new(HashMap::from([(1, jobs)]));
        let _idle = lab.spawn(idle());
        let (_, line) = at!(lab.spawn(worker(inbox)));
        let found = lab.until(|leak| leak.names() == ["worker"]).await;
        let one = found.of("worker", line);
        let mut kinds: Vec<_> = one.waits.iter().map(|wait| wait.kind).collect();
        kinds.sort_by_key(|kind| format!("{kind:?}"));
        assert_eq!(
            kinds,
            [WaitKind::Recv, WaitKind::Stopping],
            "{}",
            found.text()
        );
        assert!(
            found
                .text()
                .contains("; not proven: a sender of it is in a local variable"),
            "{}",
            found.text()
        );
        assert!(found.leaks().iter().all(|leak| leak.names() != ["idle"]));
        drop(table);
        Ok(())
    });
}
