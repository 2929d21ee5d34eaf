//! The `tracing` events: of processes spawn, exit, panic and late stop, of channels dead letters, and of systems their end, with level and fields. A binary of its own, because the
//! subscriber belongs to the whole program.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock, Mutex};

use roundrock::blocking::MAX_THREADS;
use roundrock::prelude::*;

type Fields = BTreeMap<&'static str, String>;

#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<Fields>>>);

impl tracing::Subscriber for Events {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("roundrock::")
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Visitor(Fields);
        impl tracing::field::Visit for Visitor {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
                self.0.insert(field.name(), format!("{value:?}"));
            }
        }
        let mut visitor = Visitor(Fields::new());
        event.record(&mut visitor);
        let level = event.metadata().level().to_string();
        visitor.0.insert("level", level);
        self.0.lock().unwrap().push(visitor.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// What the tests of this program are told: the subscriber is that of all threads.
fn events() -> Events {
    static ALL: LazyLock<Events> = LazyLock::new(|| {
        let events = Events::default();
        tracing::subscriber::set_global_default(events.clone()).expect("the only one");
        events
    });
    ALL.clone()
}

/// Calls itself until its time is up.
#[process]
struct Narcissus;

#[handlers]
impl Narcissus {
    async fn look(&mut self, cx: &mut Cx<Self>) -> bool {
        let Some(me) = cx.handle() else { return false };
        me.echo().within(millis(5)).await == Err(CallError::Deadline)
    }

    fn echo(&self) {}
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("thrown by a destructor");
    }
}

#[process]
async fn bomb(_bomb: Bomb) {
    sleep(secs(3600)).await;
}

/// One process of each kind of end, and one whose calls wait for each other for a while.
fn run() -> Result<()> {
    System::builder().workers(2).run(async |scope| {
        let narcissus = scope.spawn(Narcissus);
        assert!(narcissus.look().await? && narcissus.look().await?);
        narcissus.stop();
        let group = scope.child("group");
        let fine = group.task("fine", async {});
        fine.done().await;
        let broken = scope.child("broken");
        let fails = broken.task("fails", async { Err::<(), _>(Error::msg("no disk")) });
        fails.done().await;
        let other = scope.child("other");
        let panics = other.task("panics", async {
            if true {
                panic!("as asked");
            }
        });
        panics.done().await;
        let bomb = group.spawn_isolated(bomb(Bomb));
        sleep(millis(1)).await;
        bomb.kill();
        assert_eq!(bomb.done().await, Exit::Killed);
        let sleeper = group.task("sleeper", async { sleep(secs(3600)).await });
        let report = group.stop(millis(5)).await;
        assert_eq!(report.late.len(), 1, "{report}");
        sleeper.done().await;
        let _ = (broken.join().await, other.join().await);
        Ok(())
    })
}

/// The body has waited for long, for somebody who lives; so has another process.
fn wait() -> Result<()> {
    let system = System::builder().workers(2).suspect_after(millis(50));
    system.run(async |scope| {
        let (sender, receiver) = bounded(1);
        let (kept, other) = bounded::<u32>(1);
        scope.task("other", async move {
            other.recv().await;
        });
        scope.task("late", async move {
            sleep(millis(2500)).await;
            sender.send(1).await
        });
        receiver.recv().await;
        drop(kept);
        Ok(())
    })
}

#[test]
fn spawn_exit_panic_and_late_stop_are_events() {
    let events = events();
    run().unwrap();
    wait().unwrap();
    let events = events.0.lock().unwrap();
    let find = |message: &str, process: &str| {
        let wanted = format!("{process:?}");
        let mut found = events.iter().filter(|event| {
            event.get("message").is_some_and(|text| text == message)
                && event.get("process").is_some_and(|name| *name == wanted)
        });
        let event = found
            .next()
            .unwrap_or_else(|| panic!("no {message} of {process}"));
        assert!(
            found.next().is_none(),
            "{message} of {process} is told once"
        );
        event.clone()
    };
    let exits = [
        ("fine", "DEBUG", "ok", ""),
        ("fails", "WARN", "failed", "no disk"),
        ("panics", "WARN", "panicked", "trace.rs"),
        ("bomb", "WARN", "killed", ""),
        ("sleeper", "WARN", "killed", ""),
    ];
    for (name, level, reason, cause) in exits {
        let spawn = find("process.spawn", name);
        assert_eq!(spawn["level"], "DEBUG");
        let exit = find("process.exit", name);
        assert_eq!(exit["process.id"], spawn["process.id"], "{name}");
        assert_eq!(
            (&*exit["level"], &*exit["reason"]),
            (level, &*format!("{reason:?}"))
        );
        assert!(exit["ran_ms"].parse::<u64>().is_ok(), "{exit:?}");
        let text = exit.get("cause").map_or("", String::as_str);
        assert!(text.contains(cause), "{exit:?}");
    }
    let dropped = find("process.drop", "bomb");
    assert_eq!(dropped["level"], "ERROR", "{dropped:?}");
    let cause = &dropped["cause"];
    assert!(cause.contains("thrown by a destructor"), "{dropped:?}");
    let mut cycles = events.iter().filter(|event| {
        let text = event.get("message");
        text.is_some_and(|text| text.starts_with("call.cycle: "))
    });
    let cycle = cycles.next().expect("a call that waits for itself is told");
    assert_eq!(cycle["level"], "WARN");
    assert!(cycle["path"].starts_with("\"Narcissus#"), "{cycle:?}");
    assert!(cycles.next().is_none(), "it is told once for each place");
    // While the body waits, the program does not end; of others only the number says whether it matters.
    for (name, level) in [("main", "WARN"), ("other", "INFO")] {
        let suspected = find("leak.suspected", name);
        assert_eq!(suspected["level"], level, "{suspected:?}");
        assert!(
            suspected["report"].contains("waits to receive"),
            "{suspected:?}"
        );
    }
    let late = events
        .iter()
        .find(|event| {
            event
                .get("message")
                .is_some_and(|text| text == "scope.late")
        })
        .expect("the stop tells who was late");
    assert_eq!((&*late["level"], &*late["scope"]), ("WARN", "\"group\""));
    assert!(late["late"].contains("sleeper"), "{late:?}");
}

