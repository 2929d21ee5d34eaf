//! The life of a struct process: its mailbox, its loop, its timers and inputs.
//!
//! The loop serves the mailbox and the `#[recv]` inputs in turn, and the inputs among themselves. A timer that is due comes after at most
//! [`LOOK`] turns of theirs, the one that is due longest before the others: the loop looks at them once in so many turns, and whenever
//! there is nothing else to do. (Rejected: a look before each message, which would lock the queue of timers each time.) Work beside the
//! handlers that has ended comes first. Whatever is the user's code (handlers, ticks, hooks, the closures of `spawn_then`, the
//! destructor at a normal end) runs where the kind of the process says: on its worker, or on a thread where it may block. It ends when
//! the mailbox is closed and drained (no strong handle is left, or it was stopped) and all inputs are closed, or when a handler asked
//! for it.

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::blocking::{self, Lane};
use crate::channel::account::Item;
use crate::channel::core::Core;
use crate::channel::dead::Dead;
use crate::channel::endpoint::Endpoint;
use crate::channel::head::{Side, VTable};
use crate::channel::receiver::OwnRecv;
use crate::channel::registry;
use crate::channel::{self, Receiver};
use crate::observe::Evidence;
use crate::process::call::Envelope;
use crate::process::context::Cx;
use crate::process::exit::{Exit, Fault, Outcome};
use crate::process::extra::Extra;
use crate::process::handle::{Handle, Handlers, StructProcess, WeakHandle};
use crate::process::meta::{HandleKind, Kind, ProcessKind};
use crate::process::port::Visitor;
use crate::process::spawn::{Launcher, PlainLauncher, SpawnOptions};
use crate::process::then::{self, Beside, Jobs, Then};
use crate::scope::{Scope, ScopeInner};
use crate::sim::values::Shown;
use crate::sim::{here, told};
use crate::supervise::Lineage;
use crate::task::origin::Facts;
use crate::task::ports::{Ports, Tie};
use crate::task::{Task, current};
use crate::time::clock::now;
use crate::time::interval::{Interval, interval};

/// Turns of a loop between two looks at its timers.
const LOOK: u32 = 32;

/// Starts a struct process; what the generated `Spawn` calls.
pub fn spawn_struct<P: Handlers + StructProcess + Send>(
    process: P,
    scope: &Scope,
    options: SpawnOptions,
) -> Handle<P> {
    let (sender, mailbox) = mailbox::<P>(scope, options.site);
    let endpoint = Endpoint::from_sender(sender);
    let task = create(process, scope, options, &endpoint, mailbox, &PlainLauncher);
    endpoint.set_server(Some(task.task().id()));
    ScopeInner::launch(&task);
    Handle::new(endpoint)
}

/// Starts one of several processes on a mailbox.
pub(crate) fn start<P: Handlers + StructProcess + Send>(
    process: P,
    scope: &Scope,
    options: SpawnOptions,
    endpoint: &Endpoint,
    mailbox: Mailbox<P>,
) {
    let task = create(process, scope, options, endpoint, mailbox, &PlainLauncher);
    ScopeInner::launch(&task);
}

pub(crate) type Mailbox<P> = Receiver<Envelope<<P as Handlers>::Message>>;
type MailboxSender<P> = crate::channel::Sender<Envelope<<P as Handlers>::Message>>;

/// Makes the mailbox of a process; its creation site is where the process was spawned.
pub(crate) fn mailbox<P: Handlers + StructProcess>(
    scope: &Scope,
    site: &'static Location<'static>,
) -> (MailboxSender<P>, Mailbox<P>) {
    let shard = registry::current().or_else(|| {
        let remote = scope.inner.system.scheduler.remotes.first()?;
        Some(Arc::clone(&remote.channels))
    });
    channel::pair(P::META.mailbox, site, shard, &Table::<P>::MAILBOX)
}

/// What distinguishes the core of a mailbox from others: it knows what a message is for, and who sent it.
struct Table<P>(PhantomData<P>);

