//! The macros of [Roundrock](https://docs.rs/roundrock): use them through that crate, which
//! re-exports them.
//!
//! Each macro goes the same way, in `pipeline`: `parse` turns tokens into syntax, `check` turns
//! syntax into a model and owns every rule and message, `expand` turns the model into tokens and
//! cannot fail, `fallback` stands in where there is a mistake.
//!
//! # Invariants
//!
//! - Bodies of functions are never parsed, so half-typed code completes in an IDE.
//! - Expanded code contains no `unsafe`; it names `::roundrock::__private`, `::core` and what the
//!   user named; it makes no public name but `<Type>Handle`.
//! - One mistake gives one error, at the user's token. No input makes a macro panic.

#![forbid(unsafe_code)]

mod check;
mod errors;
mod expand;
mod fallback;
mod model;
mod parse;
mod pipeline;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Makes a process of a struct or of an `async fn`.
///
/// # On a struct
///
/// The struct is the state; the methods in its [`#[handlers]`](macro@handlers) block are what other
/// processes may call. The macro makes `<Type>Handle`, which `scope.spawn(..)` returns: cheap to
/// clone, `Send` and `Sync`, with one method per handler.
///
/// ```
/// use roundrock::prelude::*;
///
/// /// Counts.
/// #[process(mailbox = 16)]
/// pub struct Counter {
///     n: i64,
/// }
///
/// #[handlers]
/// impl Counter {
///     fn add(&mut self, by: i64) {
///         self.n += by;
///     }
///     fn get(&self) -> i64 {
///         self.n
///     }
/// }
///
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let counter: CounterHandle = scope.spawn(Counter { n: 0 });
/// counter.add(5).await?;
/// assert_eq!(counter.get().await?, 5);
/// # Ok(()) }).unwrap();
/// ```
///
/// # On a function
///
/// The function becomes a constructor of the same name that takes the arguments *owned* and starts
/// nothing. What the signature takes by reference the process keeps and lends to the body; what it
/// takes by value the body owns, and such a process can be started once only.
///
/// ```
/// use roundrock::prelude::*;
///
/// #[process]
/// async fn scale(raw: &Receiver<u64>, factor: &u64, out: Sender<u64>) -> Result<()> {
///     while let Some(value) = raw.recv().await {
///         out.send(value * factor).await?;
///     }
///     Ok(())
/// }
///
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let (numbers, raw) = rendezvous();
/// let (out, scaled) = bounded(8);
/// scope.spawn(scale(raw, 10, out));
/// numbers.send(4).await?;
/// assert_eq!(scaled.recv().await, Some(40));
/// # Ok(()) }).unwrap();
/// ```
///
/// - `scope: &Scope` and `cx: &mut Cx` come from the runtime and are no arguments of the constructor. The scope is one of its own, for
///   its children; a failure there that it does not see by joining them is its own failure when it ends, or that of the scope around it
///   if it has ended before. Nothing starts there any more once one has failed: who lives long waits for `scope.stopping()` too, or
///   starts children whose failure is theirs alone with `scope.spawn_isolated(..)`.
/// - `#[inbox(8)] raw: &Receiver<T>` is made by the process itself: `spawn` then returns a
///   `RouteHandle` with `raw()`, the sender. The size is 8 if none is given, at most 65536, and 0 is
///   a rendezvous.
/// - It returns `()`, `!` or `Result<T, E>`.
/// - In its own body the name of the function is the constructor too: `scope.spawn(scale(raw, 10, out))`
///   there starts another process of the same kind.
///
/// # Options
///
/// | option | on | default | |
/// |---|---|---|---|
/// | `mailbox = 8` | structs | 8 | calls that wait before the next has to: 1 to 65536 |
/// | `name = "…"` | both | the type or function | name in reports |
/// | `blocking` | both | | runs on a thread where it may block; all plain `fn` |
/// | `cpu` | both | | for long computations: runs on a thread of its own, of which no more compute at a time than there are cores; the others wait in line. One that waits for a channel lets another one compute meanwhile. All plain `fn`; a struct has a thread for each message |
/// | `budget = 1000` | both | none | how many, 1 or more, may live at once that were spawned at one place: more are an alarm in `System::events()` and in `tracing`, and go on living |
#[proc_macro_attribute]
pub fn process(arguments: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::process(arguments.into(), item.into()).into()
}

