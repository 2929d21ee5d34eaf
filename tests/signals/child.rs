//! The program that the tests of signals start: it says when it is ready, and what it saw.

use std::io::Write;

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

#[roundrock::main(grace = "60s")]
async fn main(scope: &Scope) -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some("stubborn") {
        scope.spawn(stubborn());
    } else {
        let (to_sink, numbers) = bounded(8);
        scope.spawn(source(to_sink));
        scope.spawn(sink(numbers));
    }
    say("ready");
    scope.stopping().await;
    Ok(())
}
