//! The truth about a system that has settled, of which nothing moves: who can never run again.
//!
//! Both answers are the largest set of processes that nobody outside of the set could wake, found by leaving out, again and again,
//! those that somebody could. They differ in who somebody is: [`physical`] knows where every endpoint is; [`provable`] knows what the
//! rules of the detector let it know, so a loose endpoint, or one in a message, may be used by anybody.
//!
//! [`mistaken`] is what a detector would say that breaks one of those rules. Each must be caught in some system: otherwise the
//! systems would say nothing about the rule.

use std::collections::BTreeSet;

use crate::world::{At, Side, Wait, Want, World};

/// A rule that a detector may break. The first ten prove what is not so, the last three miss what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// What a process has in its hands is taken for its own, as what it was lent is.
    Loose,
    /// An endpoint in a message is nobody's.
    InMessage,
    /// An endpoint that the test has is nobody's.
    Outside,
    /// A weak sender cannot send.
    Weak,
    /// The state of a struct is known in the middle of a handler too.
    InHandler,
    /// Only the first arm of a `select!` counts.
    FirstArm,
    /// A lock is known to those who were lent it, and to nobody else.
    LockOutside,
    /// Who waits for a timer waits for ever.
    Timer,
    /// Whoever waits is woken by what its last poll spoke of, and by nothing else.
    Kept,
    /// What the workers of a pool own together is known, although one of them runs.
    Crew,
    /// Who has another receiver may bring a message, also when none is out.
    OtherReceivers,
    /// What a process was lent may be anybody's.
    Ports,
    /// The state of a struct may be anybody's.
    State,
}

impl Mistake {
    pub(crate) const ALL: [Self; 13] = [
        Self::Loose,
        Self::InMessage,
        Self::Outside,
        Self::Weak,
        Self::InHandler,
        Self::FirstArm,
        Self::LockOutside,
        Self::Timer,
        Self::Kept,
        Self::Crew,
        Self::OtherReceivers,
        Self::Ports,
        Self::State,
    ];
}

/// Who could end a wait.
enum Wakers {
    /// Somebody who is not known.
    Anybody,
    These(BTreeSet<usize>),
    /// All of these together.
    All(BTreeSet<usize>),
}

/// Who can never run again, as far as it can be known.
pub(crate) fn provable(world: &World) -> BTreeSet<usize> {
    let rules = Rules::known(None);
    rules.closed(world, |process, want, channel| {
        rules.known_wakers(world, process, want, channel)
    })
}

/// What a detector would prove that makes this mistake.
pub(crate) fn mistaken(world: &World, mistake: Mistake) -> BTreeSet<usize> {
    let rules = Rules::known(Some(mistake));
    rules.closed(world, |process, want, channel| {
        rules.known_wakers(world, process, want, channel)
    })
}

/// Who can never run again.
pub(crate) fn physical(world: &World) -> BTreeSet<usize> {
    let rules = Rules {
        broken: None,
        knows_all: true,
    };
    rules.closed(world, |_, want, channel| real_wakers(world, want, channel))
}

/// The rules, perhaps with a mistake.
#[derive(Debug, Clone, Copy)]
struct Rules {
    broken: Option<Mistake>,
    /// What a process does when it is woken is known: to look at what it waits for, and to wait on.
    knows_all: bool,
}

impl Rules {
    fn known(broken: Option<Mistake>) -> Self {
        Self {
            broken,
            knows_all: false,
        }
    }

    fn breaks(self, mistake: Mistake) -> bool {
        self.broken == Some(mistake)
    }

    /// Whether a process waits for something that only processes could bring about.
    fn is_inside(self, world: &World, process: usize) -> bool {
        let process = &world.processes[process];
        let timer = process.wait == Wait::Timer && !self.breaks(Mistake::Timer);
        let kept = process.kept.is_some_and(|until| Some(until) > world.now);
        let kept = kept && !self.knows_all && !self.breaks(Mistake::Kept);
        process.alive && !timer && !kept && process.wait != Wait::Nothing
    }

    fn closed(
        self,
        world: &World,
        wakers: impl Fn(usize, Want, usize) -> Wakers,
    ) -> BTreeSet<usize> {
        let mut stuck: BTreeSet<_> = (0..world.processes.len())
            .filter(|&process| self.is_inside(world, process))
            .collect();
        loop {
            let lives = |process: &&usize| {
                let waits = self.waits(world, **process, &wakers);
                waits.iter().any(|wakers| match wakers {
                    Wakers::Anybody => true,
                    Wakers::These(who) => who.iter().any(|who| !stuck.contains(who)),
                    Wakers::All(who) => who.is_disjoint(&stuck),
                })
            };
            let live: Vec<_> = stuck.iter().filter(lives).copied().collect();
            if live.is_empty() {
                return stuck;
            }
            live.iter().for_each(|process| {
                stuck.remove(process);
            });
        }
    }

