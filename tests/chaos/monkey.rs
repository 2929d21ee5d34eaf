//! Who breaks the router.

use std::time::{Duration, Instant};

use roundrock::channel::Dead;
use roundrock::prelude::*;
use roundrock_tests::{Random, assert_balanced, yield_now};

use crate::router::Router;

/// Clients that live at the same time.
const CLIENTS: usize = 12;

/// Keeps the panics of this test, of which there are thousands, off standard error.
pub(crate) fn hush() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied());
        if !text.is_some_and(|text| text.starts_with("chaos")) {
            previous(info);
        }
    }));
}

/// Breaks what it can for a while.
pub(crate) async fn breaks(parts: &Scope, router: &Router, random: &mut Random, limit: Duration) {
    let system = parts.system();
    let begun = Instant::now();
    let mut clients: Vec<Task<()>> = (0..CLIENTS).map(|_| router.client()).collect();
    let mut letters = None;
    let mut progress = (Instant::now(), router.tally.handled());
    while begun.elapsed() < limit {
        match random.below(26) {
            0..=2 => router.sinks[random.below(router.sinks.len())].kill(),
            3..=5 => router.workers[random.below(router.workers.len())].kill(),
            6 | 7 => router.clerk.kill(),
            20 => router.sinks[random.below(router.sinks.len())].stop(),
            21 => router.clerk.stop(),
            22 => router.tills.get(random.below(2) == 0).kill(),
            23 => router.tills.get(random.below(2) == 0).stop(),
            8..=13 => {
                let at = random.below(clients.len());
                clients[at].kill();
                clients[at] = router.client();
            }
            14 => {
                letters = match letters {
                    None => Some(system.dead_letters()),
                    Some(_) => None,
                };
            }
            15 => passing(parts, random).await,
            24 => family(parts, random).await,
            16 => assert_balanced(&system),
            18 => nobody_is_accused(&system),
            19 => router.name_the_clerk(),
            // While everything moves: each channel says at once whether it has forgotten somebody.
            17 => assert_eq!(system.lost_wakeups(), 0),
            _ => yield_now().await,
        }
        sleep(micros(random.below(4000) as u64)).await;
        if let Some(letters) = &letters {
            while let Ok(letter) = letters.try_recv() {
                assert!(Dead::ALL.contains(&letter.reason));
            }
        }
        for by_key in [true, false] {
            router.tills.renew(by_key);
        }
        for client in &mut clients {
            if client.exit().is_some() {
                *client = router.client();
            }
        }
        // Whatever is broken, the rest goes on.
        let handled = router.tally.handled();
        if handled > progress.1 {
            progress = (Instant::now(), handled);
        }
        assert!(
            progress.0.elapsed() < Duration::from_secs(10),
            "nothing moves: {:#?}",
            system.snapshot()
        );
    }
}

/// Nothing here is leaked for ever, whatever is broken.
pub(crate) fn nobody_is_accused(system: &System) {
    let leaks = system.leaks();
    let proven = leaks.iter().find(|leak| leak.is_proven());
    assert!(proven.is_none(), "{leaks:#?}");
    assert_eq!(system.proof_violations(), 0, "proofs that were wrong");
}

/// A scope with a pipeline that comes and goes, stopped at some moment or failed.
async fn passing(parts: &Scope, random: &mut Random) {
    let scope = parts.clone();
    let (stops, fails) = (random.below(3) == 0, random.below(3) == 0);
    let count = random.below(30);
    let done = scope
        .group(async move |group| {
            let (news, reader) = broadcast::<usize>(4);
            let (oldest, kept) = bounded::<usize>(2).overflow(Overflow::DropOldest);
            let (answer, question) = oneshot::<usize>();
            group.task("reader", async move {
                while let Some(read) = reader.recv().await {
                    if let Ok(n) = read {
                        oldest.send(n).await?;
                    }
                }
                let _ = answer.send(7);
                roundrock::Ok(())
            });
            group.task("keeper", async move {
                let _ = question.await;
                ensure!(!fails, "chaos: a keeper");
                while kept.recv().await.is_some() {}
                roundrock::Ok(())
            });
            for n in 0..count {
                news.send(n).await?;
                if stops && n == count / 2 {
                    group.stop(millis(50)).await;
                }
            }
            Ok(())
        })
        .await;
    // A failure is the group's alone, and a stop is none.
    if let Err(error) = done {
        assert!(stops || fails, "{error:?}");
    }
}

/// A child of a family.
#[process(mailbox = 1)]
struct Member {
    sum: u64,
}

#[handlers]
impl Member {
    async fn add(&mut self, number: u64) -> u64 {
        ensure_calm(number);
        yield_now().await;
        self.sum += number;
        self.sum
    }
}

fn ensure_calm(number: u64) {
    assert_ne!(number, 0, "chaos: a member");
}

/// Calls a member until it is gone, or often enough.
#[process]
async fn calls(member: &MemberHandle, from: &u64) {
    for number in *from..*from + 30 {
        let called = member.add(number % 8).within(millis(20)).await;
        if called == Err(CallError::Gone) {
            return;
        }
    }
}

/// Supervised children that come and go: they fail, are killed, removed, and linked to others that fail, until all are stopped or their
/// scope gives up, in the middle of calls.
async fn family(parts: &Scope, random: &mut Random) {
    let family = parts.child("family");
    let family = match random.below(3) {
        0 => family,
        1 => family.one_for_all(),
        _ => family.rest_for_one(),
    };
    let family = family.intensity(random.below(4), secs(10));
    let (callers, others) = (parts.child("callers"), parts.child("others"));
    let members: Vec<_> = (0..4)
        .map(|_| {
            let member = family.supervise(|| Member { sum: 0 });
            let member = member.backoff(micros(0)..millis(1));
            member.shutdown(millis(20)).spawn()
        })
        .collect();
    for from in 1..9 {
        let member = members[random.below(members.len())].clone();
        callers.spawn(calls(member, from));
    }
    for _ in 0..random.below(10) {
        let member = &members[random.below(members.len())];
        match random.below(5) {
            0 => member.kill(),
            1 => drop(member.task().remove()),
            2 => {
                let fails = others.task("fails", async {
                    yield_now().await;
                    bail!("chaos: a relative");
                    #[expect(unreachable_code, reason = "it says what the task would return")]
                    roundrock::Ok(())
                });
                member.task().link(&fails);
            }
            _ => sleep(micros(random.below(500) as u64)).await,
        }
    }
    family.stop(millis(random.below(40) as u64)).await;
    for member in &members {
        // It is over for good, whether it was removed, gave up or was stopped.
        member.closed().await;
    }
    // Failures are what this is about.
    drop((family.join().await, others.join().await));
    callers.join().await.expect("who calls does not fail");
}
