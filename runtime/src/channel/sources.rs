//! Who sent what lies in a queue: for dead letters, and written down only while somebody reads those.
//!
//! A message that is handed to a parked receiver lies in no queue and needs no entry. So a send that must be written down leaves the
//! short way, by the gate [`SOURCES`](crate::channel::core::SOURCES), and a receive does nothing: what it has taken out is struck off
//! later.
//!
//! **Invariant**: the entries are those of the youngest messages, in order. The oldest messages have none if they came before somebody
//! read letters, or came back from a receiver; the oldest entries may be of messages that were received.

use std::collections::VecDeque;

/// The processes that sent the messages of a queue, by their raw ids; zero for one that is not known.
#[derive(Debug, Default)]
pub(super) struct Sources(VecDeque<u64>);

impl Sources {
    /// The last of `queued` messages has just come.
    pub(super) fn add(&mut self, source: u64, queued: usize) {
        self.keep(queued - 1);
        self.0.push_back(source);
    }

    /// Strikes off what was received, but for `queued` messages.
    pub(super) fn keep(&mut self, queued: usize) {
        let received = self.0.len().saturating_sub(queued);
        self.0.drain(..received);
    }

    /// Who sent the message with this number, from the oldest of `queued`.
    pub(super) fn of(&self, number: usize, queued: usize) -> u64 {
        let at = (number + self.0.len()).checked_sub(queued);
        at.and_then(|at| self.0.get(at)).copied().unwrap_or(0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Sources;

    #[test]
    fn entries_are_those_of_the_youngest_messages() {
        let mut sources = Sources::default();
        assert_eq!(sources.of(0, 1), 0, "it came before");
        sources.add(7, 2);
        sources.add(8, 3);
        assert_eq!([0, 1, 2].map(|number| sources.of(number, 3)), [0, 7, 8]);
        // Two were received.
        assert_eq!(sources.of(0, 1), 8);
        sources.add(9, 2);
        assert_eq!([0, 1].map(|number| sources.of(number, 2)), [8, 9]);
        // One of them was received, and another one came back in front of the other.
        sources.keep(1);
        assert_eq!([0, 1].map(|number| sources.of(number, 2)), [0, 9]);
    }
}
