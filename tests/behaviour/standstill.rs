//! Programs in which nothing runs any more: told after a second if only something that is not followed could wake anybody, and kept
//! quiet about whenever somebody outside may. And circles of locks whose guards could be anywhere, which are likely and not proven.
//!
//! Threads only: whoever is outside on a plain thread and could let the program go on, and what is told by the clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use roundrock::leaks::{Leak, Verdict};
use roundrock::observe::EventKind;
use roundrock::prelude::*;
use roundrock::sync::{Mutex, Semaphore};
use roundrock_tests::{on_workers, watched};

/// For how long a program that waits for the outside is looked at: some passes, unasked ones among them.
const LOOKED_AT: Duration = Duration::from_millis(1500);

/// Runs a body that stands still until `release` lets it go on, on a plain thread, and returns all standstills that were found
/// meanwhile, asked for or told.
fn standstills<T: Send + 'static, F>(
    system: fn() -> roundrock::system::Builder,
    body: impl FnOnce(Scope, mpsc::Sender<T>) -> F + Send + 'static,
    release: impl FnOnce(T, &System) + Send + 'static,
) -> Vec<Leak>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    watched(move |_| {
        let (give, given) = mpsc::channel();
        let (give_key, key) = mpsc::channel();
        let looks = thread::spawn(move || {
            let system: System = given.recv().expect("it begins");
            let events = system.events();
            let key = key.recv().expect("it gives the key");
            let begun = Instant::now();
            let mut found = Vec::new();
            while begun.elapsed() < LOOKED_AT {
                found.extend(system.leaks());
                found.extend(events.try_iter().filter_map(|event| match event.kind {
                    EventKind::Leak { leak } => Some(*leak),
                    _ => None,
                }));
                thread::yield_now();
            }
            assert_eq!((system.proof_violations(), system.lost_wakeups()), (0, 0));
            release(key, &system);
            found.retain(|leak| leak.standstill || leak.is_proven());
            found
        });
        let ended = system().workers(2).grace(secs(0)).run(async move |scope| {
            give.send(scope.system()).expect("somebody looks");
            body(scope, give_key).await
        });
        ended.expect("it was let go");
        looks.join().expect("it looks")
    })
}

#[track_caller]
fn never<T: Send + 'static, F>(
    body: impl FnOnce(Scope, mpsc::Sender<T>) -> F + Send + 'static,
    release: impl FnOnce(T, &System) + Send + 'static,
) where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let found = standstills(System::builder, body, release);
    assert!(found.is_empty(), "{found:#?}");
}

/// The one that is told, so that the controls below can fail: the sender lies on a plain thread that has sent nothing yet.
#[test]
fn a_standstill_is_told_and_ends() {
    let body = async |_scope, key: mpsc::Sender<Sender<u32>>| {
        let (sender, receiver) = bounded(1).named("late");
        key.send(sender).expect("somebody has it");
        receiver.recv().await;
        Ok(())
    };
    let release = |sender: Sender<u32>, _: &System| sender.blocking_send(1).expect("it waits");
    let found = standstills(System::builder, body, release);
    assert!(!found.is_empty(), "nothing was told");
    for leak in &found {
        assert!(!leak.is_proven() && leak.standstill, "{leak}");
        assert_eq!((leak.names(), leak.count), (vec!["main"], 1));
        assert!(leak.processes[0].since >= secs(1), "{leak}");
        assert!(leak.to_string().contains("\"late\""), "{leak}");
    }
    // As it is off for suspects, it is off for these.
    let off = || System::builder().suspect_after(secs(0));
    let found = standstills(off, body, release);
    assert!(found.is_empty(), "{found:#?}");
}

/// The same when the body has returned, as most do.
#[test]
fn a_standstill_is_told_when_the_body_has_returned() {
    let body = async |scope: Scope, key: mpsc::Sender<Sender<u32>>| {
        let (sender, receiver) = bounded(1).named("late");
        scope.task("left", async move {
            receiver.recv().await;
        });
        key.send(sender).expect("somebody has it");
        Ok(())
    };
    let release = |sender: Sender<u32>, _: &System| sender.blocking_send(1).expect("it waits");
    let found = standstills(System::builder, body, release);
    assert!(!found.is_empty(), "nothing was told");
    for leak in &found {
        assert!(!leak.is_proven() && leak.standstill, "{leak}");
        assert_eq!((leak.names(), leak.count), (vec!["left"], 1));
    }
}

