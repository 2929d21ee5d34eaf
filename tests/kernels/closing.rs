//! Kernels of which nothing is left (GoKer: communication; channel, and condition variables): one side returns too early, which
//! drops its endpoints, and the other side gets an error or the end of its input.

use roundrock::prelude::*;

use crate::kit::{Lab, WaitKind, lab};

/// cockroach 35073: the outbox fails while it starts and leaves its rows behind; who pushes more gets them back.
#[test]
fn cockroach_35073_outbox_fails_at_its_start() {
    #[process]
    async fn outbox(rows: &Receiver<u32>) -> Result<()> {
        roundrock::ensure!(rows.is_empty(), "the start failed");
        Ok(())
    }

    #[process]
    async fn pusher(out: &Sender<u32>, refused: &Sender<u32>) -> Result<()> {
        for row in 0..16 {
            out.send(row).await?;
        }
        if let Err(error) = out.send(16).await {
            refused.send(error.into_inner()).await?;
        }
        Ok(())
    }

    lab(|lab: Lab| async move {
        let ((out, rows), (refused, refusals)) = (bounded(16), bounded(1));
        lab.spawn(pusher(out, refused));
        lab.parked(&[("pusher", WaitKind::Send)]).await;
        lab.spawn_isolated(outbox(rows));
        assert_eq!(refusals.recv().await, Some(16));
        lab.ends().await
    });
}

/// grpc 1275: a stream is closed and its reader is not told. Dropping the stream is the telling.
#[test]
fn grpc_1275_reader_of_a_closed_stream() {
    #[process]
    async fn reader(buffer: &Receiver<u8>) {
        assert_eq!(buffer.recv().await, None);
    }

    lab(|lab: Lab| async move {
        let (stream, buffer) = bounded(1);
        let reader = lab.spawn(reader(buffer));
        lab.parked(&[("reader", WaitKind::Recv)]).await;
        drop(stream);
        reader.await?;
        lab.ends().await
    });
}

/// grpc 1424: the watcher returns without closing `done`, for which the dialling waits.
#[test]
fn grpc_1424_watcher_returns() {
    #[process]
    async fn watcher(addresses: &Receiver<u32>, done: &Sender<()>) {
        let _ = done;
        while addresses.recv().await.is_some() {}
    }

    lab(|lab: Lab| async move {
        let ((addresses, updates), (done, is_done)) = (rendezvous(), rendezvous());
        lab.spawn(watcher(updates, done));
        addresses.finish();
        assert_eq!(is_done.recv().await, None);
        lab.ends().await
    });
}

/// grpc 660: a client is stopped while one request has not delivered its result.
#[test]
fn grpc_660_client_stops_with_a_request_under_way() {
    #[process]
    async fn request(go: &Receiver<()>, done: &Sender<bool>, seen: &Sender<bool>) -> Result<()> {
        go.recv().await;
        seen.send(done.send(true).await.is_err()).await?;
        Ok(())
    }

    #[process]
    async fn client(stop: &Receiver<()>, done: Receiver<bool>) {
        select! {
            _ = stop.recv() => {}
            _ = done.recv() => unreachable!("the request has not begun"),
            else => {}
        }
    }

    lab(|lab: Lab| async move {
        let ((stop, stopped), (done, results)) = (rendezvous(), rendezvous());
        let ((start, go), (seen, refusals)) = (rendezvous(), bounded(1));
        lab.spawn(request(go, done, seen));
        let client = lab.spawn(client(stopped, results));
        stop.send(()).await?;
        client.await?;
        start.send(()).await?;
        assert_eq!(refusals.recv().await, Some(true));
        lab.ends().await
    });
}