    /// Who could end each wait of a process.
    fn waits(
        self,
        world: &World,
        process: usize,
        wakers: impl Fn(usize, Want, usize) -> Wakers,
    ) -> Vec<Wakers> {
        match &world.processes[process].wait {
            Wait::Timer if self.breaks(Mistake::Timer) => Vec::new(),
            Wait::Nothing | Wait::Timer => vec![Wakers::Anybody],
            Wait::Join(other) => vec![Wakers::These(BTreeSet::from([*other]))],
            Wait::Crew(crew) => vec![Wakers::All(world.crew(*crew).collect())],
            Wait::Lock(lock) => {
                let lock = &world.locks[*lock];
                // A guard borrows what its process was lent; somebody else who has the lock might do anything with it.
                let outside = lock.outside > 0 && !self.breaks(Mistake::LockOutside);
                let read = |&one: &usize| self.is_inside(world, one) && !is_passed_over(world, one);
                let known = !outside && lock.lent.iter().all(read);
                let holder = lock.holder.into_iter().collect();
                vec![if known {
                    Wakers::These(holder)
                } else {
                    Wakers::Anybody
                }]
            }
            Wait::Channels(channels) => {
                // An arm of a `select!` whose channel is closed is no wait any more.
                let open = |&&(want, channel): &&(Want, usize)| {
                    want != Want::Message || world.count(channel, Side::Sender) > 0
                };
                let arms = if self.breaks(Mistake::FirstArm) {
                    1
                } else {
                    usize::MAX
                };
                let open = channels.iter().filter(open).take(arms);
                open.map(|&(want, channel)| wakers(process, want, channel))
                    .collect()
            }
        }
    }

    /// By the rules of the detector: an endpoint counts if it is a port of a process that waits, or lies in the state of one between
    /// two messages; and all must count.
    fn known_wakers(self, world: &World, process: usize, want: Want, channel: usize) -> Wakers {
        let holders = |side| self.holders(world, channel, side);
        let found = match want {
            Want::Room | Want::Reply => holders(Side::Receiver),
            Want::Message => self.message(world, process, channel, holders),
        };
        found.map_or(Wakers::Anybody, Wakers::These)
    }

    /// Who has these endpoints, if it is known.
    fn holders(self, world: &World, channel: usize, side: Side) -> Option<BTreeSet<usize>> {
        let mut holders = BTreeSet::new();
        let ends = world.ends.values();
        for end in ends.filter(|end| end.channel == channel && end.side == side) {
            if let At::Crew(crew) = end.at
                && !self.breaks(Mistake::Ports)
            {
                let inside = |worker: &usize| self.is_inside(world, *worker);
                if !self.breaks(Mistake::Crew) && !world.crew(crew).all(|worker| inside(&worker)) {
                    return None;
                }
                holders.extend(world.crew(crew).filter(inside));
                continue;
            }
            let holder = match end.at {
                At::Port(holder) if !self.breaks(Mistake::Ports) => holder,
                At::Field(holder)
                    if !self.breaks(Mistake::State)
                        && (world.processes[holder].between || self.breaks(Mistake::InHandler)) =>
                {
                    holder
                }
                At::Loose(holder) if self.breaks(Mistake::Loose) => holder,
                At::Outside if self.breaks(Mistake::Outside) => continue,
                At::Queue(_) | At::Sending(..) if self.breaks(Mistake::InMessage) => continue,
                _ => return None,
            };
            if !self.is_inside(world, holder) {
                return None;
            }
            holders.insert(holder);
        }
        Some(holders)
    }

    /// Who could send a message. In a system that has settled none is out: processes keep no receives that they have begun.
    fn message(
        self,
        world: &World,
        process: usize,
        channel: usize,
        holders: impl Fn(Side) -> Option<BTreeSet<usize>>,
    ) -> Option<BTreeSet<usize>> {
        let mut all = holders(Side::Sender)?;
        if !self.breaks(Mistake::Weak) {
            all.extend(holders(Side::Weak)?);
        }
        let others = world.count(channel, Side::Receiver) > 1;
        if others && self.breaks(Mistake::OtherReceivers) {
            let others = holders(Side::Receiver)?;
            all.extend(others.into_iter().filter(|&other| other != process));
        }
        Some(all)
    }
}

/// A search does not read a process that only waits to receive where no process was lent a sender: somebody outside feeds it. So it
/// does not know either what such a process was lent, which is a limit for locks: one that is lent to it as well proves nothing.
fn is_passed_over(world: &World, process: usize) -> bool {
    let Wait::Channels(waits) = &world.processes[process].wait else {
        return false;
    };
    let [(Want::Message, channel)] = waits[..] else {
        return false;
    };
    let lent = |at| matches!(at, At::Port(_) | At::Crew(_) | At::Field(_));
    let mut ends = world.ends.values();
    !ends.any(|end| end.channel == channel && end.side == Side::Sender && lent(end.at))
}

/// By where things are: who has an endpoint, or could take it out of the message that it is in.
fn real_wakers(world: &World, want: Want, channel: usize) -> Wakers {
    let mut who = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let known = match want {
        Want::Room | Want::Reply => reach(world, channel, Side::Receiver, &mut who, &mut seen),
        Want::Message => [Side::Sender, Side::Weak]
            .into_iter()
            .all(|side| reach(world, channel, side, &mut who, &mut seen)),
    };
    if known {
        Wakers::These(who)
    } else {
        Wakers::Anybody
    }
}

/// Adds everybody who could use such an endpoint; false if the test could.
fn reach(
    world: &World,
    channel: usize,
    side: Side,
    who: &mut BTreeSet<usize>,
    seen: &mut BTreeSet<usize>,
) -> bool {
    let ends = world.ends.values();
    let ends = ends.filter(|end| end.channel == channel && end.side == side);
    let mut known = true;
    for end in ends {
        let through = match end.at {
            At::Outside => return false,
            At::Port(holder) | At::Field(holder) | At::Loose(holder) => {
                who.insert(holder);
                continue;
            }
            At::Crew(crew) => {
                who.extend(world.crew(crew));
                continue;
            }
            At::Queue(through) => through,
            At::Sending(sender, through) => {
                who.insert(sender);
                through
            }
        };
        if seen.insert(through) {
            known &= reach(world, through, Side::Receiver, who, seen);
        }
    }
    known
}
