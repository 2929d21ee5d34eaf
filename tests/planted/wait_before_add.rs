//! The bug: uploads sign in with a tracker when they start, and the main process waits until all have signed out again;
//! if none has started yet, it does not wait. Ordinary tests miss it: with something in between, the uploads have started.
//! Order violation: a wait group that is added to by those it waits for. Shows as an upload that is missing.

use roundrock::prelude::*;

#[process]
struct Tracker {
    running: u32,
    waiting: Vec<Reply<()>>,
}

#[handlers]
impl Tracker {
    fn begin(&mut self) {
        self.running += 1;
    }
    fn end(&mut self) {
        self.running -= 1;
        if self.running == 0 {
            self.waiting.drain(..).for_each(|reply| reply.send(()));
        }
    }
    fn all_ended(&mut self, reply: Reply<()>) {
        if self.running == 0 {
            reply.send(());
        } else {
            self.waiting.push(reply);
        }
    }
}

#[process]
struct Bucket {
    objects: u32,
}

#[handlers]
impl Bucket {
    fn put(&mut self) {
        self.objects += 1;
    }
    fn objects(&self) -> u32 {
        self.objects
    }
}

#[process]
async fn signs_in_itself(tracker: TrackerHandle, bucket: BucketHandle) -> Result<()> {
    tracker.begin().await?;
    bucket.put().await?;
    tracker.end().await?;
    Ok(())
}

#[process]
async fn is_signed_in(tracker: TrackerHandle, bucket: BucketHandle) -> Result<()> {
    bucket.put().await?;
    tracker.end().await?;
    Ok(())
}

fn begin(scope: &Scope) -> (TrackerHandle, BucketHandle) {
    let tracker = scope.spawn(Tracker {
        running: 0,
        waiting: Vec::new(),
    });
    (tracker, scope.spawn(Bucket { objects: 0 }))
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let (tracker, bucket) = begin(scope);
    for _ in 0..2 {
        scope.spawn(signs_in_itself(tracker.clone(), bucket.clone()));
    }
    assert!(bucket.objects().await? <= 2);
    tracker.all_ended().await?;
    assert_eq!(bucket.objects().await?, 2);
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let (tracker, bucket) = begin(scope);
    for _ in 0..2 {
        tracker.begin().await?;
        scope.spawn(is_signed_in(tracker.clone(), bucket.clone()));
    }
    assert!(bucket.objects().await? <= 2);
    tracker.all_ended().await?;
    assert_eq!(bucket.objects().await?, 2);
    Ok(())
}
