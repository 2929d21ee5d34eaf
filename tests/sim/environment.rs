//! What the environment asks of a test, and what a test that passes says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use roundrock::prelude::*;
use roundrock::sim::{Failure, Reason, Simulation};

/// Fails in each run, and prints a line in each; listens to the environment.
#[test]
fn says_that_it_runs() {
    let search = Simulation::new("says").seeds(4).with_environment();
    let failure = search.run(|sim: Sim| async move {
        println!("-- a run --");
        let hasty = sim.task("hasty", async { roundrock::Ok(()) });
        sim.task("slow", async { roundrock::Ok(()) }).await?;
        hasty.await?;
        bail!("as asked");
        #[expect(unreachable_code, reason = "says the type of the body")]
        roundrock::Ok(())
    });
    let failure: Box<Failure> = match failure {
        Ok(summary) => panic!("{summary}"),
        Err(failure) => failure,
    };
    println!("{failure}");
    assert!(matches!(failure.reason, Reason::Failed { .. }), "{failure}");
}

/// Two processes each read, and then add one to what they have read: an update is lost in some orders. Listens to the environment, and
/// prints the failure, if there is one.
#[test]
fn says_whether_an_update_is_lost() {
    let search = Simulation::new("lost update").seeds(200).with_environment();
    let found = search.run(|sim: Sim| async move {
        let sum = Arc::new(AtomicU32::new(0));
        let (notes, _read) = bounded(8);
        let add = |sum: Arc<AtomicU32>, notes: Sender<u32>| async move {
            let seen = sum.load(Ordering::SeqCst);
            notes.send(seen).await?;
            sum.store(seen + 1, Ordering::SeqCst);
            roundrock::Ok(())
        };
        let adders = [(); 3].map(|()| sim.task("adder", add(Arc::clone(&sum), notes.clone())));
        for adder in adders {
            adder.await?;
        }
        let sum = sum.load(Ordering::SeqCst);
        ensure!(sum == 3, "an update is lost: {sum}");
        roundrock::Ok(())
    });
    match found {
        Ok(summary) => println!("{summary}"),
        Err(failure) => println!(
            "seed {}; tape {}; {} steps; {}",
            failure.seed.expect("no tape was given"),
            failure.tape,
            failure.steps,
            failure.reason
        ),
    }
}

/// The seed of a failure that only some orders show makes that run again, in another process, and other seeds do not.
#[test]
fn p44_a_seed_replays_a_failure_that_depends_on_the_order() {
    let said = |seed: Option<&str>| {
        let mut program = std::process::Command::new(std::env::current_exe().expect("this is one"));
        program.args([
            "--exact",
            "environment::says_whether_an_update_is_lost",
            "--nocapture",
        ]);
        program.env_remove("ROUNDROCK_SEEDS");
        if let Some(seed) = seed {
            program.env("ROUNDROCK_SEED", seed);
        }
        let output = program.output().expect("it starts");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines();
        let line = lines.find_map(|line| Some(line.split_at(line.find("seed ")?).1.to_owned()));
        line.unwrap_or_default()
    };
    let found = said(None);
    let words: Vec<_> = found.split([' ', ';']).collect();
    let seed = words.get(1).expect("it is found");
    assert!(found.contains("an update is lost: "), "{found}");
    // Without the reason: if no seed is given, it is that of the run that was made simpler.
    let run = |text: &str| text.rsplit_once("; ").map(|(run, _)| run.to_owned());
    assert_eq!(run(&said(Some(seed))), run(&found));
    assert_ne!(*seed, "0", "the plain run loses nothing");
    assert_eq!(said(Some("0")), "", "it passes");
}

/// Passes, and says what it did; listens to the environment.
#[roundrock::test(seeds = 3)]
async fn says_what_it_did(sim: &Sim) -> Result<()> {
    let (jobs, inbox) = bounded(1);
    let worker = sim.task("worker", async move { roundrock::Ok(inbox.recv().await) });
    sleep(secs(1)).await;
    jobs.send(1).await?;
    ensure!(worker.await? == Some(1), "it was sent");
    Ok(())
}

/// One line for a test that passes: runs, schedules, steps, their rate, and virtual time; and as many runs as the environment asks for.
#[test]
fn a_test_that_passes_is_told_in_one_line() {
    let line = |seeds: Option<&str>| {
        let mut program = std::process::Command::new(std::env::current_exe().expect("this is one"));
        program.args(["--exact", "environment::says_what_it_did"]);
        program.env_remove("ROUNDROCK_SEEDS");
        if let Some(seeds) = seeds {
            program.env("ROUNDROCK_SEEDS", seeds);
        }
        let output = program.output().expect("it starts");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines: Vec<_> = text
            .lines()
            .filter(|line| line.contains("says_what_it_did"))
            .collect();
        assert_eq!(lines.len(), 1, "{text}");
        lines[0].to_owned()
    };
    for (seeds, runs, time) in [
        (None, 3, "3s of virtual time"),
        (Some("200"), 200, "200s of virtual time"),
    ] {
        let line = line(seeds);
        for said in [
            &*format!("{runs} runs"),
            " schedules",
            " steps in ",
            " thousand a second)",
            time,
        ] {
            assert!(line.contains(said), "{line}");
        }
    }
}

/// A replay makes the run once, so that what the program prints stands there once, and shows it as it was found.
#[test]
fn a_replay_makes_the_run_once() {
    let lines = |variable: &str, value: &str| {
        let program = std::env::current_exe().expect("this is one");
        let output = std::process::Command::new(program)
            .args(["--exact", "environment::says_that_it_runs", "--nocapture"])
            .env(variable, value)
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("join slow#"), "the events are shown: {text}");
        (text.matches("-- a run --").count(), text)
    };
    let (runs, text) = lines("ROUNDROCK_TAPE", "0.1,0.1");
    assert_eq!(runs, 1, "{text}");
    assert!(
        text.contains("with 2 unusual choices"),
        "it is not made simpler: {text}"
    );
    assert_eq!(lines("ROUNDROCK_SEED", "0").0, 1);
    assert_eq!(
        lines("ROUNDROCK_SEED", "3").0,
        2,
        "and the one that plans it"
    );
}

/// What the environment says of the run that is to be made is refused if it means none, or two.
#[test]
fn a_variable_without_a_value_and_two_runs_at_once_are_refused() {
    let refused = |variables: &[(&str, &str)]| {
        let mut program = std::process::Command::new(std::env::current_exe().expect("this is one"));
        program.args(["--exact", "environment::says_what_it_did"]);
        program.envs(variables.iter().copied());
        let output = program.output().expect("it starts");
        assert!(!output.status.success(), "{variables:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for name in [
        "ROUNDROCK_SEED",
        "ROUNDROCK_SEEDS",
        "ROUNDROCK_TAPE",
        "ROUNDROCK_EVENTS",
    ] {
        for value in ["", " "] {
            let text = refused(&[(name, value)]);
            let said = format!("{name} is set to nothing: give it a value, or unset it");
            assert!(text.contains(&said), "{text}");
        }
    }
    let text = refused(&[("ROUNDROCK_SEED", "3"), ("ROUNDROCK_TAPE", "-")]);
    assert!(text.contains("set one of them"), "{text}");
}
