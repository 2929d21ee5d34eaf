//! Helpers shared by the tests.
//!
//! | helper | what it is for |
//! |---|---|
//! | [`Tally`], [`Token`] | messages and captures that must be dropped exactly once, in a known order |
//! | [`Step`], [`Wakes`] | polling a future by hand, with a waker that is not Roundrock's and counts |
//! | [`watched`], [`Stage`] | a test that hangs fails after 10 s and says what it was doing |
//! | [`on`], [`on_threads`] | a body as the main process of a system, which must leave no thread and no message behind |
//! | [`on_workers`], [`on_both`], [`simulated`] | a body on both schedulers, and on the deterministic one |
//! | [`fails_on_workers`] | the same for a body that fails |
//! | [`times`] | a size that differs between the two |
//! | [`assert_balanced`] | what became of every message |
//! | [`Random`] | seeded choices |

use std::cell::Cell;
use std::fmt::Debug;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use roundrock::channel::{Message, Receiver, Sender, bounded, rendezvous, unbounded};
use roundrock::observe::ProcessInfo;
use roundrock::process::IntoOutcome;
use roundrock::sim::Simulation;
use roundrock::system::Builder;
use roundrock::{Error, Result, Scope, System, Task, WaitKind};

/// How long a test may take before it counts as hanging. Never what decides that a test passes.
pub const LIMIT: Duration = Duration::from_secs(10);

/// The book of all [`Token`]s of one test: which were made, which were dropped, in which order.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    made: usize,
    dropped: Vec<u64>,
}

impl Tally {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a token with this number.
    pub fn token(&self, number: u64) -> Token {
        self.book().made += 1;
        Token {
            number,
            tally: self.clone(),
        }
    }

    /// How many tokens live now.
    pub fn live(&self) -> usize {
        let book = self.book();
        book.made - book.dropped.len()
    }

    /// The numbers of the dropped tokens, in the order of their dropping.
    pub fn dropped(&self) -> Vec<u64> {
        self.book().dropped.clone()
    }

    /// Fails unless every token that was made was dropped, and none twice.
    ///
    /// # Panics
    /// When that is not so.
    #[track_caller]
    pub fn assert_balanced(&self) {
        let book = self.book();
        assert_eq!(book.made, book.dropped.len(), "tokens made and dropped");
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message, or something that a process owns: notes its destructor in the [`Tally`].
#[derive(Debug)]
pub struct Token {
    number: u64,
    tally: Tally,
}

impl Token {
    /// The number that it was made with.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.tally.book().dropped.push(self.number);
    }
}

/// Counts how often a waker was woken.
#[derive(Debug, Default)]
pub struct Wakes(AtomicUsize);

impl Wakes {
    /// A counter and the waker that feeds it.
    pub fn new() -> (Arc<Self>, Waker) {
        let wakes = Arc::new(Self::default());
        let waker = Waker::from(Arc::clone(&wakes));
        (wakes, waker)
    }

    /// The number of wakes so far.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future that is polled by hand, one step at a time, with a waker of its own.
pub struct Step<F: Future> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
    waker: Waker,
}

impl<F: Future> Step<F> {
    /// Takes the future, and does not poll it.
    pub fn new(future: F) -> Self {
        let (wakes, waker) = Wakes::new();
        Self {
            future: Box::pin(future),
            wakes,
            waker,
        }
    }

    /// Takes the future and polls it once; it must not be ready.
    #[track_caller]
    pub fn parked(future: F) -> Self
    where
        F::Output: Debug,
    {
        let mut step = Self::new(future);
        step.pending();
        step
    }

    /// Polls once.
    pub fn poll(&mut self) -> Poll<F::Output> {
        self.poll_with(&self.waker.clone())
    }

    /// Polls once with another waker.
    pub fn poll_with(&mut self, waker: &Waker) -> Poll<F::Output> {
        self.future.as_mut().poll(&mut Context::from_waker(waker))
    }

    /// Polls once; fails if the future is not ready.
    ///
    /// # Panics
    /// When that is not so.
    #[track_caller]
    pub fn ready(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("the future should be ready, and is pending"),
        }
    }

    /// Polls once; fails if the future is ready.
    ///
    /// # Panics
    /// When that is so.
    #[track_caller]
    pub fn pending(&mut self)
    where
        F::Output: Debug,
    {
        if let Poll::Ready(output) = self.poll() {
            panic!("the future should be pending, and is ready: {output:?}");
        }
    }