/// etcd 6857: the status of a node is asked while it stops, and after.
#[test]
fn etcd_6857_status_of_a_node_that_stops() {
    #[process]
    async fn node(asked: &Receiver<OneshotSender<u32>>, stop: &Receiver<()>) -> Result<()> {
        loop {
            select! {
                biased;
                _ = stop.recv() => return Ok(()),
                answer = asked.recv() => answer.send(7)?,
            }
        }
    }

    lab(|lab: Lab| async move {
        let ((ask, asked), (stop, stopped)) = (bounded(4), bounded(1));
        let (answer, status) = oneshot();
        ask.send(answer).await?;
        let node = lab.spawn(node(asked, stopped));
        assert_eq!(status.recv().await, Some(7));
        stop.send(()).await?;
        let (answer, status) = oneshot();
        let refused = ask.send(answer).await.is_err();
        // Accepted or not, answered or not: the asking ends.
        let answered = status.recv().await.is_some();
        assert!(!(refused && answered));
        node.await?;
        assert!(ask.send(oneshot().0).await.is_err());
        lab.ends().await
    });
}

/// istio 17860: the agent is cancelled, and proxies that end later want to tell it.
#[test]
fn istio_17860_agent_is_gone() {
    #[process]
    async fn agent(status: &Receiver<u32>, cancelled: &Receiver<()>) {
        select! {
            _ = cancelled.recv() => {}
            _ = status.recv() => unreachable!("nobody has ended yet"),
        }
    }

    #[process]
    async fn proxy(status: &Sender<u32>, refused: &Sender<u32>) -> Result<()> {
        if let Err(error) = status.send(7).await {
            refused.send(error.into_inner()).await?;
        }
        Ok(())
    }

    lab(|lab: Lab| async move {
        let ((status, statuses), (cancel, cancelled)) = (rendezvous(), rendezvous());
        let (refused, refusals) = bounded(2);
        let agent = lab.spawn(agent(statuses, cancelled));
        cancel.send(()).await?;
        agent.await?;
        lab.pool(2, proxy(status, refused));
        assert_eq!([refusals.recv().await, refusals.recv().await], [Some(7); 2]);
        lab.ends().await
    });
}

/// kubernetes 38669: a watcher is stopped while it still sends the events that were there before it.
#[test]
fn kubernetes_38669_watcher_sends_what_nobody_wants() {
    #[process]
    async fn watcher(early: &Vec<u32>, input: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
        for event in early {
            out.send(*event).await?;
        }
        while let Some(event) = input.recv().await {
            out.send(event).await?;
        }
        Ok(())
    }

    lab(|lab: Lab| async move {
        let ((input, events), (out, results)) = (rendezvous(), rendezvous());
        let watcher = lab.spawn(watcher(vec![1, 2], events, out));
        lab.parked(&[("watcher", WaitKind::Send)]).await;
        // Both ends of what `stop` gave away.
        drop((input, results));
        watcher.done().await;
        lab.ends().await
    });
}

/// kubernetes 5316: a request may end with a result or an error, on two channels; the caller takes neither, but its time-out.
#[test]
fn kubernetes_5316_time_out_between_two_results() {
    #[process]
    async fn work(
        go: &Receiver<bool>,
        good: &Sender<u32>,
        bad: &Sender<u32>,
        seen: &Sender<bool>,
    ) -> Result<()> {
        let refused = match go.recv().await {
            Some(true) => good.send(1).await.is_err(),
            _ => bad.send(2).await.is_err(),
        };
        seen.send(refused).await?;
        Ok(())
    }

    #[process]
    async fn request(good: Receiver<u32>, bad: Receiver<u32>) {
        select! {
            _ = good.recv() => unreachable!("it has not begun"),
            _ = bad.recv() => unreachable!("it has not begun"),
            () = sleep(micros(10)) => {}
        }
    }

    lab(|lab: Lab| async move {
        for fine in [true, false] {
            let ((start, go), (seen, refusals)) = (rendezvous(), bounded(1));
            let ((good, results), (bad, errors)) = (rendezvous(), rendezvous());
            lab.spawn(work(go, good, bad, seen));
            lab.spawn(request(results, errors)).await?;
            start.send(fine).await?;
            assert_eq!(refusals.recv().await, Some(true));
        }
        lab.ends().await
    });
}

