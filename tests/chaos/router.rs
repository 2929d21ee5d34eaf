//! The parts of the router, each of which fails now and then.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, mpsc};

use roundrock::prelude::*;
use roundrock::sync::{Mutex, RwLock, Semaphore};
use roundrock_tests::{Random, yield_now};

/// Counts events from their making to their end.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    made: AtomicUsize,
    dropped: AtomicUsize,
    handled: AtomicUsize,
}

impl Tally {
    pub(crate) fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    pub(crate) fn alive(&self) -> usize {
        self.made() - self.dropped.load(Ordering::SeqCst)
    }

    pub(crate) fn handled(&self) -> usize {
        self.handled.load(Ordering::SeqCst)
    }
}

/// A message that must be dropped once.
#[derive(Debug)]
pub(crate) struct Event(Arc<Tally>);

impl Event {
    fn new(tally: &Arc<Tally>) -> Self {
        tally.made.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(tally))
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// What decides whether something goes wrong here and now.
#[derive(Debug)]
pub(crate) struct Fate {
    random: std::sync::Mutex<Random>,
    is_calm: AtomicBool,
}

impl Fate {
    /// One in `odds`, while it is not calm.
    pub(crate) fn strikes(&self, odds: usize) -> bool {
        !self.is_calm() && self.below(odds) == 0
    }

    pub(crate) fn below(&self, bound: usize) -> usize {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.below(bound)
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::SeqCst)
    }
}

/// Takes events to the sinks.
#[process]
async fn work(events: &Receiver<Event>, fate: &Arc<Fate>, sinks: &Vec<SinkHandle>) -> Result<()> {
    while let Some(event) = events.recv().await {
        if fate.strikes(150) {
            panic!("chaos: a worker");
        }
        if fate.strikes(150) {
            bail!("chaos: an error of a worker");
        }
        let sink = &sinks[fate.below(sinks.len())];
        // What a sink does not take is dead; the worker goes on with the next one.
        match fate.below(4) {
            0 => drop(sink.put(event).await),
            1 => drop(sink.put(event).within(millis(2)).await),
            2 => drop(sink.put(event).try_send()),
            _ => drop(sink.put(event).send().await),
        }
    }
    Ok(())
}

/// Where events end.
#[process(mailbox = 4)]
pub(crate) struct Sink {
    tally: Arc<Tally>,
    fate: Arc<Fate>,
}

#[handlers]
impl Sink {
    #[on_start]
    async fn start(&mut self) -> Result<()> {
        yield_now().await;
        ensure!(!self.fate.strikes(10), "chaos: a sink does not start");
        Ok(())
    }

    pub(crate) async fn put(&mut self, event: Event) {
        if self.fate.strikes(20) {
            sleep(micros(self.fate.below(3000) as u64)).await;
        }
        if self.fate.strikes(100) {
            panic!("chaos: a sink");
        }
        drop(event);
        self.tally.handled.fetch_add(1, Ordering::SeqCst);
    }
}

/// A plain process that blocks its worker now and then, and is served by a mailbox of its own.
#[process]
pub(crate) struct Clerk {
    fate: Arc<Fate>,
}

#[handlers]
impl Clerk {
    pub(crate) fn ask(&mut self, patience: u64) -> u64 {
        if self.fate.strikes(50) {
            // A worker that does not come back for a while.
            std::thread::sleep(std::time::Duration::from_millis(15));
        }
        patience
    }

    pub(crate) async fn think(&mut self) -> u64 {
        yield_now().await;
        if self.fate.strikes(30) {
            panic!("chaos: a clerk");
        }
        7
    }
}

/// A pool of these counts what clients ask for.
#[process(mailbox = 4)]
#[derive(Clone)]
pub(crate) struct Teller {
    fate: Arc<Fate>,
}

#[handlers]
impl Teller {
    pub(crate) async fn count(&mut self, number: u64) -> u64 {
        if self.fate.strikes(20) {
            sleep(micros(self.fate.below(2000) as u64)).await;
        }
        number + 1
    }
}

/// Pools of these are routed, by key or in turn. One ends now and then, and its pool goes on without it; one that fails ends its pool.
#[process(mailbox = 4)]
#[derive(Debug, Clone)]
pub(crate) struct Till {
    tally: Arc<Tally>,
    fate: Arc<Fate>,
}

#[handlers]
impl Till {
    pub(crate) async fn pay(&mut self, cx: &mut Cx, #[key] _account: u64, event: Event) {
        if self.fate.strikes(20) {
            sleep(micros(self.fate.below(2000) as u64)).await;
        }
        if self.fate.strikes(30) {
            cx.stop();
        }
        assert!(!self.fate.strikes(200), "chaos: a till");
        drop(event);
        self.tally.handled.fetch_add(1, Ordering::SeqCst);
    }
}

