//! Wakeups that were lost: a process is parked although what it waits for is there. That is an error of the runtime itself, and never
//! one of the program.
//!
//! Each channel says so of itself, in one look under its lock (`channel/overdue.rs`), whoever has its endpoints. So nothing is read
//! that could be a moment old, and a wake that is under way, on a thread that the operating system has put aside, is none: whoever is
//! about to be woken has left the list. Each process is counted once for each time that it parked.
//!
//! Locks and the ends of processes are looked at in `overdue.rs`.
//!
//! Every channel is looked at when somebody asks, when a pass has proven anything (which a lost wakeup would make look like a
//! mistake of the program), and when suspects are looked for. A process that is found so and proven stuck is the cause of what waits
//! behind it: what it waits for is there, so nobody else could bring it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::facts::{Channel, Fast};
use super::overdue::{self, Doubts};
use super::report::{Awaited, Holding, LISTED, Leak, Stuck, Verdict};
use super::verdict::{holding, is_pool, name_of, site};
use crate::channel::overdue::Overdue;
use crate::observe::{Name, Site};
use crate::scheduler::Scheduler;
use crate::sync::{AtomicU64, Lock, Ordering};
use crate::task::{ProcessId, WaitKind};

/// The lost wakeups of a system.
#[derive(Debug)]
pub(crate) struct Lost {
    /// The processes that were counted, and how often each had been polled.
    known: Lock<HashMap<ProcessId, u64>>,
    count: AtomicU64,
    pub(super) doubts: Doubts,
}

/// Processes that wait for something that is there.
#[derive(Debug)]
pub(super) struct Late {
    pub(super) kind: WaitKind,
    /// With how often each had been polled.
    pub(super) processes: Vec<ProcessId>,
    pub(super) polls: Vec<u64>,
    /// What is there.
    pub(super) why: String,
    pub(super) mailbox: bool,
    /// Of the channel.
    pub(super) name: Option<&'static str>,
    pub(super) site: Option<Site>,
    /// Whose end it is.
    pub(super) ended: Option<ProcessId>,
}

impl Late {
    /// Who is overdue in a channel that was made there, and is no mailbox and has no name as far as it is known.
    fn in_channel(overdue: Overdue, site: Site) -> Self {
        Self {
            kind: match overdue.receives {
                true => WaitKind::Recv,
                false => WaitKind::Send,
            },
            processes: overdue.processes,
            polls: overdue.polls,
            why: overdue.why,
            mailbox: false,
            name: None,
            site: Some(site),
            ended: None,
        }
    }
}

impl Lost {
    pub(crate) fn new() -> Self {
        Self {
            known: Lock::new(HashMap::new()),
            count: AtomicU64::new(0),
            doubts: Doubts::new(),
        }
    }

    /// How many wakeups were found lost, those that are so now included.
    pub(crate) fn count(&self, scheduler: &Scheduler) -> u64 {
        find(scheduler);
        // ORDERING: Relaxed: a count.
        self.count.load(Ordering::Relaxed)
    }

    /// As good as new: the next run of a simulation has processes of its own, with the same numbers.
    pub(crate) fn reset(&self) {
        self.known.lock().clear();
        // ORDERING: Relaxed: nobody else has the system.
        self.count.store(0, Ordering::Relaxed);
    }

    /// Counts a process that was found after so many polls, if it is new.
    fn enter(&self, process: ProcessId, polls: u64) -> bool {
        let mut known = self.known.lock();
        let last = known.entry(process).or_insert(0);
        // Another one who looked may have found it later, and come here before.
        let is_new = *last < polls;
        *last = polls.max(*last);
        // ORDERING: Relaxed: a count.
        self.count.fetch_add(is_new.into(), Ordering::Relaxed);
        is_new
    }
}

/// Who is overdue in a system.
pub(super) fn find(scheduler: &Scheduler) -> Vec<Late> {
    let mut found = Vec::new();
    for remote in &scheduler.remotes {
        remote.channels.for_each(|head| {
            let channel = Channel::listed(&head);
            // A plain thread that waits is nobody's process.
            if let Some(overdue) = channel.overdue().filter(|late| !late.processes.is_empty()) {
                found.push(Late {
                    mailbox: channel.is_mailbox(),
                    name: channel.stats().name,
                    ..Late::in_channel(overdue, site(channel.site()))
                });
            }
        });
    }
    found.extend(in_other_channels(scheduler));
    found.extend(overdue::find(scheduler));
    for late in &found {
        for (&process, &polls) in late.processes.iter().zip(&late.polls) {
            if scheduler.lost.enter(process, polls) {
                tell(scheduler, process, late);
            }
        }
    }
    found
}

