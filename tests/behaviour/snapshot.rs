//! What a snapshot says of a running system.

use roundrock::WaitKind;
use roundrock::observe::{Direction, PortInfo, ProcessInfo, Snapshot, State};
use roundrock::prelude::*;
use roundrock_tests::{on_both, yield_now};

#[process]
async fn route(raw: &Receiver<u32>, factor: &u32, out: &Sender<u32>) -> Result<()> {
    while let Some(n) = raw.recv().await {
        out.send(n * factor).await?;
    }
    Ok(())
}

#[process(budget = 12)]
struct Desk {
    first: Sender<u32>,
    others: Vec<Sender<u32>>,
    input: Receiver<u32>,
}

#[handlers]
impl Desk {
    #[recv(input)]
    async fn take(&mut self, n: u32) -> Result<()> {
        self.first.send(n).await?;
        for other in &self.others {
            other.send(n).await?;
        }
        Ok(())
    }

    fn is_open(&self) -> bool {
        true
    }
}

/// Takes snapshots until one shows what is asked for.
async fn when<T>(scope: &Scope, mut see: impl FnMut(&Snapshot) -> Option<T>) -> T {
    loop {
        if let Some(seen) = see(&scope.system().snapshot()) {
            return seen;
        }
        sleep(millis(1)).await;
    }
}

fn named<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a ProcessInfo> {
    snapshot
        .processes
        .iter()
        .find(|process| process.name == name)
}

fn ports(process: &ProcessInfo) -> Vec<(Option<String>, Direction, u64)> {
    let parts = |port: &PortInfo| {
        let name = port.name.as_deref().map(str::to_owned);
        (name, port.direction, port.channel)
    };
    process.ports.iter().map(parts).collect()
}

#[test]
fn a_function_shows_the_ports_that_it_was_lent_by_name_and_direction() {
    on_both(2, async |scope| {
        let (raw, raw_in) = bounded(1).named("raw events");
        let (out, routed) = bounded(1).named("routed");
        let _task = scope.spawn(route(raw_in, 2, out));
        let (ports, channels) = when(&scope, |snapshot| {
            let process = named(snapshot, "route")?;
            (process.state == State::Parked).then(|| {
                let wait = process.wait.as_ref().expect("it is parked");
                assert_eq!(wait.kind, WaitKind::Recv);
                let id = |name: &str| {
                    let named = |channel: &&roundrock::observe::ChannelInfo| {
                        channel.name.as_deref() == Some(name)
                    };
                    snapshot
                        .channels
                        .iter()
                        .find(named)
                        .map(|channel| channel.id)
                };
                assert_eq!(Some(wait.object), id("raw events"));
                (
                    ports(process),
                    [id("raw events"), id("routed")].map(Option::unwrap),
                )
            })
        })
        .await;
        assert_eq!(
            ports,
            [
                (Some("raw".to_owned()), Direction::In, channels[0]),
                (Some("out".to_owned()), Direction::Out, channels[1]),
            ]
        );
        raw.send(4).await?;
        assert_eq!(routed.recv().await, Some(8));
        Ok(())
    });
}

#[test]
fn a_struct_shows_the_endpoints_in_its_fields_however_many() {
    on_both(2, async |scope| {
        let (first, _first) = bounded(1);
        let (other, _other) = bounded(1);
        let (to_desk, input) = bounded(1);
        let others = vec![other.clone(), first.clone(), other];
        let desk = scope.spawn(Desk {
            first,
            others,
            input,
        });
        assert!(desk.is_open().await?);
        let snapshot = scope.system().snapshot();
        let process = named(&snapshot, "Desk").expect("it lives");
        let shown: Vec<_> = ports(process)
            .into_iter()
            .map(|(name, direction, _)| (name, direction))
            .collect();
        let others = || (Some("others".to_owned()), Direction::Out);
        assert_eq!(
            shown,
            [
                (Some("first".to_owned()), Direction::Out),
                others(),
                others(),
                others(),
                (Some("input".to_owned()), Direction::In),
            ]
        );
        // The same channel under two names is the same number.
        assert_eq!(process.ports[0].channel, process.ports[2].channel);
        assert_ne!(process.ports[0].channel, process.ports[1].channel);
        drop(to_desk);
        Ok(())
    });
}

#[test]
fn processes_are_counted_by_where_they_come_from() {
    on_both(2, async |scope| {
        let spawn = |n: u32| {
            let (out, input) = bounded::<u32>(1);
            (
                out,
                scope.spawn(Desk {
                    first: bounded(1).0,
                    others: Vec::new(),
                    input,
                }),
                n,
            )
        };
        let desks: Vec<_> = (0..5).map(spawn).collect();
        let (_out, input) = bounded::<u32>(1);
        let one = scope.spawn(Desk {
            first: bounded(1).0,
            others: Vec::new(),
            input,
        });
        let snapshot = scope.system().snapshot();
        let origins: Vec<_> = snapshot
            .origins
            .iter()
            .filter(|origin| origin.name == "Desk")
            .collect();
        let alive: Vec<u64> = origins.iter().map(|origin| origin.alive).collect();
        assert_eq!(alive, [5, 1]);
        assert!(origins.iter().all(|origin| origin.budget == Some(12)));
        assert!(
            origins
                .iter()
                .all(|origin| origin.oldest >= origin.youngest)
        );
        let sites: Vec<_> = origins.iter().map(|origin| origin.site.clone()).collect();
        assert_ne!(sites[0], sites[1]);
        let of_one = named(&snapshot, "Desk").map(|process| process.origin);
        assert!(origins.iter().any(|origin| Some(origin.id) == of_one));
        let total: u64 = snapshot.origins.iter().map(|origin| origin.alive).sum();
        assert_eq!(total, snapshot.processes.len() as u64);
        one.stop();
        for (_, desk, _) in &desks {
            desk.stop();
        }
        Ok(())
    });
}

