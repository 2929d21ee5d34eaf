//! More that looks stuck and is not, made to deceive: holders that look like the waiting process, and ways to be woken that are
//! easy to overlook. None is ever proven; each instance ends.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};

use roundrock::channel::OwnedPermit;
use roundrock::prelude::*;
use roundrock::sync::{Permit, RwLock, Semaphore};
use roundrock::time::timeout;

use crate::control::{control, control_of, instance};
use crate::kit::Meet;
use crate::negative::waits_alone;

/// A weak sender on a plain thread; the only strong one belongs to the process that waits.
#[test]
fn weak_sender_outside() {
    control(|scope, _| {
        let (sender, input) = rendezvous();
        let weak = sender.downgrade();
        instance(scope.spawn(waits_alone(sender, input)), move || {
            let sender = weak.upgrade().expect("the process has a strong one");
            sender.blocking_send(7).expect("it waits");
        })
    });
}

/// A process that keeps itself, and a weak handle to it on a plain thread.
#[test]
fn weak_handle_outside() {
    #[process]
    struct Selfish {
        me: Option<SelfishHandle>,
    }

    #[handlers]
    impl Selfish {
        fn keep(&mut self, me: SelfishHandle) {
            self.me = Some(me);
        }
        fn let_go(&mut self) {
            self.me = None;
        }
    }

    control(|scope, _| {
        let handle = scope.spawn(Selfish { me: None });
        handle
            .keep(handle.clone())
            .try_send()
            .expect("there is room");
        let (ends, weak) = (handle.task(), handle.downgrade());
        drop(handle);
        instance(ends, move || {
            let handle = weak.upgrade().expect("it keeps itself");
            handle.let_go().try_send().expect("it is idle");
        })
    });
}

/// A permit that the waiting process acquired, and gave to a plain thread.
#[test]
fn permit_given_away() {
    #[process]
    async fn acquires(permits: &Arc<Semaphore>, give: mpsc::Sender<Permit>) {
        give.send(permits.acquire().await)
            .expect("somebody takes it");
        drop(permits.acquire().await);
    }

    control(|scope, _| {
        let (give, given) = mpsc::channel();
        let acquires = scope.spawn(acquires(Arc::new(Semaphore::new(1)), give));
        instance(acquires, move || drop(given.recv().expect("a permit")))
    });
}

/// The guard of a lock that lives for ever, given to a plain thread by the process that waits for the lock.
#[test]
fn guard_given_away() {
    type Guard = roundrock::sync::MutexGuard<'static, u32>;

    #[process]
    async fn locks(lock: &&'static roundrock::sync::Mutex<u32>, give: mpsc::Sender<Guard>) {
        give.send(lock.lock().await).expect("somebody takes it");
        *lock.lock().await += 1;
    }

    control_of(1000, 100, |scope, _| {
        let (give, given) = mpsc::channel();
        let lock: &'static _ = Box::leak(Box::default());
        let locks = scope.spawn(locks(lock, give));
        instance(locks, move || drop(given.recv().expect("a guard")))
    });
}

/// The same, given to another process through a channel, which drops it.
#[test]
fn permit_given_to_another_process() {
    #[process]
    async fn acquires(permits: &Arc<Semaphore>, give: &Sender<Permit>) -> Result<()> {
        give.send(permits.acquire().await).await?;
        drop(permits.acquire().await);
        Ok(())
    }

    #[process]
    async fn takes(given: &Receiver<Permit>) {
        let permit = given.recv().await;
        sleep(millis(3)).await;
        drop(permit);
    }

    control(|scope, _| {
        let (give, given) = rendezvous();
        scope.spawn(takes(given));
        instance(
            scope.spawn(acquires(Arc::new(Semaphore::new(1)), give)),
            || {},
        )
    });
}

/// The room of a channel is kept by a permit on a plain thread; the receiver belongs to the one that waits for room.
#[test]
fn room_kept_outside() {
    #[process]
    async fn sends(
        out: &Sender<u32>,
        input: &Receiver<u32>,
        give: mpsc::Sender<OwnedPermit<u32>>,
    ) -> Result<()> {
        give.send(out.clone().ready_owned().await?)?;
        out.send(1).await?;
        assert_eq!(input.recv().await, Some(1));
        Ok(())
    }

    control(|scope, _| {
        let ((out, input), (give, given)) = (bounded(1), mpsc::channel());
        let sends = scope.spawn(sends(out, input, give));
        instance(sends, move || drop(given.recv().expect("a permit")))
    });
}

