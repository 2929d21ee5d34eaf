//! Input that no program means, to every constructor and option: a panic that names the option and its range, or, where the
//! input has a meaning after all, exactly that. What macros are given is checked by the compiler: see the ui tests.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Mutex, Once};
use std::time::Duration;

use roundrock::channel::{MAX_CAPACITY, unbounded};
use roundrock::prelude::*;
use roundrock::scope::MAX_POOL;
use roundrock::sim::{Faults, Reason, Simulation};
use roundrock::sync::{MAX_PERMITS, Semaphore};
use roundrock::system::MAX_WORKERS;
use roundrock_tests::{now, on_both, times};

/// What is refused: the words that the text must have, and what was written.
type Row<'a> = (Vec<String>, Box<dyn FnOnce() + 'a>);

fn row<'a, T, const N: usize>(words: [&str; N], build: impl FnOnce() -> T + 'a) -> Row<'a> {
    (
        words.map(str::to_owned).to_vec(),
        Box::new(move || drop(build())),
    )
}

thread_local! {
    static PANICKED_AT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Notes from now on where this thread panicked last.
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // It installs a hook of its own, once: not in the middle of this.
        let system = System::builder().workers(1).run(async |_scope| Ok(()));
        system.expect("it ends");
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            let site = panic.location().map(ToString::to_string);
            PANICKED_AT.replace(site.unwrap_or_default());
            before(panic);
        }));
    });
}

fn text(payload: &(dyn std::any::Any + Send)) -> String {
    match (
        payload.downcast_ref::<String>(),
        payload.downcast_ref::<&str>(),
    ) {
        (Some(text), _) => text.clone(),
        (_, Some(text)) => (*text).to_owned(),
        _ => "a panic without a text".to_owned(),
    }
}

#[process]
#[derive(Clone)]
struct Idle;

#[handlers]
impl Idle {
    fn nothing(&self) {}
}

