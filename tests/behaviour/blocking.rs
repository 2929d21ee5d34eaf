//! Processes on threads of their own: they stop, drain and end like others, and are named when they cannot. P15, P33, P34.
//!
//! Threads only: jobs that wait for processes, and that run beside them; in a simulation a job is one step.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError, mpsc};

use roundrock::prelude::*;
use roundrock_tests::{LIMIT, Tally, Token, on, on_threads, on_workers, yield_now};

use super::restart::Alone;

#[process(blocking)]
fn pass(from: &Receiver<Token>, to: &Sender<Token>) -> Result<()> {
    while let Some(token) = from.blocking_recv() {
        to.blocking_send(token)?;
    }
    Ok(())
}

#[process(cpu)]
fn count(from: &Receiver<Token>, counted: &Arc<AtomicUsize>) {
    while from.blocking_recv().is_some() {
        counted.fetch_add(1, Ordering::SeqCst);
    }
}

#[process]
async fn hand_on(from: &Receiver<Token>, to: &Sender<Token>) -> Result<()> {
    while let Some(token) = from.recv().await {
        yield_now().await;
        to.send(token).await?;
    }
    Ok(())
}

/// P33: a thread that waits for its input sees the end of it when the scope stops, long before the grace.
#[test]
fn p33_a_parked_thread_sees_the_end_of_its_input() {
    on_threads(|scope| async move {
        let child = scope.child("threads");
        let (tokens, from) = bounded(4);
        let counted = Arc::new(AtomicUsize::new(0));
        child.spawn(count(from, Arc::clone(&counted)));
        let tally = Tally::new();
        for n in 0..20 {
            tokens.send(tally.token(n)).await?;
        }
        let report = child.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert!(report.took < LIMIT / 2, "{:?}", report.took);
        assert_eq!(counted.load(Ordering::SeqCst), 20);
        assert!(tokens.send(tally.token(20)).await.is_err());
        Ok(())
    });
}

#[process(cpu)]
fn hand_down(from: &Receiver<Token>, to: &Sender<Token>) -> Result<()> {
    while let Some(token) = from.blocking_recv() {
        to.blocking_send(token)?;
    }
    Ok(())
}

/// Who waits lets another one have its core: otherwise the first stages would keep all of them, and wait for the others for ever.
#[test]
fn a_pipeline_of_more_stages_that_compute_than_there_are_cores() {
    on_threads(|scope| async move {
        let cores = std::thread::available_parallelism()?.get();
        let (tokens, mut from) = rendezvous();
        for _ in 0..cores + 3 {
            let (to, next) = rendezvous();
            scope.spawn(hand_down(from, to));
            from = next;
        }
        let tally = Tally::new();
        let feed = scope.task("feed", async move {
            for n in 0..20 {
                tokens.send(tally.token(n)).await?;
            }
            roundrock::Ok(tally)
        });
        for n in 0..20 {
            let token = from.recv().await.context("it comes out")?;
            ensure!(token.number() == n, "in order");
        }
        ensure!(from.recv().await.is_none(), "nothing is left");
        feed.await?;
        Ok(())
    });
}

