//! What the kernels share: a system to leak in, a way to wait until all is parked, and verdicts that are compared whole.
//!
//! - [`lab`] runs a kernel on one, two and four workers; it must leave no proof behind that was wrong, and no message that is not
//!   accounted for.
//! - [`Lab::stuck`] waits until exactly the named processes are parked as said, and asks. No test sleeps.
//! - [`Found::cycle`] and its siblings compare the verdict, the names, the lines, what is waited for, who holds it, and `behind`.

use std::fmt::Write as _;
use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(crate) use roundrock::WaitKind;
use roundrock::leaks::{Leak, Proof, Stuck, Verdict};
use roundrock::observe::{ProcessInfo, State};
use roundrock::prelude::*;
use roundrock::sync::Mutex;
use roundrock::system::Builder;
use roundrock_tests::{
    LIMIT, assert_balanced, assert_no_threads_of, unique_name, watched, yield_now,
};

/// A lock that several processes are lent.
pub(crate) type Lock = Arc<Mutex<u32>>;

/// A free lock.
pub(crate) fn lock() -> Lock {
    Arc::new(Mutex::new(0))
}

/// An expression and the line it stands on.
macro_rules! at {
    ($expression:expr) => {
        ($expression, line!())
    };
}
pub(crate) use at;

/// A place where processes wait for each other without parking, so that it is no wait that a detector could see.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meet(Arc<AtomicUsize>);

impl Meet {
    /// Counts this process in, and goes on when there are `parties` of them.
    pub(crate) async fn all(&self, parties: usize) {
        self.0.fetch_add(1, Ordering::SeqCst);
        self.reached(parties).await;
    }

    /// How many were counted in.
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Goes on when `parties` were counted in.
    pub(crate) async fn reached(&self, parties: usize) {
        while self.count() < parties {
            yield_now().await;
        }
    }
}

/// A scope for a kernel, in a system of its own.
#[derive(Debug, Clone)]
pub(crate) struct Lab {
    kernel: Scope,
}

impl Deref for Lab {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        &self.kernel
    }
}

/// Runs a kernel in systems with one, two and four workers. What it leaves behind is stopped; no proof may have been wrong.
#[track_caller]
pub(crate) fn lab<F>(body: impl Fn(Lab) -> F + Send + Sync + 'static)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    lab_of(System::builder, body);
}

/// As [`lab`], where whoever has waited for 20 ms is suspected.
#[track_caller]
pub(crate) fn suspicious_lab<F>(body: impl Fn(Lab) -> F + Send + Sync + 'static)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    lab_of(|| System::builder().suspect_after(millis(20)), body);
}

#[track_caller]
fn lab_of<F>(builder: fn() -> Builder, body: impl Fn(Lab) -> F + Send + Sync + 'static)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let body = Arc::new(body);
    for workers in [1, 2, 4] {
        let body = Arc::clone(&body);
        watched(move |stage| {
            stage.set(format!("{workers} workers"));
            let name = unique_name();
            let system = builder().workers(workers).name(&name).grace(millis(50));
            let result = system.run(async move |scope| {
                let kernel = scope.child("kernel");
                let lab = Lab { kernel };
                let result = body(lab.clone()).await;
                let _report = lab.stop(Duration::ZERO).await;
                let system = scope.system();
                assert_balanced(&system);
                assert_eq!(system.proof_violations(), 0, "a proof was wrong");
                assert_eq!(system.lost_wakeups(), 0, "a wakeup was lost");
                result
            });
            assert_no_threads_of(&name);
            if let Err(error) = result {
                panic!("with {workers} workers: {error:?}");
            }
        });
    }
}

/// The processes of a system, without those of the runtime.
fn processes(system: &System) -> Vec<ProcessInfo> {
    let all = system.snapshot().processes;
    all.into_iter()
        .filter(|process| process.scope != 0)
        .collect()
}