/// A name that nobody gives.
#[test]
fn a_name_is_never_given() {
    let body = async |scope: Scope, key: mpsc::Sender<Scope>| {
        let inner = scope.clone();
        scope.task("client", async move {
            let (_open, never) = bounded::<()>(1);
            select! {
                name = inner.wait_for_name::<u32>("price") => assert_eq!(name, Some(7)),
                _ = never.recv() => {},
            }
        });
        key.send(scope.clone()).expect("somebody has it");
        let name = scope.wait_for_name::<u32>("price").await;
        ensure!(name == Some(7), "it was given at last");
        Ok(())
    };
    let release = |scope: Scope, _: &System| drop(scope.register("price", &7_u32));
    let found = standstills(System::builder, body, release);
    assert!(!found.is_empty(), "nothing was told");
    for leak in &found {
        assert!(!leak.is_proven() && leak.standstill, "{leak}");
        let text = leak.to_string();
        let says = [
            ") waits for the name `price` to be given",
            "or for the name `price` to be given",
            "may still give that name",
        ];
        for part in says {
            assert!(text.contains(part), "no {part} in {text}");
        }
    }
}

/// Who waits for a name, and for something outside as well.
#[test]
fn a_name_or_the_outside() {
    never(
        async |scope: Scope, key: mpsc::Sender<Box<dyn FnOnce() + Send>>| {
            let mut given = false;
            let outside = std::future::poll_fn(move |cx| {
                if given {
                    return std::task::Poll::Ready(());
                }
                given = true;
                let waker = cx.waker().clone();
                let wake: Box<dyn FnOnce() + Send> = Box::new(|| waker.wake());
                key.send(wake).expect("somebody looks");
                std::task::Poll::Pending
            });
            select! {
                _ = scope.wait_for_name::<u32>("price") => bail!("nobody gives it"),
                () = cancel_safe(outside) => Ok(()),
            }
        },
        |wake, _| wake(),
    );
}

#[process]
#[derive(Clone)]
struct Worker {
    front: Option<FrontHandle>,
}

#[handlers]
impl Worker {
    async fn know(
        &mut self,
        front: FrontHandle,
        known: Sender<()>,
        go: Receiver<()>,
    ) -> Result<()> {
        self.front = Some(front);
        known.send(()).await?;
        go.recv().await.context("the other one knows as well")
    }

    async fn work(&mut self) -> Result<()> {
        let front = self.front.as_ref().context("nobody is known")?;
        Ok(front.again().await?)
    }
}

#[process]
struct Front {
    pool: WorkerHandle,
}

#[handlers]
impl Front {
    async fn go(&mut self) -> Result<()> {
        Ok(self.pool.work().await?)
    }

    fn again(&mut self) {}
}

/// A cycle through a pool is proven, and with it the body; but who of the pool has nothing to do might still be called.
#[test]
fn a_cycle_leaves_one_of_a_pool() {
    let body = async |scope: Scope, key: mpsc::Sender<FrontHandle>| {
        let pool = scope.pool(2, Worker { front: None });
        let front = scope.spawn(Front { pool: pool.clone() });
        // Each of the two, and not one of them twice.
        {
            let ((known, knows), (go, goes)) = (bounded(2), bounded(2));
            let know = || pool.know(front.clone(), known.clone(), goes.clone());
            let both = async {
                for _ in 0..2 {
                    knows.recv().await.context("it knows")?;
                }
                for _ in 0..2 {
                    go.send(()).await?;
                }
                roundrock::Ok(())
            };
            let (first, second, both) = join!(know(), know(), both);
            first?;
            second?;
            both?;
        }
        key.send(front.clone()).expect("somebody has it");
        assert!(front.go().await.is_err(), "it was killed");
        Ok(())
    };
    let release = |front: FrontHandle, _: &System| front.kill();
    let found = standstills(System::builder, body, release);
    // Each is whole, whoever else searches: searches take turns.
    let told: Vec<_> = found.iter().filter(|leak| leak.standstill).collect();
    assert!(!told.is_empty(), "no standstill was told: {found:#?}");
    for leak in told {
        let text = leak.to_string();
        let says = [
            ") waits for a reply of Front#",
            "because a handle of Worker#",
        ];
        for part in says {
            assert!(text.contains(part), "no {part} in {text}");
        }
    }
}

