//! The search itself, over plain numbers: who can never be woken, and why.
//!
//! A *wake* is one way in which a wait could end. Who is live follows from three rules: a process is live if one of its wakes is
//! from outside; if a wake that anybody of a group can bring about has somebody live in its group; and if a wake that needs all of
//! a group has nobody in its group who is not live. Everybody else is stuck for ever: the largest set whose members wait for each
//! other only, found as the complement of the smallest set that is closed under the three rules.
//!
//! The causes are the strongly connected components that no edge leaves (Tarjan, *Depth-first search and linear graph
//! algorithms*, 1972); the others wait behind them.

/// One way in which a wait could end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// Somebody outside could do it, at any time.
    Outside,
    /// A forced stop could do it, and nothing else.
    Stop,
    /// Each of a group could do it alone.
    Any(Group),
    /// It needs that all of a group end.
    All(Group),
}

/// Some processes: a range of [`Graph::members`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Group {
    from: u32,
    to: u32,
}

/// Who waits for whom. Processes are numbered from zero.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    members: Vec<u32>,
    wakes: Vec<Wake>,
    /// The first wake of each process, and the end of the last one's.
    first: Vec<u32>,
}

impl Graph {
    pub(crate) fn new() -> Self {
        Self {
            first: vec![0],
            ..Self::default()
        }
    }

    /// Makes a group.
    pub(crate) fn group(&mut self, members: impl IntoIterator<Item = u32>) -> Group {
        let from = self.members.len() as u32;
        self.members.extend(members);
        let to = self.members.len() as u32;
        Group { from, to }
    }

    /// Adds the next process with its wakes. One that has none waits for nothing.
    pub(crate) fn add(&mut self, wakes: impl IntoIterator<Item = Wake>) {
        self.wakes.extend(wakes);
        self.first.push(self.wakes.len() as u32);
    }

    pub(crate) fn len(&self) -> usize {
        self.first.len() - 1
    }

    pub(crate) fn members(&self, group: Group) -> &[u32] {
        &self.members[group.from as usize..group.to as usize]
    }

    pub(crate) fn wakes(&self, process: usize) -> &[Wake] {
        &self.wakes[self.first[process] as usize..self.first[process + 1] as usize]
    }

    /// Nobody could wake this process, whoever it seems to wait for.
    pub(crate) fn cut(&mut self, process: u32) {
        let process = process as usize;
        let range = self.first[process] as usize..self.first[process + 1] as usize;
        self.wakes[range].fill(Wake::Any(Group::default()));
    }

    /// The processes that could bring about a wake of this one.
    pub(crate) fn edges(&self, process: usize) -> impl Iterator<Item = u32> {
        self.wakes(process)
            .iter()
            .flat_map(|wake| match wake {
                Wake::Any(group) | Wake::All(group) => self.members(*group),
                Wake::Outside | Wake::Stop => &[],
            })
            .copied()
    }

    /// Visits each member of each group, with the process that waits for it and the number of the wake.
    fn each(&self, mut visit: impl FnMut(u32, u32, u32)) {
        for process in 0..self.len() {
            for wake in self.first[process]..self.first[process + 1] {
                if let Wake::Any(group) | Wake::All(group) = self.wakes[wake as usize] {
                    for &member in self.members(group) {
                        visit(member, process as u32, wake);
                    }
                }
            }
        }
    }

    /// Who can never run again, if those in `known` are live for certain. With `stops`, a forced stop counts as a wake.
    pub(crate) fn stuck(&self, known: &[bool], stops: bool) -> Vec<bool> {
        let mut live = known.to_vec();
        let mut work: Vec<u32> = Vec::new();
        let waiting = Reverse::of(self);
        // For each wake that needs all of its group, how many of them are not live yet.
        let mut missing: Vec<u32> = self
            .wakes
            .iter()
            .map(|wake| match wake {
                Wake::All(group) => group.to - group.from,
                _ => 0,
            })
            .collect();
        for (process, is_live) in live.iter_mut().enumerate() {
            let woken = self.wakes(process).iter().any(|wake| match wake {
                Wake::Outside => true,
                Wake::Stop => stops,
                Wake::All(group) => group.from == group.to,
                Wake::Any(_) => false,
            });
            *is_live |= woken;
            if *is_live {
                work.push(process as u32);
            }
        }
        while let Some(process) = work.pop() {
            for &(waiter, wake) in waiting.of_process(process) {
                let woken = match self.wakes[wake as usize] {
                    Wake::Any(_) => true,
                    Wake::All(_) => {
                        missing[wake as usize] -= 1;
                        missing[wake as usize] == 0
                    }
                    Wake::Outside | Wake::Stop => false,
                };
                if woken && !std::mem::replace(&mut live[waiter as usize], true) {
                    work.push(waiter);
                }
            }
        }
        live.iter().map(|live| !live).collect()
    }

