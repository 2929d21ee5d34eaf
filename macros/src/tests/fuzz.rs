//! No input makes a macro panic: random token trees, and valid inputs with random changes.
//!
//! Seeded, so that a failure comes again; the message shows the input.

use std::panic;

use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

use super::{inputs, run, tokens};

const CASES: usize = 24_000;
/// All that users may write; those behind `select` mean something in `#[handlers]` only.
const MACROS: [&str; 12] = [
    "process", "handlers", "main", "test", "select", "every", "recv", "on_start", "on_stop",
    "handler", "key", "inbox",
];
const WORDS: [&str; 68] = [
    "allow",
    "async",
    "await",
    "baseline",
    "biased",
    "blocking",
    "budget",
    "cfg",
    "const",
    "cpu",
    "cx",
    "Cx",
    "default",
    "delay",
    "deny",
    "dyn",
    "else",
    "enum",
    "every",
    "false",
    "faults",
    "fn",
    "for",
    "grace",
    "handler",
    "holds",
    "if",
    "impl",
    "inbox",
    "key",
    "leaks",
    "lost",
    "mailbox",
    "max_steps",
    "mix",
    "mut",
    "name",
    "panic",
    "pct",
    "pub",
    "real",
    "Receiver",
    "recv",
    "Reply",
    "Result",
    "scope",
    "Scope",
    "seeds",
    "self",
    "Self",
    "send",
    "sim",
    "Sim",
    "slow",
    "stall",
    "static",
    "strategy",
    "struct",
    "T",
    "tape",
    "test",
    "tokio",
    "trait",
    "true",
    "unsafe",
    "where",
    "workers",
    "x",
];

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap_or(0) % limit
    }

    fn token(&mut self, depth: usize) -> TokenTree {
        match self.below(10) {
            0..=3 => Ident::new(WORDS[self.below(WORDS.len())], Span::call_site()).into(),
            4..=6 => {
                let symbols = [
                    '#', '!', '&', '=', '>', '<', ',', ';', ':', '.', '-', '|', '?', '*',
                ];
                let spacing = if self.below(2) == 0 {
                    Spacing::Alone
                } else {
                    Spacing::Joint
                };
                Punct::new(symbols[self.below(symbols.len())], spacing).into()
            }
            7 => match self.below(4) {
                0 => Literal::u64_unsuffixed(u64::MAX >> self.below(64)).into(),
                1 => {
                    let texts = [
                        "",
                        "0s",
                        "1s",
                        "99999999999h",
                        "allow",
                        "pct",
                        "3.1,7.2",
                        "h1,.",
                        "x",
                    ];
                    Literal::string(texts[self.below(texts.len())]).into()
                }
                2 => Literal::f64_unsuffixed([0.0, 0.05, 1.0, 1e300][self.below(4)]).into(),
                _ => Literal::character('x').into(),
            },
            _ => {
                let delimiters = [
                    Delimiter::Parenthesis,
                    Delimiter::Bracket,
                    Delimiter::Brace,
                    Delimiter::None,
                ];
                let content = if depth == 0 {
                    TokenStream::new()
                } else {
                    self.stream(depth - 1)
                };
                Group::new(delimiters[self.below(4)], content).into()
            }
        }
    }

    fn stream(&mut self, depth: usize) -> TokenStream {
        (0..self.below(8)).map(|_| self.token(depth)).collect()
    }

    /// Deletes, doubles, swaps or replaces a token somewhere.
    fn mutate(&mut self, tokens: TokenStream) -> TokenStream {
        let mut tokens: Vec<TokenTree> = tokens.into_iter().collect();
        if tokens.is_empty() {
            return self.stream(2);
        }
        let place = self.below(tokens.len());
        if let TokenTree::Group(group) = &tokens[place]
            && self.below(4) != 0
        {
            tokens[place] = Group::new(group.delimiter(), self.mutate(group.stream())).into();
            return tokens.into_iter().collect();
        }
        match self.below(5) {
            0 => drop(tokens.remove(place)),
            1 => tokens.insert(place, tokens[place].clone()),
            2 => {
                let other = self.below(tokens.len());
                tokens.swap(place, other);
            }
            3 => tokens[place] = self.token(2),
            _ => tokens.insert(place, self.token(2)),
        }
        tokens.into_iter().collect()
    }
}

#[test]
fn no_input_panics() {
    let valid: Vec<_> = inputs::all().collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for case in 0..CASES {
        let (name, arguments, item) = if case % 4 == 0 {
            (
                MACROS[random.below(MACROS.len())],
                random.stream(2),
                random.stream(3),
            )
        } else {
            let from = valid[random.below(valid.len())];
            // Sometimes the item of one macro under another.
            let name = if random.below(8) == 0 {
                MACROS[random.below(MACROS.len())]
            } else {
                from.name
            };
            let (mut arguments, mut item) = (tokens(from.arguments), tokens(from.item));
            for _ in 0..=random.below(3) {
                if random.below(6) == 0 {
                    arguments = random.mutate(arguments);
                } else {
                    item = random.mutate(item);
                }
            }
            (name, arguments, item)
        };
        let shown = format!("#[{name}({arguments})] {item}");
        let result = panic::catch_unwind(|| drop(run(name, arguments, item)));
        assert!(result.is_ok(), "case {case}: {shown}");
    }
}