/// Who is overdue in a channel that is not a core: a `oneshot`, a `latest`, a `broadcast`. Only those are asked in which somebody says
/// that it waits, for to ask them keeps them alive meanwhile.
fn in_other_channels(scheduler: &Scheduler) -> Vec<Late> {
    let channels = WaitKind::Recv.bit() | WaitKind::Send.bit();
    let mut awaited: HashSet<u64, Fast> = HashSet::default();
    for slot in scheduler.registry.slots().filter(|slot| slot.is_used()) {
        // ORDERING: Relaxed: see `registry::Line`; who parks now is seen by the next look.
        let kinds = (slot.line.wait.load(Ordering::Relaxed) >> 16) as u16;
        if kinds & channels != 0 {
            scheduler.registry.waits(slot, |wait| {
                awaited.insert(wait.object);
            });
        }
    }
    let mut found = Vec::new();
    for remote in &scheduler.remotes {
        let wanted = |object| awaited.contains(&object);
        let accounts = remote.channels.wanted_accounts(wanted).into_iter();
        found.extend(accounts.filter_map(|(account, made_at)| {
            Some(Late::in_channel(account.overdue()?, site(made_at)))
        }));
    }
    found
}

fn tell(scheduler: &Scheduler, process: ProcessId, late: &Late) {
    let name = scheduler.registry.name_of(process);
    let site = late.site.as_ref();
    let place = site.map(|site| format!("{}:{}", site.file, site.line));
    tracing::error!(
        target: "roundrock::leak", process = name, process.id = process.raw(), channel = late.name, place,
        why = late.why,
        "lost_wakeup: a process was not woken although what it waits for is there, which is a bug in Roundrock"
    );
}

impl Late {
    pub(super) fn processes(&self) -> &[ProcessId] {
        &self.processes
    }
}

/// What is said of those who are late.
pub(super) fn say(late: &Late, scheduler: &Scheduler) -> Leak {
    let now_ms = scheduler.clock.present_ms();
    let listed = late.processes().iter().take(LISTED);
    Leak {
        verdict: Verdict::LostWakeup {
            why: late.why.clone(),
        },
        processes: listed
            .map(|&id| stuck(scheduler, id, late, now_ms))
            .collect(),
        count: late.processes().len(),
        behind: 0,
        standstill: false,
    }
}

fn stuck(scheduler: &Scheduler, id: ProcessId, late: &Late, now_ms: u32) -> Stuck {
    let (name, site) = name_of(scheduler, id);
    let slot = scheduler.registry.slot(id.index());
    // ORDERING: Relaxed: see `registry::Line`; to say for how long.
    let word = slot.map_or(0, |slot| slot.line.wait.load(Ordering::Relaxed));
    let since = now_ms.wrapping_sub((word >> 32) as u32);
    Stuck {
        id,
        name,
        pool: is_pool(scheduler, id),
        site,
        since: Duration::from_millis(since.into()),
        waits: vec![Awaited {
            name: late.name.map(Name::from),
            site: late.site.clone(),
            mailbox: late.mailbox,
            holders: ended(scheduler, late),
            ..Awaited::of(late.kind)
        }],
    }
}

