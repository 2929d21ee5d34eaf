//! The behaviour cases on the deterministic scheduler: each is a `#[roundrock::test]` as users write it, 64 seeds each.
//!
//! The names of the tests begin with the case. Sizes are smaller than on threads, where a case is about load (F01, F11): here it
//! is about order, and each run is one of 64. Cases that need a thread outside of the system, a worker that blocks, or the real
//! clock (C23, F05, F06, F08, T01, L34, G02) cannot be simulated; `refused.rs` has what a simulation says about them, and
//! `tests/behaviour/` has the cases.

mod calls;
mod cancel;
mod channel;
mod close;
mod deadlock;
mod failing;
mod leaks;
mod refused;
mod restart;
mod scheduler;
mod select;
mod shutdown;
mod spawn;
mod timers;
