//! Calls to struct processes: each completes, and says truly what became of it. P4, P13, P24.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use roundrock::prelude::*;
use roundrock_tests::{LIMIT, on, on_workers};

#[derive(Default)]
#[process(mailbox = 4)]
struct Service {
    begun: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    held: Vec<Reply<u32, String>>,
    next: Option<ServiceHandle>,
}

#[handlers]
impl Service {
    async fn work(&mut self, ms: u64) -> u32 {
        self.begun.fetch_add(1, Ordering::SeqCst);
        sleep(millis(ms)).await;
        self.ended.fetch_add(1, Ordering::SeqCst);
        7
    }
    fn note(&mut self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }
    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
    fn hold(&mut self, reply: Reply<u32, String>) {
        self.held.push(reply);
    }
    fn wanted(&self) -> usize {
        self.held.iter().filter(|reply| reply.is_wanted()).count()
    }
    fn answer(&mut self, with: Result<u32, String>) {
        for reply in self.held.drain(..) {
            match with.clone() {
                Ok(value) => reply.send(value),
                Err(error) => reply.fail(error),
            }
        }
    }
    fn forget(&mut self) {
        self.held.clear();
    }
    fn panics(&self) -> u32 {
        panic!("as asked")
    }
    fn deadline(&mut self, cx: &mut Cx) -> Option<Instant> {
        cx.deadline()
    }
    async fn ask_next(&mut self) -> Result<Option<Instant>, CallError> {
        match &self.next {
            Some(next) => next.deadline().await,
            None => Err(CallError::Gone),
        }
    }
}

/// P24: the one that was being handled when the process crashed has crashed; those in the queue were not begun, and are gone.
#[test]
fn p24_what_was_not_begun_when_the_process_crashed_is_gone() {
    on_workers(|scope| async move {
        let service = scope.spawn_isolated(Service::default());
        service.work(10).send_and_forget().await?;
        let crash = {
            let service = service.clone();
            scope.task(
                "crash",
                async move { roundrock::Ok(service.panics().await) },
            )
        };
        sleep(millis(2)).await;
        let waiting: JoinSet<_> = (0..3)
            .map(|_| {
                let service = service.clone();
                scope.task("waits", async move { roundrock::Ok(service.begun().await) })
            })
            .collect();
        assert_eq!(crash.await?, Err(CallError::Crashed));
        let mut waiting = waiting;
        while let Some(answer) = waiting.join_next().await {
            assert_eq!(answer?, Err(CallError::Gone));
        }
        assert_eq!(service.begun().await, Err(CallError::Gone));
        Ok(())
    });
}

/// P24: a stored reply answers, fails, or is dropped; the caller learns which.
#[test]
fn p24_stored_replies_complete() {
    on_workers(|scope| async move {
        let service = scope.spawn(Service::default());
        for (turn, expected) in [
            Ok(9),
            Err(CallError::Failed("no".to_owned())),
            Err(CallError::NoReply),
        ]
        .into_iter()
        .enumerate()
        {
            let callers: Vec<_> = (0..3)
                .map(|_| {
                    let service = service.clone();
                    scope.task("caller", async move { roundrock::Ok(service.hold().await) })
                })
                .collect();
            while service.wanted().await? < 3 {
                sleep(millis(1)).await;
            }
            match turn {
                0 => service.answer(Ok(9)).await?,
                1 => service.answer(Err("no".to_owned())).await?,
                _ => service.forget().await?,
            }
            for caller in callers {
                assert_eq!(caller.await?, expected);
            }
        }
        assert!(service.hold().within(millis(2)).await.is_err());
        assert_eq!(service.wanted().await?, 0, "its caller has gone");
        Ok(())
    });
}

