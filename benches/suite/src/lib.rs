//! What all programs of the benchmark share: the command line, the counts, the measuring, and the line that is printed.
//!
//! A program is called as `PROGRAM WORKLOAD [scale=F] [secs=F] [workers=N]`, runs that workload once, and prints one line of JSON.
//! `PROGRAM list` prints the workloads that it has. The runner calls a fresh process for each run.

pub mod counts;
pub mod entry;
pub mod event;
pub mod generic;
pub mod load;
pub mod measure;
pub mod work;

/// The allocator of all systems, instead of the one of the operating system.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
