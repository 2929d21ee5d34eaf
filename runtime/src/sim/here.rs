//! What the runtime asks of the run on this thread, if there is one.
//!
//! While a run is under way, its [`Machine`] is that of its thread. The runtime calls it at the few places where something could
//! happen in several ways: before an operation ([`point`]), for a random number ([`random_below`]), for a timer
//! ([`timer_delay`]), for a job that blocks ([`submit`]). In production none of these places is reached, except [`keeps_quiet`]
//! and [`records`].

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::panic::Location;
use std::rc::Rc;
use std::task::Context;

use crate::blocking::Job;
use crate::channel::head::Side;
use crate::process::exit::Exit;
use crate::scheduler::worker;
use crate::sim::events::{name_of, name_of_channel, short};
use crate::sim::machine::Machine;
use crate::sim::reason::Reason;
use crate::sim::tape::Label;
use crate::sim::values::About;
use crate::task::cell::Header;
use crate::task::current;
use crate::task::registry::{ProcessId, WaitKind};
use crate::task::waker;

/// A name of a scope, and the channels of which it keeps senders.
#[derive(Debug)]
pub(crate) struct Named {
    scope: u64,
    pub(super) name: String,
    pub(super) channels: Vec<u64>,
}

/// More than a `select!` has arms.
const ARMS: u32 = 64;

thread_local! {
    static MACHINE: RefCell<Option<Rc<Machine>>> = const { RefCell::new(None) };
    /// Whether a run is under way on this thread. Apart, because it is asked where something was tried in vain.
    static RUNS: Cell<bool> = const { Cell::new(false) };
    /// Whether panics on this thread are kept quiet. Apart, because it is read in the panic hook.
    static QUIET: Cell<bool> = const { Cell::new(false) };
    /// Whether the run on this thread keeps what happens. Apart, because it is asked where messages pass.
    static RECORDS: Cell<bool> = const { Cell::new(false) };
    /// Whether a value is put in words for the record: what it has of handles and endpoints is shown by its name.
    static SHORT: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, a machine is the machine of this thread.
#[derive(Debug)]
pub(crate) struct Here(());

impl Drop for Here {
    fn drop(&mut self) {
        RUNS.set(false);
        QUIET.set(false);
        RECORDS.set(false);
        // Dropped after the borrow has ended.
        let _machine = MACHINE.take();
    }
}

/// Makes this the machine of the thread.
pub(crate) fn enter(machine: &Rc<Machine>) -> Here {
    RUNS.set(true);
    QUIET.set(machine.quiet);
    RECORDS.set(machine.events.borrow().is_some());
    MACHINE.set(Some(Rc::clone(machine)));
    Here(())
}

/// Calls `f` with the machine of this thread, if a run is under way here.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Rc<Machine>>) -> R) -> R {
    MACHINE.with_borrow(|machine| f(machine.as_ref()))
}

/// Before an operation of a process: whether it goes on. `None` outside of a simulation.
pub(crate) fn point(
    task: &Header,
    cx: &Context<'_>,
    kind: WaitKind,
    object: u64,
    about: &About,
) -> Option<bool> {
    let (goes_on, throws) = with(|machine| {
        let machine = machine?;
        Some(machine.point(task, waker::is_ours(cx), kind, object, about))
    })?;
    if throws {
        throw();
    }
    Some(goes_on)
}

/// After an operation of a process that had not to wait: others may run before it goes on.
pub(crate) fn lags(task: &Header) {
    with(|machine| {
        if let Some(machine) = machine {
            machine.lags(task);
        }
    });
}

/// Before a wait that is no operation on anything, a pause or a job that blocks: a supervised process may panic there too.
#[inline]
pub(crate) fn before_pause(cx: &Context<'_>, what: &str) {
    if is_here() && waker::is_ours(cx) {
        may_throw(what);
    }
}

/// Before a handler begins: a supervised process may panic with the message in its hand.
#[inline]
pub(crate) fn before_handler(name: impl FnOnce() -> &'static str) {
    if is_here() {
        may_throw(name());
    }
}

#[cold]
fn may_throw(what: &str) {
    let throws = current::with_task(|task| {
        with(|machine| {
            task.is_some_and(|task| machine.is_some_and(|run| run.panics(task, || what.to_owned())))
        })
    });
    if throws {
        throw();
    }
}

/// A process has tried something in vain, which it could have waited for: in a loop it would go on for ever.
#[inline]
pub(crate) fn in_vain(what: &str, object: u64) {
    if RUNS.get() {
        tried_in_vain(what, object);
    }
}

#[cold]
#[inline(never)]
fn tried_in_vain(what: &str, object: u64) {
    let spins = with(|machine| machine.is_some_and(|machine| machine.spins(what, object)));
    if spins && !std::thread::panicking() {
        throw();
    }
}

fn throw() -> ! {
    // No message of the panic hook, nor the place of an earlier panic: this is no mistake of anybody's.
    let _ = current::take_panic_site();
    std::panic::resume_unwind(Box::new("a fault that the simulation made"));
}

