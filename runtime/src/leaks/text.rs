//! The findings for people: for whoever is on call, at night, and has not written the program.
//!
//! One sentence for each kind of process: who it is, what it waits for, and who has the other end. Processes of one kind that wait
//! in the same way share a sentence.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use super::report::{Awaited, Holding, Leak, Proof, Stuck, Verdict};
use crate::observe::Site;
use crate::observe::words::{Which, place, to_be_given};
use crate::order::sort_by_key;
use crate::task::{ProcessId, WaitKind};

/// Names that are listed one by one.
const NAMES: usize = 4;
/// Those of a round that are listed one by one.
const ROUND: usize = 12;

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first_line(f)?;
        let last = self.last_words();
        let kinds = kinds(&self.processes);
        let channels = Channels::of(&self.processes);
        // What is true of all of them is said once.
        let guess = self.is_suspected() || self.is_orphaned();
        let at_end = self.standstill || kinds.len() > 1 && guess;
        let after_each = if at_end { "" } else { &last };
        for kind in &kinds {
            let sentence = Sentence {
                of: kind,
                channels: &channels,
                certain: !guess,
            };
            write!(f, "\n  {sentence}{after_each}")?;
        }
        // Those that share a sentence share their order with nobody.
        if kinds.len() < self.processes.len() {
            self.round(f)?;
        }
        let listed = self.processes.len();
        if self.count > listed {
            write!(f, "\n  and {} more", self.count - listed)?;
        }
        let whom = if self.count == 1 { "it" } else { "them" };
        match self.behind {
            0 => {}
            1 => write!(f, "\n  1 more process waits behind {whom}")?,
            behind => write!(f, "\n  {behind} more processes wait behind {whom}")?,
        }
        if at_end {
            write!(f, "\n  {}", last.trim_start_matches([';', ',', ' ']))?;
        }
        Ok(())
    }
}

impl Leak {
    /// The verdict, and how many processes it is about.
    fn first_line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count;
        let one = count == 1;
        match &self.verdict {
            Verdict::Proven(Proof::Cycle) if one => f.write_str(
                "proven leaked: a process waits for itself, and nobody else can wake it",
            )?,
            Verdict::Proven(Proof::Cycle) => write!(
                f,
                "proven leaked: {count} processes wait for each other, and nobody else can wake them"
            )?,
            Verdict::Proven(Proof::NoWaker) if one => {
                f.write_str("proven leaked: a process waits, and has left its waker with nobody")?
            }
            Verdict::Proven(Proof::NoWaker) => write!(
                f,
                "proven leaked: {count} processes wait, and have left their wakers with nobody"
            )?,
            Verdict::Proven(Proof::Behind { root, name }) => write!(
                f,
                "proven leaked: {} behind {}, which can never run again",
                if one {
                    "a process waits".to_owned()
                } else {
                    format!("{count} processes wait")
                },
                named(name, &[*root]),
            )?,
            Verdict::Stranded => write!(
                f,
                "stranded: only a stop of {} scope can wake {}",
                if one { "its" } else { "their" },
                if one {
                    "a process".to_owned()
                } else {
                    format!("{count} processes")
                },
            )?,
            Verdict::DeadArm if one => f.write_str(
                "dead arm: a process lives, but this arm of its `select!` can never win",
            )?,
            Verdict::DeadArm => write!(
                f,
                "dead arm: {count} processes live, but this arm of their `select!` can never win"
            )?,
            Verdict::LostWakeup { .. } => write!(
                f,
                "internal error: the wakeup of {} was lost, which is a bug in Roundrock and not in this program; please report it",
                if one {
                    "a process".to_owned()
                } else {
                    format!("{count} processes")
                },
            )?,
            Verdict::Orphaned { .. } => self.orphans(f)?,
            Verdict::Suspected { .. } => self.suspects(f)?,
        }
        Ok(())
    }

    /// Who waits for whom, if each waits for the next one and for nobody else, and the last one for the first.
    fn round(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = &self.processes;
        let next = all.iter().cycle().skip(1);
        let waits_for = |(one, next): (&Stuck, &Stuck)| {
            let mut holders = one.waits.iter().flat_map(|wait| &wait.holders).peekable();
            holders.peek().is_some() && holders.all(|holder| holder.process == Some(next.id))
        };
        if all.len() < 3 || all.len() < self.count || !all.iter().zip(next).all(waits_for) {
            return Ok(());
        }
        f.write_str("\n  each waits for the next: ")?;
        for one in all.iter().take(ROUND) {
            write!(f, "{}{} -> ", one.name, one.id)?;
        }
        if all.len() > ROUND {
            write!(f, "{} more -> ", all.len() - ROUND)?;
        }
        write!(f, "{}{}", all[0].name, all[0].id)
    }

    /// How many have waited for how long.
    fn suspects(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.processes.iter().map(|process| process.since).max();
        let (have, up_to) = match self.count {
            1 => ("a process has".to_owned(), ""),
            count => (format!("{count} processes have"), "up to "),
        };
        let all = match self.standstill {
            true => "nothing runs in this program any more, and nothing is due; ",
            false => "",
        };
        let age = age(since.unwrap_or_default());
        write!(f, "suspected: {all}{have} waited for {up_to}{age}")
    }

    /// How many have waited for how long for something that nobody owns any more.
    fn orphans(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.processes.iter().map(|process| process.since).max();
        let age = age(since.unwrap_or_default());
        match self.count {
            1 => write!(
                f,
                "orphaned: a process has waited for {age}, and the owner of what it waits for has ended"
            ),
            count => write!(
                f,
                "orphaned: {count} processes have waited for up to {age}, and the owner of what they wait for has ended"
            ),
        }
    }

    /// What is added to each sentence.
    fn last_words(&self) -> String {
        match &self.verdict {
            Verdict::Suspected { why } if self.standstill => {
                format!("; no proven deadlock, because {why}")
            }
            Verdict::Suspected { why } => format!("; not proven: {why}"),
            Verdict::LostWakeup { why } => format!(", and {why}"),
            Verdict::Orphaned { why } => format!("; {why}"),
            _ => String::new(),
        }
    }
}

