//! The bug: the second stage of a pipeline is stopped before the first one, which may have something left for it.
//! Ordinary tests miss it: by the time they stop, the first stage has sent everything.
//! Shutdown in the wrong order. Shows as items that were accepted and did not arrive.
use roundrock::prelude::*;

#[process]
async fn stage(input: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
    while let Some(item) = input.recv().await {
        out.send(item).await?;
    }
    Ok(())
}
async fn run(scope: &Scope, in_order: bool) -> Result<()> {
    let (front, back) = (scope.child("front"), scope.child("back"));
    let (to_front, input) = bounded(4).named("input");
    let (to_back, middle) = bounded(4).named("middle");
    let (out, output) = bounded(4).named("output");
    front.spawn(stage(input, to_back));
    back.spawn(stage(middle, out));
    for item in 0..3 {
        to_front.send(item).await?;
    }
    let stages = if in_order {
        [front, back]
    } else {
        [back, front]
    };
    for stage in stages {
        stage.stop(secs(5)).await;
    }
    let mut arrived = 0;
    while output.recv().await.is_some() {
        arrived += 1;
    }
    assert_eq!(arrived, 3, "what was accepted arrives");
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
