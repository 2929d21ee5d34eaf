//! Processes that look stuck and are not: whoever could wake them is outside of any process, or alive. None is ever proven.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use roundrock::prelude::*;

use crate::control::{
    Instance, control_anywhere, control_of, give, instance, is_proven_simulated, proofs_of,
};

/// Waits for a message.
#[process]
async fn waits(input: &Receiver<u32>) {
    assert_eq!(input.recv().await, Some(7));
}

/// Waits for a message, and has the way to itself.
#[process]
pub(crate) async fn waits_alone(own: &Sender<u32>, input: &Receiver<u32>) {
    assert_eq!(input.recv().await, Some(7));
    let _ = own;
}

/// Sends, as soon as it is told to.
#[process]
async fn sends(go: &Receiver<()>, out: &Sender<u32>) -> Result<()> {
    go.recv().await;
    out.send(7).await?;
    Ok(())
}

fn send(sender: &Sender<u32>) {
    give(sender, 7);
}

/// The harness: two processes that do wait for each other for ever are found by it.
#[test]
fn the_harness_finds_what_is_there() {
    let cycle = |scope: &Scope, _| {
        let ((a, to_a), (b, to_b)) = (rendezvous(), rendezvous());
        let task = scope.spawn(echo(to_a, b));
        let other = scope.spawn(echo(to_b, a));
        // Threads that only have tasks to kill are not seen: without somebody who could go on, all is a deadlock.
        let within = scope.clone();
        let lives = scope.task("lives", async move { within.stopping().await });
        instance(task, move || {
            other.kill();
            lives.kill();
        })
    };
    let proofs = proofs_of(cycle);
    assert!(proofs.len() > 50, "{} proofs for 100 cycles", proofs.len());
    assert!(is_proven_simulated(cycle));
}

#[process]
async fn echo(input: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
    if let Some(n) = input.recv().await {
        out.send(n).await?;
    }
    Ok(())
}

/// Requests wait in a table until the answer comes in. Case L30.
#[test]
fn pending_table() {
    let table = Arc::new(Mutex::new(HashMap::<usize, OneshotSender<u32>>::new()));
    control_anywhere(move |scope, index| {
        let (answer, answered) = oneshot();
        table.lock().expect("not poisoned").insert(index, answer);
        let waits = scope.task("waits", async move {
            assert_eq!(answered.recv().await, Some(7))
        });
        let table = Arc::clone(&table);
        instance(waits, move || {
            let answer = table.lock().expect("not poisoned").remove(&index);
            answer
                .expect("it is there")
                .send(7)
                .expect("somebody waits");
        })
    });
}

/// The same, where the table is lent to a process that waits for who waits: an `Arc` hides what is in it from nobody else.
#[test]
fn pending_table_that_is_lent() {
    type Table = Arc<Mutex<Option<Sender<u32>>>>;

    #[process]
    async fn keeps(table: &Table, waits: &Receiver<()>) {
        waits.recv().await;
        let _ = table;
    }

    #[process]
    async fn waits(input: &Receiver<u32>, keeps: &Sender<()>) -> Result<()> {
        assert_eq!(input.recv().await, Some(7));
        keeps.send(()).await?;
        Ok(())
    }

    control_anywhere(|scope, _| {
        let ((sender, input), (tell, told)) = (rendezvous(), rendezvous());
        let table: Table = Arc::new(Mutex::new(Some(sender)));
        scope.spawn(keeps(Arc::clone(&table), told));
        instance(scope.spawn(waits(input, tell)), move || {
            send(
                table
                    .lock()
                    .expect("not poisoned")
                    .as_ref()
                    .expect("it is there"),
            );
        })
    });
}

#[test]
fn sender_in_an_arc() {
    control_anywhere(|scope, _| {
        let (sender, input) = rendezvous();
        let shared = Arc::new((7, sender));
        let other = Arc::clone(&shared);
        drop(shared);
        instance(scope.spawn(waits(input)), move || send(&other.1))
    });
}