/// P12, which excepts started calls: a call that is dropped before its turn is withdrawn; after that the handler runs to its end.
#[test]
fn p12_a_dropped_call_is_withdrawn_or_runs_to_its_end() {
    on_workers(|scope| async move {
        let state = Service::default();
        let (begun, ended) = (Arc::clone(&state.begun), Arc::clone(&state.ended));
        let service = scope.spawn(state);
        assert!(timeout(millis(5), service.work(20)).await.is_err());
        assert!(timeout(millis(2), service.note()).await.is_err());
        service.begun().await?;
        assert_eq!(begun.load(Ordering::SeqCst), 1);
        assert_eq!(ended.load(Ordering::SeqCst), 1);
        Ok(())
    });
}

/// A call whose time is up when its turn comes is not handled; what a handler calls inherits the earlier deadline.
#[test]
fn deadlines_travel_with_calls() {
    on_workers(|scope| async move {
        let last = scope.spawn(Service::default());
        let first = scope.spawn(Service {
            next: Some(last.clone()),
            ..Service::default()
        });
        assert_eq!(first.ask_next().await?, None);
        let before = Instant::now();
        let deadline = first.ask_next().within(LIMIT).await?;
        assert!(deadline.is_some_and(|at| at > before && at <= Instant::now() + LIMIT));

        let limited = scope.within(LIMIT);
        let (handle, outer) = (last.clone(), limited.deadline());
        let inherited = limited.task("caller", async move {
            let scope_only = handle.deadline().await?;
            let own = handle.deadline().within(LIMIT / 2).await?;
            let longer = handle.deadline().within(LIMIT * 2).await?;
            roundrock::Ok((scope_only, own, longer))
        });
        let (scope_only, own, longer) = inherited.await?;
        assert_eq!(scope_only, outer);
        assert!(own < outer && longer <= outer);

        last.work(20).send_and_forget().await?;
        assert_eq!(
            last.note().within(millis(2)).await,
            Err(CallError::Deadline)
        );
        last.note().within(millis(2)).send().await?;
        assert_eq!(last.begun().await?, 1);
        Ok(())
    });
}

