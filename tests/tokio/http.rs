//! `net::serve` with an axum application: one process per connection, limits, and a stop that finishes what was begun.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Extension;
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::{get, post};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use roundrock::channel::MAX_CAPACITY;
use roundrock::net::{Peer, Refusal, Refused, ServeOptions, serve};
use roundrock::prelude::*;
use roundrock_tests::{on, on_threads, yield_now};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Keeps all workers busy until it is stopped.
fn keep_busy(scope: &Scope) -> Scope {
    let busy = scope.child("busy");
    for _ in 0..8 {
        let stop = busy.clone();
        let _ = busy.task("spinner", async move {
            while !stop.is_stopping() {
                yield_now().await;
            }
        });
    }
    busy
}

async fn send(stream: &mut TcpStream, path: &str) -> io::Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).await
}

/// Reads an answer with a `content-length`, and returns its status line and body.
async fn answer(stream: &mut TcpStream) -> Result<(String, String)> {
    let mut read = Vec::new();
    let head = loop {
        let byte = stream.read_u8().await?;
        read.push(byte);
        if read.ends_with(b"\r\n\r\n") {
            break String::from_utf8(std::mem::take(&mut read))?;
        }
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .context("no content-length")?;
    let mut body = vec![0; length.parse()?];
    stream.read_exact(&mut body).await?;
    let status = head.lines().next().unwrap_or_default().to_owned();
    Ok((status, String::from_utf8(body)?))
}

async fn ask(stream: &mut TcpStream, path: &str) -> Result<String> {
    send(stream, path).await?;
    Ok(answer(stream).await?.1)
}

/// The process of a handler counts, and an axum application shares its state with the rest of the program.
#[process]
struct Counter {
    n: u64,
}

#[handlers]
impl Counter {
    fn add(&mut self, by: u64) -> u64 {
        self.n += by;
        self.n
    }
}

#[test]
fn axum_answers_a_hyper_client_while_all_workers_are_busy() {
    on_threads(|scope| async move {
        let busy = keep_busy(&scope);
        let web = scope.child("web");
        let counter = web.spawn(Counter { n: 0 });
        let app = Router::new()
            .route("/", get(async || "hello"))
            .route("/echo", post(async |body: Bytes| body))
            .route(
                "/add",
                post(async move |body: String| {
                    let by = body.parse().unwrap_or(0);
                    counter.add(by).await.map_or(0, |n| n).to_string()
                }),
            );
        let (listener, address) = listen().await?;
        let server = serve(listener, app, &web);
        assert_eq!(server.local_addr()?, address);

        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let url = |path: &str| format!("http://{address}{path}").parse::<hyper::Uri>();
        let hello = client.get(url("/")?).await?;
        assert_eq!(hello.status(), 200);
        assert_eq!(hello.into_body().collect().await?.to_bytes(), "hello");

        let large = Bytes::from(vec![7; 300_000]);
        let request = hyper::Request::post(url("/echo")?).body(Full::new(large.clone()))?;
        let echoed = client.request(request).await?.into_body().collect().await?;
        assert_eq!(echoed.to_bytes(), large);

        let adders: Vec<_> = (0..16)
            .map(|_| {
                let (client, url) = (client.clone(), url("/add"));
                scope.task("adder", async move {
                    let url = url?;
                    for _ in 0..5 {
                        let request = hyper::Request::post(&url).body(Full::from("1"))?;
                        client.request(request).await?.into_body().collect().await?;
                    }
                    roundrock::Ok(())
                })
            })
            .collect();
        for adder in adders {
            adder.await?;
        }
        let request = hyper::Request::post(url("/add")?).body(Full::from("0"))?;
        let total = client.request(request).await?.into_body().collect().await?;
        assert_eq!(total.to_bytes(), "80");

        let report = web.stop(secs(5)).await;
        assert!(report.is_clean(), "{report}");
        assert!(client.get(url("/")?).await.is_err());
        busy.stop(secs(5)).await;
        Ok(())
    });
}

#[test]
fn each_connection_is_a_process_and_knows_its_peer() {
    on_threads(|scope| async move {
        let web = scope.child("web");
        let app = Router::new().route(
            "/",
            get(async |Extension(Peer(peer)): Extension<Peer>| peer.to_string()),
        );
        let (listener, address) = listen().await?;
        let _server = serve(listener, app, &web);
        let mut streams = Vec::new();
        for _ in 0..5 {
            let mut stream = TcpStream::connect(address).await?;
            assert_eq!(
                ask(&mut stream, "/").await?,
                stream.local_addr()?.to_string()
            );
            streams.push(stream);
        }
        assert_eq!(web.alive(), 6);
        drop(streams);
        while web.alive() > 1 {
            sleep(millis(1)).await;
        }
        let report = web.stop(secs(5)).await;
        assert!(report.is_clean(), "{report}");
        Ok(())
    });
}

#[test]
fn stop_finishes_the_request_in_flight_and_ends_idle_connections() {
    on_threads(|scope| async move {
        let web = scope.child("web");
        let (began, begun) = bounded::<()>(1);
        // Not a channel of ours: its receiver would refuse what comes from outside of the stopping scope.
        let go = Arc::new(tokio::sync::Notify::new());
        let wait = Arc::clone(&go);
        let app = Router::new().route("/", get(async || "quick")).route(
            "/slow",
            get(async move || {
                let _ = began.send(()).await;
                wait.notified().await;
                "finished"
            }),
        );
        let (listener, address) = listen().await?;
        let server = serve(listener, app, &web);
        let mut idle = TcpStream::connect(address).await?;
        assert_eq!(ask(&mut idle, "/").await?, "quick");
        let mut slow = TcpStream::connect(address).await?;
        send(&mut slow, "/slow").await?;
        begun.recv().await;

        let stopped = {
            let web = web.clone();
            scope.task(
                "stop",
                async move { roundrock::Ok(web.stop(secs(8)).await) },
            )
        };
        // The idle connection ends, and no new one is taken, while the slow request goes on.
        assert_eq!(idle.read(&mut [0]).await?, 0);
        assert!(server.await.is_ok());
        assert!(TcpStream::connect(address).await.is_err());
        assert!(stopped.exit().is_none());
        go.notify_one();
        assert_eq!(answer(&mut slow).await?.1, "finished");
        assert_eq!(slow.read(&mut [0]).await?, 0);
        let report = stopped.await?;
        assert!(report.is_clean(), "{report}");
        Ok(())
    });
}

#[test]
fn stop_does_not_wait_for_the_rest_of_a_head() {
    on_threads(|scope| async move {
        let web = scope.child("web");
        let app = Router::new().route("/", get(async || "quick"));
        let (listener, address) = listen().await?;
        let _server = serve(listener, app, &web);
        let _silent = TcpStream::connect(address).await?;
        let mut half = TcpStream::connect(address).await?;
        half.write_all(b"GET / HT").await?;
        let mut second_half = TcpStream::connect(address).await?;
        assert_eq!(ask(&mut second_half, "/").await?, "quick");
        second_half.write_all(b"GET / HT").await?;
        while web.alive() < 4 {
            yield_now().await;
        }
        let report = web.stop(secs(8)).await;
        assert!(report.is_clean(), "{report}");
        Ok(())
    });
}

#[test]
fn panic_of_a_handler_ends_its_connection_only() {
    on(2, |scope| async move {
        async fn fail() -> &'static str {
            panic!("planted")
        }
        let web = scope.child("web");
        let app = Router::new()
            .route("/", get(async || "fine"))
            .route("/panic", get(fail));
        let (listener, address) = listen().await?;
        let _server = serve(listener, app, &web);
        let mut other = TcpStream::connect(address).await?;
        for _ in 0..3 {
            let mut stream = TcpStream::connect(address).await?;
            send(&mut stream, "/panic").await?;
            assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
            assert_eq!(ask(&mut other, "/").await?, "fine");
        }
        assert!(!web.is_stopping());
        assert!(web.stop(secs(5)).await.is_clean());
        web.join().await
    });
}

