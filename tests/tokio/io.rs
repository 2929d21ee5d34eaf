//! Sockets, timers and locks of tokio in processes of the default system.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use roundrock::observe::EventKind;
use roundrock::prelude::*;
use roundrock_tests::{on, on_threads, unique_name, watched, yield_now};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Barrier, Mutex, Notify, Semaphore, mpsc, watch};

/// Answers each connection with what it sends, in a process of its own, until the scope stops.
async fn echo(listener: TcpListener, scope: Scope) -> Result<()> {
    loop {
        let mut stream = select! {
            accepted = cancel_safe(listener.accept()) => accepted?.0,
            _ = scope.stopping() => return Ok(()),
        };
        let _ = scope.task("connection", async move {
            let mut buffer = [0; 1024];
            loop {
                match stream.read(&mut buffer).await? {
                    0 => return roundrock::Ok(()),
                    n => stream.write_all(&buffer[..n]).await?,
                }
            }
        });
    }
}

#[test]
fn sixty_four_connections_echo() {
    on_threads(|scope| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = scope.child("server");
        let _ = server.task("accept", echo(listener, server.clone()));
        let clients: Vec<_> = (0..64_u8)
            .map(|id| {
                scope.task("client", async move {
                    let mut stream = TcpStream::connect(address).await?;
                    let mut answer = [0; 64];
                    for round in 0..100_u8 {
                        let question = [id ^ round; 64];
                        stream.write_all(&question).await?;
                        stream.read_exact(&mut answer).await?;
                        assert_eq!(answer, question);
                    }
                    roundrock::Ok(())
                })
            })
            .collect();
        for client in clients {
            client.await?;
        }
        let report = server.stop(secs(5)).await;
        assert!(report.is_clean(), "{report}");
        Ok(())
    });
}

#[test]
fn timers_of_tokio_are_never_early() {
    on_threads(|_| async {
        let begun = Instant::now();
        tokio::time::sleep(millis(20)).await;
        assert!(begun.elapsed() >= millis(20));
        let late = tokio::time::timeout(millis(5), std::future::pending::<()>()).await;
        assert!(late.is_err());
        let mut ticks = tokio::time::interval(millis(2));
        for _ in 0..5 {
            ticks.tick().await;
        }
        assert!(begun.elapsed() >= millis(20 + 5 + 8));
        Ok(())
    });
}

/// A timer of tokio comes while every worker has work all the time.
#[test]
fn timers_of_tokio_come_while_all_workers_are_busy() {
    on_threads(|scope| async move {
        let busy = scope.child("busy");
        for _ in 0..8 {
            let stop = busy.clone();
            let _ = busy.task("spinner", async move {
                while !stop.is_stopping() {
                    yield_now().await;
                }
            });
        }
        for _ in 0..20 {
            tokio::time::sleep(millis(1)).await;
        }
        busy.stop(secs(5)).await;
        Ok(())
    });
}

#[test]
fn locks_and_channels_of_tokio_work_between_processes() {
    on_threads(|scope| async move {
        let counter = Arc::new(Mutex::new(0));
        let room = Arc::new(Semaphore::new(3));
        let barrier = Arc::new(Barrier::new(9));
        let (sender, mut receiver) = mpsc::channel(4);
        for id in 0..8 {
            let (counter, room, barrier) = (counter.clone(), room.clone(), barrier.clone());
            let sender = sender.clone();
            let _ = scope.task("worker", async move {
                barrier.wait().await;
                for n in 0..100 {
                    let _place = room.acquire().await?;
                    let mut counter = counter.lock().await;
                    yield_now().await;
                    *counter += 1;
                    drop(counter);
                    sender.send((id, n)).await?;
                }
                roundrock::Ok(())
            });
        }
        drop(sender);
        barrier.wait().await;
        let mut next = [0; 8];
        while let Some((id, n)) = receiver.recv().await {
            assert_eq!(n, next[id]);
            next[id] += 1;
        }
        assert_eq!(next, [100; 8]);
        assert_eq!(*counter.lock().await, 800);

        let (state, mut states) = watch::channel(0);
        let told = Arc::new(Notify::new());
        let tell = told.clone();
        let watcher = scope.task("watcher", async move {
            while states.changed().await.is_ok() && *states.borrow() < 5 {}
            tell.notify_one();
        });
        for n in 1..=5 {
            state.send(n)?;
            yield_now().await;
        }
        told.notified().await;
        watcher.await?;
        Ok(())
    });
}

/// 100,000 wakes by I/O that must each reach a parked worker.
#[test]
fn ping_pong_never_loses_a_wake() {
    const ROUNDS: u32 = 50_000;
    for workers in [1, 2] {
        watched_for(secs(30), move || {
            let result = System::builder().workers(workers).run(async |scope| {
                let one = UdpSocket::bind("127.0.0.1:0").await?;
                let two = UdpSocket::bind("127.0.0.1:0").await?;
                one.connect(two.local_addr()?).await?;
                two.connect(one.local_addr()?).await?;
                let _ = scope.task("pong", async move {
                    let mut buffer = [0; 4];
                    for _ in 0..ROUNDS {
                        two.recv(&mut buffer).await?;
                        two.send(&buffer).await?;
                    }
                    roundrock::Ok(())
                });
                let mut buffer = [0; 4];
                for round in 0..ROUNDS {
                    one.send(&round.to_le_bytes()).await?;
                    one.recv(&mut buffer).await?;
                    assert_eq!(u32::from_le_bytes(buffer), round);
                }
                Ok(())
            });
            assert!(result.is_ok(), "{result:?}");
        });
    }
}

