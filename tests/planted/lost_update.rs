//! The bug: a teller and the interest of the day each read a balance, compute, and write it back; one of the two is lost.
//! Ordinary tests miss it: each handler is atomic, and the two clients of a test seldom come between each other's calls.
//! Of the issue: lost update between two handlers. Shows as a wrong balance in the end.

use roundrock::prelude::*;

#[process]
struct Account {
    balance: i64,
}

#[handlers]
impl Account {
    fn balance(&self) -> i64 {
        self.balance
    }
    fn set_balance(&mut self, balance: i64) {
        self.balance = balance;
    }
    fn deposit(&mut self, amount: i64) {
        self.balance += amount;
    }
    fn add_interest(&mut self, percent: i64) {
        self.balance += self.balance * percent / 100;
    }
}

#[process]
struct Rates;

#[handlers]
impl Rates {
    fn of_today(&self) -> i64 {
        10
    }
}

#[process]
async fn interest_in_two_calls(account: AccountHandle, rates: RatesHandle) -> Result<()> {
    let percent = rates.of_today().await?;
    let balance = account.balance().await?;
    account
        .set_balance(balance + balance * percent / 100)
        .await?;
    Ok(())
}

#[process]
async fn interest(account: AccountHandle, rates: RatesHandle) -> Result<()> {
    let percent = rates.of_today().await?;
    account.add_interest(percent).await?;
    Ok(())
}

async fn end_of_day(account: &AccountHandle, interest: Task<()>) -> Result<()> {
    interest.await?;
    let balance = account.balance().await?;
    // The interest comes before the deposit, or after it.
    assert!(balance == 120 || balance == 121, "the balance is {balance}");
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let account = scope.spawn(Account { balance: 100 });
    let rates = scope.spawn(Rates);
    let interest = scope.spawn(interest_in_two_calls(account.clone(), rates));
    let balance = account.balance().await?;
    account.set_balance(balance + 10).await?;
    end_of_day(&account, interest).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let account = scope.spawn(Account { balance: 100 });
    let rates = scope.spawn(Rates);
    let interest = scope.spawn(interest(account.clone(), rates));
    account.deposit(10).await?;
    end_of_day(&account, interest).await
}
