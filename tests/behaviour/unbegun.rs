//! What waits for a thread when its process goes: nobody has begun it, so it goes with the process, or comes back with the next
//! incarnation. P4, P10, P23, P30.
//!
//! Threads only: all cores are taken by jobs that do not end before the test says so.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use roundrock::channel::{Dead, TryRecvError};
use roundrock::observe::Snapshot;
use roundrock::prelude::*;
use roundrock_tests::{Step, on_threads, on_workers, sent, yield_now};

/// Keeps its core, because it waits for something that Roundrock does not know.
#[process(cpu)]
fn hold(there: Sender<()>, open: mpsc::Receiver<()>) {
    let _ = there.blocking_send(());
    let _ = open.recv();
}

/// Takes all cores until the result is dropped.
async fn hold_all(scope: &Scope) -> Result<Vec<mpsc::Sender<()>>> {
    let cores = std::thread::available_parallelism()?.get();
    let (there, all) = bounded(cores);
    let mut gates = Vec::new();
    for _ in 0..cores {
        let (gate, open) = mpsc::channel();
        scope.spawn(hold(there.clone(), open));
        gates.push(gate);
    }
    for _ in 0..cores {
        all.recv().await.context("one of them did not begin")?;
    }
    Ok(gates)
}

async fn until(scope: &Scope, is_so: impl Fn(&Snapshot) -> bool) {
    while !is_so(&scope.system().snapshot()) {
        yield_now().await;
    }
}

/// Waits until so many jobs wait for a thread.
async fn until_queued(scope: &Scope, jobs: usize) {
    until(scope, |snapshot| snapshot.cpu.queued == jobs).await;
}

#[derive(Debug, Clone, Default)]
struct Served(Arc<AtomicUsize>);

impl Served {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[process(cpu)]
struct Clerk {
    served: Served,
}

#[handlers]
impl Clerk {
    /// How many were served before.
    fn serve(&mut self, _n: usize) -> usize {
        self.served.0.fetch_add(1, Ordering::SeqCst)
    }

    fn lives(&self, cx: &mut Cx) -> u32 {
        cx.incarnation()
    }
}

/// A clerk that is started again at once.
fn supervised(scope: &Scope, served: &Served) -> ClerkHandle {
    let served = served.clone();
    let make = move || Clerk {
        served: served.clone(),
    };
    scope.supervise(make).backoff(millis(0)..millis(0)).spawn()
}

/// P23, P30: a call whose job waits for a core when its process is killed is handled by the next incarnation, before the others; and that
/// does not wait for a core to be made.
#[test]
fn p23_a_call_that_waits_for_a_core_survives_its_process() {
    on_threads(|scope| async move {
        let served = Served::default();
        let parts = scope.child("parts");
        let clerk = supervised(&parts, &served);
        let gates = hold_all(&scope).await?;
        let mut calls = Vec::new();
        for n in 0..3 {
            calls.push(sent(&scope, clerk.serve(n).into_future()).await);
        }
        until_queued(&scope, 1).await;
        clerk.kill();
        until(&scope, |snapshot| {
            snapshot.children.iter().any(|child| child.restarts == 1)
        })
        .await;
        assert_eq!(served.count(), 0, "no core was free");
        for call in &mut calls {
            call.pending();
        }
        drop(gates);
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.into_future().await?, n, "in order");
        }
        assert_eq!(clerk.lives().await?, 1);
        let ledger = scope.system().ledger();
        let others = std::thread::available_parallelism()?.get() as u64 + 1;
        assert_eq!(ledger.handled, served.count() as u64 + others, "{ledger}");
        assert_eq!((ledger.dead.total(), ledger.queued), (0, 0), "{ledger}");
        clerk.stop();
        Ok(())
    });
}