#[test]
fn a_timer_is_due() {
    never(
        async |scope: Scope, key: mpsc::Sender<()>| {
            let (sender, receiver) = bounded(1);
            scope.task("late", async move {
                sleep(LOOKED_AT + secs(1)).await;
                sender.send(1).await
            });
            key.send(()).expect("somebody looks");
            receiver.recv().await;
            Ok(())
        },
        |(), _| {},
    );
}

#[test]
fn a_server_waits_for_its_stop() {
    #[process]
    async fn serves(requests: &Receiver<u32>) {
        while requests.recv().await.is_some() {}
    }

    // Somebody else looks at the same processes meanwhile: a body that is looked at is there all the same.
    let ended = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&ended);
    never(
        async move |scope: Scope, key: mpsc::Sender<Sender<u32>>| {
            let (requests, inbox) = bounded(1);
            scope.spawn(serves(inbox));
            let system = scope.system();
            let looks = thread::spawn(move || {
                while !ended.load(Ordering::SeqCst) {
                    drop(system.snapshot());
                }
            });
            key.send(requests).expect("somebody looks");
            scope.stopping().await;
            looks.join().expect("it looks until then");
            Ok(())
        },
        move |_requests, system| {
            over.store(true, Ordering::SeqCst);
            let _report = system.shutdown(secs(0));
        },
    );
}

/// The server is a process of its own, and the body awaits its end.
#[test]
fn the_body_joins_who_waits_for_the_stop() {
    never(
        async |scope: Scope, key: mpsc::Sender<Sender<u32>>| {
            let (requests, inbox) = bounded::<u32>(1);
            scope.task(
                "serves",
                async move { while inbox.recv().await.is_some() {} },
            );
            let stopping = scope.stopping();
            let listens = scope.task("listens", stopping);
            key.send(requests).expect("somebody looks");
            listens.done().await;
            Ok(())
        },
        |_requests, system| {
            let _report = system.shutdown(secs(0));
        },
    );
}

/// A thread that reads something slow, and sends it in.
#[test]
fn a_plain_thread_has_sent_before() {
    never(
        async |_scope, key: mpsc::Sender<Sender<u32>>| {
            let (lines, input) = bounded(1);
            let thread = {
                let lines = lines.clone();
                thread::spawn(move || lines.blocking_send(1))
            };
            key.send(lines).expect("somebody looks");
            while input.recv().await.is_some() {}
            thread.join().expect("it sends").expect("it was received");
            Ok(())
        },
        |lines, _| drop(lines),
    );
}

#[test]
fn a_job_blocks() {
    never(
        async |_scope, key: mpsc::Sender<mpsc::Sender<()>>| {
            let (open, opened) = mpsc::channel();
            key.send(open).expect("somebody looks");
            blocking(move || opened.recv()).await.expect("it is let go");
            Ok(())
        },
        |open, _| open.send(()).expect("it waits"),
    );
}

/// A waker in foreign hands: a socket looks like that.
#[test]
fn a_waker_is_in_foreign_hands() {
    use std::task::{Poll, Waker};
    never(
        async |_scope, key: mpsc::Sender<(Waker, Arc<std::sync::atomic::AtomicBool>)>| {
            let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
            std::future::poll_fn(|cx| {
                if done.load(std::sync::atomic::Ordering::SeqCst) {
                    return Poll::Ready(());
                }
                let _ = key.send((cx.waker().clone(), Arc::clone(&done)));
                Poll::Pending
            })
            .await;
            Ok(())
        },
        |(waker, done), _| {
            done.store(true, std::sync::atomic::Ordering::SeqCst);
            waker.wake();
        },
    );
}

