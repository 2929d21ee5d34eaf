//! What expansions may contain.

use proc_macro2::{TokenStream, TokenTree};

use super::{errors, inputs, run, tokens};

/// Paths that start with `::`, as text.
fn absolute_paths(tokens: TokenStream, found: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    for (position, token) in tokens.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            absolute_paths(group.stream(), found);
        }
        let double = is_colon(Some(token)) && is_colon(tokens.get(position + 1));
        let Some(TokenTree::Ident(root)) = tokens.get(position + 2).filter(|_| double) else {
            continue;
        };
        let continues = match position.checked_sub(1).map(|before| &tokens[before]) {
            Some(TokenTree::Ident(before)) => {
                !["dyn", "impl", "mut", "for", "as", "use"].contains(&before.to_string().as_str())
            }
            Some(TokenTree::Punct(before)) => {
                ">:".contains(before.as_char()) && !after_arrow(&tokens, position)
            }
            _ => false,
        };
        if !continues {
            let module = tokens
                .get(position + 5)
                .map(ToString::to_string)
                .unwrap_or_default();
            found.push(format!("::{root}::{module}"));
        }
    }
}

/// Whether the `>` before this position belongs to `->` or `=>`, or the `:` is a type's.
fn after_arrow(tokens: &[TokenTree], position: usize) -> bool {
    let at = |back: usize| {
        position
            .checked_sub(back)
            .map(|place| tokens[place].to_string())
            .unwrap_or_default()
    };
    match at(1).as_str() {
        ">" => at(2) == "-" || at(2) == "=",
        _ => at(2) != ":",
    }
}

fn contains(tokens: TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => contains(group.stream(), word),
        _ => false,
    })
}

#[test]
fn valid_inputs_give_no_error() {
    for case in inputs::all() {
        let expansion = run(case.name, tokens(case.arguments), tokens(case.item));
        assert_eq!(errors(expansion), Vec::<String>::new(), "{}", case.item);
    }
}

#[test]
fn expansions_are_safe_and_name_only_private_and_core() {
    for case in inputs::all() {
        let expansion = run(case.name, tokens(case.arguments), tokens(case.item));
        assert!(!contains(expansion.clone(), "unsafe"), "{}", case.item);
        let mut paths = Vec::new();
        absolute_paths(expansion, &mut paths);
        assert!(!paths.is_empty());
        for path in paths {
            assert!(
                path == "::roundrock::__private" || path.starts_with("::core::"),
                "{path} in {}",
                case.item
            );
        }
    }
}

#[test]
fn bodies_pass_through_unparsed() {
    let half_typed = "{ let x = self. ; match { => }  r#fn <<< ' }".replace('\'', "");
    for (name, item) in [
        (
            "process",
            format!("async fn f(raw: &Receiver<u8>) {half_typed}"),
        ),
        (
            "handlers",
            format!("impl Counter {{ fn f(&mut self) {half_typed} }}"),
        ),
        ("main", format!("async fn main(scope: &Scope) {half_typed}")),
        ("test", format!("async fn one(sim: &Sim) {half_typed}")),
    ] {
        let expansion = run(name, TokenStream::new(), tokens(&item));
        assert_eq!(errors(expansion.clone()), Vec::<String>::new());
        assert!(
            expansion
                .to_string()
                .contains(&tokens(&half_typed).to_string()),
            "{expansion}"
        );
    }
    let arm = "job = jobs.recv() => job. , _ = b.recv() => {}";
    assert_eq!(
        errors(run("select", TokenStream::new(), tokens(arm))),
        Vec::<String>::new()
    );
}

/// The texts in tokens, with their quotes.
fn texts(tokens: TokenStream, found: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Literal(text) => found.push(text.to_string()),
            TokenTree::Group(group) => texts(group.stream(), found),
            _ => {}
        }
    }
}

#[test]
fn names_are_shown_as_people_say_them() {
    for (name, item, shown) in [
        (
            "process",
            "async fn r#loop(r#in: &Receiver<u8>, #[inbox] r#box: &Receiver<u8>) {}",
            ["loop", "in", "box"],
        ),
        (
            "process",
            "struct r#struct { r#in: Receiver<u8>, r#box: Sender<u8> }",
            ["struct", "in", "box"],
        ),
        (
            "handlers",
            "impl Mover { fn r#move(&self, r#as: u8) {} #[recv(r#in)] fn r#do(&self, n: u8) {} }",
            ["move", "in", "do"],
        ),
    ] {
        let mut found = Vec::new();
        texts(run(name, TokenStream::new(), tokens(item)), &mut found);
        for shown in shown {
            assert!(found.contains(&format!("{shown:?}")), "{shown}: {found:?}");
        }
        let is_raw = |text: &&String| text.contains("r#");
        assert_eq!(found.iter().find(is_raw), None, "{item}");
    }
}

#[test]
fn unfinished_signatures_are_left_to_rustc() {
    let put = "fn put(&mut self, n: u32) { self.n = n }";
    for unfinished in [
        "fn get(&self, key) -> u8 { 1 }",
        "fn get(&self, key: ) {}",
        "fn get(&self, mut key: &mut, more: HashMap<u8, u8>, ) {}",
        "fn get(&self, f: fn(u8) -> u8, key: &'static) {}",
        "fn get(self, a, b: , c: u8);",
        "pub async fn get(&self) -> u8",
        "#[cfg(unix)] fn get(&mut self, #[key] name: String, key: ::std::) -> Option<Self> {}",
        "#[every(\"1s\")] fn get(&self, cx)",
    ] {
        let item = format!("impl Store {{ {put} {unfinished} pub fn last(&self) {{}} }}");
        let expansion = run("handlers", TokenStream::new(), tokens(&item));
        assert_eq!(errors(expansion.clone()), Vec::<String>::new(), "{item}");
        let text = expansion.to_string();
        assert!(text.contains("put_port") && text.contains("H1"), "{item}");
        assert!(
            !text.contains("# [every") && !text.contains("# [key"),
            "{text}"
        );
    }
    // What is missing here is not a type: rustc may know what it is.
    for other in [
        "fn get(&self, key: u8 as u8) {}",
        "fn get(&self, ke y) {}",
        "fn get {}",
    ] {
        let item = format!("impl Store {{ {put} {other} }}");
        let expansion = run("handlers", TokenStream::new(), tokens(&item));
        assert_eq!(errors(expansion).len(), 1, "{item}");
    }
}

#[test]
fn wire_ids_are_fnv1a_of_the_name() {
    assert_eq!(crate::expand::handlers::fnv1a(""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(crate::expand::handlers::fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
}
