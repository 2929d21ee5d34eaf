//! Valid inputs: the canonical ones of the snapshots, and more that fuzzing starts from.

use super::Case;

/// Expanded into `tests/expand`, each a few forms at once.
pub(super) const CANONICAL: [(&str, &[Case]); 5] = [
    (
        "counter",
        &[
            Case {
                name: "process",
                arguments: "mailbox = 16",
                item: "/// Counts.
pub struct Counter { n: i64, jobs: Receiver<i64> }",
            },
            Case {
                name: "handlers",
                arguments: "",
                item: "impl Counter {
    /// Adds.
    pub fn add(&mut self, by: i64) { self.n += by; }
    pub async fn load(&mut self, path: PathBuf, cx: &mut Cx) -> io::Result<i64> { self.read(path, cx).await }
    fn later(&mut self, reply: Reply<i64>) { self.waiting.push(reply); }
    #[recv(jobs)]
    fn job(&mut self, job: i64) { self.n += job; }
    #[every(\"1s\")]
    fn tick(&mut self, cx: &mut Cx<Self>) -> Result<()> { cx.stop(); Ok(()) }
    #[on_stop]
    async fn end(&mut self) { self.save().await }
}",
            },
        ],
    ),
    (
        "route",
        &[Case {
            name: "process",
            arguments: "name = \"router\"",
            item: "/// Applies the rules.
pub async fn route<T: Event>(raw: &Receiver<T>, rules: &Rules, mut out: Sender<T>, scope: &Scope) -> Result<()>
where
    T: Clone,
{
    while let Some(event) = raw.recv().await { out.send(rules.apply(event)).await?; }
    Ok(())
}",
        }],
    ),
    (
        "inbox",
        &[Case {
            name: "process",
            arguments: "",
            item: "pub(crate) async fn collect_all<T: Send + 'static>(#[inbox(64)] raw: &Receiver<T>, cx: &mut Cx) -> ! { loop { cx.sleep().await } }",
        }],
    ),
    (
        "test",
        &[
            Case {
                name: "test",
                arguments: "seeds = 200, strategy = \"pct\", faults(panic = 0.01, slow = 1), max_steps = 5_000, leaks = \"allow\", grace = \"1s\", tape = \"3.1,0.2\", tokio = false",
                item: "/// Orders.
#[should_panic(expected = \"late\")]
async fn orders(sim: &Sim) -> Result<()> { sim.advance(secs(1)).await; Ok(()) }",
            },
            Case {
                name: "test",
                arguments: "real, workers = 2, grace = \"5s\"",
                item: "async fn on_threads(scope: &Scope) { work(scope).await }",
            },
        ],
    ),
    (
        "select",
        &[Case {
            name: "select",
            arguments: "",
            item: "biased;
job = jobs.recv() => work(job).await,
Ok(room) = out.ready(), if !backlog.is_empty() => { room.send(backlog.pop()); }
out.send(next()) => continue,
default => idle(),
else => break,",
        }],
    ),
];

/// Other accepted forms.
pub(super) const MORE: [Case; 13] = [
    Case { name: "process", arguments: "blocking, budget = 8", item: "struct Disk;" },
    Case { name: "process", arguments: "", item: "struct Pair<T: ?Sized, const N: usize>(Box<T>, [u8; N]) where T: Send;" },
    Case { name: "process", arguments: "cpu", item: "fn crunch(input: &Receiver<u8>, crunch: u8) { while run() {} }" },
    Case { name: "process", arguments: "", item: "async fn empty() {}" },
    Case {
        name: "process",
        arguments: "",
        item: "#[cfg(unix)] async fn apply((a, b): (u8, u8), [x, ..]: [u8; 3], f: impl Fn(&u8) -> u8 + Send, g: &(impl Fn() + Sync), cx: &mut Cx) -> io::Result<u8> { f(a) }",
    },
    Case {
        name: "handlers",
        arguments: "",
        item: "impl<K, const N: usize> path::Store<K, N> where K: Hash + Send + 'static {
    const LIMIT: usize = 1;
    #[handler(name = halt)] fn stop(self: &mut Self, #[key] key: K, other: Box<Self>) -> Option<Self::Item> { None }
    #[cfg(test)] #[on_start] fn start(&mut self) {}
    #[cfg(test)] #[recv(0)] async fn two(&self, (a, b): (u8, u8), cx: &mut Cx) {}
    fn never(&self) -> ! { loop {} }
    items! { a }
}",
    },
    Case { name: "handlers", arguments: "", item: "impl Empty {}" },
    Case { name: "main", arguments: "workers = 2, grace = \"5s\"", item: "async fn main(scope: &Scope) -> Result<()> { Ok(()) }" },
    Case { name: "test", arguments: "", item: "#[cfg(unix)] #[should_panic] async fn r#loop(_: &roundrock::Sim) -> ! { loop {} }" },
    Case { name: "test", arguments: "tape = \"-\"", item: "async fn empty(sim: &Sim) {}" },
    Case { name: "test", arguments: "grace = \"1ms\", real", item: "pub async fn real(scope: &Scope) -> ! { loop {} }" },
    Case { name: "main", arguments: "", item: "#[cfg(unix)] pub async fn main(_: &roundrock::Scope) -> ! { loop {} }" },
    Case {
        name: "select",
        arguments: "",
        item: "n @ 1..=5 = self.jobs.recv() => if n == 1 { a } else { b } _ = sleep(secs(1)), if a <= b => match x { _ => {} }
x = f::<A, B>() => g::<A, B>(), sent = out.send(v) => { sent? }",
    },
];

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Case> {
    CANONICAL.iter().flat_map(|(_, cases)| *cases).chain(&MORE)
}
