//! What each mistake says: exactly one error, with exactly this text.
//!
//! The numbers are those of the design's table of mistakes.

use super::{errors, run, tokens};

/// The message, and the help below it.
#[track_caller]
fn says(name: &str, arguments: &str, item: &str, message: &str, help: &str) {
    let found = errors(run(name, tokens(arguments), tokens(item)));
    let expected = if help.is_empty() {
        message.to_owned()
    } else {
        format!("{message}\n\n  = help: {help}")
    };
    assert_eq!(found, [expected], "#[{name}({arguments})] {item}");
}

/// The same for a method of `#[handlers] impl Counter`.
#[track_caller]
fn handler_says(method: &str, message: &str, help: &str) {
    says(
        "handlers",
        "",
        &format!("impl Counter {{ {method} }}"),
        message,
        help,
    );
}

#[test]
fn process_function_that_is_not_async_16() {
    says(
        "process",
        "",
        "fn poll(raw: &Receiver<u8>) {}",
        "a process function is `async`",
        "write `async fn poll(..)`, or `#[process(blocking)]` for code that blocks its thread",
    );
    says(
        "process",
        "blocking",
        "async fn poll(raw: &Receiver<u8>) {}",
        "a `blocking` or `cpu` process is a plain `fn`: it has a thread of its own",
        "write `fn poll(..)`, and `blocking_recv` and `blocking_send` in it",
    );
}

#[test]
fn process_on_the_wrong_item_17() {
    for (item, what) in [
        ("enum Job { A }", "an enum"),
        ("trait Job { fn f(); }", "a trait"),
        ("unsafe trait Job { }", "a trait"),
        ("mod job { }", "a module"),
        ("union Job { a: u8 }", "a union"),
        ("type Job = u8;", "a type alias"),
        ("const JOB: u8 = 1;", "a constant"),
    ] {
        says(
            "process",
            "",
            item,
            &format!("`#[process]` goes on a struct or an `async fn`, not on {what}"),
            "",
        );
    }
    for (item, what) in [
        ("impl Job { }", "an `impl`"),
        ("impl Clone for Job { }", "a trait `impl`"),
    ] {
        says(
            "process",
            "",
            item,
            &format!("`#[process]` goes on a struct or an `async fn`, not on {what}"),
            "write `#[handlers]` here and `#[process]` on the struct",
        );
    }
}

#[test]
fn process_on_a_method_18() {
    for receiver in ["self", "&self", "mut self: Box<Self>"] {
        says(
            "process",
            "",
            &format!("async fn run({receiver}) {{}}"),
            "a process function cannot take `self`",
            "put `#[handlers]` on the `impl` block: every method in it is a handler",
        );
    }
}

#[test]
fn lent_argument_with_a_lifetime_or_mut_19() {
    let message = "a process is lent its arguments for its whole life: write `rules: &Rules`";
    for item in ["rules: &'static Rules", "rules: &mut Rules"] {
        says(
            "process",
            "",
            &format!("async fn f({item}) {{}}"),
            message,
            "",
        );
    }
    let message =
        "a process is lent its arguments for its whole life: take a `names` that owns its data";
    for item in [
        "names: Vec<&str>",
        "names: &Vec<&str>",
        "names: Cow<'_, str>",
    ] {
        says(
            "process",
            "",
            &format!("async fn f({item}) {{}}"),
            message,
            "",
        );
    }
    let found = errors(run(
        "process",
        tokens(""),
        tokens("async fn f<'a>(rules: &'a Rules) {}"),
    ));
    assert_eq!(
        found,
        ["a process is lent its arguments for its whole life: write `rules: &Rules`"]
    );
}

#[test]
fn borrowed_argument_of_a_handler_20() {
    for (argument, help) in [
        ("name: &str", "take `String` (or `Arc<str>`)"),
        ("name: &[u8]", "take `Vec<u8>` (or `Arc<[u8]>`)"),
        ("name: &Path", "take `PathBuf` (or `Arc<Path>`)"),
        ("name: &mut Job", "take `Job` (or `Arc<Job>`)"),
        ("name: Option<&str>", "take a type that owns its data"),
    ] {
        handler_says(
            &format!("fn f(&self, {argument}) {{}}"),
            &format!(
                "`{argument}` borrows from the caller, but the call is sent to another process"
            ),
            help,
        );
    }
}

