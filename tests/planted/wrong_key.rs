//! The bug: a pool that is to keep the order of the changes of an account is keyed by the number of the request.
//! Ordinary tests miss it: with one worker, or with time between the changes, the order is kept all the same.
//! Order violation through a pool. Shows as an address that is not the last one.

use roundrock::prelude::*;

#[process]
struct Customer {
    address: u32,
}

#[handlers]
impl Customer {
    fn moves(&mut self, address: u32) {
        self.address = address;
    }
    fn address(&self) -> u32 {
        self.address
    }
}

#[process]
#[derive(Clone)]
struct ByRequest {
    customer: CustomerHandle,
}

#[handlers]
impl ByRequest {
    async fn moves(&mut self, #[key] request: u32, customer: u32, address: u32) -> Result<()> {
        ensure!(request > 0 && customer == 7, "no such customer");
        self.customer.moves(address).await?;
        Ok(())
    }
}

#[process]
#[derive(Clone)]
struct ByCustomer {
    customer: CustomerHandle,
}

#[handlers]
impl ByCustomer {
    async fn moves(&mut self, request: u32, #[key] customer: u32, address: u32) -> Result<()> {
        ensure!(request > 0 && customer == 7, "no such customer");
        self.customer.moves(address).await?;
        Ok(())
    }
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let customer = scope.spawn(Customer { address: 0 });
    let pool = ByRequest {
        customer: customer.clone(),
    };
    let pool = scope.pool(3, pool.by_key());
    for request in 1..=3 {
        pool.moves(request, 7, request * 100)
            .send_and_forget()
            .await?;
    }
    pool.stop();
    pool.done().await;
    assert_eq!(customer.address().await?, 300, "not the last address");
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let customer = scope.spawn(Customer { address: 0 });
    let pool = ByCustomer {
        customer: customer.clone(),
    };
    let pool = scope.pool(3, pool.by_key());
    for request in 1..=3 {
        pool.moves(request, 7, request * 100)
            .send_and_forget()
            .await?;
    }
    pool.stop();
    pool.done().await;
    assert_eq!(customer.address().await?, 300, "not the last address");
    Ok(())
}
