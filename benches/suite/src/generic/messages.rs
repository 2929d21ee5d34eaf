//! Workloads that pass small messages between a few processes.

use super::traits::{Channel, Runtime, System, least};
use crate::counts;
use crate::entry::Arguments;
use crate::measure::{Figures, Meter};

/// Says what stands for a rendezvous.
fn rendezvous<C: Channel>(figures: Figures) -> Figures {
    let kind = if C::ZERO {
        "rendezvous"
    } else {
        "capacity 1 for a rendezvous"
    };
    figures.note(kind).note(C::NOTE)
}

/// Two processes, one message back and forth.
pub fn pingpong<S: System>(arguments: &Arguments) -> Figures {
    let rounds = arguments.count(counts::PINGPONG);
    rendezvous::<S::Spsc>(S::Runtime::run(async move {
        let (mut out, mut numbers) = S::Spsc::bounded::<u64>(least::<S::Spsc>());
        let (mut answer, mut back) = S::Spsc::bounded::<u64>(least::<S::Spsc>());
        let meter = Meter::start();
        let ping = S::Runtime::spawn(async move {
            for number in 0..rounds {
                S::Spsc::send(&mut out, number).await;
                assert_eq!(S::Spsc::recv(&mut back).await, Some(number));
            }
        });
        let pong = S::Runtime::spawn(async move {
            while let Some(number) = S::Spsc::recv(&mut numbers).await {
                S::Spsc::send(&mut answer, number).await;
            }
        });
        S::Runtime::join(ping).await;
        S::Runtime::join(pong).await;
        meter.stop(2 * rounds)
    }))
}

/// Processes in a ring, and one token.
pub fn ring<S: System>(arguments: &Arguments) -> Figures {
    let hops = arguments.count(counts::RING_HOPS);
    rendezvous::<S::Spsc>(S::Runtime::run(async move {
        let (mut start, mut started) = S::Spsc::bounded::<u64>(least::<S::Spsc>());
        let (mut to_second, mut tokens) = S::Spsc::bounded::<u64>(least::<S::Spsc>());
        let mut ring = Vec::new();
        for _ in 1..counts::RING_PROCESSES {
            let (mut next, following) = S::Spsc::bounded::<u64>(least::<S::Spsc>());
            let mut mine = std::mem::replace(&mut tokens, following);
            ring.push(S::Runtime::spawn(async move {
                while let Some(hops) = S::Spsc::recv(&mut mine).await {
                    if hops == 0 || !S::Spsc::send(&mut next, hops - 1).await {
                        break;
                    }
                }
            }));
        }
        let meter = Meter::start();
        // The first one takes the token from outside, and then from the last.
        ring.push(S::Runtime::spawn(async move {
            let mut token = S::Spsc::recv(&mut started).await;
            while let Some(hops) = token {
                if hops == 0 || !S::Spsc::send(&mut to_second, hops - 1).await {
                    break;
                }
                token = S::Spsc::recv(&mut tokens).await;
            }
        }));
        S::Spsc::send(&mut start, hops).await;
        for process in ring {
            S::Runtime::join(process).await;
        }
        meter.stop(hops)
    }))
}

/// One producer, one consumer.
fn one_to_one<S: System>(count: u64, capacity: usize) -> Figures {
    let figures = S::Runtime::run(async move {
        let (mut out, mut numbers) = S::Spsc::bounded::<u64>(capacity);
        let meter = Meter::start();
        let producer = S::Runtime::spawn(async move {
            for number in 0..count {
                S::Spsc::send(&mut out, number).await;
            }
        });
        let consumer = S::Runtime::spawn(async move {
            let mut sum = 0;
            while let Some(number) = S::Spsc::recv(&mut numbers).await {
                sum += number;
            }
            sum
        });
        S::Runtime::join(producer).await;
        let sum = S::Runtime::join(consumer).await;
        assert_eq!(sum, count * (count - 1) / 2);
        meter.stop(count)
    });
    figures.note(S::Spsc::NOTE)
}

/// One producer, one consumer, and a buffer.
pub fn stream<S: System>(arguments: &Arguments) -> Figures {
    one_to_one::<S>(arguments.count(counts::STREAM), counts::STREAM_CAPACITY)
}

/// One producer, one consumer, and no room between them.
pub fn stream0<S: System>(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::STREAM0);
    rendezvous::<S::Spsc>(one_to_one::<S>(count, least::<S::Spsc>()))
}

/// Four producers and some consumers.
fn many<S: System, C: Channel>(arguments: &Arguments, consumers: u64) -> Figures {
    let each = arguments.count(counts::MANY) / counts::MANY_EACH;
    let figures = S::Runtime::run(async move {
        let (out, numbers) = C::bounded::<u64>(counts::STREAM_CAPACITY);
        let mut inputs = vec![numbers];
        for _ in 1..consumers {
            inputs.push(C::clone_receiver(&inputs[0]));
        }
        let meter = Meter::start();
        let producers: Vec<_> = (0..counts::MANY_EACH)
            .map(|_| {
                let mut out = C::clone_sender(&out);
                S::Runtime::spawn(async move {
                    for number in 0..each {
                        C::send(&mut out, number).await;
                    }
                })
            })
            .collect();
        drop(out);
        let consumers: Vec<_> = inputs
            .into_iter()
            .map(|mut numbers| {
                S::Runtime::spawn(async move {
                    let mut sum = 0;
                    while let Some(number) = C::recv(&mut numbers).await {
                        sum += number;
                    }
                    sum
                })
            })
            .collect();
        for producer in producers {
            S::Runtime::join(producer).await;
        }
        let mut sum = 0;
        for consumer in consumers {
            sum += S::Runtime::join(consumer).await;
        }
        assert_eq!(sum, counts::MANY_EACH * (each * (each - 1) / 2));
        meter.stop(each * counts::MANY_EACH)
    });
    figures.note(C::NOTE)
}

/// Four producers, four consumers.
pub fn mpmc<S: System>(arguments: &Arguments) -> Figures {
    many::<S, S::Mpmc>(arguments, counts::MANY_EACH).note(S::NOTE_MPMC)
}

/// Four producers, one consumer.
pub fn mpsc<S: System>(arguments: &Arguments) -> Figures {
    many::<S, S::Mpsc>(arguments, 1)
}