/// Makes every method of an `impl` block a handler: a message other processes may send.
///
/// A handler takes `&self` or `&mut self`, is `fn` or `async fn`, and its arguments and its reply are
/// owned. Other functions go in a plain `impl` block. For each handler the handle gets a method with
/// the same name, visibility and documentation that returns a `Call`; and if it takes one argument
/// and returns nothing, a port: `counter.add_port()` is a `Sender<i64>`.
///
/// An `async` handler with `&self` may wait while the state is borrowed, so the state must be `Sync`;
/// with `&mut self` it need not be. Names that every handle or every call has already cannot be handlers:
/// `clone`, `stop`, `kill`, `done`, `closed`, `exit`, `task`, `id`, `name`, `downgrade`, `link`, `owned`,
/// and those that end in `_port`; [`#[handler(name = halt)]`](macro@handler) calls such a method by another name.
///
/// Parameters known by their type, in any place, that are no part of the message:
/// - `cx: &mut Cx` or `cx: &mut Cx<Self>`: the context;
/// - `reply: Reply<T>`: answers later, from anywhere; the method then returns nothing.
///
/// Attributes in the block: [`#[every]`](macro@every), [`#[recv]`](macro@recv),
/// [`#[on_start]`](macro@on_start), [`#[on_stop]`](macro@on_stop), [`#[handler]`](macro@handler) and,
/// on an argument, [`#[key]`](macro@key).
///
/// # Examples
///
/// ```
/// use std::collections::HashMap;
/// use roundrock::prelude::*;
///
/// #[process]
/// struct Store {
///     values: HashMap<String, u64>,
/// }
///
/// #[handlers]
/// impl Store {
///     /// Remembers a value.
///     pub fn put(&mut self, #[key] key: String, value: u64) -> Option<u64> {
///         self.values.insert(key, value)
///     }
///     async fn slowly(&mut self) -> Result<usize, std::io::Error> {
///         sleep(millis(1)).await;
///         Ok(self.values.len())
///     }
///     #[every("1s")]
///     fn report(&mut self) {
///         println!("{} values", self.values.len());
///     }
/// }
///
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let store = scope.spawn(Store { values: HashMap::new() });
/// assert_eq!(store.put("a".to_owned(), 1).await?, None);
/// assert_eq!(store.slowly().await?, 1);
/// store.stop();
/// # Ok(()) }).unwrap();
/// ```
#[proc_macro_attribute]
pub fn handlers(arguments: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::handlers(arguments.into(), item.into()).into()
}

/// Starts a system, runs the function as its first process, and ends when everything has ended.
///
/// When the function returns `Ok`, what it spawned goes on: the program ends with the last process of
/// the scope, so one that is not to go on for ever is stopped, or nobody keeps its inputs open. If it
/// returns an `Err` or panics, or a process of the scope fails, or a signal comes (Ctrl-C, SIGTERM),
/// the scope is stopped, as `scope.stop(..)` does with the grace below. The program then ends with code
/// 1 if something failed, 2 if no process could ever go on, 3 if a process did not come to an await,
/// 4 if the account of messages was not balanced, and 0 otherwise.
///
/// It returns `()` or a `Result`.
///
/// Options: `workers = 2`, threads that run processes, 1 to 1024, by default as many as the machine
/// gives this program; `grace = "5s"`, how long processes may take to end, by default 10 s.
///
/// # Examples
///
/// ```
/// use roundrock::prelude::*;
///
/// #[roundrock::main(workers = 2, grace = "5s")]
/// async fn main(scope: &Scope) -> Result<()> {
///     let sum = scope.task("sum", async { roundrock::Ok(1 + 2) });
///     ensure!(sum.await? == 3, "the sum is wrong");
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::entry(arguments.into(), item.into()).into()
}

