//! Random operations on the channels of one kind of use, `oneshot`, `latest` and `broadcast`, polled by hand on one thread, each
//! against a model of its own. P1, P4, P5, P7, P8, P12, P14.
//!
//! The models are written from what the documentation says, and not from the code. After each operation model and channel must agree
//! on what completed and with what, how often each waker was woken, what the endpoints say of themselves, which values were dropped,
//! and what became of each message. What was dropped has left no waker behind. A failure prints the seed of its sequence;
//! `ROUNDROCK_SEED=…` runs that one alone.
//!
//! Rejected: one model for all flavors. They share who waits and what is owed to whom (here), and no rule.
//!
//! Threads only: all of it: operations are polled by hand in one process, which has a system for the ledger only.

mod broadcast;
mod latest;
mod oneshot;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use roundrock::observe::Ledger;
use roundrock::prelude::*;
use roundrock_tests::{LIMIT, Random, Tally, Token, Wakes, yield_now};

/// A value that can be copied; each copy is a [`Token`] of its own with the same number.
#[derive(Debug)]
struct Value {
    token: Token,
    tally: Tally,
}

impl Value {
    fn number(&self) -> u64 {
        self.token.number()
    }

    /// Becomes one with another number; the token that it was is dropped.
    fn renumber(&mut self, number: u64) {
        self.token = self.tally.token(number);
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        Self {
            token: self.tally.token(self.number()),
            tally: self.tally.clone(),
        }
    }
}

/// What a model says has come of an operation, beside its result.
#[derive(Debug, Default)]
struct Told {
    /// Whose waker was woken, once for each time.
    woken: Vec<usize>,
    dropped: Vec<u64>,
    /// Of all operations so far; what is queued is left out.
    book: Ledger,
}

impl Told {
    /// A message goes back to who sent it, who looks at it or drops it as it is.
    fn refuse(&mut self, opened: bool) {
        self.book.sent += 1;
        if opened {
            self.book.handed_back += 1;
        } else {
            self.book.dead.closed += 1;
        }
    }
}

/// A waker, and how often it should have been woken.
struct Meter {
    wakes: Arc<Wakes>,
    waker: Waker,
    due: usize,
}

impl Meter {
    fn new() -> Self {
        let (wakes, waker) = Wakes::new();
        let due = 0;
        Self { wakes, waker, due }
    }
}

/// An operation that was begun.
struct Wait<K, O> {
    id: usize,
    kind: K,
    polled: bool,
    future: Pin<Box<dyn Future<Output = O>>>,
    meter: Meter,
}

/// What the drivers of all flavors have: values, and operations under way.
struct Bench<K, O> {
    tally: Tally,
    numbers: usize,
    waits: Vec<Wait<K, O>>,
    /// Wakers that nobody may have any more.
    retired: Vec<(usize, Meter)>,
    /// How many of the dropped values were compared.
    compared: usize,
}

impl<K: Copy, O> Bench<K, O> {
    fn new() -> Self {
        Self {
            tally: Tally::new(),
            numbers: 0,
            waits: Vec::new(),
            retired: Vec::new(),
            compared: 0,
        }
    }

    /// A number that no value, operation or endpoint had before.
    fn number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }

    fn value(&mut self) -> (u64, Value) {
        let number = self.number() as u64;
        let (token, tally) = (self.tally.token(number), self.tally.clone());
        (number, Value { token, tally })
    }

    fn begin(&mut self, kind: K, future: impl Future<Output = O> + 'static) {
        let id = self.number();
        self.waits.push(Wait {
            id,
            kind,
            polled: false,
            future: Box::pin(future),
            meter: Meter::new(),
        });
    }

    /// One of the operations under way, if there is any.
    fn any(&self, random: &mut Random) -> Option<usize> {
        (!self.waits.is_empty()).then(|| random.below(self.waits.len()))
    }

    /// Polls an operation, now and then with another waker than before. One that is ready leaves.
    fn poll(&mut self, at: usize, random: &mut Random) -> Poll<O> {
        let wait = &mut self.waits[at];
        if wait.polled && random.below(3) == 0 {
            let before = std::mem::replace(&mut wait.meter, Meter::new());
            self.retired.push((wait.id, before));
        }
        wait.polled = true;
        let waker = wait.meter.waker.clone();
        let polled = wait.future.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            self.withdraw(at);
        }
        polled
    }

    /// Drops an operation, in whatever state it is.
    fn withdraw(&mut self, at: usize) -> (usize, K) {
        let wait = self.waits.swap_remove(at);
        self.retired.push((wait.id, wait.meter));
        (wait.id, wait.kind)
    }

    /// Compares what has happened since the last time with what the model says; `in_order`: also in which order values went.
    fn check(&mut self, told: &mut Told, alive: usize, in_order: bool) {
        for id in told.woken.drain(..) {
            let wait = self.waits.iter_mut().find(|wait| wait.id == id);
            wait.expect("the model wakes operations that are there")
                .meter
                .due += 1;
        }
        for Wait { id, meter, .. } in &self.waits {
            assert_eq!(meter.wakes.count(), meter.due, "wakes of operation {id}");
        }
        for (id, meter) in &self.retired {
            assert_eq!(meter.wakes.count(), meter.due, "late wakes of {id}");
            // One is in the waker here.
            assert_eq!(Arc::strong_count(&meter.wakes), 2, "waker of {id} is kept");
        }
        let all = self.tally.dropped();
        let mut dropped = all[self.compared..].to_vec();
        self.compared = all.len();
        let mut expected = std::mem::take(&mut told.dropped);
        if !in_order {
            dropped.sort_unstable();
            expected.sort_unstable();
        }
        assert_eq!(dropped, expected, "values dropped");
        assert_eq!(self.tally.live(), alive, "values that live");
    }
}

