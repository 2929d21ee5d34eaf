//! How a snapshot is taken: one pass over the registry, and one over the channels, while everything runs on.
//!
//! Processes are counted in groups as they come, so a system of a million processes can be described without a list of them.
//! Where such a list would be too long, a group keeps those that have waited longest.
//!
//! **Invariants**
//! - No worker waits for a snapshot longer than for one process or one list of channels.
//! - Locks are taken one at a time.

use std::cmp::Reverse;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::model::{
    ChildInfo, EdgeInfo, GroupInfo, GroupWait, OriginInfo, ProcessInfo, ScopeInfo, Site, State,
    Times, Truncated,
};
use super::snapshot::process;
use crate::numbered::Numbered;
use crate::order::sort_by_key;
use crate::scope::ScopeInner;
use crate::system::SystemInner;
use crate::task::TaskRef;
use crate::task::origin::Origin;
use crate::task::ports::{Direction, Port};
use crate::task::registry::{About, ProcessId, Slot};

/// Objects that a group names one by one; what waits for others is counted together.
const OBJECTS: usize = 4;
/// Edges of a snapshot that is limited.
const EDGES: usize = 10_000;

/// How much of a system a snapshot shows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    /// Processes of each group: those that have waited longest.
    pub(crate) per_group: Option<usize>,
    /// Only this scope, and those inside it.
    pub(crate) scope: Option<u64>,
}

/// Everything that the pass over the registry gives.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) origins: Vec<OriginInfo>,
    pub(super) groups: Vec<GroupInfo>,
    pub(super) scopes: Vec<ScopeInfo>,
    pub(super) processes: Vec<ProcessInfo>,
    pub(super) edges: Vec<EdgeInfo>,
    pub(super) children: Vec<ChildInfo>,
    pub(super) truncated: Truncated,
}

/// What processes have in common that are counted together.
type Key = (u32, u64);
/// What waits have in common that are counted together.
type WaitKey = (u8, u64, u8);

struct Group {
    info: GroupInfo,
    /// By kind of wait, object and handler, in this order. They are few: see `OBJECTS`.
    waits: Vec<(WaitKey, GroupWait)>,
    /// Processes kept so far, if not all are.
    kept: Vec<ProcessInfo>,
}

pub(super) struct Pass<'a> {
    system: &'a SystemInner,
    limits: Limits,
    now_ms: u32,
    origins: HashMap<u32, OriginInfo>,
    groups: HashMap<Key, Group>,
    scopes: HashMap<u64, Option<Arc<ScopeInner>>>,
    processes: Vec<ProcessInfo>,
    edges: HashMap<(u32, u64, Port), Held>,
    edges_left_out: u64,
    /// Tasks by their address, for the channels that remember who sent last.
    senders: HashMap<usize, ProcessId>,
    hidden: u64,
}

impl<'a> Pass<'a> {
    /// Reads all processes.
    pub(super) fn run(system: &'a SystemInner, limits: Limits) -> Self {
        let now_ms = system.scheduler.clock.present_ms();
        let mut pass = Pass {
            system,
            limits,
            now_ms,
            origins: HashMap::new(),
            groups: HashMap::new(),
            scopes: HashMap::new(),
            processes: Vec::new(),
            edges: HashMap::new(),
            edges_left_out: 0,
            senders: HashMap::new(),
            hidden: 0,
        };
        system
            .scheduler
            .registry
            .for_each(|id, about, slot, task| pass.enter(id, about, slot, &task));
        pass
    }

    fn enter(&mut self, id: ProcessId, about: &About, slot: &Slot, task: &TaskRef) {
        let scope = task.scope();
        if let Some(only) = self.limits.scope
            && !task.is_within(only)
        {
            return;
        }
        let scope_id = scope.map_or(0, |scope| scope.id);
        if let Entry::Vacant(place) = self.scopes.entry(scope_id) {
            place.insert(scope.cloned());
        }
        let process = process(self.system, (id, about, slot, task), self.now_ms);
        let age = process.age;
        let origin = self
            .origins
            .entry(about.number)
            .or_insert_with(|| OriginInfo::new(about.origin, age));
        origin.alive += 1;
        origin.oldest = origin.oldest.max(age);
        origin.youngest = origin.youngest.min(age);
        // Who has not run has sent nothing: who did had the same place in memory.
        if process.polls > 0 {
            self.senders.insert(task.header().addr().get(), id);
        }
        for port in about.ports.iter() {
            self.edge(about, scope_id, port, id);
        }
        let group = self
            .groups
            .entry((about.number, scope_id))
            .or_insert_with(|| Group::new(about.origin, scope_id));
        group.count(&process, slot.handler());
        match self.limits.per_group {
            None => self.processes.push(process),
            Some(most) => {
                if !group.keep(process, most) {
                    self.hidden += 1;
                }
            }
        }
    }

