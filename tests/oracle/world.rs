//! The small model beside a random system: who has which endpoint, who waits for what, who holds which lock.
//!
//! Processes write down what they are about to do, and what came of it, in the step in which they do it. Between two of their
//! steps nobody else runs, so when everything has settled the model says how things are, and not how they were.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use roundrock::ProcessId;

/// Which end of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Sender,
    Receiver,
    Weak,
}

/// Where an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// Lent to a process, or its mailbox.
    Port(usize),
    /// Lent to a pool of functions, whose workers own it together.
    Crew(usize),
    /// In the state of a struct process.
    Field(usize),
    /// In the hands of a process, which may do with it what it likes.
    Loose(usize),
    /// In a message that a process sends into a channel.
    Sending(usize, usize),
    /// In a message that lies in a channel.
    Queue(usize),
    /// In the hands of the test.
    Outside,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) channel: usize,
    pub(crate) side: Side,
    pub(crate) at: At,
}

/// What a process waits for in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    Message,
    Room,
    /// Room in a mailbox, and then a reply.
    Reply,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It runs, or will.
    Nothing,
    /// For any of these.
    Channels(Vec<(Want, usize)>),
    Join(usize),
    /// What stands for a pool: for the end of all of its workers.
    Crew(usize),
    Lock(usize),
    Timer,
}

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) wait: Wait,
    /// Rises whenever the process does something.
    pub(crate) steps: u64,
    pub(crate) alive: bool,
    /// A struct process that is in none of its handlers; always true of functions, which have no fields.
    pub(crate) between: bool,
    /// It keeps a future, beside what it waits for, that will wake it then.
    pub(crate) kept: Option<Instant>,
}

/// A lock: who holds it, and where the ways to it are.
#[derive(Debug, Default)]
pub(crate) struct Lock {
    pub(crate) holder: Option<usize>,
    /// The processes that were lent it, once for each time.
    pub(crate) lent: Vec<usize>,
    /// Ways to it that are in nobody's hands that is known.
    pub(crate) outside: usize,
}

/// A pool of functions: its workers, and what stands for it.
#[derive(Debug)]
pub(crate) struct Crew {
    pub(crate) workers: Vec<usize>,
    pub(crate) whole: usize,
    /// Workers that have begun.
    pub(crate) begun: usize,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) ends: BTreeMap<u32, End>,
    pub(crate) processes: Vec<Process>,
    pub(crate) locks: Vec<Lock>,
    pub(crate) crews: Vec<Crew>,
    /// The number of each process, by its id.
    pub(crate) ids: BTreeMap<ProcessId, usize>,
    /// The moment of the last look.
    pub(crate) now: Option<Instant>,
    next: u32,
}

/// The model, as the processes and the test share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn get(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("nobody panics with the model")
    }

    /// A process is about to do something that may make it wait.
    pub(crate) fn begin(&self, process: usize, wait: Wait) {
        self.get().step(process, wait);
    }

    /// It has done it.
    pub(crate) fn end(&self, process: usize) {
        self.get().step(process, Wait::Nothing);
    }
}

impl World {
    pub(crate) fn add_process(&mut self, wait: Wait) -> usize {
        self.processes.push(Process {
            wait,
            steps: 0,
            alive: true,
            between: true,
            kept: None,
        });
        self.processes.len() - 1
    }

    pub(crate) fn step(&mut self, process: usize, wait: Wait) {
        let process = &mut self.processes[process];
        process.steps += 1;
        process.wait = wait;
    }

    pub(crate) fn add(&mut self, channel: usize, side: Side, at: At) -> u32 {
        self.next += 1;
        self.ends.insert(self.next, End { channel, side, at });
        self.next
    }

    pub(crate) fn channel(&self, end: u32) -> usize {
        self.ends[&end].channel
    }

    /// An endpoint changes hands.
    pub(crate) fn put(&mut self, end: u32, at: At) {
        self.ends.get_mut(&end).expect("an endpoint that exists").at = at;
    }

    /// What a process sent was accepted: unless somebody has taken it since, it lies in the channel, or went with the last receiver.
    pub(crate) fn accepted(&mut self, end: u32, process: usize, channel: usize) {
        let sent = self.ends.get(&end).map(|end| end.at);
        if sent == Some(At::Sending(process, channel)) {
            if self.count(channel, Side::Receiver) == 0 {
                self.remove(end);
            } else {
                self.put(end, At::Queue(channel));
            }
        }
    }

    /// What a process sent with a call is gone, unless somebody has taken it.
    pub(crate) fn lost(&mut self, end: u32, process: usize, channel: usize) {
        let sent = self.ends.get(&end).map(|end| end.at);
        if sent == Some(At::Sending(process, channel)) {
            self.remove(end);
        }
    }

    pub(crate) fn count(&self, channel: usize, side: Side) -> usize {
        let same = |end: &&End| end.channel == channel && end.side == side;
        self.ends.values().filter(same).count()
    }

    /// An endpoint is dropped. With the last receiver go the messages, and what is in them.
    pub(crate) fn remove(&mut self, end: u32) {
        let Some(End { channel, side, .. }) = self.ends.remove(&end) else {
            return;
        };
        if side == Side::Receiver && self.count(channel, Side::Receiver) == 0 {
            let queued: Vec<_> = self.ends_at(|at| at == At::Queue(channel));
            queued.into_iter().for_each(|end| self.remove(end));
        }
    }

    /// A process has ended, and what it had is gone.
    pub(crate) fn exit(&mut self, process: usize) {
        self.step(process, Wait::Nothing);
        self.processes[process].alive = false;
        for lock in &mut self.locks {
            lock.lent.retain(|&lent| lent != process);
            lock.holder = lock.holder.filter(|&holder| holder != process);
        }
        let own = self.ends_at(|at| {
            [At::Port(process), At::Field(process), At::Loose(process)].contains(&at)
        });
        own.into_iter().for_each(|end| self.remove(end));
        let crew = self
            .crews
            .iter()
            .position(|crew| crew.workers.contains(&process));
        if let Some(crew) = crew.filter(|&crew| self.crew(crew).next().is_none()) {
            let shared = self.ends_at(|at| at == At::Crew(crew));
            shared.into_iter().for_each(|end| self.remove(end));
            self.exit(self.crews[crew].whole);
        }
    }

    /// The workers of a pool that have not ended.
    pub(crate) fn crew(&self, crew: usize) -> impl Iterator<Item = usize> {
        let workers = self.crews[crew].workers.iter().copied();
        workers.filter(|&worker| self.processes[worker].alive)
    }

    fn ends_at(&self, is: impl Fn(At) -> bool) -> Vec<u32> {
        let found = self.ends.iter().filter(|(_, end)| is(end.at));
        found.map(|(&end, _)| end).collect()
    }
}
