//! Processes and channels whose types hold `'static` borrows and trait objects work in every task.
use std::fmt::Debug;
use std::sync::Arc;

use roundrock::prelude::*;

#[process]
struct Cell<T>(T)
where
    T: Debug + Clone + Send + Sync + 'static;

#[handlers]
impl<T> Cell<T>
where
    T: Debug + Clone + Send + Sync + 'static,
{
    fn get(&self) -> T {
        self.0.clone()
    }
    fn put(&mut self, value: T) {
        self.0 = value;
    }
    fn checked(&self, value: T) -> Result<T, String> {
        let _ = value;
        Ok(self.0.clone())
    }
}

trait Shape: Send + Sync {
    fn area(&self) -> u32;
}

impl Shape for u32 {
    fn area(&self) -> u32 {
        *self
    }
}

#[process]
struct Shapes<S: Shape + ?Sized + 'static>(Vec<Arc<S>>);

#[handlers]
impl<S: Shape + ?Sized + 'static> Shapes<S> {
    fn add(&mut self, shape: Arc<S>) {
        self.0.push(shape);
    }
    fn total(&self) -> u32 {
        self.0.iter().map(|shape| shape.area()).sum()
    }
}

#[process]
async fn pass<T: Debug + Send + 'static>(from: &Receiver<T>, to: &Sender<T>) -> Result<()> {
    while let Some(value) = from.recv().await {
        to.send(value).await?;
    }
    Ok(())
}

type Job = Box<dyn FnOnce() -> u32 + Send>;

#[roundrock::main(workers = 2)]
async fn main(scope: &Scope) -> Result<()> {
    let cell = scope.spawn(Cell("one"));
    let user = cell.clone();
    let task = scope.task("calls", async move {
        user.put("two").send().await?;
        user.put("three").await?;
        user.put_port().send("four").await?;
        user.put("five").send_and_forget().await?;
        let _ = user.checked("six").await;
        let _ = join!(user.get(), user.checked("seven"));
        let _ = user.put("eight").try_send();
        roundrock::Ok(user.get().within(secs(5)).await?)
    });
    ensure!(task.await? == "eight", "the last one");

    let shapes = scope.spawn(Shapes::<dyn Shape>(Vec::new()));
    let task = scope.task("shapes", async move {
        shapes.add(Arc::new(3)).await?;
        shapes.add(Arc::new(4)).send().await?;
        roundrock::Ok(shapes.total().await?)
    });
    ensure!(task.await? == 7, "both");

    let (words, from) = bounded(1);
    let (to, passed) = rendezvous();
    scope.spawn(pass(from, to));
    let task = scope.task("words", async move {
        words.send("word").await?;
        words.send("word").within(secs(5)).await?;
        words.ready().await?.send("word")?;
        select! {
            words.send("last") => {},
            _ = sleep(secs(5)) => {}
        }
        roundrock::Ok(())
    });
    let mut heard = Vec::new();
    while let Some(word) = passed.recv().await {
        heard.push(word);
    }
    task.await?;
    ensure!(heard.len() == 4, "{heard:?}");

    let (jobs, queue) = bounded::<Job>(2);
    let worker = scope.task("worker", async move {
        let mut sum = 0;
        while let Some(job) = queue.recv().await {
            sum += job();
        }
        roundrock::Ok(sum)
    });
    jobs.send(Box::new(|| 3)).await?;
    ensure!(jobs.send(Box::new(|| 4)).within(secs(5)).await.is_ok(), "there is room");
    jobs.finish();
    ensure!(worker.await? == 7, "all jobs");
    Ok(())
}
