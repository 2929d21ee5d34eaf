//! The list of events has a line for each operation, also for one that never waits.

use std::future::Future;
use std::time::Duration;

use roundrock::channel::{Overflow, latest, oneshot};
use roundrock::prelude::*;
use roundrock::sim::Simulation;
use roundrock::sync::Mutex;

/// What each process did in a run that fails at its end, in order; without step, time and name.
fn lines<F>(name: &str, body: impl Fn(Sim) -> F) -> Vec<String>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let search = Simulation::new(name).seeds(1);
    let failure = search.run(|sim: Sim| {
        let body = body(sim);
        async move {
            body.await?;
            Err::<(), _>(roundrock::Error::msg("the events are wanted"))
        }
    });
    let events = failure.expect_err("it returns an error").events;
    let what = |line: &String| line.rsplit("  ").next().map(str::to_owned);
    events.iter().filter_map(what).collect()
}

/// Checks that these are among the lines, in this order.
#[track_caller]
fn assert_told(lines: &[String], parts: &[&str]) {
    let mut left = lines.iter();
    for part in parts {
        assert!(
            left.any(|line| line.contains(part)),
            "`{part}` is not there, or not in its place, in\n{}",
            lines.join("\n")
        );
    }
}

/// Lets the run know how to show messages of the channel.
#[process]
async fn knows(numbers: &Sender<u32>, words: &Sender<&'static str>) {
    let _ = (numbers, words);
}

#[test]
fn what_is_tried_says_what_came_of_it() {
    let lines = lines("tries", |sim: Sim| async move {
        let (numbers, inbox) = bounded(1).named("numbers");
        let (words, _unread) = bounded(1);
        let learnt = sim.spawn(knows(numbers.clone(), words));
        learnt.done().await;
        let _ = inbox.try_recv();
        numbers.try_send(1)?;
        let _ = numbers.try_send(2);
        inbox.try_recv()?;
        drop(learnt);
        let again = numbers.downgrade();
        drop(numbers);
        let _ = inbox.try_recv();
        drop(inbox);
        assert!(again.upgrade().is_none());
        Ok(())
    });
    assert_told(
        &lines,
        &[
            "try_recv numbers -> (empty)",
            "try_send numbers <- 1",
            "try_send numbers <- 2 (full)",
            "try_recv numbers -> 1",
            "drops the last sender of numbers",
            "try_recv numbers -> (closed)",
        ],
    );
}

#[test]
fn kept_room_and_closed_channels_are_told() {
    let lines = lines("room", |sim: Sim| async move {
        let (numbers, inbox) = bounded(2).named("numbers");
        let (words, _unread) = bounded(1);
        sim.spawn(knows(numbers.clone(), words)).done().await;
        numbers.ready().await?.send(5)?;
        let mut room = numbers.ready_many(1).await?;
        room.send(6)?;
        drop(room);
        drop(numbers);
        while inbox.recv().await.is_some() {}
        Ok(())
    });
    assert_told(
        &lines,
        &[
            "ready numbers",
            "send numbers <- 5",
            "send numbers <- 6",
            "recv numbers -> 5",
            "recv numbers -> 6",
            "recv numbers -> (closed)",
        ],
    );
}

#[test]
fn a_policy_that_discards_is_told() {
    let lines = lines("policies", |_: Sim| async move {
        let (newest, _kept) = bounded::<u32>(1)
            .overflow(Overflow::DropNewest)
            .named("newest");
        let (oldest, _left) = bounded::<u32>(1)
            .overflow(Overflow::DropOldest)
            .named("oldest");
        for channel in [&newest, &oldest] {
            channel.send(1).await?;
            channel.send(2).await?;
        }
        Ok(())
    });
    assert_told(
        &lines,
        &[
            "discards this message of newest: it is full",
            "discards the oldest message of oldest: it is full",
        ],
    );
}

