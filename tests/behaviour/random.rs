//! Random operations on a channel, polled by hand on one thread, against the model. P1, P4, P5, P7, P8, P12.
//!
//! After each operation the model and the channel must agree on what completed, who was woken, how many messages are queued,
//! which messages were dropped, in which order, and what became of each. A failure prints the seed of its sequence;
//! `ROUNDROCK_SEED=…` runs that one alone.
//!
//! Threads only: all of it: operations are polled by hand in one process, which has a system for the ledger only.

use roundrock::observe::Ledger;
use roundrock::prelude::*;
use roundrock_tests::{Random, on, yield_now};

use crate::model::Book;
use crate::pair::Pair;

impl Pair {
    /// One random operation.
    fn act(&mut self, random: &mut Random) {
        match random.below(16) {
            kind @ 0..=2 => self.start(kind),
            3 | 4 => {
                self.start(random.below(3));
                if !self.operations.is_empty() {
                    self.poll(self.operations.len() - 1);
                }
            }
            5 => self.try_send(),
            6 => self.try_recv(),
            7..=9 if !self.operations.is_empty() => self.poll(random.below(self.operations.len())),
            10 | 11 if !self.operations.is_empty() => {
                self.withdraw(random.below(self.operations.len()))
            }
            12 | 13 if !self.permits.is_empty() => {
                self.permit(random.below(self.permits.len()), random.below(3) > 0);
            }
            14 => self.endpoint(random, self.senders.len() + self.receivers.len() < 5),
            15 if random.below(4) == 0 => self.endpoint(random, false),
            _ => {}
        }
    }

    fn check(&self) {
        let model = &self.model;
        for operation in self.operations.iter().filter(|operation| operation.polled) {
            let woken = usize::from(model.done.contains_key(&operation.id));
            assert_eq!(
                operation.step.wakes(),
                woken,
                "wakes of operation {}",
                operation.id
            );
        }
        for sender in &self.senders {
            assert_eq!(
                (sender.len(), sender.is_closed()),
                (model.queue.len(), model.receivers == 0)
            );
        }
        for receiver in &self.receivers {
            assert_eq!(
                (receiver.len(), receiver.is_closed()),
                (model.queue.len(), model.senders == 0)
            );
        }
        assert_eq!(self.tally.dropped(), model.dropped);
    }

    fn finish(mut self, random: &mut Random) -> Book {
        while !self.operations.is_empty() {
            self.withdraw(random.below(self.operations.len()));
            self.check();
        }
        while !self.permits.is_empty() {
            self.permit(random.below(self.permits.len()), false);
        }
        while self.senders.len() + self.receivers.len() > 0 {
            // Not by chance alone: choices that are used up are always the same.
            if self.senders.is_empty() {
                self.receivers.pop();
                self.model.drop_receiver();
            } else {
                self.endpoint(random, false);
            }
            self.check();
        }
        self.tally.assert_balanced();
        self.model.book()
    }
}

/// What the ledger of a system says of the messages since `before`.
fn book(system: &System, before: Ledger) -> Book {
    let now = system.ledger();
    Book {
        sent: now.sent - before.sent,
        handled: now.handled - before.handled,
        handed_back: now.handed_back - before.handed_back,
        closed: now.dead.closed - before.dead.closed,
        withdrawn: now.dead.withdrawn - before.dead.withdrawn,
        queued: now.queued - before.queued,
    }
}

/// Random operations until the choices are used up, at most `limit`; then everything is dropped, in any order.
fn sequence(random: &mut Random, limit: usize, asks_often: bool, system: &System) {
    let before = system.ledger();
    let capacity = [Some(0), Some(1), Some(3), None][random.below(4)];
    let mut pair = Pair::new(capacity);
    for _ in 0..limit {
        if random.is_used_up() {
            break;
        }
        pair.act(random);
        pair.check();
        // Sums the channels of all workers, which takes longer than the operation.
        if asks_often {
            assert_eq!(book(system, before), pair.model.book());
        }
    }
    let last = pair.finish(random);
    assert_eq!(book(system, before), last);
}

/// The operations that these bytes say, as a process of a system: what the fuzz target `channel` calls.
pub(crate) fn of_bytes(bytes: &[u8], system: &System) {
    sequence(&mut Random::of_bytes(bytes), MOST, true, system);
}

/// Operations in a sequence: fewer than the budget of one poll, together with what ends them.
const MOST: usize = 50;

/// What the fuzz target is called with: nothing, one byte again and again, and bytes that end in the middle of a sequence, when every
/// further choice is the first possibility.
#[test]
fn bytes_of_every_kind_make_a_sequence_that_ends() {
    on(1, async |scope| {
        for byte in 0..=u8::MAX {
            for length in [0, 1, 2, 9, 64, 300] {
                of_bytes(&vec![byte; length], &scope.system());
                yield_now().await;
            }
            let rising: Vec<_> = (0..200).map(|at: u8| at.wrapping_mul(byte)).collect();
            of_bytes(&rising, &scope.system());
            yield_now().await;
        }
        Ok(())
    });
}

#[test]
fn random_operations_agree_with_the_model() {
    let only = std::env::var("ROUNDROCK_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(0..12_000, |seed: u64| seed..seed + 1);
    // In a process, so that the channels belong to a system.
    let run = System::builder().workers(1).run(async move |scope| {
        for seed in seeds {
            let system = scope.system();
            let sequence = std::panic::AssertUnwindSafe(|| {
                let mut random = Random::new(seed);
                let limit = 10 + random.below(MOST - 10);
                sequence(&mut random, limit, seed.is_multiple_of(4), &system);
                // The same by bytes, as the fuzz target does it.
                if seed.is_multiple_of(4) {
                    let length = random.below(80);
                    let bytes = std::iter::repeat_with(|| random.below(256) as u8);
                    of_bytes(&bytes.take(length).collect::<Vec<_>>(), &system);
                }
            });
            if std::panic::catch_unwind(sequence).is_err() {
                bail!("failed: run again with ROUNDROCK_SEED={seed}");
            }
            yield_now().await;
        }
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error:?}");
    }
}
