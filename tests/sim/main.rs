//! Deterministic tests: what a simulation promises, and what it finds.
//!
//! Failures are part of what is tested, so most tests call `Simulation` instead of the macro.

mod end;
mod events;
mod faults;
mod holds;
mod lags;
mod lines;
mod monitors;
mod programs;
mod reads;
mod refused;
mod schedules;
mod time;
mod turns;
