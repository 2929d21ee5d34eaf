//! The bug: a client whose time is up tells its user that nothing was booked, but the handler had begun, and books all the same.
//! Ordinary tests miss it: their server is either much faster than the time-out, or never answers.
//! A time-out that races with the reply. Shows as a seat that nobody knows of.

use roundrock::prelude::*;

#[process]
struct Office {
    booked: u32,
}

#[handlers]
impl Office {
    async fn book(&mut self) -> u32 {
        // The bank takes its time.
        sleep(millis(20)).await;
        self.booked += 1;
        self.booked
    }
    fn booked(&self) -> u32 {
        self.booked
    }
}

#[process]
async fn believes_the_clock(office: &OfficeHandle, told: &Sender<u32>) -> Result<()> {
    match office.book().within(millis(20)).await {
        Ok(_) => told.send(1).await?,
        Err(CallError::Deadline) => told.send(0).await?,
        Err(other) => return Err(other.into()),
    }
    Ok(())
}

#[process]
async fn asks_again(office: &OfficeHandle, told: &Sender<u32>) -> Result<()> {
    match office.book().within(millis(20)).await {
        Ok(_) => told.send(1).await?,
        Err(CallError::Deadline) => told.send(office.booked().await?).await?,
        Err(other) => return Err(other.into()),
    }
    Ok(())
}

async fn evening<F>(scope: &Scope, client: F) -> Result<()>
where
    F: FnOnce(OfficeHandle, Sender<u32>) -> Task<()>,
{
    let office = scope.spawn(Office { booked: 0 });
    let (told, user) = bounded(1).named("told");
    let client = client(office.clone(), told);
    let told = user.recv().await.context("the client has ended")?;
    client.await?;
    assert_eq!(told, office.booked().await?, "what was told is not true");
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    evening(scope, |office, told| {
        scope.spawn(believes_the_clock(office, told))
    })
    .await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    evening(scope, |office, told| scope.spawn(asks_again(office, told))).await
}
