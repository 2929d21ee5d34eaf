//! Function processes: what the constructor that the macro makes returns, and how it is started.
//!
//! A plain `spawn` keeps all arguments inside the one future. A pool puts what is lent into an `Arc`, which its workers share.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::blocking::{self, Lane};
use crate::channel::{Message, Receiver, Sender};
use crate::process::context::Cx;
use crate::process::exit::{Exit, Fault, IntoOutcome, Outcome};
use crate::process::inbox::FnHandle;
use crate::process::meta::{Direct, FnMeta, Kind, Never, NoType};
use crate::process::port::Visitor;
use crate::process::spawn::{FunctionLauncher, Launcher, Spawn, SpawnOptions};
use crate::scope::{Scope, ScopeInner};
use crate::task::cell::Header;
use crate::task::origin::Facts;
use crate::task::ports::Ports;
use crate::task::{Task, current};

/// The arguments that a process keeps and lends to its body.
#[derive(Debug)]
pub enum Lent<L> {
    /// Inside the future of the one process.
    Inline(L),
    /// Shared by the workers of a pool.
    Shared(Arc<L>),
}

impl<L> Deref for Lent<L> {
    type Target = L;

    #[inline]
    fn deref(&self) -> &L {
        match self {
            Self::Inline(lent) => lent,
            Self::Shared(lent) => lent,
        }
    }
}

/// What a body may ask of its surroundings: those of the process that runs it, so there is nothing to keep.
#[derive(Debug)]
pub struct Env {
    meta: &'static FnMeta,
}

impl Env {
    /// A scope for children of the process. A failure in it is one of the process. That of an incarnation of a supervised child
    /// is stopped with it.
    pub fn scope(&self) -> Scope {
        let name = self.meta.name;
        let inner = held_scope(name).unwrap_or_else(|| {
            with_process(|task, scope| {
                let plain = || Scope::from_inner(Arc::clone(scope)).child(name).inner;
                match task.own() {
                    Some(own) => own.get_or_make(plain),
                    None => plain(),
                }
            })
        });
        Scope::from_inner(inner)
    }

    /// The context of the process.
    pub fn cx(&self) -> Cx {
        Cx::new(with_process(|_, scope| Arc::clone(scope)), None)
    }
}

/// The scope for what belongs to this incarnation of a supervised child, and ends with it; `None` in any other process.
pub(crate) fn held_scope(name: &str) -> Option<Arc<ScopeInner>> {
    with_process(|task, scope| {
        let (own, lineage) = task.own().zip(task.lineage())?;
        let inner = own.get_or_make(|| ScopeInner::held(scope, name));
        if lineage.is_told() {
            inner.begin_stop(lineage.grace(scope));
        }
        Some(inner)
    })
}

/// Calls `f` with the process whose body runs here, and its scope.
fn with_process<R>(f: impl FnOnce(&Header, &Arc<ScopeInner>) -> R) -> R {
    current::with_task(|task| {
        let process = task.and_then(|task| Some((task, task.scope()?)));
        let (task, scope) = process.expect("a body runs inside its process, which has a scope");
        f(task, scope)
    })
}

/// Something that a process can run.
pub trait Body: Send + 'static {
    /// What it returns.
    type Output;

    /// Makes the future of the one process.
    #[doc(hidden)]
    fn start(self, env: Env) -> impl Future<Output = Self::Output> + Send + 'static;

    /// Shows the lent endpoints.
    #[doc(hidden)]
    fn visit(&self, visitor: &mut Visitor<'_>);

    /// Moves what is lent to where several bodies can share it.
    #[doc(hidden)]
    fn shared(self) -> Self;

    /// Another body with the same arguments, if they are shared.
    #[doc(hidden)]
    fn again(&self) -> Option<Self>
    where
        Self: Sized;
}

/// A process function that was called and not spawned yet.
///
/// `M` is [`Shared`] or [`Once`]; `H` is `()`, or the generated handle of a function with an `#[inbox]`.
#[must_use = "a process does nothing until it is spawned: scope.spawn(...)"]
pub struct Process<B, M = Shared, H: PortsOf = ()> {
    meta: &'static FnMeta,
    body: B,
    ports: H::Ports,
    mode: PhantomData<fn() -> M>,
}

