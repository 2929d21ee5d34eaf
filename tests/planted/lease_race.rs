//! The bug: a leader renews its lease just when it runs out; whether the message or the timer is first, nobody knows.
//! Ordinary tests miss it: on a quiet machine the message is a moment faster, every time.
//! Of the issue: timer and message race. Shows as a leader that is deposed although it renews.

use std::time::Duration;

use roundrock::prelude::*;

const LEASE: Duration = Duration::from_millis(400);

/// Ends when nobody renews any more, or with an error when the lease has run out.
#[process]
async fn grant(renewals: Receiver<()>) -> Result<u32> {
    let mut renewed = 0;
    loop {
        match timeout(LEASE, renewals.recv()).await {
            Ok(Some(())) => renewed += 1,
            Ok(None) => return Ok(renewed),
            Err(_) => bail!("the leader is deposed"),
        }
    }
}

#[process]
async fn lead(renewals: Sender<()>, period: Duration) -> Result<()> {
    for _ in 0..3 {
        sleep(period).await;
        renewals.send(()).await?;
    }
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let (renewals, renewed) = rendezvous();
    scope.spawn(lead(renewals, LEASE));
    let lease = scope.spawn(grant(renewed));
    assert_eq!(lease.await?, 3);
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let (renewals, renewed) = rendezvous();
    scope.spawn(lead(renewals, LEASE / 4));
    let lease = scope.spawn(grant(renewed));
    assert_eq!(lease.await?, 3);
    Ok(())
}
