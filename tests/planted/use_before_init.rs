//! The bug: a router is started, its clients are started, and then it is given its table; a client may be faster.
//! Ordinary tests miss it: a spawned process usually does not run before the next line of the one that spawned it.
//! Order violation: use before initialisation. Shows as a panic in a handler.

use std::collections::HashMap;

use roundrock::prelude::*;

#[process]
struct Router {
    table: Option<HashMap<u32, &'static str>>,
}

#[handlers]
impl Router {
    fn configure(&mut self, table: HashMap<u32, &'static str>) {
        self.table = Some(table);
    }
    fn route(&self, key: u32) -> Option<&'static str> {
        let table = self.table.as_ref().expect("the router is configured");
        table.get(&key).copied()
    }
}

#[process]
async fn client(router: RouterHandle) -> Result<()> {
    let target = router.route(1).await?;
    assert_eq!(target, Some("north"));
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let router = scope.spawn(Router { table: None });
    let client = scope.spawn(client(router.clone()));
    router.configure(HashMap::from([(1, "north")])).await?;
    client.await.context("the client failed")
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let router = scope.spawn(Router { table: None });
    router.configure(HashMap::from([(1, "north")])).await?;
    let client = scope.spawn(client(router.clone()));
    client.await.context("the client failed")
}
