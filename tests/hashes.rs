//! Ten programs, and the hash of what was chosen in their runs: the same in debug and release builds, and on every machine.
//!
//! A change of a hash is a change of what simulations do with a seed: wanted now and then, and never by accident.

use roundrock::prelude::*;
use roundrock::sim::{Faults, Simulation};
use roundrock::sync::{Mutex, Semaphore};

#[process]
async fn pass(input: &Receiver<u64>, output: &Sender<u64>) -> Result<()> {
    while let Some(left) = input.recv().await {
        if left == 0 {
            break;
        }
        output.send(left - 1).await?;
    }
    Ok(())
}

#[process]
struct Counter {
    n: u64,
}

#[handlers]
impl Counter {
    fn add(&mut self, by: u64) -> u64 {
        self.n += by;
        self.n
    }
    async fn slowly(&mut self, by: u64) -> u64 {
        sleep(millis(by)).await;
        self.n
    }
}

#[process]
async fn flaky(jobs: &Receiver<u32>) -> Result<()> {
    while let Some(job) = jobs.recv().await {
        ensure!(job % 3 != 0, "a bad job");
    }
    Ok(())
}

async fn ring(sim: Sim) -> Result<()> {
    let (first, mut input) = bounded(1);
    for _ in 0..2 {
        let (output, next) = bounded(1);
        sim.spawn(pass(std::mem::replace(&mut input, next), output));
    }
    first.send(30).await?;
    sim.spawn(pass(input, first));
    Ok(())
}

async fn pool(sim: Sim) -> Result<()> {
    let (numbers, inbox) = rendezvous();
    let (out, results) = bounded(2);
    sim.pool(3, pass(inbox, out));
    let feeder = sim.task("feeder", async move {
        for n in 1..10 {
            numbers.send(n).await?;
        }
        roundrock::Ok(())
    });
    while results.recv().await.is_some() {}
    feeder.await?;
    Ok(())
}

async fn calls(sim: Sim) -> Result<()> {
    let counter = sim.spawn(Counter { n: 0 });
    let mut callers = JoinSet::new();
    for by in 1..4 {
        let counter = counter.clone();
        callers.add(sim.task("caller", async move { counter.add(by).await }));
    }
    while callers.join_next().await.is_some() {}
    Ok(())
}

async fn deadlines(sim: Sim) -> Result<()> {
    let counter = sim.spawn(Counter { n: 0 });
    let _ = counter.slowly(50).within(millis(20)).await;
    let _ = counter.slowly(10).within(millis(60)).await;
    Ok(())
}

async fn selects(sim: Sim) -> Result<()> {
    let (a, from_a) = bounded(2);
    let (b, from_b) = rendezvous();
    sim.task("a", async move {
        for n in 0..5 {
            a.send(n).await?;
        }
        roundrock::Ok(())
    });
    sim.task("b", async move {
        for n in 0..5 {
            b.send(n).await?;
        }
        roundrock::Ok(())
    });
    let mut tick = interval(millis(1));
    loop {
        select! {
            n = from_a.recv() => { let _: u32 = n; }
            n = from_b.recv() => { let _: u32 = n; }
            _ = tick.next(), if sim.now() < millis(3) => {}
            else => break,
        }
    }
    Ok(())
}

async fn timers(sim: Sim) -> Result<()> {
    for ms in [3, 1, 2, 1, 3, 1] {
        sim.task("sleeper", sleep(millis(ms)));
    }
    sim.advance(millis(2)).await;
    Ok(())
}

async fn locks(sim: Sim) -> Result<()> {
    let lock = std::sync::Arc::new(Mutex::new(0));
    let permits = std::sync::Arc::new(Semaphore::new(2));
    for _ in 0..4 {
        let (lock, permits) = (lock.clone(), permits.clone());
        sim.task("locker", async move {
            let _permit = permits.acquire().await;
            *lock.lock().await += 1;
        });
    }
    Ok(())
}

async fn supervised(sim: Sim) -> Result<()> {
    let (jobs, inbox) = bounded(2);
    let _flaky = sim.supervise(flaky(inbox)).permanent().spawn();
    for job in 1..8 {
        jobs.send(job).await?;
    }
    sim.advance(secs(1)).await;
    Ok(())
}

async fn draws(sim: Sim) -> Result<()> {
    let mut rng = roundrock::rng();
    let mut items: Vec<u64> = (0..6).collect();
    rng.shuffle(&mut items);
    for ms in items {
        sim.task("sleeper", sleep(millis(ms + rng.range(0..3))));
    }
    Ok(())
}

async fn stages(sim: Sim) -> Result<()> {
    let stages = sim.child("stages");
    let (numbers, inbox) = bounded(4);
    let (out, results) = bounded(4);
    stages.spawn(pass(inbox, out));
    for n in 1..4 {
        numbers.send(n).await?;
    }
    let report = stages.stop(secs(1)).await;
    ensure!(report.is_clean(), "{report}");
    ensure!(results.recv_many(9).await == [0, 1, 2], "lost");
    Ok(())
}

macro_rules! hash {
    ($program:ident) => {{
        let search = Simulation::new(stringify!($program))
            .first_seed(1)
            .seeds(24)
            .faults(Faults::none().panic(0.02).slow(0.02).delay(0.05));
        let summary = search.run($program).expect("the program has no mistake");
        (stringify!($program), format!("{:016x}", summary.all))
    }};
}

#[test]
fn p43_the_same_tape_gives_the_same_trace_everywhere() {
    let hashes = [
        hash!(ring),
        hash!(pool),
        hash!(calls),
        hash!(deadlines),
        hash!(selects),
        hash!(timers),
        hash!(locks),
        hash!(supervised),
        hash!(draws),
        hash!(stages),
    ];
    let kept = include_str!("hashes.txt");
    let now: String = hashes
        .iter()
        .map(|(name, hash)| format!("{name} {hash}\n"))
        .collect();
    assert!(
        now == kept,
        "the traces have changed; if that is wanted, tests/hashes.txt is now\n{now}"
    );
}
