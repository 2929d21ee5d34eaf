//! The bug: messages sent and handled are counted by one wave through the workers; who is counted early may have sent since.
//! Ordinary tests miss it: the wave comes when all is quiet, or the sums differ by more.
//! Termination declared by one wave. Shows as work that is open when all is said to be done.
use roundrock::prelude::*;

#[process]
async fn worker(
    jobs: &Receiver<u32>,
    peers: &Vec<Sender<u32>>,
    book: &BookHandle,
    me: &usize,
) -> Result<()> {
    while let Some(depth) = jobs.recv().await {
        if depth > 0 {
            for peer in peers {
                book.sent(*me).await?;
                peer.send(depth - 1).await?;
            }
        }
        book.handled(*me).await?;
    }
    Ok(())
}

#[process(mailbox = 64)]
struct Book {
    sent: [u32; 3],
    handled: [u32; 3],
}
#[handlers]
impl Book {
    fn sent(&mut self, who: usize) {
        self.sent[who] += 1;
    }
    fn handled(&mut self, who: usize) {
        self.handled[who] += 1;
    }
    fn counts(&self, who: usize) -> (u32, u32) {
        (self.sent[who], self.handled[who])
    }
    fn truth(&self) -> u32 {
        self.sent.iter().sum::<u32>() + 1 - self.handled.iter().sum::<u32>()
    }
}

async fn wave(book: &BookHandle) -> Result<(u32, u32)> {
    let (mut sent, mut handled) = (1, 0);
    for who in 0..3 {
        let (s, h) = book.counts(who).await?;
        sent += s;
        handled += h;
    }
    Ok((sent, handled))
}

async fn run(scope: &Scope, waves: u32) -> Result<()> {
    let book = scope.spawn(Book {
        sent: [0; 3],
        handled: [0; 3],
    });
    let team = scope.child("team");
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..3).map(|_| bounded::<u32>(64)).unzip();
    for (me, inbox) in inboxes.into_iter().enumerate() {
        let peers = senders
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != me)
            .map(|(_, s)| s.clone())
            .collect();
        team.spawn(worker(inbox, peers, book.clone(), me));
    }
    senders[0].send(2).await?;
    loop {
        let first = wave(&book).await?;
        if first.0 == first.1 {
            if waves == 1 {
                break;
            }
            if wave(&book).await? == first {
                break;
            }
        }
    }
    let open = book.truth().await?;
    assert_eq!(open, 0, "declared done too early");
    drop(senders);
    team.stop(secs(1)).await;
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, 1).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, 2).await
}
