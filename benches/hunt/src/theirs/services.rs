//! Answers that come late, or not at all.

use std::collections::BTreeSet;

use shuttle::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

use super::lock;

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Closed,
    Open,
    HalfOpen,
}

#[derive(Debug)]
struct Breaker {
    state: State,
    epoch: u32,
    failures: u32,
    refused: u32,
}

impl Breaker {
    fn admit(&mut self) -> Option<u32> {
        match self.state {
            State::Closed => Some(self.epoch),
            State::Open => {
                self.refused += 1;
                if self.refused < 2 {
                    return None;
                }
                self.state = State::HalfOpen;
                self.epoch += 1;
                Some(self.epoch)
            }
            State::HalfOpen => None,
        }
    }

    fn report(&mut self, epoch: u32, success: bool) {
        match (self.state, success) {
            (State::Closed, false) => {
                self.failures += 1;
                if self.failures == 2 {
                    self.state = State::Open;
                    self.refused = 0;
                    self.epoch += 1;
                }
            }
            (State::HalfOpen, true) => {
                self.state = State::Closed;
                self.failures = 0;
                assert_eq!(epoch, self.epoch, "closed by a call of another epoch");
            }
            (State::HalfOpen, false) => {
                self.state = State::Open;
                self.refused = 0;
                self.epoch += 1;
            }
            _ => {}
        }
    }
}

pub(super) fn half_open() {
    let breaker = Arc::new(Mutex::new(Breaker {
        state: State::Closed,
        epoch: 0,
        failures: 0,
        refused: 0,
    }));
    let calls = Arc::new(Mutex::new(0));
    let client = || {
        let (breaker, calls) = (Arc::clone(&breaker), Arc::clone(&calls));
        thread::spawn(move || {
            for _ in 0..4 {
                let admitted = lock(&breaker).admit();
                if let Some(epoch) = admitted {
                    let success = {
                        let mut calls = lock(&calls);
                        *calls += 1;
                        *calls == 1
                    };
                    lock(&breaker).report(epoch, success);
                }
            }
        })
    };
    for client in [client(), client(), client()] {
        client.join().expect("it does not panic");
    }
}

pub(super) fn saga_order() {
    let rooms = Arc::new(Mutex::new(BTreeSet::new()));
    let seats = Arc::new(Mutex::new(1));
    let saga = |trip: u32| {
        let (rooms, seats) = (Arc::clone(&rooms), Arc::clone(&seats));
        thread::spawn(move || {
            let hotel = Arc::clone(&rooms);
            let booking = thread::spawn(move || lock(&hotel).insert(trip));
            let has_seat = {
                let mut seats = lock(&seats);
                let has_seat = *seats > 0;
                *seats -= i32::from(has_seat);
                has_seat
            };
            if !has_seat {
                lock(&rooms).remove(&trip);
            }
            booking.join().expect("it does not panic");
        })
    };
    for saga in [saga(1), saga(2)] {
        saga.join().expect("it does not panic");
    }
    assert_eq!(lock(&rooms).len(), 1, "a room without a flight");
}

pub(super) fn stale_failover() {
    let replica = Arc::new(Mutex::new(1));
    let primary = Arc::new(Mutex::new(1));
    let (log, shipped): (SyncSender<(u32, Sender<()>)>, _) = sync_channel(8);
    let applies = Arc::clone(&replica);
    let shipper = thread::spawn(move || {
        while let Ok((value, applied)) = shipped.recv() {
            *lock(&applies) = value;
            // Not everybody waits for it.
            let _ = applied.send(());
        }
    });
    {
        let mut primary = lock(&primary);
        *primary = 2;
        let (applied, _is_applied) = channel();
        log.send((2, applied)).expect("it is shipped");
    }
    let read = *lock(&replica);
    drop(log);
    shipper.join().expect("it does not panic");
    assert_eq!(read, 2, "what was confirmed");
}

pub(super) fn token_on_error() {
    #[derive(Debug)]
    struct Connection;
    // The value, and its version.
    let row = Arc::new(Mutex::new((0, 0)));
    let (put, take) = sync_channel(2);
    for _ in 0..2 {
        put.send(Connection).expect("there is room");
    }
    let take = Arc::new(Mutex::new(take));
    let transaction = || {
        let (row, put, take) = (Arc::clone(&row), put.clone(), Arc::clone(&take));
        let add = move |connection: Connection| -> Option<()> {
            let (value, version) = *lock(&row);
            {
                let mut row = lock(&row);
                if row.1 != version {
                    return None;
                }
                *row = (value + 1, version + 1);
            }
            put.send(connection).ok()
        };
        thread::spawn(move || {
            loop {
                let connection = lock(&take).recv().expect("the pool lives");
                if add(connection).is_some() {
                    return;
                }
            }
        })
    };
    for transaction in [transaction(), transaction(), transaction()] {
        transaction.join().expect("it does not panic");
    }
    drop(put);
    assert_eq!(lock(&row).0, 3);
    let left = lock(&take).iter().count();
    assert_eq!(left, 2, "connections in the pool");
}

pub(super) fn unbalanced_fan_out() {
    let shards = [[1, 20], [2, 30], [3, 40]].map(|documents| {
        let documents = Arc::new(Mutex::new(documents.to_vec()));
        let (ask, asked): (SyncSender<(u32, SyncSender<Vec<u32>>)>, _) = sync_channel(8);
        let searched = Arc::clone(&documents);
        thread::spawn(move || {
            while let Ok((above, answers)) = asked.recv() {
                let mut hits = lock(&searched).clone();
                hits.retain(|document| *document > above);
                if !hits.is_empty() {
                    answers.send(hits).expect("it is gathered");
                }
            }
        });
        (documents, ask)
    });
    let emptied = Arc::clone(&shards[1].0);
    let retention = thread::spawn(move || lock(&emptied).clear());
    let (answers, gathered) = sync_channel(3);
    for (_, ask) in &shards {
        ask.send((10, answers.clone())).expect("the shard lives");
    }
    let mut hits = Vec::new();
    for _ in &shards {
        hits.extend(gathered.recv().expect("the shards live"));
    }
    assert!(hits.contains(&20) && hits.contains(&40), "{hits:?}");
    retention.join().expect("it does not panic");
}
