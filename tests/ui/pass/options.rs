//! Every option.

use roundrock::prelude::*;

#[process(mailbox = 65_536, name = "store", budget = 64)]
struct Store;

#[handlers]
impl Store {
    async fn get(&self) -> u8 {
        1
    }
}

#[process(blocking)]
struct Disk;

#[handlers]
impl Disk {
    fn get(&self) -> u8 {
        1
    }
}

#[process(cpu, name = "crunch")]
fn crunch(input: &Receiver<u8>, crunch: u8) {
    while input.blocking_recv().is_some_and(|n| n != crunch) {}
}

#[process(blocking)]
fn read(out: &Sender<u8>) -> Result<()> {
    out.blocking_send(1)?;
    Ok(())
}

fn wire(scope: &Scope, input: Receiver<u8>, out: Sender<u8>) {
    scope.spawn(Store);
    scope.spawn(Disk);
    scope.spawn(crunch(input, 1));
    scope.pool(2, read(out));
}

fn main() {}
