//! Processes that make others, keep their handles, and watch for their ends beside their own messages: how they end. P15, P33, P34.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use roundrock::WaitKind;
use roundrock::observe::ProcessInfo;
use roundrock::prelude::*;
use roundrock_tests::{LIMIT, on_workers, yield_now};

/// Somebody who is watched.
#[process]
struct Room {
    said: u32,
}

#[handlers]
impl Room {
    fn say(&mut self) -> u32 {
        self.said += 1;
        self.said
    }
}

/// Makes rooms, keeps their handles, and forgets those that have ended.
#[process]
struct Lobby {
    rooms: HashMap<u32, RoomHandle>,
    forgotten: Arc<AtomicUsize>,
}

impl Lobby {
    fn new(forgotten: &Arc<AtomicUsize>) -> Self {
        Self {
            rooms: HashMap::new(),
            forgotten: Arc::clone(forgotten),
        }
    }

    fn forget(&mut self, number: u32) {
        self.rooms.remove(&number);
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }
}

#[handlers]
impl Lobby {
    fn open(&mut self, number: u32, cx: &mut Cx<Self>) -> RoomHandle {
        let room = cx.scope().spawn(Room { said: 0 });
        cx.spawn_then(room.done(), move |lobby, _| lobby.forget(number));
        self.rooms.insert(number, room.clone());
        room
    }
    /// Watches in a future of its own, which does something else before.
    fn open_slowly(&mut self, number: u32, cx: &mut Cx<Self>) -> RoomHandle {
        let room = cx.scope().spawn(Room { said: 0 });
        let done = room.done();
        let watch = async move {
            sleep(millis(1)).await;
            (number, done.await)
        };
        cx.spawn_then(watch, |lobby, (number, _)| lobby.forget(number));
        self.rooms.insert(number, room.clone());
        room
    }
    /// Waits for the value of a room, which is work: whoever asked wants it.
    fn result(&mut self, number: u32, reply: Reply<bool>, cx: &mut Cx<Self>) {
        let Some(room) = self.rooms.get(&number) else {
            return reply.send(false);
        };
        let task = room.task();
        cx.spawn_then(async move { task.await.is_ok() }, move |_, ok| {
            reply.send(ok)
        });
    }
    fn close(&mut self, number: u32) {
        self.rooms.remove(&number);
    }
    fn open_rooms(&self) -> usize {
        self.rooms.len()
    }
    /// Does something that takes a while, and then says so.
    fn slow(&mut self, reply: Reply<u32>, cx: &mut Cx<Self>) {
        cx.spawn_then(sleep(millis(20)), move |_, ()| reply.send(7));
    }
}

/// Waits until some work beside a process waits for an end.
async fn until_it_watches(scope: &Scope) {
    let watches = |process: &ProcessInfo| {
        let wait = process.wait.as_ref();
        &*process.name == "spawn_then" && wait.is_some_and(|wait| wait.kind == WaitKind::Join)
    };
    let system = scope.system();
    while !system.snapshot().processes.iter().any(watches) {
        // It sleeps before, so time must go on in a simulation.
        sleep(millis(1)).await;
    }
}

/// A stop of the scope ends the one who watches and those whom it watches, and what is to be done at an end is done.
#[test]
fn p33_stop_ends_who_watches_and_who_is_watched() {
    on_workers(|scope| async move {
        for kept_outside in [false, true] {
            let forgotten = Arc::new(AtomicUsize::new(0));
            let group = scope.child("group");
            let lobby = group.spawn(Lobby::new(&forgotten));
            let mut rooms = Vec::new();
            for number in 0..3 {
                let room = lobby.open(number).await?;
                assert_eq!(room.say().await?, 1);
                rooms.extend(kept_outside.then_some(room));
            }
            let report = group.stop(LIMIT).await;
            assert!(report.is_clean(), "{kept_outside}: {report}");
            assert_eq!(forgotten.load(Ordering::SeqCst), 3, "{kept_outside}");
            assert!(lobby.exit().is_some_and(|exit| exit.is_normal()));
        }
        Ok(())
    });
}