/// Makes a test of an `async fn`: in a simulation that searches schedules, or on threads.
///
/// `#[roundrock::test]` on `async fn name(sim: &Sim)` runs the body once for each seed, on one thread,
/// in virtual time; see the module `sim` of `roundrock` for what is searched. It returns `()` or a
/// `Result`. A failure is made simpler and printed with what replays it.
///
/// # Options
///
/// | option | default | |
/// |---|---|---|
/// | `seeds = 200` | 64 | how many runs, each with choices of its own; seed 0 makes none |
/// | `strategy = "mix"` | `"mix"` | how schedules are searched: `mix`, `baseline`, `random`, `pct`, `holds`, `pos`, `urw` |
/// | `faults(panic = 0.01, slow = 0.05, stall = 0.01, delay = 0.05)` | none | what may go wrong, and how likely it is at each place |
/// | `max_steps = 100_000` | 100,000 | how many steps a run may take |
/// | `leaks = "allow"` | `"deny"` | whether processes may be left that wait for ever |
/// | `lost = "deny"` | `"allow"` | whether messages may be left that nobody receives |
/// | `grace = "5s"` | 10 s | how much virtual time the stop at the end of a run may take |
/// | `tape = "3.1,7.2"` | none | a run that failed once, made before the others |
/// | `tokio = false` | `false` | there is no reactor in a simulation; `true` is refused |
///
/// With `real` the test runs once, on threads and in real time, and takes `scope: &Scope`; its
/// options are `workers = 2` and `grace = "5s"`, as for `main`.
///
/// `ROUNDROCK_SEED=17` runs one seed, `ROUNDROCK_SEEDS=100000` more of them, `ROUNDROCK_TAPE='3.1'`
/// one tape, and `ROUNDROCK_EVENTS=1` prints what happens in the first run.
///
/// # Examples
///
/// ```
/// use roundrock::prelude::*;
///
/// #[roundrock::test(seeds = 100)]
/// async fn the_last_job_ends_the_worker(sim: &Sim) -> Result<()> {
///     let (jobs, inbox) = bounded::<u32>(2);
///     let worker = sim.task("worker", async move {
///         let mut sum = 0;
///         while let Some(job) = inbox.recv().await { sum += job }
///         roundrock::Ok(sum)
///     });
///     for job in 1..=3 { jobs.send(job).await?; }
///     jobs.finish();
///     assert_eq!(worker.await?, 6);
///     Ok(())
/// }
///
/// #[roundrock::test(real, workers = 2)]
/// async fn on_threads(scope: &Scope) -> Result<()> {
///     ensure!(scope.task("one", async { roundrock::Ok(1) }).await? == 1, "not one");
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::test(arguments.into(), item.into()).into()
}

/// Waits for the first of several events and runs its branch.
///
/// A branch is `pattern = event => body`, `pattern = event, if condition => body`, or
/// `sender.send(value) => body`, whose value is evaluated only if the branch is taken. A branch that
/// receives is disabled once its channel is closed, and so is one that sends, for it could not give
/// the value back; `sent = sender.send(value) => body` binds the result, and is taken then. The events of
/// the other branches are dropped before the body runs, and none loses anything by it: a plain
/// future is no event. The first branch to be looked at changes from wait to wait, unless the first
/// line is `biased;`. `default => body` runs if nothing is ready, `else => body` if every branch is
/// closed or guarded off: a branch on `stopping()` brings no work, and does not keep `else` from running.
/// A timer does, for it never closes: where a loop must end with its input, write `passive(tick.next())`.
///
/// # Panics
///
/// If every branch is closed or guarded off and there is no `else`.
///
/// # Examples
///
/// ```
/// use roundrock::prelude::*;
///
/// #[process]
/// async fn collect(jobs: &Receiver<u32>, out: Sender<u32>) -> Result<()> {
///     let mut backlog = Vec::new();
///     loop {
///         select! {
///             job = jobs.recv() => backlog.push(job),
///             room = out.ready(), if !backlog.is_empty() => room?.send(backlog.remove(0))?,
///             else => break,      // no more jobs, also because of a stop, and no backlog
///         }
///     }
///     Ok(())
/// }
///
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let (jobs, inbox) = bounded(4);
/// let (out, results) = bounded(4);
/// scope.spawn(collect(inbox, out));
/// jobs.send(7).await?;
/// assert_eq!(results.recv().await, Some(7));
/// # drop(jobs); Ok(()) }).unwrap();
/// ```
///
/// A branch `_ = scope.stopping() => break` there would throw the backlog away at a stop: it is for loops that no
/// end of an input ends.
#[proc_macro]
pub fn select(tokens: TokenStream) -> TokenStream {
    pipeline::select(tokens.into()).into()
}

