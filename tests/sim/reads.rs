//! What somebody reads of a failure: names that tell everything apart, and nothing twice.

use std::future::Future;

use roundrock::channel::WeakSender;
use roundrock::prelude::*;
use roundrock::sim::{Failure, Reason, Simulation};

/// The failure of a body that fails in the boring run, or of one that returns and is made to fail.
fn failure<F>(name: &str, seeds: u64, body: impl Fn(Sim) -> F) -> Box<Failure>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let search = Simulation::new(name).seeds(seeds);
    let failure = search.run(|sim: Sim| {
        let body = body(sim);
        async move {
            body.await?;
            Err::<(), _>(roundrock::Error::msg("the events are wanted"))
        }
    });
    failure.expect_err("it fails in any case")
}

#[track_caller]
fn assert_shows(failure: &Failure, parts: &[&str]) {
    let events = failure.events.join("\n");
    for part in parts {
        assert!(events.contains(part), "`{part}` is not in\n{events}");
    }
}

/// Not even after an end, and in each run from the beginning.
#[test]
fn no_two_processes_of_a_run_have_one_number() {
    let body = |sim: Sim| async move {
        for _ in 0..3 {
            sim.task("short", async {}).await?;
        }
        let group = sim.child("group");
        let kept = group.spawn_isolated(sleeper());
        kept.kill();
        kept.done().await;
        sim.task("last", async { roundrock::Ok(()) }).await?;
        Ok(())
    };
    for _ in 0..2 {
        let failure = failure("numbers", 1, body);
        assert_shows(
            &failure,
            &["short#2", "short#3", "short#4", "kills sleeper#5", "last#6"],
        );
        assert!(
            !failure.events.iter().any(|line| line.contains("#7")),
            "{failure}"
        );
    }
}

#[process]
async fn sleeper() {
    sleep(secs(9)).await;
}

#[process]
struct Board {
    output: Option<Sender<u32>>,
    friend: Option<BoardHandle>,
}

#[handlers]
impl Board {
    fn attach(&mut self, output: Sender<u32>, weak: WeakSender<u32>) {
        let _ = weak;
        self.output = Some(output);
    }
    fn meet(&mut self, friend: BoardHandle, news: BroadcastReceiver<u32>) {
        let _ = news;
        self.friend = Some(friend);
    }
    fn friend(&self) -> Option<BoardHandle> {
        self.friend.clone()
    }
}

/// And nothing of what is in them, which is of no interest there.
#[test]
fn what_messages_carry_is_named() {
    let failure = failure("carries", 1, |sim: Sim| async move {
        let board = || Board {
            output: None,
            friend: None,
        };
        let (one, other) = (sim.spawn(board()), sim.spawn(board()));
        let (jobs, _inbox) = bounded::<u32>(1).named("jobs");
        let weak = jobs.downgrade();
        one.attach(jobs, weak).await?;
        let (_news, reader) = broadcast::<u32>(1);
        one.meet(other, reader).await?;
        one.friend().await?;
        Ok(())
    });
    assert_shows(
        &failure,
        &[
            "call attach(Sender(jobs), WeakSender(jobs)) of Board#2",
            "handles attach(Sender(jobs), WeakSender(jobs))",
            "call meet(Board#3, BroadcastReceiver([sim/reads.rs:",
            "handles friend() -> Some(Board#3)",
        ],
    );
}

/// A column where a line has several, a number where a place has several, and nothing more.
#[test]
fn channels_of_one_line_are_told_apart() {
    let failure = failure("labels", 1, |sim: Sim| async move {
        #[rustfmt::skip]
        let (one, other) = (bounded::<u32>(1), bounded::<u32>(2));
        one.0.send(1).await?;
        other.0.send(2).await?;
        let alone = bounded::<u32>(1);
        alone.0.send(3).await?;
        let many: Vec<_> = (0..2).map(|_| bounded::<u32>(1)).collect();
        for (sender, receiver) in &many {
            sender.send(4).await?;
            receiver.recv().await;
        }
        drop((one, other, alone, many));
        sim.settle().await;
        Ok(())
    });
    let sends: Vec<_> = failure
        .events
        .iter()
        .filter_map(|line| Some(line.split_once("  send ")?.1.split_once(" <- ")?.0))
        .collect();
    let [one, other, alone, first, second] = sends[..] else {
        panic!("{failure}");
    };
    let colons = |label: &str| label.matches(':').count();
    assert_eq!((colons(one), colons(other), colons(alone)), (2, 2, 1));
    assert_eq!(
        one.rsplit_once(':').map(|cut| cut.0),
        other.rsplit_once(':').map(|cut| cut.0)
    );
    assert_ne!(one, other);
    assert!(!one.contains('#') && !alone.contains('#'), "{failure}");
    let (place, number) = first.split_once('#').expect("a number");
    assert_eq!(number, "1");
    assert_eq!(second, format!("{place}#2"));
    assert_eq!(colons(first), 1);
    assert_shows(&failure, &[&format!("recv {second} -> 4")]);
}

/// The waits of a run say the same of a channel as its events.
#[test]
fn who_waits_is_told_with_the_same_labels() {
    let failure = failure("waits", 1, |_: Sim| async move {
        #[rustfmt::skip]
        let ((_keep, one), (other, _left)) = (bounded::<u32>(1), bounded::<u32>(1));
        other.send(1).await?;
        one.recv().await;
        Ok(())
    });
    assert_eq!(failure.reason, Reason::Deadlock);
    let events = failure.events.join("\n");
    let label = events.split_once("recv ").expect("it receives").1;
    let label = label.split_once(": u32").expect("of numbers").0;
    assert_eq!(label.matches(':').count(), 2, "{failure}");
    let waits = failure.waits.join("\n");
    assert!(
        waits.contains(&format!("waits for a message from {label}: u32")),
        "{failure}"
    );
}

