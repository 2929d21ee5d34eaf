//! `System::builder().tokio(handle)`: a runtime that exists already brings the I/O.

use std::sync::mpsc;

use roundrock::prelude::*;
use roundrock_tests::watched;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, Runtime};

/// Sockets and timers in processes, and `tokio::spawn` on the runtime's own threads.
async fn use_everything(scope: Scope) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = scope.task("server", async move {
        for _ in 0..16 {
            let (mut stream, _) = listener.accept().await?;
            let mut question = [0; 8];
            stream.read_exact(&mut question).await?;
            stream.write_all(&question).await?;
        }
        roundrock::Ok(())
    });
    for n in 0..16_u64 {
        let client = tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_u64(n).await?;
            stream.read_u64().await
        });
        assert_eq!(client.await??, n);
    }
    server.await?;
    tokio::time::sleep(millis(2)).await;
    sleep(millis(2)).await;
    let thread = tokio::spawn(async { std::thread::current().name().map(str::to_owned) }).await?;
    assert_eq!(thread.as_deref(), Some("given"));
    Ok(())
}

#[test]
fn system_in_a_blocking_thread_of_a_multi_thread_runtime() {
    watched(|_| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("given")
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let handle = Handle::current();
            let run = tokio::task::spawn_blocking(move || {
                System::builder()
                    .workers(2)
                    .tokio(handle)
                    .run(use_everything)
            });
            run.await.unwrap().unwrap();
        });
    });
}

#[test]
fn system_on_a_plain_thread_beside_a_multi_thread_runtime() {
    watched(|_| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("given")
            .enable_all()
            .build()
            .unwrap();
        for workers in [1, 2, 4] {
            let handle = runtime.handle().clone();
            System::builder()
                .workers(workers)
                .tokio(handle)
                .run(use_everything)
                .unwrap();
        }
    });
}

/// The form that a program under `#[tokio::main]` uses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn system_under_the_main_macro_of_tokio() {
    let handle = Handle::current();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let run = std::thread::spawn(move || {
        let body = async |_: Scope| {
            tokio::time::sleep(millis(2)).await;
            sender.send(42).unwrap();
            Ok(())
        };
        System::builder().workers(2).tokio(handle).run(body)
    });
    let answer = tokio::time::timeout(secs(10), receiver).await;
    assert_eq!(answer.unwrap().unwrap(), 42);
    tokio::task::spawn_blocking(move || run.join().unwrap().unwrap())
        .await
        .unwrap();
}

/// A runtime of the kind that has several threads, with one.
fn of_one_thread() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// `block_in_place` in a task of such a runtime makes room for its other tasks; in a process it blocks a worker of ours.
#[test]
fn block_in_place_works_in_tasks_of_a_multi_thread_runtime() {
    watched(|_| {
        let runtime = of_one_thread();
        let handle = runtime.handle().clone();
        let body = async |_: Scope| {
            let (release, blocked) = mpsc::channel();
            let task = tokio::spawn(async move { tokio::task::block_in_place(|| blocked.recv()) });
            tokio::spawn(async move { release.send(7) }).await??;
            assert_eq!(task.await??, 7);
            assert_eq!(tokio::task::block_in_place(|| 8), 8);
            Ok(())
        };
        System::builder()
            .workers(1)
            .tokio(handle)
            .run(body)
            .unwrap();
    });
}

/// The end of a system leaves the runtime, and its tasks, alone.
#[test]
fn given_runtime_outlives_the_system() {
    watched(|_| {
        let runtime = of_one_thread();
        let handle = runtime.handle().clone();
        let task = System::builder()
            .workers(2)
            .tokio(handle)
            .run(async |_| {
                Ok(tokio::spawn(async {
                    tokio::time::sleep(millis(20)).await;
                    7
                }))
            })
            .unwrap();
        assert_eq!(runtime.block_on(task).unwrap(), 7);
    });
}