#[process]
async fn quiet(input: &Receiver<u8>) {
    while input.recv().await.is_some() {}
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn bad_input_is_refused_by_name_and_range() {
    note_panics();
    on_both(1, |scope| async move {
        let most = |number: usize| number.to_string();
        let [workers, capacity, permits, pool] = [
            most(MAX_WORKERS),
            most(MAX_CAPACITY),
            most(MAX_PERMITS as usize),
            most(MAX_POOL),
        ];
        let (eight, _held) = bounded::<u8>(8);
        let (free, read) = unbounded::channel::<u8>();
        let semaphore = Semaphore::new(3);
        let child = scope.child("refused");
        let (_input, lent) = bounded::<u8>(1);
        let table = [
            row(["workers", "1 to", &workers, "not 0"], || {
                System::builder().workers(0)
            }),
            row(["workers", "1 to", &workers], || {
                System::builder().workers(MAX_WORKERS + 1)
            }),
            row(["workers", "1 to", &workers], || {
                System::builder().workers(usize::MAX)
            }),
            row(["name", "at least 1", "not \"\""], || {
                System::builder().name("")
            }),
            row(["name", "no NUL"], || System::builder().name("a\0b")),
            row(["capacity", "0 to", &capacity], || {
                bounded::<u8>(MAX_CAPACITY + 1)
            }),
            row(["capacity", "0 to", &capacity], || {
                bounded::<u8>(usize::MAX)
            }),
            row(["capacity", "broadcast", "at least 1"], || {
                broadcast::<u8>(0)
            }),
            row(["overflow", "rendezvous", "at least 1"], || {
                rendezvous::<u8>().overflow(Overflow::DropOldest)
            }),
            row(["rendezvous", "at least 1"], || {
                bounded::<u8>(0).overflow(Overflow::DropNewest)
            }),
            row(["ready_many(0)", "at least 1", "8"], || {
                now(eight.ready_many(0)).is_ok()
            }),
            row(["ready_many(9)", "at least 1", "8"], || {
                now(eight.ready_many(9)).is_ok()
            }),
            row(["ready_many(0)", "at least 1"], || {
                now(free.ready_many(0)).is_ok()
            }),
            row(["recv_many(0)", "at least 1"], || now(read.recv_many(0))),
            row(["interval", "at least 1 ns", "not 0"], || {
                interval(Duration::ZERO)
            }),
            row(["permits", "1 to", &permits, "not 0"], || Semaphore::new(0)),
            row(["permits", "1 to", &permits], || {
                Semaphore::new(MAX_PERMITS + 1)
            }),
            row(["count", "1 to 3", "not 0"], || semaphore.acquire_many(0)),
            row(["count", "1 to 3", "not 4"], || semaphore.acquire_many(4)),
            row(["workers", "pool", "1 to", &pool], || child.pool(0, Idle)),
            row(["workers", "pool", "1 to", &pool], || {
                child.pool(usize::MAX, Idle)
            }),
            // So many would not find room on one mailbox.
            row(["workers", "pool", "1 to", &pool], || {
                child.pool(600_000, Idle)
            }),
            row(["workers", "pool", "1 to", &pool], || {
                child.pool(0, quiet(lent.clone()))
            }),
            row(["workers", "pool", "1 to", &pool], || {
                child.pool(MAX_POOL + 1, quiet(lent.clone()))
            }),
            row(["workers", "pool", "1 to", &pool], || {
                child.pool(0, Idle.round_robin())
            }),
            row(["credit(0)", "at least 1", "8"], || eight.clone().credit(0)),
            row(["credit(9)", "at least 1", "8"], || eight.clone().credit(9)),
            row(["credit", "at least 1"], || free.clone().credit(usize::MAX)),
            row(["growth", "100 ms to 1 h", "not 0ns"], || {
                System::builder().growth(1, Duration::ZERO)
            }),
            row(["growth", "100 ms to 1 h"], || {
                System::builder().growth(u64::MAX, Duration::MAX)
            }),
            row(["seeds", "at least 1", "not 0"], || {
                Simulation::new("none").seeds(0)
            }),
            row(["max_steps", "at least 1", "not 0"], || {
                Simulation::new("none").max_steps(0)
            }),
            row(["panic", "from 0 to 1", "NaN"], || {
                Faults::none().panic(f64::NAN)
            }),
            row(["slow", "from 0 to 1", "-0.1"], || {
                Faults::none().slow(-0.1)
            }),
            row(["stall", "from 0 to 1", "1.5"], || {
                Faults::none().stall(1.5)
            }),
            row(["delay", "from 0 to 1", "inf"], || {
                Faults::none().delay(f64::INFINITY)
            }),
            row(["below(0)", "the least is 1"], || roundrock::rng().below(0)),
            row(["range(5..5)", "start must be below"], || {
                roundrock::rng().range(5..5)
            }),
            row(["chance", "0 to 1", "NaN"], || {
                roundrock::rng().chance(f64::NAN)
            }),
            row(["chance", "0 to 1", "2"], || roundrock::rng().chance(2.0)),
            row(["intensity", "at least 1 ns"], || {
                child.clone().intensity(5, Duration::ZERO)
            }),
            row(["backoff", "5s", "1s"], || {
                let _ = child.supervise(|| Idle).backoff(secs(5)..secs(1));
            }),
        ];
        let mut wrong = Vec::new();
        for (number, (words, build)) in table.into_iter().enumerate() {
            match catch_unwind(AssertUnwindSafe(build)) {
                Ok(()) => wrong.push(format!("row {number}: {words:?} was accepted")),
                Err(payload) => {
                    let text = text(&*payload);
                    if !words.iter().all(|word| text.contains(word.as_str())) {
                        wrong.push(format!("row {number}: {text:?} does not say {words:?}"));
                    }
                    let site = PANICKED_AT.take();
                    // A simulation has a hook of its own.
                    if times(1, 0) == 1 && !site.starts_with(file!()) {
                        wrong.push(format!("row {number}: {text:?} is told at {site}"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(child.alive(), 0, "what is refused has started nothing");
        Ok(())
    });
}

/// The largest and the smallest values that have a meaning are taken at their word.
#[test]
fn extreme_values_mean_what_they_say() {
    on_both(2, |scope| async move {
        let (sender, receiver) = bounded::<u8>(0);
        assert_eq!(sender.capacity(), Some(0));
        let (most, _held) = bounded::<u8>(MAX_CAPACITY);
        most.send(1).await?;
        drop((sender, receiver));

        let (jobs, inbox) = bounded::<u8>(1);
        jobs.send(1).within(Duration::MAX).await?;
        assert_eq!(inbox.recv().within(Duration::MAX).await, Ok(Some(1)));
        assert!(inbox.recv().within(Duration::ZERO).await.is_err());
        assert_eq!(timeout(Duration::MAX, async { 7 }).await, Ok(7));
        let mut ticks = interval(Duration::MAX);
        assert!(timeout(millis(1), ticks.next()).await.is_err());
        assert!(timeout(millis(1), sleep(Duration::MAX)).await.is_err());
        roundrock::time::sleep_until(roundrock::time::now()).await;

        let idle = scope.child("").spawn(Idle);
        idle.nothing().within(Duration::MAX).await?;
        assert!(matches!(
            idle.nothing().within(Duration::ZERO).await,
            Ok(()) | Err(CallError::Deadline)
        ));
        let long = scope.within(Duration::MAX);
        assert_eq!(long.deadline(), None);
        long.spawn(Idle).nothing().await?;
        scope.register("", &idle)?;
        assert!(scope.lookup::<IdleHandle>("").is_some());
        assert!(scope.register("", &idle).is_err());
        assert!(scope.unregister(""));

        // A window and pauses that never end, and none at all.
        let patient = scope.child("patient").intensity(usize::MAX, Duration::MAX);
        let child = patient
            .supervise(|| Idle)
            .backoff(Duration::ZERO..Duration::ZERO)
            .shutdown(Duration::MAX)
            .spawn();
        for _ in 0..20 {
            let done = child.done();
            child.kill();
            done.await;
            child.nothing().await?;
        }
        let asleep = scope.child("asleep");
        let late = asleep
            .supervise(|| Idle)
            .backoff(Duration::MAX..Duration::MAX)
            .spawn();
        late.nothing().await?;
        late.kill();
        late.done().await;
        asleep.stop(Duration::MAX).await;
        late.closed().await;
        idle.stop();
        long.stop(Duration::ZERO).await;
        patient.stop(Duration::MAX).await;
        Ok(())
    });
    let run = System::builder()
        .workers(1)
        .grace(Duration::MAX)
        .run(async |_| Ok(1));
    assert_eq!(run.ok(), Some(1));
    let run = System::builder()
        .workers(1)
        .grace(Duration::ZERO)
        .run(async |scope| {
            let _ = scope.spawn(Idle);
            Ok(2)
        });
    assert_eq!(run.ok(), Some(2));
}

/// The last seed, and more after it: as many runs as were asked for. Limits of time that the clock does not reach are none.
#[test]
fn extreme_values_of_a_simulation_mean_what_they_say() {
    let seeds = Mutex::new(Vec::new());
    let search = Simulation::new("last")
        .first_seed(u64::MAX)
        .seeds(3)
        .max_steps(u64::MAX)
        .grace(Duration::MAX)
        .shrink(Duration::MAX)
        .faults(Faults::none().slow(1.0).delay(0.0));
    let passed = search.run(|sim: Sim| {
        seeds.lock().expect("no panic").extend(sim.seed());
        async { roundrock::Ok(()) }
    });
    assert_eq!(passed.expect("nothing is wrong").seeds, 3);
    let mut seeds = seeds.into_inner().expect("no panic");
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds, [0, 1, u64::MAX]);

    let failed = search.run(|_sim: Sim| std::future::pending::<Result<()>>());
    assert_eq!(failed.expect_err("it waits").reason, Reason::Deadlock);
}
