//! Messages that overtake each other, or go missing.

use std::collections::BTreeSet;

use shuttle::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

use super::lock;

pub(super) fn pool_reorders() {
    #[derive(Debug, Clone, Copy)]
    enum Change {
        Insert(u32),
        Delete(u32),
    }
    let table = Arc::new(Mutex::new(BTreeSet::new()));
    let (changes, inbox) = sync_channel(8);
    let inbox = Arc::new(Mutex::new(inbox));
    let worker = || {
        let (table, inbox) = (Arc::clone(&table), Arc::clone(&inbox));
        thread::spawn(move || {
            loop {
                let change = lock(&inbox).recv();
                match change {
                    Ok(Change::Insert(record)) => lock(&table).insert(record),
                    Ok(Change::Delete(record)) => lock(&table).remove(&record),
                    Err(_) => return,
                };
            }
        })
    };
    let workers = [worker(), worker()];
    for record in [1, 2] {
        changes
            .send(Change::Insert(record))
            .expect("a worker receives");
        changes
            .send(Change::Delete(record))
            .expect("a worker receives");
    }
    drop(changes);
    for worker in workers {
        worker.join().expect("it does not panic");
    }
    assert!(lock(&table).is_empty(), "all were deleted");
}

pub(super) fn port_order() {
    // The sessions that are open, and the sum of what was seen.
    let sessions = Arc::new(Mutex::new((BTreeSet::new(), 0)));
    let (opens, to_open) = sync_channel(8);
    let (events, to_see) = sync_channel(8);
    let state = Arc::clone(&sessions);
    let opener = thread::spawn(move || {
        for id in to_open {
            lock(&state).0.insert(id);
        }
    });
    let state = Arc::clone(&sessions);
    let seer = thread::spawn(move || {
        for (id, n) in to_see {
            let mut sessions = lock(&state);
            assert!(sessions.0.contains(&id), "session {id} is not open");
            sessions.1 += n;
        }
    });
    for id in 0..2 {
        opens.send(id).expect("it is received");
        for n in 1..=2 {
            events.send((id, n)).expect("it is received");
        }
    }
    drop((opens, events));
    opener.join().expect("it does not panic");
    seer.join().expect("it does not panic");
    assert_eq!(lock(&sessions).1, 6);
}

pub(super) fn wrong_key() {
    let address = Arc::new(Mutex::new(0));
    let (inboxes, workers): (Vec<_>, Vec<_>) = (0..3)
        .map(|_| {
            let (moves, to_move) = sync_channel(8);
            let customer = Arc::clone(&address);
            let worker = thread::spawn(move || {
                for address in to_move {
                    *lock(&customer) = address;
                }
            });
            (moves, worker)
        })
        .unzip();
    for request in 1..=3 {
        let worker = &inboxes[request % inboxes.len()];
        worker.send(request * 100).expect("it is received");
    }
    drop(inboxes);
    for worker in workers {
        worker.join().expect("it does not panic");
    }
    assert_eq!(*lock(&address), 300, "not the last address");
}

pub(super) fn overflow_newest() {
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Progress {
        Started,
        Half,
        Done,
    }
    let (progress, states): (SyncSender<Progress>, _) = sync_channel(2);
    let display = thread::spawn(move || states.iter().last());
    thread::spawn(move || {
        for state in [Progress::Started, Progress::Half, Progress::Done] {
            match progress.try_send(state) {
                // What does not fit is dropped.
                Ok(()) | Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
    });
    let shown = display.join().expect("it does not panic");
    assert_eq!(shown, Some(Progress::Done));
}

pub(super) fn gone_subscriber() {
    let reads = |enough: u32| {
        let (to, items) = sync_channel(1);
        let reader = thread::spawn(move || {
            let mut sum = 0;
            while sum < enough
                && let Ok(item) = items.recv()
            {
                sum += item;
            }
            sum
        });
        (to, reader)
    };
    let (news, inbox) = sync_channel(4);
    let (to_a, impatient) = reads(1);
    let (to_b, faithful) = reads(7);
    let hub = thread::spawn(move || {
        while let Ok(item) = inbox.recv() {
            for subscriber in [&to_a, &to_b] {
                if subscriber.send(item).is_err() {
                    return;
                }
            }
        }
    });
    for item in [1, 2, 4] {
        // An error says that the hub has ended.
        let _ = news.send(item);
    }
    drop(news);
    hub.join().expect("it does not panic");
    let sums = (impatient.join().ok(), faithful.join().ok());
    assert_eq!(sums, (Some(1), Some(7)));
}

pub(super) fn termination() {
    // What each of the three has sent and handled.
    let book = Arc::new(Mutex::new([(0_u32, 0_u32); 3]));
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..3).map(|_| sync_channel::<u32>(64)).unzip();
    let workers: Vec<_> = (0..)
        .zip(inboxes)
        .map(|(me, inbox): (usize, _)| {
            let peers: Vec<SyncSender<u32>> = senders.clone();
            let book = Arc::clone(&book);
            thread::spawn(move || {
                while let Ok(depth) = inbox.recv() {
                    // A depth that no job has is the end.
                    if depth == u32::MAX {
                        return;
                    }
                    for (_, peer) in (0..).zip(&peers).filter(|(peer, _)| *peer != me) {
                        if depth > 0 {
                            lock(&book)[me].0 += 1;
                            peer.send(depth - 1).expect("it is received");
                        }
                    }
                    lock(&book)[me].1 += 1;
                }
            })
        })
        .collect();
    senders[0].send(2).expect("it is received");
    loop {
        let (mut sent, mut handled) = (1, 0);
        for who in 0..3 {
            let counts = lock(&book)[who];
            sent += counts.0;
            handled += counts.1;
        }
        if sent == handled {
            break;
        }
        thread::yield_now();
    }
    let open = lock(&book)
        .iter()
        .fold(1, |open, (sent, handled)| open + sent - handled);
    assert_eq!(open, 0, "declared done too early");
    for sender in &senders {
        sender.send(u32::MAX).expect("it is received");
    }
    for worker in workers {
        worker.join().expect("it does not panic");
    }
}
