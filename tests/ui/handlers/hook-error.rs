//! A hook that fails with an error which is none.

use roundrock::prelude::*;

#[derive(Debug)]
struct Full;

#[process]
struct Worker {
    n: u8,
}

#[handlers]
impl Worker {
    #[every("1s")]
    fn tick(&mut self) -> Result<(), Full> {
        self.n = self.n.checked_add(1).ok_or(Full)?;
        Ok(())
    }
}

fn main() {}
