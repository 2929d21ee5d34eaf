//! Memory stays flat: whatever a program does again and again, it may do for ever. P15, P42.
//!
//! Each row does one thing many times, in windows. What is cached or grows by doubling grows in some windows; what is kept for each
//! time grows in all of them. So the least growth of any window counts.
//!
//! A binary of its own, with one test, because it counts what the whole program allocates. There is one worker: what one frees that
//! another one has allocated stays with it for the next time, up to 1 MiB.

#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System as Heap};
use std::sync::atomic::{AtomicIsize, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

use roundrock::prelude::*;
use roundrock::sync::{Mutex, Semaphore};
use roundrock_tests::yield_now;

/// Bytes that are allocated and not freed.
static LIVE: AtomicIsize = AtomicIsize::new(0);

struct Counting;

fn count(bytes: usize, sign: isize) {
    LIVE.fetch_add(sign * bytes.cast_signed(), Ordering::SeqCst);
}

// SAFETY: all is done by the system's allocator, as it is asked.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise.
        unsafe { Heap.alloc(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller's promise.
        unsafe { Heap.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Windows, the first of which warms the caches.
const WINDOWS: usize = 6;

/// What each window of so many times has kept.
struct Row {
    what: &'static str,
    times: usize,
    before: isize,
    windows: Vec<isize>,
}

impl Row {
    fn new(what: &'static str, times: usize) -> Self {
        Self {
            what,
            times,
            before: LIVE.load(Ordering::SeqCst),
            windows: Vec::with_capacity(WINDOWS + 1),
        }
    }

    /// Ends a window. False after the last one.
    ///
    /// # Panics
    /// After the last one, if each has kept memory.
    fn next(&mut self) -> bool {
        let now = LIVE.load(Ordering::SeqCst);
        self.windows
            .push(now - std::mem::replace(&mut self.before, now));
        if self.windows.len() <= WINDOWS {
            return true;
        }
        // Without what was before the first window, and the first one.
        let all = &self.windows[2..];
        println!("{}: {} times keep {all:?} bytes", self.what, self.times);
        // Less than a byte for each time, or than a small thing in all.
        let least = all.iter().min().copied().unwrap_or_default();
        let allowed = self.times.max(64).cast_signed();
        assert!(
            least < allowed,
            "{}: {} times keep {all:?} bytes",
            self.what,
            self.times
        );
        false
    }
}

/// Does something again and again.
macro_rules! row {
    ($what:literal, $times:literal, $once:block) => {
        let mut row = Row::new($what, $times);
        while row.next() {
            for _ in 0..$times $once
        }
    };
}

#[process(mailbox = 2)]
#[derive(Clone)]
struct Server;

#[handlers]
impl Server {
    fn add(&mut self, #[key] number: u64) -> u64 {
        number + 1
    }
    async fn hang(&mut self) {
        std::future::pending::<()>().await;
    }
    fn fail(&mut self) {
        panic!("flat: as asked");
    }
    fn later(&mut self, reply: Reply<u64>) {
        drop(reply);
    }
}

#[process]
async fn read(#[inbox(2)] numbers: &Receiver<u64>, starts: &Arc<AtomicU32>) -> Result<()> {
    starts.fetch_add(1, Ordering::SeqCst);
    while let Some(number) = numbers.recv().await {
        ensure!(number > 0, "flat: as asked");
    }
    Ok(())
}

async fn processes(scope: &Scope) {
    row!("a task", 500, {
        let task = scope.task("task", async { roundrock::Ok([7_u8; 100]) });
        assert_eq!(task.await.map(|value| value[0]), Ok(7));
    });
    row!("a task whose handle is dropped", 500, {
        let (ended, end) = oneshot::<()>();
        drop(scope.task("task", async move { drop(ended) }));
        let _ = end.await;
    });
    row!("a task that is killed", 500, {
        let task = scope.task("task", std::future::pending::<()>());
        task.kill();
        task.done().await;
    });
    row!("a panic", 200, {
        let own = scope.child("own");
        let task = own.task("task", async {
            assert!(std::hint::black_box(false), "flat: as asked");
        });
        task.done().await;
        assert!(own.join().await.is_err());
    });
    let lives = scope.task("lives", scope.stopping());
    row!("a wait for a task that lives on", 500, {
        assert!(lives.done().within(Duration::ZERO).await.is_err());
        assert!(timeout(Duration::ZERO, scope.stopping()).await.is_err());
    });
    lives.kill();
    row!("a set of tasks", 200, {
        let mut set = JoinSet::new();
        for number in 0..3 {
            set.add(scope.task("task", async move { roundrock::Ok(number) }));
        }
        while set.join_next().await.is_some() {}
    });
}

async fn scopes(scope: &Scope) {
    row!("a scope", 500, {
        let own = scope.child("own");
        drop(own.task("task", async {}));
        own.join().await.expect("nothing fails");
    });
    row!("a scope that fails, joined twice", 200, {
        let own = scope.child("own");
        let sibling = own.task("sibling", own.stopping());
        drop(own.task("fails", async move {
            Err::<(), _>(Error::msg("flat").context(sibling.name()))
        }));
        assert!(own.join().await.is_err() && own.join().await.is_err());
    });
    row!("a scope that is stopped", 200, {
        let own = scope.child("own");
        drop(own.task("task", own.stopping()));
        assert!(own.stop(secs(5)).await.is_clean());
    });
    row!("a group", 500, {
        let done = scope.group(async |group| {
            drop(group.task("task", async {}));
            Ok(7)
        });
        assert!(matches!(done.await, Ok(7)));
    });
    let server = scope.spawn(Server);
    row!("a name", 500, {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("name {}", NEXT.fetch_add(1, Ordering::SeqCst));
        scope.register(&name, &server).expect("it is new");
        assert!(scope.lookup::<ServerHandle>(&name).is_some());
        assert!(scope.unregister(&name));
        let wait = scope.wait_for_name::<ServerHandle>(&name);
        assert!(timeout(Duration::ZERO, wait).await.is_err());
    });
    server.stop();
    server.done().await;
}

async fn structs(scope: &Scope) {
    row!("a struct", 500, {
        let server = scope.spawn(Server);
        assert_eq!(server.add(1).await, Ok(2));
        assert_eq!(server.later().await, Err(CallError::NoReply));
        server.stop();
        server.done().await;
    });
    let server = scope.spawn(Server);
    row!("a call", 1000, {
        assert_eq!(server.add(1).await, Ok(2));
        drop(server.add(1));
        drop(server.downgrade().upgrade());
    });
    drop(server.hang().send_and_forget().await);
    row!("a call that is given up", 500, {
        assert!(server.add(1).within(Duration::ZERO).await.is_err());
        drop(timeout(Duration::ZERO, server.add(1)).await);
    });
    server.kill();
    server.done().await;
    row!("a call of nobody", 500, {
        assert!(server.add(1).await.is_err())
    });
    for routed in [false, true] {
        row!("a pool", 100, {
            let own = scope.child("own");
            let pool = match routed {
                false => own.pool(3, Server),
                true => own.pool(3, Server.by_key()),
            };
            for number in 0..6 {
                assert_eq!(pool.add(number).await, Ok(number + 1));
            }
            pool.stop();
            own.join().await.expect("nothing fails");
        });
    }
}

async fn children(scope: &Scope) {
    let parts = scope.child("parts").intensity(usize::MAX, secs(10));
    let at_once = Duration::ZERO..Duration::ZERO;
    row!("a child that comes and goes", 200, {
        let child = parts.supervise(|| Server).spawn();
        assert_eq!(child.add(1).await, Ok(2));
        child.task().remove().await;
    });
    let child = parts.supervise(|| Server).backoff(at_once.clone()).spawn();
    row!("a restart of a struct", 200, {
        assert!(child.fail().await.is_err());
        assert_eq!(child.add(1).await, Ok(2));
    });
    let starts = Arc::new(AtomicU32::new(0));
    let reader = parts
        .supervise(read(Arc::clone(&starts)))
        .backoff(at_once)
        .spawn();
    let mut wanted = 1;
    row!("a restart of a function", 200, {
        reader.numbers().send(0).await.expect("it comes again");
        wanted += 1;
        while starts.load(Ordering::SeqCst) < wanted {
            yield_now().await;
        }
    });
    assert!(parts.stop(secs(5)).await.is_clean());
}

async fn channels(scope: &Scope) {
    row!("channels", 500, {
        let (sender, receiver) = bounded(4);
        let (asked, answers) = rendezvous::<u64>();
        sender.send(vec![7_u8; 64]).await.expect("there is room");
        assert!(asked.send(7).within(Duration::ZERO).await.is_err());
        drop(sender.ready().await.expect("there is room"));
        drop((answers, receiver));
        assert!(sender.send(Vec::new()).await.is_err());
        let (state, watcher) = latest(vec![1_u8; 64]);
        state.set(vec![2; 64]);
        assert!(watcher.changed().await.is_ok());
        let (news, reader) = broadcast(4);
        for number in 0..6 {
            news.send(number).await.expect("somebody reads");
        }
        let _ = reader.recv().await;
        let (answer, question) = oneshot();
        answer.send(7).expect("somebody asks");
        assert_eq!(question.await, Some(7));
    });
    let (_sender, receiver) = bounded::<u64>(4);
    let (_other, more) = rendezvous::<u64>();
    row!("a select whose branches are given up", 500, {
        select! {
            _ = receiver.recv() => {}
            _ = more.recv() => {}
            _ = sleep(Duration::ZERO) => {}
            _ = scope.stopping() => {}
        }
    });
    let (lock, places) = (Mutex::new(0), Semaphore::new(1));
    row!("a lock that is waited for in vain", 500, {
        let _held = (lock.lock().await, places.acquire().await);
        assert!(lock.lock().within(Duration::ZERO).await.is_err());
        assert!(places.acquire().within(Duration::ZERO).await.is_err());
        drop(Mutex::new(7).lock().await);
    });
    row!("timers", 500, {
        assert!(timeout(Duration::ZERO, sleep(secs(3600))).await.is_err());
        let mut tick = interval(millis(1000));
        assert!(tick.next().within(Duration::ZERO).await.is_err());
    });
}

async fn threads(scope: &Scope) {
    row!("a job that blocks", 200, {
        assert_eq!(blocking(|| 7).await, 7)
    });
    row!("a job that is given up", 100, {
        let own = scope.child("own");
        let (release, held) = mpsc::channel::<()>();
        let task = own.task("gives up", async move {
            let job = blocking(move || held.recv().is_err());
            assert!(job.within(millis(1)).await.is_err());
        });
        task.await.expect("it gives up");
        drop(release);
        own.join().await.expect("nothing fails");
    });
}

async fn observers(scope: &Scope) {
    let system = scope.system();
    let kept = bounded::<u64>(1);
    row!("what observers ask for", 100, {
        let (events, letters) = (system.events(), system.dead_letters());
        let (lost, nobody) = bounded::<u64>(1);
        drop(nobody);
        drop(lost.send(7).await);
        assert!(system.ledger().is_balanced() && letters.try_recv().is_ok());
        drop((system.snapshot(), system.dump(), system.leaks(), events));
    });
    drop(kept);
    row!("a system", 20, {
        let ended = blocking(|| System::builder().workers(1).run(async |_scope| Ok(7))).await;
        assert!(matches!(ended, Ok(7)));
    });
}

#[test]
fn what_is_done_again_and_again_keeps_no_memory() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str();
        if text.is_none_or(|text| !text.starts_with("flat")) {
            hook(info);
        }
    }));
    let ended = System::builder().workers(1).run(async |scope| {
        processes(&scope).await;
        scopes(&scope).await;
        structs(&scope).await;
        children(&scope).await;
        channels(&scope).await;
        threads(&scope).await;
        observers(&scope).await;
        Ok(())
    });
    ended.expect("nothing fails");
}