/// In a [`#[handlers]`](macro@handlers) block: calls the method at an interval.
///
/// `#[every("250ms")]`, with `us`, `ms`, `s`, `m` or `h`. The method takes `&self` or `&mut self`, and
/// perhaps `cx: &mut Cx`; if it returns an `Err`, the process fails. A tick that is due comes after at most
/// 32 messages, however many there are; ticks that fall into a long handler are skipped. A process
/// with one does not end when its last handle goes: stop it, or its scope. From the first moment of a stop there are no ticks: what is
/// left for the next one, a `Reply` that it would answer for instance, is for [`#[on_stop]`](macro@on_stop).
///
/// # Examples
///
/// ```
/// use roundrock::prelude::*;
///
/// #[process]
/// struct Heart {
///     beats: u32,
/// }
///
/// #[handlers]
/// impl Heart {
///     #[every("1ms")]
///     fn beat(&mut self) {
///         self.beats += 1;
///     }
///     fn beats(&self) -> u32 {
///         self.beats
///     }
/// }
///
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let heart = scope.spawn(Heart { beats: 0 });
/// while heart.beats().await? < 3 {
///     sleep(millis(1)).await;
/// }
/// heart.stop();
/// # Ok(()) }).unwrap();
/// ```
#[proc_macro_attribute]
pub fn every(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::misplaced("every", item.into()).into()
}

/// In a [`#[handlers]`](macro@handlers) block: calls the method with each message of a field.
///
/// `#[recv(jobs)]` names a field that is a `Receiver<T>`; the method takes `&mut self`, a `T` and
/// perhaps `cx: &mut Cx`. If it returns an `Err`, the process fails. The mailbox and the fields are
/// served in turn; the process ends when no handle is left and these inputs are closed.
///
/// # Examples
///
/// ```
/// use roundrock::prelude::*;
///
/// #[process]
/// struct Sum {
///     numbers: Receiver<u64>,
///     sum: u64,
/// }
///
/// #[handlers]
/// impl Sum {
///     #[recv(numbers)]
///     fn add(&mut self, number: u64) {
///         self.sum += number;
///     }
///     fn sum(&self) -> u64 {
///         self.sum
///     }
/// }
///
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let (add, numbers) = rendezvous();
/// let sum = scope.spawn(Sum { numbers, sum: 0 });
/// add.send(1).await?;
/// add.send(2).await?;                         // the first one is handled by then
/// assert!(sum.sum().await? >= 1);
/// # Ok(()) }).unwrap();
/// ```
#[proc_macro_attribute]
pub fn recv(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::misplaced("recv", item.into()).into()
}

/// In a [`#[handlers]`](macro@handlers) block: calls the method before the first message.
///
/// The method takes `&mut self` and perhaps `cx: &mut Cx`, and may be `async`. If it returns an `Err`,
/// the start has failed, and so has the process; under supervision it is started again.
///
/// # Examples
///
/// ```
/// use roundrock::prelude::*;
///
/// #[process]
/// struct Cache {
///     lines: Vec<String>,
/// }
///
/// #[handlers]
/// impl Cache {
///     #[on_start]
///     async fn load(&mut self) -> std::io::Result<()> {
///         let text = blocking(|| std::fs::read_to_string("Cargo.toml")).await?;
///         self.lines.extend(text.lines().map(str::to_owned));
///         Ok(())
///     }
///     fn lines(&self) -> usize {
///         self.lines.len()
///     }
/// }
///
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let cache = scope.spawn(Cache { lines: Vec::new() });
/// assert!(cache.lines().await? > 0);          // calls wait until it has started
/// # Ok(()) }).unwrap();
/// ```
#[proc_macro_attribute]
pub fn on_start(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::misplaced("on_start", item.into()).into()
}

