//! The error of processes: [`Error`] takes any standard error by `?`, and [`Context`] says what was being done.

use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

use crate::channel::error::{ClosedMark, GoneMark};

/// The result of a process; `?` turns any standard error into [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Boxed = Box<dyn StdError + Send + Sync + 'static>;

/// Any error, with what was being done when it happened, and where it became an error of this type: the `?`, `bail!` or `ensure!`.
///
/// Like `anyhow::Error` it takes every standard error by `?`, and therefore does not implement `std::error::Error` itself;
/// `Box<dyn Error + Send + Sync>` can be made from it. Errors of other such types come in through [`Error::new`] or
/// [`Context::context`].
///
/// # Examples
/// ```
/// use roundrock::prelude::*;
///
/// fn port(text: &str) -> Result<u16> {
///     let port: u16 = text.parse().context("the port of the server")?;
///     ensure!(port >= 1024, "port {port} is for root");
///     Ok(port)
/// }
///
/// assert_eq!(port("8080")?, 8080);
/// let error = port("http").expect_err("no number");
/// assert_eq!(format!("{error:#}"), "the port of the server: invalid digit found in string");
/// assert_eq!(error.chain().count(), 2);
/// assert_eq!(port("80").expect_err("too low").to_string(), "port 80 is for root");
/// # Ok::<(), Error>(())
/// ```
pub struct Error {
    source: Boxed,
    site: Option<&'static Location<'static>>,
}

impl Error {
    /// Makes an error from anything that can be a boxed error: a string, another crate's error type, a box.
    ///
    /// # Examples
    /// ```
    /// use roundrock::Error;
    ///
    /// let error = Error::new("the disk is full");             // a text
    /// let boxed: Box<dyn std::error::Error + Send + Sync> = "another crate's error".into();
    /// assert_eq!(Error::new(boxed).to_string(), "another crate's error");
    /// assert_eq!(error.context("writing the log").to_string(), "writing the log");
    /// ```
    #[track_caller]
    pub fn new(source: impl Into<Boxed>) -> Self {
        let mut error = Self::without_site(source);
        // Given to `map_err` as a function, it is called by the standard library.
        let site = Location::caller();
        if error.site.is_none() && !site.file().contains("/library/core/src/") {
            error.site = Some(site);
        }
        error
    }

    /// The same where the caller is no place of the user's. A box that was an [`Error`] keeps its place.
    pub(crate) fn without_site(source: impl Into<Boxed>) -> Self {
        match source.into().downcast::<Placed>() {
            Result::Ok(placed) => Self {
                source: placed.source,
                site: Some(placed.site),
            },
            Err(source) => Self { source, site: None },
        }
    }

    /// Makes an error from a text.
    ///
    /// # Examples
    /// ```
    /// use roundrock::Error;
    ///
    /// assert_eq!(Error::msg(format_args!("no rule for {}", 7)).to_string(), "no rule for 7");
    /// ```
    #[track_caller]
    pub fn msg(text: impl fmt::Display) -> Self {
        Self::new(text.to_string())
    }

    /// Says what was being done; the previous text becomes the cause.
    ///
    /// # Examples
    /// ```
    /// use roundrock::Error;
    ///
    /// let error = Error::msg("no such file").context("reading the rules").context("cannot start");
    /// assert_eq!(format!("{error}"), "cannot start");
    /// assert_eq!(format!("{error:#}"), "cannot start: reading the rules: no such file");
    /// ```
    #[must_use]
    pub fn context(self, what: impl fmt::Display) -> Self {
        Self {
            source: Box::new(WithContext {
                what: what.to_string(),
                source: self.source,
            }),
            site: self.site,
        }
    }

