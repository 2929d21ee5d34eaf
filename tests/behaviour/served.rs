//! What a struct serves next: its mailbox and its inputs in turn, its timers before more than a few messages, and work beside it.

use roundrock::prelude::*;
use roundrock_tests::{on_both, on_workers, times, yield_now};

/// What a process was given to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Message,
    First,
    Second,
    Beside,
    Tick,
}
use What::{Beside, First, Message, Second, Tick};

/// Notes what it was given, in order.
#[process(mailbox = 256)]
struct Desk {
    first: Receiver<u32>,
    second: Receiver<u32>,
    order: Vec<What>,
}

#[handlers]
impl Desk {
    /// Keeps it busy until everything lies there that it is to find.
    async fn hold(&mut self, begun: Sender<u32>, until: Receiver<u32>) {
        let _ = begun.send(1).await;
        until.recv().await;
    }
    fn message(&mut self) {
        self.order.push(Message);
    }
    /// A message with work beside it, which is done when the handler ends, or soon after.
    async fn works(&mut self, cx: &mut Cx<Self>) {
        self.order.push(Message);
        cx.spawn_then(async {}, |desk, ()| desk.order.push(Beside));
        for _ in 0..2 {
            yield_now().await;
        }
    }
    #[recv(first)]
    fn first(&mut self, _one: u32) {
        self.order.push(First);
    }
    #[recv(second)]
    fn second(&mut self, _one: u32) {
        self.order.push(Second);
    }
    fn order(&self) -> Vec<What> {
        self.order.clone()
    }
}

/// The order in which so many messages, and so many of each input, are served that all lie there when the process looks.
async fn served(
    scope: &Scope,
    works: bool,
    messages: usize,
    first: usize,
    second: usize,
) -> Result<Vec<What>> {
    let (to_first, firsts) = bounded(256);
    let (to_second, seconds) = bounded(256);
    let desk = scope.spawn(Desk {
        first: firsts,
        second: seconds,
        order: Vec::new(),
    });
    let ((begun, begins), (open, until)) = (bounded(1), bounded(1));
    desk.hold(begun, until).send().await?;
    begins.recv().await;
    for _ in 0..messages {
        if works {
            desk.works().send().await?;
        } else {
            desk.message().send().await?;
        }
    }
    for (input, count) in [(&to_first, first), (&to_second, second)] {
        for n in 0..count {
            input.send(n as u32).await?;
        }
    }
    open.send(1).await?;
    let all = messages + first + second + if works { messages } else { 0 };
    loop {
        let order = desk.order().await?;
        if order.len() == all {
            return Ok(order);
        }
        yield_now().await;
    }
}

/// How many others come in a row while something of this kind lies there.
fn longest_wait(order: &[What], kind: What) -> usize {
    let waits = order.split(|&what| what == kind);
    // What comes after the last one keeps nothing waiting.
    let waits = waits.map(<[What]>::len);
    let (served, mut longest) = (order.iter().filter(|&&what| what == kind).count(), 0);
    for wait in waits.take(served) {
        longest = longest.max(wait);
    }
    longest
}

/// However much lies in the mailbox, an input with one message is next, and the other way round; while both have more, each second turn
/// is one's own.
#[test]
fn the_mailbox_and_an_input_are_served_in_turn() {
    on_workers(|scope| async move {
        let many = times(100, 20);
        for (messages, first) in [(many, 1), (1, many), (many, many), (many, 10), (10, many)] {
            let order = served(&scope, false, messages, first, 0).await?;
            for kind in [Message, First] {
                let wait = longest_wait(&order, kind);
                assert!(wait <= 1, "{kind:?} waits for {wait} others: {order:?}");
            }
        }
        Ok(())
    });
}

/// Two inputs share what the mailbox leaves them: none of the three waits for more than a round.
#[test]
fn inputs_are_served_in_turn_beside_a_mailbox() {
    on_workers(|scope| async move {
        let many = times(100, 20);
        for (messages, first, second) in [
            (many, many, many),
            (many, 1, many),
            (many, many, 1),
            (1, many, many),
        ] {
            let order = served(&scope, false, messages, first, second).await?;
            for kind in [Message, First, Second] {
                let wait = longest_wait(&order, kind);
                assert!(wait <= 3, "{kind:?} waits for {wait} others: {order:?}");
            }
        }
        Ok(())
    });
}

