//! A pipeline of function processes: words are read, counted and ranked, each stage a process of its own.
//!
//! The wiring is passing arguments: every stage takes what it reads from and what it writes to. When `read` ends its sender
//! is dropped, `count` sees the end of its input, and so on down the line: nobody is told to stop.
//!
//! Last line: `ok`

use std::collections::BTreeMap;

use roundrock::prelude::*;

const TEXT: &str = "the quick brown fox jumps over the lazy dog\nthe dog sleeps\nthe fox runs";

/// Sends the text line by line.
#[process]
async fn read(text: &String, lines: &Sender<String>) -> Result<()> {
    for line in text.lines() {
        lines.send(line.to_owned()).await?;
    }
    Ok(())
}

/// Splits lines into words.
#[process]
async fn split(lines: &Receiver<String>, words: &Sender<String>) -> Result<()> {
    while let Some(line) = lines.recv().await {
        for word in line.split_whitespace() {
            words.send(word.to_owned()).await?;
        }
    }
    Ok(())
}

/// Counts words until there are no more, and sends the counts.
#[process]
async fn count(words: &Receiver<String>, counts: &Sender<(String, usize)>) -> Result<()> {
    let mut seen = BTreeMap::new();
    while let Some(word) = words.recv().await {
        *seen.entry(word).or_insert(0) += 1;
    }
    for entry in seen {
        counts.send(entry).await?;
    }
    Ok(())
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    // A rendezvous holds no messages; `bounded(4)` holds up to four, and then its sender waits.
    let (to_split, lines) = rendezvous();
    let (to_count, words) = bounded(4);
    let (to_rank, counts) = bounded(4);

    scope.spawn(read(TEXT.to_owned(), to_split));
    scope.spawn(split(lines, to_count));
    scope.spawn(count(words, to_rank));

    let mut ranked = Vec::new();
    while let Some((word, times)) = counts.recv().await {
        ranked.push((times, word));
    }
    ranked.sort_by(|a, b| b.cmp(a));

    println!("{} different words", ranked.len());
    for (times, word) in ranked.iter().take(3) {
        println!("{times} x {word}");
    }
    let total: usize = ranked.iter().map(|(times, _)| times).sum();
    ensure!((ranked.len(), total) == (10, 15), "{total} words counted");
    println!("ok");
    Ok(())
}
