//! The processes of a random system: functions that do one random thing after another with what they were lent and what they came
//! by, and structs that keep endpoints in their state.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Instant;

use roundrock::Done;
use roundrock::channel::WeakSender;
use roundrock::prelude::*;
use roundrock::sync::MutexGuard;
use roundrock_tests::{Random, yield_now};

use crate::world::{At, Shared, Side, Wait, Want};

/// A message: nothing, or an endpoint.
pub(crate) type Parcel = Option<Item>;

/// An endpoint that somebody may do with what he likes, and its number in the model.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) number: u32,
    pub(crate) end: Endpoint,
}

#[derive(Debug)]
pub(crate) enum Endpoint {
    Sender(Sender<Parcel>),
    Receiver(Receiver<Parcel>),
    Weak(WeakSender<Parcel>),
    Node(NodeHandle),
    /// The sender of a `oneshot`.
    Answer(OneshotSender<()>),
}

impl Endpoint {
    pub(crate) fn side(&self) -> Side {
        match self {
            Self::Sender(_) | Self::Node(_) | Self::Answer(_) => Side::Sender,
            Self::Receiver(_) => Side::Receiver,
            Self::Weak(_) => Side::Weak,
        }
    }
}

/// Endpoints that are in the hands of the test, and of whoever takes them.
pub(crate) type Outside = Arc<Mutex<Vec<Item>>>;

/// Tells the model that a process has ended.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) me: usize,
    pub(crate) world: Shared,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.world.get().exit(self.me);
    }
}

/// A struct process.
#[derive(Debug)]
#[process(mailbox = 2)]
pub(crate) struct Node {
    pub(crate) sender: Option<Sender<Parcel>>,
    pub(crate) receiver: Option<Receiver<Parcel>>,
    pub(crate) peer: Option<NodeHandle>,
    pub(crate) answer: Option<OneshotSender<()>>,
    /// The numbers of the four.
    pub(crate) numbers: [u32; 4],
    pub(crate) mailbox: usize,
    pub(crate) life: Life,
}

#[handlers]
impl Node {
    /// Keeps an endpoint in place of the one it had.
    pub(crate) fn hold(&mut self, parcel: Parcel) {
        self.enter();
        if let Some(Item { number, end }) = parcel {
            let mut world = self.life.world.get();
            let place = match &end {
                Endpoint::Sender(_) => Some((0, self.sender.is_some())),
                Endpoint::Receiver(_) => Some((1, self.receiver.is_some())),
                Endpoint::Node(_) => Some((2, self.peer.is_some())),
                Endpoint::Answer(_) => Some((3, self.answer.is_some())),
                Endpoint::Weak(_) => None,
            };
            match place {
                Some((place, full)) => {
                    world.put(number, At::Field(self.life.me));
                    let old = std::mem::replace(&mut self.numbers[place], number);
                    if full {
                        world.remove(old);
                    }
                }
                None => world.remove(number),
            }
            drop(world);
            match end {
                Endpoint::Sender(sender) => self.sender = Some(sender),
                Endpoint::Receiver(receiver) => self.receiver = Some(receiver),
                Endpoint::Node(peer) => self.peer = Some(peer),
                Endpoint::Answer(answer) => self.answer = Some(answer),
                Endpoint::Weak(_) => {}
            }
        }
        self.leave();
    }

    /// Gives the answer that it keeps.
    pub(crate) fn reply(&mut self) {
        self.enter();
        if let Some(answer) = self.answer.take() {
            self.life.world.get().remove(self.numbers[3]);
            // Nobody may want it any more.
            let _ = answer.send(());
        }
        self.leave();
    }

    /// Sends in its handler.
    pub(crate) async fn relay(&mut self) {
        self.enter();
        if let Some(sender) = &self.sender {
            let channel = self.life.world.get().channel(self.numbers[0]);
            self.begin(Want::Room, channel);
            let _ = sender.send(None).await;
            self.life.world.end(self.life.me);
        }
        self.leave();
    }

