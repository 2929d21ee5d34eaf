//! Types that are called `Result`: one of the user's own is a reply like any other, an alias of Rust's is fallible.

use std::fmt;

use roundrock::prelude::{CallError, Scope, handlers, process};

#[derive(Debug)]
pub struct Result {
    pub score: u32,
}

mod alias {
    pub type Result = std::result::Result<u32, String>;
}

#[process]
struct Exam<T> {
    score: T,
}

#[handlers]
impl<T: Into<u32> + Copy> Exam<T> {
    fn result(&self) -> Result {
        Result {
            score: self.score.into(),
        }
    }

    fn checked(&self) -> alias::Result {
        Ok(self.score.into())
    }

    fn written(&self) -> fmt::Result {
        Err(fmt::Error)
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let exam = scope.spawn(Exam { score: 3_u8 });
    let result: Result = exam.result().await?;
    let checked: std::result::Result<u32, CallError<String>> = exam.checked().await;
    let written: std::result::Result<(), CallError<fmt::Error>> = exam.written().await;
    assert_eq!(result.score, 3);
    assert_eq!(checked, Ok(3));
    assert_eq!(written, Err(CallError::Failed(fmt::Error)));
    Ok(())
}
