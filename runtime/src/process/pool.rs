//! Pools: several processes of one kind. Those of a function share what it was lent; those of a struct have one handle.
//!
//! By default the workers share one mailbox: whoever is free takes the next message, so the least loaded worker is always the
//! one that gets it, without a process in between. The other policies put a process in front, which sends each message to
//! the mailbox of the worker that the policy names.

use std::future::{Future, poll_fn};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::channel::Dead;
use crate::channel::endpoint::Endpoint;
use crate::channel::head::Side;
use crate::channel::{Receiver, Sender};
use crate::process::call::Envelope;
use crate::process::exit::{Exit, Fault, IntoOutcome, Known, Outcome};
use crate::process::function::{Body, Inbox, InboxHandle, Once, PortsOf, Process, Shared};
use crate::process::handle::{Handle, Handlers, StructProcess};
use crate::process::port::{Trace, Visitor};
use crate::process::spawn::{Launcher, OwnInput, PlainLauncher, Pool, SpawnOptions};
use crate::process::{function, structure};
use crate::scope::{Scope, ScopeInner};
use crate::task::origin::Facts;
use crate::task::{Task, TaskRef, current};

/// Which worker of a pool gets a message.
///
/// With a policy other than the default a process in front hands each message to its worker, and waits if the mailbox of that one
/// is full: a slow worker then holds up the messages for the others that come behind.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// #[process]
/// #[derive(Clone)]
/// struct Cache { seen: u32 }
///
/// #[handlers]
/// impl Cache {
///     fn get(&mut self, #[key] name: String) -> u32 { self.seen += u32::from(!name.is_empty()); self.seen }
/// }
///
/// let cache = scope.pool(4, Cache { seen: 0 }.by_key());
/// assert_eq!(cache.get("a".into()).await?, 1);
/// assert_eq!(cache.get("a".into()).await?, 2);        // the same worker, for the same key
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Policy {
    /// Whoever is free. The default.
    #[default]
    LeastLoaded,
    /// Each in turn.
    RoundRobin,
    /// The same worker for the same `#[key]` argument; messages without one go to each in turn.
    ByKey,
}

/// A struct process with the policy of its pool.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// #[process]
/// #[derive(Clone)]
/// struct Worker;
///
/// #[handlers]
/// impl Worker {
///     fn work(&mut self) {}
/// }
///
/// let routed = Worker.round_robin();          // a process with its policy, for `scope.pool`
/// let workers = scope.pool(2, routed);
/// workers.work().await?;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
pub struct Routed<P> {
    process: P,
    policy: Policy,
}

/// Chooses the policy of a pool: `scope.pool(4, Cache::new().by_key())`.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// #[process]
/// #[derive(Clone)]
/// struct Worker { done: u32 }
///
/// #[handlers]
/// impl Worker {
///     fn work(&mut self) -> u32 { self.done += 1; self.done }
/// }
///
/// let workers = scope.pool(2, Worker { done: 0 }.round_robin());
/// assert_eq!((workers.work().await?, workers.work().await?), (1, 1));     // each in turn
/// assert_eq!(workers.work().await?, 2);
/// # Ok(()) }) }
/// ```
pub trait PoolPolicy: Handlers + StructProcess + Clone {
    /// Whoever is free gets the next message. The default.
    fn least_loaded(self) -> Routed<Self> {
        Routed {
            process: self,
            policy: Policy::LeastLoaded,
        }
    }

    /// Each worker in turn.
    fn round_robin(self) -> Routed<Self> {
        Routed {
            process: self,
            policy: Policy::RoundRobin,
        }
    }

    /// The same worker for the same `#[key]` argument.
    fn by_key(self) -> Routed<Self>
    where
        Self: Keyed,
    {
        Routed {
            process: self,
            policy: Policy::ByKey,
        }
    }
}

impl<P: Handlers + StructProcess + Send + Clone> PoolPolicy for P {}

/// A process with a handler that has a `#[key]`; `#[handlers]` implements it. Without one, a pool that is served by key would send each
/// message to the next worker, whatever is in it.
#[diagnostic::on_unimplemented(
    message = "no handler of `{Self}` has a `#[key]`",
    label = "its pool cannot be served by key",
    note = "mark the argument by which the worker is chosen: `fn get(&self, #[key] name: String)`",
    note = "or write `.round_robin()`, which takes each worker in turn"
)]
pub trait Keyed: Handlers {}

/// Never holds: it is there for the error of a pool that is asked for its policy when it has one.
#[diagnostic::on_unimplemented(
    message = "a pool has its policy before it starts",
    label = "the pool runs already",
    note = "say it of the process: `scope.pool(4, process.by_key())`"
)]
pub trait Undecided {}

/// For that error. They return what a handle is, so that nothing else is wrong.
#[doc(hidden)]
#[allow(missing_docs, reason = "nobody can call them")]
impl<P: StructProcess> Handle<P> {
    pub fn least_loaded(&self) -> P::Handle
    where
        P: Undecided,
    {
        P::wrap(self.clone())
    }

    pub fn round_robin(&self) -> P::Handle
    where
        P: Undecided,
    {
        P::wrap(self.clone())
    }

