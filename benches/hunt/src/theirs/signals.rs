//! What happens before somebody looks, listens or is ready.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shuttle::sync::mpsc::{Sender, channel, sync_channel};
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::thread;

use super::lock;

pub(super) fn announce_before_store() {
    let library = Arc::new(Mutex::new(BTreeSet::new()));
    let (news, heard) = sync_channel(4);
    let read = Arc::clone(&library);
    let reader = thread::spawn(move || {
        while let Ok(id) = heard.recv() {
            let found = lock(&read).contains(&id);
            assert!(found, "document {id} was announced");
        }
    });
    let writer = thread::spawn(move || {
        for id in [1, 2] {
            news.send(id).expect("the reader receives");
            lock(&library).insert(id);
        }
    });
    writer.join().expect("it does not panic");
    reader.join().expect("it does not panic");
}

pub(super) fn list_then_watch() {
    struct Registry {
        services: BTreeSet<&'static str>,
        watchers: Vec<Sender<&'static str>>,
    }
    let registry = Arc::new(Mutex::new(Registry {
        services: BTreeSet::from(["store"]),
        watchers: Vec::new(),
    }));
    let watched = Arc::clone(&registry);
    let watcher = thread::spawn(move || {
        let mut known = lock(&watched).services.clone();
        let (watcher, changes) = channel();
        lock(&watched).watchers.push(watcher);
        while known.len() < 2 {
            known.insert(changes.recv().expect("the registry lives"));
        }
    });
    {
        let mut registry = lock(&registry);
        registry.services.insert("queue");
        for watcher in &registry.watchers {
            // An error says that it does not watch any more.
            let _ = watcher.send("queue");
        }
    }
    watcher.join().expect("it does not panic");
}

pub(super) fn register_after_send() {
    type Pending = Arc<Mutex<BTreeMap<u32, Sender<u32>>>>;
    let pending = Pending::default();
    let (requests, served) = sync_channel(4);
    let (answers, answered) = sync_channel(4);
    thread::spawn(move || {
        for id in served {
            answers.send((id, id * id)).expect("somebody dispatches");
        }
    });
    let waiting = Arc::clone(&pending);
    thread::spawn(move || {
        for (id, answer) in answered {
            let caller = lock(&waiting).remove(&id);
            if let Some(caller) = caller {
                // An error says that it does not wait any more.
                let _ = caller.send(answer);
            }
        }
    });
    let (answer, wait) = channel();
    requests.send(3).expect("it is served");
    lock(&pending).insert(3, answer);
    assert_eq!(wait.recv(), Ok(9));
}

pub(super) fn use_before_init() {
    let router = Arc::new(Mutex::new(None));
    let routes = Arc::clone(&router);
    let client = thread::spawn(move || {
        let router = lock(&routes);
        let table: &BTreeMap<u32, &str> = router.as_ref().expect("the router is configured");
        assert_eq!(table.get(&1), Some(&"north"));
    });
    *lock(&router) = Some(BTreeMap::from([(1, "north")]));
    client.join().expect("the client failed");
}

pub(super) fn wait_before_add() {
    let tracker = Arc::new((Mutex::new(0), Condvar::new()));
    let objects = Arc::new(Mutex::new(0));
    for _ in 0..2 {
        let (tracker, objects) = (Arc::clone(&tracker), Arc::clone(&objects));
        thread::spawn(move || {
            *lock(&tracker.0) += 1;
            *lock(&objects) += 1;
            let mut running = lock(&tracker.0);
            *running -= 1;
            if *running == 0 {
                tracker.1.notify_all();
            }
        });
    }
    assert!(*lock(&objects) <= 2);
    let mut running = lock(&tracker.0);
    while *running > 0 {
        let waited = tracker.1.wait(running);
        running = waited.expect("nobody panics with the lock");
    }
    drop(running);
    assert_eq!(*lock(&objects), 2);
}

pub(super) fn missed_signal() {
    let workers = Arc::new(Mutex::new(0));
    let listening = Arc::new(Mutex::new(Vec::<Sender<()>>::new()));
    let (roster, stop) = (Arc::clone(&workers), Arc::clone(&listening));
    let worker = thread::spawn(move || {
        *lock(&roster) += 1;
        let (stopped, wait) = channel();
        lock(&stop).push(stopped);
        wait.recv().expect("somebody stops it");
    });
    *lock(&workers) += 1;
    assert!(*lock(&workers) <= 2);
    for listener in lock(&listening).iter() {
        listener.send(()).expect("the worker waits");
    }
    worker.join().expect("it does not panic");
}

pub(super) fn parked_worker() {
    const LAST: u32 = 2;
    // The jobs, and whether the worker is asleep.
    let jobs = Arc::new(Mutex::new((VecDeque::new(), false)));
    let (bell, rung) = sync_channel(1);
    let (done, results) = sync_channel(1);
    let queue = Arc::clone(&jobs);
    let worker = thread::spawn(move || {
        loop {
            let job = lock(&queue).0.pop_front();
            match job {
                Some(job) => {
                    done.send(job).expect("somebody takes it");
                    if job == LAST {
                        return;
                    }
                }
                None => {
                    lock(&queue).1 = true;
                    rung.recv().expect("somebody rings");
                }
            }
        }
    });
    for job in 1..=LAST {
        {
            let mut jobs = lock(&jobs);
            jobs.0.push_back(job);
            if std::mem::take(&mut jobs.1) {
                // It may have been rung already.
                let _ = bell.try_send(());
            }
        }
        assert_eq!(results.recv(), Ok(job));
    }
    worker.join().expect("it does not panic");
}

pub(super) fn skipped_state() {
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum State {
        Idle,
        Running,
        Failed,
    }
    #[derive(Debug)]
    struct Latest {
        state: State,
        changed: bool,
        closed: bool,
    }
    let latest = Latest {
        state: State::Idle,
        changed: false,
        closed: false,
    };
    let latest = Arc::new((Mutex::new(latest), Condvar::new()));
    let (lines, set) = (Arc::new(Mutex::new(0)), Arc::clone(&latest));
    thread::spawn(move || {
        for next in [State::Running, State::Failed, State::Running, State::Idle] {
            *lock(&lines) += 1;
            let mut latest = lock(&set.0);
            (latest.state, latest.changed) = (next, true);
            set.1.notify_one();
        }
        lock(&set.0).closed = true;
        set.1.notify_one();
    });
    let mut alarms = 0;
    loop {
        let mut seen = lock(&latest.0);
        while !seen.changed && !seen.closed {
            seen = latest.1.wait(seen).expect("nobody panics with the lock");
        }
        if !std::mem::take(&mut seen.changed) {
            break;
        }
        alarms += u32::from(seen.state == State::Failed);
    }
    assert_eq!(alarms, 1, "alarms");
}
