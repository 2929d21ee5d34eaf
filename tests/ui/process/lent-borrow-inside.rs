//! Lent arguments with a lifetime outside and inside: what is to be written has neither.

use std::collections::HashMap;

use roundrock::prelude::*;

struct Rules<'a>(&'a str);

#[process]
async fn route<'a>(raw: &'a Receiver<&'a str>) {
    let _ = raw;
}

#[process]
async fn sort<'a>(names: &'a HashMap<&'a str, (u8, &'a [u8])>) {
    let _ = names;
}

#[process]
async fn judge<'a>(rules: &'a Rules<'a>) {
    let _ = rules.0;
}

#[process]
async fn fill(bytes: &mut [u8]) {
    let _ = bytes;
}

fn wire(scope: &Scope, raw: Receiver<String>) {
    scope.spawn(route(raw));
    scope.spawn(sort(HashMap::<String, (u8, Vec<u8>)>::new()));
    scope.spawn(judge(Rules("all")));
    scope.spawn(fill(vec![]));
}

fn main() {}