    fn edge(&mut self, about: &About, scope: u64, port: Port, id: ProcessId) {
        let Some(direction) = port.direction() else {
            return;
        };
        let full = self.limits.per_group.is_some() && self.edges.len() >= EDGES;
        match self.edges.entry((about.number, scope, port)) {
            Entry::Occupied(mut known) => known.get_mut().count += 1,
            Entry::Vacant(_) if full => self.edges_left_out += 1,
            Entry::Vacant(place) => {
                place.insert(Held {
                    count: 1,
                    process: id,
                    origin: about.origin,
                    direction,
                });
            }
        }
    }

    /// The channels that somebody shown waits for.
    pub(super) fn awaited(&self) -> HashSet<u64> {
        let groups = self.groups.values();
        let waits = groups
            .clone()
            .flat_map(|group| group.waits.iter().filter_map(|(_, wait)| wait.object));
        let kept = groups
            .flat_map(|group| &group.kept)
            .chain(&self.processes)
            .filter_map(|process| Some(process.wait.as_ref()?.object));
        let ports = self.edges.keys().map(|(.., port)| port.object());
        waits.chain(kept).chain(ports).collect()
    }

    /// The processes by the addresses of their tasks.
    pub(super) fn take_senders(&mut self) -> HashMap<usize, ProcessId> {
        std::mem::take(&mut self.senders)
    }

    /// Sorts what was read.
    pub(super) fn finish(self) -> Taken {
        let Self {
            system,
            limits,
            origins,
            groups,
            mut scopes,
            mut processes,
            edges,
            edges_left_out,
            hidden,
            ..
        } = self;
        let mut origins: Vec<OriginInfo> = origins.into_values().collect();
        sort_by_key(&mut origins, |origin| (Reverse(origin.alive), origin.id));
        let mut groups: Vec<Group> = groups.into_values().collect();
        sort_by_key(&mut groups, |group| {
            (
                group.info.scope,
                Reverse(group.info.oldest),
                group.info.origin,
            )
        });
        let groups = groups
            .into_iter()
            .map(|mut group| {
                processes.append(&mut group.kept);
                group.finish()
            })
            .collect();
        let mut edges: Vec<EdgeInfo> = edges.into_iter().map(edge_info).collect();
        sort_by_key(&mut edges, |edge| {
            (edge.scope, edge.origin, edge.channel, edge.direction)
        });
        if limits.scope.is_none()
            && let Some(root) = system.root()
        {
            scopes.insert(root.id, Some(root));
        }
        let now = system.scheduler.clock.now();
        let (scopes, children) = all_scopes(scopes, limits, now, self.now_ms);
        Taken {
            origins,
            groups,
            scopes,
            processes,
            edges,
            children,
            truncated: Truncated {
                processes: hidden,
                channels: 0,
                edges: edges_left_out,
            },
        }
    }
}

/// Processes of one origin and scope that have the same port.
struct Held {
    count: u64,
    /// The first of them.
    process: ProcessId,
    origin: &'static Origin,
    direction: Direction,
}

fn edge_info(((origin, scope, port), held): ((u32, u64, Port), Held)) -> EdgeInfo {
    let names = held.origin.facts.ports;
    EdgeInfo {
        origin,
        scope,
        process: (held.count == 1).then_some(held.process),
        port: names.get(port.name()).map(|&name| name.into()),
        channel: port.object(),
        direction: held.direction,
        evidence: held.origin.facts.evidence,
        count: held.count,
    }
}

/// The scopes that were met, those around them, and those inside them that have no process; with the children that are supervised.
fn all_scopes(
    met: HashMap<u64, Option<Arc<ScopeInner>>>,
    limits: Limits,
    now: Instant,
    now_ms: u32,
) -> (Vec<ScopeInfo>, Vec<ChildInfo>) {
    let mut open: Vec<Arc<ScopeInner>> = met.into_values().flatten().collect();
    let mut known: Numbered<Arc<ScopeInner>> = Numbered::default();
    while let Some(scope) = open.pop() {
        if limits.scope.is_some_and(|only| !scope.is_within(only)) || known.contains(scope.id) {
            continue;
        }
        open.extend(scope.neighbours());
        known.insert(scope.id, scope);
    }
    let children = known
        .values()
        .filter_map(|scope| Some((scope.id, scope.supervisor.get()?)))
        .flat_map(|(id, supervisor)| supervisor.book().children(id, now, now_ms))
        .collect();
    (
        known.values().map(|scope| scope_info(scope)).collect(),
        children,
    )
}