    /// How often it was woken since it was made.
    pub fn wakes(&self) -> usize {
        self.wakes.count()
    }

    /// The future as it is, perhaps half way.
    pub fn into_future(self) -> Pin<Box<F>> {
        self.future
    }
}

impl<F: Future> Debug for Step<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step").finish_non_exhaustive()
    }
}

/// Polls a call by hand until it is sent: a poll that is simulated may be interrupted before. Nobody else may send meanwhile.
pub async fn sent<F: Future<Output: Debug>>(scope: &Scope, call: F) -> Step<F> {
    let sent = || scope.system().ledger().sent;
    let before = sent();
    let mut call = Step::parked(call);
    while sent() == before {
        yield_now().await;
        call.pending();
    }
    call
}

/// Polls a future that must be ready at once.
#[track_caller]
pub fn now<F: Future>(future: F) -> F::Output {
    Step::new(future).ready()
}

/// Starts a process whose failure is nobody's but its own: in a child scope made for it.
#[track_caller]
pub fn isolated<F>(scope: &Scope, future: F) -> Task<<F::Output as IntoOutcome>::Value>
where
    F: Future + Send + 'static,
    F::Output: IntoOutcome,
{
    scope.child("isolated").task("process", future)
}

/// Waits until a process of this name sleeps.
pub async fn until_asleep(scope: &Scope, name: &str) {
    let sleeps = |process: &ProcessInfo| {
        let wait = process.wait.as_ref();
        process.name == name && wait.is_some_and(|wait| wait.kind == WaitKind::Timer)
    };
    let system = scope.system();
    while !system.snapshot().processes.iter().any(sleeps) {
        yield_now().await;
    }
}

/// Lets the polling process go to the end of the queue once, with no help from the runtime.
pub async fn yield_now() {
    let mut first = true;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut first, false) {
            cx.waker().wake_by_ref();
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
}

/// Waits for a future on a plain thread, with a waker that is not Roundrock's.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut step = Step::new(future);
    loop {
        match step.poll_with(&waker) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// What a watched test is doing, for the message if it hangs.
#[derive(Debug, Clone, Default)]
pub struct Stage(Arc<Mutex<String>>);

impl Stage {
    /// Notes what comes next.
    pub fn set(&self, text: impl Into<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text.into();
    }

    fn get(&self) -> String {
        let stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stage.is_empty() {
            "the body".to_owned()
        } else {
            stage.clone()
        }
    }
}

/// After how long a whole test counts as hung: long enough for a machine that does much else meanwhile. What runs the tests in a
/// way that makes all of them slow says another number of seconds in `ROUNDROCK_HANG_S`.
fn hang() -> Duration {
    let said = std::env::var("ROUNDROCK_HANG_S").ok();
    Duration::from_secs(said.map_or(40, |text| {
        text.parse()
            .expect("ROUNDROCK_HANG_S is a number of seconds")
    }))
}

/// Runs a body on a thread of its own. If it has not ended after `hang()`, the test fails and says at which stage it hung.
///
/// # Panics
/// When the body hangs, and with the body's own panic.
#[track_caller]
pub fn watched<T: Send + 'static>(body: impl FnOnce(&Stage) -> T + Send + 'static) -> T {
    watched_boxed(Box::new(body))
}

#[track_caller]
fn watched_boxed<T: Send + 'static>(body: Box<dyn FnOnce(&Stage) -> T + Send>) -> T {
    let stage = Stage::default();
    let shared = stage.clone();
    let (done, wait) = channel();
    let name = thread::current().name().unwrap_or("watched").to_owned();
    let thread = thread::Builder::new()
        .name(name)
        .spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(|| body(&shared)));
            let _ = done.send(result);
        })
        .expect("a thread for the body");
    let hang = hang();
    match wait.recv_timeout(hang) {
        Ok(Ok(value)) => {
            let _ = thread.join();
            value
        }
        Ok(Err(payload)) => resume_unwind(payload),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => panic!(
            "hung for {hang:?} at: {}; started at {}; threads: {}",
            stage.get(),
            Location::caller(),
            threads().join(" ")
        ),
    }
}

/// The names of all threads of this program, cut to 15 bytes as the kernel does.
pub fn threads() -> Vec<String> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .collect()
}

/// A short name that no other system of this program has, for its threads.
pub fn unique_name() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("t{}", NEXT.fetch_add(1, Ordering::SeqCst))
}

