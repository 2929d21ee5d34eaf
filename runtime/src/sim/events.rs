//! What happened in a run, one line for each operation, in words.
//!
//! Kept only in the last run of a failure. Nothing in a line depends on addresses, so that it is the same everywhere.

use std::any::type_name;
use std::fmt::Write as _;
use std::panic::Location;
use std::time::Duration;

use crate::channel::head::Side;
use crate::channel::registry::Described;
use crate::scheduler::{Scheduler, worker};
use crate::sim::here;
use crate::sim::labels::Labels;
use crate::sim::rounds;
use crate::sim::values::About;
use crate::task::registry::WaitKind;

/// The events of a run.
#[derive(Debug, Default)]
pub(crate) struct Events {
    lines: Vec<Event>,
    /// The process whose step the last line belongs to.
    last: Option<u32>,
    /// How many lines after the first ones were left away.
    left_away: usize,
}

#[derive(Debug)]
struct Event {
    step: u64,
    nanos: u64,
    process: String,
    what: String,
    number: u32,
    /// As what its process waits if it cannot complete at once; `None` if it never waits.
    kind: Option<WaitKind>,
}

/// The most lines that are kept; of a longer run, the first and the last ones.
const LONGEST: usize = 2000;

/// How many of the first lines of a longer run are kept: what it stands still for may have happened then.
const FIRST: usize = 500;

/// What follows an operation that its process waits for.
const WAITS: &str = " ... waits";

/// What a process does in a `select!` before it has an arm; what follows in the line, if anything, says where it looks first.
pub(super) const SELECT: &str = "select";

/// What a struct process does between two messages.
pub(super) const RECEIVES: &str = "recv its mailbox";

/// What a struct process does with a message.
pub(super) const HANDLES: &str = "handles ";

impl Events {
    /// What is to be known before the first step.
    pub(super) fn begin(&mut self, what: String) {
        self.lines.push(Event {
            step: 0,
            nanos: 0,
            process: String::new(),
            what,
            number: u32::MAX,
            kind: None,
        });
    }

    /// Notes anything that does not wait.
    pub(crate) fn note(
        &mut self,
        scheduler: &Scheduler,
        step: u64,
        number: u32,
        process: String,
        what: String,
    ) {
        self.note_as(scheduler, step, number, process, (what, None));
    }

    /// Notes anything, with what its process waits for if it cannot complete it at once.
    pub(crate) fn note_as(
        &mut self,
        scheduler: &Scheduler,
        step: u64,
        number: u32,
        process: String,
        (what, kind): (String, Option<WaitKind>),
    ) {
        if self.lines.len() == LONGEST {
            self.lines.drain(FIRST..(FIRST + LONGEST) / 2);
            self.left_away += (LONGEST - FIRST) / 2;
        }
        self.last = Some(number);
        self.lines.push(Event {
            step,
            nanos: scheduler.clock.now_nanos(),
            process,
            what,
            number,
            kind,
        });
    }

    /// Whether this is what the last line says.
    pub(super) fn ends_with(&self, what: &str) -> bool {
        self.lines.last().is_some_and(|last| last.what == what)
    }

    /// What has come of an operation: said in its place, if it did not wait.
    pub(super) fn becomes(
        &mut self,
        scheduler: &Scheduler,
        step: u64,
        number: u32,
        process: String,
        (begun, what): (&str, String),
    ) {
        match self.lines.last_mut() {
            Some(last) if last.number == number && last.what == begun => {
                (last.what, last.kind) = (what, None);
            }
            _ => self.note(scheduler, step, number, process, what),
        }
    }

    /// A process answers a call: said where its line says that it handles it, if that is its last. False if it is not.
    pub(super) fn answered(&mut self, process: u32, arrow: &str) -> bool {
        let last = self.lines.last_mut();
        let last = last.filter(|last| last.number == process && last.what.starts_with(HANDLES));
        last.map(|last| last.what.push_str(arrow)).is_some()
    }

    /// The step of a process is over, and it waits for one of these kinds of things. False if no line says so: the last thing that it
    /// did was done at once, and what it waits for is not an operation of its own.
    pub(crate) fn parked(&mut self, process: u32, kinds: u16) -> bool {
        let is_last = self.last.take() == Some(process);
        let last = self.lines.last_mut();
        let last = last.filter(|last| is_last && last.number == process);
        let Some(last) = last else {
            // It did nothing in this step, so nothing is new.
            return !is_last;
        };
        let waits = last.kind.is_some_and(|kind| match kind {
            WaitKind::Select => kinds != 0,
            // A call that was sent waits for its reply.
            WaitKind::Send => kinds & (WaitKind::Send.bit() | WaitKind::Reply.bit()) != 0,
            kind => kinds & kind.bit() != 0,
        });
        if waits {
            last.what.push_str(WAITS);
        }
        waits
    }

