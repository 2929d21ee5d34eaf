//! P38 to P42: what is proven to be leaked is, and what is not is not accused.
//!
//! Every test builds a small system, waits until what it wants is parked, and asks. A leak that must be found is asked for again and
//! again until it is there; one that must not be found is asked for after everybody has been seen parked.
//!
//! Threads only: handles that a plain thread keeps, and searches beside workers that are in the middle of a poll.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use roundrock::leaks::{Leak, Proof, Verdict};
use roundrock::observe::State;
use roundrock::prelude::*;
use roundrock::{System, WaitKind};

use roundrock_tests::{on, on_both, times, yield_now};

/// Asks until `enough` is content with the answer.
async fn until(system: &System, enough: impl Fn(&[Leak]) -> bool) -> Vec<Leak> {
    loop {
        let leaks = system.leaks();
        if enough(&leaks) {
            return leaks;
        }
        sleep(millis(1)).await;
    }
}

/// Waits until all processes with one of these names are parked.
async fn parked(system: &System, names: &[&str]) {
    loop {
        let snapshot = system.snapshot();
        let count = snapshot
            .processes
            .iter()
            .filter(|process| process.state == State::Parked && names.contains(&&*process.name))
            .count();
        if count >= names.len() {
            return;
        }
        sleep(millis(1)).await;
    }
}

fn proven(leaks: &[Leak]) -> usize {
    leaks
        .iter()
        .filter(|leak| leak.is_proven())
        .map(|leak| leak.count)
        .sum()
}

#[process]
async fn relay(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
    while let Some(number) = input.recv().await {
        output.send(number).await?;
    }
    Ok(())
}