/// A number that the runtime wants at random: above all, which arm a `select!` looks at first.
///
/// There the boring choice goes round: a loop in which the first arm is always ready comes to the others too, in every run.
#[cold]
pub(crate) fn random_below(n: u32) -> u32 {
    let number = number(Label::Random, n);
    if n > ARMS {
        return number;
    }
    let turn = with(|machine| {
        machine.map_or(0, |machine| {
            machine.turned.set(number != 0);
            machine.turns.replace(machine.turns.get().wrapping_add(1))
        })
    });
    (number + turn % n) % n
}

/// A number that the program wants at random.
///
/// The boring choice is zero, so that failures are shrunk to small numbers; but a program that draws until a number suits it must
/// come to an end in every run, so later it is another number each time, the same in every run.
pub(crate) fn user_number(n: u32) -> u32 {
    let number = number(Label::User, n);
    let (turn, is_plain) = with(|machine| machine.map_or((0, true), |machine| machine.draws()));
    if is_plain {
        return number;
    }
    spread_over(number, turn, n)
}

/// Half of a number that the program wants for its own sake, as a name say: two of them differ in every run.
pub(crate) fn user_word() -> u32 {
    const HALF: u32 = 1 << 16;
    let number = number(Label::User, HALF);
    let (turn, _) = with(|machine| machine.map_or((0, true), |machine| machine.draws()));
    spread_over(number, turn, HALF)
}

fn spread_over(number: u32, turn: u64, n: u32) -> u32 {
    ((u64::from(number) + (spread(turn) >> 32)) % u64::from(n.max(1))) as u32
}

/// Numbers without a pattern, from 0, 1, 2 (SplitMix64: Steele, Lea and Flood, *Fast splittable pseudorandom number generators*,
/// 2014).
fn spread(turn: u64) -> u64 {
    let mut z = turn.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn number(label: Label, n: u32) -> u32 {
    with(|machine| match machine {
        Some(machine) if !machine.ending.get() && n > 1 => {
            let at = machine.place();
            machine.choices.borrow_mut().number(label, n, at)
        }
        _ => 0,
    })
}

/// Whether a process of the test's runs now, and not its body, nor one of the runtime's own.
fn is_in_scope() -> bool {
    current::with_task(|task| task.is_some_and(|task| task.scope().is_some()))
}

/// By how many nanoseconds the timer that is being registered is late.
#[cold]
pub(crate) fn timer_delay() -> u64 {
    with(|machine| match machine {
        Some(machine) if !machine.ending.get() && is_in_scope() => {
            let at = machine.place();
            let faults = machine.faults.borrow();
            let delay = faults.delay(&mut machine.choices.borrow_mut(), at);
            if let Some(delay) = delay {
                machine.happens(machine.process.get(), || {
                    format!("its timer is late by {delay:?}")
                });
            }
            delay.map_or(0, |delay| delay.as_nanos() as u64)
        }
        _ => 0,
    })
}

/// Takes a job that would run on a thread of its own; false outside of a simulation.
pub(crate) fn submit(job: Job) -> bool {
    with(|machine| match machine {
        Some(machine) => {
            machine.take_job(job);
            true
        }
        None => false,
    })
}

/// Notes that the body of the test returned an error.
pub(crate) fn body_failed(error: &crate::Error) {
    with(|machine| {
        if let Some(machine) = machine {
            *machine.body_error.borrow_mut() = Some(Reason::of_error(error));
            machine.happens(machine.process.get(), || {
                format!("returns the error: {error:#}")
            });
            machine.stop_recording();
        }
    });
}

/// A process has failed in a way that its scope does not learn of: the run has failed, unless the body has returned an error before.
#[cold]
pub(crate) fn process_failed(name: impl FnOnce() -> String, exit: &Exit) {
    with(|machine| {
        if let Some(machine) = machine
            && !machine.has_returned_an_error()
        {
            machine.break_off(|| Reason::of_exit(&name(), exit));
        }
    });
}

/// Whether the run on this thread keeps what happens; false outside of a simulation.
#[inline]
pub(crate) fn records() -> bool {
    RECORDS.get()
}

/// Notes that the running process begins to handle a message of its mailbox.
#[cold]
pub(crate) fn handles(call: String) {
    with(|machine| {
        if let Some(machine) = machine {
            machine.handles(call);
        }
    });
}

/// Notes which message the running process has received; `None`: the channel is closed.
pub(crate) fn received<T: 'static>(object: u64, message: Option<&T>) {
    if !records() {
        return;
    }
    let shown = message.map(show);
    with(|machine| {
        if let Some(machine) = machine {
            machine.received(object, shown.as_ref().map(Option::as_deref));
        }
    });
}

/// Lets the run show messages of this type.
#[cold]
pub(crate) fn learn<T: Debug + 'static>() {
    with(|machine| {
        if let Some(machine) = machine {
            machine.values.borrow_mut().learn::<T>();
        }
    });
}

/// A message in words, if the run knows how to show its type.
pub(crate) fn show<T: 'static>(message: &T) -> Option<String> {
    let how = with(|machine| machine?.values.borrow().how::<T>())?;
    Some(how(message))
}