/// The routed pools, each of which is replaced when it has ended.
#[derive(Debug)]
pub(crate) struct Tills {
    /// By key, and in turn.
    pools: [std::sync::Mutex<TillHandle>; 2],
    parts: Scope,
    till: Till,
}

impl Tills {
    fn new(parts: &Scope, till: Till) -> Self {
        let pools = [true, false].map(|by_key| Self::pool(parts, &till, by_key).into());
        Self {
            pools,
            parts: parts.clone(),
            till,
        }
    }

    /// In a scope of its own: its failure is nobody else's.
    fn pool(parts: &Scope, till: &Till, by_key: bool) -> TillHandle {
        let scope = parts.child("tills");
        match by_key {
            true => scope.pool(3, till.clone().by_key()),
            false => scope.pool(3, till.clone().round_robin()),
        }
    }

    pub(crate) fn get(&self, by_key: bool) -> TillHandle {
        let pool = self.pools[usize::from(!by_key)].lock();
        pool.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another pool in its place, if it has ended.
    pub(crate) fn renew(&self, by_key: bool) {
        if self.get(by_key).exit().is_some() {
            let new = Self::pool(&self.parts, &self.till, by_key);
            let pool = self.pools[usize::from(!by_key)].lock();
            *pool.unwrap_or_else(PoisonError::into_inner) = new;
        }
    }
}

/// Looks away when it is told to stop: it has seen that, and waits for nothing that will ever come.
#[process]
async fn stubborn(scope: &Scope, event: Event) {
    scope.stopping().await;
    std::future::pending::<()>().await;
    drop(event);
}

/// Does not come back to its worker until it is let go, whatever it is told.
#[process]
async fn stuck(event: Event, begun: Sender<()>, held: mpsc::Receiver<()>) -> Result<()> {
    begun.send(()).await?;
    let _ = held.recv();
    drop(event);
    Ok(())
}

/// What clients lock, in this order.
#[derive(Debug)]
pub(crate) struct Vault {
    accounts: Mutex<u64>,
    rates: RwLock<u64>,
    places: Semaphore,
}

impl Vault {
    fn new() -> Self {
        Self {
            accounts: Mutex::new(0),
            rates: RwLock::new(0),
            places: Semaphore::new(2),
        }
    }

    /// With everything locked, waits for a moment.
    async fn change(&self, fate: &Fate) {
        let _place = self.places.acquire().await;
        let mut accounts = self.accounts.lock().await;
        let mut rates = self.rates.write().await;
        sleep(micros(fate.below(50) as u64)).await;
        *accounts += 1;
        *rates += 1;
    }

    async fn look(&self) -> u64 {
        *self.rates.read().await
    }

    /// Nobody holds anything, and nobody waits.
    pub(crate) fn is_free(&self) -> bool {
        let locks = self.accounts.try_lock().is_some() && self.rates.try_write().is_some();
        locks && self.places.available() == 2 && self.places.waiting() == 0
    }
}

/// The name of the clerk, which comes and goes.
const CLERK: &str = "clerk";

/// The router, as the monkey holds it.
pub(crate) struct Router {
    pub(crate) tally: Arc<Tally>,
    pub(crate) fate: Arc<Fate>,
    pub(crate) events: Sender<Event>,
    pub(crate) workers: Vec<Task<()>>,
    pub(crate) sinks: Vec<SinkHandle>,
    pub(crate) clerk: ClerkHandle,
    pub(crate) tellers: TellerHandle,
    pub(crate) tills: Arc<Tills>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clients: Scope,
    parts: Scope,
}

impl Router {
    pub(crate) fn build(parts: &Scope, seed: u64) -> Self {
        let tally = Arc::new(Tally::default());
        let fate = Arc::new(Fate {
            random: std::sync::Mutex::new(Random::new(seed)),
            is_calm: AtomicBool::new(false),
        });
        // Failures are the daily bread here: nobody gives up.
        let (count, window) = (usize::MAX, secs(10));
        let end = parts.child("sinks").intensity(count, window);
        let sinks: Vec<_> = (0..3)
            .map(|_| {
                let (tally, fate) = (Arc::clone(&tally), Arc::clone(&fate));
                end.supervise(move || Sink {
                    tally: Arc::clone(&tally),
                    fate: Arc::clone(&fate),
                })
                .permanent()
                .backoff(micros(0)..millis(3))
                .spawn()
            })
            .collect();
        let middle = match fate.below(3) {
            0 => parts.child("workers").one_for_one(),
            1 => parts.child("workers").one_for_all(),
            _ => parts.child("workers").rest_for_one(),
        };
        let middle = middle.intensity(count, window);
        let (events, input) = rendezvous();
        let workers = (0..4)
            .map(|_| {
                let process = work(input.clone(), Arc::clone(&fate), sinks.clone());
                middle
                    .supervise(process)
                    .backoff(micros(0)..millis(3))
                    .spawn()
            })
            .collect();
        let shared = Arc::clone(&fate);
        let clerk = parts
            .child("clerk")
            .intensity(count, window)
            .supervise(move || Clerk {
                fate: Arc::clone(&shared),
            })
            .permanent()
            .backoff(micros(0)..millis(1))
            .spawn();
        let teller = Teller {
            fate: Arc::clone(&fate),
        };
        let tellers = parts.child("tellers").pool(3, teller);
        let till = Till {
            tally: Arc::clone(&tally),
            fate: Arc::clone(&fate),
        };
        let router = Self {
            tally,
            fate,
            events,
            workers,
            sinks,
            clerk,
            tellers,
            tills: Arc::new(Tills::new(parts, till)),
            vault: Arc::new(Vault::new()),
            clients: parts.child("clients"),
            parts: parts.clone(),
        };
        router.name_the_clerk();
        router
    }

