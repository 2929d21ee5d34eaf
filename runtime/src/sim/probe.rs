//! Probes: endpoints with expectations.

use std::fmt::Debug;
use std::future::Future;
use std::panic::Location;
use std::sync::Mutex;
use std::time::Duration;

use crate::channel::{ChannelOptions, Message, Receiver, Sender, unbounded};
use crate::sim::expectation;
use crate::time::Within;

/// Takes messages, and compares them with what is expected. Made by [`Sim::probe`](super::Sim::probe).
///
/// It holds whatever is sent, so that it slows nobody down. An expectation that is not met fails the run at the caller's line.
///
/// # Examples
/// ```
/// use roundrock::prelude::*;
///
/// # #[process] async fn double(numbers: &Receiver<u32>, doubles: &Sender<u32>) -> Result<()> {
/// #     while let Some(n) = numbers.recv().await { doubles.send(2 * n).await?; }
/// #     Ok(())
/// # }
/// # roundrock::sim::Simulation::new("doubles").seeds(8).run(|sim: Sim| async move {
/// let doubles = sim.probe("doubles");
/// let (numbers, inbox) = rendezvous();
/// sim.spawn(double(inbox, doubles.sender()));
/// numbers.send(21).await?;
/// doubles.expect(42).await;
/// numbers.finish();
/// doubles.expect_closed().await;
/// # roundrock::Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Probe<T> {
    name: &'static str,
    /// Kept so that senders can be made; gone once the end is expected.
    sender: Mutex<Option<Sender<T>>>,
    receiver: Receiver<T>,
}

impl<T: Message> Probe<T> {
    pub(super) fn new(name: &'static str) -> Self {
        let (sender, receiver) = unbounded::channel().named(name);
        Self {
            name,
            sender: Mutex::new(Some(sender)),
            receiver,
        }
    }

    /// Makes a sender that leads here.
    ///
    /// # Panics
    /// After [`expect_closed`](Self::expect_closed).
    pub fn sender(&self) -> Sender<T> {
        let sender = self.lock().clone();
        sender.unwrap_or_else(|| panic!("the end of `{}` is expected already", self.name))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Sender<T>>> {
        self.sender
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits for the next message. The run fails if there can be none any more.
    #[track_caller]
    pub fn next(&self) -> impl Future<Output = T> + Send + '_ {
        let site = Location::caller();
        async move {
            match self.receiver.recv().await {
                Some(message) => message,
                None => expectation(
                    self.name,
                    site,
                    "a message is expected, and nobody is left who could send one".into(),
                ),
            }
        }
    }

    /// Waits for the next message, which must be this one.
    #[track_caller]
    pub fn expect(&self, expected: T) -> impl Future<Output = ()> + Send + '_
    where
        T: PartialEq + Debug + Sync,
    {
        let site = Location::caller();
        async move {
            match self.receiver.recv().await {
                Some(message) if message == expected => {}
                Some(message) => expectation(
                    self.name,
                    site,
                    format!("{expected:?} is expected, and {message:?} came"),
                ),
                None => expectation(
                    self.name,
                    site,
                    format!("{expected:?} is expected, and nobody is left who could send it"),
                ),
            }
        }
    }

    /// Waits for the next message, which must fulfil a condition, and returns it.
    #[track_caller]
    pub fn expect_that<'a>(
        &'a self,
        what: &'static str,
        condition: impl FnOnce(&T) -> bool + Send + 'a,
    ) -> impl Future<Output = T> + Send + 'a
    where
        T: Debug,
    {
        let site = Location::caller();
        async move {
            match self.receiver.recv().await {
                Some(message) if condition(&message) => message,
                Some(message) => expectation(
                    self.name,
                    site,
                    format!("{what} is expected, and {message:?} came"),
                ),
                None => expectation(
                    self.name,
                    site,
                    format!("{what} is expected, and nobody is left who could send it"),
                ),
            }
        }
    }

    /// Waits for `duration` of virtual time, in which no message must come.
    #[track_caller]
    pub fn expect_silence(&self, duration: Duration) -> impl Future<Output = ()> + Send + '_
    where
        T: Debug,
    {
        let site = Location::caller();
        async move {
            if let Ok(Some(message)) = self.receiver.recv().within(duration).await {
                expectation(
                    self.name,
                    site,
                    format!("silence is expected for {duration:?}, and {message:?} came"),
                );
            }
        }
    }

    /// Gives up the probe's own sender, and waits until nobody is left who could send; no message must come before.
    #[track_caller]
    pub fn expect_closed(&self) -> impl Future<Output = ()> + Send + '_
    where
        T: Debug,
    {
        let site = Location::caller();
        let own = self.lock().take();
        drop(own);
        async move {
            if let Some(message) = self.receiver.recv().await {
                expectation(
                    self.name,
                    site,
                    format!("the end is expected, and {message:?} came"),
                );
            }
        }
    }
}
