//! The channel for one value, beside what it is: a place, and who waits on either side.
//!
//! A value, and the end of the other side, wake everybody who waits; whoever looks first gets the value.

use std::rc::Rc;
use std::task::Poll;

use roundrock::channel::TryRecvError;
use roundrock::observe::Ledger;
use roundrock::prelude::*;
use roundrock_tests::Random;

use super::{Bench, Flavor, Told, Value};

#[derive(Debug, Default)]
struct Model {
    /// Who has the sender: the driver, and those who wait with it. None once it was used.
    senders: usize,
    receivers: usize,
    value: Option<u64>,
    receiving: Vec<usize>,
    closing: Vec<usize>,
    told: Told,
}

impl Model {
    fn send(&mut self, number: u64, opened: bool) -> bool {
        self.senders = 0;
        self.told.woken.append(&mut self.receiving);
        if self.receivers == 0 {
            self.told.refuse(opened);
            return false;
        }
        self.told.book.sent += 1;
        self.value = Some(number);
        true
    }

    /// `None`: the value may still come.
    fn recv(&mut self) -> Option<Option<u64>> {
        let value = self.value.take();
        self.told.book.handled += u64::from(value.is_some());
        (value.is_some() || self.senders == 0).then_some(value)
    }

    /// The operation waits no longer: it is polled, or dropped.
    fn leave(&mut self, id: usize) {
        self.receiving.retain(|&other| other != id);
        self.closing.retain(|&other| other != id);
    }

    fn drop_sender(&mut self) {
        self.senders -= 1;
        if self.senders == 0 {
            self.told.woken.append(&mut self.receiving);
        }
    }

