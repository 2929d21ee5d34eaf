//! The queue under all locks: a number of permits, who holds some, and who waits for some.
//!
//! **Invariants** (true whenever the lock is free)
//! - Free permits and those of all holders add up to the total.
//! - The first one who waits wants more than is free: nobody overtakes, so a writer is not starved by readers.
//! - A grant makes the one who waits a holder at once; if its future is dropped before it saw that, the permits are given back.
//! - Wakers are used and dropped outside of the lock.
//!
//! **Who holds a lock is who asked for it**, as long as a guard cannot leave the process that asked. A guard borrows its lock. If all
//! ways to the lock are what processes were lent, the borrow ends with the body of the process, so the guard cannot be given to
//! anybody. Whoever has the lock in a static, in memory that is never freed, or on a plain thread has an `Arc` of it that no process
//! was lent: [`Gate::paths`] counts them all, and the search for leaks compares. Permits of a semaphore own their gate and go
//! anywhere, so nobody knows who holds them.
//!
//! **A lock in a struct that several share** lies in an `Arc` too, in that of the struct: whoever borrows the lock does so through it. A
//! lock that somebody waits for is borrowed, so it stays where it is. So when a process begins to wait, it looks in which of the `Arc`s
//! that it was lent the lock lies ([`Gate::lies_at`]). Behind a pointer of the struct, in a `Box` or a `Vec`, it lies elsewhere, and is not
//! followed.

#![expect(
    unsafe_code,
    reason = "looks where a lock lies in what the polled process was lent"
)]

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::ptr;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, ready};

use crate::numbered::Numbered;
use crate::scheduler::Scheduler;
use crate::sim::events::short;
use crate::sim::values::About;
use crate::sim::{here, told};
use crate::sync::{AtomicU32, Guard, Lock, Ordering};
use crate::task::cell::Header;
use crate::task::ports::{Ports, Region};
use crate::task::registry::WaitKind;
use crate::task::waker::{self, TaskWaker};
use crate::task::{ProcessId, current};

/// Who holds a lock or permits, and since which line of code.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// use roundrock::sync::Mutex;
///
/// let value = Mutex::new(1);
/// let _guard = value.lock().await;
/// let holder = value.holder().context("it is held")?;
/// assert_eq!(holder.permits, 1);
/// assert!(holder.site.file().ends_with(".rs"), "where it was asked for");
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The process that asked; `None` if it was a plain thread.
    pub process: Option<ProcessId>,
    /// Its name.
    pub name: &'static str,
    /// Where it asked.
    pub site: &'static Location<'static>,
    /// How many permits it holds.
    pub permits: u32,
}

impl Holder {
    fn new(site: &'static Location<'static>, permits: u32) -> Self {
        let (process, name) = current::with_task(|task| match task {
            Some(task) => (Some(task.slot().id()), task.slot().origin().name),
            None => (None, ""),
        });
        Self {
            process,
            name,
            site,
            permits,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.process {
            Some(process) => write!(f, "{}{process}", self.name)?,
            None => f.write_str("a plain thread")?,
        }
        write!(f, ", since {}:{}", self.site.file(), self.site.line())
    }
}

/// See the header.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Where the lock was made, or what the standard library called in whose name it was; see [`Gate::site`].
    site: &'static Location<'static>,
    /// How large the value is in the `Arc` below. That may also be one that a process was lent which has waited for a lock in it.
    size: OnceLock<usize>,
    state: Lock<State>,
    /// The `Arc` that the lock lies in, once a process was lent it.
    shared: OnceLock<Weak<dyn Send + Sync>>,
    /// [`MOVED`], [`LISTED`], [`PERMITS`] and [`SHARES`].
    marks: AtomicU32,
}

/// The lock was lent in another `Arc` later, or was found elsewhere.
const MOVED: u32 = 1;
/// It is among the [`Gates`] of a system.
const LISTED: u32 = 2;
/// It is the gate of a semaphore.
const PERMITS: u32 = 4;
/// It is the gate of a lock that several may read at once.
const SHARES: u32 = 8;

/// The gates of the locks that processes of a system were lent or have waited for, by their addresses.
#[derive(Debug)]
pub(crate) struct Gates(Lock<Known>);

#[derive(Debug, Default)]
struct Known {
    gates: HashMap<u64, Weak<Gate>>,
    /// When there are so many, those that are gone are looked for.
    sweep_at: usize,
}

/// The fewest gates that are worth a search for those that are gone.
const SWEEP: usize = 64;

