//! Panics, wherever user code can panic: only the process that panicked ends. Cases I01, I06; P21, P22.
//!
//! Threads only: what a system returns when its body panics.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use roundrock::Fault;
use roundrock::prelude::*;
use roundrock_tests::{
    Step, Tally, Token, isolated, now, on_both, on_workers, times, unique_name, yield_now,
};

/// P22: a message whose destructor panics takes no other message with it, and the channel stays closed, not broken.
#[test]
fn p22_a_panicking_destructor_spares_the_other_messages() {
    struct Bomb(#[expect(dead_code, reason = "held")] Token, bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.1, "a destructor that panics");
        }
    }
    let tally = Tally::new();
    let (sender, receiver) = bounded(3);
    for n in 0..3 {
        sender.try_send(Bomb(tally.token(n), n == 1)).ok().unwrap();
    }
    let mut blocked = Step::new(sender.send(Bomb(tally.token(3), false)));
    assert!(blocked.poll().is_pending());
    let drop_receiver = AssertUnwindSafe(|| drop(receiver));
    let _ = catch_unwind(drop_receiver);
    assert_eq!(tally.dropped(), [0, 1, 2]);
    assert!(sender.is_closed());
    assert_eq!(blocked.wakes(), 1, "the parked sender still learns of it");
    assert!(blocked.ready().is_err());
    drop(blocked);
    assert!(now(sender.send(Bomb(tally.token(4), false))).is_err());
    tally.assert_balanced();
}

/// P22: any number of destructors may panic, in what is queued, in a broadcast, and beside it in the state of the process: their
/// process ends, and the program goes on.
#[test]
fn p22_many_panicking_destructors_are_contained() {
    struct Bomb(#[expect(dead_code, reason = "held")] Token);
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("one of many");
        }
    }
    impl Clone for Bomb {
        fn clone(&self) -> Self {
            unreachable!("nobody receives it")
        }
    }
    on_workers(|scope| async move {
        let tally = Tally::new();
        let bomb = |n| Bomb(tally.token(n));
        let (queue, queued) = bounded(4);
        let (news, told) = roundrock::channel::broadcast(4);
        for n in 0..3 {
            queue.try_send(bomb(n)).ok().unwrap();
            news.try_send(bomb(n)).ok().unwrap();
        }
        let task = panics(&scope, move || {
            let _held = (queued, told);
            panic!("as well");
        });
        assert_eq!(task.done().await.kind(), "panicked");
        // The destructor of what lies beside it comes first.
        let (queue, queued) = bounded(4);
        for n in 0..3 {
            queue.try_send(bomb(n)).ok().unwrap();
        }
        let state = bomb(9);
        let task = panics(&scope, move || drop((state, queued)));
        assert_eq!(task.done().await.kind(), "panicked");
        assert!(queue.is_closed());
        tally.assert_balanced();
        Ok(())
    });
}

/// P21: one process panics among a thousand; the others end as they should, on the workers that there were. Case I01.
#[test]
fn p21_a_panic_ends_only_its_process() {
    on_workers(|scope| async move {
        let (sender, receiver) = rendezvous();
        let all = times(1000, 60);
        let ended = Arc::new(AtomicUsize::new(0));
        for n in 0..all {
            let (receiver, ended) = (receiver.clone(), Arc::clone(&ended));
            let _ = scope.task("other", async move {
                let _: Option<u8> = receiver.recv().await;
                ended.fetch_add(1, Ordering::SeqCst);
            });
            if n % 100 == 50 {
                let _ = panics(&scope, move || panic!("one of ten")).await;
            }
        }
        let workers = scope.system().workers();
        drop(sender);
        while ended.load(Ordering::SeqCst) < all {
            yield_now().await;
        }
        assert_eq!(scope.system().workers(), workers);
        Ok(())
    });
}

