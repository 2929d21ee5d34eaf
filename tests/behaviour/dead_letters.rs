//! Dead letters: who subscribes is told of each message that nobody will see. P4.
//!
//! Threads only: letters that plain threads read, and the events that are told by the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use roundrock::channel::{Dead, DeadLetter, DeadLetters, TryRecvError};
use roundrock::observe::Snapshot;
use roundrock::prelude::*;
use roundrock_tests::{Step, on, on_both, on_workers, sent, times, yield_now};

#[process]
struct Desk {
    served: Arc<AtomicUsize>,
}

#[handlers]
impl Desk {
    fn serve(&mut self, _customer: u32) {
        self.served.fetch_add(1, Ordering::SeqCst);
    }
    fn boom(&mut self) -> u32 {
        panic!("on purpose");
    }
    async fn wait(&mut self, gate: Receiver<()>) -> String {
        self.served.fetch_add(1, Ordering::SeqCst);
        gate.recv().await;
        "served".to_owned()
    }
}

fn desk(scope: &Scope) -> (DeskHandle, Arc<AtomicUsize>) {
    let served = Arc::new(AtomicUsize::new(0));
    let state = Desk {
        served: Arc::clone(&served),
    };
    (scope.child("desk").spawn(state), served)
}

/// The name of the process of a body.
fn body() -> &'static str {
    ["main", "test"][times(0, 1)]
}

fn names(letter: &DeadLetter) -> (&str, Dead, Option<&str>, Option<&str>) {
    (
        &letter.message,
        letter.reason,
        letter.receiver.as_ref().and_then(|party| party.name),
        letter.source.as_ref().and_then(|party| party.name),
    )
}

/// What a `#[recv]` handler is at when it panics, or its process is killed, is told as what a call asked for; its channel counts it as
/// received, and the mailbox does not count it at all.
#[test]
fn p4_what_an_input_brought_is_told_when_its_handler_fails() {
    #[process]
    struct Works {
        jobs: Receiver<u32>,
        begun: Sender<()>,
    }

    #[handlers]
    impl Works {
        #[recv(jobs)]
        async fn job(&mut self, job: u32) {
            assert_ne!(job, 7, "on purpose");
            let _ = self.begun.send(()).await;
            if job == 8 {
                std::future::pending::<()>().await;
            }
        }
    }

    on_workers(|scope| async move {
        let letters = scope.system().dead_letters();
        for (job, kills) in [(7, false), (8, true)] {
            let ((tell, begun), (out, jobs)) = (bounded(4), bounded(4));
            let works = scope.child("works").spawn(Works { jobs, begun: tell });
            for job in [1, job] {
                out.send(job).await?;
            }
            begun.recv().await;
            if kills {
                begun.recv().await;
                works.task().kill();
            }
            works.closed().await;
            let letter = letters.recv().await.context("a letter")?;
            assert_eq!(
                names(&letter),
                ("Works::job", Dead::Crashed, Some("Works"), None)
            );
            assert!(letters.try_recv().is_err());
        }
        let ledger = scope.system().ledger();
        assert_eq!((ledger.handled, ledger.dead.total()), (7, 0), "{ledger}");
        Ok(())
    });
}