/// The first job that waits because there are as many threads as there may be is told of, in the dump as well; the others are not.
#[test]
fn jobs_that_wait_for_a_thread_are_told_of_once() {
    const BESIDE: usize = 10;
    let events = events();
    let system = System::builder().workers(1).name("crowd");
    let ended = system.run(async |scope| {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for _ in 0..MAX_THREADS + BESIDE {
            let held = Arc::clone(&held);
            scope.task("held", async move {
                blocking(move || held.lock().unwrap().recv().is_err()).await;
            });
        }
        let dump = || scope.system().dump().to_string();
        let begun = roundrock::time::now();
        while !dump().contains(&format!("{MAX_THREADS} running, {BESIDE} queued")) {
            assert!(begun.elapsed() < secs(60), "{}", dump());
            sleep(millis(1)).await;
        }
        let dump = dump();
        assert!(dump.contains("there are no more threads"), "{dump}");
        drop(release);
        Ok(())
    });
    ended.unwrap();
    let events = events.0.lock().unwrap();
    let text = "every thread for blocking jobs is taken";
    let told = |event: &&Fields| event["message"].starts_with(text);
    let told: Vec<_> = events.iter().filter(told).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&*told[0]["level"], &*told[0]["threads"]), ("WARN", "512"));
}

/// One event a second for each channel and reason, however many letters: also when nobody subscribes.
#[test]
fn dead_letters_are_an_event_for_each_channel_and_reason_once_a_second() {
    let events = events();
    let system = System::builder().workers(1).name("letters");
    let ended = system.run(async |_scope| {
        let (jobs, inbox) = bounded::<u8>(8).named("jobs");
        let prices = bounded::<u8>(2).overflow(Overflow::DropOldest);
        let (prices, kept) = prices.named("prices");
        for n in 0..3 {
            jobs.send(n).await?;
        }
        drop(inbox);
        for n in 0..4 {
            prices.send(n).await?;
        }
        for n in 0..100 {
            drop(jobs.send(n).await);
        }
        drop(kept);
        Ok(())
    });
    ended.unwrap();
    let events = events.0.lock().unwrap();
    let told = |channel: &str, reason: &str| -> Vec<String> {
        let of = |event: &&Fields| {
            let is =
                |name, text: &str| event.get(name).is_some_and(|field| field.starts_with(text));
            is("message", "dead_letter") && is("channel", channel) && is("reason", reason)
        };
        let text = |event: &Fields| {
            let [level, count, suppressed] =
                ["level", "count", "suppressed"].map(|name| &*event[name]);
            format!("{level} {count} {suppressed}")
        };
        events.iter().filter(of).map(text).collect()
    };
    for (channel, reason, first) in [
        ("jobs (", "closed", "WARN 3 0"),
        ("prices (", "discarded", "WARN 1 0"),
    ] {
        let told = told(channel, reason);
        assert_eq!(told[0], first, "{channel}");
        // A slow machine may come to the next second.
        assert!(told.len() <= 2, "{told:?}");
    }
    // In the end all of them are told.
    let is = |event: &Fields, name, text: &str| event.get(name).is_some_and(|field| field == text);
    let mut ends = events.iter().filter(|event| is(event, "message", "ended"));
    let end = ends.find(|event| is(event, "system", "\"letters\""));
    let end = end.expect("the system has ended");
    assert_eq!((&*end["level"], &*end["late"]), ("INFO", "0"));
    let sums =
        "107 sent = 0 handled + 0 handed back + 107 dead (105 closed, 2 discarded) + 0 queued";
    assert_eq!(end["messages"], sums);
}
