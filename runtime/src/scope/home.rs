//! Where the processes of a scope end: what their exit means for the scope.
//!
//! | home | its failure |
//! |---|---|
//! | [`Member`] | is the scope's |
//! | [`Isolated`] | is reported |
//! | [`Owner`] | is what it would be without: this is for a function, which may have a scope of its own |
//! | [`Incarnation`] | is its supervisor's |
//! | [`Whole`] | was its supervisor's already: this is the task of a supervised child, which counts for all incarnations |

use std::sync::Arc;

use crate::observe::EventKind;
use crate::process::exit::{Exit, Fault, contain};
use crate::scope::{Own, ScopeInner};
use crate::sim::here;
use crate::supervise::Lineage;
use crate::system::SystemInner;
use crate::task::TaskRef;
use crate::task::cell::Home;

/// The home of a process whose failure is its scope's.
pub(crate) struct Member {
    scope: Arc<ScopeInner>,
}

/// The home of a process whose failure is only reported.
pub(crate) struct Isolated(pub(super) Member);

impl Member {
    pub(crate) fn of(scope: &Arc<ScopeInner>) -> Self {
        Self {
            scope: Arc::clone(scope),
        }
    }

    fn report(&self, task: &TaskRef, exit: &Exit) {
        // Asked for only if somebody listens.
        let name = || task.slot().origin().name;
        let ran_ms = || {
            let now = self.scope.system.scheduler.clock.coarse_ms();
            now.wrapping_sub(task.slot().born_ms())
        };
        if exit.is_normal() {
            return tracing::debug!(
                target: "roundrock::process", process = name(), process.id = task.id().raw(), reason = exit.kind(),
                ran_ms = ran_ms(), "process.exit"
            );
        }
        contain("the text of an error", || {
            tracing::warn!(
                target: "roundrock::process", process = name(), process.id = task.id().raw(), reason = exit.kind(),
                ran_ms = ran_ms(), cause = %exit, "process.exit"
            );
        });
        let failed = || EventKind::Failed {
            reason: exit.reason(),
        };
        contain("the text of an error", || {
            self.scope.tell(Some(task.clone()), failed)
        });
        if matches!(exit, Exit::Panicked(_)) {
            contain("the text of an error", || {
                self.scope.system.report_panic(task, exit, &self.scope);
            });
        }
    }
}

/// A destructor has panicked while a process was dropped that somebody has killed, which it ends as all the same. It is told as every
/// other panic is; a simulated run fails where it would by a failure of the process, unless that is `forgiven`.
#[cold]
pub(crate) fn panicked_in_drop(task: &TaskRef, fault: Arc<Fault>, forgiven: bool) {
    let exit = Exit::Panicked(fault);
    let name = task.slot().origin().name;
    contain("the text of a panic", || {
        tracing::error!(
            target: "roundrock::process", process = name, process.id = task.id().raw(), cause = %exit,
            "process.drop"
        );
    });
    if let Some(scope) = task.scope() {
        contain("the text of a panic", || {
            scope.system.report_panic(task, &exit, scope);
        });
    }
    if !forgiven && task.scope().is_none_or(|scope| scope.would_fail_the_root()) {
        here::process_failed(|| format!("{name}{}", task.id()), &exit);
    }
}

impl Home for Member {
    fn system(&self) -> &Arc<SystemInner> {
        &self.scope.system
    }

    fn scope(&self) -> Option<&Arc<ScopeInner>> {
        Some(&self.scope)
    }

    fn exited(&self, task: &TaskRef, exit: &Exit) {
        self.report(task, exit);
        let name = || format!("{}{}", task.slot().origin().name, task.id());
        if exit.is_failure() {
            self.scope.fail(&name(), exit);
        } else {
            self.scope.note_exit(name, exit);
            if matches!(exit, Exit::Killed) {
                self.scope.lost_one();
            }
        }
        self.scope.leave();
    }
}

impl Home for Isolated {
    const FORGIVEN: bool = true;

    fn system(&self) -> &Arc<SystemInner> {
        self.0.system()
    }

    fn scope(&self) -> Option<&Arc<ScopeInner>> {
        self.0.scope()
    }

    fn exited(&self, task: &TaskRef, exit: &Exit) {
        self.0.report(task, exit);
        self.0.scope.leave();
    }
}

/// The home of a function that nobody supervises, and whose failure counts or does not.
pub(crate) struct Owner<H, const COUNTS: bool> {
    home: H,
    own: Own,
}

impl<H, const COUNTS: bool> Owner<H, COUNTS> {
    pub(super) fn new(home: H) -> Self {
        Self {
            home,
            own: Own::new(),
        }
    }
}

impl<H: Home, const COUNTS: bool> Home for Owner<H, COUNTS> {
    const FORGIVEN: bool = H::FORGIVEN;

    fn system(&self) -> &Arc<SystemInner> {
        self.home.system()
    }

    fn scope(&self) -> Option<&Arc<ScopeInner>> {
        self.home.scope()
    }

    fn own(&self) -> Option<&Own> {
        Some(&self.own)
    }

    fn exited(&self, task: &TaskRef, exit: &Exit) {
        let own = self.own.take();
        if !COUNTS && let Some(own) = &own {
            own.owner_is_gone();
        }
        let own = own.filter(|_| COUNTS);
        let Some((own, scope)) = own.zip(self.scope()) else {
            return self.home.exited(task, exit);
        };
        // Its own failure comes first; the scope does not end in between.
        scope.enter();
        self.home.exited(task, exit);
        own.hand_on_failures();
        scope.leave();
    }
}

/// The home of an incarnation of a supervised child.
pub(crate) struct Incarnation {
    member: Member,
    lineage: Arc<Lineage>,
    own: Own,
}

impl Incarnation {
    pub(crate) fn new(scope: &Arc<ScopeInner>, lineage: &Arc<Lineage>) -> Self {
        Self {
            member: Member::of(scope),
            lineage: Arc::clone(lineage),
            own: Own::new(),
        }
    }
}

impl Home for Incarnation {
    const FORGIVEN: bool = true;

    fn system(&self) -> &Arc<SystemInner> {
        self.member.system()
    }

    fn scope(&self) -> Option<&Arc<ScopeInner>> {
        self.member.scope()
    }

    fn lineage(&self) -> Option<&Arc<Lineage>> {
        Some(&self.lineage)
    }

    fn own(&self) -> Option<&Own> {
        Some(&self.own)
    }

    fn exited(&self, task: &TaskRef, exit: &Exit) {
        self.member.report(task, exit);
        Lineage::exited(&self.lineage, &self.member.scope, self.own.take(), exit);
    }
}

/// The home of a supervised child: it counts for the scope from when it was added until it will not be started again.
pub(crate) struct Whole(Incarnation);

impl Whole {
    pub(crate) fn new(scope: &Arc<ScopeInner>, lineage: &Arc<Lineage>) -> Self {
        Self(Incarnation::new(scope, lineage))
    }
}

impl Home for Whole {
    fn system(&self) -> &Arc<SystemInner> {
        self.0.system()
    }

    fn scope(&self) -> Option<&Arc<ScopeInner>> {
        // Nobody who looks for the processes of a scope is to find it.
        None
    }

    fn lineage(&self) -> Option<&Arc<Lineage>> {
        self.0.lineage()
    }

    fn exited(&self, task: &TaskRef, exit: &Exit) {
        let scope = &self.0.member.scope;
        scope.note_exit(|| task.slot().origin().name.to_owned(), exit);
        scope.leave();
    }
}
