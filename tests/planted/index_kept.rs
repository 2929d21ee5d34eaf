//! The bug: a basket asks for the price of a new item, and writes it to the place that the item had when it asked.
//! Ordinary tests miss it: nothing is removed while a price is on its way.
//! An index that outlives what it leads to. Shows as an item with the price of another one.
use roundrock::prelude::*;

#[derive(Debug, Clone)]
struct Item {
    id: u32,
    price: Option<u32>,
}
#[process]
struct Prices;
#[handlers]
impl Prices {
    fn of(&self, id: u32) -> u32 {
        id * 10
    }
}
#[process]
struct Basket {
    items: Vec<Item>,
    prices: PricesHandle,
    by_id: bool,
}
#[handlers]
impl Basket {
    /// Answers when the item has its price.
    fn add(&mut self, id: u32, reply: Reply<()>, cx: &mut Cx<Self>) {
        let place = self.items.len();
        self.items.push(Item { id, price: None });
        let prices = self.prices.clone();
        let asked = async move { prices.of(id).await };
        cx.spawn_then(asked, move |basket, price| {
            let found = if basket.by_id {
                basket.items.iter_mut().find(|item| item.id == id)
            } else {
                basket.items.get_mut(place)
            };
            if let Some(item) = found {
                item.price = price.ok();
            }
            reply.send(());
        });
    }
    fn remove(&mut self, id: u32) {
        self.items.retain(|item| item.id != id);
    }
    fn items(&self) -> Vec<Item> {
        self.items.clone()
    }
}
#[process]
async fn adds(basket: &BasketHandle) -> Result<()> {
    basket.add(1).await?;
    let (two, three) = join!(basket.add(2), basket.add(3));
    two?;
    three?;
    Ok(())
}
async fn run(scope: &Scope, by_id: bool) -> Result<()> {
    let basket = scope.spawn(Basket {
        items: Vec::new(),
        prices: scope.spawn(Prices),
        by_id,
    });
    let adds = scope.spawn(adds(basket.clone()));
    basket.remove(1).await?;
    adds.await?;
    for Item { id, price } in basket.items().await? {
        assert_eq!(price, Some(id * 10), "the price of item {id}");
    }
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
