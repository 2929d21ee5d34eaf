//! How a process ends, as data.

use std::any::Any;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::error::Error;
use crate::task::current::{self, PanicSite};

/// How a process ended.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let group = scope.child("group");
/// let task = group.task("broken", async { Err::<(), _>(Error::msg("no disk")) });
/// let exit = task.done().await;
/// assert!(exit.is_failure() && !exit.is_normal());
/// assert_eq!(exit.kind(), "failed");
/// assert!(exit.to_string().contains("no disk"), "{exit}");
/// assert_eq!(task.done().await, exit, "the same for everybody who asks");
///
/// let task = scope.task("whole", async {});
/// assert_eq!(task.done().await, Exit::Ok);
/// # Ok(()) }) }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Exit {
    /// It returned.
    Ok,
    /// It returned an error.
    Failed(Arc<Fault>),
    /// It panicked.
    Panicked(Arc<Fault>),
    /// It stopped because its work was over: the other side of a channel was gone; or it was spawned into a scope that stops, or
    /// removed before its first start, and never ran.
    Stopped,
    /// Its future was dropped: by `kill`, or because it did not end within the grace of a stop.
    Killed,
}

/// An [`Exit`] or an [`Error`] as plain text, for logs and other machines. With the feature `serde` it can be serialised.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(1).run(async |scope| {
/// let group = scope.child("group");
/// let task = group.task("reader", async { Err::<(), _>(roundrock::Error::msg("no such file").context("cannot start")) });
/// let reason = task.done().await.reason();
/// assert_eq!(reason.kind, "failed");
/// assert_eq!(reason.chain, ["cannot start", "no such file"]);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Reason {
    /// The word of [`Exit::kind`]; `failed` for an error.
    pub kind: String,
    /// What happened, and its causes, the outermost first. Empty if nothing went wrong.
    pub chain: Vec<String>,
    /// File, line and column: where it panicked, or where the error was made ([`Error::location`]). `None` if that is not known.
    pub site: Option<String>,
}

impl From<&Error> for Reason {
    fn from(error: &Error) -> Self {
        Self {
            kind: "failed".to_owned(),
            chain: error.texts(),
            site: error.location().map(ToString::to_string),
        }
    }
}

/// [`Exit`] without its details, as stored in the task cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ExitKind {
    Ok,
    Failed,
    Panicked,
    Stopped,
    Killed,
}

impl Exit {
    pub(crate) fn new(kind: ExitKind, fault: Option<Arc<Fault>>) -> Self {
        match (kind, fault) {
            (ExitKind::Failed, Some(fault)) => Self::Failed(fault),
            (ExitKind::Panicked, Some(fault)) => Self::Panicked(fault),
            (ExitKind::Ok, _) => Self::Ok,
            (ExitKind::Stopped, _) => Self::Stopped,
            _ => Self::Killed,
        }
    }

    /// Whether the process returned or stopped, as opposed to failed, panicked or was killed.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let task = scope.task("whole", async {});
    /// assert!(task.done().await.is_normal());
    /// # Ok(()) }) }
    /// ```
    pub fn is_normal(&self) -> bool {
        matches!(self, Self::Ok | Self::Stopped)
    }

