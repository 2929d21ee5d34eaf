//! Methods that the runtime calls.

use roundrock::prelude::*;

#[process]
struct Worker {
    jobs: Receiver<u8>,
    urgent: Receiver<String>,
    done: usize,
}

#[handlers]
impl Worker {
    #[on_start]
    async fn open(&mut self) -> Result<()> {
        sleep(secs(1)).await;
        Ok(())
    }
    #[recv(jobs)]
    fn job(&mut self, _: u8) {
        self.done += 1;
    }
    #[recv(urgent)]
    async fn urgent(&mut self, what: String, cx: &mut Cx) -> Result<()> {
        sleep(secs(1)).await;
        cx.stop();
        drop(what);
        Ok(())
    }
    #[every("250ms")]
    fn tick(&mut self) -> std::io::Result<()> {
        self.done += 1;
        Ok(())
    }
    #[roundrock::every("1h")]
    async fn hourly(&mut self, cx: &mut Cx<Self>) {
        sleep(secs(1)).await;
        cx.stop();
    }
    #[every("1m")]
    async fn look(&self) -> Result<()> {
        sleep(millis(1)).await;
        ensure!(self.done < usize::MAX, "too many");
        Ok(())
    }
    #[on_stop]
    fn close(&mut self, cx: &mut Cx) {
        cx.stop();
    }
}

fn wire(scope: &Scope, jobs: Receiver<u8>, urgent: Receiver<String>) {
    scope.spawn(Worker { jobs, urgent, done: 0 });
}

fn main() {}