#[test]
fn what_the_runtime_gives_taken_in_another_way() {
    for (argument, instead) in [
        ("cx: &Cx", "cx: &mut Cx"),
        ("cx: Cx", "cx: &mut Cx"),
        ("cx: &Cx<Self>", "cx: &mut Cx<Self>"),
    ] {
        handler_says(
            &format!("fn f(&self, {argument}) {{}}"),
            "the context belongs to the process, and is lent to a handler",
            &format!("write `{instead}`"),
        );
    }
    handler_says(
        "fn f(&self, scope: &Scope) {}",
        "a handler is lent its context, which knows the scope",
        "take `cx: &mut Cx` and call `cx.scope()`",
    );
    handler_says(
        "fn f(&self, reply: &Reply<u8, Error>) {}",
        "a handler owns its `Reply`: an answer uses it up",
        "write `reply: Reply<u8, Error>`",
    );
    for argument in ["cx: Cx", "cx: &Cx"] {
        says(
            "process",
            "",
            &format!("async fn f({argument}) {{}}"),
            "the context belongs to the process, and is lent to its body",
            "write `cx: &mut Cx`",
        );
    }
}

#[test]
fn handler_without_a_borrowed_self_21() {
    for parameters in ["", "self", "n: u8", "self: Box<Self>"] {
        handler_says(
            &format!("fn f({parameters}) {{}}"),
            "a handler takes `&self` or `&mut self`",
            "put other functions in a plain `impl` block; to end the process call `cx.stop()`",
        );
    }
}

#[test]
fn generic_handler_22() {
    for (method, name) in [
        ("fn f<T>(&self, t: T) {}", "T"),
        ("fn f<const N: usize>(&self, t: [u8; N]) {}", "N"),
        (
            "fn f(&self, t: impl Display + Send) {}",
            "impl Display + Send",
        ),
    ] {
        handler_says(
            method,
            &format!("a handler is one message with one type; `{name}` would make it many"),
            "make the process generic (`struct Store<T>`) or take `Box<dyn Trait + Send>`",
        );
    }
}

#[test]
fn reply_without_a_name_22() {
    handler_says(
        "fn f(&self) -> impl Iterator<Item = u8> { [1].into_iter() }",
        "a reply has a type with a name, and `impl Iterator<Item = u8>` has none",
        "return the type itself, or one that owns the same: `Vec<_>`, or `Box<dyn Trait + Send>`",
    );
}

#[test]
fn handler_named_like_a_built_in_23() {
    let help = "rename it, or give the message another name: `#[handler(name = halt)]`";
    for name in [
        "clone",
        "stop",
        "kill",
        "done",
        "closed",
        "exit",
        "task",
        "id",
        "name",
        "downgrade",
        "link",
        "owned",
    ] {
        let who = if name == "owned" { "call" } else { "handle" };
        let message =
            format!("a handler cannot be called `{name}`: every {who} has `{name}()` already");
        handler_says(&format!("fn {name}(&mut self) {{}}"), &message, help);
        handler_says(
            &format!("#[handler(name = {name})] fn f(&mut self) {{}}"),
            &message,
            help,
        );
    }
    handler_says(
        "fn add_port(&mut self) {}",
        "a handler cannot be called `add_port`: names that end in `_port` are senders on the handle",
        help,
    );
}

#[test]
fn helper_outside_handlers_24() {
    for name in [
        "every", "recv", "on_start", "on_stop", "handler", "key", "inbox",
    ] {
        says(
            name,
            "",
            "fn f() {}",
            &format!("`#[{name}]` only works inside `#[handlers] impl ... {{ }}`"),
            "",
        );
    }
}

