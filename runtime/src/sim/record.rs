//! What is noted of a run for the one who reads it: only in the runs whose events are kept, and only until the failure.

use std::fmt::Write as _;

use crate::channel::head::Side;
use crate::process::exit::{Exit, Fault};
use crate::sim::events::{HANDLES, RECEIVES, channel, last_of, name_of, operation, place_of};
use crate::sim::machine::Machine;
use crate::sim::values::About;
use crate::sync::Ordering;
use crate::task::registry::{Slot, WaitKind};

impl Machine {
    #[inline]
    pub(crate) fn is_recording(&self) -> bool {
        self.recording.get()
    }

    /// From now on nothing is of interest any more: the failure has happened.
    pub(crate) fn stop_recording(&self) {
        self.recording.set(false);
    }

    /// Whether what a process does is of interest to the one who reads the events: it is the body, or belongs to a scope.
    #[inline]
    pub(super) fn is_shown(&self, process: u32) -> bool {
        self.is_recording() && self.is_of_interest(process)
    }

    #[cold]
    fn is_of_interest(&self, process: u32) -> bool {
        !self.ending.get() && !self.is_broken() && {
            let slot = self.scheduler.registry.slot(process);
            let read = slot.and_then(Slot::read);
            read.is_some_and(|(_, about, task)| task.scope().is_some() || about.name == "test")
        }
    }

    /// Notes something that is no operation.
    #[inline]
    pub(crate) fn happens(&self, process: u32, what: impl FnOnce() -> String) {
        if self.is_shown(process) {
            self.note_what(process, what);
        }
    }

    /// As [`happens`](Self::happens), of a process that may have ended in this step.
    pub(super) fn has_happened(&self, process: u32, what: impl FnOnce() -> String) {
        if self.is_recording() && !self.ending.get() && !self.is_broken() {
            self.note_what(process, what);
        }
    }

    #[cold]
    fn note_what(&self, process: u32, what: impl FnOnce() -> String) {
        if let Some(events) = &mut *self.events.borrow_mut() {
            let name = name_of(&self.scheduler, process);
            events.note(&self.scheduler, self.steps.get(), process, name, what());
        }
    }

    /// A process was chosen to run before the one whose turn it was.
    pub(super) fn comes_first(&self, process: u32, before: Option<u32>) {
        self.happens(process, || match before {
            Some(before) if before != process => {
                format!("comes before {}", name_of(&self.scheduler, before))
            }
            _ => "comes first".to_owned(),
        });
    }

    pub(super) fn handles(&self, call: String) {
        let process = self.process.get();
        if self.in_job.get() || !self.is_shown(process) {
            return;
        }
        if let Some(events) = &mut *self.events.borrow_mut() {
            let name = name_of(&self.scheduler, process);
            let what = format!("{HANDLES}{call}");
            events.becomes(
                &self.scheduler,
                self.steps.get(),
                process,
                name,
                (RECEIVES, what),
            );
        }
    }

    /// `None`: the channel is closed; `Some(None)`: there is a message, which cannot be shown.
    pub(super) fn received(&self, object: u64, message: Option<Option<&str>>) {
        let process = self.process.get();
        let begun = operation(
            &self.scheduler,
            process,
            WaitKind::Recv,
            object,
            &About::Unknown,
        );
        let what = match message {
            Some(Some(message)) => format!("recv {} -> {message}", self.place_of(object)),
            // The line of the receive says it, unless it had to wait.
            Some(None) if self.is_last_line(&begun) || begun == RECEIVES => return,
            Some(None) => format!("recv {} -> _", self.place_of(object)),
            // Then it ends, and says so.
            None if begun == RECEIVES => return,
            None => format!("recv {} -> (closed)", self.place_of(object)),
        };
        self.came_of(&begun, what);
    }

    /// A channel, as the running process sees it.
    pub(super) fn place_of(&self, object: u64) -> String {
        place_of(&self.scheduler, self.process.get(), object)
    }

    /// A channel, as the running process sees it, and what goes through it.
    pub(super) fn channel_of(&self, object: u64) -> String {
        channel(&self.scheduler, self.process.get(), object)
    }

    fn is_last_line(&self, what: &str) -> bool {
        let events = self.events.borrow();
        events.as_ref().is_some_and(|events| events.ends_with(what))
    }

    /// What has come of the operation whose line was `begun`.
    pub(super) fn came_of(&self, begun: &str, what: String) {
        let process = self.process.get();
        if self.in_job.get() || !self.is_shown(process) {
            return;
        }
        if let Some(events) = &mut *self.events.borrow_mut() {
            let name = name_of(&self.scheduler, process);
            let step = self.steps.get();
            events.becomes(&self.scheduler, step, process, name, (begun, what));
        }
    }

    /// The process answers the call that it handles, or an earlier one.
    pub(super) fn answers(&self, value: Option<String>, later: bool) {
        let process = self.process.get();
        if self.in_job.get() || !self.is_shown(process) {
            return;
        }
        let arrow = value.map_or(String::new(), |value| format!(" -> {value}"));
        if let Some(events) = &mut *self.events.borrow_mut()
            && (later || !events.answered(process, &arrow))
        {
            let name = name_of(&self.scheduler, process);
            let what = format!("replies{arrow}");
            events.note(&self.scheduler, self.steps.get(), process, name, what);
        }
    }