/// P21: the exit carries the text and the place of the panic; a payload that is not a text is named as such. Case I06.
#[test]
fn p21_the_exit_says_what_and_where() {
    on_workers(|scope| async move {
        let line = line!() + 1;
        let task = panics(&scope, move || panic!("a plain text"));
        let exit = task.await.unwrap_err();
        let Some(Fault::Panic(panic)) = exit.fault().map(|fault| &**fault) else {
            panic!("{exit:?}");
        };
        let (file, at, _) = panic.location().unwrap();
        assert_eq!((panic.text(), at), ("a plain text", line));
        assert!(file.ends_with("panic.rs"), "{file}");
        assert!(exit.to_string().contains("a plain text") && exit.to_string().contains("panic.rs"));

        let number = 5;
        let task = panics(&scope, move || panic!("number {number}"));
        assert!(task.await.unwrap_err().to_string().contains("number 5"));
        let task = panics(&scope, move || panic_any(7_u8));
        assert_eq!(task.await.unwrap_err().kind(), "panicked");
        let task = panics(&scope, move || resume_unwind(Box::new("resumed")));
        let exit = task.await.unwrap_err();
        assert!(exit.to_string().contains("resumed"), "{exit}");
        let Some(Fault::Panic(panic)) = exit.fault().map(|fault| &**fault) else {
            panic!("{exit:?}");
        };
        assert_eq!(panic.location(), None, "not the place of an earlier panic");
        Ok(())
    });
}

/// A process that does nothing but panic.
#[track_caller]
fn panics(scope: &Scope, how: impl FnOnce() + Send + 'static) -> Task<()> {
    isolated(scope, async move { how() })
}

/// Panics, in a place where a type that is never made would not do.
fn give_up(why: &str) {
    assert!(why.is_empty(), "{why}");
}

/// Panics when dropped, if armed.
struct Grenade(bool);

impl Drop for Grenade {
    fn drop(&mut self) {
        assert!(!self.0, "thrown by a destructor");
    }
}

/// P22: destructors that panic: in the payload, in a killed future, in a future that has returned, in a value.
#[test]
fn p22_destructors_that_panic_end_only_their_process() {
    on_workers(|scope| async move {
        let payload = panics(&scope, move || panic_any(Grenade(true)));
        assert_eq!(payload.await.unwrap_err().kind(), "panicked");

        let tally = Tally::new();
        let token = tally.token(1);
        let killed = isolated(&scope, async move {
            let _held = (Grenade(true), token);
            std::future::pending::<()>().await;
        });
        yield_now().await;
        killed.kill();
        let exit = killed.done().await;
        assert!(!exit.is_normal(), "{exit:?}");
        assert_eq!(tally.live(), 0, "the other captures are dropped");

        // Captured, so it is dropped with the future after it has returned.
        let held = Grenade(true);
        let returned = isolated(&scope, Holding(held));
        assert_eq!(returned.await.unwrap_err().kind(), "panicked");

        let value = isolated(&scope, async { roundrock::Ok(Grenade(true)) });
        assert!(value.done().await.is_normal());
        let dropped = AssertUnwindSafe(|| drop(value));
        let _ = catch_unwind(dropped);
        let value = isolated(&scope, async { roundrock::Ok(Grenade(true)) });
        let mut taken = value.await?;
        taken.0 = false;
        scope.task("after all that", async {}).await?;
        Ok(())
    });
}

/// Ready at once; its field is dropped with it.
struct Holding(#[expect(dead_code, reason = "held for its destructor")] Grenade);

impl Future for Holding {
    type Output = ();

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        std::task::Poll::Ready(())
    }
}

/// P21: a panic unwinds through what the process holds: permits, parked operations, locks of channels.
#[test]
fn p21_a_panic_gives_back_what_the_process_held() {
    on_workers(|scope| async move {
        let (sender, receiver) = bounded(1);
        let holder = sender.clone();
        let task = isolated(&scope, async move {
            let _permit = holder.ready().await.unwrap();
            give_up("with a permit");
        });
        let _ = task.done().await;
        sender.try_send(1)?;
        let (victim, out) = (receiver.clone(), sender.clone());
        let task = isolated(&scope, async move {
            let mut send = Step::new(out.send(2));
            assert!(send.poll().is_pending());
            let message = victim.recv().await;
            give_up(&format!("after message {message:?}"));
        });
        assert_eq!(task.done().await.kind(), "panicked");
        // Message 1 was received by the process that panicked; 2 was under way from it, and may have been accepted.
        if let Ok(message) = receiver.try_recv() {
            assert_eq!(message, 2);
        }
        sender.try_send(3)?;
        assert_eq!(receiver.recv().await, Some(3));
        Ok(())
    });
}

