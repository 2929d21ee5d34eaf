//! The bug: an alarm watches the state of a machine, of which a `latest` keeps the newest only; a failure that is over is not seen.
//! Ordinary tests miss it: they look after each change.
//! A channel of states taken for one of events. Shows as an alarm that does not ring.

use roundrock::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Idle,
    Running,
    Failed,
}

const SHIFT: [State; 4] = [State::Running, State::Failed, State::Running, State::Idle];

#[process]
struct Journal {
    lines: u32,
}

#[handlers]
impl Journal {
    fn write(&mut self) {
        self.lines += 1;
    }
}

#[process]
async fn sets(journal: &JournalHandle, state: LatestSender<State>) -> Result<()> {
    for next in SHIFT {
        journal.write().await?;
        state.set(next);
    }
    Ok(())
}

#[process]
async fn sends(journal: &JournalHandle, state: Sender<State>) -> Result<()> {
    for next in SHIFT {
        journal.write().await?;
        state.send(next).await?;
    }
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let journal = scope.spawn(Journal { lines: 0 });
    let (state, changes) = latest(State::Idle);
    scope.spawn(sets(journal, state));
    let mut alarms = 0;
    while let Some(state) = changes.recv().await {
        alarms += u32::from(state == State::Failed);
    }
    assert_eq!(alarms, 1, "alarms");
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let journal = scope.spawn(Journal { lines: 0 });
    let (state, changes) = bounded(2).named("states");
    scope.spawn(sends(journal, state));
    let mut alarms = 0;
    while let Some(state) = changes.recv().await {
        alarms += u32::from(state == State::Failed);
    }
    assert_eq!(alarms, 1, "alarms");
    Ok(())
}
