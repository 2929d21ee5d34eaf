//! The examples of TESTING.md, as they stand there or a little longer.

use roundrock::prelude::*;

#[process]
struct Account {
    balance: i64,
}

#[handlers]
impl Account {
    fn withdraw(&mut self, amount: i64) -> bool {
        let enough = self.balance >= amount;
        if enough {
            self.balance -= amount;
        }
        enough
    }
    fn deposit(&mut self, amount: i64) {
        self.balance += amount;
    }
    fn balance(&self) -> i64 {
        self.balance
    }
}

#[process]
async fn transfer(from: &AccountHandle, to: &AccountHandle, amount: &i64) -> Result<()> {
    if from.withdraw(*amount).await? {
        to.deposit(*amount).await?;
    }
    Ok(())
}

#[process]
async fn worker(jobs: &Receiver<u32>) {
    while jobs.recv().await.is_some() {}
}

#[process]
struct Slow;

#[handlers]
impl Slow {
    async fn work(&mut self, time: std::time::Duration) {
        sleep(time).await;
    }
}

enum Job {
    Good,
    Bad,
}

#[process]
async fn poller(jobs: &Receiver<Job>, starts: &Sender<()>) -> Result<()> {
    starts.send(()).await?;
    while let Some(job) = jobs.recv().await {
        ensure!(matches!(job, Job::Good), "a bad job");
    }
    Ok(())
}

#[test]
fn nobody_withdraws_what_is_not_there() {
    let mut account = Account { balance: 10 };
    assert!(account.withdraw(7));
    assert!(!account.withdraw(7));
}

#[roundrock::test(seeds = 200)]
async fn money_is_neither_made_nor_lost(sim: &Sim) -> Result<()> {
    let account = || sim.spawn(Account { balance: 50 });
    let (a, b) = (account(), account());
    let there = sim.spawn(transfer(a.clone(), b.clone(), 30));
    let back = sim.spawn(transfer(b.clone(), a.clone(), 70));
    there.await?;
    back.await?;
    assert_eq!(a.balance().await? + b.balance().await?, 100);
    Ok(())
}

#[roundrock::test]
async fn the_worker_ends_with_its_input(sim: &Sim) -> Result<()> {
    let (jobs, inbox) = bounded(4);
    sim.spawn(worker(inbox));
    jobs.send(1).await?;
    Ok(())
}

#[roundrock::test]
async fn a_call_gives_up_after_two_seconds(sim: &Sim) -> Result<()> {
    let slow = sim.spawn(Slow);
    let late = slow.work(secs(9)).within(secs(2)).await;
    assert!(matches!(late, Err(CallError::Deadline)));
    assert_eq!(sim.now(), secs(2));
    Ok(())
}

#[roundrock::test]
async fn a_poller_comes_back_after_its_backoff(sim: &Sim) -> Result<()> {
    let starts = sim.probe("starts");
    let (jobs, inbox) = bounded(4);
    let child = poller(inbox, starts.sender());
    let _poller = sim.supervise(child).backoff(millis(100)..secs(5)).spawn();
    starts.next().await;
    jobs.send(Job::Good).await?;
    jobs.send(Job::Bad).await?;
    starts.expect_silence(millis(99)).await;
    starts.next().await;
    assert!(sim.now() >= millis(100));
    Ok(())
}

mod inputs {
    use proptest::prelude::*;
    use roundrock::prelude::*;
    use roundrock::sim::Simulation;

    use super::Account;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        /// Proptest makes the amounts, and each is tried on 8 schedules.
        #[test]
        fn an_account_is_never_overdrawn(amounts in prop::collection::vec(-20_i64..60, 0..12)) {
            let search = Simulation::new("overdrawn").seeds(8);
            search.run(move |sim: Sim| {
                let amounts = amounts.clone();
                async move {
                    let model = sim.model(100_i64);
                    let account = sim.spawn(Account { balance: 100 });
                    for amount in amounts.into_iter().map(i64::abs) {
                        let taken = account.withdraw(amount).await?;
                        model.expect("withdraw", taken, |balance| {
                            let enough = *balance >= amount;
                            *balance -= if enough { amount } else { 0 };
                            enough
                        });
                    }
                    roundrock::Ok(())
                }
            })?;
        }
    }

    #[test]
    fn what_proptest_finds_it_makes_small() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let found = runner.run(&prop::collection::vec(0_u32..100, 0..20), |numbers| {
            let search = Simulation::new("large").seeds(4).shrink(secs(0));
            search.run(move |sim: Sim| {
                let numbers = numbers.clone();
                async move {
                    let (out, inbox) = roundrock::unbounded::channel();
                    sim.task("sender", async move {
                        for n in numbers {
                            out.send(n).await?;
                        }
                        roundrock::Ok(())
                    });
                    while let Some(n) = inbox.recv().await {
                        ensure!(n < 50, "too large");
                    }
                    roundrock::Ok(())
                }
            })?;
            Ok(())
        });
        let proptest::test_runner::TestError::Fail(_, input) = found.expect_err("too large") else {
            panic!("it gave up");
        };
        assert_eq!(input, [50]);
    }
}