    /// Whether the process returned an error or panicked.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn broken() -> Result<()> { bail!("no disk") }
    /// let exit = scope.spawn_isolated(broken()).done().await;
    /// assert!(exit.is_failure());
    ///
    /// let idle = scope.task("idle", async { sleep(secs(60)).await });
    /// idle.kill();
    /// let exit = idle.done().await;
    /// assert!(!exit.is_failure() && !exit.is_normal(), "somebody else has ended it");
    /// # Ok(()) }) }
    /// ```
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Panicked(_))
    }

    /// The error or panic, if there was one.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn broken() -> Result<()> { bail!("no disk") }
    /// let exit = scope.spawn_isolated(broken()).done().await;
    /// assert_eq!(exit.fault().map(ToString::to_string).as_deref(), Some("no disk"));
    /// # Ok(()) }) }
    /// ```
    pub fn fault(&self) -> Option<&Arc<Fault>> {
        match self {
            Self::Failed(fault) | Self::Panicked(fault) => Some(fault),
            _ => None,
        }
    }

    /// Returns kind and causes as plain text.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn broken() -> Result<()> { Err(Error::msg("no disk").context("cannot start")) }
    /// let reason = scope.spawn_isolated(broken()).done().await.reason();
    /// assert_eq!(reason.chain, ["cannot start", "no disk"]);
    /// # Ok(()) }) }
    /// ```
    pub fn reason(&self) -> Reason {
        let (chain, site) = match self.fault().map(|fault| &**fault) {
            None => (Vec::new(), None),
            Some(Fault::Error(error)) => {
                let Reason { chain, site, .. } = Reason::from(error);
                (chain, site)
            }
            Some(fault) => (vec![fault.to_string()], fault.site()),
        };
        Reason {
            kind: self.kind().to_owned(),
            chain,
            site,
        }
    }

    /// The word for this exit in reports: `ok`, `failed`, `panicked`, `stopped` or `killed`.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let task = scope.task("whole", async {});
    /// assert_eq!(task.done().await.kind(), "ok");
    /// # Ok(()) }) }
    /// ```
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed(_) => "failed",
            Self::Panicked(_) => "panicked",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
        }
    }
}

/// Two exits are equal if they are of one kind, and failures if they are one and the same: clones of what one process left.
impl PartialEq for Exit {
    fn eq(&self, other: &Self) -> bool {
        let same_fault = match (self.fault(), other.fault()) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        same_fault && self.kind() == other.kind()
    }
}

impl Eq for Exit {}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("it returned"),
            Self::Stopped => f.write_str(
                "it stopped: the other side of a channel was gone, or its turn never came",
            ),
            Self::Killed => f.write_str("it was killed"),
            Self::Failed(fault) => match fault.site() {
                Some(site) => write!(f, "it failed at {site}: {fault}"),
                None => write!(f, "it failed: {fault}"),
            },
            Self::Panicked(fault) => write!(f, "it {fault}"),
        }
    }
}

impl fmt::Debug for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault() {
            Some(fault) => write!(f, "{}({fault:?})", self.kind()),
            None => f.write_str(self.kind()),
        }
    }
}

impl StdError for Exit {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self.fault().map(|fault| &**fault) {
            Some(Fault::Error(error)) => error.chain().next(),
            _ => None,
        }
    }
}

/// What went wrong in a process.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// use roundrock::Fault;
///
/// let task = scope.spawn_isolated({
///     # #[process] async fn read() -> Result<()> { bail!("no such file") }
///     read()
/// });
/// let exit = task.done().await;
/// assert!(exit.is_failure() && exit.kind() == "failed");
/// match exit.fault().map(|fault| &**fault) {
///     Some(Fault::Error(error)) => assert_eq!(error.to_string(), "no such file"),
///     other => panic!("{other:?}"),
/// }
/// # Ok(()) }) }
/// ```
#[non_exhaustive]
pub enum Fault {
    /// The other side of a channel was gone: a normal stop.
    Closed,
    /// An error that was returned.
    Error(Error),
    /// A panic.
    Panic(Panic),
    /// How something else has ended, which is how this process ends too. Never seen by users: the task cell unpacks it.
    #[doc(hidden)]
    Known(Known),
}

/// See [`Fault::Known`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Known(pub(crate) Exit);

impl Known {
    pub(crate) fn into_parts(self) -> (ExitKind, Option<Arc<Fault>>) {
        match self.0 {
            Exit::Ok => (ExitKind::Ok, None),
            Exit::Stopped => (ExitKind::Stopped, None),
            Exit::Killed => (ExitKind::Killed, None),
            Exit::Failed(fault) => (ExitKind::Failed, Some(fault)),
            Exit::Panicked(fault) => (ExitKind::Panicked, Some(fault)),
        }
    }
}

