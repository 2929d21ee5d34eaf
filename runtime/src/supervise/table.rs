//! The decisions of a supervisor: what each event means for the children of its scope.
//!
//! Children are kept in the order in which they were added; `to_start` are those whose turn comes, the first one first, each
//! after the one before is ready; `to_stop` those that must end before, the last one first, one at a time. A failure under
//! `one_for_one` touches neither: that child comes back by itself after its pause. A stop of the scope is the same as
//! `to_stop` for everybody, with nothing to start after it.
//!
//! **Invariants**
//! - Nothing is started from `to_start` while `to_stop` is not empty.
//! - What fails after the scope began to stop is not started again. What was added before, and waits for its first start, is still
//!   started, because its inputs may have messages already; and so is, without its pause, what failed before and has messages, or an
//!   input that somebody else may still feed; unless the scope failed, or half of the grace is over.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::child::{Child, State, Then};
use super::escalation::{GaveUp, Reason};
use super::inputs::Waiting;
use super::restart::Intensity;
use super::supervisor::{Event, Settings, Supervisor, now};
use crate::error::Error;
use crate::numbered::{Numbered, Numbers};
use crate::observe::EventKind;
use crate::process::exit::{Exit, Fault, contain};
use crate::scope::ScopeInner;
use crate::task::current;
use crate::time::sleep::{FAR, later};

/// The failures of a scope in the window of its intensity.
#[derive(Default)]
pub(super) struct Past {
    intensity: Intensity,
    /// What they were, for whoever asks why the scope gave up.
    reasons: VecDeque<(Instant, Reason)>,
}

/// The children of a scope, and what is to be done with them.
pub(super) struct Table {
    scope: Arc<ScopeInner>,
    supervisor: Arc<Supervisor>,
    children: Numbered<Child>,
    to_start: Numbers,
    to_stop: Numbers,
    /// When to look at a child again: its pause, or its time to stop, may be over.
    timers: BinaryHeap<Reverse<(Instant, u64)>>,
    past: Past,
    stopping: bool,
    /// Nothing is started any more, also not what was added before the stop.
    dropping: bool,
    /// Children that were told that the scope stops, and have not ended.
    released: Numbers,
    /// Children that nobody feeds any more, and the inputs whose end they are to see: the last one first, one at a time.
    ending: Numbered<Option<u64>>,
    /// The one of them that was told, until it has ended.
    told: Option<u64>,
}

impl Table {
    pub(super) fn new(scope: &Arc<ScopeInner>, supervisor: &Arc<Supervisor>, past: Past) -> Self {
        Self {
            scope: Arc::clone(scope),
            supervisor: Arc::clone(supervisor),
            children: Numbered::default(),
            to_start: Numbers::default(),
            to_stop: Numbers::default(),
            timers: BinaryHeap::new(),
            past,
            stopping: false,
            dropping: false,
            released: Numbers::default(),
            ending: Numbered::default(),
            told: None,
        }
    }

    pub(super) fn scope(&self) -> &Arc<ScopeInner> {
        &self.scope
    }

