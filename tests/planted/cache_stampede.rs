//! The bug: whoever misses the cache loads the page and puts it there; all who miss before the first load ends load it too.
//! Ordinary tests miss it: the value is right in every case, only the origin sees that it was asked twice.
//! Cache stampede, check-then-act. Shows as more than one load of one page.

use std::collections::HashMap;

use roundrock::prelude::*;

#[process]
struct Origin {
    loads: u32,
}

#[handlers]
impl Origin {
    fn load(&mut self, page: u32) -> u32 {
        self.loads += 1;
        page * 100
    }
    fn loads(&self) -> u32 {
        self.loads
    }
}

#[process]
struct Cache {
    pages: HashMap<u32, u32>,
    origin: OriginHandle,
}

#[handlers]
impl Cache {
    fn lookup(&self, page: u32) -> Option<u32> {
        self.pages.get(&page).copied()
    }
    fn put(&mut self, page: u32, text: u32) {
        self.pages.insert(page, text);
    }
    /// Loads what is missing: one call at a time is handled, so others wait for the page.
    async fn get(&mut self, page: u32) -> Result<u32> {
        if let Some(text) = self.pages.get(&page) {
            return Ok(*text);
        }
        let text = self.origin.load(page).await?;
        self.pages.insert(page, text);
        Ok(text)
    }
}

#[process]
async fn loads_what_it_misses(
    cache: CacheHandle,
    origin: OriginHandle,
    pages: Vec<u32>,
) -> Result<()> {
    for page in pages {
        let text = match cache.lookup(page).await? {
            Some(text) => text,
            None => {
                let text = origin.load(page).await?;
                cache.put(page, text).await?;
                text
            }
        };
        assert_eq!(text, page * 100);
    }
    Ok(())
}

#[process]
async fn gets(cache: CacheHandle, pages: Vec<u32>) -> Result<()> {
    for page in pages {
        assert_eq!(cache.get(page).await?, page * 100);
    }
    Ok(())
}

fn site(scope: &Scope) -> (CacheHandle, OriginHandle) {
    let origin = scope.spawn(Origin { loads: 0 });
    let cache = scope.spawn(Cache {
        pages: [1, 2, 3].map(|page| (page, page * 100)).into(),
        origin: origin.clone(),
    });
    (cache, origin)
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let (cache, origin) = site(scope);
    let reader = |pages| scope.spawn(loads_what_it_misses(cache.clone(), origin.clone(), pages));
    for reader in [reader(vec![7]), reader(vec![1, 2, 3, 7])] {
        reader.await?;
    }
    assert_eq!(origin.loads().await?, 1);
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let (cache, origin) = site(scope);
    let reader = |pages| scope.spawn(gets(cache.clone(), pages));
    for reader in [reader(vec![7]), reader(vec![1, 2, 3, 7])] {
        reader.await?;
    }
    assert_eq!(origin.loads().await?, 1);
    Ok(())
}