#[test]
fn unknown_or_bad_option_25() {
    let all = "the options are `mailbox`, `name`, `blocking`, `cpu`, `budget`";
    for (option, message, help) in [
        (
            "mailbx = 8",
            "unknown option `mailbx`",
            format!("did you mean `mailbox`? {all}"),
        ),
        ("colour", "unknown option `colour`", all.to_owned()),
        ("8", "not an option", all.to_owned()),
        (
            "mailbox = 0",
            "the smallest mailbox is 1",
            "for a rendezvous give the struct a `Receiver<_>` field and `#[recv]` it".to_owned(),
        ),
        (
            "mailbox = 65537",
            "the largest mailbox is 65536",
            "slow the senders down instead: a full mailbox makes them wait".to_owned(),
        ),
        (
            "mailbox = \"8\"",
            "not a whole number",
            "write `mailbox = 8`".to_owned(),
        ),
        (
            "mailbox",
            "`mailbox` needs a value",
            "write `mailbox = 8`".to_owned(),
        ),
        (
            "mailbox = 8, mailbox = 9",
            "`mailbox` is given twice",
            "remove one of them".to_owned(),
        ),
        (
            "name = 8",
            "a name is text",
            "write `name = \"router\"`".to_owned(),
        ),
        (
            "cpu = true",
            "`cpu` takes no value",
            "write `cpu`".to_owned(),
        ),
        (
            "cpu, blocking",
            "a process is either `blocking` or `cpu`",
            "remove one of them".to_owned(),
        ),
    ] {
        says("process", option, "struct Counter;", message, &help);
    }
    says(
        "process",
        "mailbox = 8",
        "async fn f() {}",
        "a function process has no mailbox",
        "mark an argument: `#[inbox(8)] raw: &Receiver<T>`",
    );
    says(
        "main",
        "wrokers = 2",
        "async fn main(scope: &Scope) {}",
        "unknown option `wrokers`",
        "did you mean `workers`? the options are `workers`, `grace`",
    );
}

#[test]
fn reply_and_a_return_type_27() {
    handler_says(
        "fn f(&self, reply: Reply<u64>) -> u64 { 1 }",
        "answer once: take `Reply<u64>` or return `u64`, not both",
        "",
    );
}

#[test]
fn bad_interval_28() {
    handler_says(
        "#[every(\"0s\")] fn f(&mut self) {}",
        "an interval of zero never lets the process rest",
        "",
    );
    for literal in [
        "\"1 parsec\"",
        "\"s\"",
        "\"\"",
        "1",
        "\"-1s\"",
        "\"99999999999h\"",
    ] {
        handler_says(
            &format!("#[every({literal})] fn f(&mut self) {{}}"),
            "not a duration: write `\"250ms\"`, `\"1s\"`, `\"2m\"`",
            "",
        );
    }
}

#[test]
fn main_without_its_scope_29() {
    for item in [
        "async fn main() {}",
        "fn main(scope: &Scope) {}",
        "fn main() {}",
        "async fn main(scope: Scope) {}",
    ] {
        says(
            "main",
            "",
            item,
            "`main` takes the scope: `async fn main(scope: &Scope)`",
            "",
        );
    }
}

#[test]
fn inbox_on_something_else_30() {
    for argument in [
        "raw: Receiver<u8>",
        "raw: &Sender<u8>",
        "raw: &mut Receiver<u8>",
        "raw: &Receiver",
    ] {
        says(
            "process",
            "",
            &format!("async fn f(#[inbox(8)] {argument}) {{}}"),
            "`#[inbox]` makes the process's own input: write `raw: &Receiver<T>`",
            "",
        );
    }
}

#[test]
fn unsized_lent_argument_31() {
    for (ty, owned, shared) in [
        ("str", "String", "Arc<str>"),
        ("[u8]", "Vec<u8>", "Arc<[u8]>"),
        ("Path", "PathBuf", "Arc<Path>"),
        (
            "dyn A + Sync",
            "Box<dyn A + Sync + Send>",
            "Arc<dyn A + Sync + Send>",
        ),
    ] {
        let message = format!(
            "`&{ty}` is unsized, and a process keeps what it is lent: write `&{owned}` or `&{shared}`"
        );
        let function = format!("async fn f(arg: &({ty})) {{}}");
        says("process", "", &function, &message, "");
    }
}