#[test]
fn other_channels_are_told_with_their_values() {
    let lines = lines("others", |sim: Sim| async move {
        let (numbers, _inbox) = bounded(1);
        let (words, _unread) = bounded(1);
        sim.spawn(knows(numbers, words)).done().await;
        let (state, states) = latest(0_u32);
        state.set(3);
        state.update(|state| *state += 1);
        states.recv().await;
        let _ = states.try_recv();
        let (answer, question) = oneshot::<&str>();
        let _ = question.try_recv();
        answer.send("yes")?;
        question.await;
        let (never, question) = oneshot::<&str>();
        drop(never);
        question.await;
        let (news, reader) = broadcast::<u32>(1);
        news.send(7).await?;
        news.try_send(8)?;
        let _ = reader.recv().await;
        let _ = reader.try_recv();
        drop(news);
        let _ = reader.recv().await;
        Ok(())
    });
    let at = "[sim/lines.rs:";
    let expected = [
        ("set ", " <- 3"),
        ("update ", " <- 4"),
        ("recv ", " -> 4"),
        ("try_recv ", " -> (empty)"),
        ("try_recv ", " -> (empty)"),
        ("send ", " <- \"yes\""),
        ("recv ", " -> \"yes\""),
        ("recv ", " -> (closed)"),
        ("send ", " <- 7"),
        ("try_send ", " <- 8"),
        ("recv ", " -> (missed 1)"),
        ("try_recv ", " -> 8"),
        ("recv ", " -> (closed)"),
    ];
    let mut left = lines.iter();
    for (verb, outcome) in expected {
        let begins = format!("{verb}{at}");
        assert!(
            left.any(|line| line.starts_with(&begins) && line.ends_with(outcome)),
            "`{begins}..{outcome}` is not there, or not in its place, in\n{}",
            lines.join("\n")
        );
    }
}

#[process]
struct Desk {
    open: bool,
    waiting: Vec<Reply<u32, String>>,
}

#[handlers]
impl Desk {
    fn is_open(&self) -> bool {
        self.open
    }
    fn pay(&mut self, amount: u32) -> Result<u32, String> {
        if self.open {
            Ok(amount)
        } else {
            Err("closed".to_owned())
        }
    }
    fn toggle(&mut self) {
        self.open = !self.open;
    }
    fn queue(&mut self, reply: Reply<u32, String>) {
        self.waiting.push(reply);
    }
    fn call_up(&mut self) {
        let mut waiting = self.waiting.drain(..);
        if let Some(first) = waiting.next() {
            first.send(1);
        }
        waiting.for_each(|next| next.fail("full".to_owned()));
    }
    async fn slow(&self) -> u32 {
        sleep(Duration::from_millis(3)).await;
        9
    }
}

#[test]
fn answers_are_told_where_they_are_given() {
    let lines = lines("answers", |sim: Sim| async move {
        let desk = sim.spawn(Desk {
            open: false,
            waiting: Vec::new(),
        });
        assert!(!desk.is_open().await?);
        assert!(desk.pay(3).await.is_err());
        desk.toggle().await?;
        desk.pay(4).await?;
        desk.slow().await?;
        let (one, two) = (desk.clone(), desk.clone());
        let one = sim.task("one", async move {
            Ok::<_, roundrock::Error>(one.queue().await.is_ok())
        });
        let two = sim.task("two", async move {
            Ok::<_, roundrock::Error>(two.queue().await.is_ok())
        });
        sim.settle().await;
        desk.call_up().send_and_forget().await?;
        let both = (one.await?, two.await?);
        assert!(both.0 != both.1);
        Ok(())
    });
    assert_told(
        &lines,
        &[
            "handles is_open() -> false",
            "handles pay(3) -> Err(\"closed\")",
            "handles pay(4) -> 4",
            "handles slow()",
            "sleep 3ms ... waits",
            "replies -> 9",
            "handles queue()",
            "handles queue()",
            "handles call_up()",
            "replies -> 1",
            "replies -> Err(\"full\")",
        ],
    );
    let toggles = lines.iter().filter(|line| line.contains("toggle()"));
    assert!(
        toggles.clone().count() == 2 && toggles.clone().all(|line| !line.contains("->")),
        "nothing is said of an empty answer: {lines:?}"
    );
}

#[process]
async fn sleeper() {
    sleep(Duration::from_secs(9)).await;
}

