//! A random system, made of a seed; how it is looked at; and what the test does with what it has in its own hands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use roundrock::WaitKind;
use roundrock::channel::WeakSender;
use roundrock::leaks::{Leak, Proof, Verdict};
use roundrock::prelude::*;
use roundrock_tests::{Random, yield_now};

use crate::actors::{
    Badge, Endpoint, Item, Life, Node, NodeHandle, Outside, Parcel, Script, Shelf, actor, worker,
};
use crate::truth::{Mistake, mistaken, physical, provable};
use crate::world::{At, Crew, Shared, Side, Wait, Want};

/// What was seen in all systems: that the test is about something.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) systems: AtomicUsize,
    /// How often a settled system was compared with the truth.
    pub(crate) compared: AtomicUsize,
    pub(crate) passes: AtomicUsize,
    /// Processes that wait for ever, by the end of their system; and those of them that were proven.
    pub(crate) stuck: AtomicUsize,
    pub(crate) proven: AtomicUsize,
    /// Causes by what their processes wait for, and those behind one.
    pub(crate) kinds: Mutex<BTreeMap<String, usize>>,
    /// How often each mistake would have been caught.
    pub(crate) caught: [AtomicUsize; Mistake::ALL.len()],
}

/// What one process is made of.
#[derive(Debug, Default)]
struct Given {
    senders: Vec<Sender<Parcel>>,
    receivers: Vec<Receiver<Parcel>>,
    weak: Vec<WeakSender<Parcel>>,
    nodes: Vec<NodeHandle>,
    ports: [Vec<u32>; 4],
    shelves: Vec<Shelf>,
    locks: Vec<usize>,
    answers: Vec<OneshotSender<()>>,
    questions: Vec<(u32, OneshotReceiver<()>)>,
    loose: Vec<Item>,
}

impl Given {
    fn lend(&mut self, number: u32, end: Endpoint) {
        let place = match end {
            Endpoint::Sender(sender) => {
                self.senders.push(sender);
                0
            }
            Endpoint::Receiver(receiver) => {
                self.receivers.push(receiver);
                1
            }
            Endpoint::Weak(weak) => {
                self.weak.push(weak);
                2
            }
            Endpoint::Node(node) => {
                self.nodes.push(node);
                3
            }
            Endpoint::Answer(answer) => return self.answers.push(answer),
        };
        self.ports[place].push(number);
    }
}

/// A system while it is built and while it runs.
struct System<'a> {
    scope: &'a Scope,
    random: Random,
    world: Shared,
    outside: Outside,
    tasks: Vec<Task<()>>,
    shelves: Vec<Shelf>,
    /// How many channels there are.
    channels: usize,
    /// What a pool is lent, if there is one.
    crew: Option<Given>,
    /// Who was proven, and how much it had done by then.
    proven: BTreeMap<usize, u64>,
    seen: Arc<Seen>,
}

/// Runs the system of a seed: builds it, and compares whenever it has settled.
pub(crate) async fn run(sim: &Sim, seed: u64, seen: Arc<Seen>) -> Result<()> {
    let mut system = System {
        scope: sim,
        random: Random::new(seed),
        world: Shared::default(),
        outside: Outside::default(),
        tasks: Vec::new(),
        shelves: Vec::new(),
        channels: 0,
        crew: None,
        proven: BTreeMap::new(),
        seen,
    };
    system.build();
    for _ in 0..1 + system.random.below(4) {
        for _ in 0..system.random.below(4) {
            system.look()?;
            yield_now().await;
        }
        sim.settle().await;
        system.compare()?;
        system.interfere().await;
    }
    // Everybody who could go on can, as far as it is up to the test.
    let items = std::mem::take(&mut *system.outside.lock().expect("not poisoned"));
    for item in items {
        system.world.get().remove(item.number);
    }
    sim.advance(secs(1)).await;
    system.compare()?;
    system.count();
    // What waits for ever would be late.
    system.tasks.iter().for_each(Task::kill);
    sim.settle().await;
    let wrong = sim.system().proof_violations();
    ensure!(
        wrong == 0,
        "{wrong} proofs were wrong by the runtime's own account"
    );
    let lost = sim.system().lost_wakeups();
    ensure!(lost == 0, "{lost} wakeups were lost");
    Ok(())
}

