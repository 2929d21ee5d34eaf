//! What a message carries beside its arguments, and what is known of it without that: its deadline, its trace and its number.

use roundrock::prelude::*;
use roundrock::process::TraceContext;
use roundrock_tests::{LIMIT, on_workers, yield_now};

/// Says what its messages carry.
#[process(mailbox = 2)]
struct Desk {
    inputs: Receiver<u32>,
    seen: Vec<Option<u64>>,
}

impl Desk {
    fn new(inputs: Receiver<u32>) -> Self {
        Self {
            inputs,
            seen: Vec::new(),
        }
    }
}

#[handlers]
impl Desk {
    fn trace(&self, cx: &mut Cx) -> (Option<TraceContext>, bool) {
        (cx.trace(), cx.deadline().is_some())
    }
    fn number(&self, cx: &mut Cx) -> Option<u64> {
        cx.number()
    }
    fn note(&mut self, cx: &mut Cx) {
        self.seen.push(cx.number());
    }
    #[recv(inputs)]
    fn input(&mut self, _input: u32, cx: &mut Cx) {
        self.seen.push(cx.number());
    }
    async fn wait(&mut self, begun: Sender<()>, until: Receiver<()>) {
        let _ = begun.send(()).await;
        until.recv().await;
    }
    fn seen(&self) -> Vec<Option<u64>> {
        self.seen.clone()
    }
    /// Hands a call on, in the same trace.
    async fn ask(&self, other: DeskHandle, cx: &mut Cx) -> (Option<TraceContext>, bool) {
        let call = match cx.trace() {
            Some(trace) => other.trace().traced(trace).await,
            None => other.trace().await,
        };
        call.unwrap_or((None, false))
    }
}

fn trace() -> TraceContext {
    TraceContext::new(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 7)
}

#[test]
fn a_trace_reaches_the_handler_and_no_other_message() {
    on_workers(|scope| async move {
        let (_more, inputs) = bounded(1);
        let desk = scope.spawn(Desk::new(inputs));
        assert_eq!(desk.trace().await?, (None, false));
        assert_eq!(desk.trace().traced(trace()).await?, (Some(trace()), false));
        assert_eq!(
            desk.trace().await?,
            (None, false),
            "it belongs to one message"
        );
        // With a limit of time, in any order.
        let both = desk.trace().traced(trace()).within(LIMIT).await?;
        assert_eq!(both, (Some(trace()), true));
        let both = desk.trace().within(LIMIT).traced(trace()).owned().await?;
        assert_eq!(both, (Some(trace()), true));
        assert_eq!(desk.trace().within(LIMIT).await?, (None, true));
        assert_eq!(desk.trace().await?, (None, false));
        // It is handed on by hand.
        let (_more, inputs) = bounded(1);
        let other = scope.spawn(Desk::new(inputs));
        let seen = desk.ask(other.clone()).traced(trace()).await?;
        assert_eq!(seen, (Some(trace()), false));
        assert_eq!(desk.ask(other).await?, (None, false));
        Ok(())
    });
}

/// A call that could not be sent comes back with its trace.
#[test]
fn p04_a_call_that_comes_back_keeps_its_trace() {
    #[process(mailbox = 1)]
    struct Traced {
        traces: Sender<Option<TraceContext>>,
    }
    #[handlers]
    impl Traced {
        async fn wait(&self, until: Receiver<()>) {
            until.recv().await;
        }
        fn note(&self, cx: &mut Cx) {
            let _ = self.traces.try_send(cx.trace());
        }
    }
    on_workers(|scope| async move {
        let (traces, noted) = bounded(4);
        let traced = scope.spawn(Traced { traces });
        let (go, until) = bounded::<()>(1);
        traced.wait(until).send().await?;
        let mut refused = None;
        while refused.is_none() {
            refused = traced.note().traced(trace()).try_send().err();
        }
        go.finish();
        let call = refused.context("the mailbox was full")?.into_inner();
        call.send().await?;
        // Of a process that has ended.
        traced.stop();
        traced.done().await;
        let mut notes = 0;
        while let Ok(seen) = noted.try_recv() {
            assert_eq!(seen, Some(trace()));
            notes += 1;
        }
        assert!(notes > 0);
        let refused = traced
            .note()
            .traced(trace())
            .send()
            .await
            .expect_err("it has ended");
        let text = format!("{:?}", refused.into_inner());
        assert!(text.contains("note"), "{text}");
        Ok(())
    });
}

/// The number of a message is how many its mailbox has handed out by then, this one included.
#[test]
fn messages_of_a_mailbox_are_numbered() {
    on_workers(|scope| async move {
        let (more, inputs) = bounded(1);
        let desk = scope.spawn(Desk::new(inputs));
        for number in 1..=3 {
            assert_eq!(desk.number().await?, Some(number));
        }
        // One that is withdrawn before its turn has a number too, so that a number is never given twice.
        let (begun, begins) = bounded(1);
        let (go, until) = bounded::<()>(1);
        desk.wait(begun, until).send().await?;
        assert_eq!(begins.recv().await, Some(()));
        assert_eq!(
            desk.number().within(millis(1)).await,
            Err(CallError::Deadline)
        );
        go.finish();
        assert_eq!(desk.number().await?, Some(6));
        // An input is no message of the mailbox.
        more.send(1).await?;
        while desk.seen().await?.is_empty() {
            yield_now().await;
        }
        assert_eq!(desk.seen().await?, [None]);
        Ok(())
    });
}

/// Where several processes take from one mailbox, none of them can say which number a message has.
#[test]
fn messages_of_a_pool_have_no_numbers() {
    #[derive(Clone)]
    #[process]
    struct Member;
    #[handlers]
    impl Member {
        fn number(&self, cx: &mut Cx) -> Option<u64> {
            cx.number()
        }
    }
    on_workers(|scope| async move {
        let pool = scope.pool(2, Member);
        assert_eq!(pool.number().await?, None);
        // A supervised child has one mailbox for all of its incarnations, and goes on counting.
        let child = scope
            .supervise(|| Member)
            .backoff(micros(1)..micros(2))
            .spawn();
        assert_eq!(child.number().await?, Some(1));
        let done = child.done();
        child.kill();
        done.await;
        assert_eq!(child.number().await?, Some(2));
        child.stop();
        Ok(())
    });
}
