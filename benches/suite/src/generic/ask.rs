//! Questions to one server, each with a place for its reply.

use std::time::Instant;

use super::traits::{Channel, Oneshot, Runtime, Sender, System};
use crate::counts;
use crate::entry::Arguments;
use crate::measure::{Figures, Meter};

struct Question<O: Oneshot> {
    number: u64,
    reply: O::Sender<u64>,
}

type Questions<S> = Question<<S as System>::Oneshot>;

/// Asks, and returns samples of how long an answer took, in nanoseconds.
async fn client<S: System>(mut server: Sender<S::Mpsc, Questions<S>>, each: u64) -> Vec<u64> {
    let mut samples = Vec::with_capacity((each / counts::ASK_SAMPLE + 1) as usize);
    for number in 0..each {
        let sampled = number.is_multiple_of(counts::ASK_SAMPLE);
        let begun = sampled.then(Instant::now);
        let (reply, answer) = S::Oneshot::pair::<u64>();
        S::Mpsc::send(&mut server, Question { number, reply }).await;
        assert_eq!(S::Oneshot::get(answer).await, number + 1);
        if let Some(begun) = begun {
            samples.push(begun.elapsed().as_nanos() as u64);
        }
    }
    samples
}

/// Some clients that ask as fast as they are answered.
pub fn ask<S: System>(arguments: &Arguments) -> Figures {
    let each = arguments.count(counts::ASK_EACH);
    let figures = S::Runtime::run(async move {
        let (out, mut questions) = S::Mpsc::bounded::<Questions<S>>(counts::ASK_CAPACITY);
        let server = S::Runtime::spawn(async move {
            let mut asked = 0;
            while let Some(question) = S::Mpsc::recv(&mut questions).await {
                asked += 1;
                S::Oneshot::put(question.reply, question.number + 1);
            }
            asked
        });
        let meter = Meter::start();
        let clients: Vec<_> = (0..counts::ASK_CLIENTS)
            .map(|_| S::Runtime::spawn(client::<S>(S::Mpsc::clone_sender(&out), each)))
            .collect();
        drop(out);
        let mut samples = Vec::new();
        for client in clients {
            samples.extend(S::Runtime::join(client).await);
        }
        let figures = meter.stop(each * counts::ASK_CLIENTS);
        assert_eq!(S::Runtime::join(server).await, figures.n);
        figures.latencies(samples)
    });
    figures.note(S::Mpsc::NOTE)
}
