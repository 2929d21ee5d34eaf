//! The channel that holds the newest value, beside what it is: a numbered value, and for each receiver the number that it saw last.
//!
//! A new value, and the end of the other side, wake everybody who waits. Those who share a receiver share what was seen: whoever looks
//! first sees it, and the others wait again.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use roundrock::channel::TryRecvError;
use roundrock::observe::Ledger;
use roundrock::prelude::*;
use roundrock_tests::Random;

use super::{Bench, Flavor, Told, Value};

#[derive(Debug)]
struct Reader {
    /// The version that it saw last; zero is none.
    seen: u64,
    /// The driver, and those who wait with it.
    holders: usize,
}

#[derive(Debug, Default)]
struct Model {
    senders: usize,
    readers: BTreeMap<usize, Reader>,
    version: u64,
    value: u64,
    /// Values that are kept as snapshots: versions and numbers.
    kept: Vec<(u64, u64)>,
    receiving: Vec<usize>,
    closing: Vec<usize>,
    told: Told,
}

impl Model {
    fn is_there(&self) -> bool {
        self.senders + self.readers.len() > 0
    }

    /// Notes that the value goes, unless somebody keeps it.
    fn release(&mut self, version: u64, value: u64) {
        let is_newest = version == self.version && self.is_there();
        if !is_newest && !self.kept.iter().any(|&(kept, _)| kept == version) {
            self.told.dropped.push(value);
        }
    }

    fn set(&mut self, value: u64) {
        let (version, old) = (self.version, self.value);
        self.version += 1;
        self.value = value;
        self.release(version, old);
        self.told.woken.append(&mut self.receiving);
    }

    fn news(&self, reader: usize) -> bool {
        self.readers[&reader].seen < self.version
    }

    /// The receiver looks at the value.
    fn look(&mut self, reader: usize) -> u64 {
        let version = self.version;
        self.readers
            .entry(reader)
            .and_modify(|it| it.seen = version);
        self.value
    }

    /// `None`: there may be something new later.
    fn recv(&mut self, reader: usize) -> Option<Option<u64>> {
        if self.news(reader) {
            return Some(Some(self.look(reader)));
        }
        (self.senders == 0).then_some(None)
    }

    fn leave(&mut self, id: usize) {
        self.receiving.retain(|&other| other != id);
        self.closing.retain(|&other| other != id);
    }

    fn subscribe(&mut self, reader: usize) {
        let (seen, holders) = (0, 1);
        self.readers.insert(reader, Reader { seen, holders });
    }

    fn hold(&mut self, reader: usize) {
        self.readers.entry(reader).and_modify(|it| it.holders += 1);
    }

    fn freed(&mut self) {
        if !self.is_there() {
            self.release(self.version, self.value);
        }
    }

    fn drop_sender(&mut self) {
        self.senders -= 1;
        if self.senders == 0 {
            self.told.woken.append(&mut self.receiving);
        }
        self.freed();
    }

