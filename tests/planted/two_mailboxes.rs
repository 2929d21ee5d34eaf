//! The bug: two nodes pass on to each other what they hear at home; with both inboxes full, each waits for room in the other's.
//! Ordinary tests miss it: it needs a burst at both nodes at the same time.
//! Deadlock over two mailboxes. Shows as two processes that wait for each other's room.

use std::collections::VecDeque;

use roundrock::prelude::*;

#[process]
async fn sends_at_once(
    home: &Receiver<u32>,
    peer: &Receiver<u32>,
    to_peer: &Sender<u32>,
    heard: &Sender<u32>,
) -> Result<()> {
    loop {
        select! {
            news = home.recv() => to_peer.send(news).await?,
            news = peer.recv() => heard.send(news).await?,
            else => return Ok(()),
        }
    }
}

#[process]
async fn sends_when_there_is_room(
    home: &Receiver<u32>,
    peer: &Receiver<u32>,
    to_peer: &Sender<u32>,
    heard: &Sender<u32>,
) -> Result<()> {
    let mut backlog = VecDeque::new();
    loop {
        select! {
            news = home.recv() => backlog.push_back(news),
            room = to_peer.ready(), if !backlog.is_empty() => {
                if let Some(news) = backlog.pop_front() {
                    room?.send(news)?;
                }
            }
            news = peer.recv() => heard.send(news).await?,
            else => return Ok(()),
        }
    }
}

struct Node {
    home: Receiver<u32>,
    peer: Receiver<u32>,
    to_peer: Sender<u32>,
    heard: Sender<u32>,
}

async fn gossip(scope: &Scope, start: fn(&Scope, Node)) -> Result<()> {
    let nodes = scope.child("nodes");
    let (heard, all) = bounded(8);
    let (to_a, at_a) = bounded(1);
    let (to_b, at_b) = bounded(1);
    let (home_a, from_a) = rendezvous();
    let (home_b, from_b) = rendezvous();
    start(
        &nodes,
        Node {
            home: from_a,
            peer: at_a,
            to_peer: to_b,
            heard: heard.clone(),
        },
    );
    start(
        &nodes,
        Node {
            home: from_b,
            peer: at_b,
            to_peer: to_a,
            heard,
        },
    );
    for news in 0..3 {
        home_a.send(news).await?;
        home_b.send(news).await?;
    }
    let mut sum = 0;
    for _ in 0..6 {
        sum += all.recv().await.context("both nodes have ended")?;
    }
    assert_eq!(sum, 2 * (1 + 2));
    nodes.stop(secs(5)).await;
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    gossip(scope, |nodes, node| {
        nodes.spawn(sends_at_once(
            node.home,
            node.peer,
            node.to_peer,
            node.heard,
        ));
    })
    .await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    gossip(scope, |nodes, node| {
        nodes.spawn(sends_when_there_is_room(
            node.home,
            node.peer,
            node.to_peer,
            node.heard,
        ));
    })
    .await
}
