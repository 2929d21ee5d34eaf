//! What a dump says of those who wait for a name or for their caller to go, and of children whose turn to start has not come.

use roundrock::prelude::*;
use roundrock_tests::on_both;

use crate::dump::{dump_with, snapshot};

/// Who waits for a name, or for its caller to go, waits for something that has one.
#[test]
fn waits_for_a_name_and_for_a_caller_say_whose() {
    #[process]
    struct Desk;
    #[handlers]
    impl Desk {
        async fn watch(&mut self, cx: &mut Cx<Self>) {
            cx.caller_gone().await;
        }
    }
    on_both(2, |scope| async move {
        let parts = scope.child("parts");
        let of = parts.clone();
        parts.task("late", async move {
            of.wait_for_name::<u32>("db").await;
        });
        let of = parts.clone();
        parts.task("either", async move {
            select! {
                _ = of.wait_for_name::<u32>("web") => {}
                () = sleep(secs(3600)) => {}
            }
        });
        let desk = parts.spawn(Desk);
        let asks = parts.task("asks", async move { roundrock::Ok(desk.watch().await?) });
        let dump = dump_with(
            &scope,
            &[
                " for the name `db` to be given",
                " for the first of: ",
                "for the name `web` to be given",
                "for a timer",
                "in `watch`, has waited ",
                &format!(" for its caller, asks{}, to go", asks.id()),
            ],
        )
        .await;
        assert!(!dump.contains("not Roundrock's"), "{dump}");
        let seen = snapshot(&scope);
        let names = seen
            .processes
            .iter()
            .filter_map(|process| process.wait.as_ref());
        let mut names: Vec<_> = names.filter_map(|wait| wait.name.as_deref()).collect();
        names.sort_unstable();
        assert_eq!(names, ["db", "web"]);
        parts.stop(millis(10)).await;
        Ok(())
    });
}

/// A child whose turn has not come does not run, and says for whom it waits; so does one that backs off.
#[test]
fn a_supervised_child_that_has_not_started_says_why() {
    #[process]
    struct Slow {
        go: Receiver<()>,
    }
    #[handlers]
    impl Slow {
        #[on_start]
        async fn opens(&mut self) -> Result<()> {
            self.go.recv().await;
            Ok(())
        }
    }
    #[process]
    struct Next;
    #[handlers]
    impl Next {
        fn ping(&self) {}
    }
    #[process]
    async fn fails() -> Result<()> {
        bail!("no disk")
    }
    on_both(2, |scope| async move {
        let parts = scope.child("parts");
        let (go, wait) = bounded::<()>(1);
        let slow = parts.supervise(move || Slow { go: wait.clone() }).spawn();
        let next = parts.supervise(|| Next).spawn();
        let others: Vec<_> = (0..2).map(|_| parts.supervise(|| Next).spawn()).collect();
        dump_with(
            &scope,
            &[
                ": has not started: it waits for `Slow`, which comes before it",
                "supervised `Next` has not started: it waits for `Slow`, which comes before it, 0 restarts",
                "2 have not started: their turn has not come",
            ],
        )
        .await;
        go.send(()).await?;
        next.ping().await?;
        for other in &others {
            other.ping().await?;
        }
        let seen = snapshot(&scope);
        assert!(seen.groups.iter().all(|group| group.unstarted == 0));
        parts.stop(millis(10)).await;
        drop((slow, others));
        let hosts = scope.child("hosts").intensity(50, secs(60));
        let child = hosts.supervise(fails()).backoff(secs(50)..secs(60)).spawn();
        dump_with(
            &scope,
            &[
                "supervised `fails` has not started again: it backs off for ",
                " more, 0 restarts",
            ],
        )
        .await;
        child.kill();
        hosts.stop(millis(10)).await;
        Ok(())
    });
}
