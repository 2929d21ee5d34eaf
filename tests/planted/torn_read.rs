//! The bug: an audit reads two accounts one after the other, while a transfer has left the one and not reached the other.
//! Ordinary tests miss it: they audit when the transfers are done.
//! Atomicity violation over two awaits. Shows as a total that is too low or too high.

use std::sync::Arc;

use roundrock::prelude::*;
use roundrock::sync::Mutex;

#[process]
struct Account {
    balance: i64,
}

#[handlers]
impl Account {
    fn change(&mut self, by: i64) {
        self.balance += by;
    }
    fn balance(&self) -> i64 {
        self.balance
    }
}

#[process]
async fn transfer(from: AccountHandle, to: AccountHandle) -> Result<()> {
    from.change(-10).await?;
    to.change(10).await?;
    Ok(())
}

#[process]
async fn locked_transfer(
    books: Arc<Mutex<()>>,
    from: AccountHandle,
    to: AccountHandle,
) -> Result<()> {
    let _open = books.lock().await;
    from.change(-10).await?;
    to.change(10).await?;
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let savings = scope.spawn(Account { balance: 60 });
    let current = scope.spawn(Account { balance: 40 });
    scope.spawn(transfer(savings.clone(), current.clone()));
    let total = savings.balance().await? + current.balance().await?;
    assert_eq!(total, 100);
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let books = Arc::new(Mutex::new(()));
    let savings = scope.spawn(Account { balance: 60 });
    let current = scope.spawn(Account { balance: 40 });
    scope.spawn(locked_transfer(
        Arc::clone(&books),
        savings.clone(),
        current.clone(),
    ));
    let _open = books.lock().await;
    let total = savings.balance().await? + current.balance().await?;
    assert_eq!(total, 100);
    Ok(())
}