impl Gates {
    pub(crate) fn new() -> Self {
        Self(Lock::new(Known::default()))
    }

    fn add(&self, gate: &Arc<Gate>) {
        let mut known = self.0.lock();
        if known.gates.len() >= known.sweep_at.max(SWEEP) {
            known.gates.retain(|_, gate| gate.strong_count() > 0);
            known.sweep_at = 2 * known.gates.len();
        }
        known.gates.insert(gate.number(), Arc::downgrade(gate));
    }

    /// The gate with this number, if it still exists.
    pub(crate) fn get(&self, number: u64) -> Option<Arc<Gate>> {
        self.0.lock().gates.get(&number)?.upgrade()
    }
}

#[derive(Debug)]
struct State {
    free: u32,
    tickets: u64,
    holders: Holders,
    waiting: VecDeque<Waiting>,
}

/// Holders by their tickets. The first one has a place of its own, because a mutex has no more.
#[derive(Debug, Default)]
struct Holders {
    first: Option<(u64, Holder)>,
    more: Numbered<Holder>,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    holder: Holder,
    waker: TaskWaker,
}

/// Who is at a gate.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) holders: Vec<Holder>,
    /// Who waits, in order, and whether enough permits for him are free: then he waits for his turn.
    pub(crate) waiting: Vec<(Option<ProcessId>, bool)>,
}

/// Whom somebody waits for who waits at a gate.
#[derive(Debug)]
pub(crate) struct Turn {
    /// The one who waits: where he asked, and for how many permits.
    pub(crate) mine: Holder,
    /// Those that hold permits.
    pub(crate) holders: Vec<Holder>,
    /// Those before him in the queue, if he waits for his turn and not for permits. They hold nothing by that.
    pub(crate) ahead: Vec<Holder>,
}

impl Holders {
    fn insert(&mut self, ticket: u64, holder: Holder) {
        if self.first.is_none() {
            self.first = Some((ticket, holder));
        } else {
            self.more.insert(ticket, holder);
        }
    }

    fn all(&self) -> Vec<Holder> {
        let first = self.first.map(|(_, holder)| holder);
        first
            .into_iter()
            .chain(self.more.values().copied())
            .collect()
    }

    fn get(&self, ticket: u64) -> Option<&Holder> {
        match &self.first {
            Some((first, holder)) if *first == ticket => Some(holder),
            _ => self.more.get(ticket),
        }
    }

    fn contains(&self, ticket: u64) -> bool {
        self.get(ticket).is_some()
    }

    fn remove(&mut self, ticket: u64) -> Option<Holder> {
        match self.first {
            Some((first, holder)) if first == ticket => {
                self.first = None;
                Some(holder)
            }
            _ => self.more.remove(ticket),
        }
    }
}

/// Whether a file is one of the standard library.
#[cold]
fn is_of_std(file: &str) -> bool {
    let mut folders = file.split(['/', '\\']);
    folders.any(|folder| folder == "library")
        && matches!(folders.next(), Some("alloc" | "core" | "std"))
        && folders.next() == Some("src")
}

impl Gate {
    /// Of a lock that one may have at a time.
    pub(super) fn of_one(site: &'static Location<'static>) -> Self {
        Self::new(site, 1, 0)
    }

    pub(super) fn of_semaphore(site: &'static Location<'static>, permits: u32) -> Self {
        Self::new(site, permits, PERMITS)
    }

    pub(super) fn of_readers(site: &'static Location<'static>, permits: u32) -> Self {
        Self::new(site, permits, SHARES)
    }

    fn new(site: &'static Location<'static>, permits: u32, marks: u32) -> Self {
        Self {
            site,
            size: OnceLock::new(),
            state: Lock::new(State {
                free: permits,
                tickets: 0,
                holders: Holders::default(),
                waiting: VecDeque::new(),
            }),
            shared: OnceLock::new(),
            marks: AtomicU32::new(marks),
        }
    }

    /// Where the lock was made; `None` if the standard library made it for somebody, as in `Arc::default()` or `map(Mutex::new)`.
    pub(crate) fn site(&self) -> Option<&'static Location<'static>> {
        Some(self.site).filter(|site| !is_of_std(site.file()))
    }

    /// Which lock it is, in the record of a simulation; it is asked for at this place, or was.
    fn label(&self, asked: &Location<'_>) -> String {
        here::label_lock(self.site(), asked, self.number())
    }

