//! The words of dumps and events: numbers, times, and how a process ended, as a person says them.

use std::time::Duration;

use super::model::{ChannelInfo, ChildInfo, ChildStage, GroupWait, Site};
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
        (WaitKind::Name, Some(name)) => format!("for the name `{name}` to be given"),
        _ => kind_words(kind).to_owned(),
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

pub(super) fn place(site: &Site) -> String {
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
