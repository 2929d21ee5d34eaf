//! Who ends a system: [`Builder::run`](super::Builder::run) itself, or whoever holds the last [`System`](super::System) of one
//! that was [started](super::Builder::start).
//!
//! **Invariants**
//! - A system is ended once; everybody who asks for its end waits for that one.
//! - Nobody waits for it on a thread that it would have to wait for: a worker, or a thread that runs blocking jobs.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::SystemInner;
use super::builder::Running;
use crate::blocking;
use crate::scheduler::worker;
use crate::scope::{ExitReport, stop};
use crate::signals::Watch;
use crate::sync::{Lock, start_thread};
use crate::task::{Watchers, waker};

/// The system could not be shut down from here: the caller is a part of it, and would wait for its own end.
///
/// A process stops its scope instead, with [`Scope::stop`](crate::Scope::stop).
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// use roundrock::system::ShutdownInside;
///
/// let refused: ShutdownInside = scope.system().shutdown(secs(1)).expect_err("this is a process of it");
/// assert!(refused.to_string().contains("scope.stop"));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownInside;

impl fmt::Display for ShutdownInside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "`System::shutdown` in a process would wait for that process: write `scope.stop(grace).await`, or call it on a plain thread",
        )
    }
}

impl std::error::Error for ShutdownInside {}

std::thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Notes that this thread runs code that a shutdown waits for, until the result is dropped.
pub(crate) fn enter() -> Inside {
    Inside(INSIDE.replace(true))
}

/// See [`enter`].
pub(crate) struct Inside(bool);

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

/// Whether this thread runs code that a shutdown waits for.
fn is_inside() -> bool {
    INSIDE.get() || worker::with(|worker| worker.is_some())
}

/// What became of a system, and who waits for that.
#[derive(Debug)]
pub(crate) struct Over(Lock<State>);

#[derive(Debug, Default)]
struct State {
    report: Option<ExitReport>,
    watchers: Watchers,
}

impl Over {
    pub(super) fn new() -> Self {
        Self(Lock::new(State::default()))
    }

    /// The system has ended: none of its threads is left but those that were reported stuck.
    pub(super) fn set(&self, report: ExitReport) {
        let mut state = self.0.lock();
        state.report = Some(report);
        let watchers = std::mem::take(&mut state.watchers);
        drop(state);
        watchers.wake_all();
    }

    async fn wait(&self) -> ExitReport {
        poll_fn(|cx| {
            let _spare = waker::prepare(cx);
            let mut state = self.0.lock();
            match &state.report {
                Some(report) => Poll::Ready(report.clone()),
                None => {
                    state.watchers.add(cx);
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// The life of a system that was started; its end is that of the system.
pub(crate) struct Life {
    /// `None` when somebody ends it.
    parts: Lock<Option<Parts>>,
}

pub(super) struct Parts {
    pub(super) running: Running,
    /// Dropped first: a signal means nothing to a system that has ended.
    pub(super) signals: Option<Watch>,
}

impl Life {
    pub(super) fn new(running: Running, signals: Option<Watch>) -> Arc<Self> {
        Arc::new(Self {
            parts: Lock::new(Some(Parts { running, signals })),
        })
    }

    /// Ends the system, unless somebody else does.
    fn end(&self) {
        let parts = self.parts.lock().take();
        if let Some(parts) = parts {
            parts.end();
        }
    }
}

impl Parts {
    /// Stops the root scope if nobody did, and ends the threads when it is over.
    fn end(self) {
        let Self { running, signals } = self;
        {
            // Nobody listens for signals any more when the threads end.
            let _signals = signals;
            running.1.begin_stop(running.0.grace);
            blocking::block_on(stop::over(&running.1));
            if let Err(error) = running.1.result() {
                tracing::error!(target: "roundrock::system", system = running.0.name(), cause = %format!("{error:#}"), "failed");
            }
        }
        let _ = running.close();
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let Some(parts) = self.parts.lock().take() else {
            return;
        };
        if !is_inside() {
            return parts.end();
        }
        let name = parts.running.0.name().to_owned();
        tracing::error!(
            target: "roundrock::system", system = name,
            "the last `System` was dropped in a process, which cannot wait for its own end: shutting down in the background"
        );
        parts.running.1.begin_stop(parts.running.0.grace);
        let ending = start_thread(format!("{name}-shutdown"), Box::new(move || parts.end()));
        if let Err(error) = ending {
            // What was to be ended went with the closure: its destructors have shut it down at once.
            tracing::error!(target: "roundrock::system", cause = %error, "no thread for the shutdown");
        }
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life").finish_non_exhaustive()
    }
}

/// See [`System::shutdown`](super::System::shutdown).
pub(super) fn shutdown(
    system: &SystemInner,
    life: Option<&Arc<Life>>,
    grace: Duration,
) -> Result<ExitReport, ShutdownInside> {
    if is_inside() {
        return Err(ShutdownInside);
    }
    if let Some(root) = system.root() {
        root.begin_stop(grace);
        root.hasten_stop(grace);
    }
    if let Some(life) = life {
        life.end();
    }
    Ok(blocking::block_on(system.over.wait()))
}
