//! The program that the tests of signals start: it says when it is ready, and what it saw.

use std::io::Write;

use roundrock::leaks::OnLeak;
use roundrock::observe::{Event, EventKind};
use roundrock::prelude::*;

/// Says a line to the test, at once.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A test that has gone needs no line.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[process]
async fn source(numbers: &Sender<u64>, scope: &Scope) -> Result<()> {
    let mut n = 0;
    loop {
        select! {
            () = scope.stopping() => break,
            room = numbers.ready() => { room?.send(n)?; n += 1; }
        }
    }
    say(&format!("sent {n}"));
    Ok(())
}

#[process]
async fn sink(numbers: &Receiver<u64>) {
    let mut count = 0;
    while numbers.recv().await.is_some() {
        count += 1;
    }
    say(&format!("received {count}"));
}

#[process]
async fn stubborn(scope: &Scope) {
    scope.stopping().await;
    say("stopping");
    std::future::pending::<()>().await;
}

/// Panics when it is to stop.
#[process]
async fn breaks(scope: &Scope) {
    scope.stopping().await;
    let reason = std::env::args().nth(1);
    assert_eq!(reason.as_deref(), None, "as it was told");
}

/// Panics when it is told to.
#[process]
async fn breaks_when_told(go: &Receiver<u64>) {
    let told = go.recv().await;
    assert_eq!(told, None, "as it was told");
}

/// Fails when it is told to.
#[process]
async fn fails_when_told(go: &Receiver<u64>) -> Result<()> {
    go.recv().await;
    bail!("as it was told");
}

/// Says that it has begun, and never comes to an await again.
#[process]
async fn never_yields(begun: &Sender<u64>) -> Result<()> {
    begun.send(1).await?;
    never()
}

/// Keeps its thread for ever.
fn never() -> ! {
    loop {
        std::thread::park();
    }
}

/// Waits until a process of this name waits.
async fn until_waiting(scope: &Scope, name: &str) {
    let waits = || {
        let processes = scope.system().snapshot().processes;
        let mut waiting = processes.iter().filter(|process| process.wait.is_some());
        waiting.any(|process| process.name == name)
    };
    while !waits() {
        sleep(millis(1)).await;
    }
}

/// Says what it hears, when it has heard it.
#[process]
async fn echo(input: &Receiver<u64>, output: &Sender<u64>) -> Result<()> {
    while let Some(number) = input.recv().await {
        output.send(number).await?;
    }
    Ok(())
}

/// Two processes that wait for what the other one says.
fn spawn_ring(scope: &Scope) -> Task<()> {
    let (left, to_right) = rendezvous().named("left");
    let (right, to_left) = rendezvous().named("right");
    scope.spawn(echo(to_right, right));
    scope.spawn(echo(to_left, left))
}

/// A system of its own that ends the program as soon as it has proven a leak; its body would wait for ever.
fn aborts() {
    let system = System::builder().workers(1).on_leak(OnLeak::Abort);
    let ended = system.run(async |scope| {
        spawn_ring(&scope);
        scope.stopping().await;
        Ok(())
    });
    say(&format!("ended: {ended:?}"));
}

/// A process panics beside another one, in a scope of theirs.
async fn siblings(scope: &Scope) -> Result<()> {
    let parts = scope.child("parts");
    let (numbers, receives) = bounded(8).named("numbers");
    let (tell, told) = bounded(1);
    parts.spawn(sink(receives));
    parts.spawn(breaks_when_told(told));
    until_waiting(scope, "sink").await;
    say("ready");
    tell.send(1).await?;
    let failed = parts.join().await;
    drop(numbers);
    say(if failed.is_err() { "failed" } else { "well" });
    Ok(())
}

/// The body waits for the stop that the failure of a process begins.
async fn a_process_fails(scope: &Scope) -> Result<()> {
    let (tell, told) = bounded(1);
    scope.spawn(fails_when_told(told));
    say("ready");
    tell.send(1).await?;
    scope.stopping().await;
    Ok(())
}

/// A process is in the way of the stop that the body begins.
async fn stuck(scope: &Scope) -> Result<()> {
    let (begun, begins) = bounded(1);
    scope.spawn(never_yields(begun));
    begins.recv().await;
    say("ready");
    scope.stop(millis(10)).await;
    Ok(())
}

/// All wait, for ever.
async fn idle(scope: &Scope) -> Result<()> {
    let (numbers, receives) = bounded(8);
    for _ in 0..20 {
        scope.spawn(sink(receives.clone()));
    }
    until_waiting(scope, "sink").await;
    say("ready");
    scope.stopping().await;
    drop(numbers);
    Ok(())
}

#[roundrock::main(grace = "60s")]
async fn main(scope: &Scope) -> Result<()> {
    let mode = std::env::args().nth(1);
    match mode.as_deref() {
        Some("stubborn") => {
            scope.spawn(stubborn());
        }
        Some("panics") => {
            let broken = scope.spawn_isolated(breaks());
            say("ready");
            say(broken.done().await.kind());
            return Ok(());
        }
        Some("siblings") => return siblings(scope).await,
        Some("fails") => {
            say("ready");
            bail!("as it was told");
        }
        Some("a process fails") => return a_process_fails(scope).await,
        Some("stuck") => return stuck(scope).await,
        Some("stuck body") => {
            let inner = scope.clone();
            scope.task("stops", async move { drop(inner.stop(millis(10)).await) });
            say("ready");
            never();
        }
        Some("idle") => return idle(scope).await,
        Some("deadlock") => {
            let ring = spawn_ring(scope);
            say("ready");
            return Ok(ring.await?);
        }
        Some("unheard") => {
            spawn_ring(scope);
            say("ready");
            scope.stopping().await;
            return Ok(());
        }
        Some("aborts") => {
            say("ready");
            std::thread::spawn(aborts);
        }
        Some("ring") => {
            let events = scope.system().events();
            std::thread::spawn(move || {
                let is_leak = |event: &Event| matches!(event.kind, EventKind::Leak { .. });
                if events.iter().any(|event| is_leak(&event)) {
                    say("leak");
                }
            });
            spawn_ring(scope);
        }
        _ => {
            let (to_sink, numbers) = bounded(8);
            scope.spawn(source(to_sink));
            scope.spawn(sink(numbers));
        }
    }
    say("ready");
    scope.stopping().await;
    Ok(())
}
