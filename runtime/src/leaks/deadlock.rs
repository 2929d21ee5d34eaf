//! The end of everything: no process is left that could ever go on.
//!
//! That is so when a pass has proven every process of the system, the body of `main` included, and nothing else could still bring
//! in something new: no timer, no blocking job, no task that was given to tokio, and nothing of the runtime's own that is not parked.
//! Because whoever waits for a stop is not proven, a server that waits for Ctrl-C is not deadlocked.

use std::fmt;

use super::facts::Facts;
use super::report::Leak;
use crate::scheduler::Scheduler;
use crate::system::SystemInner;
use crate::task::ProcessId;

/// The error of a system in which nothing can ever go on: all of its processes wait for each other, or for nothing.
///
/// [`Builder::run`](crate::system::Builder::run) returns it instead of hanging; a program with `#[roundrock::main]` writes it to
/// standard error and exits with code 2.
///
/// It is certain: nobody outside has an endpoint that could wake one of the processes, and there is no timer, I/O or blocking job.
/// What a program does on threads of its own, without endpoints, is not seen; so a body of `main` that is to wait until it is stopped
/// awaits [`scope.stopping()`](crate::Scope::stopping), and not [`pending`](std::future::pending). A body that has returned a value
/// with a destructor, a handle say, may keep processes alive by it, so that its scope is stopped when nothing moves any more, and there
/// is no deadlock.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// use roundrock::leaks::Deadlock;
///
/// #[process]
/// async fn echo(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
///     while let Some(number) = input.recv().await {
///         output.send(number).await?;
///     }
///     Ok(())
/// }
///
/// let ended = System::builder().workers(1).run(async |scope| {
///     let (left, to_right) = rendezvous();
///     let (right, to_left) = rendezvous();
///     scope.spawn(echo(to_right, right));     // each waits for what the other one says
///     scope.spawn(echo(to_left, left));
///     Ok(())
/// });
/// let error = ended.expect_err("it can never end");
/// assert!(error.downcast_ref::<Deadlock>().is_some());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadlock {
    /// Who waits for whom: the causes first.
    pub leaks: Vec<Leak>,
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadlock: no process can ever go on")?;
        self.leaks
            .iter()
            .try_for_each(|leak| write!(f, "\n\n{leak}"))
    }
}

impl std::error::Error for Deadlock {}

/// Whether something outside of all processes may still bring in something new.
pub(super) fn may_go_on(system: &SystemInner) -> bool {
    let scheduler = &*system.scheduler;
    scheduler.timers.next_deadline().is_some()
        || !system.blocking.is_idle()
        || !system.cpu.is_idle()
        || scheduler.driver.has_tasks()
        || !scheduler.injector.is_empty()
        || system.root().is_none_or(|root| root.is_stopping())
}

/// Whether all processes are proven, and there is one. They are looked at one by one, so the caller makes sure that nobody runs
/// meanwhile.
pub(super) fn holds(facts: &Facts, stuck: &[bool], system: &SystemInner) -> bool {
    let mut found = false;
    let all = system.scheduler.registry.slots().all(|slot| {
        if !slot.is_used() {
            return true;
        }
        let over = slot.look(|id, _, task| {
            let process = facts.process(id.raw()).filter(|_| !is_promise(slot, task));
            match process {
                Some(process) => {
                    found = true;
                    stuck[process as usize]
                }
                // The runtime's own wait for those above.
                None => {
                    let own = task.scope().is_none() && Some(id) != system.entry();
                    own && (task.state.is_parked() || is_promise(slot, task))
                }
            }
        });
        // Otherwise it has ended.
        over.unwrap_or(true)
    });
    all && found
}

/// Whether it is the task of a supervised child, which is polled once, when that will not be started again.
fn is_promise(slot: &crate::task::registry::Slot, task: &crate::task::cell::Header) -> bool {
    task.scope().is_none() && task.lineage().is_some() && !slot.has_run()
}

/// The steps that the workers have begun and ended so far; `None` while one runs.
pub(super) fn steps(scheduler: &Scheduler) -> Option<u64> {
    let steps = scheduler.remotes.iter().map(|remote| remote.steps());
    steps
        .map(|steps| steps.is_multiple_of(2).then_some(steps))
        .sum()
}

/// Whether a process has just parked, and its worker may still refuse a call because of it.
pub(super) fn is_in_hand(scheduler: &Scheduler, id: ProcessId) -> bool {
    scheduler
        .remotes
        .iter()
        .any(|remote| !remote.steps().is_multiple_of(2) && remote.current() == id.raw())
}
