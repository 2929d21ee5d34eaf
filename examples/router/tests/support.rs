//! Starts the router's binary, talks to it, and reads what it wrote.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The sample that the example brings.
pub(crate) const SAMPLE: &str = include_str!("../data/earthquakes.ndjson");

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(60);

/// A folder of its own for one test, empty at its start.
pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("router-{test}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Makes a named pipe.
pub(crate) fn named_pipe(folder: &Path, name: &str) -> PathBuf {
    let pipe = folder.join(name);
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    pipe
}

/// The binary, which cargo builds beside the tests.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples/router");
    assert!(
        binary.exists(),
        "{} is missing; run `cargo build --example router` first",
        binary.display()
    );
    binary
}

/// A running router.
pub(crate) struct Router {
    child: Child,
    stderr: Receiver<String>,
    seen: String,
}

/// How a router ended.
pub(crate) struct Ended {
    /// The exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Router {
    /// Starts the router in `folder`.
    pub(crate) fn start(folder: &Path, arguments: &[impl AsRef<OsStr>]) -> Self {
        Self::start_reading(Stdio::piped(), folder, arguments)
    }

    /// Starts the router in `folder` with `stdin` as its standard input.
    pub(crate) fn start_reading(
        stdin: impl Into<Stdio>,
        folder: &Path,
        arguments: &[impl AsRef<OsStr>],
    ) -> Self {
        let mut command = Command::new(binary());
        command.stdin(stdin).args(arguments).current_dir(folder);
        Self::run(&mut command)
    }

    /// Starts the router in `folder` from a shell that runs `setup` first.
    pub(crate) fn start_after(setup: &str, folder: &Path, arguments: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{setup}; exec \"$@\""), "sh"]);
        shell.stdin(Stdio::piped());
        Self::run(shell.arg(binary()).args(arguments).current_dir(folder))
    }

    fn run(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (lines, stderr) = mpsc::channel();
        let pipe = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            pipe.lines()
                .map_while(Result::ok)
                .try_for_each(|line| lines.send(line))
        });
        Self {
            child,
            stderr,
            seen: String::new(),
        }
    }

    /// Starts `serve` with `config`, and waits until it listens for HTTP.
    pub(crate) fn serve(folder: &Path, config: &str) -> (Self, SocketAddr) {
        fs::write(folder.join("router.toml"), config).unwrap();
        let mut router = Self::start(folder, &["serve", "--config", "router.toml", "--json"]);
        let address = router.address("POST http://", "/events");
        (router, address)
    }

    /// The address between `before` and `after` in what the router says on standard error.
    pub(crate) fn address(&mut self, before: &str, after: &str) -> SocketAddr {
        loop {
            let line = self.stderr.recv_timeout(DEADLINE);
            let line = line.unwrap_or_else(|_| panic!("no address was told: {}", self.seen));
            self.seen += &format!("{line}\n");
            if let Some((_, address)) = line.split_once(before) {
                return address.split(after).next().unwrap().parse().unwrap();
            }
        }
    }

    /// Gives `text` on standard input, which is open until what is returned is dropped.
    pub(crate) fn type_in(&mut self, text: impl AsRef<[u8]>) -> ChildStdin {
        let mut stdin = self.child.stdin.take().unwrap();
        stdin.write_all(text.as_ref()).unwrap();
        stdin
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.child.id());
        let killed = Command::new("sh").args(["-c", &kill]).status();
        assert!(killed.unwrap().success());
    }

    /// Closes the pipe that the router's standard output goes to.
    pub(crate) fn close_stdout(&mut self) {
        drop(self.child.stdout.take());
    }

    /// Whether the router still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> Ended {
        let stdout = self.child.stdout.take();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.map(|mut stdout| stdout.read_to_string(&mut text).unwrap());
            text
        });
        let status = until("the router ends", || self.child.try_wait().unwrap());
        let rest = std::iter::from_fn(|| self.stderr.recv_timeout(DEADLINE).ok());
        let stderr = rest.fold(std::mem::take(&mut self.seen), |text, line| {
            text + &line + "\n"
        });
        Ended {
            code: status.code(),
            stdout: reader.join().unwrap(),
            stderr,
        }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The closing object.
    pub(crate) fn closing(&self) -> Value {
        let last = self.stdout.lines().last().expect("a closing object");
        serde_json::from_str(last).expect(last)
    }

    /// The closing object, after checking that the books balance and the exit code agrees.
    pub(crate) fn books(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        let books = self.closing();
        let count = |key: &str| books[key].as_u64().unwrap();
        assert_eq!(books["lost"], 0, "{books}");
        assert_eq!(
            count("events_in"),
            count("events_out") + count("dead"),
            "{books}"
        );
        books
    }
}

