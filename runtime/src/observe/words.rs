//! The words of dumps and events: numbers, times, and how a process ended, as a person says them.

use std::collections::HashMap;
use std::time::Duration;

use super::locks::LockInfo;
use super::model::{
    ChannelInfo, ChannelKind, ChildInfo, ChildStage, GroupWait, OtherChannel, Site, Snapshot,
};
use crate::process::exit::Reason;
use crate::task::registry::WaitKind;

/// How an incarnation ended, after "it".
pub(super) fn words(reason: &Reason) -> String {
    reason_with(reason, "")
}

/// How a process ended, as a clause.
pub(crate) fn reason(reason: &Reason) -> String {
    reason_with(reason, "it ")
}

fn reason_with(reason: &Reason, who: &str) -> String {
    let what = match reason.kind.as_str() {
        "ok" => "returned",
        "stopped" => "stopped",
        "killed" => "was killed",
        "panicked" => "panicked",
        _ => "failed",
    };
    // The text of a panic has its place.
    let site = reason.site.as_ref().filter(|_| reason.kind == "failed");
    let site = site.map_or(String::new(), |site| format!(" at {site}"));
    match reason.chain.is_empty() {
        true => format!("{who}{what}{site}"),
        false => format!("{who}{what}{site}: {}", reason.chain.join(": ")),
    }
}

/// Why a supervised child does not run, after "it"; `None` if it does.
pub(super) fn not_running(child: &ChildInfo) -> Option<String> {
    let again = match child.exits.is_empty() {
        true => "",
        false => " again",
    };
    match &child.stage {
        ChildStage::Queued {
            behind: Some(first),
        } => Some(format!(
            "has not started{again}: it waits for `{first}`, which comes before it"
        )),
        ChildStage::Queued { behind: None } => {
            Some(format!("has not started{again}: its turn has not come"))
        }
        ChildStage::Paused { left } => Some(format!(
            "has not started{again}: it backs off for {} more",
            duration(*left)
        )),
        ChildStage::Runs | ChildStage::Starting => None,
    }
}

/// That so many supervised children have not started.
pub(super) fn unstarted(count: u64) -> String {
    let (have, whose) = match count {
        1 => ("has", "its"),
        _ => ("have", "their"),
    };
    format!(
        "{} {have} not started: {whose} turn has not come",
        digits(count)
    )
}

/// What a wait of this kind is for, after "waits".
fn kind_words(kind: WaitKind) -> &'static str {
    match kind {
        WaitKind::Recv => "to receive",
        WaitKind::Send => "for room in a channel",
        WaitKind::Reply => "for a reply",
        WaitKind::Join => "for the end of a process",
        WaitKind::Lock => "for a lock or a permit",
        WaitKind::Timer => "for a timer",
        WaitKind::Select => "for several things",
        WaitKind::Stopping => "for its scope to stop",
        WaitKind::Scope => "for a scope to end",
        WaitKind::Blocking => "for a job on a thread of its own",
        WaitKind::Name => "for a name to be given",
        WaitKind::Caller => "for its caller to go",
        WaitKind::Other => "for something that is not Roundrock's",
    }
}

/// The same, of one of the kinds of such a wait, with the name if it is for one.
pub(super) fn kind_words_of(wait: &GroupWait, kind: WaitKind) -> String {
    match (kind, &wait.name) {
        (WaitKind::Name, Some(name)) => format!("for {}", to_be_given(Some(name))),
        _ => kind_words(kind).to_owned(),
    }
}

/// What a wait for a name is for, after "for".
pub(crate) fn to_be_given(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("the name `{name}` to be given"),
        None => "a name to be given".to_owned(),
    }
}

/// What a `select!` waits for.
pub(super) fn first_of(wait: &GroupWait) -> String {
    let kinds = wait.kinds.iter().map(|&kind| kind_words_of(wait, kind));
    let kinds: Vec<String> = kinds.collect();
    match &kinds[..] {
        [] => "for the first of several".to_owned(),
        [one] => format!("for the first of several, each {one}"),
        kinds => format!("for the first of: {}", kinds.join(", ")),
    }
}

/// Which of the channels of one name and one line is meant.
pub(crate) enum Which {
    /// The only one.
    Only,
    /// The one of this column.
    Column(u32),
    /// This one of them, from 1.
    Number(usize),
}

impl Which {
    /// Of channels with their columns.
    pub(crate) fn of(alike: &[(u64, u32)], channel: (u64, u32)) -> Self {
        let of_column = alike.iter().filter(|(_, column)| *column == channel.1);
        let at = alike.iter().position(|one| *one == channel);
        match (alike.len(), of_column.count(), at) {
            (0 | 1, _, _) => Self::Only,
            (_, 1, _) => Self::Column(channel.1),
            (_, _, Some(at)) => Self::Number(at + 1),
            (_, _, None) => Self::Only,
        }
    }