    pub fn by_key(&self) -> P::Handle
    where
        P: Undecided,
    {
        P::wrap(self.clone())
    }
}

#[diagnostic::do_not_recommend]
impl<P: Handlers + StructProcess + Send + Clone> Pool for P {
    type Pooled = P::Handle;
    type Function = ();
    type Argument = ();
    type Taken = ();
    type Inputs = ();

    fn pool_in(self, scope: &Scope, workers: usize, options: SpawnOptions) -> P::Handle {
        self.least_loaded().pool_in(scope, workers, options)
    }
}

impl<P: Handlers + StructProcess + Send + Clone> Pool for Routed<P> {
    type Pooled = P::Handle;
    type Function = ();
    type Argument = ();
    type Taken = ();
    type Inputs = ();

    fn pool_in(self, scope: &Scope, workers: usize, options: SpawnOptions) -> P::Handle {
        let pool = scope.child(P::META.name);
        let (sender, mailbox) = structure::mailbox::<P>(scope, options.site);
        let endpoint = Endpoint::from_sender(sender);
        let weak = endpoint.duplicate(Side::Weak);
        let processes = std::iter::repeat_n(self.process, workers);
        if self.policy == Policy::LeastLoaded {
            for process in processes {
                structure::start(process, &pool, options.clone(), &weak, mailbox.clone());
            }
        } else {
            let one = OneOf(Arc::default());
            let senders: Vec<_> = processes
                .map(|process| {
                    let (sender, own) = structure::mailbox::<P>(scope, options.site);
                    let own_endpoint = Endpoint::from_sender(sender.clone()).duplicate(Side::Weak);
                    let task = structure::create(
                        process,
                        &pool,
                        options.clone(),
                        &own_endpoint,
                        own,
                        &one,
                    );
                    ScopeInner::launch(&task);
                    sender
                })
                .collect();
            let policy = self.policy;
            // They lie in its future as long as it lives.
            let names = Facts::of_router().ports;
            let mut visitor = Visitor::new(&scope.inner.system.scheduler, names);
            mailbox.trace(names[0], &mut visitor);
            for sender in &senders {
                sender.trace(names[1], &mut visitor);
            }
            let router = options.clone().of_router(&visitor.into_ports());
            let router = pool.inner.spawn(
                async move { Outcome(route::<P>(policy, mailbox, senders).await) },
                &router,
            );
            // If all workers have ended by now, this was the last one.
            let _ = one.0.router.set(router.task().clone());
        }
        let whole = scope
            .inner
            .create(whole(pool), &options.of_pool(P::META.name));
        endpoint.set_owner(whole.task().clone());
        ScopeInner::launch(&whole);
        P::wrap(Handle::new(endpoint))
    }
}

/// The process that stands for a pool: it ends with the last worker, as killed if a worker was. Told to stop, it lets the workers drain;
/// killed, it takes them with it, and they may come to their next await a moment after its end.
fn whole(pool: Scope) -> impl Future<Output = Outcome<()>> {
    struct Rest(Scope);
    impl Drop for Rest {
        fn drop(&mut self) {
            if self.0.alive() > 0 {
                self.0.inner.begin_stop(Duration::ZERO);
                // It may have begun before, with all the time that there is.
                self.0.inner.hasten_stop(Duration::ZERO);
            }
        }
    }
    // Made before the first poll: the process may be killed before it ever runs.
    let rest = Rest(pool);
    async move {
        let Rest(pool) = &rest;
        let mut join = pin!(pool.join());
        let joined = poll_fn(|cx| {
            if current::is_ended(0) {
                pool.inner.begin_stop(Duration::MAX);
            }
            join.as_mut().poll(cx)
        })
        .await;
        // Who cuts off workers may find this one ended, and no more able to be killed itself.
        Outcome(match joined {
            Ok(()) if pool.inner.has_lost_some() => Err(Fault::Known(Known(Exit::Killed))),
            joined => joined.map_err(Fault::Error),
        })
    }
}

/// The home of the workers behind a router, which sees the end of its input when the last of them has ended: it waits for messages, and
/// none might come.
struct OneOf(Arc<Workers>);

#[derive(Default)]
struct Workers {
    router: OnceLock<TaskRef>,
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(router) = self.router.get() {
            router.end_input(0);
        }
    }
}

impl Launcher for OneOf {
    fn create<F>(
        &self,
        scope: &Scope,
        future: F,
        options: &SpawnOptions,
    ) -> Task<<F::Output as IntoOutcome>::Value>
    where
        F: Future + Send + 'static,
        F::Output: IntoOutcome,
    {
        let one = Arc::clone(&self.0);
        let counted = async move {
            let output = future.await;
            drop(one);
            output
        };
        PlainLauncher.create(scope, counted, options)
    }
}

