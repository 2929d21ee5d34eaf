//! Credit: room in a channel that is kept for senders elsewhere. P5, P7, P12.

use roundrock::channel::Credit;
use roundrock::prelude::*;
use roundrock_tests::{Step, on_workers};

#[test]
fn p05_credit_is_room_that_nobody_else_gets() {
    on_workers(|_scope| async move {
        let (jobs, inbox) = bounded(4);
        jobs.send(0).await?;
        let mut credit = jobs.clone().credit(4);
        assert_eq!(credit.held(), 0, "none is held before it is asked for");
        assert_eq!(credit.more().await?, 3);
        assert!(jobs.try_send(9).is_err_and(|error| error.is_full()));
        // Nothing was freed.
        Step::new(credit.more()).pending();
        for n in 1..=3 {
            credit.send(n)?;
        }
        assert_eq!(inbox.recv_many(8).await, [0, 1, 2, 3]);
        assert_eq!(credit.more().await?, 4);
        assert_eq!(credit.more().await?, 0, "the window is full");
        drop(credit);
        for n in 0..4 {
            jobs.try_send(n)?;
        }
        Ok(())
    });
}

/// Whoever waited before gets the room before, and is not held up by who gives credit.
#[test]
fn p07_credit_waits_in_line() {
    on_workers(|scope| async move {
        let (jobs, inbox) = bounded(1);
        jobs.send(0).await?;
        let first = scope.task("first", {
            let jobs = jobs.clone();
            async move { jobs.send(1).await }
        });
        while scope
            .system()
            .snapshot()
            .channels
            .iter()
            .all(|channel| channel.blocked_senders == 0)
        {
            sleep(millis(1)).await;
        }
        let mut credit = jobs.credit(1);
        let mut more = Step::parked(credit.more());
        assert_eq!(inbox.recv().await, Some(0));
        first.await?;
        more.pending();
        assert_eq!(inbox.recv().await, Some(1));
        assert!(more.wakes() > 0);
        assert_eq!(more.ready(), Ok(1));
        Ok(())
    });
}

#[test]
fn p12_asking_for_more_and_giving_up_has_no_effect() {
    on_workers(|_scope| async move {
        let (jobs, inbox) = bounded(1);
        jobs.send(0).await?;
        let mut credit = jobs.clone().credit(1);
        drop(Step::parked(credit.more()));
        assert_eq!(inbox.recv().await, Some(0));
        assert_eq!(credit.held(), 0);
        // Granted, and dropped unseen: the room is anybody's.
        jobs.send(1).await?;
        let more = Step::parked(credit.more());
        assert_eq!(inbox.recv().await, Some(1));
        drop(more);
        jobs.try_send(2)?;
        assert_eq!(inbox.recv().await, Some(2));
        Ok(())
    });
}

#[test]
fn credit_is_a_branch_and_ends_with_the_channel() {
    on_workers(|_scope| async move {
        let (jobs, inbox) = rendezvous();
        let mut credit: Credit<u32> = jobs.credit(2);
        select! {
            more = credit.more() => panic!("nobody receives now: {more:?}"),
            default => {},
        }
        let mut one = Step::parked(inbox.recv());
        let mut other = Step::parked(inbox.recv());
        assert_eq!(credit.more().await?, 2, "one for each who receives");
        select! {
            more = credit.more() => panic!("the window is full: {more:?}"),
            else => {},
        }
        credit.send(1)?;
        credit.send(2)?;
        assert_eq!((one.ready(), other.ready()), (Some(1), Some(2)));
        drop((one, other));
        drop(inbox);
        assert!(credit.more().await.is_err());
        Ok(())
    });
}

/// A mailbox gives credit through a port of its process.
#[test]
fn a_port_gives_credit() {
    #[process(mailbox = 2)]
    struct Sum {
        sum: u32,
    }
    #[handlers]
    impl Sum {
        fn add(&mut self, n: u32) {
            self.sum += n;
        }
        fn sum(&self) -> u32 {
            self.sum
        }
    }
    on_workers(|scope| async move {
        let sum = scope.spawn(Sum { sum: 0 });
        let mut credit = sum.add_port().credit(1);
        for n in 1..=10 {
            credit.more().await?;
            credit.send(n)?;
        }
        assert_eq!(sum.sum().await?, 55);
        Ok(())
    });
}
