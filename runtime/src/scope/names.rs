//! Names of a scope: handles, senders or tasks that other processes of the scope find by a name, and by their type.
//!
//! **Invariants**
//! - What a name leads to is kept until the name is taken back, and at most until the scope begins to stop or is waited for.
//! - User code (destructors, `clone`) never runs under the lock of the scope.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::scope::{Scope, ScopeInner};

/// A value under a name.
type Entry = Arc<dyn Any + Send + Sync>;

/// The names of one scope.
#[derive(Default)]
pub(super) struct Names(BTreeMap<Box<str>, Entry>);

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The name is in use, or the scope stops; see [`Scope::register`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// scope.register("limit", &7_u32)?;
/// let taken = scope.register("limit", &8_u32).expect_err("there is one");
/// assert_eq!(taken.name(), "limit");
/// assert_eq!(scope.lookup("limit"), Some(7_u32));
/// assert!(scope.unregister("limit"));
/// assert_eq!(scope.lookup::<u32>("limit"), None);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTaken {
    name: String,
    stopping: bool,
}

impl NameTaken {
    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for NameTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = if self.stopping {
            "its scope stops"
        } else {
            "another one has it; take that back with `unregister` first"
        };
        write!(f, "the name `{}` cannot be given: {why}", self.name)
    }
}

impl std::error::Error for NameTaken {}

impl ScopeInner {
    /// Lets go what was registered.
    pub(crate) fn forget_names(&self) {
        let names = std::mem::take(&mut self.state.lock().names);
        drop(names);
    }

    fn find(&self, name: &str) -> Option<Entry> {
        let entry = self.state.lock().names.0.get(name).cloned();
        entry.or_else(|| self.parent.as_ref()?.find(name))
    }
}

impl Scope {
    /// Gives a handle, a sender or a task a name in this scope, by which [`lookup`](Self::lookup) finds it.
    ///
    /// The name keeps what it leads to alive, as a clone would: until [`unregister`](Self::unregister), until the scope begins to
    /// stop, or until somebody waits for its end with [`join`](Self::join); the body of `main` and of a [`group`](Self::group) do
    /// when they return. Over a restart of a supervised child its name stays valid, as every handle does.
    ///
    /// # Errors
    /// [`NameTaken`] if the scope has the name already, or stops. A name of a scope around this one may be given again; here it
    /// then hides the other one.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } }
    /// scope.register("visits", &scope.spawn(Counter { n: 0 }))?;
    ///
    /// let visits: Option<CounterHandle> = scope.child("web").lookup("visits");
    /// assert_eq!(visits.context("no counter")?.add(1).await?, 1);
    /// assert!(scope.lookup::<Sender<u32>>("visits").is_none());       // it is not one of these
    /// # Ok(()) }) }
    /// ```
    pub fn register<T>(&self, name: &str, value: &T) -> Result<(), NameTaken>
    where
        T: Clone + Send + Sync + 'static,
    {
        let entry: Entry = Arc::new(value.clone());
        let mut state = self.inner.state.lock();
        let stopping = state.stop.is_some();
        if stopping || state.names.0.contains_key(name) {
            drop(state);
            return Err(NameTaken {
                name: name.to_owned(),
                stopping,
            });
        }
        state.names.0.insert(name.into(), entry);
        Ok(())
    }

    /// Returns what has this name, in this scope or in the nearest one around it; `None` if nothing has, or if it is of another
    /// type.
    pub fn lookup<T>(&self, name: &str) -> Option<T>
    where
        T: Clone + Send + Sync + 'static,
    {
        let entry = self.inner.find(name)?;
        entry.downcast_ref::<T>().cloned()
    }

    /// Takes a name of this scope back. Returns whether there was one.
    pub fn unregister(&self, name: &str) -> bool {
        let entry = self.inner.state.lock().names.0.remove(name);
        entry.is_some()
    }
}