/// A time that somebody has waited: `3m 10s`, `2.5 s`, `40 ms`.
fn age(since: Duration) -> String {
    let seconds = since.as_secs();
    match seconds {
        0 => format!("{} ms", since.as_millis()),
        1..60 => format!("{:.1} s", since.as_secs_f64()),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// Processes that can share a sentence, in the order of their first ones.
fn kinds(processes: &[Stuck]) -> Vec<Vec<&Stuck>> {
    let mut kinds: Vec<Vec<&Stuck>> = Vec::new();
    for process in processes {
        let same = |kind: &&mut Vec<&Stuck>| {
            let first = kind[0];
            (&first.name, first.pool) == (&process.name, process.pool)
                && first.site == process.site
                && same_waits(&first.waits, &process.waits)
        };
        match kinds.iter_mut().find(same) {
            Some(kind) => kind.push(process),
            None => kinds.push(vec![process]),
        }
    }
    kinds
}

fn same_waits(one: &[Awaited], other: &[Awaited]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            (one.kind, &one.name, &one.site, &one.made)
                == (other.kind, &other.name, &other.site, &other.made)
                && (&one.asked, &one.at) == (&other.asked, &other.at)
        })
}

/// What is said of processes that wait in the same way.
struct Sentence<'a> {
    of: &'a [&'a Stuck],
    channels: &'a Channels<'a>,
    /// They can never run again.
    certain: bool,
}

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.of[0];
        let ids: Vec<_> = self.of.iter().map(|process| process.id).collect();
        f.write_str(&of_pool(first.pool, named(&first.name, &ids)))?;
        // Where it is now is said once: several such waits are those of one `select!`.
        let now = first.waits.iter().find_map(|wait| wait.at.as_ref());
        let places = [("spawned at", first.site.as_ref()), ("now at", now)];
        let places = places
            .iter()
            .filter_map(|(verb, site)| Some(format!("{verb} {}", place((*site)?))));
        let places: Vec<_> = places.collect();
        if !places.is_empty() {
            write!(f, " ({})", places.join(", "))?;
        }
        let plural = self.of.len() > 1;
        f.write_str(if plural { " wait " } else { " waits " })?;
        if first.waits.is_empty() {
            return f.write_str("for nothing that is known");
        }
        // A set of tasks is one wait for the reader.
        let joins = first.waits.iter().all(|wait| wait.kind == WaitKind::Join);
        if joins && first.waits.len() > 1 {
            let waits = self.of.iter().flat_map(|process| &process.waits);
            let holders = waits.flat_map(|wait| &wait.holders);
            return write_wait(f, &[&first.waits[0]], &holders.collect::<Vec<_>>(), self);
        }
        for (at, wait) in first.waits.iter().enumerate() {
            if at > 0 {
                f.write_str("; or ")?;
            }
            let waits = self.of.iter().filter_map(|process| process.waits.get(at));
            let waits: Vec<_> = waits.collect();
            if wait.kind == WaitKind::Lock {
                write_lock(f, &waits, self.channels)?;
                continue;
            }
            let holders: Vec<_> = waits.iter().flat_map(|wait| &wait.holders).collect();
            write_wait(f, &waits, &holders, self)?;
        }
        Ok(())
    }
}

