//! The bug: a producer holds a sender to the present consumer; when that is started again alone, the producer sends into nothing.
//! Ordinary tests miss it: they restart each child and see that it works, and do not look at the one beside it.
//! Wrong supervision strategy. Shows as a pipeline that stands still after one failure.

use roundrock::prelude::*;

/// Brings producer and consumer together.
#[process]
struct Switchboard {
    consumer: Option<Sender<u32>>,
}

#[handlers]
impl Switchboard {
    fn attach(&mut self, consumer: Sender<u32>) {
        self.consumer = Some(consumer);
    }
    fn consumer(&self) -> Option<Sender<u32>> {
        self.consumer.clone()
    }
}

#[process]
struct Consumer {
    switchboard: SwitchboardHandle,
    results: Sender<u32>,
    input: Receiver<u32>,
}

#[handlers]
impl Consumer {
    #[recv(input)]
    async fn consume(&mut self, item: u32) -> Result<()> {
        self.results.send(item * 10).await?;
        Ok(())
    }
    #[on_start]
    async fn attach(&mut self) -> Result<()> {
        let (own, input) = bounded(1);
        self.input = input;
        self.switchboard.attach(own).await?;
        Ok(())
    }
    fn incarnation(&self, cx: &mut Cx) -> u32 {
        cx.incarnation()
    }
}

#[process]
async fn produce(jobs: &Receiver<u32>, switchboard: &SwitchboardHandle) -> Result<()> {
    let consumer = switchboard.consumer().await?.context("nobody consumes")?;
    while let Some(job) = jobs.recv().await {
        consumer.send(job).await?;
    }
    Ok(())
}

async fn pipeline(scope: &Scope, stages: Scope) -> Result<()> {
    let switchboard = scope.spawn(Switchboard { consumer: None });
    let (jobs, queue) = bounded(4);
    let (results, finished) = bounded(4);
    let board = switchboard.clone();
    let consumer = stages
        .supervise(move || Consumer {
            switchboard: board.clone(),
            results: results.clone(),
            input: bounded(1).1,
        })
        .spawn();
    stages.supervise(produce(queue, switchboard)).spawn();

    jobs.send(1).await?;
    assert_eq!(finished.recv().await, Some(10));
    let down = consumer.done();
    consumer.kill();
    down.await;
    // What was under way may be lost; what comes later may not.
    for _ in 0..8 {
        jobs.send(2).await?;
        if finished.recv().within(millis(200)).await.is_ok() {
            stages.stop(secs(5)).await;
            return Ok(());
        }
    }
    bail!("the pipeline has come to a stop")
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    pipeline(scope, scope.child("stages").one_for_one()).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    pipeline(scope, scope.child("stages").rest_for_one()).await
}
