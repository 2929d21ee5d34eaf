//! Calls that would wait for themselves fail at once, and no other call does.
//!
//! Without the refusal every one of these tests hangs, and the watchdog says so.
//!
//! Threads only: calls of plain threads; and what is told once in the life of a system, whose memory of that the runs of a
//! simulation share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use roundrock::observe::EventKind;
use roundrock::prelude::*;
use roundrock_tests::{block_on, on, on_both, on_threads, on_workers};

/// Calls what it was given, as often as it was told.
#[process(mailbox = 1)]
struct Node {
    next: Option<NodeHandle>,
    seen: Option<CallError>,
}

#[handlers]
impl Node {
    fn connect(&mut self, next: NodeHandle) {
        self.next = Some(next);
    }

    fn ping(&self) -> u32 {
        1
    }

    /// Calls the next one, which calls the one after it.
    async fn pass(&mut self, hops: u32) -> Result<u32, CallError> {
        let Some(next) = &self.next else { return Ok(0) };
        if hops == 0 {
            return Ok(0);
        }
        match next.pass(hops - 1).await {
            Ok(n) => Ok(n + 1),
            Err(CallError::Failed(error)) => Err(error),
            Err(CallError::Cycle(path)) => {
                self.seen = Some(CallError::Cycle(path.clone()));
                Err(CallError::Cycle(path))
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// The same with a limit of time.
    async fn pass_within(&mut self) -> bool {
        match &self.next {
            Some(next) => next.ping().within(millis(20)).await == Err(CallError::Deadline),
            None => false,
        }
    }

    fn seen(&self) -> Option<CallError> {
        self.seen.clone()
    }

    /// Waits for a process that calls this one.
    async fn join(&mut self, task: Task<Result<u32, CallError>>) -> Result<u32, CallError> {
        match task.await {
            Ok(result) => result,
            Err(exit) => panic!("{exit}"),
        }
    }

    /// Calls the next one, which calls this one, beside a timer that ends first.
    async fn pass_or_sleep(&mut self) -> bool {
        let Some(next) = &self.next else { return false };
        select! {
            _ = cancel_safe(next.pass(1).into_future()) => false,
            () = sleep(millis(20)) => true,
        }
    }

    /// Calls the next one with a limit of time, which calls this one without one.
    async fn relay_within(&mut self) {
        if let Some(next) = &self.next {
            self.seen = next.relay().within(millis(20)).await.err();
        }
    }

    /// Calls the next one, and keeps what comes of it.
    async fn relay(&mut self) {
        if let Some(next) = &self.next {
            self.seen = next.ping().await.err();
        }
    }

    async fn wait_for(&mut self, task: Task<u32>) -> u32 {
        task.await.unwrap_or(0)
    }

    /// After a call that is refused, one that nothing is wrong with, and the first one again.
    async fn pass_on(&mut self, other: NodeHandle) -> (bool, u32, bool) {
        let Some(next) = &self.next else {
            return (false, 0, false);
        };
        let is_refused = |ended| matches!(ended, Err(CallError::Cycle(_)));
        let first = is_refused(next.ping().await);
        let answer = other.ping().await.unwrap_or(0);
        (first, answer, is_refused(next.ping().await))
    }

    async fn fill(&mut self, cx: &mut Cx<Self>) -> bool {
        let Some(me) = cx.handle() else { return false };
        // The first one fills the mailbox, the second one waits for room in it.
        let first = me.ping().send_and_forget().await.is_ok();
        first && matches!(me.ping().await, Err(CallError::Cycle(_)))
    }
}

fn node() -> Node {
    Node {
        next: None,
        seen: None,
    }
}

#[test]
fn y06_a_call_to_itself_is_refused() {
    on_both(2, async |scope| {
        let one = scope.spawn(node());
        one.connect(one.clone()).await?;
        let Err(CallError::Failed(CallError::Cycle(path))) = one.pass(3).await else {
            panic!("a call to itself was answered");
        };
        assert_eq!(path, [format!("Node{}", one.id().context("an id")?)]);
        assert_eq!(one.ping().await?, 1, "the process lives on");
        one.stop();
        Ok(())
    });
}

#[test]
fn y07_the_innermost_of_a_cycle_of_calls_is_refused() {
    for length in [2, 3, 5] {
        on_both(2, move |scope| async move {
            let nodes: Vec<_> = (0..length).map(|_| scope.spawn(node())).collect();
            for (at, one) in nodes.iter().enumerate() {
                one.connect(nodes[(at + 1) % length].clone()).await?;
            }
            let Err(CallError::Failed(CallError::Cycle(path))) = nodes[0].pass(100).await else {
                panic!("a cycle of calls was answered");
            };
            // The last one called the first one.
            let mut ids = Vec::new();
            for at in (0..length).map(|at| (at + length - 1) % length) {
                ids.push(format!("Node{}", nodes[at].id().context("an id")?));
            }
            assert_eq!(path, ids);
            assert!(nodes[length - 1].seen().await?.is_some());
            // A chain that is not closed is answered.
            assert_eq!(
                nodes[0].pass(length as u32 - 1).await,
                Ok(length as u32 - 1)
            );
            for one in nodes {
                one.stop();
            }
            Ok(())
        });
    }
}

#[test]
fn a_full_mailbox_of_its_own_is_a_cycle() {
    on_both(2, async |scope| {
        let one = scope.spawn(node());
        assert!(one.fill().await?);
        one.stop();
        Ok(())
    });
}

#[test]
fn a_cycle_through_a_join_is_refused() {
    on_both(2, async |scope| {
        let one = scope.spawn(node());
        let caller = one.clone();
        let (go, wait) = bounded(1);
        let task = scope.task("caller", async move {
            wait.recv().await;
            Ok::<_, Error>(match caller.ping().await {
                Ok(n) => Ok(n),
                Err(error) => Err(error),
            })
        });
        // The call is in the mailbox before the other one is made, or that would be answered first.
        let (result, sent) = join!(async { one.join(task).await }, async { go.send(()).await });
        sent?;
        assert!(
            matches!(result, Err(CallError::Failed(CallError::Cycle(_)))),
            "{result:?}"
        );
        one.stop();
        Ok(())
    });
}

#[test]
fn a_call_with_a_limit_burns_its_limit_and_is_not_refused() {
    on_both(2, async |scope| {
        let one = scope.spawn(node());
        one.connect(one.clone()).await?;
        assert!(one.pass_within().await?);
        one.stop();
        Ok(())
    });
}

/// A cycle that ends with its time is an event, once for the same places, with everybody in it and where they were spawned.
#[test]
fn a_cycle_with_a_limit_is_an_event() {
    on(2, async |scope| {
        let events = scope.system().events();
        let one = scope.spawn(node());
        one.connect(one.clone()).await?;
        for _ in 0..3 {
            assert!(one.pass_within().await?);
        }
        let told: Vec<_> = events
            .try_iter()
            .filter(|event| matches!(event.kind, EventKind::TimedCycle { .. }))
            .collect();
        assert_eq!(told.len(), 1, "{told:#?}");
        let EventKind::TimedCycle { path, sites } = &told[0].kind else {
            panic!("{told:#?}");
        };
        assert!(path.len() == 1 && path[0].starts_with("Node#"), "{path:?}");
        let site = sites[0].as_ref().context("it was spawned")?;
        assert!(site.file.ends_with("cycles.rs"), "{site:?}");
        assert_eq!(
            (&*told[0].name, told[0].site.as_ref()),
            ("Node", Some(site))
        );
        let text = told[0].to_string();
        assert!(
            text.contains("until the time of one of them is up"),
            "{text}"
        );
        one.stop();
        Ok(())
    });
}

/// Two that call each other at the same time, again and again: at least one of the two is refused, and both always end.
#[test]
fn two_that_call_each_other_at_the_same_time_never_hang() {
    on_workers(|scope| async move {
        let one = scope.spawn(node());
        let two = scope.spawn(node());
        one.connect(two.clone()).await?;
        two.connect(one.clone()).await?;
        let refused = Arc::new(AtomicUsize::new(0));
        for _ in 0..500 {
            let (left, right) = join!(one.pass(2).into_future(), two.pass(2).into_future());
            for result in [left, right] {
                match result {
                    Ok(_) => {}
                    Err(CallError::Failed(CallError::Cycle(_))) => {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
        // Each call comes back to the process that made it, which has not answered yet.
        assert_eq!(refused.load(Ordering::Relaxed), 1000);
        one.stop();
        two.stop();
        Ok(())
    });
}

/// A server that calls another one, and many callers: nothing is refused where nothing waits for itself.
#[test]
fn no_call_is_refused_without_a_cycle() {
    on_workers(|scope| async move {
        let nodes: Vec<_> = (0..4).map(|_| scope.spawn(node())).collect();
        for (at, one) in nodes.iter().take(3).enumerate() {
            one.connect(nodes[at + 1].clone()).await?;
        }
        let callers: Vec<_> = (0..4)
            .map(|at| {
                let one = nodes[at % 3].clone();
                scope.task("caller", async move {
                    for _ in 0..500 {
                        one.pass(8).await?;
                    }
                    roundrock::Ok(())
                })
            })
            .collect();
        for caller in callers {
            caller.await?;
        }
        for one in nodes {
            one.stop();
        }
        Ok(())
    });
}

#[test]
fn a_call_in_a_select_is_not_refused() {
    on_workers(|scope| async move {
        let one = scope.spawn(node());
        let two = scope.spawn(node());
        one.connect(two.clone()).await?;
        two.connect(one.clone()).await?;
        assert!(one.pass_or_sleep().await?, "the timer ends the wait");
        assert_eq!(two.seen().await?, None, "nobody was refused");
        assert_eq!(one.ping().await?, 1);
        one.stop();
        two.stop();
        Ok(())
    });
}

#[test]
fn a_limit_of_time_in_a_cycle_ends_it_without_a_refusal() {
    on_workers(|scope| async move {
        let one = scope.spawn(node());
        let two = scope.spawn(node());
        one.connect(two.clone()).await?;
        two.connect(one.clone()).await?;
        one.relay_within().await?;
        // The limit travels with the message, so either call may be the first whose time is up.
        let seen = [one.seen().await?, two.seen().await?];
        let refused = |seen: &Option<CallError>| matches!(seen, Some(CallError::Cycle(_)));
        assert!(!seen.iter().any(refused), "{seen:?}");
        assert!(seen.iter().any(Option::is_some), "it was no cycle");
        one.stop();
        two.stop();
        Ok(())
    });
}

#[test]
fn the_calls_after_a_refused_one_are_calls_like_any_other() {
    on_workers(|scope| async move {
        let one = scope.spawn(node());
        let other = scope.spawn(node());
        one.connect(one.clone()).await?;
        for _ in 0..100 {
            assert_eq!(one.pass_on(other.clone()).await?, (true, 1, true));
        }
        one.stop();
        other.stop();
        Ok(())
    });
}

/// Three in a ring, all of them called at the same time: a refusal breaks every cycle, and nobody waits for ever.
#[test]
fn three_that_call_each_other_at_the_same_time_never_hang() {
    on_workers(|scope| async move {
        let nodes: Vec<_> = (0..3).map(|_| scope.spawn(node())).collect();
        for (at, one) in nodes.iter().enumerate() {
            one.connect(nodes[(at + 1) % 3].clone()).await?;
        }
        for _ in 0..200 {
            let calls = nodes.iter().map(|one| {
                let one = one.clone();
                scope.task("caller", async move { roundrock::Ok(one.pass(1).await) })
            });
            for call in calls.collect::<Vec<_>>() {
                match call.await? {
                    Ok(_) | Err(CallError::Failed(CallError::Cycle(_))) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
        for one in nodes {
            one.stop();
        }
        Ok(())
    });
}

/// A plain thread calls a process that waits for what another one does: what threads wait for is not seen, and nothing is refused.
#[test]
fn a_call_of_a_plain_thread_is_no_part_of_a_cycle() {
    on_threads(|scope| async move {
        let one = scope.spawn(node());
        for _ in 0..50 {
            let (go, gone) = oneshot::<u32>();
            let task = scope.task(
                "waits",
                async move { gone.await.context("the thread is gone") },
            );
            let caller = one.clone();
            let calls = std::thread::spawn(move || block_on(caller.ping().into_future()));
            // Before the process waits for this, or afterwards.
            let ends = std::thread::spawn(move || go.send(7).is_ok());
            assert_eq!(one.wait_for(task).await?, 7);
            let ended = blocking(move || (calls.join(), ends.join())).await;
            assert_eq!(ended.0.expect("it ends"), Ok(1));
            assert!(ended.1.expect("it ends"));
        }
        one.stop();
        Ok(())
    });
}