/// P21: a panic in the body of `run` is its error, with the text; the children are stopped and waited for.
#[test]
fn p21_a_panic_in_the_body_is_the_error_of_the_system() {
    for workers in [1, 2, 4] {
        let tally = Tally::new();
        let token = tally.token(1);
        let name = unique_name();
        let run = System::builder()
            .workers(workers)
            .name(&name)
            .run(|scope| async move {
                let stopping = scope.stopping();
                let _ = scope.task("child", async move {
                    stopping.await;
                    drop(token);
                });
                if true {
                    panic!("in the body");
                }
                roundrock::Ok(())
            });
        let text = format!("{:?}", run.unwrap_err());
        assert!(text.contains("in the body"), "{text}");
        tally.assert_balanced();
        roundrock_tests::assert_no_threads_of(&name);
    }
}

/// P21: processes that panic while they spawn, join and send to each other by the hundred leave nothing behind.
#[test]
fn p21_many_panics_at_once() {
    let tally = Tally::new();
    let book = tally.clone();
    on_both(4, move |scope| {
        // Of the run before: its system has ended.
        book.assert_balanced();
        let book = book.clone();
        async move {
            let (sender, receiver) = bounded(4);
            for n in 0..times(400, 20) as u64 {
                let tally = book.clone();
                // Each keeps one side, so that the rest ends when the other side has.
                let side = if n % 2 == 0 {
                    Ok(sender.clone())
                } else {
                    Err(receiver.clone())
                };
                let _ = isolated(&scope, async move {
                    let _own = tally.token(n);
                    for step in 0..10 {
                        match &side {
                            Ok(sender) => sender.send(tally.token(1000)).await?,
                            Err(receiver) => drop(receiver.recv().await),
                        }
                        if (n + step) % 13 == 0 {
                            resume_unwind(Box::new("without the noise of the hook"));
                        }
                    }
                    roundrock::Ok(())
                });
            }
            drop((sender, receiver));
            Ok(())
        }
    });
    tally.assert_balanced();
}

/// P21: the panic of a process on a thread of its own, or of a job of `blocking`, has its place too, and never that of another
/// panic, which somebody caught.
#[test]
fn p21_a_panic_on_another_thread_has_its_own_place() {
    const FIRST: u32 = line!() + 3;
    #[process(blocking)]
    fn blocks() {
        panic!("of blocks")
    }
    #[process(cpu)]
    fn computes() {
        let _ = catch_unwind(|| panic!("caught"));
        panic!("of computes")
    }
    #[process(cpu)]
    fn resumes() {
        resume_unwind(Box::new("resumed"))
    }
    #[process(blocking)]
    struct Serves;
    #[handlers]
    impl Serves {
        fn serve(&mut self) {
            panic!("of serves")
        }
    }
    /// Text and line of a panic.
    fn of(exit: &Exit) -> (String, Option<u32>) {
        let Some(Fault::Panic(panic)) = exit.fault().map(|fault| &**fault) else {
            panic!("{exit:?}");
        };
        if let Some((file, ..)) = panic.location() {
            assert!(file.ends_with("panic.rs"), "{file}");
        }
        let line = panic.location().map(|(_, line, _)| line);
        (panic.text().to_owned(), line)
    }
    on_both(1, move |scope| async move {
        let exit = scope.spawn_isolated(blocks()).done().await;
        assert_eq!(of(&exit), ("of blocks".to_owned(), Some(FIRST)));
        // On this thread, and in this process, which goes on.
        let _ = catch_unwind(|| panic!("elsewhere"));
        let exit = scope.spawn_isolated(computes()).done().await;
        assert_eq!(of(&exit), ("of computes".to_owned(), Some(FIRST + 5)));
        for _ in 0..4 {
            let exit = scope.spawn_isolated(resumes()).done().await;
            assert_eq!(of(&exit), ("resumed".to_owned(), None));
        }
        let serves = scope.spawn_isolated(Serves);
        let done = serves.done();
        assert!(serves.serve().await.is_err());
        assert_eq!(of(&done.await), ("of serves".to_owned(), Some(FIRST + 16)));
        let line = line!() + 1;
        let job = isolated(&scope, async { blocking(|| panic!("of a job")).await });
        assert_eq!(of(&job.done().await), ("of a job".to_owned(), Some(line)));

        let _ = catch_unwind(|| panic!("elsewhere"));
        let resumed = panics(&scope, || resume_unwind(Box::new("resumed")));
        assert_eq!(of(&resumed.done().await), ("resumed".to_owned(), None));
        Ok(())
    });
}
