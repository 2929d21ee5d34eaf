//! The bug: a caller that is cancelled leaves its answer in the connection, and the next caller takes it for its own.
//! Ordinary tests miss it: they cancel before the request is sent, or not at all.
//! Cancellation that leaves shared state half-way. Shows as the answer to a question of somebody else.

use std::sync::Arc;

use roundrock::prelude::*;
use roundrock::sync::Mutex;

struct Connection {
    requests: Sender<u32>,
    answers: Receiver<(u32, &'static str)>,
}

type Shared = Arc<Mutex<Connection>>;

/// Answers in order.
#[process]
async fn server(requests: &Receiver<u32>, answers: &Sender<(u32, &'static str)>) -> Result<()> {
    while let Some(user) = requests.recv().await {
        let name = if user == 1 { "one" } else { "two" };
        answers.send((user, name)).await?;
    }
    Ok(())
}

async fn takes_the_next_answer(connection: Shared, user: u32) -> Result<&'static str> {
    let connection = connection.lock().await;
    connection.requests.send(user).await?;
    let answer = connection.answers.recv().await;
    Ok(answer.context("the server has gone")?.1)
}

async fn takes_its_answer(connection: Shared, user: u32) -> Result<&'static str> {
    let connection = connection.lock().await;
    connection.requests.send(user).await?;
    loop {
        let answer = connection.answers.recv().await;
        match answer.context("the server has gone")? {
            (of, name) if of == user => return Ok(name),
            _of_somebody_who_left => continue,
        }
    }
}

async fn session<F>(scope: &Scope, ask: fn(Shared, u32) -> F) -> Result<()>
where
    F: Future<Output = Result<&'static str>> + Send + 'static,
{
    let (requests, served) = bounded(4);
    let (answers, answered) = bounded(4);
    scope.spawn(server(served, answers));
    let connection = Arc::new(Mutex::new(Connection {
        requests,
        answers: answered,
    }));
    let page = scope.child("page");
    let first = page.task("first", ask(Arc::clone(&connection), 1));
    let user = scope.task("user", async move {
        // Closes the page.
        first.kill();
    });
    assert_eq!(ask(connection, 2).await?, "two");
    user.await?;
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    session(scope, takes_the_next_answer).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    session(scope, takes_its_answer).await
}
