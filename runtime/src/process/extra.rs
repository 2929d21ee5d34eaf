//! What few messages carry beside their arguments: when they must have been handled, and the trace that they belong to.
//!
//! It lies in a box, so that all others carry one word for it, which is null; a message is eight bytes smaller than with its
//! deadline beside the arguments. A message with a deadline pays an allocation, as its caller does for the timer.
//!
//! The number of a message is not carried at all: see [`Cx::number`](super::Cx::number).

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

/// The trace that a message belongs to, in the form of [W3C Trace Context](https://www.w3.org/TR/trace-context/): which trace, and
/// which span of it is the caller's.
///
/// A call carries one if it is told to ([`Call::traced`](super::Call::traced)), and its handler finds it ([`Cx::trace`](super::Cx::trace)).
/// It is a number for others, and says nothing to Roundrock.
///
/// # Examples
/// ```
/// use roundrock::process::TraceContext;
///
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let trace: TraceContext = text.parse()?;
/// assert_eq!((trace.span, trace.sampled), (0x00f0_67aa_0ba9_02b7, true));
/// assert_eq!(trace.to_string(), text);
/// # Ok::<(), roundrock::process::NoTrace>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TraceContext {
    /// The id of the trace; not zero.
    pub trace: u128,
    /// The id of the caller's span; not zero.
    pub span: u64,
    /// Whether the trace is recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// Makes the context of a span in a trace that is recorded.
    ///
    /// # Examples
    /// ```
    /// let trace = roundrock::process::TraceContext::new(7, 1);
    /// assert_eq!((trace.trace, trace.span, trace.sampled), (7, 1, true));
    /// ```
    pub fn new(trace: u128, span: u64) -> Self {
        Self {
            trace,
            span,
            sampled: true,
        }
    }
}

/// The header `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled);
        write!(f, "00-{:032x}-{:016x}-{flags:02x}", self.trace, self.span)
    }
}

impl FromStr for TraceContext {
    type Err = NoTrace;

    /// Reads the header `traceparent`.
    ///
    /// # Errors
    /// [`NoTrace`] if it is none of version 0.
    fn from_str(text: &str) -> Result<Self, NoTrace> {
        let parts: Vec<&str> = text.split('-').collect();
        let is_hex = |part: &&str| {
            let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            part.bytes().all(lower)
        };
        let [version, trace, span, flags] = parts[..] else {
            return Err(NoTrace(()));
        };
        let lengths = [version, trace, span, flags].map(str::len);
        if version != "00" || lengths != [2, 32, 16, 2] || !parts.iter().all(is_hex) {
            return Err(NoTrace(()));
        }
        let trace = u128::from_str_radix(trace, 16).map_err(|_| NoTrace(()))?;
        let span = u64::from_str_radix(span, 16).map_err(|_| NoTrace(()))?;
        let flags = u8::from_str_radix(flags, 16).map_err(|_| NoTrace(()))?;
        if trace == 0 || span == 0 {
            return Err(NoTrace(()));
        }
        Ok(Self {
            trace,
            span,
            sampled: flags & 1 != 0,
        })
    }
}

/// A text is no trace context; see [`TraceContext`].
///
/// # Examples
/// ```
/// use roundrock::process::{NoTrace, TraceContext};
///
/// let read: Result<TraceContext, NoTrace> = "00-0-0-00".parse();
/// assert!(read.is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoTrace(());

impl fmt::Display for NoTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no `traceparent` of version 00: it is `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`, in lower case and not zero")
    }
}

impl std::error::Error for NoTrace {}

/// What a message carries beside its arguments.
#[derive(Debug, Default)]
pub(crate) struct Extra(Option<Box<Carried>>);

#[derive(Debug)]
struct Carried {
    deadline: Option<Instant>,
    trace: Option<TraceContext>,
}

impl Extra {
    #[inline]
    pub(crate) fn new(deadline: Option<Instant>, trace: Option<TraceContext>) -> Self {
        if deadline.is_none() && trace.is_none() {
            return Self(None);
        }
        Self::full(deadline, trace)
    }

    #[cold]
    #[inline(never)]
    fn full(deadline: Option<Instant>, trace: Option<TraceContext>) -> Self {
        Self(Some(Box::new(Carried { deadline, trace })))
    }

    /// What is in it, if there is something.
    #[inline]
    pub(crate) fn open(self) -> Option<(Option<Instant>, Option<TraceContext>)> {
        let carried = self.0?;
        Some((carried.deadline, carried.trace))
    }

    /// When the message must have been handled.
    #[inline]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.as_ref()?.deadline
    }

    pub(crate) fn trace(&self) -> Option<TraceContext> {
        self.0.as_ref()?.trace
    }
}