    /// Gives the clerk its name, or takes it away.
    pub(crate) fn name_the_clerk(&self) {
        if !self.parts.unregister(CLERK) {
            let named = self.parts.register(CLERK, &self.clerk);
            named.expect("nobody else gives that name");
        }
    }

    /// Starts somebody who outlasts every grace.
    pub(crate) fn stubborn(&self) -> Task<()> {
        self.parts.spawn(stubborn(Event::new(&self.tally)))
    }

    /// Starts somebody who blocks his worker until he is let go.
    pub(crate) async fn stuck(&self, held: mpsc::Receiver<()>) -> Result<Task<()>> {
        let (tell, begun) = rendezvous();
        let task = self.parts.spawn(stuck(Event::new(&self.tally), tell, held));
        begun.recv().await.context("it has begun")?;
        Ok(task)
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn calm(&self) {
        self.fate.is_calm.store(true, Ordering::SeqCst);
        // A name keeps what it is given to.
        self.parts.unregister(CLERK);
    }

    /// A client that sends until it is calm, in one way or another; it may be killed at any moment.
    pub(crate) fn client(&self) -> Task<()> {
        let (tally, fate) = (Arc::clone(&self.tally), Arc::clone(&self.fate));
        let (events, clerk) = (self.events.clone(), self.clerk.clone());
        let (tellers, vault) = (self.tellers.clone(), Arc::clone(&self.vault));
        let tills = Arc::clone(&self.tills);
        let names = self.parts.clone();
        // Alone in its scope: its failure is nobody else's.
        self.clients.child("client").task("client", async move {
            while !fate.is_calm() {
                match fate.below(19) {
                    0 => drop(events.try_send(Event::new(&tally))),
                    1 => drop(events.send(Event::new(&tally)).within(micros(200)).await),
                    2 => {
                        select! {
                            _ = sleep(micros(100)) => {}
                            room = events.ready() => match room {
                                Ok(room) => drop(room.send(Event::new(&tally))),
                                Err(_) => return,
                            },
                        }
                    }
                    // Calls that are given up on the way.
                    3 => drop(timeout(micros(fate.below(300) as u64), clerk.think()).await),
                    4 => drop(clerk.ask(1).within(millis(2)).await),
                    5 => drop(clerk.ask(2).send_and_forget().await),
                    6 => drop(tellers.count(1).within(millis(2)).await),
                    // Killed, or given up, anywhere in between.
                    7 | 8 => drop(timeout(millis(1), vault.change(&fate)).await),
                    9 => drop(vault.look().within(millis(1)).await),
                    10 => {
                        if let Some(clerk) = names.lookup::<ClerkHandle>(CLERK) {
                            drop(clerk.ask(3).within(millis(1)).await);
                        }
                    }
                    chosen @ 11..=13 => {
                        let till = tills.get(fate.below(2) == 0);
                        let payment = till.pay(fate.below(16) as u64, Event::new(&tally));
                        match chosen {
                            11 => drop(payment.within(millis(2)).await),
                            12 => drop(payment.try_send()),
                            _ => drop(payment.send().await),
                        }
                    }
                    _ => {
                        if events.send(Event::new(&tally)).await.is_err() {
                            return;
                        }
                    }
                }
                assert!(!fate.strikes(2000), "chaos: a client");
            }
        })
    }
}
