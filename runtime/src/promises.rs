//! What Roundrock promises, numbered. This module has no items: it is a page to read, and to hold us to.
//!
//! Each promise has tests that carry its number, `p12_…`; a test sees to it that none is without. Where one is wrong, that is a
//! bug, and not a matter of taste.
//!
//! # Messages
//!
//! - **P1** A send that returns `Ok` has put the message into the channel once. It is received at most once, and exactly once
//!   unless the receiving side goes first.
//! - **P2** Messages of one process into one channel are received in the order of its sends, whichever clones of the sender it used.
//! - **P3** If a send completes before another one begins, over whatever chain of messages and processes, and both go into one
//!   channel, they are received in that order.
//! - **P4** A send that fails gives the message back. No message is lost in silence: one that nobody will see is counted as
//!   [dead](crate::observe::Ledger), with the reason.
//! - **P5** A channel of capacity *n* holds no more than *n*. With 0 it is a rendezvous: the send returns when a waiting receiver was
//!   given the message. One that this receiver never saw, because its `recv` was dropped, goes back to the head, beside the bound.
//! - **P6** A channel without a bound is asked for by name: [`unbounded`](crate::channel::unbounded).
//! - **P7** Those who wait to send are served in their order, and so are those who wait to receive.
//!
//! # The end of a channel
//!
//! - **P8** When the last sender goes, what is queued is still received, and then receivers see the end. When the last receiver goes,
//!   senders get their messages back, also those that wait, and what is queued is dropped at once.
//! - **P9** A [stop](crate::Scope::stop) may be asked for again. It refuses what comes from outside of the scope, and lets drain what
//!   is queued and what holds a permit. (A permit that is not used is waited for during half of the grace, and for 5 s at most.) A
//!   process refuses from its next await on, in all that it was lent and in its mailbox; in what else it receives from, as a future
//!   given to [`task`](crate::Scope::task) does, from when it asks for the next message. A
//!   [`oneshot`](crate::channel::oneshot), a [`latest`](crate::channel::latest) and a
//!   [`broadcast`](crate::channel::broadcast) refuse nothing.
//! - **P10** A process that ends, in whatever way, closes the endpoints that it owns.
//! - **P11** Weak handles and weak senders keep nothing alive, and do not come back after the end.
//!
//! # `select!` and cancellation
//!
//! - **P12** Every operation of Roundrock may be dropped before it completes, and then has had no effect: no message is lost, none
//!   was sent. The exception is a [call](crate::Call) whose handler has begun.
//! - **P13** Of *k* branches that are always ready, each is taken in at least one of 4*k* turns, over many. `biased;` asks for the
//!   order in which they are written.
//! - **P14** A `select!` has the effect of exactly one branch.
//! - **P15** A process is only ever cut off at an await. A kill takes effect at the next one, destructors run, and a scope does not
//!   end before its children have.
//!
//! # Scheduling
//!
//! - **P16** A process is polled by one worker at a time, so its state needs no lock.
//! - **P17** No wakeup is lost.
//! - **P18** A process that can run does so after a bounded number of turns of others. Loops over messages give way by a budget.
//! - **P19** A process that does not come back from a poll holds up nobody else: what waits behind it is taken over.
//! - **P20** A system that has nothing to do uses no processor time.
//!
//! # Failure
//!
//! - **P21** A panic ends its own process only. Everybody who waits for that hears of it, once, with the reason.
//! - **P22** A panic in a destructor ends no other process; one while the process unwinds already ends the program, as Rust does.
//! - **P23** The message that was being handled in a panic is not handled again. Its caller gets
//!   [`Crashed`](crate::CallError::Crashed), and the rest of the mailbox outlives a restart, in its order.
//! - **P24** Every call completes: with the reply, or with the reason why there is none.
//! - **P25** A call has no second answer: [`Reply`](crate::Reply) is used up by the first, and cannot be cloned.
//!
//! # Supervision
//!
//! - **P26** Children start in the order in which they were added, each when the one before is ready, and stop in the reverse order.
//! - **P27** The intensity of restarts is a sliding window: with a limit of *r*, exactly *r* restarts within it are borne, and one
//!   more is not.
//! - **P28** Permanent, transient and temporary mean what they mean in Erlang. Normal is to return `Ok` or to be stopped; a panic,
//!   an `Err` and a kill are not.
//! - **P29** So do `one_for_one`, `one_for_all` and `rest_for_one`. Siblings that are started again by them count as one restart.
//! - **P30** Handles outlive a restart. No message is handled by two incarnations; what is sent between two of them waits in the
//!   mailbox.
//! - **P31** The pause before a restart grows exponentially up to its limit, with jitter, and begins anew after a quiet time.
//! - **P32** A scope that gives up stops its other children in reverse order, and says what failed, one reason after another.
//!
//! # Shutdown
//!
//! - **P33** A stop closes inputs, lets stage drain into stage, and after the grace drops what is left; its
//!   [report](crate::ExitReport) says what became of whom.
//! - **P34** After a shutdown no process and no worker is left, and all destructors have run, unless the report names a process that
//!   did not come to an await.
//! - **P35** To shut a system down from one of its own processes is an error, and no deadlock.
//!
//! # Time
//!
//! - **P36** A timer never fires early. Timers fire in the order of their deadlines, those of one moment in any order. Intervals do
//!   not drift, and a policy with a name says what becomes of ticks that were missed.
//! - **P37** In a simulation, where time is virtual, all this holds as well.
//!
//! # Leaks
//!
//! - **P38** Of a process that is said to be [proven](crate::leaks::Verdict::Proven) leaked it is true. Should one ever run again,
//!   [`System::proof_violations`](crate::System::proof_violations) counts it.
//! - **P39** Every cycle of calls, joins, sends to mailboxes and [locks](crate::sync) among processes whose endpoints are known is
//!   found.
//! - **P40** So is every cycle of idle structs that only hold handles to each other.
//! - **P41** The search holds up no worker.
//! - **P42** A report names where each process was spawned, what it waits for, and who holds the other end.
//!
//! # Tests
//!
//! - **P43** One tape of choices gives one course of events, on every machine.
//! - **P44** A failure that was found with a seed is found with this seed again.
//!
//! # Not promised
//!
//! Fairness while processes are spawned without a bound; an order between different senders; delivery over a crash; that leaks are
//! found of what is held outside of processes; hard real time.