#[test]
fn sender_on_a_plain_thread() {
    control_anywhere(|scope, _| {
        let (sender, input) = rendezvous();
        instance(scope.spawn(waits(input)), move || send(&sender))
    });
}

/// The same, and the process has a sender too.
#[test]
fn second_sender_on_a_plain_thread() {
    control_anywhere(|scope, _| {
        let (sender, input) = rendezvous();
        let own = sender.clone();
        instance(scope.spawn(waits_alone(own, input)), move || send(&sender))
    });
}

/// `NoLeakGlobal` of Go's micro cases: the sender is in a static.
#[test]
fn sender_in_a_static() {
    static SENDERS: OnceLock<Mutex<HashMap<usize, Sender<u32>>>> = OnceLock::new();
    let senders = || {
        SENDERS
            .get_or_init(Mutex::default)
            .lock()
            .expect("not poisoned")
    };
    control_anywhere(move |scope, index| {
        let (sender, input) = rendezvous();
        senders().insert(index, sender);
        instance(scope.spawn(waits(input)), move || {
            send(&senders().remove(&index).expect("it is there"));
        })
    });
}

#[test]
fn sender_behind_a_late_timer() {
    #[process]
    async fn late(out: &Sender<u32>) -> Result<()> {
        sleep(millis(3)).await;
        out.send(7).await?;
        Ok(())
    }

    control_anywhere(|scope, _| {
        let (sender, input) = rendezvous();
        scope.spawn(late(sender));
        instance(scope.spawn(waits(input)), || {})
    });
}

#[test]
fn limit_on_the_wait_itself() {
    #[process]
    async fn limited(own: &Sender<u32>, input: &Receiver<u32>) {
        assert!(input.recv().within(millis(3)).await.is_err());
        select! {
            _ = input.recv() => unreachable!("nobody sends"),
            () = sleep(millis(1)) => {}
        }
        let _ = own;
    }

    control_anywhere(|scope, _| {
        let (sender, input) = rendezvous();
        instance(scope.spawn(limited(sender, input)), || {})
    });
}

/// Idle processes that know each other, of which one has a name. Case L35.
#[test]
fn registered_name() {
    #[process]
    struct Node {
        peer: Option<NodeHandle>,
    }

    #[handlers]
    impl Node {
        fn meet(&mut self, peer: NodeHandle) {
            self.peer = Some(peer);
        }
        fn part(&mut self, cx: &mut Cx) {
            self.peer = None;
            cx.stop();
        }
    }

    control_anywhere(|scope, index| {
        let (one, two) = (
            scope.spawn(Node { peer: None }),
            scope.spawn(Node { peer: None }),
        );
        one.meet(two.clone()).try_send().expect("there is room");
        two.meet(one.clone()).try_send().expect("there is room");
        let name = format!("node {index}");
        scope.register(&name, &two).expect("a new name");
        let (scope, ends) = (scope.clone(), one.task());
        instance(ends, move || {
            let two = scope.lookup::<NodeHandle>(&name).expect("it has a name");
            assert!(scope.unregister(&name));
            two.part().try_send().expect("it is idle");
        })
    });
}

#[test]
fn sender_in_a_queued_message() {
    #[process]
    async fn opens(go: &Receiver<()>, letters: &Receiver<Sender<u32>>) -> Result<()> {
        go.recv().await;
        let sender = letters.recv().await.context("no letter")?;
        sender.send(7).await?;
        Ok(())
    }

    control_anywhere(|scope, _| {
        let ((sender, input), (post, letters), (tell, go)) =
            (rendezvous(), bounded(1), rendezvous());
        post.try_send(sender).expect("there is room");
        scope.spawn(opens(go, letters));
        instance(scope.spawn(waits(input)), move || {
            give(&tell, ());
            drop(post);
        })
    });
}

