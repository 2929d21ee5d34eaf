//! Calls. Cases Y01 to Y07, O05.

use roundrock::prelude::*;
use roundrock::sim::Sim;

#[process]
struct Desk {
    sum: u32,
    kept: Vec<Reply<u32>>,
}

#[handlers]
impl Desk {
    fn add(&mut self, n: u32) {
        self.sum += n;
    }
    fn sum(&self) -> u32 {
        self.sum
    }
    fn forget(&mut self, reply: Reply<u32>) {
        drop(reply);
    }
    fn keep(&mut self, reply: Reply<u32>) {
        self.kept.push(reply);
    }
    fn answer(&mut self) {
        self.kept.drain(..).for_each(|reply| reply.send(9));
    }
}

fn desk(scope: &Scope) -> DeskHandle {
    scope.spawn(Desk {
        sum: 0,
        kept: Vec::new(),
    })
}

/// A call gives the reply.
#[roundrock::test]
async fn y01_reply(sim: &Sim) -> Result<()> {
    let desk = desk(sim);
    desk.add(3).await?;
    assert_eq!(desk.sum().await?, 3);
    let later = desk.clone();
    let kept = sim.task("waits", async move { later.keep().await });
    let answers = desk.clone();
    sim.task("answers", async move {
        sleep(millis(1)).await;
        answers.answer().await
    });
    assert_eq!(kept.await?, 9);
    Ok(())
}

/// A reply that is dropped is an error at once.
#[roundrock::test]
async fn y02_reply_is_dropped(sim: &Sim) -> Result<()> {
    let desk = desk(sim);
    assert_eq!(desk.forget().await, Err(CallError::NoReply));
    assert_eq!(sim.now(), millis(0));
    Ok(())
}

/// What a process asks of another one or of itself, and what comes of it.
#[process(name = "left")]
struct Left {
    right: Option<RightHandle>,
}

type Refused = CallError<CallError>;

#[handlers]
impl Left {
    fn meet(&mut self, right: RightHandle) {
        self.right = Some(right);
    }
    async fn ask_itself(&mut self, cx: &mut Cx<Self>) -> Result<u32, CallError> {
        cx.handle().expect("somebody calls").seven().await
    }
    async fn ask(&mut self) -> Result<u32, Refused> {
        self.right.as_ref().expect("they have met").ask().await
    }
    fn seven(&mut self) -> u32 {
        7
    }
}

#[process(name = "right")]
struct Right {
    left: LeftHandle,
}

#[handlers]
impl Right {
    async fn ask(&mut self) -> Result<u32, CallError> {
        self.left.seven().await
    }
    fn eight(&mut self) -> u32 {
        8
    }
}

/// Who is on the way round that a refused call tells of.
#[track_caller]
fn way_round(error: &CallError) -> Vec<&str> {
    let CallError::Cycle(path) = error else {
        panic!("{error}");
    };
    let name = |step: &'_ String| step.find('#').unwrap_or(step.len());
    path.iter().map(|step| &step[..name(step)]).collect()
}

/// A process that asks itself is refused at the call, and lives.
#[roundrock::test]
async fn y06_self_ask(sim: &Sim) -> Result<()> {
    let left = sim.spawn(Left { right: None });
    let Err(CallError::Failed(refused)) = left.ask_itself().await else {
        bail!("it was not refused");
    };
    assert_eq!(way_round(&refused), ["left"]);
    assert_eq!(left.seven().await?, 7);
    assert_eq!(sim.now(), millis(0));
    Ok(())
}

/// Two that ask each other within one call: the innermost is refused, with both names, and the others complete with its error.
#[roundrock::test]
async fn y07_ask_cycle(sim: &Sim) -> Result<()> {
    let left = sim.spawn(Left { right: None });
    let right = sim.spawn(Right { left: left.clone() });
    left.meet(right.clone()).await?;
    let Err(CallError::Failed(CallError::Failed(refused))) = left.ask().await else {
        bail!("it was not refused");
    };
    assert_eq!(way_round(&refused), ["right", "left"]);
    assert_eq!((left.seven().await?, right.eight().await?), (7, 8));
    assert_eq!(sim.now(), millis(0));
    // They know each other, and would be leaked.
    left.stop();
    Ok(())
}

/// What was sent before a call is handled before it.
#[roundrock::test]
async fn o05_tell_then_ask(sim: &Sim) -> Result<()> {
    let desk = desk(sim);
    let noise = desk.clone();
    let other = sim.task("other", async move {
        roundrock::Ok(noise.add(100).send().await.is_ok())
    });
    for n in 1..=3 {
        desk.add(1).send().await?;
        assert_eq!(desk.sum().await? % 100, n);
    }
    assert!(other.await?);
    assert_eq!(desk.sum().await?, 103);
    Ok(())
}

#[process]
struct Slow;

#[handlers]
impl Slow {
    async fn nap(&mut self) {
        sleep(millis(10)).await;
    }
    fn ping(&self) {}
}

/// The time of the call is up at the moment at which the server comes to it: whoever sees that first, the caller hears of it.
#[roundrock::test]
async fn y05_a_late_call_ends_with_its_deadline_whoever_sees_it_first(sim: &Sim) -> Result<()> {
    let slow = sim.spawn(Slow);
    let busy = slow.clone();
    let nap = sim.task("naps", async move { busy.nap().await });
    sim.settle().await;
    let late = slow.ping().within(millis(10)).await;
    assert_eq!(late, Err(CallError::Deadline));
    nap.await?;
    Ok(())
}
