//! A channel beside its model: each operation is done on both, and must come out the same.

use std::pin::Pin;
use std::task::Poll;

use roundrock::channel::{OwnedPermit, Receiver, Sender, TryRecvError, TrySendError};
use roundrock_tests::{Random, Step, Tally, Token, channel_of};

use crate::model::{Done, Model};

/// What a real operation returns.
pub(crate) enum Output {
    Sent(Result<(), Token>),
    Got(Option<Token>),
    Room(Option<OwnedPermit<Token>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Send(u64),
    Recv,
    Ready,
}

pub(crate) struct Operation {
    pub(crate) id: usize,
    kind: Kind,
    pub(crate) polled: bool,
    pub(crate) step: Step<Pin<Box<dyn Future<Output = Output>>>>,
}

/// The channel beside its model.
pub(crate) struct Pair {
    pub(crate) model: Model,
    pub(crate) tally: Tally,
    pub(crate) senders: Vec<Sender<Token>>,
    pub(crate) receivers: Vec<Receiver<Token>>,
    pub(crate) permits: Vec<OwnedPermit<Token>>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) next: usize,
}

impl Pair {
    pub(crate) fn new(capacity: Option<usize>) -> Self {
        let (sender, receiver) = channel_of(capacity);
        let model = Model {
            capacity,
            senders: 1,
            receivers: 1,
            ..Model::default()
        };
        let (senders, receivers) = (vec![sender], vec![receiver]);
        Self {
            model,
            tally: Tally::new(),
            senders,
            receivers,
            permits: Vec::new(),
            operations: Vec::new(),
            next: 0,
        }
    }

    fn token(&mut self) -> (u64, Token) {
        self.next += 1;
        (self.next as u64, self.tally.token(self.next as u64))
    }

    /// Makes an operation that owns its endpoint, and does not poll it.
    pub(crate) fn start(&mut self, kind: usize) {
        let (number, token) = self.token();
        let sender = (kind != 1).then(|| self.senders.last().cloned()).flatten();
        let receiver = (kind == 1)
            .then(|| self.receivers.last().cloned())
            .flatten();
        let (kind, future): (_, Pin<Box<dyn Future<Output = Output>>>) =
            match (kind, sender, receiver) {
                (0, Some(sender), _) => (
                    Kind::Send(number),
                    Box::pin(async move {
                        Output::Sent(sender.send(token).await.map_err(|error| error.into_inner()))
                    }),
                ),
                (1, _, Some(receiver)) => (
                    Kind::Recv,
                    Box::pin(async move { Output::Got(receiver.recv().await) }),
                ),
                (2, Some(sender), _) => (
                    Kind::Ready,
                    Box::pin(async move { Output::Room(sender.ready_owned().await.ok()) }),
                ),
                _ => return self.model.dropped.push(number),
            };
        match kind {
            Kind::Send(_) => self.model.senders += 1,
            Kind::Ready => {
                self.model.senders += 1;
                self.model.dropped.push(number);
            }
            Kind::Recv => {
                self.model.receivers += 1;
                self.model.dropped.push(number);
            }
        }
        let (id, step) = (self.next, Step::new(future));
        self.operations.push(Operation {
            id,
            kind,
            polled: false,
            step,
        });
    }

