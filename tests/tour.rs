//! The code of the README's tour, as programs that run. The last test holds the README to it, line by line.

use std::collections::{HashMap, VecDeque};
use std::num::ParseIntError;

use roundrock::prelude::*;

const README: &str = include_str!("../README.md");
const THIS: &str = include_str!("tour.rs");

fn run<T, F>(body: impl FnOnce(Scope) -> F) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    System::builder().workers(2).run(body)
}

#[rustfmt::skip]
#[process]
async fn upper(lines: &Receiver<String>, out: &Sender<String>) -> Result<()> {
    while let Some(line) = lines.recv().await {
        out.send(line.to_uppercase()).await?;   // nobody receives any more: `?` ends this process normally
    }
    Ok(())
}

#[test]
fn functions() -> Result<()> {
    run(async |scope: Scope| {
        let (to_upper, lines) = rendezvous();
        let (out, results) = bounded(1);
        let upper = scope.spawn(upper(lines, out));
        to_upper.send("a".to_owned()).await?;
        assert_eq!(results.recv().await.as_deref(), Some("A"));
        results.finish();
        to_upper.send("b".to_owned()).await?;
        assert_eq!(upper.done().await.kind(), "stopped");
        Ok(())
    })
}

#[process]
struct Cache {
    values: HashMap<String, u64>,
}

type LoadError = ParseIntError;

