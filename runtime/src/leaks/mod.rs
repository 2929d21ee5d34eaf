//! Leaks and deadlocks: processes that wait for what can never come.
//!
//! The runtime knows of each parked process what it waits for, and of each channel how many endpoints there are. Where it also
//! knows *who* has them, it can prove that nobody is left who could ever wake a process: [`System::leaks`](crate::System::leaks) says so, with the
//! names and the source lines of everybody involved.
//!
//! Known exactly are the endpoints that a process function was lent (`&Sender`, `&Receiver`, `&XHandle`, also in an `Option`, `Vec`,
//! `Box`, array, tuple or map), the same types as fields of a struct process while it is parked between two messages, and mailboxes.
//! Of a `Mutex` or `RwLock` of [`sync`](crate::sync) it is known who holds it if every `Arc` of it was lent so.
//! Everything else counts as held by somebody outside, who might still use it: what was given by value, clones, what lies in an
//! `Arc`, in a message, under a registered name, or on a plain thread. So what is missed makes the answer "not proven", and never
//! a false accusation.
//!
//! A process is *leaked* if in no continuation of the program it runs again, other than by a forced stop: a kill, a supervisor, or a
//! stop of its scope.
//!
//! # Examples
//! ```
//! # use roundrock::prelude::*;
//! #[process]
//! async fn echo(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
//!     while let Some(number) = input.recv().await {
//!         output.send(number).await?;
//!     }
//!     Ok(())
//! }
//!
//! # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
//! # let scope = scope.child("ring");
//! // Each echoes what the other one says, and nobody says anything.
//! let (left, to_right) = rendezvous();
//! let (right, to_left) = rendezvous();
//! scope.spawn(echo(to_right, right));
//! scope.spawn(echo(to_left, left));
//!
//! let leaks = loop {
//!     let leaks = scope.system().leaks();
//!     if !leaks.is_empty() { break leaks }
//!     sleep(millis(1)).await;
//! };
//! assert!(leaks[0].is_proven());
//! assert_eq!(leaks[0].names(), ["echo", "echo"]);
//! # scope.stop(secs(0)).await;
//! # Ok(()) }) }
//! ```

// `facts` is what a pass reads, `relation` who could end a wait, `search` the search over plain numbers, `pass` the three
// together and why the answer is right, `verdict` and `text` what is said.

mod facts;
mod pass;
mod relation;
mod report;
mod search;
mod text;
mod verdict;

pub use report::{Awaited, Holding, LISTED, Leak, Proof, Stuck, Verdict};

use crate::system::SystemInner;

/// Searches the system now.
pub(crate) fn search(system: &SystemInner) -> Vec<Leak> {
    let scheduler = &*system.scheduler;
    let pins = facts::Pins::new(scheduler);
    let found = pass::run(&pins, scheduler, system.entry());
    verdict::say(&found, &pins, scheduler)
}
