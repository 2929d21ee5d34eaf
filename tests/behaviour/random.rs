//! Random operations on a channel, polled by hand on one thread, against the model. P1, P4, P5, P7, P8, P12.
//!
//! After each operation the model and the channel must agree on what completed, who was woken, how many messages are queued,
//! which messages were dropped, in which order, and what became of each. A failure prints the seed of its sequence;
//! `ROUNDROCK_SEED=…` runs that one alone.

use roundrock::observe::Ledger;
use roundrock::prelude::*;
use roundrock_tests::{Random, yield_now};

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
            self.endpoint(random, false);
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

fn sequence(seed: u64, system: &System) {
    let before = system.ledger();
    let mut random = Random::new(seed);
    let capacity = [Some(0), Some(1), Some(3), None][(seed % 4) as usize];
    let mut pair = Pair::new(capacity);
    for _ in 0..10 + random.below(40) {
        pair.act(&mut random);
        pair.check();
        // Sums the channels of all workers, which takes longer than the operation.
        if seed % 4 == seed / 4 % 4 {
            assert_eq!(book(system, before), pair.model.book());
        }
    }
    let last = pair.finish(&mut random);
    assert_eq!(book(system, before), last);
}

#[test]
fn random_operations_agree_with_the_model() {
    let only = std::env::var("ROUNDROCK_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(0..24_000, |seed: u64| seed..seed + 1);
    // In a process, so that the channels belong to a system. A sequence is shorter than the budget of one poll.
    let run = System::builder().workers(1).run(async move |scope| {
        for seed in seeds {
            let system = scope.system();
            let sequence = std::panic::AssertUnwindSafe(|| sequence(seed, &system));
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