/// P4: a call that finds no room, or nobody, comes back and can be made again.
#[test]
fn p04_a_call_that_was_refused_can_be_made_again() {
    on_workers(|scope| async move {
        let service = scope.spawn(Service::default());
        service.work(10).send_and_forget().await?;
        let refused = loop {
            match service.note().try_send() {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        assert!(refused.is_full());
        refused.into_inner().send().await?;
        let call = service.note().owned();
        let done = service.done();
        drop(service);
        call.await?;
        assert!(done.await.is_normal(), "no handle is left");
        Ok(())
    });
}

/// `join!`, `within` and `timeout` take calls and tasks as they take futures.
#[test]
fn calls_and_tasks_are_joined_and_limited() {
    on_workers(|scope| async move {
        let group = scope.child("group");
        let (one, two) = (
            group.spawn(Service::default()),
            group.spawn(Service::default()),
        );
        let task = scope.task("task", async { roundrock::Ok(3) });
        let (first, second, third) = join!(one.work(1), two.work(1), task);
        assert_eq!(first? + second? + third? as u32, 17);
        let slow = group.task("slow", std::future::pending::<()>());
        let done = slow.done();
        assert!(slow.within(millis(2)).await.is_err());
        assert!(done.within(millis(2)).await.is_err(), "it runs on");
        let quick = scope.task("quick", async { roundrock::Ok(1) });
        assert_eq!(quick.within(LIMIT).await??, 1);
        group.stop(millis(1)).await;
        Ok(())
    });
}

/// Says of a type whether it can be cloned; the question is decided where the method is looked up.
struct Asked<T>(PhantomData<T>);

trait ByDefault {
    fn is_clone(&self) -> bool {
        false
    }
}

impl<T> ByDefault for &Asked<T> {}

impl<T: Clone> Asked<T> {
    fn is_clone(&self) -> bool {
        true
    }
}

/// P25: there is one `Reply` for each call, which cannot be doubled and is used up by the answer, so that each caller has its own
/// answer and no other; that `reply.send(1); reply.send(2)` does not compile is in `ui/handlers/reply-twice.rs`.
#[test]
fn p25_a_call_has_one_answer() {
    let number = &Asked::<u32>(PhantomData);
    let reply = &Asked::<Reply<u32, String>>(PhantomData);
    assert!(number.is_clone() && !reply.is_clone());
    on_workers(|scope| async move {
        let desk = scope.spawn(Desk::default());
        let mut callers = Vec::new();
        for number in 0..6 {
            let at = desk.clone();
            callers.push(scope.task("caller", async move { roundrock::Ok(at.ask(number).await) }));
        }
        while desk.open().await? < 6 {}
        desk.settle().await?;
        assert_eq!(desk.open().await?, 0);
        for (number, caller) in (0..).zip(callers) {
            let expected = match number % 3 {
                0 => Ok(number),
                1 => Err(CallError::Failed(number.to_string())),
                _ => Err(CallError::NoReply),
            };
            assert_eq!(caller.await?, expected);
        }
        Ok(())
    });
}

#[derive(Default)]
#[process]
struct Desk {
    asked: Vec<(u32, Reply<u32, String>)>,
}

#[handlers]
impl Desk {
    fn ask(&mut self, number: u32, reply: Reply<u32, String>) {
        self.asked.push((number, reply));
    }
    fn open(&self) -> usize {
        self.asked.len()
    }
    /// Answers, fails, or forgets, the last call first.
    fn settle(&mut self) {
        while let Some((number, reply)) = self.asked.pop() {
            match number % 3 {
                0 => reply.send(number),
                1 => reply.fail(number.to_string()),
                _ => drop(reply),
            }
        }
    }
}

#[derive(Debug)]
struct Broken(io::Error);
impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the table cannot be read")
    }
}
impl StdError for Broken {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}
/// No error, though it has a text.
#[derive(Debug, PartialEq)]
struct Refused;
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}
fn disk() -> io::Error {
    io::Error::other("no disk")
}
#[process]
struct Table;
#[handlers]
impl Table {
    fn own(&self) -> Result<(), Broken> {
        Err(Broken(disk()))
    }
    fn plain(&self) -> io::Result<u32> {
        Err(disk())
    }
    async fn any(&self) -> Result<()> {
        Err(Error::from(disk()).context("reading the table"))
    }
    fn boxed(&self) -> Result<(), Box<dyn StdError + Send + Sync>> {
        Err(Box::new(Broken(disk())))
    }
    fn later(&self, reply: Reply<u32, Broken>) {
        reply.fail(Broken(disk()));
    }
    fn text(&self) -> Result<(), String> {
        Err("only a text".to_owned())
    }
    fn refuses(&self) -> Result<(), Refused> {
        Err(Refused)
    }
}
/// As a process that hands the error on.
fn through<T, E>(failed: Result<T, CallError<E>>) -> Error
where
    CallError<E>: StdError + Send + Sync + 'static,
{
    match failed {
        Ok(_) => panic!("it fails"),
        Err(error) => Error::from(error),
    }
}

/// What a handler failed with is the source of the error of its call, with its own causes, and survives a `?`.
#[test]
fn an_error_of_a_handler_keeps_its_causes() {
    on_workers(|scope| async move {
        let table = scope.spawn(Table);
        for error in [
            through(table.own().await),
            through(table.later().await),
            through(table.boxed().await),
        ] {
            assert_eq!(error.to_string(), "the table cannot be read");
            assert_eq!(format!("{error:#}"), "the table cannot be read: no disk");
            assert_eq!(
                format!("{error:?}"),
                "the table cannot be read\n\nCaused by:\n    no disk"
            );
            assert!(error.chain().any(|cause| cause.is::<Broken>()));
            assert!(error.downcast_ref::<io::Error>().is_some());
        }
        let error = through(table.plain().await).context("asking the table");
        assert_eq!(format!("{error:#}"), "asking the table: no disk");
        assert!(error.downcast_ref::<io::Error>().is_some());
        let error = through(table.any().await);
        assert_eq!(format!("{error:#}"), "reading the table: no disk");
        assert!(error.downcast_ref::<io::Error>().is_some());
        // What is no error has no causes.
        let error = through(table.text().await);
        assert_eq!(
            (error.chain().count(), error.to_string().as_str()),
            (1, "only a text")
        );
        let failed = table.refuses().await;
        assert_eq!(failed, Err(CallError::Failed(Refused)));
        assert!(failed.is_err_and(|error| error.source().is_none()));
        Ok(())
    });
}

