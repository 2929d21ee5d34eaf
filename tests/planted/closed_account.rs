//! The bug: a transfer looks whether the receiving account is open, takes the money from the other one, and does not look at the
//! answer of the deposit. Ordinary tests miss it: no account is closed while a transfer is under way.
//! Check-then-act over two processes. Shows as money that is nowhere.

use roundrock::prelude::*;

#[process]
struct Account {
    balance: u32,
    open: bool,
}

#[handlers]
impl Account {
    fn is_open(&self) -> bool {
        self.open
    }
    fn close(&mut self) {
        self.open = false;
    }
    fn balance(&self) -> u32 {
        self.balance
    }
    fn withdraw(&mut self, amount: u32) -> bool {
        let enough = self.balance >= amount;
        if enough {
            self.balance -= amount;
        }
        enough
    }
    fn deposit(&mut self, amount: u32) -> bool {
        if self.open {
            self.balance += amount;
        }
        self.open
    }
}

#[process]
async fn hopes(from: &AccountHandle, to: &AccountHandle) -> Result<()> {
    if to.is_open().await? && from.withdraw(30).await? {
        to.deposit(30).await?;
    }
    Ok(())
}

#[process]
async fn gives_back(from: &AccountHandle, to: &AccountHandle) -> Result<()> {
    if to.is_open().await? && from.withdraw(30).await? && !to.deposit(30).await? {
        from.deposit(30).await?;
    }
    Ok(())
}

async fn day<F>(scope: &Scope, transfer: F) -> Result<()>
where
    F: FnOnce(AccountHandle, AccountHandle) -> Task<()>,
{
    let account = |balance| {
        scope.spawn(Account {
            balance,
            open: true,
        })
    };
    let (from, to) = (account(70), account(30));
    let transfer = transfer(from.clone(), to.clone());
    to.close().await?;
    transfer.await?;
    let sum = from.balance().await? + to.balance().await?;
    assert_eq!(sum, 100, "money was lost");
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    day(scope, |from, to| scope.spawn(hopes(from, to))).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    day(scope, |from, to| scope.spawn(gives_back(from, to))).await
}
