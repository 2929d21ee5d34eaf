//! Wakers that are not Roundrock's, and whose `clone` does what it likes: uses what it waits for, or panics. No lock is held then. P12.
//!
//! Threads only: all of it: operations are polled by hand, and each poll must have its effect at once; a simulated one may be
//! interrupted before.

#![expect(
    unsafe_code,
    reason = "a waker with a `clone` of its own is made by hand"
)]

use std::fmt::Debug;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

use roundrock::prelude::*;
use roundrock::sync::{Mutex, Semaphore};
use roundrock_tests::{channel_of, now, on};

/// What a waker does when it is cloned.
struct Hostile(Box<dyn Fn() + Send + Sync>);

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, drop_waker, nothing, drop_waker);

/// The waker's own reference, which is only looked at.
fn look(data: *const ()) -> ManuallyDrop<Arc<Hostile>> {
    // SAFETY: every waker with this table was made of an `Arc` of this type, and owns one reference.
    ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<Hostile>()) })
}

unsafe fn clone(data: *const ()) -> RawWaker {
    let hostile = look(data);
    (hostile.0)();
    RawWaker::new(Arc::into_raw(Arc::clone(&hostile)).cast(), &VTABLE)
}

unsafe fn drop_waker(data: *const ()) {
    drop(ManuallyDrop::into_inner(look(data)));
}

unsafe fn nothing(_data: *const ()) {}

fn waker(on_clone: impl Fn() + Send + Sync + 'static) -> Waker {
    let hostile = Arc::new(Hostile(Box::new(on_clone)));
    let raw = RawWaker::new(Arc::into_raw(hostile).cast(), &VTABLE);
    // SAFETY: the table keeps the contract: a clone counts, a drop and a wake by value give a reference back.
    unsafe { Waker::from_raw(raw) }
}

/// Polls an operation that must wait, with two wakers whose `clone` calls `meddle`, one after the other.
fn polled_by<F: Future<Output: Debug>>(operation: F, meddle: impl Fn() + Send + Sync + 'static) {
    let meddle = Arc::new(meddle);
    let clones = Arc::new(AtomicUsize::new(0));
    let wakers = [(); 2].map(|()| {
        let (clones, meddle) = (Arc::clone(&clones), Arc::clone(&meddle));
        waker(move || {
            clones.fetch_add(1, Ordering::SeqCst);
            meddle();
        })
    });
    let mut operation = pin!(operation);
    for waker in &wakers {
        let polled = operation.as_mut().poll(&mut Context::from_waker(waker));
        assert!(polled.is_pending(), "{polled:?}");
    }
    assert!(clones.load(Ordering::SeqCst) >= 2);
}

#[test]
fn p12_clone_of_a_waker_may_use_what_it_waits_for() {
    on(2, |scope| async move {
        for capacity in [Some(0), Some(1), None] {
            let (sender, receiver) = channel_of::<u32>(capacity);
            let meddle = {
                let (sender, receiver) = (sender.clone(), receiver.clone());
                move || assert!(sender.len() + receiver.len() < 3)
            };
            polled_by(receiver.recv(), meddle.clone());
            polled_by(
                async {
                    select! {
                        message = receiver.recv() => Some(message),
                        _ = scope.stopping() => None,
                    }
                },
                meddle.clone(),
            );
            if capacity.is_some() {
                while sender.try_send(1).is_ok() {}
                polled_by(sender.send(2), meddle.clone());
                polled_by(async { sender.ready().await.is_ok() }, meddle.clone());
            }
        }
        let (once, value) = oneshot::<u32>();
        polled_by(once.closed(), || ());
        polled_by(value, move || assert!(!once.is_closed()));

        let (newest, changes) = latest(1);
        changes.recv().await;
        let sees = changes.clone();
        polled_by(newest.closed(), move || assert_eq!(sees.get(), 1));
        let sees = changes.clone();
        polled_by(changes.changed(), move || assert_eq!(sees.get(), 1));

        let (news, heard) = broadcast::<u32>(1);
        let says = news.clone();
        polled_by(heard.recv(), move || assert!(!says.is_closed()));

        let stopping = scope.clone();
        polled_by(scope.stopping(), move || assert!(!stopping.is_stopping()));

        let lock = Arc::new(Mutex::new(0));
        let held = lock.lock().await;
        let sees = Arc::clone(&lock);
        polled_by(lock.lock(), move || assert!(sees.holder().is_some()));
        drop(held);
        let places = Arc::new(Semaphore::new(1));
        let held = places.acquire().await;
        let sees = Arc::clone(&places);
        polled_by(places.acquire(), move || assert_eq!(sees.available(), 0));
        drop(held);

        let child = scope.child("child");
        let task = child.task("waits", std::future::pending::<()>());
        let sees = task.done();
        polled_by(task.done(), {
            let sees = sees.clone();
            move || drop(sees.clone())
        });
        let mut set = JoinSet::new();
        set.add(task);
        polled_by(set.join_next(), || ());
        set.kill_all();
        child.join().await?;
        polled_by(sleep(secs(100)), || ());
        Ok(())
    });
}

