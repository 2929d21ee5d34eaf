//! Programs that hang, and are no proven deadlock: whoever started one must be told at once, and what keeps it open.

use std::sync::mpsc;
use std::thread;

use super::*;

/// Runs a program that hangs, as `main` would, until the system itself tells of it; returns that text.
fn told<F>(body: impl FnOnce(Scope) -> F + Send + 'static) -> String
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    watched(move |_| {
        let (give, given) = mpsc::channel::<System>();
        let hears = thread::spawn(move || {
            let system = given.recv().expect("it begins");
            let events = system.events();
            let text = loop {
                let event = events.recv_timeout(PATIENCE).expect("it is told");
                if let EventKind::Leak { leak } = event.kind
                    && leak.standstill
                {
                    assert!(matches!(leak.verdict, Verdict::Suspected { .. }), "{leak}");
                    break leak.to_string();
                }
            };
            assert_eq!((system.proof_violations(), system.lost_wakeups()), (0, 0));
            let _report = system.shutdown(Duration::ZERO);
            text
        });
        let _stopped = System::builder()
            .workers(2)
            .grace(millis(10))
            .run(async move |scope| {
                give.send(scope.system()).expect("somebody hears");
                body(scope).await
            });
        plain(&hears.join().expect("it is told"))
    })
}

#[track_caller]
fn stands_still<F>(body: impl FnOnce(Scope) -> F + Send + 'static, expected: &str)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let text = told(body);
    assert!(text == expected, "\n{text}\n--- and not\n{expected}");
}

/// The first lesson of every channel tutorial: the original sender was not dropped before the loop.
#[test]
fn main_keeps_the_original_sender() {
    #[process]
    async fn worker(results: Sender<u32>) -> Result<()> {
        results.send(1).await?;
        Ok(())
    }

    stands_still(
        |scope| async move {
            let (results, all) = bounded(8).named("results");
            for _ in 0..2 {
                scope.spawn(worker(results.clone()));
            }
            while all.recv().await.is_some() {}
            drop(results);
            Ok(())
        },
        r#"suspected: nothing runs in this program any more, and nothing is due; a process has waited for _
  main#_ (spawned at tests/night/still.rs:_, now at tests/night/still.rs:_) waits to receive from "results" (tests/night/still.rs:_), whose only sender was lent to no process
  no proven deadlock, because a sender of "results" (tests/night/still.rs:_) is in a local variable (perhaps of one of these), an `Arc`, a message or on a plain thread"#,
    );
}

/// A handle lies in the body, which waits for the process to end.
#[test]
fn main_waits_for_a_struct_of_which_it_has_a_handle() {
    #[process]
    struct Counter;

    #[handlers]
    impl Counter {
        fn nothing(&self) {}
    }

    stands_still(
        |scope| async move {
            let counter = scope.spawn(Counter);
            counter.nothing().await?;
            counter.task().await?;
            drop(counter);
            Ok(())
        },
        r#"suspected: nothing runs in this program any more, and nothing is due; a process has waited for _
  main#_ (spawned at tests/night/still.rs:_) waits for the end of Counter#_ (awaited at tests/night/still.rs:_)
  no proven deadlock, because a handle of Counter#_ is in a local variable (perhaps of one of these), an `Arc`, a message or on a plain thread"#,
    );
}

/// Main joins workers, and has the sender of what they wait for; they listen to the stop, as they should.
#[test]
fn main_joins_before_it_closes_the_input() {
    #[process]
    async fn worker(scope: &Scope, jobs: &Receiver<u32>) {
        loop {
            select! {
                _ = jobs.recv() => {}
                () = scope.stopping() => return,
                else => return,
            }
        }
    }

    stands_still(
        |scope| async move {
            let (jobs, inbox) = bounded(8).named("jobs");
            let pool = scope.pool(2, worker(inbox));
            jobs.send(1).await?;
            pool.await?;
            drop(jobs);
            Ok(())
        },
        r#"suspected: nothing runs in this program any more, and nothing is due; 4 processes have waited for _
  main#_ (spawned at tests/night/still.rs:_) waits for the end of the pool worker#_ (awaited at tests/night/still.rs:_)
  worker#_, #_ (spawned at tests/night/still.rs:_, now at tests/night/still.rs:_) wait to receive from "jobs" (tests/night/still.rs:_), whose only sender was lent to no process; or for a stop
  the pool worker#_ (spawned at tests/night/still.rs:_) waits for its workers
  no proven deadlock, because a sender of "jobs" (tests/night/still.rs:_) is in a local variable (perhaps of one of these), an `Arc`, a message or on a plain thread; and a stop would wake some of them"#,
    );
}