/// The part of a sentence about one wait, or about those of several processes that are alike.
fn write_wait(
    f: &mut fmt::Formatter<'_>,
    waits: &[&Awaited],
    holding: &[&Holding],
    sentence: &Sentence<'_>,
) -> fmt::Result {
    let wait = waits[0];
    let object = || sentence.channels.name(waits);
    let plural = sentence.of.len() > 1;
    let holders = people(holding, "somebody who is not known");
    // Perhaps the one who waits has it in a local variable, so nobody is accused.
    let nobody_known = holding.iter().all(|holder| holder.process.is_none());
    let whose = |side: &str| match wait.ends {
        // Who has the other end does not matter.
        0 => String::new(),
        1 if nobody_known => format!(", whose only {side} was lent to no process"),
        ends if nobody_known => format!(", whose {ends} {side}s were lent to no process"),
        1 => format!(", whose only {side} is held by {holders}"),
        ends => format!(", whose {ends} {side}s are held by {holders}"),
    };
    let own = if plural {
        "their mailboxes"
    } else {
        "its mailbox"
    };
    match wait.kind {
        WaitKind::Recv if wait.mailbox => {
            write!(f, "for a message in {own}{}", whose("handle"))
        }
        WaitKind::Recv => write!(f, "to receive from {}{}", object(), whose("sender")),
        WaitKind::Send if wait.channel_kind.has_room_always() => {
            write!(f, "for whoever receives from {} to go", object())
        }
        WaitKind::Send if wait.mailbox && wait.ends > 0 => {
            write!(f, "for room in the mailbox of {holders}{}", called(wait))
        }
        WaitKind::Send => write!(f, "for room in {}{}", object(), whose("receiver")),
        WaitKind::Reply => write!(f, "for a reply of {holders}{}", called(wait)),
        WaitKind::Join => write!(f, "for the end of {holders}{}", called(wait)),
        WaitKind::Scope => {
            let is_pool = sentence.of[0].pool;
            match &wait.name {
                Some(_) if is_pool => f.write_str("for its workers")?,
                Some(name) => write!(f, "for the end of scope `{name}`{}", called(wait))?,
                None => write!(f, "for the end of a scope{}", called(wait))?,
            }
            match (sentence.certain, is_pool) {
                (false, _) => Ok(()),
                (true, true) => write!(f, ", of which {holders} cannot end"),
                (true, false) => write!(f, ", in which {holders} cannot end"),
            }
        }
        WaitKind::Stopping => f.write_str("for a stop"),
        WaitKind::Name => write!(f, "for {}", to_be_given(wait.name.as_deref())),
        _ => f.write_str("for something unknown"),
    }
}

/// Where a call was made, and to which handler: ` to `get` (called at src/main.rs:45)`; or where an end is awaited.
fn called(wait: &Awaited) -> String {
    let verb = match wait.kind {
        WaitKind::Join | WaitKind::Scope => "awaited",
        _ => "called",
    };
    let site = wait.asked.as_ref();
    let at = site.map_or_else(String::new, |site| format!(" ({verb} at {})", place(site)));
    match &wait.handler {
        Some(handler) if wait.kind == WaitKind::Send => format!(" for a call of `{handler}`{at}"),
        Some(handler) => format!(" to `{handler}`{at}"),
        None => at,
    }
}

/// The part of a sentence about a lock or a permit that processes asked for at the same place.
fn write_lock(
    f: &mut fmt::Formatter<'_>,
    waits: &[&Awaited],
    channels: &Channels<'_>,
) -> fmt::Result {
    let wait = waits[0];
    let Some(asked) = wait.asked.as_ref().map(place) else {
        return f.write_str("for a lock or a permit");
    };
    let holders: Vec<_> = waits.iter().flat_map(|wait| &wait.holders).collect();
    let ahead: Vec<_> = waits.iter().flat_map(|wait| &wait.ahead).collect();
    let thread = "a plain thread";
    let lock = channels.lock(waits);
    let taken = |site: &Site| (people(&holders, thread), place(site));
    match (wait.permit, wait.site.as_ref().map(taken)) {
        (false, Some((who, site))) => write!(
            f,
            "for {lock} (asked for at {asked}) that is held by {who} (taken at {site})"
        )?,
        (false, None) => write!(f, "for {lock} (asked for at {asked}) that nobody holds")?,
        (true, Some((who, site))) => write!(
            f,
            "for a permit of {lock} (asked for at {asked}), of which some were given to {who} (taken at {site})"
        )?,
        (true, None) => write!(
            f,
            "for a permit of {lock} (asked for at {asked}), of which nobody has any"
        )?,
    }
    let mut ids: Vec<_> = ahead.iter().map(|one| one.process).collect();
    sort_by_key(&mut ids, |id| *id);
    ids.dedup();
    match ids.len() {
        0 => Ok(()),
        1 => write!(
            f,
            ", behind {}, which waits for it too",
            people(&ahead, thread)
        ),
        _ => write!(
            f,
            ", behind {}, which wait for it too",
            people(&ahead, thread)
        ),
    }
}

