//! The bug: a customer asks whether a seat is left and then buys one; another bought the last seat in between.
//! Ordinary tests miss it: with one customer, or two that come one after the other, the answer is still true.
//! Of the issue: check-then-act across two calls. Shows as a number of seats below zero.

use roundrock::prelude::*;

#[process]
struct BoxOffice {
    seats: i32,
    visitors: u32,
}

#[handlers]
impl BoxOffice {
    fn seats(&self) -> i32 {
        self.seats
    }
    fn log_in(&mut self) {
        self.visitors += 1;
    }
    fn sell(&mut self) {
        self.seats -= 1;
    }
    fn sell_if_left(&mut self) -> bool {
        let left = self.seats > 0;
        if left {
            self.seats -= 1;
        }
        left
    }
}

#[process]
async fn asks_first(office: BoxOfficeHandle, is_new: bool) -> Result<()> {
    if is_new {
        office.log_in().await?;
    }
    if office.seats().await? > 0 {
        office.sell().await?;
    }
    Ok(())
}

#[process]
async fn buys(office: BoxOfficeHandle, is_new: bool) -> Result<()> {
    if is_new {
        office.log_in().await?;
    }
    office.sell_if_left().await?;
    Ok(())
}

async fn evening<F>(scope: &Scope, customer: F) -> Result<()>
where
    F: Fn(BoxOfficeHandle, bool) -> Task<()>,
{
    let office = scope.spawn(BoxOffice {
        seats: 1,
        visitors: 0,
    });
    let customers = [
        customer(office.clone(), false),
        customer(office.clone(), true),
    ];
    for customer in customers {
        customer.await?;
    }
    let seats = office.seats().await?;
    assert!(seats >= 0, "{} seats sold twice", -seats);
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    evening(scope, |office, is_new| {
        scope.spawn(asks_first(office, is_new))
    })
    .await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    evening(scope, |office, is_new| scope.spawn(buys(office, is_new))).await
}