/// The same with a plain thread on the other side, so that all workers park in each round.
#[test]
fn ping_pong_with_a_plain_thread_never_loses_a_wake() {
    const ROUNDS: u32 = 30_000;
    watched_for(secs(30), || {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = server.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            let mut byte = [0];
            while stream.read_exact(&mut byte).is_ok() {
                stream.write_all(&byte).unwrap();
            }
        });
        System::builder()
            .workers(2)
            .run(async move |_| {
                let mut stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let mut byte = [0];
                for round in 0..ROUNDS {
                    stream.write_all(&[round as u8]).await?;
                    stream.read_exact(&mut byte).await?;
                    assert_eq!(byte[0], round as u8);
                }
                Ok(())
            })
            .unwrap();
        thread.join().unwrap();
    });
}

/// Processes that are dropped while they wait for I/O, and sockets that outlive their system.
#[test]
fn system_ends_with_open_sockets() {
    watched(|_| {
        let mut kept = Vec::new();
        for workers in [1, 2, 4] {
            let name = unique_name();
            let sockets = System::builder()
                .workers(workers)
                .name(&name)
                .run(async |scope| {
                    let listener = TcpListener::bind("127.0.0.1:0").await?;
                    let address = listener.local_addr()?;
                    let mut sockets = Vec::new();
                    let readers = scope.child("readers");
                    for _ in 0..16 {
                        let mut client = TcpStream::connect(address).await?;
                        let (server, _) = listener.accept().await?;
                        let _ = readers.task("reader", async move {
                            let mut byte = [0];
                            client.read_exact(&mut byte).await?;
                            roundrock::Ok(())
                        });
                        sockets.push(server);
                    }
                    let report = readers.stop(millis(20)).await;
                    assert_eq!(report.late.len(), 16);
                    Ok((listener, sockets))
                })
                .unwrap();
            roundrock_tests::assert_no_threads_of(&name);
            kept.push(sockets);
        }
        drop(kept);
    });
}

#[process]
async fn relay(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
    while let Some(number) = input.recv().await {
        output.send(number).await?;
    }
    Ok(())
}

/// A ring that is proven stuck, and a body that waits for what `last` does, whom nobody can wake but I/O.
fn ends_by<F>(workers: usize, last: impl FnOnce(System) -> F + Send + 'static) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    System::builder().workers(workers).run(async move |scope| {
        let ring = scope.child("ring");
        let ((left, to_right), (right, to_left)) = (rendezvous(), rendezvous());
        ring.spawn(relay(to_right, right));
        ring.spawn(relay(to_left, left));
        let system = scope.system();
        scope.task("last", last(system)).await?;
        ring.stop(secs(0)).await;
        Ok(())
    })
}

/// A socket that somebody may still write to is a way out of a deadlock. Case G02.
#[test]
fn g02_a_socket_is_a_way_out() {
    watched(|_| {
        for workers in [1, 2] {
            let deadlock = ends_by(workers, |_| std::future::pending());
            let error = deadlock.expect_err("nothing can go on");
            assert!(error.downcast_ref::<roundrock::leaks::Deadlock>().is_some());

            let ended = ends_by(workers, |system| async move {
                let events = system.events();
                let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
                let mut socket = TcpStream::connect(listener.local_addr()?).await?;
                let outside = std::thread::spawn(move || {
                    let (mut socket, _) = listener.accept()?;
                    // The system has searched while nothing ran, and would have ended here.
                    let mut events = events.iter();
                    while !events.any(|event| matches!(event.kind, EventKind::Leak { .. })) {}
                    for _ in 0..100 {
                        let leaks = system.leaks();
                        assert!(
                            leaks.iter().all(|leak| leak.names() == ["relay"; 2]),
                            "{leaks:?}"
                        );
                    }
                    std::io::Write::write_all(&mut socket, b"x")
                });
                socket.read_exact(&mut [0]).await?;
                blocking(move || outside.join().expect("it saw nothing wrong")).await?;
                Ok(())
            });
            ended.expect("a byte came");
        }
    });
}

/// A process that is stolen by another worker keeps its sockets.
#[test]
fn sockets_move_between_workers() {
    on(4, |scope| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        let (mut server, _) = listener.accept().await?;
        for _ in 0..200 {
            let (back, next) = oneshot();
            let _ = scope.task("hop", async move {
                yield_now().await;
                server.write_all(b"x").await?;
                back.send(server)?;
                roundrock::Ok(())
            });
            let mut byte = [0];
            client.read_exact(&mut byte).await?;
            server = next.await.context("the process ended early")?;
        }
        Ok(())
    });
}

/// Like [`watched`], for a test that needs more than its limit on a busy machine.
fn watched_for(limit: std::time::Duration, body: impl FnOnce() + Send + 'static) {
    let (done, wait) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        body();
        let _ = done.send(());
    });
    match wait.recv_timeout(limit) {
        Ok(()) => thread.join().unwrap(),
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().unwrap_err());
        }
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("hung for {limit:?}"),
    }
}
