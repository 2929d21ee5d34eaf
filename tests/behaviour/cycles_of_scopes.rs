//! Calls that would wait for themselves through the end of a scope fail at once, and no other call does.
//!
//! Without the refusal those of the first part hang, and the watchdog says so; so do the others, if one of their calls is refused.

use roundrock::prelude::*;
use roundrock_tests::{on_both, on_workers, yield_now};

/// Waits in its handlers for scopes in which others call it.
#[process]
struct Boss {
    left: Option<Scope>,
}

#[handlers]
impl Boss {
    fn ping(&self) -> u32 {
        1
    }

    /// Calls itself from so many processes of a group, and waits for them.
    async fn crew(&mut self, me: BossHandle, scope: Scope, size: usize) -> Vec<CallError> {
        let calls = scope.group(async move |group| {
            let call = |_| {
                let me = me.clone();
                group.task("crew", async move {
                    roundrock::Ok(me.ping().await.unwrap_err())
                })
            };
            roundrock::Ok((0..size).map(call).collect::<Vec<_>>())
        });
        let mut refused = Vec::new();
        for call in calls.await.expect("the crew fails of nothing") {
            refused.push(call.await.expect("it has ended"));
        }
        refused
    }

    /// Waits for the end of a scope.
    async fn waits_for(&mut self, scope: Scope) -> bool {
        scope.join().await.is_ok()
    }

    /// The same, once it has said so.
    async fn says_and_waits_for(&mut self, scope: Scope, go: Sender<u32>) -> bool {
        go.send(1).await.is_ok() && scope.join().await.is_ok()
    }

    /// The same, as long as a timer allows.
    async fn waits_a_while_for(&mut self, scope: Scope) -> bool {
        select! {
            ended = cancel_safe(scope.join()) => ended.is_ok(),
            () = sleep(millis(20)) => false,
        }
    }

    /// Stops a scope, which drops after a while who is left in it.
    async fn stops(&mut self) -> bool {
        match self.left.take() {
            Some(scope) => scope.stop(millis(20)).await.is_clean(),
            None => false,
        }
    }
}

/// Hands calls on, in a place of its own.
#[process]
struct Deputy {
    boss: BossHandle,
}

#[handlers]
impl Deputy {
    async fn ping(&mut self) -> Result<u32, CallError> {
        self.boss.ping().await
    }
}

fn boss() -> Boss {
    Boss { left: None }
}

fn names(error: &CallError) -> Vec<&str> {
    let CallError::Cycle(path) = error else {
        panic!("it was not refused: {error:?}");
    };
    let parts = path.iter().map(|one| one.split('#'));
    parts.filter_map(|mut parts| parts.next()).collect()
}

#[test]
fn children_who_call_the_handler_that_waits_for_them_are_refused() {
    for size in [1, 3] {
        on_both(2, move |scope| async move {
            let one = scope.spawn(boss());
            let refused = one.crew(one.clone(), scope.clone(), size).await?;
            assert_eq!(refused.len(), size);
            for error in &refused {
                assert_eq!(names(error), ["crew", "Boss"]);
            }
            assert_eq!(one.ping().await?, 1, "the process lives on");
            one.stop();
            Ok(())
        });
    }
}

/// Who waits for the scope parks last.
#[test]
fn a_call_that_waits_for_the_scope_of_its_caller_is_refused() {
    on_both(2, async |scope| {
        let one = scope.spawn(boss());
        let (room, boss) = (scope.child("room"), one.clone());
        let inside = room.clone();
        let caller = room.task("caller", async move {
            roundrock::Ok(boss.waits_for(inside).await.unwrap_err())
        });
        assert_eq!(names(&caller.await?), ["caller", "Boss"]);
        one.stop();
        Ok(())
    });
}

/// The child of a child calls another process, which calls the one that waits; beside it somebody waits for nobody of these.
#[test]
fn a_cycle_through_a_scope_in_a_scope_and_a_call_is_refused() {
    on_both(2, async |scope| {
        let one = scope.spawn(boss());
        let deputy = scope.spawn(Deputy { boss: one.clone() });
        let room = scope.child("room");
        let (wake, asleep) = bounded::<u32>(1);
        room.task("bystander", async move {
            asleep.recv().await;
        });
        let (inside, calls) = (room.clone(), deputy.clone());
        let (go, wait) = bounded(1);
        let nested = room.task("outer", async move {
            inside
                .group(async move |group| {
                    let inner = group.task("inner", async move {
                        wait.recv().await;
                        roundrock::Ok(calls.ping().await)
                    });
                    roundrock::Ok(inner.await?)
                })
                .await
        });
        let boss = one.clone();
        let waiting = scope.task(
            "waiting",
            async move { boss.says_and_waits_for(room, go).await },
        );
        let refused = match nested.await? {
            Err(CallError::Failed(CallError::Cycle(path)) | CallError::Cycle(path)) => path,
            other => panic!("the boss cannot answer yet: {other:?}"),
        };
        // `outer` lives in the scope too, and waits for `inner`.
        for name in ["Deputy#", "Boss#", "inner#"] {
            let is_there = refused.iter().any(|one| one.starts_with(name));
            assert!(is_there, "{name} is not in {refused:?}");
        }
        wake.send(1).await?;
        assert!(waiting.await?, "all have ended");
        one.stop();
        deputy.stop();
        Ok(())
    });
}

/// Who is in another scope than the one that is waited for has his answer when that has ended.
#[test]
fn calls_of_those_outside_of_the_scope_are_answered() {
    on_workers(|scope| async move {
        let one = scope.spawn(boss());
        let (room, boss) = (scope.child("room"), one.clone());
        let (go, wait) = bounded::<u32>(1);
        room.task("inside", async move {
            wait.recv().await;
        });
        let waiting = scope.task("waiting", async move { boss.waits_for(room).await });
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let boss = one.clone();
                scope
                    .child("other")
                    .task("caller", async move { boss.ping().await })
            })
            .collect();
        yield_now().await;
        go.send(1).await?;
        for caller in callers {
            assert_eq!(caller.await?, 1);
        }
        assert!(waiting.await?);
        one.stop();
        Ok(())
    });
}

/// A timer beside the wait ends it, so the call is answered.
#[test]
fn a_timer_beside_the_wait_for_a_scope_ends_it_without_a_refusal() {
    on_workers(|scope| async move {
        let one = scope.spawn(boss());
        let (room, boss) = (scope.child("room"), one.clone());
        let inside = room.clone();
        let caller = room.task("caller", async move {
            let waits = boss.waits_a_while_for(inside).await?;
            roundrock::Ok((waits, boss.ping().await?))
        });
        assert_eq!(caller.await?, (false, 1));
        one.stop();
        Ok(())
    });
}

/// A scope that stops drops who is left in it, so its end comes.
#[test]
fn a_call_in_a_scope_that_stops_is_not_refused() {
    on_workers(|scope| async move {
        let room = scope.child("room");
        let one = scope.spawn(Boss {
            left: Some(room.clone()),
        });
        let (boss, (tell, told)) = (one.clone(), bounded(1));
        room.task("caller", async move {
            let ended = boss.stops().await;
            tell.send(ended.is_err()).await
        });
        assert_eq!(told.recv().await, None, "it was dropped, and had no answer");
        one.stop();
        Ok(())
    });
}
