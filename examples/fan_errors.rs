//! Fan-out and fan-in with errors: the first failure stops the siblings and is returned, with its causes.
//!
//! Four readers work on one list and send what they find into one channel. One file is broken: its reader fails, the others
//! are stopped before they are through, and the group returns the error of the file, and not what followed from it.
//!
//! Last line: `ok`

use roundrock::prelude::*;

const FILES: [(&str, &str); 6] = [
    ("a", "1"),
    ("b", "2"),
    ("c", "three"),
    ("d", "4"),
    ("e", "5"),
    ("f", "6"),
];

/// Reads one file after the other.
#[process]
async fn reader(names: &Receiver<String>, found: &Sender<i64>) -> Result<()> {
    while let Some(name) = names.recv().await {
        let number = parse(&name)
            .await
            .with_context(|| format!("cannot read file `{name}`"))?;
        found.send(number).await?;
    }
    Ok(())
}

/// Takes a moment, as a disk would.
async fn parse(name: &str) -> Result<i64> {
    sleep(millis(5)).await;
    let (_, text) = FILES
        .iter()
        .find(|(file, _)| *file == name)
        .context("no such file")?;
    let number = text
        .parse()
        .with_context(|| format!("`{text}` is not a number"))?;
    Ok(number)
}

/// Reads the files with as many readers and adds up what they find.
async fn sum(scope: &Scope, readers: usize, names: &[&str]) -> Result<i64> {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    scope
        .group(async |group| {
            let (files, to_read) = rendezvous();
            let (found, numbers) = bounded(4);
            group.pool(readers, reader(to_read, found));
            group.task("names", async move {
                for name in names {
                    files.send(name).await?;
                }
                roundrock::Ok(())
            });
            let mut sum = 0;
            while let Some(number) = numbers.recv().await {
                sum += number;
            }
            Ok(sum)
        })
        .await
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let good = sum(scope, 4, &["a", "b", "d", "e", "f"]).await?;
    println!("five good files: {good}");

    let Err(error) = sum(scope, 4, &FILES.map(|(name, _)| name)).await else {
        bail!("the broken file was not noticed");
    };
    println!("all six files:");
    for (depth, cause) in error.chain().enumerate() {
        println!("{:indent$}{cause}", "", indent = 2 * depth + 2);
    }

    let text = format!("{error:#}");
    let causes = [
        "cannot read file `c`",
        "`three` is not a number",
        "invalid digit",
    ];
    ensure!(good == 18, "the sum is {good}");
    ensure!(
        causes.iter().all(|cause| text.contains(cause)),
        "not the error that was expected: {text}"
    );
    println!("ok");
    Ok(())
}
