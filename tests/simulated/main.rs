//! The behaviour cases on the deterministic scheduler: each is a `#[roundrock::test]` as users write it, with 64 seeds unless it says
//! another number; or a `Simulation`, with as many as it says, where the failure is what is tested (F05, F06, most of C23 and G02).
//!
//! The names of the tests begin with the case. Sizes are smaller than the case says where it is about load (C05, C17, F01, F08, F11, O01,
//! T01): here it is about order, and each run is one of many. Of what needs a thread outside of the system, or blocks one (C23, F05, F06),
//! `refused.rs` has what a simulation says. Two cases are about a thread that keeps a handle and will use it (L34, G02): a
//! simulation is a closed world, in which no thread can do so. It says that nothing can go on, but accuses nobody: `refused.rs`
//! has that too.

mod calls;
mod cancel;
mod channel;
mod close;
mod deadlock;
mod failing;
mod grants;
mod leaks;
mod proven;
mod refused;
mod restart;
mod scheduler;
mod select;
mod shutdown;
mod spawn;
mod timers;
