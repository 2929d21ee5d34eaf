//! A snapshot as text, for a person: the tree of scopes, the processes in them, and what each waits for.
//!
//! It is computed from the [`Snapshot`] alone, so a saved one reads the same. Equal processes of a scope are one entry with
//! their number; who could end a wait is said where it is known, and otherwise that it is not.
//!
//! **Invariants**
//! - Names of processes, ports, channels and places in the source come from the program; the contents of messages are never in it.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::locks::LockInfo;
use super::model::{
    ChannelInfo, ChildInfo, EdgeInfo, GroupInfo, GroupWait, OtherChannel, ProcessInfo, ScopeInfo,
    Snapshot,
};
use super::words::{
    Alike, count, digits, duration, fill, first_of, kind_words_of, list, not_running, place, span,
    unstarted, words,
};
use crate::blocking::MAX_THREADS;
use crate::numbered::Numbered;
use crate::order::sort_by_key;
use crate::task::ProcessId;
use crate::task::ports::Direction;
use crate::task::registry::WaitKind;

/// Waits of one group that are shown.
const WAITS: usize = 6;
/// Origins of those who could end a wait that are shown.
const ENDERS: usize = 3;
/// Children without a present incarnation, and channels, that are shown for each scope or kind.
const LISTED: usize = 20;

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = View::of(self);
        view.head(f)?;
        let mut lines = Lines { f, left: LINES };
        view.scopes(&mut lines)?;
        if self.scope.is_some() {
            return Ok(());
        }
        view.own(&mut lines)?;
        view.channels(&mut lines)?;
        view.jobs(&mut lines)?;
        lines.line(0, format_args!("messages: {}", self.ledger))?;
        view.left_out(&mut lines)
    }
}

/// The most lines about scopes, processes and channels.
const LINES: usize = 2000;

/// Writes lines until there are too many.
struct Lines<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    left: usize,
}

impl Lines<'_, '_> {
    fn line(&mut self, depth: usize, text: fmt::Arguments<'_>) -> fmt::Result {
        match self.left {
            0 => Ok(()),
            1 => {
                self.left = 0;
                writeln!(self.f, "… there is more; the snapshot has all of it")
            }
            _ => {
                self.left -= 1;
                writeln!(self.f, "{:width$}{text}", "", width = 2 * depth)
            }
        }
    }
}

/// A snapshot with what is needed to find one's way in it.
struct View<'a> {
    snapshot: &'a Snapshot,
    channels: HashMap<u64, &'a ChannelInfo>,
    others: HashMap<u64, &'a OtherChannel>,
    locks: HashMap<u64, &'a LockInfo>,
    alike: Alike<'a>,
    processes: HashMap<ProcessId, &'a ProcessInfo>,
    scopes: Numbered<&'a ScopeInfo>,
    /// The groups of each scope, and those of its supervised children of whom there is something to tell.
    groups: Numbered<Vec<&'a GroupInfo>>,
    children: Numbered<Vec<&'a ChildInfo>>,
    edges: HashMap<u64, Vec<&'a EdgeInfo>>,
    names: HashMap<u32, &'a str>,
}