/// Whether these processes, and no others of the kernel, are there, each parked on this kind of wait.
fn all_parked(processes: &[ProcessInfo], expected: &[(&str, WaitKind)]) -> bool {
    let mut waits: Vec<_> = processes
        .iter()
        .map(|process| {
            let parked = process.state == State::Parked && !process.moving;
            let kind = process
                .wait
                .as_ref()
                .filter(|_| parked)
                .map(|wait| wait.kind);
            (
                process.name.to_string(),
                kind.map(|kind| format!("{kind:?}")),
            )
        })
        .collect();
    let mut wanted: Vec<_> = expected
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), Some(format!("{kind:?}"))))
        .collect();
    waits.sort();
    wanted.sort();
    waits == wanted
}

impl Lab {
    /// Waits until exactly these processes are left in the kernel and parked so, without sleeping.
    #[track_caller]
    pub(crate) fn parked(&self, expected: &[(&str, WaitKind)]) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            let begun = Instant::now();
            loop {
                // A look reads all of them, and new processes take turns with this one: so each has its turn before.
                for _ in 0..=expected.len() {
                    yield_now().await;
                }
                let seen = processes(&self.system());
                if all_parked(&seen, expected) {
                    return;
                }
                assert!(
                    begun.elapsed() < LIMIT / 4,
                    "{caller}: {expected:?} should be parked, and there are {seen:#?}"
                );
            }
        }
    }

    /// Waits until exactly these processes are left and parked so, and asks for the leaks.
    #[track_caller]
    pub(crate) fn stuck(&self, expected: &[(&str, WaitKind)]) -> impl Future<Output = Found> {
        let caller = Location::caller();
        let parked = self.parked(expected);
        async move {
            parked.await;
            // A pass steps over a process that its worker still has in hand, so it is asked a few times.
            let mut leaks = self.system().leaks();
            for _ in 0..200 {
                if !leaks.is_empty() {
                    break;
                }
                yield_now().await;
                leaks = self.system().leaks();
            }
            Found::new(leaks, caller)
        }
    }

    /// As [`stuck`](Self::stuck), and asks again until something is old enough to be suspected.
    #[track_caller]
    pub(crate) fn suspects(&self, expected: &[(&str, WaitKind)]) -> impl Future<Output = Found> {
        let (parked, found) = (self.parked(expected), self.until(|_| true));
        async move {
            parked.await;
            found.await
        }
    }

    /// Asks again and again until there is such a leak, for kernels in which some process never parks for long.
    #[track_caller]
    pub(crate) fn until(&self, there: impl Fn(&Leak) -> bool) -> impl Future<Output = Found> {
        let caller = Location::caller();
        async move {
            let begun = Instant::now();
            loop {
                let leaks = self.system().leaks();
                if leaks.iter().any(&there) {
                    return Found::new(leaks, caller);
                }
                assert!(
                    begun.elapsed() < LIMIT / 4,
                    "{caller}: not found, but {leaks:#?}"
                );
                yield_now().await;
            }
        }
    }

    /// Waits until the kernel has ended by itself: without a failure, and without a leak.
    #[track_caller]
    pub(crate) fn ends(&self) -> impl Future<Output = Result<()>> {
        let caller = Location::caller();
        async move {
            self.kernel.join().await?;
            let leaks = self.system().leaks();
            assert!(
                leaks.is_empty(),
                "{caller}: it ended, and there is {leaks:?}"
            );
            Ok(())
        }
    }
}

/// A process that must be in a report.
#[derive(Debug, Clone)]
pub(crate) struct Who<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// The line on which it was spawned, in the file of the caller.
    pub(crate) line: u32,
    /// What it waits for: the kind, the name of the channel ("" if none is asked for), and the names of all who hold it.
    pub(crate) waits: Vec<(WaitKind, &'a str, Vec<&'a str>)>,
}

/// A process that must be in a report, with one wait.
pub(crate) fn who<'a>(
    (name, line): (&'a str, u32),
    kind: WaitKind,
    channel: &'a str,
    holders: &[&'a str],
) -> Who<'a> {
    let waits = vec![(kind, channel, holders.to_vec())];
    Who { name, line, waits }
}

/// What a pass found.
#[derive(Debug)]
pub(crate) struct Found {
    leaks: Vec<Leak>,
    text: String,
    file: &'static str,
}

