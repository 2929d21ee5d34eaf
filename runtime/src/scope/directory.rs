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

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
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

impl Watcher {
    /// Its number, by which a process says what it waits for.
    pub(crate) fn number(&self) -> u64 {
        self.0
    }
}

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
    /// Wakes `waker` when the name is given to something of the wanted type in one of these scopes, or when the first of them is
    /// forgotten; until then, and in place of what `watcher` was registered with before. They are asked for when it is registered
    /// first. Returns what the name was given to since: it may be taken back already.
    fn watch(
        &self,
        around: &mut dyn Iterator<Item = u64>,
        name: &str,
        wanted: TypeId,
        waker: Waker,
        watcher: &mut Watcher,
    ) -> Option<Entry>;
    /// Ends a watch.
    fn unwatch(&self, watcher: &mut Watcher);
    /// The name that a watcher waits for, by its number.
    fn watched(&self, watcher: u64) -> Option<Box<str>>;
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
    /// By their numbers.
    watches: HashMap<u64, Watch>,
    /// What was given to those who watched, until they look: it may be forgotten before they do.
    given_to: HashMap<u64, Entry>,
    /// The numbers of those who watch a name in a scope.
    watched: HashMap<u64, BTreeMap<Box<str>, BTreeSet<u64>>>,
    /// The numbers of those who watch from a scope.
    from: HashMap<u64, BTreeSet<u64>>,
}

/// One who watches a name.
struct Watch {
    name: Box<str>,
    /// Where it watches: first the scope from which it does.
    around: Box<[u64]>,
    wanted: TypeId,
    waker: Waker,
}

impl State {
    fn enter(&mut self, number: u64, watch: Watch) {
        for &scope in &watch.around {
            let names = self.watched.entry(scope).or_default();
            match names.get_mut(&watch.name) {
                Some(numbers) => drop(numbers.insert(number)),
                None => drop(names.insert(watch.name.clone(), BTreeSet::from([number]))),
            }
        }
        if let Some(&from) = watch.around.first() {
            self.from.entry(from).or_default().insert(number);
        }
        self.watches.insert(number, watch);
    }

    /// Takes out a watch, wherever it is known.
    fn leave(&mut self, number: u64) -> Option<Waker> {
        let watch = self.watches.remove(&number)?;
        for scope in &watch.around {
            if let Some(names) = self.watched.get_mut(scope)
                && let Some(numbers) = names.get_mut(&watch.name)
            {
                numbers.remove(&number);
                if numbers.is_empty() {
                    names.remove(&watch.name);
                }
                if names.is_empty() {
                    self.watched.remove(scope);
                }
            }
        }
        if let Some(from) = watch.around.first()
            && let Some(numbers) = self.from.get_mut(from)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.from.remove(from);
            }
        }
        Some(watch.waker)
    }

    /// Takes out those who watch a name in a scope for something of this type, and keeps it for them.
    fn take_watches(&mut self, scope: u64, name: &str, entry: &Entry) -> Vec<Waker> {
        let names = self.watched.get(&scope);
        let numbers = names.and_then(|names| names.get(name)).cloned();
        let mut woken = Vec::new();
        let given = Any::type_id(&**entry);
        for number in numbers.into_iter().flatten() {
            let watch = self.watches.get(&number);
            if watch.is_some_and(|watch| watch.wanted == given) {
                woken.extend(self.leave(number));
                self.given_to.insert(number, Arc::clone(entry));
            }
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
        names.insert(name.into(), (lease, Arc::clone(&entry)));
        state.leases = lease.0;
        let woken = state.take_watches(scope, name, &entry);
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
        let here = state.from.get(&scope).cloned().unwrap_or_default();
        let here = here.into_iter();
        let woken: Vec<_> = here.filter_map(|number| state.leave(number)).collect();
        drop(state);
        // First, for what is forgotten has destructors of the user's.
        wake(woken);
        for (_, entry) in forgotten.into_iter().flatten() {
            contain("a destructor", || drop(entry));
        }
    }

    fn watch(
        &self,
        around: &mut dyn Iterator<Item = u64>,
        name: &str,
        wanted: TypeId,
        waker: Waker,
        watcher: &mut Watcher,
    ) -> Option<Entry> {
        let mut state = self.0.lock();
        let given = state.given_to.remove(&watcher.0);
        if let Some(watch) = state.watches.get_mut(&watcher.0) {
            let before = mem::replace(&mut watch.waker, waker);
            drop(state);
            drop(before);
            return given;
        }
        state.watchers += 1;
        watcher.0 = state.watchers;
        let watch = Watch {
            name: name.into(),
            around: around.collect(),
            wanted,
            waker,
        };
        state.enter(watcher.0, watch);
        given
    }

    fn unwatch(&self, watcher: &mut Watcher) {
        let number = mem::take(&mut watcher.0);
        if number == 0 {
            return;
        }
        let mut state = self.0.lock();
        let left = (state.leave(number), state.given_to.remove(&number));
        drop(state);
        drop(left);
    }

    fn watched(&self, watcher: u64) -> Option<Box<str>> {
        Some(self.0.lock().watches.get(&watcher)?.name.clone())
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.given.iter();
        let given = given.map(|(scope, names)| (scope, names.keys().collect::<Vec<_>>()));
        f.debug_struct("State")
            .field("given", &given.collect::<Vec<_>>())
            .field("watches", &self.watches.len())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::any::TypeId;
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
        let watch = |around: &[u64], name, watcher: &mut Watcher| {
            let (mut around, wanted) = (around.iter().copied(), TypeId::of::<u32>());
            let given = names.watch(&mut around, name, wanted, waker(), watcher);
            given.and_then(|entry| entry.downcast_ref::<u32>().copied())
        };
        for _ in 0..2 {
            assert_eq!(watch(&[1, 7], "db", &mut one), None);
        }
        assert_eq!(watch(&[2, 7], "db", &mut other), None);
        names.register(1, "log", entry(0));
        // In a scope that is not around either.
        names.register(3, "db", entry(1));
        assert_eq!((woken(), Arc::strong_count(&count)), (0, 3));
        names.forget(7);
        assert_eq!(woken(), 0, "they watch there, and not from there");
        names.forget(2);
        assert_eq!((woken(), Arc::strong_count(&count)), (1, 2));
        names.register(7, "db", Arc::new("of another type"));
        assert_eq!((woken(), Arc::strong_count(&count)), (1, 2));
        names.forget(7);
        names.register(7, "db", entry(1));
        names.forget(7);
        assert_eq!((woken(), Arc::strong_count(&count)), (2, 1));
        let given = watch(&[1], "web", &mut one);
        assert_eq!(given, Some(1), "it was kept for who waited");
        let number = one.number();
        assert_eq!(names.watched(number).as_deref(), Some("web"));
        names.unwatch(&mut one);
        assert_eq!(names.watched(number), None);
        names.unwatch(&mut one);
        names.register(1, "web", entry(1));
        assert_eq!((woken(), Arc::strong_count(&count)), (2, 1));
        let state = names.0.lock();
        assert!(state.watches.is_empty() && state.watched.is_empty() && state.from.is_empty());
        assert!(state.given_to.is_empty());
    }
}
