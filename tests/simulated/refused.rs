//! What cannot be simulated is said, and not passed over. Cases C23, F06, L34, G02 on the deterministic scheduler.

use roundrock::prelude::*;
use roundrock::sim::{Reason, Sim, Simulation};

/// A thread of its own that wakes a process: the run cannot be replayed, and says so.
#[test]
fn c23_a_thread_outside_is_refused() {
    let searched = Simulation::new("outside").seeds(1).run(|_sim: Sim| async {
        let (sender, receiver) = bounded(1);
        let (go, started) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            started.recv().expect("the process says when");
            sender.blocking_send(7).is_ok()
        });
        // The thread sends when the process is parked, or before: both are from outside.
        go.send(()).context("the thread is there")?;
        while receiver.is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(receiver.recv().await, Some(7));
        assert!(thread.join().expect("the thread does not panic"));
        roundrock::Ok(())
    });
    // A message that is there when it is looked for is received as any other: nobody was woken.
    assert!(searched.is_ok(), "{searched:?}");

    let searched = Simulation::new("outside")
        .seeds(1)
        .run(|sim: Sim| async move {
            let (sender, receiver) = bounded(1);
            let waits = sim.task("waits", async move { roundrock::Ok(receiver.recv().await) });
            sim.settle().await;
            let thread = std::thread::spawn(move || sender.blocking_send(7).is_ok());
            assert!(thread.join().expect("the thread does not panic"));
            waits.await?;
            roundrock::Ok(())
        });
    let failure = searched.expect_err("a thread woke a process");
    assert!(
        matches!(&failure.reason, Reason::Outside(process) if process.contains("waits")),
        "{failure}"
    );
}

/// Jobs that block run inline, at a moment that is chosen.
#[roundrock::test]
async fn c24_blocking_jobs_are_simulated(sim: &Sim) -> Result<()> {
    let (sender, receiver) = bounded(4);
    for n in 0..3 {
        let sender = sender.clone();
        sim.task("asks", async move {
            let square = blocking(move || n * n).await;
            sender.send(square).await
        });
    }
    sender.finish();
    let mut squares = receiver.recv_many(1).await;
    while let Some(square) = receiver.recv().await {
        squares.push(square);
    }
    squares.sort_unstable();
    assert_eq!(squares, [0, 1, 4]);
    Ok(())
}