impl Found {
    fn new(leaks: Vec<Leak>, caller: &Location<'static>) -> Self {
        let mut text = String::new();
        for leak in &leaks {
            writeln!(text, "{leak}\n").expect("a string takes everything");
        }
        let file = caller.file();
        Self { leaks, text, file }
    }

    /// The same for a helper that was called from elsewhere: the lines are of that file.
    pub(crate) fn seen_from(self, caller: &Location<'static>) -> Self {
        let file = caller.file();
        Self { file, ..self }
    }

    /// All leaks.
    pub(crate) fn leaks(&self) -> &[Leak] {
        &self.leaks
    }

    /// The reports, as a person reads them.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// There is exactly one root, a cycle of exactly these, and so many more wait behind it.
    #[track_caller]
    pub(crate) fn cycle(&self, members: &[Who<'_>], behind: usize) -> &Self {
        self.root(&Proof::Cycle, members, behind)
    }

    /// There is exactly one root, a process that nothing can wake, and so many more wait behind it.
    #[track_caller]
    pub(crate) fn no_waker(&self, name: (&str, u32), behind: usize) -> &Self {
        let (name, line) = name;
        let waits = Vec::new();
        self.root(&Proof::NoWaker, &[Who { name, line, waits }], behind)
    }

    #[track_caller]
    fn root(&self, proof: &Proof, members: &[Who<'_>], behind: usize) -> &Self {
        let roots: Vec<_> = self.leaks.iter().filter(|leak| is_root(leak)).collect();
        let [root] = roots[..] else {
            panic!(
                "one root is expected, and there are {}:\n{self:#?}",
                roots.len()
            );
        };
        assert_eq!(
            root.verdict,
            Verdict::Proven(proof.clone()),
            "{}",
            self.text
        );
        assert_eq!(root.behind, behind, "behind the root:\n{}", self.text);
        self.members(root, members);
        let more = self.leaks.iter().filter(|leak| is_behind(leak));
        assert_eq!(
            more.map(|leak| leak.processes.len()).sum::<usize>(),
            behind,
            "{}",
            self.text
        );
        self
    }

    /// These wait behind the root.
    #[track_caller]
    pub(crate) fn behind(&self, members: &[Who<'_>]) -> &Self {
        let followers: Vec<_> = self.leaks.iter().filter(|leak| is_behind(leak)).collect();
        for member in members {
            let found = followers
                .iter()
                .find(|leak| leak.processes.iter().any(|stuck| stuck.name == member.name));
            let leak =
                found.unwrap_or_else(|| panic!("{} is not behind:\n{}", member.name, self.text));
            let like = |stuck: &&Stuck| stuck.name == member.name;
            leak.processes
                .iter()
                .filter(like)
                .for_each(|stuck| self.is(stuck, member));
            assert_eq!(leak.names().len(), leak.processes.len());
        }
        self
    }

    /// Nothing is proven, and there is exactly one suspicion: these, and the reason contains this text.
    #[track_caller]
    pub(crate) fn suspected(&self, members: &[Who<'_>], reason: &str) -> &Self {
        let [leak] = &self.leaks[..] else {
            panic!(
                "one suspicion is expected, and there are {}:\n{self:#?}",
                self.leaks.len()
            );
        };
        let Some(why) = why(leak) else {
            panic!("a suspicion is expected:\n{}", self.text);
        };
        assert!(
            why.contains(reason),
            "the reason is {why:?}, not {reason:?}"
        );
        assert!(
            self.text.contains(why),
            "the report does not give the reason:\n{}",
            self.text
        );
        assert!(!leak.is_proven());
        self.members(leak, members);
        self
    }

    /// This process is suspected, perhaps with others, for a reason that contains this text.
    #[track_caller]
    pub(crate) fn about(&self, member: &Who<'_>, reason: &str) -> &Self {
        for leak in &self.leaks {
            let Some(why) = why(leak) else {
                continue;
            };
            let mut those = leak
                .processes
                .iter()
                .filter(|stuck| stuck.name == member.name);
            if let Some(stuck) = those.next() {
                self.is(stuck, member);
                assert!(
                    why.contains(reason),
                    "the reason is {why:?}, not {reason:?}"
                );
                assert!(
                    self.text.contains(why),
                    "the report does not give the reason:\n{}",
                    self.text
                );
                return self;
            }
        }
        panic!("{} is not suspected:\n{}", member.name, self.text);
    }

    /// This process is reported, in whatever way.
    #[track_caller]
    pub(crate) fn of(&self, name: &str, line: u32) -> &Stuck {
        let all = self.leaks.iter().flat_map(|leak| &leak.processes);
        let found = all
            .filter(|stuck| stuck.name == name)
            .find(|stuck| at_line(stuck, line));
        found.unwrap_or_else(|| panic!("{name}, line {line}, is not there:\n{}", self.text))
    }

    /// Exactly one leak has this verdict, and it is of exactly these.
    #[track_caller]
    pub(crate) fn verdict(&self, verdict: &Verdict, members: &[Who<'_>]) -> &Self {
        let same: Vec<_> = self
            .leaks
            .iter()
            .filter(|leak| leak.verdict == *verdict)
            .collect();
        let [leak] = same[..] else {
            panic!(
                "one {verdict:?} is expected, and there are {}:\n{self:#?}",
                same.len()
            );
        };
        self.members(leak, members);
        self
    }

    /// The leak is of exactly these, and the text names each with its line.
    #[track_caller]
    fn members(&self, leak: &Leak, members: &[Who<'_>]) {
        let mut names = leak.names();
        let mut wanted: Vec<_> = members.iter().map(|member| member.name).collect();
        names.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(names, wanted, "{}", self.text);
        for stuck in &leak.processes {
            let like: Vec<_> = members
                .iter()
                .filter(|member| member.name == stuck.name)
                .collect();
            let here = like.iter().find(|member| at_line(stuck, member.line));
            self.is(stuck, here.or(like.first()).expect("the names are equal"));
        }
    }

    /// The process was spawned there, and waits so.
    #[track_caller]
    fn is(&self, stuck: &Stuck, member: &Who<'_>) {
        let site = stuck
            .site
            .as_ref()
            .expect("it has a place where it was spawned");
        assert_eq!(
            (&*site.file, site.line),
            (self.file, member.line),
            "{}",
            self.text
        );
        let text = format!("{}#", member.name);
        assert!(
            self.text.contains(&text),
            "{text} is not in the text:\n{}",
            self.text
        );
        let text = format!("{}:{}", self.file, member.line);
        assert!(
            self.text.contains(&text),
            "{text} is not in the text:\n{}",
            self.text
        );
        assert_eq!(
            stuck.waits.len(),
            member.waits.len(),
            "{stuck:#?}\n{member:#?}"
        );
        for (kind, channel, holders) in &member.waits {
            let fits = |awaited: &&roundrock::leaks::Awaited| {
                awaited.kind == *kind
                    && (channel.is_empty() || awaited.name.as_deref() == Some(channel))
            };
            let awaited = stuck.waits.iter().find(fits);
            let awaited =
                awaited.unwrap_or_else(|| panic!("{stuck:#?} does not wait as {member:#?}"));
            let mut names: Vec<_> = awaited.holders.iter().map(|held| &*held.name).collect();
            names.sort_unstable();
            names.dedup();
            let mut wanted = holders.clone();
            wanted.sort_unstable();
            assert_eq!(
                names, wanted,
                "who could end the wait of {}:\n{}",
                stuck.name, self.text
            );
            if !channel.is_empty() {
                assert!(
                    self.text.contains(&format!("\"{channel}\"")),
                    "{channel}:\n{}",
                    self.text
                );
            }
        }
    }
}

fn at_line(stuck: &Stuck, line: u32) -> bool {
    stuck.site.as_ref().is_some_and(|site| site.line == line)
}

/// Why a leak is not proven, if it is a suspicion.
fn why(leak: &Leak) -> Option<&String> {
    match &leak.verdict {
        Verdict::Suspected { why } => Some(why),
        _ => None,
    }
}

fn is_root(leak: &Leak) -> bool {
    matches!(leak.verdict, Verdict::Proven(Proof::Cycle | Proof::NoWaker))
}

fn is_behind(leak: &Leak) -> bool {
    matches!(leak.verdict, Verdict::Proven(Proof::Behind { .. }))
}
