//! What processes do without waiting, for the record of a run: a send or receive that is tried, a value that is set, an answer, a
//! lock that is given back.
//!
//! Every function here costs production one look at [`here::records`], where it is called on the path of a message.

use std::any::type_name;
use std::panic::Location;
use std::time::Duration;

use crate::sim::events::{at, made_at};
use crate::sim::here;
use crate::sim::machine::Machine;
use crate::sim::values::About;
use crate::task::TaskRef;
use crate::task::registry::WaitKind;

/// Notes what the running process does, in words.
#[inline]
pub(crate) fn does(what: impl FnOnce() -> String) {
    if here::records() {
        note(|_| what());
    }
}

#[cold]
#[inline(never)]
fn note(what: impl FnOnce(&Machine) -> String) {
    here::with(|machine| {
        if let Some(machine) = machine
            && !machine.in_job.get()
        {
            let what = what(machine);
            machine.happens(machine.process.get(), || what);
        }
    });
}

/// A send that was tried, and what has come of it: nothing said is that it went well.
#[cold]
#[inline(never)]
pub(crate) fn tried(object: u64, about: &About, outcome: &str) {
    note(|machine| {
        let what = match about {
            About::Call(call) => format!("try_send {call} to {}", machine.place_of(object)),
            About::Message(message) => {
                format!("try_send {} <- {message}", machine.place_of(object))
            }
            _ => format!("try_send {}", machine.channel_of(object)),
        };
        format!("{what}{outcome}")
    });
}

/// A send into room that was kept.
#[cold]
#[inline(never)]
pub(crate) fn sends_into_room<T: 'static>(object: u64, message: &T) {
    let message = here::show(message);
    note(|machine| match message {
        Some(message) => format!("send {} <- {message}", machine.place_of(object)),
        None => format!("send {}", machine.channel_of(object)),
    });
}

/// A receive that was tried.
#[cold]
#[inline(never)]
pub(crate) fn tried_to_receive<T: 'static>(object: u64, received: Result<&T, bool>) {
    let message = received.ok().map(here::show);
    note(|machine| match (received, message.flatten()) {
        (Err(true), _) => format!("try_recv {} -> (closed)", machine.place_of(object)),
        (Err(false), _) => format!("try_recv {} -> (empty)", machine.place_of(object)),
        (Ok(_), Some(message)) => format!("try_recv {} -> {message}", machine.place_of(object)),
        (Ok(_), None) => format!("try_recv {}", machine.channel_of(object)),
    });
}

/// A policy of the channel took a message out of it, or did not let it in.
#[cold]
#[inline(never)]
pub(crate) fn discards(object: u64, newest: bool) {
    note(|machine| {
        let which = if newest {
            "this message"
        } else {
            "the oldest message"
        };
        format!(
            "discards {which} of {}: it is full",
            machine.place_of(object)
        )
    });
}

/// What the running process does with the channel of a kind that is in no list, which was made at `site`; a message in words, if
/// there is one and its type can be shown.
#[cold]
#[inline(never)]
pub(crate) fn gives<T: 'static>(verb: &str, site: &Location<'_>, message: &T) {
    let message = here::show(message);
    note(|_| match message {
        Some(message) => format!("{verb} {} <- {message}", at(site)),
        None => format!("{verb} {}", made_at::<T>(site)),
    });
}

/// As [`gives`], of what comes out there: `Err` says in words why nothing did.
#[cold]
#[inline(never)]
pub(crate) fn takes<T: 'static>(verb: &str, site: &Location<'_>, received: Result<&T, &str>) {
    let message = match received {
        Ok(message) => here::show(message),
        Err(why) => Some(format!("({why})")),
    };
    let begun = format!("{verb} {}", made_at::<T>(site));
    let message = message.unwrap_or_else(|| "_".to_owned());
    here::with(|machine| {
        if let Some(machine) = machine {
            machine.came_of(&begun, format!("{verb} {} -> {message}", at(site)));
        }
    });
}

/// An answer to the call that is handled, or to an earlier one.
#[inline]
pub(crate) fn answers<R: 'static, E: 'static>(answer: Result<&R, &E>, later: bool) {
    if here::records() {
        note_answer(answer, later);
    }
}

#[cold]
#[inline(never)]
fn note_answer<R: 'static, E: 'static>(answer: Result<&R, &E>, later: bool) {
    let nothing = type_name::<R>() == type_name::<()>() && answer.is_ok();
    if nothing && !later {
        return;
    }
    let value = match answer {
        Ok(_) if nothing => None,
        Ok(value) => here::show(value),
        Err(error) => {
            Some(here::show(error).map_or("an error".to_owned(), |error| format!("Err({error})")))
        }
    };
    here::with(|machine| {
        if let Some(machine) = machine {
            machine.answers(value, later);
        }
    });
}

/// A `select!` has chosen an arm.
#[cold]
#[inline(never)]
pub(crate) fn selects(arm: &str) {
    here::with(|machine| {
        if let Some(machine) = machine {
            machine.selects(arm);
        }
    });
}

/// A `select!` begins, and looks at this arm first.
#[cold]
#[inline(never)]
pub(crate) fn looks_first(arm: &str) {
    here::with(|machine| {
        if let Some(machine) = machine {
            machine.looks_first(arm);
        }
    });
}

/// A lock or a permit is given back.
#[cold]
#[inline(never)]
pub(crate) fn unlocks(what: impl FnOnce() -> String) {
    // What a panic drops on its way is of no interest.
    if !std::thread::panicking() {
        does(what);
    }
}

/// A process is told to end, or made to.
#[cold]
#[inline(never)]
pub(crate) fn ends(verb: &str, task: &TaskRef) {
    does(|| {
        format!(
            "{verb} {}#{}",
            task.slot().origin().name,
            task.slot().id().index()
        )
    });
}

/// A pause of its own.
#[cold]
#[inline(never)]
pub(crate) fn sleeps(pause: Duration) {
    here::with(|machine| {
        if let Some(machine) = machine
            && !machine.in_job.get()
        {
            machine.begins(machine.process.get(), WaitKind::Timer, || {
                format!("sleep {pause:?}")
            });
        }
    });
}