#[test]
fn locks_pauses_and_ends_are_told() {
    let lines = lines("locks", |sim: Sim| async move {
        let lock = Mutex::new(0);
        *lock.lock().await += 1;
        sleep(Duration::from_millis(5)).await;
        // A time-out is no pause.
        let (_keeps, empty) = bounded::<u32>(1);
        let late = empty.recv().within(Duration::from_millis(2)).await;
        assert!(late.is_err());
        let inner = sim.child("inner");
        let sleeper = inner.spawn_isolated(sleeper());
        sleeper.kill();
        inner.stop(Duration::from_secs(1)).await;
        Ok(())
    });
    assert_told(
        &lines,
        &[
            "lock [sim/lines.rs:",
            "unlock [sim/lines.rs:",
            "sleep 5ms",
            "kills sleeper#",
            "stops scope `inner`",
        ],
    );
    assert!(
        !lines.iter().any(|line| line.contains("sleep 2ms")),
        "{lines:?}"
    );
}

/// What was done at once is not shown as if it waited, whatever its process waits for afterwards.
#[test]
fn only_what_waits_is_said_to_wait() {
    let lines = lines("waits", |sim: Sim| async move {
        let (jobs, _inbox) = bounded::<u32>(8).named("jobs");
        let lock = Mutex::new(0);
        let held = lock.lock().await;
        jobs.send(1).await?;
        // A future that is not Roundrock's: it wakes its process, and waits once.
        let mut first = true;
        std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if std::mem::take(&mut first) {
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(())
        })
        .await;
        sleep(Duration::from_millis(1)).await;
        drop(held);
        let other = sim.task("other", async { sleep(Duration::from_millis(1)).await });
        other.await?;
        let (_keeps, empty) = bounded::<u32>(1);
        let late = empty.recv().within(Duration::from_millis(2)).await;
        assert!(late.is_err());
        Ok(())
    });
    let text = lines.join("\n");
    for done in ["lock [", "send jobs"] {
        let line = lines.iter().find(|line| line.starts_with(done));
        let line = line.unwrap_or_else(|| panic!("`{done}` is not in\n{text}"));
        assert!(!line.contains("waits"), "{line}\nin\n{text}");
    }
    assert_told(
        &lines,
        &[
            "sleep 1ms ... waits",
            "join other#",
            "recv [",
            "gives up: the time is over",
        ],
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("recv [") && line.ends_with("... waits")),
        "{text}"
    );
}

#[test]
fn jobs_and_ticks_have_lines() {
    let lines = lines("jobs", |_: Sim| async {
        assert_eq!(roundrock::blocking::blocking(|| 1).await, 1);
        let mut ticks = interval(Duration::from_millis(1));
        ticks.next().await;
        ticks.next().await;
        select! {
            _ = sleep(Duration::from_millis(1)) => {}
        }
        Ok(())
    });
    assert_told(
        &lines,
        &[
            "waits for a job that blocks",
            "its job that blocks runs",
            "its interval ticks",
            "its interval ticks",
            "select ... waits",
            "select -> sleep(Duration::from_millis(1))",
        ],
    );
}

#[test]
fn a_select_says_which_arm_it_took() {
    let lines = lines("arms", |sim: Sim| async move {
        let (numbers, inbox) = bounded::<u32>(1);
        let quick = sim.task("quick", async { roundrock::Ok(()) });
        select! {
            _ = inbox.recv() => {}
            _ = quick.done() => {}
        }
        select! {
            _ = inbox.recv() => {}
            _ = sleep(secs(1)) => {}
        }
        select! {
            _ = inbox.recv() => {}
            default => {}
        }
        numbers.send(1).await?;
        select! {
            _ = inbox.recv() => {}
            _ = sleep(secs(1)) => {}
        }
        Ok(())
    });
    let arms: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("select"))
        .collect();
    let told = [
        "select -> quick.done()",
        "select -> sleep(secs(1))",
        "select -> default",
    ];
    for (at, arm) in told.iter().enumerate() {
        assert!(arms.iter().any(|line| line == arm), "{at}: {arms:?}");
    }
    // The last one has a line of its own: it receives.
    assert!(
        arms.last().is_some_and(|last| *last == "select"),
        "{arms:?}"
    );
}

