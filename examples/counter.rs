//! A struct process: state, handlers, and the four ways to call one.
//!
//! Eight tasks add to one counter at the same time; it ends at 8000 without a lock in sight. A division by zero comes back
//! to its caller as an error and leaves the process alive.
//!
//! Last line: `ok`

use std::fmt;

use roundrock::prelude::*;

/// Counts. Only its own process touches `n`.
#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    /// Adds to the count.
    fn add(&mut self, by: i64) {
        self.n += by;
    }

    /// Returns the count.
    fn get(&self) -> i64 {
        self.n
    }

    /// Returns a part of the count.
    fn share(&self, of: i64) -> Result<i64, NoShares> {
        self.n.checked_div(of).ok_or(NoShares)
    }
}

/// There is nobody to share with.
#[derive(Debug, PartialEq)]
struct NoShares;

impl fmt::Display for NoShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody to share with")
    }
}

impl std::error::Error for NoShares {}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    // Handlers are methods: without a runtime they can be called as such.
    let mut plain = Counter { n: 1 };
    plain.add(1);
    assert_eq!(plain.get(), 2);

    let counter = scope.spawn(Counter { n: 0 });
    scope
        .group(async |tasks| {
            for _ in 0..8 {
                let counter = counter.clone();
                tasks.task("adder", async move {
                    for _ in 0..1000 {
                        // Waits for room in the mailbox only.
                        counter.add(1).send().await?;
                    }
                    roundrock::Ok(())
                });
            }
            Ok(())
        })
        .await?;

    // Waits for the reply.
    let total = counter.get().await?;
    println!("eight tasks counted to {total}");

    // Waits for the reply, with a limit of time.
    let quarter = counter.share(4).within(secs(1)).await?;
    println!("a quarter of it is {quarter}");

    let nobody = counter.share(0).await;
    println!("shared by nobody: {nobody:?}");

    // A handler with one argument and no reply is also a port, for those who only know channels.
    let port = counter.add_port();
    port.send(-total).await?;
    let rest = counter.get().await?;
    println!("{rest} are left");

    ensure!((total, quarter, rest) == (8000, 2000, 0), "miscounted");
    ensure!(nobody == Err(CallError::Failed(NoShares)), "{nobody:?}");
    println!("ok");
    Ok(())
}
