//! What a scope says of its failure: the first one, with its causes, and how the others ended.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::process::exit::{Exit, Fault, contain};
use crate::scope::ScopeInner;
use crate::sync::Lock;
use crate::task::current;

/// Exits that a scope remembers, the first failure included.
const REMEMBERED: usize = 16;

/// How a process ended, for the scope's book.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    process: String,
    exit: Exit,
}

/// Of several errors whose destructors panic, the second would meet the panic of the first.
impl Drop for Ended {
    fn drop(&mut self) {
        let exit = std::mem::replace(&mut self.exit, Exit::Ok);
        contain("a destructor", || drop(exit));
    }
}

impl Ended {
    /// The same, without the error or panic itself.
    fn in_words(&self) -> Self {
        let words = |fault: &Arc<Fault>| match &**fault {
            Fault::Error(error) => {
                let mut text = String::new();
                contain("the text of an error", || text = format!("{error:#}"));
                Arc::new(Fault::Error(Error::without_site(text)))
            }
            // A panic is words and a place already.
            _ => Arc::clone(fault),
        };
        let exit = match &self.exit {
            Exit::Failed(fault) => Exit::Failed(words(fault)),
            exit => exit.clone(),
        };
        Self {
            process: self.process.clone(),
            exit,
        }
    }
}

/// The first failure of a scope, and how others ended after it.
///
/// Everybody who joins the scope is told, and so is its owner, each once: whoever is first takes nothing from the others. Errors may hold
/// handles, and these the scope; so what is left when all who asked have been told is words.
#[derive(Debug, Default, Clone)]
pub(crate) struct Exits {
    /// In their order. There is no room for all, so a failure takes the place of who ended well.
    kept: Vec<Ended>,
    /// Failures beside these.
    more: usize,
    /// How many of those that are kept somebody has been told of, and how many the process whose own scope this is.
    told: usize,
    seen: usize,
    /// Who has asked or will, and was not told yet.
    askers: usize,
}

/// Somebody who is to be told how a scope has failed, even if others are told before.
#[derive(Debug)]
pub(crate) struct Asker<'a>(&'a ScopeInner);

impl Asker<'_> {
    /// The first failure of the scope.
    pub(crate) fn told(self) -> Result<()> {
        // What a process sees of its own scope is not its failure any more.
        let is_own = current::with_task(|task| {
            let own = task.and_then(|task| task.own()?.get());
            own.is_some_and(|own| own.id == self.0.id)
        });
        self.0.failure(match is_own {
            true => Exits::see,
            false => Exits::all,
        })
    }
}

impl Drop for Asker<'_> {
    fn drop(&mut self) {
        self.0.are_told(1);
    }
}

impl Exits {
    /// Nobody is to be told any more of what somebody was told of.
    fn are_told(&self) -> bool {
        self.askers == 0 && !self.kept.is_empty() && self.told == self.kept.len()
    }

    fn all(&mut self) -> Self {
        let all = self.clone();
        self.told = self.kept.len();
        all
    }

    fn see(&mut self) -> Self {
        self.seen = self.kept.len();
        self.all()
    }

    /// Those that the process whose own scope this is has not seen.
    fn unseen(&mut self) -> Self {
        let seen = self.seen;
        let mut unseen = self.see();
        // How others ended after what was seen is no failure.
        let failed = |ended: &Ended| ended.exit.is_failure();
        let new = unseen.kept.iter().skip(seen).position(failed);
        let seen = new.map_or(unseen.kept.len(), |new| seen + new);
        drop(unseen.kept.drain(..seen));
        unseen
    }

    fn add(&mut self, process: &str, exit: &Exit) {
        if self.kept.len() == REMEMBERED {
            let well = self.kept.iter().rposition(|kept| !kept.exit.is_failure());
            match (exit.is_failure(), well) {
                (false, _) => return,
                (true, None) => {
                    self.more += 1;
                    return;
                }
                (true, Some(at)) => {
                    drop(self.kept.remove(at));
                    self.told -= usize::from(at < self.told);
                    self.seen -= usize::from(at < self.seen);
                }
            }
        }
        self.kept.push(Ended {
            process: process.to_owned(),
            exit: exit.clone(),
        });
    }
}

