//! The bug: each worker keeps a sender to its own queue, to put back what failed; so the queue never ends, and nor do they.
//! Ordinary tests miss it: all results are there, and nobody waits for the workers.
//! A leaked sender that keeps a loop alive. Shows as a leak at the end.

use roundrock::channel::WeakSender;
use roundrock::prelude::*;

/// A job, and how often it was tried.
#[derive(Debug, Clone, Copy)]
struct Job {
    number: u32,
    tries: u32,
}

impl Job {
    /// Odd jobs succeed the second time.
    fn succeeds(self) -> bool {
        self.number.is_multiple_of(2) || self.tries > 0
    }
    fn again(self) -> Self {
        Self {
            tries: self.tries + 1,
            ..self
        }
    }
}

#[process]
async fn keeps_a_sender(
    jobs: &Receiver<Job>,
    again: &Sender<Job>,
    done: &Sender<u32>,
) -> Result<()> {
    while let Some(job) = jobs.recv().await {
        if job.succeeds() {
            done.send(job.number).await?;
        } else {
            again.send(job.again()).await?;
        }
    }
    Ok(())
}

#[process]
async fn keeps_a_weak_sender(
    jobs: &Receiver<Job>,
    again: &WeakSender<Job>,
    done: &Sender<u32>,
) -> Result<()> {
    while let Some(job) = jobs.recv().await {
        if job.succeeds() {
            done.send(job.number).await?;
        } else if let Some(again) = again.upgrade() {
            again.send(job.again()).await?;
        }
    }
    Ok(())
}

/// Does not let go of the jobs before all are done.
async fn feed(jobs: Sender<Job>, done: Receiver<u32>) -> Result<()> {
    for number in 0..4 {
        jobs.send(Job { number, tries: 0 }).await?;
    }
    let mut sum = 0;
    for _ in 0..4 {
        sum += done.recv().await.context("all workers have ended")?;
    }
    assert_eq!(sum, 1 + 2 + 3);
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let (jobs, queue) = bounded(8);
    let (done, results) = bounded(8);
    scope.pool(2, keeps_a_sender(queue, jobs.clone(), done));
    feed(jobs, results).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let (jobs, queue) = bounded(8);
    let (done, results) = bounded(8);
    scope.pool(2, keeps_a_weak_sender(queue, jobs.downgrade(), done));
    feed(jobs, results).await
}