    /// What asking for so many permits is called in the record of a simulation.
    fn verb(&self, want: u32) -> &'static str {
        // ORDERING: Relaxed: the mark is there from the beginning.
        match self.marks.load(Ordering::Relaxed) & (PERMITS | SHARES) {
            PERMITS => "acquire",
            SHARES if want == 1 => "read-lock",
            SHARES => "write-lock",
            _ => "lock",
        }
    }

    /// Whether its permits are those of a semaphore, which go anywhere, and not guards of a lock.
    pub(crate) fn is_semaphore(&self) -> bool {
        // ORDERING: Relaxed: the mark is there from the beginning.
        self.marks.load(Ordering::Relaxed) & PERMITS != 0
    }

    /// The number under which processes wait for it.
    pub(crate) fn number(&self) -> u64 {
        std::ptr::from_ref(self).addr() as u64
    }

    /// A process was lent the lock of this gate, in the `Arc` whose value has this address.
    pub(crate) fn lent(
        gate: &Arc<Self>,
        scheduler: &Scheduler,
        address: usize,
        size: usize,
        shared: impl FnOnce() -> Weak<dyn Send + Sync>,
    ) {
        let mut first = false;
        let known = gate.shared.get_or_init(|| {
            first = true;
            let _ = gate.size.set(size);
            shared()
        });
        if first {
            gate.enter_list(scheduler);
        } else if known.as_ptr().addr() != address {
            // ORDERING: Relaxed: whoever lends the lock in its new place publishes this with its ports.
            gate.marks.fetch_or(MOVED, Ordering::Relaxed);
        }
    }

    /// The process that this thread polls is about to wait for the lock, which lies at this place.
    fn lies_at(self: &Arc<Self>, task: &Header, place: usize) {
        let known = self.shared.get().map(|shared| {
            let begin = shared.as_ptr().addr();
            let size = self.size.get().copied().unwrap_or(0);
            (begin..begin + size).contains(&place)
        });
        match known {
            Some(true) => {}
            // ORDERING: Relaxed: the process publishes this when it parks.
            Some(false) => drop(self.marks.fetch_or(MOVED, Ordering::Relaxed)),
            None => {
                let find = |ports: &mut Ports| {
                    // SAFETY: this thread polls the process.
                    unsafe { ports.region_of(place) }
                };
                if let Some(Region { shared, size }) = task.slot().change_ports(find) {
                    // Whoever was first has found the same. The size is there before it is asked for.
                    let _ = self.size.set(size);
                    let _ = self.shared.set(shared);
                }
            }
        }
    }

    /// Enters the list of a system, where a stop looks for who holds the lock. It is in one list at most: those of another system
    /// who wait for it wait for the outside.
    fn enter_list(self: &Arc<Self>, scheduler: &Scheduler) {
        // ORDERING: Relaxed (both): who sets the mark adds it; the list has a lock of its own.
        let listed = self.marks.load(Ordering::Relaxed) & LISTED != 0
            || self.marks.fetch_or(LISTED, Ordering::Relaxed) & LISTED != 0;
        if !listed {
            scheduler.gates.add(self);
        }
    }

    /// The address of what lies in the `Arc` that the lock lies in, and how many of those there are: all ways to the lock. `None` if
    /// there could be others. Weak ones do not matter: whoever makes a strong one of such has no guard yet.
    pub(crate) fn paths(&self) -> Option<(u64, u64)> {
        let shared = self.shared.get()?;
        // ORDERING: Relaxed: see `lent`.
        let known = self.marks.load(Ordering::Relaxed) & MOVED == 0;
        let address = shared.as_ptr().addr() as u64;
        known.then(|| (address, shared.strong_count() as u64))
    }

    /// Who holds permits, and who waits, at this moment.
    pub(crate) fn queue(&self) -> Queue {
        let state = self.state.lock();
        let waiting = state.waiting.iter().map(|one| {
            // With too few free permits nothing goes on before somebody gives some back, whoever leaves the queue.
            (one.holder.process, one.holder.permits <= state.free)
        });
        Queue {
            holders: state.holders.all(),
            waiting: waiting.collect(),
        }
    }

    /// The processes that could let this one go on, which waits here: some that hold permits, and, if it waits for its turn and
    /// not for permits, those before it in the queue. `None` if it does not wait, or if a plain thread is among them.
    pub(crate) fn before(&self, process: ProcessId) -> Option<Vec<ProcessId>> {
        let turn = self.turn(process)?;
        let all = turn.holders.iter().chain(&turn.ahead);
        all.map(|holder| holder.process).collect()
    }

    /// Whom this process waits for here; `None` if it does not wait.
    pub(crate) fn turn(&self, process: ProcessId) -> Option<Turn> {
        let state = self.state.lock();
        let mine = |one: &Waiting| one.holder.process == Some(process);
        let at = state.waiting.iter().position(mine)?;
        let mine = state.waiting[at].holder;
        // With too few free permits nothing goes on before somebody gives some back, whoever leaves the queue.
        let ahead = if mine.permits <= state.free { at } else { 0 };
        let ahead = state.waiting.iter().take(ahead);
        Some(Turn {
            mine,
            holders: state.holders.all(),
            ahead: ahead.map(|one| one.holder).collect(),
        })
    }

    /// What this process should have been woken for, which waits here and is parked.
    pub(crate) fn owes(&self, process: ProcessId) -> Option<&'static str> {
        let state = self.state.lock();
        let mine = |one: &Waiting| one.holder.process == Some(process);
        match state.waiting.iter().position(mine) {
            Some(0) if state.waiting[0].holder.permits <= state.free => Some("the lock is free"),
            Some(_) => None,
            // One that is in neither list has given up, by dropping the future.
            None => {
                let held = state.holders.all();
                let has_it = held.iter().any(|one| one.process == Some(process));
                has_it.then_some("it was given the lock")
            }
        }
    }

    pub(super) fn free(&self) -> u32 {
        self.state.lock().free
    }

    pub(super) fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    pub(crate) fn holders(&self) -> Vec<Holder> {
        self.state.lock().holders.all()
    }

    /// Where a ticket that holds permits asked for them.
    #[cold]
    fn site_of(&self, ticket: u64) -> Option<&'static Location<'static>> {
        Some(self.state.lock().holders.get(ticket)?.site)
    }

    /// Takes permits if nobody waits and enough are free.
    fn try_enter(&self, site: &'static Location<'static>, want: u32) -> Option<u64> {
        let holder = Holder::new(site, want);
        let mut state = self.state.lock();
        (state.waiting.is_empty() && state.free >= want).then(|| state.enter(holder))
    }

    /// Gives up what a ticket holds, or its place in the queue.
    fn leave(&self, ticket: u64) {
        let mut state = self.state.lock();
        let mut left = None;
        match state.holders.remove(ticket) {
            Some(holder) => state.free += holder.permits,
            None => {
                let at = state.waiting.iter().position(|one| one.ticket == ticket);
                left = at.and_then(|at| state.waiting.remove(at));
            }
        }
        Self::grant(state);
        drop(left);
    }

    /// Hands free permits to those who waited longest.
    fn grant(mut state: Guard<'_, State>) {
        let mut granted = Vec::new();
        while let Some(first) = state.waiting.front()
            && first.holder.permits <= state.free
            && let Some(first) = state.waiting.pop_front()
        {
            state.free -= first.holder.permits;
            state.holders.insert(first.ticket, first.holder);
            granted.push(first.waker);
        }
        drop(state);
        granted.into_iter().for_each(TaskWaker::wake);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if here::records() {
            // Another lock may come to lie in the same memory.
            here::unlabel(self.number());
        }
    }
}

