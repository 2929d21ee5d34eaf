//! The six leak patterns that Uber's study of its services names (Saioc et al., CGO 2024), and what is left of each.
//!
//! In five of them one side of a channel returns while the other side waits. Returning drops what a process owns, so the other
//! side gets an error or the end of its input. What remains are processes that hold the way to themselves.

use roundrock::channel::SendError;
use roundrock::prelude::*;

use crate::kit::{Lab, Meet, WaitKind, at, lab, who};

/// Early return: the caller finds a reason not to look at the result. Case L01.
#[test]
fn early_return() {
    #[process]
    async fn discount(out: &Sender<u32>, sent: &Sender<Result<(), SendError<u32>>>) -> Result<()> {
        let result = out.send(7).await;
        sent.send(result).await?;
        Ok(())
    }

    #[process]
    async fn order(discount: Receiver<u32>) -> Result<()> {
        if discount.is_closed() {
            discount.recv().await;
        }
        Ok(())
    }

    lab(|lab: Lab| async move {
        let ((out, result), (report, reports)) = (rendezvous(), bounded(1));
        lab.spawn(discount(out, report));
        lab.parked(&[("discount", WaitKind::Send)]).await;
        lab.spawn(order(result));
        let refused = reports.recv().await.context("no report")?;
        assert_eq!(refused.expect_err("nobody receives").into_inner(), 7);
        lab.ends().await
    });
}

/// Timeout: the caller waits with a limit, which ends first. Case L02.
#[test]
fn timeout_leak() {
    #[process]
    async fn query(go: &Receiver<()>, out: &Sender<u32>, sent: &Sender<bool>) -> Result<()> {
        go.recv().await;
        let refused = out.send(7).await.is_err();
        sent.send(refused).await?;
        Ok(())
    }

    #[process]
    async fn client(result: Receiver<u32>) -> Result<()> {
        assert!(result.recv().within(millis(1)).await.is_err());
        Ok(())
    }

    lab(|lab: Lab| async move {
        let ((start, go), (out, result), (sent, refusals)) =
            (rendezvous(), rendezvous(), bounded(1));
        lab.spawn(query(go, out, sent));
        lab.spawn(client(result)).await?;
        start.send(()).await?;
        assert_eq!(refusals.recv().await, Some(true));
        lab.ends().await
    });
}

/// N cast: several are asked, and only the first answer is taken. Case L03.
#[test]
fn first_answer_wins() {
    #[process]
    async fn replica(out: &Sender<u32>, sent: &Sender<bool>) -> Result<()> {
        let taken = out.send(7).await.is_ok();
        sent.send(taken).await?;
        Ok(())
    }

    #[process]
    async fn race(answers: Receiver<u32>) -> Result<()> {
        assert_eq!(answers.recv().await, Some(7));
        Ok(())
    }

    lab(|lab: Lab| async move {
        let ((out, answers), (sent, reports)) = (rendezvous(), bounded(5));
        lab.pool(5, replica(out, sent));
        lab.spawn(race(answers));
        let mut taken = Vec::new();
        while let Some(report) = reports.recv().await {
            taken.push(report);
        }
        taken.sort_unstable();
        assert_eq!(taken, [false, false, false, false, true]);
        lab.ends().await
    });
}

/// Double send: after an error was sent, the result is sent as well. With a `Reply` it does not compile: `ui/kernels/`.
#[test]
fn double_send() {
    #[process]
    async fn fetch(out: &Sender<Result<u32, u32>>, second: &Sender<bool>) -> Result<()> {
        let failed = true;
        if failed {
            out.send(Err(1)).await?;
        }
        let refused = out.send(Ok(2)).await.is_err();
        second.send(refused).await?;
        Ok(())
    }

    #[process]
    async fn page(result: Receiver<Result<u32, u32>>) -> Result<()> {
        assert_eq!(result.recv().await, Some(Err(1)));
        Ok(())
    }

    lab(|lab: Lab| async move {
        let ((out, result), (second, seconds)) = (rendezvous(), bounded(1));
        lab.spawn(fetch(out, second));
        lab.spawn(page(result));
        assert_eq!(seconds.recv().await, Some(true));
        lab.ends().await
    });
}

/// A loop over a channel that nobody closes: the last sender that goes away closes it. Case L05.
#[test]
fn range_over_an_open_channel() {
    #[process]
    async fn worker(jobs: &Receiver<u32>, sum: &Sender<u32>) -> Result<()> {
        let mut total = 0;
        while let Some(job) = jobs.recv().await {
            total += job;
        }
        sum.send(total).await?;
        Ok(())
    }

    lab(|lab: Lab| async move {
        let ((jobs, inbox), (sum, sums)) = (rendezvous(), bounded(3));
        lab.pool(3, worker(inbox, sum));
        for job in 1..=10 {
            jobs.send(job).await?;
        }
        jobs.finish();
        let totals = [sums.recv().await, sums.recv().await, sums.recv().await];
        assert_eq!(totals.into_iter().flatten().sum::<u32>(), 55);
        lab.ends().await
    });
}

/// The same, where each worker was also lent the way to its own input: three processes that wait for each other. Case L06.
#[test]
fn range_over_a_channel_of_its_own() {
    #[process]
    async fn worker(jobs: &Receiver<u32>, more: &Sender<u32>) -> Result<()> {
        while let Some(job) = jobs.recv().await {
            if job > 10 {
                more.send(job / 2).await?;
            }
        }
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (jobs, inbox) = bounded(8).named("jobs");
        jobs.send(3).await?;
        let (_, line) = at!(lab.pool(3, worker(inbox, jobs)));
        // The pool itself has the same name, and waits for its workers.
        let worker = ("worker", WaitKind::Recv);
        let found = lab
            .stuck(&[worker, worker, worker, ("worker", WaitKind::Scope)])
            .await;
        let one = who(("worker", line), WaitKind::Recv, "jobs", &["worker"]);
        found.cycle(&[one.clone(), one.clone(), one], 1);
        Ok(())
    });
}

/// Start without stop: dropping the last handle is the stop.
#[test]
fn start_without_stop() {
    #[process]
    struct Service {
        started: u32,
    }

    #[handlers]
    impl Service {
        fn start(&mut self) -> u32 {
            self.started += 1;
            self.started
        }
    }

    lab(|lab: Lab| async move {
        let service = lab.spawn(Service { started: 0 });
        assert_eq!(service.start().await?, 1);
        drop(service);
        lab.ends().await
    });
}

/// The same, where the service keeps a handle to itself in its state: nobody is left who could call it. Case L10.
#[test]
fn start_without_stop_of_one_that_keeps_itself() {
    #[process(name = "service")]
    struct Service {
        me: Option<ServiceHandle>,
    }

    #[handlers]
    impl Service {
        fn start(&mut self, me: ServiceHandle) {
            self.me = Some(me);
        }
        fn again(&mut self) {}
    }

    lab(|lab: Lab| async move {
        let (service, line) = at!(lab.spawn(Service { me: None }));
        service.start(service.clone()).await?;
        assert!(service.again().await.is_ok());
        drop(service);
        let found = lab.stuck(&[("service", WaitKind::Recv)]).await;
        found.cycle(
            &[who(("service", line), WaitKind::Recv, "", &["service"])],
            0,
        );
        let _ = Meet::default();
        Ok(())
    });
}