/// Fails if threads of the system with this name are left. An ended thread may stay listed for a moment after its join.
///
/// # Panics
/// If they do not go within [`LIMIT`].
#[track_caller]
pub fn assert_no_threads_of(system: &str) {
    let prefix = format!("{system}-");
    let begun = Instant::now();
    loop {
        let left: Vec<_> = threads()
            .into_iter()
            .filter(|name| name.starts_with(&prefix))
            .collect();
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < LIMIT, "threads left behind: {left:?}");
        thread::yield_now();
    }
}

/// Fails unless every message of a system is accounted for, channel by channel and in all.
///
/// # Panics
/// When that is not so.
#[track_caller]
pub fn assert_balanced(system: &System) {
    let snapshot = system.snapshot();
    for channel in &snapshot.channels {
        assert!(
            channel.ledger.is_balanced(),
            "the ledger of {channel:?} does not balance"
        );
    }
    let ledger = snapshot.ledger;
    assert!(
        ledger.is_balanced(),
        "the ledger does not balance: {ledger}"
    );
}

/// Fails unless every message of a system is accounted for, no proof was wrong, and no wakeup was lost.
///
/// # Panics
/// When that is not so.
#[track_caller]
pub fn assert_sound(system: &System) {
    assert_balanced(system);
    assert_eq!(system.proof_violations(), 0, "a proven process ran");
    assert_eq!(system.lost_wakeups(), 0, "a wakeup was lost");
}

/// The future of a body, in a box: with some hundred bodies, a main process for each is half of what there is to compile.
type Boxed<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;
type Judge = Arc<dyn Fn(Error) + Send + Sync>;
type Body = Arc<dyn Fn(Scope) -> Boxed<()> + Send + Sync>;

/// Runs a body as the main process of a system with this many workers, watched; then no thread of it is left, and every message
/// is accounted for.
///
/// # Panics
/// When the system returns an error, and as for [`watched`].
#[track_caller]
pub fn on<T, F>(workers: usize, body: impl FnOnce(Scope) -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    on_boxed(workers, Box::new(move |scope| Box::pin(body(scope))))
}

#[track_caller]
fn on_boxed<T: Send + 'static>(
    workers: usize,
    body: Box<dyn FnOnce(Scope) -> Boxed<T> + Send>,
) -> T {
    watched(move |stage| {
        stage.set(format!("a system with {workers} workers"));
        let name = unique_name();
        let result = checked(of(workers, &name), body);
        assert_no_threads_of(&name);
        match result {
            Ok(value) => value,
            Err(error) => panic!("with {workers} workers: {error:?}"),
        }
    })
}

fn of(workers: usize, name: &str) -> Builder {
    System::builder().workers(workers).name(name)
}

/// Runs a body as the main process of a system. Afterwards no message may be missing, no proof may have been wrong, and no wakeup
/// lost.
///
/// # Errors
/// What the system returns.
///
/// # Panics
/// When that is not so.
#[track_caller]
pub fn checked<T, F>(system: Builder, body: impl FnOnce(Scope) -> F + Send + 'static) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let (keep, kept) = channel();
    let result = system.run(move |scope| {
        let _ = keep.send(scope.system());
        body(scope)
    });
    assert_sound(&kept.recv().expect("the body was called"));
    result
}

/// Runs a body as the main process of systems with 1, 2 and 4 workers, one after another; see [`on`].
///
/// For what needs threads: one outside of the system, a worker that blocks, the real clock. Everything else: [`on_workers`].
#[track_caller]
pub fn on_threads<F>(body: impl Fn(Scope) -> F + Send + Sync + 'static)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    on_threads_boxed(&boxed(body));
}

fn boxed<F>(body: impl Fn(Scope) -> F + Send + Sync + 'static) -> Body
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    Arc::new(move |scope| Box::pin(body(scope)))
}

#[track_caller]
fn on_threads_boxed(body: &Body) {
    for workers in [1, 2, 4] {
        let body = Arc::clone(body);
        on_boxed(workers, Box::new(move |scope| body(scope)));
    }
}

/// Runs a body on both schedulers: on threads, as [`on_threads`], and on the deterministic one, with [`SEEDS`] seeds.
///
/// # Panics
/// With the report of the simulation, and as for [`on`].
#[track_caller]
pub fn on_workers<F>(body: impl Fn(Scope) -> F + Send + Sync + 'static)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    on_workers_boxed(&boxed(body));
}

#[track_caller]
fn on_workers_boxed(body: &Body) {
    on_threads_boxed(body);
    simulated(|scope| body(scope));
}

