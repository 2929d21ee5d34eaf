//! The bug: a breaker that is half open closes when a call succeeds, also one that was made before it had opened.
//! Ordinary tests miss it: their calls end in the order in which they were made.
//! A late result taken for the one that was asked for. Shows as a breaker that closes without its probe.
use roundrock::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Closed,
    Open,
    HalfOpen,
}

#[process]
struct Breaker {
    state: State,
    epoch: u32,
    failures: u32,
    refused: u32,
    by_epoch: bool,
}

#[handlers]
impl Breaker {
    /// The epoch that the call belongs to, or nothing if it must not be made.
    fn admit(&mut self) -> Option<u32> {
        match self.state {
            State::Closed => Some(self.epoch),
            State::Open => {
                self.refused += 1;
                if self.refused < 2 {
                    return None;
                }
                self.state = State::HalfOpen;
                self.epoch += 1;
                Some(self.epoch)
            }
            State::HalfOpen => None,
        }
    }
    fn report(&mut self, epoch: u32, success: bool) {
        if self.by_epoch && epoch != self.epoch {
            return;
        }
        match (self.state, success) {
            (State::Closed, false) => {
                self.failures += 1;
                if self.failures == 2 {
                    self.state = State::Open;
                    self.refused = 0;
                    self.epoch += 1;
                }
            }
            (State::HalfOpen, true) => {
                self.state = State::Closed;
                self.failures = 0;
                assert_eq!(epoch, self.epoch, "closed by a call of another epoch");
            }
            (State::HalfOpen, false) => {
                self.state = State::Open;
                self.refused = 0;
                self.epoch += 1;
            }
            _ => {}
        }
    }
}

#[process]
struct Backend {
    calls: u32,
}
#[handlers]
impl Backend {
    fn ask(&mut self) -> bool {
        self.calls += 1;
        self.calls == 1
    }
}

#[process]
async fn client(breaker: &BreakerHandle, backend: &BackendHandle, calls: &u32) -> Result<()> {
    for _ in 0..*calls {
        if let Some(epoch) = breaker.admit().await? {
            let success = backend.ask().await?;
            breaker.report(epoch, success).await?;
        }
    }
    Ok(())
}

async fn run(scope: &Scope, by_epoch: bool) -> Result<()> {
    let breaker = scope.spawn(Breaker {
        state: State::Closed,
        epoch: 0,
        failures: 0,
        refused: 0,
        by_epoch,
    });
    let backend = scope.spawn(Backend { calls: 0 });
    let clients: Vec<_> = (0..3)
        .map(|_| scope.spawn(client(breaker.clone(), backend.clone(), 4)))
        .collect();
    for c in clients {
        c.await?;
    }
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
