//! Another name, a key, `cfg`, and names that only look built in.

use roundrock::prelude::*;

#[process]
struct Store;

#[handlers]
impl Store {
    #[handler(name = halt)]
    fn stop(&mut self, cx: &mut Cx) {
        cx.stop();
    }
    fn put(&mut self, #[key] key: String, value: u8) {
        let _ = (key, value);
    }
    #[cfg(any())]
    fn absent(&mut self, value: NoSuchType) {}
    #[cfg(any())]
    #[recv(no_such_field)]
    fn input(&mut self, value: NoSuchType) {}
    fn r#match(&mut self, r#in: u8) {
        let _ = r#in;
    }
    fn index(&self) -> u8 {
        1
    }
    fn dispatch(&self, message: u8, cx: &mut Cx, slot: u8) -> u8 {
        cx.stop();
        message + slot
    }
}

async fn wire(store: &StoreHandle) -> Result<()> {
    store.halt().await?;
    store.put("a".to_owned(), 1).send().await?;
    store.r#match(1).await?;
    store.match_port().send(1).await?;
    let _: u8 = store.index().await? + store.dispatch(1, 2).await?;
    Ok(())
}

fn main() {}
