//! Two systems in one program: what belongs to a process of the other one is outside, though the numbers of processes are equal.

use std::collections::HashSet;
use std::sync::mpsc;
use std::thread;

use roundrock::prelude::*;
use roundrock_tests::{Stage, checked, watched, yield_now};

#[process]
async fn waits(input: &Receiver<u32>) {
    assert_eq!(input.recv().await, Some(7));
}

#[process]
async fn sends(go: &Receiver<()>, out: &Sender<u32>) -> Result<()> {
    go.recv().await;
    out.send(7).await?;
    Ok(())
}

/// So many processes in each system, so that some of their numbers are equal.
const PAIRS: usize = 16;

/// The senders are lent to processes of another system, whose numbers are those of the processes that wait.
#[test]
fn ports_of_processes_of_another_system() {
    watched(|stage: &Stage| {
        for round in 0..20 {
            stage.set(format!("round {round}"));
            let (give, given) = mpsc::channel::<(Sender<u32>, Receiver<()>)>();
            let (say, said) = mpsc::channel::<HashSet<String>>();
            let other = thread::spawn(move || {
                checked(System::builder().workers(1), async move |scope| {
                    let ends = given
                        .into_iter()
                        .map(|(out, go)| scope.spawn(sends(go, out)));
                    let tasks: Vec<_> = ends.collect();
                    say.send(tasks.iter().map(|task| task.id().to_string()).collect())?;
                    for task in tasks {
                        task.await?;
                    }
                    roundrock::Ok(())
                })
            });
            let result = checked(System::builder().workers(1), async move |scope| {
                let (mut tasks, mut tells) = (Vec::new(), Vec::new());
                for _ in 0..PAIRS {
                    let ((out, input), (tell, go)) = (rendezvous(), rendezvous());
                    tasks.push(scope.spawn(waits(input)));
                    tells.push(tell);
                    give.send((out, go))?;
                }
                drop(give);
                let here: HashSet<_> = tasks.iter().map(|task| task.id().to_string()).collect();
                assert!(
                    !here.is_disjoint(&said.recv()?),
                    "some numbers are meant to be equal"
                );
                for _ in 0..20 {
                    let leaks = scope.system().leaks();
                    assert!(leaks.iter().all(|leak| !leak.is_proven()), "{leaks:#?}");
                    yield_now().await;
                }
                for tell in tells {
                    tell.send(()).await?;
                }
                for task in tasks {
                    task.await?;
                }
                roundrock::Ok(())
            });
            result.expect("the one that waits");
            other.join().expect("no panic").expect("the one that sends");
        }
    });
}

/// The ends of processes and scopes of another system are awaited, whose numbers are those of the processes and scopes that wait.
#[test]
fn ends_in_another_system() {
    #[process]
    async fn works(go: &Receiver<()>) {
        go.recv().await;
    }

    #[process]
    async fn awaits(there: Task<()>) -> Result<()> {
        Ok(there.await?)
    }

    #[process]
    async fn joins(there: Scope) -> Result<()> {
        there.join().await
    }

    watched(|stage: &Stage| {
        for round in 0..20 {
            stage.set(format!("round {round}"));
            let (give, given) = mpsc::channel::<(Vec<Task<()>>, Vec<Scope>)>();
            let (tell, told) = mpsc::channel::<()>();
            let other = thread::spawn(move || {
                checked(System::builder().workers(1), async move |scope| {
                    let (go, hold) = rendezvous();
                    let here = || scope.spawn(works(hold.clone()));
                    let tasks: Vec<_> = (0..PAIRS).map(|_| here()).collect();
                    let children = (0..PAIRS).map(|_| {
                        let child = scope.child("there");
                        child.spawn(works(hold.clone()));
                        child
                    });
                    give.send((tasks, children.collect()))?;
                    blocking(move || told.recv()).await?;
                    go.finish();
                    drop(hold);
                    scope.join().await
                })
            });
            let result = checked(System::builder().workers(1), async move |scope| {
                let (tasks, scopes) = given.recv()?;
                let waiting: Vec<_> = tasks
                    .into_iter()
                    .map(|there| scope.spawn(awaits(there)))
                    .collect();
                for there in scopes {
                    let child = scope.child("here");
                    child.spawn(joins(there));
                }
                for _ in 0..20 {
                    let leaks = scope.system().leaks();
                    assert!(leaks.iter().all(|leak| !leak.is_proven()), "{leaks:#?}");
                    yield_now().await;
                }
                tell.send(())?;
                for task in waiting {
                    task.await?;
                }
                scope.join().await
            });
            result.expect("the one that waits");
            other.join().expect("no panic").expect("the one that works");
        }
    });
}
