//! The bug: producers and consumers of a buffer wait in one line, and whoever changes it wakes the first in the line, of either
//! kind. Ordinary tests miss it: with one producer and one consumer it is always the other one.
//! A signal to the wrong waiter. Shows as processes that wait for each other, and a buffer that would do for one of them.
use roundrock::prelude::*;
use std::collections::VecDeque;

#[process(mailbox = 16)]
struct Buffer {
    item: Option<u32>,
    waiting: VecDeque<Reply<Option<u32>>>,
    wakes_all: bool,
}
#[handlers]
impl Buffer {
    /// Answers with the item, or with nothing: then it must be tried again.
    fn put(&mut self, item: u32, reply: Reply<Option<u32>>) {
        if self.item.is_some() {
            self.waiting.push_back(reply);
        } else {
            self.item = Some(item);
            reply.send(self.item);
            self.wake();
        }
    }
    fn take(&mut self, reply: Reply<Option<u32>>) {
        if self.item.is_none() {
            self.waiting.push_back(reply);
        } else {
            reply.send(self.item.take());
            self.wake();
        }
    }
}
impl Buffer {
    fn wake(&mut self) {
        let most = if self.wakes_all { usize::MAX } else { 1 };
        let count = self.waiting.len().min(most);
        self.waiting.drain(..count).for_each(|one| one.send(None));
    }
}
#[process]
async fn producer(buffer: &BufferHandle) -> Result<()> {
    for item in 0..2 {
        while buffer.put(item).await?.is_none() {}
    }
    Ok(())
}
#[process]
async fn consumer(buffer: &BufferHandle) -> Result<()> {
    for _ in 0..2 {
        while buffer.take().await?.is_none() {}
    }
    Ok(())
}
async fn run(scope: &Scope, wakes_all: bool) -> Result<()> {
    let buffer = scope.spawn(Buffer {
        item: None,
        waiting: VecDeque::new(),
        wakes_all,
    });
    let mut all = Vec::new();
    for _ in 0..2 {
        all.push(scope.spawn(producer(buffer.clone())));
        all.push(scope.spawn(consumer(buffer.clone())));
    }
    for one in all {
        one.await?;
    }
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