#[test]
fn what_clients_do_wrong_fails_nothing() {
    on(2, |scope| async move {
        let web = scope.child("web");
        let app = Router::new()
            .route("/", get(async || "fine"))
            .route("/echo", post(async |body: Bytes| body));
        let (listener, address) = listen().await?;
        let _server = serve(listener, app, &web);
        let garbage: [&[u8]; 4] = [
            b"",
            b"\x16\x03\x01 this is not HTTP\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost",
            b"POST /echo HTTP/1.1\r\ncontent-length: 100\r\n\r\nshort",
        ];
        for bytes in garbage {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(bytes).await?;
            drop(stream);
        }
        let mut stream = TcpStream::connect(address).await?;
        assert_eq!(ask(&mut stream, "/").await?, "fine");
        drop(stream);
        while web.alive() > 1 {
            sleep(millis(1)).await;
        }
        assert!(web.stop(secs(5)).await.is_clean());
        web.join().await
    });
}

#[test]
fn client_that_sends_no_more_gets_its_answer() {
    on(2, |scope| async move {
        let web = scope.child("web");
        let slow = async || {
            sleep(millis(20)).await;
            "fine"
        };
        let app = Router::new()
            .route("/", get(slow))
            .route("/echo", post(async |body: Bytes| body));
        let (listener, address) = listen().await?;
        let _server = serve(listener, app, &web);
        let requests = [
            ("GET / HTTP/1.1\r\nhost: test\r\n\r\n", "fine"),
            (
                "POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nbody",
                "body",
            ),
        ];
        for (request, body) in requests {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(request.as_bytes()).await?;
            stream.shutdown().await?;
            assert_eq!(answer(&mut stream).await?.1, body);
            // Its connection ends with the answer.
            assert_eq!(stream.read(&mut [0]).await?, 0);
        }
        assert!(web.stop(secs(5)).await.is_clean());
        web.join().await
    });
}

