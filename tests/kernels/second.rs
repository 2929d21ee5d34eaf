//! What came second: waits that a poll noted and that were over before it ended, for something else was there first. They belong to
//! no wait of the process any more, and must neither hide what it waits for now nor be taken for it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use roundrock::leaks::{Leak, Verdict};
use roundrock::prelude::*;
use roundrock::sim::Simulation;
use roundrock_tests::{unique_name, watched, yield_now};

use crate::control::{control_anywhere, control_of, give, instance};
use crate::kept::begun;
use crate::kit::{Lab, Meet, WaitKind, lab};

/// How many ticks are going on, which end when they may.
#[derive(Debug, Clone, Default)]
struct Ticks {
    on: Arc<AtomicBool>,
    may_end: Arc<AtomicBool>,
}

#[process]
#[derive(Debug, Clone)]
struct Worker {
    ticks: Ticks,
}

#[handlers]
impl Worker {
    #[every("5ms")]
    fn tick(&mut self) {
        self.ticks.on.store(true, Ordering::SeqCst);
        while !self.ticks.may_end.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    }

    async fn until(&mut self, go: Receiver<()>) {
        go.recv().await;
    }
}

/// The first call waits for this process, which waits for the second one.
#[process]
async fn asks(
    pool: &WorkerHandle,
    own: &Sender<()>,
    first: Receiver<()>,
    second: Receiver<()>,
    ticks: Ticks,
) -> Result<()> {
    pool.until(first).send().await?;
    // The other worker is in its tick, and has looked at the mailbox before.
    while !ticks.on.load(Ordering::SeqCst) {
        yield_now().await;
    }
    pool.until(second).await?;
    let _ = own;
    Ok(())
}

/// A worker of a pool looked at its mailbox before its tick, took a call right after it, and has that in hand: it is not free for the
/// next one.
#[test]
fn worker_that_took_a_call_after_its_tick() {
    for _ in 0..20 {
        watched(|stage| {
            let stage = stage.clone();
            let system = System::builder().workers(3).name(unique_name());
            let result = system.run(async move |scope| {
                stage.set("one waits for the answer of a worker");
                let ticks = Ticks::default();
                let pool = scope.pool(
                    2,
                    Worker {
                        ticks: ticks.clone(),
                    },
                );
                let (own, first) = rendezvous();
                let (release, second) = rendezvous();
                let waits = scope.spawn(asks(pool.clone(), own, first, second, ticks.clone()));
                let system = scope.system();
                let asked = |process: &roundrock::observe::ProcessInfo| {
                    let wait = process.wait.as_ref();
                    process.name == "asks" && wait.is_some_and(|wait| wait.kind == WaitKind::Reply)
                };
                while !system.snapshot().processes.iter().any(asked) {
                    yield_now().await;
                }
                ticks.may_end.store(true, Ordering::SeqCst);
                stage.set("a worker takes the second call");
                let mut proven = None;
                for _ in 0..300 {
                    let leaks = system.leaks().into_iter();
                    proven = proven.or_else(|| leaks.rev().find(Leak::is_proven));
                    yield_now().await;
                }
                release.send(()).await?;
                stage.set("all end");
                waits.await?;
                // Its ticks would keep it.
                pool.stop();
                ensure!(proven.is_none(), "{proven:?}");
                ensure!(system.proof_violations() == 0);
                Ok(())
            });
            if let Err(error) = result {
                panic!("{error:?}");
            }
        });
    }
}

/// A struct with an input calls one that calls it back: that is refused also when it looked at its input before the message came.
#[test]
fn a_cycle_through_a_struct_with_an_input_is_refused() {
    #[process]
    struct Caller {
        input: Receiver<u32>,
        other: OtherHandle,
    }

    #[handlers]
    impl Caller {
        #[every("2h")]
        fn tick(&mut self) {}

        #[recv(input)]
        fn item(&mut self, _n: u32) {}

        async fn begin(&mut self, me: CallerHandle) -> bool {
            self.other.middle(me).await.is_err()
        }

        fn end(&self) {}
    }

    #[process]
    struct Other;

    #[handlers]
    impl Other {
        async fn middle(&mut self, back: CallerHandle) -> Result<()> {
            back.end().await?;
            Ok(())
        }
    }

    #[process]
    async fn calls(caller: &CallerHandle, input: &Sender<u32>) -> Result<()> {
        // Mailbox and input take turns at being looked at first.
        for _ in 0..4 {
            ensure!(caller.begin(caller.clone()).await?, "it went through");
            input.send(1).await?;
        }
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (send, input) = rendezvous();
        let other = lab.spawn(Other);
        let caller = lab.spawn(Caller { input, other });
        lab.spawn(calls(caller, send)).await?;
        Ok(())
    });
}