    /// Whether the last that a process did was to begin a `select!`, of which nothing says yet what came of it: its line, as far as
    /// that matters.
    pub(super) fn selects(&self, process: u32) -> Option<&str> {
        let mut lines = self.lines.iter().rev();
        let last = lines.find(|event| event.number == process)?;
        let begun = last.what.strip_suffix(WAITS).unwrap_or(&last.what);
        let is_select = begun.starts_with(SELECT) && !begun.contains(" -> ");
        is_select.then_some(begun)
    }

    /// The `select!` of a process looks at this arm first: said where it begins, or after a wait in a line of its own.
    pub(super) fn looks_first(
        &mut self,
        scheduler: &Scheduler,
        step: u64,
        number: u32,
        process: String,
        arm: &str,
    ) {
        if self.selects(number).is_none() {
            return;
        }
        let what = format!("{SELECT} (looks at {arm} first)");
        match self.lines.last_mut() {
            Some(last) if last.number == number && last.what == SELECT => last.what = what,
            _ => self.note_as(
                scheduler,
                step,
                number,
                process,
                (what, Some(WaitKind::Select)),
            ),
        }
    }

    /// What a process waits for: the verb, and the rest of the line, if that was the last that it did. Of a lock that is where it
    /// was asked for, and who had it then.
    pub(super) fn waits_to(&self, process: u32) -> Option<(&str, &str)> {
        let mut lines = self.lines.iter().rev();
        let last = lines.find(|event| event.number == process)?;
        last.what.strip_suffix(WAITS)?.split_once(' ')
    }

    /// The run has failed.
    pub(crate) fn end(&mut self, scheduler: &Scheduler, reason: &str) {
        let step = self.lines.last().map_or(0, |event| event.step);
        let what = format!("=> {reason}");
        self.note(scheduler, step, u32::MAX, String::new(), what);
    }

    /// The lines, each with step, time, process and operation; what comes again and again is shown once.
    pub(crate) fn into_lines(mut self, labels: &Labels) -> Vec<String> {
        for event in &mut self.lines {
            labels.shorten(&mut event.what);
        }
        let width = self.lines.iter().map(|event| event.process.len()).max();
        let width = width.unwrap_or(0);
        let first = match self.left_away {
            0 => self.lines.len(),
            _ => FIRST,
        };
        let (first, last) = self.lines.split_at(first);
        let mut lines = in_rounds(first, width);
        if self.left_away > 0 {
            let left_away = self.left_away;
            lines.push(format!(
                "      ({left_away} lines between these are left away)"
            ));
            lines.extend(in_rounds(last, width));
        }
        lines
    }
}

impl Event {
    fn time(&self) -> String {
        format!("{:?}", Duration::from_nanos(self.nanos))
    }

    fn line(&self, width: usize) -> String {
        let Self {
            step,
            process,
            what,
            ..
        } = self;
        if process.is_empty() {
            return what.clone();
        }
        let time = self.time();
        format!("{step:>5} {time:>8}  {process:<width$}  {what}")
    }
}

/// Lines, with a count in the place of rounds that are the same but for step and time.
fn in_rounds(events: &[Event], width: usize) -> Vec<String> {
    let keys: Vec<_> = events
        .iter()
        .map(|event| (&event.process, &event.what))
        .collect();
    let mut lines = Vec::new();
    let mut shown = 0;
    for round in rounds::split(&keys) {
        let length = round.lines.len();
        shown += length * (round.again + 1);
        lines.extend(events[round.lines].iter().map(|event| event.line(width)));
        if round.again > 0
            && let Some(last) = shown.checked_sub(1).and_then(|at| events.get(at))
        {
            let these = match length {
                1 => "this line".to_owned(),
                _ => format!("these {length} lines"),
            };
            let (again, step, time) = (round.again, last.step, last.time());
            lines.push(format!(
                "      (and {these} {again} more times, until step {step} at {time})"
            ));
        }
    }
    lines
}

/// A process in reports: `worker#3`.
pub(crate) fn name_of(scheduler: &Scheduler, process: u32) -> String {
    match scheduler.registry.slot(process) {
        Some(slot) => format!("{}#{process}", slot.origin().name),
        None => format!("#{process}"),
    }
}

