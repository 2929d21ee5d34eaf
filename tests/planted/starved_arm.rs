//! The bug: a crawler prefers pages to the request to quit, and each page has links, so there always is another page.
//! Ordinary tests miss it: their site ends after a few pages, and then the crawler sees that it should quit.
//! Of the issue: select that starves an arm. Shows as a crawler that goes on for ever after it was told to quit.

use roundrock::prelude::*;

/// A site that links on: every page has a link to the next one, up to here.
const PAGES: u32 = 12;

#[process]
async fn prefers_pages(
    pages: &Receiver<u32>,
    links: &Sender<u32>,
    quit: &Receiver<()>,
    seen: &Sender<u32>,
) -> Result<()> {
    loop {
        select! {
            biased;
            page = pages.recv() => {
                seen.send(page).await?;
                if page < PAGES {
                    links.send(page + 1).await?;
                }
            }
            _ = quit.recv() => return Ok(()),
        }
    }
}

#[process]
async fn prefers_to_quit(
    pages: &Receiver<u32>,
    links: &Sender<u32>,
    quit: &Receiver<()>,
    seen: &Sender<u32>,
) -> Result<()> {
    loop {
        select! {
            biased;
            _ = quit.recv() => return Ok(()),
            page = pages.recv() => {
                seen.send(page).await?;
                if page < PAGES {
                    links.send(page + 1).await?;
                }
            }
        }
    }
}

struct Crawl {
    pages: Receiver<u32>,
    links: Sender<u32>,
    quit: Receiver<()>,
    seen: Sender<u32>,
}

async fn visit(scope: &Scope, start: fn(&Scope, Crawl) -> Task<()>) -> Result<()> {
    let (links, pages) = bounded(4);
    let (stop, quit) = bounded(1);
    let (seen, visited) = bounded(PAGES as usize);
    links.send(1).await?;
    let crawler = start(
        scope,
        Crawl {
            pages,
            links,
            quit,
            seen,
        },
    );
    for _ in 0..3 {
        visited.recv().await.context("the crawler has ended")?;
    }
    stop.send(()).await?;
    let at_stop = visited.len();
    crawler.await?;
    let after = visited.len() - at_stop;
    assert!(after <= 1, "{after} pages after it was told to quit");
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    visit(scope, |scope, crawl| {
        scope.spawn(prefers_pages(
            crawl.pages,
            crawl.links,
            crawl.quit,
            crawl.seen,
        ))
    })
    .await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    visit(scope, |scope, crawl| {
        scope.spawn(prefers_to_quit(
            crawl.pages,
            crawl.links,
            crawl.quit,
            crawl.seen,
        ))
    })
    .await
}