/// The room is kept by a permit that borrows the port of another process, which sleeps.
#[test]
fn room_kept_by_a_sleeping_process() {
    #[process]
    async fn keeps(meet: &Meet, out: &Sender<u32>) -> Result<()> {
        let room = out.ready().await?;
        meet.all(1).await;
        sleep(millis(3)).await;
        drop(room);
        Ok(())
    }

    #[process]
    async fn sends(meet: &Meet, out: &Sender<u32>, input: &Receiver<u32>) -> Result<()> {
        meet.reached(1).await;
        out.send(1).await?;
        assert_eq!(input.recv().await, Some(1));
        Ok(())
    }

    control(|scope, _| {
        let ((out, input), meet) = (bounded(1), Meet::default());
        scope.spawn(keeps(meet.clone(), out.clone()));
        instance(scope.spawn(sends(meet, out, input)), || {})
    });
}

/// A waker in the hands of a plain thread, beside a wait for oneself.
#[test]
fn foreign_waker() {
    #[process]
    async fn waits(own: &Sender<u32>, input: &Receiver<u32>, give: mpsc::Sender<Waker>) {
        let mut give = Some(give);
        let foreign = std::future::poll_fn(move |cx| match give.take() {
            Some(give) => {
                give.send(cx.waker().clone()).expect("somebody takes it");
                Poll::Pending
            }
            None => Poll::Ready(()),
        });
        select! {
            _ = input.recv() => unreachable!("nobody sends"),
            () = cancel_safe(foreign) => {}
        }
        let _ = own;
    }

    control(|scope, _| {
        let ((own, input), (give, given)) = (rendezvous(), mpsc::channel());
        let waits = scope.spawn(waits(own, input, give));
        instance(waits, move || given.recv().expect("a waker").wake())
    });
}

/// A clone of a lent sender is given to a plain thread.
#[test]
fn clone_of_a_port_given_away() {
    #[process]
    async fn gives(own: &Sender<u32>, input: &Receiver<u32>, give: mpsc::Sender<Sender<u32>>) {
        give.send(own.clone()).expect("somebody takes it");
        assert_eq!(input.recv().await, Some(7));
    }

    control(|scope, _| {
        let ((own, input), (give, given)) = (rendezvous(), mpsc::channel());
        let gives = scope.spawn(gives(own, input, give));
        instance(gives, move || {
            given
                .recv()
                .expect("a sender")
                .blocking_send(7)
                .expect("it waits")
        })
    });
}

/// A sender is taken out of what was lent, through a lock, and given to a plain thread.
#[test]
fn port_taken_out_of_a_lock() {
    #[process]
    async fn gives(
        own: &Mutex<Option<Sender<u32>>>,
        input: &Receiver<u32>,
        give: mpsc::Sender<Sender<u32>>,
    ) {
        let sender = own.lock().expect("not poisoned").take();
        give.send(sender.expect("it is there"))
            .expect("somebody takes it");
        assert_eq!(input.recv().await, Some(7));
    }

    control(|scope, _| {
        let ((own, input), (give, given)) = (rendezvous(), mpsc::channel());
        let gives = scope.spawn(gives(Mutex::new(Some(own)), input, give));
        instance(gives, move || {
            given
                .recv()
                .expect("a sender")
                .blocking_send(7)
                .expect("it waits")
        })
    });
}

/// A sender is taken out of the state of an idle process, which waits for who waits for the sender.
#[test]
fn port_taken_out_of_state() {
    #[process]
    struct Keeper {
        sender: Option<Sender<u32>>,
    }

    #[handlers]
    impl Keeper {
        fn take(&mut self, give: mpsc::Sender<Sender<u32>>) {
            give.send(self.sender.take().expect("it is there"))
                .expect("somebody takes it");
        }
        fn put(&mut self, sender: Sender<u32>) {
            self.sender = Some(sender);
        }
    }

    #[process]
    async fn waits(keeper: &KeeperHandle, input: &Receiver<u32>) {
        assert_eq!(input.recv().await, Some(7));
        let _ = keeper;
    }

    control(|scope, index| {
        let ((sender, input), (give, given)) = (rendezvous(), mpsc::channel());
        let keeper = scope.spawn(Keeper {
            sender: Some(sender),
        });
        keeper.take(give).try_send().expect("there is room");
        let keeps = keeper.clone();
        let waits = scope.spawn(waits(keeper, input));
        instance(waits, move || {
            let sender = given.recv().expect("a sender");
            sender.blocking_send(7).expect("it waits");
            if index % 2 == 0 {
                let _full_or_gone = keeps.put(sender).try_send();
            }
        })
    });
}

/// A reply token on a plain thread, while the server waits for the caller.
#[test]
fn reply_given_away() {
    #[process]
    struct Server {
        input: Receiver<u32>,
        give: mpsc::Sender<Reply<u32>>,
    }

    #[handlers]
    impl Server {
        async fn ask(&mut self, reply: Reply<u32>) {
            self.give.send(reply).expect("somebody takes it");
            self.input.recv().await;
        }
    }

    #[process]
    async fn client(server: &ServerHandle, out: &Sender<u32>) -> Result<()> {
        assert_eq!(server.ask().await?, 7);
        out.send(1).await?;
        Ok(())
    }

    control(|scope, _| {
        let ((out, input), (give, given)) = (rendezvous(), mpsc::channel());
        let server = scope.spawn(Server { input, give });
        instance(scope.spawn(client(server, out)), move || {
            given.recv().expect("a token").send(7)
        })
    });
}

