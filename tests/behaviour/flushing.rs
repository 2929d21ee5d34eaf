//! What a stage passes on at the end of its input reaches the next one, however both receive, and wherever the first one keeps its sender.
//! P33.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use roundrock::prelude::*;
use roundrock_tests::on_workers;

/// How a stage receives until its input is over.
#[derive(Debug, Clone, Copy)]
enum How {
    Plain,
    Select,
    /// From a second input too, which nobody ever uses, and whose sender is kept.
    Both,
    /// And listens to the stop.
    Stopping,
    /// For a while only, again and again.
    Within,
}

const ALL: [How; 5] = [
    How::Plain,
    How::Select,
    How::Both,
    How::Stopping,
    How::Within,
];

type Input = (Receiver<u64>, Receiver<u64>);

async fn collects(how: How, (input, other): &Input, scope: &Scope) -> Vec<u64> {
    let mut all = Vec::new();
    let mut hears = true;
    loop {
        match how {
            How::Plain => match input.recv().await {
                Some(number) => all.push(number),
                None => break,
            },
            How::Select => select! {
                number = input.recv() => all.push(number),
                else => break,
            },
            How::Both => select! {
                number = input.recv() => all.push(number),
                number = other.recv() => all.push(number),
                else => break,
            },
            How::Stopping => select! {
                number = input.recv() => all.push(number),
                _ = scope.stopping(), if hears => hears = false,
                else => break,
            },
            How::Within => match input.recv().within(millis(3)).await {
                Ok(Some(number)) => all.push(number),
                Ok(None) => break,
                Err(_) => {}
            },
        }
    }
    all
}

async fn stage(how: How, input: &Input, out: &Sender<u64>, scope: &Scope) -> Result<()> {
    for number in collects(how, input, scope).await {
        out.send(number).await?;
    }
    Ok(())
}

#[process]
async fn lent(
    how: How,
    first: &Receiver<u64>,
    second: &Receiver<u64>,
    out: &Sender<u64>,
    scope: &Scope,
) -> Result<()> {
    let input = (first.clone(), second.clone());
    stage(how, &input, out, scope).await
}

#[process]
async fn owns(how: How, input: Input, out: Sender<u64>, scope: &Scope) -> Result<()> {
    stage(how, &input, &out, scope).await
}

struct Outs {
    out: Sender<u64>,
}

#[process]
async fn hides(how: How, input: Input, outs: &Outs, scope: &Scope) -> Result<()> {
    stage(how, &input, &outs.out, scope).await
}

/// Where a stage has its sender.
#[derive(Debug, Clone, Copy)]
enum Has {
    Lent,
    Owned,
    Hidden,
    Captured,
}

fn start(scope: &Scope, has: Has, how: How, input: Input, out: Sender<u64>) {
    match has {
        Has::Lent => drop(scope.spawn(lent(how, input.0, input.1, out))),
        Has::Owned => drop(scope.spawn(owns(how, input, out))),
        Has::Hidden => drop(scope.spawn(hides(how, input, Outs { out }))),
        Has::Captured => {
            let own = scope.clone();
            drop(scope.task(
                "captures",
                async move { stage(how, &input, &out, &own).await },
            ));
        }
    }
}

type Start = Box<dyn FnOnce(&Scope) + Send>;

/// Sends some numbers through two stages and counts how many arrive, while somebody outside keeps the first sender.
async fn flows(scope: &Scope, has: Has, hows: [How; 2], turned: bool) -> Result<u64> {
    let parts = scope.child("parts");
    let (first, to_first) = bounded(8);
    let (second, to_second) = bounded(8);
    let (third, to_third) = bounded(8);
    let unused: [_; 3] = std::array::from_fn(|_| bounded(1));
    let [one, two, three] = unused.each_ref().map(|(_, input)| input.clone());
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let mut starts: Vec<Start> = vec![
        Box::new(move |scope| start(scope, has, hows[0], (to_first, one), second)),
        Box::new(move |scope| start(scope, has, hows[1], (to_second, two), third)),
        Box::new(move |scope| {
            let own = scope.clone();
            drop(scope.task("counts", async move {
                let all = collects(hows[1], &(to_third, three), &own).await;
                counted.fetch_add(all.len() as u64, Ordering::SeqCst);
            }));
        }),
    ];
    if turned {
        starts.reverse();
    }
    for start in starts {
        start(&parts);
    }
    for number in 0..5 {
        first.send(number).await?;
    }
    first.flush().await;
    let report = parts.stop(secs(60)).await;
    assert!(report.is_clean(), "{has:?} {hows:?} {turned}: {report}");
    assert!(
        report.took < secs(20),
        "{has:?} {hows:?} {turned}: {:?}",
        report.took
    );
    drop((first, unused));
    parts.join().await?;
    Ok(count.load(Ordering::SeqCst))
}

/// P33: nothing that was accepted is lost between stages that pass it on when their input is over.
#[test]
fn p33_what_a_stage_flushes_at_its_end_arrives() {
    for has in [Has::Lent, Has::Owned, Has::Hidden, Has::Captured] {
        on_workers(move |scope| async move {
            for first in ALL {
                for second in ALL {
                    // Of one that waits only for what nobody ever used, it is not known that it has received from elsewhere before.
                    let is_unknown = matches!(second, How::Both) && !matches!(has, Has::Lent);
                    // It may be fed by one that looks up, so this takes half of the grace.
                    let is_slow = matches!((first, second), (How::Both, How::Within));
                    if is_unknown || is_slow {
                        continue;
                    }
                    for turned in [false, true] {
                        let arrived = flows(&scope, has, [first, second], turned).await?;
                        assert_eq!(arrived, 5, "{has:?} {first:?} {second:?} {turned}");
                    }
                }
            }
            Ok(())
        });
    }
}
