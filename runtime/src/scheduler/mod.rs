//! The scheduler: workers with local queues, and who runs what next.
//!
//! ```text
//!   wake on a worker ──► run-next slot ──displaced──► local queue ──steal half──► other workers
//!   wake from outside ─► injector ──────────────────────┘
//! ```
//!
//! Read in this order: [`worker`] (the loop of one worker), [`queue`], [`idle`] with PARKING.md, [`driver`] (how a
//! worker sleeps), [`company`] (workers that get into each other's way), [`pool`] (threads, spare workers, shutdown), [`monitor`] (coarse
//! clock, workers that do not come back).
//!
//! **Invariants**
//! - A notified task is in exactly one place: a run-next slot, a queue, or the hands of one worker.
//! - A task in a run-next slot has a worker that is awake. What it displaced is in the queue, where others find it.
//! - Another worker is woken only for surplus: waking a thread costs a hundred times what a process switch costs.

pub(crate) mod company;
pub(crate) mod driver;
pub(crate) mod idle;
pub(crate) mod monitor;
pub(crate) mod pool;
pub(crate) mod queue;
pub(crate) mod worker;

pub(crate) use pool::Scheduler;