#[test]
fn letters_say_what_why_for_whom_and_from_whom() {
    on_workers(|scope| async move {
        let letters = scope.system().dead_letters();
        let (desk, served) = desk(&scope);
        let id = desk.id();

        let customer = {
            let desk = desk.clone();
            scope.task("customer", async move { roundrock::Ok(desk.boom().await) })
        };
        assert_eq!(customer.await?, Err(CallError::Crashed));
        let letter = letters.recv().await.unwrap();
        assert_eq!(
            names(&letter),
            ("Desk::boom", Dead::Crashed, Some("Desk"), Some("customer"))
        );
        assert_eq!(letter.receiver.map(|party| party.id), id);
        assert!(letter.site.file.ends_with("dead_letters.rs"));

        drop(desk.serve(1).send().await);
        let letter = letters.recv().await.unwrap();
        assert_eq!(
            names(&letter),
            ("Desk::serve", Dead::Closed, Some("Desk"), Some(body()))
        );

        let (other, waits) = self::desk(&scope);
        let (gate, closed) = rendezvous::<()>();
        let call = sent(&scope, other.wait(closed).into_future()).await;
        while waits.load(Ordering::SeqCst) == 0 {
            yield_now().await;
        }
        drop(sent(&scope, other.serve(2).into_future()).await);
        other.serve(3).within(millis(0)).send().await?;
        drop(call);
        gate.finish();
        let reply = letters.recv().await.unwrap();
        assert_eq!(reply.reason, Dead::Withdrawn);
        assert!(reply.message.ends_with("String"), "{}", reply.message);
        assert_eq!(
            reply.source.as_ref().and_then(|party| party.name),
            Some("Desk")
        );
        let withdrawn = letters.recv().await.unwrap();
        assert_eq!(
            names(&withdrawn),
            ("Desk::serve", Dead::Withdrawn, Some("Desk"), Some(body()))
        );
        let expired = letters.recv().await.unwrap();
        assert_eq!(expired.reason, Dead::Expired);
        assert_eq!(served.load(Ordering::SeqCst), 0);
        assert_eq!(letters.try_recv().unwrap_err(), TryRecvError::Empty);
        assert_eq!(letters.missed(), 0);
        Ok(())
    });
}

/// What a process leaves unread when it ends, in channels of any kind, is told with its name.
#[test]
fn p4_what_a_process_leaves_unread_names_it() {
    #[process]
    async fn reads_one(inbox: &Receiver<u8>) {
        inbox.recv().await;
    }

    on_workers(|scope| async move {
        let letters = scope.system().dead_letters();
        let (jobs, inbox) = bounded(4);
        for job in 0..3 {
            jobs.send(job).await?;
        }
        let one = scope.spawn(reads_one(inbox));
        let (tell, told) = oneshot::<u16>();
        tell.send(1)?;
        let (news, reader) = broadcast::<u32>(4);
        news.send(1).await?;
        news.send(2).await?;
        let other = scope.task("reads one of each", async move {
            let _told = told;
            let _ = reader.recv().await;
        });
        one.await?;
        other.await?;
        let mut left = Vec::new();
        for _ in 0..4 {
            let letter = letters.recv().await.context("a letter")?;
            assert_eq!(letter.reason, Dead::Closed);
            let source = letter.source.as_ref().and_then(|party| party.name);
            assert_eq!(source, Some(body()), "{letter}");
            left.push(letter);
        }
        left.sort_by(|one, other| one.message.cmp(&other.message));
        let left: Vec<_> = left
            .iter()
            .map(names)
            .map(|name| (name.0, name.2))
            .collect();
        let other = Some("reads one of each");
        let one = Some("reads_one");
        assert_eq!(
            left,
            [("u16", other), ("u32", other), ("u8", one), ("u8", one)]
        );
        // Nobody's: it was let go by the body, which is a process as well.
        let (jobs, inbox) = bounded(4);
        jobs.send(1_u64).await?;
        drop(inbox);
        let letter = letters.recv().await.context("a letter")?;
        let here = Some(body());
        assert_eq!(names(&letter), ("u64", Dead::Closed, here, here));
        Ok(())
    });
}