impl<P: Handlers + StructProcess> Table<P> {
    const MAILBOX: VTable = VTable {
        about: about::<P>,
        ..Core::<Envelope<P::Message>>::VTABLE
    };
}

#[expect(
    unsafe_code,
    reason = "a message that is shown to the channel's own table"
)]
fn about<P: Handlers + StructProcess>(item: Item) -> (String, u64) {
    let (handler, sender) = match item {
        Item::Named(name) => return (name.to_owned(), 0),
        Item::Handler(handler) => (handler, 0),
        Item::Message(message) => {
            // SAFETY: the table belongs to a core for envelopes, which shows its own messages.
            let envelope = unsafe { message.cast::<Envelope<P::Message>>().as_ref() };
            (P::index(&envelope.message), envelope.sender)
        }
    };
    (
        format!("{}::{}", P::META.name, name_of::<P>(handler)),
        sender,
    )
}

fn name_of<P: Handlers>(handler: u8) -> &'static str {
    let handler = P::HANDLERS.get(usize::from(handler));
    handler.map_or("?", |handler| handler.name)
}

/// Makes the mailbox of a supervised process: the first handle on it, its weak side, and what the process receives from.
pub(crate) fn supervised<P: Handlers + StructProcess>(
    scope: &Scope,
    site: &'static Location<'static>,
) -> (Endpoint, Endpoint, Mailbox<P>) {
    let (sender, mailbox) = mailbox::<P>(scope, site);
    let strong = Endpoint::from_sender(sender);
    let weak = strong.duplicate(Side::Weak);
    (strong, weak, mailbox)
}

/// Makes a process on a mailbox; [`ScopeInner::launch`] must follow.
pub(crate) fn create<P: Handlers + StructProcess + Send, L: Launcher>(
    state: P,
    scope: &Scope,
    options: SpawnOptions,
    endpoint: &Endpoint,
    mailbox: Mailbox<P>,
    launcher: &L,
) -> Task<()> {
    let mut options = options.of(P::META.name, facts::<P>());
    let traced;
    (options.ports, traced) = ports(&state, scope, endpoint, L::KEEPS);
    let me = WeakHandle::new(endpoint.duplicate(Side::Weak));
    let inner = Arc::clone(&scope.inner);
    let kind = <<P::Handle as HandleKind>::Kind as ProcessKind>::KIND;
    let cx = move || Cx::new(inner, Some(me)).traced(traced);
    let task = if kind == Kind::Async && P::EVERY.is_empty() && !P::INPUTS {
        launcher.create(
            scope,
            async move { Outcome(simple(state, mailbox, cx()).await) },
            &options,
        )
    } else {
        launcher.create(
            scope,
            async move { Outcome(full(state, mailbox, cx(), kind).await) },
            &options,
        )
    };
    // The owner is known before the process runs: a handler may ask for its own handle's id.
    endpoint.set_owner(task.task().clone());
    task
}

/// What a process holds before it runs: its mailbox first, then what lies in its fields. True if they can hold endpoints at all.
fn ports<P: StructProcess>(
    state: &P,
    scope: &Scope,
    endpoint: &Endpoint,
    keeps: bool,
) -> (Ports, bool) {
    let mut visitor = Visitor::new(&scope.inner.system.scheduler, P::META.ports);
    let tie = if keeps { Tie::Kept } else { Tie::Mailbox };
    endpoint.show("", tie, &mut visitor);
    let has_mailbox = visitor.found().any(|port| port.tie() == tie);
    state.trace(&mut visitor);
    let traced = visitor.traced && has_mailbox;
    let ports = visitor.into_ports();
    // The mailbox in the first place says that the others are fields, which may change. One that is of another system, whose process has
    // spawned this one, says nothing, and they would be taken for what is lent.
    let ports = if has_mailbox { ports } else { Ports::default() };
    (ports, traced)
}