/// In a [`#[handlers]`](macro@handlers) block: calls the method after the last message, not after a
/// panic or a kill.
///
/// The method takes `&mut self` and perhaps `cx: &mut Cx`, and may be `async`; if it returns an `Err`,
/// the process has failed.
///
/// # Examples
///
/// ```
/// use roundrock::prelude::*;
///
/// #[process]
/// struct Batch {
///     lines: Vec<String>,
///     out: Sender<Vec<String>>,
/// }
///
/// #[handlers]
/// impl Batch {
///     fn add(&mut self, line: String) {
///         self.lines.push(line);
///     }
///     #[on_stop]
///     async fn flush(&mut self) -> Result<()> {
///         self.out.send(std::mem::take(&mut self.lines)).await?;
///         Ok(())
///     }
/// }
///
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let (out, batches) = bounded(1);
/// let batch = scope.spawn(Batch { lines: Vec::new(), out });
/// batch.add("one".to_owned()).await?;
/// drop(batch);                                // the last handle
/// assert_eq!(batches.recv().await, Some(vec!["one".to_owned()]));
/// # Ok(()) }).unwrap();
/// ```
#[proc_macro_attribute]
pub fn on_stop(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::misplaced("on_stop", item.into()).into()
}

/// In a [`#[handlers]`](macro@handlers) block: gives the message another name than the method,
/// `#[handler(name = halt)]`. For names that every handle has already.
///
/// # Examples
///
/// ```
/// use roundrock::prelude::*;
///
/// #[process]
/// struct Motor {
///     turns: bool,
/// }
///
/// #[handlers]
/// impl Motor {
///     #[handler(name = halt)]
///     fn stop(&mut self) -> bool {
///         std::mem::take(&mut self.turns)
///     }
/// }
///
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let motor = scope.spawn(Motor { turns: true });
/// assert!(motor.halt().await?);
/// motor.stop();                               // ends the process
/// # Ok(()) }).unwrap();
/// ```
#[proc_macro_attribute]
pub fn handler(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::misplaced("handler", item.into()).into()
}

/// On an argument of a handler: calls with equal keys go to the same worker of a pool.
///
/// Several arguments may be marked; then all of them together are the key. It is for pools that are
/// served `.by_key()`; the type implements `Hash`. A handler without a key goes to any worker.
///
/// # Examples
///
/// ```
/// use std::collections::HashMap;
/// use roundrock::prelude::*;
///
/// #[derive(Clone, Default)]
/// #[process]
/// struct Count {
///     words: HashMap<String, u32>,
/// }
///
/// #[handlers]
/// impl Count {
///     fn count(&mut self, #[key] word: String) -> u32 {
///         let count = self.words.entry(word).or_default();
///         *count += 1;
///         *count
///     }
/// }
///
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let counts = scope.pool(4, Count::default().by_key());
/// for expected in 1..=3 {
///     assert_eq!(counts.count("word".to_owned()).await?, expected);
/// }
/// # Ok(()) }).unwrap();
/// ```
#[proc_macro_attribute]
pub fn key(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::misplaced("key", item.into()).into()
}

/// On an argument of a process function: the process makes this input itself. See
/// [`#[process]`](macro@process).
///
/// # Examples
///
/// ```
/// use roundrock::prelude::*;
///
/// #[process]
/// async fn shout(#[inbox(4)] words: &Receiver<String>, out: &Sender<String>) -> Result<()> {
///     while let Some(word) = words.recv().await {
///         out.send(word.to_uppercase()).await?;
///     }
///     Ok(())
/// }
///
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let (out, heard) = bounded(4);
/// let shout = scope.spawn(shout(out));        // a `ShoutHandle`
/// shout.words().send("hello".to_owned()).await?;
/// assert_eq!(heard.recv().await.as_deref(), Some("HELLO"));
/// # Ok(()) }).unwrap();
/// ```
#[proc_macro_attribute]
pub fn inbox(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::misplaced("inbox", item.into()).into()
}
