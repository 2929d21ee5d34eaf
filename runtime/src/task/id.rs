//! The id of a process, and the kinds of what it may wait for: the two plain values that everybody speaks of processes in.

use std::num::NonZeroU64;

/// Identifies a process; never reused while its system lives.
///
/// It can be compared, shown and, with the feature `serde`, saved; what it is made of is nobody's business, and there is no way to
/// make one from a number. Shown, and saved, it is a text: `#3`, or `#3.1` where the place of an earlier process is used again.
/// Processes of other machines will have the name of theirs after an `@`, so a program that keeps ids as what they are, or as
/// text, has nothing to change then.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let task = scope.task("work", async {});
/// let (id, other) = (task.id(), scope.task("work", async {}).id());
/// assert_ne!(id, other);                      // and never used again in this system
/// assert!(id.to_string().starts_with('#'));
/// # Ok(()) }) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId(NonZeroU64);

impl ProcessId {
    pub(super) fn new(index: u32, generation: u32) -> Self {
        let raw = (u64::from(generation) << 32) | u64::from(index);
        Self(NonZeroU64::new(raw).unwrap_or(NonZeroU64::MIN))
    }

    pub(crate) fn index(self) -> u32 {
        self.0.get() as u32
    }

    pub(crate) fn raw(self) -> u64 {
        self.0.get()
    }

    pub(crate) fn from_raw(raw: u64) -> Option<Self> {
        NonZeroU64::new(raw).map(Self)
    }
}

impl std::fmt::Display for ProcessId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (index, generation) = (self.0.get() as u32, (self.0.get() >> 33) as u32);
        if generation == 0 {
            write!(f, "#{index}")
        } else {
            write!(f, "#{index}.{generation}")
        }
    }
}

/// What the text of an id of this version must be.
#[cfg(feature = "serde")]
const FORM: &str = "the id of a process of this machine, such as `#3` or `#3.1`";

#[cfg(feature = "serde")]
impl ProcessId {
    /// The id that is shown as this text.
    fn parse(text: &str) -> Option<Self> {
        let (index, generation) = match text.strip_prefix('#')?.split_once('.') {
            Some((index, generation)) => (index, number(generation)?),
            None => (text.strip_prefix('#')?, 0),
        };
        // Only living processes are spoken of, and their generations are odd.
        let generation = generation.checked_mul(2)? + 1;
        let id = Self::new(number(index)?, generation);
        (id.to_string() == text).then_some(id)
    }
}

#[cfg(feature = "serde")]
fn number(digits: &str) -> Option<u32> {
    digits.parse().ok()
}

#[cfg(feature = "serde")]
impl serde::Serialize for ProcessId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for ProcessId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::invalid_value(serde::de::Unexpected::Str(&text), &FORM)
        })
    }
}

impl std::fmt::Debug for ProcessId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ProcessId({self})")
    }
}

/// What a parked process waits for. The numbers are part of the wait word.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// use roundrock::WaitKind;
///
/// let (jobs, inbox) = bounded::<u32>(1);
/// let reader = scope.task("reader", async move { inbox.recv().await; });
/// let kind = loop {
///     let processes = scope.system().snapshot().processes;
///     let reader = processes.iter().find(|process| &*process.name == "reader");
///     if let Some(wait) = reader.and_then(|process| process.wait.as_ref()) { break wait.kind }
///     sleep(millis(1)).await;
/// };
/// assert_eq!(kind, WaitKind::Recv);
/// drop(jobs);
/// reader.await?;
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[repr(u8)]
pub enum WaitKind {
    /// Not known: a future that is not Roundrock's, such as I/O or another crate's lock.
    #[default]
    Other = 0,
    /// For a message.
    Recv = 1,
    /// For room in a channel, or for a receiver.
    Send = 2,
    /// For a reply to a call.
    Reply = 3,
    /// For the end of another process.
    Join = 4,
    /// For a lock or a permit.
    Lock = 5,
    /// For a timer.
    Timer = 6,
    /// For several of these at once.
    Select = 7,
    /// For its scope to stop.
    Stopping = 8,
    /// For the children of a scope to end.
    Scope = 9,
    /// For a job on the blocking pool.
    Blocking = 10,
    /// For something to be given a name; see [`Scope::wait_for_name`](crate::Scope::wait_for_name).
    Name = 11,
    /// For its caller to go; see [`Cx::caller_gone`](crate::Cx::caller_gone).
    Caller = 12,
}

impl WaitKind {
    /// Its bit among the kinds of a poll. For a name and for a caller that of [`Other`](Self::Other): anybody may end these waits, and
    /// there are no more bits.
    pub(crate) const fn bit(self) -> u16 {
        match self {
            Self::Name | Self::Caller => 1,
            kind => 1 << kind as u16,
        }
    }

    /// The kind with this number; what lies above it in a wait word does not matter.
    pub(crate) fn from_u8(kind: u8) -> Self {
        use WaitKind as K;
        [
            K::Other,
            K::Recv,
            K::Send,
            K::Reply,
            K::Join,
            K::Lock,
            K::Timer,
            K::Select,
            K::Stopping,
            K::Scope,
            K::Blocking,
            K::Name,
            K::Caller,
        ]
        .get(usize::from(kind & 0xf))
        .copied()
        .unwrap_or(K::Other)
    }
}
