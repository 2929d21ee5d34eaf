//! Endpoints that several processes have together, of which one is not parked, or has a message in hand that nobody sees: nobody who
//! waits for them is proven stuck.

use std::pin::pin;
use std::sync::Arc;

use roundrock::prelude::*;

use crate::control::{control_anywhere, instance};
use crate::kept::begun;
use crate::kit::Meet;

/// One worker of a pool sleeps with its job, and the other one waits for the next: they have one receiver and one sender together.
#[test]
fn pool_of_which_one_worker_sleeps() {
    #[process]
    async fn works(jobs: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
        while let Some(job) = jobs.recv().await {
            sleep(millis(3)).await;
            out.send(job).await?;
        }
        Ok(())
    }

    #[process]
    async fn asks(jobs: &Sender<u32>, results: &Receiver<u32>) -> Result<()> {
        jobs.send(1).await?;
        assert_eq!(results.recv().await, Some(1));
        Ok(())
    }

    control_anywhere(|scope, _| {
        let ((jobs, inbox), (out, results)) = (bounded(1), bounded(1));
        let _ = scope.pool(2, works(inbox, out));
        instance(scope.spawn(asks(jobs, results)), || {})
    });
}

/// The same, where all but the one that sleeps have ended.
#[test]
fn pool_of_which_one_worker_is_left() {
    #[process]
    async fn works(jobs: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
        let Some(job) = jobs.recv().await else {
            return Ok(());
        };
        if job == 0 {
            return Ok(());
        }
        sleep(millis(3)).await;
        out.send(job).await?;
        Ok(())
    }

    #[process]
    async fn asks(jobs: &Sender<u32>, results: &Receiver<u32>) -> Result<()> {
        for job in [0, 1, 0] {
            jobs.send(job).await?;
        }
        assert_eq!(results.recv().await, Some(1));
        Ok(())
    }

    control_anywhere(|scope, _| {
        let ((jobs, inbox), (out, results)) = (bounded(1), bounded(1));
        let _ = scope.pool(3, works(inbox, out));
        instance(scope.spawn(asks(jobs, results)), || {})
    });
}

/// A message lies in a future that its process has begun and put aside. When that is dropped, the other one that has the receiver
/// gets it.
#[test]
fn message_in_a_future_that_is_kept() {
    type Input = Arc<Receiver<u32>>;

    #[process]
    async fn keeps(meet: Meet, input: Input) {
        {
            let mut first = pin!(input.recv());
            assert!(!begun(first.as_mut()).await);
            meet.all(1).await;
            sleep(millis(3)).await;
        }
        meet.reached(3).await;
    }

    #[process]
    async fn takes(meet: Meet, input: Input, done: &Sender<()>) -> Result<()> {
        meet.reached(1).await;
        meet.all(1).await;
        assert_eq!(input.recv().await, Some(1));
        done.send(()).await?;
        Ok(())
    }

    #[process]
    async fn sends(meet: Meet, out: &Sender<u32>, done: &Receiver<()>) -> Result<()> {
        meet.reached(2).await;
        out.send(1).await?;
        assert_eq!(done.recv().await, Some(()));
        meet.all(1).await;
        Ok(())
    }

    control_anywhere(|scope, _| {
        let ((out, input), (tell, done), meet) = (rendezvous(), rendezvous(), Meet::default());
        let input = Arc::new(input);
        scope.spawn(keeps(meet.clone(), Arc::clone(&input)));
        scope.spawn(takes(meet.clone(), input, tell));
        instance(scope.spawn(sends(meet, out, done)), || {})
    });
}