    /// The strongly connected components of those who are stuck, each before those that wait for it.
    pub(crate) fn components(&self, stuck: &[bool]) -> Vec<Vec<u32>> {
        Tarjan::new(self, stuck).run()
    }

    /// For each process, the number of its component; zero for those in none.
    pub(crate) fn component_of(&self, components: &[Vec<u32>]) -> Vec<usize> {
        let mut component_of = vec![0; self.len()];
        for (number, component) in components.iter().enumerate() {
            component
                .iter()
                .for_each(|&at| component_of[at as usize] = number);
        }
        component_of
    }

    /// Whether somebody who is stuck waits for somebody in his own component: for itself, if he is alone there.
    pub(crate) fn is_cycle(&self, component: &[u32]) -> bool {
        component.len() > 1
            || self
                .edges(component[0] as usize)
                .any(|to| to == component[0])
    }

    /// A stuck process outside of the component that somebody in it waits for.
    pub(crate) fn way_out(
        &self,
        component: &[u32],
        stuck: &[bool],
        component_of: &[usize],
    ) -> Option<u32> {
        let own = component_of[component[0] as usize];
        let mut edges = component.iter().flat_map(|&from| self.edges(from as usize));
        edges.find(|&to| stuck[to as usize] && component_of[to as usize] != own)
    }

    /// A shortest round through the component from its first member, in the order of who waits for whom.
    pub(crate) fn round(&self, component: &[u32], component_of: &[usize]) -> Vec<u32> {
        let start = component[0];
        let own = component_of[start as usize];
        let mut before = std::collections::HashMap::from([(start, start)]);
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for to in self.edges(at as usize) {
                if to == start {
                    let mut round = vec![at];
                    while let Some(&last) = round.last().filter(|&&last| last != start) {
                        round.push(before[&last]);
                    }
                    round.reverse();
                    return round;
                }
                if component_of[to as usize] == own && !before.contains_key(&to) {
                    before.insert(to, at);
                    queue.push_back(to);
                }
            }
        }
        component.to_vec()
    }
}

/// For each process, who waits for it, and by which wake.
struct Reverse {
    waiting: Vec<(u32, u32)>,
    first: Vec<u32>,
}

impl Reverse {
    fn of(graph: &Graph) -> Self {
        let mut first = vec![0_u32; graph.len() + 1];
        graph.each(|member, _, _| first[member as usize + 1] += 1);
        for at in 1..first.len() {
            first[at] += first[at - 1];
        }
        let mut waiting = vec![(0, 0); first.last().map_or(0, |&end| end as usize)];
        let mut next = first.clone();
        graph.each(|member, process, wake| {
            let place = &mut next[member as usize];
            waiting[*place as usize] = (process, wake);
            *place += 1;
        });
        Self { waiting, first }
    }

    fn of_process(&self, process: u32) -> &[(u32, u32)] {
        let process = process as usize;
        &self.waiting[self.first[process] as usize..self.first[process + 1] as usize]
    }
}

/// Tarjan's algorithm without recursion: a chain of a million processes must not overflow a stack.
struct Tarjan<'a> {
    graph: &'a Graph,
    stuck: &'a [bool],
    /// 0: not seen yet.
    index: Vec<u32>,
    low: Vec<u32>,
    on_stack: Vec<bool>,
    stack: Vec<u32>,
    next: u32,
    components: Vec<Vec<u32>>,
}

