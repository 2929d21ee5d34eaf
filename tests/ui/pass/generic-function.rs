//! Generics, `where`, patterns, closures, arrays, names that repeat.

use std::fmt::Display;

use roundrock::prelude::*;

#[process]
async fn apply<T, const N: usize>(
    mut values: Vec<T>,
    (low, high): (usize, usize),
    [first, ..]: [u8; 3],
    limits: &[u8; N],
    names: &Vec<String>,
    apply: impl Fn(&T) -> bool + Send + 'static,
    check: &(impl Fn(u8) -> bool + Send + Sync + 'static),
) -> core::result::Result<T, String>
where
    T: Display + Send + Sync + 'static,
{
    sleep(secs(1)).await;
    if names.len() < high && check(first) && limits.len() > low && apply(&values[0]) {
        return Ok(values.remove(0));
    }
    Err(values[0].to_string())
}

fn wire(scope: &Scope) {
    let process = apply(vec![1_u16], (0, 1), [1, 2, 3], [0; 4], vec![], |n| *n > 1, |n| n > 0);
    let _task: Task<u16> = scope.spawn(process);
}

fn main() {}
