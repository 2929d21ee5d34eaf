//! Posts over one kept HTTP/1.1 connection, opened again when it is needed.
//!
//! The connection is driven by whoever waits for an answer, so it needs no process of its own and works while the router drains.
//! Rejected: hyper-util's pooling client, which must spawn its connections and therefore cannot open one in a scope that stops.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use roundrock::time::timeout;
use tokio::net::TcpStream;

/// Most bytes of an answer that are read; a longer answer costs its connection.
const ANSWER_BYTES: usize = 64 << 10;

/// How long the body of an answer may take after its head.
const REST_OF_ANSWER: Duration = Duration::from_millis(200);

type Driver = Pin<Box<http1::Connection<TokioIo<TcpStream>, Full<Bytes>>>>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Posts to one URL.
pub(super) struct Poster {
    host: String,
    port: u16,
    /// What the `Host` header says.
    authority: String,
    path: String,
    open: Option<Open>,
}

/// An open connection.
struct Open {
    requests: SendRequest<Full<Bytes>>,
    /// Moves the bytes; gone once the connection is closed.
    driver: Option<Driver>,
}

impl Poster {
    /// Posts to `url`, which has been checked.
    ///
    /// # Errors
    ///
    /// When it names no host.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|e| format!("{url}: {e}"))?;
        let host = uri.host().ok_or_else(|| format!("{url}: names no host"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            // Brackets belong to an IPv6 address in a URL only.
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            authority: uri
                .authority()
                .map_or_else(|| host.to_owned(), ToString::to_string),
            path: path.to_owned(),
            open: None,
        })
    }

    /// Posts `body` and returns the status of the answer, if that comes within `time`. The status is what counts: an answer whose body
    /// does not end costs its connection, no more.
    pub(super) async fn post(
        &mut self,
        body: Bytes,
        time: Duration,
    ) -> Result<StatusCode, Failure> {
        let answered = timeout(time, self.answer(body)).await;
        let (mut open, answer) = answered.map_err(|_| format!("no answer within {time:?}"))??;
        let status = answer.status();
        let rest = alongside(&mut open.driver, read_out(answer.into_body()));
        let whole = timeout(REST_OF_ANSWER, rest).await.unwrap_or(false);
        if whole && open.driver.is_some() {
            self.open = Some(open);
        }
        Ok(status)
    }

    /// Posts `body` and waits for the head of the answer. Dropped half-way, it closes the connection.
    async fn answer(&mut self, body: Bytes) -> Result<(Open, Response<Incoming>), Failure> {
        // Taken out, so that a connection in an unknown state is not used again.
        let kept = match self.open.take() {
            Some(open) => open.if_usable().await,
            None => None,
        };
        let mut open = match kept {
            Some(open) => open,
            None => Open::connect(&self.host, self.port).await?,
        };
        let request = Request::post(&self.path)
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let answer = open.requests.send_request(request);
        let answer = alongside(&mut open.driver, answer).await?;
        Ok((open, answer))
    }
}

impl Open {
    async fn connect(host: &str, port: u16) -> Result<Self, Failure> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let (requests, driver) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self {
            requests,
            driver: Some(Box::pin(driver)),
        })
    }

    /// The connection, if the other side has kept it open.
    async fn if_usable(mut self) -> Option<Self> {
        let ready = alongside(&mut self.driver, self.requests.ready()).await;
        ready.is_ok().then_some(self)
    }
}

/// Waits for `future` and moves the connection's bytes meanwhile.
async fn alongside<F: Future>(driver: &mut Option<Driver>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Some(moving) = driver
            && moving.as_mut().poll(cx).is_ready()
        {
            // Whatever still waits for the connection is told by its end.
            *driver = None;
        }
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(output),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Reads a body to its end, so that the connection can be used again; false if it cannot.
async fn read_out(mut body: Incoming) -> bool {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        read += frame
            .ok()
            .and_then(|frame| frame.into_data().ok())
            .map_or(ANSWER_BYTES, |data| data.len());
        if read >= ANSWER_BYTES {
            return false;
        }
    }
    true
}
