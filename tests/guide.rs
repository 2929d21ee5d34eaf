//! The examples of TESTING.md, as they stand there; a test holds the two together.

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

#[test]
fn nobody_withdraws_what_is_not_there() {
    let mut account = Account { balance: 10 };
    assert!(account.withdraw(7));
    assert!(!account.withdraw(7));
}

#[process]
async fn transfer(from: &AccountHandle, to: &AccountHandle, amount: &i64) -> Result<()> {
    if from.withdraw(*amount).await? {
        to.deposit(*amount).await?;
    }
    Ok(())
}

#[roundrock::test(seeds = 200)]
async fn money_is_neither_made_nor_lost(sim: &Sim) -> Result<()> {
    let a = sim.spawn(Account { balance: 50 });
    let b = sim.spawn(Account { balance: 50 });
    let one = sim.spawn(transfer(a.clone(), b.clone(), 30));
    let other = sim.spawn(transfer(a.clone(), b.clone(), 30));
    one.await?;
    other.await?;
    assert_eq!(a.balance().await? + b.balance().await?, 100);
    Ok(())
}

#[process]
async fn worker(jobs: &Receiver<u32>) {
    while jobs.recv().await.is_some() {}
}

#[roundrock::test]
async fn the_worker_ends_with_its_input(sim: &Sim) -> Result<()> {
    let (jobs, inbox) = bounded(4);
    sim.spawn(worker(inbox));
    jobs.send(1).await?;
    // `jobs` is dropped here: without that the worker would be reported.
    Ok(())
}

#[process]
struct Slow;

#[handlers]
impl Slow {
    async fn work(&mut self, time: std::time::Duration) {
        sleep(time).await;
    }
}

#[roundrock::test]
async fn a_call_gives_up_after_two_seconds(sim: &Sim) -> Result<()> {
    let slow = sim.spawn(Slow);
    let late = slow.work(secs(9)).within(secs(2)).await;
    assert!(matches!(late, Err(CallError::Deadline)));
    assert_eq!(sim.now(), secs(2));
    Ok(())
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

#[roundrock::test]
async fn a_poller_comes_back_after_its_backoff(sim: &Sim) -> Result<()> {
    let starts = sim.probe("starts");
    let (jobs, inbox) = bounded(4);
    let child = poller(inbox, starts.sender());
    let _poller = sim.supervise(child).backoff(millis(100)..secs(5)).spawn();
    starts.next().await;
    jobs.send(Job::Good).await?;
    // It fails, and is started again; the pause is longer by up to a quarter, at random.
    jobs.send(Job::Bad).await?;
    starts.expect_silence(millis(99)).await;
    starts.next().await;
    assert!(sim.now() >= millis(100));
    Ok(())
}

const GUIDE: &str = include_str!("../TESTING.md");
const THIS: &str = include_str!("guide.rs");

/// What the text says of a `transfer` that looks first and withdraws then.
#[process]
async fn hasty_transfer(from: &AccountHandle, to: &AccountHandle, amount: &i64) -> Result<()> {
    if from.balance().await? >= *amount {
        from.withdraw(*amount).await?;
        to.deposit(*amount).await?;
    }
    Ok(())
}

#[test]
fn a_hasty_transfer_makes_money() {
    let search = roundrock::sim::Simulation::new("hasty").seeds(200);
    let failure = search.run(|sim: Sim| async move {
        let a = sim.spawn(Account { balance: 50 });
        let b = sim.spawn(Account { balance: 50 });
        let one = sim.spawn(hasty_transfer(a.clone(), b.clone(), 30));
        let other = sim.spawn(hasty_transfer(a.clone(), b.clone(), 30));
        one.await?;
        other.await?;
        assert_eq!(a.balance().await? + b.balance().await?, 100);
        roundrock::Ok(())
    });
    let failure = failure.expect_err("both see 50").to_string();
    assert!(failure.contains("left: 130\n"), "{failure}");
}

/// The words of a text, with zeros for its numbers: lines and columns are those of another file.
fn in_plain_words(text: &str) -> String {
    let mut plain = String::new();
    for c in text
        .split_whitespace()
        .flat_map(|word| word.chars().chain([' ']))
    {
        match c {
            '0'..='9' if plain.ends_with('0') => {}
            '0'..='9' => plain.push('0'),
            c => plain.push(c),
        }
    }
    plain
}

/// It has a sender of its own input, so that never ends.
#[process]
async fn retries(jobs: &Receiver<u32>, again: &Sender<u32>) -> Result<()> {
    while let Some(job) = jobs.recv().await {
        if job % 2 == 1 {
            again.send(job + 1).await?;
        }
    }
    Ok(())
}

#[test]
fn the_guide_shows_the_report_of_a_leak() {
    let search = roundrock::sim::Simulation::new("the_retries_end_with_their_input");
    let failure = search.run(|sim: Sim| async move {
        let (jobs, inbox) = bounded(4);
        sim.spawn(retries(inbox, jobs.clone()));
        jobs.send(1).await
    });
    let failure = failure.expect_err("it waits");
    let report = failure.to_string();
    let shown = GUIDE
        .split("```text\n")
        .find(|block| block.starts_with("the_retries"));
    let shown = shown.and_then(|block| block.split("```").next());
    let (report, shown) = (
        in_plain_words(&report),
        in_plain_words(shown.expect("a report")),
    );
    assert!(
        report.starts_with(&shown),
        "not as in TESTING.md:\n{failure}"
    );
}

#[test]
fn the_guide_shows_this_code() {
    let code: Vec<&str> = THIS.lines().map(str::trim).collect();
    let blocks = GUIDE.split("```rust\n").skip(1);
    let mut compared = 0;
    for block in blocks.filter_map(|block| block.split("```").next()) {
        let lines: Vec<&str> = block.lines().map(str::trim).collect();
        assert!(
            code.windows(lines.len()).any(|window| window == lines),
            "not in tests/guide.rs:\n{block}"
        );
        compared += 1;
    }
    assert_eq!(compared, 6, "every block of the guide is compared");
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
