//! Calls that would wait for themselves through a full mailbox or a join on the way fail at once, whoever parks last; what has no one
//! edge for each process, a `join!` or a channel of its own, is proven instead.
//!
//! Without the refusal those of the first part hang, and the watchdog says so.

use std::pin::Pin;

use roundrock::WaitKind;
use roundrock::leaks::Leak;
use roundrock::prelude::*;
use roundrock_tests::{on_both, yield_now};

/// What a clerk is to wait for, in the middle of its handler.
#[derive(Debug, Clone)]
enum Order {
    /// An answer of another one, to this order.
    Tell(ClerkHandle, Box<Order>),
    /// An answer to a plain call.
    Call(ClerkHandle),
    /// Room in the mailbox of another one, which is busy.
    Fill(ClerkHandle),
    /// Room in a channel.
    Send(Sender<u32>),
    /// The end of a process that does this.
    Join(Scope, Box<Order>),
    /// The end of a scope in which a process does this.
    Group(Scope, Box<Order>),
    /// First a sign, once it has said that it is there.
    After(Sender<()>, Receiver<()>, Box<Order>),
    /// Two answers.
    Both(ClerkHandle, Box<Order>, ClerkHandle, Box<Order>),
    /// Nothing.
    Rest,
}

use Order::{After, Both, Call, Fill, Group, Join, Rest, Send, Tell};

/// Does what it is told in its handler: so meanwhile one message fills its mailbox.
#[process(mailbox = 1)]
struct Clerk;

#[handlers]
impl Clerk {
    fn ping(&self) {}

    /// The refusals on the way, first those of others.
    async fn obey(&mut self, order: Order) -> Vec<CallError> {
        follow(order).await
    }
}

/// The refusals that come of an order.
async fn follow(order: Order) -> Vec<CallError> {
    match order {
        Tell(clerk, order) => refused(clerk.obey(*order).await),
        Call(clerk) => refused(clerk.ping().await.map(|()| Vec::new())),
        Fill(clerk) => {
            for _ in 0..2 {
                let sent = clerk.ping().send_and_forget().await;
                assert!(sent.is_ok(), "the clerk is there");
            }
            Vec::new()
        }
        Send(sender) => {
            sender.send(1).await.expect("the receiver is there");
            Vec::new()
        }
        Join(scope, order) => {
            let task = scope.task("errand", async move { roundrock::Ok(later(*order).await) });
            task.await.expect("it ends")
        }
        Group(scope, order) => {
            let group = scope.group(async move |group| {
                let task = group.task("errand", async move { roundrock::Ok(later(*order).await) });
                roundrock::Ok(task)
            });
            group.await.expect("it ends").await.expect("it has ended")
        }
        After(there, go, order) => {
            there.send(()).await.expect("the test waits for it");
            go.recv().await;
            later(*order).await
        }
        Both(left, order, right, other) => {
            let (left, right) = join!(
                left.obey(*order).into_future(),
                right.obey(*other).into_future()
            );
            let mut all = refused(left);
            all.extend(refused(right));
            all
        }
        Rest => Vec::new(),
    }
}

/// A future of itself needs a box.
fn later(
    order: Order,
) -> std::pin::Pin<Box<dyn Future<Output = Vec<CallError>> + std::marker::Send>> {
    Box::pin(follow(order))
}

fn refused(answer: Result<Vec<CallError>, CallError>) -> Vec<CallError> {
    match answer {
        Ok(refused) => refused,
        Err(CallError::Cycle(path)) => vec![CallError::Cycle(path)],
        Err(other) => panic!("{other}"),
    }
}

fn tell(clerk: &ClerkHandle, order: Order) -> Order {
    Tell(clerk.clone(), Box::new(order))
}

/// Waits until so many processes of this name wait so.
async fn until_waiting(scope: &Scope, count: usize, name: &str, kind: WaitKind) {
    let waiting = || {
        let processes = scope.system().snapshot().processes.into_iter();
        let waits = processes.filter(|process| {
            let wait = process.wait.as_ref();
            process.name == name && wait.is_some_and(|wait| wait.kind == kind)
        });
        waits.count()
    };
    while waiting() < count {
        yield_now().await;
    }
}

/// The one refusal among these, as names.
fn path(refused: &[CallError]) -> Vec<&str> {
    match refused {
        [CallError::Cycle(path)] => path.iter().map(String::as_str).collect(),
        other => panic!("one call is refused, and not {other:?}"),
    }
}

fn name(clerk: &ClerkHandle) -> String {
    format!("Clerk{}", clerk.id().expect("it runs"))
}

/// Something that is done at a sign: the order, who hears that it waits for it, and the sign.
fn at_a_sign(order: Order) -> (Order, Receiver<()>, Sender<()>) {
    let (there, is_there) = bounded(1);
    let (go, wait) = bounded(1);
    (After(there, wait, Box::new(order)), is_there, go)
}

/// Gives an order from a process of its own, which returns what comes of it.
fn give(scope: &Scope, clerk: &ClerkHandle, order: Order) -> Task<Vec<CallError>> {
    let clerk = clerk.clone();
    scope.task("asks", async move {
        roundrock::Ok(refused(clerk.obey(order).await))
    })
}

