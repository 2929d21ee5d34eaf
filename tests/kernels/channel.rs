//! Kernels about channels alone (GoKer: communication, channel), of which processes are left that wait for each other, or for
//! themselves. Those that end with an error are in `closing.rs`.

use roundrock::prelude::*;

use crate::kit::{Lab, WaitKind, at, lab, who};

/// cockroach 2448: the loop of the raft sends an event to the store, whose callback sends to the loop of the raft. Case G08.
#[test]
fn cockroach_2448_event_and_callback() {
    #[process]
    async fn raft(events: &Sender<u32>, callbacks: &Receiver<u32>) -> Result<()> {
        events.send(1).await?;
        events.send(2).await?;
        callbacks.recv().await;
        Ok(())
    }

    #[process]
    async fn store(events: &Receiver<u32>, callbacks: &Sender<u32>) -> Result<()> {
        while let Some(event) = events.recv().await {
            callbacks.send(event).await?;
        }
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (events, events_in) = rendezvous().named("events");
        let (callbacks, callbacks_in) = rendezvous().named("callbacks");
        let (_, one) = at!(lab.spawn(raft(events, callbacks_in)));
        let (_, two) = at!(lab.spawn(store(events_in, callbacks)));
        let found = lab
            .stuck(&[("raft", WaitKind::Send), ("store", WaitKind::Send)])
            .await;
        let raft_waits = who(("raft", one), WaitKind::Send, "events", &["store"]);
        found.cycle(
            &[
                raft_waits,
                who(("store", two), WaitKind::Send, "callbacks", &["raft"]),
            ],
            0,
        );
        Ok(())
    });
}

/// cockroach 24808: the compactor is started with a suggestion in its full channel, before anybody receives.
#[test]
fn cockroach_24808_buffer_fills_before_the_start() {
    #[process]
    async fn compactor(suggest: &Sender<u32>, suggestions: &Receiver<u32>) -> Result<()> {
        suggest.send(1).await?;
        suggest.send(2).await?;
        while suggestions.recv().await.is_some() {}
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (suggest, suggestions) = bounded(1).named("suggestions");
        let (_, line) = at!(lab.spawn(compactor(suggest, suggestions)));
        let found = lab.stuck(&[("compactor", WaitKind::Send)]).await;
        found.cycle(
            &[who(
                ("compactor", line),
                WaitKind::Send,
                "suggestions",
                &["compactor"],
            )],
            0,
        );
        Ok(())
    });
}

/// cockroach 25456: whether the store drains is asked by waiting until it does, on the way that leads to draining it.
#[test]
fn cockroach_25456_waits_for_its_own_signal() {
    #[process]
    async fn queue(quiesce: &Sender<()>, quiescing: &Receiver<()>) -> Result<()> {
        quiescing.recv().await;
        quiesce.send(()).await?;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (quiesce, quiescing) = bounded(1).named("quiesce");
        let (_, line) = at!(lab.spawn(queue(quiesce, quiescing)));
        let found = lab.stuck(&[("queue", WaitKind::Recv)]).await;
        found.cycle(
            &[who(("queue", line), WaitKind::Recv, "quiesce", &["queue"])],
            0,
        );
        Ok(())
    });
}

/// cockroach 35931: the flow is cancelled input by input, and the first one is full, while its reader waits for the second one.
#[test]
fn cockroach_35931_cancels_the_full_input_first() {
    #[process]
    async fn joiner(left: &Receiver<u32>, right: &Receiver<u32>) {
        right.recv().await;
        left.recv().await;
    }

    #[process]
    async fn cancel(inputs: &Vec<Sender<u32>>) -> Result<()> {
        for input in inputs {
            input.send(0).await?;
        }
        Ok(())
    }

    lab(|lab: Lab| async move {
        let ((left, left_in), (right, right_in)) =
            (bounded(1).named("left"), bounded(1).named("right"));
        left.send(7).await?;
        let (_, one) = at!(lab.spawn(joiner(left_in, right_in)));
        let (_, two) = at!(lab.spawn(cancel(vec![left, right])));
        let found = lab
            .stuck(&[("joiner", WaitKind::Recv), ("cancel", WaitKind::Send)])
            .await;
        let joiner_waits = who(("joiner", one), WaitKind::Recv, "right", &["cancel"]);
        found.cycle(
            &[
                joiner_waits,
                who(("cancel", two), WaitKind::Send, "left", &["joiner"]),
            ],
            0,
        );
        Ok(())
    });
}

/// The same, where the one that has the stream waits for the reader before it closes: each waits for the other.
#[test]
fn grpc_1275_closes_after_the_reader() {
    #[process]
    async fn reader(buffer: &Receiver<u8>) {
        buffer.recv().await;
    }

    #[process]
    async fn client(stream: &Sender<u8>, readers: &Receiver<Task<()>>) -> Result<()> {
        let reader = readers.recv().await.context("no reader")?;
        reader.await?;
        stream.send(0).await?;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let ((stream, buffer), (tasks, readers)) = (bounded(1).named("buffer"), bounded(1));
        let (task, one) = at!(lab.spawn(reader(buffer)));
        tasks.send(task).await?;
        let (_, two) = at!(lab.spawn(client(stream, readers)));
        let found = lab
            .stuck(&[("reader", WaitKind::Recv), ("client", WaitKind::Join)])
            .await;
        let reader_waits = who(("reader", one), WaitKind::Recv, "buffer", &["client"]);
        found.cycle(
            &[
                reader_waits,
                who(("client", two), WaitKind::Join, "", &["reader"]),
            ],
            0,
        );
        Ok(())
    });
}

/// The same with ports, which have a known holder.
#[test]
fn moby_33293_with_ports() {
    #[process]
    async fn container(errors: &Sender<u32>, first: &Receiver<u32>) -> Result<()> {
        errors.send(1).await?;
        first.recv().await;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (errors, first) = rendezvous().named("errors");
        let (_, line) = at!(lab.spawn(container(errors, first)));
        let found = lab.stuck(&[("container", WaitKind::Send)]).await;
        found.cycle(
            &[who(
                ("container", line),
                WaitKind::Send,
                "errors",
                &["container"],
            )],
            0,
        );
        Ok(())
    });
}
