//! A name that is a keyword is shown without its `r#`.

use roundrock::prelude::*;

#[process]
async fn r#loop(r#in: &Receiver<u8>, #[inbox] r#box: &Receiver<u8>) {
    loop {
        select! {
            _ = r#in.recv() => {}
            _ = r#box.recv() => {}
            else => return,
        }
    }
}

#[process]
struct Mover {
    r#type: Receiver<u8>,
    n: u8,
}

#[handlers]
impl Mover {
    fn r#move(&mut self, r#as: u8) {
        self.n += r#as;
    }
    #[recv(r#type)]
    fn r#do(&mut self, n: u8) {
        self.n += n;
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let (_held, from) = bounded(1);
    let (_fed, fed) = bounded(1);
    let looping = scope.spawn(r#loop(from));
    let mover = scope.spawn(Mover { r#type: fed, n: 0 });
    looping.r#box().send(1).await?;
    mover.r#move(1).await?;
    mover.move_port().send(2).await?;
    assert_eq!(looping.name(), "loop");
    let system = scope.system();
    let mut ports = Vec::new();
    while ports.len() < 3 {
        sleep(millis(1)).await;
        let snapshot = system.snapshot();
        let ours = snapshot.processes.iter();
        let ours = ours.filter(|process| ["loop", "Mover"].contains(&&*process.name));
        let named = ours.flat_map(|process| &process.ports);
        ports = named.filter_map(|port| port.name.as_ref().map(ToString::to_string)).collect();
    }
    ports.sort();
    assert_eq!(ports, ["box", "in", "type"]);
    looping.stop();
    mover.stop();
    Ok(())
}