/// Before a process parks between two messages: lists what its fields hold now. Nothing is written if that is as before.
fn rest<P: StructProcess>(state: &P) {
    let old = current::with_task(|task| {
        let task = task?;
        // Only the process itself changes them.
        let known = task.slot().change_ports(|ports| ports.clone());
        let mut visitor = Visitor::comparing(task.scheduler(), P::META.ports, &known);
        state.trace(&mut visitor);
        let changed = visitor.changed()?;
        let slot = task.slot();
        Some(slot.change_ports(|ports| ports.replace_rest(changed.found())))
    });
    drop(old);
}

/// As a process parks between two messages whose fields may hold endpoints.
pub(crate) fn rest_between<P: StructProcess>(state: &P) {
    rest(state);
    current::waits_between();
}

/// Waits for the next message of a process whose fields may hold endpoints.
async fn resting<P: StructProcess, F: Future>(state: &mut P, next: F) -> F::Output {
    let mut next = pin!(next);
    // Moves the exclusive reference: a shared one would ask for a state that is `Sync`.
    poll_fn(move |cx| {
        let polled = next.as_mut().poll(cx);
        if polled.is_pending() {
            rest_between(state);
        }
        polled
    })
    .await
}

/// What the macros say of a struct process.
fn facts<P: Handlers + StructProcess>() -> Facts {
    Facts {
        ports: P::META.ports,
        evidence: Evidence::State,
        handlers: P::HANDLERS,
        budget: P::META.budget.unwrap_or(0),
        beside: false,
    }
}

/// The loop of a process that has nothing but its mailbox.
async fn simple<P: Handlers + StructProcess + Send>(
    mut state: P,
    mailbox: Mailbox<P>,
    mut cx: Cx<P>,
) -> Result<(), Fault> {
    if P::ON_START {
        state.on_start(&mut cx).await?;
    }
    Lineage::ready();
    while !cx.is_stopped() {
        let next = if cx.is_plain() {
            OwnRecv(mailbox.receive()).await
        } else if cx.has_jobs() {
            // In a box, so that a process which never has any is not larger for it.
            Box::pin(then::next_message(&mut state, &mailbox, &mut cx)).await?
        } else {
            resting(&mut state, OwnRecv(mailbox.receive())).await
        };
        let Some(envelope) = next else { break };
        if let Some(envelope) = wanted::<P>(envelope, &mailbox) {
            handle(&mut state, envelope, &mut cx, true).await;
        }
    }
    finish(state, cx).await
}

/// The message, if it is still to be handled: its caller waits, and its time is not up. Otherwise it is dead.
#[inline]
fn wanted<P: Handlers>(
    envelope: Envelope<P::Message>,
    mailbox: &Mailbox<P>,
) -> Option<Envelope<P::Message>> {
    let wanted = !P::abandoned(&envelope.message)
        && envelope
            .extra
            .deadline()
            .is_none_or(|deadline| deadline > now());
    if wanted {
        return Some(envelope);
    }
    lose::<P>(envelope, mailbox);
    None
}

#[cold]
#[inline(never)]
fn lose<P: Handlers>(envelope: Envelope<P::Message>, mailbox: &Mailbox<P>) {
    // A caller that gave up because the time was over is gone as well.
    let expired = envelope
        .extra
        .deadline()
        .is_some_and(|deadline| deadline <= now());
    let reason = if expired {
        Dead::Expired
    } else {
        Dead::Withdrawn
    };
    told::does(|| {
        let handler = name_of::<P>(P::index(&envelope.message));
        match expired {
            true => format!("drops {handler}(): its time is over"),
            false => format!("drops {handler}(): its caller has given up"),
        }
    });
    mailbox.lose(reason, &envelope);
    // It was not begun, also if the process is being killed in this moment.
    current::drop_undelivered(envelope);
}

