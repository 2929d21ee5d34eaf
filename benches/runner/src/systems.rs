//! The systems that are compared.

/// How a system's program is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// A binary of a package of this workspace, of the same name.
    Cargo {
        package: &'static str,
        binary: &'static str,
        features: &'static [&'static str],
    },
    /// The folder `go`.
    Go,
    /// The folder `erlang`.
    Erlang,
}

/// A system.
#[derive(Debug)]
pub struct System {
    pub name: &'static str,
    pub build: Build,
    /// The form of Roundrock that its ratios are to.
    pub beside: &'static str,
    /// Its colour in the plot.
    pub colour: &'static str,
    /// Where it does less, because it would take too long, or because it cannot do more.
    scales: &'static [(&'static str, f64)],
}

/// Roundrock as functions and channels.
pub const ROUNDROCK: &str = "roundrock";
/// Roundrock as structs with handlers.
pub const ACTORS: &str = "roundrock-actors";
/// Roundrock as functions, without counters, times and wait records: what those cost.
pub const BOOKLESS: &str = "roundrock-bookless";

impl System {
    const fn cargo(name: &'static str, package: &'static str, colour: &'static str) -> Self {
        Self {
            name,
            build: Build::Cargo {
                package,
                binary: package,
                features: &[],
            },
            beside: ROUNDROCK,
            colour,
            scales: &[],
        }
    }

    const fn actors(mut self) -> Self {
        self.beside = ACTORS;
        self
    }

    const fn scaled(mut self, scales: &'static [(&'static str, f64)]) -> Self {
        self.scales = scales;
        self
    }

    /// What its counts are multiplied with.
    pub fn scale(&self, workload: &str) -> f64 {
        let found = self.scales.iter().find(|(name, _)| *name == workload);
        found.map_or(1.0, |(_, scale)| *scale)
    }

    /// Whether this is Roundrock in one of its forms.
    pub fn is_roundrock(&self) -> bool {
        [ROUNDROCK, ACTORS, BOOKLESS].contains(&self.name)
    }
}

/// All of them, in the order of the table.
pub const SYSTEMS: &[System] = &[
    System::cargo(ROUNDROCK, "bench-roundrock", "#000000"),
    System {
        name: ACTORS,
        build: Build::Cargo {
            package: "bench-roundrock",
            binary: "bench-roundrock-actors",
            features: &[],
        },
        beside: ROUNDROCK,
        colour: "#888888",
        scales: &[],
    },
    System {
        name: BOOKLESS,
        build: Build::Cargo {
            package: "bench-roundrock",
            binary: "bench-roundrock",
            features: &["without-books"],
        },
        beside: ROUNDROCK,
        colour: "#cccccc",
        scales: &[],
    },
    System {
        name: "tokio",
        build: Build::Cargo {
            package: "bench-tokio",
            binary: "bench-tokio",
            features: &["bench-tokio/http"],
        },
        beside: ROUNDROCK,
        colour: "#1f77b4",
        scales: &[("mpmc", 0.5), ("router", 0.5)],
    },
    System::cargo("kanal", "bench-kanal", "#ff7f0e"),
    System::cargo("crossfire", "bench-crossfire", "#2ca02c").scaled(&[("idle_mem", 0.3)]),
    System::cargo("flume", "bench-flume", "#d62728").scaled(&[("router", 0.4)]),
    System::cargo("async-channel", "bench-async-channel", "#9467bd"),
    System::cargo("smol", "bench-smol", "#8c564b").scaled(&[("mpmc", 0.5), ("router", 0.5)]),
    System::cargo("may", "bench-may", "#e377c2").scaled(MAPS),
    System::cargo("kameo", "bench-kameo", "#bcbd22")
        .actors()
        .scaled(SLOW_ACTORS),
    System::cargo("ractor", "bench-ractor", "#17becf")
        .actors()
        .scaled(SLOW_ACTORS),
    System::cargo("actix", "bench-actix", "#393b79")
        .actors()
        .scaled(TWO_ARBITERS),
    System::cargo("threads", "bench-threads", "#7f7f7f"),
    System::cargo("rayon", "bench-rayon", "#aec7e8"),
    System::cargo("shuttle", "bench-shuttle", "#637939"),
    System::cargo("madsim", "bench-madsim", "#8c6d31"),
    System {
        name: "go",
        build: Build::Go,
        beside: ROUNDROCK,
        colour: "#00add8",
        scales: &[],
    },
    System {
        name: "erlang",
        build: Build::Erlang,
        beside: ACTORS,
        colour: "#a90533",
        scales: &[("mpsc", 0.5), ("forkjoin", 0.4), ("router", 0.5)],
    },
];

/// Two memory maps for each stack: Linux gives 65,530 to a process.
const MAPS: &[(&str, f64)] = &[
    ("idle_mem", 0.025),
    ("wake", 0.025),
    ("skynet", 0.01),
    ("timers", 0.25),
    ("idle_cpu", 0.25),
];

/// Several microseconds for each actor.
const SLOW_ACTORS: &[(&str, f64)] = &[
    ("spawn", 0.1),
    ("idle_mem", 0.2),
    ("wake", 0.2),
    ("skynet", 0.1),
    ("pingpong", 0.5),
    ("ring", 0.5),
    ("stream", 0.5),
    ("stream0", 0.5),
    ("mpsc", 0.5),
    ("forkjoin", 0.5),
];

/// Every message between the arbiters wakes a thread.
const TWO_ARBITERS: &[(&str, f64)] = &[
    ("spawn", 0.3),
    ("wake", 0.5),
    ("pingpong", 0.05),
    ("ring", 0.05),
    ("ask", 0.2),
    ("skynet", 0.1),
];