    /// What was counted, for the next table of this scope.
    pub(super) fn take_past(&mut self) -> Past {
        std::mem::take(&mut self.past)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// When the next timer is due that means something. Those that came first and mean nothing any more are forgotten: whoever waits
    /// for them would be taken for somebody who may still wake others.
    pub(super) fn due(&mut self) -> Option<Instant> {
        while let Some(&Reverse((due, key))) = self.timers.peek() {
            if self
                .children
                .get(key)
                .is_some_and(|child| child.awaits(due))
            {
                return Some(due);
            }
            self.timers.pop();
        }
        None
    }

    pub(super) fn handle(&mut self, event: Event) {
        match event {
            Event::Add(child) => {
                let key = child.lineage.key();
                let failed = child.last.clone();
                self.supervisor.book().add(child.name, &child.lineage);
                self.children.insert(key, *child);
                self.to_start.insert(key);
                if self.dropping {
                    self.to_start.remove(key);
                    self.forget(key);
                } else if let Some(exit) = failed {
                    self.exited(key, exit);
                }
            }
            Event::Ready(key, number) => self.ready(key, number),
            Event::Exited(key, number, exit) => {
                let is_present =
                    |child: &Child| child.is_alive() && child.lineage.number() == number;
                if self.children.get(key).is_some_and(is_present) {
                    self.exited(key, exit);
                }
            }
            Event::Stop(key) => self.drain(key),
            Event::Remove(key) => self.remove(key),
            Event::Kill(key) => self.killed(key),
            Event::End(children) => {
                self.stop();
                self.ending = children.into_iter().collect();
                // Nothing moves, so the one that was told waits for others.
                self.told = None;
            }
            Event::ReleaseAll => {
                self.stop();
                self.dropping = true;
                self.to_start = Numbers::default();
                self.drop_waiting();
                for child in self.children.values().filter(|child| child.is_alive()) {
                    child.lineage.tell_to_stop(&self.scope, None);
                }
                self.released = self.children.numbers().collect();
            }
        }
        self.go_on();
    }

    fn ready(&mut self, key: u64, number: u32) {
        let now = now(&self.scope);
        if let Some(child) = self.children.get_mut(key)
            && child.state == State::Starting
            && child.lineage.number() == number
        {
            child.go_to(State::Up);
            child.since = now;
        }
    }

    /// An incarnation has ended: what that means for its child, and for the others.
    fn exited(&mut self, key: u64, exit: Exit) {
        let was_to_stop = self.to_stop.remove(key);
        self.has_ended(key);
        let scheduler = &self.scope.system.scheduler;
        let Some(child) = self.children.get_mut(key) else {
            return;
        };
        drop_quietly(child.last.replace(exit.clone()));
        child.stop_by = None;
        child.deaf_at = None;
        if child.state == State::Starting {
            // However long that took, it was never up.
            child.since = now(&self.scope);
        }
        let at_ms = scheduler.clock.coarse_ms();
        self.supervisor.book().note(key, &exit, at_ms);
        let is_abandoned =
            exit.is_normal() && !child.starter.is_wanted() && !child.lineage.left_work();
        match child.state {
            _ if self.stopping => {
                // Nobody will start it again to make up for it: the failure is its scope's, unless it would not have been started again
                // in any case, or was started for what might have come, and nothing is left of that.
                let was_wanted = child.state == State::Ending(Then::Over);
                let needless = child.for_others && !child.has_messages(scheduler);
                if exit.is_failure() && child.restart.wants(&exit) && !was_wanted && !needless {
                    self.scope.fail(child.name, &exit);
                } else if child.state == State::Ending(Then::Restart)
                    && !exit.is_failure()
                    && child.restart != super::Restart::Temporary
                {
                    return self.between_in_stop(key, exit);
                }
                self.over(key, exit);
            }
            State::Ending(Then::Over) => {
                // It was to end when it had handled what is queued. If it has, its end is as it says, and nobody wants another one.
                let again =
                    child.draining && child.restart.wants(&exit) && child.has_messages(scheduler);
                match again {
                    true if was_to_stop => self.queue(key),
                    true => self.failed(key, exit),
                    false => self.over(key, exit),
                }
            }
            // Its end was wanted, so it is not a failure whatever it says of it, also if its turn to be told had not come: who falls
            // because another one fell is not counted twice.
            _ if was_to_stop && child.restart != super::Restart::Temporary => self.queue(key),
            _ if was_to_stop => self.over(key, exit),
            _ if !child.restart.wants(&exit) || is_abandoned || child.removed => {
                self.over(key, exit);
            }
            _ => self.failed(key, exit),
        }
    }

    /// A child is started again when its turn comes.
    fn queue(&mut self, key: u64) {
        if let Some(child) = self.children.get_mut(key) {
            child.go_to(State::Queued);
            self.to_start.insert(key);
        }
    }

    /// A child must be started again.
    fn failed(&mut self, key: u64, exit: Exit) {
        let now = now(&self.scope);
        let settings = self.supervisor.settings();
        let Some(child) = self.children.get_mut(key) else {
            return;
        };
        let name = child.name;
        let reason = Reason {
            child: name,
            exit: exit.clone(),
        };
        if !self.past.count(now, reason, settings) {
            return self.give_up(key);
        }
        let up = now.saturating_duration_since(child.since);
        let pause = child
            .backoff
            .pause(up, f64::from(current::random_below(1025)) / 1024.0);
        let due = later(now, pause);
        child.go_to(State::Paused(due));
        self.timers.push(Reverse((due, key)));
        contain("the text of an error", || {
            tracing::info!(
                target: "roundrock::supervise", process = name, restarts = child.lineage.number(),
                delay_ms = pause.as_millis() as u64, reason = %exit, "restart"
            );
        });
        let kind = || EventKind::Restarting {
            reason: exit.reason(),
            incarnations: child.lineage.number(),
            pause,
        };
        contain("the text of an error", || {
            self.scope.tell(child.lineage.task(), kind)
        });
        let Some(affected) = settings.strategy.affected(key) else {
            return;
        };
        for (key, child) in self.children.range(affected) {
            if child.is_alive() {
                self.to_stop.insert(key);
            } else {
                self.to_start.insert(key);
            }
        }
    }

    /// One restart too many: the scope fails with all the reasons.
    fn give_up(&mut self, key: u64) {
        let Some(child) = self.children.get(key) else {
            return;
        };
        let name = child.name;
        let gave_up = GaveUp {
            child: name,
            limit: self.past.intensity.limit(),
            window: self.past.intensity.window(),
            reasons: self
                .past
                .reasons
                .drain(..)
                .map(|(_, reason)| reason)
                .collect(),
        };
        contain("the text of an error", || {
            tracing::error!(target: "roundrock::supervise", process = name, reason = %gave_up, "gave_up");
        });
        let exit = Exit::Failed(Arc::new(Fault::Error(Error::without_site(gave_up))));
        let reason = || EventKind::GaveUp {
            reason: exit.reason(),
        };
        contain("the text of an error", || {
            self.scope.tell(child.lineage.task(), reason)
        });
        self.scope.give_up(name, &exit);
        self.over(key, exit);
        self.stop();
    }

    /// A child is to end for good when it has handled what is queued.
    fn drain(&mut self, key: u64) {
        let scheduler = &self.scope.system.scheduler;
        let Some(child) = self.children.get_mut(key) else {
            return;
        };
        child.draining = true;
        if matches!(child.state, State::Starting | State::Up) {
            child.go_to(State::Ending(Then::Over));
            child.lineage.tell_to_stop(&self.scope, Some(0));
        } else if child.is_between() && !child.has_messages(scheduler) {
            // Between two incarnations, and there is nothing to handle for another one.
            self.forget(key);
        }
    }

    /// A user kills a child: if it was told to stop before, it is not to handle what is queued any more.
    fn killed(&mut self, key: u64) {
        let Some(child) = self.children.get_mut(key) else {
            return;
        };
        let was_to_end = std::mem::take(&mut child.draining) | std::mem::take(&mut child.removed);
        if was_to_end && !child.is_alive() {
            self.forget(key);
        }
    }

    /// A child is to end for good.
    fn remove(&mut self, key: u64) {
        let Some(child) = self.children.get_mut(key) else {
            return;
        };
        child.starter.refuse(&self.scope.system.scheduler);
        child.draining = false;
        if child.is_alive() {
            self.hurry_to_end(key);
        } else if child.has_messages(&self.scope.system.scheduler) && !self.dropping {
            // They were accepted: one more incarnation handles them, when its turn comes, but without a pause.
            child.removed = true;
            self.queue(key);
        } else {
            self.forget(key);
        }
    }

    /// What runs is to end for good, within its time.
    fn hurry_to_end(&mut self, key: u64) {
        if let Some(child) = self.children.get_mut(key) {
            child.go_to(State::Ending(Then::Over));
            child.lineage.hurry(&self.scope);
            self.time_to_stop(key);
        }
    }

    /// A child that does not run is over. An incarnation that was made for it ends first, without being polled.
    fn forget(&mut self, key: u64) {
        let Some(child) = self.children.get_mut(key) else {
            return;
        };
        if !std::mem::replace(&mut child.made, false) {
            let last = child.last.take().unwrap_or(Exit::Stopped);
            return self.over(key, last);
        }
        self.to_start.remove(key);
        child.go_to(State::Ending(Then::Over));
        child.draining = false;
        if let Some(task) = child.lineage.current() {
            task.kill();
            ScopeInner::launch_child(&task);
        }
    }

    /// The scope stops: what does not run will not, and what runs is told, the last one first.
    pub(super) fn stop(&mut self) {
        if std::mem::replace(&mut self.stopping, true) {
            return;
        }
        self.to_stop = Numbers::default();
        self.end_hurry();
        if self.scope.has_failed() {
            self.to_start = Numbers::default();
            self.dropping = true;
        } else {
            self.queue_those_between();
        }
        self.drop_waiting();
        self.go_on();
    }

    /// Of the children that wait to be started again, those that have messages, which were accepted, are started at once; and so are those
    /// that have an input, as long as others are left who may still feed it.
    fn queue_those_between(&mut self) {
        let between = self.children.iter().filter(|(_, child)| child.is_between());
        let between: Vec<_> = between.collect();
        let between = Child::all_waiting(&between, &self.scope.system.scheduler);
        let idle = between.iter().filter(|(_, has)| !has.messages).count();
        let alive = self.scope.alive_in_stop();
        for (key, has) in between {
            self.to_start.remove(key);
            if has.needs_a_start(alive > idle) {
                self.queue_in_stop(key, has);
            }
        }
    }

    /// A child has ended so that it would be started again, because another one failed, and meanwhile the scope stops.
    fn between_in_stop(&mut self, key: u64, exit: Exit) {
        let has = self
            .children
            .get(key)
            .map(|child| child.waiting(&self.scope.system.scheduler))
            .unwrap_or_default();
        match !self.dropping && has.needs_a_start(self.scope.alive_in_stop() > 1) {
            true => self.queue_in_stop(key, has),
            false => self.over(key, exit),
        }
    }

    fn queue_in_stop(&mut self, key: u64, has: Waiting) {
        if let Some(child) = self.children.get_mut(key) {
            child.for_others = !has.messages;
        }
        self.queue(key);
    }

    /// Who was hurried because another one failed has the grace of the scope from now on: nobody waits for the next incarnation any
    /// more. Who is removed keeps its time, for somebody waits for its end.
    fn end_hurry(&mut self) {
        let hurried = self.children.iter().filter(|(_, child)| {
            let is_removed = child.state == State::Ending(Then::Over) && !child.draining;
            child.stop_by.is_some() && !is_removed
        });
        let hurried: Vec<u64> = hurried.map(|(key, _)| key).collect();
        for key in hurried {
            if let Some(child) = self.children.get_mut(key) {
                child.stop_by = None;
                child.deaf_at = None;
                child.lineage.end_hurry();
            }
        }
    }

    /// Forgets the children that do not run, and are not to be started.
    fn drop_waiting(&mut self) {
        let to_start = &self.to_start;
        let idle: Vec<u64> = self
            .children
            .iter()
            .filter(|(key, child)| !child.is_alive() && !to_start.contains(*key))
            .map(|(key, _)| key)
            .collect();
        for key in idle.into_iter().rev() {
            self.forget(key);
        }
    }

    /// Looks at everything whose time has come.
    pub(super) fn timers(&mut self) {
        let now = now(&self.scope);
        while let Some(&Reverse((due, key))) = self.timers.peek()
            && due <= now
        {
            self.timers.pop();
            let Some(child) = self.children.get_mut(key) else {
                continue;
            };
            match child.state {
                State::Paused(until) if until <= now => {
                    child.go_to(State::Queued);
                    if !self.to_start.contains(key) {
                        self.start(key);
                    }
                }
                State::Ending(_) => self.look_at_ending(key, due, now),
                _ => {}
            }
        }
        self.go_on();
    }

    /// An incarnation was told to stop, and has not come to its end.
    fn look_at_ending(&mut self, key: u64, due: Instant, now: Instant) {
        let Some(child) = self.children.get(key) else {
            return;
        };
        let late = match child.stop_by {
            Some(end) if end <= now => child.lineage.current(),
            // That of an earlier stop says nothing of this one.
            Some(_) if child.deaf_at != Some(due) => None,
            Some(end) => {
                self.timers.push(Reverse((end, key)));
                match child.starter.is_function() {
                    true => child.lineage.deaf(),
                    false => None,
                }
            }
            // Its time is the grace of the scope.
            None => None,
        };
        match late {
            // It counts for the report of that stop, as who outlasts the grace.
            Some(task) if self.stopping => {
                self.scope.drop_late(&task, task.slot().wait());
            }
            Some(task) => task.kill(),
            None => {}
        }
    }

    /// Does what can be done now, and notes for whom the others wait.
    fn go_on(&mut self) {
        self.do_next();
        let first = match self.to_stop.last() {
            None => self.to_start.first(),
            last => last,
        };
        self.supervisor.book().hold_up(first);
    }

    fn do_next(&mut self) {
        if self.stopping {
            self.start_next();
            self.go_on_stopping();
        } else if self.to_stop.is_empty() {
            self.start_next();
        } else {
            self.stop_next();
        }
    }

    /// Tells the last child of those that must end before others are started.
    fn stop_next(&mut self) {
        let Some(key) = self.to_stop.last() else {
            return;
        };
        let Some(child) = self.children.get_mut(key) else {
            self.to_stop.remove(key);
            return self.do_next();
        };
        if !matches!(child.state, State::Ending(_)) {
            child.go_to(State::Ending(Then::Restart));
        } else if child.stop_by.is_some() {
            return;
        }
        // One that was to end when it had handled what is queued has had all the time for that until others began to wait.
        child.lineage.hurry(&self.scope);
        self.time_to_stop(key);
    }

    /// Its time begins. Told twice, it has no more.
    fn time_to_stop(&mut self, key: u64) {
        let now = now(&self.scope);
        let child = self.children.get_mut(key);
        if let Some(child) = child.filter(|child| child.stop_by.is_none()) {
            let deaf_at = now + child.patience.min(FAR);
            child.stop_by = Some(now + child.shutdown.min(FAR));
            child.deaf_at = Some(deaf_at);
            self.timers.push(Reverse((deaf_at, key)));
        }
    }

    /// Starts the children whose turn has come: each after the one before is ready. A pause holds up its child and those after
    /// it, and nobody before it.
    fn start_next(&mut self) {
        while let Some(key) = self.to_start.first() {
            match self.children.get(key).map(|child| child.state) {
                Some(State::Queued) => {
                    if !self.start(key) {
                        return;
                    }
                }
                Some(State::Starting | State::Paused(_) | State::Ending(Then::Restart)) => return,
                // Who is to end for good will never be ready, and is not waited for.
                Some(State::Up | State::Ending(Then::Over)) | None => {
                    self.to_start.remove(key);
                }
            }
        }
    }

    /// Makes an incarnation. False if other things have to be done first.
    fn start(&mut self, key: u64) -> bool {
        let now = now(&self.scope);
        let Some(child) = self.children.get_mut(key) else {
            return true;
        };
        debug_assert_eq!(child.state, State::Queued, "two incarnations would overlap");
        child.go_to(State::Starting);
        child.since = now;
        if !std::mem::replace(&mut child.made, false)
            && let Some(exit) = child.make()
        {
            self.exited(key, exit);
            return self.stopping || self.to_stop.is_empty();
        }
        let task = child.lineage.current();
        if child.removed {
            self.hurry_to_end(key);
        } else if child.draining {
            child.go_to(State::Ending(Then::Over));
            child.lineage.tell_to_stop(&self.scope, Some(0));
        }
        if let Some(task) = task {
            ScopeInner::launch_child(&task);
        }
        true
    }

    fn go_on_stopping(&mut self) {
        // Who is to see the end of an input, one at a time: also while one that starts waits for another process, for nothing moves.
        while self.told.is_none()
            && let Some((key, input)) = self.ending.pop_last()
        {
            let Some(child) = self.children.get_mut(key) else {
                continue;
            };
            child.lineage.tell_to_stop(&self.scope, input);
            self.released.insert(key);
            self.told = Some(key);
        }
        if self.released.is_empty()
            && self.to_start.is_empty()
            && let Some((key, child)) = self.children.last()
        {
            self.released.insert(key);
            child.lineage.tell_to_stop(&self.scope, None);
        }
    }

    /// A child is not started again: it is forgotten, and everybody learns of it.
    fn over(&mut self, key: u64, exit: Exit) {
        self.to_start.remove(key);
        self.to_stop.remove(key);
        self.has_ended(key);
        self.supervisor.book().remove(key);
        if let Some(child) = self.children.remove(key) {
            let Child {
                lineage,
                starter,
                last,
                ..
            } = child;
            starter.settle(exit);
            lineage.clear();
            drop_quietly(last);
        }
    }

    /// An incarnation has ended: nobody waits for its stop any more.
    fn has_ended(&mut self, key: u64) {
        self.released.remove(key);
        self.ending.remove(key);
        self.told.take_if(|told| *told == key);
    }
}

impl Past {
    /// Counts a failure; false if it is one too many.
    fn count(&mut self, now: Instant, reason: Reason, settings: Settings) -> bool {
        self.intensity.set(settings.limit, settings.window);
        self.reasons.push_back((now, reason));
        while self.reasons.len() > settings.limit.min(REASONS) + 1
            || self
                .reasons
                .front()
                .is_some_and(|&(at, _)| now - at > settings.window)
        {
            drop_quietly(self.reasons.pop_front());
        }
        self.intensity.allows(now)
    }
}

/// Failures that are kept for the error of a scope that gives up, beside the last one.
const REASONS: usize = 63;

/// Drops what belongs to a user, whose destructor may panic.
pub(super) fn drop_quietly(value: impl Any) {
    contain("a destructor", || drop(value));
}

/// How long a child that was told to stop may take, if nothing else is said.
pub(super) const SHUTDOWN: Duration = Duration::from_secs(5);