/// A channel beside its model.
trait Flavor {
    fn new(random: &mut Random) -> Self;

    /// One random operation.
    fn act(&mut self, random: &mut Random);

    /// Drops something of what is there. `false`: nothing was.
    fn end(&mut self, random: &mut Random) -> bool;

    fn check(&mut self);

    /// What the ledger must say.
    fn book(&self) -> Ledger;
}

/// A system, and what its ledger must say of the sequences that have ended.
pub(crate) struct Books {
    system: System,
    past: Ledger,
}

impl Books {
    pub(crate) fn new(system: System) -> Self {
        let past = system.ledger();
        Self { system, past }
    }

    fn check(&self, present: Ledger) {
        let mut expected = self.past;
        expected += present;
        let begun = Instant::now();
        let mut says = self.system.ledger();
        // The thread that watches for leaks may be the last one that looks at a channel: then it adds the numbers to the sums, and they
        // are missing until it has.
        while says != expected && begun.elapsed() < LIMIT {
            std::thread::yield_now();
            says = self.system.ledger();
        }
        assert_eq!(says, expected);
    }
}

/// Operations in a sequence: fewer than the budget of one poll, also if each is polled twice.
const MOST: usize = 50;

/// Random operations until the choices are used up, at most `limit`; then everything is dropped, in any order.
fn sequence<F: Flavor>(random: &mut Random, limit: usize, asks_often: bool, books: &mut Books) {
    let mut flavor = F::new(random);
    flavor.check();
    for _ in 0..limit {
        if random.is_used_up() {
            break;
        }
        flavor.act(random);
        flavor.check();
        // Sums the channels of all workers, which takes longer than the operation.
        if asks_often {
            books.check(flavor.book());
        }
    }
    while flavor.end(random) {
        flavor.check();
    }
    let last = flavor.book();
    assert!(last.is_balanced() && last.queued == 0, "{last}");
    books.check(last);
    books.past += last;
}

/// The operations that these bytes say, on the flavor that the first one says, as a process of a system: what the fuzz target
/// `flavors` calls.
pub(crate) fn of_bytes(bytes: &[u8], books: &mut Books) {
    let random = &mut Random::of_bytes(bytes);
    match random.below(3) {
        0 => sequence::<oneshot::Pair>(random, MOST, true, books),
        1 => sequence::<latest::Pair>(random, MOST, true, books),
        _ => sequence::<broadcast::Pair>(random, MOST, true, books),
    }
}

/// Runs a sequence with each of these seeds.
fn with_seeds(seeds: u64, sequence: fn(u64, &mut Books)) {
    let only = std::env::var("ROUNDROCK_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(0..seeds, |seed: u64| seed..seed + 1);
    // In a process, so that the channels belong to a system.
    let run = System::builder().workers(1).run(async move |scope| {
        let mut books = Books::new(scope.system());
        for seed in seeds {
            let once = std::panic::AssertUnwindSafe(|| sequence(seed, &mut books));
            if std::panic::catch_unwind(once).is_err() {
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

fn agrees<F: Flavor>(seed: u64, books: &mut Books) {
    let mut random = Random::new(seed);
    let limit = 10 + random.below(MOST - 10);
    sequence::<F>(&mut random, limit, seed.is_multiple_of(8), books);
}

/// What the fuzz target is called with: nothing, one byte again and again, and bytes that end in the middle of a sequence, when every
/// further choice is the first possibility.
#[test]
fn bytes_of_every_kind_make_a_sequence_that_ends() {
    with_seeds(1_200, |seed, books| {
        let mut random = Random::new(seed);
        let length = [0, 1, 2, 9, 80, 300][random.below(6)];
        let mut bytes = vec![random.below(256) as u8; length];
        if random.below(2) > 0 {
            bytes.fill_with(|| random.below(256) as u8);
        }
        if let Some(flavor) = bytes.first_mut() {
            *flavor = random.below(3) as u8;
        }
        of_bytes(&bytes, books);
    });
}

#[test]
fn oneshot_agrees_with_its_model() {
    with_seeds(3_000, agrees::<oneshot::Pair>);
}

#[test]
fn latest_agrees_with_its_model() {
    with_seeds(3_000, agrees::<latest::Pair>);
}

#[test]
fn broadcast_agrees_with_its_model() {
    with_seeds(3_000, agrees::<broadcast::Pair>);
}
