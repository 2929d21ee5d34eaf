//! The bug: a download asks two mirrors; where the second one wins, the branch forgets to finish the channel of the parts.
//! Ordinary tests miss it: the mirror that was asked first answers first.
//! Of the issue: missing close. Shows as two processes that wait for each other.

use roundrock::prelude::*;

#[process]
async fn mirror(parts: u32, answer: Sender<u32>) -> Result<()> {
    answer.send(parts).await?;
    Ok(())
}

#[process]
async fn assemble(parts: Receiver<u32>) -> Result<u32> {
    let mut size = 0;
    while let Some(part) = parts.recv().await {
        size += part;
    }
    Ok(size)
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let (one, from_one) = bounded(1);
    let (two, from_two) = bounded(1);
    let (parts, collected) = bounded(4);
    scope.spawn(mirror(10, one));
    scope.spawn(mirror(10, two));
    let file = scope.spawn(assemble(collected));
    select! {
        part = from_one.recv() => {
            parts.send(part).await?;
            parts.finish();
            assert_eq!(file.await?, 10);
        }
        part = from_two.recv() => {
            parts.send(part).await?;
            assert_eq!(file.await?, 10);
        }
    }
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let (one, from_one) = bounded(1);
    let (two, from_two) = bounded(1);
    let (parts, collected) = bounded(4);
    scope.spawn(mirror(10, one));
    scope.spawn(mirror(10, two));
    let file = scope.spawn(assemble(collected));
    select! {
        part = from_one.recv() => {
            parts.send(part).await?;
            parts.finish();
            assert_eq!(file.await?, 10);
        }
        part = from_two.recv() => {
            parts.send(part).await?;
            parts.finish();
            assert_eq!(file.await?, 10);
        }
    }
    Ok(())
}
