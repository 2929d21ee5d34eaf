//! Calls that wait for themselves, `leaks/cycle.rs`: of those that close a cycle at the same moment at least one is refused, and a
//! pass that meets the last of them between its park and the refusal proves nobody stuck.
//!
//! Processes, mailboxes, workers and the pass are the production ones; each thread of the model is a worker, or searches.
//!
//! Tried: no fence in `parked` (both wait for ever); no `is_in_hand` in `pass::look_again` (a process is proven, and then runs).

use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Race, model, system};
use crate::leaks;
use crate::prelude::*;
use crate::scheduler::worker::Worker;
use crate::scope::ScopeInner;
use crate::sync::without_light_fences;

/// How the calls of a model have ended.
#[derive(Debug, Default)]
struct Ended {
    answered: AtomicUsize,
    refused: AtomicUsize,
}

/// Calls the other one, or itself.
#[process(mailbox = 2)]
struct Caller {
    other: Option<CallerHandle>,
    ended: Arc<Ended>,
}

#[handlers]
impl Caller {
    fn know(&mut self, other: CallerHandle) {
        self.other = Some(other);
    }

    async fn go(&mut self) {
        let Some(other) = &self.other else { return };
        let ended = match other.ping().await {
            Ok(()) => &self.ended.answered,
            Err(CallError::Cycle(_)) => &self.ended.refused,
            Err(_) => return,
        };
        ended.fetch_add(1, Ordering::SeqCst);
    }

    fn ping(&self) {}
}

fn lab(workers: usize) -> (Scope, Worker) {
    without_light_fences();
    let inner = ScopeInner::new(system(workers), "model", None, None);
    let worker = inner.system.scheduler.worker();
    (Scope::from_inner(inner), worker)
}

fn spawn(scope: &Scope, ended: &Arc<Ended>) -> CallerHandle {
    scope.spawn(Caller {
        other: None,
        ended: Arc::clone(ended),
    })
}

/// Stops what is left, so that the model ends with nothing.
fn stop(scope: &Scope, worker: &Worker) {
    scope.inner.begin_stop(std::time::Duration::ZERO);
    worker.run_ready();
}

#[test]
fn two_that_call_each_other_at_once_do_not_both_wait() {
    model("call, call", 2, || {
        let (scope, worker) = lab(2);
        let here = worker.enter();
        let ended = Arc::<Ended>::default();
        let (one, two) = (spawn(&scope, &ended), spawn(&scope, &ended));
        one.know(two.clone()).try_send().expect("it has room");
        two.know(one.clone()).try_send().expect("it has room");
        worker.run_ready();
        let race = Arc::<Race>::default();
        let other = thread::spawn({
            let (system, race) = (Arc::clone(&scope.inner.system), Arc::clone(&race));
            move || {
                let worker = system.scheduler.worker();
                let here = worker.enter();
                two.go().try_send().expect("it has room");
                race.step();
                worker.run_ready();
                drop(two);
                drop(here);
                worker
            }
        });
        one.go().try_send().expect("it has room");
        race.step();
        worker.run_ready();
        let others = other.join().unwrap();
        // What each has woken last may lie with the other one.
        for _ in 0..4 {
            worker.run_ready();
            others.run_ready();
        }
        let answered = ended.answered.load(Ordering::SeqCst);
        let refused = ended.refused.load(Ordering::SeqCst);
        assert_eq!(answered + refused, 2, "one waits for ever");
        assert!(refused <= 1, "one refusal is enough");
        drop(one);
        stop(&scope, &worker);
        others.run_ready();
        drop(here);
    });
}

/// A worker on a thread of its own, on which one calls the next.
fn calls_elsewhere(
    scope: &Scope,
    race: &Arc<Race>,
    caller: CallerHandle,
) -> thread::JoinHandle<Worker> {
    let (system, race) = (Arc::clone(&scope.inner.system), Arc::clone(race));
    thread::spawn(move || {
        let worker = system.scheduler.worker();
        let here = worker.enter();
        caller.go().try_send().expect("it has room");
        race.step();
        // Here the others may come to the same point, which is no preemption.
        thread::yield_now();
        worker.run_ready();
        drop(caller);
        drop(here);
        worker
    })
}

#[test]
fn three_that_call_each_other_at_once_do_not_all_wait() {
    let refusals = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&refusals);
    model("call, call, call", 1, move || {
        let (scope, worker) = lab(3);
        let here = worker.enter();
        let ended = Arc::<Ended>::default();
        let [one, two, three] = [(); 3].map(|()| spawn(&scope, &ended));
        one.know(two.clone()).try_send().expect("it has room");
        two.know(three.clone()).try_send().expect("it has room");
        three.know(one.clone()).try_send().expect("it has room");
        worker.run_ready();
        let race = Arc::<Race>::default();
        let others = [two, three].map(|caller| calls_elsewhere(&scope, &race, caller));
        one.go().try_send().expect("it has room");
        race.step();
        thread::yield_now();
        worker.run_ready();
        let others = others.map(|other| other.join().unwrap());
        // What each has woken last may lie with another one.
        for _ in 0..6 {
            worker.run_ready();
            others.iter().for_each(Worker::run_ready);
        }
        let answered = ended.answered.load(Ordering::SeqCst);
        let refused = ended.refused.load(Ordering::SeqCst);
        assert_eq!(answered + refused, 3, "one waits for ever");
        assert!(refused <= 1, "one refusal is enough");
        seen.fetch_add(refused, Ordering::SeqCst);
        drop(one);
        stop(&scope, &worker);
        others.iter().for_each(Worker::run_ready);
        drop(here);
    });
    assert!(
        refusals.load(Ordering::SeqCst) > 0,
        "no order closed the cycle"
    );
}

#[test]
fn a_call_that_is_refused_is_not_proven_stuck_before() {
    model("call, refuse, search", 2, || {
        let (scope, worker) = lab(1);
        let here = worker.enter();
        let ended = Arc::<Ended>::default();
        let one = spawn(&scope, &ended);
        one.know(one.clone()).try_send().expect("it has room");
        worker.run_ready();
        let race = Arc::<Race>::default();
        let search = thread::spawn({
            let (system, race) = (Arc::clone(&scope.inner.system), Arc::clone(&race));
            move || {
                race.step();
                leaks::search(&system)
                    .iter()
                    .filter(|leak| leak.is_proven())
                    .count()
            }
        });
        one.go().try_send().expect("it has room");
        race.step();
        worker.run_ready();
        assert_eq!(ended.refused.load(Ordering::SeqCst), 1);
        assert_eq!(search.join().unwrap(), 0, "it has run");
        drop(one);
        stop(&scope, &worker);
        drop(here);
    });
}