    /// Something without a name, of so many that were made at this place.
    pub(crate) fn in_words(&self, kind: &str, place: &str, all: usize) -> String {
        match self {
            Self::Only => format!("the {kind} made at {place}"),
            Self::Column(column) => format!("the {kind} made at {place}:{column}"),
            Self::Number(number) => format!("{kind} {number} of {all} made at {place}"),
        }
    }
}

/// The channels and locks of a snapshot by their names and the lines on which they were made, mailboxes left out. Where these are the same for
/// several, the reader is told which of them is meant.
pub(super) struct Alike<'a> {
    channels: HashMap<Made<'a>, Vec<(u64, u32)>>,
    /// None is left out.
    complete: bool,
}

/// The name of a channel, and where it was made.
type Made<'a> = (Option<&'a str>, &'a Site);

impl<'a> Alike<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let mut channels: HashMap<Made<'a>, Vec<_>> = HashMap::new();
        let queues = snapshot
            .channels
            .iter()
            .filter(|channel| channel.owner.is_none());
        for channel in queues {
            let made = (channel.name.as_deref(), &channel.site);
            channels
                .entry(made)
                .or_default()
                .push((channel.id, channel.column));
        }
        for other in &snapshot.others {
            channels
                .entry((None, &other.site))
                .or_default()
                .push((other.id, other.column));
        }
        for lock in &snapshot.locks {
            if let Some(site) = &lock.site {
                let alike = channels.entry((None, site)).or_default();
                alike.push((lock.id, lock.column));
            }
        }
        let complete = snapshot.truncated.channels == 0;
        Self { channels, complete }
    }

    /// A queue that is no mailbox.
    pub(super) fn queue(&self, channel: &ChannelInfo) -> String {
        let made = (channel.name.as_deref(), &channel.site);
        self.name(made, ChannelKind::Queue, (channel.id, channel.column))
    }

    /// A channel of another kind.
    pub(super) fn other(&self, other: &OtherChannel) -> String {
        self.name((None, &other.site), other.kind, (other.id, other.column))
    }

    /// A lock, or a semaphore.
    pub(super) fn lock(&self, lock: &LockInfo) -> String {
        let kind = lock.kind();
        let Some(site) = &lock.site else {
            return format!("a {kind}");
        };
        let alike = self.channels.get(&(None, site));
        let alike = alike.map_or(&[][..], Vec::as_slice);
        Which::of(alike, (lock.id, lock.column)).in_words(kind, &place(site), alike.len())
    }

    fn name(&self, made: Made<'_>, kind: ChannelKind, channel: (u64, u32)) -> String {
        let (kind, mut place) = (kind.in_words(), place(made.1));
        let alike = self.channels.get(&made).map_or(&[][..], Vec::as_slice);
        match Which::of(alike, channel) {
            Which::Only => {}
            Which::Column(column) => place = format!("{place}:{column}"),
            Which::Number(number) => {
                let most = if self.complete { "" } else { "at least " };
                let number = format!("{number} of {most}{}", alike.len());
                return match made.0 {
                    Some(name) => format!("`{name}` ({number} made at {place})"),
                    None => format!("{kind} {number} made at {place}"),
                };
            }
        }
        match made.0 {
            Some(name) => format!("`{name}` ({place})"),
            None => format!("the {kind} of {place}"),
        }
    }
}

pub(crate) fn place(site: &Site) -> String {
    format!("{}:{}", site.file, site.line)
}

/// What a channel holds.
pub(super) fn fill(channel: &ChannelInfo) -> String {
    match channel.capacity {
        Some(0) => "nothing by itself".to_owned(),
        Some(capacity) => format!("{} of {capacity}", channel.len),
        None => format!("{}, without a bound", channel.len),
    }
}

pub(super) fn list(texts: &[String]) -> String {
    match texts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        digits(number),
        if number == 1 { one } else { many }
    )
}

/// A number in groups of three digits.
pub(super) fn digits(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Two times that belong together.
pub(super) fn span(shortest: Duration, longest: Duration) -> String {
    let (shortest, longest) = (duration(shortest), duration(longest));
    if shortest == longest {
        longest
    } else {
        format!("{shortest} to {longest}")
    }
}

/// A time as a person says it: two units at most.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{minutes} min {} s", seconds % 60),
        3600..86_400 => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Duration, count, duration, list};

    #[test]
    fn times_and_numbers_read_well() {
        let times = [3, 4200, 61_000, 7_380_000, 180_000_000].map(Duration::from_millis);
        let shown = times.map(duration);
        assert_eq!(
            shown,
            ["3 ms", "4.2 s", "1 min 1 s", "2 h 3 min", "2 d 2 h"]
        );
        assert_eq!(count(1, "worker", "workers"), "1 worker");
        assert_eq!(
            count(1_234_567, "process", "processes"),
            "1,234,567 processes"
        );
        assert_eq!(count(123, "process", "processes"), "123 processes");
        let texts = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(list(&texts), "a, b and c");
    }
}