fn scope_info(scope: &ScopeInner) -> ScopeInfo {
    let now = scope.system.scheduler.clock.now();
    let stop = scope.stop_asked();
    ScopeInfo {
        id: scope.id,
        name: scope.name().to_owned(),
        parent: scope.parent().map(|parent| parent.id),
        alive: scope.alive() as u64,
        stopping: stop.map(|(begun, _)| now.saturating_duration_since(begun)),
        grace: stop.map(|(_, grace)| grace),
        deadline: scope
            .deadline()
            .map(|deadline| deadline.saturating_duration_since(now)),
        failure: scope.first_failure(),
    }
}

impl GroupWait {
    /// Counts others that wait for the same.
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.shortest = self.shortest.min(other.shortest);
        if other.longest > self.longest {
            self.longest = other.longest;
            self.example = other.example;
        }
    }
}

/// A number that a name has, and most others have not; never zero.
fn number_of(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish() | 1
}

impl Group {
    fn new(origin: &'static Origin, scope: u64) -> Self {
        Self {
            info: GroupInfo {
                origin: origin.number,
                name: origin.name.into(),
                site: origin.site.map(Site::of),
                scope,
                alive: 0,
                runnable: 0,
                unstarted: 0,
                oldest: Duration::ZERO,
                youngest: Duration::MAX,
                times: Times::default(),
                polls: 0,
                waits: Vec::new(),
            },
            waits: Vec::new(),
            kept: Vec::new(),
        }
    }

    fn count(&mut self, process: &ProcessInfo, handler: u8) {
        let info = &mut self.info;
        info.alive += 1;
        info.oldest = info.oldest.max(process.age);
        info.youngest = info.youngest.min(process.age);
        info.times += process.times;
        info.polls += process.polls;
        let Some(wait) = &process.wait else {
            info.runnable += u64::from(process.state == State::Runnable);
            info.unstarted += u64::from(process.state == State::Unstarted);
            return;
        };
        let kind = wait.kind as u8;
        // Whoever waits for a name has a number of his own.
        let name = wait.name.as_deref().map(number_of);
        let mut key = (kind, name.unwrap_or(wait.object), handler);
        if self.place(key).is_err() {
            let same = |&&(other, _): &&(WaitKey, GroupWait)| other.0 == kind && other.1 != 0;
            if self.waits.iter().filter(same).count() >= OBJECTS {
                key.1 = 0;
            }
        }
        let one = GroupWait {
            kind: wait.kind,
            kinds: wait.kinds.clone(),
            handler: process.handler.clone(),
            object: Some(key.1).filter(|&object| object != 0 && name.is_none()),
            name: wait.name.clone().filter(|_| key.1 != 0),
            count: 1,
            shortest: wait.since,
            longest: wait.since,
            example: process.id,
        };
        match self.place(key) {
            Ok(all) => self.waits[all].1.add(one),
            Err(place) => self.waits.insert(place, (key, one)),
        }
    }

    /// Where a kind of wait is, or belongs.
    fn place(&self, key: WaitKey) -> Result<usize, usize> {
        self.waits.binary_search_by(|(other, _)| other.cmp(&key))
    }

    /// Keeps a process if it has waited longer than others. False if one was left out.
    fn keep(&mut self, process: ProcessInfo, most: usize) -> bool {
        self.kept.push(process);
        if self.kept.len() <= most {
            return true;
        }
        let since = |process: &ProcessInfo| process.wait.as_ref().map(|wait| wait.since);
        let shortest = self
            .kept
            .iter()
            .enumerate()
            .min_by_key(|(_, process)| since(process))
            .map(|(at, _)| at);
        if let Some(shortest) = shortest {
            self.kept.swap_remove(shortest);
        }
        false
    }

    fn finish(mut self) -> GroupInfo {
        // Where most wait for an object of their own, those that came first are no exceptions.
        let mut at = 0;
        while let Some(&(key, ref wait)) = self.waits.get(at) {
            match self.place((key.0, 0, key.2)) {
                Ok(all) if key.1 != 0 && wait.count == 1 => {
                    // All of a kind, with the object zero, lie before.
                    let (_, alone) = self.waits.remove(at);
                    self.waits[all].1.add(alone);
                }
                _ => at += 1,
            }
        }
        let mut waits: Vec<GroupWait> = self.waits.into_iter().map(|(_, wait)| wait).collect();
        sort_by_key(&mut waits, |wait| {
            (Reverse(wait.count), Reverse(wait.longest))
        });
        GroupInfo { waits, ..self.info }
    }
}
