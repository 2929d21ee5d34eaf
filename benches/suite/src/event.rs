//! The message of the router workload: 64 bytes, with a sum that shows whether one was lost or doubled.

/// An event that a source sends through a worker to a sink.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The source and the number of the event.
    pub id: u64,
    /// Decides which sink it goes to.
    pub kind: u32,
    /// Weight.
    pub payload: [u8; 48],
}

impl Event {
    /// Makes event `number` of a source.
    pub fn new(source: u64, number: u64) -> Self {
        let id = source << 32 | number;
        Self {
            id,
            kind: (id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as u32,
            payload: [number as u8; 48],
        }
    }

    /// What the event adds to the sum of a sink.
    pub fn check(&self) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = self.payload;
        self.id
            .wrapping_add(u64::from(self.kind))
            .wrapping_add(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    /// Which sink the event goes to.
    pub fn sink(&self, rules: &[u8; 16]) -> usize {
        usize::from(rules[(self.kind % 16) as usize])
    }
}

/// What has come to a sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The sum of [`Event::check`].
    pub sum: u64,
    /// How many events.
    pub count: u64,
}

impl Tally {
    /// Counts one event.
    pub fn add(&mut self, event: &Event) {
        self.sum = self.sum.wrapping_add(event.check());
        self.count += 1;
    }

    /// Adds what came to another sink.
    pub fn merge(&mut self, other: Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.count += other.count;
    }

    /// What must have come to all sinks together.
    pub fn expected(sources: u64, each: u64) -> Self {
        let mut all = Self::default();
        for source in 0..sources {
            for number in 0..each {
                all.add(&Event::new(source, number));
            }
        }
        all
    }
}

/// The rules of a worker: which sink an event of a kind goes to.
pub fn rules() -> [u8; 16] {
    std::array::from_fn(|kind| ((kind * 7 + 3) % 16) as u8)
}
