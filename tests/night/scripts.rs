//! Supervision scripts: what starts, fails and is started again, and what the system says of it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Two that hold each other's input. Killing one of a cycle again and again is a restart each time: the scope gives up.
#[process]
async fn echo(input: &Receiver<u32>, output: &Sender<u32>, lives: &Arc<AtomicUsize>) -> Result<()> {
    lives.fetch_add(1, Ordering::SeqCst);
    while let Some(number) = input.recv().await {
        output.send(number).await?;
    }
    Ok(())
}

#[test]
fn killing_one_of_a_cycle_ends_in_an_escalation() {
    let lives = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lives);
    let ended = watched(move |_| {
        let lives = Arc::clone(&lives);
        System::builder()
            .workers(1)
            .on_leak(OnLeak::KillOne)
            .run(async move |scope| {
                let pair = scope.child("pair").intensity(2, secs(60));
                let (left, to_right) = rendezvous();
                let (right, to_left) = rendezvous();
                let ((), ()) = (
                    drop(
                        pair.supervise(echo(to_right, right, Arc::clone(&lives)))
                            .permanent()
                            .backoff(millis(1)..millis(2))
                            .spawn(),
                    ),
                    drop(
                        pair.supervise(echo(to_left, left, lives))
                            .permanent()
                            .backoff(millis(1)..millis(2))
                            .spawn(),
                    ),
                );
                pair.join().await
            })
    });
    let error = ended.expect_err("the scope gives up");
    let text = format!("{error:?}");
    assert_eq!(
        counted.load(Ordering::SeqCst),
        2 + 2,
        "two restarts and no third:\n{text}"
    );
    assert_eq!(
        plain(&text),
        r#"`echo` failed in scope `pair`

Caused by:
    `echo` needed more than 2 restarts in 60s (before that `echo`: it was killed, 2 times)
    it was killed"#,
        "{text}"
    );
}

/// Whoever calls a child that never comes up hears of it, and does not wait for ever.
#[test]
fn callers_of_a_child_that_never_comes_up() {
    #[process]
    struct Broken;

    #[handlers]
    impl Broken {
        #[on_start]
        fn begin(&mut self) -> Result<()> {
            Err(Error::msg("no disk"))
        }

        fn ping(&self) {}
    }

    let ended = watched(move |_| {
        System::builder().workers(1).run(async move |scope| {
            let parts = scope.child("parts").intensity(1, secs(60));
            let broken = parts
                .supervise(|| Broken)
                .backoff(millis(1)..millis(2))
                .spawn();
            let asked = broken.ping().await;
            assert!(
                matches!(asked, Err(CallError::Gone | CallError::Crashed)),
                "{asked:?}"
            );
            parts.join().await
        })
    });
    let text = format!("{:?}", ended.expect_err("the scope gives up"));
    assert_eq!(
        plain(&text),
        r#"`Broken` failed in scope `parts`

Caused by:
    `Broken` needed more than 1 restart in 60s (before that `Broken`: it failed at tests/night/scripts.rs:_:17: no disk)
    no disk"#,
        "{text}"
    );
}

/// A storm: a client calls a child that is killed all the time. Every call ends, and the books balance.
#[test]
fn a_client_of_a_child_that_is_killed_all_the_time() {
    #[process]
    struct Shop {
        sold: u32,
    }

    #[handlers]
    impl Shop {
        async fn sell(&mut self) -> u32 {
            self.sold += 1;
            yield_now().await;
            self.sold
        }
    }

    watched(move |_| {
        System::builder().workers(2).run(async move |scope| {
            let parts = scope.child("parts").intensity(100_000, secs(1));
            let shop = parts
                .supervise(|| Shop { sold: 0 })
                .permanent()
                .backoff(micros(1)..micros(2))
                .spawn();
            let mut clients = JoinSet::new();
            for _ in 0..8 {
                let shop = shop.clone();
                clients.add(scope.task("client", async move {
                    let (mut sold, mut crashed) = (0, 0);
                    while sold < 200 {
                        match shop.sell().await {
                            Ok(_) => sold += 1,
                            Err(CallError::Crashed) => crashed += 1,
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                    roundrock::Ok(crashed)
                }));
            }
            let killer = scope.task("killer", async move {
                for _ in 0..500 {
                    shop.kill();
                    sleep(micros(100)).await;
                }
            });
            while let Some(ended) = clients.join_next().await {
                ended?;
            }
            killer.kill();
            parts.stop(secs(1)).await;
            let system = scope.system();
            assert!(system.ledger().is_balanced(), "{}", system.ledger());
            assert_eq!((system.proof_violations(), system.lost_wakeups()), (0, 0));
            Ok(())
        })
    })
    .expect("it ends");
}

/// A child calls in its `on_start` one that is started only after it.
#[process(name = "first")]
struct First {
    second: Arc<OnceLock<SecondHandle>>,
}

#[handlers]
impl First {
    #[on_start]
    async fn begin(&mut self) -> Result<()> {
        let second = loop {
            match self.second.get() {
                Some(second) => break second,
                None => yield_now().await,
            }
        };
        second.ping().await?;
        Ok(())
    }

    fn ping(&self) {}
}

#[process(name = "second")]
struct Second;

#[handlers]
impl Second {
    fn ping(&self) {}
}

#[test]
fn a_start_that_calls_one_that_starts_later() {
    suspected(
        |scope| async move {
            let parts = scope.child("parts");
            let second = Arc::new(OnceLock::new());
            let given = Arc::clone(&second);
            let _first = parts
                .supervise(move || First {
                    second: Arc::clone(&given),
                })
                .spawn();
            let _ = second.set(parts.supervise(|| Second).spawn());
            scope.stopping().await;
            Ok(())
        },
        r#"suspected: a process has waited for _
  first#_ (spawned at tests/night/scripts.rs:_) waits for a reply of second#_ to `ping` (called at tests/night/scripts.rs:_); not proven: the mailbox of its call is kept for second, which its supervisor has not started, or not again yet"#,
    );
}