impl<B, M, H: PortsOf> fmt::Debug for Process<B, M, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.meta.name)
            .finish_non_exhaustive()
    }
}

/// Never holds: it is there for the error of a process that is awaited and was not spawned.
#[diagnostic::on_unimplemented(
    message = "a process cannot be awaited before it is spawned",
    label = "describes a process, and starts nothing",
    note = "write `scope.spawn(..).await?` to wait for its end, or keep the `Task` that `scope.spawn(..)` gives and await that"
)]
pub trait Spawned {}

/// The only way to `IntoFuture`, with one condition that fails: so that is what rustc reports, if it is about another type than `Self`.
/// The output is what the `Task` gives, so that nothing else is wrong.
#[doc(hidden)]
impl<B: Body<Output: IntoOutcome> + Spawned, M, H: PortsOf> Future for Process<B, M, H> {
    type Output = Result<<B::Output as IntoOutcome>::Value, Exit>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        unreachable!("no process is `Spawned`")
    }
}

/// No argument goes in by value: can be started any number of times.
#[derive(Debug)]
pub struct Shared;

/// Argument `A` of function `P`, a `T`, goes in by value: can be started once. The first two are types that carry a name.
#[derive(Debug)]
pub struct Once<P, A, T: ?Sized>(PhantomData<fn() -> (P, A)>, PhantomData<fn(&T)>);

/// Stands for the type of an argument that has no name: `impl Trait`.
#[derive(Debug)]
pub struct SameType;

/// The senders that a process with inputs of its own gives to its handle.
pub trait PortsOf {
    /// A tuple of senders.
    type Ports: Send + Sync + 'static;
}

impl PortsOf for () {
    type Ports = ();
}

/// What `spawn` gives is an `H`.
#[derive(Debug)]
pub struct Inbox<H>(PhantomData<fn() -> H>);

impl<H: InboxHandle> PortsOf for Inbox<H> {
    type Ports = H::Ports;
}

/// A body whose arguments are all lent.
pub struct SharedBody<L, F> {
    lent: Lent<L>,
    visit: fn(&L, &mut Visitor<'_>),
    run: F,
}

impl<L, F, Fut> Body for SharedBody<L, F>
where
    L: Send + Sync + 'static,
    F: Fn(Lent<L>, Env) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future + Send + 'static,
{
    type Output = Fut::Output;

    fn start(self, env: Env) -> impl Future<Output = Fut::Output> + Send + 'static {
        (self.run)(self.lent, env)
    }

    fn visit(&self, visitor: &mut Visitor<'_>) {
        (self.visit)(&self.lent, visitor);
    }

    fn shared(self) -> Self {
        let lent = match self.lent {
            Lent::Inline(lent) => Arc::new(lent),
            Lent::Shared(lent) => lent,
        };
        Self {
            lent: Lent::Shared(lent),
            ..self
        }
    }

    fn again(&self) -> Option<Self> {
        match &self.lent {
            Lent::Inline(_) => None,
            Lent::Shared(lent) => Some(Self {
                lent: Lent::Shared(Arc::clone(lent)),
                visit: self.visit,
                run: self.run,
            }),
        }
    }
}

/// A body with arguments by value.
pub struct OnceBody<L, O, F> {
    lent: L,
    owned: O,
    visit: fn(&L, &mut Visitor<'_>),
    run: F,
}

impl<L, O, F, Fut> Body for OnceBody<L, O, F>
where
    L: Send + Sync + 'static,
    O: Send + 'static,
    F: FnOnce(Lent<L>, O, Env) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
{
    type Output = Fut::Output;

    fn start(self, env: Env) -> impl Future<Output = Fut::Output> + Send + 'static {
        (self.run)(Lent::Inline(self.lent), self.owned, env)
    }

    fn visit(&self, visitor: &mut Visitor<'_>) {
        (self.visit)(&self.lent, visitor);
    }

    fn shared(self) -> Self {
        self
    }

    fn again(&self) -> Option<Self> {
        None
    }
}

impl<L, F> fmt::Debug for SharedBody<L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedBody")
    }
}

