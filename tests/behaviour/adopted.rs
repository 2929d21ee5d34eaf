//! Channels that a plain thread made, before a system or beside it: they belong to the first system in which a process is lent an
//! endpoint, so that they are in its ledger, and what hangs on them can be proven.
//!
//! Threads only: all of it: what a plain thread makes is not made in a simulation, which has only one thread.

use std::sync::mpsc;
use std::thread;

use roundrock::leaks::{Deadlock, Leak};
use roundrock::prelude::*;
use roundrock_tests::{assert_balanced, watched, yield_now};

#[process]
async fn echo(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
    while let Some(number) = input.recv().await {
        output.send(number).await?;
    }
    Ok(())
}

#[test]
fn a_ring_of_channels_that_were_made_before_is_proven() {
    for workers in [1, 2] {
        watched(move |_| {
            let (left, to_right) = rendezvous().named("left");
            let (right, to_left) = rendezvous().named("right");
            let ended = System::builder().workers(workers).run(async move |scope| {
                scope.spawn(echo(to_right, right));
                scope.spawn(echo(to_left, left));
                Ok(())
            });
            let error = ended.expect_err("it can never end");
            let deadlock = error.downcast_ref::<Deadlock>().expect("a proof");
            let text = deadlock.to_string();
            assert_eq!(deadlock.leaks[0].names(), ["echo", "echo"], "{text}");
            assert!(
                text.contains("\"left\"") && text.contains("adopted.rs"),
                "{text}"
            );
        });
    }
}

/// A clone on the thread that made it: nothing is proven, and it goes on.
#[test]
fn a_clone_on_the_thread_that_made_it_is_outside() {
    watched(|_| {
        let (left, to_right) = rendezvous::<u32>();
        let (right, to_left) = rendezvous::<u32>();
        let kept = left.clone();
        let (give, given) = mpsc::channel::<System>();
        let looks = thread::spawn(move || {
            let system = given.recv().expect("it begins");
            for _ in 0..2_000 {
                let leaks = system.leaks();
                assert!(!leaks.iter().any(Leak::is_proven), "{leaks:#?}");
                thread::yield_now();
            }
            drop(kept);
            // Now only the two are left.
            while !system.leaks().iter().any(Leak::is_proven) {
                thread::yield_now();
            }
            assert_eq!(system.proof_violations(), 0);
        });
        let ended = System::builder().workers(2).run(async move |scope| {
            give.send(scope.system()).expect("somebody looks");
            scope.spawn(echo(to_right, right));
            scope.spawn(echo(to_left, left));
            Ok(())
        });
        looks
            .join()
            .expect("it was not proven before, and then it was");
        assert!(ended.is_err());
    });
}

/// Messages that were sent before, during and after are in the ledger of the system, and the books balance.
#[test]
fn an_adopted_channel_is_in_the_ledger() {
    #[process]
    async fn takes(input: &Receiver<u32>, count: &usize) {
        for _ in 0..*count {
            input.recv().await;
        }
    }

    watched(|_| {
        let (sender, receiver) = bounded(8);
        let early = sender.clone();
        for n in 0..3 {
            early.try_send(n).expect("there is room");
        }
        let ended = System::builder().workers(2).run(async move |scope| {
            let system = scope.system();
            assert_eq!(system.ledger().sent, 0, "nobody was lent it yet");
            let task = scope.spawn(takes(receiver.clone(), 5));
            sender.send(3).await?;
            sender.send(4).await?;
            task.await?;
            sender.send(5).await?;
            let ledger = system.ledger();
            assert_eq!((ledger.sent, ledger.handled, ledger.queued), (6, 5, 1));
            let snapshot = system.snapshot();
            assert_eq!(snapshot.channels.len(), 1, "{:#?}", snapshot.channels);
            drop(receiver);
            assert_balanced(&system);
            assert_eq!(system.ledger().dead.total(), 1);
            Ok(())
        });
        ended.expect("it ends");
    });
}

/// Two systems are lent its two ends at the same moment: it belongs to one of them, and neither accuses anybody of what the other one
/// may still do.
#[test]
fn a_channel_between_two_systems_belongs_to_one_and_is_outside_of_the_other() {
    #[process]
    async fn receives(input: &Receiver<u32>, _own: &Sender<u32>) -> Result<u32> {
        input.recv().await.context("closed")
    }

    #[process]
    async fn sends(go: &Receiver<()>, output: &Sender<u32>) -> Result<()> {
        go.recv().await;
        output.send(7).await?;
        Ok(())
    }

    watched(|_| {
        for _ in 0..100 {
            let (one, two) = (
                System::builder().workers(1).start().expect("it starts"),
                System::builder().workers(1).start().expect("it starts"),
            );
            let (sender, receiver) = rendezvous::<u32>();
            let (go, gone) = bounded::<()>(1);
            let own = sender.clone();
            let (first, second) = (one.clone(), two.clone());
            let left = thread::spawn(move || first.scope().spawn(receives(receiver, own)));
            let right = thread::spawn(move || second.scope().spawn(sends(gone, sender)));
            let (left, right) = (
                left.join().expect("spawned"),
                right.join().expect("spawned"),
            );
            for _ in 0..20 {
                for system in [&one, &two] {
                    let leaks = system.leaks();
                    assert!(!leaks.iter().any(Leak::is_proven), "{leaks:#?}");
                }
                thread::yield_now();
            }
            go.blocking_send(()).expect("it waits");
            let value = roundrock_tests::block_on(left.into_future());
            assert_eq!(value.expect("it was sent"), 7);
            roundrock_tests::block_on(right.into_future()).expect("it was received");
            for system in [one, two] {
                assert_balanced(&system);
                assert_eq!((system.proof_violations(), system.lost_wakeups()), (0, 0));
                system.shutdown(secs(1)).expect("from outside");
            }
        }
    });
}

/// State of a struct is looked at when it parks: a channel that a plain thread made and that came in a message is adopted then.
#[test]
fn a_handler_keeps_what_a_plain_thread_made() {
    #[process]
    struct Keeper {
        kept: Vec<Sender<u32>>,
    }

    #[handlers]
    impl Keeper {
        fn keep(&mut self, sender: Sender<u32>) {
            self.kept.push(sender);
        }
    }

    #[process]
    async fn waits(input: &Receiver<u32>, _keeper: &KeeperHandle) {
        input.recv().await;
    }

    watched(|_| {
        let (sender, receiver) = bounded(1).named("kept");
        let ended = System::builder().workers(2).run(async move |scope| {
            let lab = scope.child("lab");
            let keeper = lab.spawn(Keeper { kept: Vec::new() });
            keeper.keep(sender).await?;
            lab.spawn(waits(receiver, keeper));
            let leaks = loop {
                let leaks = scope.system().leaks();
                if leaks.iter().any(Leak::is_proven) {
                    break leaks;
                }
                yield_now().await;
            };
            let mut names = leaks[0].names();
            names.sort_unstable();
            assert_eq!(names, ["Keeper", "waits"], "{leaks:#?}");
            let _report = lab.stop(secs(0)).await;
            assert_eq!(scope.system().proof_violations(), 0);
            Ok(())
        });
        ended.expect("it ends");
    });
}