/// Handles are equal if they lead to the same process, and may be keys.
#[test]
fn handles_are_compared_by_their_process() {
    use std::collections::HashSet;

    #[process]
    struct Silent;
    #[handlers]
    impl Silent {
        fn ping(&self) {}
    }
    #[process]
    async fn reads(#[inbox(1)] numbers: &Receiver<u32>) {
        while numbers.recv().await.is_some() {}
    }
    on_workers(|scope| async move {
        let (one, other) = (scope.spawn(Silent), scope.spawn(Silent));
        assert!(one == one.clone() && one != other);
        // It is dropped before the two: in an order that is another one in each run.
        let known: HashSet<SilentHandle> = [&one, &other, &one].into_iter().cloned().collect();
        assert_eq!(known.len(), 2);
        // A restart does not change which process it is.
        let child = scope
            .supervise(|| Silent)
            .backoff(micros(1)..micros(2))
            .spawn();
        let (before, done) = (child.clone(), child.done());
        child.kill();
        done.await;
        child.ping().await?;
        assert_eq!(child, before);
        child.stop();
        let (one, other) = (scope.spawn(reads()), scope.spawn(reads()));
        assert!(one == one.clone() && one != other);
        let known: HashSet<ReadsHandle> = [&one, &other, &one].into_iter().cloned().collect();
        assert_eq!(known.len(), 2);
        Ok(())
    });
}

#[test]
fn exits_and_refusals_are_compared() {
    on_workers(|scope| async move {
        let task = scope
            .child("group")
            .task("broken", async { Err::<(), _>(Error::msg("no disk")) });
        let exit = task.done().await;
        assert_eq!(exit, task.done().await);
        assert_ne!(exit, Exit::Ok);
        let again = scope
            .child("group")
            .task("broken", async { Err::<(), _>(Error::msg("no disk")) });
        assert_ne!(exit, again.done().await, "another failure");
        assert_eq!(scope.task("whole", async {}).done().await, Exit::Ok);
        let (jobs, inbox) = bounded(1);
        assert_eq!(jobs.send(1).await, Ok(()));
        drop(inbox);
        let (one, other) = (jobs.send(1).await, jobs.send(2).await);
        assert_ne!(one, other);
        assert_eq!(jobs.send(1).await, one);
        Ok(())
    });
}

/// A call whose time is up before its handler begins is told so, also if the process is killed in that moment: nothing of it was done.
#[test]
fn an_expired_call_was_not_begun_when_its_process_is_killed() {
    #[process]
    struct Busy {
        kill: Arc<std::sync::Mutex<Option<Handle<Busy>>>>,
    }

    #[handlers]
    impl Busy {
        /// Takes longer than the next one may wait, and is killed meanwhile.
        fn work(&self) {
            std::thread::sleep(Duration::from_millis(8));
            if let Some(own) = &*self.kill.lock().expect("not poisoned") {
                own.kill();
            }
        }

        fn put(&self) {}
    }

    on(1, |scope| async move {
        for _ in 0..5 {
            let parts = scope.child("parts");
            let kill = Arc::default();
            let shared = Arc::clone(&kill);
            let busy = parts
                .supervise(move || Busy {
                    kill: Arc::clone(&shared),
                })
                .spawn();
            *kill.lock().expect("not poisoned") = Some((*busy).clone());
            busy.work().send().await?;
            let late = busy.put().within(millis(3)).await;
            assert_eq!(late, Err(CallError::Deadline));
            kill.lock().expect("not poisoned").take();
            parts.stop(LIMIT).await;
        }
        Ok(())
    });
}