/// Runs a body on both schedulers, where the number of workers matters: with this many of them, as [`on`], and on the deterministic one.
///
/// # Panics
/// With the report of the simulation, and as for [`on`].
#[track_caller]
pub fn on_both<F>(workers: usize, body: impl Fn(Scope) -> F + Send + Sync + 'static)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    on_both_boxed(workers, &boxed(body));
}

#[track_caller]
fn on_both_boxed(workers: usize, body: &Body) {
    let on_threads = Arc::clone(body);
    on_boxed(workers, Box::new(move |scope| on_threads(scope)));
    simulated(|scope| body(scope));
}

/// Hands over what a body fails with that is all of a system on threads, with 1, 2 and 4 workers, and all of a group on the
/// deterministic scheduler, where a run must not fail.
///
/// # Panics
/// When it does not fail; when `judge` does; and as for [`watched`].
#[track_caller]
pub fn fails_on_workers<F>(
    body: impl Fn(Scope) -> F + Send + Sync + 'static,
    judge: impl Fn(Error) + Send + Sync + 'static,
) where
    F: Future<Output = Result<()>> + Send + 'static,
{
    fails_on_workers_boxed(&boxed(body), &(Arc::new(judge) as Judge));
}

#[track_caller]
fn fails_on_workers_boxed(body: &Body, judge: &Judge) {
    for workers in [1, 2, 4] {
        let (body, judge) = (Arc::clone(body), Arc::clone(judge));
        watched(move |_| {
            let failed = checked(of(workers, &unique_name()), move |scope| body(scope));
            judge(failed.expect_err("the body fails"));
        });
    }
    simulated(|scope| {
        let (body, judge) = (Arc::clone(body), Arc::clone(judge));
        async move {
            let failed = scope.group(|group| body(group)).await;
            judge(failed.expect_err("the body fails"));
            Ok(())
        }
    });
}

/// How many seeds a body is simulated with.
pub const SEEDS: u64 = 64;

thread_local! {
    /// Whether this thread simulates a body.
    static SIMULATES: Cell<bool> = const { Cell::new(false) };
}

/// How often to do something: on threads, and in each of the runs of a simulation, where it is the order that is varied.
pub fn times(on_threads: usize, simulated: usize) -> usize {
    if SIMULATES.get() {
        simulated
    } else {
        on_threads
    }
}

/// Runs a body on the deterministic scheduler, with [`SEEDS`] seeds.
///
/// # Panics
/// With the report of the first run that fails.
#[track_caller]
pub fn simulated<F>(body: impl Fn(Scope) -> F)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let thread = thread::current();
    let name = thread.name().unwrap_or("simulated").to_owned();
    SIMULATES.set(true);
    let searched = Simulation::new(name)
        .seeds(SEEDS)
        .with_environment()
        .run(|sim| body(Scope::clone(&sim)));
    SIMULATES.set(false);
    match searched {
        Ok(summary) => println!("{summary}"),
        Err(failure) => panic!("{failure}"),
    }
}

/// Choices that depend on a seed alone (SplitMix64), or on given bytes.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
    /// Taken before the generator, a byte or two for each choice.
    bytes: Option<std::collections::VecDeque<u8>>,
}

impl Random {
    /// Starts at a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed,
            bytes: None,
        }
    }

    /// Chooses by these bytes; when they are used up, always the first possibility.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self {
            state: 0,
            bytes: Some(bytes.iter().copied().collect()),
        }
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        if let Some(bytes) = &mut self.bytes {
            let mut number = usize::from(bytes.pop_front().unwrap_or(0));
            if bound > 256 {
                number = number << 8 | usize::from(bytes.pop_front().unwrap_or(0));
            }
            return number % bound;
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % bound as u64) as usize
    }

    /// Whether all given bytes were used.
    pub fn is_used_up(&self) -> bool {
        self.bytes.as_ref().is_some_and(|bytes| bytes.is_empty())
    }
}

/// The capacities that every channel test should see: rendezvous, one, several, no bound.
pub const CAPACITIES: [Option<usize>; 4] = [Some(0), Some(1), Some(8), None];

/// A channel of this capacity; `None` is one without a bound.
pub fn channel_of<T: Message>(capacity: Option<usize>) -> (Sender<T>, Receiver<T>) {
    match capacity {
        Some(0) => rendezvous(),
        Some(capacity) => bounded(capacity),
        None => unbounded::channel(),
    }
}
