//! Questions to one server, which is a struct process.

use std::time::Instant;

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::measure::{Figures, Meter};
use roundrock::prelude::*;

use crate::system;

/// Answers, and counts the questions.
#[process(mailbox = 64)]
struct Server {
    asked: u64,
}

#[handlers]
impl Server {
    fn next(&mut self, number: u64) -> u64 {
        self.asked += 1;
        number + 1
    }

    fn asked(&self) -> u64 {
        self.asked
    }
}

/// Asks, and returns samples of how long an answer took, in nanoseconds.
#[process]
async fn client(questions: u64, server: &ServerHandle) -> Result<Vec<u64>> {
    let mut samples = Vec::with_capacity((questions / counts::ASK_SAMPLE + 1) as usize);
    for number in 0..questions {
        let begun = number.is_multiple_of(counts::ASK_SAMPLE).then(Instant::now);
        let answer = server.next(number).await?;
        ensure!(answer == number + 1, "{number} was answered with {answer}");
        if let Some(begun) = begun {
            samples.push(begun.elapsed().as_nanos() as u64);
        }
    }
    Ok(samples)
}

/// Some clients that ask as fast as they are answered.
pub fn ask(arguments: &Arguments) -> Figures {
    let each = arguments.count(counts::ASK_EACH);
    system(async move |scope| {
        let server = scope.spawn(Server { asked: 0 });
        let meter = Meter::start();
        let clients: Vec<_> = (0..counts::ASK_CLIENTS)
            .map(|_| scope.spawn(client(each, server.clone())))
            .collect();
        let mut samples = Vec::new();
        for client in clients {
            samples.extend(client.await?);
        }
        let figures = meter.stop(each * counts::ASK_CLIENTS);
        let asked = server.asked().await?;
        ensure!(asked == figures.n, "{asked} questions of {}", figures.n);
        Ok(figures.latencies(samples))
    })
}