    fn drop_receiver(&mut self) {
        self.receivers -= 1;
        if self.receivers == 0 {
            self.told.woken.append(&mut self.closing);
            self.told.book.dead.closed += u64::from(self.value.is_some());
            self.told.dropped.extend(self.value.take());
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Recv,
    Closed,
}

/// `None`: the receiver is gone.
type Output = Option<Option<Value>>;

/// The channel beside its model.
pub(super) struct Pair {
    model: Model,
    bench: Bench<Kind, Output>,
    sender: Option<Rc<OneshotSender<Value>>>,
    receiver: Option<Rc<OneshotReceiver<Value>>>,
}

impl Pair {
    /// Begins to receive, in one of the ways there are.
    fn recv(&mut self, way: usize) {
        let Some(receiver) = &self.receiver else {
            return;
        };
        if way < 3 {
            let receiver = Rc::clone(receiver);
            self.model.receivers += 1;
            return match way {
                0 | 1 => self
                    .bench
                    .begin(Kind::Recv, async move { Some(receiver.recv().await) }),
                _ => self.bench.begin(Kind::Recv, async move {
                    select! {
                        value = receiver.recv() => Some(Some(value)),
                        else => Some(None),
                    }
                }),
            };
        }
        // By value: nobody else may have it.
        let sole = self
            .receiver
            .take_if(|receiver| Rc::strong_count(receiver) == 1);
        let Some(mut receiver) = sole.and_then(Rc::into_inner) else {
            return;
        };
        match way {
            3 => self
                .bench
                .begin(Kind::Recv, async move { Some(receiver.await) }),
            4 => self.bench.begin(Kind::Recv, async move {
                let value = (&mut receiver).await;
                assert!(receiver.recv().await.is_none(), "there is one value");
                Some(value)
            }),
            5 => self.bench.begin(Kind::Recv, async move {
                select! {
                    value = &mut receiver => Some(Some(value)),
                    else => Some(None),
                }
            }),
            _ => self.bench.begin(Kind::Recv, async move {
                select! {
                    value = receiver => Some(Some(value)),
                    else => Some(None),
                }
            }),
        }
    }

    fn closed(&mut self, in_select: bool) {
        let Some(sender) = self.sender.clone() else {
            return;
        };
        self.model.senders += 1;
        self.bench.begin(Kind::Closed, async move {
            if in_select {
                select! { _ = sender.closed() => None }
            } else {
                sender.closed().await;
                None
            }
        });
    }

    fn poll(&mut self, at: usize, random: &mut Random) {
        let (id, kind) = (self.bench.waits[at].id, self.bench.waits[at].kind);
        self.model.leave(id);
        let expected = match kind {
            Kind::Recv => self.model.recv().map(Some),
            Kind::Closed => (self.model.receivers == 0).then_some(None),
        };
        let polled = self.bench.poll(at, random);
        let actual = match &polled {
            Poll::Pending => None,
            Poll::Ready(output) => {
                let number = |value: &Option<Value>| value.as_ref().map(Value::number);
                Some(output.as_ref().map(number))
            }
        };
        assert_eq!(actual, expected, "{kind:?} {id}");
        match (kind, expected) {
            (Kind::Recv, None) => self.model.receiving.push(id),
            (Kind::Closed, None) => self.model.closing.push(id),
            (Kind::Recv, Some(value)) => {
                self.model.drop_receiver();
                self.model.told.dropped.extend(value.flatten());
            }
            (Kind::Closed, Some(_)) => self.model.drop_sender(),
        }
    }

    fn withdraw(&mut self, at: usize) {
        let (id, kind) = self.bench.withdraw(at);
        self.model.leave(id);
        match kind {
            Kind::Recv => self.model.drop_receiver(),
            Kind::Closed => self.model.drop_sender(),
        }
    }

    fn try_recv(&mut self) {
        let Some(receiver) = &self.receiver else {
            return;
        };
        let actual = match receiver.try_recv() {
            Ok(value) => Some(Some(value.number())),
            Err(TryRecvError::Closed) => Some(None),
            Err(_) => None,
        };
        let expected = self.model.recv();
        assert_eq!(actual, expected, "try_recv");
        self.model.told.dropped.extend(expected.flatten());
    }

    /// Nobody else may have the sender.
    fn send(&mut self, opened: bool) {
        let sole = self.sender.take_if(|sender| Rc::strong_count(sender) == 1);
        let Some(sender) = sole.and_then(Rc::into_inner) else {
            return;
        };
        let (number, value) = self.bench.value();
        let sent = sender.send(value);
        assert_eq!(sent.is_ok(), self.model.send(number, opened), "send");
        if let Err(error) = sent {
            if opened {
                assert_eq!(error.into_inner().number(), number);
            }
            self.model.told.dropped.push(number);
        }
    }

    /// Drops an endpoint, by `drop` or by its method, unless others have it.
    fn drop_sender(&mut self, by_method: bool) {
        if let Some(sender) = self.sender.take() {
            match (Rc::strong_count(&sender), by_method) {
                (1, true) => Rc::into_inner(sender).expect("there is one only").finish(),
                _ => drop(sender),
            }
            self.model.drop_sender();
        }
    }

    fn drop_receiver(&mut self, by_method: bool) {
        if let Some(receiver) = self.receiver.take() {
            match (Rc::strong_count(&receiver), by_method) {
                (1, true) => Rc::into_inner(receiver)
                    .expect("there is one only")
                    .finish(),
                _ => drop(receiver),
            }
            self.model.drop_receiver();
        }
    }
}

impl Flavor for Pair {
    fn new(_random: &mut Random) -> Self {
        let (sender, receiver) = oneshot();
        let model = Model {
            senders: 1,
            receivers: 1,
            ..Model::default()
        };
        Self {
            model,
            bench: Bench::new(),
            sender: Some(Rc::new(sender)),
            receiver: Some(Rc::new(receiver)),
        }
    }

    fn act(&mut self, random: &mut Random) {
        match random.below(24) {
            kind @ 0..=7 => {
                let before = self.bench.waits.len();
                match kind {
                    0..=3 => self.recv(random.below(3)),
                    4 => self.recv(3 + random.below(4)),
                    _ => self.closed(random.below(3) == 0),
                }
                if self.bench.waits.len() > before && random.below(3) > 0 {
                    self.poll(before, random);
                }
            }
            8..=14 => {
                if let Some(at) = self.bench.any(random) {
                    self.poll(at, random);
                }
            }
            15..=18 => {
                if let Some(at) = self.bench.any(random) {
                    self.withdraw(at);
                }
            }
            19 => self.try_recv(),
            20 => self.send(random.below(2) == 0),
            21 if random.below(3) == 0 => self.drop_sender(random.below(2) == 0),
            22 if random.below(3) == 0 => self.drop_receiver(random.below(2) == 0),
            23 => {
                if let (Some(sender), Some(receiver)) = (&self.sender, &self.receiver) {
                    assert!(!format!("{sender:?} {receiver:?}").is_empty());
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, random: &mut Random) -> bool {
        let rest = [self.sender.is_some(), self.receiver.is_some()];
        match (rest, self.bench.any(random)) {
            ([false, false], None) => return false,
            (_, Some(at)) if rest == [false, false] || random.below(2) == 0 => self.withdraw(at),
            ([true, false], _) => self.drop_sender(true),
            ([false, _], _) => self.drop_receiver(true),
            _ if random.below(2) == 0 => self.drop_sender(false),
            _ => self.drop_receiver(false),
        }
        true
    }

    fn check(&mut self) {
        let alive = usize::from(self.model.value.is_some());
        self.bench.check(&mut self.model.told, alive, true);
        if let Some(sender) = &self.sender {
            assert_eq!(sender.is_closed(), self.model.receivers == 0);
        }
    }

    fn book(&self) -> Ledger {
        let mut book = self.model.told.book;
        book.queued = u64::from(self.model.value.is_some());
        book
    }
}
