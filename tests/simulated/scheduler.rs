//! Scheduling. Cases F01, F08 and F11, smaller; I01.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use roundrock::prelude::*;
use roundrock::sim::Sim;
use roundrock_tests::isolated;

/// Many empty processes, all of which end.
#[roundrock::test]
async fn f01_spawn_many(sim: &Sim) -> Result<()> {
    let many = sim.child("many");
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..300 {
        let ran = Arc::clone(&ran);
        many.task("empty", async move {
            ran.fetch_add(1, Ordering::SeqCst);
        });
    }
    many.join().await?;
    assert_eq!((many.alive(), ran.load(Ordering::SeqCst)), (0, 300));
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

/// A process that panics takes nobody along who is not in its scope: a thousand others live on, and so do the workers.
#[roundrock::test]
async fn i01_panic_in_a_process(sim: &Sim) -> Result<()> {
    let others = sim.child("others");
    let ended = Arc::new(AtomicUsize::new(0));
    // In twenties: of a thousand that can run at once the choice is slow.
    let mut gates = Vec::new();
    for _ in 0..50 {
        let (open, gate) = rendezvous::<u32>();
        gates.push(open);
        for _ in 0..20 {
            let (gate, ended) = (gate.clone(), Arc::clone(&ended));
            others.task("other", async move {
                gate.recv().await;
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
        sim.settle().await;
    }
    let workers = sim.system().workers();
    let broken = isolated(sim, async {
        panic!("only this one");
    });
    assert_eq!(broken.done().await.kind(), "panicked");
    sim.settle().await;
    assert_eq!((others.alive(), ended.load(Ordering::SeqCst)), (1000, 0));
    assert_eq!(sim.system().workers(), workers);
    for (n, open) in gates.into_iter().enumerate() {
        drop(open);
        sim.settle().await;
        assert_eq!(ended.load(Ordering::SeqCst), 20 * (n + 1));
    }
    others.join().await
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
    let other = other.done().await;
    assert_eq!(other.kind(), "panicked");
    let said = "a payload that is not a text";
    assert!(other.to_string().contains(said), "{other}");
    Ok(())
}