/// P4: what came by a `#[recv]` input is gone with its process, which a letter says.
#[test]
fn p4_what_an_input_brought_and_waits_for_a_core_dies_with_its_process() {
    #[process(cpu)]
    struct Eats {
        jobs: Receiver<u32>,
        served: Served,
    }

    #[handlers]
    impl Eats {
        #[recv(jobs)]
        fn eat(&mut self, _job: u32) {
            self.served.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    on_threads(|scope| async move {
        let letters = scope.system().dead_letters();
        let (served, (out, jobs)) = (Served::default(), bounded(4));
        let state = Eats {
            jobs,
            served: served.clone(),
        };
        let eats = scope.child("kitchen").spawn(state);
        let gates = hold_all(&scope).await?;
        out.send(1).await?;
        until_queued(&scope, 1).await;
        let done = eats.done();
        eats.kill();
        assert!(matches!(done.await, Exit::Killed));
        let letter = letters.recv().await.context("the system runs")?;
        assert_eq!(
            (&*letter.message, letter.reason),
            ("Eats::eat", Dead::Closed)
        );
        drop(gates);
        assert_eq!(served.count(), 0);
        Ok(())
    });
}

/// P4, P23: without another incarnation the caller learns at once that it is over, nothing counts as handled, and a letter says which
/// message died.
#[test]
fn p23_a_call_that_waits_for_a_core_dies_with_its_process() {
    on_threads(|scope| async move {
        let served = Served::default();
        let letters = scope.system().dead_letters();
        let state = Clerk {
            served: served.clone(),
        };
        let clerk = scope.child("desk").spawn(state);
        let gates = hold_all(&scope).await?;
        let before = scope.system().ledger().handled;
        let call = sent(&scope, clerk.serve(1).into_future()).await;
        until_queued(&scope, 1).await;
        let done = clerk.done();
        clerk.kill();
        assert!(matches!(done.await, Exit::Killed));
        assert_eq!(call.into_future().await, Err(CallError::Gone));
        let letter = letters.recv().await.context("the system runs")?;
        assert_eq!(
            (&*letter.message, letter.reason),
            ("Clerk::serve", Dead::Closed)
        );
        let ledger = scope.system().ledger();
        assert_eq!(ledger.handled, before, "{ledger}");
        assert_eq!(ledger.dead.of(Dead::Closed), 1, "{ledger}");
        drop(gates);
        assert_eq!(served.count(), 0);
        Ok(())
    });
}

/// A call whose caller goes while its job waits for a core is withdrawn as one in the mailbox is.
#[test]
fn a_call_that_waits_for_a_core_can_be_withdrawn() {
    on_threads(|scope| async move {
        let served = Served::default();
        let clerk = scope.spawn(Clerk {
            served: served.clone(),
        });
        let gates = hold_all(&scope).await?;
        let call = sent(&scope, clerk.serve(1).into_future()).await;
        until_queued(&scope, 1).await;
        drop(call);
        drop(gates);
        assert_eq!(clerk.lives().await?, 0);
        assert_eq!(served.count(), 0);
        let dead = scope.system().ledger().dead;
        assert_eq!((dead.of(Dead::Withdrawn), dead.total()), (1, 1));
        Ok(())
    });
}

/// Panics when it is dropped, and says that it was.
struct Bomb(Arc<AtomicBool>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        assert!(std::thread::panicking(), "on purpose");
    }
}

#[process(cpu)]
fn keep(bomb: Bomb, to: Sender<u32>) {
    drop((bomb, to));
}

/// P10: what the arguments of a function are is closed when its end is told, though no thread came to it; also beside one whose destructor
/// panics, and nobody else is hurt by that.
#[test]
fn p10_arguments_that_wait_for_a_core_go_with_their_process() {
    on_threads(|scope| async move {
        let gates = hold_all(&scope).await?;
        let went = Arc::new(AtomicBool::new(false));
        let (to, from) = bounded(1);
        let task = scope
            .child("keep")
            .spawn(keep(Bomb(Arc::clone(&went)), to.clone()));
        drop(to);
        until_queued(&scope, 1).await;
        task.kill();
        task.done().await;
        assert!(went.load(Ordering::SeqCst), "it was dropped");
        assert_eq!(from.try_recv(), Err(TryRecvError::Closed));
        drop(gates);
        Ok(())
    });
}

/// P10: a job that nobody waits for any more, and that has not begun, is dropped where it was given up.
#[test]
fn p10_a_job_that_has_not_begun_goes_with_its_future() {
    on_threads(|scope| async move {
        let (to, from) = bounded::<u32>(1);
        let mut job = Step::new(blocking(move || drop(to)));
        // Whether it has begun or not: who gives it up has nothing of it afterwards, or the thread is at it.
        let _ = job.poll();
        drop(job);
        assert_eq!(from.recv().await, None);
        scope.join().await
    });
}

/// P23, P30: whenever the process is killed, each call is handled once, in order, and answered.
#[test]
fn p30_each_call_is_handled_once_whenever_its_process_is_killed() {
    on_workers(|scope| async move {
        let served = Served::default();
        let parts = scope.child("parts").intensity(100, secs(60));
        let clerk = supervised(&parts, &served);
        let killed = clerk.clone();
        let killer = scope.task("killer", async move {
            for _ in 0..6 {
                yield_now().await;
                killed.kill();
            }
        });
        for n in 0..12 {
            assert_eq!(clerk.serve(n).await?, n, "handled once, and answered");
        }
        killer.done().await;
        let ledger = scope.system().ledger();
        assert_eq!(served.count(), 12);
        assert_eq!(
            (ledger.sent, ledger.handled, ledger.dead.total()),
            (12, 12, 0),
            "{ledger}"
        );
        clerk.stop();
        Ok(())
    });
}