    /// Returns where it became an error of this type: the place of the `?`, `bail!`, `ensure!`, `context(..)` or of the call that
    /// made it. `None` for one that the runtime made, and after `.map_err(Error::new)`, whose place nobody tells; `.context(..)`
    /// instead of it knows one.
    ///
    /// What hands it on keeps the place: another `?`, [`context`](Self::context), and a box that it was put into and taken out of.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    ///
    /// fn port(text: &str) -> Result<u16> {
    ///     Ok(text.parse()?)
    /// }
    ///
    /// let error = port("http").context("the port of the server").expect_err("no number");
    /// let line = line!() - 4;
    /// assert_eq!(error.location().map(|place| place.line()), Some(line));
    /// ```
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.site
    }

    /// Returns the error inside, or the first of its causes, that has this type: what was said with [`context`](Self::context)
    /// before it, or that it came from a call, hides nothing.
    ///
    /// # Examples
    /// ```
    /// use roundrock::Error;
    ///
    /// let error = Error::from(std::io::Error::other("the disk is full"));
    /// assert!(error.downcast_ref::<std::io::Error>().is_some());
    /// assert!(error.downcast_ref::<std::fmt::Error>().is_none());
    /// let error = error.context("writing the log");
    /// assert!(error.downcast_ref::<std::io::Error>().is_some());
    /// ```
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.chain().find_map(|error| error.downcast_ref())
    }

    /// The outermost error, if it has this type.
    pub(crate) fn outermost<E: StdError + 'static>(&self) -> Option<&E> {
        self.source.downcast_ref()
    }

    /// The texts of the error and of its causes, from the outermost. Some say what is told of their causes themselves, which nobody
    /// wants to read twice: the error of a call says what that of its handler says, and an exit ends with why. Marks for the runtime
    /// say nothing.
    pub(crate) fn texts(&self) -> Vec<String> {
        let first = self.source.to_string();
        let causes = self.chain().skip(1).filter(|cause| !is_mark(*cause));
        let all = std::iter::once(first).chain(causes.map(ToString::to_string));
        // From the innermost on, the last one first.
        let mut told: Vec<String> = Vec::new();
        for text in all.collect::<Vec<_>>().into_iter().rev() {
            let says = |what: &str| {
                let ahead = text.strip_suffix(what).filter(|_| !what.is_empty());
                ahead.is_some_and(|ahead| ahead.is_empty() || ahead.ends_with(": "))
            };
            let rest: Vec<&str> = told.iter().rev().map(String::as_str).collect();
            if says(&rest.join(": ")) {
                told.clear();
            } else if told.last().is_some_and(|next| says(next)) {
                told.pop();
            }
            told.push(text);
        }
        told.reverse();
        told
    }

    /// Returns this error and its causes, from the outermost.
    ///
    /// # Examples
    /// ```
    /// use roundrock::Error;
    ///
    /// let error = Error::from(std::io::Error::other("no disk")).context("cannot start");
    /// let texts: Vec<_> = error.chain().map(ToString::to_string).collect();
    /// assert_eq!(texts, ["cannot start", "no disk"]);
    /// let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    /// assert!(io.is_some());
    /// ```
    pub fn chain(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        let first: &(dyn StdError + 'static) = &*self.source;
        std::iter::successors(Some(first), |&error| error.source())
    }

    /// Whether the outermost error says that the other side of a channel is gone, which ends a process normally.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(1);
    /// drop(inbox);
    /// let error = Error::from(jobs.send(1).await.expect_err("nobody receives"));
    /// assert!(error.is_closed(), "`?` on it ends a process normally");
    /// assert!(!error.context("sending a job").is_closed(), "only the outermost counts");
    /// # Ok(()) }) }
    /// ```
    pub fn is_closed(&self) -> bool {
        is_closed(&*self.source)
    }
}

/// Whether an error only says that another process has ended.
pub(crate) fn is_consequence(error: &Error) -> bool {
    error.is_closed()
        || error
            .source
            .source()
            .is_some_and(<dyn StdError>::is::<GoneMark>)
}

/// Whether an error is a mark for the runtime, and says nothing of its own.
fn is_mark(error: &(dyn StdError + 'static)) -> bool {
    error.is::<ClosedMark>() || error.is::<GoneMark>()
}

pub(crate) fn is_closed(error: &(dyn StdError + 'static)) -> bool {
    error.source().is_some_and(<dyn StdError>::is::<ClosedMark>)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(&self.source, f);
        }
        f.write_str(&self.texts().join(": "))
    }
}

/// The text and the causes, each on a line: what a program says whose `main` returns it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.texts();
        for (at, text) in texts.iter().enumerate() {
            match at {
                0 => f.write_str(text)?,
                1 => write!(f, "\n\nCaused by:\n    {text}")?,
                _ => write!(f, "\n    {text}")?,
            }
        }
        fmt::Result::Ok(())
    }
}

/// The error inside, for code that takes any error.
impl AsRef<dyn StdError + Send + Sync> for Error {
    fn as_ref(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.source
    }
}

/// What `?` makes an [`Error`] of: every standard error that threads may share. Nothing else can implement it.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// fn port(text: &str) -> Result<u16> {
///     let port: u16 = text.parse()?;                              // a standard error
///     let shared: Result<u16, std::cell::Cell<u16>> = Ok(port);   // one that is not: keep what it says
///     shared.map_err(|cell| Error::msg(cell.get()))
/// }
/// assert_eq!(port("80")?, 80);
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`?` cannot make a `roundrock::Error` of `{Self}`",
    label = "not a standard error that is `Send + Sync + 'static`: `.map_err(Error::msg)?` keeps its text",
    note = "`anyhow::Error`, texts and boxed errors that are `Send + Sync` come in by `.map_err(Error::new)?` or `.context(\"what was being done\")?`",
    note = "of an error without a text, keep what `Debug` shows: `.map_err(|error| Error::msg(format!(\"{{error:?}}\")))?`; a send gives its message back, which `.map_err(TrySendError::without_message)?` drops"
)]
pub trait AnyError: StdError + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<E: StdError + Send + Sync + 'static> AnyError for E {}

impl<E: AnyError> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Self {
        Self {
            source: Box::new(error),
            site: Some(Location::caller()),
        }
    }
}

