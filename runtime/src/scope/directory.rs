//! Where names are kept: the seam behind which a directory of several machines can stand.
//!
//! A scope knows nothing of what its names lead to; it asks the [`Names`] of its system. A name is *leased*: its [`Lease`] has a
//! number that only grows in one directory. So whoever had a name can be told from whoever has it now, also when both are far away
//! and one of them has not heard of the other: of two, the higher number is right. [`Local`] is the directory of one system, and
//! the only one there is.
//!
//! **Invariants**
//! - What a name leads to is kept until its lease is released or its scope is forgotten.
//! - Whoever watched a name before it was given is woken. So one that watches, and then looks, misses nothing.
//! - User code (destructors, `clone`, wakers) never runs under the lock.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::Waker;

use crate::process::exit::contain;
use crate::sync::Lock;

/// What a name leads to: a clone of what was registered.
pub(crate) type Entry = Arc<dyn Any + Send + Sync>;

/// The right to a name, with its fencing number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lease(u64);

/// One that waits for a name to be given; zero if it was never registered.
#[derive(Debug, Default)]
pub(crate) struct Watcher(u64);

/// A directory of names.
pub(crate) trait Names: fmt::Debug + Send + Sync {
    /// Gives a name in a scope, unless the scope has it already.
    fn register(&self, scope: u64, name: &str, entry: Entry) -> Option<Lease>;
    /// What has this name in this scope, and by which lease.
    fn find(&self, scope: u64, name: &str) -> Option<(Lease, Entry)>;
    /// Takes back a name, if this lease still holds it.
    fn release(&self, scope: u64, name: &str, lease: Lease) -> bool;
    /// Takes back all names of a scope, and wakes those who watch from there: it stops, or somebody waits for its end.
    fn forget(&self, scope: u64);
    /// Wakes `waker` when the name is given, in whatever scope, or when `scope` is forgotten; until then, and in place of what
    /// `watcher` was registered with before.
    fn watch(&self, scope: u64, name: &str, waker: Waker, watcher: &mut Watcher);
    /// Ends a watch.
    fn unwatch(&self, name: &str, watcher: &mut Watcher);
}

/// The directory of one system.
#[derive(Debug, Default)]
pub(crate) struct Local(Lock<State>);

#[derive(Default)]
struct State {
    /// The number of the last lease.
    leases: u64,
    /// The number of the last watcher.
    watchers: u64,
    given: HashMap<u64, BTreeMap<Box<str>, (Lease, Entry)>>,
    watched: BTreeMap<Box<str>, BTreeMap<u64, Watch>>,
}

/// A watcher's scope, and how to wake it.
type Watch = (u64, Waker);

impl State {
    /// Takes out those who watch a name and are chosen.
    fn take_watches(&mut self, name: &str, chosen: impl Fn(&Watch) -> bool) -> Vec<Waker> {
        let Some(watches) = self.watched.get_mut(name) else {
            return Vec::new();
        };
        let woken = watches
            .extract_if(.., |_, watch| chosen(watch))
            .map(|(_, (_, waker))| waker)
            .collect();
        if watches.is_empty() {
            self.watched.remove(name);
        }
        woken
    }
}