/// The name of a channel, and where it was made.
type Made<'a> = (Option<&'a str>, &'a Site);

/// The channels and locks that a finding is about, in its order, by their names and the lines on which they were made. Where these are the same
/// for several, the reader is told which of them is meant.
struct Channels<'a>(HashMap<Made<'a>, Vec<(u64, u32)>>);

impl<'a> Channels<'a> {
    fn of(processes: &'a [Stuck]) -> Self {
        let mut channels: HashMap<_, Vec<_>> = HashMap::new();
        for wait in processes.iter().flat_map(|process| &process.waits) {
            let made = match wait.kind {
                WaitKind::Lock => wait.made.as_ref(),
                _ => wait.site.as_ref(),
            };
            if let Some(site) = made.filter(|_| wait.channel != 0) {
                let alike = channels.entry((wait.name.as_deref(), site)).or_default();
                let channel = (wait.channel, wait.column);
                if !alike.contains(&channel) {
                    alike.push(channel);
                }
            }
        }
        Self(channels)
    }

    /// The channel that these wait for, or where all were made for which each of them waits: its name, if it has one, and the place.
    fn name(&self, waits: &[&Awaited]) -> String {
        let wait = waits[0];
        let Some(site) = &wait.site else {
            return match &wait.name {
                Some(name) => format!("\"{name}\""),
                None => "a channel".to_owned(),
            };
        };
        let kind = wait.channel_kind.in_words();
        let place = place(site);
        let (which, all) = self.which(waits, (wait.name.as_deref(), site));
        let Some(name) = &wait.name else {
            return which.in_words(&kind, &place, all);
        };
        match which {
            Which::Only => format!("\"{name}\" ({place})"),
            Which::Column(column) => format!("\"{name}\" ({place}:{column})"),
            Which::Number(number) => format!("\"{name}\" ({number} of {all} made at {place})"),
        }
    }

    /// The lock or the semaphore that these wait for, or where all were made for which each of them waits.
    fn lock(&self, waits: &[&Awaited]) -> String {
        let wait = waits[0];
        let kind = match wait.permit {
            true => "semaphore",
            false => "lock",
        };
        let Some(site) = &wait.made else {
            return format!("a {kind}");
        };
        let place = place(site);
        if waits.iter().any(|other| other.channel != wait.channel) {
            return format!("a {kind} made at {place}");
        }
        let (which, all) = self.which(waits, (None, site));
        which.in_words(kind, &place, all)
    }

    /// Which one these wait for of those that were made there, and how many these are, if they wait for the same one.
    fn which(&self, waits: &[&Awaited], made: Made<'_>) -> (Which, usize) {
        let wait = waits[0];
        let is_one = waits.iter().all(|other| other.channel == wait.channel);
        let alike = self.0.get(&made).filter(|_| is_one);
        let alike = alike.map_or(&[][..], Vec::as_slice);
        let which = Which::of(alike, (wait.channel, wait.column));
        (which, alike.len())
    }
}

/// Names with ids: `sum#7`, `square#3..6`, `client#3, #5 and 12 more`.
fn named(name: &str, ids: &[ProcessId]) -> String {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let mut text = name.to_owned();
    let (Some(&first), Some(&last)) = (ids.first(), ids.last()) else {
        return text;
    };
    if ids.len() > 2 && last.raw() - first.raw() == ids.len() as u64 - 1 {
        let last = last.to_string();
        // Writing to a string cannot fail.
        let _ = write!(text, "{first}..{}", last.trim_start_matches('#'));
        return text;
    }
    let shown: Vec<_> = ids.iter().take(NAMES).map(ToString::to_string).collect();
    text.push_str(&shown.join(", "));
    if ids.len() > NAMES {
        let _ = write!(text, " and {} more", ids.len() - NAMES);
    }
    text
}

/// What stands for a pool has the name of its workers, and is none of them.
fn of_pool(pool: bool, name: String) -> String {
    match pool {
        true => format!("the pool {name}"),
        false => name,
    }
}

/// Several processes by their names, and what to say of others.
fn people(holders: &[&Holding], others: &str) -> String {
    let mut groups: Vec<((&str, bool), Vec<ProcessId>)> = Vec::new();
    for holder in holders {
        let who = (&*holder.name, holder.pool);
        match groups.iter_mut().find(|(known, _)| *known == who) {
            Some((_, ids)) => ids.extend(holder.process),
            None => groups.push((who, holder.process.into_iter().collect())),
        }
    }
    let texts: Vec<_> = groups
        .iter()
        .map(|((name, pool), ids)| match ids.is_empty() {
            // Nobody whom the runtime knows.
            true => others.to_owned(),
            false => of_pool(*pool, named(name, ids)),
        })
        .collect();
    match texts.split_last() {
        None => "nobody".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}
