//! The bug: a worker that finds no job says that it lies down, in a second call; a job that comes between the two rings no bell.
//! Ordinary tests miss it: the queue is either full, or empty for so long that the worker sleeps soundly.
//! Lost wake-up by check-then-wait. Shows as a worker that sleeps beside a job.

use std::collections::VecDeque;

use roundrock::prelude::*;

#[process]
struct Jobs {
    waiting: VecDeque<u32>,
    asleep: bool,
    bell: Sender<()>,
}

#[handlers]
impl Jobs {
    fn put(&mut self, job: u32) {
        self.waiting.push_back(job);
        if std::mem::take(&mut self.asleep) {
            self.bell.try_send(()).ok();
        }
    }
    fn take(&mut self) -> Option<u32> {
        self.waiting.pop_front()
    }
    fn lie_down(&mut self) {
        self.asleep = true;
    }
    fn take_or_lie_down(&mut self) -> Option<u32> {
        let job = self.waiting.pop_front();
        self.asleep = job.is_none();
        job
    }
}

/// The last job.
const LAST: u32 = 2;

#[process]
async fn lies_down_later(jobs: &JobsHandle, bell: &Receiver<()>, done: &Sender<u32>) -> Result<()> {
    loop {
        match jobs.take().await? {
            Some(job) => {
                done.send(job).await?;
                if job == LAST {
                    return Ok(());
                }
            }
            None => {
                jobs.lie_down().await?;
                bell.recv().await;
            }
        }
    }
}

#[process]
async fn lies_down_at_once(
    jobs: &JobsHandle,
    bell: &Receiver<()>,
    done: &Sender<u32>,
) -> Result<()> {
    loop {
        match jobs.take_or_lie_down().await? {
            Some(job) => {
                done.send(job).await?;
                if job == LAST {
                    return Ok(());
                }
            }
            None => {
                bell.recv().await;
            }
        }
    }
}

async fn shift<F>(scope: &Scope, worker: F) -> Result<()>
where
    F: FnOnce(JobsHandle, Receiver<()>, Sender<u32>) -> Task<()>,
{
    let (bell, rung) = bounded(1).named("bell");
    let (done, results) = bounded(1).named("done");
    let jobs = scope.spawn(Jobs {
        waiting: VecDeque::new(),
        asleep: false,
        bell,
    });
    let worker = worker(jobs.clone(), rung, done);
    for job in 1..=LAST {
        jobs.put(job).await?;
        assert_eq!(results.recv().await, Some(job));
    }
    worker.await?;
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    shift(scope, |jobs, bell, done| {
        scope.spawn(lies_down_later(jobs, bell, done))
    })
    .await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    shift(scope, |jobs, bell, done| {
        scope.spawn(lies_down_at_once(jobs, bell, done))
    })
    .await
}
