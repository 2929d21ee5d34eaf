//! How dumps and snapshots name channels: what kind each is, and which of several that were made on one line.

use roundrock::observe::{ChannelKind, Snapshot};
use roundrock::prelude::*;
use roundrock_tests::on_both;

use crate::dump::dump_with;

const FILE: &str = "tests/behaviour/alike.rs";

/// What the process of this name waits for, as the kind and the line of a channel of the snapshot.
fn awaited(snapshot: &Snapshot, name: &str) -> Option<(ChannelKind, u32)> {
    let mut processes = snapshot.processes.iter();
    let process = processes.find(|process| &*process.name == name)?;
    let object = process.wait.as_ref()?.object;
    let other = snapshot.others.iter().find(|other| other.id == object)?;
    Some((other.kind, other.site.line))
}

#[test]
fn a_dump_says_at_which_kind_of_channel_somebody_waits() {
    on_both(2, |scope| async move {
        let line = line!();
        let (answer, question) = oneshot::<u32>();
        let (level, gauge) = latest(0);
        let (news, reader) = broadcast::<u32>(4);
        let (unwanted, wanted) = oneshot::<u32>();
        let (setting, shown) = latest(0);
        scope.task("asks", async move {
            let _ = question.await;
        });
        scope.task(
            "measures",
            async move { while gauge.recv().await.is_some() {} },
        );
        scope.task("reads", async move {
            let _ = reader.recv().await;
        });
        scope.task("serves", async move { unwanted.closed().await });
        scope.task("shows", async move { setting.closed().await });
        let kinds = ["oneshot", "latest", "broadcast"].iter().zip(1..);
        let receives =
            kinds.map(|(kind, at)| format!("to receive from the `{kind}` of {FILE}:{}", line + at));
        let sends = [("oneshot", 4), ("latest", 5)]
            .into_iter()
            .map(|(kind, at)| {
                format!(
                    "for whoever receives from the `{kind}` of {FILE}:{} to go",
                    line + at
                )
            });
        let parts: Vec<_> = receives.chain(sends).collect();
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        dump_with(&scope, &parts).await;
        let snapshot = scope.system().snapshot();
        for (name, kind, at) in [
            ("asks", ChannelKind::Oneshot, 1),
            ("measures", ChannelKind::Latest, 2),
            ("reads", ChannelKind::Broadcast, 3),
            ("serves", ChannelKind::Oneshot, 4),
        ] {
            assert_eq!(awaited(&snapshot, name), Some((kind, line + at)), "{name}");
        }
        drop((answer, level, news, wanted, shown));
        Ok(())
    });
}

#[test]
fn a_dump_tells_channels_of_one_line_apart() {
    on_both(2, |scope| async move {
        let mut senders = Vec::new();
        let line = line!() + 2;
        for name in ["one", "two", "three"] {
            let (sender, receiver) = bounded::<u32>(1);
            scope.task(name, async move {
                let _ = receiver.recv().await;
            });
            senders.push(sender);
        }
        let numbered = (1..=3).map(|at| format!("channel {at} of 3 made at {FILE}:{line}"));
        let pair = line!() + 1;
        let ((left, from_left), (right, from_right)) = (bounded::<u32>(1), bounded::<u32>(1));
        scope.task("left", async move {
            let _ = from_left.recv().await;
        });
        scope.task("right", async move {
            let _ = from_right.recv().await;
        });
        let beside = [57, 76].map(|column| format!("the channel of {FILE}:{pair}:{column}"));
        let parts: Vec<_> = numbered.chain(beside).collect();
        let awaited = parts.iter().map(|name| format!("to receive from {name}"));
        let awaited: Vec<_> = awaited.collect();
        let awaited: Vec<_> = awaited.iter().map(String::as_str).collect();
        dump_with(&scope, &awaited).await;
        drop((senders, left, right));
        Ok(())
    });
}