    /// Polls an operation, which completes exactly if the model says so.
    pub(crate) fn poll(&mut self, at: usize) {
        let Operation {
            id, kind, polled, ..
        } = self.operations[at];
        let expected = match (polled, kind) {
            (true, _) => self.model.done.remove(&id),
            (false, Kind::Send(message)) => self.model.send(Some(message)),
            (false, Kind::Ready) => self.model.send(None),
            (false, Kind::Recv) => self.model.recv(true),
        };
        if expected.is_none() && !polled {
            match kind {
                Kind::Send(message) => self.model.sending.push_back((id, Some(message))),
                Kind::Ready => self.model.sending.push_back((id, None)),
                Kind::Recv => self.model.receiving.push_back(id),
            }
            self.model.settle();
        }
        self.operations[at].polled = true;
        let Poll::Ready(output) = self.operations[at].step.poll() else {
            return assert_eq!(expected, None, "operation {id} is pending");
        };
        self.operations.swap_remove(at);
        let (actual, number) = match &output {
            Output::Sent(Ok(())) => (Done::Sent, None),
            Output::Sent(Err(token)) => (Done::Refused(token.number()), Some(token.number())),
            Output::Got(Some(token)) => (Done::Got(token.number()), Some(token.number())),
            Output::Got(None) => (Done::End, None),
            Output::Room(Some(_)) => (Done::Room, None),
            Output::Room(None) => (Done::NoRoom, None),
        };
        assert_eq!(expected, Some(actual), "operation {id} is ready");
        if let Done::Refused(_) = actual {
            self.model.refuse(true);
        }
        // The endpoint of the operation goes, except that of a permit; then what it brought.
        match (kind, output) {
            (_, Output::Room(Some(permit))) => return self.permits.push(permit),
            (Kind::Recv, _) => self.model.drop_receiver(),
            _ => self.model.drop_sender(),
        }
        self.model.dropped.extend(number);
    }

    pub(crate) fn withdraw(&mut self, at: usize) {
        let Operation { id, kind, .. } = self.operations[at];
        drop(self.operations.swap_remove(at));
        let message = if let Kind::Send(message) = kind {
            Some(message)
        } else {
            None
        };
        self.model.withdraw(id, message);
        match kind {
            Kind::Recv => self.model.drop_receiver(),
            _ => self.model.drop_sender(),
        }
    }

    pub(crate) fn try_send(&mut self) {
        let (number, token) = self.token();
        let Some(sender) = self.senders.last() else {
            return self.model.dropped.push(number);
        };
        let actual = match sender.try_send(token) {
            Ok(()) => Some(Done::Sent),
            Err(TrySendError::Closed(token)) => Some(Done::Refused(token.number())),
            Err(_) => None,
        };
        let expected = self.model.send(Some(number));
        assert_eq!(actual, expected, "try_send of {number}");
        if expected != Some(Done::Sent) {
            self.model.refuse(true);
            self.model.dropped.push(number);
        }
    }

    pub(crate) fn try_recv(&mut self) {
        let Some(receiver) = self.receivers.last() else {
            return;
        };
        let actual = match receiver.try_recv() {
            Ok(token) => Some(Done::Got(token.number())),
            Err(TryRecvError::Closed) => Some(Done::End),
            Err(_) => None,
        };
        let expected = self.model.recv(false);
        assert_eq!(actual, expected, "try_recv");
        if let Some(Done::Got(number)) = expected {
            self.model.dropped.push(number);
        }
    }

    pub(crate) fn permit(&mut self, at: usize, with_message: bool) {
        let permit = self.permits.swap_remove(at);
        if with_message {
            let (number, token) = self.token();
            let sent = permit.send(token);
            assert_eq!(sent.is_ok(), self.model.receivers > 0, "permit");
            if !self.model.use_permit(Some(number)) {
                // Dropped unopened.
                self.model.refuse(false);
                self.model.dropped.push(number);
            }
            drop(sent);
        } else {
            drop(permit);
            self.model.use_permit(None);
        }
        self.model.drop_sender();
    }

    /// Clones or drops an endpoint; if none is left on the chosen side, it drops one of the other.
    pub(crate) fn endpoint(&mut self, random: &mut Random, clone: bool) {
        let of_sender = random.below(2) == 0;
        match (of_sender, clone) {
            (true, true) => {
                self.senders.extend(self.senders.last().cloned());
                self.model.senders += usize::from(!self.senders.is_empty());
            }
            (false, true) => {
                self.receivers.extend(self.receivers.last().cloned());
                self.model.receivers += usize::from(!self.receivers.is_empty());
            }
            (_, false) if of_sender && !self.senders.is_empty() || self.receivers.is_empty() => {
                if self.senders.pop().is_some() {
                    self.model.drop_sender();
                }
            }
            (_, false) => {
                if self.receivers.pop().is_some() {
                    self.model.drop_receiver();
                }
            }
        }
    }
}