/// The box keeps the place for an [`Error`] that is made of it again. What the error was is its source. One that says that another
/// process has ended stays as it is, for who looks at it asks for its source.
impl From<Error> for Boxed {
    fn from(error: Error) -> Self {
        match error.site {
            Some(site) if !is_consequence(&error) => Box::new(Placed {
                source: error.source,
                site,
            }),
            _ => error.source,
        }
    }
}

/// An error in a box, with its place.
#[derive(Debug)]
struct Placed {
    source: Boxed,
    site: &'static Location<'static>,
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}

impl StdError for Placed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

/// Adds what was being done to the error of a result.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// fn port(text: &str) -> Result<u16> {
///     text.parse().with_context(|| format!("`{text}` is not a port"))
/// }
///
/// let error = port("eighty").expect_err("a port is a number");
/// assert_eq!(error.to_string(), "`eighty` is not a port");
/// assert_eq!(format!("{error:#}"), "`eighty` is not a port: invalid digit found in string");
///
/// let missing: Option<u16> = None;
/// assert!(missing.context("no port is set").is_err());
/// ```
pub trait Context<T>: Sized {
    /// Says what was being done.
    ///
    /// # Errors
    /// The error of the result, with this text before it.
    #[track_caller]
    fn context(self, what: impl fmt::Display) -> Result<T>;

    /// Says what was being done, with a text that is made only if it is needed.
    ///
    /// # Errors
    /// The error of the result, with this text before it.
    #[track_caller]
    fn with_context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Boxed>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        // Not `map_err`: the place would be that of the closure.
        match self {
            Result::Ok(value) => Result::Ok(value),
            Err(error) => Err(Error::new(error).context(what)),
        }
    }

    fn with_context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        match self {
            Result::Ok(value) => Result::Ok(value),
            Err(error) => Err(Error::new(error).context(what())),
        }
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        match self {
            Some(value) => Result::Ok(value),
            None => Err(Error::msg(what)),
        }
    }

    fn with_context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        match self {
            Some(value) => Result::Ok(value),
            None => Err(Error::msg(what())),
        }
    }
}

#[derive(Debug)]
struct WithContext {
    what: String,
    source: Boxed,
}

impl fmt::Display for WithContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl StdError for WithContext {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

/// `Ok` with the error type of processes, for the last line of a block whose error type nothing else says.
///
/// # Errors
/// Never.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let task = scope.task("reads", async {
///     let number: u16 = "7".parse()?;
///     roundrock::Ok(number)                   // says of which type the error of this block is
/// });
/// assert_eq!(task.await?, 7);
/// # Ok(()) }) }
/// ```
#[expect(non_snake_case, reason = "stands where `Ok` stands")]
pub fn Ok<T>(value: T) -> Result<T> {
    Result::Ok(value)
}

/// Returns from the process with an error made of a text: `bail!("no rule for {name}")`.
///
/// # Examples
/// ```
/// use roundrock::prelude::*;
///
/// fn rule(name: &str) -> Result<u32> {
///     match name {
///         "first" => Ok(1),
///         _ => bail!("no rule for {name}"),
///     }
/// }
/// assert_eq!(rule("first")?, 1);
/// assert_eq!(rule("x").expect_err("there is none").to_string(), "no rule for x");
/// # Ok::<(), Error>(())
/// ```
#[macro_export]
macro_rules! bail {
    ($($text:tt)+) => {
        return ::core::result::Result::Err($crate::Error::msg(::core::format_args!($($text)+)))
    };
}

/// Returns from the process with an error unless a condition holds: `ensure!(sum == 3, "the sum is {sum}")`. Without a text the
/// error is the condition, as it is written.
///
/// # Examples
/// ```
/// use roundrock::prelude::*;
///
/// fn half(n: u32) -> Result<u32> {
///     ensure!(n % 2 == 0, "{n} is odd");
///     Ok(n / 2)
/// }
/// assert_eq!(half(4)?, 2);
/// assert_eq!(half(3).expect_err("it is odd").to_string(), "3 is odd");
///
/// fn first(list: &[u32]) -> Result<u32> {
///     ensure!(!list.is_empty());
///     Ok(list[0])
/// }
/// assert_eq!(first(&[7])?, 7);
/// assert_eq!(first(&[]).expect_err("nothing is there").to_string(), "`!list.is_empty()` does not hold");
/// # Ok::<(), Error>(())
/// ```
#[macro_export]
macro_rules! ensure {
    ($condition:expr $(,)?) => {
        if !$condition {
            $crate::bail!("`{}` does not hold", ::core::stringify!($condition));
        }
    };
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            $crate::bail!($($text)+);
        }
    };
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Boxed, Context, Error, Result};

    #[test]
    fn no_place_is_one_of_the_standard_library() {
        let full = || Err::<(), Boxed>("full".into());
        let mapped: Result<()> = full().map_err(Error::new);
        assert_eq!(mapped.expect_err("it is full").location(), None);
        let line = line!() + 1;
        let said = full().context("writing").expect_err("it is full");
        let place = said.location().expect("a place");
        assert_eq!((place.file(), place.line()), (file!(), line));
    }
}