/// Shows a message that is about to be handled to a simulation that is recorded.
#[cold]
#[inline(never)]
fn record<P: Handlers>(message: &P::Message) {
    let handler = name_of::<P>(P::index(message));
    here::handles(Shown::of(handler, |shown| P::show(message, shown)));
}

async fn handle<P: Handlers + Send>(
    state: &mut P,
    envelope: Envelope<P::Message>,
    cx: &mut Cx<P>,
    from_mailbox: bool,
) {
    let handler = P::index(&envelope.message);
    if here::records() {
        record::<P>(&envelope.message);
    }
    let handling = (handler, from_mailbox);
    match envelope.extra.open() {
        None => {
            cx.begin(None, envelope.sender, handling);
            here::before_handler(|| name_of::<P>(handler));
            current::in_handler(handler, state.dispatch(envelope.message, cx)).await;
        }
        Some((deadline, trace)) => {
            cx.begin(deadline, envelope.sender, handling);
            cx.set_trace(trace);
            here::before_handler(|| name_of::<P>(handler));
            let handled = current::under_deadline(deadline, state.dispatch(envelope.message, cx));
            current::in_handler(handler, handled).await;
            cx.set_trace(None);
        }
    }
    cx.end();
}

async fn finish<P: Handlers + Send>(mut state: P, mut cx: Cx<P>) -> Result<(), Fault> {
    if let Some(fault) = cx.take_fault() {
        return Err(fault);
    }
    if P::ON_STOP {
        state.on_stop(&mut cx).await?;
    }
    cx.take_fault().map_or(Ok(()), Err)
}

/// What a loop does next.
enum Next<M, P> {
    Do(Step<M, P>),
    End,
}

/// The loop of a process with timers, inputs, or handlers that block.
async fn full<P: Handlers + StructProcess + Send>(
    mut state: P,
    mailbox: Mailbox<P>,
    mut cx: Cx<P>,
    kind: Kind,
) -> Result<(), Fault> {
    if P::ON_START {
        (state, cx) = run(state, cx, kind, Step::Start, &mailbox).await?;
    }
    Lineage::ready();
    let mut sources = Sources {
        ticks: P::EVERY
            .iter()
            .map(|&(index, period)| (index, interval(period)))
            .collect(),
        mailbox_open: true,
        inputs_open: P::INPUTS,
        turn: 0,
        inputs_first: true,
        from_inputs: 0,
    };
    while !cx.is_stopped() {
        sources.turn = sources.turn.wrapping_add(1);
        // A handler may have put another receiver where one was closed.
        sources.inputs_open = P::INPUTS;
        let rests = cx.has_jobs() || cx.is_traced() && P::EVERY.is_empty();
        if rests && cx.is_traced() {
            // The wait borrows the inputs, so this is done before it. One that has timers is woken by them in any case, but not
            // when its scope stops, while it waits for work beside it.
            rest(&state);
        }
        let step = match sources
            .next(
                state.next_input(sources.from_inputs),
                &mailbox,
                cx.stopping(),
                rests,
                cx.jobs().map(Jobs::next),
            )
            .await
        {
            Next::End => break,
            Next::Do(Step::Message(envelope)) => match wanted::<P>(envelope, &mailbox) {
                Some(envelope) => Step::Message(envelope),
                None => continue,
            },
            Next::Do(step) => step,
        };
        let mut running = pin!(run(state, cx, kind, step, &mailbox));
        let beside = &mut sources;
        (state, cx) = poll_fn(move |task| {
            let polled = running.as_mut().poll(task);
            if polled.is_pending() {
                beside.stay();
            }
            polled
        })
        .await?;
    }
    if sources.inputs_open || !sources.ticks.is_empty() {
        Lineage::leaves_work();
    }
    drop(sources);
    match lane(kind) {
        None => finish(state, cx).await,
        Some(lane) => blocking::process_job(lane, finish(state, cx))
            .await
            .unwrap_or(Err(Fault::Closed)),
    }
}

