//! What waits for itself through channels, calls and ends.

use super::*;

/// A crawler: each worker puts the links it finds into the queue that it takes its pages from.
#[test]
fn workers_that_fill_their_own_queue() {
    #[process]
    async fn crawl(pages: &Receiver<u32>, links: &Sender<u32>) -> Result<()> {
        while let Some(page) = pages.recv().await {
            for link in 0..4 {
                links.send(page * 4 + link).await?;
            }
        }
        Ok(())
    }

    proven(
        |scope| async move {
            let (links, pages) = bounded(2).named("pages");
            links.send(1).await?;
            links.send(2).await?;
            scope.pool(3, crawl(pages, links));
            Ok(())
        },
        r#"proven leaked: 3 processes wait for each other, and nobody else can wake them
  crawl#_ (spawned at tests/night/cycles.rs:_, now at tests/night/cycles.rs:_) wait for room in "pages" (tests/night/cycles.rs:_), whose only receiver is held by crawl#_
  1 more process waits behind them
proven leaked: a process waits behind crawl#_, which can never run again
  the pool crawl#_ (spawned at tests/night/cycles.rs:_) waits for its workers, of which crawl#_ cannot end"#,
    );
}

/// A pipeline whose last stage reports back to the first.
#[test]
fn a_pipeline_with_feedback() {
    #[process]
    async fn stage(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
        while let Some(item) = input.recv().await {
            output.send(item).await?;
            output.send(item).await?;
        }
        Ok(())
    }

    proven(
        |scope| async move {
            let (first, to_first) = bounded(1).named("orders");
            let (second, to_second) = bounded(1).named("parsed");
            let (third, to_third) = bounded(1).named("priced");
            first.send(1).await?;
            scope.spawn(stage(to_first, second));
            scope.spawn(stage(to_second, third));
            scope.spawn(stage(to_third, first));
            Ok(())
        },
        r#"proven leaked: 3 processes wait for each other, and nobody else can wake them
  stage#_ (spawned at tests/night/cycles.rs:_, now at tests/night/cycles.rs:_) waits for room in "parsed" (tests/night/cycles.rs:_), whose only receiver is held by stage#_
  stage#_ (spawned at tests/night/cycles.rs:_, now at tests/night/cycles.rs:_) waits for room in "priced" (tests/night/cycles.rs:_), whose only receiver is held by stage#_
  stage#_ (spawned at tests/night/cycles.rs:_, now at tests/night/cycles.rs:_) waits for room in "orders" (tests/night/cycles.rs:_), whose only receiver is held by stage#_"#,
    );
}

/// Each echoes what the other one says; both channels were made on one line, and the reader is told which is which.
#[test]
fn two_channels_of_one_line() {
    #[process]
    async fn left(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
        while let Some(number) = input.recv().await {
            output.send(number).await?;
        }
        Ok(())
    }

    #[process]
    async fn right(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
        while let Some(number) = input.recv().await {
            output.send(number).await?;
        }
        Ok(())
    }

    proven(
        |scope| async move {
            let ((to_left, of_left), (to_right, of_right)) = (rendezvous(), rendezvous());
            scope.spawn(left(of_left, to_right));
            scope.spawn(right(of_right, to_left));
            Ok(())
        },
        r#"proven leaked: 2 processes wait for each other, and nobody else can wake them
  left#_ (spawned at tests/night/cycles.rs:_, now at tests/night/cycles.rs:_) waits to receive from the channel made at tests/night/cycles.rs:_:63, whose only sender is held by right#_
  right#_ (spawned at tests/night/cycles.rs:_, now at tests/night/cycles.rs:_) waits to receive from the channel made at tests/night/cycles.rs:_:77, whose only sender is held by left#_"#,
    );
}

/// The same, where one expression made both.
#[test]
fn two_channels_of_one_expression() {
    #[process]
    async fn left(input: &Receiver<u32>, output: &Sender<u32>) {
        input.recv().await;
        let _ = output;
    }

    #[process]
    async fn right(input: &Receiver<u32>, output: &Sender<u32>) {
        input.recv().await;
        let _ = output;
    }

    proven(
        |scope| async move {
            let [(to_left, of_left), (to_right, of_right)] = [(); 2].map(|()| rendezvous());
            scope.spawn(left(of_left, to_right));
            scope.spawn(right(of_right, to_left));
            Ok(())
        },
        r#"proven leaked: 2 processes wait for each other, and nobody else can wake them
  left#_ (spawned at tests/night/cycles.rs:_, now at tests/night/cycles.rs:_) waits to receive from channel 1 of 2 made at tests/night/cycles.rs:_, whose only sender is held by right#_
  right#_ (spawned at tests/night/cycles.rs:_, now at tests/night/cycles.rs:_) waits to receive from channel 2 of 2 made at tests/night/cycles.rs:_, whose only sender is held by left#_"#,
    );
}

