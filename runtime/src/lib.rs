//! Processes, typed channels, scopes and supervision: a framework for infrastructure code.
//!
//! A program is made of *processes*, each with one responsibility. Processes own their state, talk over bounded channels, and
//! belong to scopes. This page is a tour; each module says more.
//!
//! # Structs: state and handlers
//!
//! `#[process]` on a struct makes it the state of a process, and `#[handlers]` makes each method of an `impl` block something
//! that others may call. Spawning the struct returns a generated handle with the same methods. State needs no lock: one message
//! is handled at a time. Without a runtime, handlers are plain methods that a unit test can call.
//!
//! ```
//! use roundrock::prelude::*;
//!
//! #[process]
//! struct Counter { n: i64 }
//!
//! #[handlers]
//! impl Counter {
//!     fn add(&mut self, by: i64) { self.n += by; }
//!     fn get(&self) -> i64 { self.n }
//! }
//!
//! #[roundrock::main]
//! async fn main(scope: &Scope) -> Result<()> {
//!     let counter = scope.spawn(Counter { n: 0 });
//!     counter.add(5).send().await?;               // waits for room in the mailbox only
//!     counter.add(2).await?;                      // waits until it is handled
//!     assert_eq!(counter.get().await?, 7);        // waits for the reply
//!     Ok(())
//! }
//! ```
//!
//! A handle method returns a [`Call`]: how it is awaited says how long to wait, and [`CallError`] what can go wrong. A handler
//! may be `async`, may answer later with a [`Reply`], and may ask for its context with `cx: &mut Cx` ([`Cx`]). Work that must not hold up
//! the mailbox runs beside it: [`Cx::spawn_then`] gives the result to the state when it is there. The attributes
//! [`#[every]`](macro@every), [`#[recv]`](macro@recv), [`#[on_start]`](macro@on_start) and [`#[on_stop]`](macro@on_stop) mark
//! methods that the process itself calls.
//!
//! # Functions: ports are arguments
//!
//! `#[process]` on an `async fn` makes a constructor of the same name, which takes the arguments owned and starts nothing. What
//! the signature takes by reference the process keeps and lends to the body; what it takes by value the body owns. A process
//! whose arguments are all lent can be started several times: as a pool, or again after a failure. A struct that is `Clone` makes a
//! pool too, and `scope.pool(4, process.by_key())` sends equal [`#[key]`](macro@key) arguments to the same worker ([`Scope::pool`]).
//!
//! ```
//! # use roundrock::prelude::*;
//! #[process]
//! async fn parse(lines: &Receiver<String>, numbers: &Sender<i64>) -> Result<()> {
//!     while let Some(line) = lines.recv().await {
//!         let number = line.parse().with_context(|| format!("`{line}` is not a number"))?;
//!         numbers.send(number).await?;            // nobody receives any more: `?` ends this process normally
//!     }
//!     Ok(())
//! }
//!
//! # #[roundrock::main] async fn main(scope: &Scope) -> Result<()> {
//! let (lines, to_parse) = rendezvous();           // holds nothing: a send waits for its receiver
//! let (numbers, results) = bounded(8);            // holds up to 8: then a send waits for room
//! scope.pool(4, parse(to_parse, numbers));        // four workers compete for the lines
//! lines.send("42".to_owned()).await?;
//! lines.finish();                                 // the workers see the end of their input
//! assert_eq!(results.recv().await, Some(42));
//! assert_eq!(results.recv().await, None);
//! # Ok(()) }
//! ```
//!
//! # Waiting for several things
//!
//! [`select!`] waits for the first of several events and runs its branch. Branches are events of this crate, which lose
//! nothing when another one wins; a plain future is a compile error. A timer never closes, so beside one a loop would outlive its
//! input: [`passive`](channel::passive) says that a branch brings no work. [`Within`](time::Within) limits a single operation.
//!
//! ```
//! # use roundrock::prelude::*;
//! # #[roundrock::main] async fn main(scope: &Scope) -> Result<()> {
//! # let (jobs_in, jobs) = bounded(4);
//! # for job in 1..=3 { jobs_in.send(job).await?; }
//! # jobs_in.finish();
//! # let mut sum = 0;
//! let mut tick = interval(millis(100));
//! loop {
//!     select! {
//!         job = jobs.recv()         => sum += job,
//!         _ = passive(tick.next())  => println!("{sum} so far"),
//!         else                      => break,     // the input has ended, or the scope stops
//!     }
//! }
//! # assert_eq!(sum, 6);
//! # Ok(()) }
//! ```
//!
//! # Scopes, failures, stopping
//!
//! Every process belongs to a [`Scope`], which does not end before its processes. When one of them fails or panics, the scope
//! stops the others and returns that failure. [`Scope::group`] and [`Scope::child`] make scopes inside a scope,
//! [`Scope::spawn_isolated`] starts a process whose failure is nobody else's, and [`Scope::supervise`] one that is started again:
//! alone, with its siblings ([`Scope::one_for_all`]), or with those that depend on it ([`Scope::rest_for_one`]); see [`supervise`].
//!
//! Awaiting a [`Task`] gives the value of its process. Several of them are awaited as they end with a [`JoinSet`], to which tasks are
//! added (`set.add(scope.task("fetch", fetch(url)))`), or all together with [`join!`].
//!
//! Stopping does not drop futures: inputs are closed, one stage drains into the next, and each process runs to its natural
//! end. What has not ended after the grace is dropped at its current await and named in the [`ExitReport`]. Ctrl-C and SIGTERM
//! stop the whole program in the same way.
//!
//! ```
//! # use roundrock::prelude::*;
//! # #[process]
//! # async fn shout(lines: &Receiver<String>, out: &Sender<String>) -> Result<()> {
//! #     while let Some(line) = lines.recv().await { out.send(line.to_uppercase()).await?; }
//! #     Ok(())
//! # }
//! # #[roundrock::main] async fn main(scope: &Scope) -> Result<()> {
//! # let (lines, to_shout) = bounded(8);
//! # let (loud, heard) = bounded(8);
//! let stages = scope.child("stages");
//! stages.spawn(shout(to_shout, loud));
//! lines.send("accepted".to_owned()).await?;
//! let report = stages.stop(secs(5)).await;
//! assert!(report.is_clean());
//! assert_eq!(heard.recv().await.as_deref(), Some("ACCEPTED"));
//! # Ok(()) }
//! ```
//!
//! # Code that blocks, and other runtimes
//!
//! A handler or a function body must not block its thread for long; a worker that does not come back is replaced for the time
//! being, but it costs a thread. Use [`blocking`](blocking::blocking) for one call, and `#[process(blocking)]` or
//! `#[process(cpu)]` on a plain `fn` for a whole process. Plain threads use [`Sender::blocking_send`](channel::Sender::blocking_send)
//! and [`Receiver::blocking_recv`](channel::Receiver::blocking_recv). With the feature `tokio` its I/O and timers, and crates built
//! on them, work in every process. [`System::builder`] starts a system without `#[roundrock::main]`, several times if needed.
//!
//! # Features
//!
//! | feature | default | adds | costs |
//! |---|---|---|---|
//! | `tokio` | yes | tokio's I/O and timers in every process | the crate `tokio`; no thread of its own |
//! | `net` | yes | [`net::serve`]: HTTP servers of axum, tower or hyper, one process per connection | `tokio`, and the crates `hyper`, `hyper-util`, `tower-service` |
//! | `signals` | yes | Ctrl-C and SIGTERM stop the root scope | the crate `signal-hook` and a thread |
//! | `serde` | no | the types of a [snapshot](observe::Snapshot) can be serialised | the crate `serde` |
//! | `bench-without-books` | no | nothing; for the benchmark of Roundrock itself | counters, times and wait records: nothing can be observed |
//!
//! # Modules, in reading order
//!
//! [`mod@process`] and [`scope`] are what a program is made of, [`channel`] and [`time`] what processes wait for, [`error`] what
//! they return, [`supervise`] what starts them again, [`system`] what they run in, [`mod@sync`] has locks for simple
//! shared state, [`blocking`] is the way out to threads, and
//! [`observe`] shows what goes on. [`prelude`] has what nearly every program needs. [`promises`] lists what all of it may be relied on
//! for.

