//! What a child receives from beside its mailbox: the channels whose receivers its last incarnation was lent, or had in its fields.
//!
//! Only their numbers are kept, for a receiver that was kept would keep its channel open between two incarnations, and what a factory
//! lends is its own affair. So the list of channels is asked by number. A channel that is gone is in no list; if another one was made
//! at its place, the answer is about that, and a child is started once for nothing.

use std::collections::{HashMap, HashSet};

use crate::channel::registry::Input;
use crate::scheduler::Scheduler;
use crate::task::TaskRef;
use crate::task::ports::{Port, Tie};

/// See the header.
#[derive(Debug, Default)]
pub(super) struct Inputs(HashSet<u64>);

/// What there is in the inputs of a child that does not run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waiting {
    /// Messages, which were accepted.
    pub(super) messages: bool,
    /// Senders that wait for room.
    pub(super) senders: bool,
    /// An input that somebody could still send to.
    pub(super) open: bool,
}

impl Waiting {
    fn add(&mut self, input: Input) {
        self.messages |= input.len > 0;
        self.senders |= input.blocked_senders > 0;
        self.open |= input.senders > 0;
    }

    /// Whether a child is to be started while its scope stops, in which others are left or not.
    pub(super) fn needs_a_start(self, are_others: bool) -> bool {
        self.messages || self.senders || self.open && are_others
    }
}

impl Inputs {
    /// Those of an incarnation that was just made.
    pub(super) fn of(incarnation: &TaskRef) -> Self {
        let ports = incarnation.slot().change_ports(|ports| ports.clone());
        let receivers = ports.iter().filter(|port| port.tie() == Tie::Receiver);
        Self(receivers.map(Port::object).collect())
    }

    /// What is in them now.
    pub(super) fn look(&self, scheduler: &Scheduler) -> Waiting {
        let found = Self::look_at_all([(0, self)], scheduler);
        found.into_values().next().unwrap_or_default()
    }

    /// What is in those of many children now, by the keys that they are given with, where there is any: one look at the channels,
    /// because there may be as many of these as of children.
    pub(super) fn look_at_all<'a>(
        all: impl IntoIterator<Item = (u64, &'a Self)>,
        scheduler: &Scheduler,
    ) -> HashMap<u64, Waiting> {
        let mut children: HashMap<u64, Vec<u64>> = HashMap::new();
        for (key, inputs) in all {
            for &object in &inputs.0 {
                children.entry(object).or_default().push(key);
            }
        }
        let mut waiting: HashMap<u64, Waiting> = HashMap::new();
        if children.is_empty() {
            return waiting;
        }
        let wanted = children.keys().copied().collect();
        for remote in scheduler.active_remotes() {
            remote.channels.inputs(&wanted, |object, input| {
                for &key in children.get(&object).into_iter().flatten() {
                    waiting.entry(key).or_default().add(input);
                }
            });
        }
        waiting
    }
}
