//! The bug: the announcer is added before the listener whose address it announces; it starts first after a failure too.
//! Ordinary tests miss it: at the first start the address is known from the configuration, only a restart has to publish it.
//! Of the issue: wrong restart order. Shows as a scope that gave up.

use std::sync::Arc;

use roundrock::prelude::*;

type Address = Arc<LatestSender<Option<u16>>>;

#[process]
struct Listener {
    address: Address,
}

#[handlers]
impl Listener {
    #[on_start]
    fn publish(&mut self) {
        self.address.set(Some(8080));
    }
    #[on_stop]
    fn withdraw(&mut self) {
        self.address.set(None);
    }
}

#[process]
struct Announcer {
    address: Address,
    announced: Option<u16>,
}

#[handlers]
impl Announcer {
    #[on_start]
    fn announce(&mut self) -> Result<()> {
        let address = self.address.get().context("nothing to announce")?;
        self.announced = Some(address);
        Ok(())
    }
    fn announced(&self) -> Option<u16> {
        self.announced
    }
    fn break_down(&mut self, cx: &mut Cx) {
        cx.fail(roundrock::Fault::error("the directory is down"));
    }
}

fn add_listener(scope: &Scope, address: &Address) -> ListenerHandle {
    let address = Arc::clone(address);
    scope
        .supervise(move || Listener {
            address: Arc::clone(&address),
        })
        .spawn()
}

fn add_announcer(scope: &Scope, address: &Address) -> AnnouncerHandle {
    let address = Arc::clone(address);
    scope
        .supervise(move || Announcer {
            address: Arc::clone(&address),
            announced: None,
        })
        .spawn()
}

async fn one_failure(net: Scope, announcer: AnnouncerHandle) -> Result<()> {
    assert_eq!(announcer.announced().await?, Some(8080));
    let down = announcer.done();
    announcer.break_down().await.ok();
    down.await;
    assert_eq!(announcer.announced().await?, Some(8080));
    net.stop(secs(5)).await;
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let address = Arc::new(latest(Some(8080)).0);
    let net = scope.child("net").one_for_all();
    let announcer = add_announcer(&net, &address);
    let _listener = add_listener(&net, &address);
    one_failure(net, announcer).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let address = Arc::new(latest(Some(8080)).0);
    let net = scope.child("net").one_for_all();
    let _listener = add_listener(&net, &address);
    let announcer = add_announcer(&net, &address);
    one_failure(net, announcer).await
}