struct Source(&'static str);

impl Source {
    async fn read(&self) -> Result<u64, LoadError> {
        sleep(millis(1)).await;
        self.0.parse()
    }
}

impl Cache {
    fn fill(&mut self, value: u64) -> Result<usize, LoadError> {
        self.values.insert("loaded".to_owned(), value);
        Ok(self.values.len())
    }
}

#[rustfmt::skip]
#[handlers]
impl Cache {
    fn put(&mut self, key: String, value: u64) { self.values.insert(key, value); }
    fn get(&self, key: String) -> Option<u64> { self.values.get(&key).copied() }
    async fn load(&mut self, from: Source) -> Result<usize, LoadError> { self.fill(from.read().await?) }
    #[every("50ms")]
    fn expire(&mut self) { self.values.retain(|_, value| *value > 0); }
}

#[rustfmt::skip]
#[test]
fn structs_and_calls() -> Result<()> {
    run(async |scope: Scope| {
        let cache = scope.spawn(Cache { values: HashMap::new() });
        let key = "key".to_owned();
        cache.put(key.clone(), 1).await?;
        let value = cache.get(key.clone()).await?;                  // for the reply
        let soon = cache.get(key.clone()).within(secs(1)).await?;   // for the reply, at most a second
        cache.put(key.clone(), 2).send().await?;                    // for room in the mailbox
        let full = cache.put(key, 3).try_send().is_err();            // not at all
        assert_eq!((value, soon, full), (Some(1), Some(1), false));
        assert_eq!(cache.get("key".to_owned()).await?, Some(3));
        assert_eq!(cache.load(Source("7")).await?, 2);
        assert!(matches!(cache.load(Source("x")).await, Err(CallError::Failed(_))));
        cache.stop();
        assert!(cache.done().await.is_normal());
        Ok(())
    })
}

#[rustfmt::skip]
#[test]
fn channels() -> Result<()> {
    run(async |_scope: Scope| {
        let (jobs, inbox) = bounded(64).overflow(DropOldest).named("jobs");
        jobs.send(1).await?;
        let room = jobs.ready().await?;     // room first, then the message
        room.send(2)?;
        let first = inbox.recv().within(secs(1)).await?;
        let rest = inbox.recv_many(10).await;
        assert_eq!((first, rest), (Some(1), vec![2]));
        Ok(())
    })
}

#[rustfmt::skip]
#[test]
fn select() -> Result<()> {
    run(async |scope: Scope| {
        let (jobs_in, jobs) = bounded(4);
        let (out, results) = bounded(2);
        let feed = scope.task("feed", async move {
            for job in 1..=4 {
                jobs_in.send(job).await?;
            }
            roundrock::Ok(())
        });
        let stages = scope.child("stages");
        let buffer = stages.task("buffer", async move {
            let mut backlog = VecDeque::new();
            let mut tick = interval(millis(1));
            let mut ticks = 0;
            let mut report = |_: &VecDeque<i32>| ticks += 1;
            loop {
                select! {
                    job = jobs.recv()                          => backlog.push_back(job),
                    room = out.ready(), if !backlog.is_empty() => room?.send(backlog.pop_front().unwrap_or(0))?,
                    _ = passive(tick.next())                   => report(&backlog),     // a timer never closes: so it keeps nothing alive
                    else                                       => break,                // the input has ended, or the scope stops, and all is sent
                }
            }
            roundrock::Ok(ticks)
        });
        feed.await?;
        sleep(millis(20)).await;
        let mut got = Vec::new();
        while got.len() < 4 {
            got.extend(results.recv().await);
        }
        assert_eq!(got, [1, 2, 3, 4]);
        assert!(stages.stop(secs(5)).await.is_clean());
        assert!(buffer.await? > 0);
        Ok(())
    })
}

#[rustfmt::skip]
#[test]
fn scopes() -> Result<()> {
    run(async |scope: Scope| {
        let squares = scope.group(async |group| {
            let ten = group.task("ten", async { roundrock::Ok(10 * 10) });
            let six = group.task("six", async { roundrock::Ok(6 * 6) });
            Ok(ten.await? + six.await?)
        }).await?;
        assert_eq!(squares, 136);
        Ok(())
    })
}

async fn fetch(key: u32) -> Result<String> {
    sleep(millis(1)).await;
    Ok(format!("page {key}"))
}

#[rustfmt::skip]
#[test]
fn results_as_they_come() -> Result<()> {
    run(async |scope: Scope| {
        let (urls, mut pages) = ([1, 2, 3], Vec::new());
        let mut index = |page: String| pages.push(page);
        let mut fetches = JoinSet::new();
        for url in urls { fetches.add(scope.task("fetch", fetch(url))); }
        while let Some(page) = fetches.join_next().await { index(page?); }
        pages.sort();
        assert_eq!(pages, ["page 1", "page 2", "page 3"]);
        Ok(())
    })
}

#[process]
struct Pages {
    pages: HashMap<u32, String>,
}

async fn render(key: u32) -> String {
    sleep(millis(1)).await;
    format!("page {key}")
}

#[rustfmt::skip]
#[handlers]
impl Pages {
    fn load(&mut self, key: u32, reply: Reply<String>, cx: &mut Cx<Self>) {
        cx.spawn_then(render(key), move |cache, page| {     // runs beside the process; then the state is lent again
            cache.pages.insert(key, page.clone());
            reply.send(page);
        });
    }
    fn known(&self) -> usize { self.pages.len() }
}

#[test]
fn later_answers() -> Result<()> {
    run(async |scope: Scope| {
        let pages = HashMap::new();
        let pages = scope.spawn(Pages { pages });
        let (one, two) = join!(pages.load(1), pages.load(2));
        assert_eq!((one?.as_str(), two?.as_str()), ("page 1", "page 2"));
        assert_eq!(pages.known().await?, 2);
        Ok(())
    })
}

#[rustfmt::skip]
#[test]
fn stopping() -> Result<()> {
    run(async |scope: Scope| {
        let (lines, to_upper) = bounded(8);
        let (out, results) = bounded(8);
        let stages = scope.child("stages");
        stages.spawn(upper(to_upper, out));
        lines.send("a".to_owned()).await?;
        let report = stages.stop(secs(5)).await;
        assert!(report.is_clean());
        assert_eq!(results.recv().await.as_deref(), Some("A"));
        assert_eq!(results.recv().await, None);
        assert!(lines.send("b".to_owned()).await.is_err());
        Ok(())
    })
}

#[rustfmt::skip]
#[test]
fn errors() {
    fn parse(text: &str) -> Result<u16> {
        let port: u16 = text.parse().with_context(|| format!("`{text}` is not a port"))?;
        Ok(port)
    }
    let error = parse("seven").unwrap_err();
    assert_eq!(format!("{error:#}"), "`seven` is not a port: invalid digit found in string");
}

#[test]
fn the_readme_shows_this_code() {
    let code: Vec<&str> = THIS.lines().map(str::trim).collect();
    let blocks = README.split("```rust,ignore\n").skip(1);
    let mut compared = 0;
    for block in blocks.filter_map(|block| block.split("```").next()) {
        let lines: Vec<&str> = block.lines().map(str::trim).collect();
        assert!(
            code.windows(lines.len()).any(|window| window == lines),
            "not in tests/tour.rs:\n{block}"
        );
        compared += 1;
    }
    assert_eq!(compared, 10, "every block of the tour is compared");
}