/// Messages that each leave work beside the process take no turn of an input with it.
#[test]
fn work_beside_takes_no_turn_of_an_input() {
    // One worker: the work is done before the handler goes on.
    on_both(1, |scope| async move {
        let order = served(&scope, true, times(100, 20), 10, 0).await?;
        let handled: Vec<_> = order.into_iter().filter(|&what| what != Beside).collect();
        let wait = longest_wait(&handled, First);
        assert!(wait <= 1, "an input waits for {wait} messages: {handled:?}");
        Ok(())
    });
}

/// Counts its messages, and notes after how many of them its timer came.
#[process(mailbox = 256)]
struct Clock {
    order: Vec<What>,
}

#[handlers]
impl Clock {
    /// Keeps it busy until its timer is due.
    async fn hold(&mut self, until: Receiver<u32>) {
        until.recv().await;
        sleep(millis(5)).await;
        self.order.clear();
    }
    fn message(&mut self) {
        self.order.push(Message);
    }
    #[every("1ms")]
    fn tick(&mut self) {
        self.order.push(Tick);
    }
    fn order(&self) -> Vec<What> {
        self.order.clone()
    }
}

/// The order in which a process with a full mailbox serves that, and a timer that is due. `looks`: it has looked at its timer before,
/// and found it not due.
async fn ticked(scope: &Scope, looks: bool) -> Result<Vec<What>> {
    let clock = scope.spawn(Clock { order: Vec::new() });
    if looks {
        // It is answered and then there is nothing else to do.
        while !clock.order().await?.contains(&Tick) {
            sleep(millis(1)).await;
        }
    }
    let (open, until) = bounded(1);
    clock.hold(until).send().await?;
    for _ in 0..200 {
        clock.message().send().await?;
    }
    open.send(1).await?;
    let order = clock.order().await?;
    clock.stop();
    Ok(order)
}

/// A timer that is due comes after at most 32 messages, however many there are, and no less when the process had no time yet to look
/// at it.
#[test]
fn a_timer_that_is_due_comes_before_more_than_a_few_messages() {
    let body = |looks| {
        move |scope: Scope| async move {
            let order = ticked(&scope, looks).await?;
            let before = order.iter().position(|&what| what == Tick);
            assert!(
                before.is_some_and(|before| before <= 32),
                "looked: {looks}, after {before:?} messages"
            );
            Ok(())
        }
    };
    for looks in [true, false] {
        on_workers(body(looks));
    }
}

#[process]
struct Reader {
    input: Receiver<u32>,
    sum: u32,
}

#[handlers]
impl Reader {
    #[recv(input)]
    fn take(&mut self, n: u32) {
        self.sum += n;
    }

    /// Connects again, once the other side has gone.
    fn swap(&mut self, input: Receiver<u32>) {
        self.input = input;
    }

    fn sum(&self) -> u32 {
        self.sum
    }
}

/// An input that was closed is no end of all inputs: another one may take its place, and keeps the process as the first one did.
#[test]
fn an_input_that_is_replaced_after_its_end_is_received_from() {
    on_workers(|scope| async move {
        for again in [false, true] {
            let (first, input) = bounded(4);
            let reader = scope.spawn(Reader { input, sum: 0 });
            first.send(1).await?;
            drop(first);
            while reader.sum().await? < 1 {
                sleep(millis(1)).await;
            }
            let (second, input) = rendezvous();
            reader.swap(input).await?;
            second.send(10).await?;
            if again {
                drop(second);
                let (third, input) = bounded(1);
                reader.swap(input).await?;
                let task = reader.task();
                drop(reader);
                for n in [100, 1000] {
                    third.send(n).await?;
                }
                drop(third);
                assert!(task.done().await.is_normal());
            } else {
                second.send(20).await?;
                while reader.sum().await? < 31 {
                    sleep(millis(1)).await;
                }
                assert_eq!(reader.sum().await?, 31);
            }
        }
        Ok(())
    });
}
