//! The bug: a session is opened by a call that nobody waits for, and its events come by another input, which may be served first.
//! Ordinary tests miss it: they look at the session between the two.
//! Order violation over two inputs of one process. Shows as an event of a session that is not open.
use roundrock::prelude::*;
use std::collections::BTreeSet;

#[process]
struct Sessions {
    open: BTreeSet<u32>,
    events: Receiver<(u32, u32)>,
    seen: u32,
}
#[handlers]
impl Sessions {
    fn open(&mut self, id: u32) {
        self.open.insert(id);
    }
    #[recv(events)]
    fn event(&mut self, (id, n): (u32, u32)) {
        assert!(
            self.open.contains(&id),
            "event of session {id}, which is not open"
        );
        self.seen += n;
    }
    fn seen(&self) -> u32 {
        self.seen
    }
}
#[process]
async fn gateway(
    sessions: &SessionsHandle,
    events: &Sender<(u32, u32)>,
    waits: &bool,
) -> Result<()> {
    for id in 0..2 {
        if *waits {
            sessions.open(id).await?;
        } else {
            sessions.open(id).send().await?;
        }
        for n in 1..=2 {
            events.send((id, n)).await?;
        }
    }
    Ok(())
}
async fn run(scope: &Scope, waits: bool) -> Result<()> {
    let (events, inbox) = bounded(8);
    let sessions = scope.spawn(Sessions {
        open: BTreeSet::new(),
        events: inbox,
        seen: 0,
    });
    scope
        .spawn(gateway(sessions.clone(), events, waits))
        .await?;
    while sessions.seen().await? < 6 {}
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
