//! From what a pass found to what is said: causes, those behind them, and what each waits for.

use std::collections::HashMap;
use std::panic::Location;
use std::time::Duration;

use super::facts::{Facts, Pins};
use super::lost;
use super::pass::Found;
use super::relation::{self, channel};
use super::report::{Awaited, Holding, LISTED, Leak, Proof, Stuck, Verdict};
use super::search::{Graph, Wake};
use crate::locks::{Gate, Holder};
use crate::observe::{ChannelKind, Name, Site};
use crate::order::sort_by_key;
use crate::scheduler::Scheduler;
use crate::task::ProcessId;
use crate::task::WaitKind;
use crate::task::asked;
use crate::task::current::{CALLS, PLACED, SET};
use crate::task::origin::{NOBODY, Origin};
use crate::task::ports::Tie;
use crate::task::waits::Noted;

/// Says what was found.
pub(super) fn say(found: &Found, pins: &Pins<'_>, scheduler: &Scheduler) -> Vec<Leak> {
    let witness = Witness {
        found,
        graph: &found.graph,
        stuck: &found.stuck,
        pins,
        scheduler,
        now_ms: scheduler.clock.present_ms(),
    };
    let mut leaks = witness.proven();
    leaks.extend(witness.stranded());
    leaks
}

/// Says who waits for each other, if every guard of a lock is still with who took it, and has done so for `after` at least.
pub(super) fn likely(
    found: &Found,
    pins: &Pins<'_>,
    scheduler: &Scheduler,
    after: Duration,
) -> Vec<Leak> {
    let Some(likely) = &found.likely else {
        return Vec::new();
    };
    let witness = Witness {
        found,
        graph: &likely.graph,
        stuck: &likely.stuck,
        pins,
        scheduler,
        now_ms: scheduler.clock.present_ms(),
    };
    witness.likely(after)
}

/// Why a circle through locks is not proven.
pub(super) const LIKELY: &str = "a guard of a lock may be anywhere, unless every way to the lock is an `Arc` that was lent with the lock in it; \
                      if each is still with who took it, they wait for each other for ever";

/// What a sentence may be made of.
struct Witness<'a> {
    found: &'a Found,
    /// Who waits for whom, and who is stuck: what was found, or what is likely.
    graph: &'a Graph,
    stuck: &'a [bool],
    pins: &'a Pins<'a>,
    scheduler: &'a Scheduler,
    now_ms: u32,
}

/// The strongly connected components of those who are stuck.
struct Causes {
    components: Vec<Vec<u32>>,
    /// For each process, the number of its component.
    component_of: Vec<usize>,
    /// For each component, the one that is the cause.
    causes: Vec<usize>,
}

