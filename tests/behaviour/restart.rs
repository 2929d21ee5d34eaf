//! What survives a restart, and what goes wrong on the way: crashes everywhere, senders that wait, stops in between. Case R17; P21 to
//! P24, P30.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use roundrock::prelude::*;
use roundrock::supervise::Restart;
use roundrock_tests::{Random, Tally, Token, on_both, on_workers, times, yield_now};

use super::supervision::Log;

const AT_ONCE: Range<Duration> = Duration::ZERO..Duration::ZERO;

/// Notes what it handles; crashes on some. Two of them at once would be seen.
#[process(mailbox = 4)]
struct Worker {
    log: Log,
    alone: Alone,
}

/// Fails when there are two of it at the same time.
pub(crate) struct Alone(Arc<AtomicUsize>);

impl Alone {
    pub(crate) fn new(count: &Arc<AtomicUsize>) -> Self {
        assert_eq!(count.fetch_add(1, Ordering::SeqCst), 0, "two at once");
        Self(Arc::clone(count))
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[handlers]
impl Worker {
    async fn work(&mut self, n: u32) -> u32 {
        yield_now().await;
        assert!(n % 10 != 3, "poison {n}");
        self.log.note(n.to_string());
        n
    }

    fn drop_with_panic(&mut self, bomb: Bomb) {
        self.alone.0.load(Ordering::SeqCst);
        drop(bomb);
    }

    fn incarnation(&self, cx: &mut Cx) -> u32 {
        cx.incarnation()
    }
}

/// Panics when it is dropped.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

fn worker(scope: &Scope, log: &Log) -> WorkerHandle {
    let (count, log) = (Arc::new(AtomicUsize::new(0)), log.clone());
    scope
        .supervise(move || Worker {
            log: log.clone(),
            alone: Alone::new(&count),
        })
        .backoff(AT_ONCE)
        .spawn()
}

/// P23, P30: the mailbox is kept in order; the message at the crash is not handled again, and its caller learns of it; senders
/// that were parked on the full mailbox stay in line. Case R17.
#[test]
fn p23_the_mailbox_survives_and_the_poison_does_not() {
    on_workers(|scope| async move {
        let parts = scope.child("parts").intensity(100, secs(60));
        let log = Log::default();
        let worker = worker(&parts, &log);
        let calls: Vec<_> = (0..40)
            .map(|n| {
                let worker = worker.clone();
                scope.task("caller", async move { roundrock::Ok(worker.work(n).await) })
            })
            .collect();
        for (n, call) in (0..).zip(calls) {
            let expected = if n % 10 == 3 {
                Err(CallError::Crashed)
            } else {
                Ok(n)
            };
            assert_eq!(call.await?, expected);
        }
        let mut handled: Vec<u32> = log.take().iter().map(|n| n.parse().unwrap()).collect();
        assert_eq!(handled.len(), 36);
        handled.sort_unstable();
        handled.dedup();
        assert_eq!(handled.len(), 36);
        assert_eq!(worker.incarnation().await, Ok(4));
        // From one sender, in order.
        for n in 0..30 {
            worker.work(n).send_and_forget().await?;
        }
        assert_eq!(worker.incarnation().await, Ok(7));
        let handled: Vec<u32> = log.take().iter().map(|n| n.parse().unwrap()).collect();
        assert!(handled.is_sorted() && handled.len() == 27, "{handled:?}");
        parts.stop(secs(5)).await;
        Ok(())
    });
}

/// P22: a destructor that panics, in a handler, in the state, or in what is queued when the child is over.
#[test]
fn p22_panics_in_destructors_are_contained() {
    #[process]
    struct Holder {
        _bomb: Bomb,
    }
    #[handlers]
    impl Holder {
        fn ping(&self, cx: &mut Cx) -> u32 {
            cx.incarnation()
        }
    }
    on_workers(|scope| async move {
        let parts = scope.child("parts").intensity(100, secs(60));
        let worker = worker(&parts, &Log::default());
        assert_eq!(worker.drop_with_panic(Bomb).await, Err(CallError::Crashed));
        assert_eq!(worker.incarnation().await, Ok(1));
        let holder = parts
            .supervise(|| Holder { _bomb: Bomb })
            .backoff(AT_ONCE)
            .spawn();
        assert_eq!(holder.ping().await, Ok(0));
        holder.kill();
        while holder.ping().await != Ok(1) {
            yield_now().await;
        }
        // Queued behind a message on which the child crashes for good.
        let last = parts
            .supervise({
                let log = Log::default();
                let count = Arc::new(AtomicUsize::new(0));
                move || Worker {
                    log: log.clone(),
                    alone: Alone::new(&count),
                }
            })
            .temporary()
            .spawn();
        last.work(3).send_and_forget().await?;
        // The child may be faster: then the bomb comes back.
        let sent = last.drop_with_panic(Bomb).send().await;
        drop(catch_unwind(AssertUnwindSafe(|| drop(sent))));
        assert_eq!(last.closed().await.kind(), "panicked");
        assert_eq!(last.work(1).await, Err(CallError::Gone));
        parts.stop(secs(5)).await;
        Ok(())
    });
}

/// A factory that panics is a failed start, and counts.
#[test]
fn a_factory_that_panics_is_a_failed_start() {
    on_workers(|scope| async move {
        let parts = scope.child("parts").intensity(3, secs(60));
        let tries = Arc::new(AtomicUsize::new(0));
        let (count, alone) = (Arc::clone(&tries), Arc::new(AtomicUsize::new(0)));
        let worker = parts
            .supervise(move || {
                assert!(count.fetch_add(1, Ordering::SeqCst) >= 2, "not yet");
                Worker {
                    log: Log::default(),
                    alone: Alone::new(&alone),
                }
            })
            .backoff(AT_ONCE)
            .spawn();
        assert_eq!(worker.work(1).await, Ok(1));
        assert_eq!(tries.load(Ordering::SeqCst), 3);
        worker.stop();
        assert!(worker.closed().await.is_normal());
        let never = parts
            .supervise(|| -> Worker { panic!("never") })
            .backoff(AT_ONCE)
            .spawn();
        assert_eq!(never.closed().await.kind(), "failed");
        assert_eq!(never.work(1).await, Err(CallError::Gone));
        assert!(parts.join().await.is_err());
        Ok(())
    });
}

/// P30: what a function was lent survives, with what is queued and with who waits; its task leads to every incarnation.
#[test]
fn p30_a_function_keeps_what_it_was_lent() {
    #[process]
    async fn sum(numbers: &Receiver<u64>, total: &Arc<AtomicUsize>, cx: &mut Cx) -> Result<u32> {
        while let Some(n) = numbers.recv().await {
            yield_now().await;
            ensure!(n % 7 != 0, "poison");
            total.fetch_add(n as usize, Ordering::SeqCst);
        }
        Ok(cx.incarnation())
    }
    on_workers(|scope| async move {
        for capacity in [0, 1, 8] {
            let parts = scope.child("parts").intensity(100, secs(60));
            let (sender, numbers) = if capacity == 0 {
                rendezvous()
            } else {
                bounded(capacity)
            };
            let total = Arc::new(AtomicUsize::new(0));
            let task = parts
                .supervise(sum(numbers, Arc::clone(&total)))
                .backoff(AT_ONCE)
                .spawn();
            for n in 1..=50 {
                sender.send(n).await?;
            }
            sender.finish();
            assert_eq!(task.await.map_err(Error::from)?, 7);
            let poison: usize = (1..=50).filter(|n| n % 7 == 0).sum();
            assert_eq!(total.load(Ordering::SeqCst), 50 * 51 / 2 - poison);
            parts.join().await?;
        }
        Ok(())
    });
}

/// A function with inputs of its own can be supervised too; its handle leads to every incarnation.
#[test]
fn a_function_with_an_inbox_survives() {
    #[process]
    async fn count(#[inbox(4)] jobs: &Receiver<u32>, log: &Log) -> Result<()> {
        while let Some(job) = jobs.recv().await {
            ensure!(job != 2, "two");
            log.note(job.to_string());
        }
        Ok(())
    }
    on_workers(|scope| async move {
        let log = Log::default();
        let parts = scope.child("parts");
        let handle = parts.supervise(count(log.clone())).backoff(AT_ONCE).spawn();
        for n in 1..=4 {
            handle.jobs().send(n).await?;
        }
        // What is queued is handled first, by as many incarnations as it takes.
        handle.stop();
        assert!(handle.closed().await.is_normal());
        assert_eq!(log.take(), ["1", "3", "4"]);
        parts.join().await
    });
}

/// Notes which messages it handled, and fails if one comes twice.
#[process]
struct Once {
    _alone: Alone,
    seen: Arc<[AtomicBool]>,
}

#[handlers]
impl Once {
    async fn take(&mut self, token: Token) -> u64 {
        let n = token.number();
        let before = self.seen[n as usize].swap(true, Ordering::SeqCst);
        assert!(!before, "handled twice");
        yield_now().await;
        assert!(!n.is_multiple_of(11), "poison");
        n
    }
}

/// Makes calls, all of which complete. Returns how many were answered.
async fn call_each(once: OnceHandle, numbers: Range<u64>, book: Tally) -> Result<usize> {
    let mut answered = 0;
    for n in numbers {
        match once.take(book.token(n)).await {
            Ok(same) => {
                assert_eq!(same, n);
                answered += 1;
            }
            // `Gone`: killed while it handled this one.
            Err(CallError::Crashed | CallError::Gone) => {}
            Err(error) => bail!("{error}"),
        }
    }
    Ok(answered)
}

/// P30: killed again and again while others call: every call completes, no message is handled twice, and there are never two
/// incarnations.
#[test]
fn p30_a_storm_of_kills_and_crashes() {
    on_workers(|scope| async move {
        let tally = Tally::new();
        let each = times(100, 10) as u64;
        let parts = scope.child("parts").intensity(usize::MAX, secs(60));
        let count = Arc::new(AtomicUsize::new(0));
        let marks: Arc<[_]> = (0..4 * each).map(|_| AtomicBool::new(false)).collect();
        let seen = Arc::clone(&marks);
        let once = parts
            .supervise(move || Once {
                _alone: Alone::new(&count),
                seen: Arc::clone(&seen),
            })
            .backoff(AT_ONCE)
            .spawn();
        let callers = [0, 1, 2, 3].map(|caller| {
            let numbers = caller * each..(caller + 1) * each;
            scope.task("caller", call_each(once.clone(), numbers, tally.clone()))
        });
        let mut random = Random::new(7);
        for _ in 0..each {
            for _ in 0..random.below(20) {
                yield_now().await;
            }
            once.kill();
        }
        let mut answered = 0;
        for caller in callers {
            answered += caller.await?;
        }
        let is_marked = |mark: &&AtomicBool| mark.load(Ordering::SeqCst);
        let handled = marks.iter().filter(is_marked).count();
        assert!(answered > 0 && handled >= answered, "{handled} {answered}");
        parts.stop(secs(5)).await;
        drop(once);
        tally.assert_balanced();
        Ok(())
    });
}

/// A stop while a child waits for its next start ends it; nothing is started after that.
#[test]
fn a_stop_ends_a_pause() {
    on_workers(|scope| async move {
        for remove in [true, false] {
            let parts = scope.child("parts");
            let (starts, tally) = (Arc::new(AtomicUsize::new(0)), Tally::new());
            #[process]
            async fn fails(starts: &Arc<AtomicUsize>, _token: &Token) -> Result<()> {
                starts.fetch_add(1, Ordering::SeqCst);
                bail!("no")
            }
            let task = parts
                .supervise(fails(Arc::clone(&starts), tally.token(1)))
                .backoff(secs(60)..secs(60))
                .spawn();
            while starts.load(Ordering::SeqCst) == 0 {
                yield_now().await;
            }
            if remove {
                let _ = task.remove().await;
                assert!(!parts.is_stopping());
                parts.join().await?;
            } else {
                let report = parts.stop(secs(5)).await;
                assert!(report.is_clean(), "{report}");
            }
            assert_eq!(task.done().await.kind(), "failed");
            assert_eq!((starts.load(Ordering::SeqCst), parts.alive()), (1, 0));
            tally.assert_balanced();
        }
        Ok(())
    });
}

/// A stop while all children are being restarted because of one of them.
#[test]
fn a_stop_during_a_restart_of_all() {
    on_workers(|scope| async move {
        for steps in 0..12 {
            let parts = scope.child("parts").one_for_all().intensity(100, secs(60));
            let log = Log::default();
            let handles: Vec<_> = (0..4).map(|_| worker(&parts, &log)).collect();
            assert_eq!(handles[3].work(1).await, Ok(1));
            assert_eq!(handles[1].work(3).await, Err(CallError::Crashed));
            for _ in 0..steps {
                yield_now().await;
            }
            let report = parts.stop(secs(5)).await;
            assert!(report.is_clean(), "{steps}: {report}");
            for handle in handles {
                assert!(!matches!(handle.closed().await, Exit::Killed));
            }
            assert_eq!(parts.alive(), 0);
        }
        Ok(())
    });
}

/// A sibling that does not end when it is told is dropped after its time, and the restart goes on.
#[test]
fn a_sibling_that_does_not_stop_is_dropped() {
    #[process]
    async fn deaf(starts: &Arc<AtomicUsize>) {
        starts.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<()>().await;
    }
    #[process]
    struct Slow {
        starts: Arc<AtomicUsize>,
    }
    #[handlers]
    impl Slow {
        #[on_start]
        fn start(&mut self) {
            self.starts.fetch_add(1, Ordering::SeqCst);
        }
        async fn wait(&mut self) {
            std::future::pending::<()>().await;
        }
    }
    on_both(2, |scope| async move {
        let parts = scope.child("parts").one_for_all();
        let (first, second) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let worker = worker(&parts, &Log::default());
        let _ = parts.supervise(deaf(Arc::clone(&first))).spawn();
        let starts = Arc::clone(&second);
        let slow = parts
            .supervise(move || Slow {
                starts: Arc::clone(&starts),
            })
            .shutdown(millis(5))
            .spawn();
        let busy = scope.task("busy", {
            let slow = slow.clone();
            async move { roundrock::Ok(slow.wait().await) }
        });
        while second.load(Ordering::SeqCst) == 0 {
            yield_now().await;
        }
        assert_eq!(worker.work(3).await, Err(CallError::Crashed));
        assert!(busy.await?.is_err());
        while first.load(Ordering::SeqCst) < 2 || second.load(Ordering::SeqCst) < 2 {
            sleep(millis(1)).await;
        }
        slow.kill();
        parts.stop(millis(20)).await;
        Ok(())
    });
}

/// The children of an incarnation end before the next one begins.
#[test]
fn no_child_of_an_incarnation_is_left_when_the_next_one_begins() {
    #[process]
    async fn parent(
        count: &Arc<AtomicUsize>,
        starts: &Arc<AtomicUsize>,
        scope: &Scope,
    ) -> Result<()> {
        let start = starts.fetch_add(1, Ordering::SeqCst);
        for _ in 0..3 {
            let alone = Arc::clone(count);
            let stopping = scope.stopping();
            alone.fetch_add(1, Ordering::SeqCst);
            let _ = scope.task("child", async move {
                stopping.await;
                for _ in 0..20 {
                    yield_now().await;
                }
                alone.fetch_sub(1, Ordering::SeqCst);
            });
        }
        assert!(count.load(Ordering::SeqCst) <= 3, "two generations");
        ensure!(start >= 3, "again");
        Ok(())
    }
    on_workers(|scope| async move {
        let parts = scope.child("parts").intensity(100, secs(60));
        let (count, starts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let task = parts
            .supervise(parent(Arc::clone(&count), Arc::clone(&starts)))
            .backoff(AT_ONCE)
            .spawn();
        task.await.map_err(Error::from)?;
        assert_eq!(
            (count.load(Ordering::SeqCst), starts.load(Ordering::SeqCst)),
            (0, 4)
        );
        parts.join().await
    });
}

/// Asks the children that it is given to crash, to answer, or to stop, in turn, until there are no more.
async fn asks(children: Receiver<WorkerHandle>, asked: Arc<AtomicUsize>) -> Result<()> {
    while let Some(child) = children.recv().await {
        let n = asked.fetch_add(1, Ordering::SeqCst) as u32;
        match n % 4 {
            0 => assert_eq!(child.work(3).await, Err(CallError::Crashed)),
            1 => child.stop(),
            _ => assert_eq!(child.work(10 * n).await, Ok(10 * n)),
        }
        if n.is_multiple_of(2) {
            assert_eq!(
                child.incarnation().await,
                Ok(u32::from(n.is_multiple_of(4)))
            );
        }
        child.task().remove().await;
    }
    Ok(())
}

/// Thousands of children of one kind that come and go: each is added while those before it answer, crash, stop and are removed.
#[test]
fn thousands_of_children_come_and_go() {
    on_both(2, |scope| async move {
        let all = times(4_000, 20);
        let parts = scope.child("parts").intensity(usize::MAX, secs(60));
        let (children, theirs) = bounded(16);
        let asked = Arc::new(AtomicUsize::new(0));
        let askers: Vec<_> = (0..8)
            .map(|_| scope.task("asks", asks(theirs.clone(), Arc::clone(&asked))))
            .collect();
        drop(theirs);
        let (log, mut most) = (Log::default(), 0);
        for _ in 0..all {
            children.send(worker(&parts, &log)).await?;
            most = most.max(parts.alive());
        }
        drop(children);
        for asker in askers {
            asker.await?;
        }
        assert_eq!((asked.load(Ordering::SeqCst), parts.alive()), (all, 0));
        assert!((2..=16 + 8 + 2).contains(&most), "{most} at a time");
        assert!(!parts.is_stopping());
        parts.join().await
    });
}

/// 10,000 children of one kind at a time, some of which crash, are stopped and removed.
#[test]
fn ten_thousand_children() {
    on_both(2, |scope| async move {
        let all = times(10_000, 20);
        let parts = scope.child("parts").intensity(usize::MAX, secs(60));
        let log = Log::default();
        let handles: Vec<_> = (0..all).map(|_| worker(&parts, &log)).collect();
        for handle in handles.iter().step_by(10) {
            handle.work(3).send_and_forget().await?;
        }
        for handle in handles.iter().skip(5).step_by(10) {
            handle.stop();
        }
        for (n, handle) in handles.iter().enumerate() {
            let expected = match n % 10 {
                0 => Ok(1),
                5 => Err(CallError::Gone),
                _ => Ok(0),
            };
            assert_eq!(handle.incarnation().await, expected, "{n}");
        }
        for handle in handles.iter().skip(5).step_by(10) {
            assert!(handle.closed().await.is_normal());
        }
        assert_eq!(parts.alive(), all / 10 * 9);
        for handle in handles.iter().skip(1).step_by(10) {
            assert!(handle.task().remove().await.is_normal());
        }
        assert_eq!(parts.alive(), all / 10 * 8);
        let report = parts.stop(secs(60)).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(parts.alive(), 0);
        Ok(())
    });
}

/// A child of a scope that stops is never started, and is gone at once.
#[test]
fn a_child_of_a_stopping_scope_is_gone() {
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        parts.stop(secs(5)).await;
        let tally = Tally::new();
        let token = tally.token(1);
        let gone = parts
            .supervise(move || -> Worker { unreachable!("{token:?}") })
            .restart(Restart::Permanent)
            .spawn();
        assert_eq!(gone.work(1).await, Err(CallError::Gone));
        assert!(!gone.closed().await.is_failure());
        tally.assert_balanced();
        assert_eq!(parts.alive(), 0);
        Ok(())
    });
}

/// A struct whose last handle is dropped ends for good, also a permanent one: nobody could reach it.
#[test]
fn without_a_handle_there_is_no_restart() {
    on_workers(|scope| async move {
        let log = Log::default();
        let (count, notes) = (Arc::new(AtomicUsize::new(0)), log.clone());
        let worker = scope
            .supervise(move || Worker {
                log: notes.clone(),
                alone: Alone::new(&count),
            })
            .permanent()
            .backoff(AT_ONCE)
            .spawn();
        worker.work(3).send_and_forget().await?;
        worker.work(4).send_and_forget().await?;
        let closed = worker.closed();
        drop(worker);
        assert!(closed.await.is_normal());
        assert_eq!(log.take(), ["4"]);
        Ok(())
    });
}
