//! A handler named like a method that every handle has, and called with its own arguments.

use roundrock::prelude::*;

#[process]
struct Pages {
    links: Vec<String>,
}

#[handlers]
impl Pages {
    fn link(&mut self, url: String) -> usize {
        self.links.push(url);
        self.links.len()
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let pages = scope.spawn(Pages { links: Vec::new() });
    let count: usize = pages.link("https://example.org".to_owned()).await?;
    println!("{count}");
    Ok(())
}