fn wake(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

impl Names for Local {
    fn register(&self, scope: u64, name: &str, entry: Entry) -> Option<Lease> {
        let mut state = self.0.lock();
        let lease = Lease(state.leases + 1);
        let names = state.given.entry(scope).or_default();
        if names.contains_key(name) {
            return None;
        }
        names.insert(name.into(), (lease, entry));
        state.leases = lease.0;
        let woken = state.take_watches(name, |_| true);
        drop(state);
        wake(woken);
        Some(lease)
    }

    fn find(&self, scope: u64, name: &str) -> Option<(Lease, Entry)> {
        self.0.lock().given.get(&scope)?.get(name).cloned()
    }

    fn release(&self, scope: u64, name: &str, lease: Lease) -> bool {
        let mut state = self.0.lock();
        let Some(names) = state.given.get_mut(&scope) else {
            return false;
        };
        if names.get(name).is_none_or(|(held, _)| *held != lease) {
            return false;
        }
        let released = names.remove(name);
        if names.is_empty() {
            state.given.remove(&scope);
        }
        drop(state);
        released.is_some()
    }

    fn forget(&self, scope: u64) {
        let mut state = self.0.lock();
        let forgotten = state.given.remove(&scope);
        let mut woken = Vec::new();
        if !state.watched.is_empty() {
            let watched = mem::take(&mut state.watched);
            for (name, mut watches) in watched {
                let here = watches.extract_if(.., |_, (from, _)| *from == scope);
                woken.extend(here.map(|(_, (_, waker))| waker));
                if !watches.is_empty() {
                    state.watched.insert(name, watches);
                }
            }
        }
        drop(state);
        // First, for what is forgotten has destructors of the user's.
        wake(woken);
        for (_, entry) in forgotten.into_iter().flatten() {
            contain("a destructor", || drop(entry));
        }
    }

    fn watch(&self, scope: u64, name: &str, waker: Waker, watcher: &mut Watcher) {
        let mut state = self.0.lock();
        if watcher.0 == 0 {
            state.watchers += 1;
            watcher.0 = state.watchers;
        }
        let watches = match state.watched.get_mut(name) {
            Some(watches) => watches,
            None => state.watched.entry(name.into()).or_default(),
        };
        let before = watches.insert(watcher.0, (scope, waker));
        drop(state);
        drop(before);
    }

    fn unwatch(&self, name: &str, watcher: &mut Watcher) {
        let number = mem::take(&mut watcher.0);
        if number == 0 {
            return;
        }
        let mut state = self.0.lock();
        let mut left = None;
        if let Some(watches) = state.watched.get_mut(name) {
            left = watches.remove(&number);
            if watches.is_empty() {
                state.watched.remove(name);
            }
        }
        drop(state);
        drop(left);
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.given.iter();
        let given = given.map(|(scope, names)| (scope, names.keys().collect::<Vec<_>>()));
        f.debug_struct("State")
            .field("given", &given.collect::<Vec<_>>())
            .field("watched", &self.watched.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::{Entry, Local, Names, Watcher};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            // ORDERING: Relaxed: a count, on one thread.
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn entry(value: u32) -> Entry {
        Arc::new(value)
    }

    /// An old lease does not take back what somebody else was given since, and every new one has a higher number.
    #[test]
    fn a_lease_releases_only_itself() {
        let names = Local::default();
        let old = names.register(1, "db", entry(1)).expect("it is free");
        assert!(names.register(1, "db", entry(2)).is_none());
        let elsewhere = names.register(2, "db", entry(2)).expect("another scope");
        assert!(elsewhere > old && !names.release(1, "db", elsewhere));
        assert!(names.release(1, "db", old));
        let new = names.register(1, "db", entry(3)).expect("it is free again");
        assert!(new > elsewhere && !names.release(1, "db", old));
        let (lease, found) = names.find(1, "db").expect("the new one has it");
        assert_eq!((lease, found.downcast_ref()), (new, Some(&3_u32)));
        names.forget(1);
        assert!(names.find(1, "db").is_none() && names.find(2, "db").is_some());
        assert!(!names.release(1, "db", new));
    }

    /// A watch is woken once by the name that it is for, or by the end of its scope; one that ends leaves nothing behind.
    #[test]
    fn watches_end() {
        let names = Local::default();
        let count = Arc::new(Count::default());
        // ORDERING: Relaxed: as above.
        let woken = || count.0.load(Ordering::Relaxed);
        let waker = || Waker::from(Arc::clone(&count));
        let (mut one, mut other) = (Watcher::default(), Watcher::default());
        names.watch(1, "db", waker(), &mut one);
        names.watch(1, "db", waker(), &mut one);
        names.watch(2, "db", waker(), &mut other);
        names.register(1, "log", entry(0));
        assert_eq!((woken(), Arc::strong_count(&count)), (0, 3));
        names.forget(2);
        assert_eq!((woken(), Arc::strong_count(&count)), (1, 2));
        names.register(3, "db", entry(1));
        assert_eq!((woken(), Arc::strong_count(&count)), (2, 1));
        names.watch(1, "web", waker(), &mut one);
        names.unwatch("web", &mut one);
        names.unwatch("web", &mut one);
        names.register(1, "web", entry(1));
        assert_eq!((woken(), Arc::strong_count(&count)), (2, 1));
        assert!(names.0.lock().watched.is_empty());
    }
}