impl<'a> View<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let mut edges: HashMap<u64, Vec<&EdgeInfo>> = HashMap::new();
        for edge in &snapshot.edges {
            edges.entry(edge.channel).or_default().push(edge);
        }
        let mut groups: Numbered<Vec<&GroupInfo>> = Numbered::default();
        for group in &snapshot.groups {
            groups.get_or_insert_with(group.scope, Vec::new).push(group);
        }
        let mut children: Numbered<Vec<&ChildInfo>> = Numbered::default();
        let told = |child: &&ChildInfo| {
            child.process.is_none() || !child.exits.is_empty() || not_running(child).is_some()
        };
        for child in snapshot.children.iter().filter(told) {
            children
                .get_or_insert_with(child.scope, Vec::new)
                .push(child);
        }
        let channels = snapshot.channels.iter();
        let others = snapshot.others.iter();
        let locks = snapshot.locks.iter();
        let processes = snapshot.processes.iter();
        let scopes = snapshot.scopes.iter();
        let origins = snapshot.origins.iter();
        Self {
            snapshot,
            channels: channels.map(|channel| (channel.id, channel)).collect(),
            others: others.map(|other| (other.id, other)).collect(),
            locks: locks.map(|lock| (lock.id, lock)).collect(),
            alike: Alike::of(snapshot),
            processes: processes.map(|process| (process.id, process)).collect(),
            scopes: scopes.map(|scope| (scope.id, scope)).collect(),
            groups,
            children,
            edges,
            names: origins.map(|origin| (origin.id, &*origin.name)).collect(),
        }
    }

    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.snapshot;
        let groups = snapshot.groups.iter();
        let (alive, runnable) = groups.fold((0, 0), |(alive, runnable), group| {
            (alive + group.alive, runnable + group.runnable)
        });
        let part = snapshot.scope.map_or(String::new(), |scope| {
            format!(", scope number {scope} only")
        });
        writeln!(
            f,
            "system `{}`, up for {}{part}: {} ({} runnable), {}, {}, {}",
            snapshot.system,
            duration(snapshot.uptime),
            count(alive, "process", "processes"),
            digits(runnable),
            count(snapshot.workers.len() as u64, "worker", "workers"),
            count(
                snapshot.channels.len() as u64 + snapshot.truncated.channels,
                "channel",
                "channels"
            ),
            count(snapshot.timers as u64, "timer", "timers"),
        )
    }

    /// The tree of scopes, from those that lie in none of the snapshot.
    fn scopes(&self, lines: &mut Lines<'_, '_>) -> fmt::Result {
        let mut outermost: Vec<&ScopeInfo> = Vec::new();
        let mut inner: Numbered<Vec<&ScopeInfo>> = Numbered::default();
        for scope in self.scopes.values() {
            match scope.parent.filter(|&parent| self.scopes.contains(parent)) {
                Some(parent) => inner.get_or_insert_with(parent, Vec::new).push(scope),
                None => outermost.push(scope),
            }
        }
        let mut open: Vec<(usize, &ScopeInfo)> = Vec::new();
        let push = |open: &mut Vec<(usize, &'a ScopeInfo)>, depth, parent: Option<u64>| {
            let scopes = match parent {
                Some(parent) => inner.get(parent).map_or(&[][..], Vec::as_slice),
                None => &outermost,
            };
            open.extend(scopes.iter().rev().map(|scope| (depth, *scope)));
        };
        push(&mut open, 0, None);
        // Nothing is written any more when all lines are used up.
        while let Some((depth, scope)) = open.pop()
            && lines.left > 0
        {
            self.scope(lines, depth, scope)?;
            push(&mut open, depth + 1, Some(scope.id));
        }
        Ok(())
    }

    fn scope(&self, lines: &mut Lines<'_, '_>, depth: usize, scope: &ScopeInfo) -> fmt::Result {
        let stopping = scope.stopping.map_or(String::new(), |since| {
            let grace = scope.grace.unwrap_or_default();
            let (since, grace) = (duration(since), duration(grace));
            match scope.alive {
                0 => format!(", was told to stop {since} ago"),
                _ => format!(", has been stopping for {since} of its grace of {grace}"),
            }
        });
        let deadline = scope.deadline.map_or(String::new(), |left| {
            format!(", {} left until its deadline", duration(left))
        });
        let failure = scope
            .failure
            .as_ref()
            .map_or(String::new(), |failure| format!(", has failed: {failure}"));
        lines.line(
            depth,
            format_args!(
                "scope `{}` (number {}), {} alive{stopping}{deadline}{failure}",
                scope.name,
                scope.id,
                digits(scope.alive)
            ),
        )?;
        for group in self.groups_of(scope.id) {
            self.group(lines, depth + 1, group)?;
        }
        self.children(lines, depth + 1, scope.id)
    }

    fn groups_of(&self, scope: u64) -> impl Iterator<Item = &'a GroupInfo> {
        let groups = self.groups.get(scope).map_or(&[][..], Vec::as_slice);
        groups.iter().copied()
    }

    /// The body of `main`, which belongs to no scope; what the runtime does itself is only counted.
    fn own(&self, lines: &mut Lines<'_, '_>) -> fmt::Result {
        let (body, own): (Vec<&GroupInfo>, Vec<&GroupInfo>) =
            self.groups_of(0).partition(|group| group.name == "main");
        if body.is_empty() && own.is_empty() {
            return Ok(());
        }
        let own: u64 = own.iter().map(|group| group.alive).sum();
        lines.line(
            0,
            format_args!(
                "in no scope: the body of `main`, and {} of the runtime's own",
                digits(own)
            ),
        )?;
        body.into_iter()
            .try_for_each(|group| self.group(lines, 1, group))
    }

    fn group(&self, lines: &mut Lines<'_, '_>, depth: usize, group: &GroupInfo) -> fmt::Result {
        let site = match &group.site {
            Some(site) => format!(", spawned at {}", place(site)),
            None => String::new(),
        };
        let ages = span(group.youngest, group.oldest);
        if group.alive == 1 {
            let only = self.only(group);
            let name = only.map_or_else(
                || group.name.clone().into_owned(),
                |process| self.process(process.id),
            );
            let again = only
                .filter(|process| process.incarnation > 0)
                .map_or(String::new(), |process| {
                    format!(", incarnation {}", process.incarnation)
                });
            let what = match group.waits.first() {
                Some(wait) => self.wait(wait, 1),
                None if group.unstarted > 0 => self.unstarted(group.scope, only),
                None => "runs, or waits for a worker".to_owned(),
            };
            lines.line(
                depth,
                format_args!("{name}{again}{site} {ages} ago: {what}"),
            )?;
            return self.mailbox(lines, depth + 1, only);
        }
        lines.line(
            depth,
            format_args!("{} × {}{site} {ages} ago", digits(group.alive), group.name),
        )?;
        if group.runnable > 0 {
            let verb = if group.runnable == 1 {
                "runs, or waits"
            } else {
                "run, or wait"
            };
            lines.line(
                depth + 1,
                format_args!("{} {verb} for a worker", digits(group.runnable)),
            )?;
        }
        if group.unstarted > 0 {
            lines.line(depth + 1, format_args!("{}", unstarted(group.unstarted)))?;
        }
        for wait in group.waits.iter().take(WAITS) {
            let example = if wait.count > 1 {
                format!("; longest {}", self.process(wait.example))
            } else {
                String::new()
            };
            let what = self.wait(wait, wait.count);
            lines.line(
                depth + 1,
                format_args!("{} {what}{example}", digits(wait.count)),
            )?;
        }
        let others = group.waits.iter().skip(WAITS);
        let others: u64 = others.map(|wait| wait.count).sum();
        if others > 0 {
            lines.line(
                depth + 1,
                format_args!("{} wait for something else", digits(others)),
            )?;
        }
        Ok(())
    }

    /// Why a supervised child that was made has not started.
    fn unstarted(&self, scope: u64, process: Option<&ProcessInfo>) -> String {
        let children = self.children.get(scope).map_or(&[][..], Vec::as_slice);
        let mut children = children.iter();
        let child =
            process.and_then(|process| children.find(|child| child.process == Some(process.id)));
        child
            .and_then(|child| not_running(child))
            .unwrap_or_else(|| "has not started".to_owned())
    }

    /// The process of a group of one.
    fn only(&self, group: &GroupInfo) -> Option<&'a ProcessInfo> {
        let waits = group.waits.first();
        match waits.and_then(|wait| self.processes.get(&wait.example)) {
            Some(process) => Some(process),
            None => self
                .snapshot
                .processes
                .iter()
                .find(|process| process.scope == group.scope && process.origin == group.origin),
        }
    }

    /// The mailbox of a process, if messages wait in it while it does something else.
    fn mailbox(
        &self,
        lines: &mut Lines<'_, '_>,
        depth: usize,
        process: Option<&ProcessInfo>,
    ) -> fmt::Result {
        let Some(process) = process else {
            return Ok(());
        };
        let mailboxes = self.snapshot.channels.iter();
        let mut own =
            mailboxes.filter(|channel| channel.owner == Some(process.id) && channel.len > 0);
        own.try_for_each(|channel| {
            lines.line(depth, format_args!("its mailbox holds {}", fill(channel)))
        })
    }

    /// The supervised children of a scope that have ended before, or do not run.
    fn children(&self, lines: &mut Lines<'_, '_>, depth: usize, scope: u64) -> fmt::Result {
        let children = self.children.get(scope).map_or(&[][..], Vec::as_slice);
        for child in children.iter().take(LISTED) {
            let now = match (not_running(child), child.process) {
                (Some(not), _) => not,
                (None, Some(process)) => format!("runs as {process}"),
                (None, None) => "does not run now".to_owned(),
            };
            lines.line(
                depth,
                format_args!(
                    "supervised `{}` {now}, {}",
                    child.name,
                    count(u64::from(child.restarts), "restart", "restarts"),
                ),
            )?;
            for exit in &child.exits {
                lines.line(
                    depth + 1,
                    format_args!("{} ago it {}", duration(exit.ago), words(&exit.reason)),
                )?;
            }
        }
        match children.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => lines.line(depth, format_args!("and {more} other supervised children")),
        }
    }

    /// What a wait is for, and who could end it, as the end of a sentence about `count` processes.
    fn wait(&self, wait: &GroupWait, count: u64) -> String {
        let handler = wait
            .handler
            .as_ref()
            .map_or(String::new(), |handler| format!("in `{handler}`, "));
        let verb = if count == 1 { "has" } else { "have" };
        let since = span(wait.shortest, wait.longest);
        let (what, who) = self.awaited(wait);
        format!("{handler}{verb} waited {since} {what}{who}")
    }

    /// What a wait is for; and who could end it.
    fn awaited(&self, wait: &GroupWait) -> (String, String) {
        let object = wait.object.unwrap_or(0);
        let channel = self.channels.get(&object).copied();
        if let Some(other) = self.others.get(&object) {
            return (self.other(wait.kind, other), String::new());
        }
        if let Some(lock) = self.locks.get(&object) {
            return lock.in_words(&self.alike.lock(lock));
        }
        match wait.kind {
            WaitKind::Recv => match channel {
                Some(channel) => (
                    format!("to receive from {}", self.channel(channel)),
                    self.enders(channel, Direction::Out),
                ),
                None => (self.own_channels(wait), String::new())
                    .unless(object != 0, "to receive from a channel that is not listed"),
            },
            WaitKind::Send => match channel {
                Some(channel) => (
                    format!(
                        "for room in {}, which holds {}",
                        self.channel(channel),
                        fill(channel)
                    ),
                    self.enders(channel, Direction::In),
                ),
                None => (
                    "for room, each in another channel".to_owned(),
                    String::new(),
                )
                    .unless(object != 0, "for room in a channel that is not listed"),
            },
            WaitKind::Reply => match channel.and_then(|channel| Some((channel, channel.owner?))) {
                Some((channel, owner)) => (
                    format!("for a reply of {}", self.process(owner)),
                    format!("; its mailbox holds {}", fill(channel)),
                ),
                None => ("for a reply".to_owned(), String::new()),
            },
            WaitKind::Join if wait.process().is_some() => (
                wait.process().map_or_else(String::new, |process| {
                    format!("for the end of {}", self.process(process))
                }),
                String::new(),
            ),
            WaitKind::Scope => match self.scopes.get(object) {
                Some(scope) => (
                    format!("for scope `{}` (number {}) to end", scope.name, scope.id),
                    format!(", which has {} alive", scope.alive),
                ),
                None => ("for a scope to end".to_owned(), String::new()),
            },
            WaitKind::Select => (first_of(wait), String::new()),
            WaitKind::Caller if wait.process().is_some() => (
                wait.process().map_or_else(String::new, |process| {
                    format!("for its caller, {}, to go", self.process(process))
                }),
                String::new(),
            ),
            kind => (kind_words_of(wait, kind), String::new()),
        }
    }

    /// A wait at a channel that is no queue.
    fn other(&self, kind: WaitKind, other: &OtherChannel) -> String {
        let name = self.alike.other(other);
        match kind {
            WaitKind::Send if other.kind.has_room_always() => {
                format!("for whoever receives from {name} to go")
            }
            WaitKind::Send => format!("for room in {name}"),
            _ => format!("to receive from {name}"),
        }
    }

    /// Where each of many receives from another channel.
    fn own_channels(&self, wait: &GroupWait) -> String {
        let example = self.processes.get(&wait.example);
        let object = example
            .and_then(|process| process.wait.as_ref())
            .map_or(0, |wait| wait.object);
        let owner = self.channels.get(&object).and_then(|channel| channel.owner);
        let which = if owner == Some(wait.example) {
            "its own mailbox"
        } else {
            "another channel"
        };
        format!("to receive, each from {which}")
    }

    /// Who holds the other side of a channel.
    fn enders(&self, channel: &ChannelInfo, direction: Direction) -> String {
        let (holders, verb, kind) = match direction {
            Direction::Out => (channel.senders, "fed by", "sender"),
            Direction::In => (channel.receivers, "received by", "receiver"),
        };
        let edges = self.edges.get(&channel.id).into_iter().flatten();
        let held: Vec<&EdgeInfo> = edges
            .filter(|edge| edge.direction == direction)
            .copied()
            .collect();
        let mut texts: Vec<String> = held
            .iter()
            .take(ENDERS)
            .map(|edge| self.edge(edge))
            .collect();
        if held.len() > ENDERS {
            texts.push(format!("{} others", held.len() - ENDERS));
        }
        let mut known: u64 = held.iter().map(|edge| edge.count).sum();
        if direction == Direction::In
            && let Some(owner) = channel.owner
        {
            texts.push(format!("{}, whose mailbox it is", self.process(owner)));
            known += 1;
        }
        if direction == Direction::Out
            && known < holders
            && let Some(sender) = channel.last_sender
            && held.iter().all(|edge| edge.process != Some(sender))
        {
            texts.push(format!(
                "{}, which seems to have sent last",
                self.process(sender)
            ));
            known += 1;
        }
        let elsewhere = holders.saturating_sub(known);
        if elsewhere > 0 {
            let which = count(elsewhere, kind, &format!("{kind}s"));
            texts.push(format!("{which} held where it is not known"));
        }
        if texts.is_empty() {
            return format!("; it has no {kind} any more");
        }
        format!("; {verb} {}", list(&texts))
    }

    fn edge(&self, edge: &EdgeInfo) -> String {
        let name = match edge.process {
            Some(process) => self.process(process),
            None => {
                let name = self.names.get(&edge.origin).copied().unwrap_or("?");
                format!("{} × {name}", digits(edge.count))
            }
        };
        match &edge.port {
            Some(port) => format!("{name} (`{port}`)"),
            None => name,
        }
    }

    fn channel(&self, channel: &ChannelInfo) -> String {
        match (&channel.name, channel.owner) {
            (None, Some(owner)) => format!("the mailbox of {}", self.process(owner)),
            _ => self.alike.queue(channel),
        }
    }

    /// Channels that are full or hold messages, the longest first.
    fn channels(&self, lines: &mut Lines<'_, '_>) -> fmt::Result {
        let mut filled: Vec<&ChannelInfo> = self
            .snapshot
            .channels
            .iter()
            .filter(|channel| channel.len > 0 || channel.blocked_senders > 0)
            .collect();
        if filled.is_empty() {
            return Ok(());
        }
        sort_by_key(&mut filled, |channel| {
            std::cmp::Reverse((channel.blocked_senders, channel.len, channel.id))
        });
        lines.line(
            0,
            format_args!("channels that hold messages, or that senders wait for"),
        )?;
        for channel in filled.iter().take(LISTED) {
            let blocked = match channel.blocked_senders {
                0 => String::new(),
                blocked => format!(
                    ", {} for room",
                    count(blocked.into(), "sender waits", "senders wait")
                ),
            };
            let full = match channel.full_ms {
                0 => String::new(),
                ms => format!(
                    ", full for {} in all",
                    duration(Duration::from_millis(ms.into()))
                ),
            };
            lines.line(
                1,
                format_args!(
                    "{} holds {}{blocked}{full}",
                    self.channel(channel),
                    fill(channel)
                ),
            )?;
        }
        match filled.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => lines.line(1, format_args!("and {more} others")),
        }
    }

    fn jobs(&self, lines: &mut Lines<'_, '_>) -> fmt::Result {
        for (name, lane) in [
            ("blocking", &self.snapshot.blocking),
            ("cpu", &self.snapshot.cpu),
        ] {
            if lane.running.is_empty() && lane.queued == 0 {
                continue;
            }
            lines.line(
                0,
                format_args!(
                    "{name} jobs: {} running, {} queued, {}",
                    lane.running.len(),
                    lane.queued,
                    count(lane.threads as u64, "thread", "threads"),
                ),
            )?;
            let is_full = lane.queued > 0 && lane.running.len() >= lane.threads;
            let why = match name {
                "cpu" if is_full => Some(
                    "every core has one: what is queued waits until one of these returns or waits for a channel; one that waits for anything else is better `blocking`",
                ),
                "blocking" if is_full && lane.threads == MAX_THREADS => Some(
                    "there are no more threads: what is queued waits until one of these returns",
                ),
                _ => None,
            };
            if let Some(why) = why {
                lines.line(1, format_args!("{why}"))?;
            }
            for job in lane.running.iter().take(LISTED) {
                lines.line(
                    1,
                    format_args!(
                        "for {}{}, running for {}",
                        job.name,
                        job.process,
                        duration(job.running_for)
                    ),
                )?;
            }
        }
        Ok(())
    }

    fn left_out(&self, lines: &mut Lines<'_, '_>) -> fmt::Result {
        let left_out = self.snapshot.truncated;
        if left_out == Default::default() {
            return Ok(());
        }
        lines.line(
            0,
            format_args!(
                "only counted: {}, {}, {}",
                count(left_out.processes, "process", "processes"),
                count(left_out.channels, "channel", "channels"),
                count(left_out.edges, "way of messages", "ways of messages"),
            ),
        )
    }

    /// A process by name and number.
    fn process(&self, id: ProcessId) -> String {
        let name = self.processes.get(&id).map(|process| &*process.name);
        let of_child = || {
            let child = self
                .snapshot
                .children
                .iter()
                .find(|child| child.process == Some(id));
            child.map(|child| &*child.name)
        };
        format!("{}{}", name.or_else(of_child).unwrap_or("process "), id)
    }
}

trait Unless {
    fn unless(self, condition: bool, other: &str) -> Self;
}

impl Unless for (String, String) {
    fn unless(self, condition: bool, other: &str) -> Self {
        if condition {
            (other.to_owned(), String::new())
        } else {
            self
        }
    }
}
