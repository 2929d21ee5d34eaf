//! The bug: Peterson's lock for two, over registers that are asked, gives the turn away before it raises its flag.
//! Ordinary tests miss it: both must be between the two at the same moment.
//! A lock with two lines in the wrong order. Shows as two processes that are both inside.
use roundrock::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

#[process]
struct Registers {
    flag: [bool; 2],
    turn: usize,
}
#[handlers]
impl Registers {
    fn raise(&mut self, me: usize) {
        self.flag[me] = true;
    }
    fn lower(&mut self, me: usize) {
        self.flag[me] = false;
    }
    fn yield_to(&mut self, other: usize) {
        self.turn = other;
    }
    fn flag(&self, who: usize) -> bool {
        self.flag[who]
    }
    fn turn(&self) -> usize {
        self.turn
    }
}
#[process]
async fn party(
    registers: &RegistersHandle,
    inside: &Arc<AtomicU32>,
    work: &Sender<usize>,
    me: &usize,
    right: &bool,
) -> Result<()> {
    let (me, other) = (*me, 1 - *me);
    for _ in 0..2 {
        if *right {
            registers.raise(me).await?;
            registers.yield_to(other).await?;
        } else {
            registers.yield_to(other).await?;
            registers.raise(me).await?;
        }
        while registers.flag(other).await? && registers.turn().await? == other {}
        assert_eq!(inside.fetch_add(1, SeqCst), 0, "both are inside");
        work.send(me).await?;
        inside.fetch_sub(1, SeqCst);
        registers.lower(me).await?;
    }
    Ok(())
}
async fn run(scope: &Scope, right: bool) -> Result<()> {
    let registers = scope.spawn(Registers {
        flag: [false; 2],
        turn: 0,
    });
    let inside = Arc::new(AtomicU32::new(0));
    let (work, done) = bounded(8);
    for p in [0, 1].map(|me| {
        scope.spawn(party(
            registers.clone(),
            inside.clone(),
            work.clone(),
            me,
            right,
        ))
    }) {
        p.await?;
    }
    assert_eq!(done.len(), 4);
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