#[cfg(all(test, not(loom)))]
impl Gate {
    /// Takes the lock from who has it, and forgets who waits: a mistake, to see it found.
    pub(crate) fn give_to_nobody(&self) {
        let mut state = self.state.lock();
        if let Some((_, holder)) = state.holders.first.take() {
            state.free += holder.permits;
        }
    }
}

impl State {
    fn enter(&mut self, holder: Holder) -> u64 {
        self.tickets += 1;
        self.free -= holder.permits;
        self.holders.insert(self.tickets, holder);
        self.tickets
    }
}

/// Permits that are held, of a gate behind `G`.
#[derive(Debug)]
pub(super) struct Lease<G: Borrow<Arc<Gate>>> {
    gate: G,
    ticket: u64,
}

impl<G: Borrow<Arc<Gate>>> Lease<G> {
    pub(super) fn try_new(gate: G, site: &'static Location<'static>, want: u32) -> Option<Self> {
        let entered = gate.borrow().try_enter(site, want);
        let Some(ticket) = entered else {
            let what = match gate.borrow().is_semaphore() {
                true => "try_acquire",
                false => "try_lock",
            };
            here::in_vain(what, 0);
            return None;
        };
        Some(Self { gate, ticket })
    }
}

impl<G: Borrow<Arc<Gate>>> Drop for Lease<G> {
    fn drop(&mut self) {
        if here::records() {
            let gate = self.gate.borrow();
            let verb = if gate.is_semaphore() {
                "release"
            } else {
                "unlock"
            };
            if let Some(asked) = gate.site_of(self.ticket) {
                told::unlocks(|| format!("{verb} {}", gate.label(asked)));
            }
        }
        self.gate.borrow().leave(self.ticket);
    }
}

