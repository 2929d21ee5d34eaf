//! How much of each workload is done, the same for every system. The runner scales some counts down; figures are per operation.

/// Processes started and joined.
pub const SPAWN: u64 = 1_000_000;
/// How many of them live at once.
pub const SPAWN_BATCH: u64 = 10_000;
/// Processes that wait for a message, each with an input of its own.
pub const IDLE: u64 = 1_000_000;
/// Round trips; a round trip is two messages.
pub const PINGPONG: u64 = 2_000_000;
/// Processes in the ring.
pub const RING_PROCESSES: usize = 503;
/// How often the token is passed on.
pub const RING_HOPS: u64 = 5_000_000;
/// Messages from one producer to one consumer.
pub const STREAM: u64 = 20_000_000;
/// The same without a buffer.
pub const STREAM0: u64 = 5_000_000;
/// Room in the channel of `stream`, `mpsc` and `mpmc`.
pub const STREAM_CAPACITY: usize = 64;
/// Messages of all producers together.
pub const MANY: u64 = 20_000_000;
/// Producers of `mpsc` and `mpmc`, and consumers of `mpmc`.
pub const MANY_EACH: u64 = 4;
/// Actors of `forkjoin`.
pub const FORKJOIN_ACTORS: usize = 10_000;
/// Messages to each of them.
pub const FORKJOIN_MESSAGES: u64 = 1_000;
/// Room in the input of each.
pub const FORKJOIN_CAPACITY: usize = 16;
/// Leaves of the tree.
pub const SKYNET: u64 = 1_000_000;
/// Children of a node, and room in its input.
pub const SKYNET_CHILDREN: u64 = 10;
/// Sources of the router.
pub const ROUTER_SOURCES: u64 = 400;
/// Events of each source.
pub const ROUTER_EVENTS: u64 = 25_000;
/// Workers between the sources and the sinks.
pub const ROUTER_WORKERS: usize = 8;
/// Sinks.
pub const ROUTER_SINKS: usize = 16;
/// Room in the input of a sink.
pub const ROUTER_SINK_CAPACITY: usize = 8;
/// Clients of the server.
pub const ASK_CLIENTS: u64 = 8;
/// Questions of each.
pub const ASK_EACH: u64 = 500_000;
/// Room in the input of the server.
pub const ASK_CAPACITY: usize = 64;
/// One question of so many has its latency measured.
pub const ASK_SAMPLE: u64 = 16;
/// Processes that wait while the CPU time is taken, or that have a timer each.
pub const PARKED: u64 = 100_000;
/// For how many seconds.
pub const PARKED_SECONDS: u64 = 5;
/// For how many seconds two processes keep the scheduler busy.
pub const BUSY_SECONDS: u64 = 3;
/// Events of each source in `compute`.
pub const COMPUTE_EVENTS: u64 = 1_000;
/// How long a worker computes for each of them, in nanoseconds.
pub const COMPUTE_NANOS: u64 = 2_000;
/// Processes that are woken at once.
pub const BURST_PROCESSES: u64 = 10_000;
/// How long each of them computes, in nanoseconds.
pub const BURST_NANOS: u64 = 5_000;
/// How often.
pub const BURSTS: u64 = 20;

/// Runs of `sim_steps`.
pub const SIM_LONG_RUNS: u64 = 100;
/// Processes of `sim_steps`.
pub const SIM_LONG_RING: usize = 3;
/// How often the token is passed on in a run of `sim_steps`.
pub const SIM_LONG_HOPS: u64 = 10_000;
/// Runs of `sim_runs`.
pub const SIM_RUNS: u64 = 20_000;
/// Processes of `sim_runs`.
pub const SIM_RING: usize = 10;
/// How often the token is passed on in a run of `sim_runs`: about fifty operations.
pub const SIM_HOPS: u64 = 25;
