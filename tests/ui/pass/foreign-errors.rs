//! What the error about an error says to write compiles.

use std::cell::Cell;
use std::error::Error as StdError;

use roundrock::prelude::*;

/// It has no text.
#[derive(Debug)]
struct Why;

#[process]
struct Counter;

#[handlers]
impl Counter {
    fn boxed(&self) -> std::result::Result<i64, Box<dyn StdError + Send + Sync>> {
        Ok("1".parse()?)
    }
    fn not_sync(&self) -> std::result::Result<i64, Box<dyn StdError + Send>> {
        Ok(1)
    }
    fn own(&self) -> Result<i64> {
        Ok("1".parse()?)
    }
    fn without_text(&self) -> std::result::Result<i64, Why> {
        Ok(1)
    }
}

fn boxed() -> std::result::Result<i64, Box<dyn StdError + Send + Sync>> {
    Ok("1".parse()?)
}

fn alone() -> std::result::Result<i64, Box<dyn StdError>> {
    Ok("1".parse()?)
}

fn text() -> std::result::Result<i64, String> {
    Ok(1)
}

fn cell() -> std::result::Result<i64, Cell<i64>> {
    Ok(1)
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let counter = scope.spawn(Counter);
    counter.boxed().await?;
    counter.own().await?;
    counter.not_sync().await.map_err(Error::msg)?;
    counter
        .without_text()
        .await
        .map_err(|error| Error::msg(format!("{error:?}")))?;
    boxed().map_err(Error::new)?;
    boxed().context("what was being done")?;
    alone().map_err(Error::msg)?;
    text().map_err(Error::new)?;
    text().map_err(Error::msg)?;
    cell().map_err(|error| Error::msg(format!("{error:?}")))?;
    Ok(())
}