/// A panic: its text and place.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// use roundrock::Fault;
///
/// # #[process] async fn divide(by: &u32) -> Result<u32> { assert!(*by > 0, "by zero"); Ok(1 / by) }
/// let exit = scope.spawn_isolated(divide(0)).done().await;
/// match exit.fault().map(|fault| &**fault) {
///     Some(Fault::Panic(panic)) => {
///         assert_eq!(panic.text(), "by zero");
///         assert!(panic.location().is_some_and(|(file, line, _)| file.ends_with(".rs") && line > 0));
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct Panic {
    text: String,
    site: Option<Box<PanicSite>>,
}

impl Panic {
    /// The text of the panic, or a remark that its payload was not a text.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// use roundrock::Fault;
    ///
    /// # #[process] async fn broken() { panic!("out of {}", "luck") }
    /// let exit = scope.spawn_isolated(broken()).done().await;
    /// let Some(Fault::Panic(panic)) = exit.fault().map(|fault| &**fault) else { bail!("{exit}") };
    /// assert_eq!(panic.text(), "out of luck");
    /// # Ok(()) }) }
    /// ```
    pub fn text(&self) -> &str {
        &self.text
    }

    /// File (its last 96 bytes), line and column of the panic, if the panic hook saw it.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// use roundrock::Fault;
    ///
    /// # #[process] async fn broken() { panic!("out of luck") }
    /// let exit = scope.spawn_isolated(broken()).done().await;
    /// let Some(Fault::Panic(panic)) = exit.fault().map(|fault| &**fault) else { bail!("{exit}") };
    /// let (_file, line, column) = panic.location().context("the hook saw it")?;
    /// assert!(line > 0 && column > 0);
    /// # Ok(()) }) }
    /// ```
    pub fn location(&self) -> Option<(&str, u32, u32)> {
        let site = self.site.as_ref()?;
        let file = std::str::from_utf8(&site.file[..usize::from(site.length)]).unwrap_or("?");
        Some((file, site.line, site.column))
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.location() {
            Some((file, line, column)) => {
                write!(f, "panicked at {file}:{line}:{column}: {}", self.text)
            }
            None => write!(f, "panicked: {}", self.text),
        }
    }
}

impl Fault {
    /// Makes a fault of an error; one that only says "closed" is a normal stop.
    ///
    /// # Examples
    /// ```
    /// use roundrock::Fault;
    /// use roundrock::prelude::*;
    ///
    /// assert_eq!(Fault::error("no disk").to_string(), "no disk");
    /// let (jobs, inbox) = bounded(1);
    /// drop(inbox);
    /// let closed = jobs.try_send(1).expect_err("nobody receives");
    /// assert!(matches!(Fault::error(closed), Fault::Closed), "a normal stop");
    /// ```
    pub fn error(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        // The runtime calls this for what a process has returned; only the error itself knows its place.
        let error = Error::without_site(error);
        match error.is_closed() {
            true => Self::Closed,
            false => Self::Error(error),
        }
    }

    /// File, line and column, where they are known.
    pub(crate) fn site(&self) -> Option<String> {
        match self {
            Self::Error(error) => error.location().map(ToString::to_string),
            Self::Panic(panic) => panic
                .location()
                .map(|(file, line, column)| format!("{file}:{line}:{column}")),
            Self::Closed | Self::Known(_) => None,
        }
    }

