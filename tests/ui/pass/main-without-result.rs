//! `main` that returns nothing, with the scope by its full name.

#[roundrock::main]
async fn main(_: &roundrock::Scope) {}
