//! Planted bugs: programs with one mistake each, as real programs have them, and their corrected twins.
//!
//! Each file has a bug in the style of a user's program, the smallest change that corrects it, and the check that its user would
//! write. The deterministic tests must find every bug within 1,000 seeds with their default settings, for the reason that is
//! named here, and show it in few events: what they show is kept in `traces/`. They must find nothing in the twins.
//!
//! - `PLANTED_TRACES=overwrite` writes the traces anew; read the diff. They are compared word for word.
//! - `PLANTED_SEEDS=10000` searches the twins for longer than 1,000 seeds.
//! - `--nocapture` shows what each bug took: which seed, how many events, how long.

mod harness;

mod aba;
mod ack_before_work;
mod announce_before_store;
mod ask_cycle;
mod back_in_time;
mod barrier_reuse;
mod cache_stampede;
mod check_then_act;
mod closed_account;
mod counter_reset;
mod deaf_to_stop;
mod double_charge;
mod double_release;
mod failed_leader;
mod file_exists;
mod first_answer;
mod flag_and_turn;
mod gate_opened_first;
mod get_or_spawn;
mod gone_subscriber;
mod half_open;
mod half_read;
mod hold_and_wait;
mod index_kept;
mod lag_ignored;
mod late_reply;
mod late_report;
mod leaked_sender;
mod lease_race;
mod lent_to_nobody;
mod list_then_watch;
mod lock_over_send;
mod lost_batch;
mod lost_update;
mod missed_signal;
mod missing_close;
mod mutual_handles;
mod noted_after_send;
mod numbers_out_of_order;
mod one_condition;
mod overflow_newest;
mod parked_worker;
mod permit_order;
mod philosophers;
mod pool_reorders;
mod port_order;
mod read_your_writes;
mod recursive_read;
mod redelivery;
mod register_after_send;
mod replay_twice;
mod response_mixup;
mod restart_order;
mod saga_order;
mod seqlock;
mod shutdown_loses_tail;
mod silent_node;
mod skipped_state;
mod slot_not_returned;
mod stale_failover;
mod stale_fill;
mod stale_guard;
mod stale_session;
mod starved_arm;
mod stop_order;
mod termination;
mod ticker_burst;
mod token_on_error;
mod torn_read;
mod two_gets;
mod two_locks;
mod two_mailboxes;
mod unbalanced_fan_out;
mod unflushed;
mod unsubscribe;
mod use_before_init;
mod wait_before_add;
mod wrong_key;
mod wrong_strategy;

use harness::Mistake::{Assertion, Deadlock, Error, Leak};

/// A test for each bug, which finds it, one for each twin, in which there is nothing to find, and one for each twin on threads.
macro_rules! planted {
    ($($name:ident: $mistake:ident,)*) => {
        mod found {$(
            #[test]
            fn $name() {
                crate::harness::must_be_found(
                    stringify!($name),
                    crate::$mistake,
                    |sim| async move { crate::$name::buggy(&sim).await },
                );
            }
        )*}

        mod twin {$(
            #[test]
            fn $name() {
                crate::harness::must_pass(
                    stringify!($name),
                    |sim| async move { crate::$name::fixed(&sim).await },
                );
            }
        )*}

        mod real {$(
            #[test]
            fn $name() {
                crate::harness::must_pass_on_threads(
                    stringify!($name),
                    |scope| async move { crate::$name::fixed(&scope).await },
                );
            }
        )*}
    };
}

planted! {
    aba: Assertion,
    ack_before_work: Assertion,
    announce_before_store: Assertion,
    ask_cycle: Error,
    back_in_time: Assertion,
    barrier_reuse: Deadlock,
    cache_stampede: Assertion,
    check_then_act: Assertion,
    closed_account: Assertion,
    counter_reset: Assertion,
    deaf_to_stop: Assertion,
    double_charge: Assertion,
    double_release: Assertion,
    failed_leader: Deadlock,
    file_exists: Assertion,
    first_answer: Assertion,
    flag_and_turn: Assertion,
    gate_opened_first: Assertion,
    get_or_spawn: Error,
    gone_subscriber: Assertion,
    half_open: Assertion,
    half_read: Assertion,
    hold_and_wait: Deadlock,
    index_kept: Assertion,
    lag_ignored: Assertion,
    late_reply: Assertion,
    late_report: Assertion,
    leaked_sender: Leak,
    lease_race: Error,
    lent_to_nobody: Assertion,
    list_then_watch: Deadlock,
    lock_over_send: Deadlock,
    lost_batch: Assertion,
    lost_update: Assertion,
    missed_signal: Deadlock,
    missing_close: Deadlock,
    mutual_handles: Leak,
    noted_after_send: Assertion,
    numbers_out_of_order: Assertion,
    one_condition: Deadlock,
    overflow_newest: Assertion,
    parked_worker: Deadlock,
    permit_order: Deadlock,
    philosophers: Deadlock,
    pool_reorders: Assertion,
    port_order: Assertion,
    read_your_writes: Assertion,
    recursive_read: Deadlock,
    redelivery: Assertion,
    register_after_send: Deadlock,
    replay_twice: Assertion,
    response_mixup: Assertion,
    restart_order: Error,
    saga_order: Assertion,
    seqlock: Assertion,
    shutdown_loses_tail: Assertion,
    silent_node: Assertion,
    skipped_state: Assertion,
    slot_not_returned: Deadlock,
    stale_failover: Assertion,
    stale_fill: Assertion,
    stale_guard: Assertion,
    stale_session: Assertion,
    starved_arm: Assertion,
    stop_order: Assertion,
    termination: Assertion,
    ticker_burst: Assertion,
    token_on_error: Assertion,
    torn_read: Assertion,
    two_gets: Assertion,
    two_locks: Deadlock,
    two_mailboxes: Deadlock,
    unbalanced_fan_out: Deadlock,
    unflushed: Assertion,
    unsubscribe: Deadlock,
    use_before_init: Assertion,
    wait_before_add: Assertion,
    wrong_key: Assertion,
    wrong_strategy: Error,
}
