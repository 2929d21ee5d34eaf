//! The bug: a writer looks for a name that no file has, and makes the file in a second job.
//! Ordinary tests miss it: both writers must look before one of them makes its file.
//! Check-then-act in two jobs that block. Shows as two writers with one file.
use roundrock::prelude::*;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// The names of the files on a disk.
type Disk = Arc<Mutex<BTreeSet<u32>>>;

async fn exists(disk: &Disk, name: u32) -> bool {
    let disk = Arc::clone(disk);
    blocking(move || disk.lock().is_ok_and(|files| files.contains(&name))).await
}
/// Makes a file; false if there was one of that name.
async fn make(disk: &Disk, name: u32) -> bool {
    let disk = Arc::clone(disk);
    blocking(move || disk.lock().is_ok_and(|mut files| files.insert(name))).await
}
#[process]
async fn looks_and_makes(disk: &Disk, log: &Sender<u32>, is_new: &bool) -> Result<()> {
    if *is_new {
        log.send(0).await?;
    }
    let mut name = 0;
    while exists(disk, name).await {
        name += 1;
    }
    make(disk, name).await;
    Ok(())
}
#[process]
async fn makes_or_goes_on(disk: &Disk, log: &Sender<u32>, is_new: &bool) -> Result<()> {
    if *is_new {
        log.send(0).await?;
    }
    let mut name = 0;
    while !make(disk, name).await {
        name += 1;
    }
    Ok(())
}
async fn run<F>(start: F) -> Result<()>
where
    F: Fn(Disk, Sender<u32>, bool) -> Task<()>,
{
    let disk = Disk::default();
    let (log, _lines) = bounded(2);
    for writer in [false, true].map(|is_new| start(disk.clone(), log.clone(), is_new)) {
        writer.await?;
    }
    let files = disk.lock().map_or(0, |files| files.len());
    assert_eq!(files, 2, "two writers, so many files");
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(|disk, log, is_new| scope.spawn(looks_and_makes(disk, log, is_new))).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(|disk, log, is_new| scope.spawn(makes_or_goes_on(disk, log, is_new))).await
}
