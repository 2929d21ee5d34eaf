//! Hooks: being told of what processes do, while it happens.
//!
//! What is watched is one bitmask for the whole program, which is read where something could be told: so a program that
//! watches nothing pays a load and a test, and no build without the hooks is needed. The mask and the list of watchers are
//! statics; what they see belongs to the systems, of which there may be several.

use std::sync::{Arc, PoisonError, RwLock};

use crate::sync::Ordering;
use crate::task::registry::{ProcessId, WaitKind};
use crate::task::{TaskRef, cell::Header};

/// What to watch: one or several of the constants, joined with `|`.
///
/// # Examples
/// ```
/// use roundrock::observe::Hooks;
///
/// let ends = Hooks::SPAWN | Hooks::EXIT;
/// assert_ne!(ends, Hooks::ALL);
/// assert_eq!(ends | Hooks::POLL | Hooks::PARK, Hooks::ALL);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hooks(u32);

impl Hooks {
    /// A process was spawned.
    pub const SPAWN: Self = Self(1);
    /// A process has ended.
    pub const EXIT: Self = Self(2);
    /// A process is about to be polled.
    pub const POLL: Self = Self(4);
    /// A process was polled, and waits.
    pub const PARK: Self = Self(8);
    /// All of them.
    pub const ALL: Self = Self(15);

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl std::ops::BitOr for Hooks {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a process did.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// use roundrock::observe::{Hooks, watch};
/// use std::sync::{Arc, Mutex};
///
/// # fn main() -> Result<()> {
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let list = Arc::clone(&seen);
/// let watching = watch(Hooks::SPAWN | Hooks::EXIT, move |event| {
///     if event.name == "this one" {
///         list.lock().expect("no panic").push((event.hook, event.system.clone()));
///     }
/// });
/// System::builder().workers(1).name("shop").run(async |scope| {
///     scope.task("this one", async {}).await?;
///     Ok(())
/// })?;
/// drop(watching);
/// let seen = seen.lock().expect("no panic");
/// assert_eq!(*seen, [(Hooks::SPAWN, "shop".to_owned()), (Hooks::EXIT, "shop".to_owned())]);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProcessEvent {
    /// Which of the hooks this is.
    pub hook: Hooks,
    /// The system's name.
    pub system: String,
    /// The process.
    pub process: ProcessId,
    /// Its name.
    pub name: &'static str,
    /// What it waits for, when it parks.
    pub wait: Option<WaitKind>,
}

type Watcher = Arc<dyn Fn(&ProcessEvent) + Send + Sync>;

/// A plain atomic, not one that loom watches: it is a static, and orders nothing.
static MASK: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
static WATCHERS: RwLock<Vec<(Hooks, Watcher)>> = RwLock::new(Vec::new());

/// Calls `tell` for what `hooks` name, in all systems of this program, until the result is dropped.
///
/// It is called by the worker, in the middle of its work: it must be quick, and must not wait. A panic in it is caught and
/// reported, and has no other effect.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// use roundrock::observe::{Hooks, watch};
/// use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
///
/// # fn main() -> Result<()> {
/// let exits = Arc::new(AtomicUsize::new(0));
/// let count = Arc::clone(&exits);
/// let watching = watch(Hooks::EXIT, move |event| {
///     if event.name == "mine" { count.fetch_add(1, Ordering::Relaxed); }
/// });
/// System::builder().workers(2).run(async |scope| {
///     for _ in 0..3 {
///         let _ = scope.task("mine", async {});
///     }
///     Ok(())
/// })?;
/// drop(watching);
/// assert_eq!(exits.load(Ordering::Relaxed), 3);
/// # Ok(()) }
/// ```
pub fn watch(hooks: Hooks, tell: impl Fn(&ProcessEvent) + Send + Sync + 'static) -> Watching {
    let watcher: Watcher = Arc::new(tell);
    let mut watchers = WATCHERS.write().unwrap_or_else(PoisonError::into_inner);
    watchers.push((hooks, Arc::clone(&watcher)));
    set_mask(&watchers);
    Watching(watcher)
}

fn set_mask(watchers: &[(Hooks, Watcher)]) {
    let mask = watchers.iter().fold(0, |mask, (hooks, _)| mask | hooks.0);
    // ORDERING: Relaxed: whoever reads it goes on to the lock of the watchers.
    MASK.store(mask, Ordering::Relaxed);
}

/// Ends a [`watch`] when it is dropped.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// use roundrock::observe::{Hooks, watch};
/// use std::sync::{Arc, Mutex};
///
/// # fn main() -> Result<()> {
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let list = Arc::clone(&seen);
/// let watching = watch(Hooks::EXIT, move |event| {
///     list.lock().expect("no panic").push(event.process);
/// });
/// drop(watching);                             // nothing is told any more
/// System::builder().workers(1).run(async |_scope| Ok(()))?;
/// assert!(seen.lock().expect("no panic").is_empty());
/// # Ok(()) }
/// ```
#[must_use = "dropping it ends the watch"]
pub struct Watching(Watcher);

impl Drop for Watching {
    fn drop(&mut self) {
        let mut watchers = WATCHERS.write().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|(_, watcher)| !Arc::ptr_eq(watcher, &self.0));
        set_mask(&watchers);
    }
}

impl std::fmt::Debug for Watching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watching").finish_non_exhaustive()
    }
}

/// Tells those who watch for it what a process did.
#[inline]
pub(crate) fn tell(hook: Hooks, task: &Header, wait: Option<WaitKind>) {
    // ORDERING: Relaxed: see `set_mask`.
    if Hooks(MASK.load(Ordering::Relaxed)).has(hook) {
        tell_all(hook, task, wait);
    }
}

#[cold]
fn tell_all(hook: Hooks, task: &Header, wait: Option<WaitKind>) {
    if task.lineage().is_some() && task.scope().is_none() {
        // The task of a supervised child as a whole is no process; its incarnations are.
        return;
    }
    let event = ProcessEvent {
        hook,
        system: task.system().name().to_owned(),
        process: task.slot().id(),
        name: task.slot().origin().name,
        wait,
    };
    let wanted: Vec<Watcher> = WATCHERS
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .filter(|(hooks, _)| hooks.has(hook))
        .map(|(_, watcher)| Arc::clone(watcher))
        .collect();
    for watcher in wanted {
        // UNWIND: the watcher is not ours; nothing of ours is half done.
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| watcher(&event)));
        if told.is_err() {
            tracing::error!(target: "roundrock::observe", hook = ?hook, "a watcher panicked");
        }
    }
}

/// As [`tell`], for a task that is referred to.
pub(crate) fn tell_of(hook: Hooks, task: &TaskRef) {
    tell(hook, task, None);
}
