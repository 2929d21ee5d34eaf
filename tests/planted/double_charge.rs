//! The bug: a charge is booked, the audit after it takes too long, the call fails, and the client's retry books it again.
//! Ordinary tests miss it: the audit is slow only while it compacts its log, and a test seldom compacts at that moment.
//! Of the issue: double delivery after a retry. Shows as an amount that was charged twice.

use std::collections::HashSet;

use roundrock::prelude::*;

#[process]
struct Audit {
    lines: u32,
}

#[handlers]
impl Audit {
    fn log(&mut self) {
        self.lines += 1;
    }
    fn lines(&self) -> u32 {
        self.lines
    }
    async fn compact(&mut self) {
        sleep(millis(25)).await;
        self.lines = 0;
    }
}

#[process]
struct Gateway {
    audit: AuditHandle,
    idempotent: bool,
    booked: HashSet<u64>,
    charged: i64,
}

#[handlers]
impl Gateway {
    /// Every retry of one payment has its number.
    async fn charge(&mut self, payment: u64, amount: i64) -> Result<()> {
        let first_time = self.booked.insert(payment);
        if first_time || !self.idempotent {
            self.charged += amount;
        }
        self.audit.log().await?;
        Ok(())
    }
    fn charged(&self) -> i64 {
        self.charged
    }
}

#[process]
async fn housekeeping(audit: AuditHandle) -> Result<()> {
    if audit.lines().await? < 1000 {
        audit.compact().await?;
    }
    Ok(())
}

#[process]
async fn client(gateway: GatewayHandle) -> Result<()> {
    for _attempt in 0..5 {
        if gateway.charge(1, 50).within(millis(10)).await.is_ok() {
            return Ok(());
        }
    }
    bail!("the gateway is down")
}

async fn payment(scope: &Scope, idempotent: bool) -> Result<()> {
    let audit = scope.spawn(Audit { lines: 0 });
    let gateway = scope.spawn(Gateway {
        audit: audit.clone(),
        idempotent,
        booked: HashSet::new(),
        charged: 0,
    });
    let client = scope.spawn(client(gateway.clone()));
    scope.spawn(housekeeping(audit));
    client.await?;
    assert_eq!(gateway.charged().await?, 50);
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    payment(scope, false).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    payment(scope, true).await
}
