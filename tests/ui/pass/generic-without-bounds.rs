//! Type parameters need no `Send + 'static` of their own: a process needs both, so the macro asks for them.

use std::collections::HashMap;
use std::hash::Hash;

use roundrock::prelude::*;

#[process]
struct Cell<T> {
    value: T,
}

#[handlers]
impl<T> Cell<T> {
    fn set(&mut self, value: T) -> usize {
        self.value = value;
        1
    }
    async fn replace(&mut self, value: T) -> T {
        sleep(millis(1)).await;
        std::mem::replace(&mut self.value, value)
    }
    fn touch(&mut self) {}
}

#[process]
struct Index<K, V>
where
    K: Eq + Hash,
{
    values: HashMap<K, V>,
}

#[handlers]
impl<K, V> Index<K, V>
where
    K: Eq + Hash,
{
    fn put(&mut self, key: K, value: V) {
        self.values.insert(key, value);
    }
    #[every("1s")]
    fn clear(&mut self) {
        self.values.clear();
    }
}

// What is `'static` moves between threads all the same.
#[process]
struct Last<T: Clone + 'static> {
    value: Option<T>,
}

#[handlers]
impl<T: Clone + 'static> Last<T> {
    fn set(&mut self, value: T) {
        self.value = Some(value);
    }
    async fn get(&mut self) -> Option<T> {
        sleep(millis(1)).await;
        self.value.clone()
    }
    #[every("1s")]
    fn forget(&mut self) {
        self.value = None;
    }
}

#[process]
async fn repeat<T>(from: &Receiver<T>, to: &Sender<T>) -> Result<()>
where
    T: Clone + 'static,
{
    while let Some(message) = from.recv().await {
        to.send(message.clone()).await?;
        to.send(message).await?;
    }
    Ok(())
}

#[process]
async fn copy<T>(from: &Receiver<T>, to: &Sender<T>) -> Result<()> {
    while let Some(message) = from.recv().await {
        to.send(message).await?;
    }
    Ok(())
}

#[process]
async fn merge<T: Clone>(#[inbox] left: &Receiver<T>, right: Receiver<T>, to: Sender<T>) -> Result<()> {
    loop {
        let message = select! {
            message = left.recv() => message,
            message = right.recv() => message,
            else => return Ok(()),
        };
        to.send(message.clone()).await?;
    }
}

async fn wire(scope: &Scope) -> Result<()> {
    let cell = scope.spawn(Cell { value: 1 });
    let _: u8 = cell.replace(2).await?;
    cell.set(3).await?;
    cell.touch().send().await?;
    let index = scope.spawn(Index { values: HashMap::new() });
    index.put("a".to_owned(), vec![1]).send().await?;
    index.stop();
    let (numbers, from) = bounded::<u8>(1);
    let (to, copies) = bounded(1);
    scope.spawn(copy(from, to.clone()));
    let last = scope.spawn(Last { value: None });
    last.set(1).await?;
    let _: Option<u8> = last.get().await?;
    let (to_all, all) = bounded(1);
    scope.spawn(repeat::<u8>(all, to_all));
    let merging: MergeHandle<u8> = scope.spawn(merge(copies, to));
    merging.left().send(1).await?;
    numbers.send(1).await?;
    Ok(())
}

fn main() {}