/// Notes that the running process has dropped the last endpoint of one side of a channel, and how many messages nobody received.
#[cold]
pub(crate) fn closes(object: u64, side: Side, unread: usize) {
    with(|machine| {
        if let Some(machine) = machine {
            machine.closes(object, side, unread);
        }
    });
}

/// Where something was made, in words; of a channel or a lock, which one of those that were made there. In the record of a run in
/// full: see `labels`.
pub(crate) fn label(site: &Location<'_>, object: Option<u64>) -> String {
    let in_full = with(|machine| {
        let machine = machine.filter(|_| records())?;
        let mut labels = machine.labels.borrow_mut();
        Some(match object {
            Some(object) => labels.of_object(site, object),
            None => labels.of_site(site),
        })
    });
    in_full.unwrap_or_else(|| format!("[{}:{}]", short(site.file()), site.line()))
}

/// The same of a lock, by where it was first asked for if nobody knows where it was made.
pub(crate) fn label_lock(made: Option<&Location<'_>>, asked: &Location<'_>, object: u64) -> String {
    let known = with(|machine| {
        let machine = machine.filter(|_| records() && made.is_none())?;
        machine.labels.borrow().known(object)
    });
    known.unwrap_or_else(|| label(made.unwrap_or(asked), Some(object)))
}

/// A lock is gone.
#[cold]
pub(crate) fn unlabel(object: u64) {
    with(|machine| {
        if let Some(machine) = machine {
            machine.labels.borrow_mut().object_goes(object);
        }
    });
}

/// Makes a clone, and tells which channels of this worker have more senders by it; none outside of a simulation.
pub(crate) fn watch_clone<T>(clone: impl FnOnce() -> T) -> (T, Vec<u64>) {
    if !is_here() {
        return (clone(), Vec::new());
    }
    let senders = || {
        worker::with(|worker| worker.map_or_else(Vec::new, |worker| worker.channels().senders()))
    };
    let before = senders();
    let value = clone();
    let mut more = senders();
    more.retain(|channel| !before.contains(channel));
    (value, more.into_iter().map(|(object, _)| object).collect())
}

/// Notes that a name of a scope keeps senders of these channels.
pub(crate) fn keeps_name(scope: u64, name: &str, channels: Vec<u64>) {
    with(|machine| {
        if let Some(machine) = machine.filter(|_| !channels.is_empty()) {
            let mut names = machine.names.borrow_mut();
            names.push(Named {
                scope,
                name: name.to_owned(),
                channels,
            });
        }
    });
}

/// Notes that a scope has given up this name, or all.
pub(crate) fn forgets_names(scope: u64, name: Option<&str>) {
    with(|machine| {
        if let Some(machine) = machine {
            let mut names = machine.names.borrow_mut();
            names.retain(|named| {
                named.scope != scope || name.is_some_and(|name| named.name != name)
            });
        }
    });
}

/// Puts a value in words for the record.
pub(crate) fn in_short<R>(words: impl FnOnce() -> R) -> R {
    struct Ends;
    impl Drop for Ends {
        fn drop(&mut self) {
            SHORT.set(false);
        }
    }
    SHORT.set(true);
    let _ends = Ends;
    words()
}

/// A handle or a task in the record of a run, `worker#3`; `None` where it is not put in words for one.
pub(crate) fn short_process(id: impl FnOnce() -> Option<ProcessId>) -> Option<String> {
    if !SHORT.get() {
        return None;
    }
    let id = id();
    let name = |id: ProcessId| {
        with(|machine| machine.map(|machine| name_of(&machine.scheduler, id.index())))
    };
    Some(
        id.and_then(name)
            .unwrap_or_else(|| "an ended process".to_owned()),
    )
}

/// An endpoint of a listed channel in the record of a run, `Sender(jobs)`; `None` where it is not put in words for one.
pub(crate) fn short_endpoint(endpoint: &str, object: u64) -> Option<String> {
    if !SHORT.get() {
        return None;
    }
    let name = |machine: &Rc<Machine>| name_of_channel(&machine.scheduler, object);
    with(|machine| Some(format!("{endpoint}({})", machine.map(name)?)))
}

/// As [`short_endpoint`], of a channel that is in no list, and was made at `site`.
pub(crate) fn short_endpoint_at(
    endpoint: &str,
    name: Option<&str>,
    site: &Location<'_>,
) -> Option<String> {
    SHORT.get().then(|| match name {
        Some(name) => format!("{endpoint}({name})"),
        None => format!("{endpoint}({})", label(site, None)),
    })
}

/// Whether a run is under way on this thread.
pub(crate) fn is_here() -> bool {
    RUNS.get()
}

/// Whether this thread runs a job of a simulation.
pub(crate) fn is_in_job() -> bool {
    with(|machine| machine.is_some_and(|machine| machine.in_job.get()))
}

/// Whether the panic hook says nothing: the run may be one of many that fail in the same way.
pub(crate) fn keeps_quiet() -> bool {
    QUIET.get()
}