/// The same with work beside, of which the loop of the process is told first.
#[test]
fn a_cycle_through_a_struct_with_work_beside_is_refused() {
    #[process]
    struct Caller {
        other: OtherHandle,
    }

    #[handlers]
    impl Caller {
        fn work(&mut self, cx: &mut Cx<Self>) {
            cx.spawn_then(sleep(secs(3600)), |_, ()| {});
        }

        async fn begin(&mut self, me: CallerHandle) -> bool {
            self.other.middle(me).await.is_err()
        }

        fn end(&self) {}
    }

    #[process]
    struct Other;

    #[handlers]
    impl Other {
        async fn middle(&mut self, back: CallerHandle) -> Result<()> {
            back.end().await?;
            Ok(())
        }
    }

    lab(|lab: Lab| async move {
        let other = lab.spawn(Other);
        let caller = lab.spawn(Caller { other });
        caller.work().await?;
        ensure!(caller.begin(caller.clone()).await?, "it went through");
        Ok(())
    });
}

/// A message was handed to a receive that its process had given to a plain thread; the thread drops it, and the message goes to the
/// process, which waits at the same channel by then.
#[test]
fn a_receive_given_away_with_its_message() {
    type Receive = Pin<Box<dyn Future<Output = Option<u32>> + Send>>;

    #[process]
    async fn takes(
        meet: Meet,
        input: Arc<Receiver<u32>>,
        done: &Sender<()>,
        away: mpsc::Sender<Receive>,
    ) -> Result<()> {
        let own = Arc::clone(&input);
        let mut first: Receive = Box::pin(async move { own.recv().await });
        if begun(Pin::new(&mut first)).await {
            bail!("nobody has sent yet");
        }
        ensure!(away.send(first).is_ok(), "somebody takes it");
        meet.all(2).await;
        ensure!(input.recv().await == Some(1), "it comes back");
        done.send(()).await?;
        Ok(())
    }

    #[process]
    async fn sends(meet: Meet, out: &Sender<u32>, done: &Receiver<()>) -> Result<()> {
        meet.reached(1).await;
        out.send(1).await?;
        meet.all(2).await;
        done.recv().await;
        Ok(())
    }

    control_of(100, 10, |scope, _| {
        let (meet, (away, given)) = (Meet::default(), mpsc::channel::<Receive>());
        let ((out, input), (done, is_done)) = (rendezvous(), rendezvous());
        scope.spawn(sends(meet.clone(), out, is_done));
        let handed = meet.clone();
        let takes = scope.spawn(takes(meet, Arc::new(input), done, away));
        instance(takes, move || {
            let first = given.recv();
            // Dropped before the message is in it, it would be no receive that somebody sends to.
            while handed.count() < 2 {
                thread::yield_now();
            }
            drop(first);
        })
    });
}

/// More futures that were polled and are kept than the state of a process counts: each wakes it.
#[test]
fn more_kept_futures_than_are_counted() {
    #[process]
    async fn keeps(own: &Sender<u32>, input: &Receiver<u32>, late: Vec<Receiver<u32>>) {
        let mut kept: Vec<_> = late.iter().map(|late| Box::pin(late.recv())).collect();
        for (at, late) in kept.iter_mut().enumerate() {
            if begun(late.as_mut()).await {
                return;
            }
            if at % 50 == 49 {
                // What a poll has left is counted when it ends.
                yield_now().await;
            }
        }
        // Of those the last poll says nothing.
        yield_now().await;
        let mut alone = std::pin::pin!(input.recv());
        let mut turns = 0;
        std::future::poll_fn(|cx| {
            turns += 1;
            assert!(alone.as_mut().poll(cx).is_pending(), "nobody sends there");
            if turns == 1 {
                std::task::Poll::Pending
            } else {
                std::task::Poll::Ready(())
            }
        })
        .await;
        let _ = own;
    }

    control_of(200, 20, |scope, _| {
        let (own, input) = rendezvous();
        // With the wait for itself there are 257, which is one where 256 is none.
        let (wakes, late): (Vec<_>, Vec<_>) = (0..256).map(|_| bounded(1)).unzip();
        instance(scope.spawn(keeps(own, input, late)), move || {
            let _ = wakes[0].try_send(7);
            drop(wakes);
        })
    });
}

