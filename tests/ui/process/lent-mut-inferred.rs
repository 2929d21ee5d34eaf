//! Lent arguments that are `&mut`, and the program passes what the compiler has yet to infer, or what the signature asks for; neither
//! gives a further error.

use std::fmt::Debug;

use roundrock::prelude::*;

#[process]
async fn count(
    raw: &mut Receiver<u8>,
    seen: &mut Vec<u8>,
    last: &mut [u8; 4],
    least: &mut u64,
    hooks: &mut Vec<Box<dyn Fn(u8) + Send + Sync>>,
    show: &mut impl Fn(u8),
) {
    while let Some(n) = raw.recv().await {
        last[0] = n;
        *least += 1;
        seen.push(n);
        hooks.iter().for_each(|hook| hook(n));
        show(n);
    }
}

#[process]
async fn keep<T: Debug>(raw: &mut Receiver<T>, kept: &mut Vec<T>) {
    kept.extend(raw.recv().await);
}

async fn wire(scope: &Scope) -> Result<()> {
    let (jobs, raw) = bounded(1);
    jobs.send(1).await?;
    let hooks: Vec<Box<dyn Fn(u8) + Send + Sync>> = vec![Box::new(|n| println!("{n}"))];
    let show = |n| println!("{n}");
    scope.spawn(count(raw, Vec::new(), [0; 4], 1, hooks, show)).await?;
    let (_, mut raw) = bounded(1);
    let mut seen = Vec::new();
    scope.spawn(count(&mut raw, &mut seen, &mut [0; 4], &mut 1, vec![], show)).await?;
    let (_, raw) = bounded::<u8>(1);
    scope.spawn(keep(raw, vec![])).await?;
    Ok(())
}

fn main() {}