#[process(cpu)]
fn compute(jobs: &Receiver<u32>, running: &Arc<AtomicUsize>, cores: usize) {
    while jobs.blocking_recv().is_some() {
        let others = running.fetch_add(1, Ordering::SeqCst);
        assert!(others < cores, "{others} others compute");
        std::thread::yield_now();
        running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// And goes on when it has a core again.
#[test]
fn no_more_compute_at_a_time_than_there_are_cores() {
    on_threads(|scope| async move {
        let cores = std::thread::available_parallelism()?.get();
        let (jobs, inbox) = bounded(4);
        let running = Arc::new(AtomicUsize::new(0));
        for _ in 0..4 * cores {
            scope.spawn(compute(inbox.clone(), Arc::clone(&running), cores));
        }
        drop(inbox);
        for job in 0..2000 {
            jobs.send(job).await?;
        }
        Ok(())
    });
}

/// P33: threads and other processes drain into each other, whatever the order; nothing that was accepted is lost.
#[test]
fn p33_threads_drain_among_other_processes() {
    on_threads(|scope| async move {
        for round in 0..5 {
            let tally = Tally::new();
            let child = scope.child("stages");
            let (first, first_in) = bounded(8);
            let (second, second_in) = bounded(round);
            let (third, third_in) = bounded(2);
            let (fourth, fourth_in) = bounded(1);
            let counted = Arc::new(AtomicUsize::new(0));
            child.pool(2, pass(first_in, second));
            child.spawn(hand_on(second_in, third));
            child.spawn(pass(third_in, fourth));
            child.spawn(count(fourth_in, Arc::clone(&counted)));
            let book = tally.clone();
            let feeder = scope.task("feeder", async move {
                let mut accepted = 0;
                while first.send(book.token(accepted)).await.is_ok() {
                    accepted += 1;
                }
                roundrock::Ok(accepted)
            });
            sleep(millis(5)).await;
            let report = child.stop(LIMIT).await;
            assert!(report.is_clean(), "{report}");
            assert_eq!(feeder.await?, counted.load(Ordering::SeqCst) as u64);
            tally.assert_balanced();
        }
        Ok(())
    });
}

#[process(blocking, mailbox = 4)]
struct Slow {
    handled: Arc<AtomicUsize>,
}

#[handlers]
impl Slow {
    fn work(&mut self) {
        std::thread::yield_now();
        self.handled.fetch_add(1, Ordering::SeqCst);
    }
}

/// P33, P28: the mailbox of a struct on threads is drained; a supervised child on a thread stops in its turn.
#[test]
fn p33_structs_and_children_on_threads_stop() {
    on_threads(|scope| async move {
        let child = scope.child("threads");
        let (handled, counted) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let slow = child.spawn(Slow {
            handled: Arc::clone(&handled),
        });
        let (tokens, from) = bounded(4);
        let _ = child.supervise(count(from, Arc::clone(&counted))).spawn();
        for n in 0..20 {
            slow.work().send().await?;
            tokens.send(Tally::new().token(n)).await?;
        }
        let report = child.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(handled.load(Ordering::SeqCst), 20);
        assert_eq!(counted.load(Ordering::SeqCst), 20);
        Ok(())
    });
}

/// P33: of two jobs that wait for each other, none counts on the thread that the other one is about to run on.
#[test]
fn p33_jobs_that_wait_for_each_other_get_a_thread_each() {
    on_threads(|scope| async move {
        // Each round needs one thread more than there are.
        for count in 2..200 {
            let together = Arc::new(Barrier::new(count));
            let jobs = (0..count).map(|_| {
                let together = Arc::clone(&together);
                scope.task("job", async move {
                    blocking(move || together.wait()).await;
                    roundrock::Ok(())
                })
            });
            let mut jobs: JoinSet<_> = jobs.collect();
            while let Some(ended) = jobs.join_next().await {
                ended?;
            }
        }
        Ok(())
    });
}

#[process(blocking)]
fn held_up(release: Release) {
    let _ = release.0.recv();
}
struct Release(mpsc::Receiver<()>);

/// P15, P33: a thread that runs on cannot be ended: the stop says that it is stuck, and returns; its scope waits for it.
#[test]
fn p33_a_thread_that_runs_on_is_stuck() {
    on_threads(|scope| async move {
        let child = scope.child("threads");
        let (release, held) = mpsc::channel();
        let task = child.spawn(held_up(Release(held)));
        sleep(millis(5)).await;
        let report = child.stop(millis(50)).await;
        assert_eq!(report.stuck.len(), 1, "{report}");
        let stuck = &report.stuck[0];
        assert_eq!((stuck.name, stuck.worker), ("held_up", None), "{report}");
        assert!(
            stuck.since >= millis(40),
            "it has run for as long as it was waited for: {report}"
        );
        assert_eq!(task.done().await.kind(), "killed");
        assert_eq!(child.alive(), 1, "its thread is still there");
        release.send(()).unwrap();
        while child.alive() > 0 {
            yield_now().await;
        }
        Ok(())
    });
}

/// A job that has not begun when its process is gone never begins.
#[test]
fn a_job_whose_process_is_gone_does_not_begin() {
    on(2, |scope| async move {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let child = scope.child("threads");
        let (ends, end) = mpsc::channel();
        let end = Arc::new(Mutex::new(end));
        let (out, taken) = bounded(cores);
        for _ in 0..cores {
            child.spawn(keeps_its_core(out.clone(), Arc::clone(&end)));
        }
        for _ in 0..cores {
            taken.recv().await;
        }
        // All threads for computing are taken: this one waits in line.
        let began = Arc::new(AtomicUsize::new(0));
        let task = child.spawn(begin(Arc::clone(&began)));
        sleep(millis(5)).await;
        task.kill();
        task.done().await;
        drop(ends);
        child.join().await?;
        let next = child.spawn(begin(Arc::new(AtomicUsize::new(0))));
        next.await?;
        assert_eq!(began.load(Ordering::SeqCst), 0);
        Ok(())
    });
}

/// Waits for something that Roundrock does not see.
#[process(cpu)]
fn keeps_its_core(out: &Sender<()>, end: &Arc<Mutex<mpsc::Receiver<()>>>) {
    let _ = out.blocking_send(());
    let end = end.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = end.recv();
}

#[process(cpu)]
fn begin(began: &Arc<AtomicUsize>) {
    began.fetch_add(1, Ordering::SeqCst);
}

/// A struct of a kind that blocks may block in all of its code: hooks, handlers, ticks, inputs, what `spawn_then` leads to, and
/// its destructor.
macro_rules! blocks_everywhere {
    ($test:ident, $kind:ident) => {
        #[test]
        #[expect(clippy::too_many_lines, reason = "one of each")]
        fn $test() {
            /// Waits for the send, on the thread that it is on.
            #[derive(Clone)]
            struct Out(Sender<(&'static str, Option<String>)>);
            impl Out {
                fn say(&self, what: &'static str) {
                    let thread = std::thread::current().name().map(str::to_owned);
                    let _ = self.0.blocking_send((what, thread));
                }
            }
            impl Drop for Out {
                fn drop(&mut self) {
                    self.say("drop");
                }
            }
            #[process($kind)]
            struct Sink {
                ticked: bool,
                from: Receiver<u8>,
                out: Out,
            }
            #[handlers]
            impl Sink {
                #[on_start]
                fn hello(&mut self) -> Result<()> {
                    self.out.say("start");
                    Ok(())
                }
                fn put(&mut self, cx: &mut Cx<Self>) {
                    self.out.say("put");
                    cx.spawn_then(async {}, |sink, ()| sink.out.say("then"));
                }
                #[recv(from)]
                fn take(&mut self, _one: u8) {
                    self.out.say("take");
                }
                #[every("1ms")]
                fn tick(&mut self) {
                    if !std::mem::replace(&mut self.ticked, true) {
                        self.out.say("tick");
                    }
                }
                #[on_stop]
                fn bye(&mut self) {
                    self.out.say("stop");
                }
            }
            on_threads(|scope| async move {
                let (out, said) = rendezvous();
                let (input, from) = bounded(1);
                let child = scope.child("sinks");
                let sink = child.spawn(Sink {
                    ticked: false,
                    from,
                    out: Out(out),
                });
                input.send(1).await?;
                sink.put().send().await?;
                let mut stop = None;
                let mut seen = Vec::new();
                while let Some((what, thread)) = said.recv().await {
                    let thread = thread.unwrap_or_default();
                    assert!(thread.ends_with(stringify!($kind)), "{what} on {thread}");
                    seen.push(what);
                    if seen.len() == 5 {
                        let child = child.clone();
                        stop = Some(scope.task("stop", async move {
                            roundrock::Ok(child.stop(LIMIT / 2).await)
                        }));
                    }
                }
                let report = stop.expect("all was said").await?;
                assert!(report.is_clean(), "{report}");
                assert_eq!(seen.first(), Some(&"start"));
                assert!(seen.ends_with(&["stop", "drop"]), "{seen:?}");
                seen.sort_unstable();
                assert_eq!(
                    seen,
                    ["drop", "put", "start", "stop", "take", "then", "tick"]
                );
                Ok(())
            });
        }
    };
}
blocks_everywhere!(a_blocking_struct_may_block_in_all_of_its_code, blocking);
blocks_everywhere!(a_cpu_struct_may_block_in_all_of_its_code, cpu);

/// A tick of a struct that blocks runs where it may block.
#[test]
fn a_tick_of_a_blocking_struct_may_block() {
    #[process(blocking)]
    struct Clock {
        out: Sender<Option<String>>,
    }
    #[handlers]
    impl Clock {
        #[every("1ms")]
        fn tick(&mut self) {
            let thread = std::thread::current().name().map(str::to_owned);
            let _ = self.out.blocking_send(thread);
        }
        fn nothing(&self) {}
    }
    on_threads(|scope| async move {
        let (out, ticks) = rendezvous();
        let child = scope.child("clocks");
        let clock = child.spawn(Clock { out });
        for _ in 0..3 {
            let thread = ticks.recv().await.flatten().unwrap_or_default();
            assert!(thread.ends_with("blocking"), "a tick on {thread}");
        }
        clock.nothing().send().await?;
        drop(ticks);
        let report = child.stop(LIMIT / 2).await;
        assert!(report.is_clean(), "{report}");
        Ok(())
    });
}

/// A failure of `on_start`, and a panic of `on_stop`, of a struct that blocks are those of its process.
#[test]
fn hooks_of_a_blocking_struct_fail_their_process() {
    #[process(blocking)]
    struct Picky {
        start: bool,
        stop: bool,
    }
    #[handlers]
    impl Picky {
        #[on_start]
        fn hello(&mut self) -> Result<()> {
            ensure!(self.start, "no start");
            Ok(())
        }
        #[on_stop]
        fn bye(&mut self) {
            assert!(self.stop, "no stop");
        }
        fn nothing(&self) {}
    }
    on_workers(|scope| async move {
        for (start, stop, said) in [(false, true, "no start"), (true, false, "no stop")] {
            let picky = scope.spawn_isolated(Picky { start, stop });
            let done = picky.done();
            if start {
                picky.nothing().await?;
            }
            drop(picky);
            let exit = done.await;
            assert!(
                exit.is_failure() && exit.to_string().contains(said),
                "{exit}"
            );
        }
        Ok(())
    });
}

/// P34: a job cannot be killed with its process, so the next incarnation waits for it; also `remove` does.
#[test]
fn p34_incarnations_do_not_overlap_in_a_job() {
    /// Jobs that run now, and the most that ever did.
    #[derive(Debug, Default)]
    struct Jobs {
        now: AtomicUsize,
        most: AtomicUsize,
        begun: AtomicUsize,
        may_end: AtomicUsize,
    }

    #[process]
    async fn works(jobs: &Arc<Jobs>) {
        let jobs = Arc::clone(jobs);
        blocking(move || {
            let now = jobs.now.fetch_add(1, Ordering::SeqCst) + 1;
            jobs.most.fetch_max(now, Ordering::SeqCst);
            let number = jobs.begun.fetch_add(1, Ordering::SeqCst);
            while jobs.may_end.load(Ordering::SeqCst) <= number {
                std::thread::yield_now();
            }
            jobs.now.fetch_sub(1, Ordering::SeqCst);
        })
        .await;
    }

    on_threads(|scope| async move {
        let child = scope.child("children").intensity(100, secs(60));
        let jobs = Arc::new(Jobs::default());
        let works = child
            .supervise(works(Arc::clone(&jobs)))
            .backoff(millis(0)..millis(0))
            .permanent()
            .spawn();
        for round in 1..=3 {
            while jobs.begun.load(Ordering::SeqCst) < round {
                yield_now().await;
            }
            works.kill();
            // A restart that does not wait would come in one of these turns.
            for _ in 0..200 {
                yield_now().await;
            }
            jobs.may_end.store(round, Ordering::SeqCst);
        }
        while jobs.begun.load(Ordering::SeqCst) < 4 {
            yield_now().await;
        }
        works.kill();
        let ended = Arc::clone(&jobs);
        let last = scope.task("ends the last", async move {
            for _ in 0..200 {
                yield_now().await;
            }
            ended.may_end.store(usize::MAX, Ordering::SeqCst);
        });
        works.remove().await;
        assert_eq!(
            jobs.now.load(Ordering::SeqCst),
            0,
            "removed before its job had ended"
        );
        assert_eq!(jobs.most.load(Ordering::SeqCst), 1, "two at once");
        last.await?;
        Ok(())
    });
}

/// The blocking job of an incarnation returns before the next one begins. P30.
#[test]
fn no_job_of_an_incarnation_is_left_when_the_next_one_begins() {
    #[process(blocking)]
    fn job(count: &Arc<AtomicUsize>, starts: &Arc<AtomicUsize>, go: &Receiver<()>) {
        let _alone = Alone::new(count);
        starts.fetch_add(1, Ordering::SeqCst);
        // Killed meanwhile, which a job does not notice.
        while starts.load(Ordering::SeqCst) < 100 && go.try_recv().is_err() {
            std::thread::yield_now();
        }
    }
    on_threads(|scope| async move {
        let parts = scope.child("parts").intensity(100, secs(60));
        let (count, starts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (go, wait) = bounded(1);
        // Permanent, since a job may return at the very moment at which its process is killed.
        let task = parts
            .supervise(job(Arc::clone(&count), Arc::clone(&starts), wait))
            .permanent()
            .backoff(millis(0)..millis(0))
            .spawn();
        for n in 1..=5 {
            while starts.load(Ordering::SeqCst) < n {
                yield_now().await;
            }
            task.kill();
            yield_now().await;
            go.send(()).await?;
        }
        while starts.load(Ordering::SeqCst) < 6 {
            yield_now().await;
        }
        let removed = task.remove();
        go.send(()).await?;
        removed.await;
        let (starts, left) = (starts.load(Ordering::SeqCst), count.load(Ordering::SeqCst));
        assert_eq!((starts, left), (6, 0));
        parts.join().await
    });
}
