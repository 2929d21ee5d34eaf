//! Operations that lose a race, against the clock or against each other. P12.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use roundrock::channel::TryRecvError;
use roundrock::prelude::*;
use roundrock_tests::{Random, on_both, on_workers, times, yield_now};

/// P12: a `recv` or `send` that runs out of time has no effect; a message that came first wins.
#[test]
fn p12_time_limits_lose_nothing() {
    on_workers(|_scope| async move {
        let (sender, receiver) = bounded(1);
        assert!(receiver.recv().within(millis(1)).await.is_err());
        sender.send(1).within(secs(5)).await?;
        let late = sender.send(2).within(millis(1)).await.unwrap_err();
        assert!(late.is_elapsed());
        assert_eq!(late.into_inner(), 2);
        assert_eq!(receiver.recv().within(secs(5)).await, Ok(Some(1)));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert!(timeout(millis(1), receiver.recv()).await.is_err());
        sender.try_send(3)?;
        assert_eq!(timeout(millis(0), receiver.recv()).await, Ok(Some(3)));
        Ok(())
    });
}

/// P12: limits that run out while messages fly: each message is received once, or comes back to its sender.
#[test]
fn p12_time_limits_race_with_messages() {
    for capacity in [0, 1, 4] {
        on_both(2, move |scope| async move {
            let all = times(3000, 30);
            let (sender, receiver) = bounded(capacity);
            let producer = scope.task("producer", async move {
                let mut random = Random::new(1);
                for n in 0..all {
                    let mut message = n;
                    loop {
                        let limit = micros(random.below(50) as u64);
                        match sender.send(message).within(limit).await {
                            Ok(()) => break,
                            Err(error) => message = error.into_inner(),
                        }
                    }
                }
            });
            let (mut random, mut next) = (Random::new(2), 0);
            loop {
                match receiver
                    .recv()
                    .within(micros(random.below(50) as u64))
                    .await
                {
                    Ok(Some(n)) => {
                        assert_eq!(n, next);
                        next += 1;
                    }
                    Ok(None) => break,
                    Err(_) => {}
                }
            }
            assert_eq!(next, all);
            Ok(producer.await?)
        });
    }
}

/// Whichever of two futures is ready first; a combinator that knows nothing of Roundrock.
struct Race<A, B>(Pin<Box<A>>, Pin<Box<B>>);

impl<A: Future, B: Future<Output = A::Output>> Future for Race<A, B> {
    type Output = A::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        match self.0.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(output),
            Poll::Pending => self.1.as_mut().poll(cx),
        }
    }
}

/// P12: the loser of a race that somebody else's combinator makes keeps its message in the channel.
#[test]
fn p12_the_loser_of_a_foreign_race_loses_nothing() {
    on_workers(|scope| async move {
        let (left, left_in) = rendezvous();
        let (right, right_in) = bounded(2);
        let all = times(2000, 40);
        for n in 0..all {
            let (left, right) = (left.clone(), right.clone());
            let _ = scope.task("sender", async move {
                if n % 2 == 0 {
                    left.send(n).await
                } else {
                    right.send(n).await
                }
            });
        }
        drop((left, right));
        let (mut seen, mut open) = (Vec::new(), 2);
        while open > 0 {
            match Race(Box::pin(left_in.recv()), Box::pin(right_in.recv())).await {
                Some(n) => seen.push(n),
                None => {
                    open = usize::from(!left_in.is_closed()) + usize::from(!right_in.is_closed())
                }
            }
            while let Ok(n) = right_in.try_recv() {
                seen.push(n);
            }
            while let Ok(n) = left_in.try_recv() {
                seen.push(n);
            }
            if seen.len() % 7 == 0 {
                yield_now().await;
            }
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..all));
        Ok(())
    });
}