/// A process waits for the end of its own scope.
#[test]
fn waits_for_the_end_of_its_own_scope() {
    #[process]
    async fn closer(scope: Scope) -> Result<()> {
        scope.join().await
    }

    proven(
        |scope| async move {
            scope.spawn(closer(scope.clone()));
            Ok(())
        },
        r#"proven leaked: a process waits for itself, and nobody else can wake it
  closer#_ (spawned at tests/night/cycles.rs:_) waits for the end of scope `program` (awaited at tests/night/cycles.rs:_), in which closer#_ cannot end"#,
    );
}

/// The parent waits for its children, who wait for what it would send.
#[test]
fn a_parent_joins_before_it_sends() {
    #[process]
    async fn child(go: &Receiver<()>) {
        go.recv().await;
    }

    #[process]
    async fn parent(scope: &Scope, go: &Sender<()>, start: &Receiver<()>) -> Result<()> {
        let mut children = JoinSet::new();
        for _ in 0..3 {
            children.add(scope.spawn(child(start.clone())));
        }
        while children.join_next().await.is_some() {}
        go.send(()).await?;
        Ok(())
    }

    proven(
        |scope| async move {
            let (go, start) = rendezvous().named("start");
            scope.spawn(parent(go, start));
            Ok(())
        },
        r#"proven leaked: 4 processes wait for each other, and nobody else can wake them
  parent#_ (spawned at tests/night/cycles.rs:_) waits for the end of child#_ (awaited at tests/night/cycles.rs:_)
  child#_ (spawned at tests/night/cycles.rs:_, now at tests/night/cycles.rs:_) wait to receive from "start" (tests/night/cycles.rs:_), whose only sender is held by parent#_"#,
    );
}

/// Two accounts that move money to each other while each serves one call at a time.
#[process(mailbox = 1)]
struct Account {
    other: Option<AccountHandle>,
}

#[handlers]
impl Account {
    fn meet(&mut self, other: AccountHandle) {
        self.other = Some(other);
    }

    fn deposit(&mut self, amount: u32) -> u32 {
        amount
    }

    /// Beside another call, so that the runtime cannot refuse either at once.
    async fn transfer(&mut self, amount: u32) -> Result<u32, CallError> {
        let Some(other) = &self.other else {
            return Ok(0);
        };
        let (one, two) = join!(
            other.deposit(amount).into_future(),
            other.deposit(amount).into_future()
        );
        Ok(one? + two?)
    }
}

#[test]
fn two_calls_at_once_in_a_cycle() {
    proven(
        |scope| async move {
            let (one, two) = (
                scope.spawn(Account { other: None }),
                scope.spawn(Account { other: None }),
            );
            one.meet(two.clone()).await?;
            two.meet(one.clone()).await?;
            let (left, right) = join!(one.transfer(1).into_future(), two.transfer(1).into_future());
            drop((left, right));
            Ok(())
        },
        r#"proven leaked: 2 processes wait for each other, and nobody else can wake them
  Account#_ (spawned at tests/night/cycles.rs:_) waits for a reply of Account#_; or for room in the mailbox of Account#_
  Account#_ (spawned at tests/night/cycles.rs:_) waits for a reply of Account#_; or for room in the mailbox of Account#_
  1 more process waits behind them
proven leaked: a process waits behind Account#_, which can never run again
  body#_ (spawned at tests/night/main.rs:_) waits for a reply of Account#_; or for a reply of Account#_"#,
    );
}

/// A cycle of calls that is too long to be refused when it closes.
#[process(name = "hop")]
struct Hop {
    next: Option<HopHandle>,
}

#[handlers]
impl Hop {
    fn connect(&mut self, next: HopHandle) {
        self.next = Some(next);
    }

    async fn pass(&mut self) -> Result<(), CallError> {
        match &self.next {
            Some(next) => next.pass().await.map_err(|_| CallError::NoReply),
            None => Ok(()),
        }
    }
}

#[test]
fn a_hundred_calls_in_a_cycle() {
    proven(
        |scope| async move {
            let hops: Vec<_> = (0..100).map(|_| scope.spawn(Hop { next: None })).collect();
            for (at, hop) in hops.iter().enumerate() {
                hop.connect(hops[(at + 1) % hops.len()].clone()).await?;
            }
            hops[0].pass().send_and_forget().await?;
            Ok(())
        },
        r#"proven leaked: 100 processes wait for each other, and nobody else can wake them
  hop#_ (spawned at tests/night/cycles.rs:_) wait for a reply of hop#_ to `pass` (called at tests/night/cycles.rs:_)
  each waits for the next: hop#_ -> hop#_ -> hop#_ -> hop#_ -> hop#_ -> hop#_ -> hop#_ -> hop#_ -> hop#_ -> hop#_ -> hop#_ -> hop#_ -> 88 more -> hop#_"#,
    );
}