    pub(crate) fn panic(payload: Box<dyn Any + Send>) -> Self {
        let site = current::take_panic_site().map(Box::new);
        let text = match payload.downcast::<&'static str>() {
            Ok(text) => (*text).to_owned(),
            Err(payload) => match payload.downcast::<String>() {
                Ok(text) => *text,
                Err(payload) => {
                    // A payload of another type runs its destructor here; a panic in it must not escape.
                    let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
                    if dropped.is_ok() {
                        "a payload that is not a text"
                    } else {
                        "a payload whose destructor panicked"
                    }
                    .to_owned()
                }
            },
        };
        Self::Panic(Panic { text, site })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the other side of a channel was gone"),
            Self::Error(error) => write!(f, "{error:#}"),
            Self::Panic(panic) => fmt::Display::fmt(panic, f),
            Self::Known(known) => fmt::Display::fmt(&known.0, f),
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Runs code of a user that nothing of ours depends on: the text of an error, or a destructor. A panic in it is reported by the
/// panic hook, and goes no further.
pub(crate) fn contain(what: &'static str, code: impl FnOnce()) {
    // UNWIND: by contract nothing of ours is half done.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(code)) {
        contained(what, payload);
    }
}

/// Apart from the above, which is compiled for each kind of process.
#[cold]
fn contained(what: &'static str, payload: Box<dyn Any + Send>) {
    // It may be anything, also something whose own destructor panics.
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        let _ = Box::leak(another);
    }
    tracing::error!(target: "roundrock::process", what, "user code panicked where nobody could be told");
}

/// What a process may return: `()`, `!`, or a `Result` whose error can be boxed.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// // A process may return nothing, or a `Result` with any error that can be boxed.
/// let nothing = scope.task("nothing", async {});
/// let number = scope.task("number", async { "7".parse::<u32>() });
/// nothing.await?;
/// assert_eq!(number.await?, 7);
/// # Ok(()) }) }
/// ```
#[diagnostic::on_unimplemented(
    message = "a process cannot return `{Self}`",
    label = "must be `()`, `!` or `Result<_, E>`",
    note = "return `Result<{Self}>` and await the `Task`"
)]
pub trait IntoOutcome {
    /// What awaiting the `Task` gives.
    type Value: Send + 'static;

    #[doc(hidden)]
    fn into_outcome(self) -> Result<Self::Value, Fault>;
}

/// What a process may fail with: whatever can be boxed. One condition, so that an error that cannot is one error.
#[diagnostic::on_unimplemented(
    message = "a process cannot fail with `{Self}`",
    label = "not a standard error that is `Send + Sync + 'static`",
    note = "return `roundrock::Result<_>`, to which `?` converts, or box it as `Box<dyn Error + Send + Sync>`",
    note = "an error of your own implements `std::error::Error`"
)]
pub trait IntoFault {
    /// The fault of the process.
    fn into_fault(self) -> Fault;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn StdError + Send + Sync>>> IntoFault for E {
    fn into_fault(self) -> Fault {
        Fault::error(self)
    }
}

impl IntoOutcome for () {
    type Value = ();

    fn into_outcome(self) -> Result<(), Fault> {
        Ok(())
    }
}

impl IntoOutcome for Infallible {
    type Value = ();

    fn into_outcome(self) -> Result<(), Fault> {
        match self {}
    }
}

/// Names the type `!`, which cannot be written: it is what `fn() -> !` returns.
pub trait Returns {
    /// What the function returns.
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

#[diagnostic::do_not_recommend]
impl IntoOutcome for <fn() -> ! as Returns>::Output {
    type Value = ();

    fn into_outcome(self) -> Result<(), Fault> {
        self
    }
}

impl<T, E> IntoOutcome for Result<T, E>
where
    T: Send + 'static,
    E: IntoFault,
{
    type Value = T;

    fn into_outcome(self) -> Result<T, Fault> {
        self.map_err(E::into_fault)
    }
}

/// An outcome that is one already.
#[derive(Debug)]
pub(crate) struct Outcome<T>(pub(crate) Result<T, Fault>);

impl<T: Send + 'static> IntoOutcome for Outcome<T> {
    type Value = T;

    fn into_outcome(self) -> Result<T, Fault> {
        self.0
    }
}
