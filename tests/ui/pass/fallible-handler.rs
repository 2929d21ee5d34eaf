//! A handler that returns a `Result`, also through an alias.

use std::io;

use roundrock::prelude::*;

#[process]
struct Disk;

#[handlers]
impl Disk {
    fn read(&self, at: usize) -> io::Result<u8> {
        u8::try_from(at).map_err(io::Error::other)
    }
    async fn check(&mut self) -> core::result::Result<u8, String> {
        sleep(secs(1)).await;
        Err("broken".to_owned())
    }
}

async fn wire(disk: &DiskHandle) {
    let _: core::result::Result<u8, CallError<io::Error>> = disk.read(1).await;
    let _: core::result::Result<u8, CallError<String>> = disk.check().await;
}

fn main() {}
