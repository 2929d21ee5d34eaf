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
//! # Without being asked
//! The system itself searches every second while something runs, and ever more rarely, up to once a minute, while nothing does. Each
//! cause is told once, as an event of [`tracing`] with the target `roundrock::leak` and in [`System::events`](crate::System::events); what
//! else is done about it says [`Builder::on_leak`](crate::system::Builder::on_leak). That pauses no worker, and takes a hundredth of one
//! thread's time at most, while nothing runs a thousandth: among 100,000 processes it comes after some seconds then. When nothing at all can go on any more, [`run`](crate::system::Builder::run) returns a [`Deadlock`]. When
//! nothing has gone on for a second, and something that is not followed, an endpoint in a local variable say, is all that could wake
//! anybody, a warning says so ([`Leak::standstill`]).
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

// `cycle` refuses calls when they are made. `facts` is what a pass reads, `relation` who could end a wait, `search` the search over plain numbers, `pass` the three
// together and why the answer is right, `verdict` and `text` what is said; `proofs` sees that it stays true. `watch` makes passes unasked, and `deadlock`
// says when nothing can go on, `knot` who holds up a stop, `lost` and `overdue` when the runtime has failed to wake somebody. `suspect` says what is old and not proven, and which arms are dead, `orphan` whose owner is gone,
// `still` what keeps a program open in which nothing runs any more.

pub(crate) mod cycle;
mod deadlock;
mod facts;
pub(crate) mod knot;
pub(crate) mod lost;
mod orphan;
mod overdue;
mod pass;
pub(crate) mod proofs;
mod relation;
mod report;
mod search;
mod still;
mod suspect;
mod text;
mod verdict;
pub(crate) mod watch;

pub use deadlock::Deadlock;
pub use report::{Awaited, Holding, LISTED, Leak, Proof, Stuck, Verdict};

pub use watch::OnLeak;
pub(crate) use watch::Policy;

use pass::Found;

use crate::observe::BOOKS;
use crate::system::SystemInner;

/// Looks for wakeups that the runtime lost.
pub(crate) fn lost_wakeups(system: &SystemInner) -> Vec<Leak> {
    let scheduler = &*system.scheduler;
    let late = lost::find(scheduler);
    late.iter().map(|late| lost::say(late, scheduler)).collect()
}

/// Searches the system now.
pub(crate) fn search(system: &SystemInner) -> Vec<Leak> {
    // Without books nobody says what it waits for.
    if !BOOKS {
        return Vec::new();
    }
    watch::search(system, true, &mut || {}).1
}