/// Of a system that somebody holds, and does not wait for, nobody expects that it goes on by itself.
#[test]
fn a_system_that_nobody_waits_for() {
    watched(|_| {
        let system = System::builder().workers(1).start().expect("it starts");
        let (sender, receiver) = bounded::<u32>(1);
        let task = system.scope().task("waits", async move {
            receiver.recv().await;
        });
        let begun = Instant::now();
        while begun.elapsed() < LOOKED_AT {
            let leaks = system.leaks();
            assert!(leaks.is_empty(), "{leaks:#?}");
        }
        drop((sender, task));
        system.shutdown(secs(0)).expect("from outside");
    });
}

struct Bank {
    left: Mutex<u32>,
    right: Mutex<u32>,
}

impl Bank {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            left: Mutex::new(1),
            right: Mutex::new(2),
        })
    }
}

fn is_circle(leak: &Leak) -> bool {
    matches!(&leak.verdict, Verdict::Suspected { why } if why.contains("for ever"))
}

/// Two that take the locks of one struct in two orders.
fn crossed(scope: &Scope, bank: &Arc<Bank>) -> Task<()> {
    let (step, stepped) = rendezvous();
    let own = Arc::clone(bank);
    scope.task("there", async move {
        let _left = own.left.lock().await;
        let _ = step.send(()).await;
        let _right = own.right.lock().await;
    });
    let own = Arc::clone(bank);
    scope.task("back", async move {
        let _right = own.right.lock().await;
        stepped.recv().await;
        let _left = own.left.lock().await;
    })
}

#[test]
fn two_locks_of_a_shared_struct_in_two_orders_are_a_likely_circle() {
    on_workers(async |scope| {
        let lab = scope.child("lab");
        let bank = Bank::new();
        let back = crossed(&lab, &bank);
        lab.task("behind", async move { back.await });
        sleep(millis(100)).await;
        assert_eq!(
            scope.system().leaks(),
            [],
            "it is too early to suspect anybody"
        );
        sleep(secs(2)).await;
        let leaks = scope.system().leaks();
        assert_eq!(leaks.len(), 1, "{leaks:#?}");
        assert!(is_circle(&leaks[0]) && !leaks[0].is_proven(), "{leaks:#?}");
        let mut names = leaks[0].names();
        names.sort_unstable();
        assert_eq!((names, leaks[0].behind), (vec!["back", "there"], 1));
        for stuck in &leaks[0].processes {
            let other = leaks[0].processes.iter().find(|other| other.id != stuck.id);
            let other = other.context("two")?;
            let holder = stuck.waits[0].holders[0].process;
            assert_eq!(holder, Some(other.id), "each waits for the other one");
        }
        assert_eq!(scope.system().proof_violations(), 0);
        let _report = lab.stop(secs(0)).await;
        Ok(())
    });
}

/// What is none: who has the lock lives, or waits for somebody outside; or the permits of a semaphore were given away.
#[test]
fn who_waits_for_a_lock_of_somebody_alive_is_in_no_circle() {
    on_workers(async |scope| {
        let lab = scope.child("lab");
        let bank = Bank::new();
        let (open, opened) = bounded::<()>(1);
        let own = Arc::clone(&bank);
        let first = lab.task("has", async move {
            let _left = own.left.lock().await;
            opened.recv().await;
        });
        let own = Arc::clone(&bank);
        let second = lab.task("wants", async move {
            let _left = own.left.lock().await;
        });
        let own = Arc::clone(&bank);
        let third = lab.task("sleeps", async move {
            let _right = own.right.lock().await;
            sleep(secs(3)).await;
        });
        let own = Arc::clone(&bank);
        let fourth = lab.task("waits", async move {
            let _right = own.right.lock().await;
        });
        // It takes permits for its children, and waits for the next one.
        let places = Semaphore::new(1);
        let inner = lab.clone();
        let accepts = lab.task("accepts", async move {
            for _ in 0..2 {
                let permit = places.acquire().await;
                inner.task("connection", async move {
                    sleep(secs(2)).await;
                    drop(permit);
                });
            }
        });
        for _ in 0..20 {
            sleep(millis(90)).await;
            assert_eq!(scope.system().leaks(), []);
        }
        open.send(()).await?;
        for task in [first, second, third, fourth, accepts] {
            task.await?;
        }
        lab.join().await
    });
}
