//! A process that a trait asks for.

use roundrock::prelude::*;

trait Service {
    #[process]
    async fn serve(jobs: &Receiver<u8>) -> Result<()>;
}

fn main() {}
