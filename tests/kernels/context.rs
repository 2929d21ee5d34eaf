//! Kernels about cancelling (GoKer: communication, channel and context).
//!
//! A context that is cancelled is here an endpoint that is dropped: who has it cannot forget to cancel, unless it keeps it.

use roundrock::prelude::*;

use crate::kit::{Lab, WaitKind, lab};

/// cockroach 10790: the commands stop at the cancelling and leave the channels of others undrained.
#[test]
fn cockroach_10790_stops_without_draining() {
    #[process]
    async fn commands(inputs: &Vec<Receiver<u32>>, cancelled: &Receiver<()>) {
        for input in inputs {
            select! {
                biased;
                _ = input.recv() => {}
                _ = cancelled.recv() => unreachable!("nobody sends, it is dropped"),
                else => return,
            }
            if cancelled.is_closed() {
                return;
            }
        }
    }

    #[process]
    async fn replica(outputs: &Vec<Sender<u32>>, refused: &Sender<usize>) -> Result<()> {
        let mut errors = 0;
        for output in outputs {
            errors += usize::from(output.send(1).await.is_err());
        }
        refused.send(errors).await?;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (outputs, inputs): (Vec<_>, Vec<_>) = (0..3).map(|_| rendezvous()).unzip();
        let ((cancel, cancelled), (refused, refusals)) = (rendezvous::<()>(), bounded(1));
        drop(cancel);
        lab.spawn(commands(inputs, cancelled));
        lab.spawn(replica(outputs, refused));
        assert_eq!(refusals.recv().await, Some(2));
        lab.ends().await
    });
}

/// Waits until its context is cancelled.
#[process]
pub(crate) async fn await_done(cancelled: &Receiver<()>) {
    assert_eq!(cancelled.recv().await, None);
}

/// What has to be closed: dropping it cancels.
struct Transaction {
    _cancel: Sender<()>,
}

fn begin(lab: &Lab) -> (Transaction, Task<()>) {
    let (_cancel, cancelled) = rendezvous();
    (Transaction { _cancel }, lab.spawn(await_done(cancelled)))
}

/// cockroach 13197: a transaction is neither committed nor rolled back.
#[test]
fn cockroach_13197_transaction_that_is_forgotten() {
    lab(|lab: Lab| async move {
        let (transaction, waiting) = begin(&lab);
        lab.parked(&[("await_done", WaitKind::Recv)]).await;
        drop(transaction);
        waiting.await?;
        lab.ends().await
    });
}

/// cockroach 13755: the rows of a query are not closed, and an error leads past them.
#[test]
fn cockroach_13755_rows_that_are_not_closed() {
    async fn query(lab: &Lab) -> Result<Task<()>> {
        let (_rows, waiting) = begin(lab);
        lab.parked(&[("await_done", WaitKind::Recv)]).await;
        let failed: Result<u32> = Err(roundrock::Error::msg("no such table"));
        Ok(match failed {
            Ok(_) => unreachable!(),
            Err(_) => waiting,
        })
    }

    lab(|lab: Lab| async move {
        query(&lab).await?.await?;
        lab.ends().await
    });
}

/// cockroach 18101: only the one that receives is cancelled, and those that send fill the buffer.
#[test]
fn cockroach_18101_only_the_receiver_is_cancelled() {
    #[process]
    async fn scatter(spans: &Sender<u32>, refused: &Sender<u32>) -> Result<()> {
        for span in 0..8 {
            if let Err(error) = spans.send(span).await {
                refused.send(error.into_inner()).await?;
                break;
            }
        }
        Ok(())
    }

    #[process]
    async fn restore(spans: Receiver<u32>, cancelled: &Receiver<()>) {
        assert_eq!(cancelled.recv().await, None);
        drop(spans);
    }

    lab(|lab: Lab| async move {
        let ((spans, ready), (cancel, cancelled)) = (bounded(6), rendezvous());
        let (refused, refusals) = bounded(1);
        lab.spawn(scatter(spans, refused));
        lab.spawn(restore(ready, cancelled));
        lab.parked(&[("scatter", WaitKind::Send), ("restore", WaitKind::Recv)])
            .await;
        drop(cancel);
        assert_eq!(refusals.recv().await, Some(6));
        lab.ends().await
    });
}

/// Tries to connect, again and again, until it is cancelled.
#[process]
pub(crate) async fn reset(cancelled: &Receiver<()>) {
    loop {
        select! {
            _ = cancelled.recv() => return,
            () = sleep(micros(50)) => {}
        }
        if cancelled.is_closed() {
            return;
        }
    }
}

/// grpc 862: dialling fails, and the connection that was begun is not closed, so it tries to connect for ever.
#[test]
fn grpc_862_dialling_fails() {
    lab(|lab: Lab| async move {
        let (connection, cancelled) = rendezvous::<()>();
        let reset = lab.spawn(reset(cancelled));
        drop(connection);
        reset.await?;
        lab.ends().await
    });
}

/// kubernetes 25331: the watch is stopped without its results having been taken.
#[test]
fn kubernetes_25331_watch_is_stopped_with_a_result_under_way() {
    #[process]
    async fn watch(
        errors: &Receiver<u32>,
        result: &Sender<u32>,
        refused: &Sender<u32>,
    ) -> Result<()> {
        let error = errors.recv().await.context("stopped")?;
        if let Err(back) = result.send(error).await {
            refused.send(back.into_inner()).await?;
        }
        Ok(())
    }

    lab(|lab: Lab| async move {
        let ((errors, fails), (result, results)) = (rendezvous(), rendezvous());
        let (refused, refusals) = bounded(1);
        lab.spawn(watch(fails, result, refused));
        errors.send(5).await?;
        drop(results);
        assert_eq!(refusals.recv().await, Some(5));
        lab.ends().await
    });
}

/// moby 33781: a health check is stopped while a probe delivers its result.
#[test]
fn moby_33781_stop_comes_before_the_result() {
    #[process]
    async fn probe(results: &Sender<bool>, refused: &Sender<bool>) -> Result<()> {
        refused.send(results.send(true).await.is_err()).await?;
        Ok(())
    }

    #[process]
    async fn monitor(stop: &Receiver<()>, results: Receiver<bool>) {
        select! {
            biased;
            _ = stop.recv() => {}
            _ = results.recv() => unreachable!("stop is there before"),
        }
    }

    lab(|lab: Lab| async move {
        let ((stop, stopped), (results, result)) = (bounded(1), rendezvous());
        let (refused, refusals) = bounded(1);
        lab.spawn(probe(results, refused));
        stop.send(()).await?;
        lab.spawn(monitor(stopped, result));
        assert_eq!(refusals.recv().await, Some(true));
        lab.ends().await
    });
}
