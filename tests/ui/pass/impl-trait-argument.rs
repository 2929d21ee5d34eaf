//! Arguments of a type without a name need not say that they are `Send + 'static`, as parameters with a name need not.

use roundrock::prelude::*;

#[process]
async fn show(raw: &Receiver<u8>, text: impl Fn(u8) -> String) {
    while let Some(n) = raw.recv().await {
        println!("{}", text(n));
    }
}

#[process]
async fn show_all(
    raw: &Receiver<u8>,
    text: &(impl Fn(u8) -> String + Sync),
    end: impl FnOnce() + Send,
    names: impl Iterator<Item = String> + 'static,
) {
    while let Some(n) = raw.recv().await {
        println!("{}", text(n));
    }
    end();
    drop(names);
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let (jobs, raw) = bounded(1);
    let text = |n: u8| n.to_string();
    let names = vec!["a".to_owned()].into_iter();
    scope.spawn(show(raw.clone(), text));
    scope.spawn(show_all(raw, text, || println!("end"), names));
    jobs.send(1).await?;
    Ok(())
}
