//! The bug: producers take a number and then append under it; the log takes a number that comes late for a repetition.
//! Ordinary tests miss it: it needs a producer that stands still between its two calls while another makes both.
//! Atomicity violation over two processes. Shows as an entry that is missing.

use roundrock::prelude::*;

#[process]
struct Numbers {
    last: u64,
}

#[handlers]
impl Numbers {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

#[process]
struct Log {
    last: u64,
    entries: Vec<char>,
}

#[handlers]
impl Log {
    /// A number that is not above the last is a repetition, after a retry.
    fn append_as(&mut self, number: u64, entry: char) {
        if number > self.last {
            self.last = number;
            self.entries.push(entry);
        }
    }
    fn append(&mut self, entry: char) {
        self.last += 1;
        self.entries.push(entry);
    }
    fn len(&self) -> usize {
        self.entries.len()
    }
}

#[process]
async fn numbers_itself(numbers: NumbersHandle, log: LogHandle, entry: char) -> Result<()> {
    let number = numbers.next().await?;
    log.append_as(number, entry).await?;
    Ok(())
}

#[process]
async fn appends(log: LogHandle, entry: char) -> Result<()> {
    log.append(entry).await?;
    Ok(())
}

fn empty_log(scope: &Scope) -> LogHandle {
    scope.spawn(Log {
        last: 0,
        entries: Vec::new(),
    })
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let numbers = scope.spawn(Numbers { last: 0 });
    let log = empty_log(scope);
    let one = scope.spawn(numbers_itself(numbers.clone(), log.clone(), '1'));
    let other = scope.spawn(numbers_itself(numbers, log.clone(), '2'));
    one.await?;
    other.await?;
    assert_eq!(log.len().await?, 2);
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let log = empty_log(scope);
    let one = scope.spawn(appends(log.clone(), '1'));
    let other = scope.spawn(appends(log.clone(), '2'));
    one.await?;
    other.await?;
    assert_eq!(log.len().await?, 2);
    Ok(())
}