fn clerks<const N: usize>(scope: &Scope) -> [ClerkHandle; N] {
    [(); N].map(|()| scope.spawn(Clerk))
}

/// All of them answer, and stop.
async fn dismiss<const N: usize>(clerks: [ClerkHandle; N]) -> Result<()> {
    for clerk in clerks {
        clerk.ping().await?;
        clerk.stop();
    }
    Ok(())
}

/// The third one calls the first one, for which the second one waits, which waits for room with the third one.
#[test]
fn a_call_behind_a_full_mailbox_is_refused() {
    on_both(2, |scope| async move {
        let [a, b, c] = clerks(&scope);
        let (order, is_there, go) = at_a_sign(Call(a.clone()));
        let third = give(&scope, &c, order);
        is_there.recv().await;
        let first = give(&scope, &a, tell(&b, Fill(c.clone())));
        until_waiting(&scope, 1, "Clerk", WaitKind::Send).await;
        go.send(()).await?;
        assert_eq!(path(&third.await?), [name(&c), name(&a), name(&b)]);
        assert!(first.await?.is_empty(), "the others go on");
        dismiss([a, b, c]).await
    });
}

/// The same, and who waits for room parks last: refused is the call that is the next one from there.
#[test]
fn a_full_mailbox_that_closes_a_cycle_ends_in_a_refusal() {
    on_both(2, |scope| async move {
        let [a, b, c] = clerks(&scope);
        let (order, is_there, go) = at_a_sign(Fill(c.clone()));
        let first = give(&scope, &a, tell(&b, order));
        is_there.recv().await;
        let third = give(&scope, &c, Call(a.clone()));
        until_waiting(&scope, 2, "Clerk", WaitKind::Reply).await;
        go.send(()).await?;
        assert_eq!(path(&third.await?), [name(&c), name(&a), name(&b)]);
        assert!(first.await?.is_empty(), "the others go on");
        dismiss([a, b, c]).await
    });
}

/// A call, a join, a call, a full mailbox, a scope and a call.
#[test]
fn a_cycle_of_everything_is_refused() {
    on_both(2, |scope| async move {
        let [a, b, c, d] = clerks(&scope);
        let call = Group(scope.clone(), Box::new(Call(a.clone())));
        let (order, is_there, go) = at_a_sign(call);
        let third = give(&scope, &c, order);
        is_there.recv().await;
        let errand = Join(scope.clone(), Box::new(tell(&d, Fill(c.clone()))));
        let first = give(&scope, &a, tell(&b, errand));
        until_waiting(&scope, 1, "Clerk", WaitKind::Send).await;
        until_waiting(&scope, 1, "Clerk", WaitKind::Join).await;
        go.send(()).await?;
        let refused = third.await?;
        let path = path(&refused);
        let [a_, b_, c_, d_] = [&a, &b, &c, &d].map(name);
        let errand = |at: usize| path[at].starts_with("errand#");
        assert!(path.len() == 6 && errand(0) && errand(3), "{path:?}");
        assert_eq!([path[1], path[2], path[4], path[5]], [a_, b_, d_, c_]);
        assert!(first.await?.is_empty(), "the others go on");
        dismiss([a, b, c, d]).await
    });
}

/// Calls a clerk for each number.
#[process]
async fn forwards(#[inbox(1)] numbers: &Receiver<u32>, clerk: &ClerkHandle) -> Result<()> {
    while numbers.recv().await.is_some() {
        clerk.ping().await?;
    }
    Ok(())
}

/// The input of a function is a channel like any other, of which it may clone the receiver: proven, and not refused.
#[test]
fn a_cycle_through_the_full_input_of_a_function_is_proven() {
    on_both(2, |scope| async move {
        let inner = scope.child("inner");
        let [a] = clerks(&inner);
        let forwards = inner.spawn(forwards(a.clone()));
        // The clerk is busy when the first number comes, so the function waits for it, and the second number lies in its input.
        let (order, is_there, go) = at_a_sign(Send(forwards.numbers().clone()));
        let _asks = give(&inner, &a, order);
        is_there.recv().await;
        forwards.numbers().send(1).await?;
        until_waiting(&scope, 1, "forwards", WaitKind::Reply).await;
        forwards.numbers().send(2).await?;
        go.send(()).await?;
        assert_eq!(proven(&scope, &inner).await, ["Clerk", "forwards"]);
        Ok(())
    });
}

/// In a `join!` another part may still let its process go on. When that part is done, the other one is refused.
#[test]
fn a_cycle_through_one_part_of_a_join_is_refused_when_the_other_is_done() {
    on_both(2, |scope| async move {
        let [a, b, c] = clerks(&scope);
        let (rest, is_there, go) = at_a_sign(Rest);
        let both = Both(
            b.clone(),
            Box::new(Call(a.clone())),
            c.clone(),
            Box::new(rest),
        );
        let asks = give(&scope, &a, both);
        is_there.recv().await;
        go.send(()).await?;
        let refused = asks.await?;
        let mut path = path(&refused);
        // Refused is whoever parks last: that may be the one in the other call, if it comes late.
        path.sort_unstable();
        assert_eq!(path, [name(&a), name(&b)]);
        dismiss([a, b, c]).await
    });
}