/// The task of a supervised child stands for it, and lives as long: who waits for its end has lost no wakeup.
#[test]
fn the_end_of_a_supervised_child_is_awaited() {
    #[process]
    async fn naps(go: &Receiver<()>) {
        go.recv().await;
    }

    #[process]
    async fn watches(child: Task<()>) {
        child.done().await;
    }

    #[process]
    struct Counter;

    #[handlers]
    impl Counter {
        fn add(&mut self) {}
    }

    #[process]
    async fn sees_it_close(counter: CounterHandle) {
        counter.closed().await;
        drop(counter);
    }

    let summary = Simulation::new("awaited")
        .seeds(16)
        .run(|sim: Sim| async move {
            let (go, wait) = rendezvous();
            let child = sim.supervise(naps(wait)).temporary().spawn();
            sim.spawn(watches(child));
            let counter = sim.supervise(|| Counter).spawn();
            sim.spawn(sees_it_close(counter));
            sim.settle().await;
            ensure!(sim.system().lost_wakeups() == 0);
            let lost = |leak: &Leak| matches!(leak.verdict, Verdict::LostWakeup { .. });
            let leaks = sim.system().leaks();
            ensure!(!leaks.iter().any(lost), "{leaks:?}");
            go.send(()).await?;
            Ok(())
        });
    if let Err(failure) = summary {
        panic!("{failure}");
    }
}

/// A struct with work beside looked at that before a message came. The work ends while the handler waits for something else.
#[test]
fn work_that_ends_while_a_handler_waits() {
    #[process]
    struct Waits;

    #[handlers]
    impl Waits {
        fn begin(&mut self, cx: &mut Cx<Self>) {
            cx.spawn_then(sleep(millis(100)), |_, ()| {});
        }

        async fn until(&mut self, other: Task<()>) {
            other.done().await;
        }
    }

    let summary = Simulation::new("ends")
        .seeds(16)
        .run(|sim: Sim| async move {
            let waits = sim.spawn(Waits);
            waits.begin().await?;
            let other = sim.task("other", async { sleep(secs(3600)).await });
            waits.until(other).send().await?;
            sim.advance(millis(200)).await;
            let lost = |leak: &Leak| matches!(leak.verdict, Verdict::LostWakeup { .. });
            let leaks = sim.system().leaks();
            ensure!(!leaks.iter().any(lost), "{leaks:?}");
            sim.advance(secs(3600)).await;
            Ok(())
        });
    if let Err(failure) = summary {
        panic!("{failure}");
    }
}

/// The wait for a lock was given up in a `select!` of another crate's kind, in the poll in which another lock is awaited.
#[test]
fn a_lock_that_was_given_up() {
    use roundrock::sync::Mutex;

    #[process]
    async fn gives_up(
        meet: Meet,
        first: Arc<Mutex<u32>>,
        second: Arc<Mutex<u32>>,
        input: &Receiver<u32>,
    ) {
        meet.reached(2).await;
        {
            let mut lock = Box::pin(first.lock());
            let mut message = Box::pin(input.recv());
            std::future::poll_fn(|cx| {
                let _ = lock.as_mut().poll(cx).is_pending();
                message.as_mut().poll(cx)
            })
            .await;
        }
        *second.lock().await += 1;
    }

    control_anywhere(|scope, _| {
        let [first, second] = [(); 2].map(|()| Arc::new(Mutex::new(0)));
        let (meet, (send, input)) = (Meet::default(), bounded(1));
        let held: [_; 2] = [&first, &second].map(|lock| {
            let other = Arc::clone(lock);
            let (meet, (go, wait)) = (meet.clone(), rendezvous::<()>());
            let holds = scope.task("holds", async move {
                let _guard = other.lock().await;
                meet.all(1).await;
                wait.recv().await;
            });
            (go, holds)
        });
        let ends = scope.spawn(gives_up(meet, first, second, input));
        instance(ends, move || {
            give(&send, 1);
            drop(held);
        })
    });
}