/// The same while the last handle of the one who watches is gone already.
#[test]
fn p33_stop_ends_who_watches_without_a_handle() {
    on_workers(|scope| async move {
        let forgotten = Arc::new(AtomicUsize::new(0));
        let group = scope.child("group");
        let lobby = group.spawn(Lobby::new(&forgotten));
        let room = lobby.open_slowly(1).await?;
        drop(lobby);
        until_it_watches(&scope).await;
        let report = group.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(forgotten.load(Ordering::SeqCst), 1);
        drop(room);
        Ok(())
    });
}

/// A stop through the handle does not wait for those who are only watched: whoever else has their handles keeps them.
#[test]
fn p15_stop_through_the_handle_does_not_wait_for_who_is_watched() {
    on_workers(|scope| async move {
        for slowly in [false, true] {
            let forgotten = Arc::new(AtomicUsize::new(0));
            let group = scope.child("group");
            let lobby = group.spawn(Lobby::new(&forgotten));
            let (kept, own) = match slowly {
                false => (lobby.open(1).await?, lobby.open(2).await?),
                true => (lobby.open_slowly(1).await?, lobby.open_slowly(2).await?),
            };
            let ended = own.done();
            drop(own);
            lobby.stop();
            assert_eq!(lobby.done().await.kind(), "ok", "{slowly}");
            // What only the lobby kept goes with it, and the other one lives on.
            assert!(ended.await.is_normal());
            assert_eq!(kept.say().await?, 1);
            assert_eq!(forgotten.load(Ordering::SeqCst), 0);
            drop(kept);
            group.join().await?;
        }
        Ok(())
    });
}

/// Work is drained before, whatever else is watched.
#[test]
fn p33_stop_through_the_handle_drains_the_work() {
    on_workers(|scope| async move {
        let forgotten = Arc::new(AtomicUsize::new(0));
        let group = scope.child("group");
        let lobby = group.spawn(Lobby::new(&forgotten));
        let room = lobby.open(1).await?;
        let asks = scope.task("asks", {
            let call = lobby.slow().owned();
            async move { roundrock::Ok(call.await) }
        });
        let waits = scope.task("waits", {
            let call = lobby.result(1).owned();
            async move { roundrock::Ok(call.await) }
        });
        while group.alive() < 5 {
            yield_now().await;
        }
        lobby.stop();
        assert_eq!(asks.await?, Ok(7));
        assert!(
            lobby.exit().is_none(),
            "somebody waits for what a room gives"
        );
        room.stop();
        assert_eq!(waits.await?, Ok(true));
        assert!(lobby.done().await.is_normal());
        drop(room);
        group.join().await?;
        Ok(())
    });
}

/// Who is watched, and ends before the stop, is forgotten as ever.
#[test]
fn who_ends_is_forgotten_once() {
    on_workers(|scope| async move {
        let forgotten = Arc::new(AtomicUsize::new(0));
        let lobby = scope.child("group").spawn(Lobby::new(&forgotten));
        let room = lobby.open(1).await?;
        let done = room.done();
        drop(room);
        lobby.close(1).await?;
        assert!(done.await.is_normal());
        while forgotten.load(Ordering::SeqCst) == 0 {
            yield_now().await;
        }
        assert_eq!(lobby.open_rooms().await?, 0);
        let done = lobby.done();
        drop(lobby);
        assert!(done.await.is_normal());
        assert_eq!(forgotten.load(Ordering::SeqCst), 1);
        Ok(())
    });
}