/// Asks again and again until there is an answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The lines of a file, sorted; none if there is no file.
pub(crate) fn sorted_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// The dead letters in `folder`, by source and line.
pub(crate) fn letters(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("dead.ndjson")).unwrap_or_default();
    let mut letters: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    letters.sort_by_key(|letter| (letter["source"].to_string(), letter["line"].as_u64()));
    letters
}

/// An HTTP connection.
pub(crate) struct Http {
    stream: TcpStream,
    answers: BufReader<TcpStream>,
}

impl Http {
    /// Connects to `address`.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        let answers = BufReader::new(stream.try_clone().unwrap());
        Self { stream, answers }
    }

    /// The same connection, for another thread that sends.
    pub(crate) fn twin(&self) -> Self {
        let stream = self.stream.try_clone().unwrap();
        let answers = BufReader::new(self.stream.try_clone().unwrap());
        Self { stream, answers }
    }

    /// Sends bytes as they are; whether the router took them.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Closes its side of the connection: it sends no more, and still reads.
    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Posts `body` to `/events`.
    pub(crate) fn post(&mut self, body: impl AsRef<[u8]>) -> (u16, Value) {
        self.try_post(body).expect("an answer")
    }

    /// Posts `body` to `/events`, and reads the answer, if one comes.
    pub(crate) fn try_post(&mut self, body: impl AsRef<[u8]>) -> Option<(u16, Value)> {
        let body = body.as_ref();
        self.send(format!(
            "POST /events HTTP/1.1\r\nHost: router\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        self.send(body);
        self.try_answer()
    }

    /// Posts `body` to `/events` in chunks of `size` bytes.
    pub(crate) fn post_in_chunks(&mut self, body: impl AsRef<[u8]>, size: usize) -> (u16, Value) {
        self.try_post_in_chunks(body, size).expect("an answer")
    }

    /// Posts `body` to `/events` in chunks of `size` bytes, and reads the answer, if one comes.
    pub(crate) fn try_post_in_chunks(
        &mut self,
        body: impl AsRef<[u8]>,
        size: usize,
    ) -> Option<(u16, Value)> {
        self.send("POST /events HTTP/1.1\r\nHost: router\r\nTransfer-Encoding: chunked\r\n\r\n");
        for chunk in body.as_ref().chunks(size) {
            let head = format!("{:x}\r\n", chunk.len());
            self.send([head.as_bytes(), chunk, b"\r\n"].concat());
        }
        self.send("0\r\n\r\n");
        self.try_answer()
    }

    /// Gets `/stats`.
    pub(crate) fn stats(address: SocketAddr) -> Value {
        let mut http = Self::connect(address);
        http.send("GET /stats HTTP/1.1\r\nHost: router\r\n\r\n");
        let (status, stats) = http.answer();
        assert_eq!(status, 200);
        stats
    }

    /// Reads an answer.
    pub(crate) fn answer(&mut self) -> (u16, Value) {
        self.try_answer().expect("an answer")
    }

    /// Reads an answer, if one comes.
    pub(crate) fn try_answer(&mut self) -> Option<(u16, Value)> {
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            if self.answers.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(rest) = line.strip_prefix("content-length: ") {
                length = rest.parse().unwrap();
            } else if line.is_empty() && status != 100 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.answers.read_exact(&mut body).ok()?;
        Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }
}
