//! Reports name the line at which a process awaits a message or room, whatever it awaits them of. P42.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use roundrock::channel::Overflow;
use roundrock::leaks::{Leak, Stuck};
use roundrock::prelude::*;
use roundrock::time::Duration;
use roundrock_tests::{checked, simulated, times, watched};

/// The lines on which processes wait, by their names.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<BTreeMap<&'static str, u32>>>);

impl Lines {
    /// The process of this name waits on the line after this one.
    fn after(&self, name: &'static str, line: u32) {
        self.0.lock().expect("no panic").insert(name, line + 1);
    }

    fn all(&self) -> BTreeMap<&'static str, u32> {
        self.0.lock().expect("no panic").clone()
    }
}

/// The suspects of a system, once all of `count` are there.
async fn suspects(scope: &Scope, count: usize) -> Vec<Stuck> {
    loop {
        sleep(old_enough()).await;
        let leaks = scope.system().leaks();
        let suspects: Vec<Stuck> = leaks.into_iter().flat_map(|leak| leak.processes).collect();
        if suspects.len() >= count {
            return suspects;
        }
    }
}

/// After how long a process is suspected: what `run` says on threads, and the default where that cannot be said.
fn old_enough() -> Duration {
    [millis(2), secs(60)][times(0, 1)]
}

/// Runs a body on both schedulers.
fn run<F>(body: impl Fn(Scope) -> F + Copy + Send + 'static)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let system = System::builder().workers(2).suspect_after(millis(1));
    let ended = watched(move |_| checked(system.grace(millis(10)), body));
    ended.expect("no error");
    simulated(body);
}

#[process]
struct Keeper {
    out: Sender<u32>,
    lines: Lines,
}

#[handlers]
impl Keeper {
    async fn keep(&mut self, number: u32) {
        self.lines.after("Keeper", line!());
        let _ = self.out.send(number).await;
    }
}

/// What keeps every channel of a test open.
type Kept = Vec<Box<dyn std::any::Any + Send>>;

/// Waits in cores: rendezvous, bounded channels, and a `select!`.
fn wait_in_channels(scope: &Scope, lines: &Lines) -> Kept {
    let mut kept: Kept = Vec::new();
    let (sender, receiver) = bounded::<u32>(1);
    let places = lines.clone();
    scope.task("recv", async move {
        places.after("recv", line!());
        receiver.recv().await;
    });
    kept.push(Box::new(sender));
    let (sender, receiver) = rendezvous::<u32>();
    let places = lines.clone();
    scope.task("send", async move {
        places.after("send", line!());
        let _ = sender.send(1).await;
    });
    kept.push(Box::new(receiver));
    let (sender, receiver) = rendezvous::<u32>();
    let places = lines.clone();
    scope.task("ready", async move {
        places.after("ready", line!());
        let _ = sender.ready().await;
    });
    kept.push(Box::new(receiver));
    let (sender, receiver) = bounded::<u32>(2);
    sender.try_send(1).expect("there is room");
    let places = lines.clone();
    scope.task("ready_many", async move {
        places.after("ready_many", line!());
        let _ = sender.ready_many(2).await;
    });
    kept.push(Box::new(receiver));
    let (sender, receiver) = bounded::<u32>(1);
    let (other, out) = rendezvous::<u32>();
    let places = lines.clone();
    scope.task("select", async move {
        places.after("select", line!());
        select! {
            _ = receiver.recv() => {}
            _ = other.send(1) => {}
        }
    });
    kept.push(Box::new((sender, out)));
    kept
}