/// A reader waits behind a writer that gives up after a time.
#[test]
fn writer_in_the_queue_gives_up() {
    #[process]
    async fn first(meet: &Meet, shared: &Arc<RwLock<u32>>, input: &Receiver<u32>) {
        let _read = shared.read().await;
        meet.all(1).await;
        assert_eq!(input.recv().await, Some(0));
    }

    #[process]
    async fn writer(meet: &Meet, shared: &Arc<RwLock<u32>>) {
        meet.reached(1).await;
        let given_up = timeout(millis(3), async { *shared.write().await += 0 }).await;
        let _ = given_up;
    }

    #[process]
    async fn second(meet: &Meet, shared: &Arc<RwLock<u32>>, out: &Sender<u32>) -> Result<()> {
        meet.reached(1).await;
        let value = *shared.read().await;
        out.send(value).await?;
        Ok(())
    }

    control(|scope, _| {
        let (meet, shared, (out, input)) =
            (Meet::default(), Arc::new(RwLock::new(0)), rendezvous());
        let first = scope.spawn(first(meet.clone(), shared.clone(), input));
        scope.spawn(writer(meet.clone(), shared.clone()));
        scope.spawn(second(meet, shared, out));
        instance(first, || {})
    });
}

/// One that wants two permits is before one that wants one, and gives up after a time.
#[test]
fn greedy_in_the_queue_gives_up() {
    #[process]
    async fn has_one(meet: &Meet, permits: &Arc<Semaphore>, input: &Receiver<u32>) {
        let _one = permits.acquire().await;
        meet.all(1).await;
        assert_eq!(input.recv().await, Some(7));
    }

    #[process]
    async fn wants_two(meet: &Meet, permits: &Arc<Semaphore>) {
        meet.reached(1).await;
        drop(timeout(millis(3), permits.acquire_many(2)).await);
    }

    #[process]
    async fn wants_one(meet: &Meet, permits: &Arc<Semaphore>, out: &Sender<u32>) -> Result<()> {
        meet.reached(1).await;
        let _one = permits.acquire().await;
        out.send(7).await?;
        Ok(())
    }

    control(|scope, _| {
        let (meet, permits, (out, input)) =
            (Meet::default(), Arc::new(Semaphore::new(2)), rendezvous());
        let has_one = scope.spawn(has_one(meet.clone(), permits.clone(), input));
        scope.spawn(wants_two(meet.clone(), permits.clone()));
        scope.spawn(wants_one(meet, permits, out));
        instance(has_one, || {})
    });
}

/// A set of tasks: one waits for who waits for the set, another one sleeps.
#[test]
fn set_of_tasks_with_one_that_lives() {
    #[process]
    async fn joins(scope: &Scope, out: &Sender<u32>, input: Receiver<u32>) -> Result<()> {
        let mut set = JoinSet::new();
        set.add(scope.task("stuck", async move {
            input.recv().await;
        }));
        set.add(scope.task("sleeps", sleep(millis(3))));
        set.join_next().await.context("two were added")??;
        let _ = out;
        Ok(())
    }

    control(|scope, _| {
        let (out, input) = rendezvous();
        instance(scope.spawn(joins(out, input)), || {})
    });
}

/// Waits that end with the other side going away, which is on a plain thread.
#[test]
fn waits_for_the_other_side_to_go() {
    #[process]
    async fn closed(latest: &LatestSender<u32>) {
        latest.closed().await;
    }

    control(|scope, _| {
        let (sender, receiver) = latest(0);
        instance(scope.spawn(closed(sender)), move || drop(receiver))
    });
    control(|scope, _| {
        let (sender, receiver) = oneshot::<u32>();
        let closed = scope.task("closed", async move { sender.closed().await });
        instance(closed, move || drop(receiver))
    });
}

/// A supervised child that has the sender fails, and is started again after a pause.
#[test]
fn child_between_two_incarnations() {
    #[process]
    async fn flaky(out: &Sender<u32>, starts: &AtomicU32) -> Result<()> {
        roundrock::ensure!(starts.fetch_add(1, Ordering::SeqCst) > 0, "the first time");
        out.send(7).await?;
        Ok(())
    }

    control_of(2000, 20, |scope, _| {
        let (sender, input) = rendezvous();
        let own = sender.clone();
        let child = scope.child("supervised").intensity(1000, secs(1));
        let flaky = child.supervise(flaky(sender, AtomicU32::new(0)));
        flaky.transient().backoff(millis(3)..millis(4)).spawn();
        instance(scope.spawn(waits_alone(own, input)), || {})
    });
}