/// The message that has the sender lies in a channel whose receiver is on a plain thread, and the other sender is its own.
#[test]
fn sender_in_a_message_for_a_plain_thread() {
    control_anywhere(|scope, _| {
        let ((sender, input), (post, letters)) = (rendezvous(), bounded(1));
        let own = sender.clone();
        post.try_send(sender).expect("there is room");
        let waits = scope.spawn(waits_alone(own, input));
        instance(waits, move || send(&letters.try_recv().expect("a letter")))
    });
}

#[test]
fn idle_server_whose_handle_is_outside() {
    #[process]
    struct Server {
        served: u32,
    }

    #[handlers]
    impl Server {
        fn serve(&mut self, cx: &mut Cx) {
            self.served += 1;
            cx.stop();
        }
    }

    control_anywhere(|scope, _| {
        let server = scope.spawn(Server { served: 0 });
        instance(server.task(), move || {
            server.serve().try_send().expect("it is idle")
        })
    });
}

/// A chain of three, of which the last one is told by a plain thread. Case L34.
#[test]
fn chain_that_ends_outside() {
    control_anywhere(|scope, _| {
        let ((sender, input), (tell, go), (first, told)) =
            (rendezvous(), rendezvous(), rendezvous());
        scope.spawn(sends(go, sender));
        scope.spawn(passes(told, tell));
        instance(scope.spawn(waits(input)), move || {
            give(&first, ());
        })
    });
}

#[process]
async fn passes(input: &Receiver<()>, out: &Sender<()>) -> Result<()> {
    if let Some(()) = input.recv().await {
        out.send(()).await?;
    }
    Ok(())
}

/// A process that is alive all the time has the sender.
#[test]
fn live_bystander() {
    #[process]
    async fn lives(out: &Sender<u32>) -> Result<()> {
        for _ in 0..3 {
            sleep(millis(1)).await;
        }
        out.send(7).await?;
        Ok(())
    }

    control_anywhere(|scope, _| {
        let (sender, input) = rendezvous();
        scope.spawn(lives(sender));
        instance(scope.spawn(waits(input)), || {})
    });
}

/// A process that blocks its own thread has the sender.
#[test]
fn sender_lent_to_a_process_that_blocks() {
    #[process(blocking)]
    fn blocks(go: &Receiver<()>, out: &Sender<u32>) -> Result<()> {
        go.blocking_recv();
        out.blocking_send(7)?;
        Ok(())
    }

    control_of(1000, 10, |scope, _| {
        let ((sender, input), (tell, go)) = (rendezvous(), rendezvous());
        scope.spawn(blocks(go, sender));
        instance(scope.spawn(waits(input)), move || {
            tell.blocking_send(()).expect("it waits")
        })
    });
}

/// A job on the blocking pool is what the other one waits for.
#[test]
fn sender_of_one_that_waits_for_a_blocking_job() {
    #[process]
    async fn computes(out: &Sender<u32>, gate: std::sync::mpsc::Receiver<u32>) -> Result<()> {
        let value = blocking(move || gate.recv().unwrap_or(0)).await;
        out.send(value).await?;
        Ok(())
    }

    control_of(1000, 10, |scope, _| {
        let ((sender, input), (tell, gate)) = (rendezvous(), std::sync::mpsc::channel());
        scope.spawn(computes(sender, gate));
        instance(scope.spawn(waits(input)), move || {
            tell.send(7).expect("it waits")
        })
    });
}

/// A constructor was called and its process not spawned yet: it has the sender.
#[test]
fn sender_of_a_process_that_is_not_spawned_yet() {
    control_anywhere(|scope, _| -> Instance {
        let ((sender, input), (tell, go)) = (rendezvous(), rendezvous());
        drop(tell);
        let (later, scope) = (sends(go, sender), scope.clone());
        instance(scope.spawn(waits(input)), move || drop(scope.spawn(later)))
    });
}