impl<'a> Tarjan<'a> {
    fn new(graph: &'a Graph, stuck: &'a [bool]) -> Self {
        Self {
            graph,
            stuck,
            index: vec![0; graph.len()],
            low: vec![0; graph.len()],
            on_stack: vec![false; graph.len()],
            stack: Vec::new(),
            next: 1,
            components: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<Vec<u32>> {
        for start in 0..self.graph.len() as u32 {
            if self.stuck[start as usize] && self.index[start as usize] == 0 {
                self.visit(start);
            }
        }
        self.components
    }

    fn enter(&mut self, process: u32) -> (u32, std::vec::IntoIter<u32>) {
        let at = process as usize;
        self.index[at] = self.next;
        self.low[at] = self.next;
        self.next += 1;
        self.stack.push(process);
        self.on_stack[at] = true;
        let stuck = self.stuck;
        let edges: Vec<_> = self
            .graph
            .edges(at)
            .filter(|&to| stuck[to as usize])
            .collect();
        (process, edges.into_iter())
    }

    fn visit(&mut self, start: u32) {
        let mut path = vec![self.enter(start)];
        while let Some((process, edges)) = path.last_mut() {
            let at = *process as usize;
            match edges.next() {
                Some(to) if self.index[to as usize] == 0 => {
                    let frame = self.enter(to);
                    path.push(frame);
                }
                Some(to) => {
                    if self.on_stack[to as usize] {
                        self.low[at] = self.low[at].min(self.index[to as usize]);
                    }
                }
                None => {
                    let process = *process;
                    path.pop();
                    if let Some((parent, _)) = path.last() {
                        let parent = *parent as usize;
                        self.low[parent] = self.low[parent].min(self.low[at]);
                    }
                    if self.low[at] == self.index[at] {
                        self.close(process);
                    }
                }
            }
        }
    }

    fn close(&mut self, root: u32) {
        let mut component = Vec::new();
        while let Some(process) = self.stack.pop() {
            self.on_stack[process as usize] = false;
            component.push(process);
            if process == root {
                break;
            }
        }
        component.sort_unstable();
        self.components.push(component);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Graph, Wake};
    use crate::sim::strategy::Random;

    /// A graph from the wakes of each process, as groups.
    fn graph(processes: &[&[(&str, &[u32])]]) -> Graph {
        let mut graph = Graph::new();
        for wakes in processes {
            let wakes: Vec<_> = wakes
                .iter()
                .map(|(kind, members)| {
                    let group = graph.group(members.iter().copied());
                    match *kind {
                        "any" => Wake::Any(group),
                        "all" => Wake::All(group),
                        "stop" => Wake::Stop,
                        _ => Wake::Outside,
                    }
                })
                .collect();
            graph.add(wakes);
        }
        graph
    }

    fn stuck(graph: &Graph, stops: bool) -> Vec<usize> {
        let known = vec![false; graph.len()];
        let stuck = graph.stuck(&known, stops);
        (0..graph.len()).filter(|&at| stuck[at]).collect()
    }

    #[test]
    fn whoever_waits_for_somebody_live_is_live() {
        let graph = graph(&[&[("any", &[1])], &[("any", &[2])], &[("outside", &[])]]);
        assert!(stuck(&graph, true).is_empty());
    }

    #[test]
    fn a_cycle_is_stuck_and_so_is_who_waits_for_it() {
        let graph = graph(&[&[("any", &[1])], &[("any", &[0])], &[("any", &[0, 1])]]);
        assert_eq!(stuck(&graph, true), [0, 1, 2]);
        let components = graph.components(&[true; 3]);
        assert_eq!(components, [vec![0, 1], vec![2]]);
        assert!(graph.is_cycle(&components[0]));
        assert!(!graph.is_cycle(&components[1]));
        let component_of = [0, 0, 1];
        let way_out = |at: usize| graph.way_out(&components[at], &[true; 3], &component_of);
        assert_eq!(way_out(1), Some(0));
        assert_eq!(way_out(0), None);
    }

    #[test]
    fn one_way_out_is_enough() {
        let graph = graph(&[&[("any", &[1]), ("outside", &[])], &[("any", &[0])]]);
        assert!(stuck(&graph, true).is_empty());
    }

    #[test]
    fn a_wait_for_all_is_dead_with_one_of_them() {
        // 0 waits for the end of 1, which lives, and of 2, which waits for 0.
        let graph = graph(&[&[("all", &[1, 2])], &[("outside", &[])], &[("any", &[0])]]);
        assert_eq!(stuck(&graph, true), [0, 2]);
    }

    #[test]
    fn who_waits_for_nothing_is_stuck() {
        let graph = graph(&[&[]]);
        assert_eq!(stuck(&graph, true), [0]);
        assert!(!graph.is_cycle(&[0]));
    }

    #[test]
    fn a_stop_is_a_wake_if_it_is_asked_for() {
        let graph = graph(&[&[("stop", &[]), ("any", &[1])], &[("any", &[0])]]);
        assert!(stuck(&graph, true).is_empty());
        assert_eq!(stuck(&graph, false), [0, 1]);
    }

    #[test]
    fn a_round_follows_the_waits() {
        let graph = graph(&[&[("any", &[2])], &[("any", &[0])], &[("any", &[1])]]);
        assert_eq!(graph.round(&[0, 1, 2], &[0; 3]), [0, 2, 1]);
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let mut graph = Graph::new();
        for at in 0..300_000_u32 {
            let group = graph.group([at.saturating_sub(1)]);
            graph.add([Wake::Any(group)]);
        }
        let all = vec![true; graph.len()];
        assert_eq!(graph.components(&all).len(), 300_000);
        assert!(graph.stuck(&vec![false; graph.len()], true)[299_999]);
    }

    /// The definition, word for word: a set of processes is closed if none of them has a wake from outside of it. The stuck ones are
    /// the union of all closed sets, found here by trying every set.
    fn by_trying(graph: &Graph, stops: bool) -> Vec<bool> {
        let count = graph.len();
        let mut stuck = vec![false; count];
        for set in 0..1_u32 << count {
            let inside = |process: u32| set >> process & 1 == 1;
            let closed = (0..count).filter(|&at| inside(at as u32)).all(|at| {
                graph.wakes(at).iter().all(|wake| match wake {
                    Wake::Outside => false,
                    Wake::Stop => !stops,
                    Wake::Any(group) => graph.members(*group).iter().all(|&member| inside(member)),
                    Wake::All(group) => graph.members(*group).iter().any(|&member| inside(member)),
                })
            });
            if closed {
                (0..count).for_each(|at| stuck[at] |= inside(at as u32));
            }
        }
        stuck
    }

    #[test]
    fn a_hundred_thousand_random_systems_are_judged_as_the_definition_says() {
        let mut random = Random::new(7);
        let (mut found, mut roots) = (0, 0);
        for _ in 0..100_000 {
            let count = 1 + random.below(6);
            let mut graph = Graph::new();
            for _ in 0..count {
                let wakes: Vec<_> = (0..random.below(4))
                    .map(|_| {
                        let size = random.below(3);
                        let members: Vec<_> = (0..size).map(|_| random.below(count)).collect();
                        let kind = random.below(12);
                        let group = graph.group(members);
                        match kind {
                            0 => Wake::Outside,
                            1 => Wake::Stop,
                            2 | 3 => Wake::All(group),
                            _ => Wake::Any(group),
                        }
                    })
                    .collect();
                graph.add(wakes);
            }
            for stops in [true, false] {
                let stuck = graph.stuck(&vec![false; graph.len()], stops);
                assert_eq!(stuck, by_trying(&graph, stops), "{graph:?}");
                found += stuck.iter().filter(|stuck| **stuck).count();
                let components = graph.components(&stuck);
                let mut seen: Vec<_> = components.iter().flatten().copied().collect();
                seen.sort_unstable();
                let all: Vec<_> = (0..count).filter(|&at| stuck[at as usize]).collect();
                assert_eq!(seen, all, "each is in one component");
                roots += components.len();
            }
        }
        assert!(
            found > 100_000 && roots > 50_000,
            "{found} stuck in {roots} components"
        );
    }
}