/// A port to a struct: its sender is a view of the mailbox, on a plain thread.
#[test]
fn port_of_a_mailbox_outside() {
    #[process]
    struct Counter {
        me: Option<CounterHandle>,
    }

    #[handlers]
    impl Counter {
        fn keep(&mut self, me: CounterHandle) {
            self.me = Some(me);
        }
        fn end(&mut self, _n: u32, cx: &mut Cx) {
            self.me = None;
            cx.stop();
        }
    }

    control(|scope, _| {
        let counter = scope.spawn(Counter { me: None });
        counter
            .keep(counter.clone())
            .try_send()
            .expect("there is room");
        let (port, ends) = (counter.end_port(), counter.task());
        drop(counter);
        instance(ends, move || port.blocking_send(1).expect("it is idle"))
    });
}

/// A future of the waiting process that waits too, polled in turn: two waits at once, one of them outside.
#[test]
fn two_waits_at_once() {
    #[process]
    async fn both(own: &Sender<u32>, first: &Receiver<u32>, second: &Receiver<u32>) {
        let (mut one, mut two) = (pin!(first.recv()), pin!(second.recv()));
        let value = std::future::poll_fn(|cx| match one.as_mut().poll(cx) {
            Poll::Pending => two.as_mut().poll(cx),
            ready => ready,
        });
        assert_eq!(value.await, Some(7));
        let _ = own;
    }

    control(|scope, _| {
        let ((own, first), (sender, second)) = (rendezvous(), rendezvous());
        instance(scope.spawn(both(own, first, second)), move || {
            sender.blocking_send(7).expect("it waits");
        })
    });
}

/// A lock that a process was lent, and that lies in memory that is never freed too: a guard from there goes to a plain thread.
#[test]
fn guard_of_a_lent_lock_given_away() {
    type Shared = Arc<roundrock::sync::Mutex<u32>>;
    type Guard = roundrock::sync::MutexGuard<'static, u32>;

    #[process]
    async fn locks(lock: &Shared, same: &&'static Shared, give: mpsc::Sender<Guard>) {
        give.send(same.lock().await).expect("somebody takes it");
        *lock.lock().await += 1;
    }

    control_of(1000, 100, |scope, _| {
        let (give, given) = mpsc::channel();
        let lock = Shared::default();
        let same: &'static _ = Box::leak(Box::new(Arc::clone(&lock)));
        let locks = scope.spawn(locks(lock, same, give));
        instance(locks, move || drop(given.recv().expect("a guard")))
    });
}

/// The same, where the way that nobody knows is a weak reference, or a clone that the process made.
#[test]
fn lock_with_another_way_to_it() {
    type Shared = Arc<roundrock::sync::Mutex<bool>>;

    #[process]
    async fn first(meet: &Meet, lock: &Shared, input: &Receiver<u32>) {
        let _guard = lock.lock().await;
        meet.all(1).await;
        assert_eq!(input.recv().await, Some(7));
    }

    #[process]
    async fn second(meet: &Meet, lock: &Shared, out: &Sender<u32>) -> Result<()> {
        meet.reached(1).await;
        select! {
            _ = cancel_safe(lock.lock()) => unreachable!("the first has it"),
            () = sleep(millis(3)) => {}
        }
        out.send(7).await?;
        Ok(())
    }

    control(|scope, index| {
        let (meet, lock, (out, input)) = (Meet::default(), Shared::default(), rendezvous());
        let (clone, weak) = (Arc::clone(&lock), Arc::downgrade(&lock));
        let first = scope.spawn(first(meet.clone(), Arc::clone(&lock), input));
        scope.spawn(second(meet, lock, out));
        instance(first, move || {
            if index % 2 == 0 {
                drop(clone.try_lock());
            } else {
                drop(weak.upgrade());
            }
        })
    });
}

/// A process on a plain thread of its own has the lock.
#[test]
fn lock_held_by_a_plain_thread() {
    #[process]
    async fn waits(lock: &Arc<roundrock::sync::Mutex<u32>>) {
        *lock.lock().await += 1;
    }

    control_of(2000, 20, |scope, _| {
        let lock = Arc::new(roundrock::sync::Mutex::new(0));
        let (other, (tell, told), (held, holds)) =
            (Arc::clone(&lock), mpsc::channel(), mpsc::channel());
        std::thread::spawn(move || {
            let _guard = other.blocking_lock();
            held.send(()).expect("it waits");
            let _ = told.recv();
        });
        holds.recv().expect("the thread has the lock");
        instance(scope.spawn(waits(lock)), move || {
            tell.send(()).expect("it waits")
        })
    });
}
