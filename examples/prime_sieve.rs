//! The prime sieve of CSP: a chain of processes that grows by one with every prime.
//!
//! Each filter takes the first number that reaches it as its prime, and lets pass what that does not divide. The channels
//! between them are rendezvous, so the whole chain moves in step. When the sieve has enough primes it drops its end of the
//! chain, and every filter ends by itself, because nobody receives what it sends.
//!
//! Last line: `ok`

use roundrock::prelude::*;

/// Sends 2, 3, 4, ... for as long as somebody receives.
#[process]
async fn count(out: &Sender<u32>) -> Result<()> {
    for n in 2.. {
        out.send(n).await?;
    }
    Ok(())
}

/// Lets pass what `prime` does not divide.
#[process]
async fn filter(prime: &u32, numbers: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
    while let Some(n) = numbers.recv().await {
        if n % prime != 0 {
            out.send(n).await?;
        }
    }
    Ok(())
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let (numbers, mut end) = rendezvous();
    scope.spawn(count(numbers));

    let mut primes = Vec::new();
    while primes.len() < 200 {
        let prime = end.recv().await.context("the chain has ended")?;
        primes.push(prime);
        let (out, next) = rendezvous();
        scope.spawn(filter(prime, end, out));
        end = next;
    }
    end.finish();

    println!("the first ten: {:?}", &primes[..10]);
    println!("the 200th: {}", primes[199]);
    ensure!(
        primes[..5] == [2, 3, 5, 7, 11] && primes[199] == 1223,
        "not the primes: {primes:?}"
    );
    println!("ok");
    Ok(())
}