#[test]
fn letters_of_channels_name_the_channel() {
    on_both(1, |scope| async move {
        let letters = scope.system().dead_letters();
        let (oldest, _kept) = bounded::<u8>(1)
            .overflow(Overflow::DropOldest)
            .named("prices");
        oldest.send(1).await?;
        oldest.send(2).await?;
        let letter = letters.recv().await.unwrap();
        assert_eq!(names(&letter), ("u8", Dead::Discarded, None, Some(body())));
        assert_eq!(letter.channel_name, Some("prices"));
        let snapshot = scope.system().snapshot();
        let channel = snapshot
            .channels
            .iter()
            .find(|one| one.id == letter.channel);
        assert_eq!(channel.and_then(|one| one.name.as_deref()), Some("prices"));
        assert!(letter.to_string().contains("u8 discarded, in \"prices\""));

        let (newest, _first) = bounded::<u8>(1).overflow(Overflow::DropNewest);
        newest.send(1).await?;
        newest.send(2).await?;
        let letter = letters.recv().await.unwrap();
        assert_eq!(names(&letter), ("u8", Dead::Discarded, None, Some(body())));

        // In queue order, a letter for each.
        let (jobs, inbox) = bounded::<&'static str>(8);
        jobs.send("a").await?;
        jobs.send("b").await?;
        drop(inbox);
        drop(jobs.send("c").await);
        let here = Some(body());
        for receiver in [here, here, None] {
            let letter = letters.recv().await.unwrap();
            assert_eq!(names(&letter), ("&str", Dead::Closed, receiver, here));
        }
        let (news, reader) = broadcast::<u16>(1);
        news.send(1).await?;
        news.send(2).await?;
        drop(reader);
        for (reason, receiver) in [(Dead::Discarded, None), (Dead::Closed, here)] {
            let letter = letters.recv().await.unwrap();
            assert_eq!(names(&letter), ("u16", reason, receiver, here));
        }
        let (answer, question) = oneshot::<u64>();
        answer.send(1)?;
        drop(question);
        let letter = letters.recv().await.unwrap();
        assert_eq!(names(&letter), ("u64", Dead::Closed, here, here));
        Ok(())
    });
}

#[test]
fn every_subscriber_gets_every_letter_and_nobody_waits_for_a_slow_one() {
    on_both(1, |scope| async move {
        let system = scope.system();
        let (first, second) = (system.dead_letters(), system.dead_letters());
        let (jobs, inbox) = bounded::<u32>(8);
        jobs.send(1).await?;
        drop(inbox);
        assert_eq!(first.recv().await.unwrap().reason, Dead::Closed);
        assert_eq!(second.recv().await.unwrap().reason, Dead::Closed);
        drop(first);
        let lost = times(2000, 1030);
        for _ in 0..lost {
            drop(jobs.send(2).await);
        }
        assert_eq!(second.missed(), lost as u64 - 1024);
        for _ in 0..1024 {
            second.try_recv().unwrap();
        }
        assert_eq!(second.try_recv().unwrap_err(), TryRecvError::Empty);
        // A subscription is in no ledger, whatever becomes of its letters.
        drop(jobs.send(3).await);
        let before = system.ledger();
        assert_eq!(before.dead.closed, before.sent);
        drop(second);
        assert_eq!(system.ledger(), before);
        Ok(())
    });
}

#[test]
fn plain_threads_read_letters_until_the_system_has_shut_down() {
    let reader = on(2, |scope| async move {
        let letters = scope.system().dead_letters();
        let reader = std::thread::spawn(move || {
            let mut reasons = Vec::new();
            while let Some(letter) = letters.blocking_recv() {
                reasons.push(letter.reason);
            }
            reasons
        });
        let (jobs, inbox) = bounded::<u32>(8);
        jobs.send(1).await?;
        drop(inbox);
        drop(jobs.send(2).await);
        Ok(reader)
    });
    assert_eq!(reader.join().unwrap(), [Dead::Closed, Dead::Closed]);
}

/// A process that reads letters ends with its scope, and may have it as one arm of several.
#[test]
fn processes_read_letters_until_their_scope_stops() {
    on_workers(|scope| async move {
        let letters = scope.system().dead_letters();
        let audit = scope.child("audit");
        let reader = audit.task("audit", async move {
            let mut count = 0;
            loop {
                select! {
                    _letter = letters.recv() => count += 1,
                    else => return roundrock::Ok(count),
                }
            }
        });
        let (jobs, inbox) = bounded::<u32>(8);
        for n in 0..5 {
            jobs.send(n).await?;
        }
        drop(inbox);
        while audit.system().ledger().dead.closed < 5 {
            yield_now().await;
        }
        assert!(audit.stop(secs(5)).await.is_clean());
        assert_eq!(reader.await?, 5);
        Ok(())
    });
}