#[test]
fn p39_p42_a_ring_of_ports_is_proven_with_all_its_names() {
    on_both(2, async |scope| {
        let ring = scope.child("ring");
        let (one, to_two) = rendezvous().named("one");
        let (two, to_one) = bounded(4).named("two");
        ring.spawn(relay(to_two, two));
        ring.spawn(relay(to_one, one));
        let leaks = until(&scope.system(), |leaks| !leaks.is_empty()).await;
        assert_eq!(leaks.len(), 1, "{leaks:#?}");
        let leak = &leaks[0];
        assert_eq!(leak.verdict, Verdict::Proven(Proof::Cycle));
        assert_eq!(leak.names(), ["relay", "relay"]);
        let text = leak.to_string();
        for part in [
            "\"one\"",
            "\"two\"",
            "tests/behaviour/leaks.rs:",
            "whose only sender is held by relay#",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        // Only how long they wait goes on.
        let again = scope.system().leaks();
        assert_eq!(again.len(), 1, "{again:#?}");
        assert_eq!(again[0].verdict, leak.verdict);
        assert_eq!(again[0].names(), leak.names());
        ring.stop(secs(0)).await;
        assert_eq!(scope.system().leaks(), []);
        Ok(())
    });
}

/// Those of a ring that are alike share a sentence, which says nothing of who waits for whom: that follows.
#[test]
fn a_ring_of_those_who_are_alike_is_told_in_its_order() {
    on_both(2, async |scope| {
        let ring = scope.child("ring");
        let channels: [_; 5] = std::array::from_fn(|_| rendezvous());
        // Each feeds the one that is spawned two after it.
        let (mut feeds, fed): (Vec<_>, Vec<_>) = channels.into_iter().unzip();
        feeds.rotate_left(2);
        for (input, output) in fed.into_iter().zip(feeds) {
            ring.spawn(relay(input, output));
        }
        let leaks = until(&scope.system(), |leaks| !leaks.is_empty()).await;
        let leak = &leaks[0];
        assert_eq!(leak.verdict, Verdict::Proven(Proof::Cycle));
        let text = leak.to_string();
        let ids: Vec<_> = leak.processes.iter().map(|process| process.id).collect();
        let order = ids.iter().chain(&ids[..1]);
        let order: Vec<_> = order.map(|id| format!("relay{id}")).collect();
        let told = format!("each waits for the next: {}", order.join(" -> "));
        assert!(text.contains(&told), "no {told:?} in:\n{text}");
        let mut spawned = ids.clone();
        spawned.sort_unstable();
        let at = |id| spawned.iter().position(|&other| other == id);
        // Who waits to receive waits for the one two before.
        for (one, next) in ids.iter().zip(ids.iter().cycle().skip(1)) {
            let step = (at(*one).unwrap_or(0) + 5 - at(*next).unwrap_or(0)) % 5;
            assert_eq!(step, 2, "{text}");
        }
        ring.stop(secs(0)).await;
        Ok(())
    });
}

#[process]
async fn sum(squares: &Receiver<u64>, jobs: &Sender<u64>) -> Result<u64> {
    let mut sum = 0;
    while let Some(square) = squares.recv().await {
        sum += square;
        if jobs.is_closed() {
            break;
        }
    }
    Ok(sum)
}

#[process]
async fn square(jobs: &Receiver<u64>, squares: &Sender<u64>) -> Result<()> {
    while let Some(job) = jobs.recv().await {
        squares.send(job * job).await?;
    }
    Ok(())
}

#[test]
fn l06_a_pool_whose_reader_keeps_the_input_open_is_one_cycle() {
    on_both(2, async |scope| {
        let work = scope.child("work");
        let (jobs, to_do) = bounded(4).named("jobs");
        let (squares, done) = bounded(4).named("squares");
        work.pool(4, square(to_do, squares));
        work.spawn(sum(done, jobs));
        // The pool itself waits for its workers.
        let leaks = until(&scope.system(), |leaks| proven(leaks) == 6).await;
        assert_eq!(leaks[0].verdict, Verdict::Proven(Proof::Cycle));
        assert_eq!(leaks[0].count, 5);
        assert_eq!(leaks[0].behind, 1);
        let text = leaks[0].to_string();
        println!("{text}");
        assert!(text.contains("waits to receive from \"squares\""), "{text}");
        assert!(text.contains("wait to receive from \"jobs\""), "{text}");
        work.stop(secs(0)).await;
        Ok(())
    });
}

#[process]
struct Peer {
    other: Option<PeerHandle>,
}

#[handlers]
impl Peer {
    fn meet(&mut self, other: PeerHandle) {
        self.other = Some(other);
    }
    fn part(&mut self) {
        self.other = None;
    }
    async fn ask(&mut self) -> bool {
        match &self.other {
            Some(other) => other.knows().await.is_ok(),
            None => false,
        }
    }
    fn knows(&self) -> bool {
        self.other.is_some()
    }
    fn me(&mut self, cx: &mut Cx<Self>) {
        self.other = cx.handle();
    }
}

#[test]
fn p40_l11_idle_actors_that_hold_each_other_are_proven() {
    on_both(2, async |scope| {
        let peers = scope.child("peers");
        let one = peers.spawn(Peer { other: None });
        let two = peers.spawn(Peer { other: None });
        one.meet(two.clone()).await?;
        two.meet(one.clone()).await?;
        parked(&scope.system(), &["Peer", "Peer"]).await;
        assert_eq!(scope.system().leaks(), [], "somebody has handles to them");
        drop(one);
        parked(&scope.system(), &["Peer", "Peer"]).await;
        assert_eq!(
            scope.system().leaks(),
            [],
            "somebody has a handle to one of them"
        );
        drop(two);
        let leaks = until(&scope.system(), |leaks| proven(leaks) == 2).await;
        assert_eq!(leaks[0].verdict, Verdict::Proven(Proof::Cycle));
        let text = leaks[0].to_string();
        println!("{text}");
        assert!(
            text.contains("for a message in its mailbox, whose only handle is held by Peer#"),
            "{text}"
        );
        peers.stop(secs(0)).await;
        Ok(())
    });
}

#[test]
fn l10_an_actor_with_its_own_handle_is_proven() {
    on_both(2, async |scope| {
        let peers = scope.child("peers");
        let one = peers.spawn(Peer { other: None });
        one.me().await?;
        drop(one);
        let leaks = until(&scope.system(), |leaks| proven(leaks) == 1).await;
        assert_eq!(leaks[0].verdict, Verdict::Proven(Proof::Cycle));
        println!("{}", leaks[0]);
        peers.stop(secs(0)).await;
        Ok(())
    });
}

#[test]
fn a_handle_that_left_the_state_is_loose_again() {
    on_both(2, async |scope| {
        let peers = scope.child("peers");
        let one = peers.spawn(Peer { other: None });
        let two = peers.spawn(Peer { other: None });
        one.meet(two.clone()).await?;
        two.meet(one.clone()).await?;
        one.part().await?;
        assert!(two.ask().await?);
        let weak = one.downgrade();
        drop((one, two));
        // `two` has lost its last handle, ends, and lets go of `one`.
        loop {
            if weak.upgrade().is_none() && peers.alive() == 0 {
                break;
            }
            sleep(millis(1)).await;
        }
        assert_eq!(scope.system().leaks(), []);
        Ok(())
    });
}

#[test]
fn l27_many_wait_behind_one_cycle() {
    on_both(2, async |scope| {
        let all = scope.child("all");
        let (one, to_two) = rendezvous();
        let (two, to_one) = rendezvous();
        all.spawn(relay(to_two, two));
        let last = all.spawn(relay(to_one, one));
        for _ in 0..49 {
            let done = last.done();
            all.task("waiter", async move { drop(done.await) });
        }
        let leaks = until(&scope.system(), |leaks| proven(leaks) == 51).await;
        let causes = leaks
            .iter()
            .filter(|leak| leak.verdict == Verdict::Proven(Proof::Cycle));
        assert_eq!(causes.map(|leak| leak.behind).collect::<Vec<_>>(), [49]);
        println!("{}\n{}", leaks[0], leaks[1]);
        assert_eq!(leaks.len(), 2, "those behind are of one kind");
        all.stop(secs(0)).await;
        Ok(())
    });
}

#[test]
fn l13_who_left_no_waker_is_proven_at_once() {
    on_both(2, async |scope| {
        let lost = scope.child("lost");
        lost.task("lost", std::future::pending::<()>());
        let leaks = until(&scope.system(), |leaks| !leaks.is_empty()).await;
        assert_eq!(leaks[0].verdict, Verdict::Proven(Proof::NoWaker));
        assert_eq!(leaks[0].names(), ["lost"]);
        println!("{}", leaks[0]);
        lost.stop(secs(0)).await;
        Ok(())
    });
}

#[process]
async fn until_stop(input: &Receiver<u32>, _own: &Sender<u32>, scope: &Scope) {
    select! {
        _ = input.recv() => {},
        _ = scope.stopping() => {},
    }
}

#[test]
fn l26_who_waits_for_a_stop_too_is_stranded() {
    on_both(2, async |scope| {
        let all = scope.child("all");
        let (one, to_one) = rendezvous();
        all.spawn(until_stop(to_one, one));
        let leaks = until(&scope.system(), |leaks| !leaks.is_empty()).await;
        assert_eq!(leaks.len(), 1);
        assert_eq!(leaks[0].verdict, Verdict::Stranded);
        println!("{}", leaks[0]);
        all.stop(secs(5)).await;
        Ok(())
    });
}

#[process]
async fn flood(out: &Sender<u32>, _input: &Receiver<u32>) -> Result<()> {
    loop {
        out.send(1).await?;
    }
}

#[test]
fn g08_two_full_channels_are_a_cycle_of_sends() {
    on_both(2, async |scope| {
        let all = scope.child("all");
        let (one, from_one) = bounded(1);
        let (two, from_two) = bounded(1);
        all.spawn(flood(one, from_two));
        all.spawn(flood(two, from_one));
        let leaks = until(&scope.system(), |leaks| proven(leaks) == 2).await;
        assert_eq!(leaks[0].verdict, Verdict::Proven(Proof::Cycle));
        let kinds = leaks[0]
            .processes
            .iter()
            .map(|process| process.waits[0].kind);
        assert_eq!(kinds.collect::<Vec<_>>(), [WaitKind::Send; 2]);
        println!("{}", leaks[0]);
        all.stop(secs(0)).await;
        Ok(())
    });
}

#[test]
fn l34_an_idle_server_of_a_plain_thread_is_not_accused() {
    on(2, async |scope| {
        let servers = scope.child("servers");
        let one = servers.spawn(Peer { other: None });
        one.me().await?;
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let outside = thread::spawn(move || {
            let _ = wait.recv();
            drop(one);
        });
        parked(&scope.system(), &["Peer"]).await;
        assert_eq!(scope.system().leaks(), []);
        drop(go);
        let _ = outside.join();
        let leaks = until(&scope.system(), |leaks| !leaks.is_empty()).await;
        assert_eq!(leaks[0].verdict, Verdict::Proven(Proof::Cycle));
        servers.stop(secs(0)).await;
        Ok(())
    });
}

#[test]
fn l35_a_registered_name_is_outside_until_it_is_taken_back() {
    on_both(2, async |scope| {
        let peers = scope.child("peers");
        let one = peers.spawn(Peer { other: None });
        one.me().await?;
        peers.register("one", &one)?;
        drop(one);
        parked(&scope.system(), &["Peer"]).await;
        assert_eq!(scope.system().leaks(), []);
        peers.unregister("one");
        let leaks = until(&scope.system(), |leaks| !leaks.is_empty()).await;
        assert_eq!(leaks[0].verdict, Verdict::Proven(Proof::Cycle));
        peers.stop(secs(0)).await;
        Ok(())
    });
}

#[test]
fn what_lies_in_an_arc_or_in_a_message_is_outside() {
    on_both(2, async |scope| {
        let all = scope.child("all");
        let (one, to_two) = bounded(1);
        let (two, to_one) = bounded(1);
        let shared = Arc::new(one.clone());
        let (post, letters) = bounded(1);
        post.send(two.clone()).await?;
        all.spawn(relay(to_two, two));
        all.spawn(relay(to_one, one));
        parked(&scope.system(), &["relay", "relay"]).await;
        assert_eq!(scope.system().leaks(), []);
        drop(shared);
        parked(&scope.system(), &["relay", "relay"]).await;
        assert_eq!(scope.system().leaks(), [], "a queued message has a sender");
        drop(letters);
        let leaks = until(&scope.system(), |leaks| proven(leaks) == 2).await;
        assert_eq!(leaks[0].verdict, Verdict::Proven(Proof::Cycle));
        all.stop(secs(0)).await;
        Ok(())
    });
}

#[process]
async fn late(out: &Sender<u32>, rest: &std::time::Duration) -> Result<()> {
    sleep(*rest).await;
    out.send(1).await?;
    Ok(())
}

#[test]
fn who_waits_for_a_late_timer_is_not_accused() {
    on_both(2, async |scope| {
        let all = scope.child("all");
        let (one, input) = rendezvous();
        all.spawn(late(one, secs(3600)));
        all.spawn(waits(input));
        parked(&scope.system(), &["late", "waits"]).await;
        assert_eq!(scope.system().leaks(), []);
        all.stop(secs(0)).await;
        Ok(())
    });
}

#[process]
async fn waits(input: &Receiver<u32>) {
    input.recv().await;
}

#[process]
struct Lender {
    asked: Vec<Reply<u32>>,
}

#[handlers]
impl Lender {
    fn ask(&mut self, reply: Reply<u32>) {
        self.asked.push(reply);
    }
    fn take(&mut self) -> Vec<Reply<u32>> {
        std::mem::take(&mut self.asked)
    }
}

#[process]
async fn borrow(lender: &LenderHandle) -> Result<u32> {
    Ok(lender.ask().await?)
}

#[test]
fn a_reply_that_is_kept_elsewhere_is_outside() {
    on_both(2, async |scope| {
        let all = scope.child("all");
        let lender = all.spawn(Lender { asked: Vec::new() });
        let task = all.spawn(borrow(lender.clone()));
        let replies = loop {
            let replies = lender.take().await?;
            if !replies.is_empty() {
                break replies;
            }
            sleep(millis(1)).await;
        };
        drop(lender);
        parked(&scope.system(), &["Lender", "borrow"]).await;
        assert_eq!(scope.system().leaks(), [], "the answer is in our hands");
        for reply in replies {
            reply.send(7);
        }
        assert_eq!(task.await?, 7);
        Ok(())
    });
}

#[process]
async fn wedge(input: &Receiver<u32>, _own: &Sender<u32>) {
    input.recv().await;
}

#[test]
fn who_calls_a_process_that_waits_for_ever_is_behind_it() {
    on_both(2, async |scope| {
        let all = scope.child("all");
        let (one, to_two) = rendezvous();
        let (two, to_one) = rendezvous();
        all.spawn(relay(to_two, two));
        all.spawn(relay(to_one, one));
        let (own, input) = rendezvous();
        let wedged = all.spawn(wedge(input, own));
        let server = all.spawn(Hostage { of: wedged });
        let _call = all.spawn(hold(server));
        let leaks = until(&scope.system(), |leaks| proven(leaks) == 5).await;
        let causes = leaks
            .iter()
            .filter(|leak| leak.verdict == Verdict::Proven(Proof::Cycle));
        assert_eq!(causes.count(), 2);
        for leak in &leaks {
            println!("{leak}");
        }
        all.stop(secs(0)).await;
        Ok(())
    });
}

#[process]
struct Hostage {
    of: Task<()>,
}

#[handlers]
impl Hostage {
    async fn wait(&mut self) {
        self.of.done().await;
    }
}

#[process]
async fn hold(server: &HostageHandle) -> Result<()> {
    server.wait().await?;
    Ok(())
}

/// P41: a search waits for no worker. The only one is in the middle of a poll for as long as several searches take.
#[test]
fn p41_a_search_does_not_wait_for_a_worker() {
    on(1, |scope| async move {
        let system = scope.system();
        let (begun, begins) = std::sync::mpsc::channel();
        let (searched, searches) = std::sync::mpsc::channel::<usize>();
        let searcher = thread::spawn(move || {
            begins.recv().expect("the poll begins");
            for _ in 0..10 {
                let found = proven(&system.leaks());
                searched.send(found).expect("the poll lasts");
            }
        });
        let polls = scope.task("polls", async move {
            begun.send(()).expect("the thread waits");
            // Does not return to its worker before the last search is over.
            let found: Vec<usize> = searches.iter().collect();
            assert_eq!(found, [0; 10]);
        });
        polls.await?;
        searcher.join().expect("it does not panic");
        Ok(())
    });
}

/// P41: workers go on while it searches: a hundred polls and more between the beginning and the end of one search.
#[test]
fn p41_workers_go_on_during_a_search() {
    on(1, |scope| async move {
        let system = scope.system();
        // So that there is something to search.
        let idle = scope.child("idle");
        for _ in 0..2_000 {
            let (left, to_right) = bounded::<u32>(1);
            let (right, to_left) = bounded::<u32>(1);
            idle.spawn(relay(to_right, right));
            idle.spawn(relay(to_left, left));
        }
        let polls = Arc::new(AtomicU64::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let searcher = thread::spawn({
            let (polls, over) = (Arc::clone(&polls), Arc::clone(&over));
            move || {
                loop {
                    let before = polls.load(Ordering::SeqCst);
                    system.leaks();
                    if polls.load(Ordering::SeqCst) - before > 100 {
                        over.store(true, Ordering::SeqCst);
                        return;
                    }
                }
            }
        });
        while !over.load(Ordering::SeqCst) {
            polls.fetch_add(1, Ordering::SeqCst);
            yield_now().await;
        }
        searcher.join().expect("it does not panic");
        idle.stop(secs(0)).await;
        Ok(())
    });
}

#[process]
async fn sleeps_with(_output: &Sender<u32>) {
    sleep(secs(3600)).await;
}

/// Many who receive from one channel are proven as few are, and nobody is accused while one could feed them; a pass over so many that
/// share a channel takes as many steps as there are, not the square.
#[test]
fn p40_many_may_share_a_channel() {
    on_both(2, async |scope| {
        let system = scope.system();
        let (few, many) = (times(200, 5), times(20_000, 20));
        for (relays, is_fed) in [(few, false), (few, true), (many, false)] {
            let ring = scope.child("ring");
            let (jobs, waiting) = bounded(1);
            let (done, results) = bounded(1);
            for _ in 0..relays {
                ring.spawn(relay(waiting.clone(), done.clone()));
            }
            if is_fed {
                ring.spawn(sleeps_with(jobs.clone()));
            }
            ring.spawn(relay(results, jobs));
            drop((waiting, done));
            parked(&system, &vec!["relay"; relays + 1]).await;
            if is_fed {
                parked(&system, &["sleeps_with"]).await;
                assert_eq!(proven(&system.leaks()), 0);
            } else {
                let leaks = until(&system, |leaks| proven(leaks) == relays + 1).await;
                assert_eq!(leaks.len(), 1, "one cause");
            }
            ring.stop(secs(0)).await;
        }
        Ok(())
    });
}