#[test]
fn numbers_that_are_drawn_have_a_line() {
    let lines = lines("numbers", |_sim: Sim| async move {
        let mut rng = roundrock::rng();
        let _ = (rng.below(10), rng.range(5..9), rng.chance(0.5), rng.u64());
        let _ = rng.pick(&[1, 2, 3]);
        Ok(())
    });
    let told = [
        "draws 0 of 0..10",
        "draws 5 of 5..9",
        "draws false, with probability 0.5",
        "draws 0x",
        "draws 0 of 0..3",
    ];
    assert_told(&lines, &told);
}

#[test]
fn who_drops_messages_with_a_receiver_is_told_how_many() {
    #[process]
    struct Slow;

    #[handlers]
    impl Slow {
        async fn work(&mut self) {
            sleep(secs(1)).await;
        }
    }

    let lines = lines("tails", |sim: Sim| async move {
        let slow = sim.spawn(Slow);
        for _ in 0..3 {
            slow.work().send().await?;
        }
        sleep(millis(1)).await;
        slow.kill();
        slow.closed().await;
        let (numbers, inbox) = bounded::<u32>(4);
        numbers.send(1).await?;
        numbers.send(2).await?;
        drop(inbox);
        let (one, inbox) = bounded::<u32>(4);
        one.send(1).await?;
        drop(inbox);
        Ok(())
    });
    let told = [
        "closes its mailbox, and 2 messages that nobody received",
        "u32, and 2 messages that nobody received",
        "u32, and a message that nobody received",
    ];
    assert_told(&lines, &told);
}

#[test]
fn which_faults_a_run_may_have_is_said_first() {
    let faults = roundrock::sim::Faults::none().panic(0.5).slow(0.5);
    let fails = |_sim: Sim| async { Err::<(), _>(roundrock::Error::msg("the events are wanted")) };
    let first = |seed| {
        let search = Simulation::new("faults")
            .seeds(1)
            .first_seed(seed)
            .faults(faults);
        let failure = search
            .shrink(Duration::ZERO)
            .run(fails)
            .expect_err("it returns an error");
        failure.events.first().cloned().unwrap_or_default()
    };
    assert_eq!(first(0), "faults that this run may have: none");
    let some: std::collections::BTreeSet<_> = (1..40).map(first).collect();
    let words = ["none", "panic", "slow", "panic, slow"];
    let all = words.map(|faults| format!("faults that this run may have: {faults}"));
    assert!(all.iter().all(|text| some.contains(text)), "{some:?}");
}

/// A stage that leaves its loop before its input is empty loses what it had accepted.
#[roundrock::test(seeds = 8)]
async fn what_nobody_received_may_be_lost(sim: &Sim) -> Result<()> {
    let (jobs, inbox) = bounded(4);
    sim.task("leaves", async move {
        roundrock::Ok(inbox.recv().await.map(drop))
    });
    jobs.send(1).await?;
    let _ = jobs.send(2).await;
    Ok(())
}

#[test]
fn what_nobody_received_is_a_failure_where_it_is_denied() {
    let lost = |leaves_early: bool| {
        let search = Simulation::new("tail").seeds(32).deny_lost(true);
        search.run(move |sim: Sim| async move {
            let (jobs, inbox) = bounded(4);
            let stage = sim.task("stage", async move {
                while let Some(_job) = inbox.recv().await {
                    if leaves_early {
                        break;
                    }
                }
                roundrock::Ok(())
            });
            jobs.send(1).await?;
            // Handed back is not lost.
            let _ = jobs
                .send(2)
                .await
                .map_err(roundrock::channel::SendError::into_inner);
            drop(jobs);
            stage.await?;
            roundrock::Ok(())
        })
    };
    lost(false).expect("everything is received");
    let text = lost(true).expect_err("the second job is left").to_string();
    assert!(
        text.contains("lost: 1 accepted and received by nobody"),
        "{text}"
    );
    assert!(
        text.contains("i32, and a message that nobody received"),
        "{text}"
    );
    assert!(text.contains("lost = \"deny\""), "{text}");
}