#[test]
fn a_limit_that_no_server_can_have_is_refused_by_name_and_range() {
    for limit in [0, usize::MAX] {
        let refused = std::panic::catch_unwind(|| ServeOptions::new().max_connections(limit));
        let payload = refused.expect_err("no server can have it");
        let text = payload.downcast_ref::<String>().expect("a text");
        assert_eq!(
            *text,
            format!("the `max_connections` of a server are 1 to {MAX_CAPACITY}, not {limit}")
        );
    }
}

/// Limits that the clock does not reach are none, and the largest number of connections is one.
#[test]
fn the_largest_limits_mean_what_they_say() {
    on(2, async |scope| {
        let web = scope.child("web");
        let app = Router::new().route("/", get(async || "fine"));
        let (listener, address) = listen().await?;
        let _server = ServeOptions::new()
            .max_connections(MAX_CAPACITY)
            .header_timeout(Duration::MAX)
            .write_timeout(Duration::MAX)
            .serve(listener, app, &web);
        let mut client = TcpStream::connect(address).await?;
        for _ in 0..2 {
            assert_eq!(ask(&mut client, "/").await?, "fine");
        }
        drop(client);
        web.stop(secs(5)).await;
        Ok(())
    });
}

#[test]
fn connections_over_the_limit_wait_for_a_place() {
    on_threads(|scope| async move {
        let web = scope.child("web");
        let app = Router::new().route("/", get(async || "fine"));
        let (listener, address) = listen().await?;
        let _server = ServeOptions::new()
            .max_connections(2)
            .serve(listener, app, &web);
        let mut first = TcpStream::connect(address).await?;
        let mut second = TcpStream::connect(address).await?;
        assert_eq!(ask(&mut first, "/").await?, "fine");
        assert_eq!(ask(&mut second, "/").await?, "fine");
        let mut third = TcpStream::connect(address).await?;
        send(&mut third, "/").await?;
        for _ in 0..5 {
            assert_eq!(ask(&mut first, "/").await?, "fine");
        }
        assert_eq!(web.alive(), 3);
        drop(second);
        assert_eq!(answer(&mut third).await?.1, "fine");
        assert_eq!(web.alive(), 3);
        let report = web.stop(secs(5)).await;
        assert!(report.is_clean(), "{report}");
        Ok(())
    });
}

/// The clients that a server refused.
#[derive(Default)]
struct Refusals(Arc<Mutex<Vec<Refused>>>);

impl Refusals {
    fn kept_by(&self, options: ServeOptions) -> ServeOptions {
        let kept = Arc::clone(&self.0);
        options.on_refused(move |refused| {
            kept.lock().expect("no test panics with it").push(refused);
            std::future::ready(())
        })
    }

    fn taken(&self) -> Vec<Refused> {
        std::mem::take(&mut self.0.lock().expect("no test panics with it"))
    }
}

/// More clients than are seen off at the same time are answered, while the one in the limit keeps its place.
#[test]
fn connections_over_the_limit_are_turned_away() {
    on_threads(|scope| async move {
        let web = scope.child("web");
        let app = Router::new().route("/", get(async || "fine"));
        let (listener, address) = listen().await?;
        let refused = Refusals::default();
        let options = ServeOptions::new().max_connections(1).turn_away(true);
        let _server = refused.kept_by(options).serve(listener, app, &web);
        let mut first = TcpStream::connect(address).await?;
        assert_eq!(ask(&mut first, "/").await?, "fine");
        let mut others = Vec::new();
        for _ in 0..100 {
            others.push(TcpStream::connect(address).await?);
        }
        let why = "1 connections are open, which is the limit; try again later\n";
        for stream in &mut others {
            // Some were answered before they ask.
            let _ = send(stream, "/").await;
            let (status, body) = answer(stream).await?;
            assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
            assert_eq!(body, why);
        }
        assert_eq!(ask(&mut first, "/").await?, "fine");
        let told = refused.taken();
        let limit = 1;
        assert_eq!(told.len(), 100);
        assert!(
            told.iter()
                .all(|one| one.why == Refusal::TooManyConnections { limit })
        );
        drop(first);
        loop {
            let mut stream = TcpStream::connect(address).await?;
            let _ = send(&mut stream, "/").await;
            if answer(&mut stream).await?.1 == "fine" {
                break;
            }
        }
        drop(others);
        let report = web.stop(secs(5)).await;
        assert!(report.is_clean(), "{report}");
        Ok(())
    });
}

