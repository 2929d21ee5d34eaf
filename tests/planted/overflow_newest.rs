//! The bug: a progress display gets what fits and drops the newest when it is behind; so the last state, "done", is the one lost.
//! Ordinary tests miss it: their display keeps up, and a full queue is tested with values that are all alike.
//! Of the issue: overflow policy that drops the newest. Shows as a display that stays at an old state.

use roundrock::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Started,
    Half,
    Done,
}

#[process]
async fn job(progress: Sender<Progress>) -> Result<()> {
    for state in [Progress::Started, Progress::Half, Progress::Done] {
        progress.send(state).await?;
    }
    Ok(())
}

#[process]
async fn display(progress: Receiver<Progress>) -> Result<Option<Progress>> {
    let mut shown = None;
    while let Some(state) = progress.recv().await {
        shown = Some(state);
    }
    Ok(shown)
}

async fn watch(scope: &Scope, policy: Overflow) -> Result<()> {
    let (progress, states) = bounded(2).overflow(policy);
    let display = scope.spawn(display(states));
    scope.spawn(job(progress));
    assert_eq!(display.await?, Some(Progress::Done));
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    watch(scope, Overflow::DropNewest).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    watch(scope, Overflow::DropOldest).await
}