#[doc(hidden)]
pub mod __private;
pub mod blocking;
pub mod channel;
pub mod error;
mod join;
pub mod leaks;
mod locks;
#[cfg(feature = "net")]
pub mod net;
mod numbered;
pub mod observe;
mod order;
pub mod process;
pub mod promises;
mod random;
mod scheduler;
pub mod scope;
mod signals;
pub mod sim;
pub mod supervise;
pub mod sync;
pub mod system;
mod task;
#[cfg(all(test, loom))]
mod tests;
/// The models and some tests use the macros, which name the crate.
#[cfg(test)]
extern crate self as roundrock;
pub mod time;

/// The program in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

pub use roundrock_macros::{
    every, handler, handlers, inbox, key, main, on_start, on_stop, process, recv, select, test,
};

pub use channel::unbounded;
pub use error::{Context, Error, Ok, Result};
pub use process::{
    Call, CallError, Cx, Exit, Fault, FnHandle, Handle, Process, Reply, WeakFnHandle, WeakHandle,
};
pub use random::{Rng, rng};
pub use scope::{ExitReport, Scope};
pub use sim::Sim;
pub use system::System;
pub use task::{Done, Join, JoinNext, JoinSet, ProcessId, Task, WaitKind};

/// Everything that a program of processes needs.
pub mod prelude {
    pub use crate::{
        every, handler, handlers, inbox, key, on_start, on_stop, process, recv, select,
    };

    pub use crate::{bail, ensure, join};

    pub use crate::blocking::blocking;
    pub use crate::channel::Overflow::{DropNewest, DropOldest};
    pub use crate::channel::{
        BroadcastReceiver, BroadcastSender, ChannelOptions, Lagged, LatestReceiver, LatestSender,
        OneshotReceiver, OneshotSender, Overflow, Receiver, Sender, WeakSender, bounded, broadcast,
        cancel_safe, latest, oneshot, passive, rendezvous,
    };
    pub use crate::error::{Context, Error, Result};
    pub use crate::process::{Call, CallError, Cx, Exit, Handle, PoolPolicy, Process, Reply};
    pub use crate::scope::Scope;
    pub use crate::sim::Sim;
    pub use crate::system::System;
    pub use crate::task::{JoinSet, Task};
    pub use crate::time::{
        Duration, Instant, Within, interval, micros, millis, secs, sleep, sleep_until, timeout,
    };
}
