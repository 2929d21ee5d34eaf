//! A type of the user's own that is called `Result`.

use roundrock::prelude::{CallError, Scope, handlers, process};

#[derive(Debug)]
pub struct Result {
    pub score: u32,
}

#[process]
struct Exam {
    score: u32,
}

#[handlers]
impl Exam {
    fn result(&self) -> Result {
        Result { score: self.score }
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> std::result::Result<(), CallError> {
    let exam = scope.spawn(Exam { score: 3 });
    println!("{}", exam.result().await?.score);
    Ok(())
}