/// The threads that the code of such a process runs on; `None`: it stays on its worker.
fn lane(kind: Kind) -> Option<Lane> {
    match kind {
        Kind::Async => None,
        Kind::Blocking => Some(Lane::Blocking),
        Kind::Cpu => Some(Lane::Cpu),
    }
}

/// Code of the user that the loop of a process calls.
enum Step<M, P> {
    Start,
    Tick(u8),
    Job(Result<Then<P>, Exit>),
    Message(Envelope<M>),
    Input(M),
}

/// A step on its way to a thread. If its process goes before that comes to it, nobody has begun to handle its message: it is the oldest
/// one of the mailbox again, for the next incarnation, or to die with the others there. One of a `#[recv]` input is told of as dead.
struct Underway<P: Handlers> {
    step: Option<Step<P::Message, P>>,
    mailbox: Mailbox<P>,
}

impl<P: Handlers> Underway<P> {
    /// The thread has come. `None`: meanwhile its caller has gone, or its time was over.
    fn arrive(mut self) -> Option<Step<P::Message, P>> {
        match self.step.take()? {
            Step::Message(envelope) => wanted::<P>(envelope, &self.mailbox).map(Step::Message),
            step => Some(step),
        }
    }
}

impl<P: Handlers> Drop for Underway<P> {
    fn drop(&mut self) {
        match self.step.take() {
            Some(Step::Message(envelope)) => self.mailbox.put_back(envelope),
            // Nobody else will see it: its field goes with the process.
            Some(Step::Input(message)) => {
                let handler = P::index(&message);
                self.mailbox.lose_of_input(Dead::Closed, handler);
            }
            _ => {}
        }
    }
}

/// Takes a step where the process's kind says.
async fn run<P: Handlers + Send>(
    mut state: P,
    mut cx: Cx<P>,
    kind: Kind,
    step: Step<P::Message, P>,
    mailbox: &Mailbox<P>,
) -> Result<(P, Cx<P>), Fault> {
    let Some(lane) = lane(kind) else {
        take(&mut state, &mut cx, step).await?;
        return Ok((state, cx));
    };
    let underway = Underway {
        step: Some(step),
        mailbox: mailbox.clone(),
    };
    let job = async move {
        if let Some(step) = underway.arrive() {
            take(&mut state, &mut cx, step).await?;
        }
        Ok((state, cx))
    };
    blocking::process_job(lane, job)
        .await
        .unwrap_or(Err(Fault::Closed))
}

async fn take<P: Handlers + Send>(
    state: &mut P,
    cx: &mut Cx<P>,
    step: Step<P::Message, P>,
) -> Result<(), Fault> {
    match step {
        Step::Start => state.on_start(cx).await?,
        Step::Tick(index) => state.every(index, cx).await,
        Step::Job(ended) => then::settle(state, ended)?,
        Step::Message(envelope) => handle(state, envelope, cx, true).await,
        Step::Input(message) => {
            let envelope = Envelope {
                message,
                extra: Extra::default(),
                sender: 0,
            };
            handle(state, envelope, cx, false).await;
        }
    }
    Ok(())
}

/// Where the next thing to do may come from.
struct Sources {
    ticks: Vec<(u8, Interval)>,
    mailbox_open: bool,
    inputs_open: bool,
    /// What was done so far, of whatever kind: now and then it is a look at the timers that comes first.
    turn: u32,
    /// Whose turn it is, of mailbox and inputs: not theirs who had the last one. (The number of the turn does not say so: a timer or
    /// work beside may take every second one.)
    inputs_first: bool,
    /// What came from inputs so far, which says whose turn it is among them.
    from_inputs: usize,
}

impl Sources {
    /// A handler waits. The timers wake its process too, but nobody looks at them before it has ended.
    fn stay(&self) {
        let ticks = self.ticks.iter();
        current::keeps_timers(ticks.filter(|(_, tick)| tick.is_waiting()).count());
    }

