//! One client of the demonstration: an operating-system process that posts the sample to the router, again and again.
//!
//! It is written with the standard library alone and waits for each answer, as a simple client would.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use crate::demo::SAMPLE;

/// Posts `events` lines of the sample to the router at `address`, whole samples as long as they fit.
///
/// # Errors
///
/// When the connection breaks, or an answer does not account for every line.
pub(crate) fn post(address: SocketAddr, events: u64) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let whole = SAMPLE.split_inclusive('\n').count() as u64;
    let mut left = events;
    while left > 0 {
        let lines = left.min(whole);
        let body = if lines == whole {
            SAMPLE
        } else {
            beginning(SAMPLE, lines)
        };
        write!(
            stream,
            "POST /events HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )?;
        stream.write_all(body.as_bytes())?;
        let answer = read_answer(&mut answers)?;
        let count = |key: &str| answer[key].as_u64().unwrap_or(0);
        if count("accepted") + count("dead") != lines {
            return Err(io::Error::other(format!(
                "{lines} lines were answered with {answer}"
            )));
        }
        left -= lines;
    }
    Ok(())
}

/// The first `lines` lines of `text`.
fn beginning(text: &str, lines: u64) -> &str {
    let lines = text
        .split_inclusive('\n')
        .take(usize::try_from(lines).unwrap_or(usize::MAX));
    &text[..lines.map(str::len).sum()]
}

/// Reads an answer that announces its length, and its JSON body.
fn read_answer(answers: &mut impl BufRead) -> io::Result<serde_json::Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if answers.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(announced) = line.strip_prefix("content-length:") {
            length = announced.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    answers.read_exact(&mut body)?;
    serde_json::from_slice(&body).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::{beginning, read_answer};

    #[test]
    fn an_answer_is_read_to_its_end_and_not_beyond() {
        let mut stream =
            &b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX: y\r\n\r\n{\"a\": 1}HTTP/1.1"[..];
        assert_eq!(read_answer(&mut stream).unwrap()["a"], 1);
        assert_eq!(stream, b"HTTP/1.1");
    }

    #[test]
    fn the_beginning_ends_with_a_line() {
        assert_eq!(beginning("a\nb\nc\n", 2), "a\nb\n");
        assert_eq!(beginning("a\nb", 5), "a\nb");
    }
}
