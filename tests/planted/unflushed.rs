//! The bug: a batcher writes when it has two entries and once a second; what it holds when its scope stops is written by nobody.
//! Ordinary tests miss it: they write an even number, or wait for the second.
//! Shutdown that loses what is buffered. Shows as entries that were accepted and are not there.

use roundrock::prelude::*;

#[process]
struct Forgetful {
    pending: Vec<u32>,
    disk: Sender<Vec<u32>>,
}

#[handlers]
impl Forgetful {
    async fn write(&mut self, entry: u32) -> Result<()> {
        self.pending.push(entry);
        if self.pending.len() == 2 {
            self.flush().await?;
        }
        Ok(())
    }
    #[every("1s")]
    async fn flush(&mut self) -> Result<()> {
        if !self.pending.is_empty() {
            self.disk.send(std::mem::take(&mut self.pending)).await?;
        }
        Ok(())
    }
}

#[process]
struct Careful {
    pending: Vec<u32>,
    disk: Sender<Vec<u32>>,
}

#[handlers]
impl Careful {
    async fn write(&mut self, entry: u32) -> Result<()> {
        self.pending.push(entry);
        if self.pending.len() == 2 {
            self.flush().await?;
        }
        Ok(())
    }
    #[every("1s")]
    async fn flush(&mut self) -> Result<()> {
        if !self.pending.is_empty() {
            self.disk.send(std::mem::take(&mut self.pending)).await?;
        }
        Ok(())
    }
    #[on_stop]
    async fn last_flush(&mut self) -> Result<()> {
        self.flush().await
    }
}

async fn written(disk: Receiver<Vec<u32>>) -> u32 {
    let mut sum = 0;
    while let Some(batch) = disk.recv().await {
        sum += batch.iter().sum::<u32>();
    }
    sum
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let log = scope.child("log");
    let (disk, batches) = bounded(8).named("disk");
    let batcher = log.spawn(Forgetful {
        pending: Vec::new(),
        disk,
    });
    for entry in [1, 2, 4] {
        batcher.write(entry).await?;
    }
    log.stop(secs(1)).await;
    assert_eq!(written(batches).await, 7);
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let log = scope.child("log");
    let (disk, batches) = bounded(8).named("disk");
    let batcher = log.spawn(Careful {
        pending: Vec::new(),
        disk,
    });
    for entry in [1, 2, 4] {
        batcher.write(entry).await?;
    }
    log.stop(secs(1)).await;
    assert_eq!(written(batches).await, 7);
    Ok(())
}
