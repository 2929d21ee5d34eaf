//! The bug: a writer announces a document before it has stored it; who hears of it at once does not find it.
//! Ordinary tests miss it: the announcement takes a queue and a process more than the store, and so it is nearly always later.
//! Order violation over two channels. Shows as a document that is not there.

use std::collections::HashMap;

use roundrock::prelude::*;

#[process]
struct Library {
    documents: HashMap<u32, String>,
}

#[handlers]
impl Library {
    fn put(&mut self, id: u32, text: String) {
        self.documents.insert(id, text);
    }
    fn get(&self, id: u32) -> Option<String> {
        self.documents.get(&id).cloned()
    }
}

#[process]
async fn announces_first(library: LibraryHandle, news: Sender<u32>) -> Result<()> {
    for id in [1, 2] {
        news.send(id).await?;
        library.put(id, format!("document {id}")).await?;
    }
    Ok(())
}

#[process]
async fn stores_first(library: LibraryHandle, news: Sender<u32>) -> Result<()> {
    for id in [1, 2] {
        library.put(id, format!("document {id}")).await?;
        news.send(id).await?;
    }
    Ok(())
}

#[process]
async fn reader(library: LibraryHandle, news: Receiver<u32>) -> Result<()> {
    while let Some(id) = news.recv().await {
        let text = library.get(id).await?;
        assert!(text.is_some(), "document {id} was announced");
    }
    Ok(())
}

fn open(scope: &Scope) -> (LibraryHandle, Sender<u32>) {
    let library = scope.spawn(Library {
        documents: HashMap::new(),
    });
    let (news, heard) = bounded(4);
    scope.spawn(reader(library.clone(), heard));
    (library, news)
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let (library, news) = open(scope);
    scope.spawn(announces_first(library, news)).await?;
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let (library, news) = open(scope);
    scope.spawn(stores_first(library, news)).await?;
    Ok(())
}
