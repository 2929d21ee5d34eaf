//! What cannot be simulated is refused, with an error that says so.

use roundrock::prelude::*;
use roundrock::sim::{Reason, Simulation};

#[test]
fn a_thread_that_wakes_a_process_ends_the_run() {
    let failure = Simulation::new("threads")
        .seeds(4)
        .run(|sim: Sim| async move {
            let (out, inbox) = bounded(1);
            let receiver = sim.task("receiver", async move { roundrock::Ok(inbox.recv().await) });
            sim.settle().await;
            let thread = std::thread::spawn(move || out.blocking_send(1));
            thread.join().expect("it does not panic")?;
            receiver.await?;
            roundrock::Ok(())
        });
    let failure = failure.expect_err("a thread is not part of the simulation");
    assert!(
        matches!(&failure.reason, Reason::Outside(process) if process.starts_with("receiver#")),
        "{failure}"
    );
}

#[test]
fn a_job_that_waits_for_a_process_is_refused() {
    let failure = Simulation::new("jobs").seeds(1).run(|_sim: Sim| async {
        let (_out, inbox) = bounded::<u32>(1);
        blocking(move || inbox.blocking_recv()).await;
    });
    let failure = failure.expect_err("a job has no thread that could wait");
    let text = failure.to_string();
    assert!(
        text.contains("`blocking_recv` waits for a message"),
        "{text}"
    );
    assert!(text.contains("cannot wait in a simulation"), "{text}");
}

#[cfg(feature = "io")]
#[test]
fn a_socket_is_refused_at_the_call() {
    let failure = Simulation::new("sockets")
        .seeds(1)
        .run(|_sim: Sim| async { tokio::net::TcpListener::bind("127.0.0.1:0").await.map(drop) });
    let failure = failure.expect_err("there is no reactor");
    assert!(
        matches!(&failure.reason, Reason::Panicked { message, .. } if message.contains("reactor")),
        "{failure}"
    );
}

#[test]
fn a_blocking_operation_in_a_process_is_refused() {
    let failure = Simulation::new("blocks").seeds(1).run(|_sim: Sim| async {
        let (out, _inbox) = bounded::<u32>(1);
        out.blocking_send(1).map(drop)
    });
    let failure = failure.expect_err("it would block the only thread");
    assert!(
        failure.to_string().contains("would block every process"),
        "{failure}"
    );
}

#[test]
#[should_panic(expected = "a simulation on a worker would block")]
fn a_simulation_in_a_process_is_refused() {
    let ran = System::builder().workers(1).run(async |_scope| {
        let _ = Simulation::new("inner").run(|_sim: Sim| async {});
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error:#}");
    }
}
