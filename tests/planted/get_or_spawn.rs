//! The bug: a request that finds no session under a name looks the user up, and then starts a session of that name.
//! Ordinary tests miss it: the second request of a user comes after the first one.
//! Check-then-act on a registry of names. Shows as a name that is taken.
use roundrock::prelude::*;

const NAME: &str = "session of ada";

#[process]
struct Session {
    requests: u32,
}
#[handlers]
impl Session {
    fn count(&mut self) -> u32 {
        self.requests += 1;
        self.requests
    }
}
#[process]
struct Users;
#[handlers]
impl Users {
    fn exists(&self) -> bool {
        true
    }
    /// What a request with a cookie needs first.
    fn check(&self) {}
}
fn start(web: &Scope) -> Result<SessionHandle> {
    let session = web.spawn(Session { requests: 0 });
    web.register(NAME, &session)?;
    Ok(session)
}
async fn looks_first(web: &Scope, users: &UsersHandle) -> Result<SessionHandle> {
    if let Some(session) = web.lookup(NAME) {
        return Ok(session);
    }
    ensure!(users.exists().await?, "no such user");
    start(web)
}
async fn looks_last(web: &Scope, users: &UsersHandle) -> Result<SessionHandle> {
    ensure!(users.exists().await?, "no such user");
    if let Some(session) = web.lookup(NAME) {
        return Ok(session);
    }
    // On two threads another request may have been faster in between.
    start(web).or_else(|_| web.lookup(NAME).context("the other one has it"))
}
async fn run(scope: &Scope, in_order: bool) -> Result<()> {
    let users = scope.spawn(Users);
    let web = scope.child("web");
    let request = |has_cookie: bool| {
        let (web, users) = (web.clone(), users.clone());
        scope.task("request", async move {
            if has_cookie {
                users.check().await?;
            }
            let session = match in_order {
                true => looks_last(&web, &users).await?,
                false => looks_first(&web, &users).await?,
            };
            roundrock::Ok(session.count().await?)
        })
    };
    let (one, two) = (request(false), request(true));
    let mut counts = [one.await?, two.await?];
    counts.sort_unstable();
    assert_eq!(counts, [1, 2]);
    web.unregister(NAME);
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
