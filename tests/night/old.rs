//! What cannot be proven, and is only old: the report must say where to look.

use roundrock::channel::OneshotSender;

use super::*;

/// The first lesson of every channel tutorial: the original sender was not dropped before the loop.
#[test]
fn main_keeps_the_original_sender() {
    #[process]
    async fn worker(results: Sender<u32>) -> Result<()> {
        results.send(1).await?;
        Ok(())
    }

    suspected(
        |scope| async move {
            let (results, all) = bounded(8).named("results");
            for _ in 0..2 {
                scope.spawn(worker(results.clone()));
            }
            while all.recv().await.is_some() {}
            drop(results);
            Ok(())
        },
        r#"suspected: a process has waited for _
  body#_ (spawned at tests/night/main.rs:_, now at tests/night/old.rs:_) waits to receive from "results" (tests/night/old.rs:_), whose only sender was lent to no process; not proven: a sender of it is in a local variable (perhaps its own), an `Arc`, a message or on a plain thread: the runtime does not know whose"#,
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

    #[process]
    async fn client(broker: &BrokerHandle) -> Result<u32> {
        Ok(broker.ask().await?)
    }

    suspected(
        |scope| async move {
            let broker = scope.spawn(Broker {
                waiting: Vec::new(),
            });
            scope.spawn(client(broker));
            Ok(())
        },
        r#"suspected: a process has waited for _
  client#_ (spawned at tests/night/old.rs:_) waits for a reply of Broker#_ to `ask` (called at tests/night/old.rs:_); not proven: whoever has the `Reply` of its call may still answer"#,
    );
}

/// Subscribers of a broadcast whose publisher waits for them.
#[test]
fn subscribers_of_a_publisher_that_waits_for_them() {
    suspected(
        |scope| async move {
            let (news, reader) = broadcast::<u32>(4);
            let subscriber = scope.task("subscriber", async move {
                while reader.recv().await.is_some() {}
            });
            scope.task("publisher", async move {
                let _ = subscriber.await;
                news.send(1).await
            });
            Ok(())
        },
        r#"suspected: a process has waited for _
  subscriber#_ (spawned at tests/night/old.rs:_, now at tests/night/old.rs:_) waits to receive from the `broadcast` made at tests/night/old.rs:_; not proven: who has the other end of a `broadcast` is not followed"#,
    );
}

/// A blocking process waits for one that waits for it.
#[test]
fn a_blocking_process_and_its_client() {
    #[process(blocking)]
    fn disk(requests: &Receiver<u32>, done: &Sender<u32>) -> Result<()> {
        while let Some(request) = requests.blocking_recv() {
            done.blocking_send(request)?;
        }
        Ok(())
    }

    #[process]
    async fn client(done: &Receiver<u32>, _requests: &Sender<u32>) {
        done.recv().await;
    }

    suspected(
        |scope| async move {
            let (requests, to_disk) = bounded(1).named("requests");
            let (done, of_disk) = bounded(1).named("done");
            scope.spawn(disk(to_disk, done));
            scope.spawn(client(of_disk, requests));
            Ok(())
        },
        r#"suspected: a process has waited for _
  client#_ (spawned at tests/night/old.rs:_, now at tests/night/old.rs:_) waits to receive from "done" (tests/night/old.rs:_), whose only sender is held by disk#_; not proven: a sender of it is held by disk#_, which may still run"#,
    );
}

/// A one-shot answer that is kept in the state of a process which lives.
#[test]
fn a_oneshot_that_is_kept() {
    #[process]
    struct Keeper {
        kept: Vec<OneshotSender<u32>>,
    }

    #[handlers]
    impl Keeper {
        fn keep(&mut self, answer: OneshotSender<u32>) {
            self.kept.push(answer);
        }
    }

    suspected(
        |scope| async move {
            let keeper = scope.spawn(Keeper { kept: Vec::new() });
            let (answer, question) = oneshot();
            keeper.keep(answer).await?;
            scope.task(
                "asks",
                async move { question.await.context("nobody answers") },
            );
            scope.stopping().await;
            drop(keeper);
            Ok(())
        },
        r#"suspected: a process has waited for _
  asks#_ (spawned at tests/night/old.rs:_, now at tests/night/old.rs:_) waits to receive from the `oneshot` made at tests/night/old.rs:_, whose only sender is held by Keeper#_; not proven: a sender of it is held by Keeper#_, which may still run"#,
    );
}

/// Who took a lock has ended, and has forgotten the guard.
#[test]
#[expect(clippy::mem_forget, reason = "what the test is about")]
fn a_guard_that_is_forgotten() {
    #[process]
    async fn forgets(table: Arc<Mutex<u32>>) {
        // It never runs its destructor.
        let own: &'static Arc<Mutex<u32>> = Box::leak(Box::new(table));
        std::mem::forget(own.lock().await);
    }

    #[process]
    async fn wants(table: &Arc<Mutex<u32>>) {
        *table.lock().await += 1;
    }

    orphaned(
        |scope| async move {
            let table = Arc::new(Mutex::new(0));
            scope.spawn(forgets(Arc::clone(&table))).await?;
            scope.pool(2, wants(table));
            Ok(())
        },
        r#"orphaned: 2 processes have waited for _, and the owner of what they wait for has ended
  wants#_, #_ (spawned at tests/night/old.rs:_) wait for the lock made at tests/night/old.rs:_ (asked for at tests/night/old.rs:_) that is held by forgets#_ (taken at tests/night/old.rs:_); forgets#_ has ended, and did not give back the guard: it was forgotten, or given to somebody else, who may still give it back"#,
    );
}

/// Who took the only permit has ended, and has forgotten it.
#[test]
#[expect(clippy::mem_forget, reason = "what the test is about")]
fn a_permit_that_is_forgotten() {
    #[process]
    async fn forgets(limit: &Semaphore) {
        std::mem::forget(limit.acquire().await);
    }

    #[process]
    async fn wants(limit: &Semaphore) {
        drop(limit.acquire().await);
    }

    orphaned(
        |scope| async move {
            let limit = Semaphore::new(1);
            scope.spawn(forgets(limit.clone())).await?;
            scope.spawn(wants(limit));
            Ok(())
        },
        r#"orphaned: a process has waited for _, and the owner of what it waits for has ended
  wants#_ (spawned at tests/night/old.rs:_) waits for a permit of the semaphore made at tests/night/old.rs:_ (asked for at tests/night/old.rs:_), of which some were given to forgets#_ (taken at tests/night/old.rs:_); forgets#_ has ended, and did not give back the permit: it was forgotten, or given to somebody else, who may still give it back"#,
    );
}

/// A server that puts its answers into a table which others have too, and ends.
#[test]
fn a_reply_that_outlives_its_server() {
    type Table = Arc<std::sync::Mutex<Vec<Reply<u32>>>>;

    #[process]
    struct Broker {
        table: Table,
    }

    #[handlers]
    impl Broker {
        fn ask(&mut self, answer: Reply<u32>, cx: &mut Cx) {
            self.table.lock().expect("not poisoned").push(answer);
            cx.stop();
        }
    }

    #[process]
    async fn client(broker: &BrokerHandle) -> Result<u32> {
        Ok(broker.ask().await?)
    }

    orphaned(
        |scope| async move {
            let table = Table::default();
            let broker = scope.spawn(Broker {
                table: Arc::clone(&table),
            });
            scope.spawn(client(broker));
            scope.stopping().await;
            drop(table);
            Ok(())
        },
        r#"orphaned: a process has waited for _, and the owner of what it waits for has ended
  client#_ (spawned at tests/night/old.rs:_) waits for a reply of Broker#_ to `ask` (called at tests/night/old.rs:_); Broker#_ has ended, and did not answer: the `Reply` was forgotten, or given to somebody else, who may still answer"#,
    );
}

/// Two structs that send to each other from handlers, with full channels between them: the ends lie in their fields, and a handler may
/// do with those what it likes, so this is no proof. But the report says where the other end was.
#[test]
fn two_hubs_in_the_middle_of_handlers() {
    #[process]
    struct Left {
        input: Receiver<u32>,
        output: Sender<u32>,
    }

    #[handlers]
    impl Left {
        #[recv(input)]
        async fn pass(&mut self, number: u32) -> Result<()> {
            self.output.send(number).await?;
            self.output.send(number).await?;
            Ok(())
        }
    }

    #[process]
    struct Right {
        input: Receiver<u32>,
        output: Sender<u32>,
    }

    #[handlers]
    impl Right {
        #[recv(input)]
        async fn pass(&mut self, number: u32) -> Result<()> {
            self.output.send(number).await?;
            self.output.send(number).await?;
            Ok(())
        }
    }

    suspected(
        |scope| async move {
            let (to_right, of_left) = bounded(1).named("to right");
            let (to_left, of_right) = bounded(1).named("to left");
            to_right.send(1).await?;
            to_left.send(2).await?;
            scope.spawn(Left {
                input: of_right,
                output: to_right,
            });
            scope.spawn(Right {
                input: of_left,
                output: to_left,
            });
            Ok(())
        },
        r#"suspected: a process has waited for _
  Left#_ (spawned at tests/night/old.rs:_, now at tests/night/old.rs:_) waits for room in "to right" (tests/night/old.rs:_), whose only receiver is held by Right#_; not proven: a receiver of it lay in a field of Right#_ when the handler began that it is in, and what a handler does with its fields is not followed
suspected: a process has waited for _
  Right#_ (spawned at tests/night/old.rs:_, now at tests/night/old.rs:_) waits for room in "to left" (tests/night/old.rs:_), whose only receiver is held by Left#_; not proven: a receiver of it lay in a field of Left#_ when the handler began that it is in, and what a handler does with its fields is not followed"#,
    );
}
