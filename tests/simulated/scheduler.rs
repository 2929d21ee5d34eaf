//! Scheduling. Cases F01, F08 and F11, smaller; I01.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use roundrock::prelude::*;
use roundrock::sim::Sim;
use roundrock_tests::isolated;

/// Many empty processes, all of which end.
#[roundrock::test]
async fn f01_spawn_many(sim: &Sim) -> Result<()> {
    let many = sim.child("many");
    for _ in 0..300 {
        many.task("empty", async {});
    }
    many.join().await?;
    assert_eq!(many.alive(), 0);
    Ok(())
}

/// A process that many wake at once is polled by nobody while it is polled.
#[roundrock::test]
async fn f08_never_two_polls_at_once(sim: &Sim) -> Result<()> {
    let polled = Arc::new(AtomicBool::new(false));
    let (wake, woken) = bounded(2);
    for waker in 0..8 {
        let wake = wake.clone();
        sim.task("wakes", async move {
            for n in 0..8 {
                wake.send((waker, n)).await?;
            }
            roundrock::Ok(())
        });
    }
    wake.finish();
    let mut receive = pin!(async {
        let mut all = BTreeSet::new();
        while let Some(one) = woken.recv().await {
            assert!(all.insert(one));
        }
        all.len()
    });
    let all = poll_fn(|cx| {
        assert!(!polled.swap(true, Ordering::Relaxed));
        let poll = receive.as_mut().poll(cx);
        polled.store(false, Ordering::Relaxed);
        poll
    });
    assert_eq!(all.await, 64);
    Ok(())
}

#[process]
async fn node(
    number: u32,
    left: Receiver<u32>,
    right: Sender<u32>,
    end: Sender<u32>,
) -> Result<()> {
    while let Some(hops) = left.recv().await {
        if hops == 0 {
            end.send(number).await?;
            return Ok(());
        }
        right.send(hops - 1).await?;
    }
    Ok(())
}

/// A token goes round a ring, and ends at the right node; then the ring falls apart.
#[roundrock::test(seeds = 64)]
async fn f11_thread_ring(sim: &Sim) -> Result<()> {
    const NODES: u32 = 53;
    const HOPS: u32 = 500;
    let (end, ended) = bounded(1);
    let (first, mut left) = rendezvous();
    for number in 0..NODES - 1 {
        let (right, next) = rendezvous();
        sim.spawn(node(number, left, right, end.clone()));
        left = next;
    }
    sim.spawn(node(NODES - 1, left, first.clone(), end));
    first.send(HOPS).await?;
    first.finish();
    assert_eq!(ended.recv().await, Some(HOPS % NODES));
    Ok(())
}

/// A process that panics takes nobody along who is not in its scope.
#[roundrock::test]
async fn i01_panic_in_a_process(sim: &Sim) -> Result<()> {
    let others: Vec<_> = (0..20)
        .map(|n| sim.task("other", async move { roundrock::Ok(n) }))
        .collect();
    let broken = isolated(sim, async {
        panic!("only this one");
    });
    assert_eq!(broken.done().await.kind(), "panicked");
    for (n, other) in others.into_iter().enumerate() {
        assert_eq!(other.await?, n);
    }
    Ok(())
}

/// What a panic said is kept: a text, whatever it was made of, or else the type.
#[roundrock::test]
async fn i06_payload_kinds(sim: &Sim) -> Result<()> {
    let text = isolated(sim, async {
        panic!("a text");
    });
    let string = isolated(sim, async {
        std::panic::panic_any(format!("a {}", "string"));
    });
    let other = isolated(sim, async {
        std::panic::panic_any(7_u32);
    });
    let resumed = isolated(sim, async {
        std::panic::resume_unwind(Box::new("resumed"));
    });
    for (task, said) in [(text, "a text"), (string, "a string"), (resumed, "resumed")] {
        let exit = task.done().await;
        assert!(exit.to_string().contains(said), "{exit}");
    }
    assert_eq!(other.done().await.kind(), "panicked");
    Ok(())
}