/// Searches until somebody is proven, and returns who, in order of their names; then all of them are ended.
async fn proven(scope: &Scope, inner: &Scope) -> Vec<String> {
    let found = loop {
        let leaks = scope.system().leaks();
        if let Some(leak) = leaks.into_iter().find(Leak::is_proven) {
            break leak;
        }
        yield_now().await;
    };
    let mut names: Vec<_> = found.names().into_iter().map(str::to_owned).collect();
    names.sort_unstable();
    inner.stop(secs(0)).await;
    names
}

/// Neither part of a `join!` can end. Each process waits for several then, so nobody is refused, but all are proven.
#[test]
fn cycles_through_both_parts_of_a_join_are_proven() {
    on_both(2, |scope| async move {
        let inner = scope.child("inner");
        let [a, b, c] = clerks(&inner);
        let both = Both(
            b.clone(),
            Box::new(Call(a.clone())),
            c.clone(),
            Box::new(Call(a.clone())),
        );
        let _asks = give(&inner, &a, both);
        assert_eq!(proven(&scope, &inner).await, ["Clerk", "Clerk", "Clerk"]);
        Ok(())
    });
}

/// Calls a clerk before it receives.
#[process]
async fn calls_first(
    numbers: &Receiver<u32>,
    clerk: &ClerkHandle,
    there: &Sender<()>,
    go: &Receiver<()>,
) -> Result<()> {
    there.send(()).await?;
    go.recv().await;
    clerk.ping().await?;
    while numbers.recv().await.is_some() {}
    Ok(())
}

/// A channel that is no mailbox may have any receiver, so a cycle through a full one is proven, and not refused.
#[test]
fn a_cycle_through_a_full_channel_is_proven() {
    on_both(2, |scope| async move {
        let inner = scope.child("inner");
        let [a, b] = clerks(&inner);
        let (numbers, receives) = bounded(1);
        numbers.send(1).await?;
        let (there, is_there) = bounded(1);
        let (go, wait) = bounded(1);
        let _task = inner.spawn(calls_first(receives, a.clone(), there, wait));
        is_there.recv().await;
        let _asks = give(&inner, &a, tell(&b, Send(numbers)));
        until_waiting(&scope, 1, "Clerk", WaitKind::Send).await;
        go.send(()).await?;
        assert_eq!(
            proven(&scope, &inner).await,
            ["Clerk", "Clerk", "calls_first"]
        );
        Ok(())
    });
}

type Kept = Pin<Box<dyn Future<Output = Result<u32, CallError>> + std::marker::Send>>;

/// Keeps the call that was refused.
#[process]
struct Keeper {
    kept: Option<Kept>,
}

#[handlers]
impl Keeper {
    fn ping(&self) {}

    /// Calls at a sign, and says how that was refused.
    async fn keep(
        &mut self,
        teller: TellerHandle,
        there: Sender<()>,
        go: Receiver<()>,
    ) -> Option<CallError> {
        there.send(()).await.expect("the test waits for it");
        go.recv().await;
        let call = self
            .kept
            .insert(Box::pin(teller.count().owned().into_future()));
        call.await.err()
    }
}

/// While it asks, one message fills its mailbox.
#[process(mailbox = 1)]
struct Teller {
    counted: u32,
}

#[handlers]
impl Teller {
    async fn ask(&self, keeper: KeeperHandle) {
        keeper.ping().await.expect("it answers when it was refused");
    }
    fn count(&mut self) -> u32 {
        self.counted += 1;
        self.counted
    }
    fn counted(&self) -> u32 {
        self.counted
    }
}

/// Who was told that his call is refused need not fear that it is handled all the same: not when its message waited for room, and when
/// there is room later, as long as he keeps the future.
#[test]
fn a_refused_call_that_is_kept_is_never_handled() {
    on_both(2, |scope| async move {
        let keeper = scope.spawn(Keeper { kept: None });
        let teller = scope.spawn(Teller { counted: 0 });
        let ((there, is_there), (go, wait)) = (bounded(1), bounded(1));
        let (keeps, to) = (keeper.clone(), teller.clone());
        let refused = scope.task("keeps", async move {
            roundrock::Ok(keeps.keep(to, there, wait).await)
        });
        is_there.recv().await;
        let (asks, of) = (teller.clone(), keeper.clone());
        let asked = scope.task("asks", async move { roundrock::Ok(asks.ask(of).await) });
        until_waiting(&scope, 1, "Teller", WaitKind::Reply).await;
        teller.count().send_and_forget().await?;
        go.send(()).await?;
        let refused = refused.await??;
        assert!(matches!(refused, Some(CallError::Cycle(_))), "{refused:?}");
        asked.await??;
        assert_eq!(teller.counted().await, Ok(1), "the one that was sent");
        keeper.stop();
        teller.stop();
        Ok(())
    });
}
