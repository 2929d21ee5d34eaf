//! What is left when the body has returned: processes that wait beside supervised children, endpoints that were forgotten, and who
//! sent last.

use std::sync::{Arc, Mutex};

use roundrock::channel::Message;
use roundrock::prelude::*;
use roundrock::sim::{Reason, Simulation};

/// Waits for work until it is stopped, as a server does.
#[process]
async fn idle(work: &Receiver<u32>) {
    while work.recv().await.is_some() {}
}

/// Two tasks wait for each other's messages, each with the other one's sender in its closure, where no search for leaks can look.
fn wait_for_each_other(sim: &Sim, work: Sender<u32>) {
    let (left, from_left) = bounded::<u32>(1);
    let (right, from_right) = bounded::<u32>(1);
    sim.task("left", async move {
        from_right.recv().await;
        work.send(1).await?;
        left.send(1).await
    });
    sim.task("right", async move {
        from_left.recv().await;
        right.send(1).await
    });
}

#[test]
fn a_supervised_child_hides_no_leak_of_others() {
    let failure = Simulation::new("hidden").run(|sim: Sim| async move {
        let (work, inbox) = bounded(1);
        let _server = sim.supervise(idle(inbox)).permanent().spawn();
        wait_for_each_other(&sim, work);
        roundrock::Ok(())
    });
    let failure = failure.expect_err("two wait for each other");
    let Reason::Leak(lines) = &failure.reason else {
        panic!("{failure}");
    };
    assert_eq!(lines.len(), 2, "{failure}");
    assert!(
        lines[0].starts_with("left#") && lines[1].starts_with("right#"),
        "{failure}"
    );
    let text = failure.to_string();
    let taken = "is taken away, to see who waits for ever without it";
    assert!(text.contains(taken), "{text}");
    assert_eq!(failure.shrunk.deviations(), 0, "{text}");
}

/// Who waits for what a supervised child sends ends with it: when the stop ends that.
#[test]
fn who_ends_with_a_supervised_child_is_no_leak() {
    #[process]
    async fn echo(requests: &Receiver<u32>, replies: &Sender<u32>) -> Result<()> {
        while let Some(n) = requests.recv().await {
            replies.send(n).await?;
        }
        Ok(())
    }
    let searched = Simulation::new("fed").run(|sim: Sim| async move {
        let (requests, inbox) = bounded(1);
        let (replies, answers) = bounded(1);
        // The senders lie in closures: of the factory, and of a task.
        let child = move || echo(inbox.clone(), replies.clone());
        let _echo = sim.supervise(child).permanent().spawn();
        sim.task("reader", async move {
            requests.send(1).await?;
            while answers.recv().await.is_some() {}
            roundrock::Ok(())
        });
        roundrock::Ok(())
    });
    if let Err(failure) = searched {
        panic!("{failure}");
    }
}

/// A process gets the place in memory of one that has ended, which sent before: it is not named for that.
#[test]
fn who_sent_last_is_not_mistaken_for_another() {
    fn sender<T: Message>(
        sim: &Sim,
        name: &'static str,
        out: Sender<T>,
        first: Option<T>,
    ) -> Task<()> {
        let (_never, waits) = bounded::<u32>(1);
        sim.task(name, async move {
            if let Some(first) = first {
                return Ok(out.send(first).await?);
            }
            let _kept = (out, _never);
            waits.recv().await;
            roundrock::Ok(())
        })
    }
    let failure = Simulation::new("mistaken").run(|sim: Sim| async move {
        let (out, inbox) = bounded(4);
        sender(&sim, "sends", out.clone(), Some(1)).await?;
        sim.settle().await;
        for _ in 0..4 {
            drop(sender(&sim, "waits", out.clone(), None));
        }
        sim.settle().await;
        inbox.recv().await;
        inbox.recv().await;
        roundrock::Ok(())
    });
    let failure = failure.expect_err("nobody sends a second one");
    assert_eq!(failure.reason, Reason::Deadlock, "{failure}");
    let test = failure.waits.iter().find(|line| line.starts_with("test#"));
    let test = test.unwrap_or_else(|| panic!("{failure}"));
    assert!(test.contains("a message from"), "{failure}");
    assert!(!test.contains("last sent to by waits"), "{failure}");
}

/// An endpoint that is never dropped keeps its channel from being closed, and nobody would notice.
#[roundrock::test(seeds = 2)]
#[should_panic(
    expected = "these channels still have endpoints, which were forgotten, are held by an `Arc` that holds itself, or are kept in a static:\n    jobs [sim/left.rs:"
)]
async fn endpoints_that_are_forgotten_are_told(_sim: &Sim) {
    let ends = bounded::<u32>(1).named("jobs");
    Box::leak(Box::new(ends));
}

/// An `Arc` that leads back to itself keeps what it has for ever.
#[roundrock::test(seeds = 2)]
#[should_panic(expected = "]: u32, with one sender and no receiver left")]
async fn an_endpoint_in_an_arc_that_holds_itself_is_told(_sim: &Sim) {
    struct Node {
        _out: Sender<u32>,
        own: Mutex<Option<Arc<Self>>>,
    }
    let (out, _inbox) = bounded(1);
    let node = Arc::new(Node {
        _out: out,
        own: Mutex::new(None),
    });
    *node.own.lock().expect("one thread") = Some(Arc::clone(&node));
}

#[roundrock::test(seeds = 2, leaks = "allow")]
async fn endpoints_may_be_forgotten_where_leaks_are_allowed(_sim: &Sim) {
    Box::leak(Box::new(bounded::<u32>(1)));
}

/// A closure may keep what it has captured, and look at it afterwards.
#[test]
fn a_simulation_may_keep_endpoints_outside() {
    let kept = Mutex::new(Vec::new());
    let searched = Simulation::new("kept").seeds(4).run(|_sim: Sim| {
        let (out, inbox) = bounded(1);
        kept.lock().expect("one thread").push(inbox);
        async move { out.send(7).await }
    });
    searched.expect("nothing waits");
    let kept = kept.into_inner().expect("one thread");
    assert!(kept.len() >= 4);
    assert!(kept.iter().all(|inbox| inbox.try_recv() == Ok(7)));
}
