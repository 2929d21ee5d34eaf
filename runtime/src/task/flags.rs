//! What others tell a process in its line of counters, and what a poll says beside the kinds of its waits, bit by bit.

/// The scope of the process stops.
pub(crate) const STOPPING: u32 = 1;
/// The process sees the end of its empty inputs: nobody can feed them any more.
pub(crate) const ENDED: u32 = 2;
/// The inputs of the process refuse messages from outside of its scope, which stops; its supervisor says when it does.
pub(crate) const CLOSING: u32 = 4;
/// The process did not end in time, and is in the reports of the scopes that stop.
pub(crate) const LATE: u32 = 8;
/// A call of the process is refused: it would wait for itself.
pub(crate) const CYCLE: u32 = 16;
/// Among the kinds of a poll: it also waits for something that cannot be said.
pub(crate) const UNKNOWN: u16 = 1 << 15;
/// Among the kinds of a poll: a struct process that waits between two messages.
pub(crate) const BETWEEN: u16 = 1 << 14;
/// Among the kinds of a poll: its wait for room is a part of a call.
pub(crate) const CALLS: u16 = 1 << 13;
/// Among the kinds of a poll: what it said of ends of processes are those of one set, which one waker is for.
pub(crate) const SET: u16 = 1 << 12;
/// Among the kinds of a poll: the place that it noted last is that of a wait for a message or for room, or of a `select!`.
pub(crate) const PLACED: u16 = 1 << 11;
/// The bits of the kinds themselves.
pub(crate) const KINDS: u16 = PLACED - 1;

/// Which input that is, see [`told_of`].
pub(crate) const TOLD: u32 = 0x7fff_ffe0;

/// The flags that say to a process that its input from `object` is over; all its inputs, if `object` is zero.
pub(crate) fn told_of(object: u64) -> u32 {
    // Two channels are taken for one only if their addresses differ by a multiple of 2 GiB: each is larger than the bits left out.
    object as u32 & TOLD
}
