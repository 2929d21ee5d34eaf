//! The bug: the catalogue asks the stock, and the stock, if it has not heard of an article yet, asks the catalogue.
//! Ordinary tests miss it: they load the stock first, and then it knows every article.
//! Of the issue: ask cycle only on one path. Shows as a call that is refused, because it would wait for itself.

use std::collections::HashMap;

use roundrock::prelude::*;

#[process]
struct Catalogue {
    stock: StockHandle,
    tells_the_case: bool,
}

#[handlers]
impl Catalogue {
    async fn describe(&mut self, article: u32) -> Result<String> {
        let pieces = if self.tells_the_case {
            self.stock.pieces_of(article, case_of(article)).await?
        } else {
            self.stock.pieces(article).await?
        };
        Ok(format!("article {article}: {pieces} pieces"))
    }
    fn case(&self, article: u32) -> u32 {
        case_of(article)
    }
}

/// How many pieces a case has.
fn case_of(article: u32) -> u32 {
    article * 12
}

#[process]
struct Stock {
    pieces: HashMap<u32, u32>,
    catalogue: Option<roundrock::WeakHandle<Catalogue>>,
}

#[handlers]
impl Stock {
    fn attach(&mut self, catalogue: roundrock::WeakHandle<Catalogue>) {
        self.catalogue = Some(catalogue);
    }
    fn load(&mut self, article: u32, pieces: u32) {
        self.pieces.insert(article, pieces);
    }
    async fn pieces(&mut self, article: u32) -> Result<u32> {
        if let Some(pieces) = self.pieces.get(&article) {
            return Ok(*pieces);
        }
        // A new article comes as one full case.
        let catalogue = self.catalogue.as_ref().and_then(|weak| weak.upgrade());
        let pieces = catalogue.context("no catalogue")?.case(article).await?;
        self.pieces.insert(article, pieces);
        Ok(pieces)
    }
    fn pieces_of(&mut self, article: u32, case: u32) -> u32 {
        *self.pieces.entry(article).or_insert(case)
    }
}

async fn shop(scope: &Scope, tells_the_case: bool) -> Result<()> {
    let stock = scope.spawn(Stock {
        pieces: HashMap::new(),
        catalogue: None,
    });
    let catalogue = scope.spawn(Catalogue {
        stock: stock.clone(),
        tells_the_case,
    });
    stock.attach(catalogue.downgrade()).await?;
    let delivery = scope.task("delivery", async move {
        stock.load(1, 12).await?;
        roundrock::Ok(())
    });
    let text = catalogue.describe(1).await?;
    assert_eq!(text, "article 1: 12 pieces");
    delivery.await?;
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    shop(scope, false).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    shop(scope, true).await
}