/// What processes have in common that are reported together: the cause, name and place of spawning, the place of their call, and what
/// they wait for.
type Likeness = (usize, &'static str, Place, u32, Vec<(WaitKind, Place)>);

/// Where something was spawned or made.
type Place = Option<&'static Location<'static>>;

impl Witness<'_> {
    fn facts(&self) -> &Facts {
        &self.found.facts
    }

    fn causes(&self) -> Causes {
        let (graph, stuck) = (self.graph, self.stuck);
        let components = graph.components(stuck);
        let component_of = graph.component_of(&components);
        // A component comes after those that it waits for, so their causes are known by then.
        let mut causes: Vec<usize> = Vec::with_capacity(components.len());
        for (number, component) in components.iter().enumerate() {
            let out = graph.way_out(component, stuck, &component_of);
            causes.push(out.map_or(number, |out| causes[component_of[out as usize]]));
        }
        Causes {
            components,
            component_of,
            causes,
        }
    }

    fn likely(&self, after: Duration) -> Vec<Leak> {
        let Causes {
            components,
            component_of,
            causes,
        } = self.causes();
        let is_proven = |&process: &u32| self.found.stuck[process as usize];
        let is_old = |&process: &u32| self.since(process) >= after;
        let mut leaks = Vec::new();
        for (number, component) in components.iter().enumerate() {
            let is_circle = causes[number] == number && self.graph.is_cycle(component);
            if is_circle && component.iter().all(|at| !is_proven(at) && is_old(at)) {
                let mut leak = self.cause(component, &component_of);
                leak.verdict = Verdict::Suspected { why: LIKELY.into() };
                let behind = (0..components.len())
                    .filter(|&other| other != number && causes[other] == number);
                let behind = behind.flat_map(|other| &components[other]);
                leak.behind = behind.filter(|at| !is_proven(at)).count();
                leaks.push(leak);
            }
        }
        leaks
    }

    fn proven(&self) -> Vec<Leak> {
        let Causes {
            components,
            component_of,
            causes,
        } = self.causes();
        let mut leaks = Vec::new();
        let mut place = HashMap::new();
        for (at, late) in self.found.late.iter().enumerate() {
            leaks.push(lost::say(late, self.scheduler));
            let processes = late.processes().iter();
            let stuck = processes.filter_map(|id| self.facts().process(id.raw()));
            let stuck = stuck.filter(|&process| self.stuck[process as usize]);
            place.extend(stuck.map(|process| (component_of[process as usize], at)));
        }
        for (number, component) in components.iter().enumerate() {
            if causes[number] == number && !place.contains_key(&number) {
                place.insert(number, leaks.len());
                leaks.push(self.cause(component, &component_of));
            }
        }
        let behind = (0..components.len()).filter(|&number| causes[number] != number);
        let behind = behind.flat_map(|number| {
            components[number]
                .iter()
                .map(move |&process| (number, process))
        });
        let mut groups: Vec<(Likeness, Vec<u32>)> = Vec::new();
        let mut known: HashMap<Likeness, usize> = HashMap::new();
        for (number, process) in behind {
            let cause = causes[number];
            leaks[place[&cause]].behind += 1;
            let likeness = self.likeness(cause, process);
            let at = *known.entry(likeness.clone()).or_insert_with(|| {
                groups.push((likeness, Vec::new()));
                groups.len() - 1
            });
            groups[at].1.push(process);
        }
        for ((cause, ..), processes) in groups {
            let root = self.facts().processes[components[cause][0] as usize].id;
            let proof = Proof::Behind {
                root,
                name: self.name(root).0,
            };
            leaks.push(self.leak(Verdict::Proven(proof), &processes));
        }
        leaks
    }

    fn cause(&self, component: &[u32], component_of: &[usize]) -> Leak {
        let graph = self.graph;
        if !graph.is_cycle(component) {
            return self.leak(Verdict::Proven(Proof::NoWaker), component);
        }
        let mut processes = graph.round(component, component_of);
        if processes.len() < component.len() {
            let more = component
                .iter()
                .filter(|at| !processes.contains(at))
                .take(LISTED);
            processes.extend(more.copied().collect::<Vec<_>>());
        }
        let mut leak = self.leak(Verdict::Proven(Proof::Cycle), &processes);
        leak.count = component.len();
        leak
    }

    /// Processes that wait for more than a stop, which is all that can come.
    fn stranded(&self) -> Vec<Leak> {
        let mut groups: HashMap<Likeness, Vec<u32>> = HashMap::new();
        for process in 0..self.graph.len() {
            let mut waits = self.facts().waits(process).iter();
            // Who waits for the stop and for nothing else does so on purpose.
            if self.found.stranded[process] && waits.any(|wait| wait.kind != WaitKind::Stopping) {
                let likeness = self.likeness(0, process as u32);
                groups.entry(likeness).or_default().push(process as u32);
            }
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        // Each process is in one of them.
        sort_by_key(&mut groups, |group: &Vec<u32>| group.first().copied());
        let leak = |processes: &Vec<u32>| self.leak(Verdict::Stranded, processes);
        groups.iter().map(leak).collect()
    }

    fn likeness(&self, cause: usize, process: u32) -> Likeness {
        let parked = &self.facts().processes[process as usize];
        let origin = self.origin(parked.id);
        let asked = parked.asked;
        let waits = self.facts().waits(process as usize);
        let waits = waits.iter().map(|wait| (wait.kind, self.place(*wait)));
        (cause, origin.name, origin.site, asked, waits.collect())
    }

    fn leak(&self, verdict: Verdict, processes: &[u32]) -> Leak {
        let listed = processes.iter().take(LISTED);
        Leak {
            verdict,
            processes: listed.map(|&process| self.stuck(process)).collect(),
            count: processes.len(),
            behind: 0,
            standstill: false,
        }
    }

    /// For how long a process has waited.
    fn since(&self, process: u32) -> Duration {
        let parked = &self.facts().processes[process as usize];
        Duration::from_millis(self.now_ms.wrapping_sub(parked.since_ms).into())
    }

    fn stuck(&self, process: u32) -> Stuck {
        let parked = &self.facts().processes[process as usize];
        let (name, site) = self.name(parked.id);
        let waits = self.facts().waits(process as usize);
        let asked = parked.asked;
        let wakes = self.graph.wakes(process as usize);
        Stuck {
            id: parked.id,
            name,
            pool: is_pool(self.scheduler, parked.id),
            site,
            since: self.since(process),
            waits: waits
                .iter()
                .zip(wakes)
                .map(|(&wait, &wake)| {
                    let mut awaited = self.awaited(process, wait, wake);
                    awaited.called(asked, self.scheduler);
                    awaited
                })
                .collect(),
        }
    }

    fn awaited(&self, process: u32, wait: Noted, wake: Wake) -> Awaited {
        let members = match wake {
            Wake::Any(group) => self.graph.members(group),
            // Those that end do not matter.
            Wake::All(group) => self.graph.members(group),
            Wake::Outside | Wake::Stop => &[],
        };
        let facts = self.facts();
        if wait.kind == WaitKind::Lock {
            let gate = self.pins.gate(wait.object);
            let id = facts.processes[process as usize].id;
            if let Some(lock) = gate.and_then(|gate| lock(&gate, id)) {
                return lock;
            }
        }
        let ends = facts.holders(wait.object);
        let is_side = |tie: Tie| match wait.kind {
            // The sender of a `oneshot`, of which only the address is known.
            WaitKind::Recv => matches!(tie, Tie::Sender | Tie::Feeds),
            _ => tie.receives(),
        };
        let holders: Vec<u32> = match wait.kind {
            // A weak handle of its own, in its context, is nobody that a reader would look for; nor is somebody who only receives there
            // too, or the one next in line.
            WaitKind::Recv | WaitKind::Send if !members.is_empty() => {
                let side = ends.iter().filter(|held| is_side(held.port.tie()));
                let mut side: Vec<_> = side.map(|held| held.by).collect();
                side.sort_unstable();
                side.dedup();
                side
            }
            WaitKind::Scope if members.len() > 1 => {
                let waits_too = |&member: &u32| member != process && self.stuck[member as usize];
                members.iter().copied().filter(waits_too).collect()
            }
            _ => members.to_vec(),
        };
        let mailbox = ends
            .iter()
            .any(|held| matches!(held.port.tie(), Tie::Mailbox | Tie::Kept));
        let made = self.place(wait);
        let channel = made.filter(|_| is_of_channel(wait.kind));
        Awaited {
            name: self.object_name(wait),
            site: made.map(site),
            channel: channel.map_or(0, |_| wait.object),
            channel_kind: match self.oneshot(wait) {
                Some(_) => ChannelKind::Oneshot,
                None => ChannelKind::Queue,
            },
            column: channel.map_or(0, Location::column),
            mailbox,
            ends: self.ends(wait),
            holders: holders
                .into_iter()
                .take(LISTED)
                .map(|member| holding(self.scheduler, facts.processes[member as usize].id))
                .collect(),
            ..Awaited::of(wait.kind)
        }
    }

    /// Where the `oneshot` was made whose value is awaited.
    fn oneshot(&self, wait: Noted) -> Place {
        let (_, site) = self.facts().oneshot(wait.object)?;
        (wait.kind == WaitKind::Recv).then_some(site)
    }

    /// How many endpoints the other side of an awaited channel has.
    fn ends(&self, wait: Noted) -> usize {
        if self.oneshot(wait).is_some() {
            return 1;
        }
        let counts =
            channel(self.facts(), self.pins, wait.object).map(|channel| channel.endpoints());
        let side = match wait.kind {
            WaitKind::Recv => relation::SENDERS,
            _ => relation::RECEIVERS,
        };
        counts.map_or(0, |counts| counts[side] as usize)
    }

    fn object_name(&self, wait: Noted) -> Option<Name> {
        match wait.kind {
            WaitKind::Recv | WaitKind::Send | WaitKind::Reply => {
                let channel = channel(self.facts(), self.pins, wait.object)?;
                channel.stats().name.map(Name::from)
            }
            WaitKind::Join => self.joined(wait).map(|id| self.name(id).0),
            WaitKind::Scope => {
                let within = self.facts().within(wait.object).iter();
                let within = within.map(|&process| self.facts().processes[process as usize].id);
                within
                    .take(LISTED)
                    .find_map(|id| scope_name(self.scheduler, id, wait.object))
            }
            _ => None,
        }
    }

    fn place(&self, wait: Noted) -> Place {
        match wait.kind {
            WaitKind::Recv | WaitKind::Send | WaitKind::Reply => {
                let channel = channel(self.facts(), self.pins, wait.object);
                let site = channel.map(|channel| channel.site());
                site.or_else(|| self.oneshot(wait))
            }
            WaitKind::Join => self.joined(wait).and_then(|id| self.origin(id).site),
            WaitKind::Lock => {
                let holders = self.pins.gate(wait.object)?.holders();
                holders.first().map(|holder| holder.site)
            }
            _ => None,
        }
    }

    fn joined(&self, wait: Noted) -> Option<ProcessId> {
        let process = self.facts().process(wait.object)?;
        Some(self.facts().processes[process as usize].id)
    }

    fn name(&self, id: ProcessId) -> (Name, Option<Site>) {
        name_of(self.scheduler, id)
    }

    fn origin(&self, id: ProcessId) -> &'static Origin {
        origin_of(self.scheduler, id)
    }
}

