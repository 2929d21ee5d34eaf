//! The bug: a writer changes two values and then their version; a reader that sees one version before and after may have come in
//! between. Ordinary tests miss it: a read is short, and a write is seldom.
//! A sequence lock without its first half. Shows as two values that do not belong together.
use roundrock::prelude::*;

#[process]
struct Register {
    value: u32,
}
#[handlers]
impl Register {
    fn get(&self) -> u32 {
        self.value
    }
    fn set(&mut self, value: u32) {
        self.value = value;
    }
}
#[derive(Clone)]
struct Shared {
    version: RegisterHandle,
    left: RegisterHandle,
    right: RegisterHandle,
}
#[process]
async fn writer(shared: &Shared, says_begin: &bool) -> Result<()> {
    for n in 1..=2 {
        if *says_begin {
            shared.version.set(2 * n - 1).await?;
        }
        shared.left.set(n).await?;
        shared.right.set(n).await?;
        shared.version.set(2 * n).await?;
    }
    Ok(())
}
async fn read(shared: &Shared) -> Result<(u32, u32)> {
    loop {
        let before = shared.version.get().await?;
        let values = (shared.left.get().await?, shared.right.get().await?);
        // An odd version is that of a write that is under way.
        if before.is_multiple_of(2) && shared.version.get().await? == before {
            return Ok(values);
        }
    }
}
async fn run(scope: &Scope, says_begin: bool) -> Result<()> {
    let register = || scope.spawn(Register { value: 0 });
    let shared = Shared {
        version: register(),
        left: register(),
        right: register(),
    };
    let writer = scope.spawn(writer(shared.clone(), says_begin));
    let (left, right) = read(&shared).await?;
    assert_eq!(left, right, "a torn read");
    writer.await?;
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