/// A request whose answer lies in a table that nobody looks at any more.
#[test]
fn an_answer_in_a_table() {
    #[process]
    struct Broker {
        waiting: Vec<Reply<u32>>,
    }

    #[handlers]
    impl Broker {
        fn ask(&mut self, answer: Reply<u32>) {
            self.waiting.push(answer);
        }
    }

    stands_still(
        |scope| async move {
            let broker = scope.spawn(Broker {
                waiting: Vec::new(),
            });
            broker.ask().await?;
            Ok(())
        },
        r#"suspected: nothing runs in this program any more, and nothing is due; a process has waited for _
  main#_ (spawned at tests/night/still.rs:_) waits for a reply of Broker#_ to `ask` (called at tests/night/still.rs:_)
  no proven deadlock, because whoever has the `Reply` of a call may still answer it"#,
    );
}

/// An answer that never comes, whose sender nobody was lent, beside a semaphore of which all permits are out.
#[test]
fn a_oneshot_and_a_permit() {
    stands_still(
        |scope| async move {
            let (answer, question) = oneshot::<u32>();
            let places = Semaphore::new(1);
            let first = places.acquire().await;
            let next = places.clone();
            scope.task("second", async move {
                let _second = next.acquire().await;
            });
            let _ = question.await;
            drop((answer, first));
            Ok(())
        },
        r#"suspected: nothing runs in this program any more, and nothing is due; 2 processes have waited for _
  main#_ (spawned at tests/night/still.rs:_, now at tests/night/still.rs:_) waits to receive from the `oneshot` made at tests/night/still.rs:_, whose only sender was lent to no process
  second#_ (spawned at tests/night/still.rs:_) waits for a permit of the semaphore made at tests/night/still.rs:_ (asked for at tests/night/still.rs:_), of which some were given to main#_ (taken at tests/night/still.rs:_)
  no proven deadlock, because a sender of the `oneshot` made at tests/night/still.rs:_ is in a local variable (perhaps of one of these), an `Arc`, a message or on a plain thread; and a permit of a semaphore may be anywhere, and may be given back"#,
    );
}

/// Two locks of one struct behind pointers, taken in two orders: who took which is known, and that is nearly always who has it.
#[test]
fn two_locks_of_one_struct_behind_pointers() {
    struct Bank {
        left: Box<Mutex<u32>>,
        right: Box<Mutex<u32>>,
    }

    #[process]
    async fn there(bank: &Arc<Bank>, step: &Sender<()>) -> Result<()> {
        let _left = bank.left.lock().await;
        step.send(()).await?;
        let _right = bank.right.lock().await;
        Ok(())
    }

    #[process]
    async fn back(bank: &Arc<Bank>, step: &Receiver<()>) {
        let _right = bank.right.lock().await;
        step.recv().await;
        let _left = bank.left.lock().await;
    }

    let circle = |leak: &Leak| matches!(&leak.verdict, Verdict::Suspected { why } if why.contains("for ever"));
    let text = report_of(System::builder(), circle, |scope| async move {
        let bank = Arc::new(Bank {
            left: Box::new(Mutex::new(1)),
            right: Box::new(Mutex::new(2)),
        });
        let (step, stepped) = rendezvous();
        scope.spawn(there(Arc::clone(&bank), step));
        scope.spawn(back(bank, stepped));
        Ok(())
    });
    let expected = r#"suspected: 2 processes have waited for _
  there#_ (spawned at tests/night/still.rs:_) waits for the lock made at tests/night/still.rs:_ (asked for at tests/night/still.rs:_) that is held by back#_ (taken at tests/night/still.rs:_)
  back#_ (spawned at tests/night/still.rs:_) waits for the lock made at tests/night/still.rs:_ (asked for at tests/night/still.rs:_) that is held by there#_ (taken at tests/night/still.rs:_)
  not proven: a guard of a lock may be anywhere, unless every way to the lock is an `Arc` that was lent with the lock in it; if each is still with who took it, they wait for each other for ever"#;
    assert!(text == expected, "\n{text}\n--- and not\n{expected}");
}