/// Whether the object of such a wait is a channel.
fn is_of_channel(kind: WaitKind) -> bool {
    matches!(kind, WaitKind::Recv | WaitKind::Send | WaitKind::Reply)
}

/// What a process waits for at a gate: who holds it, and who is only before it in the queue; `None` if it does not wait there.
pub(super) fn lock(gate: &Gate, process: ProcessId) -> Option<Awaited> {
    let turn = gate.turn(process)?;
    let holding = |holder: &Holder| match holder.process {
        Some(process) => Holding {
            process: Some(process),
            name: holder.name.into(),
            pool: false,
        },
        None => Holding::outside(),
    };
    let listed = |of: &[Holder]| of.iter().take(LISTED).map(holding).collect();
    Some(Awaited {
        site: turn.holders.first().map(|holder| site(holder.site)),
        holders: listed(&turn.holders),
        asked: Some(site(turn.mine.site)),
        made: gate.site().map(site),
        channel: gate.number(),
        column: gate.site().map_or(0, Location::column),
        ahead: listed(&turn.ahead),
        permit: gate.is_semaphore(),
        ..Awaited::of(WaitKind::Lock)
    })
}

/// Where a process waits, if that is known: where it called or awaits an end, if that is one of its waits and no other; where it awaits a
/// message or room, if that is its only wait; where it has its `select!`. Zero otherwise.
pub(super) fn place_of_wait(word: u64, waits: &[Noted], asked: u32) -> u32 {
    let kinds = (word >> 16) as u16;
    if kinds & PLACED != 0 {
        // The last place that was noted is no call's. Of several waits beside each other nobody knows whose it is.
        let is_select = WaitKind::from_u8((word >> 8) as u8) == WaitKind::Select;
        return if is_select || waits.len() == 1 {
            asked
        } else {
            0
        };
    }
    let is_it = |wait: &&Noted| match wait.kind {
        WaitKind::Reply | WaitKind::Scope => true,
        WaitKind::Join => kinds & SET == 0,
        WaitKind::Send => kinds & CALLS != 0,
        _ => false,
    };
    let sets = usize::from(kinds & SET != 0);
    match waits.iter().filter(is_it).count() + sets {
        1 => asked,
        _ => 0,
    }
}

