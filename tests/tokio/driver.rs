//! Who looks for I/O when the worker that did so is occupied.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use roundrock::prelude::*;
use roundrock_tests::{on, watched, yield_now};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// A process that was woken by I/O blocks its worker, which was the one that looked for I/O. Another one takes over.
#[test]
fn io_goes_on_while_a_process_blocks_its_worker() {
    watched(|_| {
        for workers in [1, 2, 4] {
            let (release, blocked) = mpsc::channel::<()>();
            System::builder()
                .workers(workers)
                .run(async move |scope| {
                    let listener = TcpListener::bind("127.0.0.1:0").await?;
                    let address = listener.local_addr()?;
                    let (ready, is_ready) = oneshot();
                    let blocking = scope.task("blocking", async move {
                        let (mut stream, _) = listener.accept().await?;
                        let _ = ready.send(());
                        stream.read_u8().await?;
                        // Never returns before the pings below are through.
                        let _ = blocked.recv();
                        roundrock::Ok(())
                    });
                    let one = UdpSocket::bind("127.0.0.1:0").await?;
                    let two = UdpSocket::bind("127.0.0.1:0").await?;
                    one.connect(two.local_addr()?).await?;
                    two.connect(one.local_addr()?).await?;
                    let mut stream = TcpStream::connect(address).await?;
                    is_ready.await.context("the process ended early")?;
                    stream.write_u8(1).await?;
                    // From a plain thread, so that each of them comes when all processes are parked.
                    let echo = thread::spawn(move || {
                        let socket = two.into_std()?;
                        socket.set_nonblocking(false)?;
                        let mut byte = [0];
                        for _ in 0..20 {
                            socket.recv(&mut byte)?;
                            thread::sleep(millis(1));
                            socket.send(&byte)?;
                        }
                        std::io::Result::Ok(())
                    });
                    for n in 0..20 {
                        one.send(&[n]).await?;
                        let mut byte = [0];
                        one.recv(&mut byte).await?;
                        assert_eq!(byte, [n]);
                    }
                    release.send(())?;
                    blocking.await?;
                    echo.join().unwrap()?;
                    Ok(())
                })
                .unwrap();
        }
    });
}

/// The same for the timers of tokio, and for its tasks.
#[test]
fn timers_and_tasks_of_tokio_go_on_while_a_process_blocks_its_worker() {
    for workers in [1, 2] {
        on(workers, move |scope| async move {
            let (release, blocked) = mpsc::channel::<()>();
            let blocking = scope.task("blocking", async move {
                tokio::time::sleep(millis(2)).await;
                let _ = blocked.recv();
            });
            for _ in 0..10 {
                tokio::time::sleep(millis(3)).await;
                tokio::spawn(tokio::time::sleep(millis(1))).await?;
            }
            release.send(())?;
            blocking.await?;
            Ok(())
        });
    }
}

/// All workers run processes whose steps are long, and none is stuck: I/O, timers and tasks get their turn with the clock,
/// not only after many steps. Counted in steps, so that a slow machine makes no difference.
#[test]
fn io_gets_its_turn_between_long_steps() {
    for workers in [1, 2] {
        let steps = on(workers, move |scope| async move {
            let busy = scope.child("busy");
            let steps = Arc::new(AtomicUsize::new(0));
            for _ in 0..2 * workers {
                let (stop, steps) = (busy.clone(), Arc::clone(&steps));
                let _ = busy.task("slow", async move {
                    while !stop.is_stopping() {
                        thread::sleep(millis(1));
                        steps.fetch_add(1, Ordering::SeqCst);
                        yield_now().await;
                    }
                });
            }
            for _ in 0..10 {
                tokio::time::sleep(millis(1)).await;
                sleep(millis(1)).await;
                let tasks: Vec<_> = (0..8)
                    .map(|_| tokio::spawn(tokio::task::yield_now()))
                    .collect();
                for task in tasks {
                    task.await?;
                }
            }
            let steps = steps.load(Ordering::SeqCst);
            busy.stop(secs(5)).await;
            Ok(steps)
        });
        assert!(
            steps < workers * 500,
            "{steps} steps with {workers} workers"
        );
    }
}