    fn drop_reader(&mut self, reader: usize) {
        let Some(it) = self.readers.get_mut(&reader) else {
            return;
        };
        it.holders -= 1;
        if it.holders == 0 {
            self.readers.remove(&reader);
            if self.readers.is_empty() {
                self.told.woken.append(&mut self.closing);
            }
            self.freed();
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// With which receiver.
    Recv(usize),
    Changed(usize),
    Closed,
}

enum Output {
    Got(Value),
    Changed,
    /// The other side is gone.
    End,
}

/// The channel beside its model.
pub(super) struct Pair {
    model: Model,
    bench: Bench<Kind, Output>,
    senders: Vec<LatestSender<Value>>,
    readers: Vec<(usize, Rc<LatestReceiver<Value>>)>,
    kept: Vec<(u64, Arc<Value>)>,
}

impl Pair {
    /// Begins to wait with a receiver, which others may have too.
    fn wait(&mut self, at: usize, way: usize) {
        let (reader, receiver) = &self.readers[at];
        let (reader, receiver) = (*reader, Rc::clone(receiver));
        self.model.hold(reader);
        match way {
            0 => self.bench.begin(Kind::Recv(reader), async move {
                receiver.recv().await.map_or(Output::End, Output::Got)
            }),
            1 => self.bench.begin(Kind::Recv(reader), async move {
                select! {
                    value = receiver.recv() => Output::Got(value),
                    else => Output::End,
                }
            }),
            2 => self.bench.begin(Kind::Changed(reader), async move {
                let changed = receiver.changed().await;
                changed.map_or(Output::End, |()| Output::Changed)
            }),
            _ => self.bench.begin(Kind::Changed(reader), async move {
                select! {
                    _ = receiver.changed() => Output::Changed,
                    else => Output::End,
                }
            }),
        }
    }

    fn closed(&mut self, in_select: bool) {
        let Some(sender) = self.senders.last().cloned() else {
            return;
        };
        self.model.senders += 1;
        self.bench.begin(Kind::Closed, async move {
            if in_select {
                select! { _ = sender.closed() => Output::End }
            } else {
                sender.closed().await;
                Output::End
            }
        });
    }

    fn poll(&mut self, at: usize, random: &mut Random) {
        let (id, kind) = (self.bench.waits[at].id, self.bench.waits[at].kind);
        self.model.leave(id);
        let expected = match kind {
            Kind::Recv(reader) => self.model.recv(reader),
            // A number that no value has: it is not said which one it is.
            Kind::Changed(reader) => self.model.recv(reader).map(|news| news.map(|_| 0)),
            Kind::Closed => self.model.readers.is_empty().then_some(None),
        };
        let polled = self.bench.poll(at, random);
        let actual = match &polled {
            Poll::Pending => None,
            Poll::Ready(Output::Got(value)) => Some(Some(value.number())),
            Poll::Ready(Output::Changed) => Some(Some(0)),
            Poll::Ready(Output::End) => Some(None),
        };
        assert_eq!(actual, expected, "{kind:?} {id}");
        match (kind, expected) {
            (Kind::Closed, None) => self.model.closing.push(id),
            (_, None) => self.model.receiving.push(id),
            (_, Some(value)) => {
                // A copy.
                self.model.told.dropped.extend(value.filter(|&it| it > 0));
                self.gone(kind);
            }
        }
    }

    /// What the operation had is dropped.
    fn gone(&mut self, kind: Kind) {
        match kind {
            Kind::Recv(reader) | Kind::Changed(reader) => self.model.drop_reader(reader),
            Kind::Closed => self.model.drop_sender(),
        }
    }

    fn withdraw(&mut self, at: usize) {
        let (id, kind) = self.bench.withdraw(at);
        self.model.leave(id);
        self.gone(kind);
    }

    /// Reads by one of the ways that need not wait.
    fn read(&mut self, at: usize, way: usize) {
        let (reader, receiver) = &self.readers[at];
        let reader = *reader;
        match way {
            0 | 1 => {
                let actual = match receiver.try_recv() {
                    Ok(value) => Some(Some(value.number())),
                    Err(TryRecvError::Closed) => Some(None),
                    Err(_) => None,
                };
                let expected = self.model.recv(reader);
                assert_eq!(actual, expected, "try_recv");
                self.model.told.dropped.extend(expected.flatten());
            }
            2 => {
                let number = receiver.get().number();
                assert_eq!(number, self.model.look(reader), "get");
                self.model.told.dropped.push(number);
            }
            3 => {
                assert_eq!(
                    receiver.with(Value::number),
                    self.model.look(reader),
                    "with"
                );
            }
            4 => {
                let value = receiver.snapshot();
                assert_eq!(value.number(), self.model.look(reader), "snapshot");
                self.keep(value);
            }
            _ => {
                // What is set meanwhile was not seen.
                let Some(sender) = self.senders.last() else {
                    return;
                };
                let (number, value) = self.bench.value();
                let read = receiver.with(|read| {
                    sender.set(value);
                    read.number()
                });
                assert_eq!(read, self.model.look(reader), "with");
                self.model.set(number);
            }
        }
    }

    fn keep(&mut self, value: Arc<Value>) {
        let version = self.model.version;
        self.model.kept.push((version, value.number()));
        self.kept.push((version, value));
    }

    /// Drops a snapshot.
    fn forget(&mut self, at: usize) {
        drop(self.kept.swap_remove(at));
        let (version, value) = self.model.kept.swap_remove(at);
        self.model.release(version, value);
    }

    /// Sets, or changes, the value.
    fn set(&mut self, way: usize) {
        let Some(sender) = self.senders.last() else {
            return;
        };
        let before = self.model.value;
        match way {
            0 | 1 => {
                let (number, value) = self.bench.value();
                sender.set(value);
                self.model.set(number);
            }
            2 => {
                let number = self.bench.number() as u64;
                sender.update(|copy| copy.renumber(number));
                self.model.set(number);
                // What the copy was at first.
                self.model.told.dropped.push(before);
            }
            3 => {
                let number = self.bench.number() as u64;
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    sender.update(|copy| {
                        copy.renumber(number);
                        resume_unwind(Box::new("half way"));
                    });
                }));
                assert!(panicked.is_err());
                self.model.told.dropped.extend([before, number]);
            }
            _ => {
                // Another value comes in between: the change is made again, on a copy of that one.
                let (number, value) = self.bench.value();
                let numbers = [self.bench.number() as u64, self.bench.number() as u64];
                let (mut value, mut runs) = (Some(value), 0);
                sender.update(|copy| {
                    if let Some(value) = value.take() {
                        sender.set(value);
                    }
                    copy.renumber(numbers[runs]);
                    runs += 1;
                });
                assert_eq!(runs, 2, "runs of a change that was overtaken");
                self.model.set(number);
                self.model.set(numbers[1]);
                let told = &mut self.model.told;
                told.dropped.extend([before, numbers[0], number]);
            }
        }
    }

    fn ask_sender(&mut self, keeps: bool) {
        let Some(sender) = self.senders.last() else {
            return;
        };
        assert!(!format!("{sender:?} {:?}", self.readers.last()).is_empty());
        if keeps {
            let value = sender.snapshot();
            assert_eq!(value.number(), self.model.value, "snapshot");
            self.keep(value);
        } else {
            let number = sender.get().number();
            assert_eq!(number, self.model.value, "get");
            self.model.told.dropped.push(number);
        }
    }

    fn more(&mut self, random: &mut Random) {
        let way = random.below(3);
        let receiver = match (way, self.senders.last(), self.readers.last()) {
            (0, Some(sender), _) => {
                self.senders.push(sender.clone());
                self.model.senders += 1;
                return;
            }
            (1, Some(sender), _) => sender.subscribe(),
            (2, _, Some((_, receiver))) => LatestReceiver::clone(receiver),
            _ => return,
        };
        let reader = self.bench.number();
        self.readers.push((reader, Rc::new(receiver)));
        self.model.subscribe(reader);
    }

    fn drop_sender(&mut self, by_method: bool) {
        match self.senders.pop() {
            Some(sender) if by_method => sender.finish(),
            Some(sender) => drop(sender),
            None => return,
        }
        self.model.drop_sender();
    }

    fn drop_reader(&mut self, at: usize, by_method: bool) {
        let (reader, receiver) = self.readers.swap_remove(at);
        match Rc::try_unwrap(receiver) {
            Ok(receiver) if by_method => receiver.finish(),
            other => drop(other),
        }
        self.model.drop_reader(reader);
    }
}

