//! Names of a scope: handles, senders or tasks that other processes of the scope find by a name, and by their type.
//!
//! What is kept where is the business of the system's [directory](super::directory).
//!
//! **Invariants**
//! - What a name leads to is kept until the name is taken back, and at most until the scope begins to stop or is waited for; for those
//!   who waited for the name when it was given, until they look.
//! - A wait for a name that is dropped leaves nothing behind.

use std::any::TypeId;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::directory::{Entry, Lease, Watcher};
use crate::channel::select::{ArmPoll, Event, Token};
use crate::scope::{Scope, ScopeInner};
use crate::sim::{here, told};
use crate::task::current;
use crate::task::registry::WaitKind;

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
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// scope.register("jobs", &1_u32)?;
    /// let taken = scope.register("jobs", &2_u32).expect_err("it has one");
    /// assert_eq!(taken.name(), "jobs");
    /// # Ok(()) }) }
    /// ```
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
        if self.state.lock().uses_names {
            here::forgets_names(self.id, None);
            self.system.names.forget(self.id);
        }
    }

    fn find(&self, name: &str) -> Option<Entry> {
        match self.system.names.find(self.id, name) {
            Some((_, entry)) => Some(entry),
            None => self.parent.as_ref()?.find(name),
        }
    }

    fn find_as<T: Clone + 'static>(&self, name: &str) -> Option<T> {
        self.find(name)?.downcast_ref::<T>().cloned()
    }

    /// Says that the directory has to be told when the names of this scope are to be forgotten. False if it stops already.
    fn use_names(&self) -> bool {
        let mut state = self.state.lock();
        state.uses_names = true;
        state.stop.is_none()
    }

    /// Gives a name, but not in a scope that stops.
    fn lease(&self, name: &str, entry: Entry) -> Option<Lease> {
        if !self.use_names() {
            return None;
        }
        let lease = self.system.names.register(self.id, name, entry)?;
        // A stop that began meanwhile has forgotten the name, or came too early for it, and then this thread sees it.
        if self.is_stopping() {
            self.system.names.release(self.id, name, lease);
            return None;
        }
        Some(lease)
    }
}

impl Drop for ScopeInner {
    fn drop(&mut self) {
        if self.state.get_mut().uses_names {
            here::forgets_names(self.id, None);
            self.system.names.forget(self.id);
        }
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
        let (entry, kept) = here::watch_clone(|| Arc::new(value.clone()));
        let lease = self.inner.lease(name, entry);
        if lease.is_some() {
            here::keeps_name(self.inner.id, name, kept);
        }
        told::does(|| {
            let outcome = if lease.is_some() { "" } else { " (refused)" };
            format!("registers `{name}`{outcome}")
        });
        match lease {
            Some(_) => Ok(()),
            None => Err(NameTaken {
                name: name.to_owned(),
                stopping: self.inner.is_stopping(),
            }),
        }
    }

    /// Returns what has this name, in this scope or in the nearest one around it; `None` if nothing has, or if it is of another
    /// type.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let (jobs, inbox) = bounded::<u32>(1);
    /// scope.register("jobs", &jobs)?;
    /// let found: Sender<u32> = scope.lookup("jobs").context("nobody serves jobs")?;
    /// found.send(1).await?;
    /// assert_eq!(inbox.recv().await, Some(1));
    /// assert!(scope.lookup::<Sender<String>>("jobs").is_none(), "of another type");
    /// # Ok(()) }) }
    /// ```
    pub fn lookup<T>(&self, name: &str) -> Option<T>
    where
        T: Clone + Send + Sync + 'static,
    {
        let found = self.inner.find_as(name);
        told::does(|| {
            let outcome = if found.is_some() {
                "found"
            } else {
                "(nothing)"
            };
            format!("looks up `{name}` -> {outcome}")
        });
        found
    }

    /// Waits until something of this type has this name, in this scope or in one around it, and returns it; `None` when the scope
    /// stops before that. What was registered already is returned at once. May be a branch of `select!`.
    ///
    /// So processes that need each other can be started in any order. Something of another type under the name is waited past.
    ///
    /// Cancellation: dropping the future has no effect.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } }
    /// let web = scope.child("web");
    /// let visitor = web.task("visitor", {
    ///     let web = web.clone();
    ///     async move {
    ///         let visits: CounterHandle = web.wait_for_name("visits").await.context("stopped")?;
    ///         visits.add(1).await?;
    ///         roundrock::Ok(())
    ///     }
    /// });
    /// scope.register("visits", &scope.spawn(Counter { n: 0 }))?;      // however late that is
    /// visitor.await?;
    /// # Ok(()) }) }
    /// ```
    pub fn wait_for_name<T>(&self, name: &str) -> WaitForName<T>
    where
        T: Clone + Send + Sync + 'static,
    {
        WaitForName {
            scope: Arc::clone(&self.inner),
            name: name.into(),
            watcher: Watcher::default(),
            found: PhantomData,
        }
    }

    /// Takes a name of this scope back. Returns whether there was one.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// scope.register("answer", &42_u32)?;
    /// assert!(scope.unregister("answer"));
    /// assert_eq!(scope.lookup::<u32>("answer"), None);
    /// # Ok(()) }) }
    /// ```
    pub fn unregister(&self, name: &str) -> bool {
        told::does(|| format!("unregisters `{name}`"));
        here::forgets_names(self.inner.id, Some(name));
        let names = &self.inner.system.names;
        // Only the lease that was seen: somebody may take the name back meanwhile, and give it again.
        names
            .find(self.inner.id, name)
            .is_some_and(|(lease, _)| names.release(self.inner.id, name, lease))
    }
}

/// Waits for a name; see [`Scope::wait_for_name`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// scope.register("limit", &7_u32)?;
/// select! {
///     limit = scope.wait_for_name::<u32>("limit") => assert_eq!(limit, Some(7)),
///     _ = sleep(secs(60)) => panic!("it was there"),
/// }
/// # Ok(()) }) }
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct WaitForName<T> {
    scope: Arc<ScopeInner>,
    name: Box<str>,
    watcher: Watcher,
    found: PhantomData<fn() -> T>,
}

impl<T: Clone + 'static> WaitForName<T> {
    fn poll_name(&mut self, cx: &Context<'_>) -> Poll<Option<T>> {
        let names = &self.scope.system.names;
        self.scope.use_names();
        // Before the looks, so that nothing is missed.
        let waker = cx.waker().clone();
        let mut around = self.scope.around();
        let wanted = TypeId::of::<T>();
        let given = names.watch(&mut around, &self.name, wanted, waker, &mut self.watcher);
        let stops = self.scope.is_stopping();
        let given = given.and_then(|entry| entry.downcast_ref::<T>().cloned());
        let found = given.or_else(|| self.scope.find_as(&self.name));
        if found.is_some() || stops {
            names.unwatch(&mut self.watcher);
            return Poll::Ready(found);
        }
        current::waits_for(WaitKind::Name, self.watcher.number());
        Poll::Pending
    }
}

impl<T: Clone + 'static> Future for WaitForName<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(current::spend(cx, WaitKind::Other, || 0));
        self.poll_name(cx)
    }
}

impl<T: Clone + 'static> Event for WaitForName<T> {
    type Output = Option<T>;

    fn poll_arm(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        token: &Token,
    ) -> ArmPoll<Option<T>> {
        token.claimed(self.poll_name(cx))
    }
}

impl<T> Drop for WaitForName<T> {
    fn drop(&mut self) {
        let names = &self.scope.system.names;
        names.unwatch(&mut self.watcher);
    }
}

impl<T> fmt::Debug for WaitForName<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForName")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