impl System<'_> {
    fn build(&mut self) {
        let (nodes, actors) = (self.random.below(3), 1 + self.random.below(4));
        let loose = [0, 0, 20, 50][self.random.below(4)];
        self.crew = (self.random.below(4) == 0).then(Given::default);
        let mut given: Vec<_> = (0..actors).map(|_| Given::default()).collect();
        // The mailboxes are the first channels; the numbers of processes and of their mailboxes are the same.
        let handles: Vec<_> = (0..nodes).map(|_| self.spawn_node()).collect();
        self.channels = nodes + 1 + self.random.below(3);
        for channel in nodes..self.channels {
            let (sender, receiver) = bounded([0, 0, 1, 2][self.random.below(4)]);
            if self.random.below(3) == 0 {
                let weak = Endpoint::Weak(sender.downgrade());
                self.give(channel, weak, &mut given, &handles, loose);
            }
            for _ in 0..self.random.below(3) {
                let clone = Endpoint::Sender(sender.clone());
                self.give(channel, clone, &mut given, &handles, loose);
            }
            if self.random.below(3) == 0 {
                let clone = Endpoint::Receiver(receiver.clone());
                self.give(channel, clone, &mut given, &handles, loose);
            }
            self.give(
                channel,
                Endpoint::Sender(sender),
                &mut given,
                &handles,
                loose,
            );
            self.give(
                channel,
                Endpoint::Receiver(receiver),
                &mut given,
                &handles,
                loose,
            );
        }
        self.give_oneshots(&mut given, &handles, loose);
        self.give_locks(&mut given);
        for (mailbox, handle) in handles.iter().enumerate() {
            for _ in 0..1 + self.random.below(2) {
                let clone = Endpoint::Node(handle.clone());
                self.give(mailbox, clone, &mut given, &handles, loose);
            }
        }
        drop(handles);
        for given in given {
            self.spawn_actor(given);
        }
        if let Some(crew) = self.crew.take() {
            self.spawn_crew(crew);
        }
    }

    /// Some pool of functions, the last processes of all.
    fn spawn_crew(&mut self, given: Given) {
        let size = 2 + self.random.below(2);
        let mut world = self.world.get();
        let crew = Crew {
            workers: (0..size)
                .map(|_| world.add_process(Wait::Nothing))
                .collect(),
            whole: world.add_process(Wait::Crew(0)),
            begun: 0,
        };
        let whole = crew.whole;
        world.crews.push(crew);
        drop(world);
        let badge = Badge {
            crew: 0,
            seed: self.random.below(usize::MAX / 2),
            steps: 2 + self.random.below(12),
            world: self.world.clone(),
            ports: given.ports,
            outside: Arc::clone(&self.outside),
        };
        let pool = worker(given.senders, given.receivers, badge);
        let task = self.scope.pool(size, pool);
        self.enter(whole, task);
    }

    fn spawn_node(&mut self) -> NodeHandle {
        let mut world = self.world.get();
        let me = world.processes.len();
        world.add_process(Wait::Channels(vec![(Want::Message, me)]));
        world.add(me, Side::Receiver, At::Port(me));
        drop(world);
        let handle = self.scope.spawn(Node {
            sender: None,
            receiver: None,
            peer: None,
            answer: None,
            numbers: [0; 4],
            mailbox: me,
            life: Life {
                me,
                world: self.world.clone(),
            },
        });
        self.enter(me, handle.task());
        handle
    }

    fn enter(&mut self, me: usize, task: Task<()>) {
        self.world.get().ids.insert(task.id(), me);
        self.tasks.push(task);
    }

    /// Gives an endpoint to somebody: as a port, loose, into the state of a struct, or to the test itself.
    fn give(
        &mut self,
        channel: usize,
        end: Endpoint,
        given: &mut [Given],
        handles: &[NodeHandle],
        loose: usize,
    ) {
        let who = self.random.below(given.len());
        let me = handles.len() + who;
        let number = self.world.get().add(channel, end.side(), At::Outside);
        if self.random.below(12) == 0 {
            let mut outside = self.outside.lock().expect("not poisoned");
            return outside.push(Item { number, end });
        }
        if !handles.is_empty() && self.random.below(4) == 0 {
            let at = self.random.below(handles.len());
            if at != channel || matches!(end, Endpoint::Node(_)) {
                self.world.get().put(number, At::Queue(at));
                let sent = handles[at].hold(Some(Item { number, end })).try_send();
                if sent.is_err() {
                    self.world.get().remove(number);
                }
                return;
            }
        }
        let is_of_channel = matches!(end, Endpoint::Sender(_) | Endpoint::Receiver(_));
        if let Some(crew) = self.crew.as_mut().filter(|_| is_of_channel)
            && self.random.below(3) == 0
        {
            self.world.get().put(number, At::Crew(0));
            return crew.lend(number, end);
        }
        let given = &mut given[who];
        if self.random.below(100) < loose {
            self.world.get().put(number, At::Loose(me));
            return given.loose.push(Item { number, end });
        }
        self.world.get().put(number, At::Port(me));
        given.lend(number, end);
    }

    /// Somebody will wait for each value; the sender may be anywhere.
    fn give_oneshots(&mut self, given: &mut [Given], handles: &[NodeHandle], loose: usize) {
        for _ in 0..self.random.below(3) {
            let channel = self.channels;
            self.channels += 1;
            let (answer, question) = oneshot();
            let who = self.random.below(given.len());
            let asks = At::Loose(handles.len() + who);
            let number = self.world.get().add(channel, Side::Receiver, asks);
            given[who].questions.push((number, question));
            self.give(channel, Endpoint::Answer(answer), given, handles, loose);
        }
    }

    fn give_locks(&mut self, given: &mut [Given]) {
        let first = self.world.get().processes.len();
        for number in 0..self.random.below(3) {
            let shelf = Shelf::default();
            let mut lock = crate::world::Lock::default();
            for _ in 0..1 + self.random.below(3) {
                let who = self.random.below(given.len());
                given[who].shelves.push(Arc::clone(&shelf));
                given[who].locks.push(number);
                lock.lent.push(first + who);
            }
            if self.random.below(8) == 0 {
                lock.outside = 1;
                self.shelves.push(shelf);
            }
            self.world.get().locks.push(lock);
        }
    }

    fn spawn_actor(&mut self, given: Given) {
        let me = self.world.get().add_process(Wait::Nothing);
        // Whoever was started before may be waited for.
        let mut tasks = Vec::new();
        if me > 0 && self.random.below(2) == 0 {
            let other = self.random.below(me);
            tasks.push((other, self.tasks[other].done()));
        }
        let script = Script {
            life: Life {
                me,
                world: self.world.clone(),
            },
            random: Random::new(self.random.below(usize::MAX) as u64),
            steps: 2 + self.random.below(12),
            loose: given.loose,
            tasks,
            ports: given.ports,
            locks: given.locks,
            questions: given.questions,
            outside: Arc::clone(&self.outside),
        };
        let Given {
            senders,
            receivers,
            weak,
            nodes,
            shelves,
            answers,
            ..
        } = given;
        let process = actor(senders, receivers, weak, nodes, shelves, answers, script);
        let task = self.scope.spawn(process);
        self.enter(me, task);
    }

    /// Asks for the leaks. Whoever was ever proven has done nothing since.
    fn look(&mut self) -> Result<BTreeSet<usize>> {
        self.seen.passes.fetch_add(1, Ordering::Relaxed);
        let leaks = self.scope.system().leaks();
        let proven = leaks.iter().filter(|leak| leak.is_proven());
        let proven = proven.flat_map(|leak| &leak.processes);
        let mut world = self.world.get();
        let proven: Option<BTreeSet<_>> = proven
            .map(|process| world.ids.get(&process.id).copied())
            .collect();
        let proven = proven.context("somebody was proven who is not in the system")?;
        world.now = Some(roundrock::time::now());
        for &process in &proven {
            let steps = world.processes[process].steps;
            self.proven.entry(process).or_insert(steps);
        }
        for (&process, &steps) in &self.proven {
            let now = &world.processes[process];
            ensure!(
                now.alive && now.steps == steps,
                "process {process} was proven stuck and has run since: {now:?}"
            );
        }
        Ok(proven)
    }

    /// Compares what is proven with the truth, when nothing moves.
    fn compare(&mut self) -> Result<()> {
        self.seen.compared.fetch_add(1, Ordering::Relaxed);
        let found = self.look()?;
        let world = self.world.get();
        for (number, process) in world.processes.iter().enumerate() {
            ensure!(
                !process.alive || process.wait != Wait::Nothing,
                "process {number} waits for nothing that it said"
            );
        }
        let (expected, stuck) = (provable(&world), physical(&world));
        ensure!(
            expected.is_subset(&stuck),
            "the model contradicts itself: {expected:?} and {stuck:?} in {world:#?}"
        );
        ensure!(
            found == expected,
            "proven are {found:?}, and should be {expected:?}; {stuck:?} will never run again; {:#?}\n{world:#?}\n{}",
            self.scope.system().leaks(),
            self.scope.system().dump()
        );
        for (mistake, caught) in Mistake::ALL.into_iter().zip(&self.seen.caught) {
            let said = mistaken(&world, mistake);
            caught.fetch_add(usize::from(said != expected), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Does something with what the test has, or lets time pass.
    async fn interfere(&mut self) {
        let item = match self.random.below(3) {
            0 => None,
            _ => self.outside.lock().expect("not poisoned").pop(),
        };
        let Some(item) = item else {
            return sleep(millis(2)).await;
        };
        let number = item.number;
        let used = self.random.below(2) == 0;
        match &item.end {
            Endpoint::Answer(_) => {
                self.world.get().remove(number);
                return match item.end {
                    Endpoint::Answer(answer) if used => drop(answer.send(())),
                    end => drop(end),
                };
            }
            Endpoint::Sender(sender) if used => drop(sender.try_send(None)),
            Endpoint::Node(node) if used => drop(node.ask(1).try_send()),
            Endpoint::Receiver(receiver) if used => {
                if let Ok(Some(got)) = receiver.try_recv() {
                    self.world.get().put(got.number, At::Outside);
                    self.outside.lock().expect("not poisoned").push(got);
                }
            }
            _ => {
                self.world.get().remove(number);
                return drop(item);
            }
        }
        self.outside.lock().expect("not poisoned").push(item);
    }

    /// Adds what became of this system to what was seen.
    fn count(&self) {
        let add = |counter: &AtomicUsize, by| counter.fetch_add(by, Ordering::Relaxed);
        add(&self.seen.systems, 1);
        add(&self.seen.proven, self.proven.len());
        add(&self.seen.stuck, physical(&self.world.get()).len());
        let mut kinds = self.seen.kinds.lock().expect("not poisoned");
        for leak in self.scope.system().leaks() {
            *kinds.entry(words(&leak)).or_default() += 1;
        }
    }
}

/// What a finding is about, in short.
fn words(leak: &Leak) -> String {
    if let Verdict::Proven(Proof::Behind { .. }) = leak.verdict {
        return "behind".to_owned();
    }
    let waits = leak.processes.iter().flat_map(|process| &process.waits);
    let mut kinds: Vec<_> = waits.map(|wait| format!("{:?}", wait.kind)).collect();
    kinds.sort();
    kinds.dedup();
    kinds.join("+")
}

/// The kinds of waits that must be in some cycle. One of calls alone is refused before it closes.
pub(crate) const KINDS: [WaitKind; 5] = [
    WaitKind::Recv,
    WaitKind::Send,
    WaitKind::Reply,
    WaitKind::Join,
    WaitKind::Lock,
];