/// The loops of structs with timers and inputs, of those that block, and of supervised ones, do the same.
#[test]
fn p33_every_kind_of_struct_may_watch() {
    #[process]
    struct Ticking {
        rooms: Vec<RoomHandle>,
        jobs: Receiver<u32>,
        forgotten: Arc<AtomicUsize>,
    }
    #[handlers]
    impl Ticking {
        #[recv(jobs)]
        fn job(&mut self, _job: u32, cx: &mut Cx<Self>) {
            let room = cx.scope().spawn(Room { said: 0 });
            cx.spawn_then(room.done(), |me, _| {
                me.forgotten.fetch_add(1, Ordering::SeqCst);
            });
            self.rooms.push(room);
        }
        #[every("1ms")]
        fn tick(&mut self) {}
        fn rooms(&self) -> usize {
            self.rooms.len()
        }
    }
    #[process(blocking)]
    struct Slow {
        rooms: Vec<RoomHandle>,
    }
    #[handlers]
    impl Slow {
        fn open(&mut self, cx: &mut Cx<Self>) {
            let room = cx.scope().spawn(Room { said: 0 });
            cx.spawn_then(room.done(), |_, _| ());
            self.rooms.push(room);
        }
    }
    on_workers(|scope| async move {
        for alone in [false, true] {
            let forgotten = Arc::new(AtomicUsize::new(0));
            let group = scope.child("group");
            let (more, jobs) = bounded(1);
            let ticking = group.spawn(Ticking {
                rooms: Vec::new(),
                jobs,
                forgotten: Arc::clone(&forgotten),
            });
            let slow = group.spawn(Slow { rooms: Vec::new() });
            let lobby = {
                let forgotten = Arc::clone(&forgotten);
                group.supervise(move || Lobby::new(&forgotten)).spawn()
            };
            more.send(1).await?;
            while ticking.rooms().await? == 0 {
                yield_now().await;
            }
            slow.open().await?;
            drop(lobby.open(1).await?);
            if alone {
                ticking.stop();
                slow.stop();
                lobby.stop();
                assert!(ticking.done().await.is_normal());
                assert!(slow.done().await.is_normal());
                assert!(lobby.closed().await.is_normal());
            }
            let report = group.stop(LIMIT).await;
            assert!(report.is_clean(), "{alone}: {report}");
            drop(more);
        }
        Ok(())
    });
}

/// A function that waits for messages and for the ends of those that it feeds.
#[test]
fn p33_function_may_watch_too() {
    #[process]
    async fn reads(jobs: Receiver<u32>, read: Arc<AtomicUsize>) {
        while jobs.recv().await.is_some() {
            read.fetch_add(1, Ordering::SeqCst);
        }
    }
    #[process]
    async fn watches(jobs: &Receiver<u32>, read: &Arc<AtomicUsize>, scope: &Scope) -> Result<()> {
        let mut readers = JoinSet::new();
        let mut feeds = Vec::new();
        loop {
            select! {
                job = jobs.recv() => {
                    let (feed, inbox) = bounded(1);
                    readers.add(scope.spawn(reads(inbox, Arc::clone(read))));
                    feed.send(job).await?;
                    feeds.push(feed);
                },
                ended = readers.join_next() => ended?,
                else => return Ok(()),
            }
        }
    }
    on_workers(|scope| async move {
        let read = Arc::new(AtomicUsize::new(0));
        let group = scope.child("group");
        let (jobs, inbox) = bounded(1);
        let _watches = group.spawn(watches(inbox, Arc::clone(&read)));
        for job in 0..3 {
            jobs.send(job).await?;
        }
        while read.load(Ordering::SeqCst) < 3 {
            yield_now().await;
        }
        let report = group.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        Ok(())
    });
}

/// What a stop through the handle does wait for, and what can never come, is proven.
#[test]
fn p39_waiting_for_the_value_of_who_is_kept_is_proven_after_a_stop() {
    on_workers(|scope| async move {
        let forgotten = Arc::new(AtomicUsize::new(0));
        let group = scope.child("group");
        let lobby = group.spawn(Lobby::new(&forgotten));
        drop(lobby.open(1).await?);
        let asks = scope.child("asks").task("asks", {
            let call = lobby.result(1).owned();
            async move { roundrock::Ok(call.await) }
        });
        while group.alive() < 4 {
            yield_now().await;
        }
        lobby.stop();
        let leaks = loop {
            let leaks = scope.system().leaks();
            if leaks.iter().any(|leak| leak.is_proven()) {
                break leaks;
            }
            yield_now().await;
        };
        let names: Vec<_> = leaks.iter().flat_map(|leak| leak.names()).collect();
        assert!(
            names.contains(&"Lobby") && names.contains(&"Room"),
            "{names:?}"
        );
        // The stop of the scope ends the room, so what waits for it gets its answer.
        let report = group.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(asks.await?, Ok(true));
        Ok(())
    });
}