impl<L, O, F> fmt::Debug for OnceBody<L, O, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnceBody")
    }
}

/// What a process function is called with: `L` the lent arguments, as pairs `(((), raw), rules)`, `O` those by value,
/// the same way.
#[derive(Debug)]
pub struct Arguments<L, O> {
    lent: L,
    owned: O,
}

/// No arguments yet; expansions are `arguments().lend(raw).lend(rules).give(out).once(..)`.
pub const fn arguments() -> Arguments<(), ()> {
    Arguments {
        lent: (),
        owned: (),
    }
}

impl<L, O> Arguments<L, O> {
    /// Adds an argument that the process keeps and lends to its body.
    pub fn lend<T: Lend<Via>, Via>(self, value: T) -> T::Added<L, O> {
        value.add(self)
    }

    /// Adds an argument that the body takes by value.
    pub fn give<T: Give<Via>, Via>(self, value: T) -> T::Added<L, O> {
        value.add(self)
    }
}

/// What can be lent; see the header of `meta` for `Via`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be lent to a process: workers may share it",
    label = "not `Send + Sync + 'static`",
    note = "take it by value, or use a type that is `Sync`; a type parameter has the bound: `T: Sync`"
)]
pub trait Lend<Via>: Sized {
    /// `Arguments<(L, Self), O>`.
    type Added<L, O>;
    /// Adds this argument.
    fn add<L, O>(self, arguments: Arguments<L, O>) -> Self::Added<L, O>;
}

#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static> Lend<Direct> for T {
    type Added<L, O> = Arguments<(L, T), O>;
    fn add<L, O>(self, arguments: Arguments<L, O>) -> Arguments<(L, T), O> {
        Arguments {
            lent: (arguments.lent, self),
            owned: arguments.owned,
        }
    }
}

#[diagnostic::do_not_recommend]
impl<T: NoType> Lend<Never> for T {
    type Added<L, O> = ();
    fn add<L, O>(self, _arguments: Arguments<L, O>) {}
}

/// What can be given by value; see the header of `meta` for `Via`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be given to a process: it may run on another thread",
    label = "not `Send + 'static`",
    note = "give an owned value that is `Send`, or build it inside the process"
)]
pub trait Give<Via>: Sized {
    /// `Arguments<L, (O, Self)>`.
    type Added<L, O>;
    /// Adds this argument.
    fn add<L, O>(self, arguments: Arguments<L, O>) -> Self::Added<L, O>;
}

#[diagnostic::do_not_recommend]
impl<T: Send + 'static> Give<Direct> for T {
    type Added<L, O> = Arguments<L, (O, T)>;
    fn add<L, O>(self, arguments: Arguments<L, O>) -> Arguments<L, (O, T)> {
        Arguments {
            lent: arguments.lent,
            owned: (arguments.owned, self),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<T: NoType> Give<Never> for T {
    type Added<L, O> = ();
    fn add<L, O>(self, _arguments: Arguments<L, O>) {}
}

impl<L: Send + Sync + 'static> Arguments<L, ()> {
    /// A function process whose arguments are all lent.
    pub fn shared<F, Fut>(
        self,
        meta: &'static FnMeta,
        visit: fn(&L, &mut Visitor<'_>),
        run: F,
    ) -> Process<SharedBody<L, F>>
    where
        F: Fn(Lent<L>, Env) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        let body = SharedBody {
            lent: Lent::Inline(self.lent),
            visit,
            run,
        };
        Process {
            meta,
            body,
            ports: (),
            mode: PhantomData,
        }
    }
}

impl<L: Send + Sync + 'static, O: Send + 'static> Arguments<L, O> {
    /// A function process with arguments by value.
    pub fn once<P, A, T: ?Sized, F, Fut>(
        self,
        meta: &'static FnMeta,
        visit: fn(&L, &mut Visitor<'_>),
        run: F,
    ) -> Process<OnceBody<L, O, F>, Once<P, A, T>>
    where
        F: FnOnce(Lent<L>, O, Env) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        let body = OnceBody {
            lent: self.lent,
            owned: self.owned,
            visit,
            run,
        };
        Process {
            meta,
            body,
            ports: (),
            mode: PhantomData,
        }
    }
}

/// Makes the input of a process that has its own.
#[track_caller]
pub fn inbox<T: Message>(name: &'static str, capacity: usize) -> (Sender<T>, Receiver<T>) {
    use crate::channel::{ChannelOptions, bounded};
    bounded(capacity).named(name)
}

impl<B, M, H: PortsOf> Process<B, M, H> {
    pub(crate) fn into_parts(self) -> (&'static FnMeta, B, H::Ports) {
        (self.meta, self.body, self.ports)
    }
}

impl<B, M> Process<B, M, ()> {
    /// Keeps the senders of the inputs until the handle is made.
    #[doc(hidden)]
    pub fn with_inbox<H: InboxHandle>(self, ports: H::Ports) -> Process<B, M, Inbox<H>> {
        Process {
            meta: self.meta,
            body: self.body,
            ports,
            mode: PhantomData,
        }
    }
}

/// Implemented by the generated handle of a function with an `#[inbox]`.
pub trait InboxHandle: Sized {
    /// A tuple of senders.
    type Ports: Send + Sync + 'static;
    /// What the function returns.
    type Output;
    /// Makes the handle.
    fn wrap(inner: FnHandle<Self::Ports, Self::Output>) -> Self;
}

/// What a body was lent.
pub(super) fn lent<B: Body>(body: &B, scope: &Scope, names: &'static [&'static str]) -> Ports {
    let mut visitor = Visitor::new(&scope.inner.system.scheduler, names);
    visitor.lent = true;
    body.visit(&mut visitor);
    visitor.into_ports()
}