/// The only place is taken by a client that reads nothing of a long answer: the next one is served all the same.
#[test]
fn client_that_reads_no_answer_gives_its_place_back() {
    on_threads(|scope| async move {
        let web = scope.child("web");
        let long = Bytes::from(vec![7; 64 << 20]);
        let app = Router::new()
            .route("/", get(async || "fine"))
            .route("/long", get(async move || long.clone()));
        let (listener, address) = listen().await?;
        let refused = Refusals::default();
        let limit = millis(50);
        let options = ServeOptions::new().max_connections(1).write_timeout(limit);
        let _server = refused.kept_by(options).serve(listener, app, &web);
        let mut deaf = TcpStream::connect(address).await?;
        send(&mut deaf, "/long").await?;
        let mut next = TcpStream::connect(address).await?;
        assert_eq!(ask(&mut next, "/").await?, "fine");
        let peer = deaf.local_addr()?;
        let told = refused.taken();
        assert_eq!(told.len(), 1);
        assert_eq!(
            (told[0].peer, told[0].why),
            (peer, Refusal::Unread { limit })
        );
        let mut rest = Vec::new();
        let read = deaf.read_to_end(&mut rest).await;
        assert!(read.is_err(), "the connection was reset");
        assert!(web.stop(secs(5)).await.is_clean());
        web.join().await
    });
}

/// A client that reads a long answer slowly, a little again and again, is not late, although the system lets no write go on meanwhile:
/// it does so when a good part of its buffer is free, which takes this client longer than the limit.
#[cfg(target_os = "linux")]
#[test]
fn client_that_reads_slowly_and_steadily_is_not_given_up() {
    on_threads(|scope| async move {
        let web = scope.child("web");
        let long = Bytes::from(vec![7; 64 << 20]);
        let app = Router::new().route("/long", get(async move || long.clone()));
        let (listener, address) = listen().await?;
        let refused = Refusals::default();
        let limit = secs(1);
        let options = ServeOptions::new().write_timeout(limit);
        let _server = refused.kept_by(options).serve(listener, app, &web);
        let mut slow = TcpStream::connect(address).await?;
        send(&mut slow, "/long").await?;
        let begun = Instant::now();
        let mut part = vec![0; 16 << 10];
        while begun.elapsed() < limit * 2 {
            slow.read_exact(&mut part).await?;
            sleep(millis(50)).await;
        }
        assert_eq!(refused.taken(), []);
        drop(slow);
        assert!(web.stop(secs(5)).await.is_clean());
        Ok(())
    });
}

/// A client that was behind with its reading, and caught up, is not late afterwards.
#[test]
fn client_that_has_read_its_answer_may_ask_again_later() {
    on_threads(|scope| async move {
        let web = scope.child("web");
        let long = Bytes::from(vec![7; 64 << 20]);
        let app = Router::new()
            .route("/", get(async || "fine"))
            .route("/long", get(async move || long.clone()));
        let (listener, address) = listen().await?;
        let limit = secs(2);
        let _server = ServeOptions::new()
            .write_timeout(limit)
            .serve(listener, app, &web);
        let mut stream = TcpStream::connect(address).await?;
        // More than the buffers hold, so the server has to wait.
        assert_eq!(ask(&mut stream, "/long").await?.len(), 64 << 20);
        sleep(limit + millis(100)).await;
        assert_eq!(ask(&mut stream, "/").await?, "fine");
        assert!(web.stop(secs(5)).await.is_clean());
        Ok(())
    });
}

