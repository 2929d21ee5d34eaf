//! Inputs that the process makes itself, and its handle.

use roundrock::prelude::*;

#[process]
pub async fn route_all<T: Send + 'static, U>(
    #[inbox(8)] raw: &Receiver<T>,
    #[inbox] ticks: &Receiver<u8>,
    f: U,
) -> Result<u8>
where
    U: Fn(T) + Send + 'static,
{
    raw.recv().await.map(f);
    Ok(ticks.recv().await.unwrap_or(0))
}

#[process]
async fn related<T: Into<U> + Send + 'static, U: Send + 'static>(#[inbox(0)] raw: &Receiver<T>) {
    let _: Option<U> = raw.recv().await.map(Into::into);
}

async fn wire(scope: &Scope) -> Result<()> {
    let handle: RouteAllHandle<String> = scope.spawn(route_all(|_: String| ()));
    handle.raw().send("a".to_owned()).await?;
    handle.clone().ticks().send(1).await?;
    let _task: Task<u8> = handle.task();
    let handle: RelatedHandle<u8, u64> = scope.spawn(related());
    handle.raw().send(1).await?;
    Ok(())
}

fn main() {}