/// The slot of a reply is shared with the process that answers.
#[test]
fn p12_clone_of_a_waker_may_use_the_process_that_it_calls() {
    #[process]
    struct Late {
        held: Vec<Reply<u32>>,
    }
    #[handlers]
    impl Late {
        fn ask(&mut self, reply: Reply<u32>) {
            self.held.push(reply);
        }
        fn note(&self) {}
        fn wanted(&self) -> usize {
            self.held.iter().filter(|reply| reply.is_wanted()).count()
        }
    }
    on(2, |scope| async move {
        let late = scope.spawn(Late { held: Vec::new() });
        let calls = late.clone();
        polled_by(late.ask().into_future(), move || {
            assert!(calls.note().try_send().is_ok());
        });
        assert_eq!(late.wanted().await?, 0, "its caller has gone");
        Ok(())
    });
}

/// A panic of a `clone` reaches whoever polls, and the channel goes on.
#[test]
fn p12_clone_of_a_waker_may_panic() {
    for capacity in [Some(0), Some(1)] {
        let (sender, receiver) = channel_of::<u32>(capacity);
        let panics = waker(|| panic!("as asked"));
        let mut cx = Context::from_waker(&panics);
        let mut recv = Box::pin(receiver.recv());
        assert!(catch_unwind(AssertUnwindSafe(|| recv.as_mut().poll(&mut cx))).is_err());
        drop(recv);
        while sender.try_send(1).is_ok() {}
        let mut send = Box::pin(sender.send(2));
        assert!(catch_unwind(AssertUnwindSafe(|| send.as_mut().poll(&mut cx))).is_err());
        drop(send);
        if capacity == Some(1) {
            assert_eq!(now(receiver.recv()), Some(1));
        }
        assert_eq!(receiver.len(), 0);
        drop(sender);
        assert_eq!(now(receiver.recv()), None);
    }
}

/// The destructor of a thread-local, which runs when the thread keeps nothing of the runtime's any more.
#[test]
fn an_operation_may_wait_while_its_thread_ends() {
    struct AtTheEnd(Option<Box<dyn FnOnce() + Send>>);
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            if let Some(last) = self.0.take() {
                last();
            }
        }
    }
    std::thread_local! {
        static LAST: std::cell::RefCell<AtTheEnd> = const { std::cell::RefCell::new(AtTheEnd(None)) };
    }
    /// Waits with a waker that is not ours, and says whether it does.
    fn waits<F: Future>(operation: F) -> bool {
        let quiet = waker(|| ());
        pin!(operation)
            .poll(&mut Context::from_waker(&quiet))
            .is_pending()
    }

    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let (sender, receiver) = bounded::<u32>(1);
        let (full, _kept) = bounded::<u32>(1);
        full.try_send(1).expect("there is room");
        // Before the runtime has anything of its own on this thread, so that it is dropped after that.
        LAST.with_borrow_mut(|last| {
            let receiver = receiver.clone();
            last.0 = Some(Box::new(move || {
                let both = (waits(receiver.recv()), waits(full.send(2)));
                let _ = tell.send((both, receiver.len(), _kept.len()));
            }));
        });
        assert!(waits(receiver.recv()));
        drop(sender.clone());
        drop(sender);
        drop(receiver);
    });
    thread.join().expect("it ends");
    drop(told);
}