    pub(super) fn closes(&self, object: u64, side: Side, unread: usize) {
        let process = self.process.get();
        // What a panic drops on its way is of no interest.
        if !std::thread::panicking()
            && let Some(what) = last_of(&self.scheduler, process, object, side, unread)
        {
            self.happens(process, || what);
        }
        self.labels.borrow_mut().side_closes(object);
    }

    /// One of the timers that are due is about to fire: noted if it was another one's turn, or that of a process.
    pub(super) fn timer_fires(&self, deadline: u64, at: usize, passed: Option<u32>) {
        let whose = |at| self.scheduler.timers.process_of(deadline, at);
        let Some(process) = whose(at) else { return };
        let before = match at {
            0 => None,
            _ => Some(match whose(0) {
                Some(first) if first != process => {
                    format!("that of {}", name_of(&self.scheduler, first))
                }
                _ => "an earlier one".to_owned(),
            }),
        };
        let before = before.or_else(|| Some(format!("{} runs", name_of(&self.scheduler, passed?))));
        if let Some(before) = before {
            self.happens(process, || format!("its timer fires before {before}"));
        }
    }

    /// The `select!` of the running process looks at this arm first: noted if that is unusual.
    pub(super) fn looks_first(&self, arm: &str) {
        let process = self.process.get();
        if self.turned.get()
            && self.is_shown(process)
            && let Some(events) = &mut *self.events.borrow_mut()
        {
            let name = name_of(&self.scheduler, process);
            events.looks_first(&self.scheduler, self.steps.get(), process, name, arm);
        }
    }

    /// A `select!` has chosen an arm: noted if what the arm did has no line of its own.
    pub(super) fn selects(&self, arm: &str) {
        let process = self.process.get();
        if self.in_job.get() || !self.is_shown(process) {
            return;
        }
        if let Some(events) = &mut *self.events.borrow_mut()
            && let Some(begun) = events.selects(process).map(str::to_owned)
        {
            let name = name_of(&self.scheduler, process);
            let what = format!("{begun} -> {arm}");
            let step = self.steps.get();
            events.becomes(&self.scheduler, step, process, name, (&begun, what));
        }
    }

    pub(super) fn ended(&self, process: u32, name: &str, exit: &Exit) {
        if let Some(events) = &mut *self.events.borrow_mut() {
            let name = format!("{name}#{process}");
            let mut what = format!("ends: {}", exit.kind());
            let why = exit.fault().map(|fault| match &**fault {
                Fault::Panic(panic) => panic.text().to_owned(),
                fault => fault.to_string(),
            });
            if let Some(why) = why.as_deref().and_then(|why| why.lines().next()) {
                let _ = write!(what, ": {why}");
            }
            events.note(&self.scheduler, self.steps.get(), process, name, what);
        }
    }

    #[inline]
    pub(super) fn parked(&self, process: u32) {
        if self.is_recording() {
            self.note_wait(process);
        }
    }

    #[cold]
    fn note_wait(&self, process: u32) {
        let slot = self.scheduler.registry.slot(process);
        let kinds = slot.map_or(0, |slot| {
            // ORDERING: Relaxed: written by this thread.
            (slot.line.wait.load(Ordering::Relaxed) >> 16) as u16
        });
        let said = match &mut *self.events.borrow_mut() {
            Some(events) => events.parked(process, kinds),
            None => true,
        };
        if !said {
            let kind = slot.map_or(WaitKind::Other, Slot::wait);
            self.happens(process, || format!("waits for {}", in_words(kinds, kind)));
            // The line itself says it.
            if let Some(events) = &mut *self.events.borrow_mut() {
                events.parked(u32::MAX, 0);
            }
        }
    }

    #[inline]
    pub(super) fn note(&self, process: u32, kind: WaitKind, object: u64, about: &About) {
        self.begins(process, kind, || {
            operation(&self.scheduler, process, kind, object, about)
        });
    }

    /// Notes an operation that waits as `kind` if it cannot complete at once.
    #[inline]
    pub(super) fn begins(&self, process: u32, kind: WaitKind, what: impl FnOnce() -> String) {
        if self.is_shown(process) {
            self.note_begin(process, kind, what);
        }
    }

    #[cold]
    fn note_begin(&self, process: u32, kind: WaitKind, what: impl FnOnce() -> String) {
        if let Some(events) = &mut *self.events.borrow_mut() {
            let name = name_of(&self.scheduler, process);
            let step = self.steps.get();
            events.note_as(&self.scheduler, step, process, name, (what(), Some(kind)));
        }
    }
}

/// What a process waits for, in words; `kind` is what it said last.
fn in_words(kinds: u16, kind: WaitKind) -> String {
    const WORDS: [(WaitKind, &str); 8] = [
        (WaitKind::Recv, "a message"),
        (WaitKind::Send, "room in a channel"),
        (WaitKind::Reply, "a reply"),
        (WaitKind::Lock, "a lock"),
        (WaitKind::Timer, "a timer"),
        (WaitKind::Join, "the end of a process"),
        (WaitKind::Scope, "the children of a scope to end"),
        (WaitKind::Blocking, "a job that blocks"),
    ];
    let words = WORDS.iter().filter(|(kind, _)| kinds & kind.bit() != 0);
    let words: Vec<_> = words.map(|&(_, word)| word).collect();
    match (&words[..], kind) {
        ([], WaitKind::Name) => "a name to be given".to_owned(),
        ([], WaitKind::Caller) => "its caller to go".to_owned(),
        ([], _) => "something that is not Roundrock's".to_owned(),
        (words, _) => words.join(" or "),
    }
}
