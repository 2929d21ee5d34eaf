//! Closing and dropping. Cases K01 to K12.

use roundrock::channel::{TryRecvError, TrySendError};
use roundrock::prelude::*;
use roundrock::sim::Sim;
use roundrock_tests::{CAPACITIES, Tally, channel_of};

/// The last sender goes: what is there is received first, and then the end, again and again.
#[roundrock::test]
async fn k01_last_sender_drops_with_data_queued(sim: &Sim) -> Result<()> {
    let (sender, receiver) = bounded(4);
    sim.task("sends", async move {
        for n in 0..3 {
            sender.send(n).await?;
        }
        roundrock::Ok(())
    });
    for n in 0..3 {
        assert_eq!(receiver.recv().await, Some(n));
    }
    for _ in 0..3 {
        assert_eq!(receiver.recv().await, None);
    }
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    Ok(())
}

/// The receiver goes while a sender waits: it gets its message back.
#[roundrock::test]
async fn k02_last_receiver_drops_while_a_sender_waits(sim: &Sim) -> Result<()> {
    for capacity in [0, 1] {
        let (sender, receiver) = bounded(capacity);
        let send = sim.task("sends", async move {
            for n in 0.. {
                if let Err(error) = sender.send(n).await {
                    return roundrock::Ok((n, error.into_inner()));
                }
            }
            bail!("it never ends")
        });
        let first = receiver.recv().await;
        assert_eq!(first, Some(0));
        receiver.finish();
        let (sent, back) = send.await?;
        assert_eq!(sent, back);
    }
    Ok(())
}

/// The last sender goes while a receiver waits.
#[roundrock::test]
async fn k03_last_sender_drops_while_a_receiver_waits(sim: &Sim) -> Result<()> {
    for capacity in CAPACITIES {
        let (sender, receiver) = channel_of::<u32>(capacity);
        let waits = sim.task("waits", async move { roundrock::Ok(receiver.recv().await) });
        let other = sender.clone();
        sim.task("drops", async move { drop(other) });
        sender.finish();
        assert_eq!(waits.await?, None);
    }
    Ok(())
}

/// Queued messages are dropped with the last receiver, before its drop returns.
#[roundrock::test]
async fn k04_receiver_drops_with_queued_messages(sim: &Sim) -> Result<()> {
    let tally = Tally::new();
    let (sender, receiver) = bounded(3);
    let tokens = tally.clone();
    let fills = sim.task("fills", async move {
        for n in 0..3 {
            sender.send(tokens.token(n)).await.context("closed")?;
        }
        roundrock::Ok(sender)
    });
    let sender = fills.await?;
    assert_eq!(tally.live(), 3);
    drop(receiver);
    assert_eq!(tally.dropped(), [0, 1, 2]);
    assert!(sender.is_closed());
    Ok(())
}

/// The end of an input is not a loss: what was accepted comes out, and more is refused with the message.
#[roundrock::test]
async fn k06_an_input_is_closed_and_drained(sim: &Sim) -> Result<()> {
    let stage = sim.child("stage");
    let (sender, receiver) = bounded(4);
    let (out, results) = bounded(8);
    stage.task("drains", async move {
        while let Some(n) = receiver.recv().await {
            out.send(n).await?;
        }
        roundrock::Ok(())
    });
    for n in 0..4 {
        sender.send(n).await?;
    }
    assert!(stage.stop(secs(1)).await.is_clean());
    assert_eq!(sender.try_send(8), Err(TrySendError::Closed(8)));
    assert_eq!(sender.send(9).await.unwrap_err().into_inner(), 9);
    assert_eq!(results.recv_many(8).await, [0, 1, 2, 3]);
    assert_eq!(results.recv().await, None);
    assert!(
        stage.stop(secs(1)).await.is_clean(),
        "a second stop is the first one"
    );
    Ok(())
}

/// One of many senders goes: the others keep the channel open.
#[roundrock::test]
async fn k09_one_of_many_senders_drops(sim: &Sim) -> Result<()> {
    let (sender, receiver) = bounded::<u32>(1);
    let clones = [sender.clone(), sender.clone()];
    for clone in clones {
        sim.task("drops", async move { drop(clone) });
    }
    sim.settle().await;
    assert!(!receiver.is_closed());
    let last = sim.task("sends", async move { sender.send(1).await });
    assert_eq!(receiver.recv().await, Some(1));
    last.await?;
    assert_eq!(receiver.recv().await, None);
    Ok(())
}

/// A weak sender does not keep a channel open.
#[roundrock::test]
async fn k10_weak_sender(sim: &Sim) -> Result<()> {
    let (sender, receiver) = bounded::<u32>(1);
    let weak = sender.downgrade();
    assert!(weak.upgrade().is_some());
    let holds = sim.task("holds", async move { drop(sender) });
    assert_eq!(receiver.recv().await, None);
    assert!(weak.upgrade().is_none());
    holds.await?;
    Ok(())
}

/// A process that ends closes what it held, for those who wait for it.
#[roundrock::test]
async fn k12_process_exit_closes_its_ports(sim: &Sim) -> Result<()> {
    #[process]
    async fn takes_two(numbers: &Receiver<u32>) {
        numbers.recv().await;
        numbers.recv().await;
    }
    for capacity in [0, 1] {
        let (sender, receiver) = bounded(capacity);
        let process = sim.spawn(takes_two(receiver));
        let mut sent = 0;
        let back = loop {
            match sender.send(sent).await {
                Ok(()) => sent += 1,
                Err(error) => break error.into_inner(),
            }
        };
        assert_eq!(back, sent);
        assert!(
            (2..=2 + capacity as u32).contains(&sent),
            "{sent} were sent"
        );
        process.await?;
    }
    Ok(())
}
