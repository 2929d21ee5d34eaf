//! The bug: a connection is taken from a pool and put back at the end; a conflict leaves by `?` before that.
//! Ordinary tests miss it: their transactions do not meet at one row, or they look at the row and not at the pool.
//! A resource lost on the path of an error. Shows as a pool with too few connections.
use roundrock::prelude::*;

#[process]
struct Row {
    value: u32,
    version: u32,
}
#[handlers]
impl Row {
    fn read(&self) -> (u32, u32) {
        (self.value, self.version)
    }
    fn write(&mut self, value: u32, version: u32) -> Result<()> {
        ensure!(version == self.version, "conflict");
        self.value = value;
        self.version += 1;
        Ok(())
    }
}
#[derive(Debug)]
struct Conn;
async fn add(row: &RowHandle) -> Result<()> {
    let (value, version) = row.read().await?;
    row.write(value + 1, version).await?;
    Ok(())
}
#[process]
async fn transaction(
    row: &RowHandle,
    pool: &(Sender<Conn>, Receiver<Conn>),
    careful: &bool,
) -> Result<()> {
    loop {
        let conn = pool.1.recv().await.context("pool is closed")?;
        let result = if *careful {
            let r = add(row).await;
            pool.0.send(conn).await?;
            r
        } else {
            let (r, p) = (row.clone(), pool.0.clone());
            async move {
                add(&r).await?;
                p.send(conn).await?;
                Ok(())
            }
            .await
        };
        if result.is_ok() {
            return Ok(());
        }
    }
}
async fn run(scope: &Scope, careful: bool) -> Result<()> {
    let row = scope.spawn(Row {
        value: 0,
        version: 0,
    });
    let (put, take) = bounded(2);
    for _ in 0..2 {
        put.send(Conn).await?;
    }
    for t in [0; 3].map(|_| {
        scope.spawn(transaction(
            row.clone(),
            (put.clone(), take.clone()),
            careful,
        ))
    }) {
        t.await?;
    }
    assert_eq!(row.read().await?.0, 3);
    assert_eq!(put.len(), 2, "connections in the pool");
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