async fn route<P: Handlers>(
    policy: Policy,
    mailbox: Receiver<Envelope<P::Message>>,
    workers: Vec<Sender<Envelope<P::Message>>>,
) -> Result<(), Fault> {
    let count = workers.len();
    let mut turn = 0;
    'messages: while let Some(envelope) = mailbox.recv().await {
        let key = match policy {
            Policy::ByKey => P::key(&envelope.message),
            _ => None,
        };
        let mut hand = InHand(&mailbox, Some(envelope));
        if let Some(key) = key {
            // The keys of a worker that has ended are nobody else's: their callers learn that it is gone.
            let passed = hand.pass_to(&workers[(key % count as u64) as usize]).await;
            if !passed && workers.iter().all(Sender::is_closed) {
                return Err(Fault::Closed);
            }
            continue;
        }
        turn = (turn + 1) % count;
        for worker in turn..turn + count {
            if hand.pass_to(&workers[worker % count]).await {
                continue 'messages;
            }
        }
        return Err(Fault::Closed);
    }
    Ok(())
}

/// A message that the pool has accepted, and that no worker has: if none gets it, it is dead.
struct InHand<'a, M: Send + 'static>(&'a Receiver<Envelope<M>>, Option<Envelope<M>>);

impl<M: Send + 'static> InHand<'_, M> {
    /// Gives it to a worker when that has room. False if the worker has ended.
    async fn pass_to(&mut self, worker: &Sender<Envelope<M>>) -> bool {
        let Ok(room) = worker.ready().await else {
            return false;
        };
        let Some(envelope) = self.1.take() else {
            return true;
        };
        match room.send(envelope) {
            Ok(()) => true,
            Err(gone) => {
                self.1 = Some(gone.into_inner());
                false
            }
        }
    }
}

impl<M: Send + 'static> Drop for InHand<'_, M> {
    fn drop(&mut self) {
        if let Some(envelope) = self.1.take() {
            self.0.lose(Dead::Closed, &envelope);
            current::drop_undelivered(envelope);
        }
    }
}

/// The hash of the `#[key]` arguments of a message. It is the same in every run: routing by key can be replayed.
#[derive(Debug, Default)]
pub struct Keys(DefaultHasher);

/// Begins with no argument; expansions are `keys().with::<u8>(a).with::<String>(b).hash()`.
#[must_use]
pub fn keys() -> Keys {
    Keys::default()
}

impl Keys {
    /// Adds an argument.
    #[must_use]
    pub fn with<K>(mut self, key: &K) -> Self
    where
        Self: Take<K>,
    {
        self.take(key);
        self
    }

    /// The hash of all of them.
    pub fn hash(self) -> u64 {
        self.0.finish()
    }
}

/// Holds for what `#[key]` may mark. A question to the hash and not to the type, because of a type parameter rustc would say that it may
/// have this trait.
#[diagnostic::on_unimplemented(
    message = "`{K}` cannot be a `#[key]`: it has no hash",
    label = "not `Hash`",
    note = "messages with equal keys go to the same worker: mark a name or a number, such as the `to_bits()` of a float",
    note = "put `#[derive(Hash)]` on a type of your own; a type parameter has the bound: `K: Hash`"
)]
pub trait Take<K> {
    /// Adds it.
    fn take(&mut self, key: &K);
}

#[diagnostic::do_not_recommend]
impl<K: Hash> Take<K> for Keys {
    fn take(&mut self, key: &K) {
        key.hash(&mut self.0);
    }
}

impl<B: Body<Output: IntoOutcome>> Pool for Process<B, Shared, ()> {
    type Pooled = Task<()>;
    type Function = ();
    type Argument = ();
    type Taken = ();
    type Inputs = ();

    fn pool_in(self, scope: &Scope, workers: usize, options: SpawnOptions) -> Task<()> {
        let (meta, body, ()) = self.into_parts();
        let pool = scope.child(meta.name);
        let first = body.shared();
        // They own together what they were lent.
        let ports = function::lent(&first, scope, meta.ports).shared();
        let others: Vec<B> = (1..workers).map_while(|_| first.again()).collect();
        for body in std::iter::once(first).chain(others) {
            // A failure of a worker is the pool's, which hands it on when all have ended.
            let _ = function::start(meta, body, &pool, options.clone().holding(&ports));
        }
        scope.inner.spawn(whole(pool), &options.of_pool(meta.name))
    }
}

impl<B, P, A, T: ?Sized, H: PortsOf> Pool for Process<B, Once<P, A, T>, H> {
    type Pooled = Task<()>;
    type Function = P;
    type Argument = A;
    type Taken = T;
    type Inputs = ();

    fn pool_in(self, _scope: &Scope, _workers: usize, _options: SpawnOptions) -> Task<()> {
        unreachable!("`pool` asks for `StartMany`, which no function with an argument by value has")
    }
}

/// Never holds: it is there for the error.
impl<B: Body<Output: IntoOutcome>, H: InboxHandle> Pool for Process<B, Shared, Inbox<H>> {
    type Pooled = Task<()>;
    type Function = ();
    type Argument = ();
    type Taken = ();
    type Inputs = OwnInput;

    fn pool_in(self, _scope: &Scope, _workers: usize, _options: SpawnOptions) -> Task<()> {
        unreachable!("`pool` asks for `SharedInputs`, which no function with an `#[inbox]` has")
    }
}
