//! What the feature `serde` gives: snapshots that survive the way through text. One type for every screen, and for every saved file.
//!
//! Threads only: ids of which the second number counts, after thousands of processes.

use roundrock::ProcessId;
use roundrock::observe::Snapshot;
use roundrock::prelude::*;
use roundrock_tests::{on, on_both, times};
use serde_json::Value;

#[process]
struct Shop {
    open: Sender<u32>,
}

#[handlers]
impl Shop {
    async fn sell(&mut self, n: u32) -> Result<()> {
        self.open.send(n).await?;
        Ok(())
    }
}

#[process]
async fn buy(from: &Receiver<u32>, shop: &ShopHandle) -> Result<()> {
    shop.sell(1).await?;
    while from.recv().await.is_some() {}
    Ok(())
}

/// Ids are texts, so that the name of a machine can be part of them one day; what is no id of this machine is refused in words.
#[test]
fn an_id_is_a_text() {
    on(2, |scope| async move {
        let task = scope.task("first", async {});
        let first = task.id();
        task.await?;
        // The places of processes that are gone are used again, so ids have a second number soon.
        let mut ids = vec![first];
        for _ in 0..2_000 {
            let task = scope.task("next", async {});
            ids.push(task.id());
            task.await?;
        }
        assert!(ids.iter().any(|id| id.to_string().contains('.')));
        for id in ids {
            let text = serde_json::to_value(id).context("to text")?;
            assert_eq!(text, Value::String(id.to_string()));
            let back: ProcessId = serde_json::from_value(text).context("from text")?;
            assert_eq!(back, id);
        }
        for wrong in [
            "7",
            "\"7\"",
            "\"#\"",
            "\"#-1\"",
            "\"#+1\"",
            "\"#01\"",
            "\"#1.\"",
            "\"#1.0\"",
            "\"#1.1.1\"",
            "\"#4294967296\"",
            "\"#1.4294967295\"",
            "\"#3@a\"",
            "\"#3.1@a\"",
        ] {
            let refused = serde_json::from_str::<ProcessId>(wrong);
            let Err(error) = refused else {
                panic!("{wrong} is {refused:?}");
            };
            let is_text = wrong.starts_with('"');
            assert!(
                !is_text || error.to_string().contains("of this machine"),
                "{error}"
            );
        }
        Ok(())
    });
}

/// Everything that a snapshot can hold is in this one: a struct in a handler, ports, a call, a timer, a supervised child that was
/// restarted, a dead letter, jobs on threads.
#[test]
fn a_snapshot_survives_json() {
    on_both(2, |scope| async move {
        let shops = scope.child("shops");
        let (open, goods) = bounded(1);
        let shop = shops.spawn(Shop { open });
        shops.spawn(buy(goods, shop.clone()));
        let (lost, nobody) = bounded(1);
        lost.send(7).await?;
        drop(nobody);
        let mut first = true;
        let supervised = scope.child("supervised");
        let restarts = move || {
            let fails = std::mem::take(&mut first);
            worker(fails)
        };
        let _child = supervised.supervise(restarts).spawn();
        let job = scope.task("job", async { assert_eq!(blocking(|| 1).await, 1) });
        job.await?;
        let before = loop {
            let snapshot = scope.system().snapshot();
            if snapshot.children.iter().any(|child| child.restarts > 0) {
                break snapshot;
            }
            sleep(millis(times(1, 50) as u64)).await;
        };
        let text = serde_json::to_string(&before).context("to text")?;
        let after: Snapshot = serde_json::from_str(&text).context("from text")?;
        let value = |snapshot| serde_json::to_value(snapshot).context("to a value");
        let (before_value, after_value): (Value, Value) = (value(&before)?, value(&after)?);
        assert_eq!(before_value, after_value);
        assert_eq!(before_value["schema"], 1);
        assert_eq!(after.processes.len(), before.processes.len());
        assert_eq!(after.ledger, before.ledger);
        let names = |snapshot: &Snapshot| -> Vec<String> {
            let processes = snapshot.processes.iter();
            processes.map(|process| process.name.to_string()).collect()
        };
        assert_eq!(names(&after), names(&before));
        // Nothing is left out that is not empty.
        let object = before_value.as_object().context("an object")?;
        for field in [
            "workers",
            "scopes",
            "processes",
            "channels",
            "children",
            "edges",
            "groups",
            "origins",
        ] {
            let list = object[field].as_array().context(field)?;
            assert!(!list.is_empty(), "no {field}");
        }
        shop.stop();
        supervised.stop(secs(0)).await;
        Ok(())
    });
}

#[process]
async fn worker(fails: bool) -> Result<()> {
    roundrock::ensure!(!fails, "once");
    std::future::pending().await
}