    /// Receives in its handler, and drops what it got.
    pub(crate) async fn listen(&mut self) {
        self.enter();
        if let Some(receiver) = &self.receiver {
            let channel = self.life.world.get().channel(self.numbers[1]);
            self.begin(Want::Message, channel);
            let got = receiver.recv().await;
            self.life.world.end(self.life.me);
            if let Some(Some(item)) = got {
                self.life.world.get().remove(item.number);
            }
        }
        self.leave();
    }

    /// Calls its peer in its handler, which does the same.
    pub(crate) async fn ask(&mut self, hops: u8) {
        self.enter();
        if let Some(peer) = self.peer.as_ref().filter(|_| hops > 0) {
            let mailbox = self.life.world.get().channel(self.numbers[2]);
            self.begin(Want::Reply, mailbox);
            let _ = peer.ask(hops - 1).await;
            self.life.world.end(self.life.me);
        }
        self.leave();
    }
}

impl Node {
    fn begin(&self, want: Want, channel: usize) {
        let wait = Wait::Channels(vec![(want, channel)]);
        self.life.world.begin(self.life.me, wait);
    }

    fn enter(&self) {
        self.life.world.end(self.life.me);
        self.life.world.get().processes[self.life.me].between = false;
    }

    fn leave(&self) {
        self.begin(Want::Message, self.mailbox);
        self.life.world.get().processes[self.life.me].between = true;
    }
}

/// What a function process was given by value.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) life: Life,
    pub(crate) random: Random,
    pub(crate) steps: usize,
    pub(crate) loose: Vec<Item>,
    /// Processes whose end it may wait for.
    pub(crate) tasks: Vec<(usize, Done)>,
    /// The numbers of what it was lent: senders, receivers, weak senders, handles.
    pub(crate) ports: [Vec<u32>; 4],
    pub(crate) locks: Vec<usize>,
    /// Receivers of `oneshot`s, with their numbers.
    pub(crate) questions: Vec<(u32, OneshotReceiver<()>)>,
    pub(crate) outside: Outside,
}

/// A lock that processes are lent.
pub(crate) type Shelf = Arc<roundrock::sync::Mutex<u32>>;

/// A function process.
#[process]
pub(crate) async fn actor(
    senders: &Vec<Sender<Parcel>>,
    receivers: &Vec<Receiver<Parcel>>,
    weak: &Vec<WeakSender<Parcel>>,
    nodes: &Vec<NodeHandle>,
    locks: &Vec<Shelf>,
    answers: &Vec<OneshotSender<()>>,
    script: Script,
) {
    let mut actor = Actor {
        senders,
        receivers,
        weak,
        nodes,
        locks,
        guards: Vec::new(),
        script,
    };
    for _ in 0..actor.script.steps {
        actor.act().await;
    }
    // It can only keep them, and drop them when it ends.
    let _ = answers;
}

/// What the workers of a pool have in common.
#[derive(Debug)]
pub(crate) struct Badge {
    pub(crate) crew: usize,
    pub(crate) seed: usize,
    pub(crate) steps: usize,
    pub(crate) world: Shared,
    pub(crate) ports: [Vec<u32>; 4],
    pub(crate) outside: Outside,
}

/// A worker of a pool of functions.
#[process]
pub(crate) async fn worker(
    senders: &Vec<Sender<Parcel>>,
    receivers: &Vec<Receiver<Parcel>>,
    badge: &Badge,
    cx: &mut Cx,
) {
    let me = {
        let mut world = badge.world.get();
        let crew = &mut world.crews[badge.crew];
        let me = crew.workers[crew.begun];
        crew.begun += 1;
        world.ids.insert(cx.id(), me);
        me
    };
    let mut actor = Actor {
        senders,
        receivers,
        weak: &[],
        nodes: &[],
        locks: &[],
        guards: Vec::new(),
        script: Script {
            life: Life {
                me,
                world: badge.world.clone(),
            },
            random: Random::new((badge.seed + me) as u64),
            steps: badge.steps,
            loose: Vec::new(),
            tasks: Vec::new(),
            ports: badge.ports.clone(),
            locks: Vec::new(),
            questions: Vec::new(),
            outside: Arc::clone(&badge.outside),
        },
    };
    for _ in 0..actor.script.steps {
        actor.act().await;
    }
}

