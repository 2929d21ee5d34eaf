//! Every kind of branch and body.

use roundrock::prelude::*;

async fn wire(jobs: &Receiver<u8>, out: &Sender<u8>, scope: &Scope) -> Result<u8> {
    let mut backlog = vec![1];
    loop {
        select! {
            job = jobs.recv() => backlog.push(job),
            room = out.ready(), if backlog.len() > 1 => match room {
                Ok(room) => room.send(backlog.remove(0))?,
                Err(_) => return Ok(0),
            }
            _ = scope.stopping() => break,
            sent = out.send(backlog.remove(0)), if backlog.len() == 1 => { sent?; }
            out.send(7) => {}
            () = sleep(secs(1)) => {
                if backlog.is_empty() {
                    continue;
                }
                sleep(secs(1)).await;
            }
            default => backlog.clear(),
            else => return Ok(1),
        }
    }
    let n: u8 = select! {
        biased;
        n = jobs.recv() => n,
        m = cancel_safe(async { 2 }) => m,
        else => select! { k = jobs.recv() => k, else => 0 },
    };
    Ok(n)
}

fn main() {}
