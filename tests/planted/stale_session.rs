//! The bug: a client keeps the number of an open file across a restart of the file table, which gives that number to another.
//! Ordinary tests miss it: after a restart the table is empty, so the number is refused, until somebody else opens a file.
//! Assumptions about an incarnation that is gone. Shows as a line in the file of somebody else.

use std::collections::BTreeMap;

use roundrock::prelude::*;

/// The incarnation that opened it, where that is looked at, and the number in its table.
type File = (u32, u32);

#[process]
struct Files {
    open: BTreeMap<File, char>,
    numbered_by_incarnation: bool,
}

#[handlers]
impl Files {
    fn open(&mut self, name: char, cx: &mut Cx) -> File {
        let incarnation = if self.numbered_by_incarnation {
            cx.incarnation()
        } else {
            0
        };
        let file = (incarnation, self.open.len() as u32);
        self.open.insert(file, name);
        file
    }
    /// Returns the name of the file that the line went to; none if it is not open.
    fn append(&mut self, file: File) -> Option<char> {
        self.open.get(&file).copied()
    }
}

#[process]
async fn writer(files: FilesHandle, name: char) -> Result<()> {
    let mut file = None;
    let mut lines = 0;
    while lines < 2 {
        let open = match file {
            Some(open) => open,
            None => match files.open(name).await {
                Ok(open) => *file.insert(open),
                Err(CallError::Crashed) => continue,
                Err(error) => return Err(error.into()),
            },
        };
        match files.append(open).await {
            Ok(Some(written)) => {
                assert_eq!(written, name);
                lines += 1;
            }
            Ok(None) => file = None,
            Err(CallError::Crashed) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn disk(scope: &Scope, numbered_by_incarnation: bool) -> Result<()> {
    let tables = scope.child("tables");
    let files = tables
        .supervise(move || Files {
            open: BTreeMap::new(),
            numbered_by_incarnation,
        })
        .permanent()
        .spawn();
    let one = scope.spawn(writer(files.clone(), 'a'));
    let two = scope.spawn(writer(files.clone(), 'b'));
    files.append((0, 9)).await.ok();
    files.kill();
    one.await?;
    two.await?;
    tables.stop(secs(5)).await;
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    disk(scope, false).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    disk(scope, true).await
}
