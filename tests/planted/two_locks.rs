//! The bug: a transfer locks the account that pays and then the one that gets; two transfers against each other lock crosswise.
//! Ordinary tests miss it: each transfer holds its locks for a moment, and tests transfer one after another.
//! Deadlock over two locks. Shows as two processes that wait for each other's lock.

use std::sync::Arc;

use roundrock::prelude::*;
use roundrock::sync::Mutex;

type Accounts = Arc<[Mutex<i64>; 2]>;

#[process]
async fn locks_as_it_comes(accounts: Accounts, from: usize, to: usize) -> Result<()> {
    let mut payer = accounts[from].lock().await;
    let mut payee = accounts[to].lock().await;
    *payer -= 10;
    *payee += 10;
    Ok(())
}

#[process]
async fn locks_in_order(accounts: Accounts, from: usize, to: usize) -> Result<()> {
    let mut low = accounts[from.min(to)].lock().await;
    let mut high = accounts[from.max(to)].lock().await;
    let sign = if from < to { 1 } else { -1 };
    *low -= 10 * sign;
    *high += 10 * sign;
    Ok(())
}

async fn exchange<F>(scope: &Scope, transfer: F) -> Result<()>
where
    F: Fn(&Scope, Accounts, usize, usize) -> Task<()>,
{
    let accounts: Accounts = Arc::new([Mutex::new(50), Mutex::new(50)]);
    let there = transfer(scope, Arc::clone(&accounts), 0, 1);
    let back = transfer(scope, Arc::clone(&accounts), 1, 0);
    there.await?;
    back.await?;
    assert_eq!(*accounts[0].lock().await, 50);
    assert_eq!(*accounts[1].lock().await, 50);
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    exchange(scope, |scope, accounts, from, to| {
        scope.spawn(locks_as_it_comes(accounts, from, to))
    })
    .await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    exchange(scope, |scope, accounts, from, to| {
        scope.spawn(locks_in_order(accounts, from, to))
    })
    .await
}
