//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::nearest;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Routes events, one JSON object a line, to sinks by rules.

    router [--events N]               demonstration: 8 clients post a sample of real earthquakes
    router FILE... [--config FILE]    routes files; `-` is standard input
    router serve --config FILE        routes what comes over HTTP and TCP until SIGINT or SIGTERM

    --json                            prints the closing table as a JSON object as well, on the last line

Without --config, files go to standard output unchanged; lines that are no JSON objects go to dead.ndjson.
With FILE and --config, nothing is listened on, even if the configuration has `input`.
A file that is named twice is read twice. Four files are read at the same time, pipes and `-` beside them.
Lines may come out in another order than they went in; a configuration with `workers = 1` keeps the order of each input.
The exit code is 0 if every event was delivered or is a dead letter, 4 if one was lost, 1 after any other failure.

A configuration is TOML. With this one, `router serve --config FILE` takes events at http://127.0.0.1:8080/events:

    [input]
    http = \"8080\"

    [sinks.strong]
    type = \"file\"
    path = \"strong.ndjson\"

    [sinks.rest]
    type = \"stdout\"

    [[rules]]
    when = \"event.properties.mag >= 5.0\"
    sinks = [\"strong\"]

    [default]
    sinks = [\"rest\"]

An event goes to the sinks of every rule whose condition, in CEL, holds; if none does, to those of `default`.
A rule may also `keep` some fields of the event, and `add` others: add = { depth = { cel = \"event.geometry.coordinates[2]\" } }
`input.tcp` takes lines over TCP. What may be left out, with its default (`workers`: one for each CPU):

    dead_letters = \"dead.ndjson\"   # what could not be delivered, with the reason
    drain = \"10s\"                  # time for what is under way at a stop

    [limits]
    line_bytes = 1048576           # longest line
    body_bytes = 67108864          # longest body of a request
    rule_bytes = 67108864          # memory for what rules read of long lines
    connections = 64               # clients at the same time
    client_timeout = \"10s\"         # how long a client may let the router wait

    [sinks.a]
    type = \"file\"                  # or \"stdout\", or \"null\"
    path = \"a.ndjson\"
    truncate = false               # lines are added to what is there

    [sinks.b]
    type = \"webhook\"               # each event in a POST of its own
    url = \"http://localhost:9100/\"
    attempts = 5
    backoff = \"100ms\"              # the first pause between them; it doubles
    max_backoff = \"5s\"
    timeout = \"5s\"                 # time for an answer
    parallel = 4                   # requests at a time

All fields are explained in examples/router/config/mod.rs; examples/router/data/demo.toml is a longer example.
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Print the help.
    Help,
    /// Show the router at work with the sample.
    Demo {
        /// How many events to post.
        events: u64,
        /// Print JSON as well.
        json: bool,
    },
    /// Route files.
    Files {
        /// The files.
        files: Vec<PathBuf>,
        /// The configuration.
        config: Option<PathBuf>,
        /// Print JSON as well.
        json: bool,
    },
    /// Listen until a signal.
    Serve {
        /// The configuration.
        config: PathBuf,
        /// Print JSON as well.
        json: bool,
    },
    /// One client of the demonstration: posts the sample to the router.
    Client {
        /// Where the router listens.
        address: SocketAddr,
        /// How many events to post.
        events: u64,
    },
}

/// How many events the demonstration posts unless told otherwise.
const DEMO_EVENTS: u64 = 1_000_000;

/// The first argument of a client process; it is not for users.
pub(crate) const CLIENT: &str = "demo-client";

impl Command {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    ///
    /// Says which argument is wrong, and what to write.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut arguments = arguments.peekable();
        if arguments.next_if(|first| first == CLIENT).is_some() {
            return Self::client(arguments);
        }
        let serve = arguments.next_if(|first| first == "serve").is_some();
        let (mut events, mut json, mut config, mut files) = (None, false, None, Vec::new());
        while let Some(argument) = arguments.next() {
            // The name of a file need not be UTF-8.
            let word = argument.to_string_lossy();
            let mut value = |what: &str| {
                arguments
                    .next()
                    .ok_or_else(|| format!("{word} needs {what} after it"))
            };
            match &*word {
                "--help" | "-h" => return Ok(Self::Help),
                "--json" => json = true,
                "--config" => config = Some(PathBuf::from(value("a file")?)),
                "--events" => events = Some(number(&value("a number")?.to_string_lossy())?),
                option if option.starts_with('-') && option != "-" => return Err(unknown(option)),
                _ => files.push(PathBuf::from(argument)),
            }
        }
        match (serve, events, files.is_empty(), config) {
            (true, None, true, Some(config)) => Ok(Self::Serve { config, json }),
            (true, None, true, None) => Err("serve needs a configuration; write `router serve --config FILE`".to_owned()),
            (true, _, _, _) => Err("serve takes only --config FILE and --json".to_owned()),
            (false, None, false, config) => Ok(Self::Files { files, config, json }),
            (false, events, true, None) => Ok(Self::Demo {
                events: events.unwrap_or(DEMO_EVENTS),
                json,
            }),
            (false, _, true, Some(_)) => {
                Err("--config needs something to route; write `router serve --config FILE` or name files".to_owned())
            }
            (false, Some(_), false, _) => Err("--events is for the demonstration, which takes no files".to_owned()),
        }
    }

    fn client(arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut arguments = arguments.filter_map(|argument| argument.into_string().ok());
        let address = arguments.next().and_then(|address| address.parse().ok());
        let events = arguments.next().and_then(|events| events.parse().ok());
        match (address, events) {
            (Some(address), Some(events)) => Ok(Self::Client { address, events }),
            _ => Err(format!("{CLIENT} is started by the demonstration only")),
        }
    }
}

fn number(text: &str) -> Result<u64, String> {
    let digits = text.replace('_', "");
    digits
        .parse()
        .map_err(|_| format!("--events {text}: write a whole number"))
}

fn unknown(option: &str) -> String {
    let hint = match nearest(option, &["--json", "--config", "--events", "--help"]) {
        Some(near) => format!("did you mean {near}?"),
        None => "write `router --help` to see them all".to_owned(),
    };
    format!("there is no option {option}; {hint}")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::Command;

    fn parse(line: &str) -> Result<Command, String> {
        Command::parse(line.split_ascii_whitespace().map(OsString::from))
    }

    #[test]
    fn each_form_is_understood() {
        let demo = |events, json| Ok(Command::Demo { events, json });
        assert_eq!(parse(""), demo(1_000_000, false));
        assert_eq!(parse("--json --events 2_000"), demo(2000, true));
        assert_eq!(parse("--help"), Ok(Command::Help));
        assert_eq!(
            parse("a - --config c --json"),
            Ok(Command::Files {
                files: vec!["a".into(), "-".into()],
                config: Some("c".into()),
                json: true,
            })
        );
        let serve = Command::Serve {
            config: "c".into(),
            json: false,
        };
        assert_eq!(parse("serve --config c"), Ok(serve));
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (line, want) in [
            ("--jsno", "there is no option --jsno; did you mean --json?"),
            ("--events", "--events needs a number after it"),
            ("--events x", "--events x: write a whole number"),
            (
                "serve",
                "serve needs a configuration; write `router serve --config FILE`",
            ),
            (
                "serve a --config c",
                "serve takes only --config FILE and --json",
            ),
            (
                "--config c",
                "--config needs something to route; write `router serve --config FILE` or name files",
            ),
        ] {
            assert_eq!(parse(line), Err(want.to_owned()), "{line}");
        }
    }
}
