//! Names that are waited for: whoever comes first, and whatever happens in between.

use roundrock::prelude::*;
use roundrock_tests::{on_both, on_workers, times, yield_now};

#[process]
struct Store {
    kept: u32,
}

#[handlers]
impl Store {
    fn keep(&mut self, more: u32) -> u32 {
        self.kept += more;
        self.kept
    }
}

/// A wait for a name ends with what is registered after it began, wherever around it that is.
#[test]
fn a_name_may_be_waited_for_before_it_is_given() {
    on_workers(|scope| async move {
        let inner = scope.child("inner");
        let waits: Vec<_> = (1..=3)
            .map(|more| {
                let from = if more == 1 {
                    scope.clone()
                } else {
                    inner.clone()
                };
                let at = from.clone();
                from.task("waits", async move {
                    let store: StoreHandle = at.wait_for_name("store").await.context("stopped")?;
                    roundrock::Ok(store.keep(more).await?)
                })
            })
            .collect();
        yield_now().await;
        scope.register("store", &scope.spawn(Store { kept: 0 }))?;
        let mut most = 0;
        for wait in waits {
            most = most.max(wait.await?);
        }
        assert_eq!(most, 6);
        // And what is there already is found at once.
        let store = inner.wait_for_name::<StoreHandle>("store").await;
        assert_eq!(store.context("it is there")?.keep(0).await?, 6);
        Ok(())
    });
}

/// What is of another type, of another name, or in a scope beside this one, is waited past.
#[test]
fn a_wait_for_a_name_passes_over_what_it_is_not_for() {
    on_workers(|scope| async move {
        let (here, beside) = (scope.child("here"), scope.child("beside"));
        let from = here.clone();
        let waits = here.task("waits", async move {
            let limit = from.wait_for_name::<u32>("limit").await;
            roundrock::Ok(limit)
        });
        yield_now().await;
        scope.register("limit", &"many")?;
        here.register("limits", &1_u32)?;
        beside.register("limit", &2_u32)?;
        yield_now().await;
        assert!(waits.exit().is_none(), "it took something else");
        here.register("limit", &3_u32)?;
        assert_eq!(waits.await?, Some(3));
        Ok(())
    });
}

/// A scope that stops ends the waits for its names, also those of processes elsewhere, and does not use up its grace.
#[test]
fn a_stop_ends_waits_for_names() {
    on_workers(|scope| async move {
        let part = scope.child("part");
        let (inside, outside) = (part.clone(), part.clone());
        let inside = part.task("inside", async move {
            roundrock::Ok(inside.wait_for_name::<u32>("never").await)
        });
        let outside = scope.task("outside", async move {
            roundrock::Ok(outside.wait_for_name::<u32>("never").await)
        });
        yield_now().await;
        let report = part.stop(secs(3600)).await;
        assert!(report.is_clean() && report.took < secs(60), "{report}");
        assert_eq!((inside.await?, outside.await?), (None, None));
        // So does one that has stopped already; what is known around it is still found.
        assert_eq!(part.wait_for_name::<u32>("never").await, None);
        scope.register("known", &7_u32)?;
        assert_eq!(part.wait_for_name::<u32>("known").await, Some(7));
        Ok(())
    });
}

/// A branch that loses, a wait that is dropped and a name that was taken back and given again take nothing from each other.
#[test]
fn a_wait_for_a_name_may_lose() {
    on_workers(|scope| async move {
        let (jobs, inbox) = bounded(1);
        jobs.send(1).await?;
        select! {
            biased;
            name = scope.wait_for_name::<u32>("slow") => panic!("there is none: {name:?}"),
            job = inbox.recv() => assert_eq!(job, 1),
        }
        let lost = timeout(millis(1), scope.wait_for_name::<u32>("slow")).await;
        assert!(lost.is_err());
        scope.register("slow", &1_u32)?;
        assert!(scope.unregister("slow"));
        scope.register("slow", &2_u32)?;
        assert_eq!(scope.wait_for_name::<u32>("slow").await, Some(2));
        drop(jobs);
        Ok(())
    });
}

/// Registering, waiting and stopping at once: whoever waits gets the name, or hears of the stop.
#[test]
fn no_wait_for_a_name_is_forgotten() {
    on_workers(|scope| async move {
        for round in 0..times(200, 6) as u32 {
            let part = scope.child("part");
            let waits: Vec<_> = (0..4)
                .map(|_| {
                    let at = part.clone();
                    scope.task("waits", async move {
                        roundrock::Ok(at.wait_for_name::<u32>("n").await)
                    })
                })
                .collect();
            let at = part.clone();
            let gives = scope.task("gives", async move {
                roundrock::Ok(at.register("n", &round).is_ok())
            });
            if round % 2 == 0 {
                assert!(part.stop(secs(3600)).await.is_clean());
                for wait in waits {
                    let found = wait.await?;
                    assert!(found.is_none_or(|found| found == round));
                }
                gives.await?;
                assert_eq!(part.lookup::<u32>("n"), None);
            } else {
                assert!(gives.await?);
                for wait in waits {
                    assert_eq!(wait.await?, Some(round));
                }
            }
        }
        Ok(())
    });
}

/// Its copies panic when they are dropped, and so do what they panic with.
struct Bomb {
    armed: bool,
}

impl Clone for Bomb {
    fn clone(&self) -> Self {
        Self { armed: true }
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.armed {
            std::panic::panic_any(Self { armed: true });
        }
    }
}

/// Values that panic when their names are forgotten, and panics whose payload does, take nobody with them: who waits for a name there
/// hears of the stop.
#[test]
fn names_of_values_that_panic_are_forgotten() {
    on_workers(|scope| async move {
        let part = scope.child("part");
        let from = part.clone();
        let waits = scope.task("waits", async move {
            roundrock::Ok(from.wait_for_name::<u32>("never").await)
        });
        yield_now().await;
        for name in ["one", "two", "three"] {
            part.register(name, &Bomb { armed: false })?;
        }
        assert!(part.stop(secs(3600)).await.is_clean());
        assert_eq!(waits.await?, None);
        Ok(())
    });
}

/// Who waits for a name gets what it was given to, also if the name is taken back before he runs again.
#[test]
fn a_name_that_is_taken_back_at_once_reaches_who_waited() {
    on_both(2, async |scope| {
        let waits = ["one", "two"].map(|name| {
            let inner = scope.clone();
            scope.task(name, async move {
                roundrock::Ok(inner.wait_for_name::<u32>("price").await)
            })
        });
        let waiting = || {
            let processes = scope.system().snapshot().processes;
            let waits = |name: &str| name == "one" || name == "two";
            let waiting = processes.iter().filter(|process| process.wait.is_some());
            waiting.filter(|process| waits(&process.name)).count()
        };
        while waiting() < 2 {
            sleep(millis(1)).await;
        }
        scope.register("price", &"of another type")?;
        assert!(scope.unregister("price"));
        scope.register("price", &7_u32)?;
        assert!(scope.unregister("price"));
        for waits in waits {
            assert_eq!(waits.await?, Some(7));
        }
        Ok(())
    });
}
