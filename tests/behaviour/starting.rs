//! Processes that are started while their scope stops: those inside need them for what was accepted; nobody else starts any, nor does
//! anybody after the grace. P33, P35.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use roundrock::WaitKind;
use roundrock::prelude::*;
use roundrock::time::now;
use roundrock_tests::{on_workers, yield_now};

const JOBS: usize = 10;

type Count = Arc<AtomicUsize>;

fn read(count: &Count) -> usize {
    count.load(Ordering::SeqCst)
}

/// A piece of work that has to wait for something.
async fn work(done: Count) {
    sleep(millis(5)).await;
    done.fetch_add(1, Ordering::SeqCst);
}

#[process]
async fn works(done: Count) {
    work(done).await;
}

/// How a process hands on the work of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Spawn,
    Task,
    Await,
    Group,
    Pool,
    Around,
}

#[process]
async fn hands_on(
    jobs: &Receiver<usize>,
    done: &Count,
    way: &Way,
    around: &Arc<Scope>,
    scope: &Scope,
) -> Result<()> {
    while let Some(_job) = jobs.recv().await {
        let done = Arc::clone(done);
        match way {
            Way::Spawn => drop(scope.spawn(works(done))),
            Way::Task => drop(scope.task("work", work(done))),
            Way::Await => scope.task("work", work(done)).await?,
            Way::Group => {
                let body = async move |group: Scope| {
                    group.task("work", work(done));
                    roundrock::Ok(())
                };
                scope.group(body).await?;
            }
            Way::Pool => {
                let workers = scope.child("workers");
                workers.task("work", work(done));
                workers.join().await?;
            }
            Way::Around => drop(around.task("work", work(done))),
        }
    }
    Ok(())
}

/// Everything that was queued when the stop began is handled, though each message needs a process of its own.
#[test]
fn p33_a_function_that_starts_a_process_for_each_message() {
    on_workers(|scope| async move {
        let ways = [
            Way::Spawn,
            Way::Task,
            Way::Await,
            Way::Group,
            Way::Pool,
            Way::Around,
        ];
        for way in ways {
            let (parts, done) = (scope.child("parts"), Count::default());
            let (jobs, inbox) = bounded(JOBS);
            parts.spawn(hands_on(
                inbox,
                Arc::clone(&done),
                way,
                Arc::new(parts.clone()),
            ));
            for job in 0..JOBS {
                jobs.send(job).await?;
            }
            let report = parts.stop(secs(60)).await;
            assert!(report.is_clean(), "{way:?}: {report}");
            assert_eq!(read(&done), JOBS, "{way:?}");
            assert_eq!(parts.alive(), 0, "{way:?}");
            parts.join().await?;
        }
        Ok(())
    });
}

#[process(mailbox = 64)]
struct Desk {
    answered: usize,
    done: Count,
}

#[handlers]
impl Desk {
    fn spawns(&mut self, cx: &mut Cx<Self>) {
        cx.scope().spawn(works(Arc::clone(&self.done)));
    }

    fn then(&mut self, reply: Reply<usize>, cx: &mut Cx<Self>) {
        cx.spawn_then(work(Arc::clone(&self.done)), |desk, ()| {
            desk.answered += 1;
            reply.send(desk.answered);
        });
    }

    async fn groups(&mut self, cx: &mut Cx<Self>) -> Result<()> {
        let done = Arc::clone(&self.done);
        let body = async move |group: Scope| {
            group.task("work", work(done));
            roundrock::Ok(())
        };
        cx.scope().group(body).await
    }
}

/// The same of a struct, whose calls are answered.
#[test]
fn p33_a_struct_that_starts_a_process_for_each_message() {
    on_workers(|scope| async move {
        let (parts, done) = (scope.child("parts"), Count::default());
        let desk = parts.spawn(Desk {
            answered: 0,
            done: Arc::clone(&done),
        });
        for _ in 0..JOBS {
            desk.spawns().send_and_forget().await?;
            desk.groups().send_and_forget().await?;
        }
        let mut replies = JoinSet::new();
        for _ in 0..JOBS {
            let desk = desk.clone();
            replies.add(scope.task("asks", async move { Ok::<_, Error>(desk.then().await?) }));
        }
        // All of them are in the mailbox.
        let asks = || {
            let processes = scope.system().snapshot().processes.into_iter();
            let waits = processes.filter_map(|process| process.wait);
            waits.filter(|wait| wait.kind == WaitKind::Reply).count()
        };
        while asks() < JOBS {
            sleep(millis(1)).await;
        }
        drop(desk);
        let report = parts.stop(secs(60)).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(read(&done), 3 * JOBS);
        while let Some(reply) = replies.join_next().await {
            let reply = reply.map_err(Error::from)?;
            assert!((1..=JOBS).contains(&reply));
        }
        parts.join().await
    });
}

/// Who stands outside starts nothing in a scope that stops.
#[test]
fn nobody_outside_starts_anything_in_a_scope_that_stops() {
    on_workers(|scope| async move {
        let (parts, done) = (scope.child("parts"), Count::default());
        parts.task("sleeper", sleep(secs(1)));
        let stop = scope.task("stops", {
            let parts = parts.clone();
            async move { roundrock::Ok(parts.stop(secs(60)).await) }
        });
        while !parts.is_stopping() {
            yield_now().await;
        }
        for from_task in [false, true] {
            let refused = match from_task {
                true => {
                    let (parts, done) = (parts.clone(), Arc::clone(&done));
                    let starts =
                        async move { roundrock::Ok(parts.task("work", work(done)).done().await) };
                    scope.task("starts", starts).await?
                }
                false => parts.task("work", work(Arc::clone(&done))).done().await,
            };
            assert_eq!(refused.kind(), "stopped");
        }
        assert!(stop.await?.is_clean());
        assert_eq!(read(&done), 0);
        Ok(())
    });
}

/// Each starts the next one, for ever: the stop takes the grace, and no longer.
#[test]
fn nobody_starts_anything_after_the_grace() {
    #[process]
    async fn next(scope: Scope, started: Count) {
        sleep(millis(1)).await;
        started.fetch_add(1, Ordering::SeqCst);
        scope.spawn(next(scope.clone(), started));
    }

    on_workers(|scope| async move {
        let (parts, started) = (scope.child("parts"), Count::default());
        parts.spawn(next(parts.clone(), Arc::clone(&started)));
        while read(&started) == 0 {
            sleep(millis(1)).await;
        }
        let begun = now();
        let report = parts.stop(millis(100)).await;
        assert!(now() - begun < secs(20), "{report}");
        assert_eq!(parts.alive(), 0);
        let ran = read(&started);
        yield_now().await;
        assert_eq!(read(&started), ran);
        Ok(())
    });
}