struct Actor<'a> {
    senders: &'a [Sender<Parcel>],
    receivers: &'a [Receiver<Parcel>],
    weak: &'a [WeakSender<Parcel>],
    nodes: &'a [NodeHandle],
    locks: &'a [Shelf],
    guards: Vec<(usize, MutexGuard<'a, u32>)>,
    // Last: when the model hears of the end, the guards are gone.
    script: Script,
}

/// Where a process has an endpoint.
#[derive(Debug, Clone, Copy)]
enum Place {
    Port(usize),
    Loose(usize),
}

/// The kinds of endpoints, by their places in [`Script::ports`].
const SENDERS: usize = 0;
const RECEIVERS: usize = 1;
const WEAK: usize = 2;
const NODES: usize = 3;
/// Lent ones cannot be used.
const ANSWERS: usize = 4;

fn kind(end: &Endpoint) -> usize {
    match end {
        Endpoint::Sender(_) => SENDERS,
        Endpoint::Receiver(_) => RECEIVERS,
        Endpoint::Weak(_) => WEAK,
        Endpoint::Node(_) => NODES,
        Endpoint::Answer(_) => ANSWERS,
    }
}

impl Actor<'_> {
    async fn act(&mut self) {
        match self.script.random.below(24) {
            0..=3 => self.send().await,
            4..=7 => self.recv().await,
            8 | 9 => self.select().await,
            10 => self.drop_one(),
            11 => self.copy(),
            12 => self.lock().await,
            13 => self.unlock(),
            14 => self.join().await,
            15..=17 => self.call().await,
            18 => self.exchange(),
            19 => self.sleep_beside().await,
            20 | 21 => self.ask().await,
            22 => self.answer(),
            _ => {
                self.begin(Wait::Timer);
                sleep(millis(1 + self.script.random.below(3) as u64)).await;
                self.end();
            }
        }
    }

    /// Begins to sleep, and puts that aside while it does something else.
    async fn sleep_beside(&mut self) {
        let pause = millis(1 + self.script.random.below(3) as u64);
        let mut kept = pin!(sleep(pause));
        poll_fn(|cx| Poll::Ready(kept.as_mut().poll(cx).is_ready())).await;
        let until = roundrock::time::now() + pause;
        self.keeps_until(Some(until));
        // What one poll speaks of counts as long as the process is parked by that.
        yield_now().await;
        match self.script.random.below(4) {
            0 => self.send().await,
            1 => self.lock().await,
            2 => self.call().await,
            _ => self.recv().await,
        }
        self.keeps_until(None);
    }

    fn keeps_until(&self, until: Option<Instant>) {
        self.world().get().processes[self.me()].kept = until;
    }

    fn me(&self) -> usize {
        self.script.life.me
    }

    fn world(&self) -> &Shared {
        &self.script.life.world
    }

    fn begin(&self, wait: Wait) {
        self.world().begin(self.me(), wait);
    }

    fn begin_at(&self, want: Want, channel: usize) {
        self.begin(Wait::Channels(vec![(want, channel)]));
    }

    fn end(&self) {
        self.world().end(self.me());
    }

    /// Any endpoint of a kind.
    fn pick(&mut self, wanted: usize) -> Option<Place> {
        let ports = 0..self.script.ports[wanted].len();
        let loose = self.script.loose.iter().enumerate();
        let loose = loose.filter(|(_, item)| kind(&item.end) == wanted);
        let places: Vec<_> = ports
            .map(Place::Port)
            .chain(loose.map(|(at, _)| Place::Loose(at)))
            .collect();
        match places.len() {
            0 => None,
            count => Some(places[self.script.random.below(count)]),
        }
    }

    fn channel(&self, kind: usize, place: Place) -> usize {
        let number = match place {
            Place::Port(at) => self.script.ports[kind][at],
            Place::Loose(at) => self.script.loose[at].number,
        };
        self.world().get().channel(number)
    }

    fn sender(&self, place: Place) -> &Sender<Parcel> {
        match place {
            Place::Port(at) => &self.senders[at],
            Place::Loose(at) => match &self.script.loose[at].end {
                Endpoint::Sender(sender) => sender,
                _ => unreachable!("it was picked as one"),
            },
        }
    }

    fn receiver(&self, place: Place) -> &Receiver<Parcel> {
        match place {
            Place::Port(at) => &self.receivers[at],
            Place::Loose(at) => match &self.script.loose[at].end {
                Endpoint::Receiver(receiver) => receiver,
                _ => unreachable!("it was picked as one"),
            },
        }
    }

    fn node(&self, place: Place) -> &NodeHandle {
        match place {
            Place::Port(at) => &self.nodes[at],
            Place::Loose(at) => match &self.script.loose[at].end {
                Endpoint::Node(node) => node,
                _ => unreachable!("it was picked as one"),
            },
        }
    }

    /// Now and then something loose, to be sent.
    fn payload(&mut self) -> Parcel {
        let count = self.script.loose.len();
        if count == 0 || self.script.random.below(3) > 0 {
            return None;
        }
        let at = self.script.random.below(count);
        Some(self.script.loose.swap_remove(at))
    }

    /// Whether the payload may go there: a channel that lies in itself would never be freed.
    fn pack(&mut self, payload: Parcel, channel: usize) -> Parcel {
        let item = payload?;
        let fits = self.world().get().channel(item.number) != channel;
        if fits {
            let at = At::Sending(self.me(), channel);
            self.world().get().put(item.number, at);
            return Some(item);
        }
        self.script.loose.push(item);
        None
    }

    fn keep(&mut self, item: Item) {
        self.world().get().put(item.number, At::Loose(self.me()));
        self.script.loose.push(item);
    }

    async fn send(&mut self) {
        let payload = self.payload();
        let Some(place) = self.pick(SENDERS) else {
            return self.script.loose.extend(payload);
        };
        let channel = self.channel(SENDERS, place);
        let parcel = self.pack(payload, channel);
        let number = parcel.as_ref().map(|item| item.number);
        self.begin_at(Want::Room, channel);
        let sent = self.sender(place).send(parcel).await;
        self.end();
        match sent {
            Ok(()) => {
                if let Some(number) = number {
                    self.world().get().accepted(number, self.me(), channel);
                }
            }
            Err(error) => {
                if let Some(item) = error.into_inner() {
                    self.keep(item);
                }
            }
        }
    }

    async fn recv(&mut self) {
        let Some(place) = self.pick(RECEIVERS) else {
            return;
        };
        self.begin_at(Want::Message, self.channel(RECEIVERS, place));
        let got = self.receiver(place).recv().await;
        self.end();
        if let Some(Some(item)) = got {
            self.keep(item);
        }
    }

    /// Waits for a message from either of two, or from one and for room elsewhere.
    async fn select(&mut self) {
        let (Some(first), Some(second)) = (self.pick(RECEIVERS), self.pick(RECEIVERS)) else {
            return;
        };
        let room = self
            .pick(SENDERS)
            .filter(|_| self.script.random.below(2) == 0);
        let mut waits = vec![(Want::Message, self.channel(RECEIVERS, first))];
        waits.push(match room {
            Some(room) => (Want::Room, self.channel(SENDERS, room)),
            None => (Want::Message, self.channel(RECEIVERS, second)),
        });
        self.begin(Wait::Channels(waits));
        let got = match room {
            Some(room) => select! {
                got = self.receiver(first).recv() => got,
                room = self.sender(room).ready() => {
                    // Refused if the last receiver has gone.
                    let _ = room.map(|room| room.send(None));
                    None
                },
                else => None,
            },
            None => select! {
                got = self.receiver(first).recv() => got,
                got = self.receiver(second).recv() => got,
                else => None,
            },
        };
        self.end();
        if let Some(item) = got {
            self.keep(item);
        }
    }

    fn drop_one(&mut self) {
        let count = self.script.loose.len();
        if count > 0 {
            let at = self.script.random.below(count);
            let item = self.script.loose.swap_remove(at);
            self.world().get().remove(item.number);
        }
    }

    /// Clones an endpoint, or makes a strong one of a weak one.
    fn copy(&mut self) {
        let wanted = self.script.random.below(4);
        let Some(place) = self.pick(wanted) else {
            return;
        };
        let channel = self.channel(wanted, place);
        let end = match (wanted, place) {
            (SENDERS, _) => Endpoint::Sender(self.sender(place).clone()),
            (RECEIVERS, _) => Endpoint::Receiver(self.receiver(place).clone()),
            (NODES, _) => Endpoint::Node(self.node(place).clone()),
            (_, Place::Port(at)) => match self.weak[at].upgrade() {
                Some(sender) => Endpoint::Sender(sender),
                None => return,
            },
            (_, Place::Loose(at)) => match &self.script.loose[at].end {
                Endpoint::Weak(weak) => Endpoint::Weak(weak.clone()),
                _ => unreachable!("it was picked as one"),
            },
        };
        let number = self
            .world()
            .get()
            .add(channel, end.side(), At::Loose(self.me()));
        self.script.loose.push(Item { number, end });
    }

    async fn lock(&mut self) {
        let locks = self.locks;
        if locks.is_empty() {
            return;
        }
        let at = self.script.random.below(locks.len());
        let number = self.script.locks[at];
        self.begin(Wait::Lock(number));
        let guard = locks[at].lock().await;
        self.end();
        self.world().get().locks[number].holder = Some(self.me());
        self.guards.push((number, guard));
    }

    fn unlock(&mut self) {
        if let Some((number, guard)) = self.guards.pop() {
            self.world().get().locks[number].holder = None;
            drop(guard);
        }
    }

    /// Waits for the value of a `oneshot`.
    async fn ask(&mut self) {
        if let Some((number, question)) = self.script.questions.pop() {
            let channel = self.world().get().channel(number);
            self.begin_at(Want::Message, channel);
            question.await;
            self.end();
            self.world().get().remove(number);
        }
    }

    /// Gives an answer that is in its hands.
    fn answer(&mut self) {
        let loose = &mut self.script.loose;
        let Some(at) = loose.iter().position(|item| kind(&item.end) == ANSWERS) else {
            return;
        };
        let Item { number, end } = loose.swap_remove(at);
        self.world().get().remove(number);
        if let Endpoint::Answer(answer) = end {
            let _ = answer.send(());
        }
    }

    async fn join(&mut self) {
        if let Some((other, task)) = self.script.tasks.pop() {
            self.begin(Wait::Join(other));
            task.await;
            self.end();
        }
    }

    async fn call(&mut self) {
        let payload = self.payload();
        let Some(place) = self.pick(NODES) else {
            return self.script.loose.extend(payload);
        };
        let mailbox = self.channel(NODES, place);
        let parcel = self.pack(payload, mailbox);
        let number = parcel.as_ref().map(|item| item.number);
        let how = self.script.random.below(10);
        let waits = parcel.is_some() && how.is_multiple_of(2) || parcel.is_none() && how < 5;
        if waits {
            self.begin_at(Want::Reply, mailbox);
        }
        let node = self.node(place);
        let accepted = match (&parcel, how) {
            (Some(_), _) if waits => node.hold(parcel).await.is_ok(),
            (Some(_), _) => node.hold(parcel).try_send().is_ok(),
            (None, 0 | 1) => node.ask(2).await.is_ok(),
            (None, 2) => node.relay().await.is_ok(),
            (None, 3) => node.listen().await.is_ok(),
            (None, 4) => node.ask(0).await.is_ok(),
            (None, 5) => node.relay().try_send().is_ok(),
            (None, 6) => node.listen().try_send().is_ok(),
            (None, 7 | 8) => node.reply().try_send().is_ok(),
            (None, _) => node.ask(1).try_send().is_ok(),
        };
        if waits {
            self.end();
        }
        if let Some(number) = number {
            let me = self.me();
            let mut world = self.world().get();
            if accepted {
                world.accepted(number, me, mailbox);
            } else {
                world.lost(number, me, mailbox);
            }
        }
    }

    /// Gives something loose to the test, or takes something that it has.
    fn exchange(&mut self) {
        let outside = Arc::clone(&self.script.outside);
        let mut outside = outside.lock().expect("not poisoned");
        if self.script.random.below(2) == 0 {
            if let Some(item) = self.script.loose.pop() {
                self.world().get().put(item.number, At::Outside);
                outside.push(item);
            }
        } else if let Some(item) = outside.pop() {
            self.keep(item);
        }
    }
}
