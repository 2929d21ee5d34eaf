//! The demonstration, with fewer events.

use crate::support::{Router, SAMPLE, folder, sorted_lines};

#[test]
fn the_demonstration_balances_its_books() {
    let folder = folder("demo");
    let ended = Router::start(&folder, &["--events", "20000", "--json"]).wait();
    let books = ended.books();
    assert_eq!(
        (&books["events_in"], &books["events_out"]),
        (&20_000.into(), &20_000.into())
    );
    let sinks = books["per_sink"].as_object().unwrap();
    for (sink, deliveries) in sinks {
        let lines = sorted_lines(&folder.join(format!("target/router-demo/{sink}.ndjson")));
        assert_eq!(*deliveries, lines.len(), "{sink}");
        assert!(!lines.is_empty(), "{sink}");
    }
    let strong = sorted_lines(&folder.join("target/router-demo/strong.ndjson"));
    assert!(strong.iter().all(|line| SAMPLE.contains(line.as_str())));
    assert!(
        ended.stderr.contains(" of 20,000 events, "),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stdout.contains("events per second"),
        "{}",
        ended.stdout
    );
}
