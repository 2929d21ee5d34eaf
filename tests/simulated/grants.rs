//! Who is given a message or room, where others wait beside them. P3.

use roundrock::channel::Overflow;
use roundrock::prelude::*;
use roundrock::sim::Sim;

/// Where a send never waits, a parked receiver has its message at once, whoever waits for room beside it.
#[roundrock::test]
async fn a_send_that_never_waits_reaches_a_parked_receiver(sim: &Sim) -> Result<()> {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        for (capacity, wanted) in [(2, 2), (1, 1)] {
            let (sender, receiver) = bounded(capacity).overflow(overflow);
            let receives = sim.task(
                "receives",
                async move { roundrock::Ok(receiver.recv().await) },
            );
            sim.settle().await;
            let permit = sender.ready().await?;
            let waiting = sender.clone();
            let waits = sim.task("waits", async move {
                drop(waiting.ready_many(wanted).await?);
                roundrock::Ok(())
            });
            sim.settle().await;
            sender.send(7).await?;
            // The permit is used only after the answer.
            assert_eq!(receives.await?, Some(7), "{overflow:?} {capacity}");
            drop(permit);
            let _ = waits.done().await;
        }
    }
    Ok(())
}

/// The head of those who wait for room is a `select!` that went another way: who comes behind it has the room that there is.
#[roundrock::test(seeds = 200)]
async fn room_is_granted_to_who_asked_for_so_much(sim: &Sim) -> Result<()> {
    let (sender, receiver) = bounded(4);
    for n in 0..4 {
        sender.send(n).await?;
    }
    let (other, events) = bounded::<()>(1);
    let first = sender.clone();
    let selects = sim.task("selects", async move {
        select! {
            permit = first.ready() => drop(permit),
            _ = events.recv() => {}
        }
    });
    sim.settle().await;
    let second = sender.clone();
    let asks = sim.task("asks", async move {
        let mut permits = second.ready_many(3).await?;
        for n in 10..13 {
            permits.send(n)?;
        }
        roundrock::Ok(())
    });
    sim.settle().await;
    // In one step: the `select!` has lost its place, and has not taken it out of the list yet.
    let sent = other.try_send(());
    let one = receiver.try_recv();
    assert!(sent.is_ok() && one.is_ok_and(|one| one == 0));
    selects.await?;
    sim.settle().await;
    assert_eq!(
        receiver.len(),
        3,
        "three permits were granted beside three messages"
    );
    for n in 1..4 {
        assert_eq!(receiver.recv().await, Some(n));
    }
    asks.await?;
    assert_eq!(receiver.recv_many(4).await, [10, 11, 12]);
    Ok(())
}