/// Both arms of a `select!` wait for the process itself.
#[test]
fn a_select_of_which_both_arms_are_its_own() {
    #[process]
    async fn hub(
        left: &Receiver<u32>,
        right: &Receiver<u32>,
        _to_left: &Sender<u32>,
        _to_right: &Sender<u32>,
    ) {
        select! {
            biased;
            _ = left.recv() => (),
            _ = right.recv() => (),
        }
    }

    proven(
        |scope| async move {
            let (to_left, left) = bounded(1).named("left");
            let (to_right, right) = bounded(1).named("right");
            scope.spawn(hub(left, right, to_left, to_right));
            Ok(())
        },
        r#"proven leaked: a process waits for itself, and nobody else can wake it
  hub#_ (spawned at tests/night/cycles.rs:_, now at tests/night/cycles.rs:_) waits to receive from "left" (tests/night/cycles.rs:_), whose only sender is held by hub#_; or to receive from "right" (tests/night/cycles.rs:_), whose only sender is held by hub#_"#,
    );
}

/// A chain of different processes behind one that waits for nothing.
#[test]
fn a_chain_behind_one_that_forgot_its_future() {
    #[process]
    async fn source(_out: &Sender<u32>) {
        std::future::pending::<()>().await;
    }

    #[process]
    async fn parse(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
        while let Some(item) = input.recv().await {
            output.send(item).await?;
        }
        Ok(())
    }

    #[process]
    async fn store(input: &Receiver<u32>) {
        while input.recv().await.is_some() {}
    }

    proven(
        |scope| async move {
            let (raw, to_parse) = bounded(4).named("raw");
            let (parsed, to_store) = bounded(4).named("parsed");
            scope.spawn(source(raw));
            scope.pool(2, parse(to_parse, parsed));
            let last = scope.spawn(store(to_store));
            scope.task("waits for all", async move { last.await });
            Ok(())
        },
        r#"proven leaked: a process waits, and has left its waker with nobody
  source#_ (spawned at tests/night/cycles.rs:_) waits for nothing that is known
  5 more processes wait behind it
proven leaked: 2 processes wait behind source#_, which can never run again
  parse#_, #_ (spawned at tests/night/cycles.rs:_, now at tests/night/cycles.rs:_) wait to receive from "raw" (tests/night/cycles.rs:_), whose only sender is held by source#_
proven leaked: a process waits behind source#_, which can never run again
  the pool parse#_ (spawned at tests/night/cycles.rs:_) waits for its workers, of which parse#_, #_ cannot end
proven leaked: a process waits behind source#_, which can never run again
  store#_ (spawned at tests/night/cycles.rs:_, now at tests/night/cycles.rs:_) waits to receive from "parsed" (tests/night/cycles.rs:_), whose only sender is held by parse#_, #_
proven leaked: a process waits behind source#_, which can never run again
  waits for all#_ (spawned at tests/night/cycles.rs:_) waits for the end of store#_ (awaited at tests/night/cycles.rs:_)"#,
    );
}

/// A call waits for the next incarnation of a child, which then calls back: the caller's wait began when there was none.
#[process]
struct Peer {
    back: Option<BackHandle>,
}

#[handlers]
impl Peer {
    fn meet(&mut self, back: BackHandle) {
        self.back = Some(back);
    }

    fn hello(&self) {}

    async fn go(&mut self) -> Result<(), CallError> {
        match &self.back {
            Some(back) => back.call_back().await.map_err(|_| CallError::NoReply),
            None => Ok(()),
        }
    }
}

#[process]
struct Back {
    peer: PeerHandle,
}

#[handlers]
impl Back {
    fn crash(&self) {
        panic!("as asked");
    }

    async fn call_back(&mut self) -> Result<(), CallError> {
        self.peer.hello().await.map_err(|_| CallError::NoReply)
    }
}

#[test]
fn a_cycle_through_a_child_that_was_restarted() {
    proven(
        |scope| async move {
            let peer = scope.spawn(Peer { back: None });
            let (children, given) = (scope.child("children"), peer.clone());
            let back = children
                .supervise(move || Back {
                    peer: given.clone(),
                })
                .backoff(millis(200)..millis(200))
                .spawn();
            peer.meet(back.clone()).await?;
            assert_eq!(back.crash().await, Err(CallError::Crashed));
            peer.go().send_and_forget().await?;
            Ok(())
        },
        r#"proven leaked: 2 processes wait for each other, and nobody else can wake them
  Peer#_ (spawned at tests/night/cycles.rs:_) waits for a reply of Back#_ to `call_back` (called at tests/night/cycles.rs:_)
  Back#_ (spawned at tests/night/cycles.rs:_) waits for a reply of Peer#_ to `hello` (called at tests/night/cycles.rs:_)"#,
    );
}