/// What a process is about to do, in words.
pub(crate) fn operation(
    scheduler: &Scheduler,
    process: u32,
    kind: WaitKind,
    object: u64,
    about: &About,
) -> String {
    let channel = || channel(scheduler, process, object);
    match (kind, about) {
        (WaitKind::Send, About::Call(call)) => format!("call {call} of {}", channel()),
        (WaitKind::Send, About::Message(message)) => {
            let place = place_of(scheduler, process, object);
            format!("send {place} <- {message}")
        }
        (WaitKind::Send, About::Room) => format!("ready {}", channel()),
        (WaitKind::Recv, About::Object(name)) => format!("recv {name}"),
        (WaitKind::Send, About::Object(name)) => format!("send {name}"),
        (WaitKind::Lock, About::Object(what)) => what.clone(),
        (WaitKind::Recv, _) => format!("recv {}", channel()),
        (WaitKind::Send, _) => format!("send {}", channel()),
        (WaitKind::Join, _) => match object {
            0 => "join".to_owned(),
            id => format!("join {}", name_of(scheduler, id as u32)),
        },
        (WaitKind::Select, _) => SELECT.to_owned(),
        (WaitKind::Stopping, _) => "wait for its scope to stop".to_owned(),
        (other, _) => format!("{other:?}").to_lowercase(),
    }
}

/// A channel, as `process` sees it, without what goes through it.
pub(super) fn place_of(scheduler: &Scheduler, process: u32, object: u64) -> String {
    place(scheduler, process, object, describe(object).as_ref())
}

/// A channel, as everybody sees it.
pub(super) fn name_of_channel(scheduler: &Scheduler, object: u64) -> String {
    place_of(scheduler, u32::MAX, object)
}

/// That a process has dropped the last endpoint of one side of a channel, and how many messages it took with it. None if it is its
/// own mailbox, in which nothing was left: it ends, and says so.
pub(crate) fn last_of(
    scheduler: &Scheduler,
    process: u32,
    object: u64,
    side: Side,
    unread: usize,
) -> Option<String> {
    let described = describe(object)?;
    let is_mailbox = described.owner.is_some();
    let with_it = match unread {
        0 => String::new(),
        1 => ", and a message that nobody received".to_owned(),
        _ => format!(", and {unread} messages that nobody received"),
    };
    let end = match side {
        Side::Receiver if is_mailbox && unread == 0 => return None,
        Side::Receiver if is_mailbox => {
            let place = place(scheduler, process, object, Some(&described));
            return Some(format!("closes {place}{with_it}"));
        }
        Side::Receiver => "receiver",
        Side::Sender | Side::Weak if is_mailbox => "handle",
        Side::Sender | Side::Weak => "sender",
    };
    let channel = channel(scheduler, process, object);
    Some(format!("drops the last {end} of {channel}{with_it}"))
}

/// A channel, as `process` sees it, and what goes through it.
pub(crate) fn channel(scheduler: &Scheduler, process: u32, object: u64) -> String {
    let described = describe(object);
    let mut text = place(scheduler, process, object, described.as_ref());
    if let Some(channel) = described.filter(|channel| channel.owner.is_none()) {
        let _ = write!(text, ": {}", short_type(channel.message));
    }
    text
}

fn describe(object: u64) -> Option<Described> {
    worker::with(|worker| worker?.channels().describe(object))
}

/// A channel, as `process` sees it.
fn place(scheduler: &Scheduler, process: u32, object: u64, channel: Option<&Described>) -> String {
    match channel {
        None => "a channel".to_owned(),
        Some(channel) => match (&channel.owner, channel.name) {
            (Some(owner), _) if owner.id().index() == process => "its mailbox".to_owned(),
            (Some(owner), _) => name_of(scheduler, owner.id().index()),
            (None, Some(name)) => name.to_owned(),
            (None, None) => here::label(channel.site, Some(object)),
        },
    }
}

/// `[src/bank.rs:7]`
pub(crate) fn at(site: &Location<'_>) -> String {
    here::label(site, None)
}

/// A channel of messages of type `T` that was made at `site`.
pub(crate) fn made_at<T>(site: &Location<'_>) -> String {
    format!("{}: {}", at(site), short_type(type_name::<T>()))
}

/// The end of a path: what says where it is, without what differs from machine to machine.
pub(crate) fn short(path: &str) -> &str {
    let mut parts = path.rmatch_indices(['/', '\\']);
    parts.nth(1).map_or(path, |(at, _)| &path[at + 1..])
}

/// A type without the paths in it.
fn short_type(name: &str) -> String {
    let mut text = String::new();
    for part in name.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
        text.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    text
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{short, short_type};

    #[test]
    fn types_and_paths_are_shown_without_where_they_lie() {
        assert_eq!(short_type("alloc::vec::Vec<a::b::Job>"), "Vec<Job>");
        assert_eq!(
            short_type("(u32, core::option::Option<x::Y>)"),
            "(u32, Option<Y>)"
        );
        assert_eq!(short("/home/me/project/src/bank.rs"), "src/bank.rs");
        assert_eq!(short("bank.rs"), "bank.rs");
    }
}