impl ScopeInner {
    /// Records the failure of a child and stops the others.
    pub(crate) fn fail(self: &Arc<Self>, process: &str, exit: &Exit) {
        self.record(process, exit);
        self.begin_stop(self.system.grace);
        if self.state.lock().hands_on {
            self.hand_on();
        }
    }

    /// Hands on to the scope around what has failed here and what will: nobody is left to see it.
    pub(crate) fn hand_on_failures(&self) {
        self.state.lock().hands_on = true;
        self.hand_on();
        self.owner_is_gone();
    }

    fn hand_on(&self) {
        if let (Some(parent), Err(error)) = (&self.parent, self.unseen_failure()) {
            parent.fail(&self.name, &Exit::Failed(Arc::new(Fault::Error(error))));
        }
    }

    /// Records how a child ended, if another one has failed before.
    pub(crate) fn note_exit(&self, process: impl Fn() -> String, exit: &Exit) {
        if self.is_stopping() && self.has_failed() {
            self.record(&process(), exit);
        }
    }

    /// Records that a child was killed.
    pub(crate) fn lost_one(&self) {
        self.state.lock().lost = true;
    }

    pub(crate) fn has_lost_some(&self) -> bool {
        self.state.lock().lost
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.state.lock().exits.kept.is_empty()
    }

    /// Whether a failure here would be the first one of the root scope, and not that of somebody who may see it before.
    pub(crate) fn would_fail_the_root(&self) -> bool {
        // Whoever has failed before is the cause, also of what a stop drops.
        let handed_on = || self.state.lock().hands_on;
        !self.has_failed()
            && match self.parent() {
                Some(parent) => handed_on() && parent.would_fail_the_root(),
                None => true,
            }
    }

    /// What failed first, as text.
    pub(crate) fn first_failure(&self) -> Option<String> {
        // The text of an error is the user's code, so it is asked for without the lock.
        let first = self.state.lock().exits.kept.first().cloned()?;
        let reason = crate::observe::words::reason(&first.exit.reason());
        Some(format!("`{}`: {reason}", first.process))
    }

    fn record(&self, process: &str, exit: &Exit) {
        let mut state = self.state.lock();
        // The last failure of a child is that of the scope which gave up on it: one failure, told once.
        let is_same = |ended: &Ended| match (ended.exit.fault(), exit.fault()) {
            (Some(before), Some(fault)) => Arc::ptr_eq(before, fault),
            _ => false,
        };
        if !state.exits.kept.iter().any(is_same) {
            state.exits.add(process, exit);
        }
    }