/// Times are those of the one who asks, also when every worker has slept since.
#[test]
fn an_idle_system_has_grown_older() {
    let told = std::thread::spawn(|| {
        System::builder().workers(1).run(async |scope| {
            let (_keep, never) = rendezvous::<()>();
            scope.task("idle", async move {
                never.recv().await;
            });
            let system = scope.system();
            let (ages, told) = std::sync::mpsc::channel();
            let asks = std::thread::spawn(move || {
                for _ in 0..2 {
                    std::thread::sleep(Duration::from_millis(300));
                    let seen = system.snapshot();
                    let idle = seen.processes.iter().find(|process| process.name == "idle");
                    let since = idle.and_then(|idle| Some((idle.age, idle.wait.as_ref()?.since)));
                    let _ = ages.send(since);
                }
            });
            blocking(move || asks.join()).await.expect("it asks");
            Ok(told.iter().collect::<Vec<_>>())
        })
    });
    let told = told.join().expect("no panic").expect("no error");
    let [Some((first, waited)), Some((second, _))] = told[..] else {
        panic!("{told:?}");
    };
    let between = Duration::from_millis(280);
    assert!(first >= between && waited >= between, "{told:?}");
    assert!(second >= first + between, "{told:?}");
}

/// Whose fields are changed from outside.
#[process]
struct Table {
    last: Option<Sender<u32>>,
    rows: Vec<Sender<u32>>,
}

#[handlers]
impl Table {
    fn put(&mut self, last: Option<Sender<u32>>, rows: Vec<Sender<u32>>) {
        (self.last, self.rows) = (last, rows);
    }
}

/// What a struct holds while it waits is what its last message has left, whatever it held before: also where the new list is the
/// beginning of the old one, or the other way round, or the same under another name.
#[test]
fn the_ports_of_a_struct_are_those_of_now() {
    const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
    on_both(2, |scope| async move {
        let (rows, _ends): (Vec<_>, Vec<_>) = NAMES
            .map(|name| bounded::<u32>(1).named(name))
            .into_iter()
            .unzip();
        let table = scope.spawn(Table {
            last: None,
            rows: Vec::new(),
        });
        let lists: [(Option<usize>, &[usize]); 14] = [
            (None, &[0, 1, 2, 3, 4, 5, 6]),
            (None, &[0, 1, 2, 3, 4, 5]),
            (None, &[0, 1]),
            (None, &[0]),
            (Some(0), &[]),
            (None, &[0]),
            (Some(0), &[1, 2]),
            (Some(0), &[1, 2, 3]),
            (Some(1), &[1, 2, 3]),
            (None, &[]),
            (None, &[6, 5, 4, 3, 2, 1, 0]),
            (None, &[6, 5, 4, 3, 2, 0, 1]),
            (None, &[6, 5, 4, 3, 2, 0, 1]),
            (Some(6), &[]),
        ];
        for (last, list) in lists {
            let of = |n: &usize| rows[*n].clone();
            table
                .put(last.as_ref().map(of), list.iter().map(of).collect())
                .await?;
            let last = last.map(|n| ("last", NAMES[n]));
            let expected: Vec<_> = last
                .into_iter()
                .chain(list.iter().map(|n| ("rows", NAMES[*n])))
                .collect();
            when(&scope, |snapshot| {
                let process = snapshot.processes.iter().find(|it| &*it.name == "Table")?;
                let channel = |id| snapshot.channels.iter().find(|channel| channel.id == id);
                let ports: Option<Vec<_>> = process
                    .ports
                    .iter()
                    .map(|port| {
                        Some((
                            port.name.as_deref()?,
                            channel(port.channel)?.name.as_deref()?,
                        ))
                    })
                    .collect();
                (ports? == expected).then_some(())
            })
            .await;
        }
        Ok(())
    });
}

/// An idle time is one of waiting: neither time in a queue, nor that of the step after it, nor of the wait that comes then.
#[test]
fn an_idle_time_is_charged_to_who_waited() {
    const IDLE: Duration = Duration::from_secs(1);
    let body = || {
        System::builder().workers(2).run(async |scope| {
            let ((wake, woken), (_keep, never)) = (rendezvous::<()>(), rendezvous::<()>());
            let child = scope.child("child");
            child.task("waits", async move {
                woken.recv().await;
                never.recv().await;
            });
            let (told, is_told) = oneshot();
            let wakes = std::thread::spawn(move || {
                std::thread::sleep(IDLE);
                let _ = (wake.blocking_send(()), told.send(()));
            });
            is_told.await;
            let mut times = None;
            while times.is_none() {
                yield_now().await;
                let seen = scope.system().snapshot();
                let waits = seen.processes.iter().find(|one| one.name == "waits");
                times = waits.filter(|one| one.polls > 1).map(|one| one.times);
            }
            let report = child.stop(Duration::ZERO).await;
            let _ = blocking(move || wakes.join()).await;
            Ok((times, report.late[0].since))
        })
    };
    let (times, since) = body().expect("no error");
    let times = times.expect("it was seen");
    let half = (IDLE / 2).as_millis() as u64;
    assert!(times.busy_ms + times.ready_ms < half, "{times:?}");
    assert!(times.idle_ms > half, "{times:?}");
    assert!(since < IDLE / 2, "{since:?}");
}
