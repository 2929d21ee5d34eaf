use roundrock::prelude::*;

#[process]
struct Counter {
    jobs: Receiver<u8>,
}

#[handlers]
impl Counter {
    #[recv(jobs)]
    fn one(&mut self, job: u8) {
        let _ = job;
    }
    #[recv(jobs)]
    fn other(&mut self, job: u8) {
        let _ = job;
    }
}

fn main() {}
