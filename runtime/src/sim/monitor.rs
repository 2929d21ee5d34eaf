//! Conditions that a test watches while its processes run.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::process::exit::contain;
use crate::sim::machine::Machine;
use crate::sim::reason::Reason;
use crate::task::current::by_nobody;

/// When a condition must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// After every step, before others run in the middle of one, and before an operation while nobody else can run.
    Always,
    /// After some step of some run.
    Sometimes,
    /// In the end: when the body has returned, everything has settled, and time has gone on for a while if that was needed.
    Eventually,
}

struct Monitor {
    when: When,
    name: String,
    holds: Box<dyn FnMut() -> bool>,
    held: bool,
    /// It was found to hold in the end at this step: a condition may consume what it looks at.
    held_at: Option<u64>,
}

/// The conditions of a run.
#[derive(Default)]
pub(crate) struct Monitors {
    list: Vec<Monitor>,
    /// The step after which they were looked at last.
    looked_at: u64,
}

impl Machine {
    /// Watches a condition from now on.
    pub(crate) fn watch(&self, when: When, name: String, holds: Box<dyn FnMut() -> bool>) {
        self.monitors.borrow_mut().list.push(Monitor {
            when,
            name,
            holds,
            held: false,
            held_at: None,
        });
    }

    /// Looks at the conditions after a step.
    #[inline]
    pub(crate) fn look(&self) {
        if !self.monitors.borrow().list.is_empty() {
            self.look_at(&[When::Always, When::Sometimes]);
        }
    }

    /// Looks at them in the middle of a step, at a point where nobody else could run who would see it: whether one does not hold.
    #[inline]
    pub(super) fn breaks_a_condition(&self) -> bool {
        if self.monitors.borrow().list.is_empty() {
            return false;
        }
        by_nobody(|| self.look());
        self.is_broken()
    }

    /// Looks at them after a job of this process.
    pub(super) fn look_after_job(&self, process: u32) {
        let ran = self.process.replace(process);
        self.look();
        self.process.set(ran);
    }

    /// A step goes on in whose middle others have run: what it breaks from here on is its own.
    pub(super) fn step_goes_on(&self) {
        let before = self.steps.get().saturating_sub(1);
        let mut monitors = self.monitors.borrow_mut();
        monitors.looked_at = monitors.looked_at.min(before);
    }

    /// Looks at the conditions when everything has settled in the end.
    pub(crate) fn look_at_end(&self) {
        self.look_at(&[When::Eventually]);
    }

    /// Whether all conditions hold that must in the end. The check at the end does not ask them again in this step; one that panics
    /// does not hold, and is reported there.
    pub(crate) fn holds_eventually(&self) -> bool {
        let mut monitors = std::mem::take(&mut *self.monitors.borrow_mut());
        let now = Some(self.steps.get());
        let mut all = true;
        for monitor in &mut monitors.list {
            if monitor.when != When::Eventually || monitor.held_at == now {
                continue;
            }
            // UNWIND: it is asked again at the end, which reports the panic.
            let holds = catch_unwind(AssertUnwindSafe(|| (monitor.holds)())).unwrap_or(false);
            monitor.held_at = now.filter(|_| holds);
            all &= holds;
        }
        let added = std::mem::replace(&mut *self.monitors.borrow_mut(), monitors);
        self.monitors.borrow_mut().list.extend(added.list);
        all
    }

    #[cold]
    fn look_at(&self, which: &[When]) {
        // The conditions are code of the user's, which may add others.
        let mut monitors = std::mem::take(&mut *self.monitors.borrow_mut());
        let looked_at = std::mem::replace(&mut monitors.looked_at, self.steps.get());
        for monitor in &mut monitors.list {
            if !which.contains(&monitor.when) || monitor.when == When::Sometimes && monitor.held {
                continue;
            }
            if monitor.held_at == Some(self.steps.get()) {
                continue;
            }
            // UNWIND: the run ends, and a condition that panicked is not asked again.
            let holds = match catch_unwind(AssertUnwindSafe(|| (monitor.holds)())) {
                Ok(holds) => holds,
                Err(payload) => {
                    let condition = format!("the condition {}", monitor.name);
                    self.break_off(|| Reason::of_payload(condition, payload));
                    continue;
                }
            };
            if holds {
                monitor.held = true;
            } else if monitor.when == When::Always {
                if self.steps.get() > looked_at {
                    self.has_happened(self.process.get(), || format!("breaks `{}`", monitor.name));
                }
                self.break_off(|| Reason::Always(monitor.name.clone()));
            } else if monitor.when == When::Eventually {
                self.break_off(|| Reason::Eventually(monitor.name.clone()));
            }
        }
        let added = std::mem::replace(&mut *self.monitors.borrow_mut(), monitors);
        self.monitors.borrow_mut().list.extend(added.list);
    }

    /// Drops the conditions of a run that has failed, with what they hold. False if there were none.
    pub(crate) fn drop_conditions(&self) -> bool {
        let conditions = std::mem::take(&mut *self.monitors.borrow_mut()).list;
        let any = !conditions.is_empty();
        for condition in conditions {
            contain("a destructor", || drop(condition));
        }
        any
    }

    /// The conditions that must hold in some run, and whether they did in this one.
    pub(crate) fn sometimes(&self) -> Vec<(String, bool)> {
        let monitors = self.monitors.borrow();
        let sometimes = monitors.list.iter();
        sometimes
            .filter(|monitor| monitor.when == When::Sometimes)
            .map(|monitor| (monitor.name.clone(), monitor.held))
            .collect()
    }
}
