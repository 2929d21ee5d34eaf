//! The bug: a search waits for as many answers as it has shards, and a shard without a hit does not answer.
//! Ordinary tests miss it: their shards are full; here one is emptied while the search is on its way.
//! Unbalanced fan-out. Shows as a search that waits for ever.

use roundrock::prelude::*;

#[process]
struct Shard {
    documents: Vec<u32>,
    answers_always: bool,
}

#[handlers]
impl Shard {
    async fn search(&self, above: u32, answers: Sender<Vec<u32>>) -> Result<()> {
        let mut hits = self.documents.clone();
        hits.retain(|document| *document > above);
        if self.answers_always || !hits.is_empty() {
            answers.send(hits).await?;
        }
        Ok(())
    }
    fn clear(&mut self) {
        self.documents.clear();
    }
}

async fn search(scope: &Scope, answers_always: bool) -> Result<()> {
    let shards = [[1, 20], [2, 30], [3, 40]].map(|documents| {
        scope.spawn(Shard {
            documents: documents.to_vec(),
            answers_always,
        })
    });
    let emptied = shards[1].clone();
    let retention = scope.task("retention", async move {
        emptied.clear().await?;
        roundrock::Ok(())
    });
    let (answers, gathered) = bounded(3);
    for shard in &shards {
        shard.search(10, answers.clone()).send_and_forget().await?;
    }
    let mut hits = Vec::new();
    for _ in &shards {
        hits.extend(gathered.recv().await.context("all shards have ended")?);
    }
    assert!(hits.contains(&20) && hits.contains(&40), "{hits:?}");
    retention.await?;
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    search(scope, false).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    search(scope, true).await
}
