//! The client of the network workloads: one thread and 64 connections, each with one request on its way.
//!
//! `PROGRAM tcp|http ADDRESS SECONDS` prints: requests, wall and CPU seconds, and the latencies p50, p99, p99.9 and the worst
//! in microseconds.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::time::{Duration, Instant};

use bench_suite::measure::cpu_time;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

const CONNECTIONS: usize = 64;

/// What is sent, and how the end of an answer is known.
struct Protocol {
    request: Vec<u8>,
    /// How many bytes the answer to a request has, as far as it was read. `None`: not yet known.
    length: fn(&[u8]) -> Option<usize>,
    begins: &'static [u8],
}

impl Protocol {
    fn named(name: &str) -> Option<Self> {
        match name {
            "tcp" => Some(Self {
                request: vec![7; 64],
                length: |_| Some(64),
                begins: &[7],
            }),
            "http" => Some(Self {
                request: b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
                length: http_length,
                begins: b"HTTP/1.1 200 ",
            }),
            _ => None,
        }
    }
}

/// The length of a response with a `content-length`.
fn http_length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let body = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    Some(end + 4 + body?)
}

/// A connection with a request on its way.
struct Connection {
    stream: TcpStream,
    sent: Instant,
    buffer: [u8; 1024],
    filled: usize,
}

impl Connection {
    fn request(&mut self, protocol: &Protocol) -> Result<(), Box<dyn Error>> {
        self.filled = 0;
        self.sent = Instant::now();
        self.stream.write_all(&protocol.request)?;
        Ok(())
    }

    /// Reads what there is. True: the answer is complete.
    fn read(&mut self, protocol: &Protocol) -> Result<bool, Box<dyn Error>> {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(count) => self.filled += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let answer = &self.buffer[..self.filled];
        let complete = (protocol.length)(answer).is_some_and(|length| self.filled >= length);
        if complete && !answer.starts_with(protocol.begins) {
            return Err(format!("not an answer: {}", String::from_utf8_lossy(answer)).into());
        }
        Ok(complete)
    }
}

fn connect(server: SocketAddr, poll: &Poll) -> Result<Vec<Connection>, Box<dyn Error>> {
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        let stream = StdStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry()
            .register(&mut stream, Token(number), Interest::READABLE)?;
        connections.push(Connection {
            stream,
            sent: Instant::now(),
            buffer: [0; 1024],
            filled: 0,
        });
    }
    Ok(connections)
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let [protocol, server, seconds] = words.as_slice() else {
        return Err("usage: tcp|http ADDRESS SECONDS".into());
    };
    let protocol = Protocol::named(protocol).ok_or("neither tcp nor http")?;
    let limit = Duration::from_secs_f64(seconds.parse()?);
    let mut poll = Poll::new()?;
    let mut connections = connect(server.parse()?, &poll)?;
    let mut latencies: Vec<u32> = Vec::with_capacity(1 << 22);
    let mut events = Events::with_capacity(CONNECTIONS);
    let cpu = cpu_time();
    let begun = Instant::now();
    for connection in &mut connections {
        connection.request(&protocol)?;
    }
    while begun.elapsed() < limit {
        poll.poll(&mut events, Some(Duration::from_secs(1)))?;
        for event in &events {
            let connection = &mut connections[event.token().0];
            if connection.read(&protocol)? {
                let latency = connection.sent.elapsed().as_nanos();
                latencies.push(u32::try_from(latency).unwrap_or(u32::MAX));
                connection.request(&protocol)?;
            }
        }
    }
    let wall = begun.elapsed().as_secs_f64();
    let cpu = (cpu_time() - cpu).as_secs_f64();
    latencies.sort_unstable();
    let last = latencies.len().checked_sub(1).ok_or("no answer at all")? as f64;
    let at = |quantile: f64| f64::from(latencies[(last * quantile) as usize]) / 1e3;
    println!(
        "{} {wall} {cpu} {} {} {} {}",
        latencies.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
    Ok(())
}