/// Lets processes of these names send, one after another, and end.
async fn from(scope: &Scope, names: &[&'static str], out: &Sender<u32>) -> Result<()> {
    for &name in names {
        let out = out.clone();
        let sends = async move { out.send(7).await };
        scope.task(name, sends).await?;
    }
    Ok(())
}

/// Who sent what the next letters tell of, which are all.
async fn sources(letters: &DeadLetters, count: usize) -> Vec<Option<&'static str>> {
    let mut names = Vec::new();
    for _ in 0..count {
        let letter = letters.recv().await.expect("a letter");
        names.push(letter.source.map(|party| party.name.expect("its name")));
    }
    assert!(letters.try_recv().is_err());
    names
}

/// The letter of a message says who sent it, whatever it went through to get into its buffer, and though the sender has ended and others
/// took its place.
#[test]
fn p4_letters_of_a_channel_say_who_sent() {
    on_workers(|scope| async move {
        let letters = scope.system().dead_letters();
        // Through the wait for room, and through a permit.
        let (out, inbox) = bounded(2);
        from(&scope, &["ann"], &out).await?;
        let permits = out.clone();
        let holds = scope.task("dora", async move {
            permits.ready().await?.send(4)?;
            roundrock::Ok(())
        });
        holds.await?;
        let waits = {
            let out = out.clone();
            scope.task("emil", async move { out.send(5).await })
        };
        let waiting =
            |snapshot: Snapshot| snapshot.channels.iter().any(|one| one.blocked_senders > 0);
        while !waiting(scope.system().snapshot()) {
            yield_now().await;
        }
        inbox.recv().await;
        waits.await?;
        // Whoever subscribes too takes nothing away.
        let others = scope.system().dead_letters();
        drop(inbox);
        for letters in [&letters, &others] {
            assert_eq!(sources(letters, 2).await, [Some("dora"), Some("emil")]);
        }
        drop(others);

        // What gives way to the next one.
        let (out, _inbox) = bounded(2).overflow(Overflow::DropOldest);
        from(&scope, &["ann", "bob", "carl", "dora"], &out).await?;
        assert_eq!(sources(&letters, 2).await, [Some("ann"), Some("bob")]);
        Ok(())
    });
}

/// What came before somebody subscribed, or came back from a receiver that never saw it, has no source, and takes nobody else's.
#[test]
fn p4_a_letter_says_nothing_of_who_sent_rather_than_a_wrong_name() {
    on_workers(|scope| async move {
        let (early, inbox) = bounded(8);
        from(&scope, &["unknown", "unknown"], &early).await?;
        let letters = scope.system().dead_letters();
        from(&scope, &["ann", "bob", "ann"], &early).await?;
        for _ in 0..3 {
            inbox.recv().await;
        }
        from(&scope, &["carl"], &early).await?;
        drop(inbox);
        let sent_by = sources(&letters, 3).await;
        assert_eq!(sent_by, [Some("bob"), Some("ann"), Some("carl")]);

        let (out, inbox) = bounded(4);
        from(&scope, &["ann"], &out).await?;
        inbox.recv().await;
        let parked = Step::parked(inbox.recv());
        from(&scope, &["carl"], &out).await?;
        drop(parked);
        from(&scope, &["dora"], &out).await?;
        drop(inbox);
        assert_eq!(sources(&letters, 2).await, [None, Some("dora")]);

        // Nobody reads any more, and then somebody again.
        let (out, inbox) = bounded(4);
        from(&scope, &["ann"], &out).await?;
        drop(letters);
        from(&scope, &["bob"], &out).await?;
        let letters = scope.system().dead_letters();
        from(&scope, &["carl"], &out).await?;
        drop(inbox);
        assert_eq!(sources(&letters, 3).await, [None, None, Some("carl")]);
        Ok(())
    });
}
