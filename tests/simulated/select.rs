//! `select!`. Cases S01 to S14.

use roundrock::channel::TryRecvError;
use roundrock::prelude::*;
use roundrock::sim::Sim;

/// One of two is ready: it is taken, and the other one loses nothing.
#[roundrock::test]
async fn s01_one_ready_of_two(sim: &Sim) -> Result<()> {
    let (a_in, a) = bounded(1);
    let (b_in, b) = bounded(1);
    let late = sim.task("late", async move {
        sleep(millis(1)).await;
        b_in.send(2).await
    });
    a_in.send(1).await?;
    let got = select! {
        n = a.recv() => n,
        n = b.recv() => n,
    };
    assert_eq!(got, 1);
    assert_eq!(b.recv().await, Some(2));
    late.await?;
    Ok(())
}

/// Nothing is ready: `default`, without waiting.
#[roundrock::test]
async fn s02_default_when_none_is_ready(sim: &Sim) -> Result<()> {
    let (_sender, receiver) = bounded::<u32>(1);
    let got = select! {
        n = receiver.recv() => n,
        default => 7,
    };
    assert_eq!((got, sim.now()), (7, millis(0)));
    Ok(())
}

/// A send and a receive of the same process on the same rendezvous do not meet each other.
#[roundrock::test]
async fn s04_does_not_pair_with_itself(sim: &Sim) -> Result<()> {
    let (sender, receiver) = rendezvous();
    let (own_sender, own_receiver) = (sender.clone(), receiver.clone());
    let both = sim.task("both", async move {
        roundrock::Ok(select! {
            own_sender.send(1) => "sent",
            n = own_receiver.recv() => if n == 2 { "received" } else { "paired with itself" },
        })
    });
    sim.settle().await;
    assert!(both.exit().is_none(), "nobody else is there");
    if roundrock::rng().below(2) == 0 {
        assert_eq!(receiver.recv().await, Some(1));
        assert_eq!(both.await?, "sent");
    } else {
        sender.send(2).await?;
        assert_eq!(both.await?, "received");
    }
    Ok(())
}

/// Of four arms that are ready each is taken at least 1/16 of the time: in each of 64 runs, and so in more than 10,000 trials.
#[roundrock::test]
async fn s06_fairness(_sim: &Sim) {
    const TRIALS: u32 = 160;
    let mut taken = [0; 4];
    let channels = [(); 4].map(|()| bounded(1));
    for _ in 0..TRIALS {
        for (sender, _) in &channels {
            let _ = sender.try_send(());
        }
        let [(_, a), (_, b), (_, c), (_, d)] = &channels;
        let at = select! {
            _ = a.recv() => 0,
            _ = b.recv() => 1,
            _ = c.recv() => 2,
            _ = d.recv() => 3,
        };
        taken[at] += 1;
    }
    assert!(taken.iter().all(|&n| n >= TRIALS / 16), "{taken:?}");
}

/// The arm that loses keeps its message.
#[roundrock::test(seeds = 10_000)]
async fn s09_loser_keeps_its_message(sim: &Sim) -> Result<()> {
    let (a_in, a) = rendezvous();
    let (b_in, b) = bounded(1);
    sim.task("a", async move { a_in.send('a').await });
    sim.task("b", async move { b_in.send('b').await });
    let first = select! {
        got = a.recv() => got,
        got = b.recv() => got,
    };
    let second = if first == 'a' {
        b.recv().await
    } else {
        a.recv().await
    };
    assert!(matches!(
        (first, second),
        ('a', Some('b')) | ('b', Some('a'))
    ));
    assert!(a.try_recv().is_err() && b.try_recv().is_err());
    Ok(())
}

/// A message that comes exactly when the time is up: one arm runs, and the message is there or still to come.
#[roundrock::test]
async fn s14_message_at_the_deadline(sim: &Sim) -> Result<()> {
    let (sender, receiver) = bounded(1);
    let sends = sim.task("sends", async move {
        sleep(millis(10)).await;
        sender.send(7).await
    });
    let in_time = select! {
        n = receiver.recv() => { assert_eq!(n, 7); true }
        _ = sleep(millis(10)) => false,
    };
    assert_eq!(sim.now(), millis(10));
    sends.await?;
    match in_time {
        true => assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed)),
        false => assert_eq!(receiver.recv().await, Some(7)),
    }
    Ok(())
}

/// And both happen.
#[test]
fn s14_both_outcomes_are_reached() {
    for wanted in [true, false] {
        let found = crate::failing::in_some_run(|sim: Sim| async move {
            let (sender, receiver) = bounded(1);
            sim.task("sends", async move {
                sleep(millis(10)).await;
                // Nobody may be left to receive.
                sender.send(7).await.ok();
            });
            let in_time = receiver.recv().within(millis(10)).await.is_ok();
            ensure!(in_time != wanted, "reached");
            Ok(())
        });
        assert!(found.reason.to_string().contains("reached"), "{found}");
    }
}