    /// Somebody asks for the first failure of the scope, and waits for its end.
    pub(crate) fn ask(&self) -> Asker<'_> {
        self.state.lock().exits.askers += 1;
        Asker(self)
    }

    /// From now on the owner of the scope, who will ask for its [`result`](Self::result), is one of those to be told.
    pub(crate) fn is_owned(&self) {
        self.state.lock().exits.askers += 1;
    }

    /// The first failure, for the owner of the scope.
    pub(crate) fn result(&self) -> Result<()> {
        let failure = self.failure(Exits::all);
        self.are_told(1);
        let given_up = self.parent.is_none().then(|| self.system.unseen.take());
        // What it holds may hold the system.
        drop(given_up);
        failure
    }

    /// The first failure that the process whose own scope this is has not seen.
    pub(crate) fn unseen_failure(&self) -> Result<()> {
        let failure = self.failure(Exits::unseen);
        self.are_told(0);
        failure
    }

    /// The first failure as the scope's own error, with the others below it.
    fn failure(&self, of: impl FnOnce(&mut Exits) -> Exits) -> Result<()> {
        let Exits { kept, more, .. } = of(&mut self.state.lock().exits);
        let mut exits = kept.into_iter();
        let unseen = &self.system.unseen;
        match exits.next() {
            // Nobody is above the root who could still ask.
            None if self.parent.is_none() => unseen.first().map_or(Ok(()), Err),
            None => Ok(()),
            Some(first) => {
                unseen.was_seen(self.id);
                let error = ScopeError::new(&self.name, first, exits.collect(), more);
                Err(Error::without_site(error))
            }
        }
    }

    /// The process whose own scope this is does not ask any more.
    pub(crate) fn owner_is_gone(&self) {
        self.are_told(1);
    }

    /// So many of those who were to be told have been, or do not wait any more.
    fn are_told(&self, askers: usize) {
        let kept = {
            let exits = &mut self.state.lock().exits;
            exits.askers = exits.askers.saturating_sub(askers);
            if !exits.are_told() {
                return;
            }
            exits.kept.clone()
        };
        // The text of an error is the user's code.
        let mut words: Vec<_> = kept.iter().map(Ended::in_words).collect();
        let mut state = self.state.lock();
        if state.exits.are_told() && state.exits.kept.len() == words.len() {
            std::mem::swap(&mut state.exits.kept, &mut words);
        }
        drop(state);
        drop(words);
    }

    /// Records that this scope gave up restarting a child, and stops the others. If nobody asks for its failure, the root scope
    /// has it: who supervises is relied on, so it does not fail in silence.
    pub(crate) fn give_up(self: &Arc<Self>, process: &str, exit: &Exit) {
        let mut scopes = self.name.to_string();
        let mut around = self.parent();
        while let Some(scope) = around {
            scopes = format!("{}/{scopes}", scope.name);
            around = scope.parent();
        }
        let first = Ended {
            process: process.to_owned(),
            exit: exit.clone(),
        };
        let mut unseen = self.system.unseen.0.lock();
        // Before anybody can ask. One is told in the end; a system that runs for long does not collect more and more.
        if unseen.len() < UNSEEN {
            unseen.push((self.id, scopes, first));
        }
        drop(unseen);
        self.fail(process, exit);
    }
}

/// The most scopes that are kept in mind because they gave up.
const UNSEEN: usize = 64;

/// The first scopes that gave up, and whose failure nobody has asked for.
#[derive(Debug, Default)]
pub(crate) struct Unseen(Lock<Vec<(u64, String, Ended)>>);

impl Unseen {
    /// Somebody has asked for the failure of this scope.
    fn was_seen(&self, scope: u64) {
        let mut unseen = self.0.lock();
        let at = unseen.iter().position(|&(id, ..)| id == scope);
        let seen = at.map(|at| unseen.remove(at));
        drop(unseen);
        drop(seen);
    }

    /// The first of them.
    fn first(&self) -> Option<Error> {
        let (_, scopes, first) = self.0.lock().first()?.clone();
        let error = ScopeError::new(&scopes, first, Vec::new(), 0);
        Some(Error::without_site(error))
    }

    fn take(&self) -> Vec<(u64, String, Ended)> {
        std::mem::take(&mut self.0.lock())
    }
}

/// The error of a scope: the first failure of a process in it.
///
/// Its source is what that process returned, as the error it was, or the [`Fault`] of a panic. Where a process only handed on the
/// error of a scope of its own, that scope's first failure is named.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # use roundrock::scope::ScopeError;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let workers = scope.child("workers");
/// workers.task("writer", async { Err::<(), _>(std::io::Error::other("disk full")) });
/// workers.task("reader", workers.stopping());         // ends when the writer has failed
/// let error = workers.join().await.expect_err("the disk is full");
/// let failed = error.downcast_ref::<ScopeError>();
/// let others = failed.map(|failed| failed.exits().len());
/// assert_eq!(others, Some(1));
/// let cause = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
/// assert_eq!(cause.map(ToString::to_string).as_deref(), Some("disk full"));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
pub struct ScopeError {
    process: String,
    /// The scopes around the process, from the outside.
    scopes: String,
    others: Vec<Ended>,
    /// Failures beside these.
    more: usize,
    first: Exit,
}

