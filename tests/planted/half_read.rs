//! The bug: a frame is read in two receives under one time-out; when that strikes between the two, the header is lost,
//! and the body is taken for the next header. Ordinary tests miss it: their time-outs strike before a frame or not at all.
//! Cancellation of something that is not cancel-safe. Shows as a body where a header should be.

use roundrock::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Header(u32),
    Body(u32),
}

/// Two frames; the body of the first takes its time.
#[process]
async fn device(wire: Sender<Part>) -> Result<()> {
    wire.send(Part::Header(1)).await?;
    sleep(millis(10)).await;
    wire.send(Part::Body(1)).await?;
    wire.send(Part::Header(2)).await?;
    wire.send(Part::Body(2)).await?;
    Ok(())
}

/// A reader that looks after something else when no frame comes for a while.
#[process]
async fn forgets_the_header(wire: Receiver<Part>) -> Result<Vec<u32>> {
    let mut frames = Vec::new();
    while frames.len() < 2 {
        let frame = async {
            let header = wire.recv().await;
            let Some(Part::Header(number)) = header else {
                panic!("{header:?} is no header");
            };
            let body = wire.recv().await;
            assert_eq!(body, Some(Part::Body(number)));
            number
        };
        if let Ok(number) = timeout(millis(10), frame).await {
            frames.push(number);
        }
    }
    Ok(frames)
}

#[process]
async fn keeps_the_header(wire: Receiver<Part>) -> Result<Vec<u32>> {
    let mut frames = Vec::new();
    let mut begun = None;
    while frames.len() < 2 {
        let Ok(part) = wire.recv().within(millis(10)).await else {
            continue;
        };
        match (part, begun) {
            (Some(Part::Header(number)), None) => begun = Some(number),
            (Some(Part::Body(body)), Some(number)) if body == number => {
                frames.push(number);
                begun = None;
            }
            _ => panic!("{part:?} after {begun:?}"),
        }
    }
    Ok(frames)
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let (wire, parts) = bounded(1);
    scope.spawn(device(wire));
    let frames = scope.spawn(forgets_the_header(parts)).await?;
    assert_eq!(frames, [1, 2]);
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let (wire, parts) = bounded(1);
    scope.spawn(device(wire));
    let frames = scope.spawn(keeps_the_header(parts)).await?;
    assert_eq!(frames, [1, 2]);
    Ok(())
}