#[test]
fn reply_that_borrows_33() {
    for (ty, owned) in [
        ("&str", "`String`"),
        ("&[u8]", "`Vec<u8>`"),
        ("&Job", "`Job`"),
        ("Option<&str>", "owned data"),
    ] {
        handler_says(
            &format!("fn f(&self) -> {ty} {{ todo() }}"),
            &format!("a reply is sent to another process and cannot borrow: return {owned}"),
            "",
        );
    }
}

#[test]
fn select_branches() {
    for (arms, message, help) in [
        (
            "x = a.recv() => {} default => {} default => {}",
            "`default` is there already",
            "one wait has one such branch: put both bodies into the first",
        ),
        (
            "x = a.recv() => {} else => {} else => {}",
            "`else` is there already",
            "one wait has one such branch: put both bodies into the first",
        ),
        (
            "x = a.recv() => {} y = a.recv() => {}",
            "`a.recv()` is a branch already",
            "put both bodies into the first, or give one of them a guard: `, if condition`",
        ),
        (
            "a.recv() => {}",
            "this branch binds nothing",
            "write `_ = event => body`; only `sender.send(value) => body` stands alone",
        ),
        (
            "x = a.recv(), b.recv() => {}",
            "a branch waits for one event, and these are several",
            "write a branch for each of them: `message = input.recv() => body`",
        ),
        (
            "x = a.recv() || b.recv() => {}",
            "a branch waits for one event, and these are several",
            "write a branch for each of them: `message = input.recv() => body`",
        ),
        (
            "Some(x) = a.recv() => {}",
            "a branch gets the message itself, and its pattern always matches",
            "write `message = input.recv() => body`: the end of an input disables its branch, and `else => body` runs when no branch is left",
        ),
        (
            "x = a.recv() => {} None = b.recv() => {}",
            "a branch gets the message itself, and its pattern always matches",
            "write `message = input.recv() => body`: the end of an input disables its branch, and `else => body` runs when no branch is left",
        ),
        (
            "",
            "`select!` has nothing to wait for",
            "write `message = input.recv() => ...`",
        ),
        (
            "else => {}",
            "`select!` has nothing to wait for",
            "write `message = input.recv() => ...`",
        ),
    ] {
        says("select", "", arms, message, help);
    }
    for (arms, message) in [
        (
            "x = a.recv()",
            "this branch has no body: write `pattern = event => body`",
        ),
        (
            "x = a.recv() { work(x) } else => {}",
            "a `=>` is missing before this body; write `pattern = event => body`",
        ),
        (
            "x = a.recv() { work(x) }",
            "a `=>` is missing before this body; write `pattern = event => body`",
        ),
    ] {
        says("select", "", arms, message, "");
    }
}

#[test]
fn all_mistakes_of_an_item_are_reported_together() {
    let item = "impl Counter { fn a(&self, n: &str) {} fn stop(&self) {} fn b() {} }";
    assert_eq!(errors(run("handlers", tokens(""), tokens(item))).len(), 3);
}

#[test]
fn at_most_255_handlers() {
    let methods = |count: usize| {
        (0..count)
            .map(|n| format!("fn f{n}(&self) {{}}"))
            .collect::<String>()
    };
    let item = |count| tokens(&format!("impl Counter {{ {} }}", methods(count)));
    assert!(errors(run("handlers", tokens(""), item(255))).is_empty());
    let found = errors(run("handlers", tokens(""), item(260)));
    assert_eq!(
        found,
        [
            "a process has at most 255 handlers\n\n  = help: split it into processes with one responsibility each"
        ]
    );
}