/// Waits for permits.
#[derive(Debug)]
pub(super) struct Acquire<G: Borrow<Arc<Gate>>> {
    /// `None` when the permits were handed out.
    gate: Option<G>,
    site: &'static Location<'static>,
    want: u32,
    /// Zero before the first poll.
    ticket: u64,
}

impl<G: Borrow<Arc<Gate>>> Acquire<G> {
    pub(super) fn new(gate: G, site: &'static Location<'static>, want: u32) -> Self {
        Self {
            gate: Some(gate),
            site,
            want,
            ticket: 0,
        }
    }

    /// What is asked for and where, and who has it.
    fn describe(&self) -> String {
        let Some(gate) = self.gate.as_ref().map(G::borrow) else {
            return "lock".to_owned();
        };
        let holders = match gate.site_of(self.ticket) {
            // It was this one's turn.
            Some(_) => Vec::new(),
            None => gate.holders(),
        };
        let holders: Vec<String> = holders
            .iter()
            .map(|holder| match holder.process {
                Some(process) => format!("{}#{}", holder.name, process.index()),
                None => "a plain thread".to_owned(),
            })
            .collect();
        let (verb, lock) = (gate.verb(self.want), gate.label(self.site));
        let mut text = format!(
            "{verb} {lock} at {}:{}",
            short(self.site.file()),
            self.site.line()
        );
        if !holders.is_empty() {
            text = format!("{text}, held by {}", holders.join(", "));
        }
        text
    }

    fn poll_ticket(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(gate) = self.gate.as_ref().map(G::borrow) else {
            return Poll::Pending;
        };
        let holder = Holder::new(self.site, self.want);
        let _spare = waker::prepare(cx);
        let mut state = gate.state.lock();
        if state.holders.contains(self.ticket) {
            return Poll::Ready(());
        }
        let mut old = None;
        if self.ticket == 0 {
            if state.waiting.is_empty() && state.free >= self.want {
                self.ticket = state.enter(holder);
                return Poll::Ready(());
            }
            state.tickets += 1;
            self.ticket = state.tickets;
            state.waiting.push_back(Waiting {
                ticket: self.ticket,
                holder,
                waker: TaskWaker::of(cx),
            });
        } else {
            let ticket = self.ticket;
            let mine = state.waiting.iter_mut().find(|one| one.ticket == ticket);
            if let Some(mine) = mine.filter(|mine| !mine.waker.is(cx)) {
                old = Some(std::mem::replace(&mut mine.waker, TaskWaker::of(cx)));
                mine.holder = holder;
            }
        }
        drop(state);
        drop(old);
        // A guard borrows the field of its lock that points to the gate; a permit has a pointer of its own.
        let place = ptr::from_ref(gate).addr();
        current::with_task(|task| {
            if let Some(task) = task {
                let is_polled = current::address() == ptr::from_ref(task).addr();
                if is_polled && !gate.is_semaphore() {
                    gate.lies_at(task, place);
                }
                gate.enter_list(task.scheduler());
            }
        });
        current::waits_for(WaitKind::Lock, gate.number());
        Poll::Pending
    }
}

impl<G: Borrow<Arc<Gate>> + Unpin> Future for Acquire<G> {
    type Output = Lease<G>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Lease<G>> {
        let object = self.gate.as_ref().map_or(0, |gate| gate.borrow().number());
        let about = || About::object(|| self.describe());
        ready!(current::spend_for(cx, WaitKind::Lock, || object, about));
        let waited = self.ticket != 0;
        ready!(self.poll_ticket(cx));
        let ticket = self.ticket;
        let Some(gate) = self.gate.take() else {
            return Poll::Pending;
        };
        let lease = Lease { gate, ticket };
        if !waited {
            current::lags();
        }
        Poll::Ready(lease)
    }
}

impl<G: Borrow<Arc<Gate>>> Drop for Acquire<G> {
    fn drop(&mut self) {
        if let Some(gate) = &self.gate
            && self.ticket != 0
        {
            gate.borrow().leave(self.ticket);
        }
    }
}