/// Where a `select!` begins, and which of two timers comes first, is a choice, and has a line.
#[test]
fn unusual_starts_and_timers_have_a_line() {
    let starts = Simulation::new("starts").run(|_: Sim| async {
        let (one, first) = bounded::<u32>(1);
        let (other, second) = bounded::<u32>(1);
        one.send(1).await?;
        other.send(2).await?;
        let taken = select! {
            n = first.recv() => n,
            n = second.recv() => n,
        };
        ensure!(taken == 1, "the second one");
        roundrock::Ok(())
    });
    let starts = starts.expect_err("it begins with the second arm in some run");
    assert_shows(&starts, &["select (looks at second.recv() first)"]);
    assert_eq!(starts.shrunk.deviations(), 1, "{starts}");

    let timers = Simulation::new("timers").run(|sim: Sim| async move {
        let (first, winner) = bounded(2);
        for name in ["one", "other"] {
            let first = first.clone();
            sim.task(name, async move {
                sleep(secs(1)).await;
                first.send(name).await
            });
            sim.settle().await;
        }
        let winner = winner.recv().await;
        ensure!(winner == Some("one"), "{winner:?} comes first");
        roundrock::Ok(())
    });
    let timers = timers.expect_err("the other one comes first in some run");
    assert_eq!(timers.shrunk.deviations(), 1, "{timers}");
    assert_shows(&timers, &["other#3  its timer fires before that of one#2"]);
}

/// What is done again and again is shown once, with a count.
#[test]
fn rounds_are_counted() {
    let failure = failure("rounds", 1, |sim: Sim| async move {
        let (ping, pings) = bounded::<u8>(1).named("pings");
        let (pong, pongs) = bounded::<u8>(1).named("pongs");
        sim.task("echo", async move {
            while let Some(n) = pings.recv().await {
                pong.send(n).await?;
            }
            roundrock::Ok(())
        });
        for _ in 0..40 {
            ping.send(7).await?;
            pongs.recv().await;
            sleep(secs(1)).await;
        }
        Ok(())
    });
    let (count, text) = (failure.events.len(), failure.to_string());
    assert!(count < 40, "{count} lines: {text}");
    let rounds: Vec<_> = failure
        .events
        .iter()
        .filter_map(|line| line.trim().strip_prefix("(and these "))
        .collect();
    let [round] = rounds[..] else {
        panic!("{text}");
    };
    assert!(round.contains(" more times, until step "), "{text}");
    // Nothing is lost: the lines that are counted and those that are shown are those of all rounds.
    let (lines, again) = round.split_once(" lines ").expect("a number of lines");
    let again = again.split_whitespace().next().and_then(|n| n.parse().ok());
    let counted = lines.parse::<usize>().ok().zip(again);
    let (lines, again): (usize, usize) = counted.expect("two numbers");
    let sends = |lines: &[String]| {
        lines
            .iter()
            .filter(|line| line.contains("send pings"))
            .count()
    };
    let at = failure
        .events
        .iter()
        .position(|line| line.contains("(and these"));
    let at = at.expect("it is there");
    let in_round = sends(&failure.events[at - lines..at]);
    assert_eq!(sends(&failure.events) + in_round * again, 40, "{text}");
}

#[process]
struct Session;

#[handlers]
impl Session {
    fn touch(&mut self) {}
}

/// A name keeps what it leads to, and says so.
#[test]
fn a_leak_by_a_name_says_which_name() {
    for (registers, told) in [
        (1, "with one sender, which is that of the name `session-0`"),
        (2, "of them those of the names `session-0` and `session-1`"),
    ] {
        let search = Simulation::new("named").seeds(8);
        let found = search.run(move |sim: Sim| async move {
            let sessions = sim.child("sessions");
            let session = sessions.spawn(Session);
            for n in 0..registers {
                sessions.register(&format!("session-{n}"), &session)?;
            }
            // Neither a name that was taken back nor one that was refused keeps it.
            sessions.register("gone", &session)?;
            sessions.unregister("gone");
            sessions.register("session-0", &session).unwrap_err();
            session.touch().await?;
            drop(session);
            sim.settle().await;
            roundrock::Ok(())
        });
        let found = found.expect_err("a name keeps it for ever");
        assert!(matches!(found.reason, Reason::Leak(_)), "{found}");
        let text = found.to_string();
        assert!(text.contains(told), "{text}");
        assert!(!text.contains("before it was made simpler"), "{text}");
    }
}

#[process]
async fn reads(news: &BroadcastReceiver<u32>) {
    while let Some(Ok(_)) = news.recv().await {}
}

#[process]
async fn writes(news: &BroadcastSender<u32>) -> Result<()> {
    news.send(5).await?;
    Ok(())
}

#[test]
fn values_of_a_broadcast_are_shown_where_an_end_is_lent() {
    let failure = failure("news", 1, |sim: Sim| async move {
        let (news, reader) = broadcast(4);
        sim.spawn(reads(reader));
        sim.settle().await;
        sim.spawn(writes(news)).await?;
        Ok(())
    });
    let events = failure.events.join("\n");
    for (verb, outcome) in [("send [", " <- 5"), ("recv [", " -> 5")] {
        let told = |line: &&String| line.contains(verb) && line.ends_with(outcome);
        assert!(
            failure.events.iter().any(|line| told(&line)),
            "{verb}: {events}"
        );
    }
}