/// kubernetes 70277: a poller is told that it may end when the one that waits has what it wants; its `done` was never closed.
#[test]
fn kubernetes_70277_done_of_a_poller() {
    #[process]
    async fn poller(tick: &Sender<u32>, done: &Receiver<()>) {
        let mut every = interval(micros(100));
        loop {
            select! {
                _ = every.next() => { let _full = tick.try_send(1); }
                _ = done.recv() => unreachable!("nobody sends, it is dropped"),
                _ = tick.ready(), if tick.is_closed() => return,
            }
        }
    }

    async fn wait_for(lab: &Lab) -> Result<Task<()>> {
        let ((tick, ticks), (_done, is_done)) = (rendezvous(), rendezvous());
        let poller = lab.spawn(poller(tick, is_done));
        ticks.recv().await.context("the poller ended first")?;
        Ok(poller)
    }

    lab(|lab: Lab| async move {
        wait_for(&lab).await?.await?;
        lab.ends().await
    });
}

/// moby 21233: the one that reads the progress gives up; three transfers report on, and are waited for.
#[test]
fn moby_21233_nobody_reads_the_progress() {
    #[process]
    async fn transfer(release: &Receiver<()>, progress: &Sender<u32>) {
        let mut wanted = true;
        while wanted {
            wanted = release.recv().await.is_some();
            if progress.send(1).await.is_err() {
                return;
            }
        }
    }

    #[process]
    async fn reader(progress: &Receiver<u32>) {
        progress.recv().await;
    }

    lab(|lab: Lab| async move {
        let ((release, released), (progress, reports)) = (bounded(3), rendezvous());
        let transfers = lab.pool(3, transfer(released, progress));
        let reader = lab.spawn(reader(reports));
        release.send(()).await?;
        reader.await?;
        release.finish();
        transfers.await?;
        lab.ends().await
    });
}

/// moby 4395: the channel for the result is not even looked at.
#[test]
fn moby_4395_result_that_nobody_takes() {
    #[process]
    async fn run(result: &Sender<u32>, refused: &Sender<bool>) -> Result<()> {
        refused.send(result.send(1).await.is_err()).await?;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (refused, refusals) = bounded(1);
        let start = |refused| {
            let (result, results) = rendezvous();
            lab.spawn(run(result, refused));
            results
        };
        drop(start(refused));
        assert_eq!(refusals.recv().await, Some(true));
        lab.ends().await
    });
}

/// moby 29733: a plug-in is made inactive and nobody says that it is active again. The waiting ends with the one who would say.
#[test]
fn moby_29733_plugin_that_is_not_activated_again() {
    #[process]
    async fn active(state: LatestReceiver<bool>, seen: &Sender<bool>) -> Result<()> {
        let mut is_active = state.get();
        while !is_active && state.changed().await.is_ok() {
            is_active = state.get();
        }
        seen.send(is_active).await?;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let ((state, states), (seen, answers)) = (latest(false), bounded(2));
        lab.spawn(active(states, seen.clone()));
        state.set(true);
        assert_eq!(answers.recv().await, Some(true));
        state.set(false);
        lab.spawn(active(state.subscribe(), seen));
        drop(state);
        assert_eq!(answers.recv().await, Some(false));
        lab.ends().await
    });
}

/// moby 30408: activation fails, and who waits for it is not told. A oneshot tells them either way.
#[test]
fn moby_30408_plugin_whose_activation_fails() {
    #[process]
    async fn active(activated: OneshotReceiver<u32>, seen: &Sender<Option<u32>>) -> Result<()> {
        seen.send(activated.recv().await).await?;
        Ok(())
    }

    #[process]
    async fn activate(plugin: OneshotSender<u32>, manifest: Option<u32>) -> Result<()> {
        plugin.send(manifest.context("some junk happened")?)?;
        Ok(())
    }

    lab(|lab: Lab| async move {
        for manifest in [Some(1), None] {
            let ((plugin, activated), (seen, answers)) = (oneshot(), bounded(1));
            lab.spawn(active(activated, seen));
            lab.spawn_isolated(activate(plugin, manifest));
            assert_eq!(answers.recv().await, Some(manifest));
        }
        lab.ends().await
    });
}