/// Whether a message waits in an input that a body was lent.
pub(crate) fn has_messages<B: Body>(body: &B, scope: &Scope) -> bool {
    let mut visitor = Visitor::new(&scope.inner.system.scheduler, &[]);
    visitor.queued = Some(false);
    body.visit(&mut visitor);
    visitor.queued == Some(true)
}

/// Starts a body where its kind says.
pub(crate) fn start<B>(
    meta: &'static FnMeta,
    body: B,
    scope: &Scope,
    options: SpawnOptions,
) -> Task<<B::Output as IntoOutcome>::Value>
where
    B: Body<Output: IntoOutcome>,
{
    let task = create(meta, body, scope, options, &FunctionLauncher);
    ScopeInner::launch(&task);
    task
}

/// Makes the process of a body, at the home that `launcher` gives it; [`ScopeInner::launch`] must follow.
pub(crate) fn create<B, L>(
    meta: &'static FnMeta,
    body: B,
    scope: &Scope,
    options: SpawnOptions,
    launcher: &L,
) -> Task<<B::Output as IntoOutcome>::Value>
where
    B: Body<Output: IntoOutcome>,
    L: Launcher,
{
    let mut options = options.of(meta.name, Facts::of(meta));
    if options.ports.is_empty() {
        options.ports = lent(&body, scope, meta.ports);
    }
    let env = Env { meta };
    let lane = match meta.kind {
        Kind::Async => return launcher.create(scope, body.start(env), &options),
        Kind::Blocking => Lane::Blocking,
        Kind::Cpu => Lane::Cpu,
    };
    let future = body.start(env);
    let job = async move { future.await.into_outcome() };
    launcher.create(
        scope,
        async move {
            Outcome(
                blocking::process_job(lane, job)
                    .await
                    .unwrap_or(Err(Fault::Closed)),
            )
        },
        &options,
    )
}

impl<B: Body<Output: IntoOutcome>, M> Spawn for Process<B, M, ()> {
    type Spawned = Task<<B::Output as IntoOutcome>::Value>;

    fn spawn_in(self, scope: &Scope, options: SpawnOptions) -> Self::Spawned {
        start(self.meta, self.body, scope, options)
    }
}

impl<B, M, H> Spawn for Process<B, M, Inbox<H>>
where
    B: Body<Output = H::Output>,
    H: InboxHandle<Output: IntoOutcome>,
{
    type Spawned = H;

    fn spawn_in(self, scope: &Scope, options: SpawnOptions) -> H {
        let task = start(self.meta, self.body, scope, options);
        H::wrap(FnHandle::new(self.ports, task.task().clone()))
    }
}