/// Waits in the other channels.
fn wait_elsewhere(scope: &Scope, lines: &Lines) -> Kept {
    let mut kept: Kept = Vec::new();
    let (answer, question) = oneshot::<u32>();
    let places = lines.clone();
    scope.task("oneshot", async move {
        places.after("oneshot", line!());
        question.await;
    });
    kept.push(Box::new(answer));
    let (answer, question) = oneshot::<u32>();
    let places = lines.clone();
    scope.task("oneshot.recv", async move {
        places.after("oneshot.recv", line!());
        question.recv().await;
    });
    kept.push(Box::new(answer));
    let (level, gauge) = latest(1);
    let places = lines.clone();
    scope.task("changed", async move {
        let _ = gauge.recv().await;
        places.after("changed", line!());
        let _ = gauge.changed().await;
    });
    kept.push(Box::new(level));
    let (level, gauge) = latest(1);
    let places = lines.clone();
    scope.task("latest", async move {
        let _ = gauge.recv().await;
        places.after("latest", line!());
        let _ = gauge.recv().await;
    });
    kept.push(Box::new(level));
    let (news, reader) = broadcast::<u32>(1);
    let places = lines.clone();
    scope.task("broadcast", async move {
        places.after("broadcast", line!());
        let _ = reader.recv().await;
    });
    kept.push(Box::new(news));
    let (news, reader) = broadcast::<u32>(1).overflow(Overflow::Wait);
    let places = lines.clone();
    scope.task("publish", async move {
        let _ = news.send(1).await;
        places.after("publish", line!());
        let _ = news.send(2).await;
    });
    kept.push(Box::new(reader));
    kept
}

#[test]
fn p42_the_line_of_every_wait_for_a_message_or_for_room() {
    run(|scope| async move {
        let lines = Lines::default();
        let program = scope.child("program");
        let mut kept = wait_in_channels(&program, &lines);
        kept.extend(wait_elsewhere(&program, &lines));
        let (out, full) = rendezvous();
        let keeper = program.spawn(Keeper {
            out,
            lines: lines.clone(),
        });
        keeper.keep(1).send().await?;
        let suspects = suspects(&program, 12).await;
        for (name, line) in lines.all() {
            let one = suspects.iter().find(|one| one.name == name);
            let one = one.with_context(|| format!("`{name}` is not told of"))?;
            for wait in &one.waits {
                let at = wait.at.as_ref();
                let at = at.with_context(|| format!("`{name}` has no place"))?;
                assert!(
                    at.file.ends_with("tests/behaviour/places.rs"),
                    "{name}: {at:?}"
                );
                assert_eq!(at.line, line, "{name}");
            }
        }
        drop((kept, full));
        program.stop(secs(1)).await;
        Ok(())
    });
}

/// A place that nobody knows for certain is not told: of two waits beside each other, or behind a pointer.
#[test]
fn a_line_that_is_not_known_is_not_told() {
    run(|scope| async move {
        let program = scope.child("program");
        let (one, of_one) = bounded::<u32>(1);
        let (other, of_other) = bounded::<u32>(1);
        program.task("beside", async move {
            roundrock::join!(of_one.recv(), of_other.recv());
        });
        let (boxed, of_boxed) = bounded::<u32>(1);
        program.task("boxed", async move {
            let wait: Pin<Box<dyn Future<Output = Option<u32>> + Send + '_>> =
                Box::pin(of_boxed.recv());
            wait.await;
        });
        // It waited for something else before, at a place that is known.
        let (first, of_first) = bounded::<u32>(1);
        let (latter, of_latter) = bounded::<u32>(1);
        program.task("after", async move {
            of_first.recv().await;
            let wait = std::pin::pin!(of_latter.recv());
            wait.await;
        });
        first.send(1).await?;
        let suspects = suspects(&program, 3).await;
        for one in &suspects {
            assert!(one.waits.iter().all(|wait| wait.at.is_none()), "{one:?}");
        }
        drop((one, other, boxed, first, latter));
        program.stop(secs(1)).await;
        Ok(())
    });
}

/// The line stands beside that of the spawn, once, also for several arms of one `select!`.
#[test]
fn p42_the_line_is_in_the_text() {
    run(|scope| async move {
        let program = scope.child("program");
        let lines = Lines::default();
        let kept = wait_in_channels(&program, &lines);
        let text = loop {
            sleep(old_enough()).await;
            let leaks = program.system().leaks();
            let of_select = |leak: &&Leak| leak.names() == ["select"];
            if let Some(leak) = leaks.iter().find(of_select) {
                break leak.to_string();
            }
        };
        let now = format!(
            "places.rs:{}) waits to receive from ",
            lines.all()["select"]
        );
        assert_eq!(text.matches(&now).count(), 1, "{text}");
        assert_eq!(text.matches("now at").count(), 1, "{text}");
        drop(kept);
        program.stop(secs(1)).await;
        Ok(())
    });
}