#[test]
fn test_with_wrong_options() {
    let item = "async fn orders(sim: &Sim) {}";
    let known = "the options are `seeds`, `strategy`, `faults`, `max_steps`, `leaks`, `lost`, `grace`, `tape`, `tokio`, `real`";
    for (arguments, message, help) in [
        (
            "seed = 3",
            "unknown option `seed`",
            format!("did you mean `seeds`? {known}").as_str(),
        ),
        ("workers = 2", "unknown option `workers`", known),
        (
            "seeds = 99_999_999_999_999_999_999",
            "`seeds` is a number of runs from 1 to 4294967295",
            "write `seeds = 200`",
        ),
        (
            "strategy = \"dfs\"",
            "unknown strategy `dfs`",
            "the strategies are `mix`, `baseline`, `random`, `pct`, `holds`, `pos`, `urw`",
        ),
        ("strategy = mix", "not a text", "write `strategy = \"mix\"`"),
        (
            "leaks = \"warn\"",
            "`leaks` is either denied or allowed",
            "write `leaks = \"deny\"` or `leaks = \"allow\"`",
        ),
        (
            "lost = \"count\"",
            "`lost` is either denied or allowed",
            "write `lost = \"deny\"` or `lost = \"allow\"`",
        ),
        (
            "faults = 0.1",
            "`faults` needs their names and how likely they are",
            "write `faults(panic = 0.01, slow = 0.05)`",
        ),
        (
            "faults(panik = 0.1)",
            "unknown option `panik`",
            "did you mean `panic`? the options are `panic`, `slow`, `stall`, `delay`",
        ),
        (
            "faults(slow = 1.5)",
            "`slow` is a probability from 0 to 1",
            "write `slow = 0.05`",
        ),
        (
            "tape = \"3;1\"",
            "not a tape",
            "copy it from the report of a failure: `tape = \"3.1,7.2\"`",
        ),
        (
            "tokio = true",
            "a simulation has no reactor: what a socket does cannot be chosen and replayed",
            "hand the process a channel instead of a socket, or write `#[roundrock::test(real)]`",
        ),
    ] {
        says("test", arguments, item, message, help);
    }
    says(
        "test",
        "real, seeds = 3",
        "async fn orders(scope: &Scope) {}",
        "unknown option `seeds`",
        "the options are `real`, `workers`, `grace`",
    );
}

#[test]
fn test_with_a_wrong_signature() {
    for item in [
        "async fn orders() {}",
        "async fn orders(scope: &Scope) {}",
        "fn orders(sim: &Sim) {}",
    ] {
        says(
            "test",
            "",
            item,
            "a simulated test takes the simulation: `async fn orders(sim: &Sim)`",
            "",
        );
    }
    says(
        "test",
        "real",
        "async fn orders(sim: &Sim) {}",
        "a test on threads takes the scope: `async fn orders(scope: &Scope)`",
        "",
    );
    says(
        "test",
        "",
        "async fn orders<T>(sim: &Sim) {}",
        "a test cannot be generic: nobody calls it with types",
        "",
    );
    says(
        "test",
        "",
        "#[test] async fn orders(sim: &Sim) {}",
        "`#[roundrock::test]` makes a test already",
        "remove `#[test]`",
    );
    says(
        "test",
        "",
        "struct Orders;",
        "`#[roundrock::test]` goes on a function, not on a struct",
        "write `async fn name(sim: &Sim)`",
    );
}

#[test]
fn attribute_that_is_given_twice() {
    let help = "put all options into one: `#[process(mailbox = 8, name = \"router\")]`";
    for again in [
        "#[process]",
        "#[process(mailbox = 4)]",
        "#[roundrock::process]",
    ] {
        for item in [
            "struct Counter { n: u64 }",
            "async fn route(raw: &Receiver<u8>) {}",
        ] {
            let item = format!("{again} {item}");
            says("process", "", &item, "`#[process]` is given twice", help);
        }
    }
    says(
        "handlers",
        "",
        "#[handlers] impl Counter { fn get(&self) -> u64 { 1 } }",
        "`#[handlers]` is given twice",
        "remove one of them",
    );
}

#[test]
fn budget_of_zero() {
    for item in [
        "struct Counter { n: u64 }",
        "async fn route(raw: &Receiver<u8>) {}",
    ] {
        says(
            "process",
            "budget = 0",
            item,
            "`budget` is a number of processes from 1 to 4294967295",
            "write `budget = 1000`",
        );
    }
}
