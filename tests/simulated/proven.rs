//! What a search for leaks says about a kernel: compared whole, verdict, names, waits and how many wait behind.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::Duration;

use roundrock::Scope;
use roundrock::leaks::{Leak, Proof, Verdict};
use roundrock::sim::Sim;
use roundrock::time::millis;

/// A scope for a kernel, of which something may be left that can never end by itself.
#[derive(Debug)]
pub(crate) struct Kernel {
    sim: Sim,
    scope: Scope,
}

impl Deref for Kernel {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        &self.scope
    }
}

impl Kernel {
    pub(crate) fn new(sim: &Sim) -> Self {
        Self {
            sim: sim.clone(),
            scope: sim.child("kernel"),
        }
    }

    /// Lets everything settle, and returns what is found, a line for each finding: `cycle of one (Lock), other (Send)`, with the
    /// processes in the order of their names.
    pub(crate) async fn found(&self) -> Vec<String> {
        self.sim.settle().await;
        let system = self.sim.system();
        let found: Vec<_> = system.leaks().iter().map(say).collect();
        let again: Vec<_> = system.leaks().iter().map(say).collect();
        assert_eq!(found, again, "what holds now holds a moment later");
        found
    }

    /// As [`found`](Self::found), when all have slept that do so to let the others come first.
    pub(crate) async fn found_later(&self) -> Vec<String> {
        self.sim.advance(millis(10)).await;
        self.found().await
    }

    /// Ends what is left by force: then nothing is found, and nobody ran who was proven never to run again.
    pub(crate) async fn end(self) {
        let _report = self.scope.stop(Duration::ZERO).await;
        assert_eq!(self.found().await, [""; 0]);
        let system = self.sim.system();
        assert_eq!(system.proof_violations(), 0, "a proof was wrong");
        assert_eq!(system.lost_wakeups(), 0, "a wakeup was lost");
    }
}

fn say(leak: &Leak) -> String {
    assert_eq!(leak.count, leak.processes.len(), "{leak}");
    let mut like = BTreeMap::new();
    for stuck in &leak.processes {
        let waits = stuck.waits.iter();
        let mut kinds: Vec<_> = waits.map(|wait| format!("{:?}", wait.kind)).collect();
        kinds.sort_unstable();
        let who = format!("{} ({})", stuck.name, kinds.join(", "));
        *like.entry(who).or_insert(0) += 1;
    }
    let those = like.iter().map(|(who, count)| match count {
        1 => who.clone(),
        _ => format!("{count} {who}"),
    });
    let those = those.collect::<Vec<_>>().join(", ");
    let behind = match leak.behind {
        0 => String::new(),
        behind => format!("; {behind} behind"),
    };
    let what = match &leak.verdict {
        Verdict::Proven(Proof::Cycle) => "cycle of".to_owned(),
        Verdict::Proven(Proof::NoWaker) => "no waker of".to_owned(),
        Verdict::Proven(Proof::Behind { name, .. }) => format!("behind {name}:"),
        Verdict::Stranded => "stranded:".to_owned(),
        other => format!("{other:?}:"),
    };
    format!("{what} {those}{behind}")
}
