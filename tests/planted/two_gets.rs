//! The bug: a login reads the address from the settings, asks for something, and reads the secret from the settings again.
//! Ordinary tests miss it: their settings do not change.
//! One operation that looks twice. Shows as the secret of another server.
use roundrock::prelude::*;

#[derive(Debug, Clone, Copy)]
struct Settings {
    host: &'static str,
    secret: &'static str,
}
const OLD: Settings = Settings {
    host: "old",
    secret: "secret of old",
};
const NEW: Settings = Settings {
    host: "new",
    secret: "secret of new",
};
#[process]
struct Resolver;
#[handlers]
impl Resolver {
    fn resolve(&self, host: &'static str) -> &'static str {
        host
    }
}
#[process]
async fn login(
    settings: &LatestReceiver<Settings>,
    resolver: &ResolverHandle,
    looks_once: &bool,
) -> Result<()> {
    let seen = settings.get();
    let host = resolver.resolve(seen.host).await?;
    let secret = if *looks_once {
        seen.secret
    } else {
        settings.get().secret
    };
    assert!(secret.ends_with(host), "the {secret} is sent to {host}");
    Ok(())
}
async fn run(scope: &Scope, looks_once: bool) -> Result<()> {
    let (set, settings) = latest(OLD);
    let resolver = scope.spawn(Resolver);
    let login = scope.spawn(login(settings, resolver.clone(), looks_once));
    resolver.resolve("proxy").await?;
    resolver.resolve("mirror").await?;
    set.set(NEW);
    login.await?;
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
