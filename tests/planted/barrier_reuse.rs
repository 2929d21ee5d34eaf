//! The bug: the last one at a barrier lets the others through and then sets its count back; a fast one is there again before.
//! Ordinary tests miss it: they meet once, or the others have more to do before they meet again.
//! A barrier that is used twice. Shows as processes that wait for one that was not counted.
use roundrock::prelude::*;

#[process]
struct Barrier {
    arrived: u32,
    waiting: Vec<Reply<()>>,
}
#[handlers]
impl Barrier {
    fn arrive(&mut self) -> u32 {
        self.arrived += 1;
        self.arrived
    }
    fn reset(&mut self) {
        self.arrived = 0;
    }
    fn meet(&mut self, reply: Reply<()>) {
        self.waiting.push(reply);
        if self.waiting.len() == 3 {
            for r in self.waiting.drain(..) {
                r.send(());
            }
        }
    }
}
#[process]
async fn steps(
    barrier: &BarrierHandle,
    gate: &(Sender<()>, Receiver<()>),
    rounds: &u32,
) -> Result<()> {
    for _ in 0..*rounds {
        if barrier.arrive().await? == 3 {
            for _ in 0..2 {
                gate.0.send(()).await?;
            }
            barrier.reset().await?;
        } else {
            gate.1.recv().await;
        }
    }
    Ok(())
}
#[process]
async fn meets(barrier: &BarrierHandle, rounds: &u32) -> Result<()> {
    for _ in 0..*rounds {
        barrier.meet().await?;
    }
    Ok(())
}
fn barrier(scope: &Scope) -> BarrierHandle {
    scope.spawn(Barrier {
        arrived: 0,
        waiting: vec![],
    })
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let b = barrier(scope);
    let gate = bounded(2);
    scope.pool(3, steps(b, gate, 3)).await?;
    Ok(())
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let b = barrier(scope);
    scope.pool(3, meets(b, 3)).await?;
    Ok(())
}