impl Awaited {
    /// Adds where it was called or awaited, if that is known; see [`place_of_wait`].
    pub(super) fn called(&mut self, asked: u32, scheduler: &Scheduler) {
        let Some((location, handler)) = asked::read(asked) else {
            return;
        };
        match self.kind {
            WaitKind::Reply | WaitKind::Join | WaitKind::Scope => {}
            WaitKind::Send if handler != 0 => {}
            WaitKind::Recv | WaitKind::Send => {
                self.at = Some(site(location));
                return;
            }
            _ => return,
        }
        self.asked = Some(site(location));
        let server = self.holders.iter().find_map(|holder| holder.process);
        let handler = server.and_then(|id| origin_of(scheduler, id).handler_name(handler));
        self.handler = handler.map(Name::from);
    }
}

/// The name of a process, and where it was spawned.
pub(super) fn name_of(scheduler: &Scheduler, id: ProcessId) -> (Name, Option<Site>) {
    let origin = origin_of(scheduler, id);
    (origin.name.into(), origin.site.map(site))
}

/// Whether a process stands for a pool.
pub(super) fn is_pool(scheduler: &Scheduler, id: ProcessId) -> bool {
    origin_of(scheduler, id).is_pool()
}

/// A process as somebody who could end a wait.
pub(super) fn holding(scheduler: &Scheduler, id: ProcessId) -> Holding {
    let origin = origin_of(scheduler, id);
    Holding {
        process: Some(id),
        name: origin.name.into(),
        pool: origin.is_pool(),
    }
}

/// The name of the scope with this number, if the process lives inside of it.
fn scope_name(scheduler: &Scheduler, inside: ProcessId, scope: u64) -> Option<Name> {
    let slot = scheduler.registry.slot(inside.index())?;
    slot.peek(|id, _, task| {
        let own = task.scope().filter(|_| id == inside)?;
        own.name_around(scope)
    })?
}

fn origin_of(scheduler: &Scheduler, id: ProcessId) -> &'static Origin {
    let slot = scheduler.registry.slot(id.index());
    slot.map_or(&NOBODY, |slot| slot.origin())
}

pub(super) fn site(location: &'static Location<'static>) -> Site {
    Site {
        file: location.file().into(),
        line: location.line(),
    }
}