#[test]
fn head_that_is_too_large_is_told() {
    on(2, |scope| async move {
        let web = scope.child("web");
        let app = Router::new().route(
            "/",
            get(async || StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        );
        let (listener, address) = listen().await?;
        let refused = Refusals::default();
        let _server = refused
            .kept_by(ServeOptions::new())
            .serve(listener, app, &web);
        let mut stream = TcpStream::connect(address).await?;
        // An answer of the service is what it is.
        assert_eq!(ask(&mut stream, "/").await?, "");
        let head = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
        let _ = stream.write_all(head.as_bytes()).await;
        let (status, text) = answer(&mut stream).await?;
        assert!(status.starts_with("HTTP/1.1 431 "), "{status}");
        assert_eq!(text, "the head of the request is too large\n");
        assert!(web.stop(secs(5)).await.is_clean());
        let told = refused.taken();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].why, Refusal::LargeHead);
        Ok(())
    });
}

#[test]
fn client_that_sends_no_request_is_closed() {
    on(2, |scope| async move {
        let web = scope.child("web");
        let app = Router::new().route("/", get(async || "fine"));
        let (listener, address) = listen().await?;
        let refused = Refusals::default();
        let _server = refused
            .kept_by(ServeOptions::new().header_timeout(millis(300)))
            .serve(listener, app, &web);
        // One says nothing, one only half of a head, and one is idle after a request.
        let mut silent = TcpStream::connect(address).await?;
        let mut half = TcpStream::connect(address).await?;
        half.write_all(b"GET / HTTP/1.1\r\nho").await?;
        let mut idle = TcpStream::connect(address).await?;
        assert_eq!(ask(&mut idle, "/").await?, "fine");
        // A second request that gets stuck, on a connection that was served before.
        let mut second = TcpStream::connect(address).await?;
        assert_eq!(ask(&mut second, "/").await?, "fine");
        second.write_all(b"GET").await?;
        for stream in [&mut silent, &mut idle] {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await?;
            assert_eq!(rest, b"", "nothing was asked");
        }
        for stream in [&mut half, &mut second] {
            let mut rest = String::new();
            stream.read_to_string(&mut rest).await?;
            assert!(rest.starts_with("HTTP/1.1 408 "), "{rest}");
            assert!(rest.contains("\r\nconnection: close\r\n"), "{rest}");
            let why = "\r\n\r\nthe head of the request was not complete within 300ms\n";
            assert!(rest.ends_with(why), "{rest}");
        }
        assert!(web.stop(secs(5)).await.is_clean());
        let limit = millis(300);
        let mut told = [&half, &second].map(|stream| stream.local_addr());
        let mut refused = refused.taken();
        assert!(
            refused
                .iter()
                .all(|one| one.why == Refusal::SlowHead { limit })
        );
        refused.sort_by_key(|one| one.peer);
        told.sort_by_key(|peer| peer.as_ref().ok().copied());
        let peers: Vec<_> = refused.iter().map(|one| one.peer).collect();
        assert_eq!(peers, told.into_iter().collect::<io::Result<Vec<_>>>()?);
        Ok(())
    });
}

/// The time for a head begins with the end of the request before, also where that took longer than a head may.
#[test]
fn each_head_has_its_whole_time() {
    on(2, |scope| async move {
        let (limit, takes) = (millis(50), millis(120));
        let web = scope.child("web");
        let slow = get(async move || {
            sleep(takes).await;
            "fine"
        });
        let (listener, address) = listen().await?;
        let _server = ServeOptions::new().header_timeout(limit).serve(
            listener,
            Router::new().route("/", slow),
            &web,
        );
        let mut stream = TcpStream::connect(address).await?;
        let begun = Instant::now();
        assert_eq!(ask(&mut stream, "/").await?, "fine");
        assert_eq!(stream.read(&mut [0]).await?, 0, "it was idle for too long");
        assert!(begun.elapsed() >= takes + limit);
        assert!(web.stop(secs(5)).await.is_clean());
        Ok(())
    });
}

/// A thousand short connections leave nothing behind.
#[test]
fn ended_connections_leave_nothing_behind() {
    on(2, |scope| async move {
        let web = scope.child("web");
        let served = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&served);
        let app = Router::new().route(
            "/",
            get(async move || {
                count.fetch_add(1, Ordering::SeqCst);
                "fine"
            }),
        );
        let (listener, address) = listen().await?;
        let _server = ServeOptions::new()
            .keep_alive(false)
            .serve(listener, app, &web);
        for _ in 0..1_000 {
            let mut stream = TcpStream::connect(address).await?;
            assert_eq!(ask(&mut stream, "/").await?, "fine");
            assert_eq!(stream.read(&mut [0]).await?, 0);
        }
        assert_eq!(served.load(Ordering::SeqCst), 1_000);
        while web.alive() > 1 {
            sleep(millis(1)).await;
        }
        assert!(web.stop(secs(5)).await.is_clean());
        Ok(())
    });
}
