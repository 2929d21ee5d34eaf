//! Methods and fields for one configuration only; and names that hide those of the primitive types.
use roundrock::prelude::*;

#[process]
struct Cache {
    started: Vec<&'static str>,
    #[cfg(any())]
    jobs: Receiver<Absent>,
}

#[handlers]
impl Cache {
    #[cfg(all())]
    #[on_start]
    fn start(&mut self) {
        self.started.push("all");
    }
    #[cfg(any())]
    #[on_start]
    fn start_elsewhere(&mut self) {
        self.started.push("any");
    }
    #[cfg(any())]
    fn absent(&mut self, value: Absent) {}
    #[cfg(any())]
    #[recv(jobs)]
    fn job(&mut self, job: Absent) {}
    fn started(&self) -> Vec<&'static str> {
        self.started.clone()
    }
}

/// In this configuration nobody can send it anything.
#[process]
struct Tick {
    n: u8,
}

#[handlers]
impl Tick {
    #[every("1s")]
    fn tick(&mut self) {
        self.n += 1;
    }
    #[cfg(any())]
    fn n(&self, #[key] key: u8) -> u8 {
        self.n + key
    }
    #[cfg(any())]
    fn clear(&mut self) {
        self.n = 0;
    }
}

/// In this one somebody can.
#[process]
struct Tock {
    n: u8,
}

#[handlers]
impl Tock {
    #[cfg(all())]
    fn n(&self) -> u8 {
        self.n
    }
}

mod shadows {
    #![allow(non_camel_case_types, dead_code)]
    use roundrock::{handlers, process};

    pub struct u8;
    pub struct bool;
    pub struct usize;
    pub struct u64;

    #[process]
    pub struct Shadowed {
        pub jobs: roundrock::channel::Receiver<i32>,
    }

    #[handlers]
    impl Shadowed {
        #[every("1h")]
        fn tick(&mut self) {}
        #[recv(jobs)]
        fn job(&mut self, job: i32) {
            let _ = job;
        }
        #[on_start]
        fn start(&mut self) {}
        pub fn echo(&self, #[key] value: i32) -> i32 {
            value
        }
    }
}

#[roundrock::main(workers = 1)]
async fn main(scope: &Scope) -> Result<()> {
    let cache = scope.spawn(Cache {
        started: Vec::new(),
    });
    ensure!(cache.started().await? == ["all"], "the one that is there");
    let (_jobs, inbox) = bounded(1);
    let shadowed = scope.spawn(shadows::Shadowed { jobs: inbox });
    ensure!(shadowed.echo(3).await? == 3, "echo");
    shadowed.kill();
    Ok(())
}
