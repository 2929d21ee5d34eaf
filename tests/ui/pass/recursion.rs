//! In the body of a process function its name is the constructor: a process may spawn others of its own kind.
#![deny(warnings, clippy::pedantic)]

use roundrock::prelude::*;

/// A sieve: each stage keeps the first number that reaches it, and starts the next stage.
#[process]
async fn stage(numbers: &Receiver<u32>, primes: &Sender<u32>, scope: &Scope) -> Result<()> {
    let Some(prime) = numbers.recv().await else {
        return Ok(());
    };
    primes.send(prime).await?;
    let (to_next, next) = bounded(8);
    scope.spawn(stage(next, primes.clone()));
    while let Some(number) = numbers.recv().await {
        if number % prime != 0 {
            to_next.send(number).await?;
        }
    }
    Ok(())
}

/// With generics, and with an argument by value.
#[process]
async fn new<T>(value: T, left: &u32, scope: &Scope) -> Result<()>
where
    T: Clone + Send + Sync + 'static,
{
    if *left > 0 {
        scope.spawn(new(value.clone(), left - 1));
    }
    Ok(())
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let (numbers, to_sieve) = bounded(8);
    let (primes, found) = bounded(100);
    scope.spawn(stage(to_sieve, primes));
    scope.spawn(new("value", 3));
    for number in 2..50 {
        numbers.send(number).await?;
    }
    numbers.finish();
    let mut all = Vec::new();
    while let Some(prime) = found.recv().await {
        all.push(prime);
    }
    assert_eq!(all, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47]);
    Ok(())
}
