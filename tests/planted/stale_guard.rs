//! The bug: the stock is read under a lock, the price is asked for without it, and the old number is written back under it.
//! Ordinary tests miss it: both halves hold the lock, so the code looks safe, and reviewers count locks.
//! Atomicity violation: a value outlives its guard. Shows as a stock that is too high.

use std::sync::Arc;

use roundrock::prelude::*;
use roundrock::sync::Mutex;

type Stock = Arc<Mutex<u32>>;

#[process]
struct Prices;

#[handlers]
impl Prices {
    fn of_one(&self) -> u32 {
        7
    }
    /// What a new customer may spend.
    fn credit(&self) -> u32 {
        10
    }
}

#[process]
async fn buy_with_old_number(stock: Stock, prices: PricesHandle, known: bool) -> Result<()> {
    let budget = if known { 100 } else { prices.credit().await? };
    let left = *stock.lock().await;
    if left > 0 && prices.of_one().await? <= budget {
        *stock.lock().await = left - 1;
    }
    Ok(())
}

#[process]
async fn buy(stock: Stock, prices: PricesHandle, known: bool) -> Result<()> {
    let budget = if known { 100 } else { prices.credit().await? };
    let affordable = prices.of_one().await? <= budget;
    let mut left = stock.lock().await;
    if *left > 0 && affordable {
        *left -= 1;
    }
    Ok(())
}

async fn sale<F>(scope: &Scope, buyer: F) -> Result<()>
where
    F: Fn(Stock, PricesHandle, bool) -> Task<()>,
{
    let stock = Arc::new(Mutex::new(5));
    let prices = scope.spawn(Prices);
    let buyers = [
        buyer(Arc::clone(&stock), prices.clone(), true),
        buyer(Arc::clone(&stock), prices, false),
    ];
    for buyer in buyers {
        buyer.await?;
    }
    assert_eq!(*stock.lock().await, 3, "two of five were bought");
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    sale(scope, |stock, prices, known| {
        scope.spawn(buy_with_old_number(stock, prices, known))
    })
    .await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    sale(scope, |stock, prices, known| {
        scope.spawn(buy(stock, prices, known))
    })
    .await
}
