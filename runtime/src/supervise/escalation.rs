//! What a scope says when it gives up restarting.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::process::exit::{Exit, Fault, contain};

/// A scope needed more restarts than its intensity allows, and gave up.
///
/// It is the error of that scope. Its text names the reasons before the last one, and its source is the last one, as the error that the child returned, so
/// [`Error::chain`](crate::Error::chain) leads through all supervisors above each other down to the first cause.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # use roundrock::supervise::GaveUp;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let workers = scope.child("workers").intensity(1, secs(10));
/// #[process]
/// async fn dial(address: &String) -> Result<()> {
///     bail!("{address} does not answer")
/// }
/// let _ = workers
///     .supervise(dial("10.0.0.1".to_owned()))
///     .backoff(millis(1)..millis(1))
///     .spawn();
/// let error = workers.join().await.expect_err("nobody answers");
/// let gave_up = error.chain().find_map(|cause| cause.downcast_ref::<GaveUp>());
/// let reasons = gave_up.map(|gave_up| gave_up.reasons().len());
/// assert_eq!(reasons, Some(2));       // one restart was allowed
/// assert_eq!(error.chain().last().map(ToString::to_string).as_deref(), Some("10.0.0.1 does not answer"));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
pub struct GaveUp {
    pub(super) child: &'static str,
    pub(super) limit: usize,
    pub(super) window: Duration,
    pub(super) reasons: Vec<Reason>,
}

/// Why a child had to be started again.
#[derive(Debug, Clone)]
pub(super) struct Reason {
    pub(super) child: &'static str,
    pub(super) exit: Exit,
}

/// Of several errors whose destructors panic, the second would meet the panic of the first.
impl Drop for Reason {
    fn drop(&mut self) {
        let exit = std::mem::replace(&mut self.exit, Exit::Ok);
        contain("a destructor", || drop(exit));
    }
}

impl GaveUp {
    /// Returns the name of the child whose failure was one too many.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// use roundrock::supervise::GaveUp;
    ///
    /// # #[process] async fn broken() -> Result<()> { bail!("no disk") }
    /// let parts = scope.child("parts").intensity(0, secs(60));
    /// let _task = parts.supervise(broken()).spawn();
    /// let error = parts.join().await.expect_err("it may not be restarted at all");
    /// let gave_up = error.downcast_ref::<GaveUp>().context("it gave up")?;
    /// assert_eq!(gave_up.child(), "broken");
    /// # Ok(()) }) }
    /// ```
    pub fn child(&self) -> &'static str {
        self.child
    }

    /// Returns the failures that were counted: the name of the child, and how its incarnation ended. The last one is the one
    /// too many.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// use roundrock::supervise::GaveUp;
    ///
    /// # #[process] async fn broken() -> Result<()> { bail!("no disk") }
    /// let parts = scope.child("parts").intensity(1, secs(60));
    /// let _task = parts.supervise(broken()).backoff(millis(1)..millis(2)).spawn();
    /// let error = parts.join().await.expect_err("one restart was not enough");
    /// let gave_up = error.downcast_ref::<GaveUp>().context("it gave up")?;
    /// assert!(gave_up.reasons().len() >= 1);
    /// # Ok(()) }) }
    /// ```
    pub fn reasons(&self) -> impl ExactSizeIterator<Item = (&'static str, &Exit)> {
        self.reasons
            .iter()
            .map(|reason| (reason.child, &reason.exit))
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let restarts = match self.limit {
            1 => "1 restart".to_owned(),
            limit => format!("{limit} restarts"),
        };
        let (child, window) = (self.child, self.window);
        write!(f, "`{child}` needed more than {restarts} in {window:?}")?;
        // The last one is the source.
        let earlier = self.reasons.split_last().map_or(&[][..], |(_, rest)| rest);
        let mut told: Vec<(String, usize)> = Vec::new();
        for Reason { child, exit } in earlier {
            let text = match exit.cause_of_escalation() {
                Some(cause) => format!("`{child}`: what it supervises failed too often: {cause}"),
                None => format!("`{child}`: {exit}"),
            };
            match told.last_mut().filter(|(last, _)| *last == text) {
                Some((_, times)) => *times += 1,
                None => told.push((text, 1)),
            }
        }
        let more = told.len().saturating_sub(TOLD);
        for (n, (text, times)) in told.iter().skip(more).enumerate() {
            f.write_str(if n == 0 { " (before that " } else { "; " })?;
            f.write_str(text)?;
            if *times > 1 {
                write!(f, ", {times} times")?;
            }
        }
        match (told.is_empty(), more) {
            (true, _) => Ok(()),
            (false, 0) => f.write_str(")"),
            (false, more) => write!(f, "; and {more} others)"),
        }
    }
}

impl Exit {
    /// The first cause, if a scope below gave up. The text of that has earlier reasons of its own, and those have some again: with each
    /// level there would be several times as many.
    fn cause_of_escalation(&self) -> Option<&dyn StdError> {
        let Some(Fault::Error(error)) = self.fault().map(|fault| &**fault) else {
            return None;
        };
        let is_escalation = error.chain().any(|cause| cause.is::<GaveUp>());
        error.chain().last().filter(|_| is_escalation)
    }
}

/// Earlier reasons that the text of a scope that gave up names, the latest ones.
const TOLD: usize = 4;

impl StdError for GaveUp {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let last = &self.reasons.last()?.exit;
        match last.fault().map(|fault| &**fault) {
            Some(Fault::Error(error)) => error.chain().next(),
            Some(fault) => Some(fault),
            None => Some(last),
        }
    }
}