impl ScopeError {
    fn new(scope: &str, mut first: Ended, mut others: Vec<Ended>, more: usize) -> Self {
        let inner = match first.exit.fault().map(|fault| &**fault) {
            Some(Fault::Error(error)) => error.outermost::<Self>(),
            _ => None,
        };
        match inner {
            // The process that failed only passed on what had failed in a scope of its own: name that.
            Some(inner) => {
                let scopes = format!("{scope}/{}", inner.scopes);
                let mut all = inner.others.clone();
                all.append(&mut others);
                Self {
                    scopes,
                    others: all,
                    more: inner.more + more,
                    ..inner.clone()
                }
            }
            None => Self {
                process: std::mem::take(&mut first.process),
                scopes: scope.to_owned(),
                others,
                more,
                first: std::mem::replace(&mut first.exit, Exit::Ok),
            },
        }
    }

    /// Returns the name of the process that failed first.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let parts = scope.child("parts");
    /// parts.task("reader", async { Err::<(), _>(Error::msg("no disk")) });
    /// let error = parts.join().await.expect_err("the reader failed");
    /// let failed = error.downcast_ref::<roundrock::scope::ScopeError>().context("a scope")?;
    /// assert!(failed.process().starts_with("reader"));
    /// # Ok(()) }) }
    /// ```
    pub fn process(&self) -> &str {
        &self.process
    }

    /// Returns the scopes around that process, from the outside, separated by `/`.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let parts = scope.child("parts");
    /// parts.task("reader", async { Err::<(), _>(Error::msg("no disk")) });
    /// let error = parts.join().await.expect_err("the reader failed");
    /// let failed = error.downcast_ref::<roundrock::scope::ScopeError>().context("a scope")?;
    /// assert_eq!(failed.scope(), "parts");
    /// # Ok(()) }) }
    /// ```
    pub fn scope(&self) -> &str {
        &self.scopes
    }

    /// Returns how that process ended.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let parts = scope.child("parts");
    /// parts.task("reader", async { Err::<(), _>(Error::msg("no disk")) });
    /// let error = parts.join().await.expect_err("the reader failed");
    /// let failed = error.downcast_ref::<roundrock::scope::ScopeError>().context("a scope")?;
    /// assert_eq!(failed.exit().kind(), "failed");
    /// # Ok(()) }) }
    /// ```
    pub fn exit(&self) -> &Exit {
        &self.first
    }

    /// Returns how the other processes ended after it, in that order: name and exit of up to 15, rather of those that failed too.
    /// The text of this error says how many failures there were beside.
    pub fn exits(&self) -> impl ExactSizeIterator<Item = (&str, &Exit)> {
        self.others
            .iter()
            .map(|other| (other.process.as_str(), &other.exit))
    }
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed in scope `{}`", self.process, self.scopes)?;
        // The text of a panic, which is the source, has its place.
        let site = match self.first.fault().map(|fault| &**fault) {
            Some(fault @ Fault::Error(_)) => fault.site(),
            _ => None,
        };
        let others = self
            .exits()
            .filter_map(|(process, exit)| Some(format!("then `{process}`: {}", exit.fault()?)));
        // In brackets: what follows where this is printed with its causes is why the first one failed.
        let rest = match self.more {
            0 => None,
            more => Some(format!("and {more} more failed")),
        };
        let site = site.iter().map(ToString::to_string);
        let more: Vec<_> = site.chain(others).chain(rest).collect();
        match &more[..] {
            [] => Ok(()),
            more => write!(f, " ({})", more.join("; ")),
        }
    }
}

impl std::error::Error for ScopeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.first.fault().map(|fault| &**fault) {
            Some(Fault::Error(error)) => error.chain().next(),
            Some(fault) => Some(fault),
            None => Some(&self.first),
        }
    }
}

impl std::error::Error for Fault {}