impl Flavor for Pair {
    fn new(_random: &mut Random) -> Self {
        let mut bench = Bench::new();
        let (number, value) = bench.value();
        let (sender, receiver) = latest(value);
        let mut model = Model {
            senders: 1,
            version: 1,
            value: number,
            ..Model::default()
        };
        let reader = bench.number();
        model.subscribe(reader);
        Self {
            model,
            bench,
            senders: vec![sender],
            readers: vec![(reader, Rc::new(receiver))],
            kept: Vec::new(),
        }
    }

    fn act(&mut self, random: &mut Random) {
        match random.below(32) {
            kind @ 0..=8 => {
                let before = self.bench.waits.len();
                match kind {
                    0..=6 if !self.readers.is_empty() => {
                        self.wait(random.below(self.readers.len()), random.below(4));
                    }
                    7 | 8 => self.closed(random.below(3) == 0),
                    _ => {}
                }
                if self.bench.waits.len() > before && random.below(4) > 0 {
                    self.poll(before, random);
                }
            }
            9..=15 => {
                if let Some(at) = self.bench.any(random) {
                    self.poll(at, random);
                }
            }
            16 | 17 => {
                if let Some(at) = self.bench.any(random) {
                    self.withdraw(at);
                }
            }
            18..=21 if !self.readers.is_empty() => {
                self.read(random.below(self.readers.len()), random.below(6));
            }
            22..=24 => self.set(random.below(5)),
            25 => self.ask_sender(random.below(3) == 0),
            26 if !self.kept.is_empty() => self.forget(random.below(self.kept.len())),
            27 | 28 if self.senders.len() + self.readers.len() < 7 => self.more(random),
            29 if random.below(2) == 0 => self.drop_sender(random.below(2) == 0),
            30 | 31 if !self.readers.is_empty() && random.below(2) == 0 => {
                self.drop_reader(random.below(self.readers.len()), random.below(2) == 0);
            }
            _ => {}
        }
    }

    fn end(&mut self, random: &mut Random) -> bool {
        let (operation, choice) = (self.bench.any(random), random.below(4));
        if let (Some(at), 0) = (operation, choice) {
            self.withdraw(at);
        } else if !self.kept.is_empty() && choice == 1 {
            self.forget(random.below(self.kept.len()));
        } else if !self.senders.is_empty() && choice == 2 {
            self.drop_sender(false);
        } else if !self.readers.is_empty() {
            self.drop_reader(random.below(self.readers.len()), true);
        } else if !self.senders.is_empty() {
            self.drop_sender(true);
        } else if let Some(at) = operation {
            self.withdraw(at);
        } else if !self.kept.is_empty() {
            self.forget(0);
        } else {
            return false;
        }
        true
    }

    fn check(&mut self) {
        let model = &mut self.model;
        let mut alive: Vec<_> = model.kept.iter().map(|&(version, _)| version).collect();
        alive.extend(model.is_there().then_some(model.version));
        alive.sort_unstable();
        alive.dedup();
        // Who is dropped first, a copy or what it was made from, is said nowhere.
        self.bench.check(&mut model.told, alive.len(), false);
        for sender in &self.senders {
            let says = (sender.receivers(), sender.is_closed());
            assert_eq!(says, (model.readers.len(), model.readers.is_empty()));
        }
        for (reader, receiver) in &self.readers {
            let says = (receiver.has_changed(), receiver.is_closed());
            assert_eq!(says, (model.news(*reader), model.senders == 0));
        }
        for (kept, (version, number)) in self.kept.iter().zip(&model.kept) {
            assert_eq!((kept.0, kept.1.number()), (*version, *number), "snapshots");
        }
    }

    fn book(&self) -> Ledger {
        // A state that is replaced, and no message.
        self.model.told.book
    }
}