    async fn next<M: Send + 'static, P>(
        &mut self,
        input: impl Future<Output = Option<M>>,
        mailbox: &Receiver<Envelope<M>>,
        is_stopping: impl Fn() -> bool,
        rests: bool,
        mut beside: Option<Beside<'_, P>>,
    ) -> Next<M, P> {
        let mut message = pin!(mailbox.recv());
        let mut input = pin!(input);
        poll_fn(|task| {
            current::race(|| {
                self.poll_next(
                    task,
                    message.as_mut(),
                    input.as_mut(),
                    is_stopping(),
                    rests,
                    &mut beside,
                )
            })
        })
        .await
    }

    fn poll_next<M: Send + 'static, P>(
        &mut self,
        task: &mut Context<'_>,
        mut message: Pin<&mut impl Future<Output = Option<Envelope<M>>>>,
        mut input: Pin<&mut impl Future<Output = Option<M>>>,
        stopping: bool,
        rests: bool,
        beside: &mut Option<Beside<'_, P>>,
    ) -> Poll<Next<M, P>> {
        // Timers come first, but only now and then while messages keep coming. One that is due does not let others go before it here:
        // it would come one look later.
        if !stopping
            && self.turn.is_multiple_of(LOOK)
            && let Poll::Ready(tick) = self.poll_tick(task, Interval::poll_at_once)
        {
            return Poll::Ready(tick);
        }
        if let Some(beside) = beside
            && let Poll::Ready(ended) = beside.poll_job(task)
        {
            return Poll::Ready(Next::Do(Step::Job(ended)));
        }
        for inputs in [self.inputs_first, !self.inputs_first] {
            let polled = if inputs {
                self.poll_input(input.as_mut(), task)
            } else {
                self.poll_mailbox(message.as_mut(), task)
            };
            if polled.is_ready() {
                return polled;
            }
        }
        if !stopping && !self.ticks.is_empty() {
            return self.poll_tick(task, Interval::poll_next);
        }
        let open = self.mailbox_open || self.inputs_open;
        let waits = |beside: &Beside<'_, P>| open || beside.poll_over(task).is_pending();
        if beside.as_ref().map_or(open, waits) {
            if rests {
                current::waits_between();
            }
            Poll::Pending
        } else {
            Poll::Ready(Next::End)
        }
    }

    fn poll_tick<M, P>(
        &mut self,
        task: &mut Context<'_>,
        poll: fn(&mut Interval, &mut Context<'_>) -> Poll<Instant>,
    ) -> Poll<Next<M, P>> {
        // One whose handler takes longer than its period is due again at once: it must not starve the others.
        self.ticks.sort_by_key(|(_, ticks)| ticks.due());
        for (index, ticks) in &mut self.ticks {
            if poll(ticks, task).is_ready() {
                return Poll::Ready(Next::Do(Step::Tick(*index)));
            }
        }
        Poll::Pending
    }

    fn poll_mailbox<M, P>(
        &mut self,
        message: Pin<&mut impl Future<Output = Option<Envelope<M>>>>,
        task: &mut Context<'_>,
    ) -> Poll<Next<M, P>> {
        if self.mailbox_open
            && let Poll::Ready(received) = message.poll(task)
        {
            match received {
                Some(envelope) => {
                    self.inputs_first = true;
                    return Poll::Ready(Next::Do(Step::Message(envelope)));
                }
                None => self.mailbox_open = false,
            }
        }
        Poll::Pending
    }

    fn poll_input<M, P>(
        &mut self,
        input: Pin<&mut impl Future<Output = Option<M>>>,
        task: &mut Context<'_>,
    ) -> Poll<Next<M, P>> {
        if self.inputs_open
            && let Poll::Ready(received) = input.poll(task)
        {
            match received {
                Some(message) => {
                    self.inputs_first = false;
                    self.from_inputs = self.from_inputs.wrapping_add(1);
                    return Poll::Ready(Next::Do(Step::Input(message)));
                }
                None => self.inputs_open = false,
            }
        }
        Poll::Pending
    }
}