fn ended(scheduler: &Scheduler, late: &Late) -> Vec<Holding> {
    let ended = late.ended.into_iter();
    ended.map(|process| holding(scheduler, process)).collect()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use crate::WaitKind;
    use crate::channel::overdue::mistakes::Bare;
    use crate::leaks::{Leak, Proof, Verdict};
    use crate::prelude::*;
    use crate::sim::{Reason, Simulation};

    /// Searches until something is found.
    async fn found(scope: &Scope) -> Vec<Leak> {
        loop {
            let leaks = scope.system().leaks();
            if !leaks.is_empty() {
                return leaks;
            }
            sleep(millis(1)).await;
        }
    }

    /// Waits until somebody is parked in a channel.
    async fn parked(scope: &Scope, kind: WaitKind) {
        let waits = |scope: &Scope| {
            let snapshot = scope.system().snapshot();
            snapshot
                .processes
                .iter()
                .any(|process| process.wait.as_ref().is_some_and(|wait| wait.kind == kind))
        };
        while !waits(scope) {
            sleep(millis(1)).await;
        }
    }

    #[process]
    async fn sums(numbers: &Receiver<u32>) -> Result<u32> {
        let mut sum = 0;
        while let Some(number) = numbers.recv().await {
            sum += number;
        }
        Ok(sum)
    }

    #[test]
    fn a_message_that_nobody_was_woken_for_is_found_whoever_has_the_sender() -> Result<()> {
        System::builder().workers(2).run(async |scope| {
            let (sender, receiver) = bounded(2);
            let channel = Bare(sender.raw());
            let task = scope.spawn(sums(receiver));
            parked(&scope, WaitKind::Recv).await;
            assert_eq!(scope.system().lost_wakeups(), 0);
            channel.send_to_nobody(1);
            let leaks = found(&scope).await;
            assert_eq!(leaks.len(), 1);
            assert!(!leaks[0].is_proven());
            let text = leaks[0].to_string();
            let begins = "internal error: the wakeup of a process was lost, which is a bug in Roundrock and not in this program; \
                          please report it\n  sums#";
            assert!(text.starts_with(begins), "{text}");
            let (from, why) = (" waits to receive from the channel made at ", ", and a message is queued there");
            assert!(text.contains(from) && text.ends_with(why), "{text}");
            channel.send_to_nobody(1);
            let text = found(&scope).await[0].to_string();
            assert!(text.ends_with(", and 2 messages are queued there"), "{text}");
            // It is counted once.
            assert_eq!(scope.system().snapshot().lost_wakeups, 1);
            assert_eq!(scope.system().lost_wakeups(), 1);
            // The next message wakes it, and it finds the others.
            sender.send(3).await?;
            drop(sender);
            assert_eq!(task.await?, 5);
            assert_eq!(scope.system().lost_wakeups(), 1);
            Ok(())
        })
    }

    #[test]
    fn room_that_nobody_was_woken_for_is_found() -> Result<()> {
        System::builder().workers(2).run(async |scope| {
            let (sender, receiver) = bounded(1);
            let channel = Bare(sender.raw());
            sender.try_send(1).expect("there is room");
            let task = scope.task("sends", async move { sender.send(2).await });
            parked(&scope, WaitKind::Send).await;
            assert_eq!(scope.system().lost_wakeups(), 0);
            assert_eq!(channel.receive_from_nobody(), Some(1));
            let text = found(&scope).await[0].to_string();
            assert!(
                text.contains("\n  sends#")
                    && text.contains(" waits for room in the channel made at "),
                "{text}"
            );
            assert!(text.ends_with(", and there is room"), "{text}");
            // Whoever comes by puts it right.
            assert_eq!(scope.system().lost_wakeups(), 1);
            drop(receiver);
            assert_eq!(task.done().await.kind(), "stopped");
            Ok(())
        })
    }

    #[process]
    async fn echo(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
        while let Some(number) = input.recv().await {
            output.send(number).await?;
        }
        Ok(())
    }

    /// Without the message the two would be a cycle; with it, it is not they who are to blame.
    #[test]
    fn what_waits_for_a_lost_wakeup_is_behind_it_and_no_cycle() {
        let ended = System::builder().workers(2).run(async |scope| {
            let (to_left, of_left) = bounded(1);
            let (to_right, of_right) = bounded(1);
            let channel = Bare(to_left.raw());
            let left = scope.spawn(echo(of_left, to_right)).id();
            scope.spawn(echo(of_right, to_left));
            let before = found(&scope).await;
            assert_eq!(before[0].verdict, Verdict::Proven(Proof::Cycle));
            channel.send_to_nobody(7);
            let leaks = found(&scope).await;
            assert_eq!(leaks.len(), 2, "{leaks:?}");
            assert!(matches!(leaks[0].verdict, Verdict::LostWakeup { .. }));
            assert_eq!((leaks[0].processes[0].id, leaks[0].behind), (left, 1));
            let is_behind = matches!(leaks[1].verdict, Verdict::Proven(Proof::Behind { root, .. }) if root == left);
            assert!(is_behind, "{}", leaks[1]);
            Ok(())
        });
        // The body has returned, and the rest can never go on: that is told, with the reason, and does not hang.
        let error = ended.expect_err("it is a deadlock").to_string();
        assert!(
            error.contains("deadlock") && error.contains("internal error"),
            "{error}"
        );
    }

    /// Whoever waits for a lock, or for an end, is looked at twice: a wake may be under way.
    #[test]
    fn a_lock_that_nobody_was_given_is_found() -> Result<()> {
        System::builder().workers(2).run(async |scope| {
            let lock = Arc::new(crate::locks::Mutex::new(1));
            let guard = lock.lock().await;
            let wanted = Arc::clone(&lock);
            let task = scope.task("wants", async move { *wanted.lock().await += 1 });
            parked(&scope, WaitKind::Lock).await;
            assert_eq!(scope.system().lost_wakeups(), 0);
            lock.gate().give_to_nobody();
            let text = found(&scope).await[0].to_string();
            assert!(text.contains("\n  wants#"), "{text}");
            assert!(text.ends_with(", and the lock is free"), "{text}");
            assert_eq!(scope.system().lost_wakeups(), 1);
            drop(guard);
            task.kill();
            Ok(())
        })
    }

    #[test]
    fn an_end_that_nobody_was_told_of_is_found() -> Result<()> {
        System::builder().workers(2).run(async |scope| {
            let (go, wait) = bounded::<()>(1);
            let ends = scope.task("ends", async move {
                let _ = wait.recv().await;
            });
            let done = ends.done();
            let task = scope.task("joins", async move { drop(done.await) });
            parked(&scope, WaitKind::Join).await;
            assert_eq!(scope.system().lost_wakeups(), 0);
            ends.task().forget_watchers();
            go.send(()).await?;
            let text = found(&scope).await[0].to_string();
            assert!(
                text.contains("\n  joins#") && text.contains(" waits for the end of ends#"),
                "{text}"
            );
            assert!(text.ends_with(", and that has ended"), "{text}");
            assert_eq!(scope.system().lost_wakeups(), 1);
            task.kill();
            Ok(())
        })
    }

    /// A finding about one process, with what it says it waits for, and why.
    #[track_caller]
    fn says(text: &str, waits: &str, why: &str) {
        assert!(
            text.contains("\n  waits#") && text.contains(waits),
            "{text}"
        );
        assert!(text.ends_with(why), "{text}");
    }

    /// The channels whose endpoints are no cores judge themselves in the same way.
    #[test]
    fn a_value_that_nobody_was_woken_for_is_found() -> Result<()> {
        System::builder().workers(2).run(async |scope| {
            let (answer, question) = oneshot();
            let task = scope.task("waits", async move { roundrock::Ok(question.await) });
            parked(&scope, WaitKind::Recv).await;
            assert_eq!(scope.system().lost_wakeups(), 0);
            answer.send_to_nobody(7);
            says(
                &found(&scope).await[0].to_string(),
                " waits to receive from ",
                ", and the value is there",
            );
            drop(answer);
            assert_eq!(task.await?, Some(7));
            assert_eq!(scope.system().lost_wakeups(), 1);

            let (level, gauge) = latest(1);
            gauge.get();
            let task = scope.task("waits", async move { roundrock::Ok(gauge.recv().await) });
            parked(&scope, WaitKind::Recv).await;
            assert_eq!(scope.system().lost_wakeups(), 1);
            level.change_for_nobody();
            says(
                &found(&scope).await[0].to_string(),
                " waits to receive from ",
                ", and the value has changed",
            );
            drop(level);
            assert_eq!(task.await?, Some(1));
            assert_eq!(scope.system().lost_wakeups(), 2);
            Ok(())
        })
    }

    #[test]
    fn a_broadcast_that_nobody_was_woken_for_is_found() -> Result<()> {
        System::builder().workers(2).run(async |scope| {
            let (news, reader) = broadcast(1).overflow(crate::channel::Overflow::Wait);
            let task = scope.task("waits", async move { roundrock::Ok(reader.recv().await) });
            parked(&scope, WaitKind::Recv).await;
            assert_eq!(scope.system().lost_wakeups(), 0);
            news.send_to_nobody(7);
            let why = ", and a message came after it began to wait";
            says(
                &found(&scope).await[0].to_string(),
                " waits to receive from ",
                why,
            );
            // It goes, and is not to blame for what follows.
            let late = news.subscribe();
            task.kill();
            task.done().await;
            news.try_send(8).expect("there is room");
            let sends = news.clone();
            let second = scope.task("waits", async move { sends.send(9).await });
            parked(&scope, WaitKind::Send).await;
            assert_eq!(scope.system().lost_wakeups(), 1);
            news.take_for_nobody();
            says(
                &found(&scope).await[0].to_string(),
                " waits for room in ",
                ", and there is room",
            );
            assert_eq!(scope.system().lost_wakeups(), 2);
            second.kill();
            drop(late);
            Ok(())
        })
    }

    #[test]
    fn a_simulation_fails_with_it() {
        let run = |leaks: bool| {
            Simulation::new("lost")
                .seeds(1)
                .deny_leaks(leaks)
                .run(|sim| async move {
                    let (sender, receiver) = bounded(2);
                    let channel = Bare(sender.raw());
                    sim.spawn(sums(receiver));
                    let scope = Scope::clone(&sim);
                    sim.task("keeps", async move {
                        scope.stopping().await;
                        drop(sender);
                    });
                    sim.settle().await;
                    channel.send_to_nobody(1);
                    roundrock::Ok(())
                })
        };
        for leaks in [false, true] {
            let failure = run(leaks).expect_err("a wakeup was lost");
            assert!(
                matches!(&failure.reason, Reason::LostWakeup(text) if text.contains("sums#")),
                "{}",
                failure.reason
            );
        }
    }
}
